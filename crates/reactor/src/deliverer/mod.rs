//! The deliverer: works off what is owed to devices, oldest first, one action at a time per device.
//!
//! What is owed to the devices of one service in one workspace goes through one *lane*. A lane takes
//! no more than its service can bear: so many orders at a time, so many calls in a second, and none
//! for a while once the service has failed several times in a row. Lanes know nothing of each other:
//! a service that is slow or down, or a workspace with ten thousand orders, holds up nobody else. What
//! waits stays in the read model; in memory is only what is under way.
//!
//! - `delivery`: the steps of one action
//! - `lane`, `pace`, `circuit`: what a service can bear
//! - `back_off`: when something that failed is tried again
//! - `reports`: what services have told of their own accord
//!
//! There is no lease on an action. One process owns the data directory by its lock file, so that
//! nobody else can be at work on the same log; what a process that was killed has left half done, its
//! successor finds in the log. A log that several nodes share will need leases.

mod back_off;
mod circuit;
mod delivery;
mod lane;
mod pace;
mod reports;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    num::NonZeroU32,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use app::{App, Refusal};
use domain::{Micros, device::ActionState, ids::ActionId};
use event_log::{BoxFuture, WorkspaceId};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use projections::effects::{ActionRow, NAME as EFFECTS, Queue};
use tokio::sync::watch;

use self::{
    delivery::Delivery,
    lane::Lane,
    reports::{Report, Reports},
};
use crate::service::{Mdm, Services};

/// How many calls go to one service of one workspace in a second, unless something else is set.
pub const CALLS_PER_SECOND: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// How long a service is left alone with the orders it has taken, in seconds.
const ASK_SECONDS: i64 = 30;
/// How long a failure of our own is waited out, in seconds.
const PAUSE_SECONDS: i64 = 5;

const SECOND: Micros = 1_000_000;

/// Works off what is owed until the log closes.
pub async fn run(deliverer: Deliverer) {
    deliverer.say_what_is_suspended().await;
    let mut ticks = deliverer.app.log().watch();
    let mut running = Running::new();
    loop {
        ticks.mark_unchanged();
        let wake = deliverer.start(&mut running).await.unwrap_or_else(|error| {
            tracing::error!(%error, "what is owed to devices could not be read");
            Some(deliverer.app.now() + PAUSE_SECONDS * SECOND)
        });
        if !deliverer.wait(&mut ticks, &mut running, wake).await {
            return;
        }
    }
}

/// See the module.
pub struct Deliverer {
    app: Arc<App>,
    services: Arc<dyn Services>,
    calls_per_second: NonZeroU32,
    lanes: Mutex<HashMap<Service, Arc<Lane>>>,
    /// What is under way, in whatever lane: a setting may have put it into another one since.
    under_way: Mutex<HashSet<ActionId>>,
    reports: Reports,
    /// How far each round of asking has come.
    rounds: Mutex<HashMap<Queue, Round>>,
    /// Up to which commit of the log the read model has been seen, but for workspaces where it was being
    /// built.
    seen: Mutex<(u64, HashSet<WorkspaceId>)>,
}

/// A service: its workspace, its adapter's name and its place.
type Service = (WorkspaceId, &'static str, Option<String>);

/// What is under way.
type Running<'d> = FuturesUnordered<BoxFuture<'d, ()>>;

/// A round in which a service is asked about everything that it has taken from a queue.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    /// The position of the action that was asked about last.
    after: u64,
    /// When the next round begins.
    begins: Micros,
}

/// The earliest of several times.
#[derive(Debug, Default)]
struct Wake(Option<Micros>);

impl Wake {
    fn at(&mut self, time: Micros) {
        self.0 = Some(self.0.map_or(time, |known| known.min(time)));
    }
}

impl Deliverer {
    /// A deliverer that has not begun. Everything it knows of time is the app's clock.
    pub fn new(app: Arc<App>, services: Arc<dyn Services>, calls_per_second: NonZeroU32) -> Self {
        let (lanes, under_way, reports, rounds, seen) = Default::default();
        Self { app, services, calls_per_second, lanes, under_way, reports, rounds, seen }
    }

    /// A service has told of its own accord that something has become of an action: it is asked about
    /// in the next turn.
    pub fn hear(&self, workspace: WorkspaceId, action: ActionId) {
        self.reports.add((workspace, action));
    }

    /// Does what is due now, and what falls due by that; tells when something is to be done next.
    ///
    /// For tests, which move the clock between two turns. A server goes on with one lane while
    /// another is still under way.
    ///
    /// # Errors
    /// When what is owed cannot be read.
    pub async fn turn(&self) -> Result<Option<Micros>, Refusal> {
        let mut running = Running::new();
        loop {
            let wake = self.start(&mut running).await?;
            if running.next().await.is_none() {
                return Ok(wake);
            }
        }
    }

    /// Begins what is due and has room in its lane; tells when there will be more, unless by then
    /// something under way has ended or the log has grown.
    async fn start<'d>(&'d self, running: &mut Running<'d>) -> Result<Option<Micros>, Refusal> {
        let is_known = self.catch_up().await;
        let mut wake = Wake::default();
        self.start_reported(running, &mut wake).await?;
        let effects = self.app.read_models().effects();
        let (now, queues) = (self.app.now(), effects.queues()?);
        if !is_known {
            wake.at(now + ASK_SECONDS * SECOND);
        }
        for queue in effects.queues_taken()? {
            if self.is_suspended(&queue.workspace).await {
                continue;
            }
            let shared = queues.iter().any(|(it, due)| *it == queue && *due <= now);
            self.start_asking(queue, shared, running, &mut wake).await?;
        }
        for (queue, due) in queues {
            if self.is_suspended(&queue.workspace).await {
                continue;
            }
            self.start_sending(queue, due, running, &mut wake).await?;
        }
        Ok(wake.0)
    }

    /// Nobody should have to wonder why nothing is sent.
    async fn say_what_is_suspended(&self) {
        for (workspace, _) in self.app.log().heads() {
            if let Ok(Some(it)) = self.app.suspension(&workspace).await {
                let because = it.because.as_str();
                tracing::warn!(workspace.id = %workspace, because, "deliveries to devices are suspended until a person resumes them");
            }
        }
    }

    /// Whether no service of a workspace is called, not even asked, until a person resumes it. The
    /// event by which they do wakes the deliverer. What cannot be found out is not sent.
    async fn is_suspended(&self, workspace: &WorkspaceId) -> bool {
        match self.app.suspension(workspace).await {
            Ok(suspension) => suspension.is_some(),
            // It has been closed: nothing is owed there any more.
            Err(Refusal::NotFound(_)) => true,
            Err(error) => {
                self.say("nothing is sent: whether it may is not known", workspace, &error);
                true
            }
        }
    }

    /// Waits until the read model shows what the log has. Returns whether it will without being asked
    /// again: not while it is being built.
    async fn catch_up(&self) -> bool {
        let log = self.app.log();
        let tick = *log.watch().borrow();
        let (since, mut unseen) = std::mem::replace(&mut *self.seen.lock(), (tick, HashSet::new()));
        unseen.extend(log.heads_since(since).into_iter().map(|(workspace, _)| workspace));
        let mut is_known = true;
        for workspace in unseen {
            let Err(error) = self.app.read_models().caught_up(EFFECTS, &workspace).await else {
                continue;
            };
            if error.building.is_some() {
                self.seen.lock().1.insert(workspace);
                is_known = false;
                continue;
            }
            // One workspace whose read model has stopped holds up no other.
            self.say("what is owed is not known", &workspace, &error);
        }
        is_known
    }

    fn say(&self, what: &'static str, workspace: &WorkspaceId, error: &dyn std::error::Error) {
        self.app.say(what, workspace, error);
    }

    async fn start_sending<'d>(
        &'d self,
        queue: Queue,
        due: Micros,
        running: &mut Running<'d>,
        wake: &mut Wake,
    ) -> Result<(), Refusal> {
        let now = self.app.now();
        if due > now {
            wake.at(due);
            return Ok(());
        }
        let Some((lane, service)) = self.lane(&queue, wake).await else { return Ok(()) };
        let room = lane.room(now);
        if room == 0 {
            lane.opens(now).into_iter().for_each(|time| wake.at(time));
            return Ok(());
        }
        // What is under way or put off is due as well, and stands in front.
        let rows =
            self.app.read_models().effects().due(&queue, now, room + lane.passed_over(now))?;
        let rows = rows.into_iter().filter(|row| self.may_begin(&lane, row, now)).take(room);
        for row in rows {
            running.push(self.begin(row, &lane, &service));
        }
        lane.put_off_until().into_iter().for_each(|time| wake.at(time));
        Ok(())
    }

    async fn start_asking<'d>(
        &'d self,
        queue: Queue,
        shared: bool,
        running: &mut Running<'d>,
        wake: &mut Wake,
    ) -> Result<(), Refusal> {
        let now = self.app.now();
        let round = self.rounds.lock().get(&queue).copied().unwrap_or_default();
        if round.begins > now {
            wake.at(round.begins);
            return Ok(());
        }
        let Some((lane, service)) = self.lane(&queue, wake).await else { return Ok(()) };
        let room = if shared { lane.half_the_room(now) } else { lane.room(now) };
        if room == 0 {
            lane.opens(now).into_iter().for_each(|time| wake.at(time));
            return Ok(());
        }
        let rows = self.app.read_models().effects().taken(&queue, round.after, room)?;
        let over = rows.len() < room;
        let after = rows.last().map_or(round.after, |row| row.position);
        for row in rows.into_iter().filter(|row| self.may_begin(&lane, row, now)) {
            running.push(self.begin(row, &lane, &service));
        }
        let next = if over {
            Round { after: 0, begins: now + ASK_SECONDS * SECOND }
        } else {
            Round { after, ..round }
        };
        wake.at(next.begins.max(now));
        self.rounds.lock().insert(queue, next);
        Ok(())
    }

    /// Asks about what services have reported. What is under way, or has no room, waits for the next time.
    async fn start_reported<'d>(
        &'d self,
        running: &mut Running<'d>,
        wake: &mut Wake,
    ) -> Result<(), Refusal> {
        let mut later = VecDeque::new();
        for report in self.reports.take() {
            if !self.ask_about(&report, running, wake).await? {
                later.push_back(report);
            }
        }
        self.reports.put_back(later);
        Ok(())
    }

    /// Whether nothing more is to be asked because of a report.
    async fn ask_about<'d>(
        &'d self,
        (workspace, action): &Report,
        running: &mut Running<'d>,
        wake: &mut Wake,
    ) -> Result<bool, Refusal> {
        let now = self.app.now();
        let effects = self.app.read_models().effects();
        let Some(row) = effects.action(workspace, *action)? else { return Ok(true) };
        if self.under_way.lock().contains(action) {
            return Ok(false);
        }
        if row.state != ActionState::Acknowledged || self.is_suspended(workspace).await {
            return Ok(true);
        }
        let queue = Queue { workspace: workspace.clone(), platform: row.platform.clone() };
        let Some((lane, service)) = self.lane(&queue, wake).await else { return Ok(true) };
        if lane.room(now) == 0 {
            lane.opens(now).into_iter().for_each(|time| wake.at(time));
            return Ok(false);
        }
        if lane.may_begin(*action, now) {
            running.push(self.begin(row, &lane, &service));
        }
        Ok(true)
    }

    /// The lane of a queue and its service. `None` when that cannot be found out now.
    async fn lane(&self, queue: &Queue, wake: &mut Wake) -> Option<(Arc<Lane>, Arc<dyn Mdm>)> {
        match self.services.of(&queue.workspace, &queue.platform).await {
            Ok(service) => {
                let key =
                    (queue.workspace.clone(), service.name(), service.place().map(str::to_owned));
                let calls = service.paced().then_some(self.calls_per_second);
                let mut lanes = self.lanes.lock();
                let lane = lanes.entry(key).or_insert_with(|| Arc::new(Lane::new(calls)));
                Some((Arc::clone(lane), service))
            }
            // The workspace has been closed: nothing is owed there any more.
            Err(Refusal::NotFound(_)) => None,
            Err(error) => {
                self.say("a device's service could not be found out", &queue.workspace, &error);
                wake.at(self.app.now() + PAUSE_SECONDS * SECOND);
                None
            }
        }
    }

    fn may_begin(&self, lane: &Lane, row: &ActionRow, now: Micros) -> bool {
        lane.may_begin(row.id, now) && !self.under_way.lock().contains(&row.id)
    }

    /// One step of one action; whatever happens to it, its lane goes on.
    fn begin(&self, row: ActionRow, lane: &Arc<Lane>, service: &Arc<dyn Mdm>) -> BoxFuture<'_, ()> {
        let (id, lane, service) = (row.id, Arc::clone(lane), Arc::clone(service));
        lane.begin(id);
        self.under_way.lock().insert(id);
        Box::pin(async move {
            let delivery = Delivery { app: &self.app, lane: &lane, service: &*service, row };
            let carried_on = AssertUnwindSafe(delivery.carry_on()).catch_unwind().await;
            match carried_on {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(action.id = %id, %error, "an action could not be carried on");
                    lane.put_off(id, self.app.now() + PAUSE_SECONDS * SECOND);
                }
                Err(_) => {
                    tracing::error!(action.id = %id, "an adapter has panicked");
                    lane.put_off(id, self.app.now() + PAUSE_SECONDS * SECOND);
                }
            }
            lane.end(id);
            self.under_way.lock().remove(&id);
        })
    }

    /// Waits for the log to grow, for something under way to end, for a report, or for a time; `false`
    /// when the log has closed.
    async fn wait(
        &self,
        ticks: &mut watch::Receiver<u64>,
        running: &mut Running<'_>,
        wake: Option<Micros>,
    ) -> bool {
        let micros =
            wake.map_or(0, |wake| u64::try_from(wake - self.app.now()).unwrap_or_default());
        #[expect(clippy::disallowed_methods, reason = "a back-off is nothing but time to pass")]
        let due = tokio::time::sleep(Duration::from_micros(micros.max(1_000)));
        tokio::select! {
            changed = ticks.changed() => changed.is_ok(),
            Some(()) = running.next() => true,
            (workspace, action) = self.services.reported() => {
                self.hear(workspace, action);
                true
            }
            () = due, if wake.is_some() => true,
        }
    }
}
