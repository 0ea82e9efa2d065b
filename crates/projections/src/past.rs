//! Read models of the past: each is built when somebody asks for it, and goes when nobody does any more.
//!
//! A list reads one or two of them, and whoever asks about a moment mostly wants one list, so none is built
//! before it is asked for. It is filled like any build (`fill`): one thread reads and decodes ahead, one
//! applies for each file. Nobody will want the files after a crash, so nothing of them waits for the disk.
//!
//! A build that nobody waits for any more ends; files that nobody has asked for in a while go. Few pasts
//! are built at the same time, since each takes its threads from the requests of today.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use event_log::WorkspaceId;
use parking_lot::Mutex;
use tokio::{
    runtime::Runtime,
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use uuid::Uuid;

use crate::{
    Building, Failure, ReadModels, RebuildError, Stale,
    builds::Purpose,
    fill::fill,
    generation::{self, Generation},
    making::Making,
    projector::Ending,
    read_models::PAST,
    rebuild::SPACE_FACTOR,
    seat::{Seat, open_writer},
    workshop::Workshop,
};

/// How many pasts are built at the same time.
const BUILT_AT_ONCE: usize = 2;

/// How long a past goes on for whom, in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// How long a read waits for a build before it is told to come back, unless it says less.
    wait: Duration,
    /// After how long a build ends that nobody asks about.
    give_up: Duration,
    /// After how long files go that nobody asks for.
    keep: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(10),
            give_up: Duration::from_mins(1),
            keep: Duration::from_mins(15),
        }
    }
}

/// How far one read model of a past is.
#[derive(Clone, Debug)]
enum Stage {
    /// Nobody has asked, or it went.
    Absent,
    /// It is being built, or will be.
    Wanted,
    /// It is there.
    Built,
    /// It could not be built; whoever asks again has it tried again.
    Failed(Arc<str>),
}

/// What read models have that are of the past.
pub(crate) struct Past {
    stages: Box<[watch::Sender<Stage>]>,
    /// Wakes the thread: one of them is wanted.
    wanted: Notify,
    asked: Mutex<Asked>,
    /// How many bytes each will have, as today's files have it for as many events.
    sizes: Box<[u64]>,
    turns: Turns,
    terms: Terms,
}

/// When somebody has asked last, and how long they wait.
struct Asked {
    at: Instant,
    wait: Duration,
}

/// Whose turn it is to build: shared by all pasts of a node.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BUILT_AT_ONCE)))
    }
}

/// What the thread does next.
enum Next {
    Build(OwnedSemaphorePermit),
    Forget,
    End,
}

impl Past {
    pub(crate) fn new(sizes: Box<[u64]>, turns: Turns, terms: Terms) -> Self {
        let asked = Mutex::new(Asked { at: Instant::now(), wait: terms.wait });
        let stages = sizes.iter().map(|_| watch::Sender::new(Stage::Absent)).collect();
        Self { stages, wanted: Notify::new(), asked, sizes, turns, terms }
    }

    fn touch(&self) {
        self.asked.lock().at = Instant::now();
    }

    fn idle(&self) -> Duration {
        self.asked.lock().at.elapsed()
    }

    fn want(&self, index: usize) {
        let is_new = self.stages[index].send_if_modified(|stage| {
            let is_new = matches!(stage, Stage::Absent | Stage::Failed(_));
            if is_new {
                *stage = Stage::Wanted;
            }
            is_new
        });
        if is_new {
            self.wanted.notify_one();
        }
    }

    fn all(&self, wanted: impl Fn(&Stage) -> bool) -> Vec<usize> {
        let stages = self.stages.iter().enumerate();
        stages.filter(|(_, stage)| wanted(&stage.borrow())).map(|(index, _)| index).collect()
    }

    fn all_wanted(&self) -> Vec<usize> {
        self.all(|stage| matches!(stage, Stage::Wanted))
    }

    /// Waits until one read model is there.
    ///
    /// # Errors
    /// Why it could not be built; `None` when it takes longer than whoever asks waits.
    async fn built(&self, index: usize) -> Result<(), Option<Arc<str>>> {
        self.touch();
        self.want(index);
        let mut stage = self.stages[index].subscribe();
        let wait = self.asked.lock().wait;
        let there = async {
            loop {
                match stage.borrow_and_update().clone() {
                    Stage::Built => return Ok(()),
                    Stage::Failed(why) => return Err(Some(why)),
                    Stage::Absent => self.want(index),
                    Stage::Wanted => {}
                }
                // The sender lives as long as `self`.
                let _ = stage.changed().await;
            }
        };
        let there = timeout(wait, there).await;
        self.touch();
        there.unwrap_or(Err(None))
    }

    async fn next(&self, stop: &mut watch::Receiver<bool>) -> Next {
        let turn = async {
            loop {
                if !self.all_wanted().is_empty() {
                    // Nobody closes it.
                    let Ok(turn) = Arc::clone(&self.turns.0).acquire_owned().await else { break };
                    return Next::Build(turn);
                }
                if self.all(|stage| matches!(stage, Stage::Built)).is_empty() {
                    self.wanted.notified().await;
                    continue;
                }
                let left = self.terms.keep.saturating_sub(self.idle());
                let woken = timeout(left, self.wanted.notified()).await;
                if woken.is_err() && self.idle() >= self.terms.keep {
                    return Next::Forget;
                }
            }
            Next::End
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => Next::End,
            next = turn => next,
        }
    }
}

impl ReadModels {
    /// Waits until a read model of the past is there.
    pub(crate) async fn built(
        &self,
        past: &Past,
        seat: &Seat,
        workspace: &WorkspaceId,
    ) -> Result<(), Stale> {
        let mut stop = self.shop.stop.subscribe();
        let built = tokio::select! {
            biased;
            built = past.built(seat.index) => built,
            _ = stop.wait_for(|stop| *stop) => Err(None),
        };
        let Err(why) = built else { return Ok(()) };
        // One that has ended is there again when it is asked for again.
        let why = why.filter(|_| !*self.shop.stop.borrow());
        let projection = seat.projection.name();
        let (done, of) = match self.shop.builds.of(projection) {
            Some((_, done, of)) if of > 0 => (done, of),
            known => (known.map_or(0, |(_, done, _)| done), self.shop.log.head(workspace)),
        };
        let building =
            Some(if why.is_some() { Building::NoPast } else { Building::Past { done, of } });
        let reason = why.unwrap_or_else(|| "it is being built".into());
        Err(Stale { projection, workspace: workspace.clone(), position: 0, reason, building })
    }

    /// How long reads of the past wait for what is being built, from now on; never longer than they would
    /// anyway.
    pub fn wait_at_most(&self, wait: Option<Duration>) {
        if let Some(past) = &self.past {
            let longest = past.terms.wait;
            past.asked.lock().wait = wait.map_or(longest, |wait| wait.min(longest));
        }
    }

    /// Ends a past: nothing more of it is built, and whoever waits for that is told to ask again. What is there
    /// can be read to the end, by whoever has it.
    pub fn end(&self) {
        if self.past.is_some() {
            self.shop.stop.send_replace(true);
            self.shop.builds.close();
        }
    }

    /// What tells that nobody has these read models any more, and that their files are gone if they are of the
    /// past.
    pub fn departure(&self) -> Departure {
        Departure(self.alive.subscribe())
    }

    /// Removes from the disk all pasts but those of some names: what they hold may not stay.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn remove_pasts_but(&self, names: &[Uuid]) -> Result<(), Failure> {
        let entries = match std::fs::read_dir(self.shop.dir.join(PAST)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|it| it.to_str()?.parse().ok());
            if !name.is_some_and(|name: Uuid| names.contains(&name)) {
                match std::fs::remove_dir_all(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(error.into());
                    }
                    Ok(()) | Err(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Whether anything of a past is being built, or about to be.
    pub fn is_building(&self) -> bool {
        self.past.as_ref().is_some_and(|past| !past.all_wanted().is_empty())
    }

    /// Whether nobody has asked for anything of a past for so long that nothing of it is kept.
    pub fn is_forgotten(&self) -> bool {
        self.past.as_ref().is_some_and(|past| past.idle() >= past.terms.keep)
    }

    /// How many bytes all files have.
    pub fn bytes(&self) -> u64 {
        let seats = self.shop.seats.iter();
        seats.map(|seat| generation::size_of(seat.serving().path())).sum()
    }

    /// How many bytes each file would have if it held so many events; as today's have it.
    pub(crate) fn sizes_of(&self, events: u64) -> Box<[u64]> {
        let all: u64 = self.shop.log.heads().iter().map(|(_, head)| head).sum();
        let of = |seat: &Seat| {
            let bytes = u128::from(generation::size_of(seat.serving().path()));
            let share = bytes * u128::from(events) / u128::from(all.max(1));
            u64::try_from(share).unwrap_or(u64::MAX)
        };
        self.shop.seats.iter().map(of).collect()
    }
}

/// What some read models leave behind when nobody has them any more.
#[derive(Debug)]
pub struct Departure(watch::Receiver<()>);

impl Departure {
    /// Waits for it.
    pub async fn over(&mut self) {
        while self.0.changed().await.is_ok() {}
    }

    /// Whether it has been.
    pub fn is_over(&self) -> bool {
        self.0.has_changed().is_err()
    }
}

/// Whoever waits is told when the thread ends, or has panicked.
struct Over<'p>(&'p Past);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        for stage in &self.0.stages {
            stage.send_replace(Stage::Failed("the read models are closed".into()));
        }
    }
}

/// Builds what is asked for, and forgets it, until it is told to stop. A thread of its own.
pub(crate) fn run(
    shop: &Arc<Workshop>,
    past: &Past,
    runtime: &Runtime,
    mut stop: watch::Receiver<bool>,
) {
    let _ending = Ending(&shop.marks);
    let _over = Over(past);
    loop {
        match runtime.block_on(past.next(&mut stop)) {
            Next::Build(_turn) => {
                let wanted = past.all_wanted();
                let result = shop.build_past(past, &wanted);
                for index in wanted {
                    past.stages[index].send_replace(match &result {
                        Ok(()) => Stage::Built,
                        Err(RebuildError::Cancelled | RebuildError::Closed) => Stage::Absent,
                        Err(error) => Stage::Failed(error.to_string().into()),
                    });
                }
                if let Err(error) = result {
                    tracing::warn!(%error, "a past was not built");
                }
            }
            Next::Forget => shop.forget_past(past),
            Next::End => return,
        }
    }
}

impl Workshop {
    fn build_past(self: &Arc<Self>, past: &Past, wanted: &[usize]) -> Result<(), RebuildError> {
        self.check_room(wanted.iter().map(|index| past.sizes[*index]).sum())?;
        let seats = wanted.iter().map(|index| &self.seats[*index]);
        let names = seats.clone().map(|seat| seat.projection.name()).collect();
        let ticket = self.builds.begin(Purpose::Upgrade, names, None)?;
        let makings = seats.map(|seat| Making::past(&self.dir, seat));
        let mut makings: Vec<_> = makings.collect::<Result<_, _>>()?;
        let filled =
            fill(&self.source()?, &ticket, &mut makings, &self.heads_of(None), &mut |_, _| {
                if past.idle() > past.terms.give_up {
                    ticket.cancel();
                }
            });
        let result = filled.and_then(|()| {
            for making in makings {
                self.serve_past(making)?;
            }
            Ok(())
        });
        ticket.end(&result);
        result
    }

    /// Lets a file serve that has all of its past.
    fn serve_past(&self, making: Making<'_>) -> Result<(), Failure> {
        let seat = making.seat;
        let (generation, writer, positions) = making.complete_past(&self.copier)?;
        let mut slot = seat.writer.lock();
        seat.swap(&mut slot, generation, writer);
        for workspace in slot.held().workspaces() {
            self.marks.hold(seat.index, workspace, slot.held().list(workspace));
        }
        for (workspace, position) in positions {
            self.marks.reach(seat.index, &workspace, position);
        }
        self.marks.occupy(seat.index);
        Ok(())
    }

    /// Takes the files away; whoever asks again has them built again.
    fn forget_past(&self, past: &Past) {
        for index in past.all(|stage| matches!(stage, Stage::Built)) {
            past.stages[index].send_replace(Stage::Absent);
            let seat = &self.seats[index];
            self.marks.vacate(index);
            let emptied =
                Generation::placeholder(&self.dir, seat.projection, 0).and_then(|empty| {
                    let writer = open_writer(&empty, seat.projection, &self.copier)?;
                    seat.swap(&mut seat.writer.lock(), empty, writer);
                    Ok(())
                });
            if let Err(error) = emptied {
                let projection = seat.projection.name();
                tracing::warn!(projection, %error, "a read model of the past stays on disk");
            }
        }
    }

    /// Makes sure that files of so many bytes have room.
    fn check_room(&self, bytes: u64) -> Result<(), RebuildError> {
        let needed = bytes.saturating_mul(SPACE_FACTOR);
        let free = self.free_space()?;
        if free < needed { Err(RebuildError::NoSpace { needed, free }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
