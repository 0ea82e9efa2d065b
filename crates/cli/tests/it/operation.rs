//! What administrators and operators do with a server that is in use: connectors are paused, tokens
//! rotated, the process is stopped and goes on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{
    all_ended,
    record::{self, Record},
    scim,
    setup::{self, Connector},
};

use crate::{WORKSPACE, get, mdm, raw::Begun, start_with_workspace};

/// How long a server may take to end, as the contract has it.
const END_SECONDS_MAX: u64 = 10;

#[tokio::test]
async fn a_paused_connector_asks_to_come_back_and_changes_nothing() {
    let (_server, mut api, connector) = mdm("remove_user").await;
    let mut client = connector.client().unwrap();
    let id = client.post("/Users", scim::user("ada@acme.example")).await.unwrap().made().unwrap();
    let path = format!("/workspaces/{WORKSPACE}/connectors/mdm");
    api.patch(&path, json!({ "state": "paused" })).await.unwrap().expect(200).unwrap();
    let head = record::head(&mut api, WORKSPACE).await.unwrap();
    for (method, path) in [
        ("POST", "/Users".to_owned()),
        ("GET", "/Users".to_owned()),
        ("PATCH", format!("/Users/{id}")),
        ("DELETE", format!("/Users/{id}")),
    ] {
        let body = scim::user("bob@acme.example").to_string().into_bytes();
        let answer = client.send(method, &path, body).await.unwrap();
        answer.expect_scim_error(503, None).unwrap();
        assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    }
    assert_eq!(record::head(&mut api, WORKSPACE).await.unwrap(), head);
    api.patch(&path, json!({ "state": "active" })).await.unwrap().expect(200).unwrap();
    client.patch(&format!("/Users/{id}"), scim::active(false)).await.unwrap().expect(200).unwrap();
}

#[tokio::test]
async fn a_downgrade_pauses_connectors_and_an_upgrade_resumes_what_it_paused() {
    let (_server, mut api, connector) = mdm("remove_user").await;
    let rule = setup::create_and("nothing");
    let by_hand = setup::connector(&mut api, WORKSPACE, "store", "okta", rule).await.unwrap();
    let path = format!("/workspaces/{WORKSPACE}/connectors/store");
    api.patch(&path, json!({ "state": "paused" })).await.unwrap().expect(200).unwrap();

    let (mut client, mut paused) = (connector.client().unwrap(), by_hand.client().unwrap());
    let workspace = format!("/workspaces/{WORKSPACE}");
    for (plan, status) in [("basic", 503), ("enterprise", 200)] {
        api.patch(&workspace, json!({ "plan": plan })).await.unwrap().expect(200).unwrap();
        assert_eq!(client.get("/Users").await.unwrap().status, status, "{plan}");
        paused.get("/Users").await.unwrap().expect_scim_error(503, None).unwrap();
    }
    api.patch(&path, json!({ "state": "active" })).await.unwrap().expect(200).unwrap();
    paused.get("/Users").await.unwrap().expect(200).unwrap();
}

#[tokio::test]
async fn a_rotation_of_tokens_never_cuts_a_cycle_off_and_revoking_acts_at_once() {
    let (_server, mut api, connector) = mdm("remove_user").await;
    let path = format!("/workspaces/{WORKSPACE}/connectors/mdm/tokens");
    let fresh = api.post(&path, json!({})).await.unwrap().expect(201).unwrap();
    let token = fresh["token"].as_str().unwrap().to_owned();
    let renewed = Connector { token, ..connector.clone() };
    let (mut old, mut new) = (connector.client().unwrap(), renewed.client().unwrap());
    for client in [&mut old, &mut new] {
        client.get("/Users").await.unwrap().expect(200).unwrap();
    }
    api.post(&path, json!({})).await.unwrap().expect(409).unwrap();

    let tokens = api.get(&path).await.unwrap().expect(200).unwrap();
    let tokens = tokens["items"].as_array().unwrap();
    let first = tokens.iter().find(|token| token["id"] != fresh["id"]).unwrap()["id"].as_str();
    assert!(tokens.iter().all(|token| token.get("token").is_none()), "a secret is shown again");
    api.delete(&format!("{path}/{}", first.unwrap())).await.unwrap().expect(204).unwrap();
    let refused = old.get("/Users").await.unwrap();
    refused.expect_scim_error(401, None).unwrap();
    assert!(refused.body["detail"].as_str().unwrap().contains("revoked"), "{}", refused.body);
    new.get("/Users").await.unwrap().expect(200).unwrap();
    api.post(&path, json!({})).await.unwrap().expect(201).unwrap();
}

#[tokio::test]
async fn a_body_that_comes_after_its_token_was_revoked_changes_nothing() {
    let (_server, mut api, connector) = mdm("remove_user").await;
    let path = format!("/workspaces/{WORKSPACE}/connectors/mdm/tokens");
    let tokens = api.get(&path).await.unwrap().expect(200).unwrap();
    let token = tokens["items"][0]["id"].as_str().unwrap();
    let body = scim::user("ada@acme.example").to_string();
    let mut begun = Begun::post(&connector, "/Users", body.len()).await.unwrap();
    let head = record::head(&mut api, WORKSPACE).await.unwrap();
    api.delete(&format!("{path}/{token}")).await.unwrap().expect(204).unwrap();
    let answer = begun.end(body.as_bytes()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("revoked"), "{answer}");
    assert_eq!(record::head(&mut api, WORKSPACE).await.unwrap(), head + 1);
}

#[tokio::test]
async fn a_server_that_is_asked_to_stop_ends_in_time_and_goes_on_after_a_restart() {
    let (mut server, mut api, connector) = mdm("remove_user").await;
    let mut client = connector.client().unwrap();
    let id = client.post("/Users", scim::user("ada@acme.example")).await.unwrap().made().unwrap();
    let device = setup::device(&mut api, WORKSPACE, "laptop", Some(&id)).await.unwrap();
    client.patch(&format!("/Users/{id}"), scim::active(false)).await.unwrap().expect(200).unwrap();
    let head = record::head(&mut api, WORKSPACE).await.unwrap();

    // Two connections are open and idle meanwhile.
    let begun = Instant::now();
    assert_eq!(server.stop().await.unwrap(), Some(0), "{}", server.log_lines().unwrap());
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(END_SECONDS_MAX), "it took {took:?}");
    client.get("/Users").await.unwrap_err();

    server.restart().await.unwrap();
    let (mut api, connector) = (server.api().unwrap(), connector.at(&server));
    let mut client = connector.client().unwrap();
    let user = client.get(&format!("/Users/{id}")).await.unwrap().expect(200).unwrap();
    assert_eq!(user["active"], false);
    all_ended(&mut api, WORKSPACE).await.unwrap();
    assert_eq!(get(&mut api, &format!("/mdm/devices/{device}")).await["user"], Value::Null);
    assert!(record::head(&mut api, WORKSPACE).await.unwrap() >= head);
    client.post("/Users", scim::user("bob@acme.example")).await.unwrap().made().unwrap();
    Record::whole(&mut api, WORKSPACE).await.unwrap();
}

#[tokio::test]
async fn a_log_that_goes_into_a_file_has_no_colours() {
    let (server, _, connector) = mdm("remove_user").await;
    let mut client = connector.client().unwrap();
    client.post("/Users", scim::user("ada@acme.example")).await.unwrap().made().unwrap();
    let lines = server.log_lines().unwrap();
    let line = lines.lines().find(|line| line.contains("a SCIM request was answered")).unwrap();
    assert!(line.contains("http.method=\"POST\""), "{line}");
    assert!(!lines.contains('\u{1b}'), "{lines}");
}

#[tokio::test]
async fn a_second_process_on_the_same_data_is_refused_and_disturbs_nothing() {
    let (server, mut api, connector) = mdm("remove_user").await;
    let dir = server.data_dir_text();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data-dir", &dir];
    let verify = ["audit", "verify", "--data-dir", &dir];
    for command in [&serve[..], &verify[..]] {
        let (code, text) = server.command(command).await.unwrap();
        assert_eq!(code, Some(1), "{command:?}: {text}");
        assert!(text.contains("another process uses"), "{command:?}: {text}");
    }
    let mut client = connector.client().unwrap();
    client.post("/Users", scim::user("ada@acme.example")).await.unwrap().made().unwrap();
    Record::whole(&mut api, WORKSPACE).await.unwrap();
}

#[tokio::test]
async fn a_demo_that_was_cut_short_is_completed_by_the_next_start_and_left_alone_after_that() {
    // As far as a demo may have come: a workspace, and one connector that nobody has set yet.
    let (mut server, mut api) = start_with_workspace().await;
    let nothing = json!({});
    setup::connector(&mut api, WORKSPACE, "mdm", "generic", nothing).await.unwrap();
    let unfinished = json!({"name": "Acme Inc. (not ready yet)"});
    api.patch(&format!("/workspaces/{WORKSPACE}"), unfinished).await.unwrap().expect(200).unwrap();
    server.kill().await.unwrap();

    server.restart_as_demo().await.unwrap();
    let mut api = server.api().unwrap();
    assert_eq!(get(&mut api, "/connectors").await["items"].as_array().unwrap().len(), 3);
    let rule = get(&mut api, "/connectors/mdm/provisioning").await;
    assert_eq!(rule["on_create"], "create");
    let count = async |api: &mut _, list| get(api, list).await["items"].as_array().unwrap().len();
    assert_eq!(count(&mut api, "/mdm/devices").await, 4);
    assert_eq!(count(&mut api, "/mdm/policies").await, 2);

    setup::rule(&mut api, WORKSPACE, "mdm", setup::create_and("unassign")).await.unwrap();
    assert_eq!(server.stop().await.unwrap(), Some(0));
    server.restart_as_demo().await.unwrap();
    let mut api = server.api().unwrap();
    let rule = get(&mut api, "/connectors/mdm/provisioning").await;
    assert_eq!(rule["on_deactivate"], "unassign", "a start has changed what a person has set");
    assert_eq!(count(&mut api, "/mdm/devices").await, 4);

    let mdm = format!("/workspaces/{WORKSPACE}/connectors/mdm?people=keep");
    api.delete(&mdm).await.unwrap().expect(204).unwrap();
    for _ in 0..2 {
        assert_eq!(server.stop().await.unwrap(), Some(0));
        server.restart_as_demo().await.unwrap();
        let mut api = server.api().unwrap();
        assert_eq!(count(&mut api, "/connectors").await, 2, "what was removed has come back");
    }
}
