//! Jobs: what an administrator wants done to everybody whom a connector has brought, in the background,
//! with progress.
//!
//! A job lives in this process. One that a restart has ended is asked for again; whoever it has dealt with
//! already is passed over without a fact.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::ids::{ConnectorName, UserId};
use event_log::{Micros, WorkspaceId};
use parking_lot::Mutex;

use crate::{App, Refusal};

/// How many people are read at a time, and dealt with before SCIM requests go first.
pub(crate) const PAGE: usize = 100;
/// How much longer than it has worked a job rests while SCIM requests come in.
const REST_TIMES: Micros = 3;
/// How long it rests at most, in microseconds.
const REST_MICROS_MAX: Micros = 500_000;
/// How many of them are worked on at a time. SCIM requests go on beside them.
pub(crate) const AT_ONCE: usize = 4;

/// What is said of a job that ended without saying why.
const CUT_OFF: &str = "it was cut off: ask for it again";

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job<T> {
    /// Whether it has ended, and how.
    pub state: JobState,
    /// Why it stopped on the way, if it has.
    pub why: Option<&'static str>,
    /// How many people there were when it began.
    pub total: u64,
    /// How many have been looked at.
    pub done: u64,
    /// What came of that so far.
    pub found: T,
}

/// Whether a job has ended, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It goes on.
    Running,
    /// Everybody has been looked at.
    Completed,
    /// It stopped on the way.
    Failed,
}

impl JobState {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

impl<T> Job<T> {
    /// One that is about to look at so many people.
    pub(crate) fn begun(total: u64, found: T) -> Self {
        Self { state: JobState::Running, why: None, total, done: 0, found }
    }
}

/// Whom a job is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Subject {
    pub(crate) workspace: WorkspaceId,
    pub(crate) connector: ConnectorName,
}

/// A job, and whether it was asked for again while it went on.
type Shared<T> = Arc<Mutex<(Job<T>, bool)>>;

/// The last job of one kind for each connector.
pub(crate) struct Jobs<T>(Mutex<HashMap<Subject, Shared<T>>>);

impl<T> Default for Jobs<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Copy> Jobs<T> {
    /// Begins a job. While one goes on that `serves` as well, it is asked for again instead.
    pub(crate) fn begin(
        &self,
        subject: &Subject,
        begun: Job<T>,
        serves: impl FnOnce(&T) -> bool,
    ) -> Result<Running<T>, Job<T>> {
        let mut jobs = self.0.lock();
        if let Some(known) = jobs.get(subject) {
            let mut known = known.lock();
            if known.0.state == JobState::Running && serves(&known.0.found) {
                known.1 = true;
                return Err(known.0);
            }
        }
        let shared = Arc::new(Mutex::new((begun, false)));
        jobs.insert(subject.clone(), Arc::clone(&shared));
        Ok(Running(shared))
    }

    /// How far the last one is; `None` when there was none since the server started.
    pub(crate) fn last(&self, subject: &Subject) -> Option<Job<T>> {
        self.0.lock().get(subject).map(|job| job.lock().0)
    }
}

/// A job that goes on. Dropped before it is over (its runtime has ended), it has failed.
pub(crate) struct Running<T>(Shared<T>);

impl<T> Running<T> {
    /// Somebody was looked at.
    pub(crate) fn note(&self, change: impl FnOnce(&mut T)) {
        let mut job = self.0.lock();
        job.0.done += 1;
        change(&mut job.0.found);
    }

    /// Everybody has been looked at.
    pub(crate) fn complete(&self) {
        self.0.lock().0.state = JobState::Completed;
    }

    /// It cannot go on.
    pub(crate) fn fail(&self, why: &'static str) {
        let mut job = self.0.lock();
        (job.0.state, job.0.why) = (JobState::Failed, Some(why));
    }

    /// Ends the job, unless it has to begin anew: because it must, or was asked for again meanwhile.
    pub(crate) fn is_over(&self, begin_again: bool) -> bool {
        let mut job = self.0.lock();
        if std::mem::take(&mut job.1) || begin_again {
            return false;
        }
        job.0.state = JobState::Completed;
        true
    }

    /// Begins anew.
    pub(crate) fn restart(&self, begun: Job<T>) {
        self.0.lock().0 = begun;
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        let mut job = self.0.lock();
        if job.0.state == JobState::Running {
            (job.0.state, job.0.why) = (JobState::Failed, Some(CUT_OFF));
        }
    }
}

/// How many SCIM requests have come in, so that jobs know whether they are in the way of any.
#[derive(Default)]
pub(crate) struct Requests(AtomicU64);

impl Requests {
    /// One more.
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A part of a job after which SCIM requests go first.
pub(crate) struct Stretch {
    began: Micros,
    requests: u64,
}

impl App {
    /// A part of a job begins.
    pub(crate) fn stretch(&self) -> Stretch {
        Stretch { began: self.now(), requests: self.requests.0.load(Ordering::Relaxed) }
    }

    /// Leaves the machine to SCIM requests for a while, if any came in meanwhile.
    pub(crate) async fn rest(&self, stretch: Stretch) {
        if self.requests.0.load(Ordering::Relaxed) == stretch.requests {
            return;
        }
        let rest = ((self.now() - stretch.began) * REST_TIMES).clamp(0, REST_MICROS_MAX);
        #[expect(clippy::disallowed_methods, reason = "the machine is left to others for so long")]
        tokio::time::sleep(Duration::from_micros(rest.unsigned_abs())).await;
    }

    /// Lets jobs run on the runtime of whoever calls this, beside the policies. Until then they run where
    /// they are asked for, among the requests.
    pub(crate) fn run_jobs_here(&self) {
        self.jobs_run_on.get_or_init(tokio::runtime::Handle::current);
    }

    /// Begins work that nobody waits for.
    pub(crate) fn spawn_job(&self, job: impl Future<Output = ()> + Send + 'static) {
        match self.jobs_run_on.get() {
            Some(runtime) => drop(runtime.spawn(job)),
            None => drop(tokio::spawn(job)),
        }
    }

    /// The next people whom a connector has brought; none after the last.
    pub(crate) async fn people_behind(
        &self,
        subject: &Subject,
        after: &mut i64,
    ) -> Result<Vec<UserId>, Refusal> {
        let Subject { workspace, connector } = subject;
        let directory = self.directory(workspace).await?;
        let people = directory.people_after(workspace, connector, *after, PAGE)?;
        *after = people.last().map_or(*after, |(last, _)| *last);
        Ok(people.into_iter().map(|(_, user)| user).collect())
    }

    /// How many people a connector has brought.
    pub(crate) async fn count_people(&self, subject: &Subject) -> Result<u64, Refusal> {
        let Subject { workspace, connector } = subject;
        Ok(self.directory(workspace).await?.people_of(workspace, connector)?)
    }
}
