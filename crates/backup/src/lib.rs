//! Backups of an installation, and what is made of them again.
//!
//! A backup is a directory that grows. Its log is a log: events that the installation has and the backup
//! lacks are added; what is small is replaced. A manifest, written last, says of each workspace how many
//! events there are, in a signed checkpoint, so that whoever restores can tell whether anybody has changed
//! them. A directory without manifest is no backup.
//!
//! - [`take()`]: makes or adds to one, while the installation is in use
//! - [`Backups`]: the same in the background of a server, in the directory that its operator has named
//! - [`restore()`]: makes an installation of one, whole or up to an earlier point
//! - `fit`: whether directories will do
//! - `ledgers`: who was erased, which no backup loses
//! - `claims`: what streams hold, from their events
//! - [`Manifest`]: what is in a backup
//! - [`moving`]: one workspace goes to another installation, made of the same parts
//!
//! Invariant: a restored workspace sends nothing to devices before a person has resumed deliveries.
//! Invariant: a directory in which a restore was cut off does not open as an installation.

mod background;
mod claims;
mod fit;
mod ledgers;
mod manifest;
pub mod moving;
mod place;
mod restore;
mod suspend;
mod take;

pub use background::{Backups, Busy, Run, RunState};
pub use fit::Misplaced;
pub use ledgers::Lines;
pub use manifest::{Manifest, ManifestError, Part};
pub use place::Place;
pub use restore::{Restore, RestoreError, Restored, Until, restore};
pub use take::{BackupError, Source, take};

/// How far something is: which workspaces' events, or streams, are done, and of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is counted: `events` (that are copied and checked), `streams`, or `merged` (events again).
    pub what: &'static str,
    /// How many are done.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}
