//! Whether a ledger of erasures has everybody whom a record says to be erased.
//!
//! An installation may keep its ledger elsewhere, and a command that is not told so finds none, or another one:
//! the keys of whoever was erased would not be destroyed again where they come back, and lines would go into a
//! file that no server reads.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use domain::Event;
use domain::user::UserEvent;
use event_log::ledger::Erasure;
use event_log::{Failure, WorkspaceId, moving};
use projections::{ReadError, Recorded};

/// The event that says that somebody was erased.
const ERASED: &str = "user.erased";

/// Why a ledger is not the one that belongs to a record, or why nobody knows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotItsLedger {
    /// It lacks lines.
    #[error(
        "the ledger of erasures {} lacks {count} of the erasures that the record of {workspace} has: say where \
         the ledger lies, as its server is told (--erasure-ledger, or MUSTER_ERASURE_LEDGER). If it is this one, \
         somebody is being erased right now, or lines were lost: a server that is started writes them again",
        path.display()
    )]
    Lacks {
        /// The ledger.
        path: PathBuf,
        /// Whose record.
        workspace: WorkspaceId,
        /// How many erasures it lacks.
        count: usize,
    },
    /// There is none, where a server makes one at its first start.
    #[error(
        "there is no ledger of erasures {}: say where it lies, as the server of this installation is told \
         (--erasure-ledger, or MUSTER_ERASURE_LEDGER). If it was lost, start the server once",
        .0.display()
    )]
    Missing(PathBuf),
    /// An event does not read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log does not read.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// Compares what a ledger says with the record of a workspace in a directory, which may be in use.
///
/// # Errors
/// [`NotItsLedger::Lacks`], and what the log says.
pub(super) fn compare(
    (path, erasures): (&Path, &[Erasure]),
    dir: &Path,
    workspace: &WorkspaceId,
) -> Result<(), NotItsLedger> {
    let known: BTreeSet<_> = erasures.iter().map(|it| it.id).collect();
    let mut lacking = BTreeSet::new();
    for event in moving::named(dir, workspace, ERASED)? {
        if let Some(Recorded { event: Event::User(UserEvent::Erased { erasure, .. }), .. }) =
            Recorded::read(event)?
            && !known.contains(&erasure.0)
        {
            lacking.insert(erasure);
        }
    }
    if lacking.is_empty() {
        return Ok(());
    }
    let (path, workspace) = (path.to_owned(), workspace.clone());
    Err(NotItsLedger::Lacks { path, workspace, count: lacking.len() })
}
