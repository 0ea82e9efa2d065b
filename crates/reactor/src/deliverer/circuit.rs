//! Whether a service is called at all: not for a while, after it has failed several times in a row.
//!
//! Without this, an outage would cost every order that waits a call and two facts of its device, again
//! and again. With it, one order finds out whether the service is back.

use domain::Micros;

use super::SECOND;

/// After how many failures in a row a service is left alone.
const FAILURES_MAX: u32 = 5;
/// For how long at first, in seconds; it doubles while the service stays down.
const PAUSE_SECONDS: i64 = 10;
/// For how long at most, in seconds, unless the service itself asks for more.
const PAUSE_SECONDS_MAX: i64 = 300;

/// How a service has done lately.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
    pauses: u32,
    until: Micros,
}

impl Circuit {
    /// The service answered.
    pub(super) fn works(&mut self) {
        *self = Self::default();
    }

    /// The service did not work; perhaps it asks to be left alone for so many microseconds.
    pub(super) fn fails(&mut self, now: Micros, asked: Option<Micros>) {
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES_MAX && asked.is_none() {
            return;
        }
        // It is known to be down: at the next call one order finds out how it is.
        self.failures = self.failures.max(FAILURES_MAX);
        if now >= self.until {
            let pause = (PAUSE_SECONDS << self.pauses.min(16)).min(PAUSE_SECONDS_MAX);
            self.until = now + pause * SECOND;
            self.pauses += 1;
        }
        self.until = self.until.max(now + asked.unwrap_or_default());
    }

    /// How many orders may be under way.
    pub(super) fn room(&self, now: Micros, at_once: usize) -> usize {
        if self.failures < FAILURES_MAX { at_once } else { usize::from(now >= self.until) }
    }

    /// Until when nothing is sent, if that is so.
    pub(super) fn paused(&self, now: Micros) -> Option<Micros> {
        (self.until > now).then_some(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_five_failures_one_order_at_a_time_finds_out() {
        let mut circuit = Circuit::default();
        (0..4).for_each(|_| circuit.fails(0, None));
        assert_eq!((circuit.room(0, 8), circuit.paused(0)), (8, None));
        // Others that were under way fail with the fifth, and are no news.
        (0..4).for_each(|_| circuit.fails(0, None));
        assert_eq!((circuit.room(0, 8), circuit.paused(0)), (0, Some(10 * SECOND)));
        assert_eq!(circuit.room(10 * SECOND, 8), 1);
        circuit.fails(10 * SECOND, None);
        assert_eq!(circuit.paused(10 * SECOND), Some(30 * SECOND));
        for _ in 0..20 {
            let now = circuit.until;
            circuit.fails(now, None);
        }
        assert!(circuit.paused(circuit.until - 300 * SECOND).is_some(), "five minutes at most");
        assert!(circuit.until < 20 * 301 * SECOND);
        circuit.works();
        assert_eq!((circuit.room(0, 8), circuit.paused(0)), (8, None));
    }

    #[test]
    fn a_service_that_asks_to_be_left_alone_is() {
        let mut circuit = Circuit::default();
        circuit.fails(0, Some(120 * SECOND));
        assert_eq!((circuit.room(0, 8), circuit.paused(0)), (0, Some(120 * SECOND)));
    }
}
