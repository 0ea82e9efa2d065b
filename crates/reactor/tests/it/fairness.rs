//! What is slow or down, or has ten thousand orders, holds up nobody else; and nobody is called faster
//! than is set.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use app::Refusal;
use domain::{
    device::{ActionState, DeviceState},
    rule::OnDeactivate,
};
use event_log::WorkspaceId;
use projections::effects::OffboardingState;
use reactor::service::{BoxFuture, Mdm, Services};
use tracing::{
    Event, Level, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

use crate::{
    fake::{ByPlatform, Crash, Doing, Fake, HOUR, Telling},
    running::{START, Scene},
};

/// Somebody with so many devices of each platform, deactivated, and the services.
async fn owed(ios: usize, android: usize, doing: Doing) -> (Scene, [Arc<Fake>; 2]) {
    let scene = Scene::set(OnDeactivate::Unassign).await;
    for (platform, count) in [("ios", ios), ("android", android)] {
        for number in 0..count {
            scene.give(&format!("{platform}-{number}"), platform).await;
        }
    }
    let fakes =
        [Fake::new("ios", &scene.clock, doing), Fake::new("android", &scene.clock, Doing::Fine)];
    scene.set_active(false).await;
    (scene, fakes)
}

fn services(fakes: &[Arc<Fake>; 2]) -> Arc<ByPlatform> {
    Arc::new(ByPlatform(fakes.to_vec()))
}

#[tokio::test]
async fn a_service_that_does_not_answer_holds_up_no_other() {
    let (scene, fakes) = owed(30, 12, Doing::Fine).await;
    fakes[0].hangs(Some(Crash::BeforeSend));
    let deliverer = reactor::deliverer::run(scene.deliverer(services(&fakes)));
    let deliverer = tokio::spawn(deliverer);
    // Twelve confirmations while eight calls to the other service hang.
    let mut ticks = scene.app.log().watch();
    while scene.count("device.action_confirmed").await < 12 {
        ticks.changed().await.unwrap();
    }
    fakes[0].hung(8).await;
    assert_eq!((fakes[0].sends(), fakes[1].acted()), (0, 12));
    assert_eq!(scene.count("device.action_sent").await, 20, "eight and no more at a time");
    deliverer.abort();
}

#[tokio::test]
async fn two_services_behind_one_adapter_know_nothing_of_each_other() {
    let (scene, _) = owed(30, 12, Doing::Fine).await;
    let at = |place, doing| Fake::at("webhook", place, &scene.clock, doing);
    let fakes = [at("ios", Doing::DownUntil(START + HOUR)), at("android", Doing::Fine)];
    let deliverer = scene.deliverer(services(&fakes));
    deliverer.turn().await.unwrap();
    assert_eq!((fakes[0].sends(), fakes[1].acted()), (8, 12));
    scene.run(&deliverer).await;
    assert_eq!(fakes[0].acted(), 30);

    // Two platforms of one service are one lane.
    let (scene, _) = owed(30, 12, Doing::Fine).await;
    let fake = Fake::at("webhook", "here", &scene.clock, Doing::DownUntil(START + HOUR));
    let deliverer = scene.deliverer(fake.alone());
    deliverer.turn().await.unwrap();
    assert_eq!(fake.sends(), 8);
}

/// Time does not pass: whoever is asked is asked because of the report.
#[tokio::test]
async fn what_a_service_reports_is_asked_about_at_once() {
    let (scene, fakes) = owed(3, 0, Doing::Slow).await;
    let (services, tells) = Telling::by(&fakes[0]);
    let deliverer = tokio::spawn(reactor::deliverer::run(scene.deliverer(services)));
    fakes[0].asked(3).await;
    fakes[0].does(Doing::Fine);
    let rows = scene.app.read_models().effects().actions(&scene.workspace, None, 0, 100).unwrap();
    // Again, and about what nobody knows: neither does any harm.
    for action in [rows[1].id, rows[1].id, domain::ids::ActionId::default()] {
        tells.send((scene.workspace.clone(), action)).unwrap();
    }
    let mut ticks = scene.app.log().watch();
    while scene.count("device.action_confirmed").await < 1 {
        ticks.changed().await.unwrap();
    }
    assert_eq!(scene.device(rows[1].device).await.user, None, "it is the one that was reported");
    assert_eq!(scene.count("device.action_confirmed").await, 1, "and no other");
    assert_eq!(scene.device(rows[0].device).await.state, DeviceState::Enrolled);
    deliverer.abort();
}

#[tokio::test]
async fn a_service_that_is_down_costs_few_calls_and_holds_up_no_other() {
    let (scene, fakes) = owed(200, 12, Doing::DownUntil(START + HOUR)).await;
    let deliverer = scene.deliverer(services(&fakes));
    let wake = deliverer.turn().await.unwrap();
    assert_eq!((fakes[0].sends(), fakes[1].acted()), (8, 12));
    assert_eq!(wake, Some(START + 10_000_000), "it is left alone for ten seconds");
    scene.run(&deliverer).await;
    assert_eq!((fakes[0].sends(), fakes[0].acted()), (200 + 8 + 15, 200));
    assert_eq!(scene.count("device.action_parked").await, 0, "an outage uses up no tries");
    scene.offboarding_is(OffboardingState::Completed).await;
}

#[tokio::test]
async fn a_service_is_called_no_faster_than_is_set() {
    let (scene, fakes) = owed(100, 0, Doing::Slow).await;
    let deliverer = scene.deliverer(services(&fakes));
    let wake = deliverer.turn().await.unwrap();
    // An order takes two calls, one to hand it over and one to ask; a second has twenty.
    let first = fakes[0].sends();
    assert!((8..=16).contains(&first), "{first}");
    assert!(wake.unwrap() > START, "the next ones wait for time to pass");
    scene.run(&deliverer).await;
    let sent = scene.sent_at().await;
    for (at, _) in sent.iter().enumerate().skip(20) {
        let took = sent[at] - sent[at - 20];
        assert!(took >= 1_000_000, "twenty calls within {took} µs");
    }
    assert_eq!(fakes[0].acted(), 100);
}

#[tokio::test]
async fn of_one_service_the_oldest_order_goes_first() {
    let (scene, fakes) = owed(12, 0, Doing::DownUntil(START + 1)).await;
    let deliverer = scene.deliverer(services(&fakes));
    deliverer.turn().await.unwrap();
    let waiting = scene.app.read_models().effects();
    let all = waiting.actions(&scene.workspace, None, 0, 100).unwrap();
    let order: Vec<_> = all.iter().map(|row| row.id).collect();
    let sent: Vec<_> = fakes[0].orders().into_iter().map(|order| order.action).collect();
    assert_eq!(sent, order[..8], "in the order of their requests");
    assert!(all[8..].iter().all(|row| row.state == ActionState::Requested));
}

impl Scene {
    /// When each order was recorded as sent.
    async fn sent_at(&self) -> Vec<i64> {
        let events = self.app.log().read(&self.workspace, 0, 100_000).await.unwrap();
        let sent = events.iter().filter(|event| event.name == "device.action_sent");
        sent.map(|event| event.time).collect()
    }
}

/// A setting that cannot be read.
struct Unreadable;

impl Services for Unreadable {
    fn of<'a>(
        &'a self,
        _: &'a WorkspaceId,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Arc<dyn Mdm>, Refusal>> {
        Box::pin(async { Err(Refusal::Unreadable) })
    }
}

/// How many errors were written into the server's log.
struct Errors(Arc<AtomicUsize>);

impl Subscriber for Errors {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let is_error = *event.metadata().level() == Level::ERROR;
        self.0.fetch_add(usize::from(is_error), Ordering::Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn what_goes_wrong_at_every_turn_is_said_once_in_a_while() {
    let (scene, _) = owed(1, 0, Doing::Fine).await;
    let errors = Arc::new(AtomicUsize::new(0));
    let _guard = tracing::subscriber::set_default(Errors(Arc::clone(&errors)));
    let deliverer = scene.deliverer(Arc::new(Unreadable));
    let said = || errors.load(Ordering::Relaxed);
    // As after each commit of anybody.
    for _ in 0..10 {
        deliverer.turn().await.unwrap();
    }
    assert_eq!(said(), 1);
    scene.clock.advance(std::time::Duration::from_secs(30));
    deliverer.turn().await.unwrap();
    assert_eq!(said(), 2);
}
