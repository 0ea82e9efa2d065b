//! A person's timeline: what happened to them and what was about them, in one order, each event told in a
//! sentence.
//!
//! Their own stream has most of it; which events of groups and devices are about them is said by a read
//! model. No part of the log is looked through: a part of a timeline costs what is in it, whatever the log
//! holds besides.

use std::collections::{BTreeMap, HashMap};

use domain::{
    Decider, Event,
    device::Device,
    group::{Group, GroupEvent},
    ids::{GroupId, UserId},
    portal::Portal,
    user::{User, UserEvent, event::RoleReason},
};
use event_log::{EventFilter, StoredEvent, StreamId, WorkspaceId};
use projections::{Recorded, timeline::NAME};
use uuid::Uuid;

use super::sentences::{Words, sentence};
use crate::{App, Refusal};

/// An event, told.
#[derive(Clone, Debug)]
pub struct Told {
    /// The event.
    pub event: StoredEvent,
    /// What happened, in a sentence.
    pub says: String,
}

/// A part of a person's timeline.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// Who.
    pub user: UserId,
    /// Whose person they are.
    pub portal: Portal,
    /// The other persons of their userName in this portal, by id: who had it before and were removed, or came
    /// after.
    pub namesakes: Vec<UserId>,
    /// In order.
    pub items: Vec<Told>,
    /// After which position to go on; `None` after the last part.
    pub next: Option<u64>,
}

/// What things are called, while a part is told.
#[derive(Default)]
pub(super) struct Names(HashMap<StreamId, String>);

impl App {
    /// A part of a person's timeline: at most `limit` events after a position. By their id, or by the
    /// SCIM id of an entry that they have or had.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or when the log cannot be read.
    pub async fn timeline(
        &self,
        workspace: &WorkspaceId,
        id: Uuid,
        after: u64,
        limit: usize,
    ) -> Result<Timeline, Refusal> {
        self.current(NAME, workspace).await?;
        let found = self.person_of(workspace, id).await?;
        let (user, es) = found.ok_or_else(|| Refusal::NotFound("person".to_owned()))?;
        let (events, upto) = self.about(workspace, user, (after, u64::MAX), limit).await?;
        let (mut items, mut names) = (Vec::new(), Names::default());
        for event in events {
            items.push(self.tell(event, Some(user), &mut names).await?);
        }
        let next = (upto < u64::MAX).then_some(upto);
        let namesakes = self.namesakes_in_portal(workspace, user, &es.state).await?;
        Ok(Timeline { user, portal: es.state.portal, namesakes, items, next })
    }

    /// Whoever is removed and brought again is another person, whose timeline begins there.
    async fn namesakes_in_portal(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
        state: &User,
    ) -> Result<Vec<UserId>, Refusal> {
        let (portal, name) = (state.portal, &state.account.user_name);
        if name.is_empty() {
            return Ok(Vec::new());
        }
        self.read_models.followed(portal.as_str(), workspace).await?;
        let mut found = self.read_models.accounts().named(workspace, portal, name)?;
        found.retain(|it| *it != user);
        Ok(found)
    }

    /// At most `limit` events about somebody after a position and up to another one, in order: those of their
    /// own stream, and those in other streams that concern them. Also, up to where all were looked at.
    pub(crate) async fn about(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
        (after, until): (u64, u64),
        limit: usize,
    ) -> Result<(Vec<StoredEvent>, u64), Refusal> {
        let stream = Some(StreamId::new(User::KIND, user.0));
        // Events of other streams name them by their own id, or by the SCIM id of an entry.
        let es = self.users.load(workspace, user.0).await?;
        let aliases = es.state.aliases().map(|entry| entry.0);
        let subjects: Vec<_> = [user.0].into_iter().chain(aliases).collect();
        let own = EventFilter { stream, until: Some(until), ..EventFilter::default() };
        let own = self.log.find(workspace, &own, after, limit + 1).await?;
        let timelines = self.read_models.timelines();
        let others = timelines.positions(workspace, &subjects, after, limit + 1)?;
        let mut all: BTreeMap<u64, Option<StoredEvent>> = others
            .into_iter()
            .filter(|position| *position <= until)
            .map(|position| (position, None))
            .collect();
        all.extend(own.into_iter().map(|event| (event.position, Some(event))));
        let more = all.len() > limit;
        let mut events = Vec::new();
        for (position, event) in all.into_iter().take(limit) {
            events.push(match event {
                Some(event) => event,
                None => self.event_at(workspace, position).await?,
            });
        }
        let last = events.last().filter(|_| more).map(|event| event.position);
        Ok((events, last.unwrap_or(until)))
    }

    /// The event at a position.
    pub(super) async fn event_at(
        &self,
        workspace: &WorkspaceId,
        position: u64,
    ) -> Result<StoredEvent, Refusal> {
        let found = self.log.read(workspace, position.saturating_sub(1), 1).await?;
        let found = found.into_iter().next().filter(|event| event.position == position);
        found.ok_or_else(|| Refusal::NotFound(format!("an event at position {position}")))
    }

    /// Tells an event, of a person if one is asked about.
    pub(super) async fn tell(
        &self,
        event: StoredEvent,
        about: Option<UserId>,
        names: &mut Names,
    ) -> Result<Told, Refusal> {
        let says = match Recorded::read(event.clone()) {
            Ok(Some(recorded)) => {
                let name = self.name_of(&event.workspace, &event.stream, names).await?;
                let group = match &recorded.event {
                    Event::User(UserEvent::RoleChanged {
                        why: RoleReason::Group { group },
                        ..
                    }) => {
                        let group = StreamId::new(Group::KIND, group.0);
                        self.name_of(&event.workspace, &group, names).await?
                    }
                    _ => String::new(),
                };
                sentence(&recorded, &Words { name, group, about })
            }
            Ok(None) => "what this event said was erased".to_owned(),
            Err(_) => "what this event says cannot be read".to_owned(),
        };
        Ok(Told { event, says })
    }

    /// What people call a group or a device: as it is called now, or, of a group, was when it came.
    async fn name_of(
        &self,
        workspace: &WorkspaceId,
        stream: &StreamId,
        names: &mut Names,
    ) -> Result<String, Refusal> {
        if ![Group::KIND, Device::KIND].contains(&stream.kind.as_str()) {
            return Ok(String::new());
        }
        if let Some(known) = names.0.get(stream) {
            return Ok(known.clone());
        }
        if stream.kind == Device::KIND
            && let Ok(es) = self.devices.load(workspace, stream.id).await
        {
            let Device { serial, name, .. } = &es.state;
            let called = match name {
                Some(name) => format!("{name} ({serial})"),
                None => serial.clone(),
            };
            names.0.insert(stream.clone(), called.clone());
            return Ok(called);
        }
        let first = self.log.read_stream(workspace, stream, 0, 1).await?.into_iter().next();
        let first = first.and_then(|event| Recorded::read(event).ok().flatten());
        let name = match first.map(|first| first.event) {
            Some(Event::Group(GroupEvent::Created { connector, resource, .. })) => {
                let directory = self.directory(workspace).await?;
                let row = directory.group(workspace, &connector, GroupId(stream.id), false)?;
                let resource = row.map_or(resource, |row| row.resource);
                resource.display_name().unwrap_or_default().to_owned()
            }
            _ => stream.id.to_string(),
        };
        names.0.insert(stream.clone(), name.clone());
        Ok(name)
    }
}
