//! Noticing that a file is damaged, and by which projection.
//!
//! SQLite tells whoever meets the damage, in an error that names no file. A query runs at once and on its
//! own thread, and asks one file: so a reader notes for its thread whose file that is, and an error that
//! becomes a [`Failure`](crate::Failure) while the reader is there is known to be about it. Whoever writes
//! the file knows without. Either wakes the builder, who lets nobody read the file any more and builds
//! another one from the log.

use std::{
    cell::RefCell,
    collections::VecDeque,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rusqlite::{Error, ErrorCode};
use tokio::sync::Notify;

/// How many files of a projection are given up for damaged within [`TRIES_WITHIN`]. Where building did not
/// mend it so often, building is no cure: the disk is bad, or the code.
const TRIES_MAX: usize = 3;
/// After how long a file that was given up does not count any more.
const TRIES_WITHIN: Duration = Duration::from_hours(1);

/// What is known of the damages to a projection's files.
pub(crate) struct Damage {
    projection: &'static str,
    /// The generation of the last file that was found damaged; 0 before the first.
    generation: AtomicU32,
    /// The generation of the last file that was found damaged and is not built again; 0 before the first.
    resting: AtomicU32,
    times: AtomicU64,
    /// When files were found damaged.
    tries: Mutex<VecDeque<Instant>>,
    /// Wakes the builder.
    repair: Arc<Notify>,
}

impl Damage {
    pub(crate) fn new(projection: &'static str, repair: &Arc<Notify>) -> Self {
        let (generation, resting, times, tries) = Default::default();
        Self { projection, generation, resting, times, tries, repair: Arc::clone(repair) }
    }

    /// If an error says that the file of a generation is damaged, that is remembered. Returns whether it
    /// is, and another one is built.
    pub(crate) fn look(&self, generation: u32, error: &Error) -> bool {
        says_so(error) && self.found(generation, &error.to_string())
    }

    /// The file of a generation was found damaged. Returns whether another one is built: not when that has
    /// mended nothing a few times.
    pub(crate) fn found(&self, generation: u32, says: &str) -> bool {
        if self.is_known(generation) {
            return true;
        }
        let mut tries = self.tries.lock();
        if self.is_known(generation) {
            return true;
        }
        let projection = self.projection;
        if !has_room(&mut tries) {
            if self.resting.swap(generation, Ordering::AcqRel) != generation {
                tracing::error!(
                    projection,
                    generation,
                    says,
                    "the file of a projection is damaged again and again: it is not built any more for now; \
                     look at the disk, and report it"
                );
            }
            return false;
        }
        tries.push_back(Instant::now());
        self.condemn(generation);
        drop(tries);
        tracing::error!(
            projection,
            generation,
            says,
            "the file of a projection is damaged: it is built again from the log"
        );
        self.repair.notify_one();
        true
    }

    /// The file of a generation was found damaged before anybody read it.
    pub(crate) fn condemn(&self, generation: u32) {
        self.generation.store(generation, Ordering::Release);
        self.times.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a file that is found damaged now is built again.
    pub(crate) fn may_repair(&self) -> bool {
        has_room(&mut self.tries.lock())
    }

    /// Whether the file of a generation was found damaged, and is to be built again.
    pub(crate) fn is_of(&self, generation: u32) -> bool {
        generation > 0 && self.generation.load(Ordering::Acquire) == generation
    }

    /// Whether the file of a generation was found damaged, or a later one. Whoever still reads one that does
    /// not serve any more may find it damaged late.
    fn is_known(&self, generation: u32) -> bool {
        generation > 0 && self.generation.load(Ordering::Acquire) >= generation
    }

    /// Whether the file of a generation was found damaged, and is not built again.
    pub(crate) fn rests(&self, generation: u32) -> bool {
        generation > 0 && self.resting.load(Ordering::Acquire) == generation
    }

    pub(crate) fn projection(&self) -> &'static str {
        self.projection
    }

    /// How many files were found damaged since the start.
    pub(crate) fn times(&self) -> u64 {
        self.times.load(Ordering::Relaxed)
    }
}

/// Forgets what was long ago, and tells whether once more is not too often.
fn has_room(tries: &mut VecDeque<Instant>) -> bool {
    while tries.front().is_some_and(|at| at.elapsed() > TRIES_WITHIN) {
        tries.pop_front();
    }
    tries.len() < TRIES_MAX
}

/// Whether an error says that a file is damaged: SQLite says so, something of the schema is not there, or a
/// value is none that we write. Where it is rather our code that is wrong, building shows it ([`TRIES_MAX`]).
/// Of what else may be wrong with a file, building another one on the same disk mends nothing.
pub(crate) fn says_so(error: &Error) -> bool {
    let code = match error {
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::Utf8Error(..) => return true,
        // With the place in the statement.
        Error::SqlInputError { error, .. } => Some(error.code),
        error => error.sqlite_error_code(),
    };
    match code {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => true,
        // A table, a column, an index.
        Some(ErrorCode::Unknown) => error.to_string().starts_with("no such "),
        _ => false,
    }
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

/// If an error says that the file that this thread reads is damaged, and another one is built: whose file
/// that is.
pub(crate) fn met(error: &Error) -> Option<&'static str> {
    if !says_so(error) {
        return None;
    }
    READING.with_borrow(|reading| {
        let Of { damage, generation } = reading.as_ref()?;
        damage.look(*generation, error).then_some(damage.projection)
    })
}

#[cfg(test)]
mod tests;
