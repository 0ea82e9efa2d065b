//! What changed between two moments: every person, group and device that had an event in between, with
//! what is different and by which event.
//!
//! Found in the log itself, in the order in which each changed first, and in parts: whoever has an
//! earlier event in the range stood in an earlier part. One person, group or device alone is compared by
//! its own stream, however long the record is.

use std::collections::{BTreeSet, HashSet};

use domain::{
    Decider, Es, Stamp,
    device::Device,
    group::{Group, Living},
    ids::{ErasureId, UserId},
    stored,
    user::User,
};
use event_log::{Payload, StreamId, WorkspaceId};
use serde_json::{Value, json};

use super::{
    changes::{self, Change, Found, Positions},
    states::not_then,
};
use crate::{
    App, Refusal,
    admin::{
        events::Moment,
        page::{Listed, Listing},
    },
    write::Lanes,
};

/// How many events are read at a time.
const CHUNK: usize = 1_000;
/// How many events are looked at for one part, at most.
const LOOKED_AT_MAX: usize = 50_000;

/// What changed between two moments.
#[derive(Clone, Debug)]
pub struct Diff {
    /// The position that is compared from.
    pub from: u64,
    /// The position that is compared to.
    pub to: u64,
    /// A part of what changed.
    pub items: Listed<Changed>,
}

/// Something that changed.
#[derive(Clone, Debug)]
pub struct Changed {
    /// `user`, `group` or `device`.
    pub kind: String,
    /// Its id.
    pub id: uuid::Uuid,
    /// What of it.
    pub changes: Vec<Change>,
    /// The erasure by which it cannot be known any more what changed of a person.
    pub erased: Option<ErasureId>,
}

impl App {
    /// A part of what changed between two moments, of all or of one stream (as in
    /// [`crate::admin::events::EventQuery`]). A part may be short, or empty, and not the last.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when the second moment is before the first, for a foreign cursor, or for a
    /// stream of another kind. [`Refusal::NotFound`] for a stream that was not there by the second moment.
    pub async fn diff(
        &self,
        workspace: &WorkspaceId,
        (from, to): (Moment, Moment),
        stream: Option<&str>,
        listing: &Listing,
    ) -> Result<Diff, Refusal> {
        self.followed(workspace).await;
        let (from, to) =
            (self.position_at(workspace, from).await?, self.position_at(workspace, to).await?);
        if from > to {
            let detail = format!("to: position {to} is before {from}, where `from` is");
            return Err(Refusal::Malformed(detail));
        }
        let span = Span { from, to, gone: self.erased_people(workspace).await? };
        let items = match stream {
            Some(stream) => self.changed_alone(workspace, stream, &span).await?,
            None => self.changed_of_all(workspace, &span, listing).await?,
        };
        Ok(Diff { from, to, items })
    }

    /// What changed of one stream.
    async fn changed_alone(
        &self,
        workspace: &WorkspaceId,
        stream: &str,
        span: &Span,
    ) -> Result<Listed<Changed>, Refusal> {
        let stream = self.stream(workspace, stream).await?;
        let kind = stream.kind.as_str();
        if ![User::KIND, Group::KIND, Device::KIND].contains(&kind) {
            let detail = "stream: only people, groups and devices are compared: user/<id>, group/<id>, \
                          device/<id>";
            return Err(Refusal::Malformed(detail.to_owned()));
        }
        let first = self.log.read_stream(workspace, &stream, 0, 1).await?;
        let first = first.first().map(|event| event.position).filter(|first| *first <= span.to);
        let first = first.ok_or_else(|| not_then(kind, span.to))?;
        let changed = self.changed(workspace, &stream, first <= span.from, span).await?;
        Ok(Listed { items: changed.into_iter().collect(), next: None })
    }

    async fn changed_of_all(
        &self,
        workspace: &WorkspaceId,
        span: &Span,
        listing: &Listing,
    ) -> Result<Listed<Changed>, Refusal> {
        let (from, to) = (span.from, span.to);
        let mut at = listing.after::<u64>()?.unwrap_or(from).max(from);
        let (mut seen, mut items, mut looked_at) = (HashSet::new(), Vec::new(), 0);
        while at < to && looked_at < LOOKED_AT_MAX && items.len() < listing.limit {
            for event in self.log.read(workspace, at, CHUNK).await? {
                if event.position > to || items.len() >= listing.limit {
                    break;
                }
                (at, looked_at) = (event.position, looked_at + 1);
                let stream = event.stream;
                if seen.insert(stream.clone())
                    && self.is_first(workspace, &stream, event.version, from).await?
                {
                    // Whoever has their first event in the range was not there before.
                    let known = event.version > 1;
                    items.extend(self.changed(workspace, &stream, known, span).await?);
                }
            }
            // Reading does not wait, and others want the thread too.
            tokio::task::yield_now().await;
        }
        Ok(Listed { items, next: (at < to).then(|| at.to_string()) })
    }

    /// Whether an event is the first one of its stream after a position.
    async fn is_first(
        &self,
        workspace: &WorkspaceId,
        stream: &StreamId,
        version: u64,
        from: u64,
    ) -> Result<bool, Refusal> {
        if version < 2 {
            return Ok(true);
        }
        let before = self.log.read_stream(workspace, stream, version - 2, 1).await?;
        Ok(before.first().is_none_or(|event| event.position <= from))
    }

    /// What changed of a stream; `None` if nothing did, or if it is of another kind.
    async fn changed(
        &self,
        workspace: &WorkspaceId,
        stream: &StreamId,
        known: bool,
        span: &Span,
    ) -> Result<Option<Changed>, Refusal> {
        let (kind, id) = (stream.kind.to_string(), stream.id);
        if let Some(erased) = self.erased_within(workspace, stream, span).await? {
            // That something happened to them stays known, and what does not.
            return Ok(Some(Changed { kind, id, changes: Vec::new(), erased: Some(erased) }));
        }
        let range = Range { app: self, workspace, stream, known, from: span.from, to: span.to };
        let changes = match stream.kind.as_str() {
            User::KIND => {
                range.compare(&self.users, |user| changes::user(user, stream.id), none).await?
            }
            Group::KIND => range.compare(&self.groups, changes::group, members).await?,
            Device::KIND => range.compare(&self.devices, changes::device, none).await?,
            _ => return Ok(None),
        };
        Ok((!changes.is_empty()).then_some(Changed { kind, id, changes, erased: None }))
    }

    /// The erasure of a person that came after the first moment: what was said of them then cannot be read.
    async fn erased_within(
        &self,
        workspace: &WorkspaceId,
        stream: &StreamId,
        span: &Span,
    ) -> Result<Option<ErasureId>, Refusal> {
        let user = UserId(stream.id);
        if stream.kind.as_str() != User::KIND || !span.gone.contains(&user) {
            return Ok(None);
        }
        let erased = self.erasure_of(workspace, user).await?;
        Ok(erased.filter(|it| it.position > span.from).map(|it| it.erasure))
    }
}

/// What is compared.
struct Span {
    from: u64,
    to: u64,
    /// Everybody who was erased.
    gone: BTreeSet<UserId>,
}

/// The events of one stream between two positions.
struct Range<'a> {
    app: &'a App,
    workspace: &'a WorkspaceId,
    stream: &'a StreamId,
    /// Whether it has events before.
    known: bool,
    from: u64,
    to: u64,
}

impl Range<'_> {
    /// Folds the stream from one position to the other, and compares; `more` compares what a view
    /// would be too large for, and returns what of it is different.
    async fn compare<D: Decider>(
        &self,
        lanes: &Lanes<D>,
        view: impl Fn(&D) -> Value,
        more: impl Fn(&D, &D) -> Option<Found>,
    ) -> Result<Vec<Change>, Refusal>
    where
        D::Refusal: Into<Refusal>,
    {
        let (mut es, before) = if self.known {
            let es = lanes.as_of(self.workspace, self.stream.id, self.from).await?;
            let before = view(&es.state);
            (es, before)
        } else {
            (Es::default(), Value::Null)
        };
        let first = es.state.clone();
        let (mut positions, mut last, mut more_at) = (Positions::default(), before.clone(), 0);
        loop {
            let read = self.app.log.read_stream(self.workspace, self.stream, es.version, CHUNK);
            let events = read.await?;
            let is_last = events.len() < CHUNK;
            for event in events {
                if event.position > self.to {
                    let changes = positions.changes(&before, &last);
                    return Ok(with(changes, more(&first, &es.state), more_at));
                }
                let (position, state) = (event.position, es.state.clone());
                fold(&mut es, event)?;
                let now = view(&es.state);
                positions.step(position, &last, &now);
                last = now;
                if more(&state, &es.state).is_some() {
                    more_at = position;
                }
            }
            if is_last {
                let changes = positions.changes(&before, &last);
                return Ok(with(changes, more(&first, &es.state), more_at));
            }
        }
    }
}

fn with(mut changes: Vec<Change>, more: Option<Found>, position: u64) -> Vec<Change> {
    changes.extend(more.map(|found| found.at(position)));
    changes
}

fn fold<D: Decider>(es: &mut Es<D>, event: event_log::StoredEvent) -> Result<(), Refusal> {
    let stamp = Stamp { position: event.position, version: event.version, at: event.time };
    match event.payload {
        Payload::Plain(bytes) => {
            let read = stored::decode(&event.name, event.schema_version, &bytes);
            es.replay(&read.map_err(|_| Refusal::Unreadable)?, &stamp);
            Ok(())
        }
        Payload::Erased => {
            es.version = stamp.version;
            Ok(())
        }
        Payload::Missing { .. } | Payload::Damaged { .. } => Err(Refusal::Unreadable),
    }
}

fn none<D>(_: &D, _: &D) -> Option<Found> {
    None
}

/// The members who are in one of two states of a group only. A list of all of them in each would be too
/// much for a group of a hundred thousand.
fn members(before: &Group, after: &Group) -> Option<Found> {
    use imbl::ordset::DiffItem;
    let of = |group: &Group| group.0.as_ref().map(|it: &Living| it.members.clone());
    let (was, is) = (of(before), of(after));
    let there = (was.is_some(), is.is_some());
    let (was, is) = (was.unwrap_or_default(), is.unwrap_or_default());
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    for item in was.diff(&is) {
        match item {
            DiffItem::Remove(member) => gone.push(member.0),
            DiffItem::Add(member) => come.push(member.0),
        }
    }
    let different = !gone.is_empty() || !come.is_empty();
    let shown = |there: bool, members: Vec<_>| if there { json!(members) } else { Value::Null };
    different.then(|| Found {
        path: "resource.members".to_owned(),
        before: shown(there.0, gone),
        after: shown(there.1, come),
        delta: there == (true, true),
    })
}
