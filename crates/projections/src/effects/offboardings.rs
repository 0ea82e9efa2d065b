//! The queries on offboardings.

use domain::{
    Micros,
    ids::{ConnectorName, HoldId, OffboardingId, PolicyId, UserId},
    offboarding::CancelledBecause,
    portal::Portal,
    rule::OnDeactivate,
};
use event_log::WorkspaceId;
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::Effects;
use crate::{
    Failure,
    sql::{int, length, maybe_uuid, natural, tagged, uuid, word},
};

/// How far an offboarding has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OffboardingState {
    /// Under way.
    Started,
    /// Waits for a person to decide.
    Held,
    /// Everything it called for has ended.
    Completed,
    /// It ended early.
    Cancelled,
}

impl OffboardingState {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Held => "held",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// An offboarding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffboardingRow {
    /// The position of the event that started it.
    pub position: u64,
    /// Its id.
    pub id: OffboardingId,
    /// Whose.
    pub user: UserId,
    /// In which portal; `None` when its connector was never added.
    pub portal: Option<Portal>,
    /// Whose rule it carries out.
    pub connector: ConnectorName,
    /// The rule, as it was.
    pub rule: OnDeactivate,
    /// The policy that devices get, for `change_policy`.
    pub policy: Option<PolicyId>,
    /// How far it has come.
    pub state: OffboardingState,
    /// When it began.
    pub started_at: Micros,
    /// When it completed or was cancelled.
    pub ended_at: Option<Micros>,
    /// With which others it was held, if ever.
    pub hold: Option<HoldId>,
    /// Why it was cancelled.
    pub cancelled: Option<String>,
    /// How many actions it called for: the m of "n of m".
    pub planned: u64,
    /// How many of them have ended: the n.
    pub ended: u64,
}

impl OffboardingRow {
    /// Whether a person took it back.
    pub fn is_undone(&self) -> bool {
        self.cancelled.as_deref() == Some(CancelledBecause::Undone.as_str())
    }
}

/// A query of offboardings with the columns of [`offboarding_row`].
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT o.position, o.id, o.user, o.portal, o.connector, o.rule, o.policy, o.state, ",
            "o.started, o.ended, o.hold, o.cancelled, ",
            // Devices that were assigned after it was planned got the rule as well.
            "max(o.planned, (SELECT count(*) FROM actions a INDEXED BY actions_by_offboarding ",
            "WHERE a.workspace = o.workspace AND a.offboarding = o.id)), ",
            "(SELECT count(*) FROM actions a INDEXED BY actions_by_offboarding ",
            "WHERE a.workspace = o.workspace AND a.offboarding = o.id AND a.open = 0) FROM offboardings o ",
            $rest
        )
    };
}

const BY_ID: &str = select!("WHERE o.workspace = ?1 AND o.id = ?2");
const OF_USER: &str = select!(
    "INDEXED BY offboardings_by_user
     WHERE o.workspace = ?1 AND o.user = ?2 ORDER BY o.position DESC"
);
const OF_HOLD: &str = select!(
    "INDEXED BY offboardings_of_hold
     WHERE o.workspace = ?1 AND o.hold = ?2 AND o.state = ?3 AND o.position > ?4
     ORDER BY o.position LIMIT ?5"
);
const PAGE: &str =
    select!("WHERE o.workspace = ?1 AND o.position < ?2 ORDER BY o.position DESC LIMIT ?3");
const PAGE_OF_STATE: &str = select!(
    "INDEXED BY offboardings_by_state
     WHERE o.workspace = ?1 AND o.position < ?2 AND o.state = ?4
     ORDER BY o.position DESC LIMIT ?3"
);

fn offboarding_row(row: &Row<'_>) -> rusqlite::Result<OffboardingRow> {
    let portal: Option<String> = row.get(3)?;
    Ok(OffboardingRow {
        position: natural(row, 0)?,
        id: OffboardingId(uuid(row, 1)?),
        user: UserId(uuid(row, 2)?),
        portal: portal.map(|_| word(row, 3, str::parse)).transpose()?,
        connector: word(row, 4, ConnectorName::parse)?,
        rule: tagged(row, 5)?,
        policy: maybe_uuid(row, 6)?.map(PolicyId),
        state: tagged(row, 7)?,
        started_at: row.get(8)?,
        ended_at: row.get(9)?,
        hold: maybe_uuid(row, 10)?.map(HoldId),
        cancelled: row.get(11)?,
        planned: natural(row, 12)?,
        ended: natural(row, 13)?,
    })
}

impl Effects<'_> {
    /// An offboarding by its id.
    ///
    /// # Errors
    /// Like every query here, when the read model cannot be read.
    pub fn offboarding(
        self,
        workspace: &WorkspaceId,
        id: OffboardingId,
    ) -> Result<Option<OffboardingRow>, Failure> {
        let reader = self.reader()?;
        Ok(reader
            .prepare_cached(BY_ID)?
            .query_row(params![workspace.as_str(), id.0.as_bytes()], offboarding_row)
            .optional()?)
    }

    /// The offboardings of a person, the last one first.
    pub fn offboardings_of(
        self,
        workspace: &WorkspaceId,
        user: UserId,
    ) -> Result<Vec<OffboardingRow>, Failure> {
        let reader = self.reader()?;
        Ok(reader
            .prepare_cached(OF_USER)?
            .query_map(params![workspace.as_str(), user.0.as_bytes()], offboarding_row)?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// At most `limit` offboardings of a hold that have come so far and started after a position, the
    /// first one first.
    pub fn offboardings_of_hold(
        self,
        workspace: &WorkspaceId,
        hold: HoldId,
        state: OffboardingState,
        after: u64,
        limit: usize,
    ) -> Result<Vec<OffboardingRow>, Failure> {
        let reader = self.reader()?;
        let of = params![
            workspace.as_str(),
            hold.0.as_bytes(),
            state.as_str(),
            int(after),
            length(limit)
        ];
        Ok(reader
            .prepare_cached(OF_HOLD)?
            .query_map(of, offboarding_row)?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// At most `limit` offboardings that started before a position, the last one first, of one
    /// state or all.
    pub fn offboardings(
        self,
        workspace: &WorkspaceId,
        state: Option<OffboardingState>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<OffboardingRow>, Failure> {
        let reader = self.reader()?;
        let (before, limit) = (before.map_or(i64::MAX, int), length(limit));
        let rows = match state {
            None => reader
                .prepare_cached(PAGE)?
                .query_map(params![workspace.as_str(), before, limit], offboarding_row)?
                .collect::<rusqlite::Result<_>>(),
            Some(state) => reader
                .prepare_cached(PAGE_OF_STATE)?
                .query_map(
                    params![workspace.as_str(), before, limit, state.as_str()],
                    offboarding_row,
                )?
                .collect(),
        };
        Ok(rows?)
    }
}
