//! Making an export of a workspace, beside a server that may be in use.
//!
//! The files are read where they are, as a backup reads them. No request over the network can have keys
//! written anywhere: it takes somebody who can read the data directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use domain::Decider;
use domain::workspace::{ConnectorState, Workspace};
use event_log::backup::{self, Copying, Uncopied};
use event_log::moving::{self, Keys, Unmoved};
use event_log::{Failure, Micros, OpenError, StreamId, TreeHead, WorkspaceId, ledger};
use projections::ReadError;
use record::{NotaryError, Verifier, export::show_time};
use uuid::Uuid;

use super::manifest::{FORMAT, VERSION};
use super::{
    NoTransferKey, NotItsLedger, TransferKey, WorkspaceManifest, WorkspaceManifestError, erasures,
    past, people, secrets,
};
use crate::fit::{Misplaced, check_export};
use crate::place::{make_dir, replace};
use crate::suspend::fold;
use crate::{Progress, Source};

/// What is exported, and where to.
#[derive(Debug)]
pub struct Export {
    /// The installation, which may be in use.
    pub source: Source,
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// The directory that is made: it must not be there, or be empty.
    pub into: PathBuf,
    /// The file of the transfer key, which is made as well.
    pub transfer_key: PathBuf,
    /// A public key of the installation where the workspace goes, of any workspace of it: the export's
    /// checkpoint then says that this key follows.
    pub next_key: Option<Verifier>,
    /// Whether the workspace may go on where it is, since it does not really move.
    pub rehearsal: bool,
}

/// What was exported.
#[derive(Clone, Debug)]
pub struct Exported {
    /// What is in the export.
    pub manifest: WorkspaceManifest,
    /// Size and root of all events.
    pub head: TreeHead,
    /// How many persons were erased, whose keys are not in it.
    pub erasures: usize,
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// There is no such workspace.
    #[error("there is no workspace {0}, or it is closed")]
    NoWorkspace(WorkspaceId),
    /// Two installations would send what is owed.
    #[error(
        "deliveries of {0} are not suspended: both installations would send what is owed. \
         `muster effects suspend --workspace {0}`, then export again (or --rehearsal, where nothing moves)"
    )]
    Delivers(WorkspaceId),
    /// What arrives later would be lost.
    #[error(
        "{1} of {0} is not paused: what it brings from now on would not move. `muster connector pause \
         --workspace {0} {1}`, then export again (or --rehearsal, where nothing moves)"
    )]
    Receives(WorkspaceId, String),
    /// A directory is made, and nothing replaced.
    #[error("{} is not empty: an export needs a directory of its own", .0.display())]
    NotEmpty(PathBuf),
    /// The directories that were named will not do.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    /// No transfer key was made.
    #[error(transparent)]
    TransferKey(#[from] NoTransferKey),
    /// The log was not copied.
    #[error(transparent)]
    Log(#[from] Uncopied),
    /// A key, or what lies beside the log, was not copied.
    #[error(transparent)]
    Unmoved(#[from] Unmoved),
    /// What an event is sealed with is not there.
    #[error("workspace {0}: the data key {1} is missing")]
    KeyMissing(WorkspaceId, u64),
    /// The ledger of erasures is not the one that the installation uses.
    #[error(transparent)]
    OtherLedger(#[from] NotItsLedger),
    /// The ledger of erasures is of another installation or damaged.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// An event of the workspace does not read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log does not read.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The signing keys do not read.
    #[error(transparent)]
    Notary(#[from] NotaryError),
    /// The manifest was not written.
    #[error(transparent)]
    Manifest(#[from] WorkspaceManifestError),
    /// A directory or a small file could not be written.
    #[error("writing the export")]
    File(#[from] io::Error),
}

/// Makes an export of a workspace. Blocks until it is checked and on disk; the installation may be in use.
///
/// # Errors
/// [`ExportError`]: directory and transfer key are gone. Where it was cut off, remove them and begin again.
pub fn export(
    order: &Export,
    now: Micros,
    progress: &mut dyn FnMut(Progress),
) -> Result<Exported, ExportError> {
    let Export { source, into, .. } = order;
    check_export(into, &order.transfer_key, &source.data_dir)?;
    moving::check_formats(&source.data_dir)?;
    at_rest(order, &source.data_dir)?;
    make_dir(into)?;
    if fs::read_dir(into)?.next().is_some() {
        return Err(ExportError::NotEmpty(into.clone()));
    }
    let transfer = TransferKey::make(&order.transfer_key)?;
    let exported = fill(order, &transfer, now, progress);
    if exported.is_err() {
        // What failed says more than what could not be removed.
        let _ = fs::remove_dir_all(into).and_then(|()| fs::remove_file(&order.transfer_key));
    }
    exported
}

/// Puts everything into the directory.
fn fill(
    order: &Export,
    transfer: &TransferKey,
    now: Micros,
    progress: &mut dyn FnMut(Progress),
) -> Result<Exported, ExportError> {
    let Export { source, workspace, into, .. } = order;
    let head = copy_log(order, progress)?;
    // What was there when it was copied counts, not what was there before.
    at_rest(order, into)?;
    // After the log, so that whatever it holds was sealed with keys that are there.
    let from = Keys { dir: &source.data_dir, wrapped_with: source.master_key.as_ref() };
    let keys = Keys { dir: into, wrapped_with: Some(transfer.bytes()) };
    moving::keys(from, keys, workspace, &secrets(workspace))?;
    let missing = backup::first_missing_key(into, into, keys.wrapped_with, (workspace, 0))?;
    if let Some(key) = missing {
        return Err(ExportError::KeyMissing(workspace.clone(), key));
    }
    moving::beside(&source.data_dir, into, workspace)?;
    // After the keys: of somebody who is erased meanwhile either the key is gone or the line is here.
    let erased = ledger::of_workspace(&source.ledger, &source.data_dir, workspace)?;
    erasures::compare((&source.ledger, &erased), into, workspace)?;
    replace(&into.join(ledger::FILE), &ledger::lines(&erased, into)?)?;
    backup::make_whole(into)?;
    let manifest = manifest(order, head, transfer, now)?.write(into, transfer)?;
    Ok(Exported { manifest, head, erasures: people(&erased) })
}

fn copy_log(order: &Export, progress: &mut dyn FnMut(Progress)) -> Result<TreeHead, ExportError> {
    let log = Copying::open(&order.source.data_dir, &order.into)?;
    let copied = log.copy(&[(order.workspace.clone(), None)], &mut |done, total| {
        progress(Progress { what: "events", done, total });
    })?;
    for part in &copied {
        log.check(part)?;
    }
    log.finish()?;
    let head = copied.first().map(|copied| copied.head);
    head.ok_or_else(|| ExportError::NoWorkspace(order.workspace.clone()))
}

/// Whether nothing goes out and nothing comes in, as the log in a directory says.
fn at_rest(order: &Export, dir: &Path) -> Result<(), ExportError> {
    let workspace = &order.workspace;
    let stream = StreamId::new(Workspace::KIND, Uuid::nil());
    let state = fold(moving::unsealed(dir, workspace, &stream)?)?.state;
    if !state.open {
        return Err(ExportError::NoWorkspace(workspace.clone()));
    }
    if order.rehearsal {
        return Ok(());
    }
    if state.suspended.is_none() {
        return Err(ExportError::Delivers(workspace.clone()));
    }
    let mut connectors = state.connectors.iter();
    match connectors.find(|(_, it)| it.state() == ConnectorState::Active) {
        Some((name, _)) => Err(ExportError::Receives(workspace.clone(), name.to_string())),
        None => Ok(()),
    }
}

fn manifest(
    order: &Export,
    head: TreeHead,
    transfer: &TransferKey,
    now: Micros,
) -> Result<WorkspaceManifest, ExportError> {
    let (workspace, notary) = (&order.workspace, &order.source.notary);
    let keys = notary.keys(workspace)?.into_iter().map(past).collect();
    let note = notary.sign_leaving(workspace, head, order.next_key.as_ref());
    Ok(WorkspaceManifest {
        format: FORMAT.to_owned(),
        version: VERSION,
        at: show_time(now),
        at_micros: now,
        muster: env!("CARGO_PKG_VERSION").to_owned(),
        workspace: workspace.to_string(),
        from: notary.installation(),
        rehearsal: order.rehearsal,
        size: head.size,
        checkpoint: note.to_string(),
        keys,
        files: std::collections::BTreeMap::new(),
        transfer_key: transfer.fingerprint(),
        seal: String::new(),
    })
}
