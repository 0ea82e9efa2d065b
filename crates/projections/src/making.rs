//! A file that is being filled: made, taken up again where a crash left it, and brought to serve.
//!
//! The next generation of a projection has a log of its own while it is filled, so that a process that is
//! killed leaves a sound file that says how far it has come. One that is only compared with what serves
//! has none, and goes in any case.

use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
};

use event_log::WorkspaceId;
use rusqlite::Connection;

use crate::{
    Failure, Projection, RebuildError,
    fill::{Read, Source},
    generation::{self, Generation},
    private,
    seat::{Seat, open_writer},
    wal::Copier,
    writer::Writer,
};

/// Dropped before it serves, it takes its file along, unless that is to be taken up again.
pub(crate) struct Making<'s> {
    pub(crate) seat: &'s Seat,
    number: u32,
    path: PathBuf,
    /// `None` once somebody else owns the file.
    writer: Option<Writer>,
    positions: HashMap<WorkspaceId, u64>,
    stays: bool,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        if self.writer.take().is_some() && !self.stays {
            generation::remove(&self.path);
        }
    }
}

impl<'s> Making<'s> {
    /// The next generation, or what a crash has left of it. For one workspace it begins as a copy of
    /// what serves.
    pub(crate) fn next(
        dir: &Path,
        seat: &'s Seat,
        workspace: Option<&WorkspaceId>,
    ) -> Result<Self, Failure> {
        let projection = seat.projection;
        let number = seat.serving().number + 1;
        let path = generation::path(dir, projection, number);
        let left = generation::unfinished(&path, projection)
            .filter(|left| left.workspace.as_ref() == workspace);
        let connection = match (left, workspace) {
            (Some(left), _) => left.connection,
            (None, None) => generation::create(&path, projection, None)?,
            (None, Some(workspace)) => {
                let unnamed = generation::copy_path(dir, projection);
                let copied = copy(seat, (&unnamed, &path), workspace);
                copied.inspect_err(|_| generation::remove(&unnamed))?
            }
        };
        Self::of(seat, number, path, connection)
    }

    /// A file to compare with what serves.
    pub(crate) fn check(dir: &Path, seat: &'s Seat) -> Result<Self, Failure> {
        let path = generation::check_path(dir, seat.projection);
        let connection = generation::scratch(&path, seat.projection)?;
        Self::of(seat, 0, path, connection)
    }

    /// A file of the past, which nobody will want after a crash.
    pub(crate) fn past(dir: &Path, seat: &'s Seat) -> Result<Self, Failure> {
        let number = seat.serving().number + 1;
        let path = generation::path(dir, seat.projection, number);
        let connection = generation::scratch(&path, seat.projection)?;
        Self::of(seat, number, path, connection)
    }

    fn of(
        seat: &'s Seat,
        number: u32,
        path: PathBuf,
        connection: Connection,
    ) -> Result<Self, Failure> {
        let writer = Writer::new(seat.projection, connection, None)?;
        let positions = writer.saved().clone();
        Ok(Self { seat, number, path, writer: Some(writer), positions, stays: false })
    }

    pub(crate) fn writer(&mut self) -> &mut Writer {
        match &mut self.writer {
            Some(writer) => writer,
            None => unreachable!("only what consumes a file in the making takes its writer"),
        }
    }

    pub(crate) fn position(&self, workspace: &WorkspaceId) -> u64 {
        self.positions.get(workspace).copied().unwrap_or(0)
    }

    /// It is not over: the next start takes it up again.
    pub(crate) fn leave(&mut self) {
        let positions: Vec<_> = self.positions.clone().into_iter().collect();
        self.stays = self.number > 0 && self.writer().save_all(positions.into_iter()).is_ok();
    }

    /// Applies what of a batch is not in the file yet.
    pub(crate) fn apply(
        &mut self,
        workspace: &WorkspaceId,
        read: &Read,
    ) -> Result<(), RebuildError> {
        let Read { batch, skipped, .. } = read;
        let at = self.position(workspace);
        if batch.to <= at {
            return Ok(());
        }
        let new = batch.items.iter().filter(|item| item.position() > at);
        let held = self.writer().apply(workspace, new, skipped, batch.to);
        let held = held.map_err(|error| RebuildError::File(error.into()))?;
        for held in held {
            tracing::error!(
                hold = %held.id(), log.position = held.position, reason = %held.reason,
                "an event cannot be applied in a build: it and what follows in its stream are held"
            );
        }
        self.positions.insert(workspace.clone(), batch.to);
        Ok(())
    }

    /// Follows the log to these positions.
    pub(crate) fn follow(
        &mut self,
        source: &Source,
        to: &[(WorkspaceId, u64)],
    ) -> Result<(), RebuildError> {
        for (workspace, to) in to {
            while self.position(workspace) < *to {
                let read = source.batch(workspace, self.position(workspace), *to)?;
                self.apply(workspace, &read)?;
            }
        }
        Ok(())
    }

    /// Makes sure that the file is on disk, and opens it anew the way files are that serve.
    pub(crate) fn onto_disk(mut self, copier: &Copier) -> Result<Self, Failure> {
        let positions: Vec<_> = self.positions.clone().into_iter().collect();
        self.writer().save_all(positions.into_iter())?;
        drop(self.writer.take()); // Its log is brought into the file.
        let opened = File::open(&self.path)
            .and_then(|file| file.sync_all())
            .map_err(Failure::from)
            .and_then(|()| {
                let generation = Generation::new(self.number, self.path.clone());
                open_writer(&generation, self.seat.projection, copier)
            });
        self.writer = Some(opened.inspect_err(|_| generation::remove(&self.path))?);
        Ok(self)
    }

    /// From here on the file may serve.
    pub(crate) fn complete(mut self) -> Result<Complete, Failure> {
        self.writer().complete()?;
        let generation = Generation::new(self.number, self.path.clone());
        let positions = std::mem::take(&mut self.positions);
        match self.writer.take() {
            Some(writer) => Ok((generation, writer, positions)),
            None => unreachable!("it was used a moment ago"),
        }
    }

    /// The same for a file of the past, of which no start wants to know.
    pub(crate) fn complete_past(mut self, copier: &Copier) -> Result<Complete, Failure> {
        let positions = std::mem::take(&mut self.positions);
        self.writer().save_all(positions.clone().into_iter())?;
        drop(self.writer.take()); // It has the file for itself.
        let generation = Generation::new(self.number, self.path.clone());
        let writer = open_writer(&generation, self.seat.projection, copier);
        let writer = writer.inspect_err(|_| generation::remove(&self.path))?;
        Ok((generation, writer, positions))
    }
}

/// What takes the place of a file that serves: the file, who writes it, and how far it is.
pub(crate) type Complete = (Generation, Writer, HashMap<WorkspaceId, u64>);

/// A copy of what serves, without the rows of one workspace. It stands under a name that no start takes for
/// a generation until it says that it is not complete.
fn copy(
    seat: &Seat,
    (unnamed, path): (&Path, &Path),
    workspace: &WorkspaceId,
) -> Result<Connection, Failure> {
    generation::remove(path);
    generation::remove(unnamed);
    let reader = seat.reader()?;
    private::make_file(unnamed)?;
    let name = unnamed.to_string_lossy();
    reader.execute_batch("COMMIT")?; // It sees one state by itself.
    reader.execute("VACUUM INTO ?1", [&*name])?;
    drop(reader);
    let connection = Connection::open(unnamed)?;
    connection.pragma_update(None, "secure_delete", "ON")?; // Some are erased later, and leave nothing.
    generation::begin(&connection, Some(workspace))?;
    forget(&connection, seat.projection, workspace)?;
    drop(connection);
    std::fs::rename(unnamed, path)?;
    generation::open_to_build(path)
}

/// Takes out all rows of a workspace.
pub(crate) fn forget(
    connection: &Connection,
    projection: &dyn Projection,
    workspace: &WorkspaceId,
) -> rusqlite::Result<()> {
    let tx = connection.unchecked_transaction()?;
    // Those that are found by way of another table go before it.
    for table in projection.tables().iter().rev() {
        tx.execute(table.forget, [workspace.as_str()])?;
    }
    for table in ["checkpoints", "held"] {
        tx.execute(&format!("DELETE FROM {table} WHERE workspace = ?1"), [workspace.as_str()])?;
    }
    tx.commit()
}
