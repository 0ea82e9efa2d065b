//! The Android Management API.

use std::{sync::Arc, time::Duration};

use domain::offboarding::ActionKind;
use event_log::ManualClock;
use mdm::{
    Adapter, AndroidManagement,
    android_management::{ServiceAccount, Settings},
    http::{Address, Http, Secret},
};
use reactor::service::{Mdm, MdmError, Standing};
use testkit::fake::{AndroidManagement as Service, ENTERPRISE, Fake, Received};

use crate::suite::{Subject, change_policy, every_promise_over_http, http, order, status};

struct It;

impl Subject for It {
    type Behind = Fake<Service>;

    async fn make(&self, http: Http) -> (Arc<dyn Adapter>, Fake<Service>) {
        let (mdm, fake, _) = make(http).await;
        (Arc::new(mdm), fake)
    }

    fn external_id(&self) -> Option<String> {
        Some("D1".into())
    }
}

async fn make(http: Http) -> (AndroidManagement, Fake<Service>, Arc<ManualClock>) {
    let fake = Fake::start(Service::new()).await.unwrap();
    let settings = Settings {
        endpoint: Address::parse(&fake.url()).unwrap(),
        enterprise: ENTERPRISE.into(),
        wipe_days: 30,
    };
    let account = ServiceAccount::parse(&Secret::new(Service::key_file(&fake.url()))).unwrap();
    let clock = Arc::new(ManualClock::at(1_796_000_000_000_000));
    let mdm = AndroidManagement::new(http, settings, account, Arc::clone(&clock) as _);
    (mdm, fake, clock)
}

fn wipe() -> reactor::service::DeviceOrder {
    order(ActionKind::Remove, It.external_id())
}

#[tokio::test]
async fn it_keeps_every_promise() {
    every_promise_over_http(&It).await;
}

#[tokio::test]
async fn rule_28_a_wipe_has_an_explicit_duration() {
    let (mdm, fake, _) = make(http()).await;
    mdm.send(&wipe()).await.unwrap();
    assert_eq!(fake.with(|it| it.durations()), ["2592000s"]);
}

#[tokio::test]
async fn a_wipe_that_expired_is_for_a_person_who_may_have_it_issued_again() {
    let (mdm, fake, _) = make(http()).await;
    fake.with(|it| it.unreachable = true);
    mdm.send(&wipe()).await.unwrap();
    fake.settle();
    let expired = mdm.standing(&wipe()).await.unwrap_err();
    assert_eq!(
        expired,
        MdmError::Refused("the wipe failed: The command expired.".into()),
        "{expired}"
    );

    fake.with(|it| it.unreachable = false);
    mdm.send(&wipe()).await.unwrap();
    assert_eq!(mdm.standing(&wipe()).await, Ok(Standing::Accepted));
    fake.settle();
    assert_eq!(mdm.standing(&wipe()).await, Ok(Standing::Done));
    assert_eq!(fake.done(), 1);
}

#[tokio::test]
async fn a_policy_that_the_device_has_already_is_not_set_again() {
    let (mdm, fake, _) = make(http()).await;
    let mut order = order(change_policy(), Some(format!("{ENTERPRISE}/devices/D1")));
    order.policy_name = Some("default".into());
    assert_eq!(mdm.send(&order).await, Ok(()));
    assert_eq!(mdm.standing(&order).await, Ok(Standing::Done));
    assert_eq!(fake.done(), 0);
}

#[tokio::test]
async fn a_token_serves_until_shortly_before_its_end() {
    let (mdm, fake, clock) = make(http()).await;
    for _ in 0..3 {
        mdm.test().await.unwrap();
    }
    clock.advance(Duration::from_secs(3_500));
    mdm.test().await.unwrap();
    assert_eq!(fake.with(|it| it.tokens_issued()), 1);
    clock.advance(Duration::from_mins(1));
    mdm.test().await.unwrap();
    assert_eq!(fake.with(|it| it.tokens_issued()), 2);
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_replaced_once() {
    let (mdm, fake, _) = make(http()).await;
    mdm.test().await.unwrap();
    fake.with(Service::revoke_tokens);
    assert_eq!(mdm.send(&wipe()).await, Ok(()));
    assert_eq!(fake.with(|it| it.tokens_issued()), 2);

    // Whoever accepts no token at all is not asked for ever.
    fake.next_order(status(401));
    fake.next_order(status(401));
    let mut order = order(change_policy(), It.external_id());
    order.policy_name = Some("other".into());
    let refused = mdm.send(&order).await.unwrap_err();
    assert!(refused.to_string().contains("does not accept the credentials"), "{refused}");
    assert_eq!(fake.with(|it| it.tokens_issued()), 3);
}

#[tokio::test]
async fn what_fails_before_the_order_is_sent_leaves_nothing_open() {
    let failing =
        |part: &'static str| move |it: &Received| it.path.contains(part).then(|| status(500));
    let mut policy = order(change_policy(), It.external_id());
    policy.policy_name = Some("other".into());
    for (order, before) in [(wipe(), "/operations"), (policy, "/devices/D1")] {
        for part in ["/token", before] {
            let (mdm, fake, _) = make(http()).await;
            fake.whenever(failing(part));
            let failed = mdm.send(&order).await;
            assert!(matches!(failed, Err(MdmError::Down { .. })), "{part}: {failed:?}");
            fake.does_well();
            assert_eq!(mdm.send(&order).await, Ok(()));
        }
    }
    // A token endpoint that refuses has not looked at the order.
    let (mdm, fake, _) = make(http()).await;
    fake.whenever(|it| (it.path == "/token").then(|| status(403)));
    let failed = mdm.send(&wipe()).await;
    assert!(matches!(failed, Err(MdmError::Down { .. })), "{failed:?}");
}

#[tokio::test]
async fn orders_that_wait_for_one_token_do_not_wait_for_one_failure_after_the_other() {
    let (mdm, fake, _) = make(http()).await;
    let asked = || fake.received().iter().filter(|it| it.path == "/token").count();
    fake.whenever(|it| (it.path == "/token").then(|| status(503)));
    let order = wipe();
    let send = || async { tokio::join!(mdm.send(&order), mdm.send(&order), mdm.send(&order)) };
    let (one, two, three) = send().await;
    for failed in [one, two, three] {
        assert!(matches!(failed, Err(MdmError::Down { .. })), "{failed:?}");
    }
    assert_eq!(asked(), 1);
    // Whoever comes later asks again.
    fake.does_well();
    assert_eq!(mdm.send(&order).await, Ok(()));
    assert_eq!(asked(), 2);
}

#[tokio::test]
async fn a_device_or_a_policy_that_cannot_be_named_is_for_a_person_and_not_sent() {
    let (mdm, fake, _) = make(http()).await;
    for external_id in [None, Some(""), Some("D1/../D2"), Some("enterprises/other/devices/D1")] {
        let order = order(ActionKind::Remove, external_id.map(str::to_owned));
        assert!(matches!(mdm.send(&order).await, Err(MdmError::Refused(_))), "{external_id:?}");
    }
    let mut order = order(change_policy(), It.external_id());
    order.policy_name = Some("Left the company".into());
    assert!(matches!(mdm.send(&order).await, Err(MdmError::Refused(_))));
    assert!(fake.received().is_empty());

    // One that could be named and is not there.
    let order = self::order(ActionKind::Remove, Some("D9".into()));
    let refused = mdm.send(&order).await.unwrap_err();
    assert!(refused.to_string().contains("NOT_FOUND"), "{refused}");
}

#[tokio::test]
async fn a_device_is_unassigned_without_a_call() {
    let (mdm, fake, _) = make(http()).await;
    let order = order(ActionKind::Unassign, None);
    assert_eq!(mdm.send(&order).await, Ok(()));
    assert_eq!(mdm.standing(&order).await, Ok(Standing::Done));
    assert!(fake.received().is_empty());
}

#[test]
fn a_key_file_that_is_none_is_refused_without_being_repeated() {
    for text in [
        "",
        "{}",
        r#"{"client_email":"a","private_key":"hunter2","token_uri":"https://a.example"}"#,
    ] {
        let wrong = ServiceAccount::parse(&Secret::new(text.into())).err().unwrap();
        assert!(!wrong.contains("hunter2"), "{wrong}");
    }
}
