//! What an MDM service is to the reactor: somebody who takes orders and says how they stand.
//!
//! Adapters live in the crate `mdm`, one file per service. An adapter keeps no state and records
//! nothing: the deliverer notes each answer as a fact of the device before it does the next thing.
//! The order's action id is the idempotency key: an adapter may be asked to send the same order
//! again after a crash, and must not let the service act on it twice.

use domain::{
    ids::{ActionId, DeviceId},
    offboarding::ActionKind,
};

pub use event_log::BoxFuture;

/// What is to be done to which device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceOrder {
    /// The idempotency key.
    pub action: ActionId,
    /// The device.
    pub device: DeviceId,
    /// Its serial number, by which services know it.
    pub serial: String,
    /// Its platform.
    pub platform: String,
    /// What is to be done.
    pub kind: ActionKind,
}

/// How an order stands at the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The service has it and is not done.
    Accepted,
    /// It is done.
    Done,
}

/// Why an order was not taken. Whether to try again is the adapter's to say, since only it knows
/// what its service means.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MdmError {
    /// Try again later.
    #[error("the service did not take the order: {0}")]
    Retry(String),
    /// Trying again would not help; a person must look.
    #[error("the service refuses the order: {0}")]
    Refused(String),
}

/// An MDM service.
pub trait Mdm: Send + Sync {
    /// The adapter's name.
    fn name(&self) -> &'static str;

    /// Hands an order over. The same order may come again, under the same action id.
    fn send<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<(), MdmError>>;

    /// How an order stands that was handed over.
    fn standing<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<Standing, MdmError>>;
}
