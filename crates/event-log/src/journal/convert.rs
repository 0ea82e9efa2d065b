//! Files of the third version: a row with four indexes for each entry that was not of a request that only
//! looked, and of some that were. The fourth has blocks in their place ([`super::blocks`]).

use rusqlite::{Connection, Error, Row};
use smol_str::SmolStr;
use uuid::Uuid;

use super::blocks::{Blocks, CHANGES, Kind};
use super::entry::{Action, Entry, Outcome, Resource};
use super::requests::RequestId;

/// Puts all rows into blocks. Files of the first version have none.
pub(crate) fn rows_into_blocks(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(CHANGES)?;
    if !conn.table_exists(None, "requests")? {
        return Ok(());
    }
    let mut blocks = Blocks::default();
    let mut rows = conn.prepare(
        "SELECT time, action, outcome, resource, subject, name, token, status, scim_type, detail,
             duration, request, correlation, operation, first, last, place
         FROM requests ORDER BY place, time",
    )?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        // Blocks of reads end with later ones already.
        blocks.add_to(Kind::Changes, conn, row.get(16)?, &entry(row)?)?;
    }
    drop(rows);
    blocks.store(conn)?;
    conn.execute_batch("DROP TABLE requests")
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let bad = |index| Error::IntegralValueOutOfRange(index, -1);
    let number = |index| row.get::<_, Option<u8>>(index);
    let position = |index| row.get::<_, Option<i64>>(index).map(|it| it.map(i64::cast_unsigned));
    let first = position(14)?;
    let outcome = number(2)?.and_then(Outcome::of_number).ok_or_else(|| bad(2))?;
    let duration = row.get::<_, i64>(10)?.cast_unsigned();
    Ok(Entry {
        time: row.get(0)?,
        connector: SmolStr::default(),
        action: number(1)?.and_then(Action::of_number).ok_or_else(|| bad(1))?,
        outcome,
        resource: number(3)?.and_then(Resource::of_number),
        subject: row.get::<_, Option<[u8; 16]>>(4)?.map(Uuid::from_bytes),
        name: row.get(5)?,
        token: Uuid::from_bytes(row.get(6)?),
        status: row.get(7)?,
        scim_type: row.get::<_, Option<String>>(8)?.map(SmolStr::from),
        detail: row.get(9)?,
        duration_micros: (outcome != Outcome::Recovered).then_some(duration),
        request: RequestId::read(row, 11)?,
        correlation: RequestId::read(row, 12)?,
        operation: row.get(13)?,
        positions: first.zip(position(15)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Search;
    use crate::journal::search::search;
    use crate::{WorkspaceId, schema};

    /// How rows were stored: this is never to be changed.
    const ROWS: &str = "
        CREATE TABLE requests (
            place       INTEGER NOT NULL,
            time        INTEGER NOT NULL,
            action      INTEGER NOT NULL,
            outcome     INTEGER NOT NULL,
            resource    INTEGER,
            subject     BLOB,
            name        BLOB,
            token       BLOB NOT NULL,
            status      INTEGER,
            scim_type   TEXT,
            detail      TEXT,
            duration    INTEGER NOT NULL,
            request     ANY NOT NULL,
            correlation ANY NOT NULL,
            operation   INTEGER,
            first       INTEGER,
            last        INTEGER,
            PRIMARY KEY (place, time)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX requests_by_subject ON requests (place, subject, time) WHERE subject IS NOT NULL;
        INSERT INTO places VALUES (1, 'acme', 'store'), (2, 'acme', 'mdm');
        INSERT INTO requests VALUES
            (1, 50, 2, 3, 0, x'00000000000000000000000000000002', x'07070707070707070707070707070707',
             x'00000000000000000000000000000001', 200, NULL, NULL, 700,
             x'0190f5e0000070008000000000000abc', 'theirs', NULL, 7, 8),
            (1, 40, 0, 6, 1, NULL, NULL, x'00000000000000000000000000000001', 400, 'noTarget', 'no', 9,
             'a', 'b', 3, NULL, NULL),
            (2, 50, 4, 0, 0, NULL, NULL, x'00000000000000000000000000000001', 304, NULL, NULL, 5,
             'c', 'c', NULL, NULL, NULL),
            (2, 60, 8, 10, 0, NULL, NULL, x'00000000000000000000000000000001', NULL, NULL, NULL, 0,
             'd', 'd', NULL, 9, 9);";

    /// The same, newest first.
    fn entries() -> [Entry; 4] {
        let read = Entry {
            time: 50,
            connector: "mdm".into(),
            token: Uuid::from_u128(1),
            action: Action::Read,
            outcome: Outcome::Read,
            resource: Some(Resource::User),
            subject: None,
            name: None,
            status: Some(304),
            scim_type: None,
            detail: None,
            duration_micros: Some(5),
            request: "c".to_owned(),
            correlation: "c".to_owned(),
            operation: None,
            positions: None,
        };
        let recovered = Entry {
            time: 60,
            action: Action::Other,
            outcome: Outcome::Recovered,
            status: None,
            duration_micros: None,
            request: "d".to_owned(),
            correlation: "d".to_owned(),
            positions: Some((9, 9)),
            ..read.clone()
        };
        let changed = Entry {
            connector: "store".into(),
            action: Action::Patch,
            outcome: Outcome::Changed,
            subject: Some(Uuid::from_u128(2)),
            name: Some([7; 16]),
            status: Some(200),
            duration_micros: Some(700),
            request: "0190f5e0-0000-7000-8000-000000000abc".to_owned(),
            correlation: "theirs".to_owned(),
            positions: Some((7, 8)),
            ..read.clone()
        };
        let refused = Entry {
            time: 40,
            connector: "store".into(),
            action: Action::Create,
            outcome: Outcome::Refused,
            resource: Some(Resource::Group),
            status: Some(400),
            scim_type: Some("noTarget".into()),
            detail: Some("no".to_owned()),
            duration_micros: Some(9),
            request: "a".to_owned(),
            correlation: "b".to_owned(),
            operation: Some(3),
            ..read.clone()
        };
        [recovered, read, changed, refused]
    }

    #[test]
    fn rows_of_the_third_version_are_in_blocks_of_the_fourth() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let conn = schema::JOURNAL.open(&path).unwrap();
        conn.execute_batch(&format!("DROP TABLE changes; {ROWS} PRAGMA user_version = 3;"))
            .unwrap();
        let [recovered, read, changed, refused] = entries();
        let later = Entry { time: 70, ..read.clone() };
        let mut blocks = Blocks::default();
        blocks.add(&conn, 2, &later).unwrap();
        blocks.store(&conn).unwrap();
        drop(conn);
        let conn = schema::JOURNAL.open(&path).unwrap();
        assert!(!conn.table_exists(None, "requests").unwrap());
        let acme = WorkspaceId::parse("acme").unwrap();
        let all = Search { limit: 9, ..Search::default() };
        let found = search(&conn, &acme, &all).unwrap().items;
        assert_eq!(found, [later.clone(), recovered, read.clone(), changed, refused]);
        let reads = Search { outcome: Some(Outcome::Read), ..all };
        assert_eq!(search(&conn, &acme, &reads).unwrap().items, [later, read]);
    }
}
