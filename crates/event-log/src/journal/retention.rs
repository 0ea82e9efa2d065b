//! How long the provisioning log is kept, and forgetting before that.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};

use super::bodies::{BODIES_DAYS, BodyKeys, DAY_MICROS};
use crate::rows::limit_of;
use crate::{Failure, Micros, WorkspaceId};

/// How long the provisioning log is kept where a workspace says nothing, in days.
pub const KEPT_DAYS: u32 = 90;
/// How many rows one step of the deletion takes away.
pub(super) const STEP: usize = 5_000;
/// As how many rows one of reads counts: as it has pages, and those of the indexes of the others.
const BLOCK_WEIGHT: usize = 8;

/// How long the log of a workspace is kept from now on.
pub(super) fn keep(conn: &Connection, workspace: &WorkspaceId, days: u32) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT INTO kept VALUES (?1, ?2) ON CONFLICT DO UPDATE SET days = excluded.days",
        params![workspace.as_str(), days],
    )
    .map(drop)
}

/// The connectors of all workspaces, with the days that their log is kept.
fn places(conn: &Connection) -> rusqlite::Result<Vec<(i64, String, u32)>> {
    conn.prepare_cached(
        "SELECT p.no, p.workspace, coalesce(k.days, ?1)
         FROM places p LEFT JOIN kept k ON k.workspace = p.workspace",
    )?
    .query_map([KEPT_DAYS], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
    .collect()
}

/// One step of the deletion of what is too old. Tells whether there may be more.
pub(super) fn sweep(conn: &mut Connection, keys: &BodyKeys, now: Micros) -> Result<bool, Failure> {
    let doing = "deleting what the provisioning log has kept long enough";
    let mut unused: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    let mut step = || -> rusqlite::Result<bool> {
        let tx = conn.transaction()?;
        let mut left = STEP;
        for (place, workspace, days) in places(&tx)? {
            let before = |days: u32| now.saturating_sub(Micros::from(days) * DAY_MICROS);
            let (requests, bodies) = (before(days), before(days.min(BODIES_DAYS)));
            // The first column of a key is `place`, and what it begins with comes before its end.
            for (table, order, column, before, weight) in [
                ("bodies", "time", "time", bodies, 1),
                ("cycles", "begun", "ended", requests, 1),
                ("reads", "first", "last", requests, BLOCK_WEIGHT),
                ("requests", "time", "time", requests, 1),
            ] {
                let returned = if table == "bodies" { "key" } else { "0" };
                let sql = format!(
                    "DELETE FROM {table} WHERE place = ?1 AND {order} IN (
                         SELECT {order} FROM {table} WHERE place = ?1 AND {column} < ?2
                             AND {order} < ?2 ORDER BY {order} LIMIT ?3) RETURNING {returned}"
                );
                let mut delete = tx.prepare_cached(&sql)?;
                let deleted = delete
                    .query_map(params![place, before, limit_of(left / weight)], |row| {
                        row.get::<_, i64>(0)
                    })?
                    .collect::<rusqlite::Result<Vec<_>>>()?;
                left -= (deleted.len() * weight).min(left);
                if table == "bodies" && !deleted.is_empty() {
                    let numbers = deleted.into_iter().map(i64::cast_unsigned);
                    unused.entry(workspace.clone()).or_default().extend(numbers);
                }
            }
        }
        tx.commit()?;
        Ok(left < BLOCK_WEIGHT)
    };
    let more = step().map_err(Failure::storage(doing))?;
    for (workspace, numbers) in unused {
        if let Ok(workspace) = WorkspaceId::parse(&workspace) {
            keys.destroy_unused(conn, &workspace, numbers)?;
        }
    }
    Ok(more)
}

/// Forgets names: those of the subjects, in whatever entry they stand, and brings the files to where
/// nothing of them is left.
pub(super) fn forget_names(
    conn: &mut Connection,
    workspace: &WorkspaceId,
    subjects: &[uuid::Uuid],
) -> rusqlite::Result<()> {
    let tx = conn.transaction()?;
    {
        let mut own = tx.prepare("SELECT no FROM places WHERE workspace = ?1")?;
        let places = own
            .query_map([workspace.as_str()], |row| row.get(0))?
            .collect::<rusqlite::Result<Vec<i64>>>()?;
        let mut names = BTreeSet::new();
        for subject in subjects {
            for place in &places {
                let mut find = tx.prepare_cached(
                    "SELECT DISTINCT name FROM requests
                     WHERE place = ?1 AND subject = ?2 AND name IS NOT NULL",
                )?;
                let found = find.query_map(params![place, subject.as_bytes()], |row| row.get(0))?;
                for name in found {
                    names.insert(name?);
                }
            }
        }
        for name in names {
            let name: Vec<u8> = name;
            for place in &places {
                tx.prepare_cached(
                    "UPDATE requests SET name = NULL WHERE place = ?1 AND name = ?2",
                )?
                .execute(params![place, name])?;
            }
        }
    }
    tx.commit()?;
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}
