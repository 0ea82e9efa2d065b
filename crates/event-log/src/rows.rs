//! Rows as they come from the file.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use smol_str::SmolStr;
use uuid::Uuid;

use crate::shared::StreamRow;
use crate::{Hash, Kept, Meta, Micros, StreamId};

/// An event with everything that its leaf covers, and the leaf.
pub(crate) struct EventRow {
    pub(crate) position: u64,
    /// The file's own number of the stream.
    pub(crate) stream_no: i64,
    pub(crate) stream: StreamId,
    pub(crate) version: u64,
    pub(crate) name: SmolStr,
    pub(crate) schema_version: u16,
    pub(crate) key: Option<u64>,
    pub(crate) leaf: Hash,
    /// As it is kept.
    pub(crate) payload: Vec<u8>,
    pub(crate) transaction: Arc<TransactionRow>,
}

/// What the events of one commit share.
pub(crate) struct TransactionRow {
    pub(crate) no: i64,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) time: Micros,
    pub(crate) meta: Arc<Meta>,
}

/// Where the events lie that are wanted.
#[derive(Clone, Copy)]
pub(crate) enum Of {
    /// A workspace's, in the order of positions.
    Workspace(i64),
    /// A stream's, in the order of versions.
    Stream(i64),
}

/// A query for events, with the columns that [`event`] and [`transaction`] read.
macro_rules! events_from {
    ($from:literal, $condition:literal) => {
        concat!(
            "SELECT e.position, e.stream, s.kind, s.id, e.version, e.name, e.schema_version,
                    e.key, e.leaf, e.payload, t.no, t.first, t.last, t.time, t.actor, t.request,
                    t.correlation, t.causation, t.rule
             FROM ",
            $from,
            " JOIN streams s ON s.no = e.stream AND s.workspace = e.workspace WHERE ",
            $condition
        )
    };
    (events, $condition:literal) => {
        events_from!(
            "events e JOIN transactions t ON t.no = e.txn AND t.workspace = e.workspace",
            $condition
        )
    };
}
pub(crate) use events_from;

impl Of {
    pub(crate) fn sql(self) -> (&'static str, i64) {
        const BY_POSITION: &str = events_from!(
            events,
            "e.workspace = ?1 AND e.position > ?2 ORDER BY e.position LIMIT ?3"
        );
        const BY_VERSION: &str =
            events_from!(events, "e.stream = ?1 AND e.version > ?2 ORDER BY e.version LIMIT ?3");
        match self {
            Self::Workspace(no) => (BY_POSITION, no),
            Self::Stream(no) => (BY_VERSION, no),
        }
    }
}

/// At most `limit` events after a position or a version.
pub(crate) fn events(
    conn: &Connection,
    of: Of,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<EventRow>> {
    let (sql, no) = of.sql();
    select(conn, sql, params![no, place_of(after), limit_of(limit)])
}

/// What a query made with [`events_from`] finds.
pub(crate) fn select(
    conn: &Connection,
    sql: &str,
    params: impl Params,
) -> rusqlite::Result<Vec<EventRow>> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut events: Vec<EventRow> = Vec::new();
    while let Some(row) = rows.next()? {
        let before = events.last().map(|event| &event.transaction);
        let transaction = transaction(row, before)?;
        events.push(event(row, transaction)?);
    }
    Ok(events)
}

fn event(row: &Row<'_>, transaction: Arc<TransactionRow>) -> rusqlite::Result<EventRow> {
    Ok(EventRow {
        position: unsigned(row, 0)?,
        stream_no: row.get(1)?,
        stream: StreamId { kind: text(row, 2)?, id: Uuid::from_bytes(row.get(3)?) },
        version: unsigned(row, 4)?,
        name: text(row, 5)?,
        schema_version: row.get(6)?,
        key: row.get::<_, Option<i64>>(7)?.map(i64::cast_unsigned),
        leaf: row.get(8)?,
        payload: row.get(9)?,
        transaction,
    })
}

/// The row's transaction: most often that of the row before.
fn transaction(
    row: &Row<'_>,
    before: Option<&Arc<TransactionRow>>,
) -> rusqlite::Result<Arc<TransactionRow>> {
    let no = row.get(10)?;
    if let Some(before) = before.filter(|before| before.no == no) {
        return Ok(Arc::clone(before));
    }
    let meta = Meta {
        actor: text(row, 14)?,
        request: row.get(15)?,
        correlation: row.get(16)?,
        causation: row.get::<_, Option<i64>>(17)?.map(i64::cast_unsigned),
        rule: row.get(18)?,
    };
    Ok(Arc::new(TransactionRow {
        no,
        first: unsigned(row, 11)?,
        last: unsigned(row, 12)?,
        time: row.get(13)?,
        meta: Arc::new(meta),
    }))
}

/// A stream by its name.
pub(crate) fn find_stream(
    conn: &Connection,
    workspace: i64,
    stream: &StreamId,
) -> rusqlite::Result<Option<StreamRow>> {
    conn.prepare_cached(
        "SELECT no, version, key FROM streams WHERE workspace = ?1 AND kind = ?2 AND id = ?3",
    )?
    .query_row(params![workspace, stream.kind.as_str(), stream.id.as_bytes()], |row| {
        let key = row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned);
        Ok(StreamRow { no: row.get(0)?, version: unsigned(row, 1)?, key })
    })
    .optional()
}

/// A stream's name by its number.
pub(crate) fn stream_id(conn: &Connection, no: i64) -> rusqlite::Result<StreamId> {
    conn.prepare_cached("SELECT kind, id FROM streams WHERE no = ?1")?.query_row([no], |row| {
        Ok(StreamId { kind: text(row, 0)?, id: Uuid::from_bytes(row.get(1)?) })
    })
}

/// The number of the stream that holds a claim.
pub(crate) fn find_claim(
    conn: &Connection,
    workspace: i64,
    scope: &str,
    hash: &Hash,
) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached(
        "SELECT stream FROM claims WHERE workspace = ?1 AND scope = ?2 AND key = ?3",
    )?
    .query_row(params![workspace, scope, hash], |row| row.get(0))
    .optional()
}

/// An event as it is kept.
pub(crate) fn kept(
    conn: &Connection,
    workspace: i64,
    position: u64,
) -> rusqlite::Result<Option<Kept>> {
    conn.prepare_cached("SELECT payload, leaf FROM events WHERE workspace = ?1 AND position = ?2")?
        .query_row(params![workspace, position.cast_signed()], |row| {
            Ok(Kept { payload: row.get(0)?, leaf: row.get(1)? })
        })
        .optional()
}

/// A position or version that somebody has named, as SQLite takes it: none is beyond the last that there can be.
pub(crate) fn place_of(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// As SQLite takes it.
pub(crate) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A number that the schema keeps as a signed one.
pub(crate) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get(column).map(i64::cast_unsigned)
}

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<SmolStr> {
    Ok(SmolStr::new(row.get_ref(column)?.as_str()?))
}
