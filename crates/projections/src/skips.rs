//! The events that people let projections pass over.
//!
//! They are facts of a workspace's settings, so that every node and every rebuild passes over the same
//! ones: an event that was skipped does not count from its own place on, wherever the fact stands.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use domain::{
    Decider, Event,
    workspace::{Workspace, WorkspaceEvent},
};
use event_log::{EventFilter, EventLog, Failure, StreamId, WorkspaceId};
use parking_lot::Mutex;
use smol_str::SmolStr;
use uuid::Uuid;

use crate::{
    batch::{Item, items},
    recorded::Seen,
};

/// The stored names of the facts: that an event is skipped, and that this was taken back.
const NAMES: [SmolStr; 2] = [
    SmolStr::new_static("workspace.event_skipped"),
    SmolStr::new_static("workspace.event_unskipped"),
];
/// How many facts are read at a time.
const PAGE: usize = 500;

/// What is passed over in one workspace: positions, by projection.
#[derive(Debug, Default)]
pub(crate) struct Skipped(HashMap<SmolStr, BTreeSet<u64>>);

impl Skipped {
    pub(crate) fn has(&self, projection: &str, position: u64) -> bool {
        !self.0.is_empty() && self.0.get(projection).is_some_and(|it| it.contains(&position))
    }

    #[cfg(test)]
    pub(crate) fn example(projection: &str, position: u64) -> Self {
        Self(HashMap::from([(projection.into(), BTreeSet::from([position]))]))
    }

    /// Reads them from the log.
    pub(crate) async fn read(log: &dyn EventLog, workspace: &WorkspaceId) -> Result<Self, Failure> {
        let mut facts = Vec::new();
        for name in NAMES {
            let stream = Some(StreamId::new(Workspace::KIND, Uuid::nil()));
            let filter = EventFilter { stream, name: Some(name), ..EventFilter::default() };
            let mut after = 0;
            loop {
                let found = log.find(workspace, &filter, after, PAGE).await?;
                let Some(last) = found.last() else { break };
                after = last.position;
                facts.extend(items(found));
            }
        }
        facts.sort_by_key(Item::position);
        let mut skipped = Self::default();
        facts.iter().for_each(|item| skipped.note(item));
        Ok(skipped)
    }

    /// One that does not read is as if it was never said: what it skipped is held.
    fn note(&mut self, item: &Item) {
        match setting(item) {
            Some(WorkspaceEvent::EventSkipped { skip, .. }) => {
                self.0.entry(skip.projection.clone()).or_default().insert(skip.position);
            }
            Some(WorkspaceEvent::EventUnskipped { skip }) => {
                self.0.entry(skip.projection.clone()).or_default().remove(&skip.position);
            }
            _ => {}
        }
    }
}

fn setting(item: &Item) -> Option<&WorkspaceEvent> {
    let Seen::Whole(recorded) = item.seen().ok()? else { return None };
    match &recorded.event {
        Event::Workspace(fact) => Some(fact),
        Event::User(_)
        | Event::Group(_)
        | Event::Device(_)
        | Event::Publication(_)
        | Event::Segments(_) => None,
    }
}

/// Whether an event lets somebody pass over another, or takes that back.
pub(crate) fn is_skip(item: &Item) -> bool {
    matches!(
        setting(item),
        Some(WorkspaceEvent::EventSkipped { .. } | WorkspaceEvent::EventUnskipped { .. })
    )
}

/// What is passed over, workspace by workspace, as far as it was asked for.
#[derive(Default)]
pub(crate) struct Skips(Mutex<HashMap<WorkspaceId, Arc<Skipped>>>);

impl Skips {
    pub(crate) async fn of(
        &self,
        log: &dyn EventLog,
        workspace: &WorkspaceId,
    ) -> Result<Arc<Skipped>, Failure> {
        let known = self.0.lock().get(workspace).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let skipped = Arc::new(Skipped::read(log, workspace).await?);
        self.0.lock().insert(workspace.clone(), Arc::clone(&skipped));
        Ok(skipped)
    }

    /// What is passed over, if anybody has asked for it.
    pub(crate) fn known(&self, workspace: &WorkspaceId) -> Option<Arc<Skipped>> {
        self.0.lock().get(workspace).cloned()
    }

    /// There is a new one: it is read when somebody asks.
    pub(crate) fn forget(&self, workspace: &WorkspaceId) {
        self.0.lock().remove(workspace);
    }
}
