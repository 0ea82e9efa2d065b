//! What changed between two moments: every person, group and device that had an event in between, with
//! what is different and by which event.
//!
//! Found in the log itself, in the order in which each changed first, and in parts: whoever has an
//! earlier event in the range stood in an earlier part.

use std::collections::HashSet;

use domain::{
    Decider, Es, Stamp,
    device::Device,
    group::{Group, Living},
    stored,
    user::User,
};
use event_log::{Payload, StreamId, WorkspaceId};
use serde_json::{Value, json};

use super::changes::{self, Change, Positions};
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
}

impl App {
    /// A part of what changed between two moments. A part may be short, or empty, and not the last.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when the second moment is before the first, or for a foreign cursor.
    pub async fn diff(
        &self,
        workspace: &WorkspaceId,
        from: Moment,
        to: Moment,
        listing: &Listing,
    ) -> Result<Diff, Refusal> {
        self.settle(workspace).await?;
        let (from, to) =
            (self.position_at(workspace, from).await?, self.position_at(workspace, to).await?);
        if from > to {
            let detail = format!("to: position {to} is before {from}, where `from` is");
            return Err(Refusal::Malformed(detail));
        }
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
                    items.extend(self.changed(workspace, &stream, known, (from, to)).await?);
                }
            }
            // Reading does not wait, and others want the thread too.
            tokio::task::yield_now().await;
        }
        let next = (at < to).then(|| at.to_string());
        Ok(Diff { from, to, items: Listed { items, next } })
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
        (from, to): (u64, u64),
    ) -> Result<Option<Changed>, Refusal> {
        let range = Range { app: self, workspace, stream, known, from, to };
        let changes = match stream.kind.as_str() {
            User::KIND => {
                range.compare(&self.users, |user| changes::user(user, stream.id), none).await?
            }
            Group::KIND => range.compare(&self.groups, changes::group, members).await?,
            Device::KIND => range.compare(&self.devices, changes::device, none).await?,
            _ => return Ok(None),
        };
        let (kind, id) = (stream.kind.to_string(), stream.id);
        Ok((!changes.is_empty()).then_some(Changed { kind, id, changes }))
    }
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
    /// would be too large for, and returns whether anything of it is different.
    async fn compare<D: Decider>(
        &self,
        lanes: &Lanes<D>,
        view: impl Fn(&D) -> Value,
        more: impl Fn(&D, &D) -> Option<(&'static str, Value, Value)>,
    ) -> Result<Vec<Change>, Refusal>
    where
        D::Refusal: Into<Refusal>,
    {
        let mut es = if self.known {
            lanes.as_of(self.workspace, self.stream.id, self.from).await?
        } else {
            Es::default()
        };
        let (first, before) = (es.state.clone(), view(&es.state));
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

fn with(
    mut changes: Vec<Change>,
    more: Option<(&'static str, Value, Value)>,
    position: u64,
) -> Vec<Change> {
    changes.extend(more.map(|(path, before, after)| {
        let path = path.to_owned();
        Change { path, before, after, position }
    }));
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

fn none<D>(_: &D, _: &D) -> Option<(&'static str, Value, Value)> {
    None
}

/// The members who are in one of two states of a group only. A list of all of them in each would be too
/// much for a group of a hundred thousand.
fn members(before: &Group, after: &Group) -> Option<(&'static str, Value, Value)> {
    use imbl::ordset::DiffItem;
    let of = |group: &Group| group.0.as_ref().map(|it: &Living| it.members.clone());
    let (before, after) = (of(before).unwrap_or_default(), of(after).unwrap_or_default());
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    for item in before.diff(&after) {
        match item {
            DiffItem::Remove(member) => gone.push(member.0),
            DiffItem::Add(member) => come.push(member.0),
        }
    }
    let different = !gone.is_empty() || !come.is_empty();
    different.then(|| ("resource.members", json!(gone), json!(come)))
}
