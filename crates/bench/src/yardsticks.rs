//! Plain loops over the same files: what reading them costs whoever does nothing else.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use event_log::{EventLog, SqliteLog, SqliteOptions, SystemClock};
use projections::Recorded;
use rusqlite::{Connection, OpenFlags, params_from_iter, types::Value};

use crate::process::{Spent, Timer};

/// How many events are read at a time.
const PAGE: usize = 1_000;

/// Everything that is kept of an event. What it says is not opened.
const EVENTS: &str = "
    SELECT e.position, s.kind, s.id, e.version, e.name, e.schema_version, e.key, e.leaf, e.payload,
           t.time, t.actor, t.request, t.correlation, t.causation, t.rule
    FROM events e JOIN transactions t ON t.no = e.txn JOIN streams s ON s.no = e.stream
    WHERE e.workspace = (SELECT no FROM workspaces WHERE id = ?1)
          AND e.position > ?2 AND e.position <= ?3
    ORDER BY e.position";

/// Reads the events of a workspace between two positions, the first one apart. Returns how many there
/// are.
pub(crate) fn read_events(
    data_dir: &Path,
    workspace: &str,
    (after, to): (u64, u64),
) -> anyhow::Result<(u64, Spent)> {
    let timer = Timer::start()?;
    let log = open(&data_dir.join("log.db"))?;
    let mut events = log.prepare(EVENTS)?;
    let mut rows = events.query((workspace, after.cast_signed(), to.cast_signed()))?;
    let (mut count, mut bytes) = (0, 0);
    while let Some(row) = rows.next()? {
        count += 1;
        for column in 0..15 {
            bytes += match row.get_ref(column)? {
                rusqlite::types::ValueRef::Text(text) => text.len(),
                rusqlite::types::ValueRef::Blob(blob) => blob.len(),
                _ => size_of::<i64>(),
            };
        }
    }
    // So that nothing of it is left out.
    std::hint::black_box(bytes);
    Ok((count, timer.stop()?))
}

/// Reads the events of one stream up to a position.
pub(crate) fn read_stream(log: &Connection, id: &[u8], to: u64) -> anyhow::Result<()> {
    let sql = "SELECT e.version, e.name, e.payload, t.time FROM streams s
               JOIN events e ON e.stream = s.no JOIN transactions t ON t.no = e.txn
               WHERE s.id = ?1 AND s.kind = 'user'
                     AND s.workspace = (SELECT no FROM workspaces WHERE id = ?2)
                     AND e.position <= ?3
               ORDER BY e.version";
    let mut events = log.prepare_cached(sql)?;
    let mut rows = events.query((id, crate::stage::WORKSPACE, to.cast_signed()))?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        bytes += row.get_ref(2)?.as_blob()?.len();
    }
    std::hint::black_box(bytes);
    Ok(())
}

/// Reads a file from its beginning to its end.
pub(crate) fn read_file(path: &Path) -> anyhow::Result<Spent> {
    let timer = Timer::start()?;
    let mut file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
    let mut chunk = vec![0; 1 << 16];
    while file.read(&mut chunk)? > 0 {
        std::hint::black_box(&chunk);
    }
    timer.stop()
}

/// Reads, opens and decodes every event of a data directory. Returns how many there are.
pub(crate) async fn decode_events(data_dir: &Path) -> anyhow::Result<(u64, Spent)> {
    let timer = Timer::start()?;
    let log = SqliteLog::open(SqliteOptions::new(data_dir), Arc::new(SystemClock))?;
    let mut count = 0;
    for (workspace, head) in log.heads() {
        let mut after = 0;
        while after < head {
            for event in log.read(&workspace, after, PAGE).await? {
                after = event.position;
                count += u64::from(std::hint::black_box(Recorded::read(event)?).is_some());
            }
        }
    }
    log.close();
    Ok((count, timer.stop()?))
}

/// Inserts every row of the read models of a data directory into new files with the same tables and
/// indices. Returns how many there are.
pub(crate) fn insert_rows(data_dir: &Path) -> anyhow::Result<(u64, Spent)> {
    let dir = tempfile::TempDir::new_in(data_dir).context("making a directory for rows")?;
    let timer = Timer::start()?;
    let mut count = 0;
    for path in databases(&data_dir.join("read"))? {
        let name = path.file_name().context("a file without a name")?;
        count += copy(&path, &dir.path().join(name))?;
    }
    Ok((count, timer.stop()?))
}

/// A file that is only read.
pub(crate) fn open(path: &Path) -> anyhow::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags);
    connection.with_context(|| format!("opening {}", path.display()))
}

/// The databases in a directory.
pub(crate) fn databases(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "db") {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<u64> {
    let (from, to) = (open(from)?, Connection::open(to)?);
    to.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    to.execute_batch("PRAGMA cache_size = -32768;")?;
    let sql = "SELECT type, name, sql FROM sqlite_schema
               WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type = 'index'";
    let mut schema = from.prepare(sql)?;
    let all = schema.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let all: Vec<(String, String, String)> = all.collect::<Result<_, _>>()?;
    let transaction = to.unchecked_transaction()?;
    let mut count = 0;
    for (_, _, sql) in &all {
        transaction.execute_batch(sql)?;
    }
    for (_, name, _) in all.iter().filter(|(kind, ..)| kind == "table") {
        count += copy_table(&from, &transaction, name)?;
    }
    transaction.commit()?;
    Ok(count)
}

fn copy_table(from: &Connection, to: &Connection, name: &str) -> anyhow::Result<u64> {
    let mut all = from.prepare(&format!("SELECT * FROM \"{name}\""))?;
    let columns = all.column_count();
    let places = vec!["?"; columns].join(",");
    let mut insert = to.prepare(&format!("INSERT INTO \"{name}\" VALUES ({places})"))?;
    let (mut rows, mut count) = (all.query([])?, 0);
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|column| row.get::<_, Value>(column));
        insert.execute(params_from_iter(values.collect::<Result<Vec<_>, _>>()?))?;
        count += 1;
    }
    Ok(count)
}
