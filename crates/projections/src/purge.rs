//! Purging: after somebody was erased, no file of the read models has anything of them.
//!
//! Rows that go are overwritten where they stood (`secure_delete`), in the write-ahead log first. So the
//! log is brought into the file and emptied, file by file. A build that is under way, or was left half done,
//! may have read what cannot be read any more: it is taken back, and has to be begun anew. What shows a
//! moment of the past goes as a whole (`past`).

#[cfg(test)]
mod tests;

use crate::{Failure, ReadModels, RebuildError, generation, seat::Seat};

impl ReadModels {
    /// Brings all files to where nothing is left of rows that are gone. They have to have caught up before.
    ///
    /// Blocks until it is done; a thread that has tasks to run had better let another one call it. Reads go
    /// on meanwhile.
    ///
    /// # Errors
    /// [`RebuildError::Closed`], and [`RebuildError::File`] when a file cannot be written, or somebody has
    /// been reading it for too long: purge again.
    pub fn purge(&self) -> Result<(), RebuildError> {
        let ticket = self.shop.builds.instead_of_all().ok_or(RebuildError::Closed)?;
        let purged = self.purge_alone().map_err(RebuildError::File);
        ticket.end(&purged);
        purged
    }

    fn purge_alone(&self) -> Result<(), Failure> {
        let dir = &self.shop.dir;
        self.shop.seats.iter().try_for_each(empty)?;
        let serving = self.shop.seats.iter().map(|seat| seat.serving().path().to_owned());
        generation::remove_others(dir, &serving.collect::<Vec<_>>())
    }
}

fn empty(seat: &Seat) -> Result<(), Failure> {
    if seat.writer.lock().empty_log(&seat.serving().readers)? {
        return Ok(());
    }
    let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    Err(rusqlite::Error::SqliteFailure(busy, None).into())
}
