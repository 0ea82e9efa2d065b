//! Data keys and secrets, unwrapped where they come from and wrapped anew where they go.
//!
//! Numbers stay, since events name them, and so does what was destroyed: a tombstone is a key that says that
//! there is none.

use std::path::Path;

use rusqlite::{Connection, params};
use zeroize::Zeroizing;

use super::Unmoved;
use crate::keyfile::{key_name, secret_name, workspace_number};
use crate::{MasterKey, WorkspaceId, schema};

/// How many keys are read at a time, so that no read keeps a destroyed key in the write-ahead log.
const PAGE: i64 = 4_096;

/// The `keys.db` of a directory, and what wraps the keys in it.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    /// The directory.
    pub dir: &'a Path,
    /// A master key, or the key of a transfer.
    pub wrapped_with: Option<&'a [u8; 32]>,
}

/// A key as it is stored: number, whether it is wrapped, and its bytes unless it was destroyed.
type Stored = (i64, bool, Option<Vec<u8>>);

/// Copies the data keys of a workspace, and the secrets whose names begin with a prefix, from one file,
/// which may be in use, to another, which is made when it is missing.
///
/// # Errors
/// [`Unmoved::KeyClosed`] and [`Unmoved::SecretClosed`] when something was wrapped with another key.
pub fn keys(
    from: Keys<'_>,
    into: Keys<'_>,
    workspace: &WorkspaceId,
    secrets: &str,
) -> Result<(), Unmoved> {
    let source = schema::open_reader(&from.dir.join("keys.db"))?;
    let target = schema::KEYS.open(&into.dir.join("keys.db"))?;
    let opens = from.wrapped_with.map(MasterKey::new);
    let wraps = into.wrapped_with.map(MasterKey::new);
    let again = |name: &str, wrapped: bool, bytes: &[u8]| {
        let open = match &opens {
            _ if !wrapped => Zeroizing::new(bytes.to_vec()),
            Some(master) => master.unwrap(name, bytes)?,
            None => return None,
        };
        Some(match &wraps {
            Some(master) => (true, master.wrap(name, &open)),
            None => (false, open.to_vec()),
        })
    };
    let tx = target.unchecked_transaction()?;
    let no = workspace_number(&tx, workspace)?;
    let mut after = 0;
    loop {
        let page = page(&source, workspace, after)?;
        let Some((last, ..)) = page.last() else { break };
        after = *last;
        for (number, wrapped, bytes) in page {
            let key = number.cast_unsigned();
            let moved = match bytes.map(Zeroizing::new) {
                None => (false, None),
                Some(bytes) => again(&key_name(workspace.as_str(), key), wrapped, &bytes)
                    .map(|(wrapped, bytes)| (wrapped, Some(bytes)))
                    .ok_or_else(|| Unmoved::KeyClosed { workspace: workspace.clone(), key })?,
            };
            tx.prepare_cached("INSERT OR REPLACE INTO keys VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![no, number, moved.0, moved.1])?;
        }
    }
    for (name, wrapped, bytes) in secrets_of(&source, secrets)? {
        let bytes = Zeroizing::new(bytes);
        let (wrapped, secret) =
            again(&secret_name(&name), wrapped, &bytes).ok_or(Unmoved::SecretClosed)?;
        tx.execute(
            "INSERT OR REPLACE INTO secrets VALUES (?1, ?2, ?3)",
            params![name, wrapped, secret],
        )?;
    }
    tx.commit()?;
    Ok(())
}

fn page(conn: &Connection, workspace: &WorkspaceId, after: i64) -> rusqlite::Result<Vec<Stored>> {
    conn.prepare_cached(
        "SELECT no, wrapped, key FROM keys
         WHERE workspace = (SELECT no FROM workspaces WHERE id = ?1) AND no > ?2
         ORDER BY no LIMIT ?3",
    )?
    .query_map(params![workspace.as_str(), after, PAGE], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?
    .collect()
}

fn secrets_of(conn: &Connection, prefix: &str) -> rusqlite::Result<Vec<(String, bool, Vec<u8>)>> {
    conn.prepare_cached("SELECT name, wrapped, secret FROM secrets WHERE instr(name, ?1) = 1")?
        .query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect()
}
