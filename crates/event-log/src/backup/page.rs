//! What goes into a copy: whole commits, page by page, and what is kept beside the events.

use std::collections::HashMap;

use rusqlite::params;

use crate::leaf::Leaf;
use crate::nodes;
use crate::rows::{EventRow, Of, events, find_stream, unsigned};
use crate::tree::{Edge, Node};
use crate::{Fault, Hash, Micros, StreamId, WorkspaceId};

use super::copy::{Copying, PAGE, Uncopied};

/// How many numbers of streams are remembered.
const STREAMS_MAX: usize = 200_000;

/// The number of a workspace that the copy does not have yet.
pub(super) const NEW: i64 = 0;

/// A workspace as the copy has it.
pub(super) struct Target {
    pub(super) workspace: WorkspaceId,
    /// The log's number of it, and the copy's, or [`NEW`].
    pub(super) from: i64,
    pub(super) into: i64,
    pub(super) edge: Edge,
    pub(super) time: Micros,
    pub(super) key: u64,
    /// The copy's numbers of streams, by those of the log.
    pub(super) streams: HashMap<i64, i64>,
}

impl Copying {
    /// Copies the next events, whole commits, in one transaction; how many.
    pub(super) fn page(&self, target: &mut Target, size: u64) -> Result<u64, Uncopied> {
        let after = target.edge.size();
        let limit = usize::try_from(size - after).unwrap_or(PAGE).min(PAGE);
        let mut page = events(&self.from, Of::Workspace(target.from), after, limit)?;
        let workspace = target.workspace.clone();
        let fault = |position: u64, what| Uncopied::Broken {
            workspace: workspace.clone(),
            fault: Fault { position: Some(position), what },
        };
        if page.len() < limit {
            return Err(fault(after + page.len() as u64 + 1, "the event is missing"));
        }
        if let Some(last) = page.last().map(|event| event.transaction.last)
            && last > after + page.len() as u64
        {
            if last <= size {
                let more = usize::try_from(last - after).unwrap_or(PAGE) - page.len();
                let done = after + page.len() as u64;
                page.extend(events(&self.from, Of::Workspace(target.from), done, more)?);
            } else {
                // A commit is copied whole or not at all.
                page.retain(|event| event.transaction.last <= size);
            }
        }
        let tx = self.into.unchecked_transaction()?;
        if target.into == NEW && !page.is_empty() {
            let sql = "SELECT coalesce(max(no), 0) + 1 FROM workspaces";
            target.into = self.into.query_row(sql, [], |row| row.get(0))?;
        }
        let mut completed = Vec::new();
        for (event, position) in page.iter().zip(after + 1..) {
            if event.position != position {
                return Err(fault(position, "the event is missing"));
            }
            if leaf_of(&target.workspace, event) != event.leaf {
                return Err(fault(position, "the event does not fit its leaf hash"));
            }
            self.put(target, event)?;
            target.edge.push_noting(event.leaf, &mut completed);
            target.time = target.time.max(event.transaction.time);
            target.key = target.key.max(event.key.unwrap_or(0));
        }
        if !page.is_empty() {
            self.put_head(target, &completed)?;
        }
        tx.commit()?;
        Ok(page.len() as u64)
    }

    fn put(&self, target: &mut Target, event: &EventRow) -> rusqlite::Result<()> {
        let stream = self.stream(target, event)?;
        let transaction = &event.transaction;
        if event.position == transaction.first {
            let sql = "INSERT INTO transactions VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
            let meta = &transaction.meta;
            self.into.prepare_cached(sql)?.execute(params![
                target.into,
                transaction.first.cast_signed(),
                transaction.last.cast_signed(),
                transaction.time,
                meta.actor.as_str(),
                meta.request,
                meta.correlation,
                meta.causation.map(u64::cast_signed),
                meta.rule
            ])?;
        }
        let sql = "INSERT INTO events VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6,
                       (SELECT max(no) FROM transactions), ?7, ?8, ?9)";
        self.into.prepare_cached(sql)?.execute(params![
            target.into,
            event.position.cast_signed(),
            stream,
            event.version.cast_signed(),
            event.name.as_str(),
            event.schema_version,
            event.key.map(u64::cast_signed),
            event.leaf,
            event.payload
        ])?;
        let sql = "UPDATE streams SET version = ?2, key = ?3 WHERE no = ?1";
        let key = self.stream_key(event)?;
        self.into.prepare_cached(sql)?.execute(params![
            stream,
            event.version.cast_signed(),
            key
        ])?;
        Ok(())
    }

    /// The key that the copy has for a stream after an event: that of the log, where the log has no more
    /// of the stream or sealed this event with it. Else it is not known whether the stream had it by then,
    /// and the next event gets a new one.
    fn stream_key(&self, event: &EventRow) -> rusqlite::Result<Option<i64>> {
        let sql = "SELECT version, key FROM streams WHERE no = ?1";
        let (version, key) =
            self.from.prepare_cached(sql)?.query_row([event.stream_no], |row| {
                Ok((unsigned(row, 0)?, row.get::<_, Option<i64>>(1)?))
            })?;
        let is_its_own = event.key.is_some() && event.key == key.map(i64::cast_unsigned);
        Ok(if version == event.version || is_its_own { key } else { None })
    }

    /// The copy's number of an event's stream.
    fn stream(&self, target: &mut Target, event: &EventRow) -> rusqlite::Result<i64> {
        if let Some(known) = target.streams.get(&event.stream_no) {
            return Ok(*known);
        }
        let StreamId { kind, id } = &event.stream;
        let no = if let Some(row) = find_stream(&self.into, target.into, &event.stream)? {
            row.no
        } else {
            let sql = "INSERT INTO streams VALUES (NULL, ?1, ?2, ?3, 0, NULL)";
            self.into.prepare_cached(sql)?.execute(params![
                target.into,
                kind.as_str(),
                id.as_bytes()
            ])?;
            self.into.last_insert_rowid()
        };
        if target.streams.len() >= STREAMS_MAX {
            target.streams.clear();
        }
        target.streams.insert(event.stream_no, no);
        Ok(no)
    }

    fn put_head(&self, target: &Target, completed: &[Node]) -> rusqlite::Result<()> {
        nodes::put(&self.into, target.into, completed)?;
        let sql = "INSERT INTO workspaces (no, id, head, time, key, edge)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                   ON CONFLICT (no) DO UPDATE SET head = ?3, time = ?4, key = ?5, edge = ?6";
        self.into.prepare_cached(sql)?.execute(params![
            target.into,
            target.workspace.as_str(),
            target.edge.size().cast_signed(),
            target.time,
            target.key.cast_signed(),
            target.edge.to_bytes()
        ])?;
        Ok(())
    }

    /// How far policies have come in what was copied. Where events were left out that followed from some
    /// that are there, these are looked at again: what followed from them would be missing.
    pub(super) fn put_checkpoints(
        &self,
        target: &Target,
        checkpoints: Vec<(String, u64)>,
        is_cut: bool,
    ) -> rusqlite::Result<()> {
        let size = target.edge.size().cast_signed();
        // Transactions of a workspace are numbered in its order.
        let sql = "SELECT min(causation) FROM transactions WHERE workspace = ?1 AND causation <= ?2
                       AND no > coalesce((SELECT txn FROM events
                                          WHERE workspace = ?1 AND position = ?2), 0)";
        let lost: Option<i64> = if is_cut {
            self.from
                .prepare_cached(sql)?
                .query_row(params![target.from, size], |row| row.get(0))?
        } else {
            None
        };
        let known =
            lost.map_or(target.edge.size(), |first| first.cast_unsigned().saturating_sub(1));
        for (name, position) in checkpoints {
            let sql = "INSERT INTO checkpoints VALUES (?1, ?2, ?3)
                       ON CONFLICT (workspace, name) DO UPDATE SET position = ?3";
            let position = position.min(known).cast_signed();
            self.into.prepare_cached(sql)?.execute(params![target.into, name, position])?;
        }
        Ok(())
    }
}

/// The leaf hash of an event, made from its fields.
pub(super) fn leaf_of(workspace: &WorkspaceId, event: &EventRow) -> Hash {
    let leaf = Leaf {
        workspace,
        position: event.position,
        stream: &event.stream,
        version: event.version,
        name: &event.name,
        schema_version: event.schema_version,
        time: event.transaction.time,
        meta: &event.transaction.meta,
        key: event.key,
        payload: &event.payload,
    };
    leaf.hash()
}
