//! Any event of any aggregate, read back from the log.

use crate::{
    Decider,
    device::{Device, DeviceEvent},
    group::{Group, GroupEvent},
    publication::{Publication, PublicationEvent},
    segments::{Segments, SegmentsEvent},
    stored::{Unreadable, decode},
    user::{User, UserEvent},
    workspace::{Workspace, WorkspaceEvent},
};

/// One event, by the kind of its stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Of a workspace.
    Workspace(WorkspaceEvent),
    /// Of a user.
    User(UserEvent),
    /// Of a group.
    Group(GroupEvent),
    /// Of a device.
    Device(DeviceEvent),
    /// Of a publication.
    Publication(PublicationEvent),
    /// Of a workspace's segments.
    Segments(SegmentsEvent),
}

/// Why an event cannot be read. Never skipped: what reads it stops and says so.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A kind of stream that this version does not know.
    #[error("streams of the kind {0:?} are unknown to this version")]
    UnknownKind(String),
    /// The payload is not what its name says.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl Event {
    /// Reads an event of a stream of `kind`.
    ///
    /// # Errors
    /// [`DecodeError`] when kind, name or payload are not known.
    pub fn decode(
        kind: &str,
        name: &str,
        schema_version: u16,
        payload: &[u8],
    ) -> Result<Self, DecodeError> {
        Ok(match kind {
            Workspace::KIND => Self::Workspace(decode(name, schema_version, payload)?),
            User::KIND => Self::User(decode(name, schema_version, payload)?),
            Group::KIND => Self::Group(decode(name, schema_version, payload)?),
            Device::KIND => Self::Device(decode(name, schema_version, payload)?),
            Publication::KIND => Self::Publication(decode(name, schema_version, payload)?),
            Segments::KIND => Self::Segments(decode(name, schema_version, payload)?),
            other => return Err(DecodeError::UnknownKind(other.to_owned())),
        })
    }
}
