//! Users of one connector: its entries.

use domain::{
    Micros,
    ids::{ConnectorName, EntryId, GroupId, MemberId, UserId},
};
use event_log::WorkspaceId;
use rusqlite::{Connection, Row, params, types::Value as Sql};
use scim::{filter::Filter, resource::Resource, schema::Kind};
use serde_json::{Value, json};

use super::{
    Directory, Page, connectors,
    connectors::ConnectorRow,
    filter::{self, Facts, Key, Test},
    schema,
};
use crate::{
    Failure,
    sql::{int, json, natural, uuid},
};

/// A user, as one connector sees them.
#[derive(Clone, Debug, PartialEq)]
pub struct UserRow {
    /// The SCIM id.
    pub id: EntryId,
    /// The person.
    pub user: UserId,
    /// What the connector said.
    pub resource: Resource,
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

const ALL: &str = "SELECT id, user, resource, created, modified, version
    FROM entries WHERE no BETWEEN ?1 AND ?2 ORDER BY no";
const SLICE: &str = "SELECT id, user, resource, created, modified, version
    FROM entries WHERE no BETWEEN ?1 AND ?2 ORDER BY no LIMIT ?3 OFFSET ?4";
const BY_ID: &str = "SELECT id, user, resource, created, modified, version
    FROM entries WHERE connector = ?1 AND id = ?2";
const BY_USER_NAME: &str = "SELECT id, user, resource, created, modified, version
    FROM entries WHERE connector = ?1 AND user_name_fold = ?2 ORDER BY no";
const BY_EXTERNAL_ID: &str = "SELECT id, user, resource, created, modified, version
    FROM entries WHERE connector = ?1 AND external_id = ?2 ORDER BY no";

fn user_row(row: &Row<'_>) -> rusqlite::Result<UserRow> {
    Ok(UserRow {
        id: EntryId(uuid(row, 0)?),
        user: UserId(uuid(row, 1)?),
        resource: json(row, 2)?,
        created: row.get(3)?,
        modified: row.get(4)?,
        version: natural(row, 5)?,
        groups: Vec::new(),
    })
}

impl Directory<'_> {
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
        self.first(workspace, connector, &Key::Id(id.0))
    }

    /// A user by their userName, whatever its case.
    pub fn find_user_by_user_name(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        user_name: &str,
    ) -> Result<Option<UserRow>, Failure> {
        self.first(workspace, connector, &Key::UserName(scim::fold::user_name(user_name)))
    }

    fn first(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        key: &Key,
    ) -> Result<Option<UserRow>, Failure> {
        let reader = self.reader()?;
        let tx = reader.snapshot()?;
        let Some(connector) = connectors::find(&tx, workspace, connector)? else { return Ok(None) };
        let mut found = Vec::new();
        scan(&tx, &connector, Some(key), |row| {
            found.push(user_row(row)?);
            Ok(())
        })?;
        found.truncate(1);
        with_groups(&tx, &connector, &mut found)?;
        Ok(found.pop())
    }

    /// At most `count` users from the `start_index`-th on, which counts from 1, in the order in
    /// which the connector brought them.
    pub fn list_users(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        filter: Option<&Filter>,
        start_index: u64,
        count: u64,
    ) -> Result<Page<UserRow>, Failure> {
        let reader = self.reader()?;
        let tx = reader.snapshot()?;
        let Some(connector) = connectors::find(&tx, workspace, connector)? else {
            return Ok(Page::empty());
        };
        let skip = start_index.saturating_sub(1);
        let mut page = match filter {
            None => Page { total: connector.entries, rows: slice(&tx, &connector, skip, count)? },
            Some(filter) => matching(&tx, &connector, filter, skip, count)?,
        };
        with_groups(&tx, &connector, &mut page.rows)?;
        Ok(page)
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

    /// How many people a connector has brought that it has not deleted.
    pub fn people_of(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
    ) -> Result<u64, Failure> {
        let known = connectors::find(&*self.reader()?, workspace, connector)?;
        Ok(known.map_or(0, |connector| connector.entries))
    }
}

fn group_ref(row: &Row<'_>) -> rusqlite::Result<GroupRefRow> {
    Ok(GroupRefRow { id: GroupId(uuid(row, 0)?), display: row.get(1)? })
}

/// Fills in the groups of each row. A connector's groups are one range of numbers.
fn with_groups(
    tx: &Connection,
    connector: &ConnectorRow,
    rows: &mut [UserRow],
) -> rusqlite::Result<()> {
    if connector.groups == 0 {
        return Ok(());
    }
    rows.iter_mut().try_for_each(|row| {
        row.groups = groups_within(tx, connector, row.id)?;
        Ok(())
    })
}

fn groups_within(
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

/// Goes through the entries that a key names, or all, in the order of their creation.
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
        Some(Key::UserName(fold)) => (BY_USER_NAME, connector.no, fold.clone().into()),
        Some(Key::ExternalId(text)) => (BY_EXTERNAL_ID, connector.no, text.clone().into()),
        // The others are of groups.
        Some(Key::Never | Key::DisplayName(_) | Key::Member(_)) => return Ok(()),
    };
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query(params![low, high])?;
    while let Some(row) = rows.next()? {
        each(row)?;
    }
    Ok(())
}

/// `count` entries after the first `skip`. Whole blocks are passed over by their counts.
fn slice(
    tx: &Connection,
    connector: &ConnectorRow,
    skip: u64,
    count: u64,
) -> rusqlite::Result<Vec<UserRow>> {
    if skip >= connector.entries || count == 0 {
        return Ok(Vec::new());
    }
    let (first, last) = schema::range(connector.no);
    let (mut from, mut left) = (first, skip);
    let mut blocks =
        tx.prepare_cached("SELECT block, entries FROM blocks WHERE connector = ?1 ORDER BY block")?;
    let mut blocks = blocks.query([connector.no])?;
    while let Some(row) = blocks.next()? {
        let entries = natural(row, 1)?;
        from = first + row.get::<_, i64>(0)? * schema::BLOCK;
        if left < entries {
            break;
        }
        left -= entries;
    }
    tx.prepare_cached(SLICE)?
        .query_map(params![from, last, int(count), int(left)], user_row)?
        .collect()
}

/// The entries that a filter matches: all are counted, those within the page are kept.
fn matching(
    tx: &Connection,
    connector: &ConnectorRow,
    filter: &Filter,
    skip: u64,
    count: u64,
) -> rusqlite::Result<Page<UserRow>> {
    let (test, key) = (Test::new(filter, Kind::User), filter::key(filter, Kind::User));
    let with_groups = filter::mentions(filter, "groups");
    let mut page = Page::empty();
    scan(tx, connector, key.as_ref(), |row| {
        let facts = Facts {
            id: uuid(row, 0)?,
            created: row.get(3)?,
            modified: row.get(4)?,
            version: natural(row, 5)?,
        };
        let groups = || groups_within(tx, connector, EntryId(facts.id));
        let groups = with_groups.then(groups).transpose()?.map(|groups| ("groups", shown(&groups)));
        let resource = row.get_ref(2)?.as_str()?;
        let Some(resource) = test.matching(resource, &facts, groups)? else { return Ok(()) };
        if page.total >= skip && page.total - skip < count {
            page.rows.push(UserRow {
                id: EntryId(facts.id),
                user: UserId(uuid(row, 1)?),
                resource,
                created: facts.created,
                modified: facts.modified,
                version: facts.version,
                groups: Vec::new(),
            });
        }
        page.total += 1;
        Ok(())
    })?;
    Ok(page)
}

/// Groups as the document of a user has them.
fn shown(groups: &[GroupRefRow]) -> Value {
    let one = |group: &GroupRefRow| json!({ "value": group.id, "display": group.display });
    groups.iter().map(one).collect()
}
