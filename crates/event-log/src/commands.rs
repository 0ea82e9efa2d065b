//! Commands that were given to a service which cannot be asked about them, and what it reported.
//!
//! They lie in `commands.db` beside the log, are copied with it and are not hashed. Unlike the journal
//! they decide something: whether a command is given again. So they are on disk when a call returns.
//! What follows from a report is an event, recorded by whoever asks for it here.

use std::path::Path;
use std::sync::Mutex;

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::sync::lock;
use crate::{Failure, OpenError, WorkspaceId, schema};

/// A command that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its id at the service.
    pub id: Uuid,
    /// The so-manieth for its action, from 1: one that failed is followed by another.
    pub number: u32,
    /// What the service reported last, in its own words; `None` until it has.
    pub report: Option<String>,
}

/// The commands of a log.
pub struct Commands(Mutex<Connection>);

impl Commands {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self(Mutex::new(schema::COMMANDS.open(path)?)))
    }

    /// Remembers that a command is about to be given for an action. To remember it twice changes
    /// nothing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin(
        &self,
        workspace: &WorkspaceId,
        action: Uuid,
        command: Uuid,
        number: u32,
    ) -> Result<(), Failure> {
        lock(&self.0)
            .execute(
                "INSERT INTO commands VALUES (?1, ?2, ?3, ?4, NULL, 0) ON CONFLICT DO NOTHING",
                params![workspace.as_str(), command.as_bytes(), action.as_bytes(), number],
            )
            .map(drop)
            .map_err(Failure::storage("remembering a command"))
    }

    /// The last command that was given for an action.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn last(&self, workspace: &WorkspaceId, action: Uuid) -> Result<Option<Command>, Failure> {
        lock(&self.0)
            .query_row(
                "SELECT command, number, report FROM commands
                 WHERE workspace = ?1 AND action = ?2 ORDER BY number DESC LIMIT 1",
                params![workspace.as_str(), action.as_bytes()],
                |row| {
                    let (id, number, report) = (row.get(0)?, row.get(1)?, row.get(2)?);
                    Ok(Command { id: Uuid::from_bytes(id), number, report })
                },
            )
            .optional()
            .map_err(Failure::storage("looking for a command"))
    }

    /// Remembers what was reported of a command. The first report of `ends` is the last: nothing that
    /// comes later, or again, replaces it. Returns the action whose command it is; `None` when it was
    /// not given here.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn report(
        &self,
        workspace: &WorkspaceId,
        command: Uuid,
        report: &str,
        ends: bool,
    ) -> Result<Option<Uuid>, Failure> {
        let conn = lock(&self.0);
        // Read to its end, which is where it is committed: a failure there is not told to whoever takes one row.
        let update = || {
            conn.prepare_cached(
                "UPDATE commands
                 SET report = CASE WHEN ended THEN report ELSE ?3 END, ended = ended OR ?4
                 WHERE workspace = ?1 AND command = ?2 RETURNING action",
            )?
            .query_map(params![workspace.as_str(), command.as_bytes(), report, ends], |row| {
                row.get(0).map(Uuid::from_bytes)
            })?
            .collect::<rusqlite::Result<Vec<_>>>()
        };
        Ok(update().map_err(Failure::storage("remembering a report"))?.pop())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_report_that_ends_a_command_is_the_last_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("commands.db");
        let acme = WorkspaceId::parse("acme").unwrap();
        let other = WorkspaceId::parse("other").unwrap();
        let (action, first, second) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let commands = Commands::open(&path).unwrap();
        assert_eq!(commands.last(&acme, action).unwrap(), None);

        commands.begin(&acme, action, first, 1).unwrap();
        assert_eq!(commands.report(&acme, first, "NotNow", false).unwrap(), Some(action));
        commands.begin(&acme, action, first, 1).unwrap();
        let known = |report: &str| Command { id: first, number: 1, report: Some(report.into()) };
        assert_eq!(commands.last(&acme, action).unwrap(), Some(known("NotNow")));
        assert_eq!(commands.report(&acme, first, "Error", true).unwrap(), Some(action));
        assert_eq!(commands.report(&acme, first, "Acknowledged", true).unwrap(), Some(action));
        drop(commands);

        let commands = Commands::open(&path).unwrap();
        assert_eq!(commands.last(&acme, action).unwrap(), Some(known("Error")));
        commands.begin(&acme, action, second, 2).unwrap();
        let next = Command { id: second, number: 2, report: None };
        assert_eq!(commands.last(&acme, action).unwrap(), Some(next));

        // Another workspace knows nothing of it and cannot report on it.
        assert_eq!(commands.last(&other, action).unwrap(), None);
        assert_eq!(commands.report(&other, second, "Acknowledged", true).unwrap(), None);
    }

    #[test]
    fn a_report_that_does_not_come_to_be_on_disk_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let acme = WorkspaceId::parse("acme").unwrap();
        let (action, command) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let commands = Commands::open(&dir.path().join("commands.db")).unwrap();
        commands.begin(&acme, action, command, 1).unwrap();
        // The row is changed, and what fails is the commit, as on a disk that is full.
        lock(&commands.0)
            .execute_batch(
                "PRAGMA foreign_keys = ON;
                 CREATE TABLE nobody (no INTEGER PRIMARY KEY);
                 CREATE TABLE refused (
                     no INTEGER REFERENCES nobody DEFERRABLE INITIALLY DEFERRED);
                 CREATE TRIGGER refuse AFTER UPDATE ON commands
                     BEGIN INSERT INTO refused VALUES (1); END;",
            )
            .unwrap();
        assert!(commands.report(&acme, command, "Acknowledged", true).is_err());
        assert_eq!(commands.last(&acme, action).unwrap().unwrap().report, None);
    }
}
