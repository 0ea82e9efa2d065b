//! MDM services as an administrator sets them up (rule 28), in front of fakes of them.

use std::path::Path;

use serde_json::{Value, json};
use testkit::{
    Client, all_ended,
    fake::{AndroidManagement, ENTERPRISE, Fake, NanoMdm, WebhookReceiver},
    scim,
};

use crate::{get, mdm};

/// 32 bytes of `k`, in base64.
const SECRET: &str = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
const SERVICES: &str = "/workspaces/acme/mdm/services";

async fn put(api: &mut Client, platform: &str, body: Value) -> Value {
    api.put(&format!("{SERVICES}/{platform}"), body).await.unwrap().expect(200).unwrap()
}

async fn test(api: &mut Client, platform: &str) -> Value {
    let path = format!("{SERVICES}/{platform}/test");
    api.post(&path, json!({})).await.unwrap().expect(200).unwrap()
}

/// The files below a directory, and whether each holds a text.
fn holding(dir: &Path, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(holding(&entry.path(), needle));
        } else {
            let bytes = std::fs::read(entry.path()).unwrap();
            if bytes.windows(needle.len()).any(|window| window == needle.as_bytes()) {
                found.push(entry.file_name().into_string().unwrap());
            }
        }
    }
    found
}

#[tokio::test]
async fn rule_28_a_deactivation_reaches_the_service_of_the_workspace() {
    let receiver = Fake::start(WebhookReceiver::new(&[b'k'; 32])).await.unwrap();
    receiver.with(|it| it.at_once = true);
    let (mut server, mut api, connector) = mdm("remove_user_and_devices").await;
    let set = json!({ "kind": "webhook", "url": receiver.url(), "secret": SECRET });
    let shown = put(&mut api, "default", set).await;
    assert_eq!(shown, json!({ "platform": "default", "kind": "webhook", "url": receiver.url() }));
    assert_eq!(test(&mut api, "default").await, json!({ "ok": true, "detail": null }));
    let ask = ["workspace", "mdm", "test", "default", "--workspace", "acme"];
    assert_eq!(server.command(&ask).await.unwrap().0, Some(0));
    let elsewhere = ["workspace", "mdm", "test", "ios", "--workspace", "acme"];
    assert_ne!(server.command(&elsewhere).await.unwrap().0, Some(0));

    // What was set is there after a restart.
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    let mut api = server.api().unwrap();
    let mut client = connector.at(&server).client().unwrap();
    let ada = client.post("/Users", scim::user("ada@acme.example")).await.unwrap();
    let ada = ada.made().unwrap();
    testkit::setup::device(&mut api, "acme", "S-1", Some(&ada)).await.unwrap();
    let off = scim::active(false);
    client.patch(&format!("/Users/{ada}"), off).await.unwrap().expect(200).unwrap();
    all_ended(&mut api, "acme").await.unwrap();

    assert_eq!(receiver.done(), 1);
    let mut orders = receiver.received().into_iter().map(|it| it.json());
    let order = orders.find(|it| it["type"] == "device_action.requested").unwrap();
    assert_eq!(order["data"]["kind"], "remove");
    assert_eq!(order["data"]["device"]["serial"], "S-1");
    let devices = get(&mut api, "/mdm/devices").await;
    assert_eq!(devices["items"][0]["state"], "removed");
}

#[tokio::test]
async fn rule_28_credentials_are_in_no_answer_event_or_log_and_go_when_they_are_replaced() {
    let receiver = Fake::start(WebhookReceiver::new(&[b'k'; 32])).await.unwrap();
    let (mut server, mut api, _) = mdm("nothing").await;
    let wrong = "whsec_b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28=";
    let hook = |secret: &str| json!({ "kind": "webhook", "url": receiver.url(), "secret": secret });

    put(&mut api, "default", hook(wrong)).await;
    let tested = test(&mut api, "default").await;
    assert_eq!(tested["ok"], false, "{tested}");
    assert!(tested["detail"].as_str().unwrap().contains("does not accept the credentials"));
    put(&mut api, "default", hook(SECRET)).await;
    assert_eq!(test(&mut api, "default").await["ok"], true);

    // Wherever an error could repeat one.
    for body in [
        json!({ "kind": "webhook", "url": "http://mdm.example", "secret": "hunter2" }),
        json!({ "kind": "webhook", "url": receiver.url(), "secret": "hunter2" }),
        json!({ "kind": "webhook", "url": receiver.url(), "secret": ["hunter2"] }),
        json!({ "kind": "webhook", "url": receiver.url(), "secret": { "hunter2": 1 } }),
        json!({ "kind": "android_management", "enterprise": ENTERPRISE, "service_account": "hunter2" }),
        json!({
            "kind": "android_management", "enterprise": ENTERPRISE,
            "service_account": { "client_email": "a", "private_key": "hunter2", "token_uri": "x" },
        }),
        json!({
            "kind": "nanomdm", "url": receiver.url(), "api_key": "hunter2",
            "webhook_key": "hunter2", "erase_pin": "hunter2",
        }),
        json!({
            "kind": "nanomdm", "url": receiver.url(), "api_key": "k", "webhook_key": "k",
            "profiles": { "Locked": "hunter2?" },
        }),
    ] {
        let path = format!("{SERVICES}/default");
        let answer = api.put(&path, body.clone()).await.unwrap();
        assert_eq!(answer.status, 400, "{body}");
        assert!(!answer.body.to_string().contains("hunter2"), "{}", answer.body);
    }

    let shown = get(&mut api, "/mdm/services").await;
    let events = get(&mut api, "/events?limit=1000").await;
    for text in [shown.to_string(), events.to_string(), server.log_lines().unwrap()] {
        for secret in [SECRET, wrong, &SECRET[6..], "hunter2"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    assert!(events.to_string().contains("workspace.mdm_service_set"));

    // The keys have the one that is in use, and no file the one that it replaced.
    assert_eq!(server.stop().await.unwrap(), Some(0));
    assert_eq!(holding(server.data_dir(), SECRET), ["keys.db"]);
    assert!(holding(server.data_dir(), wrong).is_empty());
    assert!(holding(server.data_dir(), "hunter2").is_empty());

    server.restart().await.unwrap();
    let mut api = server.api().unwrap();
    assert_eq!(test(&mut api, "default").await["ok"], true);
    let path = format!("{SERVICES}/default");
    api.delete(&path).await.unwrap().expect(204).unwrap();
    assert_eq!(api.delete(&path).await.unwrap().status, 404);
    assert!(holding(server.data_dir(), SECRET).is_empty());

    // A workspace that is closed leaves none behind.
    put(&mut api, "ios", hook(SECRET)).await;
    api.delete("/workspaces/acme").await.unwrap().expect(204).unwrap();
    assert!(holding(server.data_dir(), SECRET).is_empty());
}

#[tokio::test]
async fn rule_28_each_platform_has_its_service() {
    let android = Fake::start(AndroidManagement::new()).await.unwrap();
    let listener = Box::new(|_: &str, _: &[u8]| {});
    let nanomdm = Fake::start(NanoMdm::new("an api key", "a key", listener)).await.unwrap();
    let (_server, mut api, _) = mdm("nothing").await;

    let key_file: Value =
        serde_json::from_str(&AndroidManagement::key_file(&android.url())).unwrap();
    let set = json!({
        "kind": "android_management", "enterprise": ENTERPRISE, "service_account": key_file,
        "url": android.url(),
    });
    let shown = put(&mut api, "android", set).await;
    assert_eq!((&shown["wipe_days"], &shown["enterprise"]), (&json!(30), &json!(ENTERPRISE)));
    assert_eq!(shown["service_account"], "muster@project.iam.gserviceaccount.com");
    let set = json!({
        "kind": "nanomdm", "url": nanomdm.url(), "api_key": "an api key", "webhook_key": "a key",
        "profiles": { "Locked": "PGRpY3QvPg==" },
    });
    put(&mut api, "ios", set).await;
    put(&mut api, "default", json!({ "kind": "registry" })).await;
    for platform in ["android", "ios", "default"] {
        assert_eq!(test(&mut api, platform).await["ok"], true, "{platform}");
    }
    let shown = get(&mut api, "/mdm/services").await;
    let shown = shown["items"].as_array().unwrap().clone();
    let kinds: Vec<_> = shown.iter().map(|it| (&it["platform"], &it["kind"])).collect();
    let expected = [("android", "android_management"), ("default", "registry"), ("ios", "nanomdm")];
    assert_eq!(kinds.len(), expected.len());
    for ((platform, kind), (expected, of)) in kinds.into_iter().zip(expected) {
        assert_eq!((platform, kind), (&json!(expected), &json!(of)));
    }
    let path = format!("{SERVICES}/Android");
    assert_eq!(api.put(&path, json!({ "kind": "registry" })).await.unwrap().status, 400);
    let path = format!("{SERVICES}/windows/test");
    assert_eq!(api.post(&path, json!({})).await.unwrap().status, 404);
}

#[tokio::test]
async fn what_nanomdm_reports_is_taken_only_when_it_is_signed() {
    use hyper::{HeaderMap, Method, header::HeaderValue};
    use simulate::client::{Connection, Target};
    let (server, mut api, _) = mdm("nothing").await;
    let set = json!({
        "kind": "nanomdm", "url": "http://127.0.0.1:9", "api_key": "k", "webhook_key": "a key",
    });
    put(&mut api, "ios", set).await;
    let body = r#"{"topic":"mdm.Connect","created_at":"2026-08-20T10:00:00Z"}"#;
    // printf '%s' "$body" | openssl dgst -sha256 -hmac 'a key' -binary | base64
    let signature = "brmxnFX61vn4OZqQkg1n/EptWQ91pmc0EVBI6ZrkmUI=";
    let target = std::sync::Arc::new(Target::parse(server.url()).unwrap());
    let mut connection = Connection::new(target);
    for (workspace, signature, body, expected) in [
        ("acme", signature, body, 200),
        ("acme", signature, "{}", 401),
        ("acme", "", body, 401),
        ("other", signature, body, 401),
        ("NO", signature, body, 401),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("x-hmac-signature", HeaderValue::from_str(signature).unwrap());
        let path = format!("/mdm/nanomdm/{workspace}");
        let answer = connection.send(&Method::POST, &path, &headers, body.into()).await.unwrap();
        assert_eq!(answer.status.as_u16(), expected, "{workspace} {signature} {body}");
    }
}
