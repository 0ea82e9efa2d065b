//! Finding events by what is known of them.
//!
//! Each search goes by an index: a stream's, a correlation's, those of types and actors ([`crate::seek`]), or
//! that of positions, when nothing is known but when.

use rusqlite::{Connection, OptionalExtension, params};
use smol_str::SmolStr;

use crate::rows::{EventRow, events_from, find_stream, limit_of, select, unsigned};
use crate::seek::{Seeker, Texts, meet};
use crate::{Micros, StoredEvent, StreamId};

/// What is known of the events that are looked for. What is `None` does not matter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EventFilter {
    /// To whom it happened.
    pub stream: Option<StreamId>,
    /// Their type; with a star at its end, all types that begin so: `user.*`.
    pub name: Option<SmolStr>,
    /// Who did it, with everybody below: `connector:okta` is `connector:okta/<token>`, too.
    pub actor: Option<SmolStr>,
    /// What it belongs to.
    pub correlation: Option<String>,
    /// Recorded then or later.
    pub from: Option<Micros>,
    /// Recorded then or earlier.
    pub to: Option<Micros>,
    /// At this position or before it.
    pub until: Option<u64>,
}

impl EventFilter {
    /// Whether an event is one of those.
    pub fn wants(&self, event: &StoredEvent) -> bool {
        let Self { stream, name, actor, correlation, from, to, until } = self;
        let is_by = |actor: &SmolStr| {
            Texts::of_actor(actor).iter().any(|texts| texts.has(&event.meta.actor))
        };
        stream.as_ref().is_none_or(|it| *it == event.stream)
            && name.as_ref().is_none_or(|it| Texts::of_name(it).has(&event.name))
            && actor.as_ref().is_none_or(is_by)
            && correlation.as_ref().is_none_or(|it| *it == event.meta.correlation)
            && from.is_none_or(|it| it <= event.time)
            && to.is_none_or(|it| event.time <= it)
            && until.is_none_or(|it| event.position <= it)
    }
}

const BY_POSITION: &str = events_from!(
    events,
    "e.workspace = ?1 AND e.position > ?2 AND e.position <= ?3 ORDER BY e.position LIMIT ?4"
);

const AT_POSITION: &str = events_from!(events, "e.workspace = ?1 AND e.position = ?2");

/// A plus keeps SQLite from choosing the index that belongs to the condition.
const BY_STREAM: &str = events_from!(
    events,
    "+e.workspace = ?1 AND +e.position > ?2 AND +e.position <= ?3 AND e.stream = ?5 AND ?6 IS NULL
        AND (?7 IS NULL OR +e.name BETWEEN ?7 AND ?8)
        AND (?9 IS NULL OR +t.actor = ?9 OR +t.actor BETWEEN ?10 AND ?11)
     ORDER BY e.version LIMIT ?4"
);

/// `CROSS JOIN` keeps SQLite from changing the order.
const BY_CORRELATION: &str = events_from!(
    "transactions t CROSS JOIN events e
         ON e.workspace = t.workspace AND e.position BETWEEN t.first AND t.last",
    "t.workspace = ?1 AND t.correlation = ?6 AND +e.position > ?2 AND +e.position <= ?3
        AND (?5 IS NULL OR e.stream = ?5)
        AND (?7 IS NULL OR +e.name BETWEEN ?7 AND ?8)
        AND (?9 IS NULL OR +t.actor = ?9 OR +t.actor BETWEEN ?10 AND ?11)
     ORDER BY e.position LIMIT ?4"
);

/// At most `limit` events after a position, in order.
pub(crate) fn find(
    conn: &Connection,
    workspace: i64,
    filter: &EventFilter,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<EventRow>> {
    let stream = match &filter.stream {
        None => None,
        Some(stream) => match find_stream(conn, workspace, stream)? {
            Some(row) => Some(row.no),
            None => return Ok(Vec::new()),
        },
    };
    let after = match filter.from {
        None => after,
        Some(from) => match first_since(conn, workspace, from)? {
            Some(first) => after.max(first - 1),
            None => return Ok(Vec::new()),
        },
    };
    let until = match filter.to {
        None => LAST_POSITION,
        Some(to) => position_at(conn, workspace, to)?,
    };
    let until = until.min(filter.until.unwrap_or(LAST_POSITION));
    let span = (after.min(LAST_POSITION), until.min(LAST_POSITION));
    let sql = match (&filter.correlation, stream) {
        (Some(_), _) => BY_CORRELATION,
        (None, Some(_)) => BY_STREAM,
        (None, None) => return by_place(conn, workspace, filter, span, limit),
    };
    let name = filter.name.as_deref().map(Texts::of_name);
    let below = filter.actor.as_deref().map(Texts::of_actor).map(|[_, below]| below);
    select(
        conn,
        sql,
        params![
            workspace,
            span.0.cast_signed(),
            span.1.cast_signed(),
            limit_of(limit),
            stream,
            filter.correlation,
            name.as_ref().map(|it| &it.0),
            name.as_ref().map(|it| &it.1),
            filter.actor.as_deref(),
            below.as_ref().map(|it| &it.0),
            below.as_ref().map(|it| &it.1),
        ],
    )
}

/// The last position that there can be.
const LAST_POSITION: u64 = i64::MAX.cast_unsigned();

/// The events of a span of positions, of some types, by some actors.
fn by_place(
    conn: &Connection,
    workspace: i64,
    filter: &EventFilter,
    (after, until): (u64, u64),
    limit: usize,
) -> rusqlite::Result<Vec<EventRow>> {
    let mut seekers = Vec::new();
    if let Some(name) = &filter.name {
        seekers.push(Seeker::of_names(conn, workspace, &[Texts::of_name(name)])?);
    }
    if let Some(actor) = &filter.actor {
        seekers.push(Seeker::of_actors(conn, workspace, &Texts::of_actor(actor))?);
    }
    if seekers.is_empty() {
        let (after, until, limit) = (after.cast_signed(), until.cast_signed(), limit_of(limit));
        return select(conn, BY_POSITION, params![workspace, after, until, limit]);
    }
    let mut events = Vec::new();
    for position in meet(&mut seekers, after, until, limit)? {
        events.extend(select(conn, AT_POSITION, params![workspace, position.cast_signed()])?);
    }
    Ok(events)
}

/// The last position recorded at a time or before it; 0 when there is none.
pub(crate) fn position_at(
    conn: &Connection,
    workspace: i64,
    time: Micros,
) -> rusqlite::Result<u64> {
    let found = conn
        .prepare_cached(
            "SELECT last FROM transactions WHERE workspace = ?1 AND time <= ?2
             ORDER BY time DESC, no DESC LIMIT 1",
        )?
        .query_row(params![workspace, time], |row| unsigned(row, 0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

/// The first position recorded at a time or after it.
fn first_since(conn: &Connection, workspace: i64, time: Micros) -> rusqlite::Result<Option<u64>> {
    conn.prepare_cached(
        "SELECT first FROM transactions WHERE workspace = ?1 AND time >= ?2
         ORDER BY time, no LIMIT 1",
    )?
    .query_row(params![workspace, time], |row| unsigned(row, 0))
    .optional()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Of;
    use crate::schema;

    /// How SQLite goes about a query.
    fn plan(sql: &str) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let conn = schema::LOG.open(&dir.path().join("log.db")).unwrap();
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        statement.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn each_search_goes_by_its_index() {
        let (by_position, by_version) = ("events_1 (workspace=?", "events_2 (stream=?");
        let by_correlation = "transactions_by_correlation (workspace=? AND correlation=?)";
        for (sql, index, sorts) in [
            (Of::Workspace(1).sql().0, by_position, false),
            (Of::Stream(1).sql().0, by_version, false),
            (BY_POSITION, by_position, false),
            (AT_POSITION, "events_1 (workspace=? AND position=?)", false),
            (BY_STREAM, by_version, false),
            (BY_CORRELATION, by_correlation, true),
        ] {
            let plan = plan(sql);
            assert!(plan.iter().any(|step| step.contains(index)), "{plan:?}");
            assert!(!plan.iter().any(|step| step.starts_with("SCAN")), "{plan:?}");
            assert_eq!(plan.iter().any(|step| step.contains("TEMP B-TREE")), sorts, "{plan:?}");
        }
    }
}
