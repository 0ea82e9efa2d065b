//! Everything that is read of the log in SQLite, and opened.
//!
//! Invariant: what is missing is never skipped silently. Positions and versions are dense, so
//! that a gap is seen, and a key that is lost is told from one that was destroyed.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use crate::find::{self, EventFilter};
use crate::job::Sealer;
use crate::keys::Lookup;
use crate::nodes;
use crate::proof;
use crate::readers::Readers;
use crate::rows::{self, EventRow, Of, unsigned};
use crate::seal::Place;
use crate::shared::{Shared, StreamRow};
use crate::tree::Edge;
use crate::verify::Verification;
use crate::{
    Claim, Failure, Hash, Inclusion, Kept, Micros, Payload, StoredEvent, StreamId, TreeHead,
    WorkspaceId,
};

/// Reads for everybody.
pub(crate) struct Reading {
    readers: Readers,
    shared: Arc<Shared>,
    sealer: Arc<Sealer>,
}

impl Reading {
    pub(crate) fn new(path: PathBuf, shared: Arc<Shared>, sealer: Arc<Sealer>) -> Self {
        Self { readers: Readers::new(path), shared, sealer }
    }

    /// Keeps nothing of the file open between two reads.
    pub(crate) fn keep_none(&self) {
        self.readers.keep_none();
    }

    /// A stream as it is on disk.
    pub(crate) fn stream(
        &self,
        workspace: &WorkspaceId,
        stream: &StreamId,
    ) -> Result<Option<StreamRow>, Failure> {
        let Some(row) = self.shared.workspace(workspace) else { return Ok(None) };
        match self.shared.streams.get(&(row.no, stream.clone())) {
            Some(found) => Ok(Some(found)),
            None => self
                .readers
                .with("looking for a stream", |conn| rows::find_stream(conn, row.no, stream)),
        }
    }

    pub(crate) fn workspace_events(
        &self,
        workspace: &WorkspaceId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let Some(row) = self.shared.workspace(workspace) else { return Ok(Vec::new()) };
        if let Some(recent) = self.shared.recent.after(workspace, after, limit) {
            return self.readable(workspace, recent);
        }
        let found = self.readers.with("reading events", |conn| {
            rows::events(conn, Of::Workspace(row.no), after, limit)
        })?;
        let positions = found.iter().map(|event| event.position);
        match first_gap(positions, after, limit, row.head) {
            Some(position) => Err(missing(workspace, position)),
            None => self.open_all(workspace, found),
        }
    }

    pub(crate) fn stream_events(
        &self,
        workspace: &WorkspaceId,
        stream: &StreamId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let Some(row) = self.stream(workspace, stream)? else { return Ok(Vec::new()) };
        let found = self.readers.with("reading a stream", |conn| {
            rows::events(conn, Of::Stream(row.no), after, limit)
        })?;
        let versions = found.iter().map(|event| event.version);
        match first_gap(versions, after, limit, row.version) {
            Some(version) => Err(Failure::Gap { stream: stream.clone(), version }),
            None => self.open_all(workspace, found),
        }
    }

    pub(crate) fn find(
        &self,
        workspace: &WorkspaceId,
        filter: &EventFilter,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let Some(row) = self.shared.workspace(workspace) else { return Ok(Vec::new()) };
        let found = self
            .readers
            .with("looking for events", |conn| find::find(conn, row.no, filter, after, limit))?;
        self.open_all(workspace, found)
    }

    pub(crate) fn position_at(
        &self,
        workspace: &WorkspaceId,
        time: Micros,
    ) -> Result<u64, Failure> {
        let Some(row) = self.shared.workspace(workspace) else { return Ok(0) };
        self.readers.with("looking for a time", |conn| find::position_at(conn, row.no, time))
    }

    pub(crate) fn holder(
        &self,
        workspace: &WorkspaceId,
        claim: &Claim,
    ) -> Result<Option<StreamId>, Failure> {
        let Some(row) = self.shared.workspace(workspace) else { return Ok(None) };
        let hash = self.sealer.claims.hash(workspace, claim);
        self.readers.with("looking for a claim", |conn| {
            let holder = rows::find_claim(conn, row.no, &claim.scope, &hash)?;
            holder.map(|no| rows::stream_id(conn, no)).transpose()
        })
    }

    pub(crate) fn checkpoint(&self, workspace: &WorkspaceId, name: &str) -> Result<u64, Failure> {
        let Some(row) = self.shared.workspace(workspace) else { return Ok(0) };
        let found = self.readers.with("reading a checkpoint", |conn| {
            let sql = "SELECT position FROM checkpoints WHERE workspace = ?1 AND name = ?2";
            conn.prepare_cached(sql)?
                .query_row(params![row.no, name], |row| unsigned(row, 0))
                .optional()
        })?;
        Ok(found.unwrap_or(0))
    }

    pub(crate) fn tree(&self, workspace: &WorkspaceId) -> Result<TreeHead, Failure> {
        let found = self.readers.with("reading the tree", |conn| {
            conn.prepare_cached("SELECT head, edge FROM workspaces WHERE id = ?1")?
                .query_row([workspace.as_str()], |row| {
                    Ok((unsigned(row, 0)?, row.get::<_, Vec<u8>>(1)?))
                })
                .optional()
        })?;
        match found {
            None => Ok(Edge::default().head()),
            Some((head, edge)) => Edge::from_bytes(head, &edge)
                .map(|edge| edge.head())
                .ok_or_else(|| missing(workspace, head)),
        }
    }

    pub(crate) fn tree_at(
        &self,
        workspace: &WorkspaceId,
        size: u64,
    ) -> Result<Option<TreeHead>, Failure> {
        let Some(no) = self.workspace_of(workspace, size) else { return Ok(None) };
        let root = self.subtree(workspace, no, 0..size)?;
        Ok(Some(TreeHead { size, root }))
    }

    pub(crate) fn kept(
        &self,
        workspace: &WorkspaceId,
        positions: &[u64],
    ) -> Result<Vec<Kept>, Failure> {
        let no = self.shared.workspace(workspace).map_or(0, |row| row.no);
        let found: Vec<_> = self.readers.with("reading events as they are kept", |conn| {
            positions.iter().map(|position| rows::kept(conn, no, *position)).collect()
        })?;
        let found = positions.iter().zip(found);
        found.map(|(position, kept)| kept.ok_or_else(|| missing(workspace, *position))).collect()
    }

    /// `None` when there is no such workspace.
    pub(crate) fn verification<'a>(
        &'a self,
        workspace: &'a WorkspaceId,
    ) -> Result<Option<Verification<'a>>, Failure> {
        Verification::new(&self.readers, workspace)
    }

    pub(crate) fn inclusion(
        &self,
        workspace: &WorkspaceId,
        position: u64,
        size: u64,
    ) -> Result<Option<Inclusion>, Failure> {
        let Some(no) = self.workspace_of(workspace, size) else { return Ok(None) };
        let Some(index) = position.checked_sub(1) else { return Ok(None) };
        let Some(path) = proof::inclusion(index, size) else { return Ok(None) };
        let leaf = self.subtree(workspace, no, index..position)?;
        let path = self.subtrees(workspace, no, path)?;
        Ok(Some(Inclusion { leaf, path }))
    }

    pub(crate) fn consistency(
        &self,
        workspace: &WorkspaceId,
        before: u64,
        size: u64,
    ) -> Result<Option<Vec<Hash>>, Failure> {
        let Some(no) = self.workspace_of(workspace, size) else { return Ok(None) };
        let path = proof::consistency(before, size);
        path.map(|path| self.subtrees(workspace, no, path)).transpose()
    }

    /// The file's number of a workspace that has so many events.
    fn workspace_of(&self, workspace: &WorkspaceId, size: u64) -> Option<i64> {
        self.shared.workspace(workspace).filter(|row| size <= row.head).map(|row| row.no)
    }

    fn subtrees(
        &self,
        workspace: &WorkspaceId,
        no: i64,
        ranges: Vec<Range<u64>>,
    ) -> Result<Vec<Hash>, Failure> {
        ranges.into_iter().map(|range| self.subtree(workspace, no, range)).collect()
    }

    /// The root over some leaves, counted from 0.
    fn subtree(
        &self,
        workspace: &WorkspaceId,
        no: i64,
        range: Range<u64>,
    ) -> Result<Hash, Failure> {
        let last = range.end;
        let root = self.readers.with("reading the tree", |conn| nodes::subtree(conn, no, range))?;
        root.ok_or_else(|| missing(workspace, last))
    }

    /// What of events that were kept open may still be read.
    fn readable(
        &self,
        workspace: &WorkspaceId,
        mut events: Vec<StoredEvent>,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let numbers = events.iter().filter_map(|event| event.key).collect();
        let keys = self.sealer.keyring.lookup_all(workspace, &numbers)?;
        for event in &mut events {
            let Some(key) = event.key else { continue };
            match keys.get(&key) {
                Some(Lookup::Found(_)) => {}
                Some(Lookup::Erased) => event.payload = Payload::Erased,
                Some(Lookup::Missing) | None => event.payload = Payload::Missing { key },
            }
        }
        Ok(events)
    }

    fn open_all(
        &self,
        workspace: &WorkspaceId,
        rows: Vec<EventRow>,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let numbers = rows.iter().filter_map(|row| row.key).collect();
        let keys = self.sealer.keyring.lookup_all(workspace, &numbers)?;
        Ok(rows.into_iter().map(|row| open(workspace, row, &keys)).collect())
    }
}

/// Opens what is sealed.
pub(crate) fn open(
    workspace: &WorkspaceId,
    row: EventRow,
    keys: &HashMap<u64, Lookup>,
) -> StoredEvent {
    let place = Place { workspace, stream: &row.stream, version: row.version, name: &row.name };
    let payload = match row.key {
        None => Payload::Plain(row.payload),
        Some(key) => match keys.get(&key) {
            Some(Lookup::Found(bytes)) => match place.open(bytes, row.payload) {
                Some(payload) => Payload::Plain(payload),
                None => Payload::Damaged { key },
            },
            Some(Lookup::Erased) => Payload::Erased,
            Some(Lookup::Missing) | None => Payload::Missing { key },
        },
    };
    StoredEvent {
        workspace: workspace.clone(),
        position: row.position,
        stream: row.stream,
        version: row.version,
        name: row.name,
        schema_version: row.schema_version,
        time: row.transaction.time,
        meta: Arc::clone(&row.transaction.meta),
        key: row.key,
        payload,
    }
}

/// The first number that should have been found and was not: they go on from `after` without a
/// gap, up to the limit, or at least to `head`.
fn first_gap(
    found: impl ExactSizeIterator<Item = u64>,
    after: u64,
    limit: usize,
    head: u64,
) -> Option<u64> {
    let complete = found.len() == limit;
    let mut last = after;
    for number in found {
        if number != last + 1 {
            return Some(last + 1);
        }
        last = number;
    }
    (!complete && last < head).then(|| last + 1)
}

fn missing(workspace: &WorkspaceId, position: u64) -> Failure {
    Failure::Corrupt { workspace: workspace.clone(), position, what: "the event is missing" }
}
