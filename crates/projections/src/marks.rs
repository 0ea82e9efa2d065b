//! How far each projection has come in each workspace, and waiting for it.
//!
//! A read that finds its projection at the log's head costs a look into a map and an atomic load;
//! only one that is behind waits, woken by the batch that brings it there. Nothing polls.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use event_log::WorkspaceId;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::HeldStream;

/// A projection has stopped in a workspace, or holds something back: what it shows is not the whole of
/// what happened.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{projection} of workspace {workspace} stands at position {position}: {reason}")]
pub struct Stale {
    /// Which projection.
    pub projection: &'static str,
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// The last position that it shows whole.
    pub position: u64,
    /// Why no more.
    pub reason: Arc<str>,
    /// What is done about it, where no file serves.
    pub building: Option<Building>,
}

/// What is done about a file that is not there: how many events are in it, and how many there are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Building {
    /// It is being built. `of` is 0 while that is not known.
    Today {
        /// In it.
        done: u64,
        /// To be in it.
        of: u64,
    },
    /// It is of the past, and is being built since somebody has asked.
    Past {
        /// In it.
        done: u64,
        /// To be in it.
        of: u64,
    },
    /// It is of the past, and could not be built.
    NoPast,
}

impl From<&HeldStream> for Stale {
    fn from(held: &HeldStream) -> Self {
        Self {
            projection: held.projection,
            workspace: held.workspace.clone(),
            position: held.position - 1,
            reason: Arc::clone(&held.reason),
            building: None,
        }
    }
}

/// One projection in one workspace.
#[derive(Default)]
struct Mark {
    applied: AtomicU64,
    /// Why it does not go on until it is tried again: log or storage refuse.
    halt: Mutex<Option<Arc<str>>>,
    /// What it holds back.
    held: Mutex<Option<Arc<[HeldStream]>>>,
}

/// All projections in all workspaces; a projection is known by its place in the list.
pub(crate) struct Marks {
    ticks: Box<[watch::Sender<()>]>,
    workspaces: RwLock<HashMap<WorkspaceId, Arc<[Mark]>>>,
    /// Those of which no file serves: nothing is applied, and nobody may read.
    vacant: Box<[AtomicBool]>,
    /// Set once nothing moves any more.
    ended: Mutex<Option<Arc<str>>>,
}

impl Marks {
    pub(crate) fn new(projections: usize) -> Self {
        Self {
            ticks: (0..projections).map(|_| watch::Sender::new(())).collect(),
            workspaces: RwLock::default(),
            vacant: (0..projections).map(|_| AtomicBool::new(false)).collect(),
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

    /// What a projection holds back in a workspace from now on.
    pub(crate) fn hold(&self, projection: usize, workspace: &WorkspaceId, held: Arc<[HeldStream]>) {
        let held = Some(held).filter(|held| !held.is_empty());
        *self.made(workspace)[projection].held.lock() = held;
    }

    /// What it is about to hold back besides what it does already.
    pub(crate) fn hold_too(&self, projection: usize, workspace: &WorkspaceId, more: &[HeldStream]) {
        let mut held = self.held(projection, workspace).to_vec();
        let known: Vec<_> = held.iter().map(HeldStream::id).collect();
        held.extend(more.iter().filter(|it| !known.contains(&it.id())).cloned());
        self.hold(projection, workspace, held.into());
    }

    /// What a projection holds back in a workspace.
    pub(crate) fn held(&self, projection: usize, workspace: &WorkspaceId) -> Arc<[HeldStream]> {
        let marks = self.workspaces.read();
        let held = marks.get(workspace).and_then(|marks| marks[projection].held.lock().clone());
        held.unwrap_or_default()
    }

    /// How many streams of a workspace projections hold back, all taken together.
    pub(crate) fn held_in(&self, workspace: &WorkspaceId) -> usize {
        let marks = self.of(workspace);
        let held = marks.iter().flat_map(|marks| marks.iter());
        held.map(|mark| mark.held.lock().as_ref().map_or(0, |held| held.len())).sum()
    }

    /// The workspaces of which a projection holds anything back.
    pub(crate) fn holding(&self, projection: usize) -> Vec<WorkspaceId> {
        let marks = self.workspaces.read();
        let holding = marks.iter().filter(|(_, marks)| marks[projection].held.lock().is_some());
        holding.map(|(workspace, _)| workspace.clone()).collect()
    }

    /// A projection stops in a workspace. Returns whether that is new.
    pub(crate) fn halt(&self, projection: usize, workspace: &WorkspaceId, reason: &str) -> bool {
        let marks = self.made(workspace);
        let known = marks[projection].halt.lock().replace(reason.into());
        self.ticks[projection].send_replace(());
        known.is_none()
    }

    /// Why a projection has stopped, if it has.
    pub(crate) fn halted(&self, projection: usize, workspace: &WorkspaceId) -> Option<Arc<str>> {
        if let Some(reason) = self.ended.lock().clone() {
            return Some(reason);
        }
        self.of(workspace)?[projection].halt.lock().clone()
    }

    /// Whether log or storage refuse.
    pub(crate) fn is_refused(&self, projection: usize, workspace: &WorkspaceId) -> bool {
        let marks = self.workspaces.read();
        marks.get(workspace).is_some_and(|marks| marks[projection].halt.lock().is_some())
    }

    /// The positions at which projections stand behind `head`, each once, furthest first.
    pub(crate) fn behind(&self, workspace: &WorkspaceId, head: u64) -> Vec<u64> {
        let marks = self.made(workspace);
        let served = marks.iter().enumerate().filter(|(index, _)| !self.is_vacant(*index));
        let applied = served.map(|(_, mark)| mark.applied.load(Ordering::Acquire));
        let mut behind: Vec<_> = applied.filter(|position| *position < head).collect();
        behind.sort_unstable_by(|one, other| other.cmp(one));
        behind.dedup();
        behind
    }

    /// No file of a projection serves until it is [occupied](Self::occupy).
    pub(crate) fn vacate(&self, projection: usize) {
        self.vacant[projection].store(true, Ordering::Release);
        self.ticks[projection].send_replace(());
    }

    /// A file serves.
    pub(crate) fn occupy(&self, projection: usize) {
        self.vacant[projection].store(false, Ordering::Release);
        self.ticks[projection].send_replace(());
    }

    pub(crate) fn is_vacant(&self, projection: usize) -> bool {
        self.vacant[projection].load(Ordering::Acquire)
    }

    /// Waits until a file serves, or nothing moves any more.
    pub(crate) async fn occupied(&self, projection: usize) {
        let mut ticks = self.ticks[projection].subscribe();
        while self.is_vacant(projection) && self.ended.lock().is_none() {
            // The sender lives as long as `self`.
            let _ = ticks.changed().await;
        }
    }

    /// Waits until no file serves any more.
    pub(crate) async fn vacated(&self, projection: usize) {
        let mut ticks = self.ticks[projection].subscribe();
        while !self.is_vacant(projection) {
            // The sender lives as long as `self`.
            let _ = ticks.changed().await;
        }
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
            if let Some(reason) = self.halted(projection, workspace) {
                let workspace = workspace.clone();
                let building = None;
                return Err(Stale { projection: name, workspace, position, reason, building });
            }
            // The sender lives as long as `self`.
            let _ = ticks.changed().await;
        }
    }
}
