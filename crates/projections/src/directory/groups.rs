//! Groups: of one connector as SCIM lists them, of one portal as its pages do.

use domain::{
    Micros,
    ids::{ConnectorName, GroupId},
    portal::Portal,
};
use event_log::WorkspaceId;
use rusqlite::{Connection, Row, params, types::Value as Sql};
use scim::{filter::Filter, resource::Resource, schema::Kind};

use super::{
    Directory, Page, connectors,
    connectors::ConnectorRow,
    filter::{self, Facts, Key, Named, Test},
    members, schema,
};
use crate::{
    Cursor, Failure,
    cursor::cut,
    sql::{int, json, length, natural, uuid, word},
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

const ALL: &str = select!(
    "groups g JOIN connectors c ON c.no = g.connector WHERE g.no BETWEEN ?1 AND ?2 ORDER BY g.no"
);
const SLICE: &str = select!(
    "groups g JOIN connectors c ON c.no = g.connector
     WHERE g.no BETWEEN ?1 AND ?2 ORDER BY g.no LIMIT ?3 OFFSET ?4"
);
const BY_ID: &str = select!(
    "connectors c JOIN groups g ON g.workspace = c.workspace AND g.id = ?2 AND g.connector = c.no
     WHERE c.no = ?1"
);
const BY_DISPLAY: &str = select!(
    "groups g JOIN connectors c ON c.no = g.connector
     WHERE g.connector = ?1 AND g.display_fold = ?2 ORDER BY g.no"
);
const BY_EXTERNAL_ID: &str = select!(
    "groups g JOIN connectors c ON c.no = g.connector
     WHERE g.connector = ?1 AND g.external_id = ?2 ORDER BY g.no"
);
const BY_MEMBER: &str = select!(
    "members m JOIN groups g ON g.no = m.group_no JOIN connectors c ON c.no = g.connector
     WHERE m.member = ?2 AND m.group_no BETWEEN ?1 << 32 AND ((?1 + 1) << 32) - 1
     ORDER BY m.group_no"
);
const OF_PORTAL: &str = select!(
    "groups g JOIN connectors c ON c.no = g.connector
     WHERE g.workspace = ?1 AND g.portal = ?2 AND (g.display_fold, g.id) > (?3, ?4)
       AND (?5 = '' OR instr(g.display_fold, ?5) > 0)
     ORDER BY g.display_fold, g.id LIMIT ?6"
);

fn group_row(row: &Row<'_>) -> rusqlite::Result<GroupRow> {
    let resource = json(row, 3)?;
    with_resource(row, resource)
}

fn with_resource(row: &Row<'_>, resource: Resource) -> rusqlite::Result<GroupRow> {
    Ok(GroupRow {
        id: GroupId(uuid(row, 0)?),
        connector: word(row, 1, ConnectorName::parse)?,
        portal: word(row, 2, str::parse)?,
        resource,
        created: row.get(4)?,
        modified: row.get(5)?,
        version: natural(row, 6)?,
        members_count: natural(row, 7)?,
    })
}

impl Directory<'_> {
    /// A group by its SCIM id.
    pub fn group(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        id: GroupId,
    ) -> Result<Option<GroupRow>, Failure> {
        self.first_group(workspace, connector, &Key::Id(id.0))
    }

    /// A group by its displayName, whatever its case.
    pub fn find_group_by_display_name(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        display_name: &str,
    ) -> Result<Option<GroupRow>, Failure> {
        self.first_group(workspace, connector, &Key::DisplayName(scim::fold::text(display_name)))
    }

    fn first_group(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        key: &Key,
    ) -> Result<Option<GroupRow>, Failure> {
        let reader = self.reader()?;
        let tx = reader.snapshot()?;
        let Some(connector) = connectors::find(&tx, workspace, connector)? else { return Ok(None) };
        let mut found = Vec::new();
        scan(&tx, &connector, Some(key), |row| {
            found.push(group_row(row)?);
            Ok(())
        })?;
        found.truncate(1);
        Ok(found.pop())
    }

    /// At most `count` groups from the `start_index`-th on, which counts from 1, in the order of
    /// their creation. Their members are asked for one group at a time.
    pub fn list_groups(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        filter: Option<&Filter>,
        start_index: u64,
        count: u64,
    ) -> Result<Page<GroupRow>, Failure> {
        let reader = self.reader()?;
        let tx = reader.snapshot()?;
        let Some(connector) = connectors::find(&tx, workspace, connector)? else {
            return Ok(Page::empty());
        };
        let skip = start_index.saturating_sub(1);
        if let Some(filter) = filter {
            return Ok(matching(&tx, &connector, filter, skip, count)?);
        }
        let (first, last) = schema::range(connector.no);
        let rows = tx
            .prepare_cached(SLICE)?
            .query_map(params![first, last, int(count), int(skip)], group_row)?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Page { total: connector.groups, rows })
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

/// Goes through the groups that a key names, or all, in the order of their creation.
fn scan(
    tx: &Connection,
    connector: &ConnectorRow,
    key: Option<&Key>,
    mut each: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let (first, last) = schema::range(connector.no);
    let (sql, low, high): (_, _, Sql) = match key {
        None => (ALL, first, last.into()),
        Some(Key::Id(id)) => (BY_ID, connector.no, id.as_bytes().to_vec().into()),
        Some(Key::DisplayName(fold)) => (BY_DISPLAY, connector.no, fold.clone().into()),
        Some(Key::ExternalId(text)) => (BY_EXTERNAL_ID, connector.no, text.clone().into()),
        Some(Key::Member(id)) => (BY_MEMBER, connector.no, id.as_bytes().to_vec().into()),
        // The other is of users.
        Some(Key::Never | Key::UserName(_)) => return Ok(()),
    };
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query(params![low, high])?;
    while let Some(row) = rows.next()? {
        each(row)?;
    }
    Ok(())
}

/// The groups that a filter matches: all are counted, those within the page are kept.
fn matching(
    tx: &Connection,
    connector: &ConnectorRow,
    filter: &Filter,
    skip: u64,
    count: u64,
) -> rusqlite::Result<Page<GroupRow>> {
    let (test, key) = (Test::new(filter, Kind::Group), filter::key(filter, Kind::Group));
    let named = filter::named_members(filter);
    let mut page = Page::empty();
    scan(tx, connector, key.as_ref(), |row| {
        let facts = Facts {
            id: uuid(row, 0)?,
            created: row.get(4)?,
            modified: row.get(5)?,
            version: natural(row, 6)?,
        };
        let no: i64 = row.get(8)?;
        let members = match &named {
            Named::Nobody => None,
            Named::These(ids) => Some(members::among(tx, connector.no, no, ids)?),
            Named::All => Some(members::all(tx, connector.no, no)?),
        };
        let extra = members.map(|members| ("members", members::shown(&members)));
        let resource = row.get_ref(3)?.as_str()?;
        let Some(resource) = test.matching(resource, &facts, extra)? else { return Ok(()) };
        if page.total >= skip && page.total - skip < count {
            page.rows.push(with_resource(row, resource)?);
        }
        page.total += 1;
        Ok(())
    })?;
    Ok(page)
}
