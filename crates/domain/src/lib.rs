//! The domain of Muster: what a workspace, a user, a group and a device may do, and what follows.
//!
//! SCIM transfers *state*, the log stores *facts*. An aggregate turns one into the other: `decide`
//! compares what is asked for with what is known and answers with the facts that are new; `evolve`
//! folds facts into state. A request that changes nothing yields no fact, and that alone makes an
//! `IdP`'s retries, PUT loops and repeated cycles harmless.
//!
//! Start at [`decider::Decider`], then read [`user`], the richest of the aggregates.
//!
//! Invariant: nothing here does I/O, awaits, reads a clock, makes an id or logs; what a decision
//! needs arrives in its command.
//! Invariant: stored names and payloads of events are for ever; `tests/stored` holds one of each.

pub mod admin_role;
pub mod attribute_mapping;
pub mod claim;
pub mod decider;
pub mod device;
pub mod event;
pub mod group;
pub mod group_filter;
pub mod ids;
pub mod offboarding;
pub mod portal;
pub mod publication;
pub mod role_mapping;
pub mod rule;
pub mod segments;
pub mod stored;
pub mod user;
mod weight;
pub mod workspace;

pub use claim::Claim;
pub use decider::{Attempt, Decider, Es, Stamp};
pub use event::Event;
pub use portal::{Portal, Role};

/// A point in time: microseconds since the Unix epoch, UTC.
pub type Micros = i64;
