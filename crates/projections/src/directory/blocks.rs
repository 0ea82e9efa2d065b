//! Blocks: how many rows there are among each 512 ordinals.
//!
//! The page that begins with the 900,001st user is found by adding up two thousand counts instead of
//! walking past 900,000 rows; the same counts say how many users are active.

use event_log::WorkspaceId;
use rusqlite::{Connection, Transaction, params};
use scim::schema::Kind;

use super::schema::{self, BLOCK};
use crate::sql::{int, natural};

/// What a fact does to the counts of a row's block.
#[derive(Clone, Copy, Default)]
pub(super) struct Change {
    rows: i64,
    active: i64,
    inactive: i64,
}

impl Change {
    /// A row with this `active`.
    pub(super) fn added(active: Option<bool>) -> Self {
        Self { rows: 1, ..Self::of(None, active) }
    }

    /// A row that had this `active`.
    pub(super) fn removed(active: Option<bool>) -> Self {
        Self { rows: -1, ..Self::of(active, None) }
    }

    /// A row that stays.
    pub(super) fn of(before: Option<bool>, after: Option<bool>) -> Self {
        let gained = |value| i64::from(after == Some(value)) - i64::from(before == Some(value));
        Self { rows: 0, active: gained(true), inactive: gained(false) }
    }
}

/// Keeps the counts right.
pub(super) fn count(
    tx: &Transaction<'_>,
    connector: i64,
    kind: Kind,
    no: i64,
    change: Change,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO blocks VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET rows = rows + excluded.rows, active = active + excluded.active,
                                   inactive = inactive + excluded.inactive",
    )?
    .execute(params![
        connector,
        schema::kind(kind),
        schema::block(no),
        change.rows,
        change.active,
        change.inactive
    ])?;
    Ok(())
}

/// How many users of a connector are not said to be inactive, and the position of the last event that
/// changed anything here: one statement sees both at the same moment.
pub(super) fn active(
    connection: &Connection,
    workspace: &WorkspaceId,
    connector: i64,
) -> rusqlite::Result<(u64, u64)> {
    connection
        .prepare_cached(
            "SELECT (SELECT coalesce(sum(rows - inactive), 0) FROM blocks
                     WHERE connector = ?1 AND kind = ?2),
                    coalesce((SELECT position FROM checkpoints WHERE workspace = ?3), 0)",
        )?
        .query_row(params![connector, schema::kind(Kind::User), workspace.as_str()], |row| {
            Ok((natural(row, 0)?, natural(row, 1)?))
        })
}

/// The rows of one kind of a connector, or those that are active or are not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    pub(super) connector: i64,
    pub(super) kind: Kind,
    /// `Some`: only those whose `active` is so.
    pub(super) active: Option<bool>,
}

/// Where to begin among [`Rows`].
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    /// After so many of them.
    Skip(u64),
    /// Behind this row number.
    After(i64),
}

impl Rows {
    /// How many there are.
    pub(super) fn total(self, tx: &Connection) -> rusqlite::Result<u64> {
        let mut total = 0;
        self.each_block(tx, 0, |_, rows| {
            total += rows;
            Ok(true)
        })?;
        Ok(total)
    }

    /// At most `limit` row numbers, in the order of creation.
    pub(super) fn numbers(
        self,
        tx: &Connection,
        from: From,
        limit: u64,
    ) -> rusqlite::Result<Vec<i64>> {
        let (start, _) = schema::range(self.connector);
        let (first, mut skip) = match from {
            From::Skip(skip) => (0, skip),
            From::After(no) => (schema::block(no), 0),
        };
        let mut found = Vec::new();
        self.each_block(tx, first, |block, rows| {
            if skip >= rows {
                skip -= rows;
                return Ok(true);
            }
            let low = start + block * BLOCK;
            let low = if let From::After(no) = from { low.max(no + 1) } else { low };
            let left = limit - found.len() as u64;
            self.within(tx, (low, start + (block + 1) * BLOCK - 1), (left, skip), &mut found)?;
            skip = 0;
            Ok((found.len() as u64) < limit)
        })?;
        Ok(found)
    }

    /// Goes through the blocks from `first` on that have any of these rows, until told to stop.
    fn each_block(
        self,
        tx: &Connection,
        first: i64,
        mut each: impl FnMut(i64, u64) -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<()> {
        let column = match self.active {
            None => 1,
            Some(true) => 2,
            Some(false) => 3,
        };
        let mut blocks = tx.prepare_cached(
            "SELECT block, rows, active, inactive FROM blocks
             WHERE connector = ?1 AND kind = ?2 AND block >= ?3 ORDER BY block",
        )?;
        let mut blocks = blocks.query(params![self.connector, schema::kind(self.kind), first])?;
        while let Some(row) = blocks.next()? {
            let rows = natural(row, column)?;
            if rows > 0 && !each(row.get(0)?, rows)? {
                break;
            }
        }
        Ok(())
    }

    fn within(
        self,
        tx: &Connection,
        (low, high): (i64, i64),
        (limit, skip): (u64, u64),
        found: &mut Vec<i64>,
    ) -> rusqlite::Result<()> {
        let mut statement = tx.prepare_cached(match (self.kind, self.active) {
            (Kind::User, None) => {
                "SELECT no FROM entries WHERE no BETWEEN ?1 AND ?2 ORDER BY no LIMIT ?3 OFFSET ?4"
            }
            (Kind::User, Some(false)) => {
                "SELECT no FROM entries WHERE no BETWEEN ?1 AND ?2 AND active = 0
                 ORDER BY no LIMIT ?3 OFFSET ?4"
            }
            (Kind::User, Some(true)) => {
                "SELECT no FROM entries WHERE no BETWEEN ?1 AND ?2 AND active = 1
                 ORDER BY no LIMIT ?3 OFFSET ?4"
            }
            // A group is neither active nor not; there are no such blocks.
            (Kind::Group, _) => {
                "SELECT no FROM groups WHERE no BETWEEN ?1 AND ?2 ORDER BY no LIMIT ?3 OFFSET ?4"
            }
        })?;
        let mut rows = statement.query(params![low, high, int(limit), int(skip)])?;
        while let Some(row) = rows.next()? {
            found.push(row.get(0)?);
        }
        Ok(())
    }
}
