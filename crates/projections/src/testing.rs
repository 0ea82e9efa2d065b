//! Help for the tests of this crate: histories as lists of events, applied or appended.

pub(crate) mod history;

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use domain::{
    Decider, Es, Event, Stamp,
    device::{Device, DeviceEvent},
    group::{Group, GroupEvent},
    ids::ConnectorName,
    stored::{Encoded, Fact, encode},
    user::{User, UserEvent},
    workspace::{Workspace, WorkspaceEvent},
};
use event_log::{
    Commit, EventLog, ManualClock, Meta, NewEvent, Seal, SqliteLog, SqliteOptions, StreamAppend,
    StreamId, WorkspaceId,
};
use rusqlite::Connection;
use scim::resource::Resource;
use serde_json::Value;
use smol_str::SmolStr;
use uuid::Uuid;

use crate::{Projection, Recorded, dump::dump};

/// The time of the first event; each is a millisecond later than the one before.
pub(crate) const START: i64 = 1_767_225_600_000_000;

pub(crate) fn workspace() -> WorkspaceId {
    WorkspaceId::parse("acme").unwrap()
}

pub(crate) fn connector(name: &str) -> ConnectorName {
    ConnectorName::parse(name).unwrap()
}

pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(crate) fn resource(value: Value) -> Resource {
    serde_json::from_value(value).unwrap()
}

/// A history of one workspace.
#[derive(Clone)]
pub(crate) struct Story {
    workspace: WorkspaceId,
    versions: HashMap<(SmolStr, Uuid), u64>,
    pub(crate) events: Vec<Recorded>,
}

impl Story {
    pub(crate) fn new() -> Self {
        Self::of(workspace())
    }

    pub(crate) fn of(workspace: WorkspaceId) -> Self {
        Self { workspace, versions: HashMap::new(), events: Vec::new() }
    }

    pub(crate) fn user(&mut self, stream: u128, event: UserEvent) -> &mut Self {
        let name = domain::stored::name_of(&event);
        self.push(User::KIND, stream, name, Event::User(event))
    }

    pub(crate) fn group(&mut self, stream: u128, event: GroupEvent) -> &mut Self {
        let name = domain::stored::name_of(&event);
        self.push(Group::KIND, stream, name, Event::Group(event))
    }

    pub(crate) fn device(&mut self, stream: u128, event: DeviceEvent) -> &mut Self {
        let name = domain::stored::name_of(&event);
        self.push(Device::KIND, stream, name, Event::Device(event))
    }

    pub(crate) fn setting(&mut self, event: WorkspaceEvent) -> &mut Self {
        let name = domain::stored::name_of(&event);
        self.push(Workspace::KIND, 0, name, Event::Workspace(event))
    }

    fn push(&mut self, kind: &str, stream: u128, name: String, event: Event) -> &mut Self {
        let version = self.versions.entry((kind.into(), id(stream))).or_default();
        *version += 1;
        let position = self.events.len() as u64 + 1;
        self.events.push(Recorded {
            workspace: self.workspace.clone(),
            position,
            stream: id(stream),
            kind: kind.into(),
            version: *version,
            at: START + position.cast_signed() * 1_000,
            meta: Arc::new(Meta { correlation: format!("request-{position}"), ..Meta::default() }),
            name: name.into(),
            event,
        });
        self
    }

    /// The rows after all events, as text.
    pub(crate) fn rows(&self, projection: &dyn Projection) -> String {
        rows(&self.filled(projection), projection, &self.workspace)
    }

    /// A file in memory with all events applied.
    pub(crate) fn filled(&self, projection: &dyn Projection) -> Connection {
        let mut connection = empty(projection);
        apply(&mut connection, projection, &self.events);
        connection
    }

    /// The states of one kind of aggregate, folded from the events alone.
    pub(crate) fn states<D: Decider>(
        &self,
        fact: impl Fn(&Event) -> Option<&D::Event>,
    ) -> BTreeMap<Uuid, Es<D>> {
        let mut states: BTreeMap<Uuid, Es<D>> = BTreeMap::new();
        for event in &self.events {
            if let Some(fact) = fact(&event.event) {
                let Recorded { position, version, at, .. } = *event;
                let stamp = Stamp { position, version, at };
                states.entry(event.stream).or_default().replay(fact, &stamp);
            }
        }
        states
    }
}

pub(crate) fn empty(projection: &dyn Projection) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(projection.schema()).unwrap();
    connection
}

pub(crate) fn apply(connection: &mut Connection, projection: &dyn Projection, events: &[Recorded]) {
    let tx = connection.transaction().unwrap();
    for event in events.iter().filter(|event| projection.hears(&event.event)) {
        projection.apply(&tx, event).unwrap();
    }
    tx.commit().unwrap();
}

pub(crate) fn rows(
    connection: &Connection,
    projection: &dyn Projection,
    workspace: &WorkspaceId,
) -> String {
    let mut text = Vec::new();
    dump(connection, projection, workspace, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// Compares two texts and shows the first line that differs only.
#[track_caller]
pub(crate) fn assert_same(one: &str, other: &str) {
    for (one, other) in one.lines().zip(other.lines()) {
        assert_eq!(one, other);
    }
    assert_eq!(one.lines().count(), other.lines().count(), "one ends before the other");
}

/// A log in a directory.
pub(crate) fn log(dir: &Path) -> Arc<SqliteLog> {
    let clock = Arc::new(ManualClock::at(START));
    SqliteLog::open(SqliteOptions::new(dir.join("log")), clock).unwrap()
}

/// Appends events as they stand in a story, each in a commit of its own.
pub(crate) async fn append(log: &dyn EventLog, events: &[Recorded]) {
    for event in events {
        let encoded = match &event.event {
            Event::User(event) => encoded(event),
            Event::Group(event) => encoded(event),
            Event::Device(event) => encoded(event),
            Event::Workspace(event) => encoded(event),
        };
        append_raw(log, event, encoded).await;
    }
}

/// Appends something that a story says under a name and a payload of its own.
pub(crate) async fn append_raw(log: &dyn EventLog, event: &Recorded, encoded: Encoded) {
    let commit = Commit {
        meta: (*event.meta).clone(),
        events: vec![NewEvent {
            name: encoded.name.into(),
            schema_version: encoded.schema_version,
            payload: encoded.payload,
            seal: Seal::Stream,
        }],
        claims: Vec::new(),
        checkpoint: None,
    };
    let batch = StreamAppend {
        workspace: event.workspace.clone(),
        stream: StreamId::new(event.kind.clone(), event.stream),
        expected_version: event.version - 1,
        commits: vec![commit],
    };
    let outcomes = log.append(batch).await.unwrap();
    assert_eq!(outcomes[0].receipt().unwrap().last_position, event.position);
}

fn encoded<F: Fact>(event: &F) -> Encoded {
    encode(event)
}
