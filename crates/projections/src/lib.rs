//! Read models: what has happened, arranged for the questions that are asked.
//!
//! A projection turns the log's events into the rows of a SQLite file of its own. The files belong to
//! one node and can be thrown away: everything in them follows from the log. A read first catches up
//! with the head of its workspace's log, then answers, so that every write is seen by the next read.
//! Nothing here decides anything, and nothing here calls anybody.
//!
//! Start at [`ReadModels`]; a projection is a [`Projection`] and one line of [`ALL`].
//!
//! Invariant: rows and the checkpoint that says up to where they go change in one transaction.
//! Invariant: an event that cannot be read or applied is never passed over unless a person says so: it
//! and what follows in its stream are held, and whoever reads is told.
//! Invariant: a rebuild never moves what serves until the next generation is complete.

pub mod accounts;
pub mod dashboard;
pub mod directory;
pub mod effects;
pub mod mdm;
pub mod store;
pub mod timeline;

mod background;
mod batch;
mod builds;
mod cursor;
mod damage;
mod dump;
mod failure;
mod fill;
mod generation;
mod held;
mod integrity;
mod making;
mod marks;
mod mender;
#[cfg(test)]
mod parity;
mod past;
#[cfg(test)]
mod plans;
mod power;
mod private;
mod projection;
mod projector;
mod purge;
mod read_models;
mod readers;
mod rebuild;
mod recorded;
mod seat;
mod skips;
mod sql;
#[cfg(test)]
mod testing;
mod vacancy;
mod verify;
mod wal;
mod workshop;
mod writer;

pub use background::stand_back;
pub use builds::{BuildState, BuildView, NoBuild, Phase, Purpose};
pub use cursor::{BadCursor, Cursor};
pub use failure::{Failure, OpenError};
pub use held::{HeldId, HeldStream, NoHeldId};
pub use marks::{Building, Stale};
pub use past::Departure;
pub use projection::{Projection, Table};
pub use read_models::{ReadModels, Status};
pub use readers::Reader;
pub use rebuild::{Begun, Order, Progress, RebuildError};
pub use recorded::{Erased, ReadError, Recorded};
pub use vacancy::{Remedy, Vacancy};
pub use verify::{Content, Difference, Unsound, Verified};

/// Every projection, in the order in which a batch reaches them: what SCIM reads comes first.
pub const ALL: &[&dyn Projection] = &[
    &directory::DirectoryProjection,
    &dashboard::Dashboard,
    &store::Store,
    &mdm::Mdm,
    &effects::EffectsProjection,
    &timeline::Timeline,
];
