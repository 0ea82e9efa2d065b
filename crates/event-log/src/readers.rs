//! Connections for reading.
//!
//! SQLite's readers do not wait for the writer, nor it for them. A connection is lent for one
//! statement, so that no read keeps the write-ahead log from starting over.

use std::path::PathBuf;
use std::sync::Mutex;

use rusqlite::Connection;

use crate::schema;
use crate::sync::lock;

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

    /// Lends a connection.
    pub(crate) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = lock(&self.idle).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => schema::open_reader(&self.path)?,
        };
        let result = read(&conn);
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE_MAX {
            idle.push(conn);
        }
        result
    }
}
