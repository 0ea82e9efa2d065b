//! Workspaces that move between installations, over real files and without a server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use backup::moving::{
    Export, ExportError, Exported, Import, ImportError, Imported, NotItsLedger, TransferKey,
    WorkspaceManifestError, past_keys,
};
use backup::{Misplaced, Source};
use domain::portal::Portal;
use domain::stored::{Fact, encode};
use domain::user::UserEvent;
use domain::workspace::{Plan, Suspended, WorkspaceEvent};
use event_log::ledger::{self, Erasure};
use event_log::{
    Claim, ClaimChange, Commit, EventLog, ManualClock, Meta, NewEvent, OpenError, Payload, Seal,
    SqliteLog, SqliteOptions, StoredEvent, StreamAppend, StreamId, TreeHead, WorkspaceId,
};
use record::{Checkpoint, Notary, Note, Trust};
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

/// What wraps the keys of the installation that workspaces come to.
const MASTER_KEY: [u8; 32] = [3; 32];

fn workspace(slug: &str) -> WorkspaceId {
    WorkspaceId::parse(slug).unwrap()
}

fn user(number: u128) -> StreamId {
    StreamId::new("user", Uuid::from_u128(number))
}

/// An installation.
struct Installation {
    dir: TempDir,
    master_key: Option<[u8; 32]>,
}

impl Installation {
    fn new(master_key: Option<[u8; 32]>) -> Self {
        let it = Self { dir: tempfile::tempdir().unwrap(), master_key };
        it.open().close();
        it.notary();
        it
    }

    fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn open(&self) -> Arc<SqliteLog> {
        let master_key = self.master_key;
        let options = SqliteOptions { master_key, ..SqliteOptions::new(self.data_dir()) };
        SqliteLog::open(options, Arc::new(ManualClock::at(1_000))).unwrap()
    }

    fn notary(&self) -> Notary {
        let path = self.data_dir().join("signing.keys");
        Notary::open(&path, self.master_key.as_ref(), 0).unwrap()
    }

    /// A workspace that has a person and is at rest.
    async fn with_workspace(self, slug: &str) -> Self {
        let (log, acme) = (self.open(), workspace(slug));
        let created = WorkspaceEvent::Created { name: slug.to_owned(), plan: Plan::Enterprise };
        let stream = StreamId::new("workspace", Uuid::nil());
        store(&log, &acme, &stream, 0, &created, Seal::Open).await;
        for number in 1..=3 {
            let invited = UserEvent::AccountInvited {
                portal: Portal::Store,
                user_name: format!("user{number}@{slug}.example"),
                email: None,
                role: None,
            };
            store(&log, &acme, &user(number), 0, &invited, Seal::Stream).await;
        }
        let because = Suspended::ByHand {};
        let suspended = WorkspaceEvent::DeliveriesSuspended { because };
        store(&log, &acme, &stream, 1, &suspended, Seal::Open).await;
        log.keyring().set_secret(&format!("mdm|{slug}|1"), b"credentials").unwrap();
        drop(log);
        self
    }

    fn export(&self, change: impl FnOnce(&mut Export)) -> Result<Exported, ExportError> {
        let data_dir = self.data_dir();
        let mut order = Export {
            source: Source {
                notary: Arc::new(self.notary()),
                signing_keys: data_dir.join("signing.keys"),
                ledger: data_dir.join("erasures.ledger"),
                master_key: self.master_key,
                data_dir,
            },
            workspace: workspace("acme"),
            into: self.path("export"),
            transfer_key: self.path("transfer.key"),
            next_key: None,
            rehearsal: false,
        };
        change(&mut order);
        backup::moving::export(&order, 2_000, &mut |_| ())
    }

    /// Imports what another one has exported.
    fn import(
        &self,
        from: &Self,
        change: impl FnOnce(&mut Import),
    ) -> Result<Imported, ImportError> {
        let mut order = Import {
            from: from.path("export"),
            transfer_key: TransferKey::read(&from.path("transfer.key")).unwrap(),
            workspace: None,
            data_dir: self.data_dir(),
            signing_keys: self.data_dir().join("signing.keys"),
            erasure_ledger: None,
            master_key: self.master_key,
            trust: Trust::default(),
        };
        change(&mut order);
        // On a thread where no runtime is at work.
        let work = move || backup::moving::import(&order, 3_000, &mut |_| ());
        std::thread::scope(|scope| scope.spawn(work).join().unwrap())
    }

    /// Every event of a workspace.
    async fn events(&self, slug: &str) -> Vec<StoredEvent> {
        let log = self.open();
        let events = log.read(&workspace(slug), 0, 99).await.unwrap();
        drop(log);
        events
    }

    /// That no import has left anything.
    async fn is_as_it_was(&self) {
        let log = self.open();
        let heads = log.heads();
        assert!(heads.iter().all(|(it, _)| it.as_str() == "other"), "{heads:?}");
        assert_eq!(log.keyring().secret_names("mdm|acme").unwrap(), [""; 0]);
        assert!(log.ledger().erasures().is_empty());
        drop(log);
        assert!(!self.data_dir().join("import.unfinished").exists());
        assert_eq!(self.events("other").await.len(), 5);
    }
}

async fn store<F: Fact>(
    log: &SqliteLog,
    workspace: &WorkspaceId,
    stream: &StreamId,
    expected_version: u64,
    fact: &F,
    seal: Seal,
) {
    let encoded = encode(fact);
    let event = NewEvent {
        name: encoded.name.into(),
        schema_version: encoded.schema_version,
        payload: encoded.payload,
        seal,
    };
    let (workspace, stream) = (workspace.clone(), stream.clone());
    let claims = Vec::<ClaimChange>::new();
    let commit = Commit { meta: Meta::default(), events: vec![event], claims, checkpoint: None };
    let append = StreamAppend { workspace, stream, expected_version, commits: vec![commit] };
    log.append(append).await.unwrap();
}

/// What a reader sees of events.
fn seen(events: &[StoredEvent]) -> Vec<(u64, String, Payload, Option<u64>)> {
    let see = |it: &StoredEvent| (it.position, it.name.to_string(), it.payload.clone(), it.key);
    events.iter().map(see).collect()
}

async fn head(installation: &Installation, size: u64) -> TreeHead {
    let log = installation.open();
    let head = log.tree_at(&workspace("acme"), size).await.unwrap().unwrap();
    drop(log);
    head
}

#[tokio::test]
async fn a_workspace_comes_with_everything_and_the_others_stay() {
    let old = Installation::new(None).with_workspace("acme").await.with_workspace("more").await;
    let new = Installation::new(Some(MASTER_KEY)).with_workspace("other").await;
    let erasure = Erasure {
        id: Uuid::from_u128(9),
        workspace: workspace("acme"),
        user: user(2).id,
        entries: Vec::new(),
        keys: vec![old.events("acme").await[2].key.unwrap()],
        at: 5,
    };
    let log = old.open();
    log.erase(erasure.clone()).await.unwrap();
    drop(log);
    let before = old.events("acme").await;
    assert_eq!(before[2].payload, Payload::Erased);

    let next = new.notary().keys(&workspace("other")).unwrap().remove(0).verifier;
    let exported = old.export(|it| it.next_key = Some(next)).unwrap();
    assert_eq!((exported.head.size, exported.erasures), (5, 1));
    let theirs = old.notary().keys(&workspace("acme")).unwrap().remove(0).verifier;
    let note = old.notary().sign(&workspace("acme"), head(&old, 3).await);
    let kept = vec![Checkpoint::parse(note.text_as_kept()).unwrap()];
    let imported = new.import(&old, |it| {
        it.trust.kept = kept;
        it.trust.keys = vec![theirs.clone()];
    });
    let Imported { came, head: now, vouched, erasures, names_next_key, .. } = imported.unwrap();
    assert_eq!((came, now.size), (exported.head, 7));
    assert_eq!((vouched, erasures, names_next_key), (1, 1, true));

    let after = new.events("acme").await;
    assert_eq!(seen(&after[..5]), seen(&before));
    assert_eq!(head(&new, 5).await, exported.head);
    let names: Vec<_> = after[5..].iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["workspace.imported", "workspace.deliveries_suspended"]);
    let log = new.open();
    let acme = workspace("acme");
    assert_eq!(log.ledger().erasures(), [erasure]);
    let secret = log.keyring().secret("mdm|acme|1").unwrap();
    assert_eq!(secret.unwrap(), b"credentials");
    let holder = |number: u64| {
        let key = format!("user{number}@acme.example");
        (Claim { scope: "person:store".into(), key }, user(u128::from(number)))
    };
    for (claim, holder) in [holder(1), holder(3)] {
        assert_eq!(log.claim_holder(&acme, &claim).await.unwrap(), Some(holder), "{claim:?}");
    }
    assert_eq!(log.claim_holder(&acme, &holder(2).0).await.unwrap(), None, "given back");
    // Streams go on under the keys that they had, and new keys have new numbers.
    let suspended = UserEvent::AccountSuspended {};
    store(&log, &acme, &user(1), 1, &suspended, Seal::Stream).await;
    store(&log, &acme, &user(7), 0, &suspended, Seal::Stream).await;
    drop(log);
    let after = new.events("acme").await;
    assert_eq!(after[7].key, before[1].key);
    assert!(before.iter().all(|it| it.key != after[8].key) && after[8].key.is_some());
    assert_eq!(new.events("other").await.len(), 5);
    assert!(!new.data_dir().join("import.unfinished").exists());

    // Whoever trusts the old key learns of the new one.
    let keys = backup_keys(&new).await;
    let [old_key, new_key] = keys.as_slice() else { panic!("{keys:?}") };
    let record::KeyState::Retired { last: Some(last), .. } = &old_key.state else { panic!() };
    assert_eq!(old_key.verifier, theirs);
    let last = Note::parse(last).unwrap();
    let statement = Checkpoint::parse(last.verify(&[theirs]).unwrap()).unwrap();
    assert_eq!(statement.next_key.as_ref(), Some(&new_key.verifier));
    last.verify(std::slice::from_ref(&new_key.verifier)).unwrap();
    assert!(past_keys(&[]).unwrap().is_empty());
}

/// The keys of the workspace, as an auditor is told.
async fn backup_keys(installation: &Installation) -> Vec<record::PublicKey> {
    let (log, acme) = (installation.open(), workspace("acme"));
    let mut keys = backup::moving::keys_before(&log, &acme).await.unwrap();
    keys.extend(installation.notary().keys(&acme).unwrap());
    drop(log);
    keys
}

#[tokio::test]
async fn whoever_is_erased_while_the_workspace_is_exported_is_erased_where_it_goes() {
    let old = Installation::new(None).with_workspace("acme").await;
    let new = Installation::new(None);
    let key = old.events("acme").await[2].key.unwrap();
    let (id, acme) = (Uuid::from_u128(9), workspace("acme"));
    let (user, entries, keys) = (user(2).id, Vec::new(), vec![key]);
    let erasure = Erasure { id, workspace: acme.clone(), user, entries, keys, at: 5 };
    // The line is on disk before the key goes: here it has not gone yet.
    let data_dir = old.data_dir();
    let line = ledger::lines(&[erasure], &data_dir).unwrap();
    fs::write(data_dir.join(ledger::FILE), line).unwrap();
    assert_eq!(old.export(|_| ()).unwrap().erasures, 1);
    new.import(&old, |_| ()).unwrap();
    assert_eq!(new.events("acme").await[2].payload, Payload::Erased);
    let claim = Claim { scope: "person:store".into(), key: "user2@acme.example".to_owned() };
    assert_eq!(new.open().claim_holder(&acme, &claim).await.unwrap(), None);
}

#[tokio::test]
async fn no_key_is_in_an_export_that_the_transfer_key_does_not_wrap() {
    let old = Installation::new(None).with_workspace("acme").await;
    old.export(|_| ()).unwrap();
    let files: Vec<_> = fs::read_dir(old.path("export")).unwrap().map(|it| it.unwrap()).collect();
    assert_eq!(files.len(), 6, "one file each, and the manifest: {files:?}");
    let holds = |needle: &[u8]| {
        let of = |path: PathBuf| fs::read(path).unwrap();
        files.iter().any(|it| of(it.path()).windows(needle.len()).any(|part| part == needle))
    };
    assert!(holds(b"account_invited") && !holds(b"credentials") && !holds(b"user1@acme"));
    // The keys themselves, as the installation has them.
    let keys = fs::read(old.data_dir().join("keys.db")).unwrap();
    assert!(keys.windows(11).any(|it| it == b"credentials"), "nothing wraps them there");
}

#[tokio::test]
async fn a_byte_that_was_changed_anywhere_is_found_and_nothing_is_left() {
    let old = Installation::new(None).with_workspace("acme").await;
    let new = Installation::new(None).with_workspace("other").await;
    old.export(|_| ()).unwrap();
    let dir = old.path("export");
    let mut seed: usize = 7;
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let whole = fs::read(&path).unwrap();
        let damaged = (0..6).filter(|_| !whole.is_empty()).map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut bytes = whole.clone();
            bytes[(seed >> 33) % whole.len()] ^= 0x55;
            Some(bytes)
        });
        let cut = whole.len().checked_sub(1).map(|end| whole[..end].to_vec());
        let longer = [whole.as_slice(), b"x"].concat();
        let others: Vec<_> = damaged.chain([cut, Some(longer), None]).collect();
        for other in others {
            match &other {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            let refused = new.import(&old, |_| ());
            let what = format!("{} {:?}", path.display(), other.map(|it| it.len()));
            assert!(refused.is_err(), "{what}");
        }
        fs::write(&path, whole).unwrap();
    }
    new.is_as_it_was().await;
    new.import(&old, |_| ()).unwrap();
}

#[tokio::test]
async fn what_does_not_belong_is_refused_and_nothing_is_left() {
    let old = Installation::new(None).with_workspace("acme").await;
    let new = Installation::new(Some(MASTER_KEY)).with_workspace("other").await;
    let third = Installation::new(None);
    let theirs = third.notary().keys(&workspace("acme")).unwrap().remove(0).verifier;
    old.export(|it| it.next_key = Some(theirs.clone())).unwrap();

    let stranger = TransferKey::make(&new.path("stranger.key")).unwrap();
    let refused = new.import(&old, |it| it.transfer_key = stranger);
    let other_key = WorkspaceManifestError::OtherTransferKey(String::new());
    let Err(ImportError::Manifest(found)) = refused else { panic!("{refused:?}") };
    assert_eq!(std::mem::discriminant(&found), std::mem::discriminant(&other_key));
    let refused = new.import(&old, |it| it.workspace = Some(workspace("other")));
    assert!(matches!(refused, Err(ImportError::OtherWorkspace { .. })), "{refused:?}");
    let refused = new.import(&old, |it| it.trust.keys = vec![theirs]);
    assert!(matches!(refused, Err(ImportError::Unsigned(_))), "{refused:?}");
    let refused = new.import(&old, |_| ());
    assert!(matches!(refused, Err(ImportError::OtherNextKey(_))), "{refused:?}");
    let refused = new.import(&old, |it| it.data_dir = new.path("mistyped"));
    assert!(matches!(refused, Err(ImportError::NoInstallation(_))), "{refused:?}");
    let refused = new.import(&old, |it| it.master_key = None);
    assert!(matches!(refused, Err(ImportError::Open(OpenError::MasterKeyNeeded))), "{refused:?}");
    let inside = new.data_dir().join("export");
    fs::create_dir(&inside).unwrap();
    let refused = new.import(&old, |it| it.from = inside);
    assert!(matches!(refused, Err(ImportError::Misplaced(_))), "{refused:?}");
    let log = new.open();
    let refused = new.import(&old, |_| ());
    assert!(matches!(refused, Err(ImportError::Open(OpenError::InUse(_)))), "{refused:?}");
    drop(log);
    new.is_as_it_was().await;

    // Checkpoints that were kept: of more events, and of others.
    let fits = head(&old, 5).await;
    let note = |head| {
        let note = old.notary().sign(&workspace("acme"), head);
        Checkpoint::parse(note.text_as_kept()).unwrap()
    };
    let beyond = note(TreeHead { size: 6, ..fits });
    let refused = third.import(&old, |it| it.trust.kept = vec![beyond]);
    assert!(matches!(refused, Err(ImportError::Beyond(6, 5))), "{refused:?}");
    let changed = note(TreeHead { size: 4, ..fits });
    let refused = third.import(&old, |it| it.trust.kept = vec![changed]);
    assert!(matches!(refused, Err(ImportError::Changed(_))), "{refused:?}");

    third.import(&old, |_| ()).unwrap();
    let refused = third.import(&old, |_| ());
    assert!(matches!(refused, Err(ImportError::Exists(_))), "{refused:?}");
    assert_eq!(third.events("acme").await.len(), 7);
}

#[tokio::test]
async fn an_export_is_made_of_what_is_at_rest_and_over_nothing() {
    let old = Installation::new(None).with_workspace("acme").await;
    let refused = old.export(|it| it.workspace = workspace("none"));
    assert!(matches!(refused, Err(ExportError::NoWorkspace(_))), "{refused:?}");
    let refused = old.export(|it| it.into = old.data_dir().join("export"));
    assert!(matches!(refused, Err(ExportError::Misplaced(Misplaced::InDataDir(_)))));
    let refused = old.export(|it| it.transfer_key = old.path("export").join("transfer.key"));
    assert!(matches!(refused, Err(ExportError::Misplaced(Misplaced::KeyInExport(_)))));
    let refused = old.export(|it| it.into = old.dir.path().to_owned());
    assert!(matches!(refused, Err(ExportError::Misplaced(_) | ExportError::NotEmpty(_))));
    assert!(!old.path("export").exists() && !old.path("transfer.key").exists());

    let log = old.open();
    let stream = StreamId::new("workspace", Uuid::nil());
    let resumed = WorkspaceEvent::DeliveriesResumed {};
    store(&log, &workspace("acme"), &stream, 2, &resumed, Seal::Open).await;
    let refused = old.export(|_| ());
    assert!(matches!(refused, Err(ExportError::Delivers(_))), "{refused:?}");
    // Beside whoever uses the installation.
    let exported = old.export(|it| it.rehearsal = true).unwrap();
    assert!(exported.manifest.rehearsal);
    drop(log);
    let refused = old.export(|it| it.rehearsal = true);
    assert!(matches!(refused, Err(ExportError::NotEmpty(_))), "{refused:?}");
    let refused = old.export(|it| {
        (it.rehearsal, it.into) = (true, old.path("again"));
    });
    assert!(matches!(refused, Err(ExportError::TransferKey(_))), "{refused:?}");

    // What fails on the way leaves nothing.
    let lost = old.data_dir().join("erasures.ledger");
    fs::write(&lost, "no line of a ledger\n").unwrap();
    let refused = old.export(|it| {
        (it.rehearsal, it.into) = (true, old.path("again"));
        it.transfer_key = old.path("again.key");
    });
    assert!(matches!(refused, Err(ExportError::Ledger(_))), "{refused:?}");
    assert!(!old.path("again").exists() && !old.path("again.key").exists());
}

#[tokio::test]
async fn one_old_key_is_enough_through_moves_and_changes_of_the_key() {
    let first = Installation::new(None).with_workspace("acme").await;
    let second = Installation::new(None);
    let third = Installation::new(Some(MASTER_KEY));
    let acme = workspace("acme");
    let signs =
        |it: &Installation| it.notary().keys(&workspace("acme")).unwrap().remove(0).verifier;
    let mut notes = vec![first.notary().sign(&acme, head(&first, 3).await)];
    let next = signs(&second);
    first.export(|it| it.next_key = Some(next)).unwrap();
    second.import(&first, |_| ()).unwrap();
    let all = head(&second, 7).await;
    second.notary().rotate(&[(acme.clone(), all)], 2_500).unwrap();
    notes.push(second.notary().sign(&acme, head(&second, 6).await));
    let next = signs(&third);
    second.export(|it| it.next_key = Some(next)).unwrap();

    let trusting = |key| {
        let mut trust = Trust::default();
        trust.keys.push(key);
        notes.iter().for_each(|note| trust.keep("kept", note.clone()));
        trust
    };
    let refused = third.import(&second, |it| it.trust = trusting(signs(&third)));
    assert!(matches!(refused, Err(ImportError::Unsettled(_))), "{refused:?}");
    let imported = third.import(&second, |it| it.trust = trusting(signs(&first))).unwrap();
    assert_eq!(imported.vouched, 2);
}

/// Records that somebody was erased; the ledger is told by whoever carries it out.
async fn erased(installation: &Installation, slug: &str, id: u128) -> Erasure {
    let (log, of) = (installation.open(), workspace(slug));
    let remains = json!({ "portal": "store", "account": "active", "source": "hand" });
    let (id, key) = (Uuid::from_u128(id), key_of_second(&log, &of).await);
    let data = json!({ "erasure": id, "remains": remains });
    let erased: UserEvent =
        serde_json::from_value(json!({ "type": "user.erased", "data": data })).unwrap();
    store(&log, &of, &user(2), 1, &erased, Seal::Open).await;
    drop(log);
    Erasure { id, workspace: of, user: user(2).id, entries: Vec::new(), keys: vec![key], at: 5 }
}

/// With what the second person of a workspace is sealed.
async fn key_of_second(log: &SqliteLog, workspace: &WorkspaceId) -> u64 {
    log.read(workspace, 2, 1).await.unwrap()[0].key.unwrap()
}

#[tokio::test]
async fn a_ledger_that_lacks_what_the_record_has_is_refused() {
    let old = Installation::new(None).with_workspace("acme").await;
    let new = Installation::new(None).with_workspace("other").await;
    let lacking = erased(&old, "acme", 8).await;
    let refused = old.export(|_| ());
    let Err(ExportError::OtherLedger(why)) = refused else { panic!("{refused:?}") };
    assert!(why.to_string().contains("MUSTER_ERASURE_LEDGER"), "{why}");
    assert!(!old.path("export").exists());
    // Where it lies elsewhere.
    let ledger = old.path("elsewhere.ledger");
    fs::write(&ledger, ledger::lines(&[lacking], &old.data_dir()).unwrap()).unwrap();
    assert_eq!(old.export(|it| it.source.ledger = ledger.clone()).unwrap().erasures, 1);

    let theirs = erased(&new, "other", 9).await;
    let refused = new.import(&old, |_| ());
    assert!(matches!(refused, Err(ImportError::OtherLedger(_))), "{refused:?}");
    let own = new.path("own.ledger");
    let refused = new.import(&old, |it| it.erasure_ledger = Some(own.clone()));
    let missing = matches!(&refused, Err(ImportError::OtherLedger(NotItsLedger::Missing(_))));
    assert!(missing && !own.exists(), "{refused:?}");
    fs::write(&own, ledger::lines(&[theirs], &new.data_dir()).unwrap()).unwrap();
    let imported = new.import(&old, |it| it.erasure_ledger = Some(own.clone())).unwrap();
    assert_eq!(imported.erasures, 1);
    assert_eq!(fs::read_to_string(&own).unwrap().lines().count(), 2);
}
