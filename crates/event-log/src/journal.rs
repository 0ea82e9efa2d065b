//! The journal: facts about requests, not about the domain. How often an attribute was seen and when
//! last, and when a token was last used.
//!
//! It lies in `journal.db` beside the log, is copied with it, and is neither hashed nor a ground for
//! any decision. Whoever records does not wait for the disk: what is recorded is added up in memory
//! and written by a thread of its own, once a second while there is anything. A process that is
//! killed loses that second; one that is closed loses nothing. A read writes first, so that it sees
//! all that was recorded before it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, params};
use smol_str::SmolStr;
use uuid::Uuid;

use crate::sync::lock;
use crate::{Failure, Micros, OpenError, WorkspaceId, schema};

/// How long the thread lets what is recorded add up before it writes.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// How many attributes and tokens may wait to be written; more are dropped until they are.
const WAITING_MAX: usize = 100_000;

/// How often an attribute was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sightings {
    /// When last.
    pub last_seen: Micros,
    /// In how many requests.
    pub count: u64,
}

/// The sightings of a connector's attributes, by namespace and key.
pub type AttributeHistory = HashMap<(SmolStr, SmolStr), Sightings>;

/// The journal of a log.
pub struct Journal {
    inner: Arc<Inner>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

struct Inner {
    waiting: Mutex<Waiting>,
    /// Wakes the thread: something waits, or it shall end.
    wake: Condvar,
    conn: Mutex<Connection>,
}

/// What is recorded and not written.
#[derive(Default)]
struct Waiting {
    attributes: HashMap<WorkspaceId, HashMap<SmolStr, Names>>,
    tokens: HashMap<WorkspaceId, HashMap<Uuid, Micros>>,
    /// How many attributes and tokens that is.
    size: usize,
    closed: bool,
}

/// Sightings by namespace and key.
type Names = HashMap<SmolStr, HashMap<SmolStr, Sightings>>;

impl Journal {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let conn = Mutex::new(schema::JOURNAL.open(path)?);
        let (waiting, wake) = Default::default();
        let inner = Arc::new(Inner { waiting, wake, conn });
        let writer = Arc::clone(&inner);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run())
            .map_err(Failure::storage("starting the writer of the journal"))?;
        Ok(Self { inner, writer: Mutex::new(Some(thread)) })
    }

    /// Records that a request of a connector carried attributes: namespaces with keys. Never waits
    /// for the disk.
    pub fn attributes_seen<'n>(
        &self,
        workspace: &WorkspaceId,
        connector: &str,
        names: impl IntoIterator<Item = (&'n str, &'n str)>,
        at: Micros,
    ) {
        self.inner.add(|waiting| {
            for (namespace, key) in names {
                waiting.attribute(workspace, connector, namespace, key, at);
            }
        });
    }

    /// Records that a token was used. Never waits for the disk.
    pub fn token_used(&self, workspace: &WorkspaceId, token: Uuid, at: Micros) {
        self.inner.add(|waiting| waiting.token(workspace, token, at));
    }

    /// How often each attribute of a connector was seen, and when last.
    ///
    /// # Errors
    /// When the journal can not be written or read.
    pub fn attribute_history(
        &self,
        workspace: &WorkspaceId,
        connector: &str,
    ) -> Result<AttributeHistory, Failure> {
        self.inner.read("reading how often attributes were seen", |conn| {
            conn.prepare_cached(
                "SELECT namespace, key, last_seen, count FROM attributes
                 WHERE workspace = ?1 AND connector = ?2",
            )?
            .query_map(params![workspace.as_str(), connector], |row| {
                let name = (text(row, 0)?, text(row, 1)?);
                let count = row.get::<_, i64>(3)?.unsigned_abs();
                Ok((name, Sightings { last_seen: row.get(2)?, count }))
            })?
            .collect()
        })
    }

    /// When each token of a workspace was last used; those that never were are missing.
    ///
    /// # Errors
    /// When the journal can not be written or read.
    pub fn token_uses(&self, workspace: &WorkspaceId) -> Result<HashMap<Uuid, Micros>, Failure> {
        self.inner.read("reading when tokens were used", |conn| {
            conn.prepare_cached("SELECT token, last_used FROM tokens WHERE workspace = ?1")?
                .query_map([workspace.as_str()], |row| {
                    Ok((Uuid::from_bytes(row.get(0)?), row.get(1)?))
                })?
                .collect()
        })
    }

    /// Writes what waits, then stops. What is recorded later is lost.
    pub(crate) fn close(&self) {
        lock(&self.inner.waiting).closed = true;
        self.inner.wake.notify_one();
        if let Some(writer) = lock(&self.writer).take() {
            // A writer that panicked has said so.
            let _ = writer.join();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

impl Inner {
    /// Adds to what waits. Only the first thing wakes the thread: it then lets the others add up.
    fn add(&self, add: impl FnOnce(&mut Waiting)) {
        let mut waiting = lock(&self.waiting);
        let was_empty = waiting.size == 0;
        add(&mut waiting);
        if was_empty && waiting.size > 0 {
            self.wake.notify_one();
        }
    }

    /// Writes once in a while, until the journal is closed.
    fn run(&self) {
        loop {
            let mut waiting = lock(&self.waiting);
            while waiting.size == 0 && !waiting.closed {
                waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            let (waiting, _) = self
                .wake
                .wait_timeout_while(waiting, WRITE_EVERY, |waiting| !waiting.closed)
                .unwrap_or_else(PoisonError::into_inner);
            let closed = waiting.closed;
            drop(waiting);
            if let Err(failure) = self.write() {
                // Nobody waits for it, and nothing is decided by it.
                tracing::warn!(%failure, "what the journal was to record is lost");
            }
            if closed {
                return;
            }
        }
    }

    fn read<T>(
        &self,
        doing: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        self.write()?;
        read(&lock(&self.conn)).map_err(Failure::storage(doing))
    }

    /// Writes what waits.
    fn write(&self) -> Result<(), Failure> {
        // Taken while the connection is held, so that a read after it sees what another one writes.
        let mut conn = lock(&self.conn);
        let (attributes, tokens) = {
            let mut waiting = lock(&self.waiting);
            waiting.size = 0;
            (std::mem::take(&mut waiting.attributes), std::mem::take(&mut waiting.tokens))
        };
        if attributes.is_empty() && tokens.is_empty() {
            return Ok(());
        }
        store(&mut conn, &attributes, &tokens).map_err(Failure::storage("writing the journal"))
    }
}

impl Waiting {
    fn has_room(&self) -> bool {
        self.size < WAITING_MAX && !self.closed
    }

    fn token(&mut self, workspace: &WorkspaceId, token: Uuid, at: Micros) {
        let known = self.tokens.get(workspace).is_some_and(|it| it.contains_key(&token));
        if known || self.has_room() {
            let tokens = self.tokens.entry(workspace.clone()).or_default();
            let used = tokens.entry(token).or_insert(at);
            *used = at.max(*used);
            self.size += usize::from(!known);
        }
    }

    fn attribute(
        &mut self,
        workspace: &WorkspaceId,
        connector: &str,
        namespace: &str,
        key: &str,
        at: Micros,
    ) {
        let connectors = self.attributes.get_mut(workspace);
        let names = connectors.and_then(|it| it.get_mut(connector)?.get_mut(namespace));
        if let Some(seen) = names.and_then(|names| names.get_mut(key)) {
            seen.last_seen = at.max(seen.last_seen);
            seen.count += 1;
        } else if self.has_room() {
            let connectors = self.attributes.entry(workspace.clone()).or_default();
            let names = connectors.entry(connector.into()).or_default();
            let keys = names.entry(namespace.into()).or_default();
            keys.insert(key.into(), Sightings { last_seen: at, count: 1 });
            self.size += 1;
        }
    }
}

fn store(
    conn: &mut Connection,
    attributes: &HashMap<WorkspaceId, HashMap<SmolStr, Names>>,
    tokens: &HashMap<WorkspaceId, HashMap<Uuid, Micros>>,
) -> rusqlite::Result<()> {
    let tx = conn.transaction()?;
    for (workspace, connectors) in attributes {
        for (connector, names) in connectors {
            for (namespace, keys) in names {
                for (key, Sightings { last_seen, count }) in keys {
                    tx.prepare_cached(
                        "INSERT INTO attributes VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                         ON CONFLICT DO UPDATE SET count = count + excluded.count,
                             last_seen = max(last_seen, excluded.last_seen)",
                    )?
                    .execute(params![
                        workspace.as_str(),
                        connector.as_str(),
                        namespace.as_str(),
                        key.as_str(),
                        last_seen,
                        i64::try_from(*count).unwrap_or(i64::MAX),
                    ])?;
                }
            }
        }
    }
    for (workspace, tokens) in tokens {
        for (token, last_used) in tokens {
            tx.prepare_cached(
                "INSERT INTO tokens VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET last_used = max(last_used, excluded.last_used)",
            )?
            .execute(params![workspace.as_str(), token.as_bytes(), last_used])?;
        }
    }
    tx.commit()
}

fn text(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<SmolStr> {
    Ok(row.get_ref(index)?.as_str()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acme() -> WorkspaceId {
        WorkspaceId::parse("acme").unwrap()
    }

    fn seen(journal: &Journal, namespace: &str, key: &str) -> Option<(Micros, u64)> {
        let history = journal.attribute_history(&acme(), "store").unwrap();
        let found = history.get(&(namespace.into(), key.into()))?;
        Some((found.last_seen, found.count))
    }

    #[test]
    fn what_was_recorded_is_read_and_is_there_after_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let token = Uuid::from_u128(7);
        let journal = Journal::open(&path).unwrap();
        journal.attributes_seen(&acme(), "store", [("core", "title"), ("core", "userName")], 10);
        journal.attributes_seen(&acme(), "store", [("core", "title")], 20);
        journal.attributes_seen(&acme(), "okta", [("core", "nickName")], 20);
        journal.token_used(&acme(), token, 20);
        journal.token_used(&acme(), token, 15);
        assert_eq!(seen(&journal, "core", "title"), Some((20, 2)));
        assert_eq!(seen(&journal, "core", "nickName"), None);
        assert_eq!(journal.token_uses(&acme()).unwrap(), HashMap::from([(token, 20)]));

        // What nobody has read is written when it is closed.
        journal.attributes_seen(&acme(), "store", [("core", "title")], 30);
        drop(journal);
        let journal = Journal::open(&path).unwrap();
        journal.attributes_seen(&acme(), "store", [("core", "title")], 25);
        assert_eq!(seen(&journal, "core", "title"), Some((30, 4)));
        assert_eq!(seen(&journal, "core", "userName"), Some((10, 1)));
        assert_eq!(journal.token_uses(&acme()).unwrap(), HashMap::from([(token, 20)]));
        let other = WorkspaceId::parse("beta").unwrap();
        assert!(journal.attribute_history(&other, "store").unwrap().is_empty());
        assert!(journal.token_uses(&other).unwrap().is_empty());
    }

    #[test]
    fn what_waits_is_bounded_and_what_waits_already_still_counts() {
        let mut waiting = Waiting::default();
        for number in 0..WAITING_MAX + 5 {
            waiting.attribute(&acme(), "store", "core", &number.to_string(), 1);
        }
        waiting.attribute(&acme(), "store", "core", "0", 2);
        let names = &waiting.attributes[&acme()]["store"]["core"];
        assert_eq!((waiting.size, names.len()), (WAITING_MAX, WAITING_MAX));
        assert_eq!(names["0"], Sightings { last_seen: 2, count: 2 });
    }
}
