//! What facts of groups and devices say about whom.

use domain::{
    device::DeviceEvent,
    group::GroupEvent,
    ids::{ActionId, MemberId, UserId},
};
use event_log::WorkspaceId;
use rusqlite::{OptionalExtension, Transaction, params};
use uuid::Uuid;

use crate::{
    Erased, Recorded,
    sql::{int, uuid},
};

pub(super) fn group(
    tx: &Transaction<'_>,
    event: &Recorded,
    fact: &GroupEvent,
) -> rusqlite::Result<()> {
    match fact {
        GroupEvent::MembersAdded { members } => membership(tx, event, members, true),
        GroupEvent::MembersRemoved { members } => membership(tx, event, members, false),
        GroupEvent::PendingResolved { member, .. } => membership(tx, event, &[*member], true),
        GroupEvent::Deleted {} => {
            tx.prepare_cached("INSERT OR REPLACE INTO deleted VALUES (?1, ?2, ?3)")?.execute(
                params![event.workspace.as_str(), event.stream.as_bytes(), int(event.position)],
            )?;
            Ok(())
        }
        GroupEvent::Created { .. }
        | GroupEvent::Changed { .. }
        | GroupEvent::MemberPending { .. }
        | GroupEvent::PendingDropped { .. } => Ok(()),
    }
}

fn membership(
    tx: &Transaction<'_>,
    event: &Recorded,
    members: &[MemberId],
    came: bool,
) -> rusqlite::Result<()> {
    let mut insert =
        tx.prepare_cached("INSERT OR IGNORE INTO mentions VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for member in members {
        insert.execute(params![
            event.workspace.as_str(),
            member.0.as_bytes(),
            int(event.position),
            event.stream.as_bytes(),
            came,
        ])?;
    }
    Ok(())
}

pub(super) fn device(
    tx: &Transaction<'_>,
    event: &Recorded,
    fact: &DeviceEvent,
) -> rusqlite::Result<()> {
    match fact {
        DeviceEvent::Enrolled { user: None, .. } => Ok(()),
        DeviceEvent::Enrolled { user: Some(user), .. } | DeviceEvent::Assigned { user } => {
            mention_holder(tx, event)?;
            mention(tx, event, user.0)?;
            give(tx, event, *user)
        }
        DeviceEvent::Unassigned {} | DeviceEvent::Removed {} => {
            mention_holder(tx, event)?;
            tx.prepare_cached("DELETE FROM holders WHERE workspace = ?1 AND device = ?2")?
                .execute(params![event.workspace.as_str(), event.stream.as_bytes()])?;
            Ok(())
        }
        DeviceEvent::PolicyChanged { .. }
        | DeviceEvent::Named { .. }
        | DeviceEvent::ExternalIdChanged { .. } => mention_holder(tx, event),
        DeviceEvent::ActionRequested { action, user, .. } => {
            tx.prepare_cached("INSERT OR REPLACE INTO actions VALUES (?1, ?2, ?3)")?.execute(
                params![event.workspace.as_str(), action.0.as_bytes(), user.0.as_bytes()],
            )?;
            mention(tx, event, user.0)
        }
        DeviceEvent::ActionSent { action, .. }
        | DeviceEvent::ActionAcknowledged { action }
        | DeviceEvent::ActionConfirmed { action }
        | DeviceEvent::ActionFailed { action, .. }
        | DeviceEvent::ActionParked { action, .. }
        | DeviceEvent::ActionCancelled { action, .. }
        | DeviceEvent::ActionRetried { action, .. }
        | DeviceEvent::ActionGivenUp { action, .. } => mention_target(tx, event, *action),
    }
}

/// A device had a name that was erased; that it got one is about whoever had it.
pub(super) fn erased_name(tx: &Transaction<'_>, event: &Erased) -> rusqlite::Result<()> {
    mention_holder_at(tx, &event.workspace, event.stream, event.position)
}

fn mention(tx: &Transaction<'_>, event: &Recorded, subject: Uuid) -> rusqlite::Result<()> {
    mention_at(tx, &event.workspace, event.position, subject)
}

fn mention_at(
    tx: &Transaction<'_>,
    workspace: &WorkspaceId,
    position: u64,
    subject: Uuid,
) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR IGNORE INTO mentions VALUES (?1, ?2, ?3, NULL, NULL)")?
        .execute(params![workspace.as_str(), subject.as_bytes(), int(position)])?;
    Ok(())
}

fn give(tx: &Transaction<'_>, event: &Recorded, user: UserId) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO holders VALUES (?1, ?2, ?3)")?.execute(params![
        event.workspace.as_str(),
        event.stream.as_bytes(),
        user.0.as_bytes()
    ])?;
    Ok(())
}

/// It is about whoever has the device.
fn mention_holder(tx: &Transaction<'_>, event: &Recorded) -> rusqlite::Result<()> {
    mention_holder_at(tx, &event.workspace, event.stream, event.position)
}

fn mention_holder_at(
    tx: &Transaction<'_>,
    workspace: &WorkspaceId,
    device: Uuid,
    position: u64,
) -> rusqlite::Result<()> {
    let holder = tx
        .prepare_cached("SELECT user FROM holders WHERE workspace = ?1 AND device = ?2")?
        .query_row(params![workspace.as_str(), device.as_bytes()], |row| uuid(row, 0))
        .optional()?;
    holder.map_or(Ok(()), |holder| mention_at(tx, workspace, position, holder))
}

/// It is about whom the action is about.
fn mention_target(
    tx: &Transaction<'_>,
    event: &Recorded,
    action: ActionId,
) -> rusqlite::Result<()> {
    let target = tx
        .prepare_cached("SELECT user FROM actions WHERE workspace = ?1 AND id = ?2")?
        .query_row(params![event.workspace.as_str(), action.0.as_bytes()], |row| uuid(row, 0))
        .optional()?;
    target.map_or(Ok(()), |target| mention(tx, event, target))
}
