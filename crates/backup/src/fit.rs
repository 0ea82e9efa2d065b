//! Whether directories are fit for a backup, a restore or an export, before anything is written to them.
//!
//! What is a backup already is added to, whatever else is in it; where one begins there is nothing yet.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::Place;
use crate::manifest::FILE as MANIFEST;

/// Names that a backup has, or a file system gives.
const NAMES: [&str; 9] = [
    "log.db",
    "keys.db",
    "commands.db",
    "journal.db",
    "signing.keys",
    "erasures.ledger",
    MANIFEST,
    "lock",
    "lost+found",
];
/// What a backup that was cut off may have left behind a name.
const LEFT: [&str; 6] = ["", "-wal", "-shm", "-journal", ".new", ".new-journal"];

/// Why a directory is none for what was asked for. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Misplaced {
    /// A backup would overwrite what it is of, or be lost with it.
    #[error(
        "{} is the data directory, or lies in it: a backup needs a directory of its own", .0.display()
    )]
    InDataDir(PathBuf),
    /// Who has the one has the other.
    #[error(
        "{} is named for the log and for the keys: name another directory for the keys to keep them apart",
        .0.display()
    )]
    NotApart(PathBuf),
    /// Somebody else's files would be among those of the backup.
    #[error(
        "{} is no backup and not empty (there is {}): a backup needs a directory of its own",
        .0.display(), .1
    )]
    Foreign(PathBuf, String),
    /// Whoever has the one has the other.
    #[error("{} lies in the export: a transfer key travels by another way", .0.display())]
    KeyInExport(PathBuf),
    /// What is brought into an installation would be taken for a part of it.
    #[error("{} lies in the data directory: put the export elsewhere", .0.display())]
    ExportInDataDir(PathBuf),
    /// What is made of a backup does not belong in it.
    #[error("{} lies in the backup: a restore needs a directory elsewhere", .0.display())]
    InBackup(PathBuf),
    /// Whether it is one cannot be seen.
    #[error("looking at the directories that were named")]
    Unseen(#[from] io::Error),
}

/// Whether a backup of a data directory may be made, or added to, in a place. Nothing is written.
pub(crate) fn check_backup(place: &Place, data_dir: &Path) -> Result<(), Misplaced> {
    let home = resolve(data_dir)?;
    let (dir, keys) = (resolve(&place.dir)?, resolve(place.keys_dir())?);
    for it in [&dir, &keys] {
        if it.starts_with(&home) {
            return Err(Misplaced::InDataDir(it.clone()));
        }
    }
    if place.keys.is_some() && dir == keys {
        return Err(Misplaced::NotApart(dir));
    }
    for (it, other, sign) in [(&dir, &keys, MANIFEST), (&keys, &dir, "keys.db")] {
        if it.join(sign).exists() || !it.exists() {
            continue;
        }
        for entry in fs::read_dir(it)? {
            let name = entry?.file_name();
            let text = name.to_string_lossy();
            let ours = NAMES
                .iter()
                .any(|known| text.strip_prefix(known).is_some_and(|rest| LEFT.contains(&rest)));
            if !ours && !other.starts_with(it.join(&name)) {
                return Err(Misplaced::Foreign(it.clone(), text.into_owned()));
            }
        }
    }
    Ok(())
}

/// Whether an export of a workspace may be made in a directory, with its transfer key in a file elsewhere. Nothing
/// is written.
pub(crate) fn check_export(into: &Path, key: &Path, data_dir: &Path) -> Result<(), Misplaced> {
    let new = resolve(into)?;
    if new.starts_with(resolve(data_dir)?) {
        return Err(Misplaced::InDataDir(new));
    }
    if resolve(key)?.starts_with(new) {
        return Err(Misplaced::KeyInExport(key.to_owned()));
    }
    Ok(())
}

/// Whether an export that lies in a directory may be imported. Nothing is written.
pub(crate) fn check_import(from: &Path, data_dir: &Path) -> Result<(), Misplaced> {
    let export = resolve(from)?;
    if export.starts_with(resolve(data_dir)?) {
        return Err(Misplaced::ExportInDataDir(export));
    }
    Ok(())
}

/// Whether an installation may be made in a directory of a backup. Nothing is written.
pub(crate) fn check_restore(place: &Place, into: &Path) -> Result<(), Misplaced> {
    let new = resolve(into)?;
    for it in [resolve(&place.dir)?, resolve(place.keys_dir())?] {
        if new.starts_with(it) {
            return Err(Misplaced::InBackup(new));
        }
    }
    Ok(())
}

/// A path without links, as far as it is there already.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let whole = std::path::absolute(path)?;
    for there in whole.ancestors() {
        match fs::canonicalize(there) {
            Ok(real) => {
                return Ok(match whole.strip_prefix(there) {
                    Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
                    _ => real,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(whole)
}
