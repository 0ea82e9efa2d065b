//! From the stage into the files of the installation.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::beside::{beside, take_out};
use super::{STAGE, Unmoved, attach, leave};
use crate::keyfile::workspace_number;
use crate::ledger::{self, Ledger};
use crate::{OpenError, SqliteLog, WorkspaceId, schema};

/// Stands in the stage from before the first row goes into a file of the installation: the workspace's slug,
/// a line break, and what the names of its secrets begin with.
const MARK: &str = "merging";

/// How many events go in at a time, until the next progress.
const PAGE: i64 = 10_000;

/// Puts the workspace on the stage into the files of an installation, which nobody uses from now on: the
/// log is closed. `progress` is told how many events are done, of how many. Open the log again: that
/// completes what is left to do, also when this fails or is cut off.
///
/// # Errors
/// [`Unmoved::Exists`], and what the files say: nothing of the workspace is there once the log was opened.
pub fn merge(
    log: &SqliteLog,
    workspace: &WorkspaceId,
    secrets: &str,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), Unmoved> {
    log.close();
    let data_dir = log.data_dir();
    let stage = data_dir.join(STAGE);
    let mut conn = schema::LOG.open(&data_dir.join("log.db"))?;
    if has(&conn, workspace)? {
        return Err(Unmoved::Exists(workspace.clone()));
    }
    begin(&stage, workspace, secrets)?;
    keys(data_dir, &stage, workspace, secrets)?;
    beside(&stage, data_dir, workspace)?;
    events(&mut conn, &stage, workspace, progress)
}

/// Writes the mark.
fn begin(stage: &Path, workspace: &WorkspaceId, secrets: &str) -> io::Result<()> {
    let mut mark = File::create(stage.join(MARK))?;
    write!(mark, "{workspace}\n{secrets}")?;
    mark.sync_all()?;
    // So is everything else on the stage that is read after a power cut.
    File::open(stage)?.sync_all()?;
    stage.parent().map_or(Ok(()), crate::backup::sync)
}

/// Keys are wrapped on the stage as they are in the installation.
fn keys(
    data_dir: &Path,
    stage: &Path,
    workspace: &WorkspaceId,
    secrets: &str,
) -> Result<(), Unmoved> {
    let conn = schema::KEYS.open(&data_dir.join("keys.db"))?;
    attach(&conn, &stage.join("keys.db"))?;
    let tx = conn.unchecked_transaction()?;
    let no = workspace_number(&tx, workspace)?;
    tx.execute("DELETE FROM keys WHERE workspace = ?1", [no])?;
    tx.execute(
        "INSERT INTO keys SELECT ?1, k.no, k.wrapped, k.key
         FROM other.keys k JOIN other.workspaces w ON w.no = k.workspace WHERE w.id = ?2",
        params![no, workspace.as_str()],
    )?;
    tx.execute(
        "INSERT OR REPLACE INTO secrets SELECT * FROM other.secrets WHERE instr(name, ?1) = 1",
        [secrets],
    )?;
    tx.commit()?;
    Ok(())
}

/// The events with their tree, claims and checkpoints, in one transaction. Numbers of streams and transactions
/// go on after those that are there, in their order.
fn events(
    conn: &mut Connection,
    stage: &Path,
    workspace: &WorkspaceId,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), Unmoved> {
    attach(conn, &stage.join("log.db"))?;
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let highest = |table: &str| {
        let sql = format!("SELECT coalesce(max(no), 0) FROM main.{table}");
        tx.query_row(&sql, [], |row| row.get::<_, i64>(0))
    };
    let (no, streams) = (highest("workspaces")? + 1, highest("streams")?);
    let transactions = highest("transactions")?;
    let sql = "SELECT no, head FROM other.workspaces WHERE id = ?1";
    let (from, head): (i64, i64) =
        tx.query_row(sql, [workspace.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    tx.execute(
        "INSERT INTO workspaces
         SELECT ?1, id, head, time, key, edge FROM other.workspaces WHERE no = ?2",
        [no, from],
    )?;
    tx.execute(
        "INSERT INTO streams SELECT no + ?3, ?1, kind, id, version, key
         FROM other.streams WHERE workspace = ?2 ORDER BY no",
        [no, from, streams],
    )?;
    tx.execute(
        "INSERT INTO transactions
         SELECT no + ?3, ?1, first, last, time, actor, request, correlation, causation, rule
         FROM other.transactions WHERE workspace = ?2 ORDER BY no",
        [no, from, transactions],
    )?;
    let mut after = 0;
    while after < head {
        let to = head.min(after + PAGE);
        tx.prepare_cached(
            "INSERT INTO events
             SELECT NULL, ?1, position, stream + ?3, version, name, schema_version, txn + ?4, key,
                 leaf, payload
             FROM other.events
             WHERE workspace = ?2 AND position > ?5 AND position <= ?6 ORDER BY position",
        )?
        .execute([no, from, streams, transactions, after, to])?;
        progress(to.cast_unsigned(), head.cast_unsigned());
        after = to;
    }
    tx.execute(
        "INSERT INTO claims SELECT ?1, key, scope, stream + ?3
         FROM other.claims WHERE workspace = ?2",
        [no, from, streams],
    )?;
    tx.execute(
        "INSERT INTO checkpoints SELECT ?1, name, position
         FROM other.checkpoints WHERE workspace = ?2",
        [no, from],
    )?;
    tx.execute(
        "INSERT INTO nodes SELECT ?1, level, number, hash FROM other.nodes WHERE workspace = ?2",
        [no, from],
    )?;
    tx.commit()?;
    conn.query_row("PRAGMA main.wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

fn has(log: &Connection, workspace: &WorkspaceId) -> rusqlite::Result<bool> {
    log.query_row("SELECT 1 FROM main.workspaces WHERE id = ?1", [workspace.as_str()], |_| Ok(()))
        .optional()
        .map(|found| found.is_some())
}

/// Undoes in a data directory what an import has begun and not brought into the log. Whether one is to be
/// completed: see [`complete`].
pub(crate) fn settle(data_dir: &Path, log: &Connection) -> Result<bool, OpenError> {
    let stage = data_dir.join(STAGE);
    if !stage.exists() {
        return Ok(false);
    }
    let undo = || -> Result<bool, Unmoved> {
        if let Ok(mark) = fs::read_to_string(stage.join(MARK))
            && let Some((slug, secrets)) = mark.split_once('\n')
            && let Ok(workspace) = WorkspaceId::parse(slug)
        {
            if has(log, &workspace)? {
                return Ok(true);
            }
            take_out(data_dir, &workspace)?;
            take_keys_out(data_dir, &workspace, secrets)?;
            tracing::warn!(workspace.id = %workspace, "an import that was cut off was undone");
        }
        leave(data_dir)?;
        Ok(false)
    };
    undo().map_err(opening)
}

/// Brings to its end an import whose workspace is in the log: whoever was erased there is in the ledger here,
/// and the stage is gone.
pub(crate) fn complete(data_dir: &Path, ledger: &Ledger) -> Result<(), OpenError> {
    ledger.take_over(&data_dir.join(STAGE).join(ledger::FILE))?;
    leave(data_dir).map_err(opening)
}

fn take_keys_out(data_dir: &Path, workspace: &WorkspaceId, secrets: &str) -> Result<(), Unmoved> {
    let conn = schema::KEYS.open(&data_dir.join("keys.db"))?;
    let tx = conn.unchecked_transaction()?;
    let of_workspace = "(SELECT no FROM workspaces WHERE id = ?1)";
    tx.execute(
        &format!("DELETE FROM keys WHERE workspace = {of_workspace}"),
        [workspace.as_str()],
    )?;
    if !secrets.is_empty() {
        tx.execute("DELETE FROM secrets WHERE instr(name, ?1) = 1", [secrets])?;
    }
    tx.commit()?;
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

/// What stands in the way of opening a log.
fn opening(error: Unmoved) -> OpenError {
    match error {
        Unmoved::Open(error) => error,
        Unmoved::Failure(failure) => failure.into(),
        other => crate::Failure::storage("ending an import that was cut off")(other).into(),
    }
}
