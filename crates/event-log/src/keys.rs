//! Data keys and small secrets, in `keys.db` beside the log.
//!
//! Every key has a number of its workspace that is never given out twice: the event that it seals
//! names it, so that keys and log can be moved together. Keys are written in blocks, ahead of
//! their use and by a thread of their own: an append then waits for the sync of the log alone, and
//! a stored event never lacks its key. What is left of a block when the process ends stays unused.
//!
//! With a master key, everything in the file is wrapped with it (AES-256-GCM-SIV, bound to
//! workspace and number, or to the secret's name).
//!
//! Invariant: a destroyed key leaves a tombstone, so that what it sealed reads as erased and a
//! restored copy of the key can be told from a key that was lost.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use quick_cache::sync::Cache;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use zeroize::Zeroizing;

use crate::master::MasterKey;
use crate::schema;
use crate::seal::Key;
use crate::sync::lock;
use crate::{Failure, OpenError, WorkspaceId};

/// The secret with which claims are hashed, made when the file is.
const CLAIMS: &str = "claims";

/// The first block of a workspace since the start, in keys; each further one is twice as large.
const BLOCK_MIN: usize = 32;

/// The largest block, in keys: 20,000 new streams a second cost 20 syncs.
const BLOCK_MAX: usize = 1_024;

/// How many keys are kept in memory; about 2 MiB.
const CACHE_KEYS: usize = 16_384;

/// The keys of an installation.
pub struct Keyring {
    store: Arc<Store>,
    /// Asks the thread that makes blocks for one more. `None` once it is to stop.
    wanted: Option<mpsc::Sender<WorkspaceId>>,
    refiller: Option<JoinHandle<()>>,
}

struct Store {
    master: Option<MasterKey>,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    /// The highest number that the log of a workspace names, as found at the start: a keys file
    /// that is older than the log must not give it out again.
    floors: HashMap<WorkspaceId, u64>,
    pools: Mutex<HashMap<WorkspaceId, Pool>>,
    cache: Cache<(WorkspaceId, u64), Key>,
}

/// Keys that are on disk and not in use.
#[derive(Default)]
struct Pool {
    keys: VecDeque<(u64, Key)>,
    /// The size of the last block, in keys.
    block: usize,
    /// Whether a block has been asked for.
    wanted: bool,
}

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    Found(Key),
    /// Destroyed on purpose.
    Erased,
    /// There is no such key, or the master key does not open it.
    Missing,
}

impl Keyring {
    /// Opens the file, and makes it when it is missing. A master key that is given for the first
    /// time wraps what is there.
    pub(crate) fn open(
        path: &Path,
        master_key: Option<&[u8; 32]>,
        floors: HashMap<WorkspaceId, u64>,
    ) -> Result<Self, OpenError> {
        let writer = schema::KEYS.open(path)?;
        let reader = schema::open_reader(path).map_err(storage("opening the keys"))?;
        let store = Arc::new(Store {
            master: master_key.map(MasterKey::new),
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            floors,
            pools: Mutex::default(),
            cache: Cache::new(CACHE_KEYS),
        });
        store.check_master_key()?;
        let (wanted, requests) = mpsc::channel();
        let refiller = std::thread::Builder::new()
            .name("keys".to_owned())
            .spawn({
                let store = Arc::clone(&store);
                move || store.refill_on_request(&requests)
            })
            .map_err(Failure::storage("starting the thread that makes keys"))
            .map_err(OpenError::Failure)?;
        Ok(Self { store, wanted: Some(wanted), refiller: Some(refiller) })
    }

    /// The key under which claims are hashed.
    pub(crate) fn claim_key(&self) -> Result<Zeroizing<[u8; 32]>, Failure> {
        if let Some(key) = self.secret(CLAIMS)?.and_then(|secret| secret.try_into().ok()) {
            return Ok(Zeroizing::new(key));
        }
        let key = random::<32>()?;
        self.set_secret(CLAIMS, &*key)?;
        Ok(key)
    }

    /// A small secret of the installation, such as the digest of a token.
    ///
    /// # Errors
    /// When the file can not be read, or the secret does not open.
    pub fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.store.secret(name)
    }

    /// Keeps a small secret of the installation. It is on disk when this returns.
    ///
    /// # Errors
    /// When the file can not be written.
    pub fn set_secret(&self, name: &str, secret: &[u8]) -> Result<(), Failure> {
        self.store.set_secret(name, secret)
    }

    /// The numbers of a workspace's destroyed keys, in order.
    ///
    /// # Errors
    /// When the file can not be read.
    pub fn erased(&self, workspace: &WorkspaceId) -> Result<Vec<u64>, Failure> {
        self.store.erased(workspace).map_err(storage("listing erased keys"))
    }

    /// Destroys a key: no file holds it when this returns. Its number needs not be in use.
    ///
    /// # Errors
    /// When the file can not be written. The key may then be in it still: erase again.
    pub fn erase(&self, workspace: &WorkspaceId, key: u64) -> Result<(), Failure> {
        self.store.erase(workspace, key)
    }

    /// A key that has never been in use, and its number. It is on disk.
    pub(crate) fn allocate(&self, workspace: &WorkspaceId) -> Result<(u64, Key), Failure> {
        loop {
            let taken = self.store.take(workspace);
            if taken.low
                && let Some(wanted) = &self.wanted
            {
                // A thread that is gone leaves the making to those who find nothing.
                let _ = wanted.send(workspace.clone());
            }
            match taken.key {
                Some((number, key)) => {
                    self.store.cache.insert((workspace.clone(), number), key.clone());
                    return Ok((number, key));
                }
                None => self.store.refill(workspace)?,
            }
        }
    }

    pub(crate) fn lookup(&self, workspace: &WorkspaceId, number: u64) -> Result<Lookup, Failure> {
        self.store.lookup(workspace, number).map_err(storage("reading a key"))
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        self.wanted = None;
        if let Some(refiller) = self.refiller.take() {
            let _ = refiller.join();
        }
        // The connection that closes last only reads, and would leave the WAL as it is.
        if let Err(error) = purge(&lock(&self.store.writer)) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the keys were left in their WAL"
            );
        }
    }
}

/// What was found in a pool.
struct Taken {
    key: Option<(u64, Key)>,
    /// Whether a block is to be made, and nobody has asked for it yet.
    low: bool,
}

impl Store {
    fn refill_on_request(&self, requests: &mpsc::Receiver<WorkspaceId>) {
        for workspace in requests {
            if let Err(failure) = self.refill(&workspace) {
                tracing::error!(
                    workspace.id = %workspace,
                    error = &failure as &dyn std::error::Error,
                    "no data keys could be made ahead"
                );
            }
        }
    }

    fn take(&self, workspace: &WorkspaceId) -> Taken {
        let mut pools = lock(&self.pools);
        // The first ask for a workspace makes its pool, which is empty.
        let pool = pools.entry(workspace.clone()).or_default();
        let key = pool.keys.pop_front();
        let low = key.is_some() && pool.is_low() && !pool.wanted;
        pool.wanted |= low;
        Taken { key, low }
    }

    /// Makes a block, unless somebody has just done so.
    fn refill(&self, workspace: &WorkspaceId) -> Result<(), Failure> {
        let mut conn = lock(&self.writer);
        let block = match lock(&self.pools).entry(workspace.clone()).or_default() {
            pool if pool.is_low() => (pool.block * 2).clamp(BLOCK_MIN, BLOCK_MAX),
            pool => {
                pool.wanted = false;
                return Ok(());
            }
        };
        let made = self.make(&mut conn, workspace, block);
        let mut pools = lock(&self.pools);
        let pool = pools.entry(workspace.clone()).or_default();
        pool.wanted = false;
        pool.keys.extend(made?);
        pool.block = block;
        Ok(())
    }

    fn make(
        &self,
        conn: &mut Connection,
        workspace: &WorkspaceId,
        count: usize,
    ) -> Result<Vec<(u64, Key)>, Failure> {
        let mut keys = Vec::with_capacity(count);
        for _ in 0..count {
            keys.push(random::<32>()?);
        }
        let floor = self.floors.get(workspace).copied().unwrap_or(0);
        self.store_block(conn, workspace, floor, keys).map_err(storage("making data keys"))
    }

    fn store_block(
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
                let (wrapped, bytes) = self.wrap(&key_name(workspace, *number), &**key);
                insert.execute(params![no, number.cast_signed(), wrapped, bytes])?;
            }
        }
        tx.commit()?;
        Ok(block)
    }

    fn lookup(&self, workspace: &WorkspaceId, number: u64) -> rusqlite::Result<Lookup> {
        let name = (workspace.clone(), number);
        if let Some(key) = self.cache.get(&name) {
            return Ok(Lookup::Found(key));
        }
        // The cache is filled while the connection is held: `erase` holds it too, so that no key
        // comes back after it was erased.
        let conn = lock(&self.reader);
        let found: Option<(bool, Option<Vec<u8>>)> = conn
            .prepare_cached(
                "SELECT wrapped, key FROM keys
                 WHERE workspace = (SELECT no FROM workspaces WHERE id = ?1) AND no = ?2",
            )?
            .query_row(params![workspace.as_str(), number.cast_signed()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let (wrapped, bytes) = match found {
            None => return Ok(Lookup::Missing),
            Some((_, None)) => return Ok(Lookup::Erased),
            Some((wrapped, Some(bytes))) => (wrapped, Zeroizing::new(bytes)),
        };
        let opened = self.unwrap(&key_name(workspace, number), wrapped, &bytes);
        let Some(key) = opened.and_then(|key| key.as_slice().try_into().ok()) else {
            return Ok(Lookup::Missing);
        };
        let key = Key::new(key);
        self.cache.insert(name, key.clone());
        Ok(Lookup::Found(key))
    }

    fn erase(&self, workspace: &WorkspaceId, number: u64) -> Result<(), Failure> {
        let doing = "erasing a data key";
        let conn = lock(&self.writer);
        let _reads = lock(&self.reader);
        self.cache.remove(&(workspace.clone(), number));
        let put = || {
            conn.execute(
                "INSERT INTO keys VALUES (?1, ?2, 0, NULL)
                 ON CONFLICT (workspace, no) DO UPDATE SET wrapped = 0, key = NULL",
                params![workspace_number(&conn, workspace)?, number.cast_signed()],
            )
        };
        put().map_err(storage(doing))?;
        purge(&conn).map_err(storage(doing))
    }

    fn erased(&self, workspace: &WorkspaceId) -> rusqlite::Result<Vec<u64>> {
        let conn = lock(&self.reader);
        conn.prepare_cached(
            "SELECT k.no FROM keys k JOIN workspaces w ON w.no = k.workspace
             WHERE w.id = ?1 AND k.key IS NULL ORDER BY k.no",
        )?
        .query_map([workspace.as_str()], |row| row.get(0).map(i64::cast_unsigned))?
        .collect()
    }

    fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let doing = "reading a secret";
        let found = stored_secret(&lock(&self.reader), name).map_err(storage(doing))?;
        let Some((wrapped, bytes)) = found else { return Ok(None) };
        match self.unwrap(&secret_name(name), wrapped, &bytes) {
            Some(secret) => Ok(Some(secret.to_vec())),
            None => Err(Failure::storage(doing)(WrongMasterKey)),
        }
    }

    fn set_secret(&self, name: &str, secret: &[u8]) -> Result<(), Failure> {
        let (wrapped, bytes) = self.wrap(&secret_name(name), secret);
        lock(&self.writer)
            .execute(
                "INSERT INTO secrets VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET wrapped = ?2, secret = ?3",
                params![name, wrapped, bytes],
            )
            .map(drop)
            .map_err(storage("keeping a secret"))
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

impl Store {
    /// Finds out whether the master key is the one of the file, and wraps a file that had none.
    fn check_master_key(&self) -> Result<(), OpenError> {
        let mut conn = lock(&self.writer);
        let failed = storage("opening the keys");
        // A crash may have kept what an erasure left in the WAL.
        purge(&conn).map_err(&failed)?;
        let secret = stored_secret(&conn, CLAIMS).map_err(&failed)?;
        match (secret, &self.master) {
            (Some((true, _)), None) => Err(OpenError::MasterKeyNeeded),
            (Some((true, bytes)), Some(master)) => master
                .unwrap(&secret_name(CLAIMS), &bytes)
                .map(drop)
                .ok_or(OpenError::MasterKeyWrong),
            (Some((false, _)), Some(master)) => {
                let wrapped = wrap_all(&mut conn, master).and_then(|()| purge(&conn));
                Ok(wrapped.map_err(storage("wrapping the keys with the master key"))?)
            }
            (None, _) | (Some((false, _)), None) => Ok(()),
        }
    }
}

impl Pool {
    /// Whether half of the last block is gone: a new one is then made while the rest is used.
    fn is_low(&self) -> bool {
        self.keys.len() <= self.block / 2
    }
}

/// A secret was wrapped with another master key, or somebody changed it.
#[derive(Debug, thiserror::Error)]
#[error("the master key does not open it")]
struct WrongMasterKey;

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
        let key = master.wrap(&format!("key|{workspace}|{number}"), &Zeroizing::new(key));
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

/// Brings everything from the WAL into the file and empties it, so that no old page stays.
fn purge(conn: &Connection) -> rusqlite::Result<()> {
    let busy: bool = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy {
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        return Err(rusqlite::Error::SqliteFailure(busy, None));
    }
    Ok(())
}

fn stored_secret(conn: &Connection, name: &str) -> rusqlite::Result<Option<(bool, Vec<u8>)>> {
    conn.query_row("SELECT wrapped, secret FROM secrets WHERE name = ?1", [name], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
    .optional()
}

/// The file's own number of a workspace.
fn workspace_number(conn: &Connection, workspace: &WorkspaceId) -> rusqlite::Result<i64> {
    conn.prepare_cached("INSERT INTO workspaces (id) VALUES (?1) ON CONFLICT DO NOTHING")?
        .execute([workspace.as_str()])?;
    conn.prepare_cached("SELECT no FROM workspaces WHERE id = ?1")?
        .query_row([workspace.as_str()], |row| row.get(0))
}

fn key_name(workspace: &WorkspaceId, number: u64) -> String {
    format!("key|{workspace}|{number}")
}

fn secret_name(name: &str) -> String {
    format!("secret|{name}")
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, Failure> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes).map_err(Failure::storage("asking the system for randomness"))?;
    Ok(bytes)
}

fn storage(doing: &'static str) -> impl Fn(rusqlite::Error) -> Failure {
    Failure::storage(doing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use tempfile::TempDir;

    struct Dir(TempDir);

    impl Dir {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("keys.db")
        }

        fn open(&self, master_key: Option<&[u8; 32]>) -> Result<Keyring, OpenError> {
            Keyring::open(&self.path(), master_key, HashMap::new())
        }

        fn holds(&self, needle: &[u8]) -> bool {
            std::fs::read_dir(self.0.path()).unwrap().any(|file| {
                let bytes = std::fs::read(file.unwrap().path()).unwrap();
                bytes.windows(needle.len()).any(|window| window == needle)
            })
        }
    }

    fn acme() -> WorkspaceId {
        WorkspaceId::parse("acme").unwrap()
    }

    #[test]
    fn a_number_is_never_given_out_twice() {
        let dir = Dir::new();
        let mut all = Vec::new();
        for _ in 0..3 {
            let keyring = dir.open(None).unwrap();
            all.extend((0..100).map(|_| keyring.allocate(&acme()).unwrap().0));
        }
        assert_eq!(all[..3], [1, 2, 3]);
        assert!(all.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn numbers_go_on_after_those_that_the_log_names() {
        let dir = Dir::new();
        let floors = HashMap::from([(acme(), 5_000)]);
        let keyring = Keyring::open(&dir.path(), None, floors).unwrap();
        assert_eq!(keyring.allocate(&acme()).unwrap().0, 5_001);
        assert_eq!(keyring.lookup(&acme(), 5_000).unwrap(), Lookup::Missing);
    }

    #[test]
    fn workspaces_number_their_keys_apart() {
        let keyring = Dir::new();
        let keyring = keyring.open(None).unwrap();
        let other = WorkspaceId::parse("other").unwrap();
        assert_eq!(keyring.allocate(&acme()).unwrap().0, 1);
        assert_eq!(keyring.allocate(&other).unwrap().0, 1);
        assert_ne!(keyring.lookup(&acme(), 1).unwrap(), keyring.lookup(&other, 1).unwrap());
    }

    #[test]
    fn many_threads_get_different_keys() {
        let dir = Dir::new();
        let keyring = dir.open(None).unwrap();
        let mut all: Vec<u64> = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| {
                scope.spawn(|| {
                    (0..500).map(|_| keyring.allocate(&acme()).unwrap().0).collect::<Vec<_>>()
                })
            });
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 2_000);
    }

    #[test]
    fn a_key_is_found_again_after_a_restart() {
        for master_key in [None, Some(&[3; 32])] {
            let dir = Dir::new();
            let (number, key) = dir.open(master_key).unwrap().allocate(&acme()).unwrap();
            assert_eq!(dir.holds(&*key), master_key.is_none());
            let keyring = dir.open(master_key).unwrap();
            assert_eq!(keyring.lookup(&acme(), number).unwrap(), Lookup::Found(key));
        }
    }

    #[test]
    fn an_erased_key_is_in_no_file_and_leaves_a_tombstone() {
        let dir = Dir::new();
        let keyring = dir.open(None).unwrap();
        let (number, key) = keyring.allocate(&acme()).unwrap();
        let (_, kept) = keyring.allocate(&acme()).unwrap();
        keyring.erase(&acme(), number).unwrap();
        assert_eq!(keyring.lookup(&acme(), number).unwrap(), Lookup::Erased);
        assert_eq!(keyring.erased(&acme()).unwrap(), [number]);
        assert!(!dir.holds(&*key) && dir.holds(&*kept));
        drop(keyring);
        assert_eq!(dir.open(None).unwrap().lookup(&acme(), number).unwrap(), Lookup::Erased);
        assert!(!dir.holds(&*key) && dir.holds(&*kept));
    }

    #[test]
    fn a_secret_is_kept_and_replaced() {
        for master_key in [None, Some(&[3; 32])] {
            let dir = Dir::new();
            let keyring = dir.open(master_key).unwrap();
            assert_eq!(keyring.secret("admin").unwrap(), None);
            keyring.set_secret("admin", b"first").unwrap();
            keyring.set_secret("admin", b"second").unwrap();
            drop(keyring);
            let keyring = dir.open(master_key).unwrap();
            assert_eq!(keyring.secret("admin").unwrap().unwrap(), b"second");
        }
    }

    #[test]
    fn the_claim_key_is_made_once() {
        let dir = Dir::new();
        let key = dir.open(None).unwrap().claim_key().unwrap();
        assert_eq!(dir.open(None).unwrap().claim_key().unwrap(), key);
    }

    #[test]
    fn a_master_key_given_later_wraps_what_is_there() {
        let dir = Dir::new();
        let keyring = dir.open(None).unwrap();
        let claims = keyring.claim_key().unwrap();
        let (number, key) = keyring.allocate(&acme()).unwrap();
        drop(keyring);

        let keyring = dir.open(Some(&[3; 32])).unwrap();
        assert!(!dir.holds(&*key) && !dir.holds(&*claims));
        assert_eq!(keyring.claim_key().unwrap(), claims);
        assert_eq!(keyring.lookup(&acme(), number).unwrap(), Lookup::Found(key));
        drop(keyring);

        assert!(matches!(dir.open(None), Err(OpenError::MasterKeyNeeded)));
        assert!(matches!(dir.open(Some(&[4; 32])), Err(OpenError::MasterKeyWrong)));
    }
}
