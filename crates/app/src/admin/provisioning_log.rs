//! The provisioning log: what identity providers asked for, and what came of it (rule 33).
//!
//! It lies in the journal, without anybody's name. Names are looked up when somebody reads it, among the
//! people and groups that are there then: whoever is gone or erased is an id.

use domain::{
    Micros,
    ids::{ConnectorName, EntryId, GroupId},
    workspace::WorkspaceCommand,
};
use event_log::{
    EventFilter, StoredEvent, WorkspaceId,
    journal::{Action, Body, Cycle, Entry, Outcome, Part, Rejections, Resource, Search, Spot},
};
use uuid::Uuid;

use super::page::{self, Listed, Listing};
use crate::{App, Person, Refusal};

/// How many of the events that followed from a request are shown with it.
pub const FOLLOWED_MAX: usize = 1_000;
/// One day, in microseconds.
const DAY_MICROS: Micros = 24 * 3_600 * 1_000_000;

/// Which entries are asked for. What is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// Of this connector, removed ones included.
    pub connector: Option<String>,
    /// That ask for this.
    pub action: Option<Action>,
    /// That came out so.
    pub outcome: Option<Outcome>,
    /// With a status from the first to the second.
    pub status: Option<(u16, u16)>,
    /// About the resource with this SCIM id.
    pub subject: Option<Uuid>,
    /// With this correlation id.
    pub correlation: Option<String>,
    /// Answered then or later.
    pub from: Option<Micros>,
    /// Answered then or earlier.
    pub to: Option<Micros>,
}

/// An entry, and whom it is about.
#[derive(Clone, Debug)]
pub struct Logged {
    /// The entry.
    pub entry: Entry,
    /// The userName or displayName that its subject has now.
    pub name: Option<String>,
}

/// An entry with all that is known of it.
#[derive(Clone, Debug)]
pub struct Detailed {
    /// The entry.
    pub logged: Logged,
    /// The request's body, where it was kept.
    pub body: Option<Body>,
    /// What happened under its correlation id from its first event on, effects on devices included: the
    /// first [`FOLLOWED_MAX`].
    pub followed: Vec<StoredEvent>,
}

impl App {
    /// A part of the provisioning log, newest first. The text of a listing is a SCIM id or somebody's
    /// whole userName, or a group's displayName, in any case: parts of names cannot be looked for.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a foreign cursor, or when the journal cannot be read.
    pub async fn provisioning_log(
        &self,
        workspace: &WorkspaceId,
        query: LogQuery,
        listing: &Listing,
    ) -> Result<Listed<Logged>, Refusal> {
        let mut search = self.search(workspace, &query, listing).await?;
        (search.action, search.outcome) = (query.action, query.outcome);
        (search.status, search.correlation) = (query.status, query.correlation);
        search.subject = query.subject;
        match listing.q.as_deref().map(str::trim) {
            None => {}
            Some(text) => match Uuid::try_parse(text) {
                Ok(id) if search.subject.is_none_or(|subject| subject == id) => {
                    search.subject = Some(id);
                }
                _ => search.name = Some(self.log_name(workspace, text)),
            },
        }
        let part = self.log.journal().search(workspace, &search)?;
        let next = part.next.map(cursor);
        let mut items = Vec::with_capacity(part.items.len());
        for entry in part.items {
            items.push(self.named(workspace, entry).await?);
        }
        Ok(Listed { items, next })
    }

    /// One entry, by its id.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn provisioning_log_entry(
        &self,
        workspace: &WorkspaceId,
        id: &str,
    ) -> Result<Detailed, Refusal> {
        let not_found = || Refusal::NotFound("an entry with that id".to_owned());
        let (connector, time) = id.rsplit_once('-').ok_or_else(not_found)?;
        let time = time.parse().map_err(|_| not_found())?;
        if time < self.kept_since(workspace).await? {
            return Err(not_found());
        }
        let found = self.log.journal().entry(workspace, connector, time)?;
        let (entry, body) = found.ok_or_else(not_found)?;
        let followed = match entry.positions {
            None => Vec::new(),
            Some((first, _)) => {
                self.followed(workspace).await;
                let correlation = Some(entry.correlation.clone());
                let filter = EventFilter { correlation, ..EventFilter::default() };
                self.log.find(workspace, &filter, first - 1, FOLLOWED_MAX).await?
            }
        };
        Ok(Detailed { logged: self.named(workspace, entry).await?, body, followed })
    }

    /// The cycles of a workspace's connectors, newest first.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a foreign cursor, or when the journal cannot be read.
    pub async fn provisioning_cycles(
        &self,
        workspace: &WorkspaceId,
        query: LogQuery,
        listing: &Listing,
    ) -> Result<Listed<Cycle>, Refusal> {
        let search = self.search(workspace, &query, listing).await?;
        let Part { items, next } = self.log.journal().cycles(workspace, &search)?;
        Ok(Listed { items, next: next.map(cursor) })
    }

    /// How often requests to the workspace's Base URLs were not authenticated, by connector and reason.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn provisioning_rejections(
        &self,
        workspace: &WorkspaceId,
    ) -> Result<Vec<Rejections>, Refusal> {
        Ok(self.log.journal().rejections(workspace)?)
    }

    /// How long a workspace keeps its provisioning log, in days; one that was closed as long as it said.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn provisioning_log_kept(&self, workspace: &WorkspaceId) -> Result<u32, Refusal> {
        let known = self.workspaces.load(workspace, crate::WORKSPACE_STREAM).await?;
        Ok(known.state.provisioning_log_days())
    }

    /// Says how long. What is older is not shown any more at once, and deleted within two hours.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a number of days that cannot be.
    pub async fn keep_provisioning_log(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        days: u32,
    ) -> Result<u32, Refusal> {
        let command = WorkspaceCommand::KeepProvisioningLog { days };
        self.on_workspace(workspace, command, person.meta()).await?;
        let kept = self.provisioning_log_kept(workspace).await?;
        self.log.journal().keep(workspace, kept)?;
        Ok(kept)
    }

    /// Until when the bodies of a connector's requests are kept; `None` when they are not.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn bodies_until(
        &self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
    ) -> Result<Option<Micros>, Refusal> {
        let until = self.connector(workspace, connector).await?.bodies_until;
        Ok(until.filter(|until| *until > self.now()))
    }

    /// Says until when.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or [`Refusal::Malformed`] for a time that is past or too far ahead.
    pub async fn keep_bodies(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        until: Option<Micros>,
    ) -> Result<Option<Micros>, Refusal> {
        let (name, now) = (connector.clone(), self.now());
        let command = WorkspaceCommand::KeepBodies { connector: name, until, now };
        self.on_workspace(workspace, command, person.meta()).await?;
        self.bodies_until(workspace, connector).await
    }

    /// What entries and cycles are looked for by.
    async fn search(
        &self,
        workspace: &WorkspaceId,
        query: &LogQuery,
        listing: &Listing,
    ) -> Result<Search, Refusal> {
        let since = self.kept_since(workspace).await?;
        let before = listing.after::<Place>()?.map(|place| place.0);
        if let Some(before) = before
            && !self.log.journal().has_given(workspace, before)?
        {
            return Err(page::foreign());
        }
        Ok(Search {
            connector: query.connector.as_deref().map(Into::into),
            from: Some(query.from.map_or(since, |from| from.max(since))),
            to: query.to,
            before,
            limit: listing.limit,
            ..Search::default()
        })
    }

    /// Before when nothing is shown, be it deleted already or not.
    async fn kept_since(&self, workspace: &WorkspaceId) -> Result<Micros, Refusal> {
        let days = self.provisioning_log_kept(workspace).await?;
        Ok(self.now() - Micros::from(days) * DAY_MICROS)
    }

    async fn named(&self, workspace: &WorkspaceId, entry: Entry) -> Result<Logged, Refusal> {
        let (Some(subject), Some(resource), Ok(connector)) =
            (entry.subject, entry.resource, ConnectorName::parse(&entry.connector))
        else {
            return Ok(Logged { entry, name: None });
        };
        // Of whom is held, the name is shown that they had.
        self.read_models.followed(projections::directory::NAME, workspace).await?;
        let directory = self.read_models.directory();
        let name = match resource {
            Resource::User => {
                let user = directory.user(workspace, &connector, EntryId(subject))?;
                let resource = user.map(|user| user.resource()).transpose()?;
                resource.and_then(|it| it.user_name().map(str::to_owned))
            }
            Resource::Group => {
                let group = directory.group(workspace, &connector, GroupId(subject), false)?;
                group.and_then(|it| it.resource.display_name().map(str::to_owned))
            }
        };
        Ok(Logged { entry, name })
    }
}

/// The id of an entry: its connector and its time, which no other entry of the connector has.
pub fn entry_id(entry: &Entry) -> String {
    format!("{}-{}", entry.connector, entry.time)
}

fn cursor(spot: Spot) -> String {
    format!("{}-{}", spot.time, spot.place)
}

/// A spot as a cursor.
struct Place(Spot);

impl std::str::FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (time, place) = text.split_once('-').ok_or(())?;
        let (time, place) = (time.parse().map_err(drop)?, place.parse().map_err(drop)?);
        Ok(Self(Spot { time, place }))
    }
}
