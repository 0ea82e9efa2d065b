//! Time, as an argument.
//!
//! Whoever needs the time is given a [`Clock`], so that a test can hold it still and a replay
//! repeats it; `clippy.toml` bans the other ways.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time in UTC, as microseconds since the epoch; before it, negative.
pub type Micros = i64;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The time now. It may jump back: whoever needs order must not take it from here.
    fn now(&self) -> Micros;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    fn now(&self) -> Micros {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => micros(since),
            Err(before) => -micros(before.duration()),
        }
    }
}

/// A clock that moves only when it is told to.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `micros`.
    pub fn at(micros: Micros) -> Self {
        Self(AtomicI64::new(micros))
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(micros(by), Ordering::SeqCst);
    }

    /// Sets it, also back.
    pub fn set(&self, micros: Micros) {
        self.0.store(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Micros {
        self.0.load(Ordering::SeqCst)
    }
}

fn micros(duration: Duration) -> Micros {
    Micros::try_from(duration.as_micros()).unwrap_or(Micros::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(1_000);
        assert_eq!(clock.now(), 1_000);
        clock.advance(Duration::from_millis(2));
        assert_eq!(clock.now(), 3_000);
        clock.set(-5);
        assert_eq!(clock.now(), -5);
    }

    #[test]
    fn the_clock_of_the_machine_is_past_the_year_2025() {
        assert!(SystemClock.now() > 1_735_689_600_000_000);
    }
}
