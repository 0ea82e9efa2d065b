//! What every adapter promises, whatever its service: one list of cases for all of them.
//!
//! An adapter comes with a fake of its service and a way to make both. Each case begins anew.

use std::time::Duration;

use domain::{
    ids::{ActionId, DeviceId, PolicyId},
    offboarding::ActionKind,
};
use event_log::WorkspaceId;
use mdm::{Adapter, http::Http};
use reactor::service::{DeviceOrder, MdmError, Received, Standing};
use testkit::fake::{Fake, Fault, Reply, Service};
use uuid::Uuid;

/// How a subject of the suite is made.
pub(crate) trait Subject {
    type Service: Service;

    /// A fake, and the adapter that talks to it.
    async fn make(&self, http: Http) -> (Box<dyn Adapter>, Fake<Self::Service>);

    /// What the service knows the device as, if not by its serial number.
    fn external_id(&self) -> Option<String>;
}

/// Everything that is promised.
pub(crate) async fn every_promise(subject: &impl Subject) {
    for kind in [ActionKind::Remove, change_policy()] {
        let order = order(kind, subject.external_id());
        it_is_done_once(subject, &order).await;
        asked_twice_it_is_done_once(subject, &order).await;
        a_lost_answer_does_not_make_it_happen_twice(subject, &order).await;
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

async fn it_is_done_once(subject: &impl Subject, order: &DeviceOrder) {
    let (mdm, fake) = subject.make(http()).await;
    assert_eq!(mdm.send(order).await, Ok(()));
    assert_eq!(mdm.standing(order).await, Ok(Standing::Accepted));
    fake.settle();
    assert_eq!(mdm.standing(order).await, Ok(Standing::Done));
    assert_eq!(mdm.standing(order).await, Ok(Standing::Done));
    assert_eq!(mdm.received(order).await, Ok(Received::Yes));
    assert_eq!(fake.done(), 1);
}

async fn asked_twice_it_is_done_once(subject: &impl Subject, order: &DeviceOrder) {
    let (mdm, fake) = subject.make(http()).await;
    assert_eq!(mdm.send(order).await, Ok(()));
    assert_eq!(mdm.send(order).await, Ok(()), "before it is done");
    fake.settle();
    assert_eq!(mdm.send(order).await, Ok(()), "after it is done");
    fake.settle();
    assert_eq!(fake.done(), 1);
    assert_eq!(mdm.standing(order).await, Ok(Standing::Done));
}

async fn a_lost_answer_does_not_make_it_happen_twice(subject: &impl Subject, order: &DeviceOrder) {
    // Whether the device has acted before the order is repeated makes no difference.
    for settled in [false, true] {
        let (mdm, fake) = subject.make(http()).await;
        fake.next_order(Fault::LostAnswer);
        let lost = mdm.send(order).await;
        assert!(matches!(lost, Err(MdmError::Unanswered { .. })), "{lost:?}");
        if settled {
            fake.settle();
        }
        assert_ne!(mdm.received(order).await, Ok(Received::No), "the service has it");
        assert_eq!(mdm.send(order).await, Ok(()));
        fake.settle();
        assert_eq!(fake.done(), 1, "settled before: {settled}");
        assert_eq!(mdm.standing(order).await, Ok(Standing::Done));
    }
}

async fn an_answer_without_sense_does_not_make_it_happen_twice(
    subject: &impl Subject,
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

async fn silence_ends(subject: &impl Subject, order: &DeviceOrder) {
    let (mdm, fake) = subject.make(impatient()).await;
    fake.next_order(Fault::Silence);
    let silent = mdm.send(order).await;
    assert!(matches!(silent, Err(MdmError::Unanswered { .. })), "{silent:?}");
    assert_ne!(mdm.received(order).await, Ok(Received::No), "the service has it");
}

async fn a_refusal_is_for_a_person(subject: &impl Subject, order: &DeviceOrder) {
    for refused in [400, 403, 404] {
        let (mdm, fake) = subject.make(http()).await;
        fake.next_order(status(refused));
        let answer = mdm.send(order).await;
        assert!(matches!(answer, Err(MdmError::Refused(_))), "{refused}: {answer:?}");
        fake.settle();
        assert_eq!(fake.done(), 0);
    }
}

async fn a_busy_service_is_asked_again(subject: &impl Subject, order: &DeviceOrder) {
    for busy in [429, 503] {
        let (mdm, fake) = subject.make(http()).await;
        let headers = vec![("retry-after", "77".to_owned())];
        fake.next_order(Fault::Answer(Reply { headers, ..Reply::empty(busy) }));
        match mdm.send(order).await {
            Err(MdmError::Down { after, .. }) => assert_eq!(after, Some(Duration::from_secs(77))),
            other => panic!("{busy}: {other:?}"),
        }
        assert_eq!(mdm.send(order).await, Ok(()));
        fake.settle();
        assert_eq!(fake.done(), 1);
    }
}

async fn a_broken_service_is_asked_again(subject: &impl Subject, order: &DeviceOrder) {
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

async fn a_service_that_is_not_there_has_got_nothing(subject: &impl Subject, order: &DeviceOrder) {
    let (mdm, fake) = subject.make(http()).await;
    drop(fake);
    let answer = mdm.send(order).await;
    assert!(matches!(answer, Err(MdmError::Down { .. })), "{answer:?}");
}

async fn a_redirect_is_not_followed(subject: &impl Subject, order: &DeviceOrder) {
    let (mdm, fake) = subject.make(http()).await;
    let headers = vec![("location", format!("{}/elsewhere", fake.url()))];
    fake.next_order(Fault::Answer(Reply { headers, ..Reply::empty(307) }));
    assert!(matches!(mdm.send(order).await, Err(MdmError::Refused(_))));
    assert!(fake.received().iter().all(|it| it.path != "/elsewhere"));
}

async fn a_restart_of_the_service_changes_nothing(subject: &impl Subject, order: &DeviceOrder) {
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

async fn how_it_stands_survives_every_fault(subject: &impl Subject, order: &DeviceOrder) {
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

async fn a_test_touches_no_device(subject: &impl Subject) {
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

async fn no_error_shows_what_was_sent(subject: &impl Subject) {
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
