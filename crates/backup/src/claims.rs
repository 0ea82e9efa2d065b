//! What streams hold against the others of their workspace, from their events alone.

use domain::{
    Decider, Es, Event, Stamp, device::Device, group::Group, publication::Publication,
    segments::Segments, user::User, workspace::Workspace,
};
use event_log::{Claim, StoredEvent, StreamId, backup::ClaimsError};
use projections::Recorded;

/// What a stream with these events holds. Events that were erased say nothing.
///
/// # Errors
/// [`ClaimsError::Unreadable`] when an event does not read, or its key is missing.
pub(crate) fn held(stream: &StreamId, events: Vec<StoredEvent>) -> Result<Vec<Claim>, ClaimsError> {
    let mut read = Vec::with_capacity(events.len());
    for event in events {
        let position = event.position;
        let recorded = Recorded::read(event);
        let recorded = recorded
            .map_err(|error| ClaimsError::Unreadable { position, source: Box::new(error) })?;
        read.extend(recorded);
    }
    let claims = match stream.kind.as_str() {
        Workspace::KIND => folded::<Workspace>(&read, |it| match it {
            Event::Workspace(fact) => Some(fact),
            _ => None,
        }),
        User::KIND => folded::<User>(&read, |it| match it {
            Event::User(fact) => Some(fact),
            _ => None,
        }),
        Group::KIND => folded::<Group>(&read, |it| match it {
            Event::Group(fact) => Some(fact),
            _ => None,
        }),
        Device::KIND => folded::<Device>(&read, |it| match it {
            Event::Device(fact) => Some(fact),
            _ => None,
        }),
        Publication::KIND => folded::<Publication>(&read, |it| match it {
            Event::Publication(fact) => Some(fact),
            _ => None,
        }),
        Segments::KIND => folded::<Segments>(&read, |it| match it {
            Event::Segments(fact) => Some(fact),
            _ => None,
        }),
        // Whatever is of another kind did not decode, or was erased.
        _ => Vec::new(),
    };
    let to_log = |claim: domain::Claim| Claim { scope: claim.scope, key: claim.key };
    Ok(claims.into_iter().map(to_log).collect())
}

fn folded<D: Decider>(
    events: &[Recorded],
    fact: impl Fn(&Event) -> Option<&D::Event>,
) -> Vec<domain::Claim> {
    let mut es = Es::<D>::default();
    for event in events {
        if let Some(fact) = fact(&event.event) {
            let Recorded { position, version, at, .. } = *event;
            es.replay(fact, &Stamp { position, version, at });
        }
    }
    let mut claims = es.state.claims();
    claims.sort_unstable();
    claims.dedup();
    claims
}
