//! What the facts of devices, and of policies, do to MDM's tables.
//!
//! A device's row keeps the device as the domain folds it, so that its rules stand in one place.

use domain::{
    Decider,
    device::{Device, DeviceEvent},
    workspace::WorkspaceEvent,
};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::{
    Recorded,
    sql::{json, to_json},
};

pub(super) fn device(
    tx: &Transaction<'_>,
    event: &Recorded,
    fact: &DeviceEvent,
) -> rusqlite::Result<()> {
    let key = params![event.workspace.as_str(), event.stream.as_bytes()];
    let known: Option<(i64, Device)> = tx
        .prepare_cached("SELECT no, device FROM devices WHERE workspace = ?1 AND id = ?2")?
        .query_row(key, |row| Ok((row.get(0)?, json(row, 1)?)))
        .optional()?;
    let (no, before) = known.map_or((None, Device::default()), |(no, it)| (Some(no), it));
    let mut device = before.clone();
    device.evolve(fact, &event.stamp());
    let no = match no {
        Some(no) => no,
        None => tx
            .prepare_cached(
                "INSERT INTO devices (workspace, id, serial_fold, name_fold, state, device)
                 VALUES (?1, ?2, '', '', '', '') RETURNING no",
            )?
            .query_row(key, |row| row.get(0))?,
    };
    tx.prepare_cached("UPDATE devices SET state = ?2, device = ?3 WHERE no = ?1")?
        .execute(params![no, device.state.as_str(), to_json(&device)?])?;
    if keys(&before) != keys(&device) {
        tx.prepare_cached(
            "UPDATE devices SET serial_fold = ?2, name_fold = ?3, user = ?4, policy = ?5
             WHERE no = ?1",
        )?
        .execute(params![
            no,
            scim::fold::text(&device.serial),
            device.name.as_deref().map(scim::fold::text).unwrap_or_default(),
            device.user.map(|user| *user.0.as_bytes()),
            device.policy.map(|policy| *policy.0.as_bytes()),
        ])?;
    }
    Ok(())
}

/// What is indexed.
fn keys(device: &Device) -> impl PartialEq {
    (device.serial.clone(), device.name.clone(), device.user, device.policy)
}

pub(super) fn setting(
    tx: &Transaction<'_>,
    event: &Recorded,
    fact: &WorkspaceEvent,
) -> rusqlite::Result<()> {
    let workspace = event.workspace.as_str();
    match fact {
        WorkspaceEvent::PolicyAdded { policy, name } => {
            tx.prepare_cached("INSERT OR REPLACE INTO policies VALUES (?1, ?2, ?3)")?
                .execute(params![workspace, policy.0.as_bytes(), name.as_str()])?;
        }
        WorkspaceEvent::PolicyRemoved { policy } => {
            tx.prepare_cached("DELETE FROM policies WHERE workspace = ?1 AND id = ?2")?
                .execute(params![workspace, policy.0.as_bytes()])?;
        }
        // Both begin with nothing.
        WorkspaceEvent::Created { .. } | WorkspaceEvent::Closed { .. } => {
            tx.prepare_cached("DELETE FROM policies WHERE workspace = ?1")?.execute([workspace])?;
        }
        _ => {}
    }
    Ok(())
}
