//! A workspace's log as it stood at a position: what came later is not there.
//!
//! Whatever is built from a log (states, read models) shows a moment of the past when it is built
//! from this one, without knowing it. Nothing can be added. Keys are those of today, so whoever was
//! erased since is unreadable in the past as well. Claims are those of today, too: no history of them is kept.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{
    AppendError, BoxFuture, Claim, Commands, CommitOutcome, Erasure, EventFilter, EventLog,
    Failure, Hash, Inclusion, Journal, Kept, Keyring, Ledger, Micros, StoredEvent, StreamAppend,
    StreamId, TreeHead, Verdict, WorkspaceId,
};

/// See the module.
pub struct AsOf {
    log: Arc<dyn EventLog>,
    workspace: WorkspaceId,
    position: u64,
    tick: watch::Sender<u64>,
}

impl AsOf {
    /// A workspace up to a position. Beyond the head means the head.
    pub fn new(log: Arc<dyn EventLog>, workspace: WorkspaceId, position: u64) -> Self {
        let position = position.min(log.head(&workspace));
        Self { log, workspace, position, tick: watch::Sender::new(0) }
    }

    /// Leaves out what came later, or is another workspace's.
    fn cut<'a>(
        &self,
        workspace: &WorkspaceId,
        events: BoxFuture<'a, Result<Vec<StoredEvent>, Failure>>,
    ) -> BoxFuture<'a, Result<Vec<StoredEvent>, Failure>> {
        let head = self.head(workspace);
        Box::pin(async move {
            let mut events = events.await?;
            events.retain(|event| event.position <= head);
            Ok(events)
        })
    }
}

impl EventLog for AsOf {
    fn append(
        &self,
        _: StreamAppend,
    ) -> BoxFuture<'static, Result<Vec<CommitOutcome>, AppendError>> {
        Box::pin(async { Err(AppendError::ReadOnly) })
    }

    fn head(&self, workspace: &WorkspaceId) -> u64 {
        if *workspace == self.workspace { self.position } else { 0 }
    }

    fn heads(&self) -> Vec<(WorkspaceId, u64)> {
        vec![(self.workspace.clone(), self.position)]
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.tick.subscribe()
    }

    fn read(
        &self,
        workspace: &WorkspaceId,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredEvent>, Failure>> {
        self.cut(workspace, self.log.read(workspace, after, limit))
    }

    fn read_stream(
        &self,
        workspace: &WorkspaceId,
        stream: &StreamId,
        after_version: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredEvent>, Failure>> {
        self.cut(workspace, self.log.read_stream(workspace, stream, after_version, limit))
    }

    fn find(
        &self,
        workspace: &WorkspaceId,
        filter: &EventFilter,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredEvent>, Failure>> {
        self.cut(workspace, self.log.find(workspace, filter, after, limit))
    }

    fn position_at(
        &self,
        workspace: &WorkspaceId,
        time: Micros,
    ) -> BoxFuture<'_, Result<u64, Failure>> {
        let (head, found) = (self.head(workspace), self.log.position_at(workspace, time));
        Box::pin(async move { Ok(found.await?.min(head)) })
    }

    fn claim_holder(
        &self,
        workspace: &WorkspaceId,
        claim: &Claim,
    ) -> BoxFuture<'_, Result<Option<StreamId>, Failure>> {
        self.log.claim_holder(workspace, claim)
    }

    /// Readers of a past have nothing to do: what followed from it is in the log, or came later.
    fn checkpoint(&self, workspace: &WorkspaceId, _: &str) -> BoxFuture<'_, Result<u64, Failure>> {
        let head = self.head(workspace);
        Box::pin(async move { Ok(head) })
    }

    fn tree(&self, workspace: &WorkspaceId) -> BoxFuture<'_, Result<TreeHead, Failure>> {
        self.log.tree(workspace)
    }

    fn tree_at(
        &self,
        workspace: &WorkspaceId,
        size: u64,
    ) -> BoxFuture<'_, Result<Option<TreeHead>, Failure>> {
        let known = size <= self.head(workspace);
        let found = self.log.tree_at(workspace, size);
        Box::pin(async move { Ok(found.await?.filter(|_| known)) })
    }

    fn kept(
        &self,
        workspace: &WorkspaceId,
        positions: Vec<u64>,
    ) -> BoxFuture<'_, Result<Vec<Kept>, Failure>> {
        self.log.kept(workspace, positions)
    }

    fn inclusion(
        &self,
        workspace: &WorkspaceId,
        position: u64,
        size: u64,
    ) -> BoxFuture<'_, Result<Option<Inclusion>, Failure>> {
        self.log.inclusion(workspace, position, size)
    }

    fn consistency(
        &self,
        workspace: &WorkspaceId,
        before: u64,
        size: u64,
    ) -> BoxFuture<'_, Result<Option<Vec<Hash>>, Failure>> {
        self.log.consistency(workspace, before, size)
    }

    fn erase(&self, _: Erasure) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async { Err(Failure::Closed) })
    }

    fn ledger(&self) -> &Ledger {
        self.log.ledger()
    }

    fn journal(&self) -> &Journal {
        self.log.journal()
    }

    fn commands(&self) -> &Commands {
        self.log.commands()
    }

    fn keyring(&self) -> &Keyring {
        self.log.keyring()
    }

    fn verify<'a>(
        &'a self,
        workspace: &'a WorkspaceId,
        progress: &'a mut (dyn FnMut(u64, u64) + Send),
    ) -> BoxFuture<'a, Result<Verdict, Failure>> {
        self.log.verify(workspace, progress)
    }
}
