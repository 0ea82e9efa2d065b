//! Connectors, as far as the directory knows them: a number, and how much each has.

use domain::ids::ConnectorName;
use event_log::WorkspaceId;
use rusqlite::{Connection, OptionalExtension, params};

use crate::sql::natural;

/// A connector that has brought somebody or something.
pub(super) struct ConnectorRow {
    pub(super) no: i64,
    pub(super) entries: u64,
    pub(super) groups: u64,
    pub(super) pending: u64,
}

/// A connector by its name; `None` while it has brought nothing.
pub(super) fn find(
    connection: &Connection,
    workspace: &WorkspaceId,
    name: &ConnectorName,
) -> rusqlite::Result<Option<ConnectorRow>> {
    connection
        .prepare_cached(
            "SELECT no, entries, groups, pending FROM connectors WHERE workspace = ?1 AND name = ?2",
        )?
        .query_row(params![workspace.as_str(), name.as_str()], |row| {
            let (entries, groups) = (natural(row, 1)?, natural(row, 2)?);
            Ok(ConnectorRow { no: row.get(0)?, entries, groups, pending: natural(row, 3)? })
        })
        .optional()
}

/// The number of a connector that may be new.
pub(super) fn made(
    connection: &Connection,
    workspace: &WorkspaceId,
    name: &ConnectorName,
) -> rusqlite::Result<i64> {
    if let Some(known) = find(connection, workspace, name)? {
        return Ok(known.no);
    }
    connection
        .prepare_cached("INSERT INTO connectors (workspace, name) VALUES (?1, ?2) RETURNING no")?
        .query_row(params![workspace.as_str(), name.as_str()], |row| row.get(0))
}
