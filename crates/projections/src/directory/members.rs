//! Members: who is in a group, whom a value names, and who is still awaited.

use domain::{
    group::MemberRef,
    ids::{ConnectorName, GroupId, MemberId},
};
use event_log::WorkspaceId;
use rusqlite::{Connection, OptionalExtension, Row, params};
use scim::schema::Kind;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Directory, connectors};
use crate::{
    Failure,
    sql::{length, natural, uuid},
};

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRow {
    /// Its SCIM id.
    pub value: Uuid,
    /// What people call it: a displayName, or a userName where there is none.
    pub display: Option<String>,
    /// Which kind of resource it is.
    pub kind: Kind,
}

impl MemberRow {
    /// The member as the document of a group has it.
    pub fn document(&self, base_url: &str) -> Value {
        let mut document = json!({
            "value": self.value,
            "$ref": self.kind.location(base_url, self.value),
            "type": self.kind.name(),
        });
        if let Some(display) = &self.display {
            document["display"] = display.as_str().into();
        }
        document
    }
}

/// The members of the group `?1` of the connector `?2` that exist, behind `?3`.
const MEMBERS: &str = "
    SELECT m.member, e.no IS NOT NULL,
           coalesce(e.display_name, e.user_name,
                    (SELECT g.display_name FROM groups g JOIN connectors c ON c.no = g.connector
                     WHERE g.workspace = c.workspace AND g.id = m.member AND c.no = ?2))
    FROM members m LEFT JOIN entries e ON e.connector = ?2 AND e.id = m.member
    WHERE m.group_no = ?1 AND m.member > ?3
      AND (e.no IS NOT NULL
           OR EXISTS (SELECT 1 FROM connectors c JOIN groups g
                      ON g.workspace = c.workspace AND g.id = m.member AND g.connector = c.no
                      WHERE c.no = ?2))
    ORDER BY m.member LIMIT ?4";

fn member_row(row: &Row<'_>) -> rusqlite::Result<MemberRow> {
    let kind = if row.get(1)? { Kind::User } else { Kind::Group };
    Ok(MemberRow { value: uuid(row, 0)?, display: row.get(2)?, kind })
}

impl Directory<'_> {
    /// At most `limit` members of a group behind the member `after`, by id: only those that exist
    /// now, so that whoever was deleted is gone from every group at once.
    ///
    /// # Errors
    /// Like every query here, when the read model cannot be read.
    pub fn group_members(
        self,
        workspace: &WorkspaceId,
        group: GroupId,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<MemberRow>, Failure> {
        let tx = self.reader()?;
        let Some((no, connector)) = place(&tx, workspace, group)? else { return Ok(Vec::new()) };
        Ok(page(&tx, connector, no, after, length(limit))?)
    }

    /// Those of some ids that are of entries or groups of a connector now, as members of a group.
    pub fn members_among(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        ids: &[Uuid],
    ) -> Result<Vec<MemberRow>, Failure> {
        let tx = self.reader()?;
        let Some(connector) = connectors::find(&tx, workspace, connector)? else {
            return Ok(Vec::new());
        };
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            rows.extend(described(&tx, connector.no, *id)?);
        }
        Ok(rows)
    }

    /// The groups that have a direct member, in the order of their creation.
    pub fn memberships_of(
        self,
        workspace: &WorkspaceId,
        member: MemberId,
    ) -> Result<Vec<GroupId>, Failure> {
        let reader = self.reader()?;
        Ok(reader
            .prepare_cached(
                "SELECT g.id FROM members m JOIN groups g ON g.no = m.group_no
                 WHERE m.member = ?1 AND g.workspace = ?2 ORDER BY m.group_no",
            )?
            .query_map(params![member.0.as_bytes(), workspace.as_str()], |row| {
                Ok(GroupId(uuid(row, 0)?))
            })?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// Whether an id is that of an entry or a group of the workspace now.
    pub fn exists(self, workspace: &WorkspaceId, member: MemberId) -> Result<bool, Failure> {
        let reader = self.reader()?;
        Ok(reader
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM connectors c JOIN entries e
                                ON e.connector = c.no AND e.id = ?2 WHERE c.workspace = ?1)
                     OR EXISTS (SELECT 1 FROM groups WHERE workspace = ?1 AND id = ?2)",
            )?
            .query_row(params![workspace.as_str(), member.0.as_bytes()], |row| row.get(0))?)
    }

    /// Whom each value names among the connector's own: an entry or a group by id, else an entry by
    /// externalId, else by userName.
    pub fn resolve(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        values: &[String],
    ) -> Result<Vec<MemberRef>, Failure> {
        let tx = self.reader()?;
        let connector = connectors::find(&tx, workspace, connector)?;
        let resolve = |value: &String| {
            let known = connector.as_ref().map(|it| named(&tx, workspace, it.no, value));
            let known = known.transpose()?.flatten().map(MemberId);
            Ok(MemberRef { value: value.clone(), known })
        };
        Ok(values.iter().map(resolve).collect::<rusqlite::Result<_>>()?)
    }

    /// Whether any group of a connector waits for a member.
    pub fn any_pending(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
    ) -> Result<bool, Failure> {
        let known = connectors::find(&*self.reader()?, workspace, connector)?;
        Ok(known.is_some_and(|connector| connector.pending > 0))
    }

    /// The groups that wait for a member by its id, externalId or userName, each with the versions
    /// of the events that brought the values.
    pub fn pending_for(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        member: MemberId,
        external_id: Option<&str>,
        user_name: Option<&str>,
    ) -> Result<Vec<(GroupId, Vec<u64>)>, Failure> {
        let tx = self.reader()?;
        let Some(connector) =
            connectors::find(&tx, workspace, connector)?.filter(|known| known.pending > 0)
        else {
            return Ok(Vec::new());
        };
        let mut found: Vec<(GroupId, Vec<u64>)> = Vec::new();
        let mut statement = tx.prepare_cached(
            "SELECT g.id, p.at FROM groups g JOIN
                 (SELECT group_no, at FROM pending WHERE connector = ?1 AND value = ?2
                  UNION SELECT group_no, at FROM pending WHERE connector = ?1 AND fold IN (?3, ?4))
                 p ON p.group_no = g.no
             ORDER BY g.no, p.at",
        )?;
        let fold = user_name.map(scim::fold::user_name);
        let mut rows =
            statement.query(params![connector.no, external_id, member.to_string(), fold])?;
        while let Some(row) = rows.next()? {
            let (group, at) = (GroupId(uuid(row, 0)?), natural(row, 1)?);
            match found.last_mut() {
                Some((last, pending)) if *last == group => pending.push(at),
                _ => found.push((group, vec![at])),
            }
        }
        Ok(found)
    }

    /// The values that a group waits for, by the versions of the events that brought them.
    pub fn pending(
        self,
        workspace: &WorkspaceId,
        group: GroupId,
    ) -> Result<Vec<(u64, String)>, Failure> {
        let tx = self.reader()?;
        let Some((no, _)) = place(&tx, workspace, group)? else { return Ok(Vec::new()) };
        Ok(tx
            .prepare_cached("SELECT at, value FROM pending WHERE group_no = ?1 ORDER BY at")?
            .query_map([no], |row| Ok((natural(row, 0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?)
    }
}

/// The row number of a group and its connector's.
fn place(
    tx: &Connection,
    workspace: &WorkspaceId,
    group: GroupId,
) -> rusqlite::Result<Option<(i64, i64)>> {
    tx.prepare_cached("SELECT no, connector FROM groups WHERE workspace = ?1 AND id = ?2")?
        .query_row(params![workspace.as_str(), group.0.as_bytes()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
}

fn page(
    tx: &Connection,
    connector: i64,
    group: i64,
    after: Option<Uuid>,
    limit: i64,
) -> rusqlite::Result<Vec<MemberRow>> {
    let after = after.as_ref().map_or(&[][..], |after| &after.as_bytes()[..]);
    tx.prepare_cached(MEMBERS)?
        .query_map(params![group, connector, after, limit], member_row)?
        .collect()
}

/// The ids that a group's facts name, in order.
pub(super) fn ids(tx: &Connection, group: i64) -> rusqlite::Result<Vec<Uuid>> {
    tx.prepare_cached("SELECT member FROM members WHERE group_no = ?1 ORDER BY member")?
        .query_map([group], |row| uuid(row, 0))?
        .collect()
}

/// An entry or a group of a connector as a member.
fn described(tx: &Connection, connector: i64, id: Uuid) -> rusqlite::Result<Option<MemberRow>> {
    let row = |kind| move |row: &Row<'_>| Ok(MemberRow { value: id, display: row.get(0)?, kind });
    let user = tx
        .prepare_cached(
            "SELECT coalesce(display_name, user_name) FROM entries
             WHERE connector = ?1 AND id = ?2",
        )?
        .query_row(params![connector, id.as_bytes()], row(Kind::User))
        .optional()?;
    if user.is_some() {
        return Ok(user);
    }
    tx.prepare_cached("SELECT display_name FROM groups WHERE connector = ?1 AND id = ?2")?
        .query_row(params![connector, id.as_bytes()], row(Kind::Group))
        .optional()
}

/// All members of a group that exist.
pub(super) fn all(tx: &Connection, connector: i64, group: i64) -> rusqlite::Result<Vec<MemberRow>> {
    page(tx, connector, group, None, i64::MAX)
}

/// Those of some ids that are members of a group and exist.
pub(super) fn among(
    tx: &Connection,
    connector: i64,
    group: i64,
    ids: &[Uuid],
) -> rusqlite::Result<Vec<MemberRow>> {
    let mut found = Vec::new();
    for id in ids {
        // Behind the id before this one there is this one, or another.
        let before = id.as_u128().checked_sub(1).map(Uuid::from_u128);
        let first = page(tx, connector, group, before, 1)?;
        found.extend(first.into_iter().filter(|member| member.value == *id));
    }
    Ok(found)
}

/// Members as the document of a group has them.
pub(super) fn shown(members: &[MemberRow], base_url: &str) -> Value {
    members.iter().map(|member| member.document(base_url)).collect()
}

/// The entry or group of a connector that a value names.
fn named(
    tx: &Connection,
    workspace: &WorkspaceId,
    connector: i64,
    value: &str,
) -> rusqlite::Result<Option<Uuid>> {
    if let Ok(id) = value.parse::<Uuid>() {
        let known: bool = tx
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM entries WHERE connector = ?2 AND id = ?3)
                     OR EXISTS (SELECT 1 FROM groups
                                WHERE workspace = ?1 AND id = ?3 AND connector = ?2)",
            )?
            .query_row(params![workspace.as_str(), connector, id.as_bytes()], |row| row.get(0))?;
        if known {
            return Ok(Some(id));
        }
    }
    let by_external_id = tx
        .prepare_cached(
            "SELECT id FROM entries WHERE connector = ?1 AND external_id = ?2 ORDER BY no LIMIT 1",
        )?
        .query_row(params![connector, value], |row| uuid(row, 0))
        .optional()?;
    if by_external_id.is_some() {
        return Ok(by_external_id);
    }
    tx.prepare_cached(
        "SELECT id FROM entries WHERE connector = ?1 AND user_name_fold = ?2 ORDER BY no LIMIT 1",
    )?
    .query_row(params![connector, scim::fold::user_name(value)], |row| uuid(row, 0))
    .optional()
}
