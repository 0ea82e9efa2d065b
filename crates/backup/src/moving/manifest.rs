//! The manifest of an export: `workspace.json` beside its log, written last.
//!
//! The format is for ever: a new one gets a new number.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use domain::workspace::PastKey;
use event_log::{Micros, WorkspaceId};
use record::{Checkpoint, Note};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::TransferKey;
use super::transfer::hex;
use crate::place::{read, replace};

/// The name of the file.
pub(super) const FILE: &str = "workspace.json";
/// The files that it vouches for: all others.
const FILES: [&str; 5] = ["log.db", "keys.db", "commands.db", "journal.db", "erasures.ledger"];
/// What it calls itself.
pub(super) const FORMAT: &str = "muster-workspace";
/// The version that is written.
pub(super) const VERSION: u32 = 1;

/// What is in an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceManifest {
    pub(super) format: String,
    pub(super) version: u32,
    /// When it was made: RFC 3339 in UTC, to the microsecond.
    pub at: String,
    /// The same in microseconds since the epoch.
    pub at_micros: Micros,
    /// The version of the program that wrote it.
    pub muster: String,
    /// The slug.
    pub workspace: String,
    /// The name of the installation, with which the origin of its checkpoints begins.
    pub from: String,
    /// Whether the workspace went on where it was: what came to it later is not in here.
    pub rehearsal: bool,
    /// How many events there are.
    pub size: u64,
    /// The signed checkpoint of them.
    pub checkpoint: String,
    /// The keys that signed for the workspace, oldest first.
    pub keys: Vec<PastKey>,
    /// By name.
    pub files: BTreeMap<String, Contents>,
    /// Tells which transfer key it is.
    pub transfer_key: String,
    /// The transfer key vouches for all of the above.
    pub(super) seal: String,
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// How long it is, in bytes.
    pub bytes: u64,
    /// The SHA-256 of them, in hexadecimal.
    pub sha256: String,
}

/// Why a directory is no export, or not the one that was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkspaceManifestError {
    /// There is none.
    #[error("there is no workspace.json: this is no export, or one that was never finished")]
    Missing,
    /// It was written by a newer version.
    #[error("the export has format {0}, this program knows {VERSION}")]
    Newer(u32),
    /// It is not one.
    #[error("workspace.json does not read")]
    Unreadable(#[from] serde_json::Error),
    /// Its keys are wrapped with another key.
    #[error("this is not the transfer key of the export: that is the one with the fingerprint {0}")]
    OtherTransferKey(String),
    /// Somebody has changed it.
    #[error("workspace.json was changed: its transfer key does not vouch for it")]
    Changed,
    /// A file is not what was exported.
    #[error("{0} is not what was exported: it was changed or cut off on the way")]
    OtherFile(String),
    /// The directory does not read.
    #[error("reading or writing the export")]
    File(#[from] io::Error),
}

impl WorkspaceManifest {
    /// Reads that of an export, and compares every file with it.
    pub(super) fn check(dir: &Path, key: &TransferKey) -> Result<Self, WorkspaceManifestError> {
        use WorkspaceManifestError as Error;
        let bytes = read(&dir.join(FILE))?.ok_or(Error::Missing)?;
        let version = serde_json::from_slice::<serde_json::Value>(&bytes)?["version"].as_u64();
        let newer = version.and_then(|it| u32::try_from(it).ok()).filter(|it| *it > VERSION);
        if let Some(newer) = newer {
            return Err(Error::Newer(newer));
        }
        let manifest: Self = serde_json::from_slice(&bytes)?;
        if manifest.transfer_key != key.fingerprint() {
            return Err(Error::OtherTransferKey(manifest.transfer_key));
        }
        if manifest.sealed(key)?.seal != manifest.seal || manifest.to_bytes()? != bytes {
            return Err(Error::Changed);
        }
        for (name, contents) in &manifest.files {
            if Contents::of(&dir.join(name))?.as_ref() != Some(contents) {
                return Err(Error::OtherFile(name.clone()));
            }
        }
        match FILES.iter().find(|name| !manifest.files.contains_key(**name)) {
            Some(name) => Err(Error::OtherFile((*name).to_owned())),
            None => Ok(manifest),
        }
    }

    /// Puts it beside the files of an export, for which it vouches. It is on disk when this returns.
    pub(super) fn write(
        mut self,
        dir: &Path,
        key: &TransferKey,
    ) -> Result<Self, WorkspaceManifestError> {
        for name in FILES {
            let missing = || WorkspaceManifestError::OtherFile(name.to_owned());
            let contents = Contents::of(&dir.join(name))?.ok_or_else(missing)?;
            self.files.insert(name.to_owned(), contents);
        }
        let sealed = self.sealed(key)?;
        replace(&dir.join(FILE), &sealed.to_bytes()?)?;
        Ok(sealed)
    }

    /// As it stands in the file.
    fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn sealed(&self, key: &TransferKey) -> Result<Self, serde_json::Error> {
        let open = Self { seal: String::new(), ..self.clone() };
        let name = format!("workspace|{}", self.workspace);
        let seal = key.seal(&name, &serde_json::to_vec(&open)?);
        Ok(Self { seal, ..open })
    }

    /// The workspace, its checkpoint, and the note that says so. The transfer key vouches for the text, so
    /// that it is what an export has written.
    pub(super) fn head(&self) -> Option<(WorkspaceId, Checkpoint, Note)> {
        let note = Note::parse(&self.checkpoint).ok()?;
        let checkpoint = Checkpoint::parse(note.text_as_kept()).ok()?;
        let workspace = WorkspaceId::parse(&self.workspace).ok()?;
        let fits = checkpoint.workspace() == self.workspace && checkpoint.head.size == self.size;
        fits.then_some((workspace, checkpoint, note))
    }
}

impl Contents {
    /// `None` when there is no such file.
    fn of(path: &Path) -> io::Result<Option<Self>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (mut hasher, mut bytes) = (Sha256::new(), 0);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            bytes += read as u64;
            hasher.update(&buffer[..read]);
        }
        Ok(Some(Self { bytes, sha256: hex(&hasher.finalize()) }))
    }
}
