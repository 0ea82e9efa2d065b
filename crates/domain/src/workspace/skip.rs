//! Events that a person lets a read model pass over. They are in the record, so that whatever is built
//! from it again passes over the same ones.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

use super::{Workspace, WorkspaceEvent};

/// One event that one read model passes over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Skip {
    /// The name of the read model.
    pub projection: SmolStr,
    /// The kind of the event's aggregate, such as `user`.
    pub kind: SmolStr,
    /// The id of that aggregate.
    pub stream: Uuid,
    /// The event's position in the workspace.
    pub position: u64,
}

impl Workspace {
    pub(super) fn skip_from_here(&mut self, skip: &Skip, is_skipped: bool) {
        if is_skipped {
            self.skipped.insert(skip.clone());
        } else {
            self.skipped.remove(skip);
        }
    }

    /// Skipping twice is skipping.
    pub(super) fn skip(&self, skip: &Skip, reason: &str) -> Vec<WorkspaceEvent> {
        if self.skipped.contains(skip) {
            return Vec::new();
        }
        vec![WorkspaceEvent::EventSkipped { skip: skip.clone(), reason: reason.to_owned() }]
    }

    /// Taking back twice is taking back.
    pub(super) fn unskip(&self, skip: &Skip) -> Vec<WorkspaceEvent> {
        if !self.skipped.contains(skip) {
            return Vec::new();
        }
        vec![WorkspaceEvent::EventUnskipped { skip: skip.clone() }]
    }
}
