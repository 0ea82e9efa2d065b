//! Builds that are under way, and the last ones that were: what an operator watches, pauses and takes
//! back.

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use event_log::WorkspaceId;
use parking_lot::{Condvar, Mutex};

use crate::{ReadModels, RebuildError, Remedy, private};

/// How many builds are remembered.
const KEPT: usize = 20;

/// What a build is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Somebody asked for it, or a held event can be applied now.
    Rebuild,
    /// There is no file of this version yet.
    Upgrade,
    /// The file that served was damaged.
    Repair,
    /// To be compared with what serves.
    Verify,
    /// None: files are made to hold nothing of somebody who was erased, and nothing is built meanwhile.
    Purge,
}

/// How far a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildState {
    /// It goes on.
    Running,
    /// It waits until somebody resumes it.
    Paused,
    /// Somebody took it back, and it has not heard of that yet.
    Cancelling,
    /// It is done.
    Done,
    /// It could not be done.
    Failed,
    /// Somebody took it back.
    Cancelled,
}

/// What a build is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It looks through the files that it is to compare, whether SQLite can make sense of them.
    Checking,
    /// It makes its files; for one workspace they begin as copies.
    Preparing,
    /// It applies what the log holds.
    Applying,
    /// It lets its files take the place of those that served, or compares them with these.
    Finishing,
}

/// A build, as it is shown.
#[derive(Clone, Debug)]
pub struct BuildView {
    /// Its number, which no other build of this directory had.
    pub id: u64,
    /// What it is for.
    pub purpose: Purpose,
    /// Of which projections.
    pub projections: Vec<&'static str>,
    /// Of which workspace; of all if `None`.
    pub workspace: Option<WorkspaceId>,
    /// How far it is.
    pub state: BuildState,
    /// What it is doing, or did last.
    pub phase: Phase,
    /// How many events are in its files.
    pub done: u64,
    /// How many there are to be.
    pub total: u64,
    /// How many it applied in a second, pauses left out; 0 until that can be told.
    pub per_second: u64,
    /// In how many seconds the last event is applied at that rate.
    pub seconds_left: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Why a build is not paused, resumed or cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBuild {
    /// There is none of that number.
    #[error("there is no such build")]
    Unknown,
    /// It is over.
    #[error("that build has ended")]
    Ended,
    /// Without it nothing serves, or nothing of this version.
    #[error(
        "that build is not taken back: what it builds is needed, and it would begin again; it can be paused"
    )]
    Needed,
}

struct Record {
    view: BuildView,
    /// How many events were there when it began.
    from: Option<u64>,
    worked: Duration,
    since: Option<Instant>,
    is_cancelled: bool,
}

#[derive(Default)]
struct Known {
    made: u64,
    /// The last one at the end.
    records: VecDeque<Record>,
    is_closed: bool,
}

/// All builds of a node.
pub(crate) struct Builds {
    known: Mutex<Known>,
    turned: Condvar,
    /// Where the last number is written down, so that whoever has one from before a start does not take
    /// back another build by it.
    last: PathBuf,
}

/// The name of that file, beside those of the projections.
const LAST: &str = "builds.last";

impl Record {
    fn is_over(&self) -> bool {
        !matches!(self.view.state, BuildState::Running | BuildState::Paused)
    }

    /// Whether it makes a file of a projection that is to serve.
    fn builds(&self, projection: &str) -> bool {
        let compares = matches!(self.view.purpose, Purpose::Verify | Purpose::Purge);
        !compares && self.view.projections.contains(&projection)
    }

    fn stop_clock(&mut self) {
        self.worked += self.since.take().map(|since| since.elapsed()).unwrap_or_default();
    }

    fn shown(&self) -> BuildView {
        let mut view = self.view.clone();
        let worked = self.worked + self.since.map(|since| since.elapsed()).unwrap_or_default();
        let applied = view.done.saturating_sub(self.from.unwrap_or(view.done));
        let millis = u64::try_from(worked.as_millis()).unwrap_or(u64::MAX);
        view.per_second = applied.saturating_mul(1_000).checked_div(millis).unwrap_or(0);
        if !self.is_over() {
            if self.is_cancelled {
                view.state = BuildState::Cancelling;
            }
            let left = view.total.saturating_sub(view.done);
            view.seconds_left = left.checked_div(view.per_second);
        }
        view
    }
}

impl Known {
    fn find(&mut self, id: u64) -> Result<&mut Record, NoBuild> {
        let record = self.records.iter_mut().find(|it| it.view.id == id).ok_or(NoBuild::Unknown)?;
        if record.is_over() { Err(NoBuild::Ended) } else { Ok(record) }
    }

    fn is_busy(&self) -> bool {
        self.records.back().is_some_and(|it| !it.is_over())
    }
}

impl Builds {
    /// The builds of a directory: none is known, and numbers go on.
    pub(crate) fn of_dir(dir: &Path) -> Arc<Self> {
        let last = dir.join(LAST);
        let made = fs::read_to_string(&last).ok().and_then(|text| text.trim().parse().ok());
        let known = Known { made: made.unwrap_or(0), ..Known::default() };
        Arc::new(Self { known: Mutex::new(known), turned: Condvar::new(), last })
    }

    /// Begins a build, if none is under way.
    pub(crate) fn begin(
        self: &Arc<Self>,
        purpose: Purpose,
        projections: Vec<&'static str>,
        workspace: Option<WorkspaceId>,
    ) -> Result<Ticket, RebuildError> {
        let mut known = self.known.lock();
        if known.is_busy() {
            return Err(RebuildError::Busy);
        }
        known.made += 1;
        if let Err(error) = private::write(&self.last, &known.made.to_string()) {
            tracing::warn!(file = %self.last.display(), %error, "numbers of builds may come again");
        }
        let view = BuildView {
            id: known.made,
            purpose,
            projections,
            workspace,
            state: BuildState::Running,
            phase: Phase::Preparing,
            done: 0,
            total: 0,
            per_second: 0,
            seconds_left: None,
            error: None,
        };
        let id = view.id;
        let (from, since, worked) = (None, None, Duration::ZERO);
        known.records.push_back(Record { view, from, worked, since, is_cancelled: false });
        if known.records.len() > KEPT {
            known.records.pop_front();
        }
        Ok(Ticket { builds: Arc::clone(self), id })
    }

    /// Takes back what is under way, and lets nothing begin before the ticket has gone. `None` once the
    /// read models are closed.
    pub(crate) fn instead_of_all(self: &Arc<Self>) -> Option<Ticket> {
        loop {
            let mut known = self.known.lock();
            if known.is_closed {
                return None;
            }
            if known.is_busy() {
                known.records.iter_mut().for_each(|record| record.is_cancelled = true);
                self.turned.notify_all();
                self.turned.wait(&mut known);
                continue;
            }
            drop(known);
            // Somebody may have been faster.
            if let Ok(ticket) = self.begin(Purpose::Purge, Vec::new(), None) {
                return Some(ticket);
            }
        }
    }

    /// Builds as they are, the last one first.
    pub(crate) fn list(&self) -> Vec<BuildView> {
        self.known.lock().records.iter().rev().map(Record::shown).collect()
    }

    /// How far the build of a projection is that is under way: how many events of how many are in its file.
    pub(crate) fn of(&self, projection: &str) -> Option<(Remedy, u64, u64)> {
        let known = self.known.lock();
        let building = known.records.back().filter(|it| !it.is_over() && it.builds(projection));
        building.map(|it| {
            let is_paused = it.view.state == BuildState::Paused;
            let remedy = if is_paused { Remedy::Paused } else { Remedy::Runs };
            (remedy, it.view.done, it.view.total)
        })
    }

    /// Waits until no build is under way.
    pub(crate) fn idle(&self) {
        let mut known = self.known.lock();
        while known.is_busy() && !known.is_closed {
            self.turned.wait(&mut known);
        }
    }

    /// Nothing waits for anything any more.
    pub(crate) fn close(&self) {
        self.known.lock().is_closed = true;
        self.turned.notify_all();
    }

    fn turn(&self, id: u64, change: impl FnOnce(&mut Record)) -> Result<BuildView, NoBuild> {
        self.try_turn(id, |record| {
            change(record);
            Ok(())
        })
    }

    fn try_turn(
        &self,
        id: u64,
        change: impl FnOnce(&mut Record) -> Result<(), NoBuild>,
    ) -> Result<BuildView, NoBuild> {
        let mut known = self.known.lock();
        let record = known.find(id)?;
        change(record)?;
        let view = record.shown();
        drop(known);
        self.turned.notify_all();
        Ok(view)
    }
}

/// What a build works with: it tells how far it is, and hears what people want of it.
pub(crate) struct Ticket {
    builds: Arc<Builds>,
    id: u64,
}

impl Ticket {
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    fn note(&self, change: impl FnOnce(&mut Record)) {
        // One that was cancelled may end as it likes.
        let _ = self.builds.turn(self.id, change);
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.note(|record| record.view.phase = phase);
    }

    /// So many events are in the files.
    pub(crate) fn reach(&self, done: u64, total: u64) {
        self.note(|record| {
            (record.view.done, record.view.total) = (done, total);
            record.from.get_or_insert(done);
            if record.view.state == BuildState::Running {
                record.since.get_or_insert_with(Instant::now);
            }
        });
    }

    /// Waits while it is paused.
    ///
    /// # Errors
    /// [`RebuildError::Cancelled`], and [`RebuildError::Closed`].
    pub(crate) fn go_on(&self) -> Result<(), RebuildError> {
        let mut known = self.builds.known.lock();
        loop {
            if known.is_closed {
                return Err(RebuildError::Closed);
            }
            match known.find(self.id) {
                Ok(record) if record.is_cancelled => return Err(RebuildError::Cancelled),
                Ok(record) if record.view.state == BuildState::Running => return Ok(()),
                Ok(_) => self.builds.turned.wait(&mut known),
                Err(_) => return Err(RebuildError::Cancelled),
            }
        }
    }

    /// Takes it back.
    pub(crate) fn cancel(&self) {
        self.note(|record| record.is_cancelled = true);
    }

    /// Whether it was taken back, or everything ends.
    pub(crate) fn is_over(&self) -> bool {
        self.watch()()
    }

    /// Tells the same to somebody who outlives this.
    pub(crate) fn watch(&self) -> impl Fn() -> bool + Send + use<> {
        let (builds, id) = (Arc::clone(&self.builds), self.id);
        move || {
            let mut known = builds.known.lock();
            known.is_closed || known.find(id).map_or(true, |record| record.is_cancelled)
        }
    }

    pub(crate) fn end<T>(&self, result: &Result<T, RebuildError>) {
        self.note(|record| {
            record.stop_clock();
            (record.view.state, record.view.error) = match result {
                Ok(_) => (BuildState::Done, None),
                Err(RebuildError::Cancelled) => (BuildState::Cancelled, None),
                Err(error) => (BuildState::Failed, Some(in_full(error))),
            };
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.note(|record| {
            record.stop_clock();
            record.view.state = BuildState::Failed;
            record.view.error = Some("it panicked: see the server's log".to_owned());
        });
    }
}

fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl ReadModels {
    /// The build that is under way and the last ones that were, the last one first.
    pub fn builds(&self) -> Vec<BuildView> {
        self.shop.builds.list()
    }

    /// Waits until no build is under way, whoever began it.
    pub fn wait_for_builds(&self) {
        self.shop.builds.idle();
    }

    /// Lets a build wait, until it is resumed or the read models are opened anew.
    ///
    /// # Errors
    /// [`NoBuild`].
    pub fn pause_build(&self, id: u64) -> Result<BuildView, NoBuild> {
        self.shop.builds.turn(id, |record| {
            record.stop_clock();
            record.view.state = BuildState::Paused;
        })
    }

    /// Lets a build go on that was paused.
    ///
    /// # Errors
    /// [`NoBuild`].
    pub fn resume_build(&self, id: u64) -> Result<BuildView, NoBuild> {
        self.shop.builds.turn(id, |record| {
            record.view.state = BuildState::Running;
            if record.from.is_some() {
                record.since.get_or_insert_with(Instant::now);
            }
        })
    }

    /// Takes a build back: what served serves on, and its files go. Not one without which nothing serves.
    ///
    /// # Errors
    /// [`NoBuild`].
    pub fn cancel_build(&self, id: u64) -> Result<BuildView, NoBuild> {
        self.shop.builds.try_turn(id, |record| {
            if matches!(record.view.purpose, Purpose::Upgrade | Purpose::Repair) {
                return Err(NoBuild::Needed);
            }
            record.is_cancelled = true;
            Ok(())
        })
    }
}
