//! When what was written is brought into the file.
//!
//! Copying pages from the write-ahead log into the file waits for the disk, and the projector must
//! not wait: everybody who reads waits for it. So another thread copies while it goes on. Left to
//! that alone, a log under constant writes never starts over and grows without end; once it has
//! grown to a size, the projector itself copies what has come while the thread copied the rest, and the next
//! transaction begins the log anew. Where the other thread does not keep up, the projector waits for it.

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    time::Duration,
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
        let (copy_due, restart_due) = (COPY_FRAMES, RESTART_FRAMES);
        Wal { file, copier, copying, copy_due, restart_due, restart_is_next: false }
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
        self.copying.wait();
        connection.busy_timeout(LOCK_WAIT)?;
        let busy = begin_anew(connection, "TRUNCATE", readers)?;
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
            self.copying.wait();
            connection.busy_timeout(READERS_WAIT)?;
            let busy = begin_anew(connection, "RESTART", readers)?;
            connection.busy_timeout(LOCK_WAIT)?;
            frames = if busy { frames } else { 0 };
            self.restart_due = frames + RESTART_FRAMES;
            self.restart_is_next = false;
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
}

/// Copies what can be copied without anybody waiting.
fn copy(file: &PathBuf) -> rusqlite::Result<()> {
    // Not made anew where a rebuild has taken its place.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.pragma_update(None, "synchronous", power::synchronous())?;
    checkpoint(&connection, "PASSIVE").map(drop)
}

/// Copies what is left and lets the log start over. Whether a reader was in the way.
fn begin_anew(connection: &Connection, mode: &str, readers: &Readers) -> rusqlite::Result<bool> {
    // Whoever reads from then on needs nothing of the log, and what others have kept of it they give back.
    checkpoint(connection, "PASSIVE")?;
    readers.changed();
    Ok(checkpoint(connection, mode)?.0)
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
    use std::path::Path;

    use super::*;
    use crate::{directory::DirectoryProjection, generation::Generation};

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

    #[test]
    fn a_log_under_constant_writes_does_not_grow_without_end() {
        let dir = tempfile::tempdir().unwrap();
        let (mut wal, connection, Generation { readers, .. }) = written(dir.path());
        let mut bytes_max = 0;
        for _ in 0..600 {
            write(&connection);
            wal.committed(&connection, &readers).unwrap();
            let mut log = wal.file.as_os_str().to_owned();
            log.push("-wal");
            bytes_max = bytes_max.max(std::fs::metadata(log).unwrap().len());
        }
        assert!(bytes_max > 0 && bytes_max < 100 << 20, "{bytes_max}");
    }
}
