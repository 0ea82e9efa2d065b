//! When the write-ahead log is brought into the file.
//!
//! Only the writer does it, between two transactions, once the log has grown to a size: left to
//! passive checkpoints, a log under constant writes never starts over and grows without end. A
//! `RESTART` checkpoint lets the next transaction begin the log anew, over the same bytes of the
//! same file. A reader in the middle of a statement can prevent that; it is then tried again once
//! the log has grown some more.

use rusqlite::Connection;

use crate::stats::Counters;

/// A page and its frame header, in bytes.
const FRAME_BYTES: u64 = 4_096 + 24;

/// Frames in the log from which on it is brought into the file; 32 MiB.
const FRAMES_MAX: u64 = (32 << 20) / FRAME_BYTES;

/// A checkpoint synchronises the log, then the file, and the next transaction the log's new
/// header.
const SYNCS: u64 = 3;

pub(crate) struct Wal {
    frames_max: u64,
    /// Frames at which it is tried next.
    due: u64,
}

impl Default for Wal {
    fn default() -> Self {
        Self { frames_max: FRAMES_MAX, due: FRAMES_MAX }
    }
}

impl Wal {
    /// To be called after each transaction.
    pub(crate) fn committed(
        &mut self,
        conn: &Connection,
        counters: &Counters,
    ) -> rusqlite::Result<()> {
        let mut frames = checkpoint(conn, "NOOP")?.frames;
        if frames >= self.due {
            let restart = checkpoint(conn, "RESTART")?;
            counters.checkpoints.add(1);
            counters.syncs.add(SYNCS);
            if restart.busy {
                self.due = frames + self.frames_max / 4;
            } else {
                frames = 0;
                self.due = self.frames_max;
            }
        }
        counters.wal_bytes.set(frames * FRAME_BYTES);
        Ok(())
    }

    /// Brings everything into the file and empties the log.
    pub(crate) fn close(conn: &Connection) -> rusqlite::Result<()> {
        checkpoint(conn, "TRUNCATE").map(drop)
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
