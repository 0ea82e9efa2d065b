//! TLS: only to whom a trusted root vouches for.

use std::sync::Arc;

use domain::offboarding::ActionKind;
use event_log::ManualClock;
use mdm::{
    Webhook,
    http::{Address, Http, Secret},
    webhook::Key,
};
use reactor::service::{Mdm, MdmError};
use testkit::fake::{Fake, WebhookReceiver, roots};

use crate::suite::order;

#[tokio::test]
async fn nothing_is_sent_to_a_service_that_no_trusted_root_vouches_for() {
    let fake = Fake::start_with_tls(WebhookReceiver::new(&[b'k'; 32])).await.unwrap();
    let webhook = |http: Http| {
        let address = Address::parse(&fake.url()).unwrap();
        let secret = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
        let key = Key::parse(&Secret::new(secret.into())).unwrap();
        Webhook::new(http, &address, key, Arc::new(ManualClock::at(0)))
    };
    let order = order(ActionKind::Remove, None);
    let stranger = webhook(Http::new()).send(&order).await;
    let Err(MdmError::Down { reason, .. }) = stranger else { panic!("{stranger:?}") };
    assert!(reason.contains("certificate"), "{reason}");
    assert!(fake.received().is_empty());

    assert_eq!(webhook(Http::trusting(roots().unwrap())).send(&order).await, Ok(()));
    assert_eq!(fake.received().len(), 1);
}
