//! Backups and restores over real files, without a server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backup::{
    BackupError, Backups, Manifest, Misplaced, Place, Restore, RestoreError, Restored, RunState,
    Source, Until,
};
use domain::stored::encode;
use domain::workspace::{Plan, WorkspaceEvent};
use event_log::backup::Copying;
use event_log::journal::{Action, Body, Entry, NewEntry, Outcome, Search};
use event_log::ledger::{self, Erasure};
use event_log::{
    Clock, Commit, EventLog, ManualClock, Meta, Micros, NewEvent, Payload, Seal, SqliteLog,
    SqliteOptions, StreamAppend, StreamId, WorkspaceId,
};
use record::{Checkpoint, Notary, Trust};
use tempfile::TempDir;
use uuid::Uuid;

/// An installation with one workspace, and where its backup goes.
struct Scene {
    dir: TempDir,
    log: Arc<SqliteLog>,
    acme: WorkspaceId,
}

fn open(dir: &Path) -> Arc<SqliteLog> {
    SqliteLog::open(SqliteOptions::new(dir), Arc::new(ManualClock::at(1_000))).unwrap()
}

impl Scene {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = open(&dir.path().join("data"));
        let scene = Self { dir, log, acme: WorkspaceId::parse("acme").unwrap() };
        scene.append(WorkspaceEvent::Created { name: "Acme".into(), plan: Plan::Enterprise }).await;
        scene
    }

    async fn append(&self, event: WorkspaceEvent) {
        self.append_sealed(event, Seal::Open).await;
    }

    async fn append_sealed(&self, event: WorkspaceEvent, seal: Seal) {
        let encoded = encode(&event);
        let event = NewEvent {
            name: encoded.name.into(),
            schema_version: encoded.schema_version,
            payload: encoded.payload,
            seal,
        };
        let (meta, claims) = (Meta::default(), Vec::new());
        let appended = self.log.append(StreamAppend {
            workspace: self.acme.clone(),
            stream: StreamId::new("workspace", Uuid::nil()),
            expected_version: self.log.head(&self.acme),
            commits: vec![Commit { meta, events: vec![event], claims, checkpoint: None }],
        });
        appended.await.unwrap();
    }

    async fn rename(&self, name: &str) {
        self.append(WorkspaceEvent::Renamed { name: name.into() }).await;
    }

    fn place(&self) -> Place {
        Place { dir: self.dir.path().join("backup"), keys: None }
    }

    fn take(&self) -> Result<Manifest, BackupError> {
        self.take_into(&self.place())
    }

    fn take_into(&self, place: &Place) -> Result<Manifest, BackupError> {
        backup::take(&self.source(), place, 2_000, &mut |_| ())
    }

    fn source(&self) -> Source {
        let data_dir = self.dir.path().join("data");
        let signing_keys = data_dir.join("signing.keys");
        let notary = Arc::new(Notary::open(&signing_keys, None, 0).unwrap());
        let ledger = data_dir.join("erasures.ledger");
        Source { data_dir, notary, signing_keys, ledger, master_key: None }
    }

    /// Restores the backup into a directory of that name.
    fn restore(&self, name: &str, kept: Vec<Checkpoint>) -> Result<Vec<Restored>, RestoreError> {
        self.restore_with(name, kept, Vec::new())
    }

    fn restore_with(
        &self,
        name: &str,
        kept: Vec<Checkpoint>,
        ledgers: Vec<PathBuf>,
    ) -> Result<Vec<Restored>, RestoreError> {
        let (from, into) = (self.place(), self.dir.path().join(name));
        let until = Until::Everything;
        let mut trust = Trust::default();
        trust.kept.extend(kept);
        restore(Restore { from, into, until, ledgers, trust, master_key: None })
    }
}

/// On a thread where no runtime is at work.
fn restore(order: Restore) -> Result<Vec<Restored>, RestoreError> {
    let work = move || backup::restore(&order, 3_000, &mut |_| ());
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

#[tokio::test]
async fn what_was_added_without_a_manifest_is_not_restored() {
    let scene = Scene::new().await;
    scene.take().unwrap();
    scene.rename("Later").await;
    // Killed after the log.
    let copying = Copying::open(scene.log.data_dir(), &scene.place().dir).unwrap();
    copying.copy(&[(scene.acme.clone(), None)], &mut |_, _| ()).unwrap();
    drop(copying);
    let restored = scene.restore("restored", Vec::new()).unwrap();
    assert_eq!((restored[0].known, restored[0].head.size), (1, 1));
    let log = open(&scene.dir.path().join("restored"));
    let events = log.read(&scene.acme, 0, 9).await.unwrap();
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["workspace.created", "workspace.deliveries_suspended"]);
    assert_eq!(events[1].time, 3_000);

    // The next backup goes on.
    assert_eq!(scene.take().unwrap().events(), 2);
    assert_eq!(scene.restore("again", Vec::new()).unwrap()[0].head.size, 2);
}

#[tokio::test]
async fn a_journal_that_was_copied_later_tells_of_nothing_that_was_not_restored() {
    let scene = Scene::new().await;
    let record = |time, positions| {
        let entry = Entry {
            time,
            connector: "store".into(),
            token: Uuid::from_u128(1),
            action: Action::Patch,
            outcome: Outcome::Changed,
            resource: None,
            subject: None,
            name: None,
            status: Some(200),
            scim_type: None,
            detail: None,
            duration_micros: Some(7),
            request: time.to_string(),
            correlation: time.to_string(),
            operation: None,
            positions,
        };
        let body = Some(Body { bytes: b"{}".to_vec(), cut: false });
        scene.log.journal().answered(NewEntry { workspace: scene.acme.clone(), entry, body });
    };
    record(1_000, Some((1, 1)));
    scene.take().unwrap();
    scene.rename("Later").await;
    record(1_500, Some((2, 2)));
    record(1_600, None);
    // As a backup copies it from a server in use: after the log.
    let all = Search { limit: 9, ..Search::default() };
    assert_eq!(scene.log.journal().search(&scene.acme, &all).unwrap().items.len(), 3);
    event_log::backup::files(scene.log.data_dir(), &scene.place().dir).unwrap();
    scene.restore("restored", Vec::new()).unwrap();
    let log = open(&scene.dir.path().join("restored"));
    let found = log.journal().search(&scene.acme, &all).unwrap().items;
    let times: Vec<_> = found.iter().map(|entry| entry.time).collect();
    assert_eq!(times, [1_600, 1_000], "the second event is another one here");
    let (_, body) = log.journal().entry(&scene.acme, "store", 1_600).unwrap().unwrap();
    assert!(body.is_none(), "its key is not in the backup");
}

#[tokio::test]
async fn a_checkpoint_of_another_history_is_found_before_anything_opens() {
    let scene = Scene::new().await;
    scene.rename("Later").await;
    let manifest = scene.take().unwrap();
    let note = record::Note::parse(&manifest.workspaces[0].checkpoint).unwrap();
    let fits = Checkpoint::parse(note.text_as_kept()).unwrap();
    assert_eq!(scene.restore("fits", vec![fits.clone()]).unwrap()[0].vouched, 1);
    let mut other = fits;
    other.head.root = [7; 32];
    let refused = scene.restore("other", vec![other]).unwrap_err();
    assert!(matches!(refused, RestoreError::Changed { .. }), "{refused}");
    let into = scene.dir.path().join("other");
    let opened = SqliteLog::open(SqliteOptions::new(&into), Arc::new(ManualClock::at(1)));
    assert!(matches!(opened, Err(event_log::OpenError::HalfRestored(_))));
    let again = scene.restore("other", Vec::new());
    assert!(matches!(again, Err(RestoreError::NotEmpty(_))));
}

#[tokio::test]
async fn a_manifest_that_says_something_else_is_not_believed() {
    let scene = Scene::new().await;
    scene.rename("Later").await;
    let path = scene.place().dir.join("manifest.json");
    scene.take().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"size\": 2", "\"size\": 1").replace("\\n2\\n", "\\n1\\n"))
        .unwrap();
    let refused = scene.restore("one", Vec::new()).unwrap_err();
    assert!(matches!(refused, RestoreError::Unsigned(_)), "{refused}");
    fs::write(&path, text.replace("\"version\": 2", "\"version\": 3")).unwrap();
    let refused = scene.restore("two", Vec::new()).unwrap_err();
    assert!(refused.to_string().contains("format 3"), "{refused}");
}

#[tokio::test]
async fn a_backup_is_not_made_over_what_it_is_of_nor_by_two_at_a_time() {
    let scene = Scene::new().await;
    let data = Place {
        dir: scene.dir.path().join("elsewhere"),
        keys: Some(scene.dir.path().join("data")),
    };
    assert!(matches!(scene.take_into(&data), Err(BackupError::Misplaced(Misplaced::InDataDir(_)))));
    scene.take().unwrap();
    let lock = fs::File::open(scene.place().dir.join("lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(scene.take(), Err(BackupError::File(_))));
    drop(lock);
    scene.take().unwrap();
}

#[tokio::test]
async fn keys_of_another_installation_are_not_replaced() {
    let (ours, theirs) = (Scene::new().await, Scene::new().await);
    let keys = ours.dir.path().join("keys");
    let place = |dir: &str| Place { dir: ours.dir.path().join(dir), keys: Some(keys.clone()) };
    ours.take_into(&place("a")).unwrap();
    let before = fs::read(keys.join("keys.db")).unwrap();
    let refused = theirs.take_into(&place("b")).unwrap_err();
    assert!(matches!(refused, BackupError::OtherKeys(_)), "{refused}");
    assert_eq!(fs::read(keys.join("keys.db")).unwrap(), before);
    assert!(!place("b").dir.join("log.db").exists(), "nothing was written");
    ours.take_into(&place("a")).unwrap();
}

#[tokio::test]
async fn directories_that_are_somebody_elses_are_refused_before_anything_is_written() {
    let scene = Scene::new().await;
    let path = |name: &str| scene.dir.path().join(name);
    let take = |dir: &str, keys: Option<&str>| {
        scene.take_into(&Place { dir: path(dir), keys: keys.map(path) })
    };
    fs::create_dir(path("home")).unwrap();
    fs::write(path("home/letter.txt"), "dear").unwrap();
    for (dir, keys, said) in [
        ("data", None, "is the data directory"),
        ("data/backup", None, "lies in it"),
        ("b", Some("data/keys"), "lies in it"),
        ("b", Some("b"), "keep them apart"),
        ("home", None, "letter.txt"),
        ("b", Some("home"), "letter.txt"),
    ] {
        let refused = take(dir, keys).unwrap_err();
        assert!(matches!(refused, BackupError::Misplaced(_)), "{dir}: {refused}");
        assert!(refused.to_string().contains(said), "{dir}: {refused}");
        assert!(!path("b").exists() && !path("data/backup").exists(), "{dir}");
    }
    // What is a backup already may have more in it, and the keys may lie in it.
    take("b", Some("b/keys")).unwrap();
    fs::write(path("b/.synced"), "").unwrap();
    fs::remove_file(path("b/keys/signing.keys")).unwrap();
    take("b", Some("b/keys")).unwrap();

    scene.take().unwrap();
    for inside in ["backup/new", "backup"] {
        let refused = scene.restore(inside, Vec::new()).unwrap_err();
        assert!(matches!(refused, RestoreError::Misplaced(_)), "{refused}");
    }
    assert!(!path("backup/new").exists());
}

#[tokio::test]
async fn a_point_before_everything_is_refused() {
    let scene = Scene::new().await;
    scene.take().unwrap();
    let to = |until: Until, name: &str| {
        let (from, into) = (scene.place(), scene.dir.path().join(name));
        let (ledgers, trust) = (Vec::new(), Trust::default());
        restore(Restore { from, into, until, ledgers, trust, master_key: None })
    };
    assert!(matches!(to(Until::Time(999), "time"), Err(RestoreError::NothingThen)));
    let zero = Until::Position(scene.acme.clone(), 0);
    assert!(matches!(to(zero, "zero"), Err(RestoreError::NoPosition)));
    assert_eq!(to(Until::Time(1_000), "first").unwrap()[0].head.size, 1);
}

/// Leaves in a backup what a kill leaves there in the middle of a write: pages that are written over, and a
/// journal of what they were.
///
/// # Source
/// SQLite, "Database File Format", section 3, "The Rollback Journal".
fn cut_off(dir: &Path) {
    const SECTOR: usize = 512;
    let log = dir.join("log.db");
    let mut bytes = fs::read(&log).unwrap();
    let size = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let pages = u32::try_from(bytes.len() / size).unwrap();
    let number = |it: u32| it.to_be_bytes();
    let mut journal = vec![0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    let sizes = [SECTOR, size].map(|it| u32::try_from(it).unwrap());
    // The checksums begin with 0.
    for field in [pages, 0, pages, sizes[0], sizes[1]] {
        journal.extend(number(field));
    }
    journal.resize(SECTOR, 0);
    for (page, no) in bytes.chunks_mut(size).zip(1..) {
        let checked = (1..size).filter(|at| at % 200 == size % 200).map(|at| u32::from(page[at]));
        let sum = checked.sum();
        journal.extend([&number(no)[..], page, &number(sum)].concat());
        if no > 1 {
            page.fill(0xff);
        }
    }
    fs::write(dir.join("log.db-journal"), journal).unwrap();
    fs::write(log, bytes).unwrap();
}

#[tokio::test]
async fn a_backup_that_was_killed_while_it_wrote_is_restored_as_it_was_before() {
    let scene = Scene::new().await;
    scene.rename("Later").await;
    scene.take().unwrap();
    let dir = scene.place().dir;
    cut_off(&dir);
    let files = || ["log.db", "log.db-journal"].map(|name| fs::read(dir.join(name)).unwrap());
    let before = files();
    assert_eq!(scene.restore("restored", Vec::new()).unwrap()[0].head.size, 2);
    assert!(files() == before, "a restore writes nothing to the backup");
    assert!(!scene.dir.path().join("restored/restore.left").exists());
    // The next backup goes on.
    scene.rename("Later still").await;
    assert_eq!(scene.take().unwrap().events(), 3);
    assert!(!dir.join("log.db-journal").exists());
}

#[tokio::test]
async fn whoever_was_erased_after_the_backup_is_erased_again() {
    let scene = Scene::new().await;
    scene.append_sealed(WorkspaceEvent::Renamed { name: "Ada's".into() }, Seal::Own).await;
    scene.take().unwrap();
    let said = |name: &str| scene.dir.path().join(name);
    let what_is_left = async |name: &str| {
        let log = open(&said(name));
        let events = log.read(&scene.acme, 0, 9).await.unwrap();
        (events[1].payload.clone(), log.keyring().erased(&scene.acme).unwrap())
    };
    scene.restore("before", Vec::new()).unwrap();
    assert!(matches!(what_is_left("before").await, (Payload::Plain(_), gone) if gone.is_empty()));

    let (id, user) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let (workspace, entries) = (scene.acme.clone(), vec![user]);
    let erasure = Erasure { id, workspace, user, entries, keys: vec![1], at: 5 };
    scene.log.erase(erasure.clone()).await.unwrap();
    let kept = said("kept.ledger");
    fs::copy(scene.log.data_dir().join(ledger::FILE), &kept).unwrap();
    scene.restore_with("after", Vec::new(), vec![kept]).unwrap();
    assert_eq!(what_is_left("after").await, (Payload::Erased, vec![1]));
    assert_eq!(open(&said("after")).ledger().erasures(), [erasure]);

    // A backup that was made since says so itself, and has no key to give.
    scene.take().unwrap();
    scene.restore("since", Vec::new()).unwrap();
    assert_eq!(what_is_left("since").await, (Payload::Erased, vec![1]));
    let refused = scene.restore_with("none", Vec::new(), vec![said("no.ledger")]).unwrap_err();
    assert!(std::error::Error::source(&refused).unwrap().to_string().contains("no ledger"));
}

#[tokio::test]
async fn a_backup_loses_no_erasure_and_a_restore_sees_when_one_is_missing() {
    let scene = Scene::new().await;
    let said = |name: &str| scene.dir.path().join(name);
    let erase = async |id: u128| {
        let user = Uuid::from_u128(id);
        let (workspace, entries) = (scene.acme.clone(), vec![user]);
        let keys = vec![1];
        scene.log.erase(Erasure { id: user, workspace, user, entries, keys, at: 5 }).await.unwrap();
    };
    erase(1).await;
    erase(2).await;
    scene.take().unwrap();
    let (live, kept) = (said("data/erasures.ledger"), said("backup/erasures.ledger"));
    let whole = fs::read(&kept).unwrap();
    assert_eq!(String::from_utf8_lossy(&whole).lines().count(), 2);
    for (number, text) in [(0, None), (1, Some(&b""[..])), (2, Some(&whole[..whole.len() / 2]))] {
        match text {
            None => fs::remove_file(&live).unwrap(),
            Some(text) => fs::write(&live, text).unwrap(),
        }
        assert_eq!(scene.take().unwrap().ledger.unwrap().lines, 2, "{number}");
        assert!(fs::read(&kept).unwrap() == whole, "{number}");
    }
    fs::copy(&kept, said("copy")).unwrap();
    fs::write(said("empty"), "").unwrap();
    let refused = scene.restore_with("a", Vec::new(), vec![said("empty")]).unwrap_err();
    assert!(matches!(refused, RestoreError::EmptyLedger(_)), "{refused}");

    for text in [None, Some(""), Some("{}\n")] {
        match text {
            None => fs::remove_file(&kept).unwrap(),
            Some(text) => fs::write(&kept, text).unwrap(),
        }
        let refused = scene.restore("a", Vec::new()).unwrap_err();
        assert!(matches!(refused, RestoreError::LedgerLost(_, 2)), "{refused}");
        assert!(!said("a").exists());
    }
    fs::remove_file(&kept).unwrap();
    scene.restore_with("a", Vec::new(), vec![said("copy")]).unwrap();
    assert_eq!(open(&said("a")).ledger().erasures().len(), 2);
}

/// A clock that is looked at once, and then is none any more.
struct Once(AtomicBool);

impl Clock for Once {
    fn now(&self) -> Micros {
        assert!(!self.0.swap(true, Ordering::SeqCst), "it was looked at again");
        1_000
    }
}

#[tokio::test]
async fn a_backup_whose_thread_panics_is_not_under_way_for_ever() {
    let scene = Scene::new().await;
    let backups =
        Backups::new(scene.source(), scene.place(), Arc::new(Once(AtomicBool::new(false))));
    backups.begin().unwrap();
    let has_ended = |_| {
        std::thread::yield_now();
        backups.last().is_some_and(|run| run.state != RunState::Running)
    };
    assert!((0..10_000_000).any(has_ended));
    assert!(matches!(backups.last().unwrap().state, RunState::Failed { .. }));
}
