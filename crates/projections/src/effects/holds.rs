//! The queries on holds, and on what the brake counts (rule 27).

use domain::{
    Micros,
    ids::{ConnectorName, HoldId},
    offboarding::{CancelledBecause, HeldBecause},
};
use event_log::WorkspaceId;
use rusqlite::{OptionalExtension, Row, params};

use super::{Effects, OffboardingState};
use crate::{
    Failure,
    sql::{int, json, length, natural, tagged, uuid, word},
};

/// Offboardings that wait, or waited, for a person's decision together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRow {
    /// The position of the event by which the first one was held.
    pub position: u64,
    /// Its id.
    pub id: HoldId,
    /// Whose rule they carry out.
    pub connector: ConnectorName,
    /// Why the first one was held.
    pub because: HeldBecause,
    /// When that was.
    pub opened_at: Micros,
    /// How many still wait.
    pub held: u64,
}

/// Which people are counted as offboarded.
#[derive(Clone, Copy, Debug)]
pub struct Offboarded<'a> {
    /// By the rule of this connector.
    pub connector: &'a ConnectorName,
    /// Since this time.
    pub after: Micros,
    /// Up to the event at this position.
    pub up_to: u64,
    /// Whether those count who have come back since. Whom a person has taken back never does: somebody
    /// has looked.
    pub with_returned: bool,
}

/// How far the offboardings of a hold have come.
pub type Decided = Vec<(OffboardingState, u64)>;

/// A query of holds with the columns of [`hold_row`].
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT position, id, connector, because, opened, held FROM holds ", $rest)
    };
}

const BY_ID: &str = select!("INDEXED BY holds_by_id WHERE workspace = ?1 AND id = ?2");
const PAGE: &str =
    select!("WHERE workspace = ?1 AND position < ?2 ORDER BY position DESC LIMIT ?3");
const PAGE_OF_OPEN: &str = select!(
    "INDEXED BY holds_open
     WHERE workspace = ?1 AND position < ?2 AND held > 0 ORDER BY position DESC LIMIT ?3"
);
const PAGE_OF_DECIDED: &str =
    select!("WHERE workspace = ?1 AND position < ?2 AND held = 0 ORDER BY position DESC LIMIT ?3");
const OPEN: &str = select!(
    "INDEXED BY holds_open
     WHERE workspace = ?1 AND connector = ?2 AND braked = 1 AND held > 0
     ORDER BY position DESC LIMIT 1"
);
const DECIDED: &str = "SELECT state, count(*) FROM offboardings INDEXED BY offboardings_of_hold
     WHERE workspace = ?1 AND hold = ?2 GROUP BY state ORDER BY state";
const WAITING: &str = "SELECT workspace, sum(held) FROM holds INDEXED BY holds_open WHERE held > 0
     GROUP BY workspace";

/// The people of a connector whose offboarding started in a time and up to a position: whatever became
/// of it, but for one reason of a cancellation, or only those who have not come back.
const OFFBOARDED: &str = "SELECT count(*) FROM (
         SELECT DISTINCT user FROM offboardings INDEXED BY offboardings_of_connector
         WHERE workspace = ?1 AND connector = ?2 AND started > ?3 AND position <= ?4
           AND (cancelled IS NULL OR (?5 AND cancelled <> ?6))
         LIMIT ?7)";

fn hold_row(row: &Row<'_>) -> rusqlite::Result<HoldRow> {
    Ok(HoldRow {
        position: natural(row, 0)?,
        id: HoldId(uuid(row, 1)?),
        connector: word(row, 2, ConnectorName::parse)?,
        because: json(row, 3)?,
        opened_at: row.get(4)?,
        held: natural(row, 5)?,
    })
}

impl Effects<'_> {
    /// A hold by its id.
    ///
    /// # Errors
    /// Like every query here, when the read model cannot be read.
    pub fn hold(self, workspace: &WorkspaceId, id: HoldId) -> Result<Option<HoldRow>, Failure> {
        let reader = self.reader()?;
        Ok(reader
            .prepare_cached(BY_ID)?
            .query_row(params![workspace.as_str(), id.0.as_bytes()], hold_row)
            .optional()?)
    }

    /// At most `limit` holds that were opened before a position, the last one first: those that wait
    /// for a decision, those that do not, or all.
    pub fn holds(
        self,
        workspace: &WorkspaceId,
        open: Option<bool>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<HoldRow>, Failure> {
        let reader = self.reader()?;
        let query = match open {
            None => PAGE,
            Some(true) => PAGE_OF_OPEN,
            Some(false) => PAGE_OF_DECIDED,
        };
        let before = before.map_or(i64::MAX, int);
        Ok(reader
            .prepare_cached(query)?
            .query_map(params![workspace.as_str(), before, length(limit)], hold_row)?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// How far the offboardings of a hold have come.
    pub fn decided(self, workspace: &WorkspaceId, hold: HoldId) -> Result<Decided, Failure> {
        let reader = self.reader()?;
        Ok(reader
            .prepare_cached(DECIDED)?
            .query_map(params![workspace.as_str(), hold.0.as_bytes()], |row| {
                Ok((tagged(row, 0)?, natural(row, 1)?))
            })?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// The hold that the brake has put on a connector and that waits for a decision.
    pub fn open_hold(
        self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
    ) -> Result<Option<HoldRow>, Failure> {
        let reader = self.reader()?;
        Ok(reader
            .prepare_cached(OPEN)?
            .query_row(params![workspace.as_str(), connector.as_str()], hold_row)
            .optional()?)
    }

    /// How many people are offboarded, counted up to `most`.
    pub fn offboarded(
        self,
        workspace: &WorkspaceId,
        whom: &Offboarded<'_>,
        most: u64,
    ) -> Result<u64, Failure> {
        let reader = self.reader()?;
        let of = params![
            workspace.as_str(),
            whom.connector.as_str(),
            whom.after,
            int(whom.up_to),
            whom.with_returned,
            CancelledBecause::Undone.as_str(),
            int(most)
        ];
        Ok(reader.prepare_cached(OFFBOARDED)?.query_row(of, |row| natural(row, 0))?)
    }

    /// How many offboardings wait for a person's decision, by workspace; also in those that are closed.
    pub fn waiting(self) -> Result<Vec<(WorkspaceId, u64)>, Failure> {
        let reader = self.reader()?;
        Ok(reader
            .prepare_cached(WAITING)?
            .query_map([], |row| Ok((word(row, 0, WorkspaceId::parse)?, natural(row, 1)?)))?
            .collect::<rusqlite::Result<_>>()?)
    }
}
