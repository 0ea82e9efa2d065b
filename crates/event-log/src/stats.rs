//! Figures for the metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the log has done since it was opened, and how it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Batches of callers that the writer has answered.
    pub appends: u64,
    /// Events stored.
    pub events: u64,
    /// Transactions that wrote something: each holds every append that was waiting.
    pub batches: u64,
    /// Times that a file of the log was synchronised with the disk. The keys' own blocks, at most
    /// one for 32 new streams, are not in it.
    pub syncs: u64,
    /// Times that the write-ahead log was brought into the file.
    pub checkpoints: u64,
    /// Bytes in the write-ahead log.
    pub wal_bytes: u64,
    /// Appends that were turned away because too many were waiting.
    pub overloaded: u64,
    /// Transactions that failed.
    pub failures: u64,
    /// Appends that are waiting.
    pub queue_appends: u64,
    /// Their payloads, in bytes.
    pub queue_bytes: u64,
    /// Whether the log takes no appends any more, after a failure of its storage.
    pub read_only: bool,
}

/// The same, while it is counted.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) appends: Counter,
    pub(crate) events: Counter,
    pub(crate) batches: Counter,
    pub(crate) syncs: Counter,
    pub(crate) checkpoints: Counter,
    pub(crate) wal_bytes: Counter,
    pub(crate) overloaded: Counter,
    pub(crate) failures: Counter,
}

#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
