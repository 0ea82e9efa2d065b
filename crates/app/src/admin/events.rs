//! The record: a workspace's events, filtered and in parts.
//!
//! Each filter goes by an index: of the log, or, where events about a person are asked for, of the read model
//! that timelines are made of. A part ends when it is full, or when so much was looked at that a caller should
//! be told how far it got; only a part without `next` is the last.

use domain::{
    Decider, Micros, device::Device, group::Group, ids::UserId, publication::Publication,
    segments::Segments, user::User, workspace::Workspace,
};
use event_log::{EventFilter, StoredEvent, StreamId, WorkspaceId};
use projections::timeline;
use uuid::Uuid;

use crate::{App, Refusal};

/// How many events are read at a time.
const CHUNK: usize = 1_000;
/// How many positions are looked at in one go where two indexes have to agree.
const WINDOW: u64 = 20_000;
/// How often something is looked for for one part, at most.
const LOOKS_MAX: usize = 50;
/// The kinds of streams.
pub const KINDS: [&str; 6] =
    [Workspace::KIND, User::KIND, Group::KIND, Device::KIND, Publication::KIND, Segments::KIND];

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
    /// By this actor, or by anybody below it: `connector:okta/<token>`, `connector:okta`.
    pub actor: Option<String>,
    /// About this person, by their id or by the SCIM id of any of their entries: of their own stream, and
    /// what concerns them in those of groups and devices.
    pub person: Option<Uuid>,
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
        let Self { stream, name, actor, person, correlation, from, to, .. } = self;
        let texts = [stream, name, actor, correlation];
        let spans = from.is_some() || to.is_some();
        texts.iter().any(|it| it.is_some()) || person.is_some() || spans
    }

    fn filter(&self, stream: Option<StreamId>) -> EventFilter {
        EventFilter {
            stream,
            name: self.name.as_deref().map(Into::into),
            actor: self.actor.as_deref().map(Into::into),
            correlation: self.correlation.clone(),
            ..EventFilter::default()
        }
    }
}

/// How a query goes about it.
enum Looks {
    /// By one index, which leads from one event to the next.
    Once,
    /// By two that have to agree: a window at a time.
    ByWindows,
    /// By what is about somebody.
    About(UserId),
}

impl App {
    /// A part of a workspace's record. Like every read it waits for policies, so that whoever asks
    /// right after a request sees what followed; unlike others it is answered without them as well,
    /// since the record is what one looks at when they are stuck.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a stream that cannot be, [`Refusal::NotFound`] for a person whom nobody
    /// knows, or when the log cannot be read.
    pub async fn events(
        &self,
        workspace: &WorkspaceId,
        query: &EventQuery,
    ) -> Result<EventPart, Refusal> {
        self.followed(workspace).await;
        self.events_by_now(workspace, query).await
    }

    /// The same without waiting for policies.
    pub(super) async fn events_by_now(
        &self,
        workspace: &WorkspaceId,
        query: &EventQuery,
    ) -> Result<EventPart, Refusal> {
        let stream = match &query.stream {
            Some(stream) => Some(self.stream(workspace, stream).await?),
            None => None,
        };
        let by_two = query.name.is_some() && query.actor.is_some();
        let looks = match query.person {
            Some(id) => Looks::About(self.about_whom(workspace, id).await?),
            None if by_two && stream.is_none() && query.correlation.is_none() => Looks::ByWindows,
            None => Looks::Once,
        };
        let (mut at, upto) = self.span(workspace, query).await?;
        let (mut filter, mut items) = (query.filter(stream), Vec::new());
        for _ in 0..LOOKS_MAX {
            if at >= upto || items.len() >= query.limit {
                break;
            }
            let left = (query.limit - items.len()).min(CHUNK);
            let until = match looks {
                Looks::ByWindows => upto.min(at.saturating_add(WINDOW)),
                Looks::Once | Looks::About(_) => upto,
            };
            filter.until = Some(until);
            let found;
            (found, at) = self.look(workspace, &looks, &filter, (at, until), left).await?;
            items.extend(found);
            // Reading does not wait, and others want the thread too.
            tokio::task::yield_now().await;
        }
        Ok(EventPart { items, next: (at < upto).then_some(at) })
    }

    /// What is found by one look after a position and up to another one, and up to where it went.
    async fn look(
        &self,
        workspace: &WorkspaceId,
        looks: &Looks,
        filter: &EventFilter,
        (at, until): (u64, u64),
        left: usize,
    ) -> Result<(Vec<StoredEvent>, u64), Refusal> {
        if let Looks::About(user) = looks {
            let (mut about, seen) = self.about(workspace, *user, (at, until), left).await?;
            about.retain(|event| filter.wants(event));
            return Ok((about, seen));
        }
        let found = self.log.find(workspace, filter, at, left).await?;
        let last = found.last().filter(|_| found.len() == left);
        let seen = last.map_or(until, |last| last.position);
        Ok((found, seen))
    }

    /// Somebody by one of their ids, once it is known what is about them.
    async fn about_whom(&self, workspace: &WorkspaceId, id: Uuid) -> Result<UserId, Refusal> {
        self.read_models.followed(timeline::NAME, workspace).await?;
        let known = self.person_of(workspace, id).await?;
        known.map(|(user, _)| user).ok_or_else(|| Refusal::NotFound("person".to_owned()))
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
    pub(crate) async fn stream(
        &self,
        workspace: &WorkspaceId,
        text: &str,
    ) -> Result<StreamId, Refusal> {
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
            User::KIND => self.person_of(workspace, id).await?,
            _ => None,
        };
        Ok(StreamId::new(kind, user.map_or(id, |(user, _)| user.0)))
    }
}
