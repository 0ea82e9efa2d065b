//! The nodes of the Merkle trees that are kept, so that a proof reads a few hundred hashes however
//! long the log is.
//!
//! Every eighth level is kept ([`crate::tree`]). A node is stored in the transaction of the event
//! that completes it, and never changes. They could all be made from the leaves again, so that a
//! verification compares them and a fault in one is no fault in an event.

use std::ops::Range;

use rusqlite::{Connection, OptionalExtension, params};

use crate::Hash;
use crate::tree::{Edge, Node, span};

/// Stores nodes that were completed.
pub(crate) fn put(conn: &Connection, workspace: i64, nodes: &[Node]) -> rusqlite::Result<()> {
    for Node { level, number, hash } in nodes {
        conn.prepare_cached("INSERT INTO nodes VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            workspace,
            level,
            number.cast_signed(),
            hash
        ])?;
    }
    Ok(())
}

/// Whether these nodes are stored as they are.
pub(crate) fn are_kept(
    conn: &Connection,
    workspace: i64,
    nodes: &[Node],
) -> rusqlite::Result<bool> {
    let sql = "SELECT hash FROM nodes WHERE workspace = ?1 AND level = ?2 AND number = ?3";
    for Node { level, number, hash } in nodes {
        let found: Option<Hash> = conn
            .prepare_cached(sql)?
            .query_row(params![workspace, level, number.cast_signed()], |row| row.get(0))
            .optional()?;
        if found != Some(*hash) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The root over some leaves, counted from 0, as they occur in proofs: the range begins at a
/// multiple of the smallest power of two that is not less than its length. `None` when one of them
/// is missing.
pub(crate) fn subtree(
    conn: &Connection,
    workspace: i64,
    range: Range<u64>,
) -> rusqlite::Result<Option<Hash>> {
    let mut edge = Edge::default();
    let mut done = range.start;
    while done < range.end {
        let (level, end) = stretch(done, range.end);
        let numbers = done / span(level)..end / span(level);
        let hashes = level_of(conn, workspace, level, &numbers)?;
        if hashes.len() as u64 != numbers.end - numbers.start {
            return Ok(None);
        }
        for hash in hashes {
            edge.push_subtree(level, hash);
        }
        done = end;
    }
    Ok(Some(edge.head().root))
}

/// The highest level whose nodes fit between two leaves, and how far they reach.
fn stretch(from: u64, to: u64) -> (u32, u64) {
    let fits = |level: &u32| from.is_multiple_of(span(*level)) && to - from >= span(*level);
    let level = (1..u64::BITS / 8).rev().find(fits).unwrap_or(0);
    // Up to where the next higher level begins to fit, or to the last whole node.
    let (own, above) = (span(level), span(level + 1));
    let (next, last) = ((from / above + 1).saturating_mul(above), to - to % own);
    (level, next.min(last))
}

/// The hashes of some nodes of one level, in order.
fn level_of(
    conn: &Connection,
    workspace: i64,
    level: u32,
    numbers: &Range<u64>,
) -> rusqlite::Result<Vec<Hash>> {
    let (first, last) = (numbers.start.cast_signed(), numbers.end.cast_signed() - 1);
    if level == 0 {
        let sql = "SELECT leaf FROM events WHERE workspace = ?1 AND position BETWEEN ?2 AND ?3
                   ORDER BY position";
        let mut leaves = conn.prepare_cached(sql)?;
        return leaves
            .query_map(params![workspace, first + 1, last + 1], |row| row.get(0))?
            .collect();
    }
    let sql = "SELECT hash FROM nodes WHERE workspace = ?1 AND level = ?2
                   AND number BETWEEN ?3 AND ?4 ORDER BY number";
    let mut nodes = conn.prepare_cached(sql)?;
    nodes.query_map(params![workspace, level, first, last], |row| row.get(0))?.collect()
}

/// Adds the nodes to a log that was written before they were kept. Reads every leaf, once.
pub(crate) fn make(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(
        "CREATE TABLE nodes (
            workspace INTEGER NOT NULL,
            level     INTEGER NOT NULL,
            number    INTEGER NOT NULL,
            hash      BLOB NOT NULL,
            PRIMARY KEY (workspace, level, number)
        ) STRICT, WITHOUT ROWID;",
    )?;
    let mut workspaces = conn.prepare("SELECT no FROM workspaces")?;
    let workspaces: Vec<i64> =
        workspaces.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let sql = "SELECT leaf FROM events WHERE workspace = ?1 ORDER BY position";
    let mut leaves = conn.prepare(sql)?;
    for workspace in workspaces {
        let mut edge = Edge::default();
        let mut rows = leaves.query([workspace])?;
        while let Some(row) = rows.next()? {
            let mut completed = Vec::new();
            edge.push_noting(row.get(0)?, &mut completed);
            put(conn, workspace, &completed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof;
    use crate::schema;
    use tempfile::TempDir;

    const SIZE: u64 = 66_600;

    fn leaf(position: u64) -> Hash {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&position.to_be_bytes());
        hash
    }

    /// A log of version 1 with nothing but leaves in it.
    fn old_log() -> (TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
        let conn = schema::LOG.open(&path).unwrap();
        conn.execute_batch(
            "DROP TABLE nodes; DROP INDEX events_by_name; DROP INDEX transactions_by_actor;
             PRAGMA user_version = 1; BEGIN;",
        )
        .unwrap();
        conn.execute_batch(
            "INSERT INTO workspaces VALUES (1, 'acme', 0, 0, 0, x''), (2, 'b', 0, 0, 0, x'')",
        )
        .unwrap();
        let sql = "INSERT INTO events VALUES (NULL, ?1, ?2, ?1, ?2, 'x', 1, 1, NULL, ?3, x'')";
        for (workspace, size) in [(1, SIZE), (2, 300)] {
            for position in 1..=size {
                let leaf = leaf(position * workspace);
                conn.prepare_cached(sql)
                    .unwrap()
                    .execute(params![workspace.cast_signed(), position.cast_signed(), leaf])
                    .unwrap();
            }
        }
        conn.execute_batch("COMMIT").unwrap();
        (dir, path)
    }

    fn root(range: Range<u64>) -> Hash {
        let mut edge = Edge::default();
        range.for_each(|index| edge.push(leaf(index + 1)));
        edge.head().root
    }

    #[test]
    fn an_older_log_gets_its_nodes_and_every_subtree_of_a_proof_is_what_its_leaves_make() {
        let (_dir, path) = old_log();
        let conn = schema::LOG.open(&path).unwrap();
        let kept: i64 = conn.query_row("SELECT count(*) FROM nodes", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 260 + 1 + 1);
        for (index, size) in [(0, SIZE), (65_535, SIZE), (65_537, SIZE), (66_599, SIZE), (3, 70)] {
            for range in proof::inclusion(index, size).unwrap() {
                assert_eq!(subtree(&conn, 1, range.clone()).unwrap(), Some(root(range)));
            }
        }
        for (before, size) in [(255, SIZE), (65_536, SIZE), (65_999, SIZE), (300, 301)] {
            for range in proof::consistency(before, size).unwrap() {
                assert_eq!(subtree(&conn, 1, range.clone()).unwrap(), Some(root(range)));
            }
        }
        for size in [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, SIZE] {
            assert_eq!(subtree(&conn, 1, 0..size).unwrap(), Some(root(0..size)), "{size}");
        }
        assert_eq!(subtree(&conn, 2, 0..301).unwrap(), None);
        // A second opening changes nothing.
        drop(conn);
        schema::LOG.open(&path).unwrap();
    }
}
