//! Reading the provisioning log: newest first, found by an index, in parts.

use std::collections::VecDeque;

use rusqlite::{Connection, OptionalExtension, params};
use smol_str::SmolStr;
use uuid::Uuid;

use super::entry::{Action, Attempt, Cycle, Entry, NameDigest, Outcome, Rejections, Resource};
use super::reads;
use super::requests::{RequestId, read_cycle};
use crate::rows::limit_of;
use crate::{Micros, WorkspaceId};

/// How many entries are looked at for one part, at most: about 20 ms.
const LOOKED_AT_MAX: usize = 20_000;
/// How many are read at a time.
const CHUNK: usize = 1_000;
/// How many blocks of reads are looked at for one part, at most: about as long.
const BLOCKS_MAX: usize = 10_000;

/// Which entries are looked for. What is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Of this connector.
    pub connector: Option<SmolStr>,
    /// That ask for this.
    pub action: Option<Action>,
    /// That came out so.
    pub outcome: Option<Outcome>,
    /// With a status from the first to the second.
    pub status: Option<(u16, u16)>,
    /// About this resource.
    pub subject: Option<Uuid>,
    /// With this userName or displayName.
    pub name: Option<NameDigest>,
    /// With this correlation id.
    pub correlation: Option<String>,
    /// Answered then or later.
    pub from: Option<Micros>,
    /// Answered then or earlier.
    pub to: Option<Micros>,
    /// Before this place: where the part before ended.
    pub before: Option<Spot>,
    /// How many, at most.
    pub limit: usize,
}

/// A place in the log: a time, then a number of the connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The time of an entry or the beginning of a cycle.
    pub time: Micros,
    /// Which connector, by a number of the file.
    pub place: i64,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Part<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// Where to go on; `None` when everything was looked at. A part may be short, or empty, and still
    /// have one.
    pub next: Option<Spot>,
}

/// The columns of an entry, and by which index those of a connector are found: SQLite, left alone,
/// would go by the time.
macro_rules! entries {
    ($index:literal, $condition:literal) => {
        concat!(
            "SELECT time, action, outcome, resource, subject, name, token, status, scim_type,
                 detail, duration, request, correlation, operation, first, last
             FROM requests ",
            $index,
            " WHERE place = ?1 AND time >= ?2 AND time <= ?3 AND ",
            $condition,
            " ORDER BY time DESC LIMIT ?4"
        )
    };
}

const BY_TIME: &str = entries!("", "?5 IS NULL");
const BY_CORRELATION: &str = entries!("INDEXED BY requests_by_correlation", "correlation = ?5");
const BY_SUBJECT: &str = entries!("INDEXED BY requests_by_subject", "subject = ?5");
const BY_NAME: &str = entries!("INDEXED BY requests_by_name", "name = ?5");
const BY_OUTCOME: &str =
    entries!("INDEXED BY requests_by_outcome", "outcome = ?5 AND outcome >= 2");

/// A connector's entries, being read: those in rows of their own, or those in blocks.
struct Source {
    place: i64,
    connector: SmolStr,
    is_of_blocks: bool,
    /// Nothing later is left.
    to: Micros,
    rows: VecDeque<Entry>,
    ended: bool,
}

impl Search {
    fn sql(&self) -> &'static str {
        match self {
            Self { correlation: Some(_), .. } => BY_CORRELATION,
            Self { name: Some(_), .. } => BY_NAME,
            Self { subject: Some(_), .. } => BY_SUBJECT,
            Self { outcome: Some(outcome), .. } if outcome.number() >= 2 => BY_OUTCOME,
            _ => BY_TIME,
        }
    }

    fn wants(&self, entry: &Entry) -> bool {
        self.action.is_none_or(|it| it == entry.action)
            && self.outcome.is_none_or(|it| it == entry.outcome)
            && self.status.is_none_or(|(first, last)| {
                entry.status.is_some_and(|status| (first..=last).contains(&status))
            })
            && self.subject.is_none_or(|it| Some(it) == entry.subject)
            && self.name.is_none_or(|it| Some(it) == entry.name)
            && self.correlation.as_ref().is_none_or(|it| *it == entry.correlation)
    }

    /// Whether an entry of a block may match.
    fn may_be_in_block(&self) -> bool {
        self.name.is_none() && self.outcome.is_none_or(|it| it == Outcome::Read)
    }

    /// Reads more of a connector, where nothing of it is left; of not more than so many blocks.
    fn fill(
        &self,
        conn: &Connection,
        source: &mut Source,
        blocks: &mut usize,
    ) -> rusqlite::Result<()> {
        if source.ended || !source.rows.is_empty() {
            return Ok(());
        }
        if source.is_of_blocks {
            self.fill_block(conn, source, blocks)
        } else {
            self.fill_rows(conn, source)
        }
    }

    fn fill_block(
        &self,
        conn: &Connection,
        source: &mut Source,
        blocks: &mut usize,
    ) -> rusqlite::Result<()> {
        let correlation = self.correlation.as_deref().map(RequestId::of);
        let subject = self.subject.as_ref().map(|subject| &subject.as_bytes()[..]);
        let names: Vec<_> = correlation.iter().map(RequestId::as_bytes).chain(subject).collect();
        let range = (self.from.unwrap_or(Micros::MIN), source.to);
        let found = reads::find(conn, (source.place, &source.connector), range, &names, blocks)?;
        source.rows = found.entries.into();
        source.ended = found.to.is_none();
        source.to = found.to.unwrap_or(Micros::MIN);
        Ok(())
    }

    fn fill_rows(&self, conn: &Connection, source: &mut Source) -> rusqlite::Result<()> {
        let limit = (self.limit + 1).min(CHUNK);
        let correlation = self.correlation.as_deref().map(RequestId::of);
        let subject = self.subject.map(Uuid::into_bytes);
        let outcome = self.outcome.map(Outcome::number);
        let from = self.from.unwrap_or(Micros::MIN);
        let key: &dyn rusqlite::ToSql = match self.sql() {
            BY_CORRELATION => &correlation,
            BY_NAME => &self.name,
            BY_SUBJECT => &subject,
            BY_OUTCOME => &outcome,
            _ => &rusqlite::types::Null,
        };
        let connector = &source.connector;
        let rows = conn
            .prepare_cached(self.sql())?
            .query_map(params![source.place, from, source.to, limit_of(limit), key], |row| {
                read_entry(row, connector.clone())
            })?
            .collect::<rusqlite::Result<VecDeque<_>>>()?;
        source.ended = rows.len() < limit;
        if let Some(last) = rows.back() {
            source.to = last.time - 1;
        }
        source.rows = rows;
        Ok(())
    }

    fn sources(&self, (place, connector): (i64, SmolStr)) -> impl Iterator<Item = Source> {
        let to = self.to.unwrap_or(Micros::MAX);
        let to = self.before.map_or(to, |before| to.min(last_before(before, place)));
        let kinds = [Some(false), self.may_be_in_block().then_some(true)];
        kinds.into_iter().flatten().map(move |is_of_blocks| {
            let connector = connector.clone();
            Source { place, connector, is_of_blocks, to, rows: VecDeque::new(), ended: false }
        })
    }
}

/// The last time at which an entry of a connector may stand before a spot.
fn last_before(spot: Spot, place: i64) -> Micros {
    if place < spot.place { spot.time } else { spot.time - 1 }
}

/// The connectors that are looked through.
fn places(
    conn: &Connection,
    workspace: &WorkspaceId,
    connector: Option<&str>,
) -> rusqlite::Result<Vec<(i64, SmolStr)>> {
    conn.prepare_cached(
        "SELECT no, connector FROM places
         WHERE workspace = ?1 AND (?2 IS NULL OR connector = ?2)",
    )?
    .query_map(params![workspace.as_str(), connector], |row| {
        Ok((row.get(0)?, row.get_ref(1)?.as_str()?.into()))
    })?
    .collect()
}

/// The entries of a workspace that match, newest first.
pub(super) fn search(
    conn: &Connection,
    workspace: &WorkspaceId,
    search: &Search,
) -> rusqlite::Result<Part<Entry>> {
    let places = places(conn, workspace, search.connector.as_deref())?;
    let mut sources: Vec<_> = places.into_iter().flat_map(|it| search.sources(it)).collect();
    let (mut items, mut next, mut blocks) = (Vec::new(), None, BLOCKS_MAX);
    for looked_at in 0.. {
        for source in &mut sources {
            search.fill(conn, source, &mut blocks)?;
        }
        // Up to then nothing is known of a connector whose blocks were too many.
        let unknown = sources.iter().filter(|it| it.rows.is_empty() && !it.ended).map(|it| it.to);
        let unknown = unknown.max();
        let newest = |source: &&mut Source| {
            source.rows.front().map(|entry| Spot { time: entry.time, place: source.place })
        };
        let is_known = |source: &&mut Source| {
            source.rows.front().is_some_and(|it| unknown.is_none_or(|unknown| it.time > unknown))
        };
        let source = sources.iter_mut().filter(is_known).max_by_key(newest);
        let Some(source) = source else {
            // Before this spot is what has that time or an earlier one: places are numbered from 1.
            let next = unknown.map(|time| Spot { time: time.saturating_add(1), place: 0 });
            return Ok(Part { items, next });
        };
        if items.len() >= search.limit || looked_at >= LOOKED_AT_MAX {
            break;
        }
        if let Some(entry) = source.rows.pop_front() {
            next = Some(Spot { time: entry.time, place: source.place });
            if search.wants(&entry) {
                items.push(entry);
            }
        }
    }
    Ok(Part { items, next })
}

/// The entry of a connector with that time, and the connector's number.
pub(super) fn get(
    conn: &Connection,
    workspace: &WorkspaceId,
    connector: &str,
    time: Micros,
) -> rusqlite::Result<Option<(i64, Entry)>> {
    let Some((place, connector)) = places(conn, workspace, Some(connector))?.pop() else {
        return Ok(None);
    };
    let none = rusqlite::types::Null;
    let found = conn
        .prepare_cached(BY_TIME)?
        .query_row(params![place, time, time, 1, none], |row| read_entry(row, connector.clone()))
        .optional()?;
    let found = match found {
        None => reads::get(conn, (place, &connector), time)?,
        found => found,
    };
    Ok(found.map(|entry| (place, entry)))
}

/// The cycles of a workspace, newest first.
pub(super) fn cycles(
    conn: &Connection,
    workspace: &WorkspaceId,
    search: &Search,
) -> rusqlite::Result<Part<Cycle>> {
    let mut all = Vec::new();
    for (place, connector) in places(conn, workspace, search.connector.as_deref())? {
        let to = search.before.map_or(Micros::MAX, |before| last_before(before, place));
        let to = to.min(search.to.unwrap_or(Micros::MAX));
        let from = search.from.unwrap_or(Micros::MIN);
        let mut find = conn.prepare_cached(
            "SELECT begun, ended, requests, outcomes FROM cycles
             WHERE place = ?1 AND ended >= ?2 AND begun <= ?3 ORDER BY begun DESC LIMIT ?4",
        )?;
        let found = find
            .query_map(params![place, from, to, limit_of(search.limit + 1)], |row| {
                read_cycle(row, connector.clone())
            })?;
        for cycle in found {
            let cycle = cycle?;
            all.push((Spot { time: cycle.begun, place }, cycle));
        }
    }
    all.sort_by_key(|(spot, _)| std::cmp::Reverse(*spot));
    let more = all.len() > search.limit;
    all.truncate(search.limit);
    let next = all.last().filter(|_| more).map(|(spot, _)| *spot);
    Ok(Part { items: all.into_iter().map(|(_, cycle)| cycle).collect(), next })
}

/// What was not authenticated in a workspace.
pub(super) fn rejections(
    conn: &Connection,
    workspace: &WorkspaceId,
) -> rusqlite::Result<Vec<Rejections>> {
    let mut attempts = conn.prepare_cached(
        "SELECT time, request, token FROM attempts
         WHERE workspace = ?1 AND connector = ?2 AND reason = ?3 ORDER BY time DESC, request DESC",
    )?;
    conn.prepare_cached(
        "SELECT connector, reason, count, last FROM rejections WHERE workspace = ?1",
    )?
    .query_map([workspace.as_str()], |row| {
        let (connector, reason): (String, String) = (row.get(0)?, row.get(1)?);
        let samples = attempts
            .query_map(params![workspace.as_str(), connector, reason], |row| {
                let token = row.get::<_, Option<[u8; 16]>>(2)?.map(Uuid::from_bytes);
                Ok(Attempt { time: row.get(0)?, request: row.get(1)?, token })
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Rejections {
            connector: Some(connector).filter(|it| !it.is_empty()).map(SmolStr::from),
            reason: reason.into(),
            count: row.get::<_, i64>(2)?.cast_unsigned(),
            last: row.get(3)?,
            samples,
        })
    })?
    .collect()
}

fn read_entry(row: &rusqlite::Row<'_>, connector: SmolStr) -> rusqlite::Result<Entry> {
    let bad = |index| rusqlite::Error::IntegralValueOutOfRange(index, -1);
    let number = |index| row.get::<_, Option<u8>>(index);
    let position = |index| row.get::<_, Option<i64>>(index).map(|it| it.map(i64::cast_unsigned));
    let first = position(14)?;
    let outcome = number(2)?.and_then(Outcome::of_number).ok_or_else(|| bad(2))?;
    let duration = row.get::<_, i64>(10)?.cast_unsigned();
    Ok(Entry {
        time: row.get(0)?,
        connector,
        action: number(1)?.and_then(Action::of_number).ok_or_else(|| bad(1))?,
        outcome,
        resource: number(3)?.and_then(Resource::of_number),
        subject: row.get::<_, Option<[u8; 16]>>(4)?.map(Uuid::from_bytes),
        name: row.get(5)?,
        token: Uuid::from_bytes(row.get(6)?),
        status: row.get(7)?,
        scim_type: row.get::<_, Option<String>>(8)?.map(SmolStr::from),
        detail: row.get(9)?,
        duration_micros: (outcome != Outcome::Recovered).then_some(duration),
        request: RequestId::read(row, 11)?,
        correlation: RequestId::read(row, 12)?,
        operation: row.get(13)?,
        positions: first.zip(position(15)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[test]
    fn each_search_goes_by_its_index_and_sorts_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let conn = schema::JOURNAL.open(&dir.path().join("journal.db")).unwrap();
        for (sql, index) in [
            (BY_TIME, "PRIMARY KEY (place=? AND time>? AND time<?"),
            (BY_CORRELATION, "requests_by_correlation (correlation=? AND place=? AND time>?"),
            (BY_SUBJECT, "requests_by_subject (place=? AND subject=? AND time>?"),
            (BY_NAME, "requests_by_name (place=? AND name=? AND time>?"),
            (BY_OUTCOME, "requests_by_outcome (place=? AND outcome=? AND time>?"),
        ] {
            let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let plan: Vec<String> =
                statement.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap();
            assert!(plan.iter().any(|step| step.contains(index)), "{plan:?}");
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
        }
    }
}
