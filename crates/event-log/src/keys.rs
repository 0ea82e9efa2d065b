//! Data keys, in `keys.db` beside the log.
//!
//! Every key has a number of its workspace that is never given out twice: the event that it seals
//! names it, so that keys and log can be moved together. Keys are written in blocks, ahead of
//! their use and by a thread of their own: an append then waits for the sync of the log alone, and
//! a stored event never lacks its key. What is left of a block when the process ends stays unused.
//!
//! The same file keeps the small secrets of the installation.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use zeroize::Zeroizing;

use crate::keyfile::{CLAIMS, KeyFile};
use crate::seal::Key;
use crate::sync::lock;
use crate::{Failure, OpenError, WorkspaceId};

/// The first block of a workspace since the start, in keys; each further one is twice as large.
const BLOCK_MIN: usize = 32;

/// The largest block, in keys: 20,000 new streams a second cost 20 syncs.
const BLOCK_MAX: usize = 1_024;

/// The keys of an installation.
pub struct Keyring {
    store: Arc<Store>,
    /// Asks the thread that makes blocks for one more. `None` once it is to stop.
    wanted: Option<mpsc::Sender<WorkspaceId>>,
    refiller: Option<JoinHandle<()>>,
}

struct Store {
    file: KeyFile,
    /// The highest number that the log or the journal of a workspace names, as found at the start: a keys
    /// file that is older than these must not give it out again.
    floors: HashMap<WorkspaceId, u64>,
    pools: Mutex<HashMap<WorkspaceId, Pool>>,
    /// Held while a block is made: whoever waits for it then finds it made.
    making: Mutex<()>,
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
        let file = KeyFile::open(path, master_key)?;
        let (pools, making) = (Mutex::default(), Mutex::default());
        let store = Arc::new(Store { file, floors, pools, making });
        let (wanted, requests) = mpsc::channel();
        let refiller = std::thread::Builder::new()
            .name("keys".to_owned())
            .spawn({
                let store = Arc::clone(&store);
                move || store.refill_on_request(&requests)
            })
            .map_err(Failure::storage("starting the thread that makes keys"))?;
        Ok(Self { store, wanted: Some(wanted), refiller: Some(refiller) })
    }

    /// The key under which claims are hashed.
    pub(crate) fn claim_key(&self) -> Result<Zeroizing<[u8; 32]>, Failure> {
        if let Some(key) = self.secret(CLAIMS)?.and_then(|secret| secret.try_into().ok()) {
            return Ok(Zeroizing::new(key));
        }
        let key = random()?;
        self.set_secret(CLAIMS, &*key)?;
        Ok(key)
    }

    /// A small secret of the installation, such as the digest of a token.
    ///
    /// # Errors
    /// When the file can not be read, or the secret does not open.
    pub fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.store.file.secret(name)
    }

    /// Keeps a small secret of the installation. It is on disk when this returns, and no file holds
    /// the one that it replaces. Names that begin with `event-log.` are the log's own.
    ///
    /// # Errors
    /// When the file can not be written.
    pub fn set_secret(&self, name: &str, secret: &[u8]) -> Result<(), Failure> {
        self.store.file.set_secret(name, secret)
    }

    /// The names of the secrets that begin with a prefix.
    ///
    /// # Errors
    /// When the file can not be read.
    pub fn secret_names(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        self.store.file.secret_names(prefix)
    }

    /// Destroys a secret of the installation: no file holds it when this returns. There needs to be
    /// none.
    ///
    /// # Errors
    /// When the file can not be written. The secret may then be in it still: forget it again.
    pub fn forget_secret(&self, name: &str) -> Result<(), Failure> {
        self.store.file.forget_secret(name)
    }

    /// The numbers of a workspace's destroyed keys, in order.
    ///
    /// # Errors
    /// When the file can not be read.
    pub fn erased(&self, workspace: &WorkspaceId) -> Result<Vec<u64>, Failure> {
        self.store.file.erased(workspace)
    }

    /// Destroys a key: no file holds it when this returns. Its number needs not be in use.
    ///
    /// # Errors
    /// When the file can not be written. The key may then be in it still: erase again.
    pub fn erase(&self, workspace: &WorkspaceId, key: u64) -> Result<(), Failure> {
        self.erase_all(workspace, &[key].into()).map(drop)
    }

    /// The same for several keys at once. Returns how many were not destroyed before.
    pub(crate) fn erase_all(
        &self,
        workspace: &WorkspaceId,
        keys: &BTreeSet<u64>,
    ) -> Result<usize, Failure> {
        self.store.file.erase(workspace, keys)
    }

    /// A key that has never been in use, and its number. It is on disk.
    pub(crate) fn allocate(&self, workspace: &WorkspaceId) -> Result<(u64, Key), Failure> {
        loop {
            let (key, low) = self.store.take(workspace);
            if low && let Some(wanted) = &self.wanted {
                // A thread that is gone leaves the making to those who find nothing.
                let _ = wanted.send(workspace.clone());
            }
            match key {
                Some((number, key)) => {
                    self.store.file.remember(workspace, number, &key);
                    return Ok((number, key));
                }
                None => self.store.refill(workspace)?,
            }
        }
    }

    pub(crate) fn lookup(&self, workspace: &WorkspaceId, number: u64) -> Result<Lookup, Failure> {
        self.store.file.lookup(workspace, number)
    }

    /// The keys of many events. A number that is not among them is missing.
    pub(crate) fn lookup_all(
        &self,
        workspace: &WorkspaceId,
        numbers: &BTreeSet<u64>,
    ) -> Result<HashMap<u64, Lookup>, Failure> {
        self.store.file.lookup_all(workspace, numbers)
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        self.wanted = None;
        if let Some(refiller) = self.refiller.take() {
            let _ = refiller.join();
        }
        self.store.file.close();
    }
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

    /// A key, if there is one, and whether a block is to be asked for.
    fn take(&self, workspace: &WorkspaceId) -> (Option<(u64, Key)>, bool) {
        let mut pools = lock(&self.pools);
        let pool = pools.entry(workspace.clone()).or_default();
        let key = pool.keys.pop_front();
        let low = key.is_some() && pool.is_low() && !pool.wanted;
        pool.wanted |= low;
        (key, low)
    }

    /// Makes a block, unless somebody has just done so.
    fn refill(&self, workspace: &WorkspaceId) -> Result<(), Failure> {
        let _making = lock(&self.making);
        let block = {
            let mut pools = lock(&self.pools);
            let pool = pools.entry(workspace.clone()).or_default();
            pool.wanted = false;
            if !pool.is_low() {
                return Ok(());
            }
            (pool.block * 2).clamp(BLOCK_MIN, BLOCK_MAX)
        };
        let keys = (0..block).map(|_| random()).collect::<Result<_, _>>()?;
        let floor = self.floors.get(workspace).copied().unwrap_or(0);
        let made = self.file.put_block(workspace, floor, keys)?;
        let mut pools = lock(&self.pools);
        let pool = pools.entry(workspace.clone()).or_default();
        pool.keys.extend(made);
        pool.block = block;
        Ok(())
    }
}

impl Pool {
    /// Whether half of the last block is gone: a new one is then made while the rest is used.
    fn is_low(&self) -> bool {
        self.keys.len() <= self.block / 2
    }
}

fn random() -> Result<Key, Failure> {
    let mut bytes = Key::default();
    getrandom::fill(&mut *bytes).map_err(Failure::storage("asking the system for randomness"))?;
    Ok(bytes)
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
    fn keys_that_lie_together_are_found_together() {
        for master_key in [None, Some(&[3; 32])] {
            let dir = Dir::new();
            let keyring = dir.open(master_key).unwrap();
            let all: HashMap<_, _> = (0..30).map(|_| keyring.allocate(&acme()).unwrap()).collect();
            keyring.erase(&acme(), 3).unwrap();
            for numbers in [(1..=20).collect(), [1, 3, 1_000].into(), [].into()] {
                let found = keyring.lookup_all(&acme(), &numbers).unwrap();
                for number in numbers {
                    let lookup = found.get(&number).unwrap_or(&Lookup::Missing);
                    let expected = match all.get(&number) {
                        _ if number == 3 => &Lookup::Erased,
                        Some(key) => &Lookup::Found(key.clone()),
                        None => &Lookup::Missing,
                    };
                    assert_eq!(lookup, expected);
                }
            }
        }
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
    fn a_secret_that_is_replaced_or_forgotten_is_in_no_file() {
        let dir = Dir::new();
        let keyring = dir.open(None).unwrap();
        keyring.set_secret("mdm", b"hunter2-the-first").unwrap();
        assert!(dir.holds(b"hunter2-the-first"));
        keyring.set_secret("mdm", b"hunter3-the-second").unwrap();
        assert!(!dir.holds(b"hunter2-the-first") && dir.holds(b"hunter3-the-second"));
        assert_eq!(keyring.secret_names("md").unwrap(), ["mdm"]);
        assert!(keyring.secret_names("mdm|").unwrap().is_empty());
        keyring.forget_secret("mdm").unwrap();
        keyring.forget_secret("mdm").unwrap();
        assert!(!dir.holds(b"hunter3-the-second"));
        assert_eq!(keyring.secret("mdm").unwrap(), None);
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
