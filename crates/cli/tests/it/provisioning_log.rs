//! The provisioning log over a kill, down to the devices, and from a shell (rule 33).

use serde_json::{Value, json};
use testkit::{ADMIN_TOKEN, Client, Server, all_ended, scim, setup};

use crate::{WORKSPACE, get, mdm};

const LOG: &str = "/provisioning-log";

async fn entries(api: &mut Client, query: &str) -> Vec<Value> {
    get(api, &format!("{LOG}{query}")).await["items"].as_array().unwrap().clone()
}

/// What a command prints as JSON.
async fn shell(server: &Server, line: &str) -> Value {
    let words: Vec<_> = line.split_whitespace().collect();
    let rest = ["--workspace", WORKSPACE, "--json", "--url", server.url()];
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_muster"))
        .args(["audit", "provisioning"].iter().chain(&words).chain(&rest))
        .env("MUSTER_TOKEN", ADMIN_TOKEN)
        .output()
        .await
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn rule_33_a_kill_loses_no_change_that_was_answered() {
    let (mut server, mut api, connector) = mdm("remove_user").await;
    let mut client = connector.client().unwrap();
    let mut made = Vec::new();
    for number in 0..20 {
        let user = scim::user(&format!("ada-{number}@acme.example"));
        made.push(client.post("/Users", user).await.unwrap().made().unwrap());
    }
    // Half of them are written, the others may be.
    assert_eq!(entries(&mut api, "?outcome=created").await.len(), 20);
    for id in &made {
        let path = format!("/Users/{id}");
        client.patch(&path, scim::active(false)).await.unwrap().expect(200).unwrap();
    }
    server.kill().await.unwrap();
    // Looking at the files in between changes nothing.
    let verify = ["audit", "verify", "--data-dir", &server.data_dir_text()];
    assert_eq!(server.command(&verify).await.unwrap().0, Some(0));

    for _ in 0..2 {
        server.restart().await.unwrap();
        let mut api = server.api().unwrap();
        let all = entries(&mut api, "").await;
        for id in &made {
            let of_one: Vec<_> = all.iter().filter(|it| it["subject"] == id.as_str()).collect();
            let [changed, created] = of_one[..] else { panic!("{of_one:#?}") };
            assert_eq!(created["outcome"], "created");
            let outcome = changed["outcome"].as_str().unwrap();
            assert!(["changed", "recovered"].contains(&outcome), "{changed}");
            assert!(changed["positions"]["first"].is_u64(), "{changed}");
            // What was not measured is not said to have taken no time.
            assert_eq!(changed["duration_us"].is_null(), outcome == "recovered", "{changed}");
        }
        server.stop().await.unwrap();
    }
}

#[tokio::test]
async fn rule_33_an_entry_leads_to_what_devices_did() {
    let (server, mut api, connector) = mdm("unassign").await;
    let mut client = connector.client().unwrap().with_header("x-request-id", "last-day").unwrap();
    let id = client.post("/Users", scim::user("ada@acme.example")).await.unwrap().made().unwrap();
    setup::device(&mut api, WORKSPACE, "laptop", Some(&id)).await.unwrap();
    client.patch(&format!("/Users/{id}"), scim::active(false)).await.unwrap().expect(200).unwrap();
    all_ended(&mut api, WORKSPACE).await.unwrap();

    let found = entries(&mut api, "?q=ADA@acme.example&outcome=changed").await;
    let [entry] = &found[..] else { panic!("{found:#?}") };
    assert_eq!((&entry["name"], &entry["status"]), (&json!("ada@acme.example"), &json!(200)));
    let shown = shell(&server, &format!("show {}", entry["id"].as_str().unwrap())).await;
    let followed: Vec<_> = shown["followed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["type"].as_str().unwrap())
        .collect();
    assert_eq!(followed[0], "user.entry_deactivated", "{followed:?}");
    assert!(followed.contains(&"device.action_confirmed"), "{followed:?}");

    let cycles = shell(&server, "cycles").await;
    let cycle = &cycles["items"][0];
    assert_eq!((&cycle["requests"], &cycle["created"]), (&json!(2), &json!(1)), "{cycles}");
    let list = shell(&server, "list --status 2xx --limit 1").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
}

#[tokio::test]
async fn rule_33_an_administrator_says_what_is_kept() {
    let (server, mut api, connector) = mdm("remove_user").await;
    assert_eq!(shell(&server, "keep").await["days"], 90);
    assert_eq!(shell(&server, "keep --days 365").await["days"], 365);
    assert_eq!(get(&mut api, &format!("{LOG}/settings")).await, json!({"days": 365}));
    assert_eq!(shell(&server, "bodies mdm").await["bodies_until"], Value::Null);

    let settings = format!("/workspaces/{WORKSPACE}{LOG}/settings");
    let bodies = format!("/workspaces/{WORKSPACE}/connectors/mdm/provisioning-log");
    for (path, body) in [
        (&settings, json!({"days": 0})),
        (&settings, json!({"days": 3_651})),
        (&settings, json!({})),
        (&bodies, json!({"bodies_until": "tomorrow"})),
        (&bodies, json!({"bodies_until": "2999-01-01T00:00:00Z"})),
    ] {
        api.put(path, body).await.unwrap().expect(400).unwrap();
    }
    for query in ["?outcome=x", "?status=6xx", "?subject=x", "?from=x", "?cursor=x", "?limit=0"] {
        let path = format!("/workspaces/{WORKSPACE}{LOG}{query}");
        api.get(&path).await.unwrap().expect(400).unwrap();
    }
    let unknown = format!("/workspaces/{WORKSPACE}{LOG}/mdm-1");
    api.get(&unknown).await.unwrap().expect(404).unwrap();

    let mut stranger = Client::new(&connector.base_url, "mst_x").unwrap();
    stranger.get("/Users").await.unwrap().expect(401).unwrap();
    let rejections = shell(&server, "rejections").await;
    assert_eq!(rejections["items"][0]["count"], 1, "{rejections}");
    let events = get(&mut api, "/events?type=workspace.provisioning_log_kept").await;
    assert_eq!(events["items"].as_array().unwrap().len(), 1, "{events}");
}
