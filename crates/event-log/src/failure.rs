//! What goes wrong on our side: never the caller's fault, never an answer to a question.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{StreamId, WorkspaceId};

/// Why the log could not do what it was asked.
///
/// It can be cloned because one failed commit fails everybody who waited for it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The storage refused. Whether a failed append was stored is then unknown: read before
    /// appending again.
    #[error("{doing}")]
    Storage {
        /// What was attempted.
        doing: &'static str,
        /// What the storage said.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The log holds something that it can not have written itself.
    #[error("workspace {workspace}: {what} at position {position}")]
    Corrupt {
        /// Whose log it is.
        workspace: WorkspaceId,
        /// The first event concerned.
        position: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// A stream lacks an event.
    #[error("stream {stream}: version {version} is missing")]
    Gap {
        /// Which stream.
        stream: StreamId,
        /// The first version that is missing.
        version: u64,
    },
    /// An event was to be sealed with a key that was destroyed or is lost.
    #[error("workspace {workspace}: data key {key} is gone")]
    KeyGone {
        /// Whose key it was.
        workspace: WorkspaceId,
        /// Its number.
        key: u64,
    },
    /// The log has been closed.
    #[error("the log is closed")]
    Closed,
}

impl Failure {
    /// What the storage said, with what was attempted.
    pub(crate) fn storage<E>(doing: &'static str) -> impl Fn(E) -> Self
    where
        E: Error + Send + Sync + 'static,
    {
        move |source| Self::Storage { doing, source: Arc::new(source) }
    }
}

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another log in this one, has the directory.
    #[error("another process uses the data directory {}", .0.display())]
    InUse(PathBuf),
    /// A restore was cut off in the middle: what is there may lack anything.
    #[error("a restore into {} was not finished: remove the directory and restore again", .0.display())]
    HalfRestored(PathBuf),
    /// The SQLite that was linked has a fault that can destroy a log.
    #[error("SQLite {0} is too old: 3.51.3 or newer is needed")]
    SqliteTooOld(&'static str),
    /// The files were written by a newer version of this program.
    #[error("the file {} has format {found}, this program knows {known}", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The format it has.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// The keys are wrapped with a master key, and none was given.
    #[error("the keys are wrapped with a master key, and none is configured")]
    MasterKeyNeeded,
    /// The master key is not the one the keys were wrapped with.
    #[error("the master key is not the one that the keys were wrapped with")]
    MasterKeyWrong,
    /// `log.db` and `keys.db` do not belong together: one of them is lost, or from elsewhere.
    #[error("log.db and keys.db do not belong together")]
    OtherKeys,
    /// The ledger of erasures names keys of another installation: nothing was destroyed.
    #[error("{}: the ledger of erasures belongs to another installation", .0.display())]
    OtherLedger(PathBuf),
    /// The storage refused.
    #[error(transparent)]
    Failure(#[from] Failure),
}
