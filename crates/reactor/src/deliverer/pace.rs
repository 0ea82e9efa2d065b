//! How fast a service is called: a bucket of tokens on the app's clock.

use std::num::NonZeroU32;

use domain::Micros;

use super::SECOND;

/// A bucket that holds the calls of one second and fills evenly. A call that has to follow another
/// one at once may overdraw it; the next ones then wait for longer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The time between two calls.
    every: Micros,
    /// When the bucket is full again.
    full: Micros,
}

impl Pace {
    pub(super) fn new(calls_per_second: NonZeroU32) -> Self {
        Self { every: (SECOND / i64::from(calls_per_second.get())).max(1), full: Micros::MIN }
    }

    /// How many calls may begin now.
    pub(super) fn tokens(&self, now: Micros) -> usize {
        let missing = self.full.saturating_sub(now).max(0);
        let tokens = (SECOND - missing).max(0) / self.every;
        usize::try_from(tokens).unwrap_or_default()
    }

    /// When the next call may begin, if none may now.
    pub(super) fn next(&self) -> Micros {
        self.full - SECOND + self.every
    }

    pub(super) fn take(&mut self, now: Micros) {
        self.full = self.full.max(now) + self.every;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_calls_and_no_more() {
        let mut pace = Pace::new(NonZeroU32::new(4).unwrap());
        assert_eq!(pace.tokens(0), 4);
        (0..4).for_each(|_| pace.take(0));
        assert_eq!((pace.tokens(0), pace.next()), (0, SECOND / 4));
        assert_eq!(pace.tokens(SECOND / 4 - 1), 0);
        assert_eq!(pace.tokens(SECOND / 4), 1);
        pace.take(SECOND / 4);
        pace.take(SECOND / 4);
        assert_eq!(pace.next(), 3 * SECOND / 4, "what was overdrawn is waited for");
        assert_eq!(pace.tokens(100 * SECOND), 4, "a rest saves no more than a second");
    }
}
