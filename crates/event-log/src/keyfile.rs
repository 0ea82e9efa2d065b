//! The file `keys.db`.
//!
//! With a master key, everything in it is wrapped (AES-256-GCM-SIV, bound to workspace and number,
//! or to the secret's name).
//!
//! Invariant: a destroyed key leaves a tombstone, so that what it sealed reads as erased and a
//! restored copy of the key can be told from a key that was lost.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Mutex;

use quick_cache::sync::Cache;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use zeroize::Zeroizing;

use crate::keys::Lookup;
use crate::master::MasterKey;
use crate::seal::Key;
use crate::sync::lock;
use crate::{Failure, OpenError, WorkspaceId, schema};

/// The secret with which claims are hashed. Every file has it, so that it also tells whether a
/// master key is the right one.
pub(crate) const CLAIMS: &str = "event-log.claims";

/// How many keys are kept in memory; about 2 MiB.
const CACHE_KEYS: usize = 16_384;

/// From how many keys on they are looked for as one span.
const SPAN_MIN: usize = 8;

/// How many keys of the span there may be for one that is wanted.
const SPAN_SPARSE: u64 = 8;

pub(crate) struct KeyFile {
    master: Option<MasterKey>,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    cache: Cache<(WorkspaceId, u64), Key>,
}

impl KeyFile {
    /// Opens the file, and makes it when it is missing. A master key that is given for the first
    /// time wraps what is there.
    pub(crate) fn open(path: &Path, master_key: Option<&[u8; 32]>) -> Result<Self, OpenError> {
        let mut writer = schema::KEYS.open(path)?;
        let reader = schema::open_reader(path).map_err(storage("opening the keys"))?;
        let master = master_key.map(MasterKey::new);
        check_master_key(&mut writer, master.as_ref())?;
        let (writer, reader) = (Mutex::new(writer), Mutex::new(reader));
        Ok(Self { master, writer, reader, cache: Cache::new(CACHE_KEYS) })
    }

    /// Writes keys under the next free numbers above `floor`. They are on disk when this returns.
    pub(crate) fn put_block(
        &self,
        workspace: &WorkspaceId,
        floor: u64,
        keys: Vec<Key>,
    ) -> Result<Vec<(u64, Key)>, Failure> {
        let mut conn = lock(&self.writer);
        self.try_put_block(&mut conn, workspace, floor, keys).map_err(storage("making data keys"))
    }

    fn try_put_block(
        &self,
        conn: &mut Connection,
        workspace: &WorkspaceId,
        floor: u64,
        keys: Vec<Key>,
    ) -> rusqlite::Result<Vec<(u64, Key)>> {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let no = workspace_number(&tx, workspace)?;
        let highest: i64 = tx.query_row(
            "SELECT coalesce(max(no), 0) FROM keys WHERE workspace = ?1",
            [no],
            |row| row.get(0),
        )?;
        let first = highest.cast_unsigned().max(floor) + 1;
        let block: Vec<_> = (first..).zip(keys).collect();
        {
            let mut insert = tx.prepare_cached("INSERT INTO keys VALUES (?1, ?2, ?3, ?4)")?;
            for (number, key) in &block {
                let (wrapped, bytes) = self.wrap(&key_name(workspace.as_str(), *number), &**key);
                insert.execute(params![no, number.cast_signed(), wrapped, bytes])?;
            }
        }
        tx.commit()?;
        Ok(block)
    }

    /// Keeps in memory a key that was just taken into use.
    pub(crate) fn remember(&self, workspace: &WorkspaceId, number: u64, key: &Key) {
        self.cache.insert((workspace.clone(), number), key.clone());
    }

    pub(crate) fn lookup(&self, workspace: &WorkspaceId, number: u64) -> Result<Lookup, Failure> {
        let name = (workspace.clone(), number);
        if let Some(key) = self.cache.get(&name) {
            return Ok(Lookup::Found(key));
        }
        // The cache is filled while the connection is held: `erase` holds it too, so that no key
        // comes back after it was erased.
        let conn = lock(&self.reader);
        let found = stored_key(&conn, workspace, number).map_err(storage("reading a key"))?;
        let Some((wrapped, bytes)) = found else { return Ok(Lookup::Missing) };
        let found = self.open_key(workspace, number, wrapped, bytes);
        if let Lookup::Found(key) = &found {
            self.cache.insert(name, key.clone());
        }
        Ok(found)
    }

    /// Looks for the keys of many events at once.
    ///
    /// Events that follow each other were mostly sealed with keys that do, so that one span of the
    /// table has them all, at a tenth of the cost. The cache is left to those who append.
    pub(crate) fn lookup_all(
        &self,
        workspace: &WorkspaceId,
        numbers: &BTreeSet<u64>,
    ) -> Result<HashMap<u64, Lookup>, Failure> {
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
            return Ok(HashMap::new());
        };
        let span = last - first;
        if numbers.len() < SPAN_MIN || span / SPAN_SPARSE > numbers.len() as u64 {
            let lookup = |number: &u64| Ok((*number, self.lookup(workspace, *number)?));
            return numbers.iter().map(lookup).collect();
        }
        let conn = lock(&self.reader);
        let list = || {
            conn.prepare_cached(
                "SELECT no, wrapped, key FROM keys
                 WHERE workspace = (SELECT no FROM workspaces WHERE id = ?1)
                     AND no BETWEEN ?2 AND ?3",
            )?
            .query_map(
                params![workspace.as_str(), first.cast_signed(), last.cast_signed()],
                |row| {
                    let number = row.get::<_, i64>(0)?.cast_unsigned();
                    Ok((number, self.open_key(workspace, number, row.get(1)?, row.get(2)?)))
                },
            )?
            .collect::<rusqlite::Result<_>>()
        };
        list().map_err(storage("reading keys"))
    }

    fn open_key(
        &self,
        workspace: &WorkspaceId,
        number: u64,
        wrapped: bool,
        bytes: Option<Vec<u8>>,
    ) -> Lookup {
        let Some(bytes) = bytes.map(Zeroizing::new) else { return Lookup::Erased };
        let opened = self.unwrap(&key_name(workspace.as_str(), number), wrapped, &bytes);
        match opened.and_then(|key| key.as_slice().try_into().ok()) {
            Some(key) => Lookup::Found(Key::new(key)),
            None => Lookup::Missing,
        }
    }

    /// Destroys keys: no file holds them when this returns. Returns how many were not destroyed before.
    pub(crate) fn erase(
        &self,
        workspace: &WorkspaceId,
        numbers: &BTreeSet<u64>,
    ) -> Result<usize, Failure> {
        let doing = "erasing data keys";
        let mut conn = lock(&self.writer);
        let _reads = lock(&self.reader);
        for number in numbers {
            self.cache.remove(&(workspace.clone(), *number));
        }
        let destroyed = put_tombstones(&mut conn, workspace, numbers).map_err(storage(doing))?;
        // Also where there was nothing left to destroy: a crash may have come before this.
        purge(&conn).map_err(storage(doing))?;
        Ok(destroyed)
    }

    /// The numbers of a workspace's destroyed keys, in order.
    pub(crate) fn erased(&self, workspace: &WorkspaceId) -> Result<Vec<u64>, Failure> {
        let conn = lock(&self.reader);
        let list = || {
            conn.prepare_cached(
                "SELECT k.no FROM keys k JOIN workspaces w ON w.no = k.workspace
                 WHERE w.id = ?1 AND k.key IS NULL ORDER BY k.no",
            )?
            .query_map([workspace.as_str()], |row| row.get(0).map(i64::cast_unsigned))?
            .collect::<rusqlite::Result<Vec<_>>>()
        };
        list().map_err(storage("listing erased keys"))
    }

    pub(crate) fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let doing = "reading a secret";
        let found = stored_secret(&lock(&self.reader), name).map_err(storage(doing))?;
        let Some((wrapped, bytes)) = found else { return Ok(None) };
        match self.unwrap(&secret_name(name), wrapped, &bytes) {
            Some(secret) => Ok(Some(secret.to_vec())),
            None => Err(Failure::storage(doing)(DoesNotOpen)),
        }
    }

    pub(crate) fn set_secret(&self, name: &str, secret: &[u8]) -> Result<(), Failure> {
        let (wrapped, bytes) = self.wrap(&secret_name(name), secret);
        self.change_secret(
            "keeping a secret",
            "INSERT INTO secrets VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET wrapped = ?2, secret = ?3",
            params![name, wrapped, bytes],
        )
    }

    pub(crate) fn secret_names(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let conn = lock(&self.reader);
        let list = || {
            conn.prepare_cached("SELECT name FROM secrets WHERE instr(name, ?1) = 1")?
                .query_map([prefix], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        list().map_err(storage("listing secrets"))
    }

    /// Destroys a secret: no file holds it when this returns.
    pub(crate) fn forget_secret(&self, name: &str) -> Result<(), Failure> {
        let delete = "DELETE FROM secrets WHERE name = ?1";
        self.change_secret("forgetting a secret", delete, params![name])
    }

    /// What was there before is in no file afterwards.
    fn change_secret(
        &self,
        doing: &'static str,
        sql: &str,
        params: &[&dyn rusqlite::ToSql],
    ) -> Result<(), Failure> {
        let conn = lock(&self.writer);
        let _reads = lock(&self.reader);
        conn.execute(sql, params).map_err(storage(doing))?;
        purge(&conn).map_err(storage(doing))
    }

    /// Brings everything into the file itself: the connection that closes last only reads, and
    /// would leave the WAL as it is.
    pub(crate) fn close(&self) {
        if let Err(error) = purge(&lock(&self.writer)) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the keys were left in their WAL"
            );
        }
    }

    fn wrap(&self, name: &str, bytes: &[u8]) -> (bool, Vec<u8>) {
        match &self.master {
            Some(master) => (true, master.wrap(name, bytes)),
            None => (false, bytes.to_vec()),
        }
    }

    /// `None` when the master key does not open it, or there is none.
    fn unwrap(&self, name: &str, wrapped: bool, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match &self.master {
            _ if !wrapped => Some(Zeroizing::new(bytes.to_vec())),
            Some(master) => master.unwrap(name, bytes),
            None => None,
        }
    }
}

/// Destroys keys in a file that nobody has open. No master key is needed. Returns how many were not
/// destroyed before.
pub(crate) fn destroy(
    path: &Path,
    keys: &BTreeMap<WorkspaceId, BTreeSet<u64>>,
) -> Result<usize, OpenError> {
    let doing = "erasing data keys";
    let mut conn = schema::KEYS.open(path)?;
    let mut destroyed = 0;
    for (workspace, numbers) in keys {
        destroyed += put_tombstones(&mut conn, workspace, numbers).map_err(storage(doing))?;
    }
    purge(&conn).map_err(storage(doing))?;
    Ok(destroyed)
}

/// Leaves a tombstone in the place of each key, whether there was one or not.
fn put_tombstones(
    conn: &mut Connection,
    workspace: &WorkspaceId,
    numbers: &BTreeSet<u64>,
) -> rusqlite::Result<usize> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let no = workspace_number(&tx, workspace)?;
    let mut destroyed = 0;
    for number in numbers {
        destroyed += tx
            .prepare_cached(
                "INSERT INTO keys VALUES (?1, ?2, 0, NULL)
                 ON CONFLICT (workspace, no) DO UPDATE SET wrapped = 0, key = NULL
                     WHERE key IS NOT NULL",
            )?
            .execute(params![no, number.cast_signed()])?;
    }
    tx.commit()?;
    Ok(destroyed)
}

/// A secret was wrapped with another master key, or somebody changed it.
#[derive(Debug, thiserror::Error)]
#[error("the master key does not open it")]
struct DoesNotOpen;

/// Finds out whether the master key is the one of the file, and wraps a file that had none.
fn check_master_key(conn: &mut Connection, master: Option<&MasterKey>) -> Result<(), OpenError> {
    let failed = storage("opening the keys");
    // A crash may have kept what an erasure left in the WAL.
    purge(conn).map_err(&failed)?;
    let secret = stored_secret(conn, CLAIMS).map_err(&failed)?;
    match (secret, master) {
        (Some((true, _)), None) => Err(OpenError::MasterKeyNeeded),
        (Some((true, bytes)), Some(master)) => {
            master.unwrap(&secret_name(CLAIMS), &bytes).map(drop).ok_or(OpenError::MasterKeyWrong)
        }
        (Some((false, _)), Some(master)) => {
            let done = wrap_all(conn, master).and_then(|()| purge(conn));
            Ok(done.map_err(storage("wrapping the keys with the master key"))?)
        }
        (None, _) | (Some((false, _)), None) => Ok(()),
    }
}

/// Wraps what lies open.
fn wrap_all(conn: &mut Connection, master: &MasterKey) -> rusqlite::Result<()> {
    type Open<N> = Vec<(N, Vec<u8>)>;
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let keys: Open<(i64, String, i64)> = tx
        .prepare(
            "SELECT w.no, w.id, k.no, k.key FROM keys k JOIN workspaces w ON w.no = k.workspace
             WHERE k.wrapped = 0 AND k.key IS NOT NULL",
        )?
        .query_map([], |row| Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?)))?
        .collect::<Result<_, _>>()?;
    for ((no, workspace, number), key) in keys {
        let name = key_name(&workspace, number.cast_unsigned());
        let key = master.wrap(&name, &Zeroizing::new(key));
        tx.prepare_cached(
            "UPDATE keys SET wrapped = 1, key = ?3 WHERE workspace = ?1 AND no = ?2",
        )?
        .execute(params![no, number, key])?;
    }
    let secrets: Open<String> = tx
        .prepare("SELECT name, secret FROM secrets WHERE wrapped = 0")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (name, secret) in secrets {
        let secret = master.wrap(&secret_name(&name), &Zeroizing::new(secret));
        tx.execute(
            "UPDATE secrets SET wrapped = 1, secret = ?2 WHERE name = ?1",
            params![name, secret],
        )?;
    }
    tx.commit()
}

/// The first of these keys that is not in a file that is only read, or that does not open. One that was
/// destroyed on purpose is there.
pub(crate) fn first_missing(
    conn: &Connection,
    master: Option<&MasterKey>,
    workspace: &WorkspaceId,
    numbers: &BTreeSet<u64>,
) -> rusqlite::Result<Option<u64>> {
    for number in numbers {
        let is_there = match stored_key(conn, workspace, *number)? {
            None => false,
            Some((_, None) | (false, Some(_))) => true,
            Some((true, Some(bytes))) => master.is_some_and(|master| {
                master.unwrap(&key_name(workspace.as_str(), *number), &bytes).is_some()
            }),
        };
        if !is_there {
            return Ok(Some(*number));
        }
    }
    Ok(None)
}

/// The secret with which claims are hashed, of a file that is only read; `None` when there is none, or the
/// master key does not open it.
pub(crate) fn claims_secret(
    conn: &Connection,
    master: Option<&MasterKey>,
) -> rusqlite::Result<Option<Zeroizing<Vec<u8>>>> {
    let Some((wrapped, bytes)) = stored_secret(conn, CLAIMS)? else { return Ok(None) };
    Ok(match master {
        _ if !wrapped => Some(Zeroizing::new(bytes)),
        Some(master) => master.unwrap(&secret_name(CLAIMS), &bytes),
        None => None,
    })
}

/// Brings everything from the WAL into the file and empties it, so that no old page stays. Fails where somebody
/// still reads one.
pub(crate) fn purge(conn: &Connection) -> rusqlite::Result<()> {
    let busy: bool = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy {
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        return Err(rusqlite::Error::SqliteFailure(busy, None));
    }
    Ok(())
}

/// Whether a key is wrapped, and its bytes; without them it was destroyed.
type StoredKey = (bool, Option<Vec<u8>>);

fn stored_key(
    conn: &Connection,
    workspace: &WorkspaceId,
    number: u64,
) -> rusqlite::Result<Option<StoredKey>> {
    conn.prepare_cached(
        "SELECT wrapped, key FROM keys
         WHERE workspace = (SELECT no FROM workspaces WHERE id = ?1) AND no = ?2",
    )?
    .query_row(params![workspace.as_str(), number.cast_signed()], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
    .optional()
}

fn stored_secret(conn: &Connection, name: &str) -> rusqlite::Result<Option<(bool, Vec<u8>)>> {
    conn.query_row("SELECT wrapped, secret FROM secrets WHERE name = ?1", [name], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
    .optional()
}

/// The file's own number of a workspace.
pub(crate) fn workspace_number(
    conn: &Connection,
    workspace: &WorkspaceId,
) -> rusqlite::Result<i64> {
    conn.prepare_cached("INSERT INTO workspaces (id) VALUES (?1) ON CONFLICT DO NOTHING")?
        .execute([workspace.as_str()])?;
    conn.prepare_cached("SELECT no FROM workspaces WHERE id = ?1")?
        .query_row([workspace.as_str()], |row| row.get(0))
}

pub(crate) fn key_name(workspace: &str, number: u64) -> String {
    format!("key|{workspace}|{number}")
}

pub(crate) fn secret_name(name: &str) -> String {
    format!("secret|{name}")
}

fn storage(doing: &'static str) -> impl Fn(rusqlite::Error) -> Failure {
    Failure::storage(doing)
}
