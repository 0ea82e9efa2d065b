//! What holds for the log in SQLite files: who may open them, what is in them, and what is found
//! when somebody has changed them.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod backup;
mod crash;
mod moving;
mod outside;
#[path = "../support/mod.rs"]
mod support;
mod tamper;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use event_log::journal::{Action, Body, Entry, NewEntry, Outcome};
use event_log::{
    AppendError, Checkpoint, Commit, CommitOutcome, EventLog, Failure, ManualClock, OpenError,
    Payload, Seal, SqliteLog, SqliteOptions, Verdict, WorkspaceId, ledger,
};
use rusqlite::Connection;
use support::*;
use tempfile::TempDir;
use uuid::Uuid;

fn open(dir: &Path) -> Arc<SqliteLog> {
    try_open(SqliteOptions::new(dir)).unwrap()
}

fn try_open(options: SqliteOptions) -> Result<Arc<SqliteLog>, OpenError> {
    SqliteLog::open(options, Arc::new(ManualClock::at(1_000)))
}

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Copies what nobody has open.
fn copy_files(from: &Path, into: &Path) {
    fs::create_dir(into).unwrap();
    for name in ["log.db", "keys.db", "commands.db", "journal.db"] {
        fs::copy(from.join(name), into.join(name)).unwrap();
    }
}

async fn verdict(log: &SqliteLog, workspace: &WorkspaceId) -> Verdict {
    log.verify(workspace, &mut |_, _| ()).await.unwrap()
}

#[tokio::test]
async fn a_directory_is_open_once() {
    let dir = dir();
    let log = open(dir.path());
    assert!(matches!(
        try_open(SqliteOptions::new(dir.path())),
        Err(OpenError::InUse(used)) if used == dir.path()
    ));
    drop(log);
    open(dir.path());
}

#[tokio::test]
async fn a_log_goes_on_where_it_was_closed() {
    let dir = dir();
    let (acme, other) = (workspace("acme"), workspace("other"));
    let log = open(dir.path());
    let sealed = Commit { events: vec![event("Ada", Seal::Stream)], ..commit(&[]) };
    let claims = vec![take("ada")];
    store(&*log, &acme, &user(1), 0, Commit { claims: claims.clone(), ..sealed.clone() }).await;
    let checkpoint = Some(Checkpoint { name: "planner".into(), position: 1 });
    store(&*log, &other, &user(1), 0, Commit { checkpoint, ..commit(&["x"]) }).await;
    log.close();
    let batch = append(&acme, &user(1), 1, vec![commit(&["y"])]);
    let refused = log.append(batch).await;
    assert!(matches!(refused, Err(AppendError::Failed(Failure::Closed))));
    drop(log);

    // The clock stands before the last event now.
    let log =
        SqliteLog::open(SqliteOptions::new(dir.path()), Arc::new(ManualClock::at(5))).unwrap();
    let receipt = store(&*log, &acme, &user(1), 1, sealed).await;
    assert_eq!((receipt.last_position, receipt.version, receipt.time), (2, 2, 1_000));
    let stolen = append(&acme, &user(2), 0, vec![Commit { claims, ..commit(&[]) }]);
    let refused = log.append(stolen).await.unwrap();
    assert_eq!(refused, [CommitOutcome::ClaimTaken { claim: claim("ada"), holder: user(1) }]);
    assert_eq!(log.checkpoint(&other, "planner").await.unwrap(), 1);
    let events = log.read(&acme, 0, 9).await.unwrap();
    assert_eq!(events[0].key, events[1].key);
    assert!(events.iter().all(|event| event.payload == Payload::Plain(b"Ada".to_vec())));
    assert_eq!(verdict(&log, &acme).await, Verdict::Sound(log.tree(&acme).await.unwrap()));
}

/// Whether any file of a directory holds these bytes.
fn holds(dir: &Path, needle: &[u8]) -> bool {
    fs::read_dir(dir).unwrap().any(|file| {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[tokio::test]
async fn what_is_sealed_or_claimed_is_in_no_file() {
    let dir = dir();
    let acme = workspace("acme");
    let log = open(dir.path());
    let events = vec![
        event("needle-stream", Seal::Stream),
        event("needle-own", Seal::Own),
        event("needle-open", Seal::Open),
    ];
    let claims = vec![take("needle-claim")];
    store(&*log, &acme, &user(1), 0, Commit { events, claims, ..commit(&[]) }).await;
    for closed in [false, true] {
        if closed {
            log.close();
        }
        for (needle, found) in [
            ("needle-stream", false),
            ("needle-own", false),
            ("needle-claim", false),
            ("needle-open", true),
        ] {
            assert_eq!(holds(dir.path(), needle.as_bytes()), found, "{needle}, {closed}");
        }
    }
}

#[tokio::test]
async fn a_log_and_keys_that_do_not_belong_together_are_refused() {
    let (dir, other) = (dir(), dir());
    open(dir.path());
    open(other.path());
    fs::copy(other.path().join("keys.db"), dir.path().join("keys.db")).unwrap();
    assert!(matches!(try_open(SqliteOptions::new(dir.path())), Err(OpenError::OtherKeys)));
    fs::remove_file(dir.path().join("keys.db")).unwrap();
    assert!(matches!(try_open(SqliteOptions::new(dir.path())), Err(OpenError::OtherKeys)));
}

#[tokio::test]
async fn a_copy_that_is_older_than_an_erasure_loses_the_key_again() {
    let (dir, copies) = (dir(), dir());
    let acme = workspace("acme");
    let log = open(dir.path());
    for number in 1..=40 {
        let claims = vec![take(&format!("ada-{number}"))];
        let sealed = Commit { events: vec![event("Ada", Seal::Stream)], claims, ..commit(&[]) };
        store(&*log, &acme, &user(number), 0, sealed).await;
    }
    let [one, other] = ["one", "other"].map(|name| copies.path().join(name));
    drop(log);
    for copy in [&one, &other] {
        copy_files(dir.path(), copy);
    }
    let log = open(dir.path());
    // One key that the copy has, and one that it has not made yet.
    for key in [1, 500] {
        log.erase(erasure(&acme, key)).await.unwrap();
    }
    let ledger = dir.path().join(ledger::FILE);

    // A restore applies it to files that nobody has open.
    assert_eq!(ledger::apply(&ledger, &one).unwrap(), 2);
    assert_eq!(ledger::apply(&ledger, &one).unwrap(), 0);
    // A start does so by itself, wherever the ledger is.
    let options = SqliteOptions { erasure_ledger: Some(ledger), ..SqliteOptions::new(&other) };
    for copy in [open(&one), try_open(options).unwrap()] {
        let events = copy.read(&acme, 0, 99).await.unwrap();
        assert_eq!(events[0].payload, Payload::Erased);
        assert!(events[1..].iter().all(|it| it.payload == Payload::Plain(b"Ada".to_vec())));
        assert_eq!(copy.keyring().erased(&acme).unwrap(), [1, 500]);
        // The name is free again, and nobody else's.
        assert_eq!(copy.claim_holder(&acme, &claim("ada-1")).await.unwrap(), None);
        assert_eq!(copy.claim_holder(&acme, &claim("ada-2")).await.unwrap(), Some(user(2)));
        // What is made from now on is no key of the ledger.
        let sealed = Commit { events: vec![event("Bob", Seal::Stream)], ..commit(&[]) };
        store(&*copy, &acme, &user(99), 0, sealed).await;
        let made = copy.read(&acme, 40, 1).await.unwrap().remove(0).key.unwrap();
        assert!(made > 500, "{made}");
    }
}

#[tokio::test]
async fn a_ledger_of_another_installation_destroys_nothing() {
    let (dir, other) = (dir(), dir());
    let acme = workspace("acme");
    for dir in [&dir, &other] {
        let sealed = Commit { events: vec![event("Ada", Seal::Stream)], ..commit(&[]) };
        store(&*open(dir.path()), &acme, &user(1), 0, sealed).await;
    }
    open(other.path()).erase(erasure(&acme, 1)).await.unwrap();
    let foreign = other.path().join(ledger::FILE);
    let applied = ledger::apply(&foreign, dir.path());
    assert!(matches!(applied, Err(OpenError::OtherLedger(_))));
    let options = SqliteOptions::new(dir.path());
    let options = SqliteOptions { erasure_ledger: Some(foreign), ..options };
    assert!(matches!(try_open(options), Err(OpenError::OtherLedger(_))));
    assert!(open(dir.path()).keyring().erased(&acme).unwrap().is_empty());
}

#[tokio::test]
async fn a_lost_key_is_told_from_an_erased_one() {
    let dir = dir();
    let acme = workspace("acme");
    let log = open(dir.path());
    for number in 1..=3 {
        let sealed = Commit { events: vec![event("Ada", Seal::Stream)], ..commit(&[]) };
        store(&*log, &acme, &user(number), 0, sealed).await;
    }
    log.erase(erasure(&acme, 1)).await.unwrap();
    drop(log);
    let keys = Connection::open(dir.path().join("keys.db")).unwrap();
    keys.execute("DELETE FROM keys WHERE no = 2", []).unwrap();
    keys.execute("UPDATE keys SET key = randomblob(32) WHERE no = 3", []).unwrap();
    drop(keys);

    let log = open(dir.path());
    let events = log.read(&acme, 0, 9).await.unwrap();
    let payloads: Vec<_> = events.into_iter().map(|event| event.payload).collect();
    let expected = [Payload::Erased, Payload::Missing { key: 2 }, Payload::Damaged { key: 3 }];
    assert_eq!(payloads, expected);
    assert_eq!(log.keyring().erased(&acme).unwrap(), [1]);
}

#[tokio::test]
async fn a_key_that_seals_a_body_is_not_given_to_anybody_by_an_older_file() {
    let (dir, copies) = (dir(), dir());
    let acme = workspace("acme");
    drop(open(dir.path()));
    let older = copies.path().join("keys.db");
    fs::copy(dir.path().join("keys.db"), &older).unwrap();
    let log = open(dir.path());
    let entry = Entry {
        time: 1_000,
        connector: "store".into(),
        token: Uuid::from_u128(1),
        action: Action::Create,
        outcome: Outcome::Refused,
        resource: None,
        subject: None,
        name: None,
        status: Some(400),
        scim_type: None,
        detail: None,
        duration_micros: Some(7),
        request: "r-1".to_owned(),
        correlation: "r-1".to_owned(),
        operation: None,
        positions: None,
    };
    let body = Some(Body { bytes: b"{}".to_vec(), cut: false });
    log.journal().answered(NewEntry { workspace: acme.clone(), entry, body });
    let [key] = log.journal().body_keys(&acme).unwrap()[..] else { panic!("there is one") };
    drop(log);

    fs::copy(&older, dir.path().join("keys.db")).unwrap();
    let log = open(dir.path());
    let sealed = Commit { events: vec![event("Ada", Seal::Stream)], ..commit(&[]) };
    store(&*log, &acme, &user(1), 0, sealed).await;
    // When bodies are forgotten, nobody else is.
    log.erase(erasure(&acme, key)).await.unwrap();
    let events = log.read(&acme, 0, 9).await.unwrap();
    assert_eq!(events[0].payload, Payload::Plain(b"Ada".to_vec()));
}

#[tokio::test]
async fn too_much_at_once_is_turned_away() {
    let dir = dir();
    let acme = workspace("acme");
    let log = try_open(SqliteOptions { queue_appends_max: 4, ..SqliteOptions::new(dir.path()) });
    let log = log.unwrap();
    // While another connection writes, the writer waits with what it took.
    let mut blocker = Connection::open(dir.path().join("log.db")).unwrap();
    let blocking =
        blocker.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let sent: Vec<_> = (0..20)
        .map(|number| log.append(append(&acme, &user(number), 0, vec![commit(&["x"])])))
        .collect();
    assert!(log.stats().overloaded > 0);
    drop(blocking);
    let (mut stored, mut turned_away) = (0, 0);
    for answer in sent {
        match answer.await {
            Ok(_) => stored += 1,
            Err(AppendError::Overloaded) => turned_away += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((stored + turned_away, log.head(&acme)), (20, stored));
    assert_eq!(log.stats().overloaded, turned_away);
    store(&*log, &acme, &user(99), 0, commit(&["x"])).await;
}

#[tokio::test]
async fn the_write_ahead_log_starts_over() {
    let dir = dir();
    let acme = workspace("acme");
    let log = open(dir.path());
    let megabyte = "x".repeat(1 << 20);
    for version in 0..100 {
        store(&*log, &acme, &user(1), version, commit(&[&megabyte])).await;
    }
    let stats = log.stats();
    let wal = fs::metadata(dir.path().join("log.db-wal")).unwrap().len();
    assert!(stats.checkpoints > 0 && wal < 70 << 20, "{stats:?}, {wal} bytes");
    assert!(stats.wal_bytes <= wal);
}

#[tokio::test]
async fn a_log_that_was_closed_leaves_everything_in_its_file_though_it_can_still_be_read() {
    let dir = dir();
    let acme = workspace("acme");
    let log = open(dir.path());
    store(&*log, &acme, &user(1), 0, commit(&["x"])).await;
    assert_eq!(log.read(&acme, 0, 9).await.unwrap().len(), 1);
    log.close();
    assert!(!dir.path().join("log.db-wal").exists());
    assert_eq!(log.read(&acme, 0, 9).await.unwrap().len(), 1);
}
