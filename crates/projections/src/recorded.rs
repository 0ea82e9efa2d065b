//! An event as projections, policies and the reactor see it: decoded, with its place in the log.

use std::sync::Arc;

use domain::{Event, Micros, Stamp, event::DecodeError, ids::ConnectorName};
use event_log::{Meta, Payload, StoredEvent, WorkspaceId};
use rusqlite::Transaction;
use smol_str::SmolStr;
use uuid::Uuid;

use crate::Projection;

/// An event that stands in the log and can be read.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Where it happened.
    pub workspace: WorkspaceId,
    /// Its place in the workspace, from 1.
    pub position: u64,
    /// The id of the aggregate it happened to.
    pub stream: Uuid,
    /// The kind of that aggregate, such as `user`.
    pub kind: SmolStr,
    /// Its place in the stream, from 1.
    pub version: u64,
    /// When it was recorded, in microseconds since the epoch.
    pub at: Micros,
    /// Who, why and in answer to what.
    pub meta: Arc<Meta>,
    /// Its stored name, such as `user.entry_added`.
    pub name: SmolStr,
    /// What happened.
    pub event: Event,
}

/// An event that was erased: its key was destroyed on purpose, and this is what can be seen of it.
#[derive(Clone, Debug)]
pub struct Erased {
    /// Where it happened.
    pub workspace: WorkspaceId,
    /// Its place in the workspace, from 1.
    pub position: u64,
    /// The id of the aggregate it happened to.
    pub stream: Uuid,
    /// Its stored name, such as `user.entry_added`.
    pub name: SmolStr,
    /// Who, why and in answer to what.
    pub meta: Arc<Meta>,
}

impl Erased {
    /// The connector that did it, if one did.
    pub fn connector(&self) -> Option<ConnectorName> {
        let (connector, _) = self.meta.actor.strip_prefix("connector:")?.split_once('/')?;
        ConnectorName::parse(connector).ok()
    }
}

/// An event as a projection meets it.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    Whole(Recorded),
    Erased(Erased),
}

impl Seen {
    pub(crate) fn read(stored: StoredEvent) -> Result<Self, ReadError> {
        let StoredEvent { workspace, position, stream, version, name, schema_version, .. } = stored;
        let meta = stored.meta;
        let payload = match stored.payload {
            Payload::Plain(payload) => payload,
            Payload::Erased => {
                let stream = stream.id;
                return Ok(Self::Erased(Erased { workspace, position, stream, name, meta }));
            }
            Payload::Missing { key } => return Err(ReadError::KeyMissing { position, key }),
            Payload::Damaged { key } => return Err(ReadError::Damaged { position, key }),
        };
        let event = Event::decode(&stream.kind, &name, schema_version, &payload)
            .map_err(|source| ReadError::Undecodable { position, source })?;
        Ok(Self::Whole(Recorded {
            workspace,
            position,
            stream: stream.id,
            kind: stream.kind,
            version,
            at: stored.time,
            meta,
            name,
            event,
        }))
    }

    /// Whether a projection may do something with it.
    pub(crate) fn concerns(&self, projection: &dyn Projection) -> bool {
        match self {
            Self::Whole(event) => projection.hears(&event.event),
            Self::Erased(event) => projection.hears_erased(&event.name),
        }
    }

    pub(crate) fn apply(
        &self,
        projection: &dyn Projection,
        tx: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        match self {
            Self::Whole(event) => projection.apply(tx, event),
            Self::Erased(event) => projection.apply_erased(tx, event),
        }
    }
}

/// Why an event cannot be read. Never skipped: whoever reads it stops there and says so.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Its key is lost; an erased person's key is not, that is on purpose.
    #[error("the data key {key} of the event at position {position} is missing")]
    KeyMissing {
        /// The position of the event.
        position: u64,
        /// The number of the key.
        key: u64,
    },
    /// Its key is there and does not open it.
    #[error(
        "the event at position {position} is damaged: its data key {key} is there and does not open it"
    )]
    Damaged {
        /// The position of the event.
        position: u64,
        /// The number of the key.
        key: u64,
    },
    /// This version does not know it, or it is not what its name says.
    #[error("the event at position {position} cannot be decoded")]
    Undecodable {
        /// The position of the event.
        position: u64,
        /// Why.
        #[source]
        source: DecodeError,
    },
}

impl ReadError {
    /// The position of the event.
    pub fn position(&self) -> u64 {
        match self {
            Self::KeyMissing { position, .. }
            | Self::Damaged { position, .. }
            | Self::Undecodable { position, .. } => *position,
        }
    }
}

impl Recorded {
    /// Decodes an event. `None` when it was erased: nothing of it is left to be seen.
    ///
    /// # Errors
    /// [`ReadError`] when its key is missing, it is damaged, or it does not decode.
    pub fn read(stored: StoredEvent) -> Result<Option<Self>, ReadError> {
        Ok(match Seen::read(stored)? {
            Seen::Whole(event) => Some(event),
            Seen::Erased(_) => None,
        })
    }

    /// Where and when it stands, as an aggregate's `evolve` wants it.
    pub fn stamp(&self) -> Stamp {
        Stamp { position: self.position, version: self.version, at: self.at }
    }
}
