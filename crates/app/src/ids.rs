//! Where ids come from: an argument, like time, so that tests can repeat them.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// Makes ids.
pub trait Ids: Send + Sync {
    /// An id that nobody has had before.
    fn fresh(&self) -> Uuid;
}

/// UUIDs of version 7: neighbours in time are neighbours in an index, which keeps the pages that
/// the log writes few.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that makes ids")]
    fn fresh(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// Ids 1, 2, 3, …, for tests whose transcripts are literal.
#[derive(Debug, Default)]
pub struct CountedIds(AtomicU64);

impl Ids for CountedIds {
    fn fresh(&self) -> Uuid {
        let number = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        Uuid::from_u128(0x7000_8000_0000_0000_0000 | u128::from(number))
    }
}
