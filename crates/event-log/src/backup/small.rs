//! The files beside the log: each is copied as it is at one moment, and takes the place of the copy
//! before it as a whole.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use crate::keyfile;
use crate::rows::unsigned;
use crate::{Failure, MasterKey, Micros, OpenError, WorkspaceId, journal, schema};

const DOING: &str = "copying the files beside the log";
/// How many keys are looked for at a time.
const PAGE: u64 = 4_096;

/// Copies `keys.db` from one directory to another, where it takes the place of the one before.
///
/// # Errors
/// When it cannot be read or written.
pub fn keys(from: &Path, into: &Path) -> Result<(), Failure> {
    replace(from, into, "keys.db")
}

/// Whether the `keys.db` that a directory has is of the same installation as that of another, so that a
/// copy may take its place. True when it has none.
///
/// # Errors
/// When a file cannot be read.
pub fn keys_belong(
    from: &Path,
    into: &Path,
    master_key: Option<&[u8; 32]>,
) -> Result<bool, Failure> {
    let there = into.join("keys.db");
    if !there.exists() {
        return Ok(true);
    }
    let master = master_key.map(MasterKey::new);
    let secret = |path: &Path| keyfile::claims_secret(&schema::open_reader(path)?, master.as_ref());
    let compare =
        || -> rusqlite::Result<_> { Ok((secret(&from.join("keys.db"))?, secret(&there)?)) };
    let (ours, theirs) = compare().map_err(Failure::storage(DOING))?;
    Ok(ours.is_some() && ours == theirs)
}

/// Copies `commands.db` and `journal.db` likewise.
///
/// # Errors
/// When they cannot be read or written.
pub fn files(from: &Path, into: &Path) -> Result<(), Failure> {
    for name in ["commands.db", "journal.db"] {
        replace(from, into, name)?;
    }
    Ok(())
}

/// Whether every key that the events of a copy name after a position is in a copy of `keys.db`, and opens
/// or was destroyed on purpose. The number of the first that is not.
///
/// # Errors
/// When a file cannot be read.
pub fn first_missing_key(
    log: &Path,
    keys: &Path,
    master_key: Option<&[u8; 32]>,
    (workspace, after): (&WorkspaceId, u64),
) -> Result<Option<u64>, Failure> {
    let master = master_key.map(MasterKey::new);
    let open = |path: PathBuf| schema::open_reader(&path).map_err(Failure::storage(DOING));
    let (keys, conn) = (open(keys.join("keys.db"))?, open(log.join("log.db"))?);
    let sql = "SELECT DISTINCT key FROM events
               WHERE workspace = (SELECT no FROM workspaces WHERE id = ?1)
                   AND position > ?2 AND position <= ?3 AND key IS NOT NULL";
    let head = "SELECT coalesce(max(head), 0) FROM workspaces WHERE id = ?1";
    let find = |from: u64, to: u64| {
        conn.prepare_cached(sql)?
            .query_map(params![workspace.as_str(), from.cast_signed(), to.cast_signed()], |row| {
                unsigned(row, 0)
            })?
            .collect::<rusqlite::Result<BTreeSet<u64>>>()
    };
    let head: u64 = conn
        .query_row(head, [workspace.as_str()], |row| unsigned(row, 0))
        .map_err(Failure::storage(DOING))?;
    let mut from = after;
    while from < head {
        let to = head.min(from + PAGE);
        let numbers = find(from, to).map_err(Failure::storage(DOING))?;
        let missing = keyfile::first_missing(&keys, master.as_ref(), workspace, &numbers);
        if let Some(missing) = missing.map_err(Failure::storage(DOING))? {
            return Ok(Some(missing));
        }
        from = to;
    }
    Ok(None)
}

/// Takes out of a copy of `journal.db` what a workspace's requests did after a time: the events that their
/// entries name are not there.
///
/// # Errors
/// When it cannot be written.
pub fn cut_journal(dir: &Path, workspace: &WorkspaceId, time: Micros) -> Result<(), OpenError> {
    let mut conn = schema::JOURNAL.open(&dir.join("journal.db"))?;
    journal::cut(&mut conn, workspace, time).map_err(Failure::storage(DOING))?;
    Ok(())
}

/// Takes out of a copy of `journal.db` what tells of events that a log does not have: those after a position,
/// which was recorded at a time. The copy may be newer than that of the log.
///
/// # Errors
/// When it cannot be written.
pub fn cut_journal_beyond(
    dir: &Path,
    workspace: &WorkspaceId,
    last: (Micros, u64),
) -> Result<(), OpenError> {
    let mut conn = schema::JOURNAL.open(&dir.join("journal.db"))?;
    journal::cut_beyond(&mut conn, workspace, last).map_err(Failure::storage(DOING))?;
    Ok(())
}

/// Brings each database of a directory into one file, on disk. Nobody may have them open.
///
/// # Errors
/// When that fails.
pub fn make_whole(dir: &Path) -> Result<(), Failure> {
    for name in ["log.db", "keys.db", "commands.db", "journal.db"] {
        let path = dir.join(name);
        Connection::open(&path)
            .and_then(|conn| conn.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())))
            .map_err(Failure::storage(DOING))?;
        sync(&path).map_err(Failure::storage(DOING))?;
    }
    sync(dir).map_err(Failure::storage(DOING))
}

/// Copies a database to a file beside the one that it replaces, then renames it.
fn replace(from: &Path, into: &Path, name: &str) -> Result<(), Failure> {
    let beside = into.join(format!("{name}.new"));
    remove(&beside)
        // Made before, so that nobody else can read it.
        .and_then(|()| schema::make_private(&beside))
        .map_err(Failure::storage(DOING))?;
    schema::open_reader(&from.join(name))
        .and_then(|conn| conn.execute("VACUUM INTO ?1", [beside.to_string_lossy()]))
        .map_err(Failure::storage(DOING))?;
    let renamed = || -> io::Result<()> {
        sync(&beside)?;
        // A write-ahead log of the one before would be taken for this one's.
        for rest in ["-wal", "-shm"] {
            remove(&into.join(format!("{name}{rest}")))?;
        }
        fs::rename(&beside, into.join(name))?;
        sync(into)
    };
    renamed().map_err(Failure::storage(DOING))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// SQLite leaves what it copies in the page cache.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
