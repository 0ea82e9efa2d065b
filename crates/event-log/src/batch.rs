//! One transaction of the writer: everything that was waiting.
//!
//! Each append is checked first and written only when it stands, so that a refusal costs its
//! neighbours nothing and no savepoint is needed. What changes is kept apart until the
//! transaction is on disk: dropping a [`Batch`] forgets it.

use std::collections::HashMap;

use rusqlite::{CachedStatement, Connection, params};

use crate::job::{Answer, HashedClaim, SealedAppend, SealedCommit, SealedEvent};
use crate::leaf::Leaf;
use crate::nodes;
use crate::rows::{find_claim, find_stream, stream_id};
use crate::shared::{Shared, StreamName, StreamRow};
use crate::tree::Edge;
use crate::{AppendError, Clock, CommitOutcome, Micros, Receipt, WorkspaceId};

/// A row of `workspaces`, as the writer keeps it in memory.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) no: i64,
    pub(crate) time: Micros,
    /// The highest number of a data key in use.
    pub(crate) key: u64,
    /// Its size is the last position.
    pub(crate) edge: Edge,
}

/// The numbers that the next rows get.
#[derive(Clone, Copy)]
pub(crate) struct Next {
    pub(crate) workspace: i64,
    pub(crate) stream: i64,
    pub(crate) transaction: i64,
}

pub(crate) struct Batch<'a> {
    conn: &'a Connection,
    shared: &'a Shared,
    clock: &'a dyn Clock,
    before: &'a HashMap<WorkspaceId, Head>,
    pub(crate) next: Next,
    pub(crate) heads: HashMap<WorkspaceId, Head>,
    pub(crate) streams: HashMap<StreamName, StreamRow>,
    pub(crate) events: u64,
}

/// The append that is being dealt with.
struct Turn<'a> {
    append: &'a SealedAppend,
    head: Head,
    stream: StreamRow,
}

impl<'a> Batch<'a> {
    /// A batch on what is on disk. The transaction must have begun.
    pub(crate) fn new(
        conn: &'a Connection,
        shared: &'a Shared,
        clock: &'a dyn Clock,
        before: &'a HashMap<WorkspaceId, Head>,
        next: Next,
    ) -> Self {
        let (heads, streams) = (HashMap::new(), HashMap::new());
        Self { conn, shared, clock, before, next, heads, streams, events: 0 }
    }

    /// Writes an append as far as it stands.
    pub(crate) fn append(&mut self, append: &SealedAppend) -> rusqlite::Result<Answer> {
        let head = self.head(&append.workspace);
        let found = self.stream(&(head.no, append.stream.clone()))?;
        let stream = found.unwrap_or(StreamRow { no: self.next.stream, version: 0, key: None });
        // Two appends that were sent one after the other without waiting may each have taken a
        // new key for the same stream: the second has to be sealed again.
        let other_key = append.key.is_some() && stream.key.is_some() && append.key != stream.key;
        if stream.version != append.expected_version || other_key {
            return Ok(Err(AppendError::Conflict { actual: stream.version }));
        }
        let mut turn = Turn { append, head, stream };
        let mut outcomes: Vec<CommitOutcome> = Vec::with_capacity(append.commits.len());
        for commit in &append.commits {
            let outcome = match outcomes.last() {
                None | Some(CommitOutcome::Stored(_)) => self.commit(&mut turn, commit)?,
                Some(CommitOutcome::ClaimTaken { .. } | CommitOutcome::NotTried) => {
                    CommitOutcome::NotTried
                }
            };
            outcomes.push(outcome);
        }
        if let Some(CommitOutcome::Stored(_)) = outcomes.first() {
            self.keep(turn, found.is_none())?;
        }
        Ok(Ok(outcomes))
    }

    /// Writes what belongs to no single append.
    pub(crate) fn finish(&self) -> rusqlite::Result<()> {
        for (id, head) in &self.heads {
            self.statement(
                "INSERT INTO workspaces (no, id, head, time, key, edge)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (no) DO UPDATE SET head = ?3, time = ?4, key = ?5, edge = ?6",
            )?
            .execute(params![
                head.no,
                id.as_str(),
                head.edge.size().cast_signed(),
                head.time,
                head.key.cast_signed(),
                head.edge.to_bytes()
            ])?;
        }
        Ok(())
    }

    fn statement(&self, sql: &str) -> rusqlite::Result<CachedStatement<'a>> {
        self.conn.prepare_cached(sql)
    }

    fn head(&self, workspace: &WorkspaceId) -> Head {
        let known = self.heads.get(workspace).or_else(|| self.before.get(workspace)).cloned();
        known.unwrap_or_else(|| Head {
            no: self.next.workspace,
            time: Micros::MIN,
            key: 0,
            edge: Edge::default(),
        })
    }

    fn stream(&self, name: &StreamName) -> rusqlite::Result<Option<StreamRow>> {
        let known = self.streams.get(name).copied().or_else(|| self.shared.streams.get(name));
        match known {
            Some(row) => Ok(Some(row)),
            None => find_stream(self.conn, name.0, &name.1),
        }
    }

    fn commit(
        &mut self,
        turn: &mut Turn<'_>,
        commit: &SealedCommit,
    ) -> rusqlite::Result<CommitOutcome> {
        for change in commit.claims.iter().filter(|change| change.taken) {
            let holder = self.holder(&turn.head, change)?;
            if let Some(holder) = holder.filter(|holder| *holder != turn.stream.no) {
                let (claim, holder) = (change.claim.clone(), stream_id(self.conn, holder)?);
                return Ok(CommitOutcome::ClaimTaken { claim, holder });
            }
        }
        Ok(CommitOutcome::Stored(self.store(turn, commit)?))
    }

    fn holder(&self, head: &Head, change: &HashedClaim) -> rusqlite::Result<Option<i64>> {
        find_claim(self.conn, head.no, &change.claim.scope, &change.hash)
    }

    fn store(&mut self, turn: &mut Turn<'_>, commit: &SealedCommit) -> rusqlite::Result<Receipt> {
        let time = self.clock.now().max(turn.head.time);
        let before = turn.head.edge.size();
        if !commit.events.is_empty() {
            turn.head.time = time;
            let last = before + commit.events.len() as u64;
            let transaction = self.put_transaction(turn, commit, (before + 1, last))?;
            for event in &commit.events {
                self.put_event(turn, commit, transaction, event)?;
            }
        }
        for change in &commit.claims {
            self.put_claim(turn, change)?;
        }
        if let Some(checkpoint) = &commit.checkpoint {
            self.statement(
                "INSERT INTO checkpoints VALUES (?1, ?2, ?3)
                 ON CONFLICT (workspace, name) DO UPDATE SET position = ?3",
            )?
            .execute(params![
                turn.head.no,
                checkpoint.name.as_str(),
                checkpoint.position.cast_signed()
            ])?;
        }
        turn.stream.key = commit.stream_key.or(turn.stream.key);
        turn.head.key = turn.head.key.max(commit.stream_key.unwrap_or(0));
        let last_position = turn.head.edge.size();
        let first_position = last_position.min(before + 1);
        Ok(Receipt { first_position, last_position, version: turn.stream.version, time })
    }

    fn put_transaction(
        &mut self,
        turn: &Turn<'_>,
        commit: &SealedCommit,
        (first, last): (u64, u64),
    ) -> rusqlite::Result<i64> {
        let no = self.next.transaction;
        self.next.transaction += 1;
        let meta = &commit.meta;
        self.statement(
            "INSERT INTO transactions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            no,
            turn.head.no,
            first.cast_signed(),
            last.cast_signed(),
            turn.head.time,
            meta.actor.as_str(),
            meta.request,
            meta.correlation,
            meta.causation.map(u64::cast_signed),
            meta.rule
        ])?;
        Ok(no)
    }

    fn put_event(
        &mut self,
        turn: &mut Turn<'_>,
        commit: &SealedCommit,
        transaction: i64,
        event: &SealedEvent,
    ) -> rusqlite::Result<()> {
        turn.stream.version += 1;
        let leaf = Leaf {
            workspace: &turn.append.workspace,
            position: turn.head.edge.size() + 1,
            stream: &turn.append.stream,
            version: turn.stream.version,
            name: &event.name,
            schema_version: event.schema_version,
            time: turn.head.time,
            meta: &commit.meta,
            key: event.key,
            payload: &event.payload,
        };
        let hash = leaf.hash();
        self.statement(
            "INSERT INTO events (workspace, position, stream, version, name, schema_version, txn,
                                 key, leaf, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            turn.head.no,
            leaf.position.cast_signed(),
            turn.stream.no,
            leaf.version.cast_signed(),
            leaf.name,
            leaf.schema_version,
            transaction,
            leaf.key.map(u64::cast_signed),
            hash,
            leaf.payload
        ])?;
        let mut completed = Vec::new();
        turn.head.edge.push_noting(hash, &mut completed);
        nodes::put(self.conn, turn.head.no, &completed)?;
        turn.head.key = turn.head.key.max(event.key.unwrap_or(0));
        self.events += 1;
        Ok(())
    }

    fn put_claim(&self, turn: &Turn<'_>, change: &HashedClaim) -> rusqlite::Result<()> {
        let sql = if change.taken {
            "INSERT INTO claims (workspace, scope, key, stream) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING"
        } else {
            "DELETE FROM claims WHERE workspace = ?1 AND scope = ?2 AND key = ?3 AND stream = ?4"
        };
        let (workspace, stream) = (turn.head.no, turn.stream.no);
        self.statement(sql)?
            .execute(params![workspace, change.claim.scope.as_str(), change.hash, stream])
            .map(drop)
    }

    /// Writes what an append left of its stream, and keeps it for those that follow.
    fn keep(&mut self, turn: Turn<'_>, is_new: bool) -> rusqlite::Result<()> {
        let Turn { append, head, stream } = turn;
        let (version, key) = (stream.version.cast_signed(), stream.key.map(u64::cast_signed));
        if is_new {
            self.next.stream += 1;
            self.statement("INSERT INTO streams VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(
                params![
                    stream.no,
                    head.no,
                    append.stream.kind.as_str(),
                    append.stream.id.as_bytes(),
                    version,
                    key
                ],
            )?;
        } else {
            self.statement("UPDATE streams SET version = ?2, key = ?3 WHERE no = ?1")?
                .execute(params![stream.no, version, key])?;
        }
        self.next.workspace = self.next.workspace.max(head.no + 1);
        self.streams.insert((head.no, append.stream.clone()), stream);
        self.heads.insert(append.workspace.clone(), head);
        Ok(())
    }
}
