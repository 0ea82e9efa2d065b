//! Reading the provisioning log: newest first, found by names of blocks, in parts.

use std::collections::VecDeque;

use rusqlite::{Connection, params};
use smol_str::SmolStr;
use uuid::Uuid;

use super::blocks::{Kind, Left, Of, outcome_name};
use super::entry::{Action, Attempt, Cycle, Entry, NameDigest, Outcome, Rejections};
use super::requests::{RequestId, read_cycle};
use crate::rows::limit_of;
use crate::{Micros, WorkspaceId};

/// How many blocks are looked at for one part, at most: about 20 ms.
const BLOCKS_MAX: usize = 10_000;
/// How many entries of them are looked at, at most: about as long.
const ENTRIES_MAX: usize = 50_000;
/// How many blocks of a connector are looked at before those of others.
const STEP: usize = 16;
/// Before a spot with this number of a connector is what has an earlier time: they are numbered from 1.
const NO_PLACE: i64 = 0;

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

/// A connector's entries of a kind, being read.
struct Source {
    of: Of,
    /// Nothing later is left.
    to: Micros,
    found: VecDeque<Entry>,
    looked_at: bool,
    ended: bool,
}

impl Search {
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

    /// Whether an entry of that kind may match.
    fn may_be_of(&self, kind: Kind) -> bool {
        kind == Kind::Changes
            || (self.name.is_none() && self.outcome.is_none_or(|it| it == Outcome::Read))
    }

    /// Looks on for entries of a source.
    fn fill(
        &self,
        conn: &Connection,
        source: &mut Source,
        left: &mut Left,
    ) -> rusqlite::Result<()> {
        let correlation = self.correlation.as_deref().map(RequestId::of);
        let outcome = self.outcome.filter(|_| source.of.kind == Kind::Changes).map(outcome_name);
        let names: Vec<&[u8]> = [
            self.subject.as_ref().map(|it| &it.as_bytes()[..]),
            correlation.as_ref().map(RequestId::as_bytes),
            self.name.as_ref().map(|it| &it[..]),
            outcome.as_ref().map(|it| &it[..]),
        ]
        .into_iter()
        .flatten()
        .collect();
        let range = (self.from.unwrap_or(Micros::MIN), source.to);
        let wants = |entry: &Entry| self.wants(entry);
        let found = source.of.find(conn, range, &names, wants, (STEP, left))?;
        source.looked_at = true;
        source.found = found.entries.into();
        source.ended = found.to.is_none();
        source.to = found.to.unwrap_or(Micros::MIN);
        Ok(())
    }

    fn sources(&self, place: i64, connector: &SmolStr) -> impl Iterator<Item = Source> {
        let to = self.to.unwrap_or(Micros::MAX);
        let to = self.before.map_or(to, |before| to.min(last_before(before, place)));
        let kinds = Kind::ALL.into_iter().filter(|kind| self.may_be_of(*kind));
        kinds.map(move |kind| {
            let of = Of { kind, place, connector: connector.clone() };
            Source { of, to, found: VecDeque::new(), looked_at: false, ended: false }
        })
    }
}

impl Source {
    /// Whether there may be more of it, and nothing of that is known.
    fn is_unknown(&self) -> bool {
        self.found.is_empty() && !self.ended
    }

    fn newest(&self) -> Option<Spot> {
        self.found.front().map(|entry| Spot { time: entry.time, place: self.of.place })
    }
}

/// The last time at which an entry of a connector may stand before a spot.
fn last_before(spot: Spot, place: i64) -> Micros {
    if place < spot.place { spot.time } else { spot.time - 1 }
}

/// Whether a part of a list of a workspace may have ended at a spot: it names a connector there, or none.
pub(super) fn has_given(
    conn: &Connection,
    workspace: &WorkspaceId,
    spot: Spot,
) -> rusqlite::Result<bool> {
    let known = places(conn, workspace, None)?;
    Ok(spot.place == NO_PLACE || known.iter().any(|(place, _)| *place == spot.place))
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
    let mut sources: Vec<_> =
        places.iter().flat_map(|(no, connector)| search.sources(*no, connector)).collect();
    let mut left = Left { blocks: BLOCKS_MAX, entries: ENTRIES_MAX };
    let (mut items, mut next) = (Vec::new(), None);
    loop {
        let newest = sources.iter().filter_map(Source::newest).max();
        // Up to its time, nothing is known of a source of which there may be more.
        let unknown = sources.iter_mut().filter(|it| it.is_unknown()).max_by_key(|it| it.to);
        if let Some(source) = unknown
            && newest.is_none_or(|newest| newest.time <= source.to)
        {
            // Each is looked at once in any case, so that the next part begins further on.
            if left.is_none() && source.looked_at {
                next = Some(Spot { time: source.to.saturating_add(1), place: NO_PLACE });
                break;
            }
            search.fill(conn, source, &mut left)?;
            continue;
        }
        let Some(newest) = newest else {
            next = None;
            break;
        };
        if items.len() >= search.limit {
            break;
        }
        next = Some(newest);
        let source = sources.iter_mut().find(|it| it.newest() == Some(newest));
        items.extend(source.and_then(|it| it.found.pop_front()));
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
    for (place, connector) in places(conn, workspace, Some(connector))? {
        for kind in Kind::ALL {
            let of = Of { kind, place, connector: connector.clone() };
            if let Some(entry) = of.get(conn, time)? {
                return Ok(Some((place, entry)));
            }
        }
    }
    Ok(None)
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
