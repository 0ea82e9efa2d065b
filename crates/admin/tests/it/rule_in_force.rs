//! The rule in force for the people who are there already (rule 11): shown first, done on request.

use std::collections::BTreeMap;

use domain::ids::EntryId;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::world::World;

/// More than are read at a time.
const PEOPLE_MANY: usize = 600;

/// The rule of a portal's connector; returns its position in the record.
async fn set_rule(world: &World, portal: &str, rule: Value) -> u64 {
    world.put(&format!("/workspaces/acme/connectors/{portal}/provisioning"), rule).await.is(200);
    let set = world.items("/workspaces/acme/events?type=workspace.provisioning_set").await;
    set.last().unwrap()["position"].as_u64().unwrap()
}

fn path(portal: &str, rest: &str) -> String {
    format!("/workspaces/acme/connectors/{portal}/provisioning/{rest}")
}

/// Starts a job and waits until it has ended.
async fn job(world: &World, path: &str, body: Value) -> Value {
    let begun = world.post(path, body).await.is(200);
    assert_eq!((&begun["state"], &begun["done"]), (&json!("running"), &json!(0)));
    ended(world, path).await
}

async fn ended(world: &World, path: &str) -> Value {
    loop {
        // The job has its turn on this thread.
        actix_web::rt::task::yield_now().await;
        let job = world.get(path).await.is(200);
        if job["state"] != json!("running") {
            return job;
        }
    }
}

/// Everybody to whom something would be done, page by page.
async fn whom(world: &World, portal: &str, limit: usize) -> Vec<Value> {
    let (mut people, mut cursor) = (Vec::new(), String::new());
    loop {
        let list = path(portal, &format!("preview/people?limit={limit}&cursor={cursor}"));
        let part = world.get(&list).await.is(200);
        let items = part["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        people.extend(items.iter().cloned());
        match part["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return people,
        }
    }
}

/// How many accounts of a portal are in each state.
async fn accounts(world: &World, people: &str) -> BTreeMap<String, usize> {
    let mut states = BTreeMap::new();
    let list = format!("/workspaces/acme/{people}?account=any&limit=1000");
    for account in world.items(&list).await {
        *states.entry(account["account"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    states
}

fn counts<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts.into_iter().map(|(state, count)| (state.to_owned(), count)).collect()
}

async fn head(world: &World) -> usize {
    world.items("/workspaces/acme/events?limit=1000").await.len()
}

#[actix_web::test]
async fn rule_11_a_changed_rule_gives_accounts_to_those_who_are_there_on_request() {
    let (world, token) = World::with_scim("dashboard", json!({})).await;
    let caller = world.caller("dashboard", &token).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(world.provision(&caller, &format!("p{number}@x")).await.id.to_string());
    }
    let rule = json!({"on_create": "create", "default_role": "viewer", "on_deactivate": "nothing"});
    let position = set_rule(&world, "dashboard", rule).await;
    assert_eq!(accounts(&world, "collaborators").await, counts([("none", 5)]));
    let (preview, apply) = (path("dashboard", "preview"), path("dashboard", "apply"));
    assert_eq!(world.get(&preview).await.is(200)["state"], json!("none"));
    assert_eq!(world.get(&apply).await.is(200)["state"], json!("none"));

    let before = head(&world).await;
    let shown = json!({
        "state": "completed", "rule": position, "total": 5, "done": 5, "granted": 5,
        "offboarded": 0, "held": 0, "devices": 0,
    });
    assert_eq!(job(&world, &preview, json!({})).await, shown);
    let people = whom(&world, "dashboard", 2).await;
    let first = json!({
        "id": ids[0], "user_name": "p0@x", "outcome": "granted", "role": "viewer", "held": false,
        "devices": 0,
    });
    assert_eq!((people.len(), &people[0]), (5, &first));
    assert_eq!(head(&world).await, before, "to look changes nothing");

    // Not the rule that was looked at.
    let refused = world.post(&apply, json!({"rule": position - 1})).await.refused(409);
    assert!(refused.contains(&position.to_string()), "{refused}");
    let done = json!({
        "state": "completed", "rule": position, "total": 5, "done": 5, "granted": 5,
        "offboarded": 0, "held": 0,
    });
    assert_eq!(job(&world, &apply, json!({"rule": position})).await, done);
    assert_eq!(accounts(&world, "collaborators").await, counts([("active", 5)]));
    let shown = world.get(&format!("/workspaces/acme/collaborators/{}", ids[0])).await.is(200);
    assert_eq!((&shown["role"], &shown["source"]), (&json!("viewer"), &json!("scim")));
    // The record says which rule that was, and who asked.
    let granted = world.items("/workspaces/acme/events?type=user.account_granted").await;
    assert_eq!(granted.len(), 5);
    for event in &granted {
        assert_eq!(event["actor"], json!("person:owner"));
        assert_eq!(event["correlation"], granted[0]["correlation"]);
        assert_eq!(event["rule"]["position"], json!(position));
        assert_eq!(event["rule"]["on_create"], json!("create"));
    }

    // Again, nobody changes, and nothing is recorded.
    let before = head(&world).await;
    assert_eq!(job(&world, &apply, json!({})).await["granted"], json!(0));
    assert_eq!(job(&world, &preview, json!({})).await["granted"], json!(0));
    assert!(whom(&world, "dashboard", 2).await.is_empty());
    assert_eq!(head(&world).await, before);
    for rest in ["preview", "apply"] {
        world.post(&path("mdm", rest), json!({})).await.refused(404);
        world.get(&path("mdm", rest)).await.refused(404);
    }
    world.get(&path("dashboard", "preview/people?cursor=x")).await.refused(400);
}

#[actix_web::test]
async fn rule_11_a_changed_rule_offboards_those_who_had_gone_on_request() {
    let rule = |on_deactivate: &str| json!({"on_create": "create", "on_deactivate": on_deactivate});
    let (world, token) = World::with_scim("store", rule("nothing")).await;
    let caller = world.caller("store", &token).await;
    let make = |number: usize| {
        let (world, caller) = (&world, &caller);
        async move {
            let id = world.provision(caller, &format!("p{number:03}@x")).await.id;
            // Two of three go.
            if !number.is_multiple_of(3) {
                world.set_active(caller, id, false).await;
            }
            id
        }
    };
    let ids: Vec<EntryId> = join_all((0..PEOPLE_MANY).map(make)).await;
    let gone = PEOPLE_MANY * 2 / 3;
    let stay = PEOPLE_MANY - gone;
    assert_eq!(accounts(&world, "employees").await, counts([("active", PEOPLE_MANY)]));
    let position = set_rule(&world, "store", rule("remove_user")).await;
    assert_eq!(accounts(&world, "employees").await, counts([("active", PEOPLE_MANY)]));

    let people = whom(&world, "store", 150).await;
    assert_eq!(people.len(), gone);
    let expected: Vec<_> = ids
        .iter()
        .enumerate()
        .filter(|(it, _)| it % 3 != 0)
        .map(|(_, id)| id.to_string())
        .collect();
    let mut listed: Vec<_> =
        people.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
    listed.sort();
    let mut sorted = expected.clone();
    sorted.sort();
    assert_eq!(listed, sorted);
    assert_eq!(people[0]["on_deactivate"], json!("remove_user"));

    let done = job(&world, &path("store", "apply"), json!({"rule": position})).await;
    assert_eq!((&done["done"], &done["offboarded"]), (&json!(PEOPLE_MANY), &json!(gone)));
    assert_eq!(
        accounts(&world, "employees").await,
        counts([("active", stay), ("suspended", gone)])
    );
    let started =
        world.items("/workspaces/acme/events?type=user.offboarding_started&limit=1000").await;
    assert_eq!(started.len(), gone);
    assert_eq!(started[0]["rule"]["position"], json!(position));
    assert_eq!(started[0]["actor"], json!("person:owner"));
    let again = job(&world, &path("store", "apply"), json!({})).await;
    assert_eq!((&again["done"], &again["offboarded"]), (&json!(PEOPLE_MANY), &json!(0)));

    // The identity provider has the last word, as ever.
    let back: EntryId = ids[1];
    world.set_active(&caller, back, true).await;
    let back = world.get(&format!("/workspaces/acme/employees/{back}")).await.is(200);
    assert_eq!((&back["account"], &back["offboarding"]), (&json!("active"), &Value::Null));
}

#[actix_web::test]
async fn rule_11_a_rule_that_is_changed_on_the_way_reaches_nobody_more() {
    let (world, token) = World::with_scim("store", json!({})).await;
    let caller = world.caller("store", &token).await;
    let make = |number: usize| {
        let (world, caller) = (&world, &caller);
        async move { world.provision(caller, &format!("p{number:03}@x")).await.id }
    };
    join_all((0..PEOPLE_MANY).map(make)).await;
    let position = set_rule(&world, "store", json!({"on_create": "create"})).await;
    let apply = path("store", "apply");
    world.post(&apply, json!({})).await.is(200);
    set_rule(&world, "store", json!({})).await;
    let ended = ended(&world, &apply).await;
    assert_eq!((&ended["state"], &ended["rule"]), (&json!("failed"), &json!(position)));
    assert!(
        ended["why"].as_str().unwrap().starts_with("the rule was changed on the way"),
        "{ended}"
    );
    assert!(accounts(&world, "employees").await["none"] >= PEOPLE_MANY - 500);
}

#[actix_web::test]
async fn rule_11_a_preview_counts_the_devices_and_whom_a_person_has_to_decide_on() {
    let (world, token) = World::with_scim("mdm", json!({"on_create": "create"})).await;
    let caller = world.caller("mdm", &token).await;
    let ada = world.provision(&caller, "ada@x").await.id;
    for serial in ["A1", "A2"] {
        let device = json!({"serial": serial, "platform": "ios", "user": ada.to_string()});
        world.post("/workspaces/acme/mdm/devices", device).await.is(201);
    }
    world.set_active(&caller, ada, false).await;
    set_rule(&world, "mdm", json!({"on_deactivate": "remove_user_and_devices"})).await;
    let preview = job(&world, &path("mdm", "preview"), json!({})).await;
    assert_eq!((&preview["offboarded"], &preview["devices"]), (&json!(1), &json!(2)));
    let people = whom(&world, "mdm", 10).await;
    assert_eq!(people[0]["devices"], json!(2));
    assert_eq!(people[0]["on_deactivate"], json!("remove_user_and_devices"));

    let rule = |on_deactivate: &str| json!({"on_create": "create", "on_deactivate": on_deactivate});
    let (world, token) = World::with_scim("dashboard", rule("nothing")).await;
    let caller = world.caller("dashboard", &token).await;
    let owner = world.provision(&caller, "owner@x").await.id;
    let owner_path = format!("/workspaces/acme/collaborators/{owner}");
    world.patch(&owner_path, json!({"role": "owner"})).await.is(200);
    world.set_active(&caller, owner, false).await;
    set_rule(&world, "dashboard", rule("remove_user")).await;
    assert_eq!(job(&world, &path("dashboard", "preview"), json!({})).await["held"], json!(1));
    assert_eq!(whom(&world, "dashboard", 10).await[0]["held"], json!(true));
    assert_eq!(job(&world, &path("dashboard", "apply"), json!({})).await["held"], json!(1));
    assert_eq!(world.get(&owner_path).await.is(200)["account"], json!("active"));
}

#[actix_web::test]
async fn rule_11_what_a_person_has_decided_for_somebody_stands() {
    let rule = |on_create: &str, on_deactivate: &str| json!({"on_create": on_create, "on_deactivate": on_deactivate});
    let (world, token) = World::with_scim("store", rule("nothing", "nothing")).await;
    let caller = world.caller("store", &token).await;
    let ada = world.provision(&caller, "ada@x").await.id;
    let bob = world.provision(&caller, "bob@x").await.id;
    for name in ["ada@x", "bob@x"] {
        world.post("/workspaces/acme/employees", json!({"user_name": name})).await.is(201);
    }
    // Ada's entry goes, her account made by hand stays; Bob's is removed by hand, his entry stays.
    world.set_active(&caller, ada, false).await;
    world.delete(&format!("/workspaces/acme/employees/{bob}")).await.is(204);
    set_rule(&world, "store", rule("create", "remove_user")).await;
    assert!(whom(&world, "store", 10).await.is_empty());
    let applied = job(&world, &path("store", "apply"), json!({})).await;
    assert_eq!((&applied["granted"], &applied["offboarded"]), (&json!(0), &json!(0)));
    assert_eq!(accounts(&world, "employees").await, counts([("active", 1), ("removed", 1)]));
}
