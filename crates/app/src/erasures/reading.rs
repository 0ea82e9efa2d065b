//! The record of a workspace, part by part: whoever looks through all of it holds little at a time.

use event_log::{EventFilter, StoredEvent, WorkspaceId};

use crate::{App, Refusal};

/// How many events are read at a time.
const CHUNK: usize = 1_000;

/// The events of one type, or of several.
pub(super) struct Reading<'a> {
    app: &'a App,
    workspace: &'a WorkspaceId,
    filter: EventFilter,
    /// After which position the next part begins; `None` after the last one.
    after: Option<u64>,
}

impl<'a> Reading<'a> {
    /// Those after a position that are of a type, or whose type begins so: `user.erased`, `user.*`.
    pub(super) fn of(app: &'a App, workspace: &'a WorkspaceId, name: &str, after: u64) -> Self {
        let filter = EventFilter { name: Some(name.into()), ..EventFilter::default() };
        Self { app, workspace, filter, after: Some(after) }
    }

    /// The next ones, in order; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<StoredEvent>>, Refusal> {
        let Some(after) = self.after else { return Ok(None) };
        let events = self.app.log.find(self.workspace, &self.filter, after, CHUNK).await?;
        let last = events.last().map(|event| event.position);
        self.after = last.filter(|_| events.len() == CHUNK);
        // Reading does not wait, and others want the thread too.
        tokio::task::yield_now().await;
        Ok(Some(events))
    }
}
