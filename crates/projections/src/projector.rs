//! The projector: one thread that reads what has been committed and applies it everywhere.
//!
//! Each batch of the log is read once and decoded once, whatever the number of projections. Those
//! that stand at the same position share it; one that is far behind (a new version that fills its
//! first file) takes turns with those at the head, a batch each, so that it does not make them old.
//! Workspaces in which nothing happens are not looked at.

use std::{collections::HashMap, time::Duration};

use event_log::WorkspaceId;
use tokio::{runtime::Runtime, sync::watch};

use crate::{batch::Batch, marks::Marks, skips::is_skip, workshop::Workshop};

/// The most events that are applied in one transaction.
pub(crate) const BATCH_EVENTS_MAX: usize = 2_000;

/// How long after log or storage have refused it is tried again without a commit: a log whose disk was full
/// takes none before the next start.
const AGAIN: Duration = if cfg!(test) { Duration::from_millis(10) } else { Duration::from_secs(5) };

/// The thread was asked to stop, or has panicked: in either case nobody may wait any more.
pub(crate) struct Ending<'a>(pub(crate) &'a Marks);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end("the read models are closed");
    }
}

/// Follows the log until it is told to stop.
#[expect(clippy::disallowed_methods, reason = "nobody tells that a disk has room again")]
pub(crate) fn run(shop: &Workshop, runtime: &Runtime, mut stop: watch::Receiver<bool>) {
    let _ending = Ending(&shop.marks);
    runtime.block_on(async {
        let mut commits = shop.log.watch();
        let mut log_lives = true;
        let (mut seen, mut behind) = (0, HashMap::new());
        loop {
            let mut moves = true;
            while moves && !*stop.borrow() {
                let tick = *commits.borrow_and_update();
                behind.extend(shop.log.heads_since(seen));
                seen = tick;
                moves = shop.turn(&mut behind).await;
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = shop.catch_up.notified() => seen = 0,
                changed = commits.changed(), if log_lives => log_lives = changed.is_ok(),
                // Whoever is still behind has been refused.
                () = tokio::time::sleep(AGAIN), if !behind.is_empty() => {}
            }
        }
    });
}

impl Workshop {
    /// One batch for each position at which somebody is behind the head of one of these workspaces.
    /// Leaves those where somebody still is. Returns whether anybody came further.
    async fn turn(&self, behind: &mut HashMap<WorkspaceId, u64>) -> bool {
        let mut moved = false;
        for (workspace, head) in &*behind {
            for after in self.marks.behind(workspace, *head) {
                moved |= self.follow(workspace, after).await;
            }
        }
        behind.retain(|workspace, head| !self.marks.behind(workspace, *head).is_empty());
        moved
    }

    /// Reads one batch after a position, for everybody who stands there.
    async fn follow(&self, workspace: &WorkspaceId, after: u64) -> bool {
        let read = async {
            let stored = self.log.read(workspace, after, BATCH_EVENTS_MAX).await?;
            Ok((stored, self.skips.of(&*self.log, workspace).await?))
        };
        let (stored, skipped) = match read.await {
            Ok(read) => read,
            Err(error) => {
                let error: event_log::Failure = error;
                self.halt(workspace, after, &format!("the log cannot be read: {error}"));
                return false;
            }
        };
        let batch = Batch::of(after, stored);
        let held_before = self.marks.held_in(workspace);
        let mut moved = false;
        // What no file serves of is brought to the log's head by whoever builds one.
        for seat in self.seats.iter().filter(|seat| !self.marks.is_vacant(seat.index)) {
            moved |= seat.follow(&self.marks, workspace, (&batch, &skipped), after);
        }
        if batch.items.iter().any(is_skip) {
            self.skips.forget(workspace);
            // The mender looks at what is known; what cannot be read is read with the next batch.
            drop(self.skips.of(&*self.log, workspace).await);
            self.mend.notify_one();
        }
        if held_before != self.marks.held_in(workspace) {
            self.mend.notify_one();
        }
        moved
    }

    /// Stops everybody who stands at a position, until it is tried again.
    fn halt(&self, workspace: &WorkspaceId, position: u64, reason: &str) {
        for seat in &self.seats {
            if self.marks.applied(seat.index, workspace) == position {
                seat.halt(&self.marks, workspace, reason);
            }
        }
    }
}
