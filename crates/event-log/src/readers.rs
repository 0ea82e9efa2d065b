//! Connections for reading.
//!
//! SQLite's readers do not wait for the writer, nor it for them. A connection is lent for one
//! statement, so that no read keeps the write-ahead log from starting over.

use std::path::PathBuf;
use std::sync::Mutex;

use rusqlite::Connection;

use crate::sync::lock;
use crate::{Failure, schema};

/// How many idle connections are kept; each has up to 2 MiB of pages.
const IDLE_MAX: usize = 8;

pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    /// Lends a connection. A failure says what it was lent for.
    pub(crate) fn with<T>(
        &self,
        doing: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        let idle = lock(&self.idle).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => schema::open_reader(&self.path).map_err(Failure::storage(doing))?,
        };
        let result = read(&conn).map_err(Failure::storage(doing));
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE_MAX {
            idle.push(conn);
        }
        result
    }
}
