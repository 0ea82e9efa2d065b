//! What facts do to offboardings and actions.

use domain::{
    Micros,
    device::{ActionState, DeviceEvent, FailedBecause},
    ids::{ActionId, HoldId, OffboardingId},
    offboarding::HeldBecause,
    user::UserEvent,
    workspace::WorkspaceEvent,
};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{OffboardingState, erased};
use crate::{
    Recorded,
    sql::{int, length, tag, to_json},
};

/// Whether a fact of a user is about an offboarding. Most are not.
pub(super) fn hears_user(fact: &UserEvent) -> bool {
    matches!(
        fact,
        UserEvent::OffboardingStarted { .. }
            | UserEvent::OffboardingHeld { .. }
            | UserEvent::OffboardingApproved { .. }
            | UserEvent::OffboardingPlanned { .. }
            | UserEvent::OffboardingCompleted { .. }
            | UserEvent::OffboardingCancelled { .. }
            | UserEvent::Erased { .. }
    )
}

pub(super) fn user(
    tx: &Transaction<'_>,
    event: &Recorded,
    fact: &UserEvent,
) -> rusqlite::Result<()> {
    let workspace = event.workspace.as_str();
    match fact {
        UserEvent::OffboardingStarted { offboarding, connector, rule, policy } => {
            tx.prepare_cached(
                "INSERT INTO offboardings
                 (workspace, position, id, user, portal, connector, rule, policy, state, started)
                 VALUES (?1, ?2, ?3, ?4,
                         (SELECT portal FROM connectors WHERE workspace = ?1 AND name = ?5),
                         ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                workspace,
                int(event.position),
                offboarding.0.as_bytes(),
                event.stream.as_bytes(),
                connector.as_str(),
                tag(rule)?,
                policy.map(|policy| *policy.0.as_bytes()),
                OffboardingState::Started.as_str(),
                event.at,
            ])?;
            Ok(())
        }
        UserEvent::OffboardingHeld { offboarding, because, hold } => {
            turn_to(tx, event, *offboarding, OffboardingState::Held, None)?;
            hold_with(tx, event, *offboarding, *because, hold.unwrap_or((*offboarding).into()))
        }
        UserEvent::OffboardingApproved { offboarding } => {
            turn_to(tx, event, *offboarding, OffboardingState::Started, None)
        }
        UserEvent::OffboardingPlanned { offboarding, actions } => {
            tx.prepare_cached(
                "UPDATE offboardings SET planned = planned + ?3 WHERE workspace = ?1 AND id = ?2",
            )?
            .execute(params![
                workspace,
                offboarding.0.as_bytes(),
                length(actions.len())
            ])?;
            Ok(())
        }
        UserEvent::OffboardingCompleted { offboarding } => {
            turn_to(tx, event, *offboarding, OffboardingState::Completed, Some(event.at))
        }
        UserEvent::OffboardingCancelled { offboarding, because } => {
            turn_to(tx, event, *offboarding, OffboardingState::Cancelled, Some(event.at))?;
            tx.prepare_cached(
                "UPDATE offboardings SET cancelled = ?3 WHERE workspace = ?1 AND id = ?2",
            )?
            .execute(params![
                workspace,
                offboarding.0.as_bytes(),
                because.as_str()
            ])?;
            Ok(())
        }
        UserEvent::Erased { remains, .. } => erased::forget(tx, event, remains),
        _ => Ok(()),
    }
}

fn turn_to(
    tx: &Transaction<'_>,
    event: &Recorded,
    offboarding: OffboardingId,
    state: OffboardingState,
    ended: Option<Micros>,
) -> rusqlite::Result<()> {
    // What was held until now is decided, one way or the other.
    tx.prepare_cached(
        "UPDATE holds SET held = held - 1
         WHERE workspace = ?1
           AND id = (SELECT hold FROM offboardings
                     WHERE workspace = ?1 AND id = ?2 AND state = 'held')",
    )?
    .execute(params![event.workspace.as_str(), offboarding.0.as_bytes()])?;
    tx.prepare_cached(
        "UPDATE offboardings SET state = ?3, ended = ?4 WHERE workspace = ?1 AND id = ?2",
    )?
    .execute(params![
        event.workspace.as_str(),
        offboarding.0.as_bytes(),
        state.as_str(),
        ended
    ])?;
    Ok(())
}

/// Puts an offboarding into a hold, which the first one opens.
fn hold_with(
    tx: &Transaction<'_>,
    event: &Recorded,
    offboarding: OffboardingId,
    because: HeldBecause,
    hold: HoldId,
) -> rusqlite::Result<()> {
    let workspace = event.workspace.as_str();
    tx.prepare_cached(
        "INSERT INTO holds
         SELECT ?1, ?2, ?3, connector, ?5, ?6, ?7, 1
         FROM offboardings WHERE workspace = ?1 AND id = ?4
         ON CONFLICT (workspace, id) DO UPDATE SET held = held + 1",
    )?
    .execute(params![
        workspace,
        int(event.position),
        hold.0.as_bytes(),
        offboarding.0.as_bytes(),
        to_json(&because)?,
        event.at,
        is_braked(because),
    ])?;
    tx.prepare_cached(
        "UPDATE offboardings
         SET hold = ?3, held_position = ?4, held_at = ?5, because = ?6, braked = ?7
         WHERE workspace = ?1 AND id = ?2",
    )?
    .execute(params![
        workspace,
        offboarding.0.as_bytes(),
        hold.0.as_bytes(),
        int(event.position),
        event.at,
        to_json(&because)?,
        is_braked(because),
    ])?;
    Ok(())
}

/// Whether the brake holds, and not an Owner's right.
pub(super) fn is_braked(because: HeldBecause) -> bool {
    matches!(because, HeldBecause::Brake(_))
}

pub(super) fn device(
    tx: &Transaction<'_>,
    event: &Recorded,
    fact: &DeviceEvent,
) -> rusqlite::Result<()> {
    match fact {
        DeviceEvent::Enrolled { platform, .. } => {
            tx.prepare_cached("INSERT OR REPLACE INTO devices VALUES (?1, ?2, ?3)")?
                .execute(params![event.workspace.as_str(), event.stream.as_bytes(), platform])?;
            Ok(())
        }
        DeviceEvent::ActionRequested { .. } => request(tx, event, fact),
        DeviceEvent::ActionSent { action, attempt } => {
            let to = Step::to(ActionState::Sent).due(event.at);
            step(tx, event, *action, &Step { attempts: Some(*attempt), ..to })
        }
        DeviceEvent::ActionAcknowledged { action } => {
            step(tx, event, *action, &Step::to(ActionState::Acknowledged).received(true))
        }
        DeviceEvent::ActionConfirmed { action } => {
            step(tx, event, *action, &Step::to(ActionState::Confirmed))
        }
        DeviceEvent::ActionFailed { action, reason, because, retry_at } => {
            let lost = *because == FailedBecause::Unanswered;
            let to = Step::to(ActionState::Failed).due(*retry_at).received(lost);
            step(tx, event, *action, &Step { reason: Some(reason), ..to })
        }
        DeviceEvent::ActionParked { action, reason } => {
            let to = Step::to(ActionState::Parked);
            step(tx, event, *action, &Step { reason: Some(reason), ..to })
        }
        DeviceEvent::ActionCancelled { action, reason } => {
            let to = Step::to(ActionState::Cancelled);
            step(tx, event, *action, &Step { reason: reason.as_deref(), ..to })
        }
        DeviceEvent::ActionRetried { action, reason } => {
            let to = Step::to(ActionState::Requested).due(event.at);
            step(tx, event, *action, &Step { reason: reason.as_deref(), ..to })
        }
        DeviceEvent::ActionGivenUp { action, reason } => {
            let to = Step::to(ActionState::GivenUp);
            step(tx, event, *action, &Step { reason: Some(reason), ..to })
        }
        _ => Ok(()),
    }
}

fn request(tx: &Transaction<'_>, event: &Recorded, fact: &DeviceEvent) -> rusqlite::Result<()> {
    let DeviceEvent::ActionRequested { action, offboarding, user, kind } = fact else {
        return Ok(());
    };
    let workspace = event.workspace.as_str();
    let platform: Option<String> = tx
        .prepare_cached("SELECT platform FROM devices WHERE workspace = ?1 AND id = ?2")?
        .query_row(params![workspace, event.stream.as_bytes()], |row| row.get(0))
        .optional()?;
    let platform = platform.unwrap_or_default();
    tx.prepare_cached(
        "INSERT INTO actions
         (workspace, position, id, device, platform, offboarding, user, kind, state, open, turn,
          due, requested, correlation)
         VALUES (?1, ?2, ?3, ?4, ?11, ?5, ?6, ?7, ?8, 1,
                 NOT EXISTS (SELECT 1 FROM actions
                             WHERE workspace = ?1 AND device = ?4 AND open = 1),
                 ?9, ?9, ?10)",
    )?
    .execute(params![
        workspace,
        int(event.position),
        action.0.as_bytes(),
        event.stream.as_bytes(),
        offboarding.0.as_bytes(),
        user.0.as_bytes(),
        to_json(kind)?,
        ActionState::Requested.as_str(),
        event.at,
        event.meta.correlation,
        platform,
    ])?;
    count(tx, (workspace, &platform), ActionState::Requested.as_str(), 1)
}

/// What becomes of an action.
struct Step<'s> {
    state: ActionState,
    due: Option<Micros>,
    attempts: Option<u32>,
    /// Whether the service may have it, as far as this step tells.
    received: bool,
    reason: Option<&'s str>,
}

impl Step<'_> {
    fn to(state: ActionState) -> Self {
        Self { state, due: None, attempts: None, received: false, reason: None }
    }

    fn due(self, at: Micros) -> Self {
        Self { due: Some(at), ..self }
    }

    fn received(self, received: bool) -> Self {
        Self { received, ..self }
    }
}

fn step(
    tx: &Transaction<'_>,
    event: &Recorded,
    action: ActionId,
    to: &Step<'_>,
) -> rusqlite::Result<()> {
    let workspace = event.workspace.as_str();
    let known: Option<(String, String)> = tx
        .prepare_cached("SELECT platform, state FROM actions WHERE workspace = ?1 AND id = ?2")?
        .query_row(params![workspace, action.0.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((platform, before)) = known else { return Ok(()) };
    let open = !to.state.ended();
    tx.prepare_cached(
        "UPDATE actions SET state = ?3, open = ?4, turn = turn AND ?4, due = ?5,
                            attempts = coalesce(?6, attempts), reason = ?7,
                            received = received OR ?8
         WHERE workspace = ?1 AND id = ?2",
    )?
    .execute(params![
        workspace,
        action.0.as_bytes(),
        to.state.as_str(),
        open,
        to.due,
        to.attempts,
        to.reason,
        to.received,
    ])?;
    count(tx, (workspace, &platform), &before, -1)?;
    count(tx, (workspace, &platform), to.state.as_str(), 1)?;
    if open { Ok(()) } else { next_turn(tx, event) }
}

/// The next open action of the device has its turn.
fn next_turn(tx: &Transaction<'_>, event: &Recorded) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE actions SET turn = 1
         WHERE workspace = ?1
           AND position = (SELECT min(position) FROM actions
                           WHERE workspace = ?1 AND device = ?2 AND open = 1)",
    )?
    .execute(params![event.workspace.as_str(), event.stream.as_bytes()])?;
    Ok(())
}

fn count(tx: &Transaction<'_>, queue: (&str, &str), state: &str, by: i64) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO counts VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET actions = actions + excluded.actions",
    )?
    .execute(params![queue.0, queue.1, state, by])?;
    Ok(())
}

/// Connectors are known by the portal they were added to.
pub(super) fn setting(
    tx: &Transaction<'_>,
    event: &Recorded,
    fact: &WorkspaceEvent,
) -> rusqlite::Result<()> {
    let workspace = event.workspace.as_str();
    match fact {
        WorkspaceEvent::ConnectorAdded { connector, portal, .. } => tx
            .prepare_cached("INSERT OR REPLACE INTO connectors VALUES (?1, ?2, ?3)")?
            .execute(params![workspace, connector.as_str(), portal.as_str()]),
        WorkspaceEvent::DeliveriesSuspended { .. } => tx
            .prepare_cached("INSERT OR REPLACE INTO suspended VALUES (?1, ?2)")?
            .execute(params![workspace, event.at]),
        WorkspaceEvent::DeliveriesResumed {} | WorkspaceEvent::Closed { .. } => {
            tx.prepare_cached("DELETE FROM suspended WHERE workspace = ?1")?.execute([workspace])
        }
        _ => Ok(0),
    }
    .map(drop)
}
