//! Bringing an exported workspace into an installation that may have others.
//!
//! Nobody may use the installation meanwhile: a server holds in memory what its log ends with, and a
//! workspace that came in under it would be half seen.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::workspace::{Origin, PastKey, WorkspaceCommand};
use event_log::backup::{self, Claims, ClaimsError, Uncopied};
use event_log::moving::{self, Keys, Unmoved};
use event_log::{
    Clock, EventLog, Failure, ManualClock, Micros, OpenError, SqliteLog, SqliteOptions, TreeHead,
    WorkspaceId, ledger,
};
use record::{Checkpoint, Notary, NotaryError, Note, PublicKey, Trust, Unsettled};

use super::{
    KeysError, NotItsLedger, TransferKey, WorkspaceManifest, WorkspaceManifestError, erasures,
    keys_before_in, people, secrets,
};
use crate::Progress;
use crate::claims::held;
use crate::fit::{Misplaced, check_import};
use crate::place::replace;
use crate::suspend::{SuspendError, record};

/// Who is said to have done it.
const ACTOR: &str = "import";

/// What is to be imported, and where.
#[derive(Debug)]
pub struct Import {
    /// The directory of the export. It is only read.
    pub from: PathBuf,
    /// Its transfer key.
    pub transfer_key: TransferKey,
    /// The workspace that it has to be of, if that was said.
    pub workspace: Option<WorkspaceId>,
    /// The data directory of the installation.
    pub data_dir: PathBuf,
    /// Its signing keys.
    pub signing_keys: PathBuf,
    /// Its ledger of erasures, where it lies elsewhere than in the data directory.
    pub erasure_ledger: Option<PathBuf>,
    /// What wraps its keys.
    pub master_key: Option<[u8; 32]>,
    /// Public keys of the installations where the workspace was, and checkpoints that were kept of them;
    /// without a key, the transfer key alone vouches for the export's checkpoint. Keys that these have handed
    /// over to are learned from the export.
    pub trust: Trust,
}

/// What was imported.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What was in the export.
    pub manifest: WorkspaceManifest,
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// Size and root of what came.
    pub came: TreeHead,
    /// Size and root now: what says that it came is recorded behind it.
    pub head: TreeHead,
    /// How many of the checkpoints that were kept vouch for it.
    pub vouched: usize,
    /// How many persons were erased, and stay so.
    pub erasures: usize,
    /// Whether the key of the installation that it came from names the one that signs here.
    pub names_next_key: bool,
}

/// Why nothing was imported. The installation is what it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A mistyped directory must not become an installation.
    #[error("there is no installation in {}: start a server on it once", .0.display())]
    NoInstallation(PathBuf),
    /// Not the one that was meant.
    #[error("this is an export of {found}, not of {wanted}")]
    OtherWorkspace {
        /// What it is.
        found: String,
        /// What was said.
        wanted: WorkspaceId,
    },
    /// It is there.
    #[error(
        "there is a workspace {0} in this installation, or the record of one that was closed: a slug is not \
         given twice. Import into an installation that never had it"
    )]
    Exists(WorkspaceId),
    /// A checkpoint that was kept is signed by nobody who is trusted.
    #[error(transparent)]
    Unsettled(#[from] Unsettled),
    /// The keys that signed before do not read.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The checkpoint was not signed by a key that is trusted.
    #[error("the export's checkpoint is not signed by a key that is trusted")]
    Unsigned(#[source] record::note::Unbelieved),
    /// The export says which key follows, and that is another one.
    #[error(
        "the export names {0} as the key that follows, which is not this installation's: it was made for another one, or the key was replaced since"
    )]
    OtherNextKey(String),
    /// The events are others.
    #[error("the events of the export are others than those of {0}")]
    Changed(String),
    /// A checkpoint that was kept covers more.
    #[error(
        "a checkpoint that was kept covers {0} events, and the export has {1}: something is missing"
    )]
    Beyond(u64, u64),
    /// The directories that were named will not do.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    /// The export is not what was made.
    #[error(transparent)]
    Manifest(#[from] WorkspaceManifestError),
    /// The events do not fit each other.
    #[error(transparent)]
    Log(#[from] Uncopied),
    /// Claims do not follow from the events.
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    /// Keys, or what lies beside the log.
    #[error(transparent)]
    Unmoved(#[from] Unmoved),
    /// That it came could not be recorded.
    #[error(transparent)]
    Record(#[from] SuspendError),
    /// A ledger of erasures is not the one that belongs to a record.
    #[error(transparent)]
    OtherLedger(#[from] NotItsLedger),
    /// The installation does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The signing keys do not open.
    #[error(transparent)]
    Notary(#[from] NotaryError),
    /// A file does not read.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// A file could not be read or written.
    #[error("importing")]
    File(#[from] io::Error),
}

/// Brings a workspace into an installation. Blocks until it is checked and on disk.
///
/// Refused or cut off, the installation is what it was, once somebody opens it.
///
/// # Errors
/// [`ImportError`].
pub fn import(
    order: &Import,
    now: Micros,
    progress: &mut dyn FnMut(Progress),
) -> Result<Imported, ImportError> {
    check_import(&order.from, &order.data_dir)?;
    let manifest = WorkspaceManifest::check(&order.from, &order.transfer_key)?;
    if let Some(wanted) = order.workspace.clone().filter(|it| it.as_str() != manifest.workspace) {
        return Err(ImportError::OtherWorkspace { found: manifest.workspace, wanted });
    }
    let (workspace, checkpoint, note) = manifest.head().ok_or(WorkspaceManifestError::Changed)?;
    let mut trust = order.trust.clone();
    trust.follow(last_checkpoints(&manifest, &order.from, &workspace)?);
    trust.settle()?;
    if !trust.keys.is_empty() {
        note.verify(&trust.keys).map_err(ImportError::Unsigned)?;
    }
    if !order.data_dir.join("log.db").exists() {
        return Err(ImportError::NoInstallation(order.data_dir.clone()));
    }
    let own = order.erasure_ledger.clone().unwrap_or_else(|| order.data_dir.join(ledger::FILE));
    if !own.exists() {
        return Err(NotItsLedger::Missing(own).into());
    }
    let log = open(order, now)?;
    for (workspace, _) in log.heads() {
        erasures::compare((&own, &log.ledger().erasures()), &order.data_dir, &workspace)?;
    }
    let (manifest, kept) = (&manifest, &trust.kept);
    let came = Coming { order, manifest, kept, workspace: &workspace, checkpoint, note, now };
    let staged = came.stage(&log, progress).and_then(|staged| {
        moving::merge(&log, &workspace, &secrets(&workspace), &mut |done, total| {
            progress(Progress { what: "merged", done, total });
        })?;
        Ok(staged)
    });
    drop(log);
    // Opening it completes what is left to do, or undoes what was begun.
    let reopened = open(order, now);
    let Staged { head, vouched, erasures } = staged?;
    reopened?.close();
    let names_next_key = came.checkpoint.next_key.is_some();
    let came = came.checkpoint.head;
    Ok(Imported {
        workspace,
        came,
        head,
        vouched,
        erasures,
        names_next_key,
        manifest: manifest.clone(),
    })
}

/// By which each key that signed for the workspace has handed over to the next one, oldest first: those of
/// installations where it was before, which its events name, and those of the one that has exported it.
fn last_checkpoints(
    manifest: &WorkspaceManifest,
    export: &Path,
    workspace: &WorkspaceId,
) -> Result<Vec<Note>, KeysError> {
    let before = keys_before_in(export, workspace)?;
    let here =
        manifest.keys.iter().filter_map(|PastKey { last, .. }| Note::parse(last.as_ref()?).ok());
    Ok(before.iter().filter_map(PublicKey::last_checkpoint).chain(here).collect())
}

/// Opens the installation, which keeps others away.
fn open(order: &Import, now: Micros) -> Result<Arc<SqliteLog>, OpenError> {
    let (master_key, erasure_ledger) = (order.master_key, order.erasure_ledger.clone());
    let options =
        SqliteOptions { master_key, erasure_ledger, ..SqliteOptions::new(&order.data_dir) };
    SqliteLog::open(options, clock(now))
}

fn clock(now: Micros) -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(now))
}

/// An import under way.
struct Coming<'a> {
    order: &'a Import,
    manifest: &'a WorkspaceManifest,
    /// What was kept of it, and is believed.
    kept: &'a [Checkpoint],
    workspace: &'a WorkspaceId,
    /// Of everything that comes, as the other installation has signed it.
    checkpoint: Checkpoint,
    note: Note,
    now: Micros,
}

/// A workspace that is complete on the stage.
struct Staged {
    head: TreeHead,
    vouched: usize,
    erasures: usize,
}

impl Coming<'_> {
    /// Makes the workspace a log of its own that belongs to the installation, and checks it.
    fn stage(
        &self,
        log: &SqliteLog,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Staged, ImportError> {
        let Self { order, workspace, .. } = self;
        if log.head(workspace) > 0 {
            return Err(ImportError::Exists((*workspace).clone()));
        }
        let note = self.countersigned()?;
        let stage = moving::stage(log, order.master_key.as_ref())?;
        self.copy_log(log, progress)?;
        let vouched = self.compare(&stage)?;
        let wrapped_with = Some(order.transfer_key.bytes());
        let from = Keys { dir: &order.from, wrapped_with };
        let into = Keys { dir: &stage, wrapped_with: order.master_key.as_ref() };
        moving::keys(from, into, workspace, &secrets(workspace))?;
        for name in ["commands.db", "journal.db"] {
            fs::copy(order.from.join(name), stage.join(name))?;
        }
        let erasures = self.erase_again(&stage)?;
        let mut claims = Claims::open(&stage, order.master_key.as_ref())?;
        claims.make(workspace, &mut held, &mut |done, total| {
            progress(Progress { what: "streams", done, total });
        })?;
        claims.close();
        let head = self.record(&stage, &note)?;
        Ok(Staged { head, vouched, erasures })
    }

    /// The last checkpoint of the other installation. Where it names this installation's key, that one signs as
    /// well.
    fn countersigned(&self) -> Result<Note, ImportError> {
        let Import { signing_keys, master_key, .. } = self.order;
        let notary = Notary::open(signing_keys, master_key.as_ref(), self.now)?;
        let mut note = self.note.clone();
        if let Some(next) = &self.checkpoint.next_key {
            if notary.keys(self.workspace)?.last().is_none_or(|key| key.verifier != *next) {
                return Err(ImportError::OtherNextKey(next.to_string()));
            }
            notary.sign_too(self.workspace, &mut note);
        }
        Ok(note)
    }

    fn copy_log(
        &self,
        log: &SqliteLog,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), ImportError> {
        let copying = moving::copying(&self.order.from, log)?;
        let copied = copying.copy(&[(self.workspace.clone(), None)], &mut |done, total| {
            progress(Progress { what: "events", done, total });
        })?;
        for part in &copied {
            copying.check(part)?;
        }
        copying.finish()?;
        let expected = self.checkpoint.head;
        if copied.iter().all(|part| part.head == expected) {
            Ok(())
        } else {
            let of = format!("the export's checkpoint of {} events", expected.size);
            Err(ImportError::Changed(of))
        }
    }

    /// Compares what came with the checkpoints that were kept: how many fit.
    fn compare(&self, stage: &Path) -> Result<usize, ImportError> {
        let (workspace, all) = (self.workspace, self.checkpoint.head.size);
        for kept in self.kept {
            let Checkpoint { head, origin, .. } = kept;
            if kept.workspace() != workspace.as_str() {
                return Err(ImportError::Changed(format!("{origin}, which is another workspace")));
            }
            if head.size > all {
                return Err(ImportError::Beyond(head.size, all));
            }
            if backup::tree_at(stage, workspace, head.size)? != Some(*head) {
                let of = format!("a checkpoint of {} events that was kept", head.size);
                return Err(ImportError::Changed(of));
            }
        }
        Ok(self.kept.len())
    }

    /// Whoever was erased there is erased here: the ledger says so in the words of this installation, and the
    /// keys go.
    fn erase_again(&self, stage: &Path) -> Result<usize, ImportError> {
        let from = &self.order.from;
        let theirs = from.join(ledger::FILE);
        let erasures = ledger::of_workspace(&theirs, from, self.workspace)?;
        erasures::compare((&theirs, &erasures), from, self.workspace)?;
        let path = stage.join(ledger::FILE);
        replace(&path, &ledger::lines(&erasures, stage)?)?;
        ledger::apply(&path, stage)?;
        Ok(people(&erasures))
    }

    /// Records that it came, and that nothing is sent. Not to be called where a runtime is at work.
    fn record(&self, stage: &Path, note: &Note) -> Result<TreeHead, ImportError> {
        let Self { manifest, workspace, now, .. } = self;
        let master_key = self.order.master_key;
        let options = SqliteOptions { master_key, ..SqliteOptions::new(stage) };
        let log = SqliteLog::open(options, clock(*now))?;
        let origin = Origin {
            from: manifest.from.as_str().into(),
            exported: manifest.at_micros,
            size: manifest.size,
            checkpoint: note.to_string(),
            keys: manifest.keys.clone(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let command = WorkspaceCommand::Import { origin };
        runtime.block_on(record(&log, workspace, ACTOR, &command, *now))?;
        let head = runtime.block_on(log.tree(workspace))?;
        log.close();
        Ok(head)
    }
}
