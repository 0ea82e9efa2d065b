//! Making an installation of a backup, whole or as it was at an earlier point.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use event_log::backup::{self, Claims, ClaimsError, Copied, Copying, Uncopied};
use event_log::{Failure, Micros, OpenError, TreeHead, WorkspaceId};
use record::{Checkpoint, Notary, NotaryError, PublicKey, Trust, Unsettled, Verifier};

use crate::claims::held;
use crate::fit::{Misplaced, check_restore};
use crate::moving::{KeysError, keys_before_in};
use crate::place::{Place, copy, make_dir, sync_parent};
use crate::suspend::{self, SuspendError};
use crate::take::SIGNING_KEYS;
use crate::{Manifest, ManifestError, Part, Progress, ledgers};

/// The directory of a copy of a log that was cut off, while a restore is at work.
const LEFT: &str = "restore.left";

/// Up to where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// All that the backup has.
    Everything,
    /// One workspace up to a position, the others whole.
    Position(WorkspaceId, u64),
    /// Each workspace up to what was recorded at a time or before it.
    Time(Micros),
}

/// What is to be restored, and where.
#[derive(Clone, Debug)]
pub struct Restore {
    /// The backup.
    pub from: Place,
    /// The data directory that is made: it must not be there, or be empty.
    pub into: PathBuf,
    /// Up to where.
    pub until: Until,
    /// Ledgers of erasures beside the backup's own: what they name is destroyed before anything is read.
    pub ledgers: Vec<PathBuf>,
    /// Public keys and checkpoints that the operator has kept. Keys that these have handed over to are learned
    /// from the backup.
    pub trust: Trust,
    /// What wraps the keys.
    pub master_key: Option<[u8; 32]>,
}

/// What was restored of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Its slug.
    pub workspace: WorkspaceId,
    /// How many events the backup has.
    pub known: u64,
    /// Size and root of what was restored of them.
    pub head: TreeHead,
    /// How many of the checkpoints that were kept vouch for it.
    pub vouched: usize,
    /// The sizes of those that cover more than was restored: they will not fit any more.
    pub beyond: Vec<u64>,
}

/// Why nothing was restored. What is in the directory is good for nothing then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// A restore makes a directory, and replaces nothing.
    #[error("{} is not empty: a restore needs a directory of its own", .0.display())]
    NotEmpty(PathBuf),
    /// The directory that was named will not do.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    /// There was nothing then.
    #[error("nothing would be restored: the backup has no event of that time or before it")]
    NothingThen,
    /// Positions begin with 1.
    #[error("nothing would be restored: the first event of a workspace has position 1")]
    NoPosition,
    /// Whoever was erased would be back.
    #[error(
        "the backup's ledger of erasures, {}, is not the one of {} line(s) that the manifest names: put it \
         back, or name a copy of it with --erasure-ledger",
        .0.display(), .1
    )]
    LedgerLost(PathBuf, u64),
    /// A ledger that was kept is another one, or was lost.
    #[error(
        "{} names nobody, though the backup's own ledger does: it is not this installation's, or was lost",
        .0.display()
    )]
    EmptyLedger(PathBuf),
    /// There is no such workspace in the backup.
    #[error("the backup has no workspace {0}")]
    NoWorkspace(WorkspaceId),
    /// The signing keys of the backup are others than the one that was named, and those that followed it.
    #[error(
        "the manifest's checkpoint of {0} is signed by no key that is trusted: the signing keys of the backup are \
         others, or a newer key has to be named as well"
    )]
    Untrusted(String),
    /// What was kept says that there was one.
    #[error("a checkpoint that was kept is of {0}: the backup has no such workspace")]
    NotOfBackup(String),
    /// A checkpoint that was kept is signed by nobody who is trusted.
    #[error(transparent)]
    Unsettled(#[from] Unsettled),
    /// The keys that signed before do not read.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// There are not so many events.
    #[error("the backup has {1} events of the workspace {0}")]
    NotSoMany(WorkspaceId, u64),
    /// The keys are not there.
    #[error("there are no keys in {}: say where they are with --keys-from", .0.display())]
    NoKeys(PathBuf),
    /// The checkpoint of the manifest was not signed by the installation's key.
    #[error("the manifest's checkpoint of {0} is not signed by a key of the backup")]
    Unsigned(WorkspaceId),
    /// Somebody has changed the backup.
    #[error("workspace {workspace}: the events in the backup are others than those of {what}")]
    Changed {
        /// Which workspace.
        workspace: WorkspaceId,
        /// Which checkpoint says so.
        what: String,
    },
    /// No manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The log does not read.
    #[error(transparent)]
    Log(#[from] Uncopied),
    /// Claims do not follow from the events.
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    /// Deliveries could not be suspended.
    #[error(transparent)]
    Suspend(#[from] SuspendError),
    /// A file does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The signing keys do not open.
    #[error(transparent)]
    Notary(#[from] NotaryError),
    /// A file beside the log does not read.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// A file could not be read or written.
    #[error("restoring")]
    File(#[from] io::Error),
}

/// Makes an installation of a backup in a directory of its own. Blocks until it is checked and on disk.
///
/// Nothing is sent to the devices of a restored workspace until a person resumes deliveries. Cut off, or
/// refused, what is in the directory does not open.
///
/// # Errors
/// [`RestoreError`].
pub fn restore(
    order: &Restore,
    now: Micros,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Restored>, RestoreError> {
    let Restore { from, into, .. } = order;
    check_restore(from, into)?;
    if matches!(order.until, Until::Position(_, 0)) {
        return Err(RestoreError::NoPosition);
    }
    let manifest = Manifest::read(&from.dir)?;
    if !from.keys_dir().join("keys.db").exists() {
        return Err(RestoreError::NoKeys(from.keys_dir().to_owned()));
    }
    let ledgers = ledgers::gather(order, &manifest)?;
    begin(into)?;
    backup::keys(from.keys_dir(), into)?;
    copy(&from.keys_dir().join(SIGNING_KEYS), &into.join(SIGNING_KEYS))?;
    backup::files(&from.dir, into)?;
    let log = Copying::open(&sound_log(&from.dir, into)?, into)?;
    ledgers::apply(&ledgers, into)?;
    let heads = signed_heads(&manifest, order, now)?;
    let copied = copy_log(&log, order, &heads, progress)?;
    cut_journal(&log, order, &heads, &copied)?;
    log.finish()?;
    remove_left(into)?;
    let kept = believed(order, &manifest, &heads, now)?;
    let restored = compare(order, &kept, &heads, &copied)?;
    make_claims(order, &copied, progress)?;
    suspend::deliveries(order, &manifest, &restored, now)?;
    fs::remove_file(backup::mark(into))?;
    sync_parent(&backup::mark(into))?;
    Ok(restored)
}

/// Makes the directory, and marks it as one that is not to be used.
fn begin(into: &Path) -> Result<(), RestoreError> {
    make_dir(into)?;
    if fs::read_dir(into)?.next().is_some() {
        return Err(RestoreError::NotEmpty(into.to_owned()));
    }
    File::create(backup::mark(into))?.sync_all()?;
    sync_parent(&backup::mark(into))?;
    Ok(sync_parent(into)?)
}

/// Where the backup's log can be read: where it is, or in a copy. A backup that was killed leaves a journal
/// beside the log, and only who may write can roll back what it had begun; the backup is never written to.
fn sound_log(from: &Path, into: &Path) -> Result<PathBuf, RestoreError> {
    let left: Vec<_> = ["log.db-journal", "log.db-wal"]
        .into_iter()
        .filter(|name| from.join(name).exists())
        .collect();
    if left.is_empty() {
        return Ok(from.to_owned());
    }
    let copy = into.join(LEFT);
    make_dir(&copy)?;
    for name in left.into_iter().chain(["log.db"]) {
        fs::copy(from.join(name), copy.join(name))?;
    }
    backup::make_sound(&copy)?;
    Ok(copy)
}

/// Removes the copy of a log that was rolled back.
fn remove_left(into: &Path) -> io::Result<()> {
    match fs::remove_dir_all(into.join(LEFT)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What the manifest says of each workspace, signed by the installation.
fn signed_heads(
    manifest: &Manifest,
    order: &Restore,
    now: Micros,
) -> Result<Vec<(WorkspaceId, TreeHead)>, RestoreError> {
    let path = order.into.join(SIGNING_KEYS);
    let notary = Notary::open(&path, order.master_key.as_ref(), now)?;
    let signed = |part: &Part| {
        let (workspace, head) = part.head()?;
        let keys = notary.keys(&workspace)?;
        let keys: Vec<Verifier> = keys.into_iter().map(|key| key.verifier).collect();
        match part.note()?.verify(&keys) {
            Ok(_) => Ok((workspace, head)),
            Err(_) => Err(RestoreError::Unsigned(workspace)),
        }
    };
    manifest.workspaces.iter().map(signed).collect()
}

/// The checkpoints that were kept, now that it is known by which keys the installation has signed, one after
/// the other. Where a key of a workspace was named, the manifest's own has to be signed by one of these.
fn believed(
    order: &Restore,
    manifest: &Manifest,
    heads: &[(WorkspaceId, TreeHead)],
    now: Micros,
) -> Result<Vec<Checkpoint>, RestoreError> {
    let notary = Notary::open(&order.into.join(SIGNING_KEYS), order.master_key.as_ref(), now)?;
    let mut trust = order.trust.clone();
    // Without a key there is nothing to follow.
    for (workspace, _) in heads.iter().filter(|_| !order.trust.keys.is_empty()) {
        let mut keys = keys_before_in(&order.into, workspace)?;
        keys.extend(notary.keys(workspace)?);
        trust.follow(keys.iter().filter_map(PublicKey::last_checkpoint));
    }
    trust.settle()?;
    for part in &manifest.workspaces {
        let of = format!("/{}", part.workspace);
        let is_known = order.trust.keys.iter().any(|key| key.name().ends_with(&of));
        if is_known && part.note()?.verify(&trust.keys).is_err() {
            return Err(RestoreError::Untrusted(part.workspace.clone()));
        }
    }
    for kept in &trust.kept {
        if !heads.iter().any(|(workspace, _)| workspace.as_str() == kept.workspace()) {
            return Err(RestoreError::NotOfBackup(kept.origin.clone()));
        }
    }
    Ok(trust.kept)
}

/// How many events of a workspace are wanted.
fn wanted(
    log: &Copying,
    until: &Until,
    workspace: &WorkspaceId,
    known: u64,
) -> Result<u64, RestoreError> {
    match until {
        Until::Position(named, position) if named == workspace => {
            if *position > known {
                return Err(RestoreError::NotSoMany(workspace.clone(), known));
            }
            Ok(*position)
        }
        Until::Everything | Until::Position(..) => Ok(known),
        Until::Time(time) => Ok(log.position_at(workspace, *time)?.min(known)),
    }
}

fn copy_log(
    log: &Copying,
    order: &Restore,
    heads: &[(WorkspaceId, TreeHead)],
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Copied>, RestoreError> {
    if let Until::Position(named, _) = &order.until
        && !heads.iter().any(|(workspace, _)| workspace == named)
    {
        return Err(RestoreError::NoWorkspace(named.clone()));
    }
    let mut upto = Vec::new();
    for (workspace, head) in heads {
        let size = wanted(log, &order.until, workspace, head.size)?;
        // What was not there yet is not made.
        if size > 0 {
            upto.push((workspace.clone(), Some(size)));
        }
    }
    if upto.is_empty() && order.until != Until::Everything {
        return Err(RestoreError::NothingThen);
    }
    let copied = log.copy(&upto, &mut |done, total| {
        progress(Progress { what: "events", done, total });
    })?;
    for part in &copied {
        log.check(part)?;
    }
    for (workspace, head) in heads {
        // Of what was copied whole the tree is known already.
        let whole =
            copied.iter().find(|it| it.workspace == *workspace && it.head.size == head.size);
        let found = match whole {
            Some(copied) => copied.head,
            None => log.tree(workspace, head.size)?,
        };
        if found != *head {
            let what = format!("the backup's checkpoint of {} events", head.size);
            return Err(RestoreError::Changed { workspace: workspace.clone(), what });
        }
    }
    Ok(copied)
}

/// Requests that did what was not restored are not in the provisioning log either.
fn cut_journal(
    log: &Copying,
    order: &Restore,
    heads: &[(WorkspaceId, TreeHead)],
    copied: &[Copied],
) -> Result<(), RestoreError> {
    for (workspace, head) in heads {
        let kept = copied.iter().find(|it| it.workspace == *workspace).map_or(0, |it| it.head.size);
        if kept < head.size
            && let Some(time) = log.time_of(workspace, kept + 1)?
        {
            backup::cut_journal(&order.into, workspace, time - 1)?;
        }
        // It was copied after the log, and what it tells of beyond its end would be taken for what comes there.
        if let Some(time) = log.time_of(workspace, kept)? {
            backup::cut_journal_beyond(&order.into, workspace, (time, kept))?;
        }
    }
    Ok(())
}

/// Compares what was restored with the checkpoints that were kept.
fn compare(
    order: &Restore,
    kept: &[Checkpoint],
    heads: &[(WorkspaceId, TreeHead)],
    copied: &[Copied],
) -> Result<Vec<Restored>, RestoreError> {
    let mut restored = Vec::new();
    for Copied { workspace, head, .. } in copied {
        let known = heads.iter().find(|(it, _)| it == workspace).map_or(0, |(_, head)| head.size);
        let (mut vouched, mut beyond) = (0, Vec::new());
        for kept in kept.iter().filter(|it| it.workspace() == workspace.as_str()) {
            if kept.head.size > head.size {
                beyond.push(kept.head.size);
            } else if backup::tree_at(&order.into, workspace, kept.head.size)? == Some(kept.head) {
                vouched += 1;
            } else {
                let what = format!("a checkpoint of {} events that was kept", kept.head.size);
                return Err(RestoreError::Changed { workspace: workspace.clone(), what });
            }
        }
        beyond.sort_unstable();
        let (workspace, head) = (workspace.clone(), *head);
        restored.push(Restored { workspace, known, head, vouched, beyond });
    }
    Ok(restored)
}

fn make_claims(
    order: &Restore,
    copied: &[Copied],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), RestoreError> {
    let mut claims = Claims::open(&order.into, order.master_key.as_ref())?;
    for part in copied {
        claims.make(&part.workspace, &mut held, &mut |done, total| {
            progress(Progress { what: "streams", done, total });
        })?;
    }
    claims.close();
    Ok(())
}
