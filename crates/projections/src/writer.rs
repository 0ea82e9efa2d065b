//! The one connection that writes a file: a batch of events and the checkpoint in one transaction.
//!
//! A batch that fails is applied again, each event behind a savepoint: what cannot be read or applied
//! is found, and it and what follows in its stream are held, in the same transaction.

use std::collections::{HashMap, HashSet};

use event_log::WorkspaceId;
use rusqlite::{Connection, ErrorCode, Transaction, params};

use crate::{
    Failure, HeldStream, Projection,
    batch::{Item, Stream},
    damage,
    held::Held,
    power,
    readers::Readers,
    skips::Skipped,
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
    held: Held,
    /// Whether rows that cannot be read are the file's fault, which is then built again, and not that of the
    /// event that meets them.
    pub(crate) suspects_file: bool,
}

/// Why an event did not go in.
enum Fault {
    /// It cannot be read, or does not fit the rows before it.
    Event(String),
    /// The storage refuses.
    Storage(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error)
    }
}

/// What came of trying a held stream again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tried {
    /// It still cannot be applied, or one that follows it cannot.
    Held,
    /// Its events are in the rows.
    Released,
    /// They would go in, and where they stand matters: the workspace has to be built again.
    Rebuild,
}

impl Writer {
    pub(crate) fn new(
        projection: &'static dyn Projection,
        connection: Connection,
        wal: Option<Wal>,
    ) -> Result<Self, Failure> {
        let saved = checkpoints(&connection)?.into_iter().collect();
        let held = Held::of(&connection, projection.name())?;
        Ok(Self { projection, connection, wal, saved, held, suspects_file: false })
    }

    /// How far the file has come in each workspace.
    pub(crate) fn saved(&self) -> &HashMap<WorkspaceId, u64> {
        &self.saved
    }

    /// What is held back.
    pub(crate) fn held(&self) -> &Held {
        &self.held
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Lets the file serve from here on, for good: this reaches the disk before it returns.
    pub(crate) fn complete(&self) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        crate::generation::complete(&self.connection)?;
        self.connection.pragma_update(None, "synchronous", power::synchronous())
    }

    /// Applies the events of one workspace, which go up to the position `to` (what was erased on
    /// the way included). Gives back the streams that are held from now on.
    ///
    /// # Errors
    /// When the storage refuses; nothing of it is in the file then.
    pub(crate) fn apply<'i>(
        &mut self,
        workspace: &WorkspaceId,
        items: impl Iterator<Item = &'i Item>,
        skipped: &Skipped,
        to: u64,
    ) -> rusqlite::Result<Vec<HeldStream>> {
        let heard: Vec<_> = items.filter(|item| self.hears(item, skipped)).collect();
        if heard.is_empty() && to.saturating_sub(self.position(workspace)) < UNSAVED_MAX {
            return Ok(Vec::new());
        }
        match self.transact(workspace, &heard, to, false) {
            // Somewhere among them is one that does not go in.
            Err(Fault::Event(_)) => match self.transact(workspace, &heard, to, true) {
                Err(Fault::Storage(error)) => Err(error),
                Err(Fault::Event(_)) => unreachable!("whoever goes one by one holds what fails"),
                Ok(found) => Ok(found),
            },
            Err(Fault::Storage(error)) => Err(error),
            Ok(found) => Ok(found),
        }
    }

    fn hears(&self, item: &Item, skipped: &Skipped) -> bool {
        item.is_heard_by(self.projection) && !skipped.has(self.projection.name(), item.position())
    }

    /// One transaction; on failure nothing of it stays. One by one, what fails is held.
    fn transact(
        &mut self,
        workspace: &WorkspaceId,
        items: &[&Item],
        to: u64,
        one_by_one: bool,
    ) -> Result<Vec<HeldStream>, Fault> {
        let unsaved = to.saturating_sub(self.position(workspace));
        let suspects_file = self.suspects_file;
        let (mut found, mut streams) = (Vec::new(), HashSet::<Stream>::new());
        let tx = self.connection.transaction()?;
        let before = tx.total_changes();
        for item in items {
            let stream = item.stream();
            if self.held.get(workspace, stream).is_some() || streams.contains(stream) {
                continue;
            }
            let applied = if one_by_one {
                one(&tx, self.projection, item, suspects_file)
            } else {
                plainly(&tx, self.projection, item, suspects_file)
            };
            match applied {
                Ok(()) => {}
                Err(Fault::Event(reason)) if one_by_one => {
                    let (name, place) = (self.projection.name(), item.place());
                    let held = HeldStream::new(name, workspace, (stream.clone(), place), &reason);
                    held.save(&tx)?;
                    streams.insert(stream.clone());
                    found.push(held);
                }
                Err(fault) => return Err(fault),
            }
        }
        if tx.total_changes() == before && unsaved < UNSAVED_MAX {
            return Ok(found); // Nothing was written, and seeing these events again will not either.
        }
        save(&tx, workspace, to)?;
        tx.commit()?;
        self.saved.insert(workspace.clone(), to);
        found.iter().for_each(|held| self.held.add(held.clone()));
        Ok(found)
    }

    /// Tries a held stream again: `items` are its events from the one that is held up to `to`, which is
    /// how far the projection has come in the workspace.
    ///
    /// # Errors
    /// When the storage refuses; nothing has changed then.
    pub(crate) fn try_again(
        &mut self,
        held: &HeldStream,
        items: &[Item],
        skipped: &Skipped,
        to: u64,
    ) -> rusqlite::Result<Tried> {
        let heard: Vec<_> = items.iter().filter(|item| self.hears(item, skipped)).collect();
        let (workspace, stream) = (&held.workspace, held.key());
        let tx = self.connection.transaction()?;
        let mut stopped = None;
        for (index, item) in heard.iter().enumerate() {
            // A file that could be to blame has been built again by then.
            match one(&tx, self.projection, item, false) {
                Ok(()) => {}
                Err(Fault::Storage(error)) => return Err(error),
                Err(Fault::Event(reason)) => {
                    stopped = Some((index, item, reason));
                    break;
                }
            }
        }
        // As long as nothing has gone in, nothing can stand in the wrong place.
        let moved = stopped.as_ref().map_or(heard.len(), |(index, ..)| *index) > 0;
        if moved && !self.projection.streams_are_apart() {
            return Ok(Tried::Rebuild);
        }
        let left = stopped.map(|(_, item, reason)| {
            let place = (stream.clone(), item.place());
            let mut left = HeldStream::new(held.projection, workspace, place, &reason);
            if left.position == held.position {
                left.attempts = held.attempts.saturating_add(1);
            }
            left
        });
        match &left {
            Some(left) => left.save(&tx)?,
            None => held.remove(&tx)?,
        }
        // Else a restart would see again what went in just now.
        save(&tx, workspace, to)?;
        tx.commit()?;
        self.saved.insert(workspace.clone(), to);
        self.held.remove(workspace, &stream);
        let tried = if left.is_some() { Tried::Held } else { Tried::Released };
        left.into_iter().for_each(|left| self.held.add(left));
        Ok(tried)
    }

    /// Brings what was written into the file, when it is time. For when nobody waits.
    pub(crate) fn tidy(&mut self, readers: &Readers) {
        let Some(wal) = &mut self.wal else { return };
        if let Err(error) = wal.committed(&self.connection, readers) {
            let projection = self.projection.name();
            tracing::warn!(projection, %error, "its log cannot be brought into its file");
        }
    }

    /// Empties the file's log. `false` when somebody has been reading it for too long.
    pub(crate) fn empty_log(&mut self, readers: &Readers) -> rusqlite::Result<bool> {
        self.wal.as_mut().map_or(Ok(true), |wal| wal.empty(&self.connection, readers))
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

fn plainly(
    tx: &Transaction<'_>,
    projection: &dyn Projection,
    item: &Item,
    suspects_file: bool,
) -> Result<(), Fault> {
    let seen = item.seen().map_err(|reason| Fault::Event(reason.to_owned()))?;
    seen.apply(projection, tx).map_err(|error| {
        let suspected = suspects_file && damage::says_so(&error);
        if is_fault_of_event(&error) && !suspected {
            let position = item.position();
            Fault::Event(format!("the event at position {position} does not fit: {error}"))
        } else {
            Fault::Storage(error)
        }
    })
}

/// The same, and of an event that fails nothing stays.
fn one(
    tx: &Transaction<'_>,
    projection: &dyn Projection,
    item: &Item,
    suspects_file: bool,
) -> Result<(), Fault> {
    tx.prepare_cached("SAVEPOINT one")?.execute([])?;
    let applied = plainly(tx, projection, item, suspects_file);
    if matches!(applied, Err(Fault::Event(_))) {
        tx.prepare_cached("ROLLBACK TO one")?.execute([])?;
    }
    tx.prepare_cached("RELEASE one")?.execute([])?;
    applied
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

#[cfg(test)]
mod tests;
