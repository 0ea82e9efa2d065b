//! The facts of segments. Open in the log: names of segments and ids of people.

use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};

use super::Grants;
use crate::{
    ids::SegmentId,
    stored::{Fact, Sealing, name_of},
};

/// What may become a fact of a workspace's segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum SegmentsEvent {
    /// There is one more.
    #[serde(rename = "segments.added")]
    Added {
        /// Its id.
        segment: SegmentId,
        /// What people call it.
        name: String,
        /// Under which it stands.
        parent: Option<SegmentId>,
    },
    /// One is called something else.
    #[serde(rename = "segments.renamed")]
    Renamed {
        /// Which.
        segment: SegmentId,
        /// What.
        name: String,
    },
    /// One stands under another one, with all below it.
    #[serde(rename = "segments.moved")]
    Moved {
        /// Which.
        segment: SegmentId,
        /// Under which.
        parent: Option<SegmentId>,
    },
    /// One is gone.
    #[serde(rename = "segments.removed")]
    Removed {
        /// Which.
        segment: SegmentId,
    },
    /// Collaborators may do this in one and below, and nothing else.
    #[serde(rename = "segments.grants_set")]
    GrantsSet {
        /// In which.
        segment: SegmentId,
        /// What, by collaborator.
        grants: Grants,
    },
}

impl DomainEvent for SegmentsEvent {
    fn event_type(&self) -> String {
        name_of(self)
    }

    fn event_version(&self) -> String {
        self.schema_version().to_string()
    }
}

impl Fact for SegmentsEvent {
    fn sealing(&self) -> Sealing {
        Sealing::Open
    }
}
