//! What an MDM service is to the reactor: somebody who takes orders and says how they stand.
//!
//! Adapters live in the crate `mdm`, one file per service. An adapter keeps no state and records
//! nothing: the deliverer notes each answer as a fact of the device before it does the next thing.
//! The order's action id is the idempotency key: an adapter may be asked to send the same order
//! again after a crash, and must not let the service act on it twice.

use std::{sync::Arc, time::Duration};

use app::Refusal;
use domain::{
    ids::{ActionId, DeviceId},
    offboarding::ActionKind,
};
use event_log::WorkspaceId;

pub use event_log::BoxFuture;

/// What is to be done to which device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceOrder {
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// The idempotency key.
    pub action: ActionId,
    /// The device.
    pub device: DeviceId,
    /// Its serial number, by which services know it unless there is an external id.
    pub serial: String,
    /// What the service calls it, where that is not the serial number.
    pub external_id: Option<String>,
    /// Its platform.
    pub platform: String,
    /// What is to be done.
    pub kind: ActionKind,
    /// The name of the policy that the device gets, for [`ActionKind::ChangePolicy`].
    pub policy_name: Option<String>,
    /// The correlation id of the request that began all this. It goes out with every call.
    pub correlation: String,
}

/// How an order stands at the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The service has it and is not done.
    Accepted,
    /// It is done.
    Done,
}

/// Whether a service has an order whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It has it, done or not.
    Yes,
    /// It does not have it, and the order can be taken back as if it had never been sent.
    No,
    /// Nobody can tell; a person must look.
    Unsure,
}

/// Why an order was not taken, or what became of it is not known. Which of these it is only the
/// adapter can say, since only it knows what its service means. Reasons are shown to people and kept
/// for ever: ids and words of the service, never a secret or anything personal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MdmError {
    /// The service takes no orders at all at the moment: it cannot be reached, is overloaded, answers
    /// 5xx or 429 before it has looked at the order, or does not accept our credentials. **It has not
    /// got this one.** Everything for this service waits; the order's tries are not counted.
    #[error("the service takes no orders: {reason}")]
    Down {
        /// What it said.
        reason: String,
        /// For how long it asks to be left alone (`Retry-After`), if it does.
        after: Option<Duration>,
    },
    /// Nobody can know whether the service has the order: the call broke off after it was sent. It
    /// is sent again under the same action id.
    #[error("the service did not answer: {reason}")]
    Unanswered {
        /// What happened.
        reason: String,
    },
    /// The service has looked at this order and does not take it now. **It has not got it.**
    #[error("the service did not take the order: {reason}")]
    Retry {
        /// What it said.
        reason: String,
        /// After which time it asks to be tried again (`Retry-After`), if it does.
        after: Option<Duration>,
    },
    /// Trying again would not help; a person must look.
    #[error("the service refuses the order: {0}")]
    Refused(String),
}

impl MdmError {
    /// One word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Down { .. } => "down",
            Self::Unanswered { .. } => "unanswered",
            Self::Retry { .. } => "retry",
            Self::Refused(_) => "refused",
        }
    }
}

/// An MDM service.
///
/// Every call has to end, in seconds rather than minutes: while it lasts, it takes one of the few places
/// of its service, though of no other.
pub trait Mdm: Send + Sync {
    /// The adapter's name.
    fn name(&self) -> &'static str;

    /// Where the service is, to tell it apart from others behind the same adapter. What one workspace owes
    /// through one adapter to one place waits together when that is slow or down. `None` where there is one
    /// only.
    fn place(&self) -> Option<&str> {
        None
    }

    /// Whether it is called no faster than the server's setting says. What calls nobody need not be.
    fn paced(&self) -> bool {
        true
    }

    /// Hands an order over. The same order may come again, under the same action id.
    fn send<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<(), MdmError>>;

    /// How an order stands that the service has taken.
    fn standing<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<Standing, MdmError>>;

    /// Whether the service has an order whose answer was lost. Asked instead of sending it again, when
    /// it is not wanted any more: the person is active again, or somebody else has the device.
    fn received<'a>(&'a self, _: &'a DeviceOrder) -> BoxFuture<'a, Result<Received, MdmError>> {
        Box::pin(async { Ok(Received::Unsure) })
    }
}

/// Which service a device belongs to.
pub trait Services: Send + Sync {
    /// The service for a platform in a workspace. Asked for each action, so that a setting that was
    /// changed acts at once.
    ///
    /// # Errors
    /// When the setting cannot be read; the action is tried again later.
    fn of<'a>(
        &'a self,
        workspace: &'a WorkspaceId,
        platform: &'a str,
    ) -> BoxFuture<'a, Result<Arc<dyn Mdm>, Refusal>>;

    /// Waits until a service has told of its own accord that something has become of an action; which
    /// one that is. It is asked about at once then, and not only when its turn comes. Dropping the future
    /// loses nothing.
    fn reported(&self) -> BoxFuture<'_, (WorkspaceId, ActionId)> {
        Box::pin(std::future::pending())
    }
}

/// One service for every device.
pub struct Only(pub Arc<dyn Mdm>);

impl Services for Only {
    fn of<'a>(
        &'a self,
        _: &'a WorkspaceId,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Arc<dyn Mdm>, Refusal>> {
        Box::pin(async { Ok(Arc::clone(&self.0)) })
    }
}
