//! Each MDM service end to end: from a deactivation through the deliverer to what the device did, with a
//! fake of the service outside the process, and one correlation id on all of it (rules 28 and 29).

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use testkit::{
    Client, Server, all_ended,
    fake::{AndroidManagement, ENTERPRISE, Fake, Fault, NanoMdm, Received, Reply, WebhookReceiver},
    record::Record,
    scim,
    setup::{self, Connector},
    until,
};

use crate::{WORKSPACE, get, start_with_workspace};

/// 32 bytes of `k`, in base64.
const SECRET: &str = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
/// What the identity provider calls its request.
const CORRELATION: &str = "okta:cycle-7.request-42";

/// Reports that NanoMDM has made, each with its signature.
type Reports = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A server whose workspace has a service for each of three platforms.
struct Scene {
    server: Server,
    api: Client,
    connector: Connector,
    webhook: Fake<WebhookReceiver>,
    android: Fake<AndroidManagement>,
    nanomdm: Fake<NanoMdm>,
    reports: Reports,
    policy: String,
}

impl Scene {
    async fn set(on_deactivate: &str) -> Self {
        let (server, mut api) = start_with_workspace().await;
        let policy = setup::policy(&mut api, WORKSPACE, "Left").await.unwrap();
        let mut rule = setup::create_and(on_deactivate);
        if on_deactivate == "change_policy" {
            rule["policy"] = json!(policy);
        }
        let connector = setup::connector(&mut api, WORKSPACE, "mdm", "okta", rule).await.unwrap();
        let webhook = Fake::start(WebhookReceiver::new(&[b'k'; 32])).await.unwrap();
        let android = Fake::start(AndroidManagement::new()).await.unwrap();
        let reports = Reports::default();
        let heard = Arc::clone(&reports);
        let listener = Box::new(move |signature: &str, body: &[u8]| {
            heard.lock().unwrap().push((signature.to_owned(), body.to_vec()));
        });
        let nanomdm = NanoMdm::new("an api key", "a webhook key", listener);
        let nanomdm = Fake::start(nanomdm).await.unwrap();
        let mut scene = Self { server, api, connector, webhook, android, nanomdm, reports, policy };
        scene.set_services().await;
        scene
    }

    async fn set_services(&mut self) {
        let account: Value =
            serde_json::from_str(&AndroidManagement::key_file(&self.android.url())).unwrap();
        for (platform, service) in [
            ("default", json!({ "kind": "webhook", "url": self.webhook.url(), "secret": SECRET })),
            (
                "android",
                json!({
                    "kind": "android_management", "enterprise": ENTERPRISE,
                    "service_account": account, "url": self.android.url(),
                }),
            ),
            (
                "ios",
                json!({
                    "kind": "nanomdm", "url": self.nanomdm.url(), "api_key": "an api key",
                    "webhook_key": "a webhook key", "profiles": { "Left": "PGRpY3QvPg==" },
                }),
            ),
        ] {
            let path = format!("/workspaces/{WORKSPACE}/mdm/services/{platform}");
            self.api.put(&path, service).await.unwrap().expect(200).unwrap();
        }
    }

    /// Somebody with a device of each platform is deactivated, in a request of that id.
    async fn deactivate(&mut self) {
        let mut client = self.connector.client().unwrap();
        let ada = client.post("/Users", scim::user("ada@acme.example")).await.unwrap();
        let ada = ada.made().unwrap();
        for (platform, external_id) in [("windows", "W-1"), ("android", "D1"), ("ios", "E-1")] {
            let device = json!({
                "serial": platform, "platform": platform, "external_id": external_id, "user": ada,
            });
            let path = format!("/workspaces/{WORKSPACE}/mdm/devices");
            self.api.post(&path, device).await.unwrap().made().unwrap();
        }
        let client = self.connector.client().unwrap();
        let mut client = client.with_header("x-request-id", CORRELATION).unwrap();
        let path = format!("/Users/{ada}");
        client.patch(&path, scim::active(false)).await.unwrap().expect(200).unwrap();
    }

    /// Waits until so many effects are in a state.
    async fn until(&mut self, count: usize, state: &str) {
        let path = format!("/workspaces/{WORKSPACE}/effects?state={state}");
        let api = &mut self.api;
        let reached = async || {
            let effects = api.get(&path).await?.expect(200)?;
            let found = effects["items"].as_array().map_or(0, Vec::len);
            Ok((found == count).then_some(()))
        };
        until(&format!("{count} effects are {state}"), reached).await.unwrap();
    }

    /// All services have their orders, and devices carry them out: NanoMDM reports it, the others are
    /// asked, as they are at once after a restart.
    async fn devices_act(&mut self) {
        self.until(3, "acknowledged").await;
        self.nanomdm.settle();
        let reports = std::mem::take(&mut *self.reports.lock().unwrap());
        assert_eq!(reports.len(), 1);
        for (signature, body) in reports {
            let root = Client::new(self.server.url(), "").unwrap();
            let mut root = root.with_header("x-hmac-signature", &signature).unwrap();
            let path = format!("/mdm/nanomdm/{WORKSPACE}");
            root.send("POST", &path, body).await.unwrap().expect(200).unwrap();
        }
        self.until(1, "confirmed").await;
        self.server.kill().await.unwrap();
        self.webhook.settle();
        self.android.settle();
        self.server.restart().await.unwrap();
        self.api = self.server.api().unwrap();
        all_ended(&mut self.api, WORKSPACE).await.unwrap();
    }

    async fn devices(&mut self) -> Vec<Value> {
        get(&mut self.api, "/mdm/devices").await["items"].as_array().unwrap().clone()
    }

    /// Everything that follows from the request has its id: events, and calls of services.
    async fn everything_leads_back(&mut self) {
        let record = Record::whole(&mut self.api, WORKSPACE).await.unwrap();
        for (kind, count) in [
            ("user.entry_deactivated", 1),
            ("user.offboarding_started", 1),
            ("user.offboarding_planned", 1),
            ("device.action_requested", 3),
            ("device.action_sent", 3),
            ("device.action_acknowledged", 3),
            ("device.action_confirmed", 3),
            ("user.offboarding_completed", 1),
        ] {
            let events: Vec<_> = record.of(kind).collect();
            assert_eq!(events.len(), count, "{kind}");
            assert!(events.iter().all(|it| it.text("correlation") == CORRELATION), "{events:?}");
        }
        let path = format!("/events?correlation={}&limit=1000", scim::escape(CORRELATION));
        let found = get(&mut self.api, &path).await;
        let found = found["items"].as_array().unwrap().len();
        let all = record.events.iter().filter(|it| it.text("correlation") == CORRELATION);
        assert_eq!(found, all.count());

        let calls = [self.webhook.received(), self.android.received(), self.nanomdm.received()];
        for calls in calls {
            // A token is for whatever comes next.
            let calls: Vec<&Received> = calls.iter().filter(|it| it.path != "/token").collect();
            assert!(!calls.is_empty());
            for call in calls {
                assert_eq!(call.header("x-request-id"), CORRELATION, "{call:?}");
            }
        }
        for message in self.webhook.received() {
            assert_eq!(message.json()["data"]["correlation"], CORRELATION);
        }
    }
}

#[tokio::test]
async fn rule_28_each_service_removes_a_device_under_one_correlation_id() {
    let mut scene = Scene::set("remove_user_and_devices").await;
    scene.deactivate().await;
    scene.devices_act().await;
    assert!(scene.devices().await.iter().all(|it| it["state"] == "removed"));
    assert_eq!((scene.webhook.done(), scene.android.done(), scene.nanomdm.done()), (1, 1, 1));
    assert_eq!(scene.android.with(|it| it.durations()), ["2592000s"]);
    let commands = scene.nanomdm.with(|it| it.commands());
    assert_eq!(commands.values().map(|it| it.kind.as_str()).collect::<Vec<_>>(), ["EraseDevice"]);
    scene.everything_leads_back().await;
}

#[tokio::test]
async fn rule_28_each_service_gives_a_device_another_policy_under_one_correlation_id() {
    let mut scene = Scene::set("change_policy").await;
    scene.deactivate().await;
    scene.devices_act().await;
    let policy = json!(scene.policy);
    let devices = scene.devices().await;
    assert!(devices.iter().all(|it| it["policy"] == policy), "{devices:?}");
    assert_eq!((scene.webhook.done(), scene.android.done(), scene.nanomdm.done()), (1, 1, 1));
    let commands = scene.nanomdm.with(|it| it.commands());
    assert_eq!(
        commands.values().map(|it| it.kind.as_str()).collect::<Vec<_>>(),
        ["InstallProfile"]
    );
    scene.everything_leads_back().await;
}

#[tokio::test]
async fn what_waits_for_a_person_is_warned_of_and_measured_until_the_workspace_is_closed() {
    let mut scene = Scene::set("remove_user_and_devices").await;
    scene.webhook.whenever(|_| Some(Fault::Answer(Reply::empty(403))));
    scene.deactivate().await;
    scene.until(1, "parked").await;
    scene.until(2, "acknowledged").await;
    let mut root = Client::new(scene.server.url(), "").unwrap();
    let ready = root.get("/readyz").await.unwrap().expect(200).unwrap();
    assert_eq!(ready["warnings"], json!(["1 device action(s) wait for a person"]));
    let metrics = metrics(&scene.server).await;
    for (adapter, owed, in_flight, parked) in
        [("webhook", 0, 0, 1), ("android_management", 1, 1, 0), ("nanomdm", 1, 1, 0)]
    {
        for (name, value) in [("owed", owed), ("in_flight", in_flight), ("parked", parked)] {
            let line = format!("muster_effects_{name}{{adapter=\"{adapter}\"}} {value}");
            assert!(metrics.lines().any(|it| it == line), "{line} in {metrics}");
        }
    }
    // A workspace that is closed owes nothing any more, and hides nothing of the others.
    let path = format!("/workspaces/{WORKSPACE}");
    let owed = scene.api.delete(&path).await.unwrap().expect(409).unwrap();
    let detail = owed["detail"].as_str().unwrap();
    assert!(detail.starts_with("device actions that have not ended: 3;"), "{detail}");
    let given_up = format!("{path}?give_up=they+took+them+along");
    scene.api.delete(&given_up).await.unwrap().expect(204).unwrap();
    let ready = root.get("/readyz").await.unwrap().expect(200).unwrap();
    assert_eq!(ready["warnings"], json!([]));
    let metrics = self::metrics(&scene.server).await;
    let of_adapters = metrics.lines().filter(|it| it.starts_with("muster_effects_"));
    let of_adapters: Vec<_> = of_adapters.filter(|it| it.contains("adapter=")).collect();
    assert!(of_adapters.is_empty(), "{of_adapters:?}");
    let lines = scene.server.log_lines().unwrap();
    assert!(!lines.contains("ERROR"), "{lines}");
}

async fn metrics(server: &Server) -> String {
    use hyper::{HeaderMap, Method};
    use simulate::client::{Connection, Target};
    let target = Arc::new(Target::parse(server.url()).unwrap());
    let mut connection = Connection::new(target);
    let answer = connection.send(&Method::GET, "/metrics", &HeaderMap::new(), "".into()).await;
    String::from_utf8(answer.unwrap().body.to_vec()).unwrap()
}
