//! Blocks: the entries of a connector that follow each other, many of them in one row.
//!
//! A row for each entry, with its places in indexes, costs a tenth of answering a request: whose subjects
//! come in no order, each of them lies in a page of its own. So entries stand in *blocks*, up to 256 of them
//! and up to an hour of them, one behind the other ([`super::packed`]). A block grows with each writing until
//! it is full. Requests that only looked, which are most, have blocks of their own, so that whoever looks for
//! what was changed does not pass them.
//!
//! A block is found by its time. Which subjects, correlation ids, hashes of names and outcomes are in it, its
//! names tell ([`super::names`]): a search reads a kilobyte of the blocks that do not matter to it.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};

use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Row, params};
use smol_str::SmolStr;
use uuid::Uuid;

use super::entry::{Entry, Outcome};
use super::names::{Names, may_have};
use super::packed::{Packed, is_plain, pack};
use crate::Micros;

/// How many entries a block has, at most.
pub(super) const ENTRIES_MAX: u32 = 256;
/// How much time lies between the first and the last of them, at most, in microseconds: a block is deleted
/// when the last one is old enough.
const BLOCK_MICROS_MAX: Micros = 3_600 * 1_000_000;

/// Of requests that only looked.
pub(crate) const READS: &str = "
    CREATE TABLE reads (
        place   INTEGER NOT NULL,
        first   INTEGER NOT NULL,          -- The times of the first and the last entry.
        last    INTEGER NOT NULL,
        count   INTEGER NOT NULL,
        names   BLOB NOT NULL,             -- Which subjects and correlation ids may be there.
        entries BLOB NOT NULL,
        PRIMARY KEY (place, first)
    ) STRICT;";

/// Of all others.
pub(crate) const CHANGES: &str = "
    CREATE TABLE changes (
        place   INTEGER NOT NULL,
        first   INTEGER NOT NULL,
        last    INTEGER NOT NULL,
        count   INTEGER NOT NULL,
        names   BLOB NOT NULL,             -- Which names and outcomes, too.
        entries BLOB NOT NULL,
        PRIMARY KEY (place, first)
    ) STRICT;";

/// What the entries of a block have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// They are of requests that only looked, and say nothing that most of these do not say.
    Reads,
    /// All others.
    Changes,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Reads, Self::Changes];

    pub(super) fn of(entry: &Entry) -> Self {
        if is_plain(entry) { Self::Reads } else { Self::Changes }
    }

    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Changes => "changes",
        }
    }

    /// No names yet. There is room for two of each entry that only looked, and three of each other one.
    fn no_names(self) -> Names {
        let each = match self {
            Self::Reads => 2,
            Self::Changes => 3,
        };
        Names::for_many(ENTRIES_MAX as usize * each)
    }
}

/// The name that a block has of each outcome among its entries, save of those that only looked.
pub(super) fn outcome_name(outcome: Outcome) -> [u8; 2] {
    [b'o', outcome.number()]
}

/// The blocks that entries go into: those of one connector at a time, since a thousand connectors have some
/// ten megabytes of them.
#[derive(Default)]
pub(super) struct Blocks {
    /// The number of the connector.
    place: i64,
    open: HashMap<Kind, Block>,
}

/// Entries of a connector.
struct Block {
    kind: Kind,
    first: Micros,
    last: Micros,
    count: u32,
    names: Names,
    entries: Vec<u8>,
    /// Of the last entry, where that is known.
    token: Option<Uuid>,
}

impl Blocks {
    /// Adds an entry to those of a connector, all of which are older. What is added of each connector in a row
    /// is written at once.
    pub(super) fn add(
        &mut self,
        conn: &Connection,
        place: i64,
        entry: &Entry,
    ) -> rusqlite::Result<()> {
        self.add_to(Kind::of(entry), conn, place, entry)
    }

    /// Adds it to blocks of a kind.
    pub(super) fn add_to(
        &mut self,
        kind: Kind,
        conn: &Connection,
        place: i64,
        entry: &Entry,
    ) -> rusqlite::Result<()> {
        if self.place != place {
            std::mem::replace(self, Self { place, ..Self::default() }).store(conn)?;
        }
        let block = match self.open.entry(kind) {
            Occupied(known) => known.into_mut(),
            Vacant(free) => {
                let last = Block::last(conn, kind, place)?.filter(|last| last.has_room(entry.time));
                free.insert(last.unwrap_or_else(|| Block::new(kind)))
            }
        };
        if !block.has_room(entry.time) {
            std::mem::replace(block, Block::new(kind)).store(conn, place)?;
        }
        block.add(entry);
        Ok(())
    }

    /// Writes what was added.
    pub(super) fn store(self, conn: &Connection) -> rusqlite::Result<()> {
        self.open.into_values().try_for_each(|block| block.store(conn, self.place))
    }
}

impl Block {
    fn new(kind: Kind) -> Self {
        let (names, entries) = (kind.no_names(), Vec::new());
        Self { kind, first: 0, last: 0, count: 0, names, entries, token: None }
    }

    /// The last one of a connector.
    fn last(conn: &Connection, kind: Kind, place: i64) -> rusqlite::Result<Option<Self>> {
        let sql = format!(
            "SELECT first, last, count, names, entries FROM {}
             WHERE place = ?1 ORDER BY first DESC LIMIT 1",
            kind.table()
        );
        conn.prepare_cached(&sql)?
            .query_row([place], |row| {
                Ok(Self {
                    kind,
                    first: row.get(0)?,
                    last: row.get(1)?,
                    count: row.get(2)?,
                    names: Names(row.get(3)?),
                    entries: row.get(4)?,
                    token: None,
                })
            })
            .optional()
    }

    fn has_room(&self, time: Micros) -> bool {
        let is_near = time.saturating_sub(self.first) <= BLOCK_MICROS_MAX;
        self.count == 0 || (self.count < ENTRIES_MAX && is_near)
    }

    fn add(&mut self, entry: &Entry) {
        if self.count == 0 {
            (self.first, self.last) = (entry.time, entry.time);
        }
        let correlation = pack(entry, self.last, self.token, &mut self.entries);
        (self.last, self.token) = (entry.time, Some(entry.token));
        self.count += 1;
        entry.subject.iter().for_each(|subject| self.names.add(subject.as_bytes()));
        self.names.add(correlation.as_bytes());
        if self.kind == Kind::Changes {
            entry.name.iter().for_each(|name| self.names.add(name));
            self.names.add(&outcome_name(entry.outcome));
        }
    }

    fn store(self, conn: &Connection, place: i64) -> rusqlite::Result<()> {
        let sql = format!(
            "INSERT INTO {} VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET
                 last = excluded.last, count = excluded.count,
                 names = excluded.names, entries = excluded.entries",
            self.kind.table()
        );
        conn.prepare_cached(&sql)?
            .execute(params![place, self.first, self.last, self.count, self.names.0, self.entries])
            .map(drop)
    }
}

/// How much may be looked at for one part.
pub(super) struct Left {
    /// How many blocks.
    pub(super) blocks: usize,
    /// How many entries of them.
    pub(super) entries: usize,
}

impl Left {
    pub(super) fn is_none(&self) -> bool {
        self.blocks == 0 || self.entries == 0
    }
}

/// Which blocks of a connector are looked through.
#[derive(Clone)]
pub(super) struct Of {
    pub(super) kind: Kind,
    pub(super) place: i64,
    pub(super) connector: SmolStr,
}

/// Entries of a connector that were found, newest first, all of one block.
#[derive(Default)]
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    /// Up to which time is to be looked on; `None` at the end.
    pub(super) to: Option<Micros>,
}

impl Of {
    /// The changes of a connector whose name does not matter.
    pub(super) fn changes(place: i64) -> Self {
        Self { kind: Kind::Changes, place, connector: SmolStr::default() }
    }

    /// The last entries between two times, both included, that are wanted: of the last block that has such,
    /// and all of some names. It looks at so many blocks, and after the first at no more than are left.
    pub(super) fn find(
        &self,
        conn: &Connection,
        (from, to): (Micros, Micros),
        names: &[&[u8]],
        wants: impl Fn(&Entry) -> bool,
        (step, left): (usize, &mut Left),
    ) -> rusqlite::Result<Found> {
        let sql = format!(
            "SELECT first, last, names, entries FROM {}
             WHERE place = ?1 AND first <= ?2 ORDER BY first DESC",
            self.kind.table()
        );
        let mut statement = conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params![self.place, to])?;
        let mut found = Found { to: Some(to), ..Found::default() };
        for looked_at in 0..step {
            if !found.entries.is_empty() || (looked_at > 0 && left.is_none()) {
                break;
            }
            let Some(row) = rows.next()? else { return Ok(Found { to: None, ..found }) };
            let (first, last): (Micros, Micros) = (row.get(0)?, row.get(1)?);
            if last < from {
                return Ok(Found { to: None, ..found });
            }
            left.blocks = left.blocks.saturating_sub(1);
            found.to = first.checked_sub(1);
            let known = row.get_ref(2)?.as_blob()?;
            if names.iter().all(|name| may_have(known, name)) {
                let entries = self.unpacked(row, 3, first)?;
                left.entries = left.entries.saturating_sub(entries.len());
                let is_asked = |it: &Entry| (from..=to).contains(&it.time) && wants(it);
                found.entries = entries.into_iter().rev().filter(is_asked).collect();
            }
        }
        Ok(found)
    }

    /// The entry with that time.
    pub(super) fn get(&self, conn: &Connection, time: Micros) -> rusqlite::Result<Option<Entry>> {
        let mut left = Left { blocks: 1, entries: 1 };
        let found = self.find(conn, (time, time), &[], |_| true, (1, &mut left))?;
        Ok(found.entries.into_iter().next())
    }

    /// The times at which those blocks begin whose last entry is not older, and whose names may be wanted.
    pub(super) fn blocks(
        &self,
        conn: &Connection,
        since: Micros,
        wants: impl Fn(&[u8]) -> bool,
    ) -> rusqlite::Result<Vec<Micros>> {
        let sql = format!(
            "SELECT first, names FROM {} WHERE place = ?1 AND last >= ?2",
            self.kind.table()
        );
        let mut statement = conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params![self.place, since])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            if wants(row.get_ref(1)?.as_blob()?) {
                found.push(row.get(0)?);
            }
        }
        Ok(found)
    }

    /// The entries of the block that begins then, oldest first.
    pub(super) fn entries(&self, conn: &Connection, first: Micros) -> rusqlite::Result<Vec<Entry>> {
        let table = self.kind.table();
        let sql = format!("SELECT entries FROM {table} WHERE place = ?1 AND first = ?2");
        conn.prepare_cached(&sql)?
            .query_row(params![self.place, first], |row| self.unpacked(row, 0, first))
    }

    /// Puts others in the place of the entries of the block that begins then. None of them may be added.
    pub(super) fn replace(
        &self,
        conn: &Connection,
        first: Micros,
        entries: &[Entry],
    ) -> rusqlite::Result<()> {
        let sql = format!("DELETE FROM {} WHERE place = ?1 AND first = ?2", self.kind.table());
        conn.prepare_cached(&sql)?.execute(params![self.place, first])?;
        let mut block = Block::new(self.kind);
        entries.iter().for_each(|entry| block.add(entry));
        if block.count == 0 { Ok(()) } else { block.store(conn, self.place) }
    }

    /// The time of the last entry.
    pub(super) fn last_time(&self, conn: &Connection) -> rusqlite::Result<Option<Micros>> {
        let table = self.kind.table();
        let sql = format!("SELECT last FROM {table} WHERE place = ?1 ORDER BY first DESC LIMIT 1");
        conn.prepare_cached(&sql)?.query_row([self.place], |row| row.get(0)).optional()
    }

    fn unpacked(&self, row: &Row<'_>, index: usize, first: Micros) -> rusqlite::Result<Vec<Entry>> {
        let Self { kind, connector, .. } = self;
        let unreadable = || {
            let kind = kind.table();
            let error = format!("the {kind} of {connector} from {first} on cannot be read");
            Error::FromSqlConversionFailure(index, Type::Blob, error.into())
        };
        let packed = Packed::new(row.get_ref(index)?.as_blob()?, connector.clone(), first);
        packed.all().ok_or_else(unreadable)
    }
}
