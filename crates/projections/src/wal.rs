//! When what was written is brought into the file.
//!
//! Copying pages from the write-ahead log into the file waits for the disk, and the projector must
//! not wait: everybody who reads waits for it. So another thread copies while it goes on. Left to
//! that alone, a log under constant writes never starts over and grows without end; once it has
//! grown to a size, the projector itself copies what has come while the thread copied the rest, and the next
//! transaction begins the log anew. Where the other thread does not keep up, the projector waits for it.
//!
//! For that nobody may read the log at that moment. Beside lists that take long, one after the other without
//! a pause, such a moment never comes by itself: once the log has become much larger, the projector waits until those
//! are done that read by then. Who comes meanwhile finds everything in the file.

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, OpenFlags};

use crate::{power, readers::Readers};

/// New frames after which pages are copied in the background; 8 MiB.
const COPY_FRAMES: u64 = 2_048;
/// Frames after which the log is to start over; 32 MiB.
const RESTART_FRAMES: u64 = 4 * COPY_FRAMES;
/// How long starting over waits for readers, at most.
const READERS_WAIT: Duration = Duration::from_millis(10);
/// Frames from which on it waits for as long as a list takes; 256 MiB.
const PATIENT_FRAMES: u64 = if cfg!(test) { 2 } else { 8 } * RESTART_FRAMES;
/// How long that is, at most: what reads for longer is no list. A machine that runs tests may be busy.
const LISTS_WAIT: Duration = Duration::from_secs(if cfg!(test) { 60 } else { 2 });
/// What is kept of a log that had become larger, once it has started over, in bytes; 64 MiB.
pub(crate) const LOG_BYTES_KEPT: u32 = 64 << 20;
/// How long one try lasts, at most. SQLite waits until the place of an older reader in the log is free; where
/// newer ones have taken it over just before, it would wait for them and for whoever joins them, without end. The
/// next try finds that they are in nobody's way.
const TRY: Duration = Duration::from_millis(100);
/// How long anything else waits for a lock.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Asks for a file's pages to be copied.
#[derive(Clone)]
pub(crate) struct Copier(mpsc::Sender<Request>);

struct Request {
    file: PathBuf,
    copying: Arc<Copying>,
}

/// Whether a file's pages are being copied.
#[derive(Default)]
struct Copying {
    now: Mutex<bool>,
    ended: Condvar,
}

impl Copying {
    fn now(&self) -> bool {
        *self.now.lock()
    }

    fn begin(&self) {
        *self.now.lock() = true;
    }

    fn end(&self) {
        *self.now.lock() = false;
        self.ended.notify_all();
    }

    fn wait(&self) {
        self.ended.wait_while(&mut self.now.lock(), |now| *now);
    }
}

impl Copier {
    /// Starts the thread that copies. It ends once nobody can ask it any more.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (sender, requests) = mpsc::channel::<Request>();
        let copy_all = move || {
            for Request { file, copying } in requests {
                if let Err(error) = copy(&file) {
                    tracing::warn!(file = %file.display(), %error, "its log is not copied yet");
                }
                copying.end();
            }
        };
        std::thread::Builder::new().name("read-wal".to_owned()).spawn(copy_all)?;
        Ok(Self(sender))
    }

    /// What a writer of a file needs.
    pub(crate) fn of(&self, file: PathBuf) -> Wal {
        let copying = Arc::default();
        let copier = self.clone();
        Wal {
            file,
            copier,
            copying,
            copy_due: COPY_FRAMES,
            restart_due: RESTART_FRAMES,
            patient_due: PATIENT_FRAMES,
            restart_is_next: false,
        }
    }
}

/// The write-ahead log of one file.
pub(crate) struct Wal {
    file: PathBuf,
    copier: Copier,
    copying: Arc<Copying>,
    /// Frames at which pages are copied next.
    copy_due: u64,
    /// Frames from which on the log is to start over.
    restart_due: u64,
    /// Frames from which on that waits for lists.
    patient_due: u64,
    /// Whether it does once the copying has ended that is under way.
    restart_is_next: bool,
}

impl Wal {
    /// Empties the log: what was overwritten in the file is nowhere any more. `false` when a reader was in
    /// the way for too long.
    pub(crate) fn empty(
        &mut self,
        connection: &Connection,
        readers: &Readers,
    ) -> rusqlite::Result<bool> {
        let busy = self.start_over(connection, readers, "TRUNCATE", LOCK_WAIT)?;
        if !busy {
            *self = self.copier.of(self.file.clone());
        }
        Ok(!busy)
    }

    /// To be called by the writer after each transaction.
    pub(crate) fn committed(
        &mut self,
        connection: &Connection,
        readers: &Readers,
    ) -> rusqlite::Result<()> {
        let (_, mut frames) = checkpoint(connection, "NOOP")?;
        let is_late = frames >= self.restart_due + RESTART_FRAMES;
        // While pages are being copied nobody else may.
        if frames < self.copy_due || (self.copying.now() && !is_late) {
            return Ok(());
        }
        if self.restart_is_next || is_late {
            frames = self.restart(connection, readers, frames)?;
        } else {
            self.copying.begin();
            let (file, copying) = (self.file.clone(), Arc::clone(&self.copying));
            // Without the thread the writer copies everything itself.
            if self.copier.0.send(Request { file, copying }).is_err() {
                self.copying.end();
            }
            self.restart_is_next = frames >= self.restart_due;
        }
        // Right behind a copy there is least left to copy.
        self.copy_due = frames + if self.restart_is_next { 0 } else { COPY_FRAMES };
        Ok(())
    }

    /// Lets the log start over, if no reader is in the way for too long. The frames that are in it then.
    fn restart(
        &mut self,
        connection: &Connection,
        readers: &Readers,
        frames: u64,
    ) -> rusqlite::Result<u64> {
        let is_patient = frames >= self.patient_due;
        let wait = if is_patient { LISTS_WAIT } else { READERS_WAIT };
        let busy = self.start_over(connection, readers, "RESTART", wait)?;
        let left = if busy { frames } else { 0 };
        if !busy {
            self.patient_due = PATIENT_FRAMES;
        } else if is_patient {
            // A comparison, or whatever else reads for minutes: everybody waits, so not often.
            self.patient_due = 2 * frames;
        }
        self.restart_due = left + RESTART_FRAMES;
        self.restart_is_next = false;
        Ok(left)
    }

    /// Copies all of the log into the file, so that it can start over. Whether a reader was in the way for all of
    /// that time.
    fn start_over(
        &self,
        connection: &Connection,
        readers: &Readers,
        mode: &str,
        wait: Duration,
    ) -> rusqlite::Result<bool> {
        self.copying.wait();
        connection.busy_timeout(wait.min(TRY))?;
        let begun = Instant::now();
        let busy = readers.while_none_keeps(|| {
            loop {
                let (busy, _) = checkpoint(connection, mode)?;
                if !busy || begun.elapsed() >= wait {
                    return Ok(busy);
                }
            }
        });
        connection.busy_timeout(LOCK_WAIT)?;
        busy
    }
}

/// Copies what can be copied without anybody waiting.
fn copy(file: &PathBuf) -> rusqlite::Result<()> {
    // Not made anew where a rebuild has taken its place.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.pragma_update(None, "synchronous", power::synchronous())?;
    checkpoint(&connection, "PASSIVE").map(drop)
}

/// Whether a reader was in the way, and how many frames are in the log. `NOOP` only counts.
fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<(bool, u64)> {
    connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?.query_row([], |row| {
        let frames: i64 = row.get(1)?;
        Ok((row.get(0)?, u64::try_from(frames).unwrap_or(0)))
    })
}

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        sync::atomic::{AtomicBool, Ordering},
    };

    use super::*;
    use crate::{
        directory::DirectoryProjection,
        generation::{Generation, open_to_read},
    };

    fn written(dir: &Path) -> (Wal, Connection, Generation) {
        let generation = Generation::first(dir, &DirectoryProjection).unwrap();
        let connection = generation.open_to_write().unwrap();
        connection.execute_batch("CREATE TABLE t (x BLOB)").unwrap();
        (Copier::start().unwrap().of(generation.path().to_owned()), connection, generation)
    }

    fn write(connection: &Connection) -> u64 {
        connection.execute("INSERT INTO t VALUES (zeroblob(400000))", []).unwrap();
        checkpoint(connection, "NOOP").unwrap().1
    }

    #[test]
    fn a_log_starts_over_once_another_thread_has_copied_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let (mut wal, connection, Generation { readers, .. }) = written(dir.path());
        while write(&connection) < RESTART_FRAMES {}
        wal.committed(&connection, &readers).unwrap();
        assert!(wal.restart_is_next, "the writer has copied everything itself");
        wal.copying.wait();
        write(&connection);
        wal.committed(&connection, &readers).unwrap();
        assert!(write(&connection) < COPY_FRAMES);
        // And all over again, when somebody empties it in between.
        while write(&connection) < RESTART_FRAMES {}
        wal.committed(&connection, &readers).unwrap();
        assert!(wal.empty(&connection, &readers).unwrap());
        write(&connection);
        wal.committed(&connection, &readers).unwrap();
        assert!(!wal.restart_is_next && write(&connection) < COPY_FRAMES);
    }

    /// Writes that often, and how large the log became and is in the end, in MiB.
    fn write_often(wal: &mut Wal, connection: &Connection, readers: &Readers) -> (u64, u64) {
        let mut log = wal.file.as_os_str().to_owned();
        log.push("-wal");
        let size = || std::fs::metadata(&log).unwrap().len() >> 20;
        let mut largest = 0;
        for _ in 0..600 {
            write(connection);
            wal.committed(connection, readers).unwrap();
            largest = largest.max(size());
        }
        (largest, size())
    }

    #[test]
    fn a_log_under_constant_writes_does_not_grow_without_end() {
        let dir = tempfile::tempdir().unwrap();
        let (mut wal, connection, Generation { readers, .. }) = written(dir.path());
        let (largest, _) = write_often(&mut wal, &connection, &readers);
        assert!((1..100).contains(&largest), "{largest}");
    }

    #[test]
    fn nor_does_it_beside_lists_that_take_long_without_a_pause() {
        // Longer than the writer waits as a rule.
        const LIST: &str =
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
             SELECT count(*) FROM n, (SELECT count(*) FROM t)";
        let dir = tempfile::tempdir().unwrap();
        let (mut wal, connection, Generation { readers, .. }) = written(dir.path());
        write(&connection);
        let is_over = AtomicBool::new(false);
        let sizes = std::thread::scope(|scope| {
            for _ in 0..3 {
                let reader = open_to_read(&wal.file).unwrap();
                let is_over = &is_over;
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        reader.query_row(LIST, [], |_| Ok(())).unwrap();
                    }
                });
            }
            let sizes = write_often(&mut wal, &connection, &readers);
            is_over.store(true, Ordering::Relaxed);
            sizes
        });
        assert!(sizes.0 < 150, "{sizes:?}");
    }
}
