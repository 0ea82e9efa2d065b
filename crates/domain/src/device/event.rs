//! The facts of a device.

use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};

use crate::{
    Micros,
    device::FailedBecause,
    ids::{ActionId, OffboardingId, PolicyId, UserId},
    offboarding::ActionKind,
    stored::{Fact, Sealing, name_of},
};

/// What may become a fact of a device. Sealed under the device's key; a name under one of its own, since
/// people name devices after themselves, and a device outlives them (decision 4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum DeviceEvent {
    /// It is managed.
    #[serde(rename = "device.enrolled")]
    Enrolled {
        /// Unique in the workspace.
        serial: String,
        /// For example `ios`.
        platform: String,
        /// What people call it. Only in what is older than `device.named`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// What its MDM service calls it, where that is not the serial number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        external_id: Option<String>,
        /// Who uses it.
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<UserId>,
        /// Under which policy.
        #[serde(skip_serializing_if = "Option::is_none")]
        policy: Option<PolicyId>,
    },
    /// Somebody uses it.
    #[serde(rename = "device.assigned")]
    Assigned {
        /// Who.
        user: UserId,
    },
    /// Nobody uses it.
    #[serde(rename = "device.unassigned")]
    Unassigned {},
    /// It is under another policy, or under none.
    #[serde(rename = "device.policy_changed")]
    PolicyChanged {
        /// Which.
        policy: Option<PolicyId>,
    },
    /// Its MDM service calls it otherwise, or by its serial number again.
    #[serde(rename = "device.external_id_changed")]
    ExternalIdChanged {
        /// How.
        external_id: Option<String>,
    },
    /// People call it so, or by no name any more.
    #[serde(rename = "device.named")]
    Named {
        /// How.
        name: Option<String>,
    },
    /// It is not managed any more.
    #[serde(rename = "device.removed")]
    Removed {},
    /// An offboarding calls for something.
    #[serde(rename = "device.action_requested")]
    ActionRequested {
        /// The action.
        action: ActionId,
        /// Which offboarding.
        offboarding: OffboardingId,
        /// Whose.
        user: UserId,
        /// What is to be done.
        kind: ActionKind,
    },
    /// It went to the MDM service, or is about to: from here on it may have been received.
    #[serde(rename = "device.action_sent")]
    ActionSent {
        /// Which.
        action: ActionId,
        /// The how-manieth try this is, from 1.
        attempt: u32,
    },
    /// The MDM service has taken it.
    #[serde(rename = "device.action_acknowledged")]
    ActionAcknowledged {
        /// Which.
        action: ActionId,
    },
    /// It is done.
    #[serde(rename = "device.action_confirmed")]
    ActionConfirmed {
        /// Which.
        action: ActionId,
    },
    /// The MDM service did not take it, this time.
    #[serde(rename = "device.action_failed")]
    ActionFailed {
        /// Which.
        action: ActionId,
        /// What it said.
        reason: String,
        /// What that says of the order.
        #[serde(default, skip_serializing_if = "FailedBecause::is_answer")]
        because: FailedBecause,
        /// When to try again.
        retry_at: Micros,
    },
    /// It will not be tried again without a person.
    #[serde(rename = "device.action_parked")]
    ActionParked {
        /// Which.
        action: ActionId,
        /// Why.
        reason: String,
    },
    /// The service does not have it and will not get it.
    #[serde(rename = "device.action_cancelled")]
    ActionCancelled {
        /// Which.
        action: ActionId,
        /// Why, where a person did it and says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person has it tried again.
    #[serde(rename = "device.action_retried")]
    ActionRetried {
        /// Which.
        action: ActionId,
        /// Why, if they say so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person has given it up: nobody waits for it any more, whatever the service does.
    #[serde(rename = "device.action_given_up")]
    ActionGivenUp {
        /// Which.
        action: ActionId,
        /// Why.
        reason: String,
    },
}

impl DomainEvent for DeviceEvent {
    fn event_type(&self) -> String {
        name_of(self)
    }

    fn event_version(&self) -> String {
        self.schema_version().to_string()
    }
}

impl Fact for DeviceEvent {
    fn sealing(&self) -> Sealing {
        match self {
            Self::Named { name: Some(_) } => Sealing::Own,
            _ => Sealing::Stream,
        }
    }
}
