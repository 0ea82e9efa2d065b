//! One workspace, from one installation to another.
//!
//! Events with their positions, hashes and payloads, the tree, the data keys and what services were told are
//! the workspace's own, and move as they are. What is the installation's own does not: numbers of rows, the
//! key that claims are hashed with, what wraps the keys. So where a workspace arrives, it is made a log of
//! its own first, in a directory inside the data directory: the *stage*. There it is checked as a restored
//! log is, under the keys of the installation. Then its rows go into the installation's files, numbered anew.
//!
//! Invariant: a workspace is there with everything, or not at all. Nobody sees what lies beside a log that
//! does not have the workspace, so that `log.db` comes last, in one transaction. Whoever opens the directory
//! next, whatever cut the import off, completes one that got that far and undoes one that did not.
//!
//! The requests that the provisioning log tells of were made to the other installation: it stays there.
//! Which attributes were seen how often, when tokens were used last and how long the log is kept moves.
//!
//! - `keys`: data keys and secrets, wrapped anew
//! - `beside`: what lies in the small files
//! - `merge`: from the stage into the installation

mod beside;
mod keys;
mod merge;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use crate::backup::{Copying, Uncopied};
use crate::keyfile::{CLAIMS, KeyFile};
use crate::rows::{self, Of, events_from};
use crate::schema::{self, Format};
use crate::{Failure, OpenError, SqliteLog, StoredEvent, StreamId, WorkspaceId, reading};

pub use beside::beside;
pub use keys::{Keys, keys};
pub use merge::merge;
pub(crate) use merge::{complete, settle};

/// The stage: a directory in the data directory, while an import is at work.
const STAGE: &str = "import.unfinished";

const DOING: &str = "moving a workspace";

/// Why a workspace does not move.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unmoved {
    /// It is there already.
    #[error("there is a workspace {0} already, or its record: a slug is not given twice")]
    Exists(WorkspaceId),
    /// A key is lost, or what wraps it is another one.
    #[error("workspace {workspace}: the data key {key} does not open")]
    KeyClosed {
        /// Which workspace.
        workspace: WorkspaceId,
        /// The number of the key.
        key: u64,
    },
    /// The same of credentials.
    #[error("credentials of an MDM service do not open: set them again, then export")]
    SecretClosed,
    /// It was never opened by this version of the program.
    #[error("the file {} has format {found}, and {known} is needed: start its server once", path.display())]
    Older {
        /// Which file.
        path: PathBuf,
        /// The format it has.
        found: i64,
        /// The format that moves.
        known: i64,
    },
    /// A file does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The storage refused.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<rusqlite::Error> for Unmoved {
    fn from(error: rusqlite::Error) -> Self {
        Failure::storage(DOING)(error).into()
    }
}

impl From<io::Error> for Unmoved {
    fn from(error: io::Error) -> Self {
        Failure::storage(DOING)(error).into()
    }
}

/// Makes the stage of an installation that is open, under its keys. What an earlier import has left there
/// is gone.
///
/// # Errors
/// When it cannot be made.
pub fn stage(log: &SqliteLog, master_key: Option<&[u8; 32]>) -> Result<PathBuf, Unmoved> {
    let stage = log.data_dir().join(STAGE);
    leave(log.data_dir())?;
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&stage)?;
    let claims = log.keyring().secret(CLAIMS)?.ok_or(OpenError::OtherKeys)?;
    let keys = KeyFile::open(&stage.join("keys.db"), master_key)?;
    keys.set_secret(CLAIMS, &zeroize::Zeroizing::new(claims))?;
    keys.close();
    Ok(stage)
}

/// Copies an exported log to the stage, where it belongs to the installation that is open.
///
/// # Errors
/// When a file does not open.
pub fn copying(export: &Path, log: &SqliteLog) -> Result<Copying, Uncopied> {
    Copying::open_as(export, &log.data_dir().join(STAGE), Some(log.fingerprint()))
}

/// Removes the stage of an import that is given up before [`merge()`]. There needs to be none.
///
/// # Errors
/// When it cannot be removed.
pub fn leave(data_dir: &Path) -> Result<(), Unmoved> {
    let stage = data_dir.join(STAGE);
    if !stage.exists() {
        return Ok(());
    }
    if let Err(error) = overwrite_keys(&stage) {
        // A power cut may have left a file that does not open. It must not keep a server from starting.
        let error = &error as &dyn std::error::Error;
        tracing::warn!(
            error,
            "the keys on the stage of an import were removed and not overwritten"
        );
    }
    fs::remove_dir_all(&stage)?;
    Ok(crate::backup::sync(data_dir)?)
}

/// Keys must not stay on the disk after a person was erased here.
fn overwrite_keys(stage: &Path) -> Result<(), Unmoved> {
    let path = stage.join("keys.db");
    if path.exists() {
        let conn = schema::KEYS.open(&path)?;
        conn.execute_batch("DELETE FROM keys; DELETE FROM secrets;")?;
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(())
}

/// The events of one stream in the `log.db` of a directory, which may be in use. What is sealed is missing:
/// no keys are looked at.
///
/// # Errors
/// When the file cannot be read.
pub fn unsealed(
    dir: &Path,
    workspace: &WorkspaceId,
    stream: &StreamId,
) -> Result<Vec<StoredEvent>, Failure> {
    let read = || -> rusqlite::Result<_> {
        let conn = schema::open_reader(&dir.join("log.db"))?;
        let sql = "SELECT s.no FROM streams s JOIN workspaces w ON w.no = s.workspace
                   WHERE w.id = ?1 AND s.kind = ?2 AND s.id = ?3";
        let id: &Uuid = &stream.id;
        let found = conn.query_row(
            sql,
            rusqlite::params![workspace.as_str(), stream.kind.as_str(), id.as_bytes()],
            |row| row.get(0),
        );
        let Some(no) = found.optional()? else { return Ok(Vec::new()) };
        rows::events(&conn, Of::Stream(no), 0, usize::MAX)
    };
    let rows = read().map_err(Failure::storage(DOING))?;
    Ok(rows.into_iter().map(|row| reading::open(workspace, row, &HashMap::new())).collect())
}

/// The events of one type in the `log.db` of a directory, likewise.
///
/// # Errors
/// When the file cannot be read.
pub fn named(dir: &Path, workspace: &WorkspaceId, name: &str) -> Result<Vec<StoredEvent>, Failure> {
    const SQL: &str = events_from!(
        events,
        "e.workspace = (SELECT no FROM workspaces WHERE id = ?1) AND e.name = ?2 ORDER BY e.position"
    );
    let read = || -> rusqlite::Result<_> {
        let conn = schema::open_reader(&dir.join("log.db"))?;
        rows::select(&conn, SQL, rusqlite::params![workspace.as_str(), name])
    };
    let rows = read().map_err(Failure::storage(DOING))?;
    Ok(rows.into_iter().map(|row| reading::open(workspace, row, &HashMap::new())).collect())
}

/// Whether the databases of a data directory, which may be in use, are of the formats that move.
///
/// # Errors
/// [`Unmoved::Older`] and [`OpenError::Newer`].
pub fn check_formats(dir: &Path) -> Result<(), Unmoved> {
    let files: [(&Format, &str); 4] = [
        (&schema::LOG, "log.db"),
        (&schema::KEYS, "keys.db"),
        (&schema::COMMANDS, "commands.db"),
        (&schema::JOURNAL, "journal.db"),
    ];
    for (format, name) in files {
        let (path, known) = (dir.join(name), format.version());
        let conn = schema::open_reader(&path)?;
        let found: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found > known {
            return Err(OpenError::Newer { path, found, known }.into());
        }
        if found < known {
            return Err(Unmoved::Older { path, found, known });
        }
    }
    Ok(())
}

/// Lets a connection read another file as `other`.
fn attach(conn: &Connection, path: &Path) -> Result<(), Unmoved> {
    // SQLite would make a file that is missing.
    fs::metadata(path)?;
    conn.execute("ATTACH DATABASE ?1 AS other", [path.to_string_lossy()])?;
    Ok(())
}
