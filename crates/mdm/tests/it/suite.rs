//! What every adapter promises, whatever its service: one list of cases for all of them.
//!
//! An adapter comes with what is behind it and a way to make both: a fake of its service, mostly. Each
//! case begins anew. What only a service can do that is called over HTTP is a list of its own.

use std::{sync::Arc, time::Duration};

use domain::{
    ids::{ActionId, DeviceId, PolicyId},
    offboarding::ActionKind,
};
use event_log::WorkspaceId;
use mdm::{Adapter, http::Http};
use reactor::service::{DeviceOrder, MdmError, Received, Standing};
use testkit::fake::{Fake, Fault, Reply, Service};
use uuid::Uuid;

use crate::record::each_state_is_recorded_in_an_append_of_its_own;

/// How a subject of the suite is made.
pub(crate) trait Subject {
    type Behind: Behind;

    /// What is behind the adapter, and the adapter.
    async fn make(&self, http: Http) -> (Arc<dyn Adapter>, Self::Behind);

    /// What the service knows the device as, if not by its serial number.
    fn external_id(&self) -> Option<String> {
        None
    }

    /// Whether what it has taken can still be taken back, since it acts when the end is recorded and not
    /// before.
    fn acts_at_the_end(&self) -> bool {
        false
    }
}

/// What can go wrong with an order, whatever the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is refused.
    Refused,
    /// The service takes nothing, and asks to be left alone for [`AFTER_SECONDS`].
    Busy,
    /// It is taken, and the answer is lost.
    LostAnswer,
}

/// For how long a service that is busy asks to be left alone, in seconds.
const AFTER_SECONDS: u64 = 77;

/// What is behind an adapter: it takes orders, and is done with them when it is told to be.
pub(crate) trait Behind: Send + Sync {
    /// What goes wrong with the next order.
    fn troubled(&self, trouble: Trouble);

    /// Lets everything be done that was taken.
    fn settled(&self);

    /// How many orders are done.
    fn count(&self) -> usize;
}

impl<S: Service> Behind for Fake<S> {
    fn troubled(&self, trouble: Trouble) {
        self.next_order(match trouble {
            Trouble::Refused => status(403),
            Trouble::Busy => busy(503),
            Trouble::LostAnswer => Fault::LostAnswer,
        });
    }

    fn settled(&self) {
        self.settle();
    }

    fn count(&self) -> usize {
        self.done()
    }
}

/// Everything that every adapter promises.
pub(crate) async fn every_promise(subject: &impl Subject) {
    for kind in [ActionKind::Remove, change_policy()] {
        let order = order(kind, subject.external_id());
        it_is_done_once(subject, &order).await;
        asked_twice_it_is_done_once(subject, &order).await;
        a_lost_answer_does_not_make_it_happen_twice(subject, &order).await;
        what_is_refused_is_for_a_person(subject, &order).await;
        a_service_that_takes_nothing_is_asked_again(subject, &order).await;
    }
    each_state_is_recorded_in_an_append_of_its_own(subject).await;
}

/// Everything that is promised of a service that is called over HTTP.
pub(crate) async fn every_promise_over_http<S: Service>(subject: &impl Subject<Behind = Fake<S>>) {
    every_promise(subject).await;
    for kind in [ActionKind::Remove, change_policy()] {
        let order = order(kind, subject.external_id());
        an_answer_without_sense_does_not_make_it_happen_twice(subject, &order).await;
        silence_ends(subject, &order).await;
        a_refusal_is_for_a_person(subject, &order).await;
        a_busy_service_is_asked_again(subject, &order).await;
        a_broken_service_is_asked_again(subject, &order).await;
        a_service_that_is_not_there_has_got_nothing(subject, &order).await;
        a_redirect_is_not_followed(subject, &order).await;
        a_restart_of_the_service_changes_nothing(subject, &order).await;
        how_it_stands_survives_every_fault(subject, &order).await;
    }
    a_test_touches_no_device(subject).await;
    no_error_shows_what_was_sent(subject).await;
}

/// A change of policy.
pub(crate) fn change_policy() -> ActionKind {
    ActionKind::ChangePolicy { policy: PolicyId(Uuid::from_u128(3)) }
}

/// An order of the workspace `acme`.
pub(crate) fn order(kind: ActionKind, external_id: Option<String>) -> DeviceOrder {
    DeviceOrder {
        workspace: WorkspaceId::parse("acme").unwrap(),
        action: ActionId(Uuid::from_u128(1)),
        device: DeviceId(Uuid::from_u128(2)),
        serial: "S-1".into(),
        external_id,
        platform: "any".into(),
        kind,
        policy_name: matches!(kind, ActionKind::ChangePolicy { .. }).then(|| "left".into()),
        correlation: "c-1".into(),
    }
}

/// A client that gives up soon, for services that never answer.
pub(crate) fn http() -> Http {
    Http::new().with_patience(Duration::from_secs(20))
}

fn impatient() -> Http {
    Http::new().with_patience(Duration::from_secs(2))
}

/// An answer with a status and nothing else.
pub(crate) fn status(status: u16) -> Fault {
    Fault::Answer(Reply::empty(status))
}

/// An answer that asks to be left alone.
fn busy(status: u16) -> Fault {
    let headers = vec![("retry-after", AFTER_SECONDS.to_string())];
    Fault::Answer(Reply { headers, ..Reply::empty(status) })
}

async fn it_is_done_once(subject: &impl Subject, order: &DeviceOrder) {
    let (mdm, behind) = subject.make(http()).await;
    assert_eq!(mdm.send(order).await, Ok(()));
    assert_eq!(mdm.standing(order).await, Ok(Standing::Accepted));
    behind.settled();
    assert_eq!(mdm.standing(order).await, Ok(Standing::Done));
    assert_eq!(mdm.standing(order).await, Ok(Standing::Done));
    let received = if subject.acts_at_the_end() { Received::No } else { Received::Yes };
    assert_eq!(mdm.received(order).await, Ok(received));
    assert_eq!(behind.count(), 1);
}

async fn asked_twice_it_is_done_once(subject: &impl Subject, order: &DeviceOrder) {
    let (mdm, behind) = subject.make(http()).await;
    assert_eq!(mdm.send(order).await, Ok(()));
    assert_eq!(mdm.send(order).await, Ok(()), "before it is done");
    behind.settled();
    assert_eq!(mdm.send(order).await, Ok(()), "after it is done");
    behind.settled();
    assert_eq!(behind.count(), 1);
    assert_eq!(mdm.standing(order).await, Ok(Standing::Done));
}

async fn a_lost_answer_does_not_make_it_happen_twice(subject: &impl Subject, order: &DeviceOrder) {
    // Whether the device has acted before the order is repeated makes no difference.
    for settled in [false, true] {
        let (mdm, behind) = subject.make(http()).await;
        behind.troubled(Trouble::LostAnswer);
        let lost = mdm.send(order).await;
        assert!(matches!(lost, Err(MdmError::Unanswered { .. })), "{lost:?}");
        if settled {
            behind.settled();
        }
        let can_be_taken_back = mdm.received(order).await == Ok(Received::No);
        assert_eq!(can_be_taken_back, subject.acts_at_the_end());
        assert_eq!(mdm.send(order).await, Ok(()));
        behind.settled();
        assert_eq!(behind.count(), 1, "settled before: {settled}");
        assert_eq!(mdm.standing(order).await, Ok(Standing::Done));
    }
}

async fn what_is_refused_is_for_a_person(subject: &impl Subject, order: &DeviceOrder) {
    let (mdm, behind) = subject.make(http()).await;
    behind.troubled(Trouble::Refused);
    let answer = mdm.send(order).await;
    assert!(matches!(answer, Err(MdmError::Refused(_))), "{answer:?}");
    behind.settled();
    assert_eq!(behind.count(), 0);
}

async fn a_service_that_takes_nothing_is_asked_again(subject: &impl Subject, order: &DeviceOrder) {
    let (mdm, behind) = subject.make(http()).await;
    behind.troubled(Trouble::Busy);
    let answer = mdm.send(order).await;
    let asked = Some(Duration::from_secs(AFTER_SECONDS));
    assert!(matches!(answer, Err(MdmError::Down { after, .. }) if after == asked), "{answer:?}");
    assert_eq!(mdm.send(order).await, Ok(()));
    behind.settled();
    assert_eq!(behind.count(), 1);
}

async fn an_answer_without_sense_does_not_make_it_happen_twice<S: Service>(
    subject: &impl Subject<Behind = Fake<S>>,
    order: &DeviceOrder,
) {
    let (mdm, fake) = subject.make(http()).await;
    fake.next_order(Fault::Garbage);
    let first = mdm.send(order).await;
    assert!(matches!(first, Ok(()) | Err(MdmError::Unanswered { .. })), "{first:?}");
    assert_eq!(mdm.send(order).await, Ok(()));
    fake.settle();
    assert_eq!(fake.done(), 1);
}

async fn silence_ends<S: Service>(subject: &impl Subject<Behind = Fake<S>>, order: &DeviceOrder) {
    let (mdm, fake) = subject.make(impatient()).await;
    fake.next_order(Fault::Silence);
    let silent = mdm.send(order).await;
    assert!(matches!(silent, Err(MdmError::Unanswered { .. })), "{silent:?}");
    assert_ne!(mdm.received(order).await, Ok(Received::No), "the service has it");
}

async fn a_refusal_is_for_a_person<S: Service>(
    subject: &impl Subject<Behind = Fake<S>>,
    order: &DeviceOrder,
) {
    for refused in [400, 403, 404] {
        let (mdm, fake) = subject.make(http()).await;
        fake.next_order(status(refused));
        let answer = mdm.send(order).await;
        assert!(matches!(answer, Err(MdmError::Refused(_))), "{refused}: {answer:?}");
        fake.settle();
        assert_eq!(fake.done(), 0);
    }
}

async fn a_busy_service_is_asked_again<S: Service>(
    subject: &impl Subject<Behind = Fake<S>>,
    order: &DeviceOrder,
) {
    for code in [429, 503] {
        let (mdm, fake) = subject.make(http()).await;
        fake.next_order(busy(code));
        match mdm.send(order).await {
            Err(MdmError::Down { after, .. }) => {
                assert_eq!(after, Some(Duration::from_secs(AFTER_SECONDS)));
            }
            other => panic!("{code}: {other:?}"),
        }
        assert_eq!(mdm.send(order).await, Ok(()));
        fake.settle();
        assert_eq!(fake.done(), 1);
    }
}

async fn a_broken_service_is_asked_again<S: Service>(
    subject: &impl Subject<Behind = Fake<S>>,
    order: &DeviceOrder,
) {
    for broken in [500, 502, 504] {
        let (mdm, fake) = subject.make(http()).await;
        fake.next_order(status(broken));
        let answer = mdm.send(order).await;
        assert!(matches!(answer, Err(MdmError::Unanswered { .. })), "{broken}: {answer:?}");
        assert_eq!(mdm.send(order).await, Ok(()));
        fake.settle();
        assert_eq!(fake.done(), 1);
    }
}

async fn a_service_that_is_not_there_has_got_nothing<S: Service>(
    subject: &impl Subject<Behind = Fake<S>>,
    order: &DeviceOrder,
) {
    let (mdm, fake) = subject.make(http()).await;
    drop(fake);
    let answer = mdm.send(order).await;
    assert!(matches!(answer, Err(MdmError::Down { .. })), "{answer:?}");
}

async fn a_redirect_is_not_followed<S: Service>(
    subject: &impl Subject<Behind = Fake<S>>,
    order: &DeviceOrder,
) {
    let (mdm, fake) = subject.make(http()).await;
    let headers = vec![("location", format!("{}/elsewhere", fake.url()))];
    fake.next_order(Fault::Answer(Reply { headers, ..Reply::empty(307) }));
    assert!(matches!(mdm.send(order).await, Err(MdmError::Refused(_))));
    assert!(fake.received().iter().all(|it| it.path != "/elsewhere"));
}

async fn a_restart_of_the_service_changes_nothing<S: Service>(
    subject: &impl Subject<Behind = Fake<S>>,
    order: &DeviceOrder,
) {
    let (mdm, mut fake) = subject.make(http()).await;
    assert_eq!(mdm.send(order).await, Ok(()));
    fake.restart().await.unwrap();
    // The first call may find the connection that ended.
    let mut again = mdm.send(order).await;
    if again.is_err() {
        again = mdm.send(order).await;
    }
    assert_eq!(again, Ok(()));
    fake.settle();
    assert_eq!(mdm.standing(order).await, Ok(Standing::Done));
    assert_eq!(fake.done(), 1);
}

async fn how_it_stands_survives_every_fault<S: Service>(
    subject: &impl Subject<Behind = Fake<S>>,
    order: &DeviceOrder,
) {
    let (mdm, fake) = subject.make(http()).await;
    assert_eq!(mdm.send(order).await, Ok(()));
    fake.settle();
    for fault in [status(503), status(429), Fault::LostAnswer] {
        fake.next(fault);
        let asked = mdm.standing(order).await;
        assert!(!matches!(asked, Err(MdmError::Refused(_)) | Ok(Standing::Accepted)), "{asked:?}");
        assert_eq!(mdm.standing(order).await, Ok(Standing::Done));
    }
    assert_eq!(fake.done(), 1);
}

async fn a_test_touches_no_device<S: Service>(subject: &impl Subject<Behind = Fake<S>>) {
    let (mdm, fake) = subject.make(http()).await;
    assert_eq!(mdm.test().await, Ok(()));
    fake.settle();
    assert_eq!(fake.done(), 0);
    assert!(!fake.received().is_empty(), "it has asked the service");
    fake.next(status(401));
    fake.next(status(401));
    fake.next(status(401));
    assert!(mdm.test().await.is_err(), "a service that does not know us");
}

async fn no_error_shows_what_was_sent<S: Service>(subject: &impl Subject<Behind = Fake<S>>) {
    let (mdm, fake) = subject.make(http()).await;
    let order = order(ActionKind::Remove, subject.external_id());
    fake.next_order(status(400));
    let error = mdm.send(&order).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    for request in fake.received() {
        for name in ["authorization", "webhook-signature"] {
            let value = request.header(name);
            assert!(value.is_empty() || !shown.contains(value), "{shown}");
        }
    }
}
