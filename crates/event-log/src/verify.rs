//! Checking that a workspace's log is as it was written.
//!
//! Every leaf is computed again from the fields, and the tree from the leaves. Whoever can write
//! to the file can also make all of it fit again: what proves something is a tree head that was
//! kept elsewhere, to compare with [`crate::Verdict::Sound`].

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use crate::leaf::Leaf;
use crate::nodes;
use crate::readers::Readers;
use crate::rows::{EventRow, Of, TransactionRow, events, unsigned};
use crate::tree::Edge;
use crate::{Failure, Fault, Micros, Verdict, WorkspaceId};

/// How many events are read at once.
const PAGE: usize = 1_000;

const DOING: &str = "verifying the log";

pub(crate) struct Verification<'a> {
    readers: &'a Readers,
    workspace: &'a WorkspaceId,
    claimed: Claimed,
    /// The tree of what has been read.
    edge: Edge,
    /// Whether a node that is kept is another than what its events make.
    node_at_fault: bool,
    /// Whether it begins with the first event: else what is kept of streams is not looked through.
    whole: bool,
    /// The transaction of the last event that has been read.
    transaction: Option<Arc<TransactionRow>>,
}

/// What the workspace's row says.
struct Claimed {
    no: i64,
    time: Micros,
    edge: Edge,
}

impl<'a> Verification<'a> {
    /// `None` when there is no such workspace.
    pub(crate) fn new(
        readers: &'a Readers,
        workspace: &'a WorkspaceId,
    ) -> Result<Option<Self>, Failure> {
        let row = readers.with(DOING, |conn| {
            conn.query_row(
                "SELECT no, time, head, edge FROM workspaces WHERE id = ?1",
                [workspace.as_str()],
                |row| Ok((row.get(0)?, row.get(1)?, unsigned(row, 2)?, row.get::<_, Vec<u8>>(3)?)),
            )
            .optional()
        });
        let Some((no, time, head, edge)) = row? else { return Ok(None) };
        let Some(edge) = Edge::from_bytes(head, &edge) else {
            let what = "the edge of the tree does not fit its size";
            return Err(Failure::Corrupt { workspace: workspace.clone(), position: head, what });
        };
        let claimed = Claimed { no, time, edge };
        let (edge, transaction) = (Edge::default(), None);
        let (node_at_fault, whole) = (false, true);
        Ok(Some(Self { readers, workspace, claimed, edge, node_at_fault, whole, transaction }))
    }

    /// The same, of what comes after events of which this is the edge: the end of a commit.
    pub(crate) fn after(self, edge: Edge) -> Self {
        Self { whole: edge.size() == 0, edge, ..self }
    }

    pub(crate) fn done(&self) -> u64 {
        self.edge.size()
    }

    pub(crate) fn total(&self) -> u64 {
        self.claimed.edge.size()
    }

    /// Reads on. The verdict, once there is one.
    pub(crate) fn step(&mut self) -> Result<Option<Verdict>, Failure> {
        let (done, total) = (self.done(), self.total());
        if done == total {
            return self.finish().map(Some);
        }
        let limit = usize::try_from(total - done).unwrap_or(PAGE).min(PAGE);
        let (page, orders, unreadable): (Vec<_>, Vec<bool>, _) =
            self.readers.with(DOING, |conn| {
                let (page, unreadable) = readable(conn, self.claimed.no, done, limit)?;
                let orders =
                    page.iter().map(|event| follows(conn, event)).collect::<Result<_, _>>()?;
                Ok((page, orders, unreadable))
            })?;
        let mut completed = Vec::new();
        for (event, in_order) in page.iter().zip(orders) {
            if let Some(what) = self.check(event, in_order) {
                return Ok(Some(broken(self.done() + 1, what)));
            }
            if let Some(verdict) = self.check_transaction(Some(&event.transaction)) {
                return Ok(Some(verdict));
            }
            self.edge.push_noting(event.leaf, &mut completed);
            self.transaction = Some(Arc::clone(&event.transaction));
        }
        let no = self.claimed.no;
        self.node_at_fault |=
            !self.readers.with(DOING, |conn| nodes::are_kept(conn, no, &completed))?;
        if unreadable {
            return Ok(Some(broken(self.done() + 1, "the event does not read")));
        }
        let missing = page.len() < limit;
        Ok(missing.then(|| broken(self.done() + 1, "the event is missing")))
    }

    /// What is wrong with an event.
    fn check(&self, event: &EventRow, in_order: bool) -> Option<&'static str> {
        let transaction = &event.transaction;
        let before = self.transaction.as_ref().map_or(Micros::MIN, |before| before.time);
        let leaf = Leaf {
            workspace: self.workspace,
            position: event.position,
            stream: &event.stream,
            version: event.version,
            name: &event.name,
            schema_version: event.schema_version,
            time: transaction.time,
            meta: &transaction.meta,
            key: event.key,
            payload: &event.payload,
        };
        if event.position != self.done() + 1 {
            Some("the event is missing")
        } else if leaf.hash() != event.leaf {
            Some("the event does not fit its leaf hash")
        } else if !in_order {
            Some("the stream's version before it is missing or comes later")
        } else if transaction.time < before {
            Some("it was recorded before the event that precedes it")
        } else {
            None
        }
    }

    /// What is wrong with where a transaction ends and the next one begins.
    fn check_transaction(&self, next: Option<&Arc<TransactionRow>>) -> Option<Verdict> {
        let done = self.done();
        let goes_on = match (&self.transaction, next) {
            (Some(before), Some(next)) => before.no == next.no,
            (None, _) | (_, None) => false,
        };
        let ends = |last: u64| if goes_on { last > done } else { last == done };
        let what = "its transaction names other events";
        match (&self.transaction, next) {
            (Some(before), _) if !ends(before.last) => Some(broken(before.first, what)),
            (_, Some(next)) if !goes_on && next.first != done + 1 => Some(broken(done + 1, what)),
            _ => None,
        }
    }

    /// Compares what is kept beside the events with what they make of it.
    fn finish(&self) -> Result<Verdict, Failure> {
        if let Some(first) = self.edge.first_difference(&self.claimed.edge) {
            let what = "the tree was built from another event, here or soon after";
            return Ok(broken(first + 1, what));
        }
        if let Some(verdict) = self.check_transaction(None) {
            return Ok(verdict);
        }
        let beside = |what| Ok(Verdict::Broken(Fault { position: None, what }));
        if self.transaction.as_ref().is_some_and(|last| last.time > self.claimed.time) {
            return beside("the workspace's time is before that of its last event");
        }
        if self.node_at_fault {
            return beside("a node of the tree is not what its events make");
        }
        if !self.whole {
            return Ok(Verdict::Sound(self.edge.head()));
        }
        let no = self.claimed.no;
        if self.readers.with(DOING, |conn| exists(conn, STREAM_AT_FAULT, no))? {
            return beside("a stream's version is not that of its last event");
        }
        if self.readers.with(DOING, |conn| exists(conn, CLAIM_AT_FAULT, no))? {
            return beside("a claim is held by no stream of the workspace");
        }
        Ok(Verdict::Sound(self.edge.head()))
    }
}

/// A stream with another version than its last event, up to the head that it has by now.
const STREAM_AT_FAULT: &str = "
    SELECT 1 FROM streams s WHERE s.workspace = ?1 AND s.version <>
        (SELECT coalesce(max(version), 0) FROM events WHERE stream = s.no)";

const CLAIM_AT_FAULT: &str = "
    SELECT 1 FROM claims c LEFT JOIN streams s ON s.no = c.stream AND s.workspace = c.workspace
    WHERE c.workspace = ?1 AND s.no IS NULL";

fn exists(conn: &Connection, sql: &str, workspace: i64) -> rusqlite::Result<bool> {
    conn.prepare_cached(sql)?.exists([workspace])
}

/// The events after a position, up to one that does not read, if there is such a one.
fn readable(
    conn: &Connection,
    workspace: i64,
    after: u64,
    limit: usize,
) -> rusqlite::Result<(Vec<EventRow>, bool)> {
    let of = Of::Workspace(workspace);
    match events(conn, of, after, limit) {
        Ok(page) => return Ok((page, false)),
        Err(error) if !is_of_what_stands_there(&error) => return Err(error),
        Err(_) => {}
    }
    let mut page = Vec::new();
    while page.len() < limit {
        match events(conn, of, after + page.len() as u64, 1) {
            Ok(one) if one.is_empty() => return Ok((page, false)),
            Ok(one) => page.extend(one),
            Err(_) => break,
        }
    }
    Ok((page, true))
}

/// Whether an error comes from what stands in the file, such as bytes that are no text.
fn is_of_what_stands_there(error: &rusqlite::Error) -> bool {
    use rusqlite::Error as E;
    let kind = matches!(
        error,
        E::FromSqlConversionFailure(..)
            | E::InvalidColumnType(..)
            | E::IntegralValueOutOfRange(..)
            | E::Utf8Error(..)
    );
    kind || error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt)
}

/// Whether the version before this one is there, and earlier.
fn follows(conn: &Connection, event: &EventRow) -> rusqlite::Result<bool> {
    if event.version <= 1 {
        return Ok(event.version == 1);
    }
    let before = conn
        .prepare_cached("SELECT position FROM events WHERE stream = ?1 AND version = ?2")?
        .query_row(params![event.stream_no, (event.version - 1).cast_signed()], |row| {
            unsigned(row, 0)
        })
        .optional()?;
    Ok(before.is_some_and(|before| before < event.position))
}

fn broken(position: u64, what: &'static str) -> Verdict {
    Verdict::Broken(Fault { position: Some(position), what })
}
