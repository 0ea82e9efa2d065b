//! Fairness between connectors: one that sends as fast as it can makes its own requests wait, and
//! nobody else's.
//!
//! A worker is one thread, and what reaches it is answered in the order of its arrival: beside a
//! connector with five hundred connections, everybody would wait for five hundred answers. So a request
//! that has shown whose it is, and has sent its body, *enters* before anything is done for it. In
//! each *turn* of the worker (what is ready is run, then the sockets are asked for more) a few requests
//! begin, one of each connector after the other. A change takes more than the worker's time, and it takes it
//! later: so each connector has a share of the changes that may be under way as well.
//!
//! Each worker has this for itself: connections are spread evenly over workers, and nothing is
//! locked. Where nobody waits, a request finds its connector in a map and begins.

mod lines;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use actix_web::rt::{spawn, task::yield_now};
use app::Refusal;
use tokio::sync::{Notify, oneshot};

use self::lines::{Begun, Entered, Lines};
pub(crate) use self::lines::{Kind, Source};

/// The lines of a worker, and whoever calls one after the other.
#[derive(Default)]
pub(crate) struct Fairness {
    lines: RefCell<Lines<oneshot::Sender<Place>>>,
    next_turn: Notify,
    /// Whether the next turn has been asked for.
    is_asked: Cell<bool>,
    /// Whether anybody takes turns: not before there is a runtime to do so.
    is_running: Cell<bool>,
}

/// What a request has while it is under way; dropped, it lets the next one begin.
pub(crate) struct Place {
    fairness: Rc<Fairness>,
    begun: Begun,
    /// How much of the worker's time it has taken, in microseconds.
    took: Cell<u64>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.fairness.lines.borrow_mut();
        lines.end(&self.begun, self.took.get());
        if lines.has_next() {
            drop(lines);
            self.fairness.ask_for_turn();
        }
    }
}

impl Place {
    fn new(fairness: &Rc<Fairness>, begun: Begun) -> Self {
        Self { fairness: Rc::clone(fairness), begun, took: Cell::new(0) }
    }

    /// It has taken some of the worker's time.
    pub(crate) fn takes(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.took.set(self.took.get().saturating_add(micros));
    }
}

impl Fairness {
    /// Waits until a request may begin. Whoever stops waiting leaves nothing behind.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] when too many of its connector wait already.
    pub(crate) async fn enter(
        self: &Rc<Self>,
        source: Source,
        kind: Kind,
    ) -> Result<Place, Refusal> {
        let mut called = None;
        let waits = || {
            let (call, heard) = oneshot::channel();
            called = Some(heard);
            call
        };
        let entered = self.lines.borrow_mut().enter(&source, kind, Instant::now(), waits);
        self.ask_for_turn();
        match (entered, called) {
            (Entered::Begins(begun), _) => Ok(Place::new(self, begun)),
            (Entered::Waits, Some(called)) => called.await.map_err(|_| Refusal::Stopping),
            (Entered::Waits | Entered::TurnedAway, _) => Err(Refusal::Overloaded),
        }
    }

    fn ask_for_turn(self: &Rc<Self>) {
        if !self.is_running.replace(true) {
            spawn(take_turns(Rc::clone(self)));
        }
        if !self.is_asked.replace(true) {
            self.next_turn.notify_one();
        }
    }

    /// Calls those whose turn it is.
    fn turn(self: &Rc<Self>) {
        self.lines.borrow_mut().turn();
        loop {
            let next = self.lines.borrow_mut().next();
            let Some((begun, call)) = next else { break };
            // Of one who has left, the place comes back and is dropped.
            drop(call.send(Place::new(self, begun)));
        }
        if self.lines.borrow().has_next() {
            self.ask_for_turn();
        }
    }
}

/// One turn of the worker after the other, as long as there is anything to be called.
async fn take_turns(fairness: Rc<Fairness>) {
    loop {
        fairness.next_turn.notified().await;
        // What has begun is run, and the sockets are asked for more, before anybody else begins.
        yield_now().await;
        fairness.is_asked.set(false);
        fairness.turn();
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::ConnectorName;
    use event_log::WorkspaceId;

    use super::{lines::CHANGES_MAX, *};

    fn source(name: &str) -> Source {
        Source {
            workspace: WorkspaceId::parse("acme").unwrap(),
            connector: ConnectorName::parse(name).unwrap(),
        }
    }

    type Begun = Rc<RefCell<Vec<&'static str>>>;

    /// A request that notes when it begins and ends at once.
    fn request(
        fairness: &Rc<Fairness>,
        name: &'static str,
        begun: &Begun,
    ) -> impl Future<Output = ()> + use<> {
        let (fairness, begun) = (Rc::clone(fairness), Rc::clone(begun));
        async move {
            let _place = fairness.enter(source(name), Kind::Read).await.unwrap();
            begun.borrow_mut().push(name);
        }
    }

    #[actix_web::test]
    async fn a_crowd_of_one_connector_does_not_stand_before_another() {
        let (fairness, begun) = (Rc::<Fairness>::default(), Begun::default());
        let mut tasks: Vec<_> =
            (0..300).map(|_| spawn(request(&fairness, "loud", &begun))).collect();
        tasks.push(spawn(request(&fairness, "quiet", &begun)));
        for task in tasks {
            task.await.unwrap();
        }
        let begun = begun.borrow();
        let before = begun.iter().position(|name| *name == "quiet").unwrap();
        assert_eq!(begun.len(), 301);
        // As many as a turn has room for, of those that take the least.
        assert!(before <= 55, "{before} requests began before it");
    }

    #[actix_web::test]
    async fn places_of_those_who_hang_up_are_not_lost() {
        let fairness = Rc::<Fairness>::default();
        let enter = || fairness.enter(source("loud"), Kind::Change);
        let mut places = Vec::new();
        for _ in 0..CHANGES_MAX {
            places.push(enter().await.unwrap());
        }
        let waiting: Vec<_> = (0..100)
            .map(|_| {
                let fairness = Rc::clone(&fairness);
                spawn(async move { fairness.enter(source("loud"), Kind::Change).await.map(drop) })
            })
            .collect();
        yield_now().await;
        // Half of them hang up while they wait, then everybody else ends.
        let (gone, rest): (Vec<_>, Vec<_>) =
            waiting.into_iter().enumerate().partition(|(number, _)| number % 2 == 0);
        gone.iter().for_each(|(_, task)| task.abort());
        drop(places);
        for (_, task) in rest {
            task.await.unwrap().unwrap();
        }
        // All places are there again.
        let mut places = Vec::new();
        for _ in 0..CHANGES_MAX {
            places.push(enter().await.unwrap());
        }
        assert_eq!(places.len(), CHANGES_MAX);
    }
}
