//! NanoMDM.

use std::{collections::BTreeMap, sync::Arc};

use domain::offboarding::ActionKind;
use event_log::{EventLog, ManualClock, SqliteLog, WorkspaceId};
use mdm::{
    Adapter, NanoMdm,
    http::{Address, Http, Secret},
    nanomdm::{Credentials, report},
};
use reactor::service::{DeviceOrder, Mdm, MdmError, Received, Standing};
use serde_json::json;
use testkit::fake::{Fake, Fault, NanoMdm as Service, Reply};

use crate::suite::{Subject, change_policy, every_promise_over_http, http, order};

const WEBHOOK_KEY: &str = "a key of the webhook";

struct It;

impl Subject for It {
    type Behind = Fake<Service>;

    async fn make(&self, http: Http) -> (Arc<dyn Adapter>, Fake<Service>) {
        let (mdm, fake) = make(http).await;
        (Arc::new(mdm), fake)
    }

    fn external_id(&self) -> Option<String> {
        Some("E-1".into())
    }
}

async fn make(http: Http) -> (NanoMdm, Fake<Service>) {
    let log: Arc<dyn EventLog> = SqliteLog::temporary(Arc::new(ManualClock::at(0))).unwrap();
    let kept = Arc::clone(&log);
    let listener = Box::new(move |signature: &str, body: &[u8]| {
        assert!(report::is_signed(&Secret::new(WEBHOOK_KEY.into()), signature, body));
        report::keep(&*kept, &WorkspaceId::parse("acme").unwrap(), body).unwrap();
    });
    let fake = Fake::start(Service::new("an api key", WEBHOOK_KEY, listener)).await.unwrap();
    let profiles = BTreeMap::from([("left".into(), Secret::new("PGRpY3QvPg==".into()))]);
    let credentials =
        Credentials { api_key: Secret::new("an api key".into()), erase_pin: None, profiles };
    let address = Address::parse(&fake.url()).unwrap();
    (NanoMdm::new(http, &address, credentials, log), fake)
}

fn erase() -> DeviceOrder {
    order(ActionKind::Remove, It.external_id())
}

#[tokio::test]
async fn it_keeps_every_promise() {
    every_promise_over_http(&It).await;
}

#[tokio::test]
async fn rule_28_a_device_gets_the_right_commands_under_the_actions_id() {
    let (mdm, fake) = make(http()).await;
    mdm.send(&erase()).await.unwrap();
    let commands = fake.with(|it| it.commands());
    assert_eq!(commands[&erase().action.to_string()].kind, "EraseDevice");

    let (mdm, fake) = make(http()).await;
    mdm.send(&order(change_policy(), It.external_id())).await.unwrap();
    let commands = fake.with(|it| it.commands());
    let command = &commands[&erase().action.to_string()];
    assert_eq!(command.kind, "InstallProfile");
    assert!(command.plist.contains("<key>Payload</key><data>PGRpY3QvPg==</data>"));
}

#[tokio::test]
async fn a_device_that_cannot_now_is_waited_for() {
    let (mdm, fake) = make(http()).await;
    mdm.send(&erase()).await.unwrap();
    fake.with(|it| it.answers = "NotNow");
    fake.settle();
    assert_eq!(mdm.standing(&erase()).await, Ok(Standing::Accepted));
    assert_eq!(mdm.send(&erase()).await, Ok(()), "nor is it told again");
    assert_eq!(fake.received().len(), 1);
    fake.with(|it| it.answers = "Acknowledged");
    fake.settle();
    assert_eq!(mdm.standing(&erase()).await, Ok(Standing::Done));
}

#[tokio::test]
async fn a_command_that_failed_is_for_a_person_whose_retry_is_another_command() {
    let (mdm, fake) = make(http()).await;
    mdm.send(&erase()).await.unwrap();
    fake.with(|it| it.answers = "Error");
    fake.settle();
    let failed = MdmError::Refused("the device answers Error".into());
    assert_eq!(mdm.standing(&erase()).await, Err(failed));
    assert_eq!(mdm.received(&erase()).await, Ok(Received::No));

    fake.with(|it| it.answers = "Acknowledged");
    mdm.send(&erase()).await.unwrap();
    assert_eq!(mdm.standing(&erase()).await, Ok(Standing::Accepted));
    mdm.send(&erase()).await.unwrap();
    fake.settle();
    assert_eq!(mdm.standing(&erase()).await, Ok(Standing::Done));
    assert_eq!(fake.with(|it| it.commands()).len(), 2);
    assert_eq!(fake.done(), 1);
}

#[tokio::test]
async fn a_push_that_failed_is_tried_again_with_the_command_in_the_queue_once() {
    let (mdm, fake) = make(http()).await;
    fake.with(|it| it.no_push = true);
    for _ in 0..2 {
        let untold = mdm.send(&erase()).await.unwrap_err();
        assert!(untold.to_string().contains("BadDeviceToken"), "{untold}");
    }
    fake.with(|it| it.no_push = false);
    assert_eq!(mdm.send(&erase()).await, Ok(()));
    assert_eq!(fake.with(|it| (it.commands().len(), it.pushes)), (1, 1));
}

/// Releases without `NanoMDM`'s package `api` say so of one enrolment too: the command was enqueued and the
/// device not told, or the other way round.
#[tokio::test]
async fn what_was_done_in_part_is_told_apart() {
    let (mdm, fake) = make(http()).await;
    mdm.send(&erase()).await.unwrap();
    let duplicate = "Error 1062 (23000): Duplicate entry 'x' for key 'commands.PRIMARY'";
    let told = json!({ "status": { "E-1": { "push_result": "1" } }, "command_error": duplicate });
    fake.next_order(Fault::Answer(Reply::json(207, &told)));
    assert_eq!(mdm.send(&erase()).await, Ok(()), "it is there already");
    let untold = json!({ "status": { "E-1": { "push_error": "BadDeviceToken" } } });
    fake.next_order(Fault::Answer(Reply::json(207, &untold)));
    let error = mdm.send(&erase()).await.unwrap_err();
    assert!(error.to_string().contains("BadDeviceToken"), "{error}");
}

#[tokio::test]
async fn only_a_device_that_is_enrolled_gets_a_command() {
    let (mdm, fake) = make(http()).await;
    for external_id in [None, Some(""), Some("E-1,E-2"), Some("E-1:USER"), Some("../pushcert")] {
        let order = order(ActionKind::Remove, external_id.map(str::to_owned));
        assert!(matches!(mdm.send(&order).await, Err(MdmError::Refused(_))), "{external_id:?}");
    }
    let mut unknown = order(change_policy(), It.external_id());
    unknown.policy_name = Some("a policy without a profile".into());
    assert!(matches!(mdm.send(&unknown).await, Err(MdmError::Refused(_))));
    assert!(fake.received().is_empty());

    let order = order(ActionKind::Remove, Some("E-9".into()));
    let refused = MdmError::Refused("it knows no such enrolment".into());
    assert_eq!(mdm.send(&order).await, Err(refused));
}

#[tokio::test]
async fn reports_about_anything_else_change_nothing() {
    let (mdm, fake) = make(http()).await;
    mdm.send(&erase()).await.unwrap();
    fake.with(|it| it.report("00000000-0000-0000-0000-00000000ffff", "Acknowledged"));
    fake.with(|it| it.report("not a uuid", "Acknowledged"));
    assert_eq!(mdm.standing(&erase()).await, Ok(Standing::Accepted));
}

#[tokio::test]
async fn a_device_is_unassigned_without_a_call() {
    let (mdm, fake) = make(http()).await;
    let order = order(ActionKind::Unassign, None);
    assert_eq!(mdm.send(&order).await, Ok(()));
    assert_eq!(mdm.standing(&order).await, Ok(Standing::Done));
    assert!(fake.received().is_empty());
}

#[test]
fn a_report_that_is_not_signed_with_the_key_is_none() {
    let key = Secret::new(WEBHOOK_KEY.into());
    // Made with OpenSSL: openssl dgst -sha256 -hmac 'a key of the webhook' -binary | base64
    let signature = "UnnyRE5V4Sv+bvLwo/xCgdReWTuC+hfN94RJmFNInLE=";
    assert!(report::is_signed(&key, signature, b"{}"));
    assert!(!report::is_signed(&key, signature, b"{} "));
    assert!(!report::is_signed(&Secret::new("another".into()), signature, b"{}"));
    assert!(!report::is_signed(&key, "", b"{}"));
}
