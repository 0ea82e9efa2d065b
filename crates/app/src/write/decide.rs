//! One command on one state, through cqrs-es, and what the log needs to know of the answer.

use std::{collections::BTreeSet, sync::Arc};

use cqrs_es::{Aggregate, event_sink::EventSink};
use domain::{
    Attempt, Decider, Es,
    stored::{Fact, Sealing, encode},
};
use event_log::{Checkpoint, Claim, ClaimChange, Commit, Meta, Micros, NewEvent, Seal};

/// Decides a command on a draft, which afterwards is as if it had happened.
///
/// # Errors
/// The aggregate's refusal; the draft is as before.
pub(crate) async fn decide<D: Decider>(
    draft: &mut Es<D>,
    command: &Arc<D::Command>,
    now: Micros,
) -> Result<Vec<D::Event>, D::Refusal> {
    let sink = EventSink::default();
    draft.handle(Attempt { command: Arc::clone(command), now }, &(), &sink).await?;
    Ok(sink.collect().await)
}

/// What goes to the log for one command.
pub(crate) fn commit<F: Fact>(
    events: &[F],
    claims: Vec<ClaimChange>,
    meta: Meta,
    checkpoint: Option<Checkpoint>,
) -> Commit {
    Commit { meta, events: events.iter().map(new_event).collect(), claims, checkpoint }
}

fn new_event<F: Fact>(event: &F) -> NewEvent {
    let encoded = encode(event);
    NewEvent {
        name: encoded.name.into(),
        schema_version: encoded.schema_version,
        payload: encoded.payload,
        seal: match event.sealing() {
            Sealing::Open => Seal::Open,
            Sealing::Stream => Seal::Stream,
            Sealing::Own => Seal::Own,
            Sealing::Afresh => Seal::Afresh,
        },
    }
}

/// What a state takes and gives back when it follows another. Takes come first, so that a refusal
/// names what is taken; within them the order is that of the scopes, `entry:` before `person:`.
pub(crate) fn claim_changes(
    before: &BTreeSet<domain::Claim>,
    after: &BTreeSet<domain::Claim>,
) -> Vec<ClaimChange> {
    let take = after.difference(before).map(|claim| ClaimChange::Take(to_log(claim)));
    let release = before.difference(after).map(|claim| ClaimChange::Release(to_log(claim)));
    take.chain(release).collect()
}

/// A claim as the log knows it.
pub(crate) fn to_log(claim: &domain::Claim) -> Claim {
    Claim { scope: claim.scope.clone(), key: claim.key.clone() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_claims_of_ids_are_those_that_outlive_an_erasure() {
        let alias = domain::Claim::alias(domain::ids::EntryId(uuid::Uuid::nil()));
        assert_eq!(alias.scope, event_log::ledger::IDS);
    }
}
