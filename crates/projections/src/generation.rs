//! One file of one projection: how it is named, made, found again, read and thrown away.
//!
//! A projection's rows lie in `<name>.v<version>.g<generation>.db`. A rebuild fills the next
//! generation beside the one that serves. What makes a generation complete is a number in its own
//! header, set by the transaction that also applied its last events: until then it is thrown away at
//! the next start, and from then on it is the older ones that are. There is no moment at which a
//! crash leaves nothing to serve.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::{Failure, Projection};

/// How many connections wait for the next reader; more are closed when they are given back.
const IDLE_MAX: usize = 16;
/// How many statements a connection keeps prepared: more than any projection has.
const STATEMENTS_MAX: usize = 96;
/// The page cache of a connection that reads, in KiB. The system caches the file anyway.
const READER_CACHE_KIB: i64 = 2_048;
/// The page cache of the connection that writes, in KiB: inner pages of the indices.
const WRITER_CACHE_KIB: i64 = 16_384;
/// The same while a rebuild runs, which is over soon.
const BUILDER_CACHE_KIB: i64 = 32_768;
/// The value of `user_version` in a file that may serve.
const COMPLETE: i64 = 1;

/// What every file has beside its projection's tables.
pub(crate) const CHECKPOINTS: &str = "CREATE TABLE checkpoints (
    workspace TEXT PRIMARY KEY,
    position  INTEGER NOT NULL  -- Everything up to here is in the rows.
) STRICT, WITHOUT ROWID;";

/// A file that serves.
pub(crate) struct Generation {
    pub(crate) number: u32,
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Generation {
    /// The file that serves: the last complete one, or a new one. Others of this version go.
    pub(crate) fn serving(dir: &Path, projection: &dyn Projection) -> Result<Self, Failure> {
        let mut numbers = numbers(dir, projection)?;
        numbers.sort_unstable_by(|one, other| other.cmp(one));
        let mut serving = None;
        for number in numbers {
            let path = path(dir, projection, number);
            if serving.is_none() && is_complete(&path) {
                serving = Some(Self::new(number, path));
            } else {
                remove(&path);
            }
        }
        if let Some(serving) = serving {
            return Ok(serving);
        }
        let path = path(dir, projection, 1);
        complete(&create(&path, projection)?)?;
        Ok(Self::new(1, path))
    }

    pub(crate) fn new(number: u32, path: PathBuf) -> Self {
        Self { number, path, idle: Mutex::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A connection for one reader.
    pub(crate) fn reader(self: &Arc<Self>) -> Result<Reader, Failure> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open_to_read()?,
        };
        Ok(Reader { connection: Some(connection), generation: Arc::clone(self) })
    }

    fn open_to_read(&self) -> Result<Connection, Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        set_up(&connection, READER_CACHE_KIB)?;
        Ok(connection)
    }

    /// The one connection that writes while the file serves.
    pub(crate) fn open_to_write(&self) -> Result<Connection, Failure> {
        let connection = Connection::open(&self.path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?; // See `Wal`.
        connection.pragma_update(None, "secure_delete", "ON")?; // Whoever is erased leaves nothing.
        set_up(&connection, WRITER_CACHE_KIB)?;
        Ok(connection)
    }

    /// Closes the connections that nobody uses.
    pub(crate) fn close(&self) {
        self.idle.lock().clear();
    }
}

/// What all connections have in common.
///
/// Plans are made once and without regard to the values bound: SQLite would otherwise plan each
/// statement anew whenever a value changes that it could have learnt something from, which costs
/// more than most of these statements do.
fn set_up(connection: &Connection, cache_kib: i64) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(())
}

/// A connection that reads one file; given back when it is dropped.
pub struct Reader {
    /// `None` only while it is dropped.
    connection: Option<Connection>,
    generation: Arc<Generation>,
}

impl std::ops::Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match &self.connection {
            Some(connection) => connection,
            None => unreachable!("only `drop` takes the connection"),
        }
    }
}

impl Reader {
    /// One state of the file, for several statements.
    pub(crate) fn snapshot(&self) -> rusqlite::Result<Snapshot<'_>> {
        self.prepare_cached("BEGIN")?.execute([])?;
        Ok(Snapshot(self))
    }
}

/// A state of the file that does not change while it is looked at.
pub(crate) struct Snapshot<'r>(&'r Reader);

impl std::ops::Deref for Snapshot<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        // Where this fails, the reader throws the connection away.
        let _ = self.0.prepare_cached("COMMIT").and_then(|mut statement| statement.execute([]));
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut idle = self.generation.idle.lock();
        // A connection inside a transaction would show its next user an old snapshot.
        let usable = self.connection.take().filter(Connection::is_autocommit);
        if idle.len() < IDLE_MAX {
            idle.extend(usable);
        }
    }
}

/// The path of a generation.
pub(crate) fn path(dir: &Path, projection: &dyn Projection, number: u32) -> PathBuf {
    dir.join(format!("{}.v{}.g{number}.db", projection.name(), projection.version()))
}

/// The generations of a projection's version that lie in a directory, complete or not.
pub(crate) fn numbers(dir: &Path, projection: &dyn Projection) -> Result<Vec<u32>, Failure> {
    let prefix = format!("{}.v{}.g", projection.name(), projection.version());
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(".db"));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    Ok(numbers)
}

/// Makes a file with a projection's tables, to be filled as fast as can be. It is not complete, and
/// whoever crashes while filling it leaves nothing of use.
pub(crate) fn create(path: &Path, projection: &dyn Projection) -> Result<Connection, Failure> {
    remove(path);
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "OFF")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    set_up(&connection, BUILDER_CACHE_KIB)?;
    connection.execute_batch(&format!("BEGIN; {} {CHECKPOINTS} COMMIT;", projection.schema()))?;
    Ok(connection)
}

/// From here on a file may serve. Part of the transaction that is open, if one is.
pub(crate) fn complete(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", COMPLETE)
}

fn is_complete(path: &Path) -> bool {
    let version = || -> rusqlite::Result<i64> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.query_row("SELECT count(*) FROM checkpoints", [], |_| Ok(()))?;
        connection.pragma_query_value(None, "user_version", |row| row.get(0))
    };
    match version() {
        Ok(version) => version == COMPLETE,
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "a read model cannot be opened");
            false
        }
    }
}

/// Removes whatever is none of these files: what older versions of projections have left, or a rebuild
/// that was cut off.
pub(crate) fn remove_others(dir: &Path, serving: &[PathBuf]) -> Result<(), Failure> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_ours = name.contains(".db") && path.is_file();
        let serves = |file: &PathBuf| {
            let file = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.strip_prefix(file).is_some_and(|rest| SUFFIXES.contains(&rest))
        };
        if is_ours && !serving.iter().any(serves) {
            remove(&path);
        }
    }
    Ok(())
}

/// What SQLite lays beside a file, and the file itself.
const SUFFIXES: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// Removes a file and what SQLite lays beside it. What cannot be removed is left for the next start.
pub(crate) fn remove(path: &Path) {
    for suffix in SUFFIXES {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(file = %path.display(), %error, "an old read model stays");
            }
            Ok(()) | Err(_) => {}
        }
    }
}
