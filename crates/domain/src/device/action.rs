//! One action owed to a device, from request to its end.
//!
//! Every step may be asked for twice, by a reactor that crashed before it had noted the first time:
//! the second time adds no fact. That is what makes effects happen exactly once inside Muster.

use serde::{Deserialize, Serialize};

use super::{Device, DeviceEvent, DeviceState};
use crate::{
    Micros, Stamp,
    ids::{ActionId, OffboardingId, UserId},
    offboarding::ActionKind,
};

/// How far an action has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionState {
    /// Owed.
    Requested,
    /// May have been received.
    Sent,
    /// Received.
    Acknowledged,
    /// Done.
    Confirmed,
    /// To be tried again.
    Failed,
    /// Waits for a person.
    Parked,
    /// Not wanted any more.
    Cancelled,
}

impl ActionState {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Sent => "sent",
            Self::Acknowledged => "acknowledged",
            Self::Confirmed => "confirmed",
            Self::Failed => "failed",
            Self::Parked => "parked",
            Self::Cancelled => "cancelled",
        }
    }

    /// Those in which nobody outside has it.
    const UNSENT: [Self; 3] = [Self::Requested, Self::Failed, Self::Parked];

    /// Whether it can still be taken back.
    fn unsent(self) -> bool {
        Self::UNSENT.contains(&self)
    }

    /// Whether nothing more will happen to it.
    pub fn ended(self) -> bool {
        matches!(self, Self::Confirmed | Self::Cancelled)
    }
}

/// One action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Which offboarding calls for it.
    pub offboarding: OffboardingId,
    /// Whose.
    pub user: UserId,
    /// What is to be done.
    pub kind: ActionKind,
    /// How far it has come.
    pub state: ActionState,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was requested.
    pub requested: Micros,
}

impl Device {
    pub(super) fn request(
        &self,
        action: ActionId,
        offboarding: OffboardingId,
        user: UserId,
        kind: ActionKind,
    ) -> Vec<DeviceEvent> {
        let wanted = self.managed().is_ok()
            && self.user == Some(user)
            && !self.actions.contains_key(&action);
        let requested = DeviceEvent::ActionRequested { action, offboarding, user, kind };
        if wanted { vec![requested] } else { vec![] }
    }

    pub(super) fn send(&self, action: ActionId) -> Vec<DeviceEvent> {
        self.step(action, &[ActionState::Requested, ActionState::Failed], |known| {
            vec![DeviceEvent::ActionSent { action, attempt: known.attempts + 1 }]
        })
    }

    /// What a change of user takes back: what has not been sent and was owed because of somebody
    /// else. Nobody's device suffers for what another person's deactivation called for.
    pub(super) fn not_for(&self, user: Option<UserId>) -> impl Iterator<Item = DeviceEvent> {
        self.actions
            .iter()
            .filter(move |(_, known)| known.state.unsent() && Some(known.user) != user)
            .map(|(&action, _)| DeviceEvent::ActionCancelled { action })
    }

    /// Whether anything is still to come of an action that was planned for a person's device: it may
    /// not have been requested yet.
    pub fn owes(&self, action: ActionId, user: UserId) -> bool {
        match self.actions.get(&action) {
            Some(known) => self.state != DeviceState::Removed && !known.state.ended(),
            None => self.managed().is_ok() && self.user == Some(user),
        }
    }

    pub(super) fn acknowledge(&self, action: ActionId) -> Vec<DeviceEvent> {
        self.step(action, &[ActionState::Sent], |_| {
            vec![DeviceEvent::ActionAcknowledged { action }]
        })
    }

    /// Ends an action, together with what it did to the device.
    pub(super) fn confirm(&self, action: ActionId) -> Vec<DeviceEvent> {
        self.step(action, &[ActionState::Sent, ActionState::Acknowledged], |known| {
            let effect = match known.kind {
                // Somebody else may use it by now; they keep it.
                ActionKind::Unassign => {
                    (self.user == Some(known.user)).then_some(DeviceEvent::Unassigned {})
                }
                ActionKind::ChangePolicy { policy } => {
                    let theirs = self.user == Some(known.user) && self.policy != Some(policy);
                    theirs.then_some(DeviceEvent::PolicyChanged { policy: Some(policy) })
                }
                ActionKind::Remove => {
                    (self.state != DeviceState::Removed).then_some(DeviceEvent::Removed {})
                }
            };
            [DeviceEvent::ActionConfirmed { action }].into_iter().chain(effect).collect()
        })
    }

    pub(super) fn fail(
        &self,
        action: ActionId,
        reason: &str,
        retry_at: Micros,
    ) -> Vec<DeviceEvent> {
        self.step(action, &[ActionState::Sent], |_| {
            vec![DeviceEvent::ActionFailed { action, reason: reason.to_owned(), retry_at }]
        })
    }

    pub(super) fn park(&self, action: ActionId, reason: &str) -> Vec<DeviceEvent> {
        let from = [ActionState::Requested, ActionState::Sent, ActionState::Failed];
        self.step(action, &from, |_| {
            vec![DeviceEvent::ActionParked { action, reason: reason.to_owned() }]
        })
    }

    /// Takes back what has not been sent. A failed action was received by nobody.
    pub(super) fn cancel(&self, action: ActionId) -> Vec<DeviceEvent> {
        self.step(action, &ActionState::UNSENT, |_| vec![DeviceEvent::ActionCancelled { action }])
    }

    fn step(
        &self,
        action: ActionId,
        from: &[ActionState],
        events: impl FnOnce(&Action) -> Vec<DeviceEvent>,
    ) -> Vec<DeviceEvent> {
        match self.actions.get(&action) {
            Some(known) if from.contains(&known.state) => events(known),
            Some(_) | None => vec![],
        }
    }

    pub(super) fn evolve_action(&mut self, event: &DeviceEvent, stamp: &Stamp) {
        match event {
            DeviceEvent::ActionRequested { action, offboarding, user, kind } => {
                let requested = Action {
                    offboarding: *offboarding,
                    user: *user,
                    kind: *kind,
                    state: ActionState::Requested,
                    attempts: 0,
                    requested: stamp.at,
                };
                self.actions.insert(*action, requested);
            }
            DeviceEvent::ActionSent { action, attempt } => {
                self.set(*action, ActionState::Sent, |known| known.attempts = *attempt);
                let removes =
                    self.actions.get(action).is_some_and(|it| it.kind == ActionKind::Remove);
                if removes && self.state == DeviceState::Enrolled {
                    self.state = DeviceState::Removing;
                }
            }
            DeviceEvent::ActionAcknowledged { action } => {
                self.set(*action, ActionState::Acknowledged, |_| {});
            }
            DeviceEvent::ActionConfirmed { action } => {
                self.set(*action, ActionState::Confirmed, |_| {});
            }
            DeviceEvent::ActionFailed { action, .. } => {
                self.set(*action, ActionState::Failed, |_| {});
            }
            DeviceEvent::ActionParked { action, .. } => {
                self.set(*action, ActionState::Parked, |_| {});
            }
            DeviceEvent::ActionCancelled { action } => {
                self.set(*action, ActionState::Cancelled, |_| {});
            }
            DeviceEvent::Enrolled { .. }
            | DeviceEvent::Assigned { .. }
            | DeviceEvent::Unassigned {}
            | DeviceEvent::PolicyChanged { .. }
            | DeviceEvent::ExternalIdChanged { .. }
            | DeviceEvent::Removed {} => {}
        }
    }

    fn set(&mut self, action: ActionId, state: ActionState, also: impl FnOnce(&mut Action)) {
        if let Some(known) = self.actions.get_mut(&action) {
            known.state = state;
            also(known);
        }
    }
}
