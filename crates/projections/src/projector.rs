//! The projector: one thread that reads what has been committed and applies it everywhere.
//!
//! Each batch of the log is read once and decoded once, whatever the number of projections. Those
//! that stand at the same position share it; one that is far behind (a new version that fills its
//! first file) takes turns with those at the head, a batch each, so that it does not make them old.

use std::sync::Arc;

use event_log::{EventLog, StoredEvent, WorkspaceId};
use tokio::{runtime::Runtime, sync::watch};

use crate::{marks::Marks, recorded::Seen, seat::Seat};

/// The most events that are applied in one transaction.
pub(crate) const BATCH_EVENTS_MAX: usize = 2_000;

/// What the projector works on.
pub(crate) struct Projector {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) seats: Box<[Seat]>,
    pub(crate) marks: Marks,
}

/// Why the thread was asked to stop, or that it panicked: in either case nobody may wait any more.
struct Ending<'a>(&'a Marks);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end("the read models are closed");
    }
}

impl Projector {
    /// Follows the log until it is told to stop.
    pub(crate) fn run(&self, runtime: &Runtime, mut stop: watch::Receiver<bool>) {
        let _ending = Ending(&self.marks);
        runtime.block_on(async {
            let mut commits = self.log.watch();
            let mut log_lives = true;
            loop {
                commits.mark_unchanged();
                while !*stop.borrow() && self.turn().await {}
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return,
                    changed = commits.changed(), if log_lives => log_lives = changed.is_ok(),
                }
            }
        });
    }

    /// One batch for each workspace and position at which somebody is behind. Returns whether
    /// anybody came further.
    async fn turn(&self) -> bool {
        let mut moved = false;
        for (workspace, head) in self.log.heads() {
            for after in self.marks.behind(&workspace, head) {
                moved |= self.follow(&workspace, after).await;
            }
        }
        moved
    }

    /// Reads one batch after a position, for everybody who stands there.
    async fn follow(&self, workspace: &WorkspaceId, after: u64) -> bool {
        let stored = match self.log.read(workspace, after, BATCH_EVENTS_MAX).await {
            Ok(stored) => stored,
            Err(error) => {
                self.halt(workspace, after, &format!("the log cannot be read: {error}"), true);
                return false;
            }
        };
        let Batch { events, to, broken } = Batch::decode(after, stored);
        let mut moved = false;
        for seat in &self.seats {
            moved |= seat.follow(&self.marks, workspace, &events, (after, to));
        }
        if let Some(reason) = broken {
            self.halt(workspace, to, &reason, false);
        }
        moved
    }

    /// Stops everybody who stands at a position.
    fn halt(&self, workspace: &WorkspaceId, position: u64, reason: &str, retry: bool) {
        for seat in &self.seats {
            if self.marks.applied(seat.index, workspace) == position {
                seat.halt(&self.marks, workspace, reason, retry);
            }
        }
    }
}

/// A batch of the log, decoded as far as it can be.
pub(crate) struct Batch {
    pub(crate) events: Vec<Seen>,
    /// The last position that was read.
    pub(crate) to: u64,
    /// Why the event after `to` cannot be read.
    pub(crate) broken: Option<String>,
}

impl Batch {
    pub(crate) fn decode(after: u64, stored: Vec<StoredEvent>) -> Self {
        let mut batch = Self { events: Vec::with_capacity(stored.len()), to: after, broken: None };
        for event in stored {
            let position = event.position;
            match Seen::read(event) {
                Ok(event) => batch.events.push(event),
                Err(error) => {
                    batch.broken = Some(in_full(&error));
                    break;
                }
            }
            batch.to = position;
        }
        batch
    }
}

/// An error with what caused it, in one line.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
