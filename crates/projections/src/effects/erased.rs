//! What erasing a person does to offboardings: those that were theirs go, but for what still counts.
//!
//! A file that is built later never meets what was said of them before, so nothing may stay of it that
//! `user.erased` does not say again: their last offboarding, with its hold. A hold that they opened and
//! that others are in becomes the hold of the first of those.

use domain::{offboarding::Offboarding, user::Remains};
use rusqlite::{Transaction, params};

use super::{OffboardingState, apply::is_braked};
use crate::{
    Recorded,
    sql::{int, length, tag, to_json},
};

pub(super) fn forget(
    tx: &Transaction<'_>,
    event: &Recorded,
    remains: &Remains,
) -> rusqlite::Result<()> {
    let whom = params![event.workspace.as_str(), event.stream.as_bytes()];
    let mut holds: Vec<[u8; 16]> = tx
        .prepare_cached(
            "SELECT hold FROM offboardings INDEXED BY offboardings_by_user
             WHERE workspace = ?1 AND user = ?2 AND hold IS NOT NULL",
        )?
        .query_map(whom, |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    tx.prepare_cached(
        "DELETE FROM offboardings INDEXED BY offboardings_by_user
         WHERE workspace = ?1 AND user = ?2",
    )?
    .execute(whom)?;
    if let Some(offboarding) = &remains.offboarding {
        put(tx, event, offboarding)?;
        holds.extend(offboarding.hold.map(|held| *held.hold.0.as_bytes()));
    }
    holds.sort_unstable();
    holds.dedup();
    holds.iter().try_for_each(|hold| recount(tx, event.workspace.as_str(), hold))
}

fn put(tx: &Transaction<'_>, event: &Recorded, it: &Offboarding) -> rusqlite::Result<()> {
    let state = match it {
        Offboarding { completed: true, .. } => OffboardingState::Completed,
        Offboarding { held: true, .. } => OffboardingState::Held,
        _ => OffboardingState::Started,
    };
    let because = it.hold.map(|held| to_json(&held.because)).transpose()?;
    tx.prepare_cached(
        "INSERT INTO offboardings
         (workspace, position, id, user, portal, connector, rule, policy, state, started, ended,
          planned, hold, held_position, held_at, because, braked)
         VALUES (?1, ?2, ?3, ?4,
                 (SELECT portal FROM connectors WHERE workspace = ?1 AND name = ?5),
                 ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?
    .execute(params![
        event.workspace.as_str(),
        int(it.started),
        it.id.0.as_bytes(),
        event.stream.as_bytes(),
        it.connector.as_str(),
        tag(&it.rule)?,
        it.policy.map(|policy| *policy.0.as_bytes()),
        state.as_str(),
        it.began,
        it.ended,
        length(it.planned.len()),
        it.hold.map(|held| *held.hold.0.as_bytes()),
        it.hold.map(|held| int(held.position)),
        it.hold.map(|held| held.at),
        because,
        it.hold.map(|held| is_braked(held.because)),
    ])?;
    Ok(())
}

/// Makes a hold what those make it who are in it; it goes with the last of them.
fn recount(tx: &Transaction<'_>, workspace: &str, hold: &[u8; 16]) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM holds WHERE workspace = ?1 AND id = ?2")?
        .execute(params![workspace, hold])?;
    tx.prepare_cached(
        "INSERT INTO holds
         SELECT workspace, held_position, hold, connector, because, held_at, braked,
                (SELECT count(*) FROM offboardings INDEXED BY offboardings_of_hold
                 WHERE workspace = ?1 AND hold = ?2 AND state = 'held')
         FROM offboardings INDEXED BY offboardings_of_hold
         WHERE workspace = ?1 AND hold = ?2
           AND held_position = (SELECT min(held_position)
                                FROM offboardings INDEXED BY offboardings_of_hold
                                WHERE workspace = ?1 AND hold = ?2)",
    )?
    .execute(params![workspace, hold])?;
    Ok(())
}
