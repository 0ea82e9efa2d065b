//! Orders: the indices of a kind's rows, walked in either direction.
//!
//! Row numbers come from the index alone, so that passing over many of them is cheap; whoever needs
//! a row fetches it by its number.

use domain::Micros;
use rusqlite::{Connection, params_from_iter, types::Value as Sql};
use scim::{
    schema::{Catalogue, Kind},
    sort::Sort,
};
use serde::{Deserialize, Serialize};

use crate::sql::{int, natural};

/// An order of rows that an index has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// A user's `userName`.
    UserName,
    /// `displayName`; rows without one come last.
    DisplayName,
    /// `meta.lastModified`
    Modified,
    /// `id`
    Id,
}

/// Where a walk stands: the value of the column there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mark {
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// The part of an order between `low` and `high`, both left out, forwards or backwards.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    pub(super) connector: i64,
    pub(super) kind: Kind,
    pub(super) column: Column,
    pub(super) descending: bool,
    pub(super) low: Sql,
    pub(super) high: Sql,
}

/// The statements of a column. Rows that are alike in it are in the order of their numbers; those
/// behind one of them are a statement of their own, since SQLite does not find a place by a column
/// and a row number together.
struct Statements {
    forwards: &'static str,
    backwards: &'static str,
    alike_forwards: &'static str,
    alike_backwards: &'static str,
    count: &'static str,
}

macro_rules! statements {
    ($table:literal, $column:literal) => {
        Statements {
            forwards: statements!($table, $column, ", no LIMIT ?4 OFFSET ?5"),
            backwards: statements!($table, $column, " DESC, no DESC LIMIT ?4 OFFSET ?5"),
            alike_forwards: statements!(alike $table, $column, "no > ?3 ORDER BY no LIMIT ?4"),
            alike_backwards: statements!(
                alike $table, $column, "no < ?3 ORDER BY no DESC LIMIT ?4"
            ),
            count: concat!(
                "SELECT count(*) FROM ", $table,
                " WHERE connector = ?1 AND ", $column, " > ?2 AND ", $column, " < ?3"
            ),
        }
    };
    ($table:literal, $column:literal, $rest:literal) => {
        concat!(
            "SELECT no, ", $column, " FROM ", $table,
            " WHERE connector = ?1 AND ", $column, " > ?2 AND ", $column, " < ?3 ORDER BY ",
            $column, $rest
        )
    };
    (alike $table:literal, $column:literal, $rest:literal) => {
        concat!(
            "SELECT no, ", $column, " FROM ", $table,
            " WHERE connector = ?1 AND ", $column, " = ?2 AND ", $rest
        )
    };
}

const USERS_BY_NAME: Statements = statements!("entries", "user_name_fold");
const USERS_BY_DISPLAY: Statements = statements!("entries", "display_fold");
const USERS_BY_TIME: Statements = statements!("entries", "modified");
const USERS_BY_ID: Statements = statements!("entries", "id");
const GROUPS_BY_DISPLAY: Statements = statements!("groups", "display_fold");
const GROUPS_BY_TIME: Statements = statements!("groups", "modified");
const GROUPS_BY_ID: Statements = statements!("groups", "id");

impl Column {
    /// The column that sorts as a client asks, if there is one.
    pub(super) fn of(sort: &Sort, kind: Kind, catalogue: &Catalogue) -> Option<Self> {
        let place = catalogue.locate(kind, &sort.by).filter(|place| place.extension.is_none())?;
        match (kind, place.attribute?.name, place.sub.map(|sub| sub.name)) {
            (Kind::User, "userName", None) => Some(Self::UserName),
            (_, "displayName", None) => Some(Self::DisplayName),
            (_, "meta", Some("lastModified")) => Some(Self::Modified),
            (_, "id", None) => Some(Self::Id),
            _ => None,
        }
    }

    /// What every row is behind, and what every row is before.
    fn bounds(self) -> (Sql, Sql) {
        match self {
            // In SQLite, every text comes before every blob.
            Self::UserName | Self::DisplayName => (Sql::Text(String::new()), Sql::Blob(Vec::new())),
            Self::Modified => (Sql::Integer(i64::MIN), Sql::Integer(i64::MAX)),
            Self::Id => (Sql::Blob(Vec::new()), Sql::Blob(vec![0xff; 17])),
        }
    }

    fn statements(self, kind: Kind) -> &'static Statements {
        match (kind, self) {
            (Kind::User, Self::UserName) => &USERS_BY_NAME,
            (Kind::User, Self::DisplayName) => &USERS_BY_DISPLAY,
            (Kind::User, Self::Modified) => &USERS_BY_TIME,
            (Kind::User, Self::Id) => &USERS_BY_ID,
            (Kind::Group, Self::UserName | Self::DisplayName) => &GROUPS_BY_DISPLAY,
            (Kind::Group, Self::Modified) => &GROUPS_BY_TIME,
            (Kind::Group, Self::Id) => &GROUPS_BY_ID,
        }
    }
}

impl Walk {
    /// The whole of an order.
    pub(super) fn whole(connector: i64, kind: Kind, column: Column, descending: bool) -> Self {
        let (low, high) = column.bounds();
        Self { connector, kind, column, descending, low, high }
    }

    /// The part of an order by time between two times, both included.
    pub(super) fn between(self, from: Micros, to: Micros) -> Self {
        let (low, high) = (from.saturating_sub(1).into(), to.saturating_add(1).into());
        Self { low, high, ..self }
    }

    /// At most `limit` row numbers with their marks, behind `after`, the first `skip` left out.
    pub(super) fn numbers(
        &self,
        tx: &Connection,
        after: Option<&(Mark, i64)>,
        (limit, skip): (u64, u64),
    ) -> rusqlite::Result<Vec<(i64, Mark)>> {
        let mut found = Vec::new();
        let (mut low, mut high) = (self.low.clone(), self.high.clone());
        if let Some((mark, no)) = after {
            let bound = [self.no(), mark.to_sql(), Sql::Integer(*no), Sql::Integer(int(limit))];
            let Statements { alike_forwards, alike_backwards, .. } = self.statements();
            let sql = if self.descending { alike_backwards } else { alike_forwards };
            read(tx, sql, bound, &mut found)?;
            *(if self.descending { &mut high } else { &mut low }) = mark.to_sql();
        }
        let left = limit.saturating_sub(found.len() as u64);
        if left > 0 {
            let page = [Sql::Integer(int(left)), Sql::Integer(int(skip))];
            let bound = [self.no(), low, high].into_iter().chain(page);
            let Statements { forwards, backwards, .. } = self.statements();
            let sql = if self.descending { backwards } else { forwards };
            read(tx, sql, bound, &mut found)?;
        }
        Ok(found)
    }

    fn no(&self) -> Sql {
        Sql::Integer(self.connector)
    }

    fn statements(&self) -> &'static Statements {
        self.column.statements(self.kind)
    }

    /// How many rows there are.
    pub(super) fn total(&self, tx: &Connection) -> rusqlite::Result<u64> {
        let bound = [self.no(), self.low.clone(), self.high.clone()];
        tx.prepare_cached(self.statements().count)?
            .query_row(params_from_iter(bound), |row| natural(row, 0))
    }
}

fn read(
    tx: &Connection,
    sql: &str,
    bound: impl IntoIterator<Item = Sql>,
    found: &mut Vec<(i64, Mark)>,
) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(bound))?;
    while let Some(row) = rows.next()? {
        found.push((row.get(0)?, Mark::of(row.get(1)?)));
    }
    Ok(())
}

impl Mark {
    fn of(value: Sql) -> Self {
        match value {
            Sql::Integer(number) => Self::Number(number),
            Sql::Text(text) => Self::Text(text),
            Sql::Blob(bytes) => Self::Bytes(bytes),
            // No column of an order is either.
            Sql::Null | Sql::Real(_) => Self::Bytes(Vec::new()),
        }
    }

    fn to_sql(&self) -> Sql {
        match self {
            Self::Number(number) => Sql::Integer(*number),
            Self::Text(text) => Sql::Text(text.clone()),
            Self::Bytes(bytes) => Sql::Blob(bytes.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{directory::DirectoryProjection, testing::empty};

    #[test]
    fn every_walk_reads_an_index_alone_and_in_its_order() {
        let file = empty(&DirectoryProjection);
        for statements in [
            USERS_BY_NAME,
            USERS_BY_DISPLAY,
            USERS_BY_TIME,
            USERS_BY_ID,
            GROUPS_BY_DISPLAY,
            GROUPS_BY_TIME,
            GROUPS_BY_ID,
        ] {
            let Statements { forwards, backwards, alike_forwards, alike_backwards, count } =
                statements;
            for sql in [forwards, backwards, alike_forwards, alike_backwards, count] {
                let mut plan = file.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                let mut steps = plan.raw_query();
                let plan: String = steps.next().unwrap().unwrap().get(3).unwrap();
                assert!(steps.next().unwrap().is_none(), "{sql}: more than one step");
                assert!(plan.contains("USING COVERING INDEX"), "{sql}: {plan}");
                let behind = if sql.contains("= ?2") { "rowid" } else { ">? AND" };
                let is_alone = plan.contains("entries_by_id");
                assert!(is_alone || plan.contains(behind), "{sql}: {plan}");
            }
        }
    }
}
