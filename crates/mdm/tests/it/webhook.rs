//! The webhook.

use std::sync::Arc;

use domain::offboarding::ActionKind;
use event_log::ManualClock;
use mdm::{
    Adapter, Webhook,
    http::{Address, Http, Secret},
    webhook::Key,
};
use reactor::service::{Mdm, MdmError, Received, Standing};
use testkit::fake::{Fake, WebhookReceiver};

use crate::suite::{Subject, change_policy, every_promise_over_http, http, order, status};

/// 32 bytes of `k`, in base64.
const SECRET: &str = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";

struct It;

impl Subject for It {
    type Behind = Fake<WebhookReceiver>;

    async fn make(&self, http: Http) -> (Arc<dyn Adapter>, Fake<WebhookReceiver>) {
        let (mdm, fake) = make(http).await;
        (Arc::new(mdm), fake)
    }
}

async fn make(http: Http) -> (Webhook, Fake<WebhookReceiver>) {
    let fake = Fake::start(WebhookReceiver::new(&[b'k'; 32])).await.unwrap();
    let address = Address::parse(&format!("{}/hook?tenant=7", fake.url())).unwrap();
    let key = Key::parse(&Secret::new(SECRET.into())).unwrap();
    let clock = Arc::new(ManualClock::at(1_796_000_000_123_456));
    (Webhook::new(http, &address, key, clock), fake)
}

#[tokio::test]
async fn it_keeps_every_promise() {
    every_promise_over_http(&It).await;
}

#[tokio::test]
async fn rule_28_a_message_says_what_is_to_be_done_to_which_device() {
    let (mdm, fake) = make(http()).await;
    let order = order(change_policy(), Some("ABC".into()));
    mdm.send(&order).await.unwrap();
    assert_eq!(mdm.standing(&order).await, Ok(Standing::Accepted));
    let [sent, asked] = fake.received().try_into().unwrap();

    assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/hook?tenant=7"));
    assert_eq!(sent.header("webhook-id"), order.action.to_string());
    assert_eq!(sent.header("webhook-timestamp"), "1796000000");
    assert_eq!(
        sent.json(),
        serde_json::json!({
            "type": "device_action.requested",
            "timestamp": "2026-11-30T00:53:20.123456Z",
            "data": {
                "workspace": "acme",
                "action": "00000000-0000-0000-0000-000000000001",
                "kind": "change_policy",
                "policy": { "id": "00000000-0000-0000-0000-000000000003", "name": "left" },
                "correlation": "c-1",
                "device": {
                    "id": "00000000-0000-0000-0000-000000000002",
                    "serial": "S-1",
                    "external_id": "ABC",
                    "platform": "any",
                },
            },
        })
    );
    assert_eq!(asked.json()["type"], "device_action.status_requested");
    assert_ne!(asked.header("webhook-id"), sent.header("webhook-id"));
}

#[tokio::test]
async fn a_receiver_that_has_done_it_at_once_may_say_so_to_every_message() {
    let (mdm, fake) = make(http()).await;
    let order = order(ActionKind::Unassign, None);
    fake.next(status(200));
    assert_eq!(mdm.send(&order).await, Ok(()));
    fake.next(status(200));
    assert_eq!(mdm.standing(&order).await, Ok(Standing::Done));
}

#[tokio::test]
async fn a_receiver_that_failed_leaves_it_to_a_person() {
    let (mdm, fake) = make(http()).await;
    let order = order(ActionKind::Remove, None);
    assert_eq!(mdm.send(&order).await, Ok(()));
    fake.next(status(410));
    assert!(matches!(mdm.standing(&order).await, Err(MdmError::Refused(_))));
}

#[tokio::test]
async fn an_order_that_never_came_can_be_taken_back() {
    let (mdm, _fake) = make(http()).await;
    assert_eq!(mdm.received(&order(ActionKind::Remove, None)).await, Ok(Received::No));
}

#[tokio::test]
async fn a_wrong_secret_is_refused_by_the_receiver() {
    let (_, fake) = make(http()).await;
    let address = Address::parse(&fake.url()).unwrap();
    let other = Secret::new("whsec_b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28=".into());
    let clock = Arc::new(ManualClock::at(0));
    let mdm = Webhook::new(http(), &address, Key::parse(&other).unwrap(), clock);
    let refused = mdm.send(&order(ActionKind::Remove, None)).await.unwrap_err();
    assert!(refused.to_string().contains("does not accept the credentials"), "{refused}");
}
