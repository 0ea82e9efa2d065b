//! Backups of a server that runs, on a thread of their own, into the directory that its operator named.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event_log::{Clock, Micros};
use parking_lot::Mutex;

use crate::{Manifest, Place, Progress, Source, take};

/// How long the thread rests at most after a page of events, so that requests go first.
const REST_MAX: Duration = Duration::from_millis(100);

/// Makes backups in one place, one at a time.
pub struct Backups {
    source: Source,
    place: Place,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<Run>>,
}

/// How the last backup that was asked for stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Whether it goes on, or how it ended.
    pub state: RunState,
    /// When it was asked for.
    pub begun: Micros,
    /// How many events of those that the backup lacked are in it.
    pub done: u64,
    /// How many it lacked.
    pub total: u64,
}

/// Whether a backup goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It does.
    Running,
    /// It is complete and checked.
    Completed,
    /// It is what it was before.
    Failed {
        /// Why.
        reason: String,
    },
}

/// One is under way already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a backup is under way already")]
pub struct Busy;

impl Backups {
    /// Backups of an installation in a place.
    pub fn new(source: Source, place: Place, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { source, place, clock, last: Mutex::default() })
    }

    /// Begins a backup; [`Backups::last`] tells how far it is.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn begin(self: &Arc<Self>) -> Result<Run, Busy> {
        let run = Run { state: RunState::Running, begun: self.clock.now(), done: 0, total: 0 };
        {
            let mut last = self.last.lock();
            if last.as_ref().is_some_and(|it| it.state == RunState::Running) {
                return Err(Busy);
            }
            *last = Some(run.clone());
        }
        let backups = Arc::clone(self);
        let work = move || backups.work();
        if let Err(error) = std::thread::Builder::new().name("backup".to_owned()).spawn(work) {
            self.end(RunState::Failed { reason: error.to_string() });
        }
        Ok(run)
    }

    /// The last backup that was asked for since the server started.
    pub fn last(&self) -> Option<Run> {
        self.last.lock().clone()
    }

    /// What is in the place; `None` when there is no backup yet.
    pub fn manifest(&self) -> Option<Manifest> {
        Manifest::read(&self.place.dir).ok()
    }

    fn work(&self) {
        let _ending = EndedAnyway(self);
        let mut began = Instant::now();
        let mut progress = |Progress { done, total, .. }: Progress| {
            if let Some(run) = self.last.lock().as_mut() {
                (run.done, run.total) = (done, total);
            }
            rest(began.elapsed());
            began = Instant::now();
        };
        match take(&self.source, &self.place, self.clock.now(), &mut progress) {
            Ok(manifest) => {
                tracing::info!(events = manifest.events(), "a backup is complete");
                self.end(RunState::Completed);
            }
            Err(error) => {
                let reason = chain(&error);
                tracing::error!(error = %reason, "a backup could not be made");
                self.end(RunState::Failed { reason });
            }
        }
    }

    fn end(&self, state: RunState) {
        if let Some(run) = self.last.lock().as_mut() {
            run.state = state;
        }
    }
}

/// A thread that panicked has no backup under way: else none could be made any more.
struct EndedAnyway<'b>(&'b Backups);

impl Drop for EndedAnyway<'_> {
    fn drop(&mut self) {
        let mut last = self.0.last.lock();
        if let Some(run) = last.as_mut().filter(|run| run.state == RunState::Running) {
            let reason = "it was given up in the middle: see the server's log".to_owned();
            run.state = RunState::Failed { reason };
        }
    }
}

/// Rests as long as it has worked: half of the time the machine is left to others.
#[expect(clippy::disallowed_methods, reason = "the machine is left to others for so long")]
fn rest(worked: Duration) {
    std::thread::sleep(worked.min(REST_MAX));
}

/// An error with what caused it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}
