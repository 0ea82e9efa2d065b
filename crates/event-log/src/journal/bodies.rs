//! Bodies of requests, where an administrator has them kept: sealed, and forgotten by their key.
//!
//! Each workspace has a data key for each day. To forget what its bodies say, before its time or
//! because a person is erased, the keys are destroyed: then no copy of the file says it either.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use uuid::Uuid;

use super::entry::Body;
use crate::job::Sealer;
use crate::keys::Lookup;
use crate::rows::{limit_of, unsigned};
use crate::seal::{Key, Place};
use crate::{Failure, Micros, OpenError, StreamId, WorkspaceId, schema};

/// How long bodies are kept, in days; less where the log itself is kept for less.
pub const BODIES_DAYS: u32 = 7;
/// One day, in microseconds.
pub(super) const DAY_MICROS: Micros = 24 * 3_600 * 1_000_000;

/// The keys that bodies are sealed with now.
pub(super) struct BodyKeys {
    sealer: Arc<Sealer>,
    current: HashMap<WorkspaceId, (Micros, u64, Key)>,
}

impl BodyKeys {
    pub(super) fn new(sealer: Arc<Sealer>) -> Self {
        Self { sealer, current: HashMap::new() }
    }

    fn key(&mut self, workspace: &WorkspaceId, time: Micros) -> Result<(u64, Key), Failure> {
        let day = time.div_euclid(DAY_MICROS);
        match self.current.get(workspace) {
            Some((since, number, key)) if *since == day => Ok((*number, key.clone())),
            _ => {
                let (number, key) = self.sealer.keyring.allocate(workspace)?;
                self.current.insert(workspace.clone(), (day, number, key.clone()));
                Ok((number, key))
            }
        }
    }

    /// Stores the body of an entry.
    pub(super) fn store(
        &mut self,
        tx: &Transaction<'_>,
        workspace: &WorkspaceId,
        (place, time): (i64, Micros),
        Body { bytes, cut }: &Body,
    ) -> Result<(), Failure> {
        let (number, key) = self.key(workspace, time)?;
        let sealed = with_place(workspace, place, time, |it| it.seal(&key, bytes.clone()));
        tx.prepare_cached("INSERT INTO bodies VALUES (?1, ?2, ?3, ?4, ?5)")
            .and_then(|mut insert| {
                insert.execute(params![place, time, number.cast_signed(), cut, sealed])
            })
            .map(drop)
            .map_err(Failure::storage("keeping the body of a request"))
    }

    /// The body of an entry, if it was kept and is not forgotten.
    pub(super) fn read(
        &self,
        conn: &Connection,
        workspace: &WorkspaceId,
        (place, time): (i64, Micros),
    ) -> Result<Option<Body>, Failure> {
        let found = conn
            .query_row(
                "SELECT key, cut, sealed FROM bodies WHERE place = ?1 AND time = ?2",
                params![place, time],
                |row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()
            .map_err(Failure::storage("reading the body of a request"))?;
        let Some((number, cut, sealed)) = found else { return Ok(None) };
        match self.sealer.keyring.lookup(workspace, number.cast_unsigned())? {
            Lookup::Found(key) => {
                let bytes = with_place(workspace, place, time, |it| it.open(&key, sealed));
                Ok(bytes.map(|bytes| Body { bytes, cut }))
            }
            Lookup::Erased | Lookup::Missing => Ok(None),
        }
    }

    /// Makes all bodies of a workspace unreadable for ever.
    pub(super) fn forget(
        &mut self,
        conn: &Connection,
        workspace: &WorkspaceId,
    ) -> Result<(), Failure> {
        let doing = "forgetting the bodies of requests";
        let numbers = self.numbers(conn, workspace)?;
        self.current.remove(workspace);
        self.sealer.keyring.erase_all(workspace, &numbers)?;
        conn.execute(
            "DELETE FROM bodies WHERE place IN (SELECT no FROM places WHERE workspace = ?1)",
            [workspace.as_str()],
        )
        .map(drop)
        .map_err(Failure::storage(doing))
    }

    /// The numbers of the keys of a workspace's bodies, that of today among them.
    pub(super) fn numbers(
        &self,
        conn: &Connection,
        workspace: &WorkspaceId,
    ) -> Result<BTreeSet<u64>, Failure> {
        let stored = || {
            let sql = "SELECT DISTINCT key FROM bodies
                       WHERE place IN (SELECT no FROM places WHERE workspace = ?1)";
            conn.prepare(sql)?
                .query_map([workspace.as_str()], |row| row.get(0).map(i64::cast_unsigned))?
                .collect::<rusqlite::Result<BTreeSet<_>>>()
        };
        let mut numbers = stored().map_err(Failure::storage("looking for the keys of bodies"))?;
        numbers.extend(self.current.get(workspace).map(|(_, number, _)| number));
        Ok(numbers)
    }

    /// Destroys the keys under which the next bodies of a connector lie that are from before a time, unless one
    /// of them seals something later. To be called before these bodies are deleted: a key whose destruction
    /// fails, or is cut off, is found again by them.
    pub(super) fn destroy_before(
        &mut self,
        conn: &Connection,
        workspace: &WorkspaceId,
        (place, before, limit): (i64, Micros, usize),
    ) -> Result<(), Failure> {
        let find = || {
            let sql = "SELECT DISTINCT key FROM (SELECT key FROM bodies
                           WHERE place = ?1 AND time < ?2 ORDER BY time LIMIT ?3)";
            conn.prepare_cached(sql)?
                .query_map(params![place, before, limit_of(limit)], |row| {
                    row.get(0).map(i64::cast_unsigned)
                })?
                .collect::<rusqlite::Result<BTreeSet<u64>>>()
        };
        // The last one is looked at first.
        let later = "SELECT 1 FROM bodies WHERE key = ?1 AND time >= ?3
                         AND place IN (SELECT no FROM places WHERE workspace = ?2)
                     ORDER BY rowid DESC LIMIT 1";
        let seals_later = |number: u64| {
            conn.prepare_cached(later)?
                .query_row(params![number.cast_signed(), workspace.as_str(), before], |_| Ok(()))
                .optional()
        };
        let failed = Failure::storage("looking for the keys of old bodies");
        for number in find().map_err(&failed)? {
            let is_there = self.sealer.keyring.lookup(workspace, number)? != Lookup::Erased;
            if is_there && seals_later(number).map_err(&failed)?.is_none() {
                // A clock that is set back to that day gets another one.
                self.current.retain(|of, (_, current, _)| of != workspace || *current != number);
                self.sealer.keyring.erase(workspace, number)?;
            }
        }
        Ok(())
    }
}

/// Raises the highest numbers of data keys in use to those that bodies in a file name. A file of keys that is
/// older must not give them to anybody else, who would be unreadable when the bodies are forgotten.
pub(crate) fn raise_keys_in_use(
    path: &Path,
    highest: &mut HashMap<WorkspaceId, u64>,
) -> Result<(), OpenError> {
    let conn = schema::JOURNAL.open(path)?;
    let find = || {
        let sql = "SELECT p.workspace, max(b.key) FROM bodies b JOIN places p ON p.no = b.place
                   GROUP BY p.workspace";
        conn.prepare(sql)?
            .query_map([], |row| Ok((row.get::<_, String>(0)?, unsigned(row, 1)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    for (workspace, key) in find().map_err(Failure::storage("looking for the keys of bodies"))? {
        if let Ok(workspace) = WorkspaceId::parse(&workspace) {
            let known = highest.entry(workspace).or_default();
            *known = key.max(*known);
        }
    }
    Ok(())
}

/// A body is bound to its entry.
fn with_place<T>(
    workspace: &WorkspaceId,
    place: i64,
    time: Micros,
    then: impl FnOnce(Place<'_>) -> T,
) -> T {
    let stream = StreamId::new("requests", Uuid::from_u128(u128::from(place.cast_unsigned())));
    let version = time.cast_unsigned();
    then(Place { workspace, stream: &stream, version, name: "body" })
}
