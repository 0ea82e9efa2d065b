//! What the facts of users do to the directory's entries.
//!
//! What an entry becomes is the aggregate's rule, and only its: the row is read back as an entry, the
//! domain folds the fact in, and the result is written.

#![deny(clippy::wildcard_enum_match_arm)]

use domain::{
    Decider,
    ids::{ConnectorName, EntryId},
    user::{Entry, User, UserEvent},
};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{connectors, schema};
use crate::{
    Recorded,
    sql::{int, json, natural, to_json, uuid},
};

pub(super) fn apply(
    tx: &Transaction<'_>,
    event: &Recorded,
    fact: &UserEvent,
) -> rusqlite::Result<()> {
    match fact {
        UserEvent::EntryAdded { connector, .. } => {
            let mut user = User::default();
            user.evolve(fact, &event.stamp());
            match user.entries.remove(connector) {
                Some(entry) => add(tx, event, connector, &entry),
                None => Ok(()),
            }
        }
        UserEvent::EntryChanged { connector, .. }
        | UserEvent::EntryDeactivated { connector }
        | UserEvent::EntryReactivated { connector }
        | UserEvent::EntryRemoved { connector, .. } => change(tx, event, fact, connector),
        UserEvent::AccountGranted { .. }
        | UserEvent::AccountInvited { .. }
        | UserEvent::AccountAdopted { .. }
        | UserEvent::AccountSuspended {}
        | UserEvent::AccountRestored {}
        | UserEvent::AccountRemoved {}
        | UserEvent::RoleChanged { .. }
        | UserEvent::OffboardingStarted { .. }
        | UserEvent::OffboardingHeld { .. }
        | UserEvent::OffboardingPlanned { .. }
        | UserEvent::OffboardingCompleted { .. }
        | UserEvent::OffboardingCancelled { .. } => Ok(()),
    }
}

fn add(
    tx: &Transaction<'_>,
    event: &Recorded,
    connector: &ConnectorName,
    entry: &Entry,
) -> rusqlite::Result<()> {
    let connector = connectors::made(tx, &event.workspace, connector)?;
    let ordinal: i64 = tx
        .prepare_cached(
            "UPDATE connectors SET entries_made = entries_made + 1, entries = entries + 1
             WHERE no = ?1 RETURNING entries_made",
        )?
        .query_row([connector], |row| row.get(0))?;
    let no = schema::range(connector).0 | ordinal;
    count(tx, connector, no, 1)?;
    tx.prepare_cached(
        "INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute(params![
        no,
        connector,
        entry.id.0.as_bytes(),
        event.stream.as_bytes(),
        entry.user_name(),
        scim::fold::user_name(entry.user_name()),
        entry.resource.display_name(),
        entry.resource.external_id(),
        entry.active(),
        entry.created,
        entry.modified,
        int(entry.version),
        to_json(&entry.resource)?,
    ])?;
    Ok(())
}

fn change(
    tx: &Transaction<'_>,
    event: &Recorded,
    fact: &UserEvent,
    name: &ConnectorName,
) -> rusqlite::Result<()> {
    let Some(connector) = connectors::find(tx, &event.workspace, name)? else { return Ok(()) };
    let known = tx
        .prepare_cached(
            "SELECT no, id, resource, created, modified, version
             FROM entries WHERE connector = ?1 AND user = ?2",
        )?
        .query_row(params![connector.no, event.stream.as_bytes()], |row| {
            let entry = Entry {
                id: EntryId(uuid(row, 1)?),
                resource: json(row, 2)?,
                created: row.get(3)?,
                modified: row.get(4)?,
                version: natural(row, 5)?,
            };
            Ok((row.get::<_, i64>(0)?, entry))
        })
        .optional()?;
    let Some((no, entry)) = known else { return Ok(()) };
    let identity = identity(&entry);
    let mut user = User::default();
    user.entries.insert(name.clone(), entry);
    user.evolve(fact, &event.stamp());
    match user.entries.remove(name) {
        Some(entry) => {
            update(tx, no, &entry)?;
            if identity == self::identity(&entry) { Ok(()) } else { rename(tx, no, &entry) }
        }
        None => remove(tx, connector.no, no),
    }
}

/// What is indexed, and seldom changes.
fn identity(entry: &Entry) -> (String, Option<String>) {
    (entry.user_name().to_owned(), entry.resource.external_id().map(str::to_owned))
}

/// Writes what no index holds.
fn update(tx: &Transaction<'_>, no: i64, entry: &Entry) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE entries SET display_name = ?2, active = ?3, modified = ?4, version = ?5,
                            resource = ?6
         WHERE no = ?1",
    )?
    .execute(params![
        no,
        entry.resource.display_name(),
        entry.active(),
        entry.modified,
        int(entry.version),
        to_json(&entry.resource)?,
    ])?;
    Ok(())
}

fn rename(tx: &Transaction<'_>, no: i64, entry: &Entry) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE entries SET user_name = ?2, user_name_fold = ?3, external_id = ?4 WHERE no = ?1",
    )?
    .execute(params![
        no,
        entry.user_name(),
        scim::fold::user_name(entry.user_name()),
        entry.resource.external_id(),
    ])?;
    Ok(())
}

fn remove(tx: &Transaction<'_>, connector: i64, no: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM entries WHERE no = ?1")?.execute([no])?;
    tx.prepare_cached("UPDATE connectors SET entries = entries - 1 WHERE no = ?1")?
        .execute([connector])?;
    count(tx, connector, no, -1)
}

/// Keeps `blocks` right.
fn count(tx: &Transaction<'_>, connector: i64, no: i64, by: i64) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO blocks VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET entries = entries + excluded.entries",
    )?
    .execute([connector, schema::block(no), by])?;
    Ok(())
}
