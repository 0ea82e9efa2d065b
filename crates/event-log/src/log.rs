//! The one trait behind which the storage lies.

use std::pin::Pin;

use tokio::sync::watch;

use crate::{
    AppendError, Claim, Commands, CommitOutcome, Erasure, EventFilter, Failure, Hash, Inclusion,
    Journal, Kept, Keyring, Ledger, Micros, StoredEvent, StreamAppend, StreamId, TreeHead, Verdict,
    WorkspaceId,
};

/// A future on the heap, so that the trait can be an object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Appends, reads and proves.
///
/// Reads see every append that has been acknowledged.
pub trait EventLog: Send + Sync {
    /// Stores a batch; resolves when it is on disk. One outcome for each commit.
    ///
    /// The batch is on its way when this returns: dropping the future loses the answer only.
    ///
    /// # Errors
    /// [`AppendError`]: nothing of the batch was stored.
    fn append(
        &self,
        batch: StreamAppend,
    ) -> BoxFuture<'static, Result<Vec<CommitOutcome>, AppendError>>;

    /// The last position of a workspace, from memory; 0 when it has none.
    fn head(&self, workspace: &WorkspaceId) -> u64;

    /// The last position of every workspace, in no order.
    fn heads(&self) -> Vec<(WorkspaceId, u64)>;

    /// A number that grows with each durable commit.
    fn watch(&self) -> watch::Receiver<u64>;

    /// The last positions of at least the workspaces that have changed since [`EventLog::watch`] showed
    /// this number; of all for 0. Where there are many workspaces, whoever follows all of them asks for
    /// these alone.
    fn heads_since(&self, _tick: u64) -> Vec<(WorkspaceId, u64)> {
        self.heads()
    }

    /// Whether it is certain that no event of a workspace after the position `after` belongs to such a
    /// stream. Of what is long ago nothing is known any more. Waits for nothing.
    fn nothing_since(
        &self,
        _workspace: &WorkspaceId,
        _after: u64,
        _of: &dyn Fn(&StreamId) -> bool,
    ) -> bool {
        false
    }

    /// At most `limit` events of a workspace after the position `after`, in order.
    fn read(
        &self,
        workspace: &WorkspaceId,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredEvent>, Failure>>;

    /// At most `limit` events of a stream after the version `after_version`, in order.
    fn read_stream(
        &self,
        workspace: &WorkspaceId,
        stream: &StreamId,
        after_version: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredEvent>, Failure>>;

    /// At most `limit` events of a workspace after the position `after` that match, in order.
    fn find(
        &self,
        workspace: &WorkspaceId,
        filter: &EventFilter,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredEvent>, Failure>>;

    /// The last position that was recorded at a time or before it; 0 when there is none.
    fn position_at(
        &self,
        workspace: &WorkspaceId,
        time: Micros,
    ) -> BoxFuture<'_, Result<u64, Failure>>;

    /// Who holds a claim.
    fn claim_holder(
        &self,
        workspace: &WorkspaceId,
        claim: &Claim,
    ) -> BoxFuture<'_, Result<Option<StreamId>, Failure>>;

    /// How far the reader of this name has come; 0 when it has not begun.
    fn checkpoint(
        &self,
        workspace: &WorkspaceId,
        name: &str,
    ) -> BoxFuture<'_, Result<u64, Failure>>;

    /// Size and root of a workspace's tree.
    fn tree(&self, workspace: &WorkspaceId) -> BoxFuture<'_, Result<TreeHead, Failure>>;

    /// Size and root of the tree of a workspace's first `size` events. `None` when there are not so
    /// many.
    fn tree_at(
        &self,
        workspace: &WorkspaceId,
        size: u64,
    ) -> BoxFuture<'_, Result<Option<TreeHead>, Failure>>;

    /// The events at these positions as they are kept, in the order of the positions given.
    ///
    /// # Errors
    /// [`Failure::Corrupt`] when one of them is not there.
    fn kept(
        &self,
        workspace: &WorkspaceId,
        positions: Vec<u64>,
    ) -> BoxFuture<'_, Result<Vec<Kept>, Failure>>;

    /// Proof that an event is in the tree of the first `size` events: to be checked with
    /// [`crate::verify_inclusion`]. `None` when there are not so many, or it is not among them.
    fn inclusion(
        &self,
        workspace: &WorkspaceId,
        position: u64,
        size: u64,
    ) -> BoxFuture<'_, Result<Option<Inclusion>, Failure>>;

    /// Proof that the tree of the first `size` events begins with that of the first `before`: to
    /// be checked with [`crate::verify_consistency`]. `None` when there are not so many.
    fn consistency(
        &self,
        workspace: &WorkspaceId,
        before: u64,
        size: u64,
    ) -> BoxFuture<'_, Result<Option<Vec<Hash>>, Failure>>;

    /// Destroys data keys of a workspace: what they sealed reads as [`crate::Payload::Erased`] from then
    /// on, for ever. The erasure is in the ledger before the first one goes. Resolves when no file holds
    /// any of them; asked twice, the second time does nothing.
    fn erase(&self, erasure: Erasure) -> BoxFuture<'_, Result<(), Failure>>;

    /// Which erasures there were.
    fn ledger(&self) -> &Ledger;

    /// What is recorded about requests, beside the log.
    fn journal(&self) -> &Journal;

    /// What services were told that cannot be asked about it, and what they reported.
    fn commands(&self) -> &Commands;

    /// The keys, and the secrets of the installation.
    fn keyring(&self) -> &Keyring;

    /// Recomputes every leaf and the root, and checks that nothing is missing or out of order.
    ///
    /// Reads the whole workspace, up to the head it has at the start. `progress` is told how many
    /// events are done, and of how many.
    fn verify<'a>(
        &'a self,
        workspace: &'a WorkspaceId,
        progress: &'a mut (dyn FnMut(u64, u64) + Send),
    ) -> BoxFuture<'a, Result<Verdict, Failure>>;
}
