//! Segments: the tree by which Device Management says who may do what with devices (rule 15).
//!
//! A grant on a segment covers all segments below it. The tree of a workspace is one aggregate, since
//! that it stays a tree is one decision; and one of its own, since nothing that SCIM brings, no group
//! and no role, may ever change it: its commands are an administrator's, and no policy has any.

mod command;
mod event;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use scim::fold;
use serde::{Deserialize, Serialize};

pub use command::{SegmentsCommand, SegmentsRefusal};
pub use event::SegmentsEvent;

use crate::{
    Claim, Decider, Stamp,
    ids::{SegmentId, UserId},
};

/// How many segments a workspace may have.
pub const SEGMENTS_MAX: usize = 10_000;
/// How many segments may stand above each other.
pub const DEPTH_MAX: usize = 16;
/// How many collaborators a segment may name.
pub const GRANTS_MAX: usize = 1_000;

/// What a collaborator may do with the devices of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// See them.
    View,
    /// Take devices under management.
    Enroll,
    /// Say who uses them.
    Assign,
    /// Give them another policy.
    ChangePolicy,
    /// Remove them.
    Remove,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::View, Self::Enroll, Self::Assign, Self::ChangePolicy, Self::Remove];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Enroll => "enroll",
            Self::Assign => "assign",
            Self::ChangePolicy => "change_policy",
            Self::Remove => "remove",
        }
    }
}

/// What collaborators may do.
pub type Grants = BTreeMap<UserId, BTreeSet<Permission>>;

/// A segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// What people call it; unique among those of its parent, in any case.
    pub name: String,
    /// The segment it stands under.
    pub parent: Option<SegmentId>,
    /// What collaborators may do here and below.
    pub grants: Grants,
}

/// The segments of a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Segments(pub BTreeMap<SegmentId, Segment>);

impl Segments {
    /// A segment and those above it, from the inside out. Ends at the root, since there are no loops.
    pub fn upwards(&self, segment: SegmentId) -> impl Iterator<Item = (SegmentId, &Segment)> {
        let known = move |id| self.0.get_key_value(&id).map(|(id, it)| (*id, it));
        std::iter::successors(known(segment), move |(_, it)| it.parent.and_then(known))
    }

    /// What a collaborator may do in a segment, by grants on it and on those above it.
    pub fn permissions(&self, segment: SegmentId, collaborator: UserId) -> BTreeSet<Permission> {
        let granted = self.upwards(segment).filter_map(|(_, it)| it.grants.get(&collaborator));
        granted.flatten().copied().collect()
    }

    fn known(&self, segment: SegmentId) -> Result<&Segment, SegmentsRefusal> {
        self.0.get(&segment).ok_or(SegmentsRefusal::NoSegment)
    }

    /// How many segments a new one under `parent` would have above it.
    fn depth_under(&self, parent: Option<SegmentId>) -> usize {
        parent.map_or(0, |parent| self.upwards(parent).count())
    }

    /// How many segments stand above each other from this one down.
    fn height(&self, segment: SegmentId) -> usize {
        let steps = |id| self.upwards(id).position(|(above, _)| above == segment);
        self.0.keys().filter_map(|id| steps(*id)).max().map_or(1, |steps| steps + 1)
    }

    fn check_place(
        &self,
        segment: SegmentId,
        name: &str,
        parent: Option<SegmentId>,
    ) -> Result<(), SegmentsRefusal> {
        if let Some(parent) = parent {
            self.0.get(&parent).ok_or(SegmentsRefusal::NoParent(parent))?;
            if self.upwards(parent).any(|(above, _)| above == segment) {
                return Err(SegmentsRefusal::Loop);
            }
        }
        let fold = fold::text(name);
        let taken = self
            .0
            .iter()
            .any(|(id, it)| *id != segment && it.parent == parent && fold::text(&it.name) == fold);
        if taken {
            return Err(SegmentsRefusal::NameTaken(name.to_owned()));
        }
        let height = if self.0.contains_key(&segment) { self.height(segment) } else { 1 };
        if self.depth_under(parent) + height > DEPTH_MAX {
            return Err(SegmentsRefusal::TooDeep);
        }
        Ok(())
    }

    fn add(
        &self,
        segment: SegmentId,
        name: &str,
        parent: Option<SegmentId>,
    ) -> Result<Vec<SegmentsEvent>, SegmentsRefusal> {
        if self.0.contains_key(&segment) {
            return Err(SegmentsRefusal::Exists);
        }
        if self.0.len() >= SEGMENTS_MAX {
            return Err(SegmentsRefusal::TooMany);
        }
        self.check_place(segment, name, parent)?;
        Ok(vec![SegmentsEvent::Added { segment, name: name.to_owned(), parent }])
    }

    #[expect(clippy::option_option, reason = "it stays, or goes somewhere, be it to the top")]
    fn change(
        &self,
        segment: SegmentId,
        name: Option<&str>,
        parent: Option<Option<SegmentId>>,
    ) -> Result<Vec<SegmentsEvent>, SegmentsRefusal> {
        let known = self.known(segment)?;
        let new_name = name.filter(|name| *name != known.name);
        let new_parent = parent.filter(|parent| *parent != known.parent);
        if new_name.is_none() && new_parent.is_none() {
            return Ok(vec![]);
        }
        self.check_place(
            segment,
            new_name.unwrap_or(&known.name),
            new_parent.unwrap_or(known.parent),
        )?;
        let renamed =
            new_name.map(|name| SegmentsEvent::Renamed { segment, name: name.to_owned() });
        let moved = new_parent.map(|parent| SegmentsEvent::Moved { segment, parent });
        Ok(renamed.into_iter().chain(moved).collect())
    }

    fn remove(&self, segment: SegmentId) -> Result<Vec<SegmentsEvent>, SegmentsRefusal> {
        self.known(segment)?;
        let below = self.0.values().filter(|it| it.parent == Some(segment)).count();
        if below > 0 {
            return Err(SegmentsRefusal::HasSegments(below));
        }
        Ok(vec![SegmentsEvent::Removed { segment }])
    }

    fn set_grants(
        &self,
        segment: SegmentId,
        grants: &Grants,
    ) -> Result<Vec<SegmentsEvent>, SegmentsRefusal> {
        let known = self.known(segment)?;
        if grants.len() > GRANTS_MAX {
            return Err(SegmentsRefusal::TooManyGrants);
        }
        // Who may do nothing is not named.
        let mut grants = grants.clone();
        grants.retain(|_, permissions| !permissions.is_empty());
        let same = known.grants == grants;
        Ok(if same { vec![] } else { vec![SegmentsEvent::GrantsSet { segment, grants }] })
    }
}

impl Decider for Segments {
    const KIND: &'static str = "segments";
    type Command = SegmentsCommand;
    type Event = SegmentsEvent;
    type Refusal = SegmentsRefusal;

    fn decide(&self, command: &SegmentsCommand) -> Result<Vec<SegmentsEvent>, SegmentsRefusal> {
        match command {
            SegmentsCommand::Add { segment, name, parent } => self.add(*segment, name, *parent),
            SegmentsCommand::Change { segment, name, parent } => {
                self.change(*segment, name.as_deref(), *parent)
            }
            SegmentsCommand::Remove { segment } => self.remove(*segment),
            SegmentsCommand::SetGrants { segment, grants } => self.set_grants(*segment, grants),
        }
    }

    fn evolve(&mut self, event: &SegmentsEvent, _: &Stamp) {
        match event {
            SegmentsEvent::Added { segment, name, parent } => {
                let (name, parent) = (name.clone(), *parent);
                self.0.insert(*segment, Segment { name, parent, grants: Grants::new() });
            }
            SegmentsEvent::Renamed { segment, name } => {
                self.0.entry(*segment).and_modify(|it| it.name.clone_from(name));
            }
            SegmentsEvent::Moved { segment, parent } => {
                self.0.entry(*segment).and_modify(|it| it.parent = *parent);
            }
            SegmentsEvent::Removed { segment } => {
                self.0.remove(segment);
            }
            SegmentsEvent::GrantsSet { segment, grants } => {
                self.0.entry(*segment).and_modify(|it| it.grants.clone_from(grants));
            }
        }
    }

    /// None: names are unique in this state.
    fn claims(&self) -> Vec<Claim> {
        Vec::new()
    }

    fn weight(&self) -> usize {
        256 + self.0.values().map(|it| 128 + it.name.len() + it.grants.len() * 128).sum::<usize>()
    }
}
