//! Connections for reading.
//!
//! SQLite's readers do not wait for the writer, nor it for them. A connection is lent for one
//! statement, so that no read keeps the write-ahead log from starting over. Nor does one that is kept for the
//! next read keep a writer that is closed from taking the log away.

use std::path::PathBuf;
use std::sync::Mutex;

use rusqlite::Connection;

use crate::sync::lock;
use crate::{Failure, schema};

/// How many idle connections are kept; each has up to 2 MiB of pages.
const IDLE_MAX: usize = 8;

pub(crate) struct Readers {
    path: PathBuf,
    /// `None` once none is kept any more.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(Some(Vec::new())) }
    }

    /// Keeps no connection from now on. Whoever reads all the same is lent one of their own.
    pub(crate) fn keep_none(&self) {
        lock(&self.idle).take();
    }

    /// Lends a connection. A failure says what it was lent for.
    pub(crate) fn with<T>(
        &self,
        doing: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        let idle = lock(&self.idle).as_mut().and_then(Vec::pop);
        let conn = match idle {
            Some(conn) => conn,
            None => schema::open_reader(&self.path).map_err(Failure::storage(doing))?,
        };
        let result = read(&conn).map_err(Failure::storage(doing));
        match &mut *lock(&self.idle) {
            Some(idle) if idle.len() < IDLE_MAX => idle.push(conn),
            _ => drop(conn),
        }
        result
    }
}
