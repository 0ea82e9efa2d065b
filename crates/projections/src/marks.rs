//! How far each projection has come in each workspace, and waiting for it.
//!
//! A read that finds its projection at the log's head costs a look into a map and an atomic load;
//! only one that is behind waits, woken by the batch that brings it there. Nothing polls.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use event_log::WorkspaceId;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

/// A projection has stopped in a workspace: what it shows is as of an earlier position.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{projection} of workspace {workspace} stands at position {position}: {reason}")]
pub struct Stale {
    /// Which projection.
    pub projection: &'static str,
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// The last position that it shows.
    pub position: u64,
    /// Why it stopped.
    pub reason: Arc<str>,
}

/// Why a projection does not go on in a workspace.
#[derive(Clone, Debug)]
pub(crate) struct Halt {
    /// For a person.
    pub(crate) reason: Arc<str>,
    /// Whether to try again at the next commit: storage may work again, an event stays as it is.
    pub(crate) retry: bool,
}

/// One projection in one workspace.
#[derive(Default)]
struct Mark {
    applied: AtomicU64,
    halt: Mutex<Option<Halt>>,
}

/// All projections in all workspaces; a projection is known by its place in the list.
pub(crate) struct Marks {
    ticks: Box<[watch::Sender<()>]>,
    workspaces: RwLock<HashMap<WorkspaceId, Arc<[Mark]>>>,
    /// Set once nothing moves any more.
    ended: Mutex<Option<Arc<str>>>,
}

impl Marks {
    pub(crate) fn new(projections: usize) -> Self {
        Self {
            ticks: (0..projections).map(|_| watch::Sender::new(())).collect(),
            workspaces: RwLock::default(),
            ended: Mutex::default(),
        }
    }

    fn of(&self, workspace: &WorkspaceId) -> Option<Arc<[Mark]>> {
        self.workspaces.read().get(workspace).cloned()
    }

    fn made(&self, workspace: &WorkspaceId) -> Arc<[Mark]> {
        if let Some(marks) = self.of(workspace) {
            return marks;
        }
        let fresh = || self.ticks.iter().map(|_| Mark::default()).collect();
        Arc::clone(self.workspaces.write().entry(workspace.clone()).or_insert_with(fresh))
    }

    /// The last position that a projection shows.
    pub(crate) fn applied(&self, projection: usize, workspace: &WorkspaceId) -> u64 {
        let marks = self.workspaces.read();
        marks.get(workspace).map_or(0, |marks| marks[projection].applied.load(Ordering::Acquire))
    }

    /// Whatever happened up to `position` can be seen now. Also ends a halt.
    pub(crate) fn reach(&self, projection: usize, workspace: &WorkspaceId, position: u64) {
        let marks = self.made(workspace);
        marks[projection].applied.store(position, Ordering::Release);
        marks[projection].halt.lock().take();
        self.ticks[projection].send_replace(());
    }

    /// A projection stops in a workspace. Returns whether that is new.
    pub(crate) fn halt(&self, projection: usize, workspace: &WorkspaceId, halt: Halt) -> bool {
        let marks = self.made(workspace);
        let known = marks[projection].halt.lock().replace(halt);
        self.ticks[projection].send_replace(());
        known.is_none()
    }

    /// Why a projection has stopped, if it has.
    pub(crate) fn halted(&self, projection: usize, workspace: &WorkspaceId) -> Option<Halt> {
        if let Some(reason) = self.ended.lock().clone() {
            return Some(Halt { reason, retry: false });
        }
        self.of(workspace)?[projection].halt.lock().clone()
    }

    /// The positions at which running projections stand behind `head`, each once, furthest first.
    pub(crate) fn behind(&self, workspace: &WorkspaceId, head: u64) -> Vec<u64> {
        let marks = self.made(workspace);
        let runs = |mark: &Mark| mark.halt.lock().as_ref().is_none_or(|halt| halt.retry);
        let applied = marks.iter().map(|mark| (mark, mark.applied.load(Ordering::Acquire)));
        let behind = applied.filter(|(mark, position)| *position < head && runs(mark));
        let mut behind: Vec<_> = behind.map(|(_, position)| position).collect();
        behind.sort_unstable_by(|one, other| other.cmp(one));
        behind.dedup();
        behind
    }

    /// Nothing moves any more: whoever waits is told so.
    pub(crate) fn end(&self, reason: &str) {
        self.ended.lock().get_or_insert_with(|| reason.into());
        self.ticks.iter().for_each(|tick| tick.send_replace(()));
    }

    /// Waits until a projection shows everything up to `head`.
    pub(crate) async fn reached(
        &self,
        projection: usize,
        name: &'static str,
        workspace: &WorkspaceId,
        head: u64,
    ) -> Result<(), Stale> {
        if self.applied(projection, workspace) >= head {
            return Ok(());
        }
        let mut ticks = self.ticks[projection].subscribe();
        loop {
            let position = self.applied(projection, workspace);
            if position >= head {
                return Ok(());
            }
            if let Some(Halt { reason, .. }) = self.halted(projection, workspace) {
                let workspace = workspace.clone();
                return Err(Stale { projection: name, workspace, position, reason });
            }
            // The sender lives as long as `self`.
            let _ = ticks.changed().await;
        }
    }
}
