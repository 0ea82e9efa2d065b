//! `muster check` against `muster serve`: the suite finds nothing wrong with any kind of connector.

use serde_json::Value;
use testkit::{
    Server,
    setup::{self, Connector},
};

use crate::{WORKSPACE, start_with_workspace};

/// What every connector but a strict one takes, although the RFC does not allow a client to send it.
const TAKEN: &[&str] = &["bulk.bulk-id-required"];

/// A server with a connector of that kind.
async fn server(idp: &str) -> (Server, Connector) {
    let (server, mut api) = start_with_workspace().await;
    let rule = setup::create_and("remove_user");
    let connector = setup::connector(&mut api, WORKSPACE, "mdm", idp, rule).await.unwrap();
    (server, connector)
}

/// Runs the command against a connector.
async fn check(server: &Server, connector: &Connector, more: &[&str]) -> (Option<i32>, String) {
    let asked = ["check", &connector.base_url, "--token", &connector.token];
    server.command(&[&asked[..], more].concat()).await.unwrap()
}

/// Whether the suite without those groups finds nothing wrong, and warns about this only.
async fn finds_nothing(idp: &str, skipped: &[&str], warned: &[&str]) {
    let (server, connector) = server(idp).await;
    let mut more = vec!["--json"];
    skipped.iter().for_each(|group| more.extend(["--skip", group]));
    let (code, text) = check(&server, &connector, &more).await;
    let report: Value = serde_json::from_str(&text).unwrap();
    let groups = report["groups"].as_array().unwrap();
    let cases = groups.iter().flat_map(|group| group["cases"].as_array().unwrap());
    let (good, odd): (Vec<_>, Vec<_>) = cases.partition(|case| case["outcome"] == "passed");
    let is_warning =
        |case: &&Value| case["outcome"] == "warned" && warned.iter().any(|id| case["id"] == *id);
    let wrong: Vec<_> = odd.iter().filter(|case| !is_warning(case)).collect();
    assert!(wrong.is_empty(), "{}", serde_json::to_string_pretty(&wrong).unwrap());
    assert_eq!(odd.len(), warned.len(), "{}", report["totals"]);
    assert!(good.len() > 200, "{}", report["totals"]);
    assert_eq!(code, Some(0));
    assert_eq!(report["left_behind"], serde_json::json!([]));
    let mut scim = connector.client().unwrap();
    for endpoint in ["/Users", "/Groups"] {
        assert_eq!(testkit::scim::all(&mut scim, endpoint).await.unwrap(), [Value::Null; 0]);
    }
}

#[tokio::test]
async fn nothing_is_wrong_with_an_entra_connector() {
    finds_nothing("entra", &["okta", "onelogin"], TAKEN).await;
}

#[tokio::test]
async fn nothing_is_wrong_with_an_okta_connector() {
    finds_nothing("okta", &["entra", "entra-flag", "onelogin"], TAKEN).await;
}

#[tokio::test]
async fn nothing_is_wrong_with_a_onelogin_connector() {
    finds_nothing("onelogin", &["entra", "entra-flag", "okta"], TAKEN).await;
}

#[tokio::test]
async fn nothing_is_wrong_with_a_generic_connector() {
    finds_nothing("generic", &[], TAKEN).await;
}

#[tokio::test]
async fn nothing_is_wrong_with_a_strict_connector() {
    finds_nothing("strict", &["dialects"], &[]).await;
}

#[tokio::test]
async fn a_failure_is_shown_and_makes_the_command_fail() {
    let (server, connector) = server("strict").await;
    // By the RFC, "False" is no boolean; Entra sends it.
    let (code, text) = check(&server, &connector, &["--only", "entra.deactivate"]).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("FAILED entra.deactivate: "), "{text}");
    assert!(text.contains("\"value\":\"False\""), "{text}");
    assert!(!text.contains(&connector.token), "{text}");
}

#[tokio::test]
async fn a_command_that_cannot_be_meant_exits_with_2() {
    let (server, connector) = server("generic").await;
    let (code, text) = check(&server, &connector, &["--only", "paatch"]).await;
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("\"paatch\""), "{text}");
    let (code, text) = server.command(&["check"]).await.unwrap();
    assert_eq!(code, Some(2), "{text}");
    // A port that was free a moment ago, and that nobody listens on.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}/scim");
    let (code, text) = server.command(&["check", &url]).await.unwrap();
    assert_eq!(code, Some(2), "{text}");
}

#[tokio::test]
async fn the_list_names_every_case_and_asks_nobody() {
    let (server, _) = server("generic").await;
    let (code, text) = server.command(&["check", "--list"]).await.unwrap();
    assert_eq!(code, Some(0));
    assert!(text.contains("patch.remove-without-path"), "{text}");
    let (_, json) = server.command(&["check", "--list", "--json"]).await.unwrap();
    let groups: Value = serde_json::from_str(&json).unwrap();
    for group in groups.as_array().unwrap() {
        for case in group["cases"].as_array().unwrap() {
            assert!(text.contains(case["id"].as_str().unwrap()), "{case}");
        }
    }
}
