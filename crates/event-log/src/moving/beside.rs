//! What lies beside the log and is of one workspace: orders to services, and counts.

use std::path::Path;

use rusqlite::Connection;

use super::{Unmoved, attach};
use crate::WorkspaceId;
use crate::schema::{self, Format};

/// The files, and their tables of which rows move; each has a column `workspace`.
pub(super) const FILES: [(&Format, &str, &[&str]); 2] = [
    (&schema::COMMANDS, "commands.db", &["commands"]),
    (&schema::JOURNAL, "journal.db", &["attributes", "tokens", "kept"]),
];

/// Copies what is of a workspace from the files of one directory, which may be in use, to those of another,
/// in the place of what these have of it. They are made when they are missing.
///
/// # Errors
/// When a file cannot be read or written.
pub fn beside(from: &Path, into: &Path, workspace: &WorkspaceId) -> Result<(), Unmoved> {
    for (format, name, tables) in FILES {
        let conn = format.open(&into.join(name))?;
        attach(&conn, &from.join(name))?;
        let tx = conn.unchecked_transaction()?;
        for table in tables {
            forget(&tx, table, workspace)?;
            let sql =
                format!("INSERT INTO {table} SELECT * FROM other.{table} WHERE workspace = ?1");
            tx.execute(&sql, [workspace.as_str()])?;
        }
        tx.commit()?;
    }
    Ok(())
}

/// Takes out of the files of a directory what is of a workspace.
pub(super) fn take_out(dir: &Path, workspace: &WorkspaceId) -> Result<(), Unmoved> {
    for (format, name, tables) in FILES {
        let conn = format.open(&dir.join(name))?;
        let tx = conn.unchecked_transaction()?;
        for table in tables {
            forget(&tx, table, workspace)?;
        }
        tx.commit()?;
    }
    Ok(())
}

fn forget(conn: &Connection, table: &str, workspace: &WorkspaceId) -> rusqlite::Result<()> {
    let sql = format!("DELETE FROM {table} WHERE workspace = ?1");
    conn.execute(&sql, [workspace.as_str()]).map(drop)
}
