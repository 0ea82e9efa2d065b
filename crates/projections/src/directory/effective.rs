//! Effective membership: the groups that somebody is in, directly or through groups within groups.

use std::collections::HashSet;

use domain::ids::{ConnectorName, GroupId, MemberId};
use event_log::WorkspaceId;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::Directory;
use crate::{
    Failure,
    sql::{uuid, word},
};

/// A group that somebody is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveGroup {
    /// The group.
    pub id: GroupId,
    /// The connector that made it.
    pub connector: ConnectorName,
    /// Its displayName.
    pub display: String,
    /// Whether it names them itself; otherwise another group in it does.
    pub direct: bool,
}

impl Directory<'_> {
    /// The groups that any of some members is in, each once, those that name them first. Groups that
    /// hold each other are no trouble: none is looked at twice.
    ///
    /// # Errors
    /// Like every query here, when the read model cannot be read.
    pub fn effective_groups(
        self,
        workspace: &WorkspaceId,
        members: &[MemberId],
    ) -> Result<Vec<EffectiveGroup>, Failure> {
        let tx = self.reader()?;
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        let (mut waiting, mut direct): (Vec<Uuid>, _) =
            (members.iter().map(|member| member.0).collect(), true);
        while !waiting.is_empty() {
            let mut next = Vec::new();
            for member in waiting {
                for group in holding(&tx, workspace, member, direct)? {
                    if seen.insert(group.id) {
                        next.push(group.id.0);
                        found.push(group);
                    }
                }
            }
            (waiting, direct) = (next, false);
        }
        Ok(found)
    }
}

/// The groups that name a member.
fn holding(
    tx: &Connection,
    workspace: &WorkspaceId,
    member: Uuid,
    direct: bool,
) -> rusqlite::Result<Vec<EffectiveGroup>> {
    tx.prepare_cached(
        "SELECT g.id, c.name, g.display_name
         FROM members m CROSS JOIN groups g CROSS JOIN connectors c
         WHERE m.member = ?1 AND g.no = m.group_no AND c.no = g.connector AND g.workspace = ?2
         ORDER BY m.group_no",
    )?
    .query_map(params![member.as_bytes(), workspace.as_str()], |row| {
        Ok(EffectiveGroup {
            id: GroupId(uuid(row, 0)?),
            connector: word(row, 1, ConnectorName::parse)?,
            display: row.get(2)?,
            direct,
        })
    })?
    .collect()
}
