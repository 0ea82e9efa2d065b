//! An append on its way to the writer: sealed and hashed by the thread that brought it.

use smol_str::SmolStr;
use tokio::sync::oneshot;

use crate::claims::ClaimHasher;
use crate::keys::{Keyring, Lookup};
use crate::seal::{Key, Place};
use crate::{
    AppendError, Checkpoint, Claim, ClaimChange, Commit, CommitOutcome, Failure, Hash, Meta,
    NewEvent, Seal, StreamAppend, StreamId, WorkspaceId,
};

/// What the caller of an append is told.
pub(crate) type Answer = Result<Vec<CommitOutcome>, AppendError>;

/// An append that waits for the writer.
pub(crate) struct Job {
    pub(crate) append: SealedAppend,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// A [`StreamAppend`] as it will be stored.
pub(crate) struct SealedAppend {
    pub(crate) workspace: WorkspaceId,
    pub(crate) stream: StreamId,
    pub(crate) expected_version: u64,
    /// The number of the key that was taken for the stream's own, as it was before the append.
    pub(crate) key: Option<u64>,
    pub(crate) commits: Vec<SealedCommit>,
}

pub(crate) struct SealedCommit {
    pub(crate) meta: Meta,
    pub(crate) events: Vec<SealedEvent>,
    pub(crate) claims: Vec<HashedClaim>,
    pub(crate) checkpoint: Option<Checkpoint>,
    /// The number of the key that is the stream's own after it, where it has to do with that.
    pub(crate) stream_key: Option<u64>,
}

pub(crate) struct SealedEvent {
    pub(crate) name: SmolStr,
    pub(crate) schema_version: u16,
    pub(crate) key: Option<u64>,
    pub(crate) payload: Vec<u8>,
    /// What it says, where the payload is sealed: for those who follow the log.
    pub(crate) plain: Option<Vec<u8>>,
}

pub(crate) struct HashedClaim {
    pub(crate) taken: bool,
    pub(crate) claim: Claim,
    pub(crate) hash: Hash,
}

impl SealedAppend {
    /// About how much disk it takes, and half the memory.
    pub(crate) fn bytes(&self) -> usize {
        let events = self.commits.iter().flat_map(|commit| &commit.events);
        events.map(|event| event.payload.len()).sum()
    }
}

/// Seals payloads and hashes claims.
pub(crate) struct Sealer {
    pub(crate) keyring: Keyring,
    pub(crate) claims: ClaimHasher,
}

impl Sealer {
    /// Seals an append. `stream_key` finds the number of the key that the stream has already.
    pub(crate) fn seal(
        &self,
        append: StreamAppend,
        stream_key: impl FnOnce(&StreamAppend) -> Result<Option<u64>, Failure>,
    ) -> Result<SealedAppend, Failure> {
        let key = if uses_stream_key(&append) {
            Some(self.stream_key(&append.workspace, stream_key(&append)?)?)
        } else {
            None
        };
        let first = key.as_ref().map(|(number, _)| *number);
        let mut key = key;
        let StreamAppend { workspace, stream, expected_version, commits } = append;
        let mut version = expected_version;
        let mut sealed = Vec::with_capacity(commits.len());
        // A commit that comes before all that is sealed may be the only one that is stored: it takes no key.
        let mut is_taken = false;
        for Commit { meta, events, claims, checkpoint } in commits {
            let claims = claims.into_iter().map(|change| self.hash(&workspace, change)).collect();
            let mut kept = Vec::with_capacity(events.len());
            for event in events {
                version += 1;
                is_taken |= matches!(event.seal, Seal::Stream | Seal::Afresh);
                if event.seal == Seal::Afresh {
                    key = Some(self.keyring.allocate(&workspace)?);
                }
                kept.push(self.event(&workspace, &stream, version, key.as_ref(), event)?);
            }
            let stream_key = key.as_ref().filter(|_| is_taken).map(|(number, _)| *number);
            sealed.push(SealedCommit { meta, events: kept, claims, checkpoint, stream_key });
        }
        Ok(SealedAppend { workspace, stream, expected_version, key: first, commits: sealed })
    }

    /// The stream's key, or a new one.
    fn stream_key(
        &self,
        workspace: &WorkspaceId,
        known: Option<u64>,
    ) -> Result<(u64, Key), Failure> {
        let Some(number) = known else { return self.keyring.allocate(workspace) };
        match self.keyring.lookup(workspace, number)? {
            Lookup::Found(key) => Ok((number, key)),
            Lookup::Erased | Lookup::Missing => {
                Err(Failure::KeyGone { workspace: workspace.clone(), key: number })
            }
        }
    }

    fn event(
        &self,
        workspace: &WorkspaceId,
        stream: &StreamId,
        version: u64,
        stream_key: Option<&(u64, Key)>,
        event: NewEvent,
    ) -> Result<SealedEvent, Failure> {
        let NewEvent { name, schema_version, payload, seal } = event;
        let own;
        let key = match seal {
            Seal::Open | Seal::Afresh => None,
            Seal::Stream => stream_key,
            Seal::Own => {
                own = self.keyring.allocate(workspace)?;
                Some(&own)
            }
        };
        let (payload, plain) = match key {
            Some((_, key)) => {
                let place = Place { workspace, stream, version, name: &name };
                (place.seal(key, payload.clone()), Some(payload))
            }
            None => (payload, None),
        };
        let key = key.map(|(number, _)| *number);
        Ok(SealedEvent { name, schema_version, key, payload, plain })
    }

    fn hash(&self, workspace: &WorkspaceId, change: ClaimChange) -> HashedClaim {
        let (taken, claim) = match change {
            ClaimChange::Take(claim) => (true, claim),
            ClaimChange::Release(claim) => (false, claim),
        };
        HashedClaim { taken, hash: self.claims.hash(workspace, &claim), claim }
    }
}

/// Whether anything is sealed with the key that the stream has already.
fn uses_stream_key(append: &StreamAppend) -> bool {
    let events = append.commits.iter().flat_map(|commit| &commit.events);
    events.take_while(|event| event.seal != Seal::Afresh).any(|event| event.seal == Seal::Stream)
}
