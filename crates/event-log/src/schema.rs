//! The databases: how they are opened, and what is in them.
//!
//! `log.db` holds the log, `keys.db` the keys, so that a backup of the one does not carry the
//! other, `journal.db` what is recorded about requests, and `commands.db` what services were told that
//! cannot be asked. Numbers of workspaces, streams and transactions are the file's own; nothing outside
//! depends on them.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::{Failure, OpenError, journal, nodes};

/// The first version without a fault in which a WAL that is reset can corrupt the database
/// (3.7.0 to 3.51.2).
///
/// # Source
/// <https://sqlite.org/wal.html#walresetbug>, 2026-03.
const SQLITE_MIN: i32 = 3_051_003;

/// How long a connection waits for somebody outside, such as a tool that makes a backup.
pub(crate) const BUSY_WAIT: Duration = Duration::from_secs(5);

/// How many statements a connection keeps prepared.
const STATEMENTS_MAX: usize = 64;

/// One kind of database file.
pub(crate) struct Format {
    /// Says in the file's header whose it is.
    application_id: i32,
    version: i64,
    /// What a new file gets, one after the other.
    schema: &'static [&'static str],
    /// The first makes version 2 of a file of version 1, and so on.
    upgrades: &'static [fn(&Connection) -> rusqlite::Result<()>],
    /// Kibibytes of page cache for the connection that writes.
    cache_kib: i32,
    pragmas: &'static str,
}

/// `journal.db`. Nothing is decided by what is in it, so that a power loss may cost its last second.
pub(crate) const JOURNAL: Format = Format {
    application_id: i32::from_be_bytes(*b"MsJn"),
    version: 4,
    upgrades: &[
        |conn| conn.execute_batch(journal::SCHEMA),
        |conn| conn.execute_batch(journal::READS),
        journal::rows_into_blocks,
    ],
    cache_kib: 4 << 10,
    // What is forgotten on somebody's wish has to be gone from the file.
    pragmas: "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;",
    schema: &[
        "
        CREATE TABLE attributes (
            workspace TEXT NOT NULL,
            connector TEXT NOT NULL,
            namespace TEXT NOT NULL,
            key       TEXT NOT NULL,
            last_seen INTEGER NOT NULL,
            count     INTEGER NOT NULL,      -- Of requests.
            PRIMARY KEY (workspace, connector, namespace, key)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE tokens (
            workspace TEXT NOT NULL,
            token     BLOB NOT NULL,
            last_used INTEGER NOT NULL,
            PRIMARY KEY (workspace, token)
        ) STRICT, WITHOUT ROWID;",
        journal::SCHEMA,
        journal::READS,
        journal::CHANGES,
    ],
};

/// `commands.db`. What is in it decides whether a device is told something again.
pub(crate) const COMMANDS: Format = Format {
    application_id: i32::from_be_bytes(*b"MsCm"),
    version: 1,
    upgrades: &[],
    cache_kib: 512,
    pragmas: "",
    schema: &["
        CREATE TABLE commands (
            workspace TEXT NOT NULL,
            command   BLOB NOT NULL,         -- Its id at the service.
            action    BLOB NOT NULL,
            number    INTEGER NOT NULL,      -- Of the action's commands, from 1.
            report    TEXT,                  -- What the service said last.
            ended     INTEGER NOT NULL,      -- 1: nothing that it says later counts.
            PRIMARY KEY (workspace, command)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX commands_by_action ON commands (workspace, action, number);"],
};

/// By what events are found that are of a type, or by somebody ([`crate::seek`]). Both grow at the ends of a
/// few runs, so that an append touches few pages more.
const INDEXES: &str = "
        CREATE INDEX events_by_name ON events (workspace, name, position);
        CREATE INDEX transactions_by_actor ON transactions (workspace, actor, last, first);";

/// `log.db`. The writer decides when to checkpoint.
pub(crate) const LOG: Format = Format {
    application_id: i32::from_be_bytes(*b"MsLg"),
    version: 3,
    upgrades: &[nodes::make, |conn| conn.execute_batch(INDEXES)],
    // More costs more than it saves: SQLite walks through all of it at the end of a transaction.
    cache_kib: 8 << 10,
    pragmas: "PRAGMA wal_autocheckpoint = 0;",
    schema: &[
        "
        CREATE TABLE installation (
            claims BLOB NOT NULL             -- What the key of the claims makes of nothing.
        ) STRICT;
        CREATE TABLE workspaces (
            no   INTEGER PRIMARY KEY,
            id   TEXT NOT NULL UNIQUE,
            head INTEGER NOT NULL,           -- The last position.
            time INTEGER NOT NULL,           -- Of the last commit, so that it never decreases.
            key  INTEGER NOT NULL,           -- The highest number of a data key in use.
            edge BLOB NOT NULL               -- The right edge of the Merkle tree.
        ) STRICT;
        CREATE TABLE streams (
            no        INTEGER PRIMARY KEY,
            workspace INTEGER NOT NULL,
            kind      TEXT NOT NULL,
            id        BLOB NOT NULL,
            version   INTEGER NOT NULL,      -- The last one.
            key       INTEGER,               -- Its data key, once something was sealed with it.
            UNIQUE (workspace, kind, id)
        ) STRICT;
        CREATE TABLE transactions (
            no          INTEGER PRIMARY KEY,
            workspace   INTEGER NOT NULL,
            first       INTEGER NOT NULL,    -- The positions of its events.
            last        INTEGER NOT NULL,
            time        INTEGER NOT NULL,
            actor       TEXT NOT NULL,
            request     TEXT,
            correlation TEXT NOT NULL,
            causation   INTEGER,
            rule        TEXT
        ) STRICT;
        CREATE INDEX transactions_by_correlation ON transactions (workspace, correlation);
        CREATE INDEX transactions_by_time ON transactions (workspace, time);
        CREATE TABLE events (
            no             INTEGER PRIMARY KEY,
            workspace      INTEGER NOT NULL,
            position       INTEGER NOT NULL,
            stream         INTEGER NOT NULL,
            version        INTEGER NOT NULL,
            name           TEXT NOT NULL,
            schema_version INTEGER NOT NULL,
            txn            INTEGER NOT NULL,
            key            INTEGER,
            leaf           BLOB NOT NULL,
            payload        BLOB NOT NULL,    -- As it is hashed: sealed, when there is a key.
            UNIQUE (workspace, position),
            UNIQUE (stream, version)
        ) STRICT;
        CREATE TABLE claims (
            workspace INTEGER NOT NULL,
            key       BLOB NOT NULL,         -- A keyed hash.
            scope     TEXT NOT NULL,
            stream    INTEGER NOT NULL,
            PRIMARY KEY (workspace, key, scope)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE checkpoints (
            workspace INTEGER NOT NULL,
            name      TEXT NOT NULL,
            position  INTEGER NOT NULL,
            PRIMARY KEY (workspace, name)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE nodes (                 -- Of the Merkle trees, every eighth level.
            workspace INTEGER NOT NULL,
            level     INTEGER NOT NULL,      -- It spans 256 to this power events.
            number    INTEGER NOT NULL,      -- In its level, from 0.
            hash      BLOB NOT NULL,
            PRIMARY KEY (workspace, level, number)
        ) STRICT, WITHOUT ROWID;

        CREATE TRIGGER events_are_not_updated BEFORE UPDATE ON events
            BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
        CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
            BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
        CREATE TRIGGER transactions_are_not_updated BEFORE UPDATE ON transactions
            BEGIN SELECT RAISE(ABORT, 'transactions are never changed'); END;
        CREATE TRIGGER transactions_are_not_deleted BEFORE DELETE ON transactions
            BEGIN SELECT RAISE(ABORT, 'transactions are never changed'); END;",
        INDEXES,
    ],
};

/// `keys.db`. What is deleted is overwritten.
pub(crate) const KEYS: Format = Format {
    application_id: i32::from_be_bytes(*b"MsKy"),
    version: 1,
    upgrades: &[],
    cache_kib: 2 << 10,
    pragmas: "PRAGMA secure_delete = ON;",
    schema: &["
        CREATE TABLE workspaces (no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
        CREATE TABLE keys (
            workspace INTEGER NOT NULL,
            no        INTEGER NOT NULL,
            wrapped   INTEGER NOT NULL,      -- 1: with the master key.
            key       BLOB,                  -- NULL: destroyed, for ever.
            PRIMARY KEY (workspace, no)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE secrets (
            name    TEXT PRIMARY KEY,
            wrapped INTEGER NOT NULL,
            secret  BLOB NOT NULL
        ) STRICT, WITHOUT ROWID;"],
};

impl Format {
    /// The version that this program writes.
    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    /// Opens a file for writing, and makes it when it is missing.
    pub(crate) fn open(&self, path: &Path) -> Result<Connection, OpenError> {
        if rusqlite::version_number() < SQLITE_MIN {
            return Err(OpenError::SqliteTooOld(rusqlite::version()));
        }
        let failed = |error| OpenError::Failure(Failure::storage("opening a database")(error));
        make_private(path).map_err(Failure::storage("making a database"))?;
        let conn = Connection::open(path).map_err(failed)?;
        let found = self.prepare(&conn).map_err(failed)?;
        if found > self.version {
            return Err(OpenError::Newer { path: path.into(), found, known: self.version });
        }
        Ok(conn)
    }

    /// Sets the connection up and returns the version that the file had or has now.
    fn prepare(&self, conn: &Connection) -> rusqlite::Result<i64> {
        set_up(conn)?;
        conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        conn.execute_batch(&format!(
            "PRAGMA synchronous = FULL; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -{};",
            self.cache_kib
        ))?;
        conn.execute_batch(self.pragmas)?;
        // What a process that was killed had written need not be on disk yet: before anybody builds on it, it is
        // brought into the file.
        conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        let found = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found != 0 {
            return self.upgrade(conn, found);
        }
        conn.execute_batch(&format!(
            "BEGIN IMMEDIATE; {} PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT;",
            self.schema.concat(),
            self.application_id,
            self.version
        ))?;
        Ok(self.version)
    }

    /// Brings a file of an older version up to this one, and returns the version that it has then.
    /// Each step is there or not, whenever it is interrupted.
    fn upgrade(&self, conn: &Connection, found: i64) -> rusqlite::Result<i64> {
        let older = usize::try_from(found - 1).unwrap_or_default();
        let mut version = found;
        for upgrade in self.upgrades.iter().skip(older) {
            version += 1;
            conn.execute_batch("BEGIN IMMEDIATE")?;
            let done = upgrade(conn).and_then(|()| {
                conn.execute_batch(&format!("PRAGMA user_version = {version}; COMMIT"))
            });
            if let Err(error) = done {
                // What failed says more than what could not be undone.
                let _ = conn.execute_batch("ROLLBACK");
                return Err(error);
            }
        }
        Ok(version)
    }
}

/// Makes an empty file that only its owner can read: whoever has the keys can read everything. SQLite
/// gives the files beside it the same rights.
///
/// A file that is there is not opened, since closing it again would give up the locks that this process has
/// on it: whoever else looked into it would take its write-ahead log away.
pub(crate) fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::File::options();
    options.append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

/// Opens a file that is already there for reading only.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    set_up(&conn)?;
    conn.execute_batch("PRAGMA mmap_size = 0; PRAGMA cache_size = -2048;")?;
    Ok(conn)
}

/// What all connections have in common.
///
/// Plans are made once, without regard to the values bound: by default a statement with `LIMIT ?` is
/// parsed and planned again whenever it is bound, which costs as much as a short read of events.
///
/// # Source
/// <https://www.sqlite.org/queryplanner-ng.html#qpsg>, read on 2026-11-26.
fn set_up(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    conn.busy_timeout(BUSY_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linked_sqlite_does_not_have_the_fault() {
        assert!(rusqlite::version_number() >= SQLITE_MIN);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_the_files() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.db");
        let conn = KEYS.open(&path).unwrap();
        for name in ["keys.db", "keys.db-wal"] {
            let mode = std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        drop(conn);
    }

    #[test]
    fn events_and_transactions_are_never_changed() {
        let dir = tempfile::tempdir().unwrap();
        let conn = LOG.open(&dir.path().join("log.db")).unwrap();
        conn.execute_batch(
            "INSERT INTO events VALUES (1, 1, 1, 1, 1, 'x', 1, 1, NULL, x'', x'');
             INSERT INTO transactions VALUES (1, 1, 1, 1, 0, 'a', NULL, 'c', NULL, NULL);",
        )
        .unwrap();
        for table in ["events", "transactions"] {
            for change in
                [format!("UPDATE {table} SET workspace = 2"), format!("DELETE FROM {table}")]
            {
                let refused = conn.execute(&change, []).unwrap_err().to_string();
                assert_eq!(refused, format!("{table} are never changed"));
            }
        }
    }

    #[test]
    fn what_a_kill_has_left_is_on_disk_before_anybody_builds_on_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let conn = LOG.open(&path("log.db")).unwrap();
        conn.execute_batch("INSERT INTO checkpoints VALUES (1, 'planner', 7)").unwrap();
        for end in ["", "-wal"] {
            std::fs::copy(path(&format!("log.db{end}")), path(&format!("left.db{end}"))).unwrap();
        }
        let _left = LOG.open(&path("left.db")).unwrap();
        // The file alone, as it is when nothing of the write-ahead log was on disk.
        std::fs::copy(path("left.db"), path("alone.db")).unwrap();
        let alone = open_reader(&path("alone.db")).unwrap();
        let position = alone.query_row("SELECT position FROM checkpoints", [], |row| row.get(0));
        assert_eq!(position, Ok(7));
    }

    #[test]
    fn a_journal_of_the_first_version_gets_what_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let schema = &JOURNAL.schema[..1];
        let first = Format { version: 1, upgrades: &[], schema, ..JOURNAL };
        let conn = first.open(&path).unwrap();
        conn.execute_batch("INSERT INTO tokens VALUES ('acme', x'00', 7)").unwrap();
        drop(conn);
        let conn = JOURNAL.open(&path).unwrap();
        let tokens = "SELECT last_used FROM tokens";
        assert_eq!(conn.query_row(tokens, [], |row| row.get(0)), Ok(7));
        assert!(conn.prepare("SELECT * FROM cycles, reads, changes").is_ok());
    }

    #[test]
    fn a_log_of_the_second_version_gets_its_indexes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
        let second = Format { version: 2, upgrades: &[], schema: &LOG.schema[..1], ..LOG };
        let conn = second.open(&path).unwrap();
        conn.execute_batch(
            "INSERT INTO transactions VALUES (1, 1, 1, 1, 0, 'a', NULL, 'c', NULL, NULL);",
        )
        .unwrap();
        drop(conn);
        let conn = LOG.open(&path).unwrap();
        let indexed = "SELECT first FROM transactions INDEXED BY transactions_by_actor";
        assert_eq!(conn.query_row(indexed, [], |row| row.get(0)), Ok(1));
        assert!(conn.prepare("SELECT name FROM events INDEXED BY events_by_name").is_ok());
    }

    #[test]
    fn a_file_of_a_newer_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
        LOG.open(&path).unwrap().execute_batch("PRAGMA user_version = 4").unwrap();
        assert!(matches!(LOG.open(&path), Err(OpenError::Newer { found: 4, known: 3, .. })));
    }
}
