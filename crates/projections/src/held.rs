//! Held streams: an event that cannot be read or applied, and what follows it in its stream.
//!
//! They lie in the projection's own file and change in the transaction that moves its checkpoint, so
//! that neither a crash nor a restart forgets one. Everything else goes on.

use std::{collections::HashMap, fmt, str::FromStr, sync::Arc};

use domain::Micros;
use event_log::WorkspaceId;
use rusqlite::{Connection, Row, params};
use smol_str::SmolStr;
use uuid::Uuid;

use crate::{
    batch::{Place, Stream},
    sql::{int, natural, uuid, word},
};

/// The table in every file. Made when a file is opened that is older than it.
pub(crate) const HELD: &str = "CREATE TABLE IF NOT EXISTS held (
    workspace TEXT NOT NULL,
    kind      TEXT NOT NULL,     -- Of the aggregate, such as user.
    stream    BLOB NOT NULL,
    position  INTEGER NOT NULL,  -- Of the event that cannot be applied.
    version   INTEGER NOT NULL,
    since     INTEGER NOT NULL,  -- When that was recorded: from then on what is shown is old.
    reason    TEXT NOT NULL,
    attempts  INTEGER NOT NULL,  -- How often it was tried.
    PRIMARY KEY (workspace, kind, stream)
) STRICT, WITHOUT ROWID;";

/// A stream whose events are held back from one projection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldStream {
    /// From which projection.
    pub projection: &'static str,
    /// Of which workspace.
    pub workspace: WorkspaceId,
    /// The kind of the aggregate, such as `user`.
    pub kind: SmolStr,
    /// Its id.
    pub stream: Uuid,
    /// The position of the first event that is held.
    pub position: u64,
    /// The version of that event.
    pub version: u64,
    /// When that event was recorded: what the projection shows of the stream is as of before then.
    pub since: Micros,
    /// Why it cannot be applied.
    pub reason: Arc<str>,
    /// How often it was tried.
    pub attempts: u32,
}

/// By what a held stream is named: `projection.workspace.kind.stream`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeldId {
    /// The name of the projection.
    pub projection: SmolStr,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The kind of the aggregate.
    pub kind: SmolStr,
    /// Its id.
    pub stream: Uuid,
}

/// A text that names no held stream.
#[derive(Debug, thiserror::Error)]
#[error("a hold is named projection.workspace.kind.stream")]
pub struct NoHeldId;

impl fmt::Display for HeldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { projection, workspace, kind, stream } = self;
        write!(f, "{projection}.{workspace}.{kind}.{stream}")
    }
}

impl FromStr for HeldId {
    type Err = NoHeldId;

    fn from_str(text: &str) -> Result<Self, NoHeldId> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(NoHeldId);
        let (projection, workspace, kind, stream) = (next()?, next()?, next()?, next()?);
        let id = Self {
            projection: projection.into(),
            workspace: WorkspaceId::parse(workspace).map_err(|_| NoHeldId)?,
            kind: kind.into(),
            stream: stream.parse().map_err(|_| NoHeldId)?,
        };
        // An id can be written in several ways; one of them is its name.
        if id.to_string() == text { Ok(id) } else { Err(NoHeldId) }
    }
}

impl HeldStream {
    /// Its name.
    pub fn id(&self) -> HeldId {
        let Self { workspace, kind, stream, .. } = self;
        let projection = self.projection.into();
        HeldId { projection, workspace: workspace.clone(), kind: kind.clone(), stream: *stream }
    }

    pub(crate) fn new(
        projection: &'static str,
        workspace: &WorkspaceId,
        (stream, place): (Stream, Place),
        reason: &str,
    ) -> Self {
        let Place { position, version, at: since } = place;
        let Stream { kind, id: stream } = stream;
        let (workspace, reason) = (workspace.clone(), reason.into());
        Self { projection, workspace, kind, stream, position, version, since, reason, attempts: 1 }
    }

    pub(crate) fn key(&self) -> Stream {
        Stream { kind: self.kind.clone(), id: self.stream }
    }

    /// Writes it down, over what was known of the stream.
    pub(crate) fn save(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached("INSERT OR REPLACE INTO held VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
            .execute(params![
                self.workspace.as_str(),
                self.kind.as_str(),
                self.stream.as_bytes(),
                int(self.position),
                int(self.version),
                self.since,
                &*self.reason,
                self.attempts,
            ])?;
        Ok(())
    }

    /// Takes it out.
    pub(crate) fn remove(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached("DELETE FROM held WHERE workspace = ?1 AND kind = ?2 AND stream = ?3")?
            .execute(params![
                self.workspace.as_str(),
                self.kind.as_str(),
                self.stream.as_bytes()
            ])?;
        Ok(())
    }

    fn read(projection: &'static str, row: &Row<'_>) -> rusqlite::Result<Self> {
        let (kind, reason): (String, String) = (row.get(1)?, row.get(6)?);
        Ok(Self {
            projection,
            workspace: word(row, 0, WorkspaceId::parse)?,
            kind: kind.into(),
            stream: uuid(row, 2)?,
            position: natural(row, 3)?,
            version: natural(row, 4)?,
            since: row.get(5)?,
            reason: reason.into(),
            attempts: row.get(7)?,
        })
    }
}

/// What one file holds back, in memory.
#[derive(Default)]
pub(crate) struct Held(HashMap<WorkspaceId, HashMap<Stream, HeldStream>>);

impl Held {
    /// What a file says.
    pub(crate) fn of(connection: &Connection, projection: &'static str) -> rusqlite::Result<Self> {
        let mut held = Self::default();
        let mut statement = connection.prepare(
            "SELECT workspace, kind, stream, position, version, since, reason, attempts FROM held",
        )?;
        let rows = statement.query_map([], |row| HeldStream::read(projection, row))?;
        for row in rows {
            held.add(row?);
        }
        Ok(held)
    }

    pub(crate) fn add(&mut self, held: HeldStream) {
        self.0.entry(held.workspace.clone()).or_default().insert(held.key(), held);
    }

    pub(crate) fn remove(&mut self, workspace: &WorkspaceId, stream: &Stream) {
        if let Some(held) = self.0.get_mut(workspace) {
            held.remove(stream);
        }
    }

    pub(crate) fn get(&self, workspace: &WorkspaceId, stream: &Stream) -> Option<&HeldStream> {
        self.0.get(workspace)?.get(stream)
    }

    /// Those of a workspace, in the order of the log.
    pub(crate) fn list(&self, workspace: &WorkspaceId) -> Arc<[HeldStream]> {
        let held = self.0.get(workspace).into_iter().flat_map(HashMap::values);
        let mut held: Vec<_> = held.cloned().collect();
        held.sort_by_key(|held| held.position);
        held.into()
    }

    /// The workspaces of which anything was ever held.
    pub(crate) fn workspaces(&self) -> impl Iterator<Item = &WorkspaceId> {
        self.0.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written_and_no_other_way() {
        let name = "directory.acme-2.user.00000000-0000-0000-0000-000000000007";
        assert_eq!(name.parse::<HeldId>().unwrap().to_string(), name);
        for bad in ["", "directory.acme.user", &name.replace('-', ""), &format!("{name}.more")] {
            assert!(bad.parse::<HeldId>().is_err(), "{bad}");
        }
    }
}
