//! A group of one connector.
//!
//! Membership is kept as facts about single members, added and removed, never as a list that is
//! written whole: two requests that change different members cannot lose each other's work, and a
//! request costs what it changes, whatever the size of the group. Members stand in a persistent set,
//! so that the draft on which a command is decided is an O(1) copy of a group of 100,000.
//!
//! A member that names nobody known yet is *pending* (rule 18): kept, shown to administrators, and
//! resolved when somebody of that connector arrives whom it names.

mod command;
mod event;
mod members;
mod pending;
#[cfg(test)]
mod tests;

use imbl::OrdSet;
use scim::{patch, resource::Resource, schema::Kind};
use serde::{Deserialize, Serialize};

pub use command::{GroupCommand, GroupRefusal, MemberOp, MemberRef, Operation, Via};
pub use event::GroupEvent;
pub use members::COMPARED_MAX;
pub use pending::PendingMembers;

use crate::{
    Claim, Decider, Micros, Stamp,
    ids::{ConnectorName, MemberId},
    portal::Portal,
    weight,
};

/// About what a pending value keeps in memory: an address, twice, and the trees that hold it.
const PENDING_BYTES: usize = 160;

/// A group that exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Living {
    /// The portal of its connector.
    pub portal: Portal,
    /// Its connector.
    pub connector: ConnectorName,
    /// displayName, externalId and extensions.
    pub resource: Resource,
    /// The members that are known.
    pub members: OrdSet<MemberId>,
    /// The values that name nobody yet, by the version of the event that brought them.
    pub pending: PendingMembers,
    /// When it was created.
    pub created: Micros,
    /// When it last changed.
    pub modified: Micros,
    /// The version of its stream: the ETag (RFC 7644 §3.14).
    pub version: u64,
}

/// The state of a group: `None` before it is created and after it is deleted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Group(pub Option<Living>);

impl Group {
    /// The group, if it exists and belongs to that connector.
    pub fn living(&self, connector: &ConnectorName) -> Option<&Living> {
        self.0.as_ref().filter(|living| living.connector == *connector)
    }

    /// The group that a request is about, in the version for which it was made.
    fn asked(&self, via: &Via) -> Result<&Living, GroupRefusal> {
        let living = self.living(&via.connector).ok_or(GroupRefusal::NoGroup)?;
        match &via.if_match {
            Some(tags) if !tags.matches(living.version) => {
                Err(GroupRefusal::OtherVersion(living.version))
            }
            _ => Ok(living),
        }
    }

    fn replace(
        &self,
        via: &Via,
        resource: &Resource,
        members: Option<&[MemberRef]>,
    ) -> Result<Vec<GroupEvent>, GroupRefusal> {
        let living = self.asked(via)?;
        let mut draft = members::Draft::of(living);
        if let Some(members) = members {
            draft.apply(&MemberOp::Replace(members.to_vec()))?;
        }
        let mut desired = resource.clone();
        desired.carry_over(&living.resource, Kind::Group, &via.catalogue);
        living.resource.check_replacement(&desired, Kind::Group, &via.catalogue)?;
        Ok(changed(living, &desired).chain(draft.into_events()).collect())
    }

    fn patch(
        &self,
        via: &Via,
        operations: &[Operation],
        options: patch::Options,
    ) -> Result<Vec<GroupEvent>, GroupRefusal> {
        let living = self.asked(via)?;
        let mut resource = living.resource.clone();
        let mut draft = members::Draft::of(living);
        let mut compared = patch::Compared::default();
        for operation in operations {
            match operation {
                Operation::Members(change) => draft.apply(change)?,
                Operation::Attribute(change) => {
                    compared.with(&resource, change)?;
                    patch::apply(&mut resource, change, Kind::Group, &via.catalogue, &options)?;
                }
            }
        }
        resource.check(Kind::Group, &via.catalogue)?;
        Ok(changed(living, &resource).chain(draft.into_events()).collect())
    }
}

fn changed(living: &Living, desired: &Resource) -> impl Iterator<Item = GroupEvent> {
    let changes = living.resource.diff(desired);
    (!changes.is_empty()).then_some(GroupEvent::Changed { changes }).into_iter()
}

impl Decider for Group {
    const KIND: &'static str = "group";
    type Command = GroupCommand;
    type Event = GroupEvent;
    type Refusal = GroupRefusal;

    fn decide(&self, command: &GroupCommand) -> Result<Vec<GroupEvent>, GroupRefusal> {
        match command {
            GroupCommand::Create { portal, connector, resource, members } => {
                let created = GroupEvent::Created {
                    portal: *portal,
                    connector: connector.clone(),
                    resource: resource.clone(),
                };
                let mut after = self.clone();
                after.evolve(&created, &Stamp::default());
                let living = after.0.as_ref().ok_or(GroupRefusal::NoGroup)?;
                let mut draft = members::Draft::of(living);
                draft.apply(&MemberOp::Add(members.clone()))?;
                Ok([created].into_iter().chain(draft.into_events()).collect())
            }
            GroupCommand::Replace { via, resource, members } => {
                self.replace(via, resource, members.as_deref())
            }
            GroupCommand::Patch { via, operations, options } => {
                self.patch(via, operations, *options)
            }
            GroupCommand::Delete { via } => {
                self.asked(via)?;
                Ok(vec![GroupEvent::Deleted {}])
            }
            GroupCommand::Forget { members } => Ok(self.forget(members)),
            GroupCommand::Drop { pending } => Ok(self.drop_pending(pending)),
            GroupCommand::Resolve { pending, member } => Ok(self.resolve(pending, *member)),
        }
    }

    fn evolve(&mut self, event: &GroupEvent, stamp: &Stamp) {
        if let GroupEvent::Created { portal, connector, resource } = event {
            self.0 = Some(Living {
                portal: *portal,
                connector: connector.clone(),
                resource: resource.clone(),
                members: OrdSet::new(),
                pending: PendingMembers::default(),
                created: stamp.at,
                modified: stamp.at,
                version: stamp.version,
            });
        }
        if matches!(event, GroupEvent::Deleted {}) {
            self.0 = None;
        }
        if let Some(living) = &mut self.0 {
            living.evolve(event, stamp);
        }
    }

    fn claims(&self) -> Vec<Claim> {
        self.0
            .iter()
            .filter_map(|living| {
                let name = living.resource.display_name()?;
                Some(Claim::group(&living.connector, name))
            })
            .collect()
    }

    fn weight(&self) -> usize {
        // A member costs its 16 bytes, and about as much again for the tree that holds it.
        256 + self.0.as_ref().map_or(0, |living| {
            living.members.len() * 32
                + living.pending.len() * PENDING_BYTES
                + weight::of(&living.resource)
        })
    }
}

impl Living {
    fn evolve(&mut self, event: &GroupEvent, stamp: &Stamp) {
        self.modified = stamp.at;
        self.version = stamp.version;
        match event {
            GroupEvent::Created { .. } | GroupEvent::Deleted {} => {}
            GroupEvent::Changed { changes } => self.resource.apply(changes),
            GroupEvent::MembersAdded { members } => self.members.extend(members.iter().copied()),
            GroupEvent::MembersRemoved { members } => {
                for member in members {
                    self.members.remove(member);
                }
            }
            GroupEvent::MemberPending { value } => {
                self.pending.insert(stamp.version, value.clone());
            }
            GroupEvent::PendingResolved { pending, member } => {
                self.pending.remove(*pending);
                self.members.insert(*member);
            }
            GroupEvent::PendingDropped { pending } => {
                self.pending.remove(*pending);
            }
        }
    }
}
