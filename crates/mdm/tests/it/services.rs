//! The services that a workspace has set: what is refused of a setting, and by whose key a report is taken.

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
use testkit::fake::{AndroidManagement, ENTERPRISE};
use zeroize::Zeroizing;

fn signed(key: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(body);
    BASE64.encode(&mac.finalize().into_bytes())
}

/// An app over a log, and its services.
fn made(dir: &TempDir) -> (Arc<App>, Arc<SqliteLog>, Arc<Configured>) {
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
    let services = Arc::new(Configured::new(Arc::clone(&app), Http::new(), clock));
    (app, log, services)
}

/// What is called lies below it, and a query would swallow that.
#[tokio::test]
async fn an_address_with_a_query_has_nothing_below_it() {
    let dir = TempDir::new().unwrap();
    let (_, _, services) = made(&dir);
    let key = json!({ "api_key": "k", "webhook_key": "w", "profiles": {} }).to_string();
    let nanomdm = |url: &str| MdmService::NanoMdm { url: url.into(), profiles: Vec::new() };
    assert_eq!(services.check(&nanomdm("https://nanomdm.example/x"), &key), Ok(()));
    let refused = services.check(&nanomdm("https://nanomdm.example/x?y=z"), &key);
    assert_eq!(refused, Err("url: must not have a query".to_owned()));

    let android = |url: &str| MdmService::AndroidManagement {
        enterprise: ENTERPRISE.into(),
        service_account: String::new(),
        wipe_days: 30,
        endpoint: Some(url.into()),
    };
    let key = AndroidManagement::key_file("http://127.0.0.1:1");
    assert_eq!(services.check(&android("https://emm.example"), &key), Ok(()));
    let refused = services.check(&android("https://emm.example/?y=z"), &key);
    assert_eq!(refused, Err("url: must not have a query".to_owned()));

    let webhook = MdmService::Webhook { url: "https://mdm.example/?y=z".into() };
    let secret = json!({ "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }).to_string();
    assert_eq!(services.check(&webhook, &secret), Ok(()), "it is called as it is");
}

/// A restored log may be without the credentials of a service; another one, set since, has its own.
#[tokio::test]
async fn a_report_is_not_lost_over_the_credentials_of_another_service() {
    let dir = TempDir::new().unwrap();
    let (app, log, services) = made(&dir);
    let person = Person::owner("owner", RequestIds::default());
    let acme = WorkspaceId::parse("acme").unwrap();
    app.create_workspace(&person, "acme", "Acme", Plan::Enterprise).await.unwrap();
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
