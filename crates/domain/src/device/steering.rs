//! What a person makes of an action that does not end by itself (rule 24).
//!
//! Asked twice, each of these adds no second fact. What the state does not allow is refused, with what
//! can be done instead.

use super::{Action, ActionState, Device, DeviceEvent, DeviceRefusal, Steering};
use crate::{ids::ActionId, offboarding::ActionKind};

impl Device {
    pub(super) fn steer(
        &self,
        action: ActionId,
        to: &Steering,
    ) -> Result<Vec<DeviceEvent>, DeviceRefusal> {
        let known = self.actions.get(&action).ok_or(DeviceRefusal::NoAction)?;
        match to {
            Steering::Retry { reason } => retry(known, action, reason.as_ref()),
            Steering::Cancel { reason, leaves } => {
                let leaves = *leaves && self.user == Some(known.user);
                take_back(known, action, reason.as_ref(), leaves)
            }
            Steering::GiveUp { reason } => self.give_up(known, action, reason),
        }
    }

    /// Ends an action of which nobody knows what it did. The record of who uses the device follows
    /// the rule all the same, so that nobody whose account is removed keeps one; that the device was
    /// removed or has another policy is not claimed.
    fn give_up(
        &self,
        known: &Action,
        action: ActionId,
        reason: &str,
    ) -> Result<Vec<DeviceEvent>, DeviceRefusal> {
        match known.state {
            ActionState::Sent
            | ActionState::Acknowledged
            | ActionState::Failed
            | ActionState::Parked => Ok(self.given_up(known, action, reason)),
            // A person had it tried again after its answer was lost.
            ActionState::Requested if known.received => Ok(self.given_up(known, action, reason)),
            ActionState::GivenUp => Ok(vec![]),
            ActionState::Requested => Err(DeviceRefusal::Action(
                "that effect has not been sent: cancel it if it is not wanted",
            )),
            ActionState::Confirmed | ActionState::Cancelled => Err(ended(known)),
        }
    }

    fn given_up(&self, known: &Action, action: ActionId, reason: &str) -> Vec<DeviceEvent> {
        let leaves = match known.kind {
            ActionKind::Unassign | ActionKind::Remove => self.user == Some(known.user),
            ActionKind::ChangePolicy { .. } => false,
        };
        let given_up = DeviceEvent::ActionGivenUp { action, reason: reason.to_owned() };
        let unassigned = leaves.then_some(DeviceEvent::Unassigned {});
        [given_up].into_iter().chain(unassigned).collect()
    }
}

fn retry(
    known: &Action,
    action: ActionId,
    reason: Option<&String>,
) -> Result<Vec<DeviceEvent>, DeviceRefusal> {
    match known.state {
        ActionState::Failed | ActionState::Parked => {
            Ok(vec![DeviceEvent::ActionRetried { action, reason: reason.cloned() }])
        }
        ActionState::Requested => Ok(vec![]),
        ActionState::Sent | ActionState::Acknowledged => Err(DeviceRefusal::Action(
            "that effect is with the MDM service: wait for it, or give it up",
        )),
        ActionState::Confirmed | ActionState::Cancelled | ActionState::GivenUp => Err(ended(known)),
    }
}

fn take_back(
    known: &Action,
    action: ActionId,
    reason: Option<&String>,
    leaves: bool,
) -> Result<Vec<DeviceEvent>, DeviceRefusal> {
    match known.state {
        _ if known.unsent() => {
            let cancelled = DeviceEvent::ActionCancelled { action, reason: reason.cloned() };
            let unassigned = leaves.then_some(DeviceEvent::Unassigned {});
            Ok([cancelled].into_iter().chain(unassigned).collect())
        }
        ActionState::Cancelled => Ok(vec![]),
        ActionState::Confirmed | ActionState::GivenUp => Err(ended(known)),
        ActionState::Requested
        | ActionState::Sent
        | ActionState::Acknowledged
        | ActionState::Failed
        | ActionState::Parked => Err(DeviceRefusal::Action(
            "the MDM service may have that effect already, and it cannot be taken back: wait for it, \
             or give it up",
        )),
    }
}

fn ended(known: &Action) -> DeviceRefusal {
    DeviceRefusal::Action(match known.state {
        ActionState::Cancelled => "that effect was cancelled, and nothing more will come of it",
        ActionState::GivenUp => "that effect was given up, and nothing more will come of it",
        _ => "that effect is done",
    })
}
