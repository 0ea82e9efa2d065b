//! Lanes: the commands that wait for one aggregate, decided together.
//!
//! A lane has a driver while anything waits in it. The driver takes all of it, decides each command
//! on a draft that the ones before it have changed, and appends the lot at once: sixteen clients
//! that add members to one group cost one append, not sixteen conflicts. A command that the log
//! refuses (a claim that is taken) refuses only itself: the ones after it are decided again on the
//! last state that was stored.
//!
//! Reading an aggregate goes through its lane as well while one is open: what has been stored is then
//! what is read, though the driver has not yet put it in the cache. Only drivers write to the cache.
//!
//! The driver is a task of its own: an answer that nobody waits for any more changes nothing about
//! what is stored.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use domain::{Decider, Es, Stamp, stored};
use event_log::{
    AppendError, Checkpoint, Clock, CommitOutcome, EventLog, Failure, Meta, Payload, Receipt,
    StreamAppend, StreamId, WorkspaceId,
};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    cache::{Cache, CacheSize, Key},
    decide,
    error::DispatchError,
};

/// How many commands may wait for one aggregate.
const WAITING_MAX: usize = 4_096;
/// How many of them are decided and appended together.
const TOGETHER_MAX: usize = 256;
/// How often a batch is decided anew when the stream turns out to be longer than it was read.
const CONFLICT_RETRIES_MAX: usize = 8;
/// How many events are read at a time when a state is loaded.
const LOAD_CHUNK: usize = 1_000;

/// A command on its way.
pub struct Order<D: Decider> {
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// On which aggregate.
    pub id: Uuid,
    /// What is asked.
    pub command: D::Command,
    /// Who asks, and in answer to what.
    pub meta: Meta,
}

/// A command that was carried out.
#[derive(Debug)]
pub struct Done<D> {
    /// The aggregate after it.
    pub es: Arc<Es<D>>,
    /// Where its facts stand; `None` when everything was so already.
    pub receipt: Option<Receipt>,
}

type Answer<D> = Result<Done<D>, DispatchError<<D as Decider>::Refusal>>;

/// What is asked of a lane.
enum Asked<D: Decider> {
    /// To be told the state.
    State,
    /// To carry out a command.
    Command(Arc<D::Command>),
    /// To move a checkpoint, without any event.
    Checkpoint(Checkpoint),
}

/// Somebody who waits in a lane.
struct Waiting<D: Decider> {
    asked: Asked<D>,
    meta: Meta,
    answer: oneshot::Sender<Answer<D>>,
}

/// What a command of a batch became on the draft.
struct Decided<D: Decider> {
    waiting: Waiting<D>,
    events: Vec<D::Event>,
    claims: Vec<event_log::ClaimChange>,
}

impl<D: Decider> Decided<D> {
    fn stores_anything(&self) -> bool {
        !self.events.is_empty() || matches!(self.waiting.asked, Asked::Checkpoint(_))
    }
}

/// Whoever drives a lane. Dropped on the way (it panicked, or the runtime it ran on ends before
/// others do), it closes the lane, so that nobody waits for ever and the next command opens it anew.
struct Driver<'a, D: Decider> {
    lanes: &'a Lanes<D>,
    /// `None` once the lane is closed in order.
    key: Option<&'a Key>,
}

impl<D: Decider> Drop for Driver<'_, D> {
    fn drop(&mut self) {
        let left = self.key.and_then(|key| self.lanes.waiting.lock().remove(key));
        // Outside the lock: whoever waits learns that there is no answer.
        drop(left);
    }
}

/// The lanes of one kind of aggregate.
pub struct Lanes<D: Decider> {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    cache: Cache<D>,
    waiting: Mutex<HashMap<Key, VecDeque<Waiting<D>>>>,
}

impl<D: Decider> Lanes<D> {
    /// Lanes over a log, with at most `cache_bytes_max` bytes of states in memory.
    pub fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>, cache_bytes_max: u64) -> Arc<Self> {
        let cache = Cache::new(cache_bytes_max);
        Arc::new(Self { log, clock, cache, waiting: Mutex::default() })
    }

    /// How much of its aggregates is in memory.
    pub(crate) fn cache_size(&self, kind: &'static str) -> CacheSize {
        let (bytes, states) = self.cache.size();
        CacheSize { kind, bytes, states }
    }

    /// Carries out a command: resolves once its facts are on disk.
    ///
    /// # Errors
    /// [`DispatchError`]: nothing was stored, but for [`DispatchError::Failed`], where it is unknown.
    pub async fn dispatch(self: &Arc<Self>, order: Order<D>) -> Answer<D> {
        let Order { workspace, id, command, meta } = order;
        self.wait(Key { workspace, id }, Asked::Command(Arc::new(command)), meta).await
    }

    /// The aggregate as it stands in the log; version 0 when there is none.
    ///
    /// # Errors
    /// When the log or an event cannot be read.
    pub async fn load(
        self: &Arc<Self>,
        workspace: &WorkspaceId,
        id: Uuid,
    ) -> Result<Arc<Es<D>>, DispatchError<D::Refusal>> {
        let key = Key { workspace: workspace.clone(), id };
        if let Some(known) = self.cached(&key) {
            return Ok(known);
        }
        self.wait(key, Asked::State, Meta::default()).await.map(|done| done.es)
    }

    /// The aggregate as it stood after the event of a version; read from the log.
    ///
    /// # Errors
    /// When the log or an event cannot be read.
    pub(crate) async fn at(
        &self,
        workspace: &WorkspaceId,
        id: Uuid,
        version: u64,
    ) -> Result<Es<D>, DispatchError<D::Refusal>> {
        let until = Until { version, ..Until::NOW };
        self.replayed(&Key { workspace: workspace.clone(), id }, until).await
    }

    /// The aggregate as it stood after the event at a position of its workspace; read from the log.
    ///
    /// # Errors
    /// When the log or an event cannot be read.
    pub(crate) async fn as_of(
        &self,
        workspace: &WorkspaceId,
        id: Uuid,
        position: u64,
    ) -> Result<Es<D>, DispatchError<D::Refusal>> {
        let until = Until { position, ..Until::NOW };
        self.replayed(&Key { workspace: workspace.clone(), id }, until).await
    }

    /// What is cached, unless a driver may have stored something newer already.
    fn cached(&self, key: &Key) -> Option<Arc<Es<D>>> {
        let lanes = self.waiting.lock();
        if lanes.contains_key(key) { None } else { self.cache.get(key) }
    }

    /// Waits in a lane; opens it when nobody else is there.
    async fn wait(self: &Arc<Self>, key: Key, asked: Asked<D>, meta: Meta) -> Answer<D> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { asked, meta, answer };
        {
            let mut lanes = self.waiting.lock();
            if let Some(lane) = lanes.get_mut(&key) {
                if lane.len() >= WAITING_MAX {
                    return Err(DispatchError::Overloaded);
                }
                lane.push_back(waiting);
            } else {
                lanes.insert(key.clone(), VecDeque::from([waiting]));
                tokio::spawn(Arc::clone(self).drive(key));
            }
        }
        answered.await.unwrap_or(Err(DispatchError::Failed(Failure::Closed)))
    }

    /// Moves a checkpoint, without any event.
    ///
    /// # Errors
    /// As [`Lanes::dispatch`].
    pub(crate) async fn touch(
        self: &Arc<Self>,
        workspace: &WorkspaceId,
        id: Uuid,
        checkpoint: Checkpoint,
    ) -> Result<(), DispatchError<D::Refusal>> {
        let meta = Meta { actor: checkpoint.name.clone(), ..Meta::default() };
        let key = Key { workspace: workspace.clone(), id };
        self.wait(key, Asked::Checkpoint(checkpoint), meta).await.map(drop)
    }

    async fn drive(self: Arc<Self>, key: Key) {
        let mut driver = Driver { lanes: &self, key: Some(&key) };
        while let Some(batch) = self.next(&key) {
            self.carry_out(&key, batch).await;
        }
        driver.key = None;
    }

    /// What waits, or `None` after closing the lane.
    fn next(&self, key: &Key) -> Option<VecDeque<Waiting<D>>> {
        let mut lanes = self.waiting.lock();
        let lane = lanes.get_mut(key)?;
        if lane.is_empty() {
            lanes.remove(key);
            return None;
        }
        let together = lane.len().min(TOGETHER_MAX);
        Some(lane.drain(..together).collect())
    }

    /// Decides and stores a batch, until every command of it is answered.
    async fn carry_out(&self, key: &Key, mut batch: VecDeque<Waiting<D>>) {
        let mut conflicts = 0;
        while !batch.is_empty() {
            let base = match self.state(key).await {
                Ok(base) => base,
                Err(error) => return refuse_all(batch, || error.again()),
            };
            let decided = self.decide_all(&base, batch).await;
            let commits: Vec<_> =
                decided.iter().filter(|it| it.stores_anything()).map(to_commit).collect();
            if commits.is_empty() {
                return decided.into_iter().for_each(|it| unchanged(it.waiting, &base));
            }
            let append = StreamAppend {
                workspace: key.workspace.clone(),
                stream: StreamId::new(D::KIND, key.id),
                expected_version: base.version,
                commits,
            };
            match self.log.append(append).await {
                Ok(outcomes) => batch = self.settle(key, &base, decided, outcomes),
                Err(AppendError::Conflict { .. }) if conflicts < CONFLICT_RETRIES_MAX => {
                    conflicts += 1;
                    self.cache.forget(key);
                    batch = decided.into_iter().map(|it| it.waiting).collect();
                }
                Err(error) => {
                    self.cache.forget(key);
                    let waiting = decided.into_iter().map(|it| it.waiting);
                    return refuse_all(waiting, || DispatchError::of_append(&error));
                }
            }
        }
    }

    async fn decide_all(
        &self,
        base: &Arc<Es<D>>,
        batch: impl IntoIterator<Item = Waiting<D>>,
    ) -> Vec<Decided<D>> {
        let now = self.clock.now();
        let mut draft = Es::clone(base);
        let mut held: BTreeSet<_> = draft.state.claims().into_iter().collect();
        let mut decided = Vec::new();
        for waiting in batch {
            let decision = match &waiting.asked {
                Asked::Command(command) => decide::decide(&mut draft, command, now).await,
                Asked::State | Asked::Checkpoint(_) => Ok(Vec::new()),
            };
            match decision {
                Ok(events) if events.is_empty() => {
                    decided.push(Decided { waiting, events, claims: Vec::new() });
                }
                Ok(events) => {
                    let after: BTreeSet<_> = draft.state.claims().into_iter().collect();
                    let claims = decide::claim_changes(&held, &after);
                    held = after;
                    decided.push(Decided { waiting, events, claims });
                }
                Err(refusal) => answer(waiting, Err(DispatchError::Refused(refusal))),
            }
        }
        decided
    }

    /// Answers what was stored and what was refused; returns what has to be decided again.
    fn settle(
        &self,
        key: &Key,
        base: &Arc<Es<D>>,
        decided: Vec<Decided<D>>,
        outcomes: Vec<CommitOutcome>,
    ) -> VecDeque<Waiting<D>> {
        let mut es = Es::clone(base);
        let mut current = Arc::clone(base);
        let mut outcomes = outcomes.into_iter();
        let mut again = VecDeque::new();
        let mut answers = Vec::new();
        for it in decided {
            if !again.is_empty() {
                again.push_back(it.waiting);
                continue;
            }
            if !it.stores_anything() {
                answers.push((it.waiting, Ok(Done { es: Arc::clone(&current), receipt: None })));
                continue;
            }
            match outcomes.next() {
                Some(CommitOutcome::Stored(receipt)) => {
                    replay(&mut es, &it.events, &receipt);
                    current = Arc::new(es.clone());
                    let done = Done { es: Arc::clone(&current), receipt: Some(receipt) };
                    answers.push((it.waiting, Ok(done)));
                }
                Some(CommitOutcome::ClaimTaken { claim, holder }) => {
                    answers.push((it.waiting, Err(DispatchError::ClaimTaken { claim, holder })));
                }
                Some(CommitOutcome::NotTried) | None => again.push_back(it.waiting),
            }
        }
        if current.version > 0 {
            self.cache.put(key.clone(), current);
        }
        answers.into_iter().for_each(|(waiting, result)| answer(waiting, result));
        again
    }

    async fn state(&self, key: &Key) -> Result<Arc<Es<D>>, DispatchError<D::Refusal>> {
        if let Some(known) = self.cache.get(key) {
            return Ok(known);
        }
        let es = Arc::new(self.replayed(key, Until::NOW).await?);
        if es.version > 0 {
            self.cache.put(key.clone(), Arc::clone(&es));
        }
        Ok(es)
    }

    /// The aggregate as its events up to a moment make it.
    async fn replayed(&self, key: &Key, until: Until) -> Result<Es<D>, DispatchError<D::Refusal>> {
        let stream = StreamId::new(D::KIND, key.id);
        let mut es = Es::<D>::default();
        loop {
            let missing =
                usize::try_from(until.version.saturating_sub(es.version)).unwrap_or(usize::MAX);
            let wanted = missing.min(LOAD_CHUNK);
            let events = self
                .log
                .read_stream(&key.workspace, &stream, es.version, wanted)
                .await
                .map_err(DispatchError::Failed)?;
            let last = events.len() < LOAD_CHUNK;
            for event in events {
                if event.position > until.position {
                    return Ok(es);
                }
                let stamp =
                    Stamp { position: event.position, version: event.version, at: event.time };
                match event.payload {
                    Payload::Plain(bytes) => {
                        let event = stored::decode(&event.name, event.schema_version, &bytes)
                            .map_err(|error| DispatchError::Unreadable(Arc::new(error)))?;
                        es.replay(&event, &stamp);
                    }
                    Payload::Erased => es.version = stamp.version,
                    Payload::Missing { key: number } => {
                        let workspace = key.workspace.clone();
                        let gone = Failure::KeyGone { workspace, key: number };
                        return Err(DispatchError::Failed(gone));
                    }
                    Payload::Damaged { .. } => {
                        let (workspace, position) = (key.workspace.clone(), stamp.position);
                        let what = "an event that its data key does not open";
                        let damaged = Failure::Corrupt { workspace, position, what };
                        return Err(DispatchError::Failed(damaged));
                    }
                }
            }
            if last {
                return Ok(es);
            }
        }
    }
}

/// Up to which event an aggregate is read.
#[derive(Clone, Copy)]
struct Until {
    version: u64,
    position: u64,
}

impl Until {
    const NOW: Self = Self { version: u64::MAX, position: u64::MAX };
}

fn to_commit<D: Decider>(it: &Decided<D>) -> event_log::Commit {
    let checkpoint = match &it.waiting.asked {
        Asked::Checkpoint(checkpoint) => Some(checkpoint.clone()),
        Asked::State | Asked::Command(_) => None,
    };
    decide::commit(&it.events, it.claims.clone(), it.waiting.meta.clone(), checkpoint)
}

/// Folds stored events in with the time and the positions they got.
fn replay<D: Decider>(es: &mut Es<D>, events: &[D::Event], receipt: &Receipt) {
    for (position, event) in (receipt.first_position..).zip(events) {
        es.replay(event, &Stamp { position, version: es.version + 1, at: receipt.time });
    }
}

fn unchanged<D: Decider>(waiting: Waiting<D>, es: &Arc<Es<D>>) {
    answer(waiting, Ok(Done { es: Arc::clone(es), receipt: None }));
}

fn answer<D: Decider>(waiting: Waiting<D>, result: Answer<D>) {
    // Nobody may be waiting any more; what is stored is stored.
    drop(waiting.answer.send(result));
}

fn refuse_all<D: Decider>(
    batch: impl IntoIterator<Item = Waiting<D>>,
    error: impl Fn() -> DispatchError<D::Refusal>,
) {
    batch.into_iter().for_each(|waiting| answer(waiting, Err(error())));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use domain::workspace::{Plan, WorkspaceCommand};

    use super::*;
    use crate::{WORKSPACE_STREAM, fixture};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_checkpoint_is_moved_between_commands_that_are_stored_meanwhile() {
        let (app, _dir) = fixture::app();
        let (workspace, id) = (WorkspaceId::parse("acme").unwrap(), WORKSPACE_STREAM);
        let (plan, is_over) = (Plan::Enterprise, Arc::new(AtomicBool::new(false)));
        let create = WorkspaceCommand::Create { name: "0".into(), plan };
        let first =
            Order { workspace: workspace.clone(), id, command: create, meta: Meta::default() };
        app.workspaces.dispatch(first).await.unwrap();
        let renames = (0..2).map(|person| {
            let (lanes, workspace) = (Arc::clone(&app.workspaces), workspace.clone());
            let is_over = Arc::clone(&is_over);
            tokio::spawn(async move {
                let mut number = 0;
                while !is_over.load(Ordering::Relaxed) {
                    number += 1;
                    let name = Some(format!("{person}-{number}"));
                    let command = WorkspaceCommand::Change { name, plan: None };
                    let (workspace, meta) = (workspace.clone(), Meta::default());
                    lanes.dispatch(Order { workspace, id, command, meta }).await.unwrap();
                }
            })
        });
        let renames: Vec<_> = renames.collect();
        for position in 1..=200 {
            let checkpoint = Checkpoint { name: "test".into(), position };
            app.workspaces.touch(&workspace, id, checkpoint).await.unwrap();
            assert_eq!(app.log.checkpoint(&workspace, "test").await.unwrap(), position);
        }
        is_over.store(true, Ordering::Relaxed);
        for rename in renames {
            rename.await.unwrap();
        }
    }
}
