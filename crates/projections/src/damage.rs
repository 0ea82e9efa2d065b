//! Noticing that a file is damaged, and by which projection.
//!
//! SQLite tells whoever meets the damage, in an error that names no file. A query runs at once and on its
//! own thread, and asks one file: so a reader notes for its thread whose file that is, and an error that
//! becomes a [`Failure`](crate::Failure) while the reader is there is known to be about it. Whoever writes
//! the file knows without. Either wakes the builder, who lets nobody read the file any more and builds
//! another one from the log.

use std::{
    cell::RefCell,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use rusqlite::{Error, ErrorCode};
use tokio::sync::Notify;

/// What is known of the damages to a projection's files.
pub(crate) struct Damage {
    projection: &'static str,
    /// The generation of the last file that was found damaged; 0 before the first.
    generation: AtomicU32,
    times: AtomicU64,
    /// Wakes the builder.
    repair: Arc<Notify>,
}

impl Damage {
    pub(crate) fn new(projection: &'static str, repair: &Arc<Notify>) -> Self {
        let (generation, times) = Default::default();
        Self { projection, generation, times, repair: Arc::clone(repair) }
    }

    /// If an error says that the file of a generation is damaged, that is remembered.
    pub(crate) fn look(&self, generation: u32, error: &Error) {
        if says_so(error) && self.generation.swap(generation, Ordering::AcqRel) != generation {
            self.times.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                projection = self.projection, generation, %error,
                "the file of a projection is damaged: it is built again from the log"
            );
            self.repair.notify_one();
        }
    }

    /// A file was found damaged before anybody read it.
    pub(crate) fn count(&self) {
        self.times.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the file of a generation was found damaged.
    pub(crate) fn is_of(&self, generation: u32) -> bool {
        generation > 0 && self.generation.load(Ordering::Acquire) == generation
    }

    /// How many files were found damaged since the start.
    pub(crate) fn times(&self) -> u64 {
        self.times.load(Ordering::Relaxed)
    }
}

/// Whether an error says that a file is damaged. Of what else may be wrong with a file, building another one
/// on the same disk, with the same code, mends nothing.
pub(crate) fn says_so(error: &Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Whose file is read.
struct Of {
    damage: Arc<Damage>,
    generation: u32,
}

thread_local! {
    static READING: RefCell<Option<Of>> = const { RefCell::new(None) };
}

/// This thread reads a file, until this is dropped, in the order of last come, first gone.
pub(crate) struct Reading {
    before: Option<Of>,
    /// It stays on its thread.
    stays: PhantomData<*const ()>,
}

impl Reading {
    pub(crate) fn begin(damage: &Arc<Damage>, generation: u32) -> Self {
        let now = Of { damage: Arc::clone(damage), generation };
        Self { before: READING.replace(Some(now)), stays: PhantomData }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        READING.set(self.before.take());
    }
}

/// If an error says that the file that this thread reads is damaged: whose file that is.
pub(crate) fn met(error: &Error) -> Option<&'static str> {
    if !says_so(error) {
        return None;
    }
    READING.with_borrow(|reading| {
        let Of { damage, generation } = reading.as_ref()?;
        damage.look(*generation, error);
        Some(damage.projection)
    })
}

#[cfg(test)]
mod tests;
