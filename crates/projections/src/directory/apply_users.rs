//! What the facts of users do to the directory's entries.
//!
//! What an entry becomes is the aggregate's rule, and only its: the row is read back as an entry, the
//! domain folds the fact in, and the result is written.

#![deny(clippy::wildcard_enum_match_arm)]

use std::{collections::BTreeSet, sync::LazyLock};

use domain::{
    Decider,
    ids::{ConnectorName, EntryId},
    user::{Entry, User, UserEvent},
};
use event_log::WorkspaceId;
use rusqlite::{OptionalExtension, Transaction, params};
use scim::{fold, path::AttributePath, schema::Kind, urn};
use serde_json::Value;

use super::{
    blocks::{self, Change},
    connectors,
    schema::{self, MISSING},
};
use crate::{
    Erased, Recorded,
    sql::{int, json, natural, to_json, uuid},
};

static MANAGER: LazyLock<AttributePath> = LazyLock::new(|| {
    AttributePath::new("manager").with_sub("value").in_schema(urn::ENTERPRISE_USER)
});

/// The name of the event that gives an entry its place.
pub(super) const ADDED: &str = "user.entry_added";

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
        // A log that was restored may not know any more who had brought them.
        UserEvent::Erased { .. } => connectors::all(tx, &event.workspace)?
            .iter()
            .try_for_each(|connector| change(tx, event, fact, connector)),
        UserEvent::MetadataChanged { .. }
        | UserEvent::AccountGranted { .. }
        | UserEvent::AccountInvited { .. }
        | UserEvent::AccountAdopted { .. }
        | UserEvent::AccountSuspended {}
        | UserEvent::AccountRestored {}
        | UserEvent::AccountRemoved {}
        | UserEvent::RoleChanged { .. }
        | UserEvent::OffboardingStarted { .. }
        | UserEvent::OffboardingHeld { .. }
        | UserEvent::OffboardingApproved { .. }
        | UserEvent::OffboardingPlanned { .. }
        | UserEvent::OffboardingCompleted { .. }
        | UserEvent::OffboardingCancelled { .. } => Ok(()),
    }
}

/// Somebody who is erased was brought. Their place stays empty, so that those who came after them have
/// the ones that they had: lists and cursors depend on these. Entries are brought by requests of their
/// connector alone, which therefore is the actor.
pub(super) fn was_added(tx: &Transaction<'_>, event: &Erased) -> rusqlite::Result<()> {
    let Some(connector) = event.connector() else { return Ok(()) };
    let (connector, no) = place(tx, &event.workspace, &connector, 0)?;
    blocks::count(tx, connector, Kind::User, no, Change::default())
}

/// The connector's number, and the next row number of its entries, `more` of which there are now.
fn place(
    tx: &Transaction<'_>,
    workspace: &WorkspaceId,
    connector: &ConnectorName,
    more: i64,
) -> rusqlite::Result<(i64, i64)> {
    let connector = connectors::made(tx, workspace, connector)?;
    let ordinal: i64 = tx
        .prepare_cached(
            "UPDATE connectors SET entries_made = entries_made + 1, entries = entries + ?2
             WHERE no = ?1 RETURNING entries_made",
        )?
        .query_row([connector, more], |row| row.get(0))?;
    Ok((connector, schema::range(connector).0 | ordinal))
}

fn add(
    tx: &Transaction<'_>,
    event: &Recorded,
    connector: &ConnectorName,
    entry: &Entry,
) -> rusqlite::Result<()> {
    let (connector, no) = place(tx, &event.workspace, connector, 1)?;
    let indexed = Indexed::of(entry);
    blocks::count(tx, connector, Kind::User, no, Change::added(indexed.active))?;
    tx.prepare_cached(
        "INSERT INTO entries
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?
    .execute(params![
        no,
        connector,
        entry.id.0.as_bytes(),
        event.stream.as_bytes(),
        entry.user_name(),
        fold::user_name(entry.user_name()),
        entry.resource.display_name(),
        indexed.display_fold,
        indexed.external_id,
        indexed.manager,
        indexed.active,
        entry.created,
        entry.modified,
        int(entry.version),
        to_json(&entry.resource)?,
    ])?;
    emails_added(tx, connector, no, indexed.emails.iter())
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
    let before = Indexed::of(&entry);
    let mut user = User::default();
    user.entries.insert(name.clone(), entry);
    user.evolve(fact, &event.stamp());
    match user.entries.remove(name) {
        Some(entry) => {
            update(tx, no, &entry)?;
            index(tx, connector.no, no, &before, &Indexed::of(&entry))
        }
        None => remove(tx, connector.no, no, &before),
    }
}

/// What is indexed of an entry, and seldom changes.
#[derive(PartialEq, Eq)]
struct Indexed {
    user_name: String,
    display_fold: String,
    external_id: Option<String>,
    manager: Option<String>,
    active: Option<bool>,
    emails: BTreeSet<String>,
}

impl Indexed {
    fn of(entry: &Entry) -> Self {
        let resource = &entry.resource;
        let manager = resource.get(&MANAGER).and_then(Value::as_str);
        let emails = resource.attributes().get("emails").and_then(Value::as_array);
        let address = |email: &Value| email.get("value").and_then(Value::as_str).map(fold::text);
        Self {
            user_name: entry.user_name().to_owned(),
            display_fold: resource.display_name().map_or_else(|| MISSING.to_owned(), fold::text),
            external_id: resource.external_id().map(str::to_owned),
            manager: manager.map(fold::text),
            active: resource.active(),
            emails: emails.into_iter().flatten().filter_map(address).collect(),
        }
    }
}

/// Writes what no index holds, and the time.
fn update(tx: &Transaction<'_>, no: i64, entry: &Entry) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE entries SET display_name = ?2, active = ?3, modified = ?4, version = ?5,
                            resource = ?6
         WHERE no = ?1",
    )?
    .execute(params![
        no,
        entry.resource.display_name(),
        entry.resource.active(),
        entry.modified,
        int(entry.version),
        to_json(&entry.resource)?,
    ])?;
    Ok(())
}

/// Brings the indices up to date where anything of them has changed.
fn index(
    tx: &Transaction<'_>,
    connector: i64,
    no: i64,
    before: &Indexed,
    after: &Indexed,
) -> rusqlite::Result<()> {
    if before == after {
        return Ok(());
    }
    blocks::count(tx, connector, Kind::User, no, Change::of(before.active, after.active))?;
    tx.prepare_cached(
        "UPDATE entries SET user_name = ?2, user_name_fold = ?3, display_fold = ?4,
                            external_id = ?5, manager = ?6
         WHERE no = ?1",
    )?
    .execute(params![
        no,
        after.user_name,
        fold::user_name(&after.user_name),
        after.display_fold,
        after.external_id,
        after.manager,
    ])?;
    emails_removed(tx, connector, no, before.emails.difference(&after.emails))?;
    emails_added(tx, connector, no, after.emails.difference(&before.emails))
}

fn remove(tx: &Transaction<'_>, connector: i64, no: i64, known: &Indexed) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM entries WHERE no = ?1")?.execute([no])?;
    tx.prepare_cached("UPDATE connectors SET entries = entries - 1 WHERE no = ?1")?
        .execute([connector])?;
    emails_removed(tx, connector, no, known.emails.iter())?;
    blocks::count(tx, connector, Kind::User, no, Change::removed(known.active))
}

fn emails_added<'e>(
    tx: &Transaction<'_>,
    connector: i64,
    no: i64,
    folds: impl Iterator<Item = &'e String>,
) -> rusqlite::Result<()> {
    for fold in folds {
        tx.prepare_cached("INSERT INTO emails VALUES (?1, ?2, ?3)")?
            .execute(params![connector, fold, no])?;
    }
    Ok(())
}

fn emails_removed<'e>(
    tx: &Transaction<'_>,
    connector: i64,
    no: i64,
    folds: impl Iterator<Item = &'e String>,
) -> rusqlite::Result<()> {
    for fold in folds {
        tx.prepare_cached("DELETE FROM emails WHERE connector = ?1 AND fold = ?2 AND no = ?3")?
            .execute(params![connector, fold, no])?;
    }
    Ok(())
}
