//! Making a backup, or adding to one.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use event_log::backup::{self, Copied, Copying, Uncopied};
use event_log::{Failure, Micros, OpenError, WorkspaceId};
use record::Notary;

use crate::fit::{Misplaced, check_backup};
use crate::ledgers::{self, OpenOrFile};
use crate::place::{Place, copy};
use crate::{Manifest, ManifestError, Part, Progress};

/// The name of the file of the signing keys, in a backup and in a data directory.
pub(crate) const SIGNING_KEYS: &str = "signing.keys";

/// An installation, which may be in use.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its data directory.
    pub data_dir: PathBuf,
    /// Signs what each workspace's tree is.
    pub notary: Arc<Notary>,
    /// The file of the signing keys.
    pub signing_keys: PathBuf,
    /// The ledger of erasures.
    pub ledger: PathBuf,
    /// What wraps the keys.
    pub master_key: Option<[u8; 32]>,
}

/// Why there is no backup, or it is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The log was not copied.
    #[error(transparent)]
    Log(#[from] Uncopied),
    /// What an event is sealed with is not there.
    #[error("workspace {workspace}: the data key {key} is missing")]
    KeyMissing {
        /// Which workspace.
        workspace: WorkspaceId,
        /// The number of the key.
        key: u64,
    },
    /// The keys that are there are of another installation, and would be lost.
    #[error(
        "the keys in {} are those of another installation: choose another directory for these",
        .0.display()
    )]
    OtherKeys(PathBuf),
    /// The directories that were named will not do.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    /// The ledger of erasures, or the one in the backup, is of another installation or damaged.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// A file beside the log was not copied.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The manifest was not written.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A directory or a small file could not be written.
    #[error("writing the backup")]
    File(#[from] io::Error),
}

impl From<OpenOrFile> for BackupError {
    fn from(error: OpenOrFile) -> Self {
        match error {
            OpenOrFile::Open(it) => it.into(),
            OpenOrFile::File(it) => it.into(),
        }
    }
}

/// Makes a backup of an installation in a directory, or adds to the one that is there what has come since.
/// Blocks until it is checked and on disk; the installation may be in use.
///
/// Cut off at any point, the backup is what it was before, and the next call goes on.
///
/// # Errors
/// [`BackupError`].
pub fn take(
    source: &Source,
    place: &Place,
    now: Micros,
    progress: &mut dyn FnMut(Progress),
) -> Result<Manifest, BackupError> {
    check_backup(place, &source.data_dir)?;
    // Keys that are replaced by others are gone, and all that they sealed.
    if !backup::keys_belong(&source.data_dir, place.keys_dir(), source.master_key.as_ref())? {
        return Err(BackupError::OtherKeys(place.keys_dir().to_owned()));
    }
    let _lock = place.take()?;
    let log = Copying::open(&source.data_dir, &place.dir)?;
    let all: Vec<_> = log.heads()?.into_iter().map(|(workspace, _)| (workspace, None)).collect();
    let copied = log.copy(&all, &mut |done, total| {
        progress(Progress { what: "events", done, total });
    })?;
    for part in &copied {
        log.check(part)?;
    }
    log.finish()?;
    // Before the signing keys, so that what signed is among them.
    let parts = copied.iter().map(|Copied { workspace, head, .. }| {
        Part::new(workspace, *head, &source.notary.sign(workspace, *head))
    });
    let parts = parts.collect();
    // After the log, so that whatever it holds was sealed with keys that are there.
    backup::keys(&source.data_dir, place.keys_dir())?;
    copy(&source.signing_keys, &place.keys_dir().join(SIGNING_KEYS))?;
    let ledger = ledgers::keep(&source.ledger, place)?;
    backup::files(&source.data_dir, &place.dir)?;
    check_keys(source, place, &copied)?;
    let manifest = Manifest::new(now, place.keys.is_some(), ledger, parts);
    manifest.write(&place.dir)?;
    Ok(manifest)
}

/// Whether everything that was added opens.
fn check_keys(source: &Source, place: &Place, copied: &[Copied]) -> Result<(), BackupError> {
    for part in copied {
        let added = (&part.workspace, part.before());
        let master_key = source.master_key.as_ref();
        let missing = backup::first_missing_key(&place.dir, place.keys_dir(), master_key, added)?;
        if let Some(key) = missing {
            return Err(BackupError::KeyMissing { workspace: part.workspace.clone(), key });
        }
    }
    Ok(())
}
