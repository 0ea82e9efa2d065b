//! One file of one projection: how it is named, made, found again, read and thrown away.
//!
//! A projection's rows lie in `<name>.v<version>.g<generation>.db`. A rebuild fills the next
//! generation beside the one that serves. What makes a generation complete is a number in its own
//! header, set by the transaction that also applied its last events: until then it is taken up again at
//! the next start, and from then on it is the older ones that go. There is no moment at which a
//! crash leaves nothing to serve. Files of older versions stay until one of today's serves.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use event_log::WorkspaceId;
use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::{
    Failure, Projection, damage::Damage, held::HELD, power, private, readers::Readers,
    sql::unreadable, wal::LOG_BYTES_KEPT,
};

/// How many statements a connection keeps prepared: more than any projection has.
const STATEMENTS_MAX: usize = 96;
/// The page cache of a connection that reads, in KiB. The system caches the file anyway.
const READER_CACHE_KIB: i64 = 2_048;
/// The page cache of the connection that writes, in KiB: inner pages of the indices.
const WRITER_CACHE_KIB: i64 = 16_384;
/// The same while a rebuild runs, which is over soon.
const BUILDER_CACHE_KIB: i64 = 32_768;
/// At how many pages the log of a file that is being filled is brought into it: 64 MiB.
const BUILDER_LOG_PAGES: i64 = 16_384;
/// The value of `user_version` in a file that may serve.
const COMPLETE: i64 = 1;

/// What is said of a file that is not there any more.
pub(crate) const GONE: &str = "it is not there any more";

/// What every file has beside its projection's tables.
pub(crate) const CHECKPOINTS: &str = "CREATE TABLE checkpoints (
    workspace TEXT PRIMARY KEY,
    position  INTEGER NOT NULL  -- Everything up to here is in the rows.
) STRICT, WITHOUT ROWID;";

/// The table that a file has beside it while it is built: of which workspace, or of all.
const BUILDING: &str = "CREATE TABLE IF NOT EXISTS building (workspace TEXT) STRICT;";

/// A file that serves.
pub(crate) struct Generation {
    pub(crate) number: u32,
    /// Whether it is of an older version, and serves until one of today's is built.
    pub(crate) is_old: bool,
    /// Whether it only stands in the place of one that is to be built.
    pub(crate) is_placeholder: bool,
    path: PathBuf,
    /// Which file it was when it began to serve: device and number.
    identity: Option<(u64, u64)>,
    /// Whoever reads it.
    pub(crate) readers: Readers,
}

/// A file that was not ended.
pub(crate) struct Unfinished {
    pub(crate) connection: Connection,
    /// Of which workspace it was to be; of all if `None`.
    pub(crate) workspace: Option<WorkspaceId>,
}

impl Generation {
    /// The file that serves: the last complete one, of this version or of the last one that may serve for
    /// it. Files of this version that are of no use go. `lost` is the number of one that went because it
    /// was damaged, or 0.
    pub(crate) fn serving(
        dir: &Path,
        projection: &dyn Projection,
        lost: u32,
    ) -> Result<Option<Self>, Failure> {
        let may_serve = projection.serves_since()..=projection.version();
        let mut files = files(dir, projection)?;
        files.retain(|(version, _)| may_serve.contains(version));
        files.sort_unstable_by(|one, other| other.cmp(one));
        let today = projection.version();
        let mut serving = None;
        let mut left = None;
        for (version, number) in files {
            let path = path_of(dir, projection, version, number);
            match state(&path) {
                State::Complete if serving.is_none() => {
                    serving = Some(Self { is_old: version < today, ..Self::new(number, path) });
                }
                // What is newer than what serves is taken up again.
                State::Unfinished if version == today && serving.is_none() && left.is_none() => {
                    left = Some((number, path));
                }
                _ if version == today => remove(&path),
                _ => {}
            }
        }
        // It is found again only in the place of the next one.
        let next = serving.as_ref().map_or(lost, |serving| serving.number) + 1;
        if let Some((_, path)) = left.filter(|(number, _)| *number != next) {
            remove(&path);
        }
        remove(&check_path(dir, projection));
        remove(&copy_path(dir, projection));
        remove(&placeholder_path(dir, projection));
        Ok(serving)
    }

    /// An empty file that serves from the start.
    pub(crate) fn first(dir: &Path, projection: &dyn Projection) -> Result<Self, Failure> {
        let path = path(dir, projection, 1);
        complete(&scratch(&path, projection)?)?;
        Ok(Self::new(1, path))
    }

    /// An empty file in the place of one that is to be built, with the number of the one that was lost, or 0.
    pub(crate) fn placeholder(
        dir: &Path,
        projection: &dyn Projection,
        number: u32,
    ) -> Result<Self, Failure> {
        let path = placeholder_path(dir, projection);
        drop(scratch(&path, projection)?);
        Ok(Self { is_placeholder: true, ..Self::new(number, path) })
    }

    /// Removes the files of older versions: one of today's serves.
    pub(crate) fn remove_old(dir: &Path, projection: &dyn Projection) -> Result<(), Failure> {
        for (version, number) in files(dir, projection)? {
            if version < projection.version() {
                remove(&path_of(dir, projection, version, number));
            }
        }
        Ok(())
    }

    pub(crate) fn new(number: u32, path: PathBuf) -> Self {
        let identity = fs::metadata(&path).ok().map(|file| (file.dev(), file.ino()));
        let readers = Readers::of(path.clone());
        Self { number, is_old: false, is_placeholder: false, path, identity, readers }
    }

    /// Whether the file is still there. Whoever has it open reads and writes on when somebody has removed it,
    /// or put another one in its place.
    pub(crate) fn is_there(&self) -> bool {
        match fs::metadata(&self.path) {
            Ok(file) => self.identity.is_none_or(|it| it == (file.dev(), file.ino())),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    /// Writes down beside the file that it is damaged, so that nobody serves it after a start either.
    pub(crate) fn condemn(&self) -> io::Result<()> {
        private::make_file(&beside(&self.path, CONDEMNED))
    }

    /// Whether somebody has written that down.
    pub(crate) fn is_condemned(&self) -> bool {
        beside(&self.path, CONDEMNED).exists()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with a file that cannot be opened, if it is gone.
    pub(crate) fn missed(&self, damage: &Damage, error: Failure) -> Failure {
        match error {
            Failure::Database(source) if !self.is_there() && damage.found(self.number, GONE) => {
                Failure::Damaged { projection: damage.projection(), source }
            }
            error => error,
        }
    }

    /// The one connection that writes while the file serves.
    pub(crate) fn open_to_write(&self) -> Result<Connection, Failure> {
        power::mark(&self.path)?;
        let connection = Connection::open(&self.path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", power::synchronous())?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?; // See `Wal`.
        connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
        connection.pragma_update(None, "secure_delete", "ON")?; // Whoever is erased leaves nothing.
        set_up(&connection, WRITER_CACHE_KIB)?;
        connection.execute_batch(HELD)?; // A file may be older than this table.
        Ok(connection)
    }
}

/// Opens a file to read it.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    set_up(&connection, READER_CACHE_KIB)?;
    Ok(connection)
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

/// The path of a generation.
pub(crate) fn path(dir: &Path, projection: &dyn Projection, number: u32) -> PathBuf {
    path_of(dir, projection, projection.version(), number)
}

fn path_of(dir: &Path, projection: &dyn Projection, version: u32, number: u32) -> PathBuf {
    dir.join(format!("{}.v{version}.g{number}.db", projection.name()))
}

/// The path of a file that is compared with what serves.
pub(crate) fn check_path(dir: &Path, projection: &dyn Projection) -> PathBuf {
    dir.join(format!("{}.check.db", projection.name()))
}

/// The path of a copy of what serves, which does not say yet that it is being built.
pub(crate) fn copy_path(dir: &Path, projection: &dyn Projection) -> PathBuf {
    dir.join(format!("{}.copy.db", projection.name()))
}

fn placeholder_path(dir: &Path, projection: &dyn Projection) -> PathBuf {
    dir.join(format!("{}.none.db", projection.name()))
}

/// The files of a projection that lie in a directory, complete or not: their versions and numbers.
fn files(dir: &Path, projection: &dyn Projection) -> Result<Vec<(u32, u32)>, Failure> {
    let prefix = format!("{}.v", projection.name());
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let name = name.to_str().and_then(|it| it.strip_prefix(&prefix)?.strip_suffix(".db"));
        let Some((version, number)) = name.and_then(|name| name.split_once(".g")) else { continue };
        let (Ok(version), Ok(number)) = (version.parse(), number.parse()) else { continue };
        found.push((version, number));
    }
    Ok(found)
}

/// How many bytes a file has, with the log beside it.
pub(crate) fn size_of(path: &Path) -> u64 {
    let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    size(path) + size(&beside(path, "-wal"))
}

/// How many bytes the largest file of a projection has, of whatever version.
pub(crate) fn largest(dir: &Path, projection: &dyn Projection) -> u64 {
    let files = files(dir, projection).unwrap_or_default().into_iter();
    let sizes = files.map(|(version, number)| size_of(&path_of(dir, projection, version, number)));
    sizes.max().unwrap_or(0)
}

/// Makes a file with a projection's tables, to be filled. Whoever is killed while filling it leaves a sound
/// file that says how far it has come.
pub(crate) fn create(
    path: &Path,
    projection: &dyn Projection,
    workspace: Option<&WorkspaceId>,
) -> Result<Connection, Failure> {
    remove(path);
    private::make_file(path)?;
    let connection = open_to_build(path)?;
    connection
        .execute_batch(&format!("BEGIN; {} {CHECKPOINTS} {HELD} COMMIT;", projection.schema()))?;
    begin(&connection, workspace)?;
    Ok(connection)
}

/// Opens a file to fill it.
pub(crate) fn open_to_build(path: &Path) -> Result<Connection, Failure> {
    power::mark(path)?;
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", power::synchronous())?;
    connection.pragma_update(None, "wal_autocheckpoint", BUILDER_LOG_PAGES)?;
    connection.pragma_update(None, "secure_delete", "ON")?; // Whoever is erased leaves nothing.
    set_up(&connection, BUILDER_CACHE_KIB)?;
    Ok(connection)
}

/// Makes a file with a projection's tables that nobody will want after a crash.
pub(crate) fn scratch(path: &Path, projection: &dyn Projection) -> Result<Connection, Failure> {
    remove(path);
    private::make_file(path)?;
    let connection = Connection::open(path)?;
    // What does not fit is taken back, so there has to be a journal.
    connection.pragma_update(None, "journal_mode", "MEMORY")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    set_up(&connection, BUILDER_CACHE_KIB)?;
    connection
        .execute_batch(&format!("BEGIN; {} {CHECKPOINTS} {HELD} COMMIT;", projection.schema()))?;
    Ok(connection)
}

/// From here on a file is being built.
pub(crate) fn begin(
    connection: &Connection,
    workspace: Option<&WorkspaceId>,
) -> rusqlite::Result<()> {
    let tx = connection.unchecked_transaction()?;
    tx.execute_batch(&format!("{BUILDING} DELETE FROM building;"))?;
    tx.execute("INSERT INTO building VALUES (?1)", [workspace.map(WorkspaceId::as_str)])?;
    tx.pragma_update(None, "user_version", 0)?;
    tx.commit()
}

/// From here on a file may serve.
pub(crate) fn complete(connection: &Connection) -> rusqlite::Result<()> {
    let tx = connection.unchecked_transaction()?;
    tx.execute_batch("DROP TABLE IF EXISTS building;")?;
    tx.pragma_update(None, "user_version", COMPLETE)?;
    tx.commit()
}

/// A file that was not ended, opened to be filled further.
pub(crate) fn unfinished(path: &Path, projection: &dyn Projection) -> Option<Unfinished> {
    if !path.exists() || !matches!(state(path), State::Unfinished) {
        return None;
    }
    let open = || -> Result<Unfinished, Failure> {
        let connection = open_to_build(path)?;
        let workspace: Option<String> =
            connection.query_row("SELECT workspace FROM building", [], |row| row.get(0))?;
        let workspace = workspace.map(|it| WorkspaceId::parse(&it)).transpose();
        let workspace = workspace.map_err(|error| unreadable(error.into()))?;
        Ok(Unfinished { connection, workspace })
    };
    let opened = open().inspect_err(|error| {
        let projection = projection.name();
        tracing::warn!(projection, %error, "what was not ended cannot be taken up again");
    });
    opened.ok()
}

/// What a file is good for.
enum State {
    /// It may serve.
    Complete,
    /// It may be filled further.
    Unfinished,
    /// Nothing.
    Useless,
}

fn state(path: &Path) -> State {
    let look = || -> rusqlite::Result<State> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.query_row("SELECT count(*) FROM checkpoints", [], |_| Ok(()))?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version == COMPLETE {
            return Ok(State::Complete);
        }
        let building = "SELECT count(*) FROM sqlite_schema WHERE name = 'building'";
        let building: bool = connection.query_row(building, [], |row| row.get(0))?;
        Ok(if building { State::Unfinished } else { State::Useless })
    };
    look().unwrap_or_else(|error| {
        tracing::warn!(file = %path.display(), %error, "a read model cannot be opened");
        State::Useless
    })
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

/// A file, and what SQLite and we lay beside it.
const SUFFIXES: [&str; 5] = ["", "-wal", "-shm", "-journal", CONDEMNED];
/// The end of the name of what we lay beside it, once it was found damaged.
const CONDEMNED: &str = "-damaged";

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Removes a file and what lies beside it. What cannot be removed is left for the next start.
pub(crate) fn remove(path: &Path) {
    for suffix in SUFFIXES {
        let path = beside(path, suffix);
        // What mounts a file that is not there leaves an empty directory.
        let removed = fs::remove_file(&path).or_else(|error| match error.kind() {
            io::ErrorKind::IsADirectory => fs::remove_dir(&path),
            _ => Err(error),
        });
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(file = %path.display(), %error, "an old read model stays");
            }
            Ok(()) | Err(_) => {}
        }
    }
}
