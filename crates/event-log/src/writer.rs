//! The writer: the one thread that changes `log.db`.
//!
//! It takes everything that is waiting into one transaction, so that many appends share one sync
//! of the disk; who comes meanwhile makes up the next one. After a failure nothing is tried again
//! by itself: what is on disk is read anew, and when it is the storage that failed, the log takes
//! no more appends until somebody has looked at it and started it again.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, OptionalExtension};

use crate::batch::{Batch, Head, Next};
use crate::job::{Answer, Job};
use crate::rows::unsigned;
use crate::shared::{Shared, StreamName, StreamRow, WorkspaceRow};
use crate::tree::Edge;
use crate::wal::Wal;
use crate::{AppendError, Clock, Failure, Hash, WorkspaceId};

/// How many appends one transaction holds, at most.
const APPENDS_MAX: usize = 1_024;

pub(crate) struct Writer {
    conn: Connection,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    heads: HashMap<WorkspaceId, Head>,
    next: Next,
    wal: Wal,
}

/// What a transaction that is on disk has changed.
struct Written {
    heads: HashMap<WorkspaceId, Head>,
    streams: HashMap<StreamName, StreamRow>,
    next: Next,
    events: u64,
    answers: Vec<Answer>,
}

impl Writer {
    /// A writer that knows what is on disk, and has shown it to everybody.
    pub(crate) fn new(
        conn: Connection,
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        wal: Wal,
    ) -> rusqlite::Result<Self> {
        let next = Next { workspace: 0, stream: 0, transaction: 0 };
        let mut writer = Self { conn, shared, clock, heads: HashMap::new(), next, wal };
        writer.load()?;
        Ok(writer)
    }

    /// The highest number of a data key that each workspace's log names.
    pub(crate) fn keys_in_use(&self) -> HashMap<WorkspaceId, u64> {
        self.heads.iter().map(|(id, head)| (id.clone(), head.key)).collect()
    }

    /// Whether the claims are hashed with this key; in a new log, from now on.
    pub(crate) fn belongs_to(&self, claims: &Hash) -> rusqlite::Result<bool> {
        let sql = "SELECT claims FROM installation";
        let known: Option<Hash> = self.conn.query_row(sql, [], |row| row.get(0)).optional()?;
        if known.is_none() {
            self.conn.execute("INSERT INTO installation VALUES (?1)", [claims])?;
        }
        Ok(known.is_none_or(|known| known == *claims))
    }

    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let _closing = ClosedAtTheEnd(Arc::clone(&self.shared));
        loop {
            let jobs = self.shared.queue.take(APPENDS_MAX);
            if jobs.is_empty() {
                break;
            }
            self.shared.counters.appends.add(jobs.len() as u64);
            if self.shared.is_read_only() {
                answer_all(jobs, &AppendError::ReadOnly);
            } else {
                self.write(jobs);
            }
        }
        if let Err(error) = self.wal.close(&self.conn) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the log was left in its WAL");
        }
    }

    fn write(&mut self, jobs: Vec<Job>) {
        match self.transaction(&jobs) {
            Ok(written) => {
                let (appends, callers): (Vec<_>, Vec<_>) =
                    jobs.into_iter().map(|Job { append, answer }| (append, answer)).unzip();
                let stored = appends.into_iter().zip(&written.answers);
                self.shared.recent.keep(stored);
                let answers = self.publish(written);
                for (caller, answer) in callers.into_iter().zip(answers) {
                    // A caller that is gone has lost the answer only.
                    let _ = caller.send(answer);
                }
                let done = self.wal.committed(&self.conn, &self.shared.counters);
                if let Err(error) = done {
                    self.recover(&error);
                }
            }
            Err(error) => {
                self.recover(&error);
                let failure = Failure::storage("writing to the log")(error);
                answer_all(jobs, &AppendError::Failed(failure));
            }
        }
    }

    fn transaction(&self, jobs: &[Job]) -> rusqlite::Result<Written> {
        self.execute("BEGIN IMMEDIATE")?;
        let mut batch = Batch::new(&self.conn, &self.shared, &*self.clock, &self.heads, self.next);
        let answers = jobs
            .iter()
            .map(|job| batch.append(&job.append))
            .collect::<rusqlite::Result<Vec<_>>>()?;
        batch.finish()?;
        let Batch { heads, streams, next, events, .. } = batch;
        self.execute("COMMIT")?;
        Ok(Written { heads, streams, next, events, answers })
    }

    /// Shows everybody what is on disk now.
    fn publish(&mut self, written: Written) -> Vec<Answer> {
        let Written { heads, streams, next, events, answers } = written;
        self.next = next;
        if heads.is_empty() {
            return answers;
        }
        let counters = &self.shared.counters;
        counters.events.add(events);
        counters.batches.add(1);
        counters.syncs.add(1);
        for (name, row) in streams {
            self.shared.streams.insert(name, row);
        }
        self.shared.publish(heads.iter().map(|(id, head)| (id, head.into())));
        self.heads.extend(heads);
        answers
    }

    /// Undoes what is half done and reads what is on disk.
    fn recover(&mut self, error: &rusqlite::Error) {
        self.shared.counters.failures.add(1);
        let undone = self.conn.is_autocommit() || self.execute("ROLLBACK").is_ok();
        self.shared.streams.clear();
        self.shared.recent.clear();
        let read = self.load();
        let lasting = storage_failed(error) || !undone || read.is_err();
        if lasting {
            self.shared.become_read_only();
        }
        tracing::error!(
            error = error as &dyn std::error::Error,
            log.read_only = lasting,
            "the log could not be written; nothing is appended again by itself"
        );
    }

    /// Reads what is on disk, and shows it to everybody.
    fn load(&mut self) -> rusqlite::Result<()> {
        let next = |table: &str| {
            let sql = format!("SELECT coalesce(max(no), 0) + 1 FROM {table}");
            self.conn.query_row(&sql, [], |row| row.get(0))
        };
        self.next = Next {
            workspace: next("workspaces")?,
            stream: next("streams")?,
            transaction: next("transactions")?,
        };
        self.heads = self
            .conn
            .prepare_cached("SELECT id, no, time, key, head, edge FROM workspaces")?
            .query_map([], |row| {
                let id: String = row.get(0)?;
                let edge: Vec<u8> = row.get(5)?;
                let id = WorkspaceId::parse(&id).map_err(|error| unfit(0, error))?;
                let edge = Edge::from_bytes(unsigned(row, 4)?, &edge)
                    .ok_or_else(|| unfit(5, BrokenEdge))?;
                let (no, time, key) = (row.get(1)?, row.get(2)?, unsigned(row, 3)?);
                Ok((id, Head { no, time, key, edge }))
            })?
            .collect::<rusqlite::Result<_>>()?;
        self.shared.publish(self.heads.iter().map(|(id, head)| (id, head.into())));
        Ok(())
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([]).map(drop)
    }
}

/// Whoever comes when the writer is gone is told so, also after a panic.
struct ClosedAtTheEnd(Arc<Shared>);

impl Drop for ClosedAtTheEnd {
    fn drop(&mut self) {
        self.0.queue.close();
        answer_all(self.0.queue.take(usize::MAX), &AppendError::Failed(Failure::Closed));
    }
}

impl From<&Head> for WorkspaceRow {
    fn from(head: &Head) -> Self {
        Self { no: head.no, head: head.edge.size() }
    }
}

/// The tree's edge does not have the length that its size asks for.
#[derive(Debug, thiserror::Error)]
#[error("the edge of the Merkle tree does not fit its size")]
struct BrokenEdge;

fn unfit(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    let kind = rusqlite::types::Type::Blob;
    rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
}

fn answer_all(jobs: Vec<Job>, error: &AppendError) {
    for job in jobs {
        let _ = job.answer.send(Err(error.clone()));
    }
}

/// Whether it is the disk or the file that is at fault, so that going on could lose something.
fn storage_failed(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::DiskFull
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OutOfMemory,
        ) => true,
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{SealedAppend, SealedCommit, SealedEvent};
    use crate::queue::Queue;
    use crate::recent::Recent;
    use crate::{ManualClock, Meta, StreamId, schema};
    use tempfile::TempDir;
    use tokio::sync::oneshot;
    use uuid::Uuid;

    struct Bench {
        dir: TempDir,
        writer: Writer,
    }

    impl Bench {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("log.db");
            let shared = Arc::new(Shared::new(Queue::new(10, 1_000), Recent::new(0)));
            let conn = schema::LOG.open(&path).unwrap();
            let wal = Wal::new(&path, Arc::clone(&shared.counters)).unwrap();
            let writer = Writer::new(conn, shared, Arc::new(ManualClock::at(1)), wal).unwrap();
            Self { dir, writer }
        }

        /// Another connection to the log.
        fn connect(&self) -> Connection {
            Connection::open(self.dir.path().join("log.db")).unwrap()
        }

        /// Writes one event of each name, each in a stream of its own, in one transaction.
        fn write(&mut self, names: &[&str]) -> Vec<Answer> {
            let (jobs, answers): (Vec<_>, Vec<_>) = names.iter().map(|name| job(name)).unzip();
            self.writer.write(jobs);
            answers.into_iter().map(|mut answer| answer.try_recv().unwrap()).collect()
        }

        fn positions(&mut self, names: &[&str]) -> Vec<u64> {
            let answers = self.write(names).into_iter();
            answers.map(|answer| answer.unwrap()[0].receipt().unwrap().last_position).collect()
        }

        fn fails(&mut self, names: &[&str]) -> bool {
            let answers = self.write(names);
            answers
                .iter()
                .all(|answer| matches!(answer, Err(AppendError::Failed(Failure::Storage { .. }))))
        }
    }

    fn job(name: &str) -> (Job, oneshot::Receiver<Answer>) {
        let event = SealedEvent {
            name: name.into(),
            schema_version: 1,
            key: None,
            payload: vec![7; 100],
            plain: None,
        };
        let commit = SealedCommit {
            meta: Meta::default(),
            events: vec![event],
            claims: Vec::new(),
            checkpoint: None,
            stream_key: None,
        };
        let append = SealedAppend {
            workspace: WorkspaceId::parse("acme").unwrap(),
            stream: StreamId::new(name, Uuid::nil()),
            expected_version: 0,
            key: None,
            commits: vec![commit],
        };
        let (answer, answered) = oneshot::channel();
        (Job { append, answer }, answered)
    }

    #[test]
    fn a_transaction_that_can_not_begin_fails_and_the_next_one_is_tried() {
        let mut bench = Bench::new();
        assert_eq!(bench.positions(&["a"]), [1]);
        bench.writer.conn.busy_timeout(std::time::Duration::ZERO).unwrap();
        let blocker = bench.connect();
        blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert!(bench.fails(&["b", "c"]));
        blocker.execute_batch("ROLLBACK").unwrap();
        assert_eq!(bench.positions(&["b", "c"]), [2, 3]);
        assert!(!bench.writer.shared.is_read_only());
    }

    #[test]
    fn a_statement_that_fails_undoes_the_whole_transaction() {
        let mut bench = Bench::new();
        bench
            .connect()
            .execute_batch(
                "CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.name = 'bad'
                 BEGIN SELECT RAISE(ABORT, 'refused'); END",
            )
            .unwrap();
        assert!(bench.fails(&["a", "bad", "b"]));
        assert_eq!(bench.positions(&["a", "b"]), [1, 2]);
        let count = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM streams)";
        let rows: (i64, i64) =
            bench.connect().query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(rows, (2, 2));
        assert_eq!(bench.writer.shared.counters.failures.get(), 1);
    }

    #[test]
    fn a_full_disk_makes_the_log_read_only() {
        let mut bench = Bench::new();
        assert_eq!(bench.positions(&["a"]), [1]);
        bench.writer.conn.pragma_update(None, "max_page_count", 1).unwrap();
        let names: Vec<String> = (0..100).map(|number| format!("n{number}")).collect();
        assert!(bench.fails(&names.iter().map(String::as_str).collect::<Vec<_>>()));
        assert!(bench.writer.shared.is_read_only());
        let acme = WorkspaceId::parse("acme").unwrap();
        assert_eq!(bench.writer.shared.workspace(&acme).unwrap().head, 1);
    }
}
