//! What `NanoMDM` reports of a workspace, and by whose key it is taken.

use std::sync::Arc;

use app::{App, CountedIds, Parts, Person, RequestIds, admin::mdm_services::SetUp};
use data_encoding::BASE64;
use domain::workspace::{MdmService, Plan};
use event_log::{Clock, ManualClock, SqliteLog, WorkspaceId};
use hmac::{Hmac, KeyInit, Mac};
use mdm::{Configured, http::Http};
use projections::ReadModels;
use serde_json::json;
use sha2::Sha256;
use tempfile::TempDir;
use zeroize::Zeroizing;

fn signed(key: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(body);
    BASE64.encode(&mac.finalize().into_bytes())
}

/// A restored log may be without the credentials of a service; another one, set since, has its own.
#[tokio::test]
async fn a_report_is_not_lost_over_the_credentials_of_another_service() {
    let dir = TempDir::new().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(1_000_000));
    let log = SqliteLog::temporary(Arc::clone(&clock)).unwrap();
    let app = App::new(Parts {
        read_models: ReadModels::open(dir.path(), Arc::clone(&log) as _).unwrap(),
        log: Arc::clone(&log) as _,
        clock: Arc::clone(&clock),
        ids: Arc::new(CountedIds::default()),
        public_url: "http://muster.example".into(),
        admin_digest: app::admin_digest("token"),
        notary: Arc::new(app::Notary::temporary().unwrap()),
    });
    let person = Person::owner("owner", RequestIds::default());
    let acme = WorkspaceId::parse("acme").unwrap();
    app.create_workspace(&person, "acme", "Acme", Plan::Enterprise).await.unwrap();
    let services = Arc::new(Configured::new(Arc::clone(&app), Http::new(), clock));
    let set_up: Arc<dyn SetUp> = Arc::clone(&services) as _;
    app.set_up_services_with(&set_up);
    let url = "https://nanomdm.example".to_owned();
    for (platform, key) in [("ios", "a key"), ("macos", "another key")] {
        let service = MdmService::NanoMdm { url: url.clone(), profiles: Vec::new() };
        let credentials = json!({ "api_key": "k", "webhook_key": key, "profiles": {} });
        let credentials = Zeroizing::new(credentials.to_string());
        let platform = Some(platform.into());
        app.set_mdm_service(&person, &acme, platform, service, credentials).await.unwrap();
    }
    let gone = app.mdm_service(&acme, Some(&"ios".into())).await.unwrap().credentials.unwrap();
    log.keyring().forget_secret(&format!("mdm|acme|{gone}")).unwrap();

    let body = b"{}";
    let reported = |key: &'static str| {
        let app = Arc::clone(&app);
        let acme = acme.clone();
        async move { app.nanomdm_reported(&acme, &signed(key, body), body).await }
    };
    assert!(reported("another key").await.unwrap());
    assert!(!reported("a key").await.unwrap(), "nobody knows that key any more");
    assert!(!reported("no key").await.unwrap(), "and whoever has none learns nothing");
}
