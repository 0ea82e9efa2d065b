//! Whether the file that serves is sound as SQLite sees it: pages that belong together, and indexes that have
//! a line for every row. A comparison row by row does not notice an index that has somebody under another
//! name.
//!
//! It is looked through by a connection of its own and table by table, so that no look keeps the file's log
//! from starting over for longer than one table takes. Nobody waits for it.

use rusqlite::Connection;

use crate::{
    Failure, Projection, RebuildError,
    builds::Ticket,
    generation::{GONE, Generation, open_to_read},
};

/// After how many of its steps SQLite asks whether to go on: some milliseconds.
const STEPS: i32 = 100_000;
/// Names of tables and indexes that a schema makes; what SQLite makes itself is left out.
const NAMES: &str = "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite@_%' ESCAPE '@'";
const TABLES: &str = "SELECT name FROM sqlite_schema WHERE type = 'table'";

/// The first thing that is wrong with a file, if anything is.
///
/// # Errors
/// [`RebuildError::Cancelled`] and [`RebuildError::Closed`], and when the file cannot be read for a reason
/// that is none of its own.
pub(crate) fn check(
    generation: &Generation,
    projection: &dyn Projection,
    ticket: &Ticket,
) -> Result<Option<String>, RebuildError> {
    if !generation.is_there() {
        return Ok(Some(GONE.to_owned()));
    }
    match look(generation, projection, ticket) {
        Err(RebuildError::File(_)) if ticket.is_over() => ticket.go_on().map(|()| None),
        Err(RebuildError::File(Failure::Database(error))) if crate::damage::says_so(&error) => {
            Ok(Some(error.to_string()))
        }
        looked => looked,
    }
}

fn look(
    generation: &Generation,
    projection: &dyn Projection,
    ticket: &Ticket,
) -> Result<Option<String>, RebuildError> {
    let mut connection = open_to_read(generation.path())?;
    connection.progress_handler(STEPS, Some(ticket.watch())).map_err(Failure::from)?;
    if !generation.is_old {
        let empty = Connection::open_in_memory().map_err(Failure::from)?;
        empty.execute_batch(projection.schema()).map_err(Failure::from)?;
        let known = names(&connection, NAMES)?;
        if let Some(name) = names(&empty, NAMES)?.into_iter().find(|it| !known.contains(it)) {
            return Ok(Some(format!("there is no {name}")));
        }
    }
    for table in names(&connection, TABLES)? {
        ticket.go_on()?;
        let says: String = connection
            .query_row(&format!("PRAGMA integrity_check({table})"), [], |row| row.get(0))
            .map_err(Failure::from)?;
        if says != "ok" {
            return Ok(Some(says));
        }
    }
    Ok(None)
}

fn names(connection: &Connection, sql: &str) -> Result<Vec<String>, Failure> {
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests;
