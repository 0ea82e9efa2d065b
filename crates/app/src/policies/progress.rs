//! How far policies have come, and waiting for them.

use std::collections::HashMap;

use event_log::WorkspaceId;
use parking_lot::Mutex;
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    /// Everything up to this position has been dealt with.
    position: u64,
    /// The last event that a policy itself brought about.
    caused: u64,
    /// Whether nothing goes on there until a person or a newer version has mended something.
    stalled: bool,
}

/// How far policies have come in each workspace.
#[derive(Debug)]
pub struct Progress {
    reached: Mutex<HashMap<WorkspaceId, Reached>>,
    tick: watch::Sender<u64>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { reached: Mutex::default(), tick: watch::Sender::new(0) }
    }
}

impl Progress {
    /// Everything up to `position` has been dealt with.
    pub(crate) fn reach(&self, workspace: &WorkspaceId, position: u64) {
        let mut reached = self.reached.lock();
        let entry = reached.entry(workspace.clone()).or_default();
        entry.position = entry.position.max(position);
        entry.stalled = false;
        drop(reached);
        self.tick.send_modify(|tick| *tick += 1);
    }

    /// Policies cannot go on in a workspace, for longer than anybody wants to wait.
    pub(super) fn stall(&self, workspace: &WorkspaceId) {
        self.reached.lock().entry(workspace.clone()).or_default().stalled = true;
        self.tick.send_modify(|tick| *tick += 1);
    }

    /// Whether policies cannot go on in a workspace.
    pub(crate) fn is_stalled(&self, workspace: &WorkspaceId) -> bool {
        self.reached.lock().get(workspace).is_some_and(|reached| reached.stalled)
    }

    /// A policy brought about the event at `position`.
    pub(super) fn cause(&self, workspace: &WorkspaceId, position: u64) {
        let mut reached = self.reached.lock();
        let entry = reached.entry(workspace.clone()).or_default();
        entry.caused = entry.caused.max(position);
    }

    /// The position up to which a workspace has been dealt with.
    pub fn position(&self, workspace: &WorkspaceId) -> u64 {
        self.reached.lock().get(workspace).map_or(0, |reached| reached.position)
    }

    /// Waits until policies have dealt with everything up to `head`, and with what they themselves
    /// brought about on the way; or until they cannot go on.
    pub(crate) async fn settled(&self, workspace: &WorkspaceId, head: u64) {
        let mut ticks = self.tick.subscribe();
        let mut goal = head;
        loop {
            let Reached { position, caused, stalled } =
                self.reached.lock().get(workspace).copied().unwrap_or_default();
            if stalled {
                return;
            }
            if position >= goal {
                if caused <= position {
                    return;
                }
                goal = caused;
            } else if ticks.changed().await.is_err() {
                return;
            }
        }
    }
}
