//! The reactor: carries out what an offboarding calls for on devices.
//!
//! Two parts. The [`Planner`] is a policy: it hears that an offboarding was opened, asks which devices
//! it concerns and has an action requested on each, unless the brake holds it; it hears actions end and
//! completes the offboarding after the last. The [`deliverer`] works off what is owed: it notes that an
//! action is being sent, hands it to the MDM adapter, and notes each answer as a fact of the device.
//! What both of them promise stands in `docs/offboarding.md`.
//!
//! Everything owed is in the log, so a crash, a rebuild or a restart can neither lose nor repeat an
//! effect: ids of actions are derived, every step of an action may be asked for twice, and the second
//! time adds no fact.
//!
//! Invariant: the SCIM answer never waits for a device.

mod brake;
pub mod deliverer;
pub mod owed;
mod planner;
pub mod service;

pub use planner::Planner;
