//! Reads: the entries of requests that only looked, many of them in one row.
//!
//! Most requests only look, and a row with its places in indexes costs a tenth of answering one: whose
//! subjects come in no order, each entry of an index by subject lies in a page of its own. So reads of a
//! connector that follow each other stand in a *block*, up to 256 of them and up to an hour of them, one
//! behind the other ([`super::packed`]). A block grows with each writing until it is full.
//!
//! A block is found by its time. Which subjects and correlation ids are in it, its *names* tell, rightly
//! if they say no: a search reads 640 bytes of the blocks that do not matter to it.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};

use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Transaction, params};
use smol_str::SmolStr;
use uuid::Uuid;

use super::entry::Entry;
use super::packed::{Packed, pack};
use super::requests::RequestId;
use crate::Micros;

/// How many entries a block has, at most.
pub(super) const READS_MAX: u32 = 256;
/// How much time lies between the first and the last of them, at most, in microseconds: a block is deleted
/// when the last one is old enough.
const BLOCK_MICROS_MAX: Micros = 3_600 * 1_000_000;
/// How many bytes the names of a block have: ten bits for each of two names of an entry.
const NAMES_BYTES: usize = READS_MAX as usize * 2 * 10 / 8;
/// How many bits stand for a name. With ten bits for each, one block of a hundred is read in vain.
const NAME_BITS: u64 = 5;

pub(crate) const SCHEMA: &str = "
    CREATE TABLE reads (
        place   INTEGER NOT NULL,
        first   INTEGER NOT NULL,          -- The times of the first and the last entry.
        last    INTEGER NOT NULL,
        count   INTEGER NOT NULL,
        names   BLOB NOT NULL,             -- Which subjects and correlation ids may be there.
        entries BLOB NOT NULL,
        PRIMARY KEY (place, first)
    ) STRICT;";

/// The blocks that reads go into, by the numbers of their connectors.
#[derive(Default)]
pub(super) struct Blocks(HashMap<i64, Block>);

/// Entries of a connector.
#[derive(Default)]
struct Block {
    first: Micros,
    last: Micros,
    count: u32,
    names: Names,
    entries: Vec<u8>,
    /// Of the last entry, where that is known.
    token: Option<Uuid>,
}

/// A Bloom filter.
struct Names(Vec<u8>);

impl Blocks {
    /// Adds an entry to those of a connector, all of which are older.
    pub(super) fn add(
        &mut self,
        tx: &Transaction<'_>,
        place: i64,
        entry: &Entry,
    ) -> rusqlite::Result<()> {
        let block = match self.0.entry(place) {
            Occupied(known) => known.into_mut(),
            Vacant(free) => {
                let last = Block::last(tx, place)?.filter(|last| last.has_room(entry.time));
                free.insert(last.unwrap_or_default())
            }
        };
        if !block.has_room(entry.time) {
            std::mem::take(block).store(tx, place)?;
        }
        block.add(entry);
        Ok(())
    }

    /// Writes what was added.
    pub(super) fn store(self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        self.0.into_iter().try_for_each(|(place, block)| block.store(tx, place))
    }
}

impl Block {
    /// The last one of a connector.
    fn last(conn: &Connection, place: i64) -> rusqlite::Result<Option<Self>> {
        conn.prepare_cached(
            "SELECT first, last, count, names, entries FROM reads
             WHERE place = ?1 ORDER BY first DESC LIMIT 1",
        )?
        .query_row([place], |row| {
            Ok(Self {
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
        self.count == 0 || (self.count < READS_MAX && is_near)
    }

    fn add(&mut self, entry: &Entry) {
        if self.count == 0 {
            (self.first, self.last) = (entry.time, entry.time);
        }
        pack(entry, self.last, self.token, &mut self.entries);
        (self.last, self.token) = (entry.time, Some(entry.token));
        self.count += 1;
        entry.subject.iter().for_each(|subject| self.names.add(subject.as_bytes()));
        self.names.add(RequestId::of(&entry.correlation).as_bytes());
    }

    fn store(self, tx: &Transaction<'_>, place: i64) -> rusqlite::Result<()> {
        tx.prepare_cached(
            "INSERT INTO reads VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET
                 last = excluded.last, count = excluded.count,
                 names = excluded.names, entries = excluded.entries",
        )?
        .execute(params![place, self.first, self.last, self.count, self.names.0, self.entries])
        .map(drop)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self(vec![0; NAMES_BYTES])
    }
}

impl Names {
    fn add(&mut self, name: &[u8]) {
        for (byte, bit) in bits(name) {
            self.0.get_mut(byte).into_iter().for_each(|byte| *byte |= bit);
        }
    }
}

/// Whether the names of a block may have one.
fn may_have(names: &[u8], name: &[u8]) -> bool {
    bits(name).all(|(byte, bit)| names.get(byte).is_none_or(|byte| byte & bit != 0))
}

/// The bits that stand for a name: which byte, and which of it.
///
/// # Source
/// FNV-1a of 64 bits, of which both halves make all places (A. Kirsch, M. Mitzenmacher, "Less Hashing, Same
/// Performance: Building a Better Bloom Filter", 2006).
fn bits(name: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325, add);
    let (one, other) = (hash & 0xffff_ffff, hash >> 32);
    (0..NAME_BITS).map(move |number| {
        let bit = usize::try_from((one + number * other) % (8 * NAMES_BYTES as u64));
        let bit = bit.unwrap_or_default();
        (bit / 8, 1 << (bit % 8))
    })
}

/// Entries of a connector that were found, newest first, all of one block.
#[derive(Default)]
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    /// Up to which time is to be looked on; `None` at the end.
    pub(super) to: Option<Micros>,
}

/// The last entries of a connector between two times, both included, of a block that may have all of some
/// names. `blocks` is how many may be looked at; with none left it finds nothing.
pub(super) fn find(
    conn: &Connection,
    (place, connector): (i64, &SmolStr),
    (from, to): (Micros, Micros),
    names: &[&[u8]],
    blocks: &mut usize,
) -> rusqlite::Result<Found> {
    let mut statement = conn.prepare_cached(
        "SELECT first, last, names, entries FROM reads
         WHERE place = ?1 AND first <= ?2 ORDER BY first DESC",
    )?;
    let mut rows = statement.query(params![place, to])?;
    let mut found = Found { to: Some(to), ..Found::default() };
    while *blocks > 0 && found.entries.is_empty() {
        let Some(row) = rows.next()? else { return Ok(Found { to: None, ..found }) };
        let (first, last): (Micros, Micros) = (row.get(0)?, row.get(1)?);
        if last < from {
            return Ok(Found { to: None, ..found });
        }
        *blocks -= 1;
        found.to = first.checked_sub(1);
        let known = row.get_ref(2)?.as_blob()?;
        if names.iter().all(|name| may_have(known, name)) {
            let entries = unpacked(row.get_ref(3)?.as_blob()?, connector, first)?;
            let is_asked = |entry: &Entry| (from..=to).contains(&entry.time);
            found.entries = entries.into_iter().rev().filter(is_asked).collect();
        }
    }
    Ok(found)
}

/// The entry of a connector with that time.
pub(super) fn get(
    conn: &Connection,
    place: (i64, &SmolStr),
    time: Micros,
) -> rusqlite::Result<Option<Entry>> {
    Ok(find(conn, place, (time, time), &[], &mut 1)?.entries.pop())
}

/// The time of the last entry of a connector.
pub(super) fn last_time(conn: &Connection, place: i64) -> rusqlite::Result<Option<Micros>> {
    conn.prepare_cached("SELECT last FROM reads WHERE place = ?1 ORDER BY first DESC LIMIT 1")?
        .query_row([place], |row| row.get(0))
        .optional()
}

fn unpacked(bytes: &[u8], connector: &SmolStr, first: Micros) -> rusqlite::Result<Vec<Entry>> {
    let unreadable = || {
        let error = format!("the reads of {connector} from {first} on cannot be read");
        Error::FromSqlConversionFailure(3, Type::Blob, error.into())
    };
    Packed::new(bytes, connector.clone(), first).all().ok_or_else(unreadable)
}
