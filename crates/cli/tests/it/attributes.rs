//! What the journal keeps of requests outlives the process, and what was acknowledged is not forgotten.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::{Client, scim};

use crate::{get, mdm};

/// How often each attribute of the connector was seen, and whether its token was used.
async fn shown(api: &mut Client) -> (BTreeMap<String, u64>, bool) {
    let seen = get(api, "/connectors/mdm/attribute-history").await;
    let count =
        |it: &Value| (it["key"].as_str().unwrap().to_owned(), it["count"].as_u64().unwrap());
    let tokens = get(api, "/connectors/mdm/tokens").await;
    let used = tokens["items"][0]["last_used"].is_string();
    (seen["items"].as_array().unwrap().iter().map(count).collect(), used)
}

#[tokio::test]
async fn rule_19_the_history_of_attributes_outlives_a_stop_and_a_kill() {
    let (mut server, mut api, connector) = mdm("nothing").await;
    assert_eq!(shown(&mut api).await, (BTreeMap::new(), false));
    let mut client = connector.client().unwrap();
    for name in ["ada@acme.example", "bob@acme.example"] {
        client.post("/Users", scim::user(name)).await.unwrap().made().unwrap();
    }
    let (seen, used) = shown(&mut api).await;
    assert_eq!((seen["userName"], seen["emails"], used), (2, 2, true), "{seen:?}");

    // Stopped: nothing is lost, though nobody has read it since.
    client.post("/Users", scim::user("cyd@acme.example")).await.unwrap().made().unwrap();
    assert_eq!(server.stop().await.unwrap(), Some(0));
    server.restart().await.unwrap();
    let mut api = server.api().unwrap();
    let (seen, used) = shown(&mut api).await;
    assert_eq!((seen["userName"], used), (3, true), "{seen:?}");

    // Killed: the last counts may be, but no attribute of a request that was answered.
    let mut client = connector.at(&server).client().unwrap();
    let mut dan = scim::user("dan@acme.example");
    dan["urn:company:2.0:User"] = json!({ "costCode": "7" });
    client.post("/Users", dan).await.unwrap().made().unwrap();
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    let (seen, _) = shown(&mut server.api().unwrap()).await;
    assert_eq!(seen["costCode"], 1, "{seen:?}");
    assert!((3..=4).contains(&seen["userName"]), "{seen:?}");
}
