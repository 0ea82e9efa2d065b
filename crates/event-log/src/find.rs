//! Finding events by what is known of them.
//!
//! A stream, a correlation or a span of time narrows the search by an index; a name or an actor
//! alone is looked for in everything that is left.

use rusqlite::{Connection, OptionalExtension, params};
use smol_str::SmolStr;

use crate::rows::{EventRow, events_from, find_stream, limit_of, select, unsigned};
use crate::{Micros, StreamId};

/// What is known of the events that are looked for. What is `None` does not matter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EventFilter {
    /// To whom it happened.
    pub stream: Option<StreamId>,
    /// Their type.
    pub name: Option<SmolStr>,
    /// Who did it.
    pub actor: Option<SmolStr>,
    /// What it belongs to.
    pub correlation: Option<String>,
    /// Recorded then or later.
    pub from: Option<Micros>,
    /// Recorded then or earlier.
    pub to: Option<Micros>,
}

const BY_POSITION: &str = events_from!(
    events,
    "e.workspace = ?1 AND e.position > ?2 AND e.position <= ?3 AND ?5 IS NULL
        AND (?6 IS NULL OR e.name = ?6) AND (?7 IS NULL OR t.actor = ?7) AND ?8 IS NULL
     ORDER BY e.position LIMIT ?4"
);

/// A plus keeps SQLite from choosing the index that belongs to the condition.
const BY_STREAM: &str = events_from!(
    events,
    "+e.workspace = ?1 AND +e.position > ?2 AND +e.position <= ?3 AND e.stream = ?5
        AND (?6 IS NULL OR e.name = ?6) AND (?7 IS NULL OR t.actor = ?7) AND ?8 IS NULL
     ORDER BY e.version LIMIT ?4"
);

/// `CROSS JOIN` keeps SQLite from changing the order.
const BY_CORRELATION: &str = events_from!(
    "transactions t CROSS JOIN events e
         ON e.workspace = t.workspace AND e.position BETWEEN t.first AND t.last",
    "t.workspace = ?1 AND t.correlation = ?8 AND +e.position > ?2 AND +e.position <= ?3
        AND (?5 IS NULL OR e.stream = ?5) AND (?6 IS NULL OR e.name = ?6)
        AND (?7 IS NULL OR t.actor = ?7)
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
        None => i64::MAX,
        Some(to) => position_at(conn, workspace, to)?.cast_signed(),
    };
    let sql = match (&filter.correlation, stream) {
        (Some(_), _) => BY_CORRELATION,
        (None, Some(_)) => BY_STREAM,
        (None, None) => BY_POSITION,
    };
    let (name, actor) = (filter.name.as_deref(), filter.actor.as_deref());
    let limit = limit_of(limit);
    select(
        conn,
        sql,
        params![
            workspace,
            after.cast_signed(),
            until,
            limit,
            stream,
            name,
            actor,
            filter.correlation
        ],
    )
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
