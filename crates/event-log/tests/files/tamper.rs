//! Somebody has changed the file: it is found, and the event named.

use std::fs;
use std::path::Path;

use event_log::{Commit, EventLog, Failure, Fault, Meta, Seal, Verdict, WorkspaceId};
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::support::*;
use crate::{dir, open, verdict};

/// A log with every kind of field.
async fn sound(dir: &Path) -> WorkspaceId {
    let acme = workspace("acme");
    let log = open(dir);
    store(&*log, &acme, &user(1), 0, commit(&["a", "b"])).await;
    let meta = Meta {
        actor: "connector:okta/token:1".into(),
        request: Some("PATCH /Users/1".to_owned()),
        correlation: "r-2".to_owned(),
        causation: Some(1),
        rule: Some("{}".to_owned()),
    };
    let events = vec![event("c", Seal::Own)];
    let claims = vec![take("ada"), take("countess"), release("countess")];
    store(&*log, &acme, &user(2), 0, Commit { meta, events, claims, ..commit(&[]) }).await;
    store(&*log, &acme, &user(1), 2, commit(&["d", "e"])).await;
    assert_eq!(verdict(&log, &acme).await, Verdict::Sound(log.tree(&acme).await.unwrap()));
    acme
}

/// Changes one value of a row of `log.db`, as somebody with a hex editor might.
fn tamper(dir: &Path, table: &str, column: &str, row: i64) {
    let conn = Connection::open(dir.join("log.db")).unwrap();
    conn.execute_batch(
        "DROP TRIGGER events_are_not_updated; DROP TRIGGER transactions_are_not_updated;",
    )
    .unwrap();
    let select = format!("SELECT {column} FROM {table} WHERE no = ?1");
    let changed = match conn.query_row(&select, [row], |row| row.get(0)).unwrap() {
        Value::Null => Value::Integer(1),
        Value::Integer(number) => Value::Integer(number + 1_000),
        Value::Real(_) => unreachable!("there is none"),
        Value::Text(text) => Value::Text(text.replacen(|_: char| true, "z", 1)),
        Value::Blob(mut bytes) => {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            Value::Blob(bytes)
        }
    };
    let update = format!("UPDATE {table} SET {column} = ?2 WHERE no = ?1");
    conn.execute(&update, rusqlite::params![row, changed]).unwrap();
}

#[tokio::test]
async fn a_change_of_any_field_is_found_and_its_event_named() {
    let sound_dir = dir();
    let acme = sound(sound_dir.path()).await;
    // Table, column, row and the position of the first event that it belongs to.
    let mut changes = vec![("workspaces", "edge", 1, Some(5)), ("streams", "version", 1, None)];
    changes.extend(["kind", "id", "workspace"].map(|column| ("streams", column, 2, Some(3))));
    changes.extend(
        [
            "workspace",
            "first",
            "last",
            "time",
            "actor",
            "request",
            "correlation",
            "causation",
            "rule",
        ]
        .map(|column| ("transactions", column, 2, Some(3))),
    );
    changes.extend(
        [
            "workspace",
            "position",
            "stream",
            "version",
            "name",
            "schema_version",
            "txn",
            "key",
            "payload",
            "leaf",
        ]
        .map(|column| ("events", column, 3, Some(3))),
    );
    for (table, column, row, position) in changes {
        let dir = dir();
        for file in ["log.db", "keys.db"] {
            fs::copy(sound_dir.path().join(file), dir.path().join(file)).unwrap();
        }
        tamper(dir.path(), table, column, row);
        match verdict(&open(dir.path()), &acme).await {
            Verdict::Broken(Fault { position: found, .. }) => {
                assert_eq!(found, position, "{table}.{column}");
            }
            Verdict::Sound(_) => panic!("{table}.{column} may be changed"),
        }
    }
}

#[tokio::test]
async fn a_node_of_the_tree_that_was_changed_is_found() {
    let dir = dir();
    let acme = workspace("acme");
    let log = open(dir.path());
    for version in 0..6 {
        store(&*log, &acme, &user(1), version * 50, commit(&["x"; 50])).await;
    }
    assert!(matches!(verdict(&log, &acme).await, Verdict::Sound(_)));
    log.close();
    drop(log);
    let conn = Connection::open(dir.path().join("log.db")).unwrap();
    assert_eq!(conn.execute("UPDATE nodes SET hash = zeroblob(32)", []).unwrap(), 1);
    let what = "a node of the tree is not what its events make";
    let broken = Verdict::Broken(Fault { position: None, what });
    assert_eq!(verdict(&open(dir.path()), &acme).await, broken);
}

#[tokio::test]
async fn an_event_that_is_missing_is_noticed_by_readers_too() {
    let dir = dir();
    let acme = sound(dir.path()).await;
    let conn = Connection::open(dir.path().join("log.db")).unwrap();
    conn.execute_batch("DROP TRIGGER events_are_not_deleted;").unwrap();
    for (position, after) in [(5_u64, 4), (3, 2)] {
        conn.execute("DELETE FROM events WHERE position = ?1", [position.cast_signed()]).unwrap();
        let log = open(dir.path());
        let missing = |failure| match failure {
            Failure::Corrupt { position, .. } => position,
            other => panic!("{other}"),
        };
        assert_eq!(missing(log.read(&acme, 0, 9).await.unwrap_err()), position);
        assert_eq!(missing(log.read(&acme, after, 9).await.unwrap_err()), position);
        let broken = Fault { position: Some(position), what: "the event is missing" };
        assert_eq!(verdict(&log, &acme).await, Verdict::Broken(broken));
    }
}
