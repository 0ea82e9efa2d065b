//! What the writer and everybody else have in common.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, PoisonError, RwLock};

use quick_cache::sync::Cache;
use tokio::sync::watch;

use crate::job::Job;
use crate::queue::Queue;
use crate::recent::Recent;
use crate::stats::Counters;
use crate::{StreamId, WorkspaceId};

/// How many streams' last versions are kept in memory; about 8 MiB.
const STREAMS_MAX: usize = 65_536;

pub(crate) struct Shared {
    pub(crate) queue: Queue<Job>,
    pub(crate) counters: Arc<Counters>,
    /// Changes after each durable commit.
    pub(crate) tick: watch::Sender<u64>,
    /// Streams as they are on disk. Only the writer puts them here: anybody else could bring back
    /// an old version.
    pub(crate) streams: Cache<StreamName, StreamRow>,
    /// What followers of the log ask for next.
    pub(crate) recent: Recent,
    workspaces: RwLock<HashMap<WorkspaceId, (WorkspaceRow, Tick)>>,
    read_only: AtomicBool,
}

/// Which commit it was that changed something last.
type Tick = u64;

/// A stream's name inside the file: its workspace's number and its own name.
pub(crate) type StreamName = (i64, StreamId);

/// A row of `streams`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StreamRow {
    pub(crate) no: i64,
    pub(crate) version: u64,
    pub(crate) key: Option<u64>,
}

/// What readers need of a row of `workspaces`.
#[derive(Clone, Copy)]
pub(crate) struct WorkspaceRow {
    pub(crate) no: i64,
    pub(crate) head: u64,
}

impl Shared {
    pub(crate) fn new(queue: Queue<Job>, recent: Recent) -> Self {
        Self {
            queue,
            counters: Arc::default(),
            tick: watch::Sender::new(0),
            streams: Cache::new(STREAMS_MAX),
            recent,
            workspaces: RwLock::default(),
            read_only: AtomicBool::new(false),
        }
    }

    /// A workspace as it is on disk.
    pub(crate) fn workspace(&self, id: &WorkspaceId) -> Option<WorkspaceRow> {
        let workspaces = self.workspaces.read().unwrap_or_else(PoisonError::into_inner);
        workspaces.get(id).map(|(row, _)| *row)
    }

    /// The heads of workspaces that a commit after this one has changed; of all for 0.
    pub(crate) fn heads_since(&self, tick: Tick) -> Vec<(WorkspaceId, u64)> {
        let workspaces = self.workspaces.read().unwrap_or_else(PoisonError::into_inner);
        let changed = workspaces.iter().filter(|(_, (_, changed))| *changed > tick);
        changed.map(|(id, (row, _))| (id.clone(), row.head)).collect()
    }

    /// Shows everybody what has come to be on disk.
    pub(crate) fn publish<'a>(
        &self,
        changed: impl Iterator<Item = (&'a WorkspaceId, WorkspaceRow)>,
    ) {
        // Nobody but the writer commits.
        let tick = *self.tick.borrow() + 1;
        let mut workspaces = self.workspaces.write().unwrap_or_else(PoisonError::into_inner);
        for (id, row) in changed {
            match workspaces.get_mut(id) {
                Some(known) => *known = (row, tick),
                None => drop(workspaces.insert(id.clone(), (row, tick))),
            }
        }
        drop(workspaces);
        self.tick.send_modify(|tick| *tick += 1);
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only.load(SeqCst)
    }

    pub(crate) fn become_read_only(&self) {
        self.read_only.store(true, SeqCst);
    }
}
