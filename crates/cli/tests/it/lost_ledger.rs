//! A ledger of erasures that was lost is written again (rule 32): every key stays destroyed, and each
//! certificate says as many as before.

use std::{collections::BTreeSet, fs};

use ::record::export::show_time;
use event_log::{Clock, SystemClock};
use serde_json::{Value, json};
use testkit::{Client, Server, record, scim, setup, until};

use crate::{WORKSPACE, get, mdm};

const HOUR_MICROS: i64 = 3_600_000_000;

/// The lines of a ledger.
fn lines(server: &Server) -> Vec<Value> {
    let text = fs::read_to_string(server.data_dir().join("erasures.ledger")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn keys(lines: &[Value]) -> BTreeSet<u64> {
    let keys = lines.iter().flat_map(|line| line["keys"].as_array().unwrap());
    keys.map(|key| key.as_u64().unwrap()).collect()
}

/// How many keys each certificate says were destroyed, once all are carried out.
async fn counts(api: &mut Client) -> Vec<(String, u64)> {
    let listed = get(api, "/erasures").await;
    let listed = listed["items"].as_array().unwrap();
    let count = |it: &Value| {
        assert_eq!(it["state"], "completed", "{it}");
        (it["user"].as_str().unwrap().to_owned(), it["keys_destroyed"].as_u64().unwrap())
    };
    listed.iter().map(count).collect()
}

#[tokio::test]
async fn several_erasures_that_a_lost_ledger_had_count_their_own_keys_again() {
    let (mut server, mut api, connector) = mdm("remove_user").await;
    let mut client = connector.client().unwrap();
    // Bodies are of everybody.
    let until_when = show_time(SystemClock.now() + HOUR_MICROS);
    let bodies = format!("/workspaces/{WORKSPACE}/connectors/mdm/provisioning-log");
    let setting = json!({ "bodies_until": until_when });
    api.put(&bodies, setting).await.unwrap().expect(200).unwrap();
    // A group waits for the first by another name of hers, and for the second, who comes meanwhile.
    let members = ["ada@elsewhere.example".to_owned(), "bob@acme.example".to_owned()];
    client.post("/Groups", scim::group("Waits", &members)).await.unwrap().made().unwrap();
    let mut people = Vec::new();
    for name in ["ada", "bob", "eve"] {
        let mut user = scim::user(&format!("{name}@acme.example"));
        user["emails"] = json!([{ "value": format!("{name}@elsewhere.example") }]);
        people.push(client.post("/Users", user).await.unwrap().made().unwrap());
    }
    // The third has a device that had two names.
    let phone = setup::device(&mut api, WORKSPACE, "S-1", Some(&people[2])).await.unwrap();
    let phone = format!("/workspaces/{WORKSPACE}/mdm/devices/{phone}");
    api.patch(&phone, json!({ "name": "Eve's" })).await.unwrap().expect(200).unwrap();
    for id in &people {
        let path = format!("/workspaces/{WORKSPACE}/people/{id}/erase");
        api.post(&path, json!({})).await.unwrap().expect(200).unwrap();
    }
    let (known, said) = (lines(&server), counts(&mut api).await);
    assert_eq!(said.len(), 3, "{said:?}");
    let own = |id: &str| {
        let lines: Vec<_> = known.iter().filter(|line| line["user"] == id).cloned().collect();
        keys(&lines)
    };
    let all: Vec<_> = people.iter().map(|id| own(id)).collect();
    assert!(all[0].is_disjoint(&all[1]) && all[1].is_disjoint(&all[2]), "{known:?}");
    assert!(all[2].len() >= 3, "her own, and those of both names: {:?}", all[2]);

    fs::remove_file(server.data_dir().join("erasures.ledger")).unwrap();
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    let mut api = server.api().unwrap();
    // Keys of bodies that were made since may be among them.
    let mut asking = server.api().unwrap();
    let written = async || {
        let path = format!("/workspaces/{WORKSPACE}/erasures");
        asking.get(&path).await?.expect(200)?;
        Ok(keys(&known).is_subset(&keys(&lines(&server))).then_some(()))
    };
    until("every key is in the ledger again", written).await.unwrap();
    assert_eq!(counts(&mut api).await, said);
    assert!(record::head(&mut api, WORKSPACE).await.unwrap() > 0);
    for id in &people {
        let shown = get(&mut api, &format!("/mdm/users/{id}")).await;
        assert!(shown["erasure"].is_string(), "{shown}");
    }
}
