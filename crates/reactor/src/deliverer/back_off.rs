//! When something that failed is tried again.

use domain::{Micros, ids::ActionId};

use super::SECOND;

/// The first wait after a failure, in seconds; it doubles with each further one.
const SECONDS: i64 = 5;
/// The longest, in seconds, but for the spread.
const SECONDS_MAX: i64 = 3_600;

/// How long to wait after the so-manieth failure, from 1: doubling, and spread by up to a half, so that
/// what failed together does not come back together.
pub(super) fn back_off(action: ActionId, failures: u32) -> Micros {
    let doubled = SECONDS << failures.saturating_sub(1).min(16);
    let base = doubled.min(SECONDS_MAX) * SECOND;
    let spread = i64::from(action.0.as_bytes()[15]) * base / 512;
    base + spread
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_wait_doubles_up_to_an_hour_and_a_half() {
        let action = ActionId::default();
        assert_eq!(back_off(action, 1), 5 * SECOND);
        assert_eq!(back_off(action, 2), 10 * SECOND);
        assert_eq!(back_off(action, 40), 3_600 * SECOND);
        let other = ActionId(Uuid::from_u128(255));
        assert!(back_off(other, 1) > 7 * SECOND && back_off(other, 1) < 8 * SECOND);
    }
}
