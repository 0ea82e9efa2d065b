//! What a person has left in the log: under which keys, and by which names others may have called them.

use std::collections::{BTreeMap, BTreeSet};

use domain::{group::GroupEvent, ids::GroupId, stored, user::UserEvent};
use event_log::{Payload, StoredEvent, StreamId, WorkspaceId};
use scim::{Resource, fold};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::reading::Reading;
use crate::{App, Refusal};

/// How many events are read at a time.
const CHUNK: usize = 1_000;

/// What a stream holds of a person before they were erased.
#[derive(Debug, Default)]
pub(super) struct Traces {
    /// The keys of all that was said of them.
    pub(super) keys: BTreeSet<u64>,
    /// The SCIM ids that they have had.
    pub(super) entries: BTreeSet<Uuid>,
    /// How a group may have called them, folded: userNames, external ids, addresses, ids. Of what cannot be
    /// read any more nothing is among these.
    names: BTreeSet<String>,
}

/// Values that name a person, in groups.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    /// The keys of the events that brought them.
    pub(super) keys: BTreeSet<u64>,
    /// Their versions, group by group.
    pub(super) groups: BTreeMap<GroupId, Vec<u64>>,
}

impl Traces {
    /// What is known before a version of a stream.
    pub(super) async fn find(
        app: &App,
        workspace: &WorkspaceId,
        stream: &StreamId,
        until: u64,
    ) -> Result<Self, Refusal> {
        let mut traces = Self::default();
        let mut after = 0;
        while after + 1 < until {
            let wanted = usize::try_from(until - 1 - after).unwrap_or(CHUNK).min(CHUNK);
            let events = app.log.read_stream(workspace, stream, after, wanted).await?;
            let Some(last) = events.last() else { break };
            after = last.version;
            for event in events {
                traces.keys.extend(event.key);
                traces.note(event)?;
            }
        }
        let ids: Vec<_> = traces.entries.iter().map(|entry| name(&entry.to_string())).collect();
        traces.names.extend(ids);
        Ok(traces)
    }

    fn note(&mut self, event: StoredEvent) -> Result<(), Refusal> {
        let payload = match event.payload {
            Payload::Plain(payload) => payload,
            Payload::Erased => return Ok(()),
            // What cannot be read may be what names them: an operator has to look.
            Payload::Missing { .. } | Payload::Damaged { .. } => return Err(Refusal::Unreadable),
        };
        let fact = stored::decode(&event.name, event.schema_version, &payload);
        match fact.map_err(|_| Refusal::Unreadable)? {
            UserEvent::EntryAdded { entry, resource, .. } => {
                self.entries.insert(entry.0);
                self.said(&resource);
            }
            UserEvent::EntryChanged { changes, .. } => self.said_in(&changes.set),
            UserEvent::EntryRemoved { entry, .. } => drop(self.entries.insert(entry.0)),
            UserEvent::AccountInvited { user_name, email, .. } => {
                self.names
                    .extend([Some(user_name), email].into_iter().flatten().map(|it| name(&it)));
            }
            _ => {}
        }
        Ok(())
    }

    fn said(&mut self, resource: &Resource) {
        self.said_in(resource.attributes());
    }

    fn said_in(&mut self, attributes: &Map<String, Value>) {
        let texts = ["userName", "externalId"].into_iter().filter_map(|it| attributes.get(it));
        let emails = attributes.get("emails").and_then(Value::as_array).into_iter().flatten();
        let emails = emails.filter_map(|email| email.get("value"));
        let said = texts.chain(emails).filter_map(Value::as_str).filter(|text| !text.is_empty());
        self.names.extend(said.map(name));
    }

    /// The pending members of all groups of the workspace, those that wait and those that waited once,
    /// that name the person.
    pub(super) async fn mentions(
        &self,
        app: &App,
        workspace: &WorkspaceId,
    ) -> Result<Mentions, Refusal> {
        let mut mentions = Mentions::default();
        if self.names.is_empty() {
            return Ok(mentions);
        }
        let mut reading = Reading::of(app, workspace, "group.member_pending", 0);
        while let Some(events) = reading.next().await? {
            for event in events {
                if self.is_named_by(&event)? {
                    mentions.keys.extend(event.key);
                    mentions
                        .groups
                        .entry(GroupId(event.stream.id))
                        .or_default()
                        .push(event.version);
                }
            }
        }
        Ok(mentions)
    }

    /// The keys of pending members that have come to be the person, or that an erasure at this position has
    /// dropped. What those said nobody may be able to read any more; where they ended is.
    pub(super) async fn ended(
        &self,
        app: &App,
        workspace: &WorkspaceId,
        erased: u64,
    ) -> Result<BTreeSet<u64>, Refusal> {
        let mut keys = BTreeSet::new();
        let mut reading = Reading::of(app, workspace, "group.pending_*", 0);
        while let Some(events) = reading.next().await? {
            for event in events {
                let Some(version) = self.ended_by(&event, erased)? else { continue };
                let before = version.saturating_sub(1);
                let brought = app.log.read_stream(workspace, &event.stream, before, 1).await?;
                keys.extend(brought.into_iter().filter_map(|event| event.key));
            }
        }
        Ok(keys)
    }

    /// The version of the pending member that an event has ended, if it was of this person.
    fn ended_by(&self, event: &StoredEvent, erased: u64) -> Result<Option<u64>, Refusal> {
        let Payload::Plain(payload) = &event.payload else { return Ok(None) };
        let fact = stored::decode(&event.name, event.schema_version, payload);
        Ok(match fact.map_err(|_| Refusal::Unreadable)? {
            GroupEvent::PendingResolved { pending, member } => {
                self.entries.contains(&member.0).then_some(pending)
            }
            GroupEvent::PendingDropped { pending } => {
                (event.meta.causation == Some(erased)).then_some(pending)
            }
            _ => None,
        })
    }

    fn is_named_by(&self, event: &StoredEvent) -> Result<bool, Refusal> {
        let Payload::Plain(payload) = &event.payload else { return Ok(false) };
        let fact = stored::decode(&event.name, event.schema_version, payload);
        Ok(match fact.map_err(|_| Refusal::Unreadable)? {
            GroupEvent::MemberPending { value } => self.names.contains(&name(&value)),
            _ => false,
        })
    }
}

/// As values that name somebody are compared here: wider than when they are resolved.
fn name(text: &str) -> String {
    fold::text(&fold::user_name(text))
}
