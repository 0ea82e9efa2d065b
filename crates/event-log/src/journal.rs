//! The journal: facts about requests, not about the domain. How often an attribute was seen and when
//! last, when a token was last used, and the provisioning log: every authenticated request, what it
//! asked for and what came of it.
//!
//! It lies in `journal.db` beside the log, is copied with it, and is neither hashed nor a ground for
//! any decision. Whoever records does not wait for the disk: what is recorded is added up in memory
//! and written by a thread of its own, once a second while there is anything. A process that is
//! killed loses that second; one that is closed loses nothing. A read writes first, so that it sees
//! all that was recorded before it.
//!
//! Nobody's name is in the provisioning log, only keyed hashes of names ([`Journal::name_digest`]) and
//! ids. Bodies of requests are there where somebody has asked for it, sealed with keys of their own.
//!
//! - `counts`: attributes and tokens
//! - `entry`: what is said of a request
//! - `requests`: writing it; `blocks`, `names`, `packed`: many entries in one row; `search`: reading it
//! - `bodies`, `retention`: keeping and forgetting

mod blocks;
mod bodies;
mod convert;
mod counts;
mod entry;
mod names;
mod packed;
mod requests;
mod retention;
mod search;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use smol_str::SmolStr;
use uuid::Uuid;

use crate::job::Sealer;
use crate::sync::lock;
use crate::{Claim, Clock, Failure, Micros, OpenError, WorkspaceId, schema};

use bodies::BodyKeys;
use requests::Places;

pub(crate) use blocks::{CHANGES, READS};
pub use bodies::BODIES_DAYS;
pub(crate) use bodies::raise_keys_in_use;
pub(crate) use convert::rows_into_blocks;
pub use counts::{AttributeHistory, Sightings};
pub use entry::{
    Action, Attempt, Body, Cycle, Entry, NameDigest, NewEntry, Outcome, Rejections, Resource,
};
pub(crate) use requests::SCHEMA;
pub use requests::{CYCLE_GAP_MICROS, CYCLE_MICROS_MAX, SAMPLES_MAX};
pub use retention::KEPT_DAYS;
pub(crate) use retention::{cut, cut_beyond};
pub use search::{Part, Search, Spot};

/// How long the thread lets what is recorded add up before it writes.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// How many attributes and tokens may wait to be written; more are dropped until they are.
const WAITING_MAX: usize = 100_000;
/// How often is looked for what has been kept long enough.
const SWEEP_EVERY: Duration = Duration::from_hours(1);
/// How long one step of its deletion waits for the one before, so that others get at the file.
const SWEEP_PAUSE: Duration = Duration::from_millis(100);

/// The journal of a log.
pub struct Journal {
    inner: Arc<Inner>,
    was_cut_off: AtomicBool,
    writer: Mutex<Option<JoinHandle<()>>>,
}

struct Inner {
    waiting: Mutex<Waiting>,
    /// Wakes the thread: something waits, or it shall end.
    wake: Condvar,
    file: Mutex<File>,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
}

/// The file, and what is known of it.
struct File {
    conn: Connection,
    places: Places,
    keys: BodyKeys,
    /// What was taken to be written and could not be: it is tried again before anything else.
    taken: Waiting,
    /// Whether anything of that was given up.
    has_lost: bool,
}

/// What is recorded and not written.
#[derive(Default)]
struct Waiting {
    attributes: HashMap<WorkspaceId, HashMap<SmolStr, Names>>,
    tokens: HashMap<WorkspaceId, HashMap<Uuid, Micros>>,
    /// How many attributes and tokens that is.
    size: usize,
    requests: requests::Waiting,
    closed: bool,
}

/// Sightings by namespace and key.
type Names = HashMap<SmolStr, HashMap<SmolStr, Sightings>>;

impl Journal {
    pub(crate) fn open(
        path: &Path,
        sealer: Arc<Sealer>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let (conn, places) = (schema::JOURNAL.open(path)?, Places::default());
        let was_cut_off = mark_running(&conn).map_err(Failure::storage("opening the journal"))?;
        let (keys, taken) = (BodyKeys::new(Arc::clone(&sealer)), Waiting::default());
        let file = Mutex::new(File { conn, places, keys, taken, has_lost: false });
        let (waiting, wake) = Default::default();
        let inner = Arc::new(Inner { waiting, wake, file, sealer, clock });
        let writer = Arc::clone(&inner);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run())
            .map_err(Failure::storage("starting the writer of the journal"))?;
        let was_cut_off = AtomicBool::new(was_cut_off);
        Ok(Self { inner, was_cut_off, writer: Mutex::new(Some(thread)) })
    }

    /// Records a request. Never waits for the disk. Where too many wait, it is dropped, and the log
    /// line of the next writing says how many were.
    pub fn answered(&self, entry: NewEntry) {
        self.inner.add(|waiting| waiting.requests.add(entry));
    }

    /// Counts a request that was not authenticated, to a Base URL of a connector or of none that
    /// there is. Never waits for the disk. A `reason` is one of a few words.
    pub fn rejected(
        &self,
        workspace: &WorkspaceId,
        connector: Option<&str>,
        reason: &'static str,
        attempt: Attempt,
    ) {
        self.inner.add(|waiting| waiting.requests.reject(workspace, connector, reason, attempt));
    }

    /// The keyed hash of a name, which is to be folded first.
    pub fn name_digest(&self, workspace: &WorkspaceId, name: &str) -> NameDigest {
        // What a claim of the name would be is another hash: the two tables tell nothing together.
        let claim = Claim { scope: "journal".into(), key: format!("journal\0{name}") };
        let hash = self.inner.sealer.claims.hash(workspace, &claim);
        let (digest, _) = hash.split_at(size_of::<NameDigest>());
        digest.try_into().unwrap_or_default()
    }

    /// The entries of a workspace that match, newest first.
    ///
    /// # Errors
    /// When the journal can not be written or read.
    pub fn search(&self, workspace: &WorkspaceId, search: &Search) -> Result<Part<Entry>, Failure> {
        self.inner
            .read("searching the provisioning log", |conn| search::search(conn, workspace, search))
    }

    /// Whether a part of a list of a workspace may have ended at a spot.
    ///
    /// # Errors
    /// When the journal can not be written or read.
    pub fn has_given(&self, workspace: &WorkspaceId, spot: Spot) -> Result<bool, Failure> {
        self.inner
            .read("checking where a list goes on", |conn| search::has_given(conn, workspace, spot))
    }

    /// The entry of a connector with that time, and its body if that was kept.
    ///
    /// # Errors
    /// When the journal can not be written or read.
    pub fn entry(
        &self,
        workspace: &WorkspaceId,
        connector: &str,
        time: Micros,
    ) -> Result<Option<(Entry, Option<Body>)>, Failure> {
        let doing = "reading the provisioning log";
        let file = self.inner.written()?;
        let found = search::get(&file.conn, workspace, connector, time);
        let Some((place, entry)) = found.map_err(Failure::storage(doing))? else { return Ok(None) };
        let body = file.keys.read(&file.conn, workspace, (place, time))?;
        Ok(Some((entry, body)))
    }

    /// The cycles of a workspace, newest first. Of a [`Search`], connector, times, place and limit
    /// count.
    ///
    /// # Errors
    /// When the journal can not be written or read.
    pub fn cycles(&self, workspace: &WorkspaceId, search: &Search) -> Result<Part<Cycle>, Failure> {
        self.inner.read("listing cycles", |conn| search::cycles(conn, workspace, search))
    }

    /// How often requests to a workspace's Base URLs were not authenticated.
    ///
    /// # Errors
    /// When the journal can not be written or read.
    pub fn rejections(&self, workspace: &WorkspaceId) -> Result<Vec<Rejections>, Failure> {
        self.inner.read("listing rejections", |conn| search::rejections(conn, workspace))
    }

    /// Keeps the provisioning log of a workspace for so many days from now on.
    ///
    /// # Errors
    /// When the journal can not be written.
    pub fn keep(&self, workspace: &WorkspaceId, days: u32) -> Result<(), Failure> {
        self.inner.read("setting how long the provisioning log is kept", |conn| {
            retention::keep(conn, workspace, days)
        })
    }

    /// Deletes some of what was kept long enough; tells whether there may be more. A thread does so by
    /// itself, every hour.
    ///
    /// # Errors
    /// When the journal can not be written.
    pub fn sweep(&self) -> Result<bool, Failure> {
        self.inner.sweep()
    }

    /// Forgets what the provisioning log holds of persons, by the ids of their entries: the hashes of
    /// their names in every entry, and all bodies of the workspace, since any of them may be about
    /// anybody. Ids stay. When it returns, no file holds either.
    ///
    /// # Errors
    /// When a file can not be written: forget again.
    pub fn forget(&self, workspace: &WorkspaceId, subjects: &[Uuid]) -> Result<(), Failure> {
        let mut file = self.inner.written()?;
        let File { conn, keys, .. } = &mut *file;
        keys.forget(conn, workspace)?;
        retention::forget_names(conn, workspace, subjects)
            .map_err(Failure::storage("forgetting names"))
    }

    /// The numbers of the keys with which bodies of a workspace are sealed: those that
    /// [`Journal::forget`] will destroy.
    ///
    /// # Errors
    /// When the journal can not be written or read.
    pub fn body_keys(&self, workspace: &WorkspaceId) -> Result<Vec<u64>, Failure> {
        let file = self.inner.written()?;
        Ok(file.keys.numbers(&file.conn, workspace)?.into_iter().collect())
    }

    /// Whether a process before this one was killed, so that its last second may be missing. It stays
    /// so, over further starts, until somebody has seen to it.
    pub fn was_cut_off(&self) -> bool {
        self.was_cut_off.load(Ordering::Relaxed)
    }

    /// Whatever was missing has been recorded.
    pub fn recovered(&self) {
        self.was_cut_off.store(false, Ordering::Relaxed);
    }

    /// Writes what waits, then stops. What is recorded later is lost.
    pub(crate) fn close(&self) {
        lock(&self.inner.waiting).closed = true;
        self.inner.wake.notify_one();
        if let Some(writer) = lock(&self.writer).take() {
            // A writer that panicked has said so.
            let _ = writer.join();
            let mut file = lock(&self.inner.file);
            if file.taken.len() > 0 {
                file.give_up();
            }
            if self.was_cut_off() || file.has_lost {
                return;
            }
            let ended = file.conn.execute("DELETE FROM running", []);
            if let Err(error) = ended {
                tracing::warn!(%error, "the journal looks as if it were in use");
            }
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

impl Inner {
    /// Adds to what waits. Only the first thing wakes the thread, which then lets others add up, and
    /// one that is too much.
    fn add(&self, add: impl FnOnce(&mut Waiting)) {
        let mut waiting = lock(&self.waiting);
        let before = waiting.len();
        add(&mut waiting);
        let is_first = before == 0 && waiting.len() > 0;
        if is_first || waiting.len() == requests::WAITING_MANY {
            self.wake.notify_one();
        }
    }

    /// Writes once in a while and deletes what is old, until the journal is closed.
    fn run(&self) {
        let (mut sweep_at, mut failed) = (Instant::now(), false);
        loop {
            let again = failed.then(|| Instant::now() + WRITE_EVERY);
            let closed = self.wait(again.unwrap_or(sweep_at), failed);
            let written = self.written().map(drop);
            failed = written.is_err();
            if let Err(failure) = written {
                // Nobody waits for it, and nothing is decided by it.
                tracing::warn!(%failure, "the journal could not be written");
            }
            if closed {
                return;
            }
            if Instant::now() >= sweep_at {
                let more = self.sweep().unwrap_or_else(|failure| {
                    tracing::warn!(%failure, "the provisioning log is kept for longer");
                    false
                });
                sweep_at = Instant::now() + if more { SWEEP_PAUSE } else { SWEEP_EVERY };
            }
        }
    }

    /// Waits for something to write, and then for more of it; at most until a time. What could not be written
    /// is not tried again at once, however much waits. Tells whether the journal is closed.
    fn wait(&self, until: Instant, failed: bool) -> bool {
        let many = if failed { usize::MAX } else { requests::WAITING_MANY };
        let left = || until.saturating_duration_since(Instant::now());
        let waiting = lock(&self.waiting);
        let (waiting, _) = self
            .wake
            .wait_timeout_while(waiting, left(), |it| it.len() == 0 && !it.closed)
            .unwrap_or_else(PoisonError::into_inner);
        let adding_up = if waiting.len() == 0 { Duration::ZERO } else { WRITE_EVERY };
        let (waiting, _) = self
            .wake
            .wait_timeout_while(waiting, adding_up, |it| it.len() < many && !it.closed)
            .unwrap_or_else(PoisonError::into_inner);
        waiting.closed
    }

    fn read<T>(
        &self,
        doing: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        let file = self.written()?;
        read(&file.conn).map_err(Failure::storage(doing))
    }

    /// Writes what waits. What cannot be written now is kept.
    fn written(&self) -> Result<MutexGuard<'_, File>, Failure> {
        let mut file = lock(&self.file);
        file.store()?;
        // Taken while the file is held, so that a read after it sees what another one writes.
        file.taken = {
            let mut waiting = lock(&self.waiting);
            let closed = waiting.closed;
            std::mem::replace(&mut *waiting, Waiting { closed, ..Waiting::default() })
        };
        file.store()?;
        Ok(file)
    }

    fn sweep(&self) -> Result<bool, Failure> {
        let mut file = lock(&self.file);
        let File { conn, keys, .. } = &mut *file;
        retention::sweep(conn, keys, self.clock.now())
    }
}

impl File {
    /// Writes what was taken.
    fn store(&mut self) -> Result<(), Failure> {
        let stored = self.try_store();
        if stored.as_ref().is_err_and(|failure| !passes(failure)) {
            self.give_up();
        }
        stored
    }

    /// Forgets what was taken: it would be in the way of all that comes.
    fn give_up(&mut self) {
        let requests = self.taken.requests.len();
        tracing::warn!(requests, "what the journal was to record is lost");
        (self.taken, self.has_lost) = (Waiting::default(), true);
    }

    /// Writes what was taken, and forgets what is written of it.
    fn try_store(&mut self) -> Result<(), Failure> {
        let Self { conn, places, keys, taken, .. } = self;
        if taken.size > 0 {
            counts::store(conn, &taken.attributes, &taken.tokens)
                .map_err(Failure::storage("writing the journal"))?;
            let requests = std::mem::take(&mut taken.requests);
            *taken = Waiting { requests, ..Waiting::default() };
        }
        if taken.requests.len() > 0 {
            requests::store(conn, places, keys, &mut taken.requests)?;
        }
        *taken = Waiting::default();
        Ok(())
    }
}

impl Waiting {
    fn len(&self) -> usize {
        self.size + self.requests.len()
    }

    fn has_room(&self) -> bool {
        self.size < WAITING_MAX && !self.closed
    }

    fn token(&mut self, workspace: &WorkspaceId, token: Uuid, at: Micros) {
        let known = self.tokens.get(workspace).is_some_and(|it| it.contains_key(&token));
        if known || self.has_room() {
            let tokens = self.tokens.entry(workspace.clone()).or_default();
            let used = tokens.entry(token).or_insert(at);
            *used = at.max(*used);
            self.size += usize::from(!known);
        }
    }

    fn attribute(
        &mut self,
        workspace: &WorkspaceId,
        connector: &str,
        namespace: &str,
        key: &str,
        at: Micros,
    ) {
        let connectors = self.attributes.get_mut(workspace);
        let names = connectors.and_then(|it| it.get_mut(connector)?.get_mut(namespace));
        if let Some(seen) = names.and_then(|names| names.get_mut(key)) {
            seen.last_seen = at.max(seen.last_seen);
            seen.count += 1;
        } else if self.has_room() {
            let connectors = self.attributes.entry(workspace.clone()).or_default();
            let names = connectors.entry(connector.into()).or_default();
            let keys = names.entry(namespace.into()).or_default();
            keys.insert(key.into(), Sightings { last_seen: at, count: 1 });
            self.size += 1;
        }
    }
}

/// Whether the same may be written later, since it is the disk that does not take it, or somebody has the file.
fn passes(failure: &Failure) -> bool {
    let Failure::Storage { source, .. } = failure else { return false };
    let error = source.downcast_ref::<rusqlite::Error>();
    matches!(
        error.and_then(rusqlite::Error::sqlite_error_code),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::OutOfMemory
        )
    )
}

/// Notes that a process has the file, on disk; tells whether one has had it and not closed it.
fn mark_running(conn: &Connection) -> rusqlite::Result<bool> {
    let already = conn.query_row("SELECT count(*) FROM running", [], |row| row.get::<_, i64>(0))?;
    conn.execute("INSERT INTO running VALUES (1) ON CONFLICT DO NOTHING", [])?;
    // A power cut may take it out of the write-ahead log again, with the entries that come behind it.
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    Ok(already > 0)
}
