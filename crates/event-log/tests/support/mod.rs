//! Short ways to write appends.

use event_log::{
    Claim, ClaimChange, Commit, CommitOutcome, Erasure, EventLog, Meta, NewEvent, Receipt, Seal,
    StreamAppend, StreamId, WorkspaceId,
};
use uuid::Uuid;

pub(crate) fn workspace(name: &str) -> WorkspaceId {
    WorkspaceId::parse(name).unwrap()
}

pub(crate) fn user(number: u128) -> StreamId {
    StreamId::new("user", Uuid::from_u128(number))
}

pub(crate) fn meta(correlation: &str) -> Meta {
    Meta { actor: "tester".into(), correlation: correlation.to_owned(), ..Meta::default() }
}

pub(crate) fn event(payload: &str, seal: Seal) -> NewEvent {
    let payload = payload.as_bytes().to_vec();
    NewEvent { name: "user.changed".into(), schema_version: 1, payload, seal }
}

pub(crate) fn commit(payloads: &[&str]) -> Commit {
    Commit {
        meta: meta("r-1"),
        events: payloads.iter().map(|payload| event(payload, Seal::Open)).collect(),
        claims: Vec::new(),
        checkpoint: None,
    }
}

/// An erasure that destroys one key of somebody.
pub(crate) fn erasure(workspace: &WorkspaceId, key: u64) -> Erasure {
    let (id, user) = (Uuid::from_u128(u128::from(key)), Uuid::from_u128(1));
    Erasure { id, workspace: workspace.clone(), user, entries: vec![], keys: vec![key], at: 0 }
}

pub(crate) fn claim(key: &str) -> Claim {
    Claim { scope: "user-name".into(), key: key.to_owned() }
}

pub(crate) fn take(key: &str) -> ClaimChange {
    ClaimChange::Take(claim(key))
}

pub(crate) fn release(key: &str) -> ClaimChange {
    ClaimChange::Release(claim(key))
}

pub(crate) fn append(
    workspace: &WorkspaceId,
    stream: &StreamId,
    expected_version: u64,
    commits: Vec<Commit>,
) -> StreamAppend {
    let (workspace, stream) = (workspace.clone(), stream.clone());
    StreamAppend { workspace, stream, expected_version, commits }
}

/// Appends one commit that must be stored.
pub(crate) async fn store(
    log: &dyn EventLog,
    workspace: &WorkspaceId,
    stream: &StreamId,
    expected_version: u64,
    commit: Commit,
) -> Receipt {
    let outcomes = log.append(append(workspace, stream, expected_version, vec![commit])).await;
    match outcomes.unwrap().as_slice() {
        [CommitOutcome::Stored(receipt)] => *receipt,
        other => panic!("not stored: {other:?}"),
    }
}
