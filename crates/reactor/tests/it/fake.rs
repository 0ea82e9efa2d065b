//! A fake MDM service: it counts what reaches it, and acts once for each idempotency key.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    task::Context,
    time::Duration,
};

use domain::{Micros, ids::ActionId};
use event_log::{Clock, ManualClock, WorkspaceId};
use parking_lot::Mutex;
use reactor::service::{BoxFuture, DeviceOrder, Mdm, MdmError, Only, Received, Services, Standing};
use tokio::sync::{mpsc, watch};

/// How long the slow service takes for an order, in microseconds.
const SLOW: Micros = 600_000_000;
/// How long the service that is down stays so, in microseconds.
pub(crate) const HOUR: Micros = 3_600_000_000;

/// How the service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It takes every order and is done at once.
    Fine,
    /// It takes every order, and is done with it ten minutes later.
    Slow,
    /// It refuses every order.
    Refusing,
    /// It takes every order and does it, and the first answer about each is lost.
    Losing,
    /// It takes nothing until this time, then it is fine.
    DownUntil(Micros),
    /// It is asked again later, with every order.
    Busy,
}

/// Where the deliverer dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The order is recorded as sent, and has not reached the service.
    BeforeSend,
    /// The order has reached the service, whose answer has not come.
    AfterSend,
    /// The service has given the answer that ends the action, and it is not recorded.
    BeforeRecording,
}

#[derive(Default)]
struct State {
    /// The orders that have reached the service, in order.
    sends: Vec<DeviceOrder>,
    /// What it has done, and when it was asked to.
    done: BTreeMap<ActionId, Micros>,
    /// Those whose answer was lost.
    lost: BTreeSet<ActionId>,
    crash: Option<Crash>,
}

/// See the module.
pub(crate) struct Fake {
    name: &'static str,
    place: &'static str,
    clock: Arc<ManualClock>,
    doing: Mutex<Doing>,
    received: Mutex<Received>,
    state: Mutex<State>,
    /// How many calls have come to the point where the deliverer dies.
    hung: watch::Sender<usize>,
    /// How often it was asked how an order stands.
    asked: watch::Sender<usize>,
}

impl Fake {
    pub(crate) fn new(name: &'static str, clock: &Arc<ManualClock>, doing: Doing) -> Arc<Self> {
        Self::at(name, "", clock, doing)
    }

    /// One of several services behind the adapter `name`.
    pub(crate) fn at(
        name: &'static str,
        place: &'static str,
        clock: &Arc<ManualClock>,
        doing: Doing,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            place,
            clock: Arc::clone(clock),
            doing: Mutex::new(doing),
            received: Mutex::new(Received::Unsure),
            state: Mutex::default(),
            hung: watch::Sender::new(0),
            asked: watch::Sender::new(0),
        })
    }

    /// The service for every device.
    pub(crate) fn alone(self: &Arc<Self>) -> Arc<dyn Services> {
        Arc::new(Only(Arc::clone(self) as _))
    }

    pub(crate) fn does(&self, doing: Doing) {
        *self.doing.lock() = doing;
    }

    /// What it says of orders whose answer was lost.
    pub(crate) fn says_of_lost_ones(&self, received: Received) {
        *self.received.lock() = received;
    }

    /// From now on calls hang where the deliverer is to die; `None` for no longer.
    pub(crate) fn hangs(&self, crash: Option<Crash>) {
        self.state.lock().crash = crash;
        self.hung.send_replace(0);
    }

    /// Waits until so many calls hang.
    pub(crate) async fn hung(&self, calls: usize) {
        self.hung.subscribe().wait_for(|hung| *hung >= calls).await.unwrap();
    }

    /// Waits until it was asked so often how an order stands.
    pub(crate) async fn asked(&self, times: usize) {
        self.asked.subscribe().wait_for(|asked| *asked >= times).await.unwrap();
    }

    /// How many orders have reached it.
    pub(crate) fn sends(&self) -> usize {
        self.state.lock().sends.len()
    }

    /// The orders that have reached it, in order.
    pub(crate) fn orders(&self) -> Vec<DeviceOrder> {
        self.state.lock().sends.clone()
    }

    /// On how many orders it has acted.
    pub(crate) fn acted(&self) -> usize {
        self.state.lock().done.len()
    }

    async fn dies_at(&self, points: &[Crash]) {
        let dies = self.state.lock().crash.is_some_and(|crash| points.contains(&crash));
        if dies {
            self.hung.send_modify(|hung| *hung += 1);
            std::future::pending::<()>().await;
        }
    }

    /// Takes an order: what it answers, and whether that ends the action.
    fn take(&self, order: &DeviceOrder) -> Result<(), MdmError> {
        let (now, doing) = (self.clock.now(), *self.doing.lock());
        let mut state = self.state.lock();
        state.sends.push(order.clone());
        let reason = || "the fake says so".to_owned();
        match doing {
            Doing::Refusing => return Err(MdmError::Refused(reason())),
            Doing::Busy => return Err(MdmError::Retry { reason: reason(), after: None }),
            Doing::DownUntil(until) if now < until => {
                return Err(MdmError::Down { reason: reason(), after: None });
            }
            Doing::Fine | Doing::Slow | Doing::Losing | Doing::DownUntil(_) => {}
        }
        // A key that has come before is not acted upon again.
        state.done.entry(order.action).or_insert(now);
        if doing == Doing::Losing && state.lost.insert(order.action) {
            return Err(MdmError::Unanswered { reason: reason() });
        }
        Ok(())
    }
}

impl Mdm for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn place(&self) -> Option<&str> {
        Some(self.place)
    }

    fn send<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<(), MdmError>> {
        Box::pin(async move {
            self.dies_at(&[Crash::BeforeSend]).await;
            let answer = self.take(order);
            self.dies_at(&[Crash::AfterSend]).await;
            if matches!(answer, Err(MdmError::Refused(_) | MdmError::Down { .. })) {
                self.dies_at(&[Crash::BeforeRecording]).await;
            }
            answer
        })
    }

    fn standing<'a>(&'a self, order: &'a DeviceOrder) -> BoxFuture<'a, Result<Standing, MdmError>> {
        Box::pin(async move {
            let asked = self.state.lock().done.get(&order.action).copied().unwrap();
            let ready = if *self.doing.lock() == Doing::Slow { asked + SLOW } else { asked };
            self.asked.send_modify(|asked| *asked += 1);
            if self.clock.now() < ready {
                return Ok(Standing::Accepted);
            }
            self.dies_at(&[Crash::BeforeRecording]).await;
            Ok(Standing::Done)
        })
    }

    fn received<'a>(&'a self, _: &'a DeviceOrder) -> BoxFuture<'a, Result<Received, MdmError>> {
        let received = *self.received.lock();
        Box::pin(async move { Ok(received) })
    }
}

/// A service for each platform, by its place or its name.
pub(crate) struct ByPlatform(pub(crate) Vec<Arc<Fake>>);

impl Services for ByPlatform {
    fn of<'a>(
        &'a self,
        _: &'a WorkspaceId,
        platform: &'a str,
    ) -> BoxFuture<'a, Result<Arc<dyn Mdm>, app::Refusal>> {
        let of = |fake: &&Arc<Fake>| [fake.place, fake.name].contains(&platform);
        let found = self.0.iter().find(of).unwrap();
        Box::pin(async move { Ok(Arc::clone(found) as Arc<dyn Mdm>) })
    }
}

/// One service that tells of its own accord what has become of orders.
pub(crate) struct Telling {
    service: Arc<Fake>,
    reports: Mutex<mpsc::UnboundedReceiver<(WorkspaceId, ActionId)>>,
}

impl Telling {
    /// The service, and where to say what it reports.
    pub(crate) fn by(
        service: &Arc<Fake>,
    ) -> (Arc<Self>, mpsc::UnboundedSender<(WorkspaceId, ActionId)>) {
        let (tells, reports) = mpsc::unbounded_channel();
        let telling = Self { service: Arc::clone(service), reports: Mutex::new(reports) };
        (Arc::new(telling), tells)
    }
}

impl Services for Telling {
    fn of<'a>(
        &'a self,
        _: &'a WorkspaceId,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Arc<dyn Mdm>, app::Refusal>> {
        Box::pin(async { Ok(Arc::clone(&self.service) as Arc<dyn Mdm>) })
    }

    fn reported(&self) -> BoxFuture<'_, (WorkspaceId, ActionId)> {
        let next = |context: &mut Context<'_>| self.reports.lock().poll_recv(context);
        Box::pin(async move { std::future::poll_fn(next).await.unwrap() })
    }
}

/// Time as the clock counts it.
pub(crate) fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}
