//! What was said in the server's log: what goes wrong in a workspace goes wrong again at each commit of
//! anybody, and is said once in a while.

use std::collections::HashMap;

use domain::Micros;
use event_log::WorkspaceId;
use parking_lot::Mutex;

use crate::refusal::chain;

/// After how many seconds the same is said again.
const AGAIN_SECONDS: i64 = 30;
/// In microseconds.
const SECOND: Micros = 1_000_000;

/// When each thing was said last of each workspace.
#[derive(Default)]
pub(crate) struct Said(Mutex<HashMap<(&'static str, WorkspaceId), Micros>>);

impl Said {
    /// Says what goes wrong in a workspace, unless it was said just now.
    pub(crate) fn say(
        &self,
        what: &'static str,
        workspace: &WorkspaceId,
        error: &dyn std::error::Error,
        now: Micros,
    ) {
        let mut said = self.0.lock();
        said.retain(|_, at| (0..AGAIN_SECONDS * SECOND).contains(&(now - *at)));
        said.entry((what, workspace.clone())).or_insert_with(|| {
            tracing::error!(workspace.id = %workspace, error = %chain(error), "{what}");
            now
        });
    }
}
