//! The log in SQLite files.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use crate::{
    AppendError, BoxFuture, Claim, Clock, CommitOutcome, EventLog, Failure, OpenError, StoredEvent,
    StreamAppend, StreamId, TreeHead, Verdict, WorkspaceId,
};

/// How a log is opened.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The directory of the files; made when it is missing.
    pub data_dir: PathBuf,
    /// Wraps every key in `keys.db`.
    pub master_key: Option<[u8; 32]>,
    /// How many appends may wait.
    pub queue_appends_max: usize,
    /// How many bytes of payload may wait.
    pub queue_bytes_max: usize,
}

impl SqliteOptions {
    /// The defaults, in this directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            master_key: None,
            queue_appends_max: 4_096,
            queue_bytes_max: 32 << 20,
        }
    }
}

/// The log in SQLite files.
pub struct SqliteLog {
    tick: watch::Sender<u64>,
}

impl SqliteLog {
    /// Opens the log in a directory, and makes it when there is none.
    ///
    /// # Errors
    /// [`OpenError::InUse`] when somebody has it open.
    pub fn open(_options: SqliteOptions, _clock: Arc<dyn Clock>) -> Result<Arc<Self>, OpenError> {
        Ok(Arc::new(Self { tick: watch::Sender::new(0) }))
    }

    /// Stores what is waiting, then stops; later appends fail with [`Failure::Closed`].
    pub fn close(&self) {}
}

impl EventLog for SqliteLog {
    fn append(
        &self,
        _batch: StreamAppend,
    ) -> BoxFuture<'static, Result<Vec<CommitOutcome>, AppendError>> {
        Box::pin(async { Err(AppendError::Failed(Failure::Closed)) })
    }

    fn head(&self, _workspace: &WorkspaceId) -> u64 {
        0
    }

    fn heads(&self) -> Vec<(WorkspaceId, u64)> {
        Vec::new()
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.tick.subscribe()
    }

    fn read(
        &self,
        _workspace: &WorkspaceId,
        _after: u64,
        _limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredEvent>, Failure>> {
        Box::pin(async { Err(Failure::Closed) })
    }

    fn read_stream(
        &self,
        _workspace: &WorkspaceId,
        _stream: &StreamId,
        _after_version: u64,
        _limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredEvent>, Failure>> {
        Box::pin(async { Err(Failure::Closed) })
    }

    fn claim_holder(
        &self,
        _workspace: &WorkspaceId,
        _claim: &Claim,
    ) -> BoxFuture<'_, Result<Option<StreamId>, Failure>> {
        Box::pin(async { Err(Failure::Closed) })
    }

    fn checkpoint(
        &self,
        _workspace: &WorkspaceId,
        _name: &str,
    ) -> BoxFuture<'_, Result<u64, Failure>> {
        Box::pin(async { Err(Failure::Closed) })
    }

    fn tree(&self, _workspace: &WorkspaceId) -> BoxFuture<'_, Result<TreeHead, Failure>> {
        Box::pin(async { Err(Failure::Closed) })
    }

    fn erase(&self, _workspace: &WorkspaceId, _key: u64) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async { Err(Failure::Closed) })
    }

    fn verify<'a>(
        &'a self,
        _workspace: &'a WorkspaceId,
        _progress: &'a mut (dyn FnMut(u64, u64) + Send),
    ) -> BoxFuture<'a, Result<Verdict, Failure>> {
        Box::pin(async { Err(Failure::Closed) })
    }
}
