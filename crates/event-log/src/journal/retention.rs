//! How long the provisioning log is kept, and forgetting before that.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};
use uuid::Uuid;

use super::blocks::Of;
use super::bodies::{BODIES_DAYS, BodyKeys, DAY_MICROS};
use super::entry::Entry;
use super::names::may_have;
use crate::keyfile::purge;
use crate::rows::limit_of;
use crate::{Failure, Micros, WorkspaceId};

/// How long the provisioning log is kept where a workspace says nothing, in days.
pub const KEPT_DAYS: u32 = 90;
/// How many rows one step of the deletion takes away.
pub(super) const STEP: usize = 5_000;
/// As how many rows a block counts: as it has pages, and some that lie elsewhere.
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
pub(super) fn sweep(
    conn: &mut Connection,
    keys: &mut BodyKeys,
    now: Micros,
) -> Result<bool, Failure> {
    let failed = Failure::storage("deleting what the provisioning log has kept long enough");
    let before = |days: u32| now.saturating_sub(Micros::from(days) * DAY_MICROS);
    let places = places(conn).map_err(&failed)?;
    for (place, workspace, days) in &places {
        let bodies = before(*days.min(&BODIES_DAYS));
        if let Ok(workspace) = WorkspaceId::parse(workspace) {
            keys.destroy_before(conn, &workspace, (*place, bodies, STEP))?;
        }
    }
    let step = || -> rusqlite::Result<bool> {
        let tx = conn.transaction()?;
        let mut left = STEP;
        for (place, _, days) in places {
            let (requests, bodies) = (before(days), before(days.min(BODIES_DAYS)));
            // The first column of a key is `place`, and what it begins with comes before its end.
            for (table, order, column, before, weight) in [
                ("bodies", "time", "time", bodies, 1),
                ("cycles", "begun", "ended", requests, 1),
                ("reads", "first", "last", requests, BLOCK_WEIGHT),
                ("changes", "first", "last", requests, BLOCK_WEIGHT),
            ] {
                let sql = format!(
                    "DELETE FROM {table} WHERE place = ?1 AND {order} IN (
                         SELECT {order} FROM {table} WHERE place = ?1 AND {column} < ?2
                             AND {order} < ?2 ORDER BY {order} LIMIT ?3)"
                );
                let mut delete = tx.prepare_cached(&sql)?;
                let deleted = delete.execute(params![place, before, limit_of(left / weight)])?;
                left -= (deleted * weight).min(left);
            }
        }
        tx.commit()?;
        Ok(left < BLOCK_WEIGHT)
    };
    step().map_err(failed)
}

/// Forgets names: those of the subjects, in whatever entry they stand, and brings the files to where
/// nothing of them is left.
pub(super) fn forget_names(
    conn: &mut Connection,
    workspace: &WorkspaceId,
    subjects: &[Uuid],
) -> rusqlite::Result<()> {
    let tx = conn.transaction()?;
    let all: Vec<_> = of_workspace(&tx, workspace)?.into_iter().map(Of::changes).collect();
    let mut names = BTreeSet::new();
    for of in &all {
        let is_theirs = |known: &[u8]| subjects.iter().any(|it| may_have(known, it.as_bytes()));
        for first in of.blocks(&tx, Micros::MIN, is_theirs)? {
            let entries = of.entries(&tx, first)?.into_iter();
            let theirs = entries.filter(|it| it.subject.is_some_and(|it| subjects.contains(&it)));
            names.extend(theirs.filter_map(|it| it.name));
        }
    }
    for of in &all {
        let is_theirs = |known: &[u8]| names.iter().any(|name| may_have(known, name));
        for first in of.blocks(&tx, Micros::MIN, is_theirs)? {
            let mut entries = of.entries(&tx, first)?;
            for entry in &mut entries {
                entry.name = entry.name.filter(|name| !names.contains(name));
            }
            of.replace(&tx, first, &entries)?;
        }
    }
    tx.commit()?;
    purge(conn)
}

/// Takes out what happened in a workspace after a time, save for requests that only looked.
pub(crate) fn cut(
    conn: &mut Connection,
    workspace: &WorkspaceId,
    time: Micros,
) -> rusqlite::Result<()> {
    let tx = conn.transaction()?;
    for place in of_workspace(&tx, workspace)? {
        for (table, column) in [("bodies", "time"), ("cycles", "ended")] {
            let sql = format!("DELETE FROM {table} WHERE place = ?1 AND {column} > ?2");
            tx.execute(&sql, params![place, time])?;
        }
        let of = Of::changes(place);
        for first in of.blocks(&tx, time.saturating_add(1), |_| true)? {
            let mut entries = of.entries(&tx, first)?;
            entries.retain(|entry| entry.time <= time);
            of.replace(&tx, first, &entries)?;
        }
    }
    tx.commit()
}

/// Takes out what tells of events after a position, of which the first was recorded at a time or later.
pub(crate) fn cut_beyond(
    conn: &mut Connection,
    workspace: &WorkspaceId,
    (time, position): (Micros, u64),
) -> rusqlite::Result<()> {
    let tx = conn.transaction()?;
    for place in of_workspace(&tx, workspace)? {
        let of = Of::changes(place);
        for first in of.blocks(&tx, time, |_| true)? {
            let entries = of.entries(&tx, first)?;
            let is_there = |it: &Entry| it.positions.is_none_or(|(_, last)| last <= position);
            let (kept, gone): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_there);
            for entry in &gone {
                let sql = "DELETE FROM bodies WHERE place = ?1 AND time = ?2";
                tx.prepare_cached(sql)?.execute(params![place, entry.time])?;
            }
            if !gone.is_empty() {
                of.replace(&tx, first, &kept)?;
            }
        }
    }
    tx.commit()
}

/// The numbers of a workspace's connectors.
fn of_workspace(conn: &Connection, workspace: &WorkspaceId) -> rusqlite::Result<Vec<i64>> {
    conn.prepare_cached("SELECT no FROM places WHERE workspace = ?1")?
        .query_map([workspace.as_str()], |row| row.get(0))?
        .collect()
}
