//! The one connection that writes a file: a batch of events and the checkpoint in one transaction.

use std::collections::HashMap;

use event_log::WorkspaceId;
use rusqlite::{Connection, ErrorCode, params};

use crate::{
    Failure, Projection,
    recorded::Seen,
    sql::{int, natural},
    wal::Wal,
};

/// How far a checkpoint may run ahead in memory over events that changed nothing, before it is
/// written down: what a restart reads again at most.
const UNSAVED_MAX: u64 = 20_000;

/// Applies events to one file.
pub(crate) struct Writer {
    projection: &'static dyn Projection,
    connection: Connection,
    /// `None` while the file has no such log, since it is being built.
    wal: Option<Wal>,
    /// What the file says.
    saved: HashMap<WorkspaceId, u64>,
}

/// Why a batch stopped. What came before `position` is in the file.
#[derive(Debug)]
pub(crate) struct Stop {
    /// The last position that is in the file.
    pub(crate) applied: u64,
    /// The event that does not go in; `None` when it is the storage that refuses.
    pub(crate) event: Option<u64>,
    /// What SQLite says.
    pub(crate) error: rusqlite::Error,
}

impl Writer {
    pub(crate) fn new(
        projection: &'static dyn Projection,
        connection: Connection,
        wal: Option<Wal>,
    ) -> Result<Self, Failure> {
        let saved = checkpoints(&connection)?.into_iter().collect();
        Ok(Self { projection, connection, wal, saved })
    }

    /// How far the file has come in each workspace.
    pub(crate) fn saved(&self) -> &HashMap<WorkspaceId, u64> {
        &self.saved
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Lets the file serve from here on, for good: this reaches the disk before it returns.
    pub(crate) fn complete(&self) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        crate::generation::complete(&self.connection)?;
        self.connection.pragma_update(None, "synchronous", "NORMAL")
    }

    /// Applies the events of one workspace, which go up to the position `to`; `from` is where the file
    /// stood before.
    pub(crate) fn apply<'e>(
        &mut self,
        workspace: &WorkspaceId,
        events: impl Iterator<Item = &'e Seen>,
        (from, to): (u64, u64),
    ) -> Result<(), Stop> {
        let heard: Vec<_> = events.filter(|event| event.concerns(self.projection)).collect();
        if heard.is_empty() && to.saturating_sub(self.position(workspace)) < UNSAVED_MAX {
            return Ok(());
        }
        let Err((index, error)) = self.transact(workspace, &heard, to) else { return Ok(()) };
        let Some(bad) = index.map(|index| heard[index].position()) else {
            return Err(Stop { applied: from, event: None, error });
        };
        // What came before the bad event is sound, and goes in.
        let before: Vec<_> = heard.into_iter().take_while(|event| event.position() < bad).collect();
        match self.transact(workspace, &before, bad - 1) {
            Ok(()) => Err(Stop { applied: bad - 1, event: Some(bad), error }),
            Err((_, error)) => Err(Stop { applied: from, event: None, error }),
        }
    }

    /// One transaction. On failure nothing of it stays; the index is that of the event at fault.
    fn transact(
        &mut self,
        workspace: &WorkspaceId,
        events: &[&Seen],
        to: u64,
    ) -> Result<(), (Option<usize>, rusqlite::Error)> {
        let storage = |error| (None, error);
        let unsaved = to.saturating_sub(self.position(workspace));
        let tx = self.connection.transaction().map_err(storage)?;
        let before = tx.total_changes();
        for (index, event) in events.iter().enumerate() {
            event
                .apply(self.projection, &tx)
                .map_err(|error| (Some(index).filter(|_| is_fault_of_event(&error)), error))?;
        }
        if tx.total_changes() == before && unsaved < UNSAVED_MAX {
            return Ok(()); // Nothing was written, and seeing these events again will not either.
        }
        save(&tx, workspace, to).map_err(storage)?;
        tx.commit().map_err(storage)?;
        self.saved.insert(workspace.clone(), to);
        Ok(())
    }

    /// Brings what was written into the file, when it is time. For when nobody waits.
    pub(crate) fn tidy(&mut self) {
        let Some(wal) = &mut self.wal else { return };
        if let Err(error) = wal.committed(&self.connection) {
            let projection = self.projection.name();
            tracing::warn!(projection, %error, "its log cannot be brought into its file");
        }
    }

    /// Empties the file's log. `false` when somebody has been reading it for too long.
    pub(crate) fn empty_log(&self) -> rusqlite::Result<bool> {
        self.wal.as_ref().map_or(Ok(true), |wal| wal.empty(&self.connection))
    }

    /// Writes down how far the file has come, where it was not worth a transaction so far.
    pub(crate) fn save_all(
        &mut self,
        reached: impl Iterator<Item = (WorkspaceId, u64)>,
    ) -> rusqlite::Result<()> {
        let reached: Vec<_> =
            reached.filter(|(workspace, to)| *to > self.position(workspace)).collect();
        if reached.is_empty() {
            return Ok(());
        }
        let tx = self.connection.transaction()?;
        for (workspace, to) in &reached {
            save(&tx, workspace, *to)?;
        }
        tx.commit()?;
        self.saved.extend(reached);
        Ok(())
    }

    fn position(&self, workspace: &WorkspaceId) -> u64 {
        self.saved.get(workspace).copied().unwrap_or(0)
    }
}

fn save(connection: &Connection, workspace: &WorkspaceId, to: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO checkpoints VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET position = excluded.position",
        )?
        .execute(params![workspace.as_str(), int(to)])?;
    Ok(())
}

/// How far a file has come in each workspace.
fn checkpoints(connection: &Connection) -> rusqlite::Result<Vec<(WorkspaceId, u64)>> {
    connection
        .prepare("SELECT workspace, position FROM checkpoints ORDER BY workspace")?
        .query_map([], |row| Ok((crate::sql::word(row, 0, WorkspaceId::parse)?, natural(row, 1)?)))?
        .collect()
}

/// Whether it is the event that does not fit the rows, rather than the disk that refuses.
fn is_fault_of_event(error: &rusqlite::Error) -> bool {
    !matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::DiskFull
                | ErrorCode::CannotOpen
                | ErrorCode::NotADatabase
                | ErrorCode::OperationInterrupted
        )
    )
}
