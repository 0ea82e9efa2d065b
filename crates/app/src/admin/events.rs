//! The record: a workspace's events, filtered and in parts.
//!
//! Read from the log itself, in chunks. A part ends when it is full, or when so much was looked
//! through that a caller should be told how far it got; only a part without `next` is the last.

use domain::Micros;
use event_log::{EventFilter, StoredEvent, StreamId, WorkspaceId};
use uuid::Uuid;

use crate::{App, Refusal};

/// How many events are read at a time.
const CHUNK: usize = 1_000;
/// How many events are looked at for one part, at most.
const LOOKED_AT_MAX: usize = 200_000;
/// The kinds of streams.
const KINDS: [&str; 6] = ["workspace", "user", "group", "device", "publication", "segments"];

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
    /// Of this stream only, such as `user/<id>`; for a user, the SCIM id of any entry will do, also of a
    /// removed one.
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
    /// Whether it asks for less than everything that happened after a position.
    pub fn is_filtered(&self) -> bool {
        let Self { stream, name, actor, correlation, from, to, .. } = self;
        let texts = [stream, name, actor, correlation];
        texts.iter().any(|it| it.is_some()) || from.is_some() || to.is_some()
    }

    /// The end of a type that stands for any.
    const ANY: char = '*';

    /// What the log itself can answer.
    fn filter(&self, stream: Option<StreamId>) -> EventFilter {
        let name = self.name.as_deref().filter(|name| !name.ends_with(Self::ANY));
        EventFilter {
            stream,
            name: name.map(Into::into),
            correlation: self.correlation.clone(),
            ..EventFilter::default()
        }
    }

    /// Whether the log's answer has to be looked through.
    fn is_vague(&self) -> bool {
        self.actor.is_some() || self.name.as_ref().is_some_and(|name| name.ends_with(Self::ANY))
    }

    fn wants(&self, event: &StoredEvent) -> bool {
        let part_of = |part: &String| {
            let rest = event.meta.actor.strip_prefix(part.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let begins = |name: &String| match name.strip_suffix(Self::ANY) {
            Some(beginning) => event.name.starts_with(beginning),
            None => true,
        };
        self.actor.as_ref().is_none_or(part_of) && self.name.as_ref().is_none_or(begins)
    }
}

impl App {
    /// A part of a workspace's record. Like every read it waits for policies, so that whoever asks
    /// right after a request sees what followed; unlike others it is answered without them as well,
    /// since the record is what one looks at when they are stuck.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a stream that cannot be, or when the log cannot be read.
    pub async fn events(
        &self,
        workspace: &WorkspaceId,
        query: &EventQuery,
    ) -> Result<EventPart, Refusal> {
        drop(self.settle(workspace).await);
        self.events_by_now(workspace, query).await
    }

    /// The same without waiting for anything.
    pub(super) async fn events_by_now(
        &self,
        workspace: &WorkspaceId,
        query: &EventQuery,
    ) -> Result<EventPart, Refusal> {
        let stream = match &query.stream {
            Some(stream) => Some(self.stream(workspace, stream).await?),
            None => None,
        };
        let filter = query.filter(stream);
        let (mut at, upto) = self.span(workspace, query).await?;
        let (mut items, mut looked_at) = (Vec::new(), 0);
        while at < upto && looked_at < LOOKED_AT_MAX && items.len() < query.limit {
            let left = if query.is_vague() { CHUNK } else { query.limit - items.len() };
            let limit = left.min(CHUNK);
            let chunk = self.log.find(workspace, &filter, at, limit).await?;
            looked_at += chunk.len();
            let last = chunk.len() < limit;
            for event in chunk {
                if event.position > upto {
                    at = upto;
                }
                if at == upto || items.len() >= query.limit {
                    break;
                }
                at = event.position;
                if query.wants(&event) {
                    items.push(event);
                }
            }
            if last && items.len() < query.limit {
                at = upto;
            }
            // Reading does not wait, and others want the thread too.
            tokio::task::yield_now().await;
        }
        Ok(EventPart { items, next: (at < upto).then_some(at) })
    }

    /// The last position at which something had happened by a moment. Beyond the head means the
    /// head.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn position_at(
        &self,
        workspace: &WorkspaceId,
        moment: Moment,
    ) -> Result<u64, Refusal> {
        match moment {
            Moment::Position(position) => Ok(position.min(self.log.head(workspace))),
            Moment::Time(time) => Ok(self.log.position_at(workspace, time).await?),
        }
    }

    /// After which position and up to which one a query looks.
    async fn span(
        &self,
        workspace: &WorkspaceId,
        query: &EventQuery,
    ) -> Result<(u64, u64), Refusal> {
        let upto = match query.to {
            None => self.log.head(workspace),
            Some(moment) => self.position_at(workspace, moment).await?,
        };
        let before = match query.from {
            None => 0,
            Some(Moment::Position(position)) => position.saturating_sub(1),
            Some(Moment::Time(time)) => {
                self.log.position_at(workspace, time.saturating_sub(1)).await?
            }
        };
        Ok((before.max(query.after), upto))
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
