//! A lane: what one service of one workspace is given, and how much of it.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroU32,
    time::Duration,
};

use domain::{Micros, ids::ActionId};
use parking_lot::Mutex;

use super::{SECOND, circuit::Circuit, pace::Pace};

/// How many orders are under way at a time.
const AT_ONCE: usize = 8;
/// What a service may ask for at most, in seconds: a day.
const ASKED_SECONDS_MAX: i64 = 86_400;

/// The lane of a service.
#[derive(Debug)]
pub(super) struct Lane(Mutex<State>);

#[derive(Debug)]
struct State {
    /// What is under way.
    busy: HashSet<ActionId>,
    /// Not to be looked at before this time, after a failure of our own. Forgotten in a crash, which
    /// costs one try too many.
    later: HashMap<ActionId, Micros>,
    /// `None` where nobody outside is called.
    pace: Option<Pace>,
    circuit: Circuit,
    /// Whether it is asking's turn when there is room for one.
    asks: bool,
}

impl State {
    fn room(&self, now: Micros) -> usize {
        let room = self.circuit.room(now, AT_ONCE).saturating_sub(self.busy.len());
        self.pace.map_or(room, |pace| room.min(pace.tokens(now)))
    }
}

impl Lane {
    pub(super) fn new(calls_per_second: Option<NonZeroU32>) -> Self {
        Self(Mutex::new(State {
            busy: HashSet::new(),
            later: HashMap::new(),
            pace: calls_per_second.map(Pace::new),
            circuit: Circuit::default(),
            asks: true,
        }))
    }

    /// How many orders may begin now.
    pub(super) fn room(&self, now: Micros) -> usize {
        self.0.lock().room(now)
    }

    /// The part of the room that asking has while there is something to be sent as well, so that neither
    /// waits for the other to come to an end; room for one they have by turns.
    pub(super) fn half_the_room(&self, now: Micros) -> usize {
        let mut state = self.0.lock();
        let room = state.room(now);
        state.asks = !state.asks;
        room / 2 + (room % 2) * usize::from(state.asks)
    }

    /// When there will be room, if time is all that is missing.
    pub(super) fn opens(&self, now: Micros) -> Option<Micros> {
        let state = self.0.lock();
        state.circuit.paused(now).or_else(|| {
            let pace = state.pace.filter(|pace| pace.tokens(now) == 0);
            pace.map(|pace| pace.next())
        })
    }

    /// How many orders are due that may not begin.
    pub(super) fn passed_over(&self, now: Micros) -> usize {
        let mut state = self.0.lock();
        state.later.retain(|_, time| *time > now);
        state.busy.len() + state.later.len()
    }

    /// Whether an order may begin.
    pub(super) fn may_begin(&self, action: ActionId, now: Micros) -> bool {
        let state = self.0.lock();
        let later = state.later.get(&action).is_some_and(|time| *time > now);
        !later && !state.busy.contains(&action)
    }

    /// When the first of what was put off may begin.
    pub(super) fn put_off_until(&self) -> Option<Micros> {
        self.0.lock().later.values().copied().min()
    }

    pub(super) fn begin(&self, action: ActionId) {
        self.0.lock().busy.insert(action);
    }

    pub(super) fn end(&self, action: ActionId) {
        self.0.lock().busy.remove(&action);
    }

    /// An action is not looked at before a time.
    pub(super) fn put_off(&self, action: ActionId, until: Micros) {
        self.0.lock().later.insert(action, until);
    }

    /// The service is being called.
    pub(super) fn calls(&self, now: Micros) {
        self.0.lock().pace.iter_mut().for_each(|pace| pace.take(now));
    }

    /// The service has answered, whatever it said of the order.
    pub(super) fn works(&self) {
        self.0.lock().circuit.works();
    }

    /// The service does not work.
    pub(super) fn fails(&self, now: Micros, after: Option<Duration>) {
        self.0.lock().circuit.fails(now, after.map(asked));
    }
}

/// For how long a service asks to be left alone, as far as that is heeded.
pub(super) fn asked(after: Duration) -> Micros {
    let micros = Micros::try_from(after.as_micros()).unwrap_or(Micros::MAX);
    micros.min(ASKED_SECONDS_MAX * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_left_alone_for_more_than_a_day() {
        assert_eq!(asked(Duration::from_mins(2)), 120 * SECOND);
        assert_eq!(asked(Duration::MAX), 86_400 * SECOND);
    }
}
