//! What the facts of groups do to the directory.
//!
//! A fact about members touches those members and one row of the group, whatever its size. The
//! `members` table holds exactly what the aggregate's set holds, members that are gone included,
//! until a fact takes them out: queries hide them.

#![deny(clippy::wildcard_enum_match_arm)]

use domain::{
    Decider,
    group::{Group, GroupEvent, Living, PendingMembers},
    ids::{ConnectorName, MemberId},
    portal::Portal,
};
use rusqlite::{OptionalExtension, Transaction, params};
use scim::{resource::Changes, schema::Kind};

use super::{
    blocks::{self, Change},
    connectors, schema,
};
use crate::{
    Recorded,
    sql::{int, json, to_json, word},
};

pub(super) fn apply(
    tx: &Transaction<'_>,
    event: &Recorded,
    fact: &GroupEvent,
) -> rusqlite::Result<()> {
    if let GroupEvent::Created { .. } = fact {
        return create(tx, event, fact);
    }
    let known = tx
        .prepare_cached("SELECT no, connector FROM groups WHERE workspace = ?1 AND id = ?2")?
        .query_row(params![event.workspace.as_str(), event.stream.as_bytes()], |row| {
            Ok(Place { no: row.get(0)?, connector: row.get(1)? })
        })
        .optional()?;
    let Some(place) = known else { return Ok(()) };
    let more = match fact {
        GroupEvent::Created { .. } => 0,
        GroupEvent::Deleted {} => return delete(tx, &place),
        GroupEvent::Changed { changes } => {
            change(tx, event, &place, changes)?;
            0
        }
        GroupEvent::MembersAdded { members } => add(tx, &place, members)?,
        GroupEvent::MembersRemoved { members } => remove(tx, &place, members)?,
        GroupEvent::MemberPending { value } => {
            await_member(tx, event, &place, value)?;
            0
        }
        GroupEvent::PendingResolved { pending, member } => {
            forget_pending(tx, &place, *pending)?;
            add(tx, &place, std::slice::from_ref(member))?
        }
        GroupEvent::PendingDropped { pending } => {
            forget_pending(tx, &place, *pending)?;
            0
        }
    };
    tx.prepare_cached(
        "UPDATE groups SET members = members + ?2, modified = ?3, version = ?4 WHERE no = ?1",
    )?
    .execute(params![place.no, more, event.at, int(event.version)])?;
    Ok(())
}

/// Where a group's row is.
struct Place {
    no: i64,
    connector: i64,
}

fn create(tx: &Transaction<'_>, event: &Recorded, fact: &GroupEvent) -> rusqlite::Result<()> {
    let mut group = Group::default();
    group.evolve(fact, &event.stamp());
    let Some(living) = group.0 else { return Ok(()) };
    let connector = connectors::made(tx, &event.workspace, &living.connector)?;
    let ordinal: i64 = tx
        .prepare_cached(
            "UPDATE connectors SET groups_made = groups_made + 1, groups = groups + 1
             WHERE no = ?1 RETURNING groups_made",
        )?
        .query_row([connector], |row| row.get(0))?;
    let no = schema::range(connector).0 | ordinal;
    blocks::count(tx, connector, Kind::Group, no, Change::added(None))?;
    let display = living.resource.display_name().unwrap_or_default();
    tx.prepare_cached(
        "INSERT INTO groups VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        no,
        connector,
        event.workspace.as_str(),
        living.portal.as_str(),
        event.stream.as_bytes(),
        display,
        scim::fold::text(display),
        living.resource.external_id(),
        living.created,
        living.modified,
        int(event.version),
        to_json(&living.resource)?,
    ])?;
    Ok(())
}

/// Attributes change by the aggregate's rule, on a group of which only they are known.
fn change(
    tx: &Transaction<'_>,
    event: &Recorded,
    place: &Place,
    changes: &Changes,
) -> rusqlite::Result<()> {
    let living = tx
        .prepare_cached(
            "SELECT g.portal, c.name, g.resource, g.created, g.modified
             FROM groups g JOIN connectors c ON c.no = g.connector WHERE g.no = ?1",
        )?
        .query_row([place.no], |row| {
            Ok(Living {
                portal: word(row, 0, str::parse::<Portal>)?,
                connector: word(row, 1, ConnectorName::parse)?,
                resource: json(row, 2)?,
                members: imbl::OrdSet::new(),
                pending: PendingMembers::default(),
                created: row.get(3)?,
                modified: row.get(4)?,
                version: event.version,
            })
        })?;
    let mut group = Group(Some(living));
    group.evolve(&GroupEvent::Changed { changes: changes.clone() }, &event.stamp());
    let Some(Living { resource, .. }) = group.0 else { return Ok(()) };
    let display = resource.display_name().unwrap_or_default();
    tx.prepare_cached(
        "UPDATE groups SET display_name = ?2, display_fold = ?3, external_id = ?4, resource = ?5
         WHERE no = ?1",
    )?
    .execute(params![
        place.no,
        display,
        scim::fold::text(display),
        resource.external_id(),
        to_json(&resource)?,
    ])?;
    Ok(())
}

/// Returns how many are new.
fn add(tx: &Transaction<'_>, place: &Place, members: &[MemberId]) -> rusqlite::Result<i64> {
    let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO members VALUES (?1, ?2)")?;
    let mut added = 0;
    for member in members {
        added += crate::sql::length(insert.execute(params![place.no, member.0.as_bytes()])?);
    }
    Ok(added)
}

/// Returns how many were there, as a negative number.
fn remove(tx: &Transaction<'_>, place: &Place, members: &[MemberId]) -> rusqlite::Result<i64> {
    let mut delete =
        tx.prepare_cached("DELETE FROM members WHERE group_no = ?1 AND member = ?2")?;
    let mut removed = 0;
    for member in members {
        removed -= crate::sql::length(delete.execute(params![place.no, member.0.as_bytes()])?);
    }
    Ok(removed)
}

fn await_member(
    tx: &Transaction<'_>,
    event: &Recorded,
    place: &Place,
    value: &str,
) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT INTO pending VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
        place.no,
        int(event.version),
        place.connector,
        value,
        scim::fold::user_name(value),
    ])?;
    count_pending(tx, place, 1)
}

fn forget_pending(tx: &Transaction<'_>, place: &Place, pending: u64) -> rusqlite::Result<()> {
    let gone = tx
        .prepare_cached("DELETE FROM pending WHERE group_no = ?1 AND at = ?2")?
        .execute(params![place.no, int(pending)])?;
    if gone == 0 { Ok(()) } else { count_pending(tx, place, -1) }
}

fn count_pending(tx: &Transaction<'_>, place: &Place, by: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE connectors SET pending = pending + ?2 WHERE no = ?1")?
        .execute([place.connector, by])?;
    Ok(())
}

fn delete(tx: &Transaction<'_>, place: &Place) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM members WHERE group_no = ?1")?.execute([place.no])?;
    let pending =
        tx.prepare_cached("DELETE FROM pending WHERE group_no = ?1")?.execute([place.no])?;
    tx.prepare_cached("DELETE FROM groups WHERE no = ?1")?.execute([place.no])?;
    tx.prepare_cached(
        "UPDATE connectors SET groups = groups - 1, pending = pending - ?2 WHERE no = ?1",
    )?
    .execute(params![place.connector, crate::sql::length(pending)])?;
    blocks::count(tx, place.connector, Kind::Group, place.no, Change::removed(None))
}
