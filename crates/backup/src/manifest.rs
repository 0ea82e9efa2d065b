//! The manifest: what is in a backup, `manifest.json` beside its log.
//!
//! It is written last and replaced as a whole. The format is for ever: a new one gets a new number.

use std::io;
use std::path::{Path, PathBuf};

use event_log::{Micros, TreeHead, WorkspaceId};
use record::{Checkpoint, Note, export::show_time};
use serde::{Deserialize, Serialize};

use crate::Lines;
use crate::place::{LOCK, read, replace};

/// The name of the file.
pub(crate) const FILE: &str = "manifest.json";
/// What it calls itself.
const FORMAT: &str = "muster-backup";
/// The version that is written.
const VERSION: u32 = 2;

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: String,
    version: u32,
    /// When it was made, or added to last: RFC 3339 in UTC, to the microsecond.
    pub at: String,
    /// The same in microseconds since the epoch.
    pub at_micros: Micros,
    /// The version of the program that wrote it.
    pub muster: String,
    /// Whether keys and signing keys lie in another directory.
    pub keys_apart: bool,
    /// The ledger of erasures; `None` in a manifest of version 1, which does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Lines>,
    /// By slug.
    pub workspaces: Vec<Part>,
}

/// A workspace in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its slug.
    pub workspace: String,
    /// How many events of it there are.
    pub size: u64,
    /// The signed checkpoint of them.
    pub checkpoint: String,
}

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// There is none, and nothing else that a backup begins with.
    #[error("{} is no backup: it has no manifest", .0.display())]
    Missing(PathBuf),
    /// A backup was begun, and its first run was cut off.
    #[error(
        "the backup in {} was begun and never finished, so that nothing vouches for what is in it: make it again \
         into the same directory (muster backup), which goes on where it was cut off, or restore another one",
        .0.display()
    )]
    Unfinished(PathBuf),
    /// It was written by a newer version.
    #[error("the manifest has format {0}, this program knows {VERSION}")]
    Newer(u32),
    /// It is not one.
    #[error("the manifest does not read")]
    Unreadable(#[from] serde_json::Error),
    /// A checkpoint in it is none.
    #[error("the manifest's checkpoint of {0} does not read")]
    NoCheckpoint(String),
    /// The file does not read.
    #[error("reading or writing the manifest")]
    File(#[from] io::Error),
}

impl Manifest {
    pub(crate) fn new(at: Micros, keys_apart: bool, ledger: Lines, workspaces: Vec<Part>) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            at: show_time(at),
            at_micros: at,
            muster: env!("CARGO_PKG_VERSION").to_owned(),
            keys_apart,
            ledger: Some(ledger),
            workspaces,
        }
    }

    /// Reads that of a backup.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn read(dir: &Path) -> Result<Self, ManifestError> {
        let bytes = read(&dir.join(FILE))?.ok_or_else(|| {
            let begun = dir.join(LOCK).exists();
            let missing = if begun { ManifestError::Unfinished } else { ManifestError::Missing };
            missing(dir.to_owned())
        })?;
        let version = serde_json::from_slice::<serde_json::Value>(&bytes)?["version"].as_u64();
        if let Some(newer) =
            version.and_then(|it| u32::try_from(it).ok()).filter(|it| *it > VERSION)
        {
            return Err(ManifestError::Newer(newer));
        }
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Puts it in the place of the one before. It is on disk when this returns.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), ManifestError> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(replace(&dir.join(FILE), &bytes)?)
    }

    /// How many events there are, of all workspaces.
    pub fn events(&self) -> u64 {
        self.workspaces.iter().map(|part| part.size).sum()
    }
}

impl Part {
    pub(crate) fn new(workspace: &WorkspaceId, head: TreeHead, note: &Note) -> Self {
        let (workspace, checkpoint) = (workspace.to_string(), note.to_string());
        Self { workspace, size: head.size, checkpoint }
    }

    /// The workspace and its tree, as the checkpoint says.
    pub(crate) fn head(&self) -> Result<(WorkspaceId, TreeHead), ManifestError> {
        let wrong = || ManifestError::NoCheckpoint(self.workspace.clone());
        let note = self.note()?;
        let checkpoint = Checkpoint::parse(note.text_as_kept()).map_err(|_| wrong())?;
        let workspace = WorkspaceId::parse(&self.workspace).map_err(|_| wrong())?;
        let fits = checkpoint.workspace() == self.workspace && checkpoint.head.size == self.size;
        if fits { Ok((workspace, checkpoint.head)) } else { Err(wrong()) }
    }

    /// The signed checkpoint.
    pub(crate) fn note(&self) -> Result<Note, ManifestError> {
        Note::parse(&self.checkpoint)
            .map_err(|_| ManifestError::NoCheckpoint(self.workspace.clone()))
    }
}
