//! A device: enrolled, used by at most one MDM employee, under at most one policy (rule 23).
//!
//! What an offboarding owes to it stands here too, as *actions*: requested, sent, acknowledged,
//! confirmed; or failed, parked, cancelled, given up. An action is a fact before it is a call, so
//! that a crash can neither lose nor repeat one.
//!
//! - `action`: the steps that the reactor takes
//! - `steering`: what a person makes of an action

mod action;
mod command;
mod event;
mod steering;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use action::{Action, ActionState, FailedBecause};
pub use command::{Changes, DeviceCommand, DeviceRefusal, Steering};
pub use event::DeviceEvent;

use crate::{
    Claim, Decider, Stamp,
    ids::{ActionId, PolicyId, UserId},
};

/// Where a device stands in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// Never enrolled: the stream does not exist.
    #[default]
    Unknown,
    /// Managed.
    Enrolled,
    /// Its removal is under way.
    Removing,
    /// Not managed any more; stays readable.
    Removed,
}

impl DeviceState {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Enrolled => "enrolled",
            Self::Removing => "removing",
            Self::Removed => "removed",
        }
    }
}

/// The state of a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Where it stands.
    pub state: DeviceState,
    /// Unique in the workspace.
    pub serial: String,
    /// For example `ios`, `android`, `windows`.
    pub platform: String,
    /// What people call it.
    pub name: Option<String>,
    /// What its MDM service calls it, where that is not the serial number: a resource name, an UDID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Who uses it.
    pub user: Option<UserId>,
    /// Under which policy.
    pub policy: Option<PolicyId>,
    /// What offboardings asked of it.
    pub actions: BTreeMap<ActionId, Action>,
}

impl Device {
    /// The device, while it is managed.
    fn managed(&self) -> Result<&Self, DeviceRefusal> {
        match self.state {
            DeviceState::Enrolled | DeviceState::Removing => Ok(self),
            DeviceState::Unknown => Err(DeviceRefusal::NoDevice),
            DeviceState::Removed => Err(DeviceRefusal::Removed),
        }
    }

    fn change(&self, changes: &Changes) -> Result<Vec<DeviceEvent>, DeviceRefusal> {
        let Changes { user, policy, name, external_id } = changes;
        let known = self.managed()?;
        let moved = user.filter(|user| *user != known.user);
        if moved.is_some()
            && known.state == DeviceState::Removing
            && let Some((&action, _)) = known.removal()
        {
            return Err(DeviceRefusal::BeingRemoved(action));
        }
        let taken_back = moved.map(|user| known.not_for(user)).into_iter().flatten();
        let user = moved.map(|user| match user {
            Some(user) => DeviceEvent::Assigned { user },
            None => DeviceEvent::Unassigned {},
        });
        let policy = policy
            .filter(|policy| *policy != known.policy)
            .map(|policy| DeviceEvent::PolicyChanged { policy });
        let called = external_id
            .as_ref()
            .filter(|external_id| **external_id != known.external_id)
            .map(|external_id| DeviceEvent::ExternalIdChanged { external_id: external_id.clone() });
        if let (Some(_), Some(action)) = (&called, known.told()) {
            return Err(DeviceRefusal::Told(action));
        }
        let named = name
            .as_ref()
            .filter(|name| **name != known.name)
            .map(|name| DeviceEvent::Named { name: name.clone() });
        Ok(user.into_iter().chain(policy).chain(named).chain(called).chain(taken_back).collect())
    }
}

impl Decider for Device {
    const KIND: &'static str = "device";
    type Command = DeviceCommand;
    type Event = DeviceEvent;
    type Refusal = DeviceRefusal;

    fn decide(&self, command: &DeviceCommand) -> Result<Vec<DeviceEvent>, DeviceRefusal> {
        match command {
            DeviceCommand::Enrol { serial, platform, name, external_id, user, policy } => {
                let enrolled = DeviceEvent::Enrolled {
                    serial: serial.clone(),
                    platform: platform.clone(),
                    name: None,
                    external_id: external_id.clone(),
                    user: *user,
                    policy: *policy,
                };
                let named = name.clone().map(|name| DeviceEvent::Named { name: Some(name) });
                Ok([enrolled].into_iter().chain(named).collect())
            }
            DeviceCommand::Change(changes) => self.change(changes),
            DeviceCommand::Unname => {
                let named = self.name.is_some();
                Ok(named.then_some(DeviceEvent::Named { name: None }).into_iter().collect())
            }
            DeviceCommand::Remove => {
                self.managed()?.owes_no_removal()?;
                Ok([DeviceEvent::Removed {}].into_iter().chain(self.end_all()).collect())
            }
            DeviceCommand::Request { action, offboarding, user, kind } => {
                Ok(self.request(*action, *offboarding, *user, *kind))
            }
            DeviceCommand::Send { action } => Ok(self.send(*action)),
            DeviceCommand::Acknowledge { action } => Ok(self.acknowledge(*action)),
            DeviceCommand::Confirm { action } => Ok(self.confirm(*action)),
            DeviceCommand::Fail { action, reason, because, retry_at } => {
                Ok(self.fail(*action, reason, *because, *retry_at))
            }
            DeviceCommand::NeverCame { action } => Ok(self.never_came(*action)),
            DeviceCommand::Park { action, reason } => Ok(self.park(*action, reason)),
            DeviceCommand::Cancel { action } => Ok(self.cancel(*action)),
            DeviceCommand::Steer { action, to } => self.steer(*action, to),
        }
    }

    fn evolve(&mut self, event: &DeviceEvent, stamp: &Stamp) {
        match event {
            DeviceEvent::Enrolled { serial, platform, name, external_id, user, policy } => {
                self.state = DeviceState::Enrolled;
                self.serial.clone_from(serial);
                self.platform.clone_from(platform);
                self.name.clone_from(name);
                self.external_id.clone_from(external_id);
                self.user = *user;
                self.policy = *policy;
            }
            DeviceEvent::Assigned { user } => self.user = Some(*user),
            DeviceEvent::Unassigned {} => self.user = None,
            DeviceEvent::PolicyChanged { policy } => self.policy = *policy,
            DeviceEvent::ExternalIdChanged { external_id } => {
                self.external_id.clone_from(external_id);
            }
            DeviceEvent::Named { name } => self.name.clone_from(name),
            DeviceEvent::Removed {} => {
                self.state = DeviceState::Removed;
                self.user = None;
            }
            DeviceEvent::ActionRequested { .. }
            | DeviceEvent::ActionSent { .. }
            | DeviceEvent::ActionAcknowledged { .. }
            | DeviceEvent::ActionConfirmed { .. }
            | DeviceEvent::ActionFailed { .. }
            | DeviceEvent::ActionParked { .. }
            | DeviceEvent::ActionCancelled { .. }
            | DeviceEvent::ActionRetried { .. }
            | DeviceEvent::ActionGivenUp { .. } => self.evolve_action(event, stamp),
        }
    }

    fn claims(&self) -> Vec<Claim> {
        match self.state {
            DeviceState::Enrolled | DeviceState::Removing => vec![Claim::serial(&self.serial)],
            DeviceState::Unknown | DeviceState::Removed => vec![],
        }
    }

    fn weight(&self) -> usize {
        256 + self.serial.len() + self.actions.len() * 160
    }
}
