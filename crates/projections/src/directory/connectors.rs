//! Connectors, as far as the directory knows them: a number, and what each has.

use domain::ids::{ConnectorName, EntryId, GroupId, UserId};
use event_log::WorkspaceId;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Directory, schema};
use crate::{
    Failure,
    sql::{length, natural, uuid, word},
};

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

/// The names of all connectors of a workspace.
pub(super) fn all(
    connection: &Connection,
    workspace: &WorkspaceId,
) -> rusqlite::Result<Vec<ConnectorName>> {
    connection
        .prepare_cached("SELECT name FROM connectors WHERE workspace = ?1")?
        .query_map([workspace.as_str()], |row| word(row, 0, ConnectorName::parse))?
        .collect()
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

impl Directory<'_> {
    /// At most `limit` entries of a connector with their people, the oldest first.
    ///
    /// # Errors
    /// Like every query here, when the read model cannot be read.
    pub fn entries_of_connector(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        limit: usize,
    ) -> Result<Vec<(EntryId, UserId)>, Failure> {
        let reader = self.reader()?;
        let Some(connector) = find(&reader, workspace, connector)? else { return Ok(Vec::new()) };
        let (first, last) = schema::range(connector.no);
        Ok(reader
            .prepare_cached(
                "SELECT id, user FROM entries WHERE no BETWEEN ?1 AND ?2 ORDER BY no LIMIT ?3",
            )?
            .query_map(params![first, last, length(limit)], |row| {
                Ok((EntryId(uuid(row, 0)?), UserId(uuid(row, 1)?)))
            })?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// The same of its groups.
    pub fn groups_of_connector(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        limit: usize,
    ) -> Result<Vec<GroupId>, Failure> {
        let reader = self.reader()?;
        let Some(connector) = find(&reader, workspace, connector)? else { return Ok(Vec::new()) };
        let (first, last) = schema::range(connector.no);
        Ok(reader
            .prepare_cached(
                "SELECT id FROM groups WHERE no BETWEEN ?1 AND ?2 ORDER BY no LIMIT ?3",
            )?
            .query_map(params![first, last, length(limit)], |row| uuid(row, 0).map(GroupId))?
            .collect::<rusqlite::Result<_>>()?)
    }
}
