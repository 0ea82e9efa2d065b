//! Entries: what each connector says of a person, and the facts in what it says next.

use scim::{
    Error, patch,
    resource::{Changes, Resource},
    schema::Kind,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{User, UserEvent, UserRefusal, Via};
use crate::{
    Decider, Micros, Stamp,
    ids::{ConnectorName, EntryId},
    portal::Portal,
    weight,
};

/// The top-level attribute that has events of its own.
const ACTIVE: &str = "active";

/// What one connector knows of the person: the SCIM resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The SCIM id.
    pub id: EntryId,
    /// What the connector said. `active` is among it from the start; a client may remove it while it
    /// is true.
    pub resource: Resource,
    /// When the connector brought the person.
    pub created: Micros,
    /// When this entry last changed.
    pub modified: Micros,
    /// Counts this entry's changes only, from 1: the ETag (RFC 7644 §3.14).
    pub version: u64,
}

impl Entry {
    /// What the connector last said.
    pub fn active(&self) -> bool {
        self.resource.active().unwrap_or(true)
    }

    /// How the person signs in. Every User has one (RFC 7643 §4.1.1).
    pub fn user_name(&self) -> &str {
        self.resource.user_name().unwrap_or_default()
    }

    pub(super) fn weight(&self) -> usize {
        256 + weight::of(&self.resource)
    }
}

impl User {
    pub(super) fn provision(
        &self,
        portal: Portal,
        via: &Via,
        entry: EntryId,
        resource: &Resource,
    ) -> Result<Vec<UserEvent>, UserRefusal> {
        if self.erased.is_some() {
            return Err(UserRefusal::Erased);
        }
        if self.entries.contains_key(&via.connector) {
            return Err(UserRefusal::EntryExists);
        }
        let mut resource = resource.clone();
        let active = resource.active().unwrap_or(true);
        set_active(&mut resource, active);
        let metadata = self.metadata_changed(&via.connector, &via.mapping, &resource);
        let metadata = metadata.into_iter().chain(self.metadata_ended(&via.gone));
        let connector = via.connector.clone();
        let mut events = vec![UserEvent::EntryAdded { portal, connector, entry, resource }];
        events.extend(metadata);
        if active {
            let after = self.after(&events);
            after.activation(via, &mut events);
        }
        Ok(events)
    }

    pub(super) fn replace(
        &self,
        via: &Via,
        entry: EntryId,
        resource: &Resource,
    ) -> Result<Vec<UserEvent>, UserRefusal> {
        let known = self.asked(via, entry)?;
        let mut desired = resource.clone();
        // A PUT that does not speak of `active` does not bring anybody back, nor send them away.
        if let Some(active) = resource.active().or(known.resource.active()) {
            set_active(&mut desired, active);
        }
        desired.carry_over(&known.resource, Kind::User, &via.catalogue);
        known.resource.check_replacement(&desired, Kind::User, &via.catalogue)?;
        Ok(self.changed(via, known, &desired))
    }

    pub(super) fn patch(
        &self,
        via: &Via,
        entry: EntryId,
        request: &patch::Request,
        options: patch::Options,
    ) -> Result<Vec<UserEvent>, UserRefusal> {
        let known = self.asked(via, entry)?;
        let mut desired = known.resource.clone();
        request.apply(&mut desired, Kind::User, &via.catalogue, &options)?;
        // Unassigned, `active` says nothing, and nothing means active: that must not be how somebody
        // comes back (RFC 7644 Table 9: "not compatible with the … current state").
        if desired.active().is_none() && !known.active() {
            return Err(Error::mutability(
                "'active' of an inactive user cannot be removed: set it to true to reactivate them",
            )
            .into());
        }
        Ok(self.changed(via, known, &desired))
    }

    pub(super) fn remove_entry(
        &self,
        via: &Via,
        entry: EntryId,
    ) -> Result<Vec<UserEvent>, UserRefusal> {
        self.asked(via, entry)?;
        let connector = via.connector.clone();
        let mut events = vec![UserEvent::EntryRemoved { connector, entry }];
        self.after(&events).deactivation(via, &mut events);
        Ok(events)
    }

    /// The entry that a request is about, in the version for which it was made.
    fn asked(&self, via: &Via, entry: EntryId) -> Result<&Entry, UserRefusal> {
        let known = self.entry(&via.connector, entry).ok_or(UserRefusal::NoEntry)?;
        match &via.if_match {
            Some(tags) if !tags.matches(known.version) => {
                Err(UserRefusal::OtherVersion(known.version))
            }
            _ => Ok(known),
        }
    }

    /// The facts in the difference between what an entry is and what it shall be.
    fn changed(&self, via: &Via, known: &Entry, desired: &Resource) -> Vec<UserEvent> {
        let Changes { mut set, unset } = known.resource.diff(desired);
        let connector = || via.connector.clone();
        let mut events = Vec::new();
        // Said for the first time, or no more, it is an attribute like any other.
        let is_active = desired.active().unwrap_or(true);
        let active = if is_active == known.active() { None } else { set.remove(ACTIVE) };
        if !set.is_empty() || !unset.is_empty() {
            let changes = Changes { set, unset };
            events.push(UserEvent::EntryChanged { connector: connector(), changes });
        }
        events.extend(self.metadata_changed(&via.connector, &via.mapping, desired));
        events.extend(self.metadata_ended(&via.gone));
        match active.as_ref().and_then(Value::as_bool) {
            Some(true) => {
                events.push(UserEvent::EntryReactivated { connector: connector() });
                self.after(&events).activation(via, &mut events);
            }
            Some(false) => {
                events.push(UserEvent::EntryDeactivated { connector: connector() });
                self.after(&events).deactivation(via, &mut events);
            }
            None => {}
        }
        events
    }

    /// This user, once `events` have happened.
    pub(super) fn after(&self, events: &[UserEvent]) -> Self {
        let mut after = self.clone();
        for event in events {
            after.evolve(event, &Stamp::default());
        }
        after
    }

    pub(super) fn evolve_entries(&mut self, event: &UserEvent, stamp: &Stamp) {
        match event {
            UserEvent::EntryAdded { portal, connector, entry, resource } => {
                self.portal = *portal;
                if stamp.version == 1 {
                    self.first = Some(*entry);
                }
                let added = Entry {
                    id: *entry,
                    resource: resource.clone(),
                    created: stamp.at,
                    modified: stamp.at,
                    version: 1,
                };
                self.entries.insert(connector.clone(), added);
            }
            UserEvent::EntryChanged { connector, changes } => {
                self.touch(connector, stamp, |entry| entry.apply(changes));
            }
            UserEvent::EntryDeactivated { connector } => {
                self.touch(connector, stamp, |resource| set_active(resource, false));
            }
            UserEvent::EntryReactivated { connector } => {
                self.touch(connector, stamp, |resource| set_active(resource, true));
            }
            UserEvent::EntryRemoved { connector, .. } => {
                // An erased person's is removed once more, so that others hear of it.
                if let Some(gone) = self.entries.remove(connector) {
                    self.remember(gone.id);
                }
            }
            UserEvent::MetadataChanged { .. }
            | UserEvent::AccountGranted { .. }
            | UserEvent::AccountInvited { .. }
            | UserEvent::AccountAdopted { .. }
            | UserEvent::AccountSuspended {}
            | UserEvent::AccountRestored {}
            | UserEvent::AccountRemoved {}
            | UserEvent::RoleChanged { .. }
            | UserEvent::OffboardingStarted { .. }
            | UserEvent::OffboardingHeld { .. }
            | UserEvent::OffboardingApproved { .. }
            | UserEvent::OffboardingPlanned { .. }
            | UserEvent::OffboardingCompleted { .. }
            | UserEvent::OffboardingCancelled { .. }
            | UserEvent::Erased { .. } => {}
        }
    }

    fn touch(
        &mut self,
        connector: &ConnectorName,
        stamp: &Stamp,
        change: impl FnOnce(&mut Resource),
    ) {
        if let Some(entry) = self.entries.get_mut(connector) {
            change(&mut entry.resource);
            entry.modified = stamp.at;
            entry.version += 1;
        }
    }
}

fn set_active(resource: &mut Resource, active: bool) {
    let set = [(ACTIVE.to_owned(), Value::Bool(active))].into_iter().collect();
    resource.apply(&Changes { set, unset: Vec::new() });
}
