//! One workspace moves to another installation, with its whole record.
//!
//! An *export* is a directory with one workspace: its log, what lies beside it, and its keys, which are
//! wrapped with a *transfer key* that is made for this export and lies elsewhere. Whoever has the one without
//! the other reads nothing personal. The manifest, written last, says what each file is; the transfer key
//! vouches for it, so that a byte that was changed on the way is found before anything else is looked at.
//!
//! - `export`: from an installation that may be in use
//! - `import`: into one that nobody uses meanwhile, all of it or nothing
//! - `erasures`: whether a ledger is the one that belongs to a record
//! - `manifest`: what is in an export
//! - `transfer`: the key
//!
//! What is the installation's own does not move: its signing key, access to its API, the requests of the
//! provisioning log, configuration.
//!
//! Invariant: an imported workspace sends nothing to devices before a person has resumed deliveries.
//! Invariant: where an import is refused or cut off, nothing of the workspace is there.

mod erasures;
mod export;
mod import;
mod manifest;
mod transfer;

use std::collections::BTreeSet;
use std::path::Path;

use domain::Decider;
use domain::workspace::{Origin, PastKey, Workspace};
use event_log::{Erasure, EventLog, Failure, SqliteLog, StreamId, WorkspaceId, moving};
use projections::ReadError;
use record::{KeyState, NotaryError, PublicKey, Verifier, export::show_time};
use uuid::Uuid;

use crate::suspend::fold;

pub use erasures::NotItsLedger;
pub use export::{Export, ExportError, Exported, export};
pub use import::{Import, ImportError, Imported, import};
pub use manifest::{Contents, WorkspaceManifest, WorkspaceManifestError};
pub use transfer::{NoTransferKey, TransferKey};

/// What the names of a workspace's secrets begin with: credentials of MDM services, which its events name.
fn secrets(workspace: &WorkspaceId) -> String {
    format!("mdm|{workspace}|")
}

/// The keys that signed checkpoints of a workspace before it came, oldest first.
///
/// # Errors
/// [`NotaryError::Damaged`] when one does not read.
pub fn past_keys(origins: &[Origin]) -> Result<Vec<PublicKey>, NotaryError> {
    let mut keys = Vec::new();
    for origin in origins {
        for PastKey { key, made, retired, last } in &origin.keys {
            let what = "a key that signed before the workspace was imported does not read";
            let verifier = Verifier::parse(key).map_err(|_| NotaryError::Damaged(what))?;
            let at = retired.clone().unwrap_or_else(|| show_time(origin.exported));
            // The last one ends with the checkpoint of what was exported.
            let last = match retired {
                Some(_) => last.clone(),
                None => Some(origin.checkpoint.clone()),
            };
            let state = KeyState::Retired { at, last };
            keys.push(PublicKey { verifier, made: made.clone(), state });
        }
    }
    Ok(keys)
}

/// The same, of a workspace in the log of a directory.
///
/// # Errors
/// When its events do not read, or a key does not.
pub(crate) fn keys_before_in(
    dir: &Path,
    workspace: &WorkspaceId,
) -> Result<Vec<PublicKey>, KeysError> {
    let stream = StreamId::new(Workspace::KIND, Uuid::nil());
    let events = moving::unsealed(dir, workspace, &stream)?;
    Ok(past_keys(&fold(events)?.state.origins)?)
}

/// The same, of a workspace in a log that is open.
///
/// # Errors
/// When its events do not read, or a key does not.
pub async fn keys_before(
    log: &SqliteLog,
    workspace: &WorkspaceId,
) -> Result<Vec<PublicKey>, KeysError> {
    let stream = StreamId::new(Workspace::KIND, Uuid::nil());
    let events = log.read_stream(workspace, &stream, 0, usize::MAX).await?;
    Ok(past_keys(&fold(events)?.state.origins)?)
}

/// How many persons erasures are of.
fn people(erasures: &[Erasure]) -> usize {
    let people = erasures.iter().filter(|it| !it.is_of_nobody()).map(|it| it.user);
    people.collect::<BTreeSet<_>>().len()
}

/// Why keys are not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The log does not read.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// An event does not read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A key does not read.
    #[error(transparent)]
    Notary(#[from] NotaryError),
}

/// A key as the record of the workspace keeps it.
fn past(key: PublicKey) -> PastKey {
    let (retired, last) = match key.state {
        KeyState::Signs => (None, None),
        KeyState::Retired { at, last } => (Some(at), last),
    };
    PastKey { key: key.verifier.to_string(), made: key.made, retired, last }
}
