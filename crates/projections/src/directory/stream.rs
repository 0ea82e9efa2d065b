//! Streams: rows in an order that costs nothing to have.

use std::ops::ControlFlow;

use rusqlite::Connection;

use super::{
    blocks::{From, Rows},
    list::{ListError, Spot},
    order::Walk,
};

/// How many row numbers are read at a time.
const CHUNK: u64 = 500;

/// Rows in an order that costs nothing to have.
pub(super) enum Stream {
    Created(Rows),
    Sorted(Walk),
}

impl Stream {
    /// How many there are.
    pub(super) fn total(&self, tx: &Connection) -> rusqlite::Result<u64> {
        match self {
            Self::Created(rows) => rows.total(tx),
            Self::Sorted(walk) => walk.total(tx),
        }
    }

    /// At most `limit` row numbers behind a place, the first `skip` left out.
    pub(super) fn numbers(
        &self,
        tx: &Connection,
        after: Option<&(Spot, i64)>,
        (limit, skip): (u64, u64),
    ) -> rusqlite::Result<Vec<(i64, Spot)>> {
        match self {
            Self::Created(rows) => {
                let from = after.map_or(From::Skip(skip), |(_, no)| From::After(*no));
                let numbers = rows.numbers(tx, from, limit)?;
                Ok(numbers.into_iter().map(|no| (no, Spot::Created)).collect())
            }
            Self::Sorted(walk) => {
                let after = after.and_then(|(spot, no)| match spot {
                    Spot::Column(mark) => Some((mark.clone(), *no)),
                    // A cursor of another order: whoever made it has been refused already.
                    Spot::Created | Spot::Key(_) => None,
                });
                let numbers = walk.numbers(tx, after.as_ref(), (limit, skip))?;
                Ok(numbers.into_iter().map(|(no, mark)| (no, Spot::Column(mark))).collect())
            }
        }
    }

    /// Goes through all rows behind a place, until told to stop.
    pub(super) fn each(
        &self,
        tx: &Connection,
        mut after: Option<(Spot, i64)>,
        mut each: impl FnMut(i64, Spot) -> Result<ControlFlow<()>, ListError>,
    ) -> Result<(), ListError> {
        loop {
            let chunk = self.numbers(tx, after.as_ref(), (CHUNK, 0))?;
            let Some((no, spot)) = chunk.last().cloned() else { return Ok(()) };
            after = Some((spot, no));
            for (no, spot) in chunk {
                if each(no, spot)?.is_break() {
                    return Ok(());
                }
            }
        }
    }
}
