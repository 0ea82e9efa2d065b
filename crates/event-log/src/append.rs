//! What is appended, and the answer.

use std::fmt;

use smol_str::SmolStr;

use crate::{Failure, Micros, StreamId, WorkspaceId};

/// Commits of one stream that were decided in order on one state.
#[derive(Clone, Debug)]
pub struct StreamAppend {
    /// Where it belongs. A workspace comes to be by its first append.
    pub workspace: WorkspaceId,
    /// Whose events they are.
    pub stream: StreamId,
    /// The version the first commit was decided on; 0 for a new stream.
    pub expected_version: u64,
    /// In order; each builds on the one before.
    pub commits: Vec<Commit>,
}

/// What one command decided: stored together or not at all.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Who, why and in answer to what.
    pub meta: Meta,
    /// In order. Empty when only claims or a checkpoint move.
    pub events: Vec<NewEvent>,
    /// In order.
    pub claims: Vec<ClaimChange>,
    /// Moves together with the events.
    pub checkpoint: Option<Checkpoint>,
}

/// An event that has no position yet. What it says is not shown by `Debug`.
#[derive(Clone)]
pub struct NewEvent {
    /// Its type, such as `user.entry_added`.
    pub name: SmolStr,
    /// The version of the type's schema.
    pub schema_version: u16,
    /// The exact bytes to keep, before they are sealed.
    pub payload: Vec<u8>,
    /// How they are kept.
    pub seal: Seal,
}

/// How a payload is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seal {
    /// As it is: it holds nothing personal.
    Open,
    /// Sealed with the stream's own data key.
    Stream,
    /// Sealed with a fresh key for this event alone.
    Own,
    /// As it is, and what follows it in the stream is sealed with a fresh key: the one before can be
    /// destroyed without taking along what follows.
    Afresh,
}

/// Something that only one stream of a workspace may hold, such as a user name.
///
/// It is stored as a keyed hash and gives nothing away, nor does `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    /// Within what it is unique, such as `entry:okta`. Nothing personal: it is stored as it is.
    pub scope: SmolStr,
    /// What is claimed, already folded.
    pub key: String,
}

/// A claim that changes hands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClaimChange {
    /// Taking what one's own stream holds is fine.
    Take(Claim),
    /// Releasing what one does not hold does nothing.
    Release(Claim),
}

/// How far a reader has come, moved by the append that records what it made of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// Whose it is, unique in the workspace.
    pub name: SmolStr,
    /// The last position it has dealt with.
    pub position: u64,
}

/// Who, why and in answer to what.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Meta {
    /// An id of who did it: a connector with its token, a person, the reactor.
    pub actor: SmolStr,
    /// What was asked, such as `PATCH /Users/…`.
    pub request: Option<String>,
    /// The same from the first request to its last effect.
    pub correlation: String,
    /// The position of the causing event in this workspace.
    pub causation: Option<u64>,
    /// The setting in force, as JSON text.
    pub rule: Option<String>,
}

/// Proof that a commit is on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// The position of the first event; the workspace's head when there is none.
    pub first_position: u64,
    /// The position of the last event; the workspace's head when there is none.
    pub last_position: u64,
    /// The stream's version after the commit.
    pub version: u64,
    /// When it was recorded. It never decreases in a workspace.
    pub time: Micros,
}

/// What became of one commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommitOutcome {
    /// It is on disk.
    Stored(Receipt),
    /// Another stream holds what it claims; nothing of it was stored.
    ClaimTaken {
        /// What was claimed.
        claim: Claim,
        /// Who holds it.
        holder: StreamId,
    },
    /// An earlier commit of the batch was refused, so that this one was decided on a state that
    /// never came to be: decide it again.
    NotTried,
}

impl fmt::Debug for NewEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewEvent")
            .field("name", &self.name)
            .field("schema_version", &self.schema_version)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .field("seal", &self.seal)
            .finish()
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl CommitOutcome {
    /// The receipt, when it was stored.
    pub fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::Stored(receipt) => Some(receipt),
            Self::ClaimTaken { .. } | Self::NotTried => None,
        }
    }
}

/// Why nothing of a batch was stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// The stream has moved on: read its tail and decide again.
    #[error("the stream is at version {actual}")]
    Conflict {
        /// The version it has.
        actual: u64,
    },
    /// Too much is waiting; try again in a moment.
    #[error("too many appends are waiting")]
    Overloaded,
    /// The storage has failed before, and the log takes no more until a person has looked at it.
    #[error("the log is read-only after a failure of its storage")]
    ReadOnly,
    /// The storage failed; whether the batch was stored is unknown.
    #[error("appending failed")]
    Failed(#[source] Failure),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_personal_is_shown_by_debug() {
        let claim = Claim { scope: "entry:okta".into(), key: "ada".to_owned() };
        assert_eq!(format!("{claim:?}"), r#"Claim { scope: "entry:okta", .. }"#);
        let event = NewEvent {
            name: "user.added".into(),
            schema_version: 1,
            payload: b"ada".to_vec(),
            seal: Seal::Own,
        };
        assert_eq!(
            format!("{event:?}"),
            r#"NewEvent { name: "user.added", schema_version: 1, payload: 3 bytes, seal: Own }"#
        );
    }
}
