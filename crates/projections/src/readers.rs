//! Connections that read one file.
//!
//! To begin a statement takes a lock of the file, and to end it gives that back, which costs as much as finding
//! a row does. So a connection that is given back keeps the state that it has seen for whoever reads next, until
//! the file changes: whoever writes says so ([`Readers::changed`]) before anybody is told that there is
//! something new. A query sees one state, of however many statements it is.
//!
//! Invariant: a connection that nobody uses keeps the last state or none. An old one would be shown to
//! somebody, and would keep the file's log from starting over.

use std::{path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use rusqlite::Connection;

use crate::{
    Failure,
    damage::{Damage, Reading},
    generation::{Generation, open_to_read},
};

/// How many connections wait for the next reader; more are closed when they are given back.
const IDLE_MAX: usize = 16;

/// The connections that read a file.
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    connections: Vec<Connection>,
    /// How often the file has changed.
    changes: u64,
    /// Whether no state is kept for now.
    forgets: bool,
}

impl Idle {
    fn forget_states(&mut self) {
        self.changes += 1;
        self.connections.retain(|connection| forget_state(connection).is_ok());
    }
}

impl Readers {
    pub(crate) fn of(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    /// A connection that sees one state of the file, the last one or a newer one; and which one that is.
    fn lend(&self) -> Result<(Connection, u64), Failure> {
        let (idle, changes) = {
            let mut idle = self.idle.lock();
            (idle.connections.pop(), idle.changes)
        };
        let connection = idle.map_or_else(|| open_to_read(&self.path), Ok)?;
        if connection.is_autocommit() {
            connection.prepare_cached("BEGIN")?.execute([])?;
        }
        Ok((connection, changes))
    }

    fn give_back(&self, connection: Connection, seen: u64) {
        let mut idle = self.idle.lock();
        let keeps = idle.changes == seen && !idle.forgets;
        let is_usable = keeps || forget_state(&connection).is_ok();
        if is_usable && idle.connections.len() < IDLE_MAX {
            idle.connections.push(connection);
        }
    }

    /// The file has changed: nobody sees from now on what was there before.
    pub(crate) fn changed(&self) {
        self.idle.lock().forget_states();
    }

    /// Does something to the file for which nobody may read its log. Readers come and go, and keep nothing: what
    /// one kept would be in the way of it for as long as it lasts.
    pub(crate) fn while_none_keeps<T>(&self, work: impl FnOnce() -> T) -> T {
        {
            let mut idle = self.idle.lock();
            idle.forgets = true;
            idle.forget_states();
        }
        let done = work();
        self.idle.lock().forgets = false;
        done
    }

    /// Closes the connections that nobody uses.
    pub(crate) fn close(&self) {
        self.idle.lock().connections.clear();
    }
}

fn forget_state(connection: &Connection) -> rusqlite::Result<()> {
    if connection.is_autocommit() {
        return Ok(());
    }
    connection.prepare_cached("COMMIT")?.execute([]).map(drop)
}

/// A connection that reads one file and sees one state of it; given back when it is dropped.
pub struct Reader {
    /// `None` only while it is dropped.
    connection: Option<Connection>,
    /// Which state it sees.
    seen: u64,
    generation: Arc<Generation>,
    _reading: Reading,
}

impl Reader {
    /// A reader of a file. `damage` is told what it meets.
    pub(crate) fn of(generation: Arc<Generation>, damage: &Arc<Damage>) -> Result<Self, Failure> {
        let reading = Reading::begin(damage, generation.number);
        let lent = generation.readers.lend();
        let (connection, seen) = lent.map_err(|error| generation.missed(damage, error))?;
        Ok(Self { connection: Some(connection), seen, generation, _reading: reading })
    }
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

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.generation.readers.give_back(connection, self.seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;
    use crate::directory::DirectoryProjection;

    /// A file with a table that is written to.
    struct File {
        generation: Arc<Generation>,
        damage: Arc<Damage>,
        writer: Connection,
        _dir: tempfile::TempDir,
    }

    impl File {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let generation = Arc::new(Generation::first(dir.path(), &DirectoryProjection).unwrap());
            let writer = generation.open_to_write().unwrap();
            writer.execute_batch("CREATE TABLE t (x)").unwrap();
            writer.busy_timeout(std::time::Duration::ZERO).unwrap();
            let damage = Arc::new(Damage::new("directory", &Arc::new(Notify::new())));
            Self { generation, damage, writer, _dir: dir }
        }

        fn write(&self) {
            self.writer.execute("INSERT INTO t VALUES (1)", []).unwrap();
        }

        fn reader(&self) -> Reader {
            Reader::of(Arc::clone(&self.generation), &self.damage).unwrap()
        }

        fn is_log_emptied(&self) -> bool {
            let emptied =
                self.writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
            let busy: i64 = emptied.unwrap();
            busy == 0
        }
    }

    fn rows(reader: &Reader) -> i64 {
        reader.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_reader_sees_one_state_and_whoever_comes_after_a_change_sees_that() {
        let file = File::new();
        assert_eq!(rows(&file.reader()), 0);
        file.write();
        assert_eq!(rows(&file.reader()), 0, "nobody has said yet that the file has changed");
        file.generation.readers.changed();
        let reader = file.reader();
        assert_eq!(rows(&reader), 1);
        file.write();
        file.generation.readers.changed();
        assert_eq!((rows(&reader), rows(&file.reader())), (1, 2));
        drop(reader);
        // Whatever connection they get of those that were given back.
        let readers = [file.reader(), file.reader(), file.reader()];
        assert_eq!(readers.map(|reader| rows(&reader)), [2, 2, 2]);
    }

    #[test]
    fn what_nobody_uses_does_not_keep_a_log_from_starting_over() {
        let file = File::new();
        file.write();
        let readers = [file.reader(), file.reader()];
        readers.iter().for_each(|reader| assert_eq!(rows(reader), 1));
        let [first, second] = readers;
        drop(first);
        file.generation.readers.changed();
        assert!(!file.is_log_emptied(), "the second still reads in it");
        drop(second);
        assert!(file.is_log_emptied());
        assert_eq!(rows(&file.reader()), 1);
    }

    #[test]
    fn who_comes_while_a_log_is_emptied_does_not_stay_in_the_way() {
        let file = File::new();
        file.write();
        let long = file.reader();
        assert_eq!(rows(&long), 1);
        file.write();
        let emptied = file.generation.readers.while_none_keeps(|| {
            // Whoever empties it waits for this one; meanwhile others come and go.
            assert!(!file.is_log_emptied());
            assert_eq!(rows(&file.reader()), 2);
            drop(long);
            file.is_log_emptied()
        });
        assert!(emptied);
        assert_eq!((rows(&file.reader()), rows(&file.reader())), (2, 2));
    }
}
