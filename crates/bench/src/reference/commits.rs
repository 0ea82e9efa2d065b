//! One row for each request, in the same group commit as Muster's: one thread writes, and takes whatever
//! waits into one transaction and one sync of the disk.

use std::{path::Path, sync::mpsc, thread};

use actix_web::web::Bytes;
use anyhow::{Context, anyhow};
use rusqlite::Connection;
use tokio::sync::oneshot;

/// How many rows one transaction has at most.
const ROWS_MAX: usize = 1_024;

struct Row {
    body: Bytes,
    done: oneshot::Sender<bool>,
}

/// The way to the thread that writes.
pub(super) struct Commits(mpsc::Sender<Row>);

impl Commits {
    /// Makes the file and starts the thread.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(path).context("making the file of the rows")?;
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        connection.execute_batch(
            "PRAGMA synchronous = FULL;
             CREATE TABLE rows (no INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;",
        )?;
        let (sender, rows) = mpsc::channel();
        thread::spawn(move || write(&connection, &rows));
        Ok(Self(sender))
    }

    /// Resolves when the row is on disk.
    pub(super) async fn commit(&self, body: Bytes) -> anyhow::Result<()> {
        let (done, on_disk) = oneshot::channel();
        self.0.send(Row { body, done }).map_err(|_| anyhow!("the writer has ended"))?;
        anyhow::ensure!(on_disk.await?, "the row could not be written");
        Ok(())
    }
}

fn write(connection: &Connection, rows: &mpsc::Receiver<Row>) {
    while let Ok(first) = rows.recv() {
        let mut batch = vec![first];
        batch.extend(rows.try_iter().take(ROWS_MAX - 1));
        let stored = store(connection, &batch).is_ok();
        for row in batch {
            // Whoever does not wait any more needs no answer.
            let _ = row.done.send(stored);
        }
    }
}

fn store(connection: &Connection, rows: &[Row]) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    for row in rows {
        let mut insert = transaction.prepare_cached("INSERT INTO rows (body) VALUES (?1)")?;
        insert.execute([&row.body[..]])?;
    }
    transaction.commit()
}
