//! A workspace on its way into an installation, cut off at each point: it is there with everything, or not
//! at all.

use std::path::Path;

use event_log::backup::Claims;
use event_log::moving::{self, Keys, Unmoved};
use event_log::{Commit, Erasure, EventLog, Payload, Seal, SqliteLog, Verdict, ledger};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::*;
use crate::{dir, open, verdict};

/// What the names of the secrets that move begin with.
const SECRETS: &str = "mdm|acme|";
const TRANSFER_KEY: Option<&[u8; 32]> = Some(&[7; 32]);

/// An export of a workspace in which somebody was erased, and an installation that has another one.
struct Scene {
    export: TempDir,
    into: TempDir,
    erasure: Erasure,
}

impl Scene {
    async fn new() -> Self {
        let (from, export, into) = (dir(), dir(), dir());
        let (acme, other) = (workspace("acme"), workspace("other"));
        let log = open(from.path());
        for number in 1..=3 {
            user_event(&log, "acme", number).await;
        }
        let erasure = erasure(&acme, log.read(&acme, 0, 1).await.unwrap()[0].key.unwrap());
        log.erase(erasure.clone()).await.unwrap();
        log.keyring().set_secret("mdm|acme|1", b"credentials").unwrap();
        log.commands().begin(&acme, user(1).id, user(2).id, 1).unwrap();
        log.journal().token_used(&acme, user(3).id, 5);
        drop(log);
        user_event(&open(into.path()), "other", 1).await;

        let copying = event_log::backup::Copying::open(from.path(), export.path()).unwrap();
        copying.copy(&[(acme.clone(), None)], &mut |_, _| ()).unwrap();
        copying.finish().unwrap();
        let source = Keys { dir: from.path(), wrapped_with: None };
        let wrapped = Keys { dir: export.path(), wrapped_with: TRANSFER_KEY };
        moving::keys(source, wrapped, &acme, SECRETS).unwrap();
        moving::beside(from.path(), export.path(), &acme).unwrap();
        let erasures =
            ledger::of_workspace(&from.path().join(ledger::FILE), from.path(), &acme).unwrap();
        assert!(
            ledger::of_workspace(&from.path().join("none"), from.path(), &other)
                .unwrap()
                .is_empty()
        );
        let lines = ledger::lines(&erasures, export.path()).unwrap();
        std::fs::write(export.path().join(ledger::FILE), lines).unwrap();
        event_log::backup::make_whole(export.path()).unwrap();
        Self { export, into, erasure }
    }

    /// Makes the stage, complete.
    fn stage(&self, log: &SqliteLog) {
        let (acme, export) = (workspace("acme"), self.export.path());
        let stage = moving::stage(log, None).unwrap();
        let copying = moving::copying(export, log).unwrap();
        copying.copy(&[(acme.clone(), None)], &mut |_, _| ()).unwrap();
        copying.finish().unwrap();
        let wrapped = Keys { dir: export, wrapped_with: TRANSFER_KEY };
        let here = Keys { dir: &stage, wrapped_with: None };
        moving::keys(wrapped, here, &acme, SECRETS).unwrap();
        for name in ["commands.db", "journal.db"] {
            std::fs::copy(export.join(name), stage.join(name)).unwrap();
        }
        let erasures = ledger::of_workspace(&export.join(ledger::FILE), export, &acme).unwrap();
        let lines = ledger::lines(&erasures, &stage).unwrap();
        std::fs::write(stage.join(ledger::FILE), lines).unwrap();
        let mut claims = Claims::open(&stage, None).unwrap();
        claims.make(&acme, &mut |_, _| Ok(Vec::new()), &mut |_, _| ()).unwrap();
        claims.close();
    }

    /// How many keys of the workspace there are, and whether anything else of it is beside the log.
    fn beside(&self) -> (i64, bool) {
        let count = |file: &str, sql: &str| -> i64 {
            let conn = Connection::open(self.into.path().join(file)).unwrap();
            conn.query_row(sql, [], |row| row.get(0)).unwrap()
        };
        let of = "workspace = (SELECT no FROM workspaces WHERE id = 'acme')";
        let keys = count("keys.db", &format!("SELECT count(*) FROM keys WHERE {of}"));
        let others = [
            count("keys.db", "SELECT count(*) FROM secrets WHERE name LIKE 'mdm|%'"),
            count("commands.db", "SELECT count(*) FROM commands"),
            count("journal.db", "SELECT count(*) FROM tokens"),
        ];
        (keys, others != [0; 3])
    }

    fn has_stage(&self) -> bool {
        self.into.path().join("import.unfinished").exists()
    }
}

async fn user_event(log: &SqliteLog, slug: &str, number: u128) {
    let sealed = Commit { events: vec![event("Ada", Seal::Stream)], ..commit(&[]) };
    store(log, &workspace(slug), &user(number), 0, sealed).await;
}

/// Lets the log of a directory take no event, or takes that back.
fn refuse_events(dir: &Path, refuse: bool) {
    let sql = if refuse {
        "CREATE TRIGGER refuse BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'refused'); END"
    } else {
        "DROP TRIGGER refuse"
    };
    Connection::open(dir.join("log.db")).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
async fn what_is_cut_off_before_the_log_has_it_is_undone_by_the_next_start() {
    let scene = Scene::new().await;
    let (into, acme) = (scene.into.path(), workspace("acme"));
    // Only the stage is there.
    let log = open(into);
    scene.stage(&log);
    drop(log);
    assert!(scene.has_stage());
    // What a power cut has left of a file keeps nobody from starting.
    std::fs::write(into.join("import.unfinished").join("keys.db"), [b'x'; 5_000]).unwrap();
    drop(open(into));
    assert!(!scene.has_stage());

    // Everything but the log is there.
    let log = open(into);
    scene.stage(&log);
    refuse_events(into, true);
    assert!(moving::merge(&log, &acme, SECRETS, &mut |_, _| ()).is_err());
    drop(log);
    refuse_events(into, false);
    assert!(scene.beside().0 > 0 && scene.beside().1);
    let log = open(into);
    assert_eq!(scene.beside(), (0, false));
    assert_eq!((log.head(&acme), log.head(&workspace("other"))), (0, 1));
    assert!(log.ledger().erasures().is_empty() && !scene.has_stage());
    // The slug is free for whoever comes next, with keys of its own.
    user_event(&log, "acme", 1).await;
    let mine = log.read(&acme, 0, 1).await.unwrap().remove(0);
    assert_eq!(mine.payload, Payload::Plain(b"Ada".to_vec()));
    scene.stage(&log);
    assert!(matches!(moving::merge(&log, &acme, SECRETS, &mut |_, _| ()), Err(Unmoved::Exists(_))));
    drop(log);
    assert_eq!(open(into).head(&acme), 1);
}

#[tokio::test]
async fn what_is_cut_off_behind_the_log_is_completed_by_the_next_start() {
    let scene = Scene::new().await;
    let (into, acme, other) = (scene.into.path(), workspace("acme"), workspace("other"));
    let log = open(into);
    scene.stage(&log);
    moving::merge(&log, &acme, SECRETS, &mut |_, _| ()).unwrap();
    drop(log);
    assert!(scene.has_stage());
    assert!(std::fs::read(into.join(ledger::FILE)).unwrap().is_empty());

    let log = open(into);
    assert!(!scene.has_stage());
    assert_eq!(log.ledger().erasures(), std::slice::from_ref(&scene.erasure));
    assert_eq!(log.keyring().secret("mdm|acme|1").unwrap().unwrap(), b"credentials");
    assert!(log.commands().last(&acme, user(1).id).unwrap().is_some());
    for workspace in [&acme, &other] {
        let tree = log.tree(workspace).await.unwrap();
        assert_eq!(verdict(&log, workspace).await, Verdict::Sound(tree));
    }
    let payloads = |events: Vec<event_log::StoredEvent>| -> Vec<Payload> {
        events.into_iter().map(|it| it.payload).collect()
    };
    let ada = || Payload::Plain(b"Ada".to_vec());
    let came = payloads(log.read(&acme, 0, 9).await.unwrap());
    assert_eq!(came, [Payload::Erased, ada(), ada()]);
    assert_eq!(payloads(log.read(&other, 0, 9).await.unwrap()), [ada()]);
    // Both go on.
    let sealed = Commit { events: vec![event("Ada", Seal::Stream)], ..commit(&[]) };
    store(&*log, &acme, &user(2), 1, sealed.clone()).await;
    store(&*log, &other, &user(1), 1, sealed).await;
    drop(log);
    assert_eq!(open(into).ledger().erasures().len(), 1, "once");
}

#[tokio::test]
async fn keys_do_not_open_with_another_key_and_old_files_do_not_move() {
    let scene = Scene::new().await;
    let (acme, elsewhere) = (workspace("acme"), dir());
    let wrapped = Keys { dir: scene.export.path(), wrapped_with: Some(&[8; 32]) };
    let here = Keys { dir: elsewhere.path(), wrapped_with: None };
    let refused = moving::keys(wrapped, here, &acme, SECRETS);
    assert!(matches!(refused, Err(Unmoved::KeyClosed { .. })), "{refused:?}");
    moving::check_formats(scene.into.path()).unwrap();
    let log = Connection::open(scene.into.path().join("log.db")).unwrap();
    log.execute_batch("PRAGMA user_version = 1").unwrap();
    let refused = moving::check_formats(scene.into.path());
    assert!(matches!(refused, Err(Unmoved::Older { found: 1, .. })), "{refused:?}");
}
