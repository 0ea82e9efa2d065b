//! Building a projection again from the log, beside the file that serves.
//!
//! A build reads the whole log once, whatever the number of projections it is for: one thread reads
//! and decodes while another applies. It fills a file that nothing but the build depends on, as fast
//! as the disk allows; only when that file is on disk and at the log's head does it take the place of
//! the old one, in the time that a handful of events takes. Killed at any moment, it leaves a file
//! that is not complete and that the next start throws away.

use std::{
    collections::HashMap,
    fs::File,
    path::PathBuf,
    sync::{Arc, mpsc},
};

use event_log::{EventLog, WorkspaceId};
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
};

use crate::{
    Failure, ReadModels,
    generation::{self, Generation},
    projector::Batch,
    seat::{Seat, open_writer},
    wal::Copier,
    writer::{Stop, Writer},
};

/// How many events are applied in one transaction while nobody waits for them.
const BUILD_EVENTS_MAX: usize = 5_000;
/// How many batches are decoded ahead.
const BATCHES_AHEAD: usize = 1;

/// How far a build has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Of which projection.
    pub projection: &'static str,
    /// How many events have been read.
    pub done: u64,
    /// How many there were at the start.
    pub total: u64,
}

/// Why a build ended without a file that could serve. What served before serves on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// There is no such projection.
    #[error("there is no projection named {0:?}")]
    Unknown(String),
    /// The read models were closed meanwhile.
    #[error("the read models are closed")]
    Closed,
    /// One build at a time.
    #[error("another rebuild or verification is running")]
    Busy,
    /// The log refused.
    #[error("reading the log")]
    Log(#[from] event_log::Failure),
    /// An event cannot be read.
    #[error("workspace {workspace}: after position {position}: {reason}")]
    Unreadable {
        /// In which workspace.
        workspace: WorkspaceId,
        /// The last position that can.
        position: u64,
        /// What is wrong with the next one.
        reason: String,
    },
    /// An event does not fit the rows before it.
    #[error("workspace {workspace}: {projection} at position {position}")]
    Unfit {
        /// Which projection.
        projection: &'static str,
        /// In which workspace.
        workspace: WorkspaceId,
        /// The position of the event.
        position: u64,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// A file refused.
    #[error(transparent)]
    File(#[from] Failure),
}

impl ReadModels {
    /// Builds one projection, or all, again from the log, and lets the result serve.
    ///
    /// Blocks until it is done; a thread that has tasks to run had better let another one call it.
    /// Reads go on meanwhile.
    ///
    /// # Errors
    /// [`RebuildError`]; the projections that are not done yet stay as they were.
    pub fn rebuild(
        &self,
        name: Option<&str>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), RebuildError> {
        apart(progress, |progress| self.rebuild_here(name, progress))
    }

    fn rebuild_here(
        &self,
        name: Option<&str>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), RebuildError> {
        let _alone = self.building.try_lock().ok_or(RebuildError::Busy)?;
        let mut builds = self.builds(name)?;
        let heads = self.projector.log.heads();
        fill(self.source()?, &mut builds, &heads, progress)?;
        let source = self.source()?;
        while let Some(build) = builds.pop() {
            self.serve(build, &source)?;
        }
        Ok(())
    }

    /// The log, until these read models are closed.
    pub(crate) fn source(&self) -> Result<Source, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (log, stop) = (Arc::clone(&self.projector.log), self.stop.subscribe());
        Ok(Source { log, stop, runtime })
    }

    /// Empty files for one projection or for all.
    pub(crate) fn builds(&self, name: Option<&str>) -> Result<Vec<Build<'_>>, RebuildError> {
        let seats = self.projector.seats.iter();
        let named = seats.filter(|seat| name.is_none_or(|name| seat.projection.name() == name));
        let builds: Vec<_> =
            named.map(|seat| Build::new(&self.dir, seat)).collect::<Result<_, _>>()?;
        match name {
            Some(name) if builds.is_empty() => Err(RebuildError::Unknown(name.to_owned())),
            _ => Ok(builds),
        }
    }

    /// Lets a build that is nearly at the log's head take the place of what serves.
    fn serve(&self, build: Build<'_>, source: &Source) -> Result<(), RebuildError> {
        let mut build = build.onto_disk(&self.copier)?;
        build.follow(source, &source.log.heads())?;
        let Build { seat, .. } = build;
        let mut slot = seat.writer.lock();
        build.follow(source, &source.log.heads())?;
        let (generation, writer, positions) = build.complete()?;
        seat.swap(&mut slot, generation, writer);
        for (workspace, position) in positions {
            self.projector.marks.reach(seat.index, &workspace, position);
        }
        Ok(())
    }
}

/// A file that is being filled. Dropped before it is complete, it takes its file along.
pub(crate) struct Build<'s> {
    pub(crate) seat: &'s Seat,
    number: u32,
    path: PathBuf,
    /// `None` once somebody else owns the file.
    writer: Option<Writer>,
    positions: HashMap<WorkspaceId, u64>,
}

impl Drop for Build<'_> {
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            generation::remove(&self.path);
        }
    }
}

impl<'s> Build<'s> {
    fn new(dir: &std::path::Path, seat: &'s Seat) -> Result<Self, Failure> {
        let projection = seat.projection;
        let number = seat.serving().number + 1;
        let path = generation::path(dir, projection, number);
        let writer = Some(Writer::new(projection, generation::create(&path, projection)?, None)?);
        Ok(Self { seat, number, path, writer, positions: HashMap::new() })
    }

    pub(crate) fn writer(&mut self) -> &mut Writer {
        match &mut self.writer {
            Some(writer) => writer,
            None => unreachable!("only what consumes a build takes its writer"),
        }
    }

    fn position(&self, workspace: &WorkspaceId) -> u64 {
        self.positions.get(workspace).copied().unwrap_or(0)
    }

    fn apply(&mut self, workspace: &WorkspaceId, batch: &Batch) -> Result<(), RebuildError> {
        let (from, projection) = (self.position(workspace), self.seat.projection.name());
        let applied = self.writer().apply(workspace, batch.events.iter(), (from, batch.to));
        applied.map_err(|Stop { event, error, .. }| match event {
            Some(position) => RebuildError::Unfit {
                projection,
                workspace: workspace.clone(),
                position,
                source: error,
            },
            None => RebuildError::File(error.into()),
        })?;
        self.positions.insert(workspace.clone(), batch.to);
        Ok(())
    }

    /// Follows the log to these positions.
    pub(crate) fn follow(
        &mut self,
        source: &Source,
        to: &[(WorkspaceId, u64)],
    ) -> Result<(), RebuildError> {
        for (workspace, to) in to {
            while self.position(workspace) < *to {
                let batch = source.batch(workspace, self.position(workspace), *to)?;
                self.apply(workspace, &batch)?;
            }
        }
        Ok(())
    }

    /// Makes sure that the file is on disk, and opens it anew the way files are that serve.
    fn onto_disk(mut self, copier: &Copier) -> Result<Self, Failure> {
        let positions: Vec<_> = self.positions.clone().into_iter().collect();
        self.writer().save_all(positions.into_iter())?;
        drop(self.writer.take());
        let opened = File::open(&self.path)
            .and_then(|file| file.sync_all())
            .map_err(Failure::from)
            .and_then(|()| {
                let generation = Generation::new(self.number, self.path.clone());
                open_writer(&generation, self.seat.projection, copier)
            });
        self.writer = Some(opened.inspect_err(|_| generation::remove(&self.path))?);
        Ok(self)
    }

    /// From here on the file may serve.
    fn complete(mut self) -> Result<(Generation, Writer, HashMap<WorkspaceId, u64>), Failure> {
        self.writer().complete()?;
        let generation = Generation::new(self.number, self.path.clone());
        let positions = std::mem::take(&mut self.positions);
        match self.writer.take() {
            Some(writer) => Ok((generation, writer, positions)),
            None => unreachable!("it was used a moment ago"),
        }
    }
}

/// The log, read from a thread that runs no tasks.
pub(crate) struct Source {
    pub(crate) log: Arc<dyn EventLog>,
    stop: watch::Receiver<bool>,
    runtime: Runtime,
}

impl Source {
    /// A batch after a position and not beyond another; it is never empty.
    fn batch(&self, workspace: &WorkspaceId, after: u64, to: u64) -> Result<Batch, RebuildError> {
        if *self.stop.borrow() {
            return Err(RebuildError::Closed);
        }
        let wanted = usize::try_from(to - after).unwrap_or(usize::MAX).min(BUILD_EVENTS_MAX);
        let stored = self.runtime.block_on(self.log.read(workspace, after, wanted))?;
        let batch = Batch::decode(after, stored);
        let unreadable = |reason| RebuildError::Unreadable {
            workspace: workspace.clone(),
            position: batch.to,
            reason,
        };
        match &batch.broken {
            Some(reason) => Err(unreadable(reason.clone())),
            None if batch.to == after => Err(unreadable("there is no next event".to_owned())),
            None => Ok(batch),
        }
    }
}

/// Runs on a thread of its own, whatever the caller's may or may not do; progress is told on the
/// caller's.
pub(crate) fn apart<T: Send>(
    progress: &mut dyn FnMut(Progress),
    work: impl FnOnce(&mut dyn FnMut(Progress)) -> T + Send,
) -> T {
    std::thread::scope(|scope| {
        let (sender, told) = mpsc::channel();
        let worker = scope.spawn(move || {
            work(&mut |progress| {
                // The caller listens until this is done.
                let _ = sender.send(progress);
            })
        });
        told.iter().for_each(progress);
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Fills builds up to these positions: another thread reads and decodes ahead.
pub(crate) fn fill(
    source: Source,
    builds: &mut [Build<'_>],
    to: &[(WorkspaceId, u64)],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), RebuildError> {
    let total = to.iter().map(|(_, to)| to).sum();
    let mut tell = |builds: &[Build<'_>], done| {
        for build in builds {
            progress(Progress { projection: build.seat.projection.name(), done, total });
        }
    };
    tell(builds, 0);
    std::thread::scope(|scope| {
        let (sender, batches) = mpsc::sync_channel(BATCHES_AHEAD);
        scope.spawn(move || {
            for (workspace, to) in to {
                let mut after = 0;
                while after < *to {
                    let batch = source.batch(workspace, after, *to);
                    after = batch.as_ref().map_or(*to, |batch| batch.to);
                    // Nobody listens any more once an event did not fit.
                    if sender.send((workspace, batch)).is_err() {
                        return;
                    }
                }
            }
        });
        let mut done = 0;
        for (workspace, batch) in batches {
            let batch = batch?;
            let before = builds.first().map_or(0, |build| build.position(workspace));
            builds.iter_mut().try_for_each(|build| build.apply(workspace, &batch))?;
            done += batch.to - before;
            tell(builds, done);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests;
