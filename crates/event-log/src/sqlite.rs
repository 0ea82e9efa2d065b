//! The log in SQLite files: `log.db`, with `keys.db`, `commands.db` and `journal.db` beside it.
//!
//! A reading future reads on the thread that polls it: a point read from the page cache costs
//! less than handing it to another. Whoever reads thousands of events does so from a thread that
//! may be busy.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};

use crate::backup;
use crate::claims::ClaimHasher;
use crate::job::{Answer, Job, SealedAppend, Sealer};
use crate::journal;
use crate::keys::Keyring;
use crate::ledger::{self, Ledger};
use crate::moving;
use crate::queue::{Queue, Refused};
use crate::reading::Reading;
use crate::recent::Recent;
use crate::schema;
use crate::shared::Shared;
use crate::sync::lock;
use crate::tree::Edge;
use crate::wal::Wal;
use crate::writer::Writer;
use crate::{
    AppendError, BoxFuture, Claim, Clock, Commands, Erasure, EventFilter, EventLog, Failure, Hash,
    Inclusion, Journal, Kept, Micros, OpenError, Stats, StoredEvent, StreamAppend, StreamId,
    TreeHead, Verdict, WorkspaceId,
};

/// How a log is opened.
#[derive(Clone)]
pub struct SqliteOptions {
    /// The directory of the files; made when it is missing.
    pub data_dir: PathBuf,
    /// Wraps every key in `keys.db`.
    pub master_key: Option<[u8; 32]>,
    /// The file of the ledger of erasures; [`ledger::FILE`] in the directory if `None`.
    pub erasure_ledger: Option<PathBuf>,
    /// Opens a directory in which a restore is at work: for that restore alone.
    pub unfinished: bool,
    /// How many appends may wait; one workspace alone may fill half of it.
    pub queue_appends_max: usize,
    /// How many bytes of payload may wait; one workspace alone may fill half of it.
    pub queue_bytes_max: usize,
    /// How many bytes of the last events stay in memory for those who follow the log, about. With 0 they
    /// read all of it back from the file.
    pub recent_bytes_max: usize,
}

impl SqliteOptions {
    /// The defaults, in this directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            master_key: None,
            erasure_ledger: None,
            unfinished: false,
            queue_appends_max: 4_096,
            queue_bytes_max: 32 << 20,
            recent_bytes_max: 8 << 20,
        }
    }
}

impl fmt::Debug for SqliteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteOptions")
            .field("data_dir", &self.data_dir)
            .field("master_key", &self.master_key.is_some())
            .field("erasure_ledger", &self.erasure_ledger)
            .field("unfinished", &self.unfinished)
            .field("queue_appends_max", &self.queue_appends_max)
            .field("queue_bytes_max", &self.queue_bytes_max)
            .field("recent_bytes_max", &self.recent_bytes_max)
            .finish()
    }
}

/// The log in SQLite files.
pub struct SqliteLog {
    data_dir: PathBuf,
    shared: Arc<Shared>,
    reading: Reading,
    sealer: Arc<Sealer>,
    ledger: Ledger,
    commands: Commands,
    journal: Journal,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Holds the directory for this process until everything else is closed.
    _lock: File,
    _temporary: Option<TemporaryDir>,
}

impl SqliteLog {
    /// Opens the log in a directory, and makes it when there is none.
    ///
    /// # Errors
    /// [`OpenError::InUse`] when somebody has it open.
    pub fn open(options: SqliteOptions, clock: Arc<dyn Clock>) -> Result<Arc<Self>, OpenError> {
        Self::open_in(options, clock, None)
    }

    /// A log of its own for a test: its files go with it.
    ///
    /// # Errors
    /// When the directory for temporary files can not be written.
    pub fn temporary(clock: Arc<dyn Clock>) -> Result<Arc<Self>, OpenError> {
        let dir = TemporaryDir::new()?;
        Self::open_in(SqliteOptions::new(&dir.0), clock, Some(dir))
    }

    fn open_in(
        options: SqliteOptions,
        clock: Arc<dyn Clock>,
        temporary: Option<TemporaryDir>,
    ) -> Result<Arc<Self>, OpenError> {
        let SqliteOptions {
            data_dir,
            master_key,
            erasure_ledger,
            unfinished,
            queue_appends_max,
            queue_bytes_max,
            recent_bytes_max,
        } = options;
        let lock = lock_dir(&data_dir)?;
        if backup::mark(&data_dir).exists() && !unfinished {
            return Err(OpenError::HalfRestored(data_dir));
        }
        let path = data_dir.join("log.db");
        let conn = schema::LOG.open(&path)?;
        let came = moving::settle(&data_dir, &conn)?;
        let queue = Queue::new(queue_appends_max, queue_bytes_max);
        let shared = Arc::new(Shared::new(queue, Recent::new(recent_bytes_max)));
        let wal = Wal::new(&path, Arc::clone(&shared.counters))?;
        let writer = Writer::new(conn, Arc::clone(&shared), Arc::clone(&clock), wal)
            .map_err(Failure::storage("reading what the log holds"))?;
        let keys = data_dir.join("keys.db");
        let (requests, mut in_use) = (data_dir.join("journal.db"), writer.keys_in_use());
        journal::raise_keys_in_use(&requests, &mut in_use)?;
        let keyring = Keyring::open(&keys, master_key.as_ref(), in_use)?;
        let claims = ClaimHasher::new(&*keyring.claim_key()?);
        let belongs = writer.belongs_to(&claims.fingerprint());
        if !belongs.map_err(Failure::storage("comparing the log with the keys"))? {
            return Err(OpenError::OtherKeys);
        }
        let ledger = erasure_ledger.unwrap_or_else(|| data_dir.join(ledger::FILE));
        let ledger = Ledger::open(&ledger, &claims.fingerprint())?;
        if came {
            moving::complete(&data_dir, &ledger)?;
        }
        ledger.destroy_again(&path, &keyring)?;
        let sealer = Arc::new(Sealer { keyring, claims });
        let commands = Commands::open(&data_dir.join("commands.db"))?;
        let journal = Journal::open(&requests, Arc::clone(&sealer), clock)?;
        // The files' names are durable only once their directory is.
        File::open(&data_dir)
            .and_then(|dir| dir.sync_all())
            .map_err(Failure::storage("synchronising the data directory"))?;
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.run())
            .map_err(Failure::storage("starting the writer"))?;
        let reading = Reading::new(path, Arc::clone(&shared), Arc::clone(&sealer));
        Ok(Arc::new(Self {
            data_dir,
            shared,
            reading,
            sealer,
            ledger,
            commands,
            journal,
            writer: Mutex::new(Some(thread)),
            _lock: lock,
            _temporary: temporary,
        }))
    }

    /// What tells this installation from others.
    pub(crate) fn fingerprint(&self) -> Hash {
        self.sealer.claims.fingerprint()
    }

    /// The data keys and the small secrets of the installation.
    pub fn keyring(&self) -> &Keyring {
        &self.sealer.keyring
    }

    /// Figures for the metrics.
    pub fn stats(&self) -> Stats {
        let counters = &self.shared.counters;
        let waiting = self.shared.queue.depth();
        Stats {
            appends: counters.appends.get(),
            events: counters.events.get(),
            batches: counters.batches.get(),
            syncs: counters.syncs.get(),
            checkpoints: counters.checkpoints.get(),
            wal_bytes: counters.wal_bytes.get(),
            overloaded: counters.overloaded.get(),
            failures: counters.failures.get(),
            queue_appends: waiting.items as u64,
            queue_bytes: waiting.bytes as u64,
            read_only: self.shared.is_read_only(),
        }
    }

    /// The directory of the files.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Stores what is waiting, then stops; later appends fail with [`Failure::Closed`].
    ///
    /// Blocks until it is done. Reads go on.
    pub fn close(&self) {
        self.shared.queue.close();
        // The last one that has the file open brings its log into it, and that is the writer.
        self.reading.keep_none();
        if let Some(writer) = lock(&self.writer).take() {
            // A writer that panicked has said so.
            let _ = writer.join();
        }
        self.journal.close();
    }

    fn seal(&self, batch: StreamAppend) -> Result<SealedAppend, Failure> {
        self.sealer.seal(batch, |batch| {
            if batch.expected_version == 0 {
                return Ok(None);
            }
            let stream = self.reading.stream(&batch.workspace, &batch.stream)?;
            Ok(stream.and_then(|row| row.key))
        })
    }

    /// Sends an append on its way.
    fn enqueue(&self, batch: StreamAppend) -> Result<oneshot::Receiver<Answer>, AppendError> {
        if self.shared.is_read_only() {
            return Err(AppendError::ReadOnly);
        }
        let append = self.seal(batch).map_err(AppendError::Failed)?;
        let (answer, answered) = oneshot::channel();
        let (workspace, bytes) = (append.workspace.clone(), append.bytes());
        match self.shared.queue.push(&workspace, bytes, Job { append, answer }) {
            Ok(()) => Ok(answered),
            Err(Refused::Closed) => Err(AppendError::Failed(Failure::Closed)),
            Err(Refused::Full) => {
                self.shared.counters.overloaded.add(1);
                Err(AppendError::Overloaded)
            }
        }
    }
}

impl Drop for SqliteLog {
    fn drop(&mut self) {
        self.close();
    }
}

impl EventLog for SqliteLog {
    fn append(&self, batch: StreamAppend) -> BoxFuture<'static, Answer> {
        let sent = self.enqueue(batch);
        Box::pin(async move { sent?.await.unwrap_or(Err(AppendError::Failed(Failure::Closed))) })
    }

    fn head(&self, workspace: &WorkspaceId) -> u64 {
        self.shared.workspace(workspace).map_or(0, |row| row.head)
    }

    fn heads(&self) -> Vec<(WorkspaceId, u64)> {
        self.shared.heads_since(0)
    }

    fn heads_since(&self, tick: u64) -> Vec<(WorkspaceId, u64)> {
        self.shared.heads_since(tick)
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.shared.tick.subscribe()
    }

    fn nothing_since(
        &self,
        workspace: &WorkspaceId,
        after: u64,
        of: &dyn Fn(&StreamId) -> bool,
    ) -> bool {
        let head = self.head(workspace);
        self.shared.recent.nothing_since(workspace, (after, head), of)
    }

    fn read(
        &self,
        workspace: &WorkspaceId,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredEvent>, Failure>> {
        let workspace = workspace.clone();
        Box::pin(async move { self.reading.workspace_events(&workspace, after, limit) })
    }

    fn read_stream(
        &self,
        workspace: &WorkspaceId,
        stream: &StreamId,
        after_version: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredEvent>, Failure>> {
        let (workspace, stream) = (workspace.clone(), stream.clone());
        Box::pin(
            async move { self.reading.stream_events(&workspace, &stream, after_version, limit) },
        )
    }

    fn find(
        &self,
        workspace: &WorkspaceId,
        filter: &EventFilter,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredEvent>, Failure>> {
        let (workspace, filter) = (workspace.clone(), filter.clone());
        Box::pin(async move { self.reading.find(&workspace, &filter, after, limit) })
    }

    fn position_at(
        &self,
        workspace: &WorkspaceId,
        time: Micros,
    ) -> BoxFuture<'_, Result<u64, Failure>> {
        let workspace = workspace.clone();
        Box::pin(async move { self.reading.position_at(&workspace, time) })
    }

    fn claim_holder(
        &self,
        workspace: &WorkspaceId,
        claim: &Claim,
    ) -> BoxFuture<'_, Result<Option<StreamId>, Failure>> {
        let (workspace, claim) = (workspace.clone(), claim.clone());
        Box::pin(async move { self.reading.holder(&workspace, &claim) })
    }

    fn checkpoint(
        &self,
        workspace: &WorkspaceId,
        name: &str,
    ) -> BoxFuture<'_, Result<u64, Failure>> {
        let (workspace, name) = (workspace.clone(), name.to_owned());
        Box::pin(async move { self.reading.checkpoint(&workspace, &name) })
    }

    fn tree(&self, workspace: &WorkspaceId) -> BoxFuture<'_, Result<TreeHead, Failure>> {
        let workspace = workspace.clone();
        Box::pin(async move { self.reading.tree(&workspace) })
    }

    fn tree_at(
        &self,
        workspace: &WorkspaceId,
        size: u64,
    ) -> BoxFuture<'_, Result<Option<TreeHead>, Failure>> {
        let workspace = workspace.clone();
        Box::pin(async move { self.reading.tree_at(&workspace, size) })
    }

    fn kept(
        &self,
        workspace: &WorkspaceId,
        positions: Vec<u64>,
    ) -> BoxFuture<'_, Result<Vec<Kept>, Failure>> {
        let workspace = workspace.clone();
        Box::pin(async move { self.reading.kept(&workspace, &positions) })
    }

    fn inclusion(
        &self,
        workspace: &WorkspaceId,
        position: u64,
        size: u64,
    ) -> BoxFuture<'_, Result<Option<Inclusion>, Failure>> {
        let workspace = workspace.clone();
        Box::pin(async move { self.reading.inclusion(&workspace, position, size) })
    }

    fn consistency(
        &self,
        workspace: &WorkspaceId,
        before: u64,
        size: u64,
    ) -> BoxFuture<'_, Result<Option<Vec<Hash>>, Failure>> {
        let workspace = workspace.clone();
        Box::pin(async move { self.reading.consistency(&workspace, before, size) })
    }

    fn erase(&self, erasure: Erasure) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            self.ledger.add(&erasure)?;
            let keys = erasure.keys.iter().copied().collect();
            self.sealer.keyring.erase_all(&erasure.workspace, &keys)?;
            self.shared.recent.forget(&erasure.workspace, &keys);
            Ok(())
        })
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn journal(&self) -> &Journal {
        &self.journal
    }

    fn commands(&self) -> &Commands {
        &self.commands
    }

    fn keyring(&self) -> &Keyring {
        &self.sealer.keyring
    }

    fn verify<'a>(
        &'a self,
        workspace: &'a WorkspaceId,
        progress: &'a mut (dyn FnMut(u64, u64) + Send),
    ) -> BoxFuture<'a, Result<Verdict, Failure>> {
        Box::pin(async move {
            let Some(mut verification) = self.reading.verification(workspace)? else {
                return Ok(Verdict::Sound(Edge::default().head()));
            };
            loop {
                if let Some(verdict) = verification.step()? {
                    return Ok(verdict);
                }
                progress(verification.done(), verification.total());
                tokio::task::yield_now().await;
            }
        })
    }
}

/// Makes the directory when it is missing, readable by its owner only, and takes it.
fn lock_dir(dir: &Path) -> Result<File, OpenError> {
    let doing = "locking the data directory";
    make_dir(dir).map_err(Failure::storage("making the data directory"))?;
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(dir.join("lock")).map_err(Failure::storage(doing))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(Failure::storage(doing)(error).into()),
    }
}

fn make_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// A directory that goes with its log.
struct TemporaryDir(PathBuf);

impl TemporaryDir {
    fn new() -> Result<Self, Failure> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(Failure::storage("naming a temporary directory"))?;
        let name = format!("muster-{:016x}", u64::from_ne_bytes(name));
        Ok(Self(std::env::temp_dir().join(name)))
    }
}

impl Drop for TemporaryDir {
    fn drop(&mut self) {
        // What stays behind lies where such things are cleared away.
        let _ = fs::remove_dir_all(&self.0);
    }
}
