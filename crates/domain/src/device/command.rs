//! What may be asked of a device, and why it may be refused.

use crate::{
    Micros,
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
    /// It gets another user, another policy or another external id.
    Change(Changes),
    /// An administrator removes it.
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
        /// When to try again.
        retry_at: Micros,
    },
    /// It will not be tried again without a person.
    Park {
        /// Which.
        action: ActionId,
        /// Why.
        reason: String,
    },
    /// It is not wanted any more, and has not been sent.
    Cancel {
        /// Which.
        action: ActionId,
    },
}

/// What changes of a device. `None` leaves; `Some(None)` takes away.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Who uses it.
    pub user: Option<Option<UserId>>,
    /// Under which policy.
    pub policy: Option<Option<PolicyId>>,
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
    /// Its removal has been sent to the MDM service.
    #[error("that device is being removed, and nobody can get it any more")]
    BeingRemoved,
}
