//! Queues: what is owed to the devices of one platform in one workspace.
//!
//! Which service a device belongs to is a setting, by workspace and platform, that no read model
//! knows. So what is due is found queue by queue, and whoever knows the services puts queues of one
//! service together. A queue whose service is down is not looked into, however long it is.

use domain::{Micros, device::ActionState};
use event_log::WorkspaceId;
use rusqlite::{OptionalExtension, params};

use super::{
    Effects, OffboardingState,
    actions::{ActionRow, DUE, TAKEN, action_row},
};
use crate::{
    Failure,
    sql::{int, length, natural, tagged, word},
};

/// The devices of one platform in one workspace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Queue {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The platform, as the devices were enrolled with it.
    pub platform: String,
}

/// What is owed in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The queue.
    pub queue: Queue,
    /// How many actions there are in each state, ended ones too.
    pub counts: Vec<(ActionState, u64)>,
    /// When the oldest was requested that has neither ended nor waits for a person.
    pub oldest: Option<Micros>,
}

const NEXT_DUE: &str = "
    SELECT workspace, platform, due FROM actions INDEXED BY actions_due
    WHERE turn = 1 AND due IS NOT NULL AND (workspace, platform) >= (?1, ?2)
    ORDER BY workspace, platform, due LIMIT 1";
const NEXT_TAKEN: &str = "
    SELECT workspace, platform, position FROM actions INDEXED BY actions_taken
    WHERE turn = 1 AND state = 'acknowledged' AND (workspace, platform) >= (?1, ?2)
    ORDER BY workspace, platform LIMIT 1";
const COUNTS: &str = "SELECT workspace, platform, state, actions FROM counts
    ORDER BY workspace, platform, state";
const OLDEST: &str = "
    SELECT requested FROM actions INDEXED BY actions_owed
    WHERE workspace = ?1 AND platform = ?2 AND open = 1 AND state <> 'parked'
    ORDER BY position LIMIT 1";

const OWED_IN: &str = "SELECT coalesce(sum(actions), 0) FROM counts
    WHERE workspace = ?1 AND state NOT IN ('confirmed', 'cancelled', 'given_up')";
const UNDER_WAY_IN: &str = "SELECT count(*) FROM offboardings INDEXED BY offboardings_by_state
    WHERE workspace = ?1 AND state = ?2 AND portal = 'mdm'";

/// What is owed to the devices of one workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwedIn {
    /// Actions that have not ended, also those that wait for a person.
    pub actions: u64,
    /// Offboardings of MDM users that are under way: what they call for may not be planned yet.
    pub started: u64,
    /// Those that are held for a person to decide.
    pub held: u64,
}

impl OwedIn {
    /// Whether anything is.
    pub fn is_anything(self) -> bool {
        self != Self::default()
    }
}

impl Effects<'_> {
    /// What is owed to the devices of a workspace.
    ///
    /// # Errors
    /// Like every query here, when the read model cannot be read.
    pub fn owed_in(self, workspace: &WorkspaceId) -> Result<OwedIn, Failure> {
        let tx = self.reader()?;
        let actions =
            tx.prepare_cached(OWED_IN)?.query_row([workspace.as_str()], |row| natural(row, 0))?;
        let mut under_way = tx.prepare_cached(UNDER_WAY_IN)?;
        let mut count = |state: OffboardingState| {
            under_way.query_row([workspace.as_str(), state.as_str()], |row| natural(row, 0))
        };
        let (started, held) = (count(OffboardingState::Started)?, count(OffboardingState::Held)?);
        Ok(OwedIn { actions, started, held })
    }

    /// The queues in which something is to be sent, each with the time at which the first of it is
    /// due.
    pub fn queues(self) -> Result<Vec<(Queue, Micros)>, Failure> {
        self.walk(NEXT_DUE)
    }

    /// The queues in which a service has taken something that is not done.
    pub fn queues_taken(self) -> Result<Vec<Queue>, Failure> {
        Ok(self.walk(NEXT_TAKEN)?.into_iter().map(|(queue, _)| queue).collect())
    }

    /// In how many workspaces nothing is sent until a person resumes it.
    pub fn suspended(self) -> Result<u64, Failure> {
        let sql = "SELECT count(*) FROM suspended";
        Ok(self.reader()?.prepare_cached(sql)?.query_row([], |row| natural(row, 0))?)
    }

    /// Goes from queue to queue, whatever stands in them.
    ///
    /// The next queue is sought from the least platform that is greater than the last one, rather than
    /// by `>`: SQLite seeks the first row of the last queue for that, and reads all of it.
    fn walk(self, next: &str) -> Result<Vec<(Queue, i64)>, Failure> {
        let reader = self.reader()?;
        let mut statement = reader.prepare_cached(next)?;
        let (mut found, mut after) = (Vec::<(Queue, i64)>::new(), (String::new(), String::new()));
        while let Some((queue, first)) = statement
            .query_row(params![after.0, after.1], |row| {
                let workspace = word(row, 0, WorkspaceId::parse)?;
                Ok((Queue { workspace, platform: row.get(1)? }, row.get(2)?))
            })
            .optional()?
        {
            after = (queue.workspace.to_string(), format!("{}\0", queue.platform));
            found.push((queue, first));
        }
        Ok(found)
    }

    /// At most `limit` actions of a queue that are to be sent by `now`, the longest due first; of
    /// each device only the first that has not ended.
    ///
    /// One that was sent is among them: whoever sent it may have crashed since. One that is parked
    /// is not, and holds up those behind it.
    pub fn due(self, queue: &Queue, now: Micros, limit: usize) -> Result<Vec<ActionRow>, Failure> {
        self.part(DUE, queue, now, limit)
    }

    /// At most `limit` actions of a queue that the service has taken and not done, requested after a
    /// position, in order.
    pub fn taken(self, queue: &Queue, after: u64, limit: usize) -> Result<Vec<ActionRow>, Failure> {
        self.part(TAKEN, queue, int(after), limit)
    }

    fn part(
        self,
        sql: &str,
        queue: &Queue,
        from: i64,
        limit: usize,
    ) -> Result<Vec<ActionRow>, Failure> {
        let key = (queue.workspace.as_str(), &queue.platform);
        Ok(self
            .reader()?
            .prepare_cached(sql)?
            .query_map(params![key.0, key.1, from, length(limit)], action_row)?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// What is owed, queue by queue.
    pub fn owed(self) -> Result<Vec<Owed>, Failure> {
        let reader = self.reader()?;
        let mut counts = reader.prepare_cached(COUNTS)?;
        let mut oldest = reader.prepare_cached(OLDEST)?;
        let mut owed = Vec::<Owed>::new();
        let mut rows = counts.query([])?;
        while let Some(row) = rows.next()? {
            let workspace = word(row, 0, WorkspaceId::parse)?;
            let queue = Queue { workspace, platform: row.get(1)? };
            let count = (tagged(row, 2)?, natural(row, 3)?);
            if owed.last().is_none_or(|last| last.queue != queue) {
                let key = params![queue.workspace.as_str(), queue.platform];
                let oldest = oldest.query_row(key, |row| row.get(0)).optional()?;
                owed.push(Owed { queue, counts: Vec::new(), oldest });
            }
            owed.last_mut().into_iter().for_each(|last| last.counts.push(count));
        }
        Ok(owed)
    }
}
