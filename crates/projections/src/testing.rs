//! Help for the tests of this crate: histories as lists of events, applied or appended.

pub(crate) mod failing;
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
    publication::{Publication, PublicationEvent},
    stored::{Encoded, Fact, encode},
    user::{User, UserEvent},
    workspace::{Workspace, WorkspaceEvent},
};
use event_log::{
    AppendError, BoxFuture, Commit, CommitOutcome, EventLog, ManualClock, Meta, NewEvent, Seal,
    SqliteLog, SqliteOptions, StreamAppend, StreamId, WorkspaceId,
};
use rusqlite::Connection;
use scim::resource::Resource;
use serde_json::Value;
use smol_str::SmolStr;
use uuid::Uuid;

use crate::{Erased, Projection, ReadModels, Recorded, dump::dump, recorded::Seen};

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

    pub(crate) fn publication(&mut self, stream: u128, event: PublicationEvent) -> &mut Self {
        let name = domain::stored::name_of(&event);
        self.push(Publication::KIND, stream, name, Event::Publication(event))
    }

    pub(crate) fn setting(&mut self, event: WorkspaceEvent) -> &mut Self {
        let name = domain::stored::name_of(&event);
        self.push(Workspace::KIND, 0, name, Event::Workspace(event))
    }

    fn push(&mut self, kind: &str, stream: u128, name: String, event: Event) -> &mut Self {
        let version = self.versions.entry((kind.into(), id(stream))).or_default();
        *version += 1;
        let position = self.events.len() as u64 + 1;
        let actor = match &event {
            Event::User(UserEvent::EntryAdded { connector, .. }) => {
                format!("connector:{connector}/{}", id(1)).into()
            }
            _ => SmolStr::default(),
        };
        self.events.push(Recorded {
            workspace: self.workspace.clone(),
            position,
            stream: id(stream),
            kind: kind.into(),
            version: *version,
            at: START + position.cast_signed() * 1_000,
            meta: Arc::new(Meta {
                actor,
                correlation: format!("request-{position}"),
                ..Meta::default()
            }),
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
    connection.execute_batch(crate::generation::CHECKPOINTS).unwrap();
    connection.execute_batch(projection.schema()).unwrap();
    connection
}

pub(crate) fn apply(connection: &mut Connection, projection: &dyn Projection, events: &[Recorded]) {
    let seen: Vec<_> = events.iter().cloned().map(Seen::Whole).collect();
    apply_seen(connection, projection, &seen);
}

pub(crate) fn apply_seen(
    connection: &mut Connection,
    projection: &dyn Projection,
    events: &[Seen],
) {
    let tx = connection.transaction().unwrap();
    for event in events.iter().filter(|event| event.concerns(projection)) {
        event.apply(projection, &tx).unwrap();
    }
    tx.commit().unwrap();
}

/// Events as whoever reads them sees them after the keys of all erased persons were destroyed.
pub(crate) fn after_erasures(events: &[Recorded]) -> Vec<Seen> {
    let erased: HashMap<Uuid, u64> = events
        .iter()
        .filter(|event| event.name == "user.erased")
        .map(|event| (event.stream, event.position))
        .collect();
    // A device's names go when it loses its name because of that.
    let unnamed = |event: &&Recorded| {
        matches!(&event.event, Event::Device(DeviceEvent::Named { name: None }))
    };
    let unnamed: HashMap<Uuid, u64> =
        events.iter().filter(unnamed).map(|event| (event.stream, event.position)).collect();
    let see = |event: &Recorded| {
        let last = match &event.event {
            Event::User(_) => erased.get(&event.stream),
            Event::Device(DeviceEvent::Named { name: Some(_) }) => unnamed.get(&event.stream),
            _ => None,
        };
        if last.is_none_or(|last| event.position >= *last) {
            return Seen::Whole(event.clone());
        }
        let Recorded { workspace, position, stream, name, meta, .. } = event.clone();
        Seen::Erased(Erased { workspace, position, stream, name, meta })
    };
    events.iter().map(see).collect()
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

/// Read models that show a story, with the log they follow.
pub(crate) struct Shown {
    pub(crate) models: Arc<ReadModels>,
    _dir: tempfile::TempDir,
}

/// Appends a story to a log of its own and lets every projection catch up.
pub(crate) fn show(story: &Story) -> Shown {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let models = ReadModels::open(&dir.path().join("read"), log.clone()).unwrap();
    runtime.block_on(async {
        append(&*log, &story.events).await;
        for projection in crate::ALL {
            models.caught_up(projection.name(), &story.workspace).await.unwrap();
        }
    });
    Shown { models, _dir: dir }
}

/// A log in a directory.
pub(crate) fn log(dir: &Path) -> Arc<SqliteLog> {
    let clock = Arc::new(ManualClock::at(START));
    SqliteLog::open(SqliteOptions::new(dir.join("log")), clock).unwrap()
}

/// Appends events as they stand in a story, each in a commit of its own.
pub(crate) async fn append(log: &dyn EventLog, events: &[Recorded]) {
    let mut waiting = HashMap::new();
    for event in events {
        // Many streams at once, each one step at a time.
        if waiting.len() == 1_000 || waiting.contains_key(&(event.stream, event.kind.clone())) {
            settle(&mut waiting).await;
        }
        let encoded = match &event.event {
            Event::User(event) => encoded(event),
            Event::Group(event) => encoded(event),
            Event::Device(event) => encoded(event),
            Event::Workspace(event) => encoded(event),
            Event::Publication(event) => encoded(event),
            Event::Segments(event) => encoded(event),
        };
        waiting.insert((event.stream, event.kind.clone()), send(log, event, encoded));
    }
    settle(&mut waiting).await;
}

type Appended = BoxFuture<'static, Result<Vec<CommitOutcome>, AppendError>>;

async fn settle(waiting: &mut HashMap<(Uuid, SmolStr), Appended>) {
    for (_, outcome) in waiting.drain() {
        outcome.await.unwrap();
    }
}

/// Appends something that a story says under a name and a payload of its own.
pub(crate) async fn append_raw(log: &dyn EventLog, event: &Recorded, encoded: Encoded) {
    let outcomes = send(log, event, encoded).await.unwrap();
    assert_eq!(outcomes[0].receipt().unwrap().last_position, event.position);
}

fn send(log: &dyn EventLog, event: &Recorded, encoded: Encoded) -> Appended {
    let commit = Commit {
        meta: (*event.meta).clone(),
        events: vec![NewEvent {
            name: encoded.name.into(),
            schema_version: encoded.schema_version,
            payload: encoded.payload,
            seal: if event.name == "user.erased" { Seal::Afresh } else { Seal::Stream },
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
    log.append(batch)
}

fn encoded<F: Fact>(event: &F) -> Encoded {
    encode(event)
}
