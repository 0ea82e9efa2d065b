//! Groups: of one connector as SCIM lists them, of one portal as its pages do.

use domain::{
    Micros,
    ids::{ConnectorName, GroupId},
    portal::Portal,
};
use event_log::WorkspaceId;
use rusqlite::{Connection, OptionalExtension, Row, params};
use scim::resource::Resource;
use uuid::Uuid;

use super::{Directory, members};
use crate::{
    Cursor, Failure,
    cursor::cut,
    sql::{json, length, natural, uuid, word},
};

/// A group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupRow {
    /// The SCIM id.
    pub id: GroupId,
    /// The connector that made it.
    pub connector: ConnectorName,
    /// The portal of the connector.
    pub portal: Portal,
    /// displayName, externalId and extensions.
    pub resource: Resource,
    /// When it was created.
    pub created: Micros,
    /// When it last changed, its members included.
    pub modified: Micros,
    /// The version of its stream: the ETag.
    pub version: u64,
    /// How many members it has. One that was deleted a moment ago may still be counted.
    pub members_count: u64,
    /// Who they are, by id, if that was asked for; those too that were deleted a moment ago. Of one
    /// state together with the rest: a group that is read in parts is read as it was.
    pub members: Option<Vec<Uuid>>,
}

/// A query of groups with the columns of [`group_row`].
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT g.id, c.name, g.portal, g.resource, g.created, g.modified, g.version, ",
            "g.members, g.no, g.display_fold FROM ",
            $rest
        )
    };
}

const BY_NO: &str = select!("groups g JOIN connectors c ON c.no = g.connector WHERE g.no = ?1");
const BY_ID: &str = select!(
    "connectors c JOIN groups g ON g.workspace = c.workspace AND g.id = ?3 AND g.connector = c.no
     WHERE c.workspace = ?1 AND c.name = ?2"
);
const OF_PORTAL: &str = select!(
    "groups g JOIN connectors c ON c.no = g.connector
     WHERE g.workspace = ?1 AND g.portal = ?2 AND (g.display_fold, g.id) > (?3, ?4)
       AND (?5 = '' OR instr(g.display_fold, ?5) > 0)
     ORDER BY g.display_fold, g.id LIMIT ?6"
);

fn group_row(row: &Row<'_>) -> rusqlite::Result<GroupRow> {
    Ok(GroupRow {
        id: GroupId(uuid(row, 0)?),
        connector: word(row, 1, ConnectorName::parse)?,
        portal: word(row, 2, str::parse)?,
        resource: json(row, 3)?,
        created: row.get(4)?,
        modified: row.get(5)?,
        version: natural(row, 6)?,
        members_count: natural(row, 7)?,
        members: None,
    })
}

/// A group by the number of its row.
pub(super) fn by_number(
    tx: &Connection,
    no: i64,
    with_members: bool,
) -> rusqlite::Result<Option<GroupRow>> {
    let mut row = tx.prepare_cached(BY_NO)?.query_row([no], group_row).optional()?;
    if let Some(row) = row.as_mut().filter(|_| with_members) {
        row.members = Some(members::ids(tx, no)?);
    }
    Ok(row)
}

impl Directory<'_> {
    /// A group by its SCIM id.
    pub fn group(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        id: GroupId,
        with_members: bool,
    ) -> Result<Option<GroupRow>, Failure> {
        let reader = self.reader()?;
        let found = reader
            .prepare_cached(BY_ID)?
            .query_row(params![workspace.as_str(), connector.as_str(), id.0.as_bytes()], |row| {
                Ok((group_row(row)?, row.get::<_, i64>(8)?))
            })
            .optional()?;
        let Some((mut row, no)) = found else { return Ok(None) };
        if with_members {
            row.members = Some(members::ids(&reader, no)?);
        }
        Ok(Some(row))
    }

    /// Groups of all connectors of a portal, by displayName; with `q`, those whose name contains it.
    pub fn list_groups_of_portal(
        self,
        workspace: &WorkspaceId,
        portal: Portal,
        q: Option<&str>,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<(Vec<GroupRow>, Option<Cursor>), Failure> {
        let reader = self.reader()?;
        let (text, id) = after.map_or(("", &[][..]), |it| (&*it.text, &it.id.as_bytes()[..]));
        let q = scim::fold::text(q.unwrap_or_default());
        let rows = reader
            .prepare_cached(OF_PORTAL)?
            .query_map(
                params![workspace.as_str(), portal.as_str(), text, id, q, length(limit) + 1],
                |row| Ok((group_row(row)?, row.get(9)?)),
            )?
            .collect::<rusqlite::Result<Vec<(GroupRow, String)>>>()?;
        let (rows, next) =
            cut(rows, limit, |(row, fold)| Cursor { text: fold.clone(), id: row.id.0 });
        Ok((rows.into_iter().map(|(row, _)| row).collect(), next))
    }

    /// A group of a workspace, whatever its connector.
    pub fn group_of_workspace(
        self,
        workspace: &WorkspaceId,
        id: GroupId,
    ) -> Result<Option<GroupRow>, Failure> {
        let reader = self.reader()?;
        let row = reader
            .prepare_cached(select!(
                "groups g JOIN connectors c ON c.no = g.connector
                 WHERE g.workspace = ?1 AND g.id = ?2"
            ))?
            .query_map(params![workspace.as_str(), id.0.as_bytes()], group_row)?
            .next()
            .transpose()?;
        Ok(row)
    }
}
