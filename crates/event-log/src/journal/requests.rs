//! Writing the provisioning log: entries, their cycles, and what was not authenticated.

use std::collections::{HashMap, VecDeque};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql, Transaction, params};
use smol_str::SmolStr;
use uuid::Uuid;

use super::blocks::{Blocks, Kind, Of};
use super::bodies::BodyKeys;
use super::entry::{Attempt, Cycle, Entry, NewEntry, Outcome};
use crate::rows::limit_of;
use crate::{Failure, Micros, WorkspaceId};

/// How many entries may wait to be written; more are dropped, and that is said, until they are.
const WAITING_MAX: usize = 100_000;
/// From how many waiting entries on the thread writes at once.
pub(super) const WAITING_MANY: usize = 8_192;
/// How many bytes of bodies may wait; more are left out of their entries.
const BODIES_BYTES_MAX: usize = 32 << 20;
/// A cycle ends when its connector is quiet for so long, in microseconds: 5 minutes. Entra runs every
/// 20 to 40 minutes, and no identity provider pauses that long within a run.
pub const CYCLE_GAP_MICROS: Micros = 5 * 60 * 1_000_000;
/// A cycle ends after so long in any case, in microseconds: 12 hours. A client that never pauses has
/// cycles too.
pub const CYCLE_MICROS_MAX: Micros = 12 * 3_600 * 1_000_000;
/// How many samples are kept of rejections for one reason.
pub const SAMPLES_MAX: usize = 10;

/// What there is besides entries ([`super::blocks`]).
pub(crate) const SCHEMA: &str = "
    CREATE TABLE places (
        no        INTEGER PRIMARY KEY,
        workspace TEXT NOT NULL,
        connector TEXT NOT NULL,
        UNIQUE (workspace, connector)
    ) STRICT;
    CREATE TABLE cycles (
        place    INTEGER NOT NULL,
        begun    INTEGER NOT NULL,
        ended    INTEGER NOT NULL,
        requests INTEGER NOT NULL,
        outcomes TEXT NOT NULL,            -- How many by outcome, in the order of their numbers.
        PRIMARY KEY (place, begun)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE bodies (
        place  INTEGER NOT NULL,
        time   INTEGER NOT NULL,
        key    INTEGER NOT NULL,           -- The number of a data key of the workspace.
        cut    INTEGER NOT NULL,
        sealed BLOB NOT NULL,
        PRIMARY KEY (place, time)
    ) STRICT;
    CREATE INDEX bodies_by_key ON bodies (key);
    CREATE TABLE running (no INTEGER PRIMARY KEY) STRICT;      -- One row while a process is.
    CREATE TABLE kept (
        workspace TEXT PRIMARY KEY,
        days      INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE rejections (
        workspace TEXT NOT NULL,
        connector TEXT NOT NULL,           -- Empty: none that there is.
        reason    TEXT NOT NULL,
        count     INTEGER NOT NULL,
        last      INTEGER NOT NULL,
        PRIMARY KEY (workspace, connector, reason)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE attempts (
        workspace TEXT NOT NULL,
        connector TEXT NOT NULL,
        reason    TEXT NOT NULL,
        time      INTEGER NOT NULL,
        request   TEXT NOT NULL,
        token     BLOB,
        PRIMARY KEY (workspace, connector, reason, time, request)
    ) STRICT, WITHOUT ROWID;";

/// Which rejections: workspace, connector or nothing, reason.
type Rejected = (WorkspaceId, SmolStr, SmolStr);

/// What is recorded and not written.
#[derive(Default)]
pub(super) struct Waiting {
    entries: Vec<NewEntry>,
    bodies_bytes: usize,
    dropped: u64,
    rejections: HashMap<Rejected, Rejections>,
}

#[derive(Default)]
struct Rejections {
    count: u64,
    last: Micros,
    samples: VecDeque<Attempt>,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.entries.len() + self.rejections.len()
    }

    pub(super) fn add(&mut self, mut entry: NewEntry) {
        if self.entries.len() >= WAITING_MAX {
            self.dropped += 1;
            return;
        }
        let bytes = entry.body.as_ref().map_or(0, |body| body.bytes.len());
        if self.bodies_bytes + bytes > BODIES_BYTES_MAX {
            entry.body = None;
        } else {
            self.bodies_bytes += bytes;
        }
        self.entries.push(entry);
    }

    /// There are as many of these as a workspace has connectors and ways to be wrong.
    pub(super) fn reject(
        &mut self,
        workspace: &WorkspaceId,
        connector: Option<&str>,
        reason: &'static str,
        attempt: Attempt,
    ) {
        let connector = connector.unwrap_or_default().into();
        let key = (workspace.clone(), connector, SmolStr::new_static(reason));
        let known = self.rejections.entry(key).or_default();
        known.count += 1;
        known.last = known.last.max(attempt.time);
        if known.samples.len() == SAMPLES_MAX {
            known.samples.pop_front();
        }
        known.samples.push_back(attempt);
    }
}

/// Where the next entry of a connector goes.
struct Place {
    no: i64,
    last: Micros,
    cycle: Option<Cycle>,
    /// Whether the cycle is not stored as it is.
    is_new: bool,
}

/// The places that were written to since the start.
#[derive(Default)]
pub(super) struct Places(HashMap<(WorkspaceId, SmolStr), Place>);

/// Writes all that waits, and forgets it then. Places are told of it only once it is committed, so that they
/// are read again after a failure.
pub(super) fn store(
    conn: &mut Connection,
    places: &mut Places,
    keys: &mut BodyKeys,
    waiting: &mut Waiting,
) -> Result<(), Failure> {
    let dropped = std::mem::take(&mut waiting.dropped);
    if dropped > 0 {
        tracing::warn!(dropped, "entries of the provisioning log are lost: too many were waiting");
    }
    let mut known = std::mem::take(places);
    let tx = conn.transaction().map_err(failed)?;
    let mut blocks = Blocks::default();
    for NewEntry { workspace, entry, body } in by_connector(&mut waiting.entries) {
        let place = known.place(&tx, workspace, &entry.connector).map_err(failed)?;
        let time = entry.time.max(place.last + 1);
        (place.last, entry.time) = (time, time);
        blocks.add(&tx, place.no, entry).map_err(failed)?;
        if let Some(body) = body {
            keys.store(&tx, workspace, (place.no, time), body)?;
        }
        place.count(&tx, entry).map_err(failed)?;
    }
    blocks.store(&tx).map_err(failed)?;
    for place in known.0.values_mut().filter(|place| place.is_new) {
        place.is_new = false;
        place.store_cycle(&tx).map_err(failed)?;
    }
    for (key, rejections) in &waiting.rejections {
        rejections.store(&tx, key).map_err(failed)?;
    }
    tx.commit().map_err(failed)?;
    (*places, *waiting) = (known, Waiting::default());
    Ok(())
}

/// One connector after the other in the order in which they came first, and the entries of each as they came.
fn by_connector(entries: &mut [NewEntry]) -> impl Iterator<Item = &mut NewEntry> {
    let (mut numbers, mut connectors) = (HashMap::new(), Vec::<Vec<_>>::new());
    for new in entries {
        let connector = (new.workspace.clone(), new.entry.connector.clone());
        let number = *numbers.entry(connector).or_insert(connectors.len());
        match connectors.get_mut(number) {
            Some(known) => known.push(new),
            None => connectors.push(vec![new]),
        }
    }
    connectors.into_iter().flatten()
}

fn failed(error: rusqlite::Error) -> Failure {
    Failure::storage("writing the provisioning log")(error)
}

impl Places {
    fn place(
        &mut self,
        tx: &Transaction<'_>,
        workspace: &WorkspaceId,
        connector: &SmolStr,
    ) -> rusqlite::Result<&mut Place> {
        let key = (workspace.clone(), connector.clone());
        match self.0.entry(key) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(free) => {
                let (workspace, connector) = free.key();
                let place = Place::read(tx, workspace, connector)?;
                Ok(free.insert(place))
            }
        }
    }
}

impl Place {
    fn read(
        tx: &Transaction<'_>,
        workspace: &WorkspaceId,
        connector: &SmolStr,
    ) -> rusqlite::Result<Self> {
        tx.execute(
            "INSERT INTO places (workspace, connector) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![workspace.as_str(), connector.as_str()],
        )?;
        let no = tx.query_row(
            "SELECT no FROM places WHERE workspace = ?1 AND connector = ?2",
            params![workspace.as_str(), connector.as_str()],
            |row| row.get(0),
        )?;
        let mut last = None;
        for kind in Kind::ALL {
            last = last.max(Of { kind, place: no, connector: connector.clone() }.last_time(tx)?);
        }
        let last_cycle = "SELECT begun, ended, requests, outcomes FROM cycles
                          WHERE place = ?1 ORDER BY begun DESC LIMIT 1";
        let cycle =
            tx.query_row(last_cycle, [no], |row| read_cycle(row, connector.clone())).optional()?;
        Ok(Self { no, last: last.unwrap_or(0), cycle, is_new: false })
    }

    /// Adds an entry to the cycle that it belongs to. One that has ended is stored.
    fn count(&mut self, tx: &Transaction<'_>, entry: &Entry) -> rusqlite::Result<()> {
        let goes_on = |cycle: &Cycle| {
            entry.time - cycle.ended <= CYCLE_GAP_MICROS
                && entry.time - cycle.begun <= CYCLE_MICROS_MAX
        };
        if !self.cycle.as_ref().is_some_and(goes_on) {
            self.store_cycle(tx)?;
            self.cycle = None;
        }
        let (connector, begun) = (&entry.connector, entry.time);
        let cycle = self.cycle.get_or_insert_with(|| Cycle {
            connector: connector.clone(),
            begun,
            ..Cycle::default()
        });
        self.is_new = true;
        cycle.ended = entry.time;
        cycle.requests += u64::from(entry.operation.is_none());
        cycle.outcomes[usize::from(entry.outcome.number())] += 1;
        Ok(())
    }

    fn store_cycle(&self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        let Some(cycle) = &self.cycle else { return Ok(()) };
        let outcomes: Vec<_> = cycle.outcomes.iter().map(ToString::to_string).collect();
        tx.prepare_cached(
            "INSERT INTO cycles VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET
                 ended = excluded.ended, requests = excluded.requests, outcomes = excluded.outcomes",
        )?
        .execute(params![
            self.no,
            cycle.begun,
            cycle.ended,
            cycle.requests.cast_signed(),
            outcomes.join(" "),
        ])
        .map(drop)
    }
}

/// Reads `begun, ended, requests, outcomes`.
pub(super) fn read_cycle(row: &rusqlite::Row<'_>, connector: SmolStr) -> rusqlite::Result<Cycle> {
    let mut outcomes = [0; Outcome::ALL.len()];
    let stored = row.get_ref(3)?.as_str()?.split(' ').map(|it| it.parse().unwrap_or(0));
    outcomes.iter_mut().zip(stored).for_each(|(count, stored)| *count = stored);
    Ok(Cycle {
        connector,
        begun: row.get(0)?,
        ended: row.get(1)?,
        requests: row.get::<_, i64>(2)?.cast_unsigned(),
        outcomes,
    })
}

/// The id of a request as it is stored.
#[derive(Clone, Copy)]
pub(super) enum RequestId<'t> {
    Uuid([u8; 16]),
    Text(&'t str),
}

impl<'t> RequestId<'t> {
    /// Only the one spelling is shortened, so that what is read is what was written.
    pub(super) fn of(text: &'t str) -> Self {
        let mut buffer = Uuid::encode_buffer();
        match Uuid::try_parse(text) {
            Ok(id) if *id.hyphenated().encode_lower(&mut buffer) == *text => {
                Self::Uuid(id.into_bytes())
            }
            _ => Self::Text(text),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Uuid(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        }
    }

    pub(super) fn read(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<String> {
        match row.get_ref(index)? {
            ValueRef::Text(_) => row.get(index),
            _ => Ok(Uuid::from_bytes(row.get(index)?).to_string()),
        }
    }
}

impl ToSql for RequestId<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Uuid(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Self::Text(text) => ToSqlOutput::Borrowed((*text).into()),
        })
    }
}

impl Rejections {
    fn store(&self, tx: &Transaction<'_>, key: &Rejected) -> rusqlite::Result<()> {
        let (workspace, connector, reason) = (key.0.as_str(), key.1.as_str(), key.2.as_str());
        tx.prepare_cached(
            "INSERT INTO rejections VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET
                 count = count + excluded.count, last = max(last, excluded.last)",
        )?
        .execute(params![
            workspace,
            connector,
            reason,
            self.count.cast_signed(),
            self.last
        ])?;
        let mut insert = tx.prepare_cached(
            "INSERT INTO attempts VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        )?;
        for Attempt { time, request, token } in &self.samples {
            let token = token.as_ref().map(Uuid::as_bytes);
            insert.execute(params![workspace, connector, reason, time, request, token])?;
        }
        tx.prepare_cached(
            "DELETE FROM attempts WHERE workspace = ?1 AND connector = ?2 AND reason = ?3
                 AND (time, request) NOT IN (
                     SELECT time, request FROM attempts
                     WHERE workspace = ?1 AND connector = ?2 AND reason = ?3
                     ORDER BY time DESC, request DESC LIMIT ?4)",
        )?
        .execute(params![workspace, connector, reason, limit_of(SAMPLES_MAX)])
        .map(drop)
    }
}
