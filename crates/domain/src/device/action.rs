//! One action owed to a device, from request to its end.
//!
//! Every step may be asked for twice, by a reactor that crashed before it had noted the first time:
//! the second time adds no fact. That is what makes effects happen exactly once inside Muster.

use serde::{Deserialize, Serialize};

use super::{Device, DeviceEvent, DeviceRefusal, DeviceState};
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
    /// A person waits for it no longer.
    GivenUp,
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
            Self::GivenUp => "given_up",
        }
    }

    /// Whether nothing more will happen to it.
    pub fn ended(self) -> bool {
        matches!(self, Self::Confirmed | Self::Cancelled | Self::GivenUp)
    }
}

/// What a failed try says of the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailedBecause {
    /// The service has looked at it and did not take it: this counts as a try.
    #[default]
    Answer,
    /// The service takes no orders at all: it has not got this one, and nothing is counted.
    Down,
    /// The service did not answer: it may have it, and nothing is counted.
    Unanswered,
}

impl FailedBecause {
    /// What is not written down.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
    pub(super) fn is_answer(&self) -> bool {
        *self == Self::Answer
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
    /// How often the service has answered that it does not take it, since it was requested or a
    /// person had it tried again. Outages do not count.
    pub answers: u32,
    /// Whether the service may have had it, whatever state it is in: it was acknowledged, or an
    /// answer was lost. Nobody can take that back.
    pub received: bool,
    /// When it was requested.
    pub requested: Micros,
}

impl Action {
    /// Whether it can be taken back: the service cannot have it.
    pub fn unsent(&self) -> bool {
        let waits = [ActionState::Requested, ActionState::Failed, ActionState::Parked];
        waits.contains(&self.state) && !self.received
    }

    /// Whether the service is still to be asked what became of it, under what it called the device when it
    /// was sent. Not while a person has to look: a wrong name may be why.
    fn is_told(&self) -> bool {
        match self.state {
            ActionState::Sent | ActionState::Acknowledged => true,
            ActionState::Failed => self.received,
            ActionState::Requested
            | ActionState::Confirmed
            | ActionState::Parked
            | ActionState::Cancelled
            | ActionState::GivenUp => false,
        }
    }
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
            .filter(move |(_, known)| known.unsent() && Some(known.user) != user)
            .map(|(&action, _)| DeviceEvent::ActionCancelled { action, reason: None })
    }

    /// An action of which its service is still to be asked what became of it, if there is one.
    pub(super) fn told(&self) -> Option<ActionId> {
        self.actions.iter().find(|(_, known)| known.is_told()).map(|(&action, _)| action)
    }

    /// The removal that has not ended yet, if there is one.
    pub(super) fn removal(&self) -> Option<(&ActionId, &Action)> {
        let removes = |known: &Action| known.kind == ActionKind::Remove && !known.state.ended();
        self.actions.iter().find(|(_, known)| removes(known))
    }

    /// Whether an administrator may remove the device: no offboarding has it removed by its service. A
    /// wipe that somebody relies on does not get lost because somebody else tidies up.
    pub(super) fn owes_no_removal(&self) -> Result<(), DeviceRefusal> {
        match self.removal() {
            None => Ok(()),
            Some((&action, known)) if known.unsent() => Err(DeviceRefusal::RemovalOwed(action)),
            Some((&action, _)) => Err(DeviceRefusal::RemovalUnderWay(action)),
        }
    }

    /// What an administrator's removal ends: whatever is owed, also what the service has. Its confirmation
    /// would change nothing any more.
    pub(super) fn end_all(&self) -> impl Iterator<Item = DeviceEvent> {
        self.actions.iter().filter_map(|(&action, known)| match known.state {
            state if state.ended() => None,
            _ if known.unsent() => Some(DeviceEvent::ActionCancelled { action, reason: None }),
            _ => {
                let reason = "the device was removed by hand".to_owned();
                Some(DeviceEvent::ActionGivenUp { action, reason })
            }
        })
    }

    /// Whether an action is still to be sent: the device is managed, and the person's whose
    /// offboarding calls for it. Whether that is still so too only the person's stream can tell.
    pub fn wants(&self, action: ActionId) -> bool {
        let known = self.actions.get(&action);
        known.is_some_and(|known| self.managed().is_ok() && self.user == Some(known.user))
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
        // One that failed, or was to be tried again, when it turns out that the service has it though
        // its answer was lost.
        let lost = self.actions.get(&action).is_some_and(|known| known.received);
        let from = [ActionState::Sent, ActionState::Failed, ActionState::Requested];
        let from = if lost { &from[..] } else { &from[..2] };
        self.step(action, from, |_| vec![DeviceEvent::ActionAcknowledged { action }])
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
        because: FailedBecause,
        retry_at: Micros,
    ) -> Vec<DeviceEvent> {
        self.step(action, &[ActionState::Sent], |_| {
            let reason = reason.to_owned();
            vec![DeviceEvent::ActionFailed { action, reason, because, retry_at }]
        })
    }

    pub(super) fn park(&self, action: ActionId, reason: &str) -> Vec<DeviceEvent> {
        let from = [
            ActionState::Requested,
            ActionState::Sent,
            ActionState::Acknowledged,
            ActionState::Failed,
        ];
        self.step(action, &from, |_| {
            vec![DeviceEvent::ActionParked { action, reason: reason.to_owned() }]
        })
    }

    /// Takes back what the service cannot have.
    pub(super) fn cancel(&self, action: ActionId) -> Vec<DeviceEvent> {
        let unsent = self.actions.get(&action).is_some_and(Action::unsent);
        let cancelled = DeviceEvent::ActionCancelled { action, reason: None };
        if unsent { vec![cancelled] } else { vec![] }
    }

    /// Takes back what the service says that it does not have.
    pub(super) fn never_came(&self, action: ActionId) -> Vec<DeviceEvent> {
        let from = [ActionState::Requested, ActionState::Sent, ActionState::Failed];
        self.step(action, &from, |_| vec![DeviceEvent::ActionCancelled { action, reason: None }])
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
                    answers: 0,
                    received: false,
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
                self.set(*action, ActionState::Acknowledged, |known| known.received = true);
            }
            DeviceEvent::ActionConfirmed { action } => {
                self.set(*action, ActionState::Confirmed, |_| {});
            }
            DeviceEvent::ActionFailed { action, because, .. } => {
                self.set(*action, ActionState::Failed, |known| match because {
                    FailedBecause::Answer => known.answers += 1,
                    FailedBecause::Unanswered => known.received = true,
                    FailedBecause::Down => {}
                });
            }
            DeviceEvent::ActionParked { action, .. } => {
                self.set(*action, ActionState::Parked, |_| {});
            }
            DeviceEvent::ActionRetried { action, .. } => {
                self.set(*action, ActionState::Requested, |known| known.answers = 0);
            }
            DeviceEvent::ActionCancelled { action, .. } => {
                self.set(*action, ActionState::Cancelled, |_| {});
                self.stays();
            }
            DeviceEvent::ActionGivenUp { action, .. } => {
                self.set(*action, ActionState::GivenUp, |_| {});
                self.stays();
            }
            DeviceEvent::Enrolled { .. }
            | DeviceEvent::Assigned { .. }
            | DeviceEvent::Unassigned {}
            | DeviceEvent::PolicyChanged { .. }
            | DeviceEvent::ExternalIdChanged { .. }
            | DeviceEvent::Named { .. }
            | DeviceEvent::Removed {} => {}
        }
    }

    /// A device whose removal has ended without one is an ordinary device again, as far as anybody
    /// knows.
    fn stays(&mut self) {
        let removes = |it: &Action| it.kind == ActionKind::Remove && !it.state.ended();
        let under_way = self.actions.values().any(|it| removes(it) && it.attempts > 0);
        if self.state == DeviceState::Removing && !under_way {
            self.state = DeviceState::Enrolled;
        }
    }

    fn set(&mut self, action: ActionId, state: ActionState, also: impl FnOnce(&mut Action)) {
        if let Some(known) = self.actions.get_mut(&action) {
            known.state = state;
            also(known);
        }
    }
}
