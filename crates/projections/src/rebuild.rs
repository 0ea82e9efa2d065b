//! Building a projection again from the log, beside the file that serves.
//!
//! A build reads the whole log once, whatever the number of projections it is for. It fills files that
//! nothing but the build depends on; only when one is on disk and at the log's head does it take the
//! place of the old one, in the time that a handful of events takes. Killed at any moment, it leaves
//! files that the next start takes up again.
//!
//! There is one build at a time. It can be watched, paused and cancelled ([`crate::BuildView`]).

use std::sync::{Arc, mpsc};

use event_log::WorkspaceId;
use tokio::{runtime::Runtime, sync::watch, time::timeout};

use crate::{
    Failure, ReadModels,
    background::stand_back,
    builds::{Phase, Purpose, Ticket},
    fill::{Source, fill},
    generation,
    making::Making,
    private,
    seat::Seat,
    workshop::Workshop,
};

/// How much of the serving file's size has to be free on the disk before a build: a file of the same
/// size, and the log beside it.
pub(crate) const SPACE_FACTOR: u64 = 2;
/// After how many seconds a build is tried again that has to be, since nothing serves without it.
const AGAIN_SECONDS: u64 = 60;
/// How often is looked whether the files are still there.
const LOOK_SECONDS: u64 = 60;

/// How far a build has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many events are in its files.
    pub done: u64,
    /// How many there are to be.
    pub total: u64,
}

/// What to build.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// The name of one projection; all if `None`.
    pub projection: Option<String>,
    /// One workspace; all if `None`.
    pub workspace: Option<WorkspaceId>,
}

/// Why a build ended without a file that could serve. What served before serves on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// There is no such projection, workspace or hold.
    #[error("there is nothing named {0:?}")]
    Unknown(String),
    /// The read models were closed meanwhile.
    #[error("the read models are closed")]
    Closed,
    /// Somebody took it back.
    #[error("the build was cancelled")]
    Cancelled,
    /// One build at a time.
    #[error("another rebuild or verification is running")]
    Busy,
    /// It would fill the disk.
    #[error(
        "a build takes {} MiB of free disk space, and there are {} MiB: {} MiB are missing",
        mib(*.needed), mib(*.free), mib(.needed.saturating_sub(*.free))
    )]
    NoSpace {
        /// How many bytes it takes.
        needed: u64,
        /// How many bytes are free.
        free: u64,
    },
    /// The log refused.
    #[error("reading the log")]
    Log(#[from] event_log::Failure),
    /// The log ends before its head.
    #[error("workspace {workspace}: there is no event after position {position}")]
    Ended {
        /// In which workspace.
        workspace: WorkspaceId,
        /// The last position that is there.
        position: u64,
    },
    /// A file refused.
    #[error(transparent)]
    File(#[from] Failure),
}

/// Rounded up, so that nothing is missing that is shown as zero.
fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

/// A build that was begun and has to be run.
pub struct Begun {
    shop: Arc<Workshop>,
    ticket: Arc<Ticket>,
    names: Vec<&'static str>,
    workspace: Option<WorkspaceId>,
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
        let order = Order { projection: name.map(str::to_owned), workspace: None };
        self.begin(&order)?.run(progress)
    }

    /// Begins a build, which then has to be run. From here on it can be watched and cancelled.
    ///
    /// # Errors
    /// [`RebuildError::Unknown`], [`RebuildError::Busy`] and [`RebuildError::NoSpace`].
    pub fn begin(&self, order: &Order) -> Result<Begun, RebuildError> {
        self.shop.begin(Purpose::Rebuild, order)
    }
}

impl Begun {
    /// Its number.
    pub fn id(&self) -> u64 {
        self.ticket.id()
    }

    /// Does it. Blocks until it is done, on a thread of its own.
    ///
    /// # Errors
    /// [`RebuildError`]; the projections that are not done yet stay as they were.
    pub fn run(self, progress: &mut dyn FnMut(Progress)) -> Result<(), RebuildError> {
        apart(progress, |progress| {
            let result = self.shop.work(&self, progress);
            self.ticket.end(&result);
            result
        })
    }
}

impl Workshop {
    pub(crate) fn begin(
        self: &Arc<Self>,
        purpose: Purpose,
        order: &Order,
    ) -> Result<Begun, RebuildError> {
        let names = self.named(order)?;
        self.miss_files();
        self.check_space(&names)?;
        let ticket = self.builds.begin(purpose, names.clone(), order.workspace.clone())?;
        let (shop, workspace) = (Arc::clone(self), order.workspace.clone());
        Ok(Begun { shop, ticket: Arc::new(ticket), names, workspace })
    }

    /// The names that an order means.
    pub(crate) fn named(&self, order: &Order) -> Result<Vec<&'static str>, RebuildError> {
        let names = self.seats.iter().map(|seat| seat.projection.name());
        let wanted = order.projection.as_deref();
        let names: Vec<_> = names.filter(|name| wanted.is_none_or(|it| it == *name)).collect();
        if let (Some(wanted), []) = (wanted, &*names) {
            return Err(RebuildError::Unknown(wanted.to_owned()));
        }
        match &order.workspace {
            Some(it) if self.log.head(it) == 0 => Err(RebuildError::Unknown(it.to_string())),
            _ => Ok(names),
        }
    }

    pub(crate) fn seats_named<'s>(
        &'s self,
        names: &'s [&'static str],
    ) -> impl Iterator<Item = &'s Seat> {
        self.seats.iter().filter(|seat| names.contains(&seat.projection.name()))
    }

    /// Makes sure that files as large as those that serve have room.
    pub(crate) fn check_space(&self, names: &[&'static str]) -> Result<(), RebuildError> {
        // Where nothing serves yet, the file of an older version says how large it will be.
        let sizes = self.seats_named(names).map(|seat| match seat.serving() {
            it if it.is_placeholder => generation::largest(&self.dir, seat.projection),
            it => generation::size_of(it.path()),
        });
        let needed = sizes.sum::<u64>().saturating_mul(SPACE_FACTOR);
        let free = self.free_space()?;
        if free < needed { Err(RebuildError::NoSpace { needed, free }) } else { Ok(()) }
    }

    /// How many bytes are free where the files lie.
    pub(crate) fn free_space(&self) -> Result<u64, Failure> {
        let disk =
            rustix::fs::statvfs(&self.dir).map_err(|error| Failure::Directory(error.into()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// How far each workspace goes that is to be built.
    pub(crate) fn heads_of(&self, workspace: Option<&WorkspaceId>) -> Vec<(WorkspaceId, u64)> {
        let mut heads = self.log.heads();
        heads.retain(|(it, _)| workspace.is_none_or(|wanted| it == wanted));
        heads
    }

    fn work(&self, begun: &Begun, progress: &mut dyn FnMut(Progress)) -> Result<(), RebuildError> {
        let Begun { ticket, names, workspace, .. } = begun;
        let source = self.source()?;
        let makings =
            self.seats_named(names).map(|seat| Making::next(&self.dir, seat, workspace.as_ref()));
        let mut makings: Vec<_> = makings.collect::<Result<_, _>>()?;
        let to = self.heads_of(workspace.as_ref());
        let filled = fill(&source, ticket, &mut makings, &to, &mut |done, total| {
            progress(Progress { done, total });
        });
        let result = filled.and_then(|()| {
            ticket.enter(Phase::Finishing);
            while let Some(making) = makings.pop() {
                self.serve(making, &source)?;
            }
            Ok(())
        });
        if let Err(RebuildError::Closed) = result {
            makings.iter_mut().for_each(Making::leave);
        }
        result
    }

    /// Lets a file that is nearly at the log's head take the place of what serves.
    fn serve(&self, making: Making<'_>, source: &Source) -> Result<(), RebuildError> {
        let mut making = making.onto_disk(&self.copier)?;
        self.catch_up_with(&mut making, source)?;
        let seat = making.seat;
        let mut slot = seat.writer.lock();
        self.catch_up_with(&mut making, source)?;
        let (generation, writer, positions) = making.complete()?;
        // Nobody sees either file without being told what it holds back.
        for workspace in writer.held().workspaces() {
            self.marks.hold_too(seat.index, workspace, &writer.held().list(workspace));
        }
        seat.swap(&mut slot, generation, writer);
        for workspace in self.marks.holding(seat.index) {
            self.marks.hold(seat.index, &workspace, slot.held().list(&workspace));
        }
        for (workspace, position) in positions {
            self.marks.reach(seat.index, &workspace, position);
        }
        self.marks.occupy(seat.index);
        // What was recorded just now may not be in the new file.
        self.catch_up.notify_one();
        self.mend.notify_one();
        Ok(())
    }

    /// Brings a file to the log's head. Stopped on the way, it is left to the next start.
    fn catch_up_with(&self, making: &mut Making<'_>, source: &Source) -> Result<(), RebuildError> {
        let followed = making.follow(source, &self.log.heads());
        if let Err(RebuildError::Closed) = followed {
            making.leave();
        }
        followed
    }
}

/// Builds what has to be built without anybody asking: what no file of this version serves of and what a
/// crash has left half built, at the start, and from then on what is found damaged. A thread of its own.
pub(crate) fn run(shop: &Arc<Workshop>, runtime: &Runtime, mut stop: watch::Receiver<bool>) {
    // What is left half built from then on is being built.
    let mut at_start = true;
    loop {
        shop.miss_files();
        shop.vacate_damaged();
        // Whoever builds a projection already may have mended it by then, or found another one damaged.
        shop.builds.idle();
        shop.vacate_damaged();
        let (mut failed, mut is_due) = (false, false);
        for (purpose, order) in shop.due(at_start) {
            match shop.begin(purpose, &order).and_then(|begun| begun.run(&mut |_| {})) {
                Ok(()) => {}
                Err(RebuildError::Closed) => return,
                // What serves goes on; a person has decided.
                Err(RebuildError::Cancelled) if purpose == Purpose::Rebuild => {}
                // By a purge, which is waited for.
                Err(RebuildError::Cancelled) => is_due = true,
                Err(error) => {
                    tracing::error!(projection = order.projection, %error, "it could not be built");
                    failed = true;
                }
            }
        }
        at_start &= failed || is_due;
        if is_due {
            continue;
        }
        let seconds = if failed { AGAIN_SECONDS } else { LOOK_SECONDS };
        let pause = std::time::Duration::from_secs(seconds);
        let goes_on = runtime.block_on(async {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => false,
                _ = timeout(pause, shop.repair.notified()) => true,
            }
        });
        if !goes_on {
            return;
        }
    }
}

impl Workshop {
    /// Files that somebody has removed are damaged, though whoever has them open notices nothing.
    pub(crate) fn miss_files(&self) {
        for seat in &self.seats {
            let serving = seat.serving();
            if !serving.is_there() && seat.serving().number == serving.number {
                seat.damage.found(serving.number, generation::GONE);
            }
        }
        if let Err(error) = private::make_dir(&self.dir) {
            tracing::error!(dir = %self.dir.display(), %error, "read models have no place");
        }
    }

    /// Nobody reads a file any more that was found damaged: what it still shows may be wrong as well.
    fn vacate_damaged(&self) {
        for seat in &self.seats {
            let serving = seat.serving();
            if !seat.damage.is_of(serving.number) {
                continue;
            }
            self.marks.vacate(seat.index);
            if let Err(error) = serving.condemn() {
                let projection = seat.projection.name();
                tracing::warn!(projection, %error, "a start may serve the damaged file again");
            }
        }
    }

    /// What is to be built: projections of which no file of this version serves, and at the start what was
    /// not ended.
    fn due(&self, at_start: bool) -> Vec<(Purpose, Order)> {
        let has_none = |seat: &Seat| self.marks.is_vacant(seat.index) || seat.serving().is_old;
        if self.seats.iter().all(has_none) {
            // One reading of the log does for all of them.
            let is_damaged = self.seats.iter().any(Seat::is_damaged);
            let purpose = if is_damaged { Purpose::Repair } else { Purpose::Upgrade };
            return vec![(purpose, Order::default())];
        }
        let mut due = Vec::new();
        for seat in &self.seats {
            let projection = Some(seat.projection.name().to_owned());
            if seat.is_damaged() {
                due.push((Purpose::Repair, Order { projection, workspace: None }));
            } else if has_none(seat) {
                due.push((Purpose::Upgrade, Order { projection, workspace: None }));
            } else if at_start && let Some(order) = seat.unfinished(&self.dir) {
                due.push((Purpose::Rebuild, order));
            }
        }
        due
    }
}

/// Runs on a thread of its own, whatever the caller's may or may not do, and behind those that answer;
/// progress is told on the caller's.
pub(crate) fn apart<T: Send>(
    progress: &mut dyn FnMut(Progress),
    work: impl FnOnce(&mut dyn FnMut(Progress)) -> T + Send,
) -> T {
    std::thread::scope(|scope| {
        let (sender, told) = mpsc::channel();
        let worker = scope.spawn(move || {
            stand_back();
            work(&mut |progress| {
                // The caller listens until this is done.
                let _ = sender.send(progress);
            })
        });
        told.iter().for_each(progress);
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests;
