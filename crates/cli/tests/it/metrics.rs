//! `/metrics` as Prometheus reads it, and what is delivered to watch it with.

use std::{collections::BTreeSet, path::Path};

use serde_json::json;
use testkit::{Client, Server, all_ended, scim, setup};

use crate::{WORKSPACE, mdm};

/// What Prometheus adds to the name of a histogram.
const SUFFIXES: [&str; 3] = ["_bucket", "_count", "_sum"];

/// What `/metrics` of a server holds.
async fn scrape(server: &Server) -> String {
    let url = server.url().strip_prefix("http://").unwrap().to_owned();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {url}\r\nconnection: close\r\n\r\n");
    String::from_utf8(crate::raw::exchange(&url, request.as_bytes()).await.unwrap()).unwrap()
}

/// The names of ours in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| word.starts_with("muster_") && word.len() > "muster_".len());
    ours.map(|word| {
        let base = SUFFIXES.iter().find_map(|suffix| word.strip_suffix(suffix));
        base.unwrap_or(word).to_owned()
    })
    .collect()
}

/// Makes something of everything happen.
async fn busy() -> (Server, Client) {
    let (server, mut api, connector) = mdm("remove_user_and_devices").await;
    let mut client = connector.at(&server).client().unwrap();
    let ada = client.post("/Users", scim::user("ada@acme.example")).await.unwrap();
    let ada = ada.made().unwrap();
    setup::device(&mut api, WORKSPACE, "S-1", Some(&ada)).await.unwrap();
    client.patch(&format!("/Users/{ada}"), scim::active(false)).await.unwrap().expect(200).unwrap();
    all_ended(&mut api, WORKSPACE).await.unwrap();
    client.patch(&format!("/Users/{ada}"), json!({ "no": "patch" })).await.unwrap();
    let url = format!("{}/scim/v2/{WORKSPACE}/mdm", server.url());
    let mut stranger = Client::new(&url, "mst_stranger").unwrap();
    stranger.get("/Users").await.unwrap().expect(401).unwrap();
    api.post("/projections/verify", json!({})).await.unwrap().expect(200).unwrap();
    (server, api)
}

#[tokio::test]
async fn requests_and_calls_are_counted_by_words_and_not_by_names() {
    let (server, _api) = busy().await;
    let text = scrape(&server).await;
    for line in [
        "muster_scim_requests_total{action=\"create\",idp=\"generic\",outcome=\"created\"} 1",
        "muster_scim_requests_total{action=\"patch\",idp=\"generic\",outcome=\"changed\"} 1",
        "muster_scim_requests_total{action=\"patch\",idp=\"generic\",outcome=\"refused\"} 1",
        "muster_scim_request_seconds_count{action=\"patch\",idp=\"generic\"} 2",
        "muster_scim_rejected_total{reason=\"malformed\"} 1",
        "muster_mdm_call_seconds_count{adapter=\"registry\",outcome=\"taken\"} 1",
        "muster_cache_states{aggregate=\"devices\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    for name in [WORKSPACE, "ada@", "S-1"] {
        assert!(!text.contains(name), "{name} in\n{text}");
    }
}

#[tokio::test]
async fn every_metric_of_the_alerts_and_of_the_dashboard_is_there() {
    let (server, _api) = busy().await;
    let found = names(&scrape(&server).await);
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    for file in ["prometheus/alerts.yml", "prometheus/alerts.test.yml", "grafana/muster.json"] {
        let wanted = names(&std::fs::read_to_string(deploy.join(file)).unwrap());
        assert!(wanted.len() > 5, "{file} names metrics");
        let missing: Vec<_> = wanted.difference(&found).collect();
        assert!(missing.is_empty(), "{file}: {missing:?} are not in {found:?}");
    }
}
