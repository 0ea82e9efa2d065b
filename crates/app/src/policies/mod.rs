//! Policies: what follows inside Muster from an event.
//!
//! A policy hears events in the order of the log and answers with commands; the runner dispatches
//! them, with the event as their cause and its correlation id carried on. `/api/v1` reads wait until
//! policies have dealt with the log's head; SCIM reads do not.
//!
//! What makes a policy's work exactly once is that its commands are idempotent (ids derived from the
//! event, decisions made on the aggregate's own state); the checkpoint only saves time. So a batch of
//! events is worked on concurrently, stream by stream, and the checkpoint moves behind it.
//!
//! Invariant: rebuilding a read model never moves a policy's checkpoint; it lies in the log's file.

pub(crate) mod backlog;
mod memberships;
mod pending;
mod progress;
mod role_passes;
mod roles;
mod runner;
mod sweeps;
mod turns;

use domain::{
    Micros,
    device::DeviceCommand,
    group::GroupCommand,
    ids::{ConnectorName, DeviceId, GroupId, UserId},
    user::UserCommand,
};
use event_log::BoxFuture;
use projections::Recorded;

pub use progress::Progress;
pub(crate) use role_passes::RolePasses;
pub use runner::run;
pub(crate) use sweeps::Sweeps;
pub(crate) use turns::Turns;

use crate::{App, Refusal, erasures};

/// Something to be done because of an event.
#[derive(Debug)]
pub enum Consequence {
    /// To a user.
    User(UserId, UserCommand),
    /// To a collaborator's role: their groups are looked at, as of a time.
    Role(UserId, Micros),
    /// To all collaborators' roles, beside the policies, as of a time.
    Roles(Micros),
    /// To what is left of a connector that was removed with its people: it is swept out.
    Sweep(ConnectorName),
    /// To whatever holds something of somebody who was erased.
    Erasure(UserId),
    /// To a group.
    Group(GroupId, GroupCommand),
    /// To a device.
    Device(DeviceId, DeviceCommand),
}

/// One rule of the kind "whenever this, then that".
pub trait Policy: Send + Sync {
    /// For the log's actor column: who did what follows.
    fn name(&self) -> &'static str;

    /// Whether an event of this name concerns it. Others are not even read.
    fn hears(&self, name: &str) -> bool;

    /// What follows, in order. Asked again after a crash; the answer may then be done already.
    fn react<'a>(
        &'a self,
        app: &'a App,
        event: &'a Recorded,
    ) -> BoxFuture<'a, Result<Vec<Consequence>, Refusal>>;
}

/// The policies that need nothing but the log and the directory.
pub fn standard() -> Vec<Box<dyn Policy>> {
    vec![
        Box::new(memberships::Memberships),
        Box::new(pending::Pending),
        Box::new(roles::Roles),
        Box::new(sweeps::Removals),
        Box::new(erasures::Hearing),
    ]
}
