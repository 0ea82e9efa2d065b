//! Filling files from the log, on as many threads as there are files and one more: one reads and decodes
//! ahead, the others apply.

use std::sync::{Arc, mpsc};

use event_log::{EventLog, WorkspaceId};
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
};

use crate::{
    Failure, RebuildError,
    batch::Batch,
    builds::{Phase, Ticket},
    making::Making,
    skips::{Skipped, Skips, is_skip},
    workshop::Workshop,
};

/// How many events are applied in one transaction while nobody waits for them.
const BUILD_EVENTS_MAX: usize = 5_000;
/// How many batches are decoded ahead, for each file.
const BATCHES_AHEAD: usize = 2;

/// The log, read from a thread that runs no tasks.
pub(crate) struct Source {
    pub(crate) log: Arc<dyn EventLog>,
    stop: watch::Receiver<bool>,
    pub(crate) runtime: Runtime,
    /// What is passed over, of workspaces that were read already.
    skips: Skips,
}

/// A batch, and what of it is passed over.
pub(crate) struct Read {
    from: u64,
    pub(crate) batch: Batch,
    pub(crate) skipped: Arc<Skipped>,
}

impl Workshop {
    /// The log, until the read models are closed.
    pub(crate) fn source(&self) -> Result<Source, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (log, stop) = (Arc::clone(&self.log), self.stop.subscribe());
        Ok(Source { log, stop, runtime, skips: Skips::default() })
    }
}

impl Source {
    /// A batch after a position and not beyond another; it is never empty.
    pub(crate) fn batch(
        &self,
        workspace: &WorkspaceId,
        after: u64,
        to: u64,
    ) -> Result<Read, RebuildError> {
        if *self.stop.borrow() {
            return Err(RebuildError::Closed);
        }
        let wanted = usize::try_from(to - after).unwrap_or(usize::MAX).min(BUILD_EVENTS_MAX);
        let stored = self.runtime.block_on(self.log.read(workspace, after, wanted))?;
        let batch = Batch::of(after, stored);
        if batch.to == after {
            return Err(RebuildError::Ended { workspace: workspace.clone(), position: after });
        }
        let skipped = self.runtime.block_on(self.skips.of(&*self.log, workspace))?;
        // One that is recorded meanwhile counts for what stands before it, too.
        if batch.items.iter().any(is_skip) {
            self.skips.forget(workspace);
        }
        Ok(Read { from: after, batch, skipped })
    }
}

/// What goes from the thread that reads to those that apply.
type Sent = Arc<(WorkspaceId, Read)>;

/// Fills files up to these positions.
///
/// # Errors
/// The first that any thread has met.
pub(crate) fn fill(
    source: &Source,
    ticket: &Ticket,
    makings: &mut [Making<'_>],
    to: &[(WorkspaceId, u64)],
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), RebuildError> {
    ticket.enter(Phase::Applying);
    // Where each is: a file that is taken up again has some of it already.
    let from = |workspace: &WorkspaceId, to: u64| {
        makings.iter().map(|making| making.position(workspace)).min().unwrap_or(0).min(to)
    };
    let ways: Vec<_> =
        to.iter().map(|(workspace, to)| (workspace, from(workspace, *to), *to)).collect();
    let begun: u64 = ways.iter().map(|(_, from, _)| from).sum();
    let total = ways.iter().map(|(.., to)| to).sum();
    let mut tell = |done| {
        ticket.reach(done, total);
        progress(done, total);
    };
    tell(begun);
    std::thread::scope(|scope| {
        let (tick, ticks) = mpsc::channel();
        let mut senders = Vec::with_capacity(makings.len());
        let mut appliers = Vec::with_capacity(makings.len());
        for (index, making) in makings.iter_mut().enumerate() {
            let (sender, batches) = mpsc::sync_channel::<Sent>(BATCHES_AHEAD);
            senders.push(sender);
            let tick = tick.clone();
            appliers.push(scope.spawn(move || -> Result<(), RebuildError> {
                for sent in batches {
                    let (workspace, read) = &*sent;
                    making.apply(workspace, read)?;
                    // The caller listens until all are done.
                    let _ = tick.send((index, read.batch.to - read.from));
                }
                Ok(())
            }));
        }
        drop(tick);
        let count = senders.len();
        let reader = scope.spawn(move || send_all(source, ticket, &ways, &senders));
        let mut reached = vec![begun; count];
        for (index, events) in ticks {
            reached[index] += events;
            tell(reached.iter().copied().min().unwrap_or(total));
        }
        for applier in appliers {
            joined(applier.join())?;
        }
        joined(reader.join())
    })
}

/// Reads the log and sends it to everybody, until one of them has ended.
fn send_all(
    source: &Source,
    ticket: &Ticket,
    ways: &[(&WorkspaceId, u64, u64)],
    senders: &[mpsc::SyncSender<Sent>],
) -> Result<(), RebuildError> {
    for (workspace, from, to) in ways {
        let mut after = *from;
        while after < *to {
            ticket.go_on()?;
            let read = source.batch(workspace, after, *to)?;
            after = read.batch.to;
            let sent = Arc::new(((*workspace).clone(), read));
            for sender in senders {
                // Whoever has ended says why.
                if sender.send(Arc::clone(&sent)).is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

fn joined<T>(result: std::thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
