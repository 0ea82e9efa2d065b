//! What may be asked of a workspace's segments, and why it may be refused.

use super::{DEPTH_MAX, GRANTS_MAX, Grants, SEGMENTS_MAX};
use crate::ids::SegmentId;

/// What may be asked.
#[derive(Clone, Debug)]
pub enum SegmentsCommand {
    /// Add one.
    Add {
        /// Its id.
        segment: SegmentId,
        /// What people call it.
        name: String,
        /// Under which it stands.
        parent: Option<SegmentId>,
    },
    /// Rename one, or move it with all below it. What is `None` stays.
    Change {
        /// Which.
        segment: SegmentId,
        /// What people call it.
        name: Option<String>,
        /// Under which it stands.
        parent: Option<Option<SegmentId>>,
    },
    /// Remove one that has none below it.
    Remove {
        /// Which.
        segment: SegmentId,
    },
    /// Say what collaborators may do in one and below.
    SetGrants {
        /// Which.
        segment: SegmentId,
        /// All of it.
        grants: Grants,
    },
}

/// Why a command is not carried out.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentsRefusal {
    /// No such segment.
    #[error("there is no segment with that id")]
    NoSegment,
    /// The id is taken.
    #[error("there is a segment with that id already")]
    Exists,
    /// No such segment.
    #[error("parent: there is no segment with the id {0}")]
    NoParent(SegmentId),
    /// It would not be a tree any more.
    #[error("parent: a segment cannot stand under itself or under one below it")]
    Loop,
    /// The name is taken.
    #[error("there is a segment named {0:?} there already")]
    NameTaken(String),
    /// More than people find their way in.
    #[error("parent: more than {DEPTH_MAX} segments would stand above each other")]
    TooDeep,
    /// More than fit in memory well.
    #[error("a workspace has at most {SEGMENTS_MAX} segments")]
    TooMany,
    /// The same.
    #[error("grants names more than {GRANTS_MAX} collaborators")]
    TooManyGrants,
    /// Others would stand under nothing.
    #[error("segments stand under that one ({0}): move or remove them first")]
    HasSegments(usize),
}
