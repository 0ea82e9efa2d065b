//! The record: a workspace's events, filtered and in parts.
//!
//! Read from the log itself, in chunks. A part ends when it is full, or when so much was looked
//! through that a caller should be told how far it got; only a part without `next` is the last.

use domain::Micros;
use event_log::{StoredEvent, StreamId, WorkspaceId};
use uuid::Uuid;

use crate::{App, Refusal};

/// How many events are read at a time.
const CHUNK: usize = 1_000;
/// How many events are looked through for one part, at most.
const LOOKED_AT_MAX: usize = 200_000;
/// The kinds of streams.
const KINDS: [&str; 4] = ["workspace", "user", "group", "device"];

/// A place in a workspace's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A position.
    Position(u64),
    /// A time.
    Time(Micros),
}

/// Which events are asked for. What is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Of this stream only, such as `user/<id>`; for a user, the SCIM id of any entry will do.
    pub stream: Option<String>,
    /// Of this type, or of all types that begin so: `user.account_granted`, `user.*`.
    pub name: Option<String>,
    /// By this actor, or by any of its parts: `connector:okta/<token>`, `connector:okta`.
    pub actor: Option<String>,
    /// With this correlation id.
    pub correlation: Option<String>,
    /// Not before.
    pub from: Option<Moment>,
    /// Not after. Beyond the head means the head.
    pub to: Option<Moment>,
    /// Only what stands after this position.
    pub after: u64,
    /// How many, at most.
    pub limit: usize,
}

/// A part of the record.
#[derive(Clone, Debug)]
pub struct EventPart {
    /// In order.
    pub items: Vec<StoredEvent>,
    /// After which position to go on; `None` when everything was looked at.
    pub next: Option<u64>,
}

impl EventQuery {
    fn wants(&self, event: &StoredEvent) -> bool {
        let part_of = |text: &str, whole: &str| {
            whole.strip_prefix(text).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let typed = |name: &String| match name.strip_suffix('*') {
            Some(beginning) => event.name.starts_with(beginning),
            None => event.name == name.as_str(),
        };
        let meta = &event.meta;
        self.name.as_ref().is_none_or(typed)
            && self.actor.as_ref().is_none_or(|actor| part_of(actor, &meta.actor))
            && self.correlation.as_ref().is_none_or(|id| *id == meta.correlation)
    }

    /// Puts one more event in a part, if it is wanted; tells whether the part is full.
    fn take(&self, part: &mut EventPart, event: StoredEvent) -> bool {
        part.next = Some(event.position);
        if self.wants(&event) {
            part.items.push(event);
        }
        part.items.len() >= self.limit
    }
}

impl App {
    /// A part of a workspace's record.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a stream that cannot be, or when the log cannot be read.
    pub async fn events(
        &self,
        workspace: &WorkspaceId,
        query: &EventQuery,
    ) -> Result<EventPart, Refusal> {
        let (after, upto) = self.span(workspace, query).await?;
        let part = match &query.stream {
            None => self.look_through(workspace, query, after, upto).await?,
            Some(stream) => {
                let stream = self.stream(workspace, stream).await?;
                self.look_through_stream(workspace, &stream, query, after, upto).await?
            }
        };
        let next = part.next.filter(|position| *position < upto);
        Ok(EventPart { next, ..part })
    }

    /// The last position at which something had happened by a time.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn position_at(
        &self,
        workspace: &WorkspaceId,
        moment: Moment,
    ) -> Result<u64, Refusal> {
        let head = self.log.head(workspace);
        match moment {
            Moment::Position(position) => Ok(position.min(head)),
            Moment::Time(time) => self.count_until(workspace, head, |at| at <= time).await,
        }
    }

    /// After which position and up to which one a query looks.
    async fn span(
        &self,
        workspace: &WorkspaceId,
        query: &EventQuery,
    ) -> Result<(u64, u64), Refusal> {
        let head = self.log.head(workspace);
        let before = match query.from {
            None => 0,
            Some(Moment::Position(position)) => position.saturating_sub(1),
            Some(Moment::Time(time)) => self.count_until(workspace, head, |at| at < time).await?,
        };
        let upto = match query.to {
            None => head,
            Some(moment) => self.position_at(workspace, moment).await?,
        };
        Ok((before.max(query.after), upto))
    }

    /// How many events of a workspace are early enough. Times never decrease, so that a few looks
    /// will do.
    async fn count_until(
        &self,
        workspace: &WorkspaceId,
        head: u64,
        early: impl Fn(Micros) -> bool,
    ) -> Result<u64, Refusal> {
        let (mut low, mut high) = (0, head);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let event = self.log.read(workspace, middle - 1, 1).await?;
            if event.first().is_some_and(|event| early(event.time)) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        Ok(low)
    }

    async fn look_through(
        &self,
        workspace: &WorkspaceId,
        query: &EventQuery,
        after: u64,
        upto: u64,
    ) -> Result<EventPart, Refusal> {
        let mut part = EventPart { items: Vec::new(), next: Some(after) };
        let mut looked_at = 0;
        while let Some(at) = part.next.filter(|at| *at < upto && looked_at < LOOKED_AT_MAX) {
            let left = usize::try_from(upto - at).unwrap_or(usize::MAX);
            let chunk = self.log.read(workspace, at, left.min(CHUNK)).await?;
            if chunk.is_empty() {
                break;
            }
            looked_at += chunk.len();
            for event in chunk {
                if query.take(&mut part, event) {
                    return Ok(part);
                }
            }
        }
        Ok(part)
    }

    async fn look_through_stream(
        &self,
        workspace: &WorkspaceId,
        stream: &StreamId,
        query: &EventQuery,
        after: u64,
        upto: u64,
    ) -> Result<EventPart, Refusal> {
        let mut part = EventPart { items: Vec::new(), next: None };
        let mut version = self.count_in_stream(workspace, stream, after).await?;
        for _ in 0..LOOKED_AT_MAX / CHUNK {
            let chunk = self.log.read_stream(workspace, stream, version, CHUNK).await?;
            let last = chunk.len() < CHUNK;
            for event in chunk {
                if event.position > upto {
                    return Ok(EventPart { next: None, ..part });
                }
                version = event.version;
                if query.take(&mut part, event) {
                    return Ok(part);
                }
            }
            if last {
                return Ok(EventPart { next: None, ..part });
            }
        }
        Ok(part)
    }

    /// How many events of a stream stand at or before a position.
    async fn count_in_stream(
        &self,
        workspace: &WorkspaceId,
        stream: &StreamId,
        position: u64,
    ) -> Result<u64, Refusal> {
        // No stream is longer than its workspace, and versions are no greater than positions.
        let (mut low, mut high) = (0, position);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let event = self.log.read_stream(workspace, stream, middle - 1, 1).await?;
            if event.first().is_some_and(|event| event.position <= position) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        Ok(low)
    }

    /// The stream that a text names.
    async fn stream(&self, workspace: &WorkspaceId, text: &str) -> Result<StreamId, Refusal> {
        let refused = || {
            let detail = format!(
                "stream: must read <kind>/<id>, the kind one of {}, got {text:?}",
                KINDS.join(", ")
            );
            Refusal::Malformed(detail)
        };
        let (kind, id) = text.split_once('/').ok_or_else(refused)?;
        let id: Uuid = id.parse().map_err(|_| refused())?;
        if !KINDS.contains(&kind) {
            return Err(refused());
        }
        let user = match kind {
            "user" => self.person_of(workspace, id).await?,
            _ => None,
        };
        Ok(StreamId::new(kind, user.map_or(id, |(user, _)| user.0)))
    }
}
