//! Work that takes long: looking through rows that no index names, pages of many.
//!
//! A thread that answers requests answers nobody while it does such a thing, and as many threads as there are
//! clients who ask for it would leave everybody else a small part of the processors. So there are a few
//! *seats*, as many as there are processors, and a line for each connector before them. Whose connector
//! has fewer of them goes first, and of several one connector after the other: so one that asks for it all the time
//! has one seat while others want one, and all of them while nobody does. Their threads stand back behind those that answer.
//!
//! Who hangs up while waiting is passed over. Who does so afterwards keeps the seat until the work is done, since a
//! query of SQLite is not cut off; that is in the bounds of a list
//! ([decision 5](../../../docs/decisions/0005-lists-are-found-not-filtered.md)).

use std::{
    collections::{HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use domain::ids::ConnectorName;
use event_log::WorkspaceId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{Caller, Refusal};

/// How much work of one connector waits; more is turned away with 503.
const WAITING_MAX: usize = 512;

/// The seats of a server, and who waits for one.
pub(crate) struct LongWork {
    lines: Mutex<Lines>,
    seats: usize,
    /// What the threads do, of which there are as many as seats once there is anything to do. They are not those of the
    /// runtime: it takes a new one while the last is on its way back, and each keeps memory of its own.
    jobs: OnceLock<mpsc::Sender<Job>>,
}

/// Work, and the seat that it has.
type Job = Box<dyn FnOnce() + Send>;

/// Whose work it is.
type Source = (WorkspaceId, ConnectorName);

/// Work that has its turn; dropped, it lets the next one have it.
struct Seat {
    work: Arc<LongWork>,
    source: Source,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.work.lines.lock().leave(&self.source);
        self.work.call();
    }
}

struct Lines {
    free: usize,
    /// The connectors that have seats, or wait for one.
    all: HashMap<Source, Line>,
    /// Those that wait, in the order of their turns.
    turns: VecDeque<Source>,
}

#[derive(Default)]
struct Line {
    seats: usize,
    waiting: VecDeque<oneshot::Sender<Seat>>,
}

impl Default for LongWork {
    fn default() -> Self {
        Self::with_seats(thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }
}

impl LongWork {
    fn with_seats(seats: usize) -> Self {
        let lines = Lines { free: seats, all: HashMap::new(), turns: VecDeque::new() };
        Self { lines: Mutex::new(lines), seats, jobs: OnceLock::new() }
    }

    /// Does something that takes long, once it is the caller's turn, and says how long that took.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] when too much of its connector waits already; [`Refusal::Stopping`] when the server
    /// ends first.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        caller: &Caller,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, Duration), Refusal> {
        self.run_for((caller.workspace.clone(), caller.connector.clone()), work).await
    }

    async fn run_for<T: Send + 'static>(
        self: &Arc<Self>,
        source: Source,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, Duration), Refusal> {
        let seat = self.seat(source).await?;
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move || {
            let _seat = seat;
            let begun = Instant::now();
            let done = work();
            // Whoever has hung up hears nothing.
            drop(answer.send((done, begun.elapsed())));
        });
        let jobs = self.jobs.get_or_init(|| start(self.seats));
        jobs.send(job).map_err(|_| Refusal::Stopping)?;
        answered.await.map_err(|_| Refusal::Stopping)
    }

    async fn seat(self: &Arc<Self>, source: Source) -> Result<Seat, Refusal> {
        let (call, called) = oneshot::channel();
        self.lines.lock().wait(source, call)?;
        self.call();
        called.await.map_err(|_| Refusal::Stopping)
    }

    /// Gives away what seats are free.
    fn call(self: &Arc<Self>) {
        loop {
            let Some((source, call)) = self.lines.lock().next() else { return };
            // Of one who has just left, the seat comes back.
            drop(call.send(Seat { work: Arc::clone(self), source }));
        }
    }
}

/// Starts so many threads; they end when nobody can ask them for anything any more.
fn start(threads: usize) -> mpsc::Sender<Job> {
    let (sender, jobs) = mpsc::channel::<Job>();
    let jobs = Arc::new(Mutex::new(jobs));
    for _ in 0..threads {
        let jobs = Arc::clone(&jobs);
        let work = move || {
            projections::stand_back();
            loop {
                let next = jobs.lock().recv();
                let Ok(job) = next else { return };
                // Who waits for one that panics is told that there is no answer; the thread goes on.
                drop(catch_unwind(AssertUnwindSafe(job)));
            }
        };
        if let Err(error) = thread::Builder::new().name("long".to_owned()).spawn(work) {
            tracing::error!(%error, "a thread for long lists cannot be started");
        }
    }
    sender
}

impl Lines {
    fn wait(&mut self, source: Source, call: oneshot::Sender<Seat>) -> Result<(), Refusal> {
        let line = self.all.entry(source.clone()).or_default();
        let has_turn = !line.waiting.is_empty();
        if line.waiting.len() >= WAITING_MAX {
            line.waiting.retain(|call| !call.is_closed());
        }
        if line.waiting.len() >= WAITING_MAX {
            return Err(Refusal::Overloaded);
        }
        if !has_turn {
            self.turns.push_back(source);
        }
        line.waiting.push_back(call);
        Ok(())
    }

    /// Whose turn it is, if a seat is free.
    fn next(&mut self) -> Option<(Source, oneshot::Sender<Seat>)> {
        while self.free > 0 {
            let seats = |source| self.all.get(source).map_or(0, |line| line.seats);
            let (at, _) = self.turns.iter().enumerate().min_by_key(|(_, source)| seats(source))?;
            let source = self.turns.remove(at)?;
            let line = self.all.get_mut(&source)?;
            let call = line.waiting.pop_front().filter(|call| !call.is_closed());
            if !line.waiting.is_empty() {
                self.turns.push_back(source.clone());
            }
            if let Some(call) = call {
                line.seats += 1;
                self.free -= 1;
                return Some((source, call));
            }
            self.forget(&source);
        }
        None
    }

    fn leave(&mut self, source: &Source) {
        self.free += 1;
        if let Some(line) = self.all.get_mut(source) {
            line.seats -= 1;
        }
        self.forget(source);
    }

    /// Keeps nothing of a connector that neither has a seat nor waits for one.
    fn forget(&mut self, source: &Source) {
        if self.all.get(source).is_some_and(|line| line.seats == 0 && line.waiting.is_empty()) {
            self.all.remove(source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Called = oneshot::Receiver<Seat>;

    fn source(name: &str) -> Source {
        (WorkspaceId::parse("acme").unwrap(), ConnectorName::parse(name).unwrap())
    }

    /// Stands in the line of a connector.
    fn wait(work: &Arc<LongWork>, name: &str) -> Called {
        let (call, called) = oneshot::channel();
        work.lines.lock().wait(source(name), call).unwrap();
        work.call();
        called
    }

    /// The seats that were given since, by who has them.
    fn given(waiting: &mut Vec<(&'static str, Called)>) -> Vec<(&'static str, Seat)> {
        let mut given = Vec::new();
        waiting.retain_mut(|(name, called)| match called.try_recv() {
            Ok(seat) => {
                given.push((*name, seat));
                false
            }
            Err(_) => true,
        });
        given
    }

    fn names<'n>(seats: &[(&'n str, Seat)]) -> Vec<&'n str> {
        seats.iter().map(|(name, _)| *name).collect()
    }

    #[test]
    fn a_connector_has_all_seats_while_nobody_else_wants_one_and_then_one() {
        let work = Arc::new(LongWork::with_seats(2));
        let mut waiting: Vec<_> = (0..9).map(|_| ("loud", wait(&work, "loud"))).collect();
        let mut seats = given(&mut waiting);
        assert_eq!(names(&seats), ["loud", "loud"]);
        for name in ["one", "one", "other"] {
            waiting.push((name, wait(&work, name)));
        }
        // Whoever has none goes first, one after the other; in the end the loud one is alone again.
        let mut order = Vec::new();
        while !seats.is_empty() {
            drop(seats.remove(0));
            let more = given(&mut waiting);
            order.extend(names(&more));
            seats.extend(more);
        }
        assert_eq!(order[..5], ["one", "loud", "other", "one", "loud"]);
        assert_eq!(order.len(), 10);
        assert!(work.lines.lock().all.is_empty(), "nobody is remembered");
    }

    #[test]
    fn who_hangs_up_leaves_nothing_behind() {
        let work = Arc::new(LongWork::with_seats(1));
        let mut waiting = vec![("loud", wait(&work, "loud"))];
        let seats = given(&mut waiting);
        (0..WAITING_MAX).for_each(|_| drop(wait(&work, "loud")));
        // Their places in the line are free.
        waiting.push(("loud", wait(&work, "loud")));
        drop(wait(&work, "quiet"));
        drop(seats);
        let seats = given(&mut waiting);
        assert_eq!(names(&seats), ["loud"]);
        drop(seats);
        let lines = work.lines.lock();
        assert_eq!((lines.free, lines.all.len(), lines.turns.len()), (1, 0, 0));
    }

    #[tokio::test]
    async fn work_that_panics_takes_neither_seat_nor_thread_along() {
        let work = Arc::new(LongWork::with_seats(1));
        for _ in 0..3 {
            let panics = work.run_for(source("one"), || -> u8 { panic!("on purpose") });
            assert!(matches!(panics.await, Err(Refusal::Stopping)));
        }
        let (done, _) = work.run_for(source("one"), || 7).await.unwrap();
        assert_eq!(done, 7);
    }

    #[test]
    fn more_than_may_wait_are_turned_away() {
        let work = Arc::new(LongWork::with_seats(1));
        let waiting: Vec<_> = (0..=WAITING_MAX).map(|_| wait(&work, "loud")).collect();
        let (call, _called) = oneshot::channel();
        let turned_away = work.lines.lock().wait(source("loud"), call);
        assert!(matches!(turned_away, Err(Refusal::Overloaded)));
        drop(wait(&work, "quiet"));
        drop(waiting);
    }
}
