//! The queries on actions: what became of them.

use domain::{
    Micros,
    device::ActionState,
    ids::{ActionId, DeviceId, OffboardingId, UserId},
    offboarding::ActionKind,
};
use event_log::WorkspaceId;
use rusqlite::{OptionalExtension, Row, params};

use super::Effects;
use crate::{
    Failure,
    sql::{int, json, length, natural, tagged, uuid, word},
};

/// One thing owed to one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionRow {
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// The position of the event that requested it.
    pub position: u64,
    /// Its id, which is also the idempotency key toward the MDM service.
    pub id: ActionId,
    /// The device.
    pub device: DeviceId,
    /// The platform that it was enrolled with.
    pub platform: String,
    /// Which offboarding calls for it.
    pub offboarding: OffboardingId,
    /// Whose.
    pub user: UserId,
    /// What is to be done.
    pub kind: ActionKind,
    /// How far it has come.
    pub state: ActionState,
    /// How often it was sent.
    pub attempts: u32,
    /// Whether the service may have had it: it was acknowledged, or an answer was lost.
    pub received: bool,
    /// When it is to be sent next; `None` when it is not.
    pub due_at: Option<Micros>,
    /// When it was requested.
    pub requested_at: Micros,
    /// Why it failed, was parked, cancelled, retried or given up, where that was said.
    pub reason: Option<String>,
    /// The correlation id of the request that began all this.
    pub correlation: String,
}

/// A query of actions with the columns of [`action_row`].
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT workspace, position, id, device, offboarding, user, kind, state, attempts, ",
            "received, due, requested, reason, correlation, platform FROM actions ",
            $rest
        )
    };
}

pub(super) const DUE: &str = select!(
    "INDEXED BY actions_due
     WHERE workspace = ?1 AND platform = ?2 AND turn = 1 AND due IS NOT NULL AND due <= ?3
     ORDER BY due, position LIMIT ?4"
);
pub(super) const TAKEN: &str = select!(
    "INDEXED BY actions_taken
     WHERE workspace = ?1 AND platform = ?2 AND position > ?3 AND turn = 1
       AND state = 'acknowledged'
     ORDER BY position LIMIT ?4"
);
const BY_ID: &str = select!("WHERE workspace = ?1 AND id = ?2");
// Left alone, SQLite takes the primary key, which has the order, and goes through the whole workspace.
const OF_OFFBOARDING: &str = select!(
    "INDEXED BY actions_by_offboarding
     WHERE workspace = ?1 AND offboarding = ?2 ORDER BY position"
);
const OPEN: &str = select!(
    "INDEXED BY actions_by_offboarding
     WHERE workspace = ?1 AND offboarding = ?2 AND open = 1 ORDER BY position"
);
const PAGE: &str = select!("WHERE workspace = ?1 AND position > ?2 ORDER BY position LIMIT ?3");
const PAGE_OF_STATE: &str = select!(
    "INDEXED BY actions_by_state
     WHERE workspace = ?1 AND position > ?2 AND state = ?4 ORDER BY position LIMIT ?3"
);

pub(super) fn action_row(row: &Row<'_>) -> rusqlite::Result<ActionRow> {
    Ok(ActionRow {
        workspace: word(row, 0, WorkspaceId::parse)?,
        position: natural(row, 1)?,
        id: ActionId(uuid(row, 2)?),
        device: DeviceId(uuid(row, 3)?),
        offboarding: OffboardingId(uuid(row, 4)?),
        user: UserId(uuid(row, 5)?),
        kind: json(row, 6)?,
        state: tagged(row, 7)?,
        attempts: row.get(8)?,
        received: row.get(9)?,
        due_at: row.get(10)?,
        requested_at: row.get(11)?,
        reason: row.get(12)?,
        correlation: row.get(13)?,
        platform: row.get(14)?,
    })
}

impl Effects<'_> {
    /// An action by its id.
    ///
    /// # Errors
    /// Like every query here, when the read model cannot be read.
    pub fn action(
        self,
        workspace: &WorkspaceId,
        id: ActionId,
    ) -> Result<Option<ActionRow>, Failure> {
        let reader = self.reader()?;
        Ok(reader
            .prepare_cached(BY_ID)?
            .query_row(params![workspace.as_str(), id.0.as_bytes()], action_row)
            .optional()?)
    }

    /// Everything an offboarding called for.
    pub fn actions_of(
        self,
        workspace: &WorkspaceId,
        offboarding: OffboardingId,
    ) -> Result<Vec<ActionRow>, Failure> {
        self.of(OF_OFFBOARDING, workspace, offboarding)
    }

    /// What an offboarding called for that has not ended.
    pub fn open_actions(
        self,
        workspace: &WorkspaceId,
        offboarding: OffboardingId,
    ) -> Result<Vec<ActionRow>, Failure> {
        self.of(OPEN, workspace, offboarding)
    }

    fn of(
        self,
        sql: &str,
        workspace: &WorkspaceId,
        offboarding: OffboardingId,
    ) -> Result<Vec<ActionRow>, Failure> {
        let reader = self.reader()?;
        Ok(reader
            .prepare_cached(sql)?
            .query_map(params![workspace.as_str(), offboarding.0.as_bytes()], action_row)?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// At most `limit` actions that were requested after a position, in order, of one state or all.
    pub fn actions(
        self,
        workspace: &WorkspaceId,
        state: Option<ActionState>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<ActionRow>, Failure> {
        let reader = self.reader()?;
        let (after, limit) = (int(after), length(limit));
        let rows = match state {
            None => reader
                .prepare_cached(PAGE)?
                .query_map(params![workspace.as_str(), after, limit], action_row)?
                .collect::<rusqlite::Result<_>>(),
            Some(state) => reader
                .prepare_cached(PAGE_OF_STATE)?
                .query_map(params![workspace.as_str(), after, limit, state.as_str()], action_row)?
                .collect(),
        };
        Ok(rows?)
    }

    /// How many actions there are in each workspace, also in those that are closed, and state: more than one
    /// number for both where there are several platforms.
    pub fn counts(self) -> Result<Vec<(WorkspaceId, ActionState, u64)>, Failure> {
        let reader = self.reader()?;
        Ok(reader
            .prepare_cached("SELECT workspace, state, actions FROM counts")?
            .query_map([], |row| {
                Ok((word(row, 0, WorkspaceId::parse)?, tagged(row, 1)?, natural(row, 2)?))
            })?
            .collect::<rusqlite::Result<_>>()?)
    }
}
