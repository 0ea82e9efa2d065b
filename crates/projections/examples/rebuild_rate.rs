//! How fast projections are built from the log, against a plain loop that reads the same log, decodes the
//! same events and inserts as many rows.
//!
//! ```text
//! cargo run --release -p projections --example rebuild_rate -- 100000
//! ```

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that is read on a terminal and ends at the first failure"
)]

use std::{path::Path, sync::Arc, time::Instant};

use domain::{
    Decider, Event,
    ids::{ConnectorName, EntryId},
    portal::Portal,
    stored::encode,
    user::{User, UserEvent},
};
use event_log::{
    Commit, EventLog, Meta, NewEvent, Seal, SqliteLog, SqliteOptions, StreamAppend, StreamId,
    SystemClock, WorkspaceId,
};
use projections::{ALL, Order, ReadModels, Recorded};
use rusqlite::{Connection, params};
use serde_json::json;
use uuid::Uuid;

/// How many events are appended at a time.
const AT_ONCE: usize = 2_000;

fn workspace() -> WorkspaceId {
    WorkspaceId::parse("acme").unwrap()
}

fn main() {
    let events: u64 = std::env::args().nth(1).map_or(100_000, |it| it.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let log = SqliteLog::open(SqliteOptions::new(dir.path().join("log")), Arc::new(SystemClock));
    let log = log.unwrap();
    runtime.block_on(fill(&log, events / 2));
    println!("{} events in the log", log.head(&workspace()));

    let plain = runtime.block_on(plain(&log, &dir.path().join("plain.db")));
    println!("plain loop, one table, one row for each entry: {plain:.0} events/s");
    let read = dir.path().join("read");
    let models = ReadModels::open(&read, Arc::clone(&log) as _).unwrap();
    models.wait_for_builds();
    for projection in ALL {
        runtime.block_on(models.followed(projection.name(), &workspace())).unwrap();
    }
    for name in ALL.iter().map(|it| Some(it.name())).chain([None]) {
        let order = Order { projection: name.map(str::to_owned), workspace: None };
        let begun = Instant::now();
        models.begin(&order).unwrap().run(&mut |_| {}).unwrap();
        #[expect(clippy::cast_precision_loss, reason = "it is shown, and not so many")]
        let rate = events as f64 / begun.elapsed().as_secs_f64();
        let name = name.unwrap_or("all together");
        println!("{name}: {rate:.0} events/s, {:.2} of the plain loop", rate / plain);
    }
}

/// Half of the events bring somebody, the other half change them.
async fn fill(log: &Arc<SqliteLog>, people: u64) {
    let connector = ConnectorName::parse("store").unwrap();
    let mut waiting = Vec::with_capacity(AT_ONCE);
    for number in 0..people {
        let id = Uuid::from_u128((u128::from(number) << 64) | 7);
        let resource = json!({
            "userName": format!("user{number}@acme.example"),
            "externalId": format!("{number}"),
            "displayName": format!("User {number}"),
            "name": { "givenName": "User", "familyName": format!("{number}") },
            "emails": [{ "value": format!("user{number}@acme.example"), "type": "work" }],
            "active": true,
        });
        let added = UserEvent::EntryAdded {
            portal: Portal::Store,
            connector: connector.clone(),
            entry: EntryId(id),
            resource: serde_json::from_value(resource).unwrap(),
        };
        let gone = UserEvent::EntryDeactivated { connector: connector.clone() };
        let events = [added, gone].map(|event| encode(&event)).map(|encoded| NewEvent {
            name: encoded.name.into(),
            schema_version: encoded.schema_version,
            payload: encoded.payload,
            seal: Seal::Stream,
        });
        let (claims, checkpoint) = Default::default();
        let commit = Commit { meta: Meta::default(), events: events.to_vec(), claims, checkpoint };
        waiting.push(log.append(StreamAppend {
            workspace: workspace(),
            stream: StreamId::new(User::KIND, id),
            expected_version: 0,
            commits: vec![commit],
        }));
        if waiting.len() == AT_ONCE {
            for outcome in waiting.drain(..) {
                outcome.await.unwrap();
            }
        }
    }
    for outcome in waiting {
        outcome.await.unwrap();
    }
}

/// Reads, decodes, and inserts one row for each entry that is added, an update for each other event: the least
/// that a projection of people could do. Events in a second.
async fn plain(log: &Arc<SqliteLog>, path: &Path) -> f64 {
    let mut file = Connection::open(path).unwrap();
    file.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
         CREATE TABLE people (id BLOB PRIMARY KEY, active INTEGER, resource TEXT) WITHOUT ROWID;",
    )
    .unwrap();
    let (begun, mut after) = (Instant::now(), 0);
    loop {
        let stored = log.read(&workspace(), after, 5_000).await.unwrap();
        let Some(last) = stored.last() else { break };
        after = last.position;
        let tx = file.transaction().unwrap();
        for event in stored {
            let event = Recorded::read(event).unwrap().unwrap();
            let id = event.stream.as_bytes();
            match &event.event {
                Event::User(UserEvent::EntryAdded { resource, .. }) => {
                    tx.prepare_cached("INSERT INTO people VALUES (?1, 1, ?2)")
                        .unwrap()
                        .execute(params![id, serde_json::to_string(resource).unwrap()])
                        .unwrap();
                }
                _ => {
                    tx.prepare_cached("UPDATE people SET active = 0 WHERE id = ?1")
                        .unwrap()
                        .execute([id])
                        .unwrap();
                }
            }
        }
        tx.commit().unwrap();
    }
    #[expect(clippy::cast_precision_loss, reason = "it is shown, and not so many")]
    let rate = after as f64 / begun.elapsed().as_secs_f64();
    rate
}
