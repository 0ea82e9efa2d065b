//! Users of one connector: its entries.

use domain::{
    Micros,
    ids::{ConnectorName, EntryId, GroupId, MemberId, UserId},
};
use event_log::WorkspaceId;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use scim::{
    resource::{Resource, Written},
    schema::Kind,
};
use serde_json::{Value, json};

use super::{Directory, blocks, connectors, connectors::ConnectorRow, schema};
use crate::{
    Failure,
    sql::{length, natural, unreadable, uuid},
};

/// A user, as one connector sees them.
#[derive(Clone, Debug, PartialEq)]
pub struct UserRow {
    /// The SCIM id.
    pub id: EntryId,
    /// The person.
    pub user: UserId,
    /// What the connector said, as it is stored.
    pub written: Written,
    /// When the connector brought the person.
    pub created: Micros,
    /// When this entry last changed.
    pub modified: Micros,
    /// Counts this entry's changes, from 1: the ETag.
    pub version: u64,
    /// The groups of the connector that have this entry as a direct member.
    pub groups: Vec<GroupRefRow>,
}

/// A group, as a member of it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRefRow {
    /// The SCIM id.
    pub id: GroupId,
    /// Its displayName.
    pub display: String,
}

impl UserRow {
    /// What the connector said.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn resource(&self) -> Result<Resource, Failure> {
        Ok(self.written.read().map_err(|error| unreadable(error.into()))?)
    }
}

/// A query of users with the columns of [`user_row`].
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, user, resource, created, modified, version FROM entries ", $rest)
    };
}

const BY_NO: &str = select!("WHERE no = ?1");
const BY_ID: &str = select!("WHERE connector = ?1 AND id = ?2");
const BY_USER_NAME: &str = select!("WHERE connector = ?1 AND user_name_fold = ?2 ORDER BY no");

fn user_row(row: &Row<'_>) -> rusqlite::Result<UserRow> {
    let written = Written::parse(row.get_ref(2)?.as_str()?);
    Ok(UserRow {
        id: EntryId(uuid(row, 0)?),
        user: UserId(uuid(row, 1)?),
        written: written.map_err(|error| unreadable(error.into()))?,
        created: row.get(3)?,
        modified: row.get(4)?,
        version: natural(row, 5)?,
        groups: Vec::new(),
    })
}

/// The users of a connector that such a query finds, with their groups.
fn found(
    tx: &Connection,
    sql: &str,
    (workspace, connector): (&WorkspaceId, &ConnectorName),
    key: impl ToSql,
) -> rusqlite::Result<Vec<UserRow>> {
    let Some(connector) = connectors::find(tx, workspace, connector)? else {
        return Ok(Vec::new());
    };
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map(params![connector.no, key], user_row)?;
    rows.map(|row| with_groups(tx, &connector, row?)).collect()
}

/// The users of a connector that have a userName, which is folded: one, or none.
pub(super) fn named(
    tx: &Connection,
    of: (&WorkspaceId, &ConnectorName),
    user_name: &str,
) -> rusqlite::Result<Vec<UserRow>> {
    found(tx, BY_USER_NAME, of, user_name)
}

impl Directory<'_> {
    /// The SCIM id under which a connector knows a person.
    ///
    /// # Errors
    /// When the read model cannot be read.
    pub fn entry_of(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        user: UserId,
    ) -> Result<Option<EntryId>, Failure> {
        let reader = self.reader()?;
        Ok(reader
            .prepare_cached(
                "SELECT e.id FROM connectors c JOIN entries e ON e.connector = c.no AND e.user = ?3
                 WHERE c.workspace = ?1 AND c.name = ?2",
            )?
            .query_row(params![workspace.as_str(), connector.as_str(), user.0.as_bytes()], |row| {
                uuid(row, 0).map(EntryId)
            })
            .optional()?)
    }

    /// A user by their SCIM id.
    ///
    /// # Errors
    /// Like every query here, when the read model cannot be read.
    pub fn user(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        id: EntryId,
    ) -> Result<Option<UserRow>, Failure> {
        let id = id.0.as_bytes();
        Ok(found(&*self.reader()?, BY_ID, (workspace, connector), id)?.pop())
    }

    /// The person of an entry.
    pub fn person(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        entry: EntryId,
    ) -> Result<Option<UserId>, Failure> {
        let reader = self.reader()?;
        Ok(reader
            .prepare_cached(
                "SELECT e.user FROM connectors c JOIN entries e ON e.connector = c.no AND e.id = ?3
                 WHERE c.workspace = ?1 AND c.name = ?2",
            )?
            .query_row(params![workspace.as_str(), connector.as_str(), entry.0.as_bytes()], |row| {
                uuid(row, 0).map(UserId)
            })
            .optional()?)
    }

    /// The groups that have a direct member, in the order of their creation.
    pub fn groups_of(
        self,
        workspace: &WorkspaceId,
        member: MemberId,
    ) -> Result<Vec<GroupRefRow>, Failure> {
        let reader = self.reader()?;
        Ok(reader
            .prepare_cached(
                "SELECT g.id, g.display_name FROM members m JOIN groups g ON g.no = m.group_no
                 WHERE m.member = ?1 AND g.workspace = ?2 ORDER BY m.group_no",
            )?
            .query_map(params![member.0.as_bytes(), workspace.as_str()], group_ref)?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// At most `limit` people of a connector, in the order in which it brought them, behind the one with
    /// the number `after` (0 to begin with); each with their number.
    pub fn people_after(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, UserId)>, Failure> {
        let tx = self.reader()?;
        let Some(connector) = connectors::find(&tx, workspace, connector)? else {
            return Ok(Vec::new());
        };
        let (first, last) = schema::range(connector.no);
        let rows = tx
            .prepare_cached(
                "SELECT no, user FROM entries WHERE no > ?1 AND no <= ?2 ORDER BY no LIMIT ?3",
            )?
            .query_map(params![first | after, last, length(limit)], |row| {
                Ok((schema::ordinal(row.get(0)?), UserId(uuid(row, 1)?)))
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    /// How many people a connector has brought that it has not deleted.
    pub fn people_of(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
    ) -> Result<u64, Failure> {
        let known = connectors::find(&*self.reader()?, workspace, connector)?;
        Ok(known.map_or(0, |connector| connector.entries))
    }

    /// How many people of a connector are active, and as of which position: exactly that one, since
    /// whoever adds something up with it must count nobody twice.
    ///
    /// # Errors
    /// When the read model cannot be read.
    pub fn active_people_of(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
    ) -> Result<(u64, u64), Failure> {
        let reader = self.reader()?;
        let no = connectors::find(&reader, workspace, connector)?.map(|known| known.no);
        Ok(blocks::active(&reader, workspace, no.unwrap_or_default())?)
    }
}

fn group_ref(row: &Row<'_>) -> rusqlite::Result<GroupRefRow> {
    Ok(GroupRefRow { id: GroupId(uuid(row, 0)?), display: row.get(1)? })
}

/// A user by the number of their row.
pub(super) fn by_number(
    tx: &Connection,
    connector: &ConnectorRow,
    no: i64,
) -> rusqlite::Result<Option<UserRow>> {
    let row = tx.prepare_cached(BY_NO)?.query_row([no], user_row).optional()?;
    row.map(|row| with_groups(tx, connector, row)).transpose()
}

/// Fills in the groups. A connector's groups are one range of numbers.
fn with_groups(
    tx: &Connection,
    connector: &ConnectorRow,
    row: UserRow,
) -> rusqlite::Result<UserRow> {
    if connector.groups == 0 {
        return Ok(row);
    }
    let groups = groups_within(tx, connector, row.id)?;
    Ok(UserRow { groups, ..row })
}

pub(super) fn groups_within(
    tx: &Connection,
    connector: &ConnectorRow,
    id: EntryId,
) -> rusqlite::Result<Vec<GroupRefRow>> {
    let (first, last) = schema::range(connector.no);
    tx.prepare_cached(
        "SELECT g.id, g.display_name FROM members m JOIN groups g ON g.no = m.group_no
         WHERE m.member = ?1 AND m.group_no BETWEEN ?2 AND ?3 ORDER BY m.group_no",
    )?
    .query_map(params![id.0.as_bytes(), first, last], group_ref)?
    .collect()
}

/// Groups as the document of a user has them.
pub(super) fn shown(groups: &[GroupRefRow], base_url: &str) -> Value {
    let one = |group: &GroupRefRow| {
        json!({
            "value": group.id,
            "$ref": Kind::Group.location(base_url, group.id.0),
            "display": group.display,
            "type": "direct",
        })
    };
    groups.iter().map(one).collect()
}
