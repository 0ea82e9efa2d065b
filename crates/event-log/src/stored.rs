//! What is read.

use std::fmt;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::{Meta, Micros, StreamId, WorkspaceId};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// An event as it is kept.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredEvent {
    /// Where it happened.
    pub workspace: WorkspaceId,
    /// Its place in the workspace, from 1, without gaps.
    pub position: u64,
    /// To whom it happened.
    pub stream: StreamId,
    /// Its place in the stream, from 1, without gaps.
    pub version: u64,
    /// Its type.
    pub name: SmolStr,
    /// The version of the type's schema.
    pub schema_version: u16,
    /// When it was recorded.
    pub time: Micros,
    /// Shared by the events of one commit.
    pub meta: Arc<Meta>,
    /// The number of the data key it is sealed with, unique in the workspace.
    pub key: Option<u64>,
    /// What it says.
    pub payload: Payload,
}

/// What an event says, as far as it can still be read. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub enum Payload {
    /// The bytes that were appended.
    Plain(Vec<u8>),
    /// Its key was destroyed on purpose.
    Erased,
    /// Its key is lost: an alarm, never to be skipped silently.
    Missing {
        /// The number of the key.
        key: u64,
    },
    /// Its key is there and does not open it: one of them is damaged. An alarm as well.
    Damaged {
        /// The number of the key.
        key: u64,
    },
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(bytes) => write!(f, "Plain({} bytes)", bytes.len()),
            Self::Erased => f.write_str("Erased"),
            Self::Missing { key } => write!(f, "Missing {{ key: {key} }}"),
            Self::Damaged { key } => write!(f, "Damaged {{ key: {key} }}"),
        }
    }
}

/// What of an event only somebody needs who checks it.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept {
    /// The payload as it is kept: sealed, when there is a key.
    pub payload: Vec<u8>,
    /// The leaf hash, as it was computed when the event was stored.
    pub leaf: Hash,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({} bytes)", self.payload.len())
    }
}

/// A workspace's Merkle tree: how many events, and the root over them (RFC 6962 §2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TreeHead {
    /// The number of events, which is the last position.
    pub size: u64,
    /// The root hash; for an empty tree, SHA-256 of nothing.
    pub root: Hash,
}

/// Proof that an event is in a tree (RFC 6962 §2.1.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inclusion {
    /// The event's leaf hash.
    pub leaf: Hash,
    /// The roots of the subtrees beside it, from the leaf up.
    pub path: Vec<Hash>,
}

/// What a verification found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Everything up to this tree head is as it was written.
    Sound(TreeHead),
    /// It is not.
    Broken(Fault),
}

/// The first thing that a verification found wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The position of the first bad event. `None` when every event is sound, and only something
    /// that is kept beside them, and could be made from them again, is wrong.
    pub position: Option<u64>,
    /// What is wrong.
    pub what: &'static str,
}
