//! What may be asked of a device, and why it may be refused.

use crate::{
    Micros,
    device::FailedBecause,
    ids::{ActionId, OffboardingId, PolicyId, UserId},
    offboarding::ActionKind,
};

/// What may be asked.
#[derive(Clone, Debug)]
pub enum DeviceCommand {
    /// It comes under management.
    Enrol {
        /// Unique in the workspace.
        serial: String,
        /// For example `ios`.
        platform: String,
        /// What people call it.
        name: Option<String>,
        /// What its MDM service calls it, where that is not the serial number.
        external_id: Option<String>,
        /// Who uses it.
        user: Option<UserId>,
        /// Under which policy.
        policy: Option<PolicyId>,
    },
    /// It gets another user, policy, name or external id.
    Change(Changes),
    /// Its name goes, whatever state it is in: somebody was erased whose it may say.
    Unname,
    /// An administrator removes it. Refused while an offboarding owes it a removal by its service: that
    /// would be lost.
    Remove,
    /// An offboarding calls for an action. Asked twice, it is requested once.
    Request {
        /// The action.
        action: ActionId,
        /// Which offboarding.
        offboarding: OffboardingId,
        /// Whose.
        user: UserId,
        /// What is to be done.
        kind: ActionKind,
    },
    /// The action is about to be sent to the MDM service.
    Send {
        /// Which.
        action: ActionId,
    },
    /// The MDM service has taken the action.
    Acknowledge {
        /// Which.
        action: ActionId,
    },
    /// The MDM service says that it is done.
    Confirm {
        /// Which.
        action: ActionId,
    },
    /// The MDM service did not take it, this time.
    Fail {
        /// Which.
        action: ActionId,
        /// What it said, without anything personal.
        reason: String,
        /// What that says of the order.
        because: FailedBecause,
        /// When to try again.
        retry_at: Micros,
    },
    /// The MDM service says that it never had it, and it is not wanted any more.
    NeverCame {
        /// Which.
        action: ActionId,
    },
    /// It will not be tried again without a person.
    Park {
        /// Which.
        action: ActionId,
        /// Why.
        reason: String,
    },
    /// It is not wanted any more; taken back if the service cannot have it, else left.
    Cancel {
        /// Which.
        action: ActionId,
    },
    /// What a person makes of an action. Unlike the reactor they are told when it cannot be.
    Steer {
        /// Which.
        action: ActionId,
        /// What is to become of it.
        to: Steering,
    },
}

/// What a person makes of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Steering {
    /// It is tried again, now.
    Retry {
        /// Why, in their words.
        reason: Option<String>,
    },
    /// It is taken back.
    Cancel {
        /// Why, in their words.
        reason: Option<String>,
        /// Whether the person's account will be removed: nobody whose account is removed keeps a device.
        leaves: bool,
    },
    /// It counts as ended, whatever the service does or has done.
    GiveUp {
        /// Why, in their words.
        reason: String,
    },
}

/// What changes of a device. `None` leaves; `Some(None)` takes away.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Who uses it.
    pub user: Option<Option<UserId>>,
    /// Under which policy.
    pub policy: Option<Option<PolicyId>>,
    /// What people call it.
    pub name: Option<Option<String>>,
    /// What its MDM service calls it.
    pub external_id: Option<Option<String>>,
}

/// Why a command is not carried out.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceRefusal {
    /// No such device.
    #[error("there is no device with that id")]
    NoDevice,
    /// It is gone.
    #[error("that device has been removed; enrol it again to manage it")]
    Removed,
    /// It has no such action.
    #[error("there is no effect with that id")]
    NoAction,
    /// The state of the action does not allow what a person asks for.
    #[error("{0}")]
    Action(&'static str),
    /// An offboarding owes it a removal, which nobody has received.
    #[error(
        "effect {0} is to remove that device at its MDM service, and would be lost: wait for it, or \
         cancel it first"
    )]
    RemovalOwed(ActionId),
    /// The same, and the service may have it.
    #[error(
        "effect {0} removes that device at its MDM service, and the service may have it: wait for it, or \
         give it up first"
    )]
    RemovalUnderWay(ActionId),
    /// Its MDM service may have an action under the external id that it has.
    #[error(
        "effect {0} may have gone to the MDM service of that device, and is asked about under the \
         external_id that the device has: wait for it, or give it up first"
    )]
    Told(ActionId),
    /// Its removal has been sent to the MDM service.
    #[error(
        "that device is being removed by effect {0}: it stays with its person until that has ended or was \
         given up"
    )]
    BeingRemoved(ActionId),
}
