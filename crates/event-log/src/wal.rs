//! When the write-ahead log is brought into the file.
//!
//! A thread with a connection of its own copies pages while the writer goes on (`PASSIVE`). Left
//! to that alone, a log under constant writes never starts over and grows without end: so once the
//! log has grown to a size, the writer copies between two transactions what has come while the thread
//! copied the rest (`RESTART`), and the next transaction begins the log anew, over the same bytes of
//! the same file. It is as little as there can be, since everybody waits for it. A reader in the middle
//! of a statement can prevent it; it is then tried again once the log has grown some more.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use crate::stats::Counters;
use crate::{Failure, OpenError, schema};

/// A page and its frame header, in bytes.
const FRAME_BYTES: u64 = 4_096 + 24;

/// New frames after which pages are copied in the background; 8 MiB.
const COPY_FRAMES: u64 = (8 << 20) / FRAME_BYTES;

/// Frames after which the log is to start over; 32 MiB.
const RESTART_FRAMES: u64 = (32 << 20) / FRAME_BYTES;

/// Frames after which the writer waits for the copying; 64 MiB. Only a reader makes the log larger.
const WAIT_FRAMES: u64 = 2 * RESTART_FRAMES;

/// How long starting over waits for readers, at most.
const READERS_WAIT: Duration = Duration::from_millis(10);

/// A checkpoint synchronises the log, then the file.
const SYNCS: u64 = 2;

/// The thread that copies pages, and when it does.
pub(crate) struct Wal {
    /// Frames at which pages are copied next.
    copy_due: u64,
    /// Frames from which on the log is to start over.
    restart_due: u64,
    /// Whether it does once the copying has ended that is under way.
    restart_is_next: bool,
    requests: mpsc::Sender<()>,
    copied: mpsc::Receiver<()>,
    /// Whether pages are being copied: nobody else may meanwhile.
    copying: bool,
    copier: JoinHandle<()>,
}

impl Wal {
    pub(crate) fn new(path: &Path, counters: Arc<Counters>) -> Result<Self, OpenError> {
        let conn = schema::LOG.open(path)?;
        let (requests, requested) = mpsc::channel();
        let (done, copied) = mpsc::channel();
        let copier = std::thread::Builder::new()
            .name("wal".to_owned())
            .spawn(move || copy_on_request(&conn, &requested, &done, &counters))
            .map_err(Failure::storage("starting the thread for checkpoints"))?;
        let (copy_due, restart_due) = (COPY_FRAMES, RESTART_FRAMES);
        let (restart_is_next, copying) = (false, false);
        Ok(Self { copy_due, restart_due, restart_is_next, requests, copied, copying, copier })
    }

    /// To be called by the writer after each transaction.
    pub(crate) fn committed(
        &mut self,
        conn: &Connection,
        counters: &Counters,
    ) -> rusqlite::Result<()> {
        let mut frames = checkpoint(conn, "NOOP")?.frames;
        if frames >= self.copy_due && !self.is_copying(frames) {
            if self.restart_is_next {
                frames = self.restart(conn, frames)?;
                counters.checkpoints.add(1);
                counters.syncs.add(SYNCS);
                self.restart_is_next = false;
            } else {
                // Without the thread the writer copies everything itself.
                self.copying = self.requests.send(()).is_ok();
                self.restart_is_next = frames >= self.restart_due;
            }
            // Right behind a copy the writer has least left to copy.
            self.copy_due = frames + if self.restart_is_next { 0 } else { COPY_FRAMES };
        }
        counters.wal_bytes.set(frames * FRAME_BYTES);
        Ok(())
    }

    /// Whether pages are still being copied. Waits for the end of it when the log is too large.
    fn is_copying(&mut self, frames: u64) -> bool {
        if self.copying {
            self.copying = if frames >= WAIT_FRAMES {
                // Neither an answer nor a thread: nobody copies in either case.
                let _ = self.copied.recv();
                false
            } else {
                matches!(self.copied.try_recv(), Err(mpsc::TryRecvError::Empty))
            };
        }
        self.copying
    }

    /// Lets the log start over, if no reader is in the way. The frames that are in it then.
    fn restart(&mut self, conn: &Connection, frames: u64) -> rusqlite::Result<u64> {
        conn.busy_timeout(READERS_WAIT)?;
        let restart = checkpoint(conn, "RESTART");
        conn.busy_timeout(schema::BUSY_WAIT)?;
        let left = if restart?.busy { frames } else { 0 };
        self.restart_due = left + RESTART_FRAMES;
        Ok(left)
    }

    /// Brings everything into the file and empties the log.
    pub(crate) fn close(self, conn: &Connection) -> rusqlite::Result<()> {
        drop(self.requests);
        // A thread that panicked has said so.
        let _ = self.copier.join();
        checkpoint(conn, "TRUNCATE").map(drop)
    }
}

fn copy_on_request(
    conn: &Connection,
    requested: &mpsc::Receiver<()>,
    done: &mpsc::Sender<()>,
    counters: &Counters,
) {
    for () in requested {
        match checkpoint(conn, "PASSIVE") {
            Ok(_) => {
                counters.checkpoints.add(1);
                counters.syncs.add(SYNCS);
            }
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the write-ahead log could not be copied into the file"
            ),
        }
        // A writer that is gone does not wait for it.
        let _ = done.send(());
    }
}

struct Checkpoint {
    /// Whether a reader kept it from being completed.
    busy: bool,
    /// Frames in the log.
    frames: u64,
}

/// `NOOP` only counts.
fn checkpoint(conn: &Connection, mode: &str) -> rusqlite::Result<Checkpoint> {
    conn.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?.query_row([], |row| {
        let frames: i64 = row.get(1)?;
        Ok(Checkpoint { busy: row.get(0)?, frames: u64::try_from(frames).unwrap_or(0) })
    })
}
