//! Purging: after somebody was erased, no file of the read models has anything of them.
//!
//! Rows that go are overwritten where they stood (`secure_delete`), in the write-ahead log first. So the
//! log is brought into the file and emptied, file by file. A rebuild that is under way may have read what
//! cannot be read any more: it is waited for. What shows a moment of the past goes.

#[cfg(test)]
mod tests;

use crate::{Failure, ReadModels, generation, read_models::PAST, seat::Seat};

impl ReadModels {
    /// Brings all files to where nothing is left of rows that are gone. They have to have caught up before.
    ///
    /// Blocks until it is done; a thread that has tasks to run had better let another one call it. Reads go
    /// on meanwhile, but for those of the past, which begin anew.
    ///
    /// # Errors
    /// When a file cannot be written, or somebody has been reading it for too long: purge again.
    pub fn purge(&self) -> Result<(), Failure> {
        let _alone = self.building.lock();
        let past = self.dir.join(PAST);
        match std::fs::remove_dir_all(&past) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        self.projector.seats.iter().try_for_each(empty)?;
        let serving = self.projector.seats.iter().map(|seat| seat.serving().path().to_owned());
        generation::remove_others(&self.dir, &serving.collect::<Vec<_>>())
    }
}

fn empty(seat: &Seat) -> Result<(), Failure> {
    if seat.writer.lock().empty_log()? {
        return Ok(());
    }
    let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    Err(rusqlite::Error::SqliteFailure(busy, None).into())
}
