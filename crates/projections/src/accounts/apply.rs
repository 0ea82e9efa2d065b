//! What the facts of users do to the accounts of one portal.

#![deny(clippy::wildcard_enum_match_arm)]

use std::borrow::Cow;

use domain::{
    Decider, Micros,
    ids::EntryId,
    portal::Portal,
    user::{User, UserEvent},
};
use rusqlite::{OptionalExtension, Transaction, params};
use scim::resource::{Changes, Resource};
use serde_json::{Map, Value};

use crate::{
    Recorded,
    sql::{json, to_json, unreadable},
};

/// The attributes that rules of accounts look at: how the person signs in, where they are written
/// to, and whether they are active.
const FOLLOWED: [&str; 3] = ["userName", "emails", "active"];

/// Applies a fact of a user of any portal; those of others change nothing.
pub(crate) fn apply(
    tx: &Transaction<'_>,
    portal: Portal,
    event: &Recorded,
    fact: &UserEvent,
) -> rusqlite::Result<()> {
    let begins = match fact {
        UserEvent::Erased { .. } => return forget(tx, event),
        UserEvent::EntryAdded { portal: of, .. } | UserEvent::AccountInvited { portal: of, .. } => {
            if *of != portal {
                return Ok(());
            }
            true
        }
        UserEvent::EntryChanged { .. }
        | UserEvent::EntryDeactivated { .. }
        | UserEvent::EntryReactivated { .. }
        | UserEvent::EntryRemoved { .. }
        | UserEvent::MetadataChanged { .. }
        | UserEvent::AccountGranted { .. }
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
        | UserEvent::OffboardingCancelled { .. } => false,
    };
    let known = find(tx, event)?;
    if known.is_none() && !begins {
        return Ok(()); // Of another portal.
    }
    let (row, mut user) = match known {
        Some((row, user)) => (Some(row), user),
        None => (None, User::default()),
    };
    let followed = without_the_rest(fact)?;
    user.evolve(&followed, &event.stamp());
    write(tx, event, row, &user)?;
    if let UserEvent::EntryAdded { entry, .. } = fact {
        add_entry(tx, event, *entry)?;
    }
    if let UserEvent::EntryRemoved { entry, .. } = fact {
        remove_entry(tx, event, *entry)?;
    }
    Ok(())
}

/// Nobody shows somebody who was erased; what follows for them changes nothing here.
fn forget(tx: &Transaction<'_>, event: &Recorded) -> rusqlite::Result<()> {
    let Some((row, user)) = find(tx, event)? else { return Ok(()) };
    tx.prepare_cached("DELETE FROM accounts WHERE no = ?1")?.execute([row.no])?;
    user.entries.values().try_for_each(|entry| remove_entry(tx, event, entry.id))
}

/// A row that is there, with what its indices hold.
struct Row {
    no: i64,
    keys: Keys,
}

#[derive(PartialEq, Eq)]
struct Keys {
    standing: bool,
    account: String,
    user_name_fold: String,
    email_fold: String,
}

impl Keys {
    fn of(user: &User) -> Self {
        let account = &user.account;
        Self {
            standing: account.stands(),
            account: account.state.as_str().to_owned(),
            user_name_fold: scim::fold::user_name(&account.user_name),
            email_fold: account.email.as_deref().map(scim::fold::text).unwrap_or_default(),
        }
    }
}

fn find(tx: &Transaction<'_>, event: &Recorded) -> rusqlite::Result<Option<(Row, User)>> {
    tx.prepare_cached(
        "SELECT no, standing, account, user_name_fold, email_fold, state
         FROM accounts WHERE workspace = ?1 AND user = ?2",
    )?
    .query_row(params![event.workspace.as_str(), event.stream.as_bytes()], |row| {
        let keys = Keys {
            standing: row.get(1)?,
            account: row.get(2)?,
            user_name_fold: row.get(3)?,
            email_fold: row.get(4)?,
        };
        Ok((Row { no: row.get(0)?, keys }, json(row, 5)?))
    })
    .optional()
}

fn write(
    tx: &Transaction<'_>,
    event: &Recorded,
    row: Option<Row>,
    user: &User,
) -> rusqlite::Result<()> {
    let (keys, state) = (Keys::of(user), to_json(user)?);
    let Some(row) = row else { return insert(tx, event, &keys, &state, event.at) };
    tx.prepare_cached("UPDATE accounts SET state = ?2 WHERE no = ?1")?
        .execute(params![row.no, state])?;
    if row.keys != keys {
        let Keys { standing, account, user_name_fold, email_fold } = keys;
        tx.prepare_cached(
            "UPDATE accounts SET standing = ?2, account = ?3, user_name_fold = ?4, email_fold = ?5
             WHERE no = ?1",
        )?
        .execute(params![row.no, standing, account, user_name_fold, email_fold])?;
    }
    Ok(())
}

fn insert(
    tx: &Transaction<'_>,
    event: &Recorded,
    keys: &Keys,
    state: &str,
    created: Micros,
) -> rusqlite::Result<()> {
    let Keys { standing, account, user_name_fold, email_fold } = keys;
    tx.prepare_cached(
        "INSERT INTO accounts (workspace, user, standing, account, user_name_fold, email_fold,
                               created, state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        event.workspace.as_str(),
        event.stream.as_bytes(),
        standing,
        account,
        user_name_fold,
        email_fold,
        created,
        state,
    ])?;
    Ok(())
}

fn add_entry(tx: &Transaction<'_>, event: &Recorded, entry: EntryId) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT INTO account_entries VALUES (?1, ?2, ?3)")?.execute(params![
        event.workspace.as_str(),
        entry.0.as_bytes(),
        event.stream.as_bytes(),
    ])?;
    Ok(())
}

fn remove_entry(tx: &Transaction<'_>, event: &Recorded, entry: EntryId) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM account_entries WHERE workspace = ?1 AND id = ?2")?
        .execute(params![event.workspace.as_str(), entry.0.as_bytes()])?;
    Ok(())
}

/// The fact, without the attributes that no rule of accounts looks at.
fn without_the_rest(fact: &UserEvent) -> rusqlite::Result<Cow<'_, UserEvent>> {
    if let UserEvent::EntryAdded { portal, connector, entry, resource } = fact {
        return Ok(Cow::Owned(UserEvent::EntryAdded {
            portal: *portal,
            connector: connector.clone(),
            entry: *entry,
            resource: followed(resource.attributes())?,
        }));
    }
    if let UserEvent::EntryChanged { connector, changes } = fact {
        let set = followed(&changes.set)?.attributes().clone();
        let unset = changes.unset.iter().filter(|name| FOLLOWED.contains(&&***name));
        let changes = Changes { set, unset: unset.cloned().collect() };
        return Ok(Cow::Owned(UserEvent::EntryChanged { connector: connector.clone(), changes }));
    }
    Ok(Cow::Borrowed(fact))
}

fn followed(attributes: &Map<String, Value>) -> rusqlite::Result<Resource> {
    let kept = FOLLOWED.into_iter().filter_map(|name| attributes.get_key_value(name));
    let kept: Map<_, _> = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    serde_json::from_value(Value::Object(kept)).map_err(|error| unreadable(error.into()))
}
