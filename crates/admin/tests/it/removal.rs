//! Connectors that are removed, and what becomes of their people (rule 5).

use std::pin::pin;

use app::{Refusal, RequestIds, Unauthorized};
use domain::ids::ConnectorName;
use event_log::{EventLog, StreamId, WorkspaceId};
use futures_util::future::{Either, join_all, select};
use serde_json::{Value, json};

use crate::{
    access::{push, second, store},
    world::{World, saml},
};

const STORE: &str = "/workspaces/acme/connectors/store";
const PEOPLE: &str = "/workspaces/acme/employees";
/// More than are swept out at a time.
const PEOPLE_MANY: u64 = 600;

async fn account(world: &World, id: impl std::fmt::Display) -> Value {
    world.get(&format!("{PEOPLE}/{id}")).await.is(200)
}

async fn refused(world: &World, connector: &str, token: &str) -> Unauthorized {
    let bearer = format!("Bearer {token}");
    let ids = RequestIds::default();
    match world.app.authenticate("acme", connector, Some(&bearer), ids).await {
        Err(Refusal::Unauthorized(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn names() -> (WorkspaceId, ConnectorName) {
    (WorkspaceId::parse("acme").unwrap(), ConnectorName::parse("store").unwrap())
}

async fn swept(world: &World) {
    let (acme, store) = names();
    world.app.swept(&acme, &store).await;
}

#[actix_web::test]
async fn rule_5_what_becomes_of_the_people_has_to_be_said() {
    let (world, _) = store().await;
    for query in ["", "?people=", "?people=delete"] {
        let detail = world.delete(&format!("{STORE}{query}")).await.refused(400);
        assert!(detail.contains("keep") && detail.contains("deactivate"), "{detail}");
    }
    world.get(STORE).await.is(200);
    world.delete("/workspaces/acme/connectors/mdm?people=keep").await.refused(404);
    world.delete(&format!("{STORE}?people=keep")).await.is(204);
    world.delete(&format!("{STORE}?people=keep")).await.refused(404);
}

#[actix_web::test]
async fn rule_5_people_who_go_go_as_if_the_connector_had_deleted_them() {
    let (world, caller) = store().await;
    let token = world.post(&format!("{STORE}/tokens"), json!({})).await.field(201, "token");
    let okta = second(&world).await;
    let ada = world.provision(&caller, "ada@x").await.id;
    let bob = world.provision(&caller, "bob@x").await.id;
    let also_bob = world.provision(&okta, "bob@x").await.id;
    push(&world, &caller, "Sales", &[ada.to_string(), bob.to_string()]).await;
    let chess = push(&world, &okta, "Chess", &[also_bob.to_string()]).await.to_string();
    world.delete(&format!("{STORE}?people=deactivate")).await.is(204);

    assert_eq!(refused(&world, "store", &token).await, Unauthorized::Unknown);
    world.get(STORE).await.refused(404);
    let left = world.items("/workspaces/acme/connectors").await;
    assert_eq!((left.len(), &left[0]["id"]), (1, &json!("okta")));
    swept(&world).await;
    let gone = account(&world, ada).await;
    assert_eq!((&gone["account"], &gone["scim"]), (&json!("suspended"), &json!([])));
    assert!(gone["offboarding"].is_string());
    let stays = account(&world, bob).await;
    assert_eq!(stays["account"], json!("active"), "another connector says so");
    assert_eq!(stays["scim"], json!([{ "connector": "okta", "id": also_bob, "active": true }]));
    let groups = world.items("/workspaces/acme/groups").await;
    assert_eq!((groups.len(), &groups[0]["id"]), (1, &json!(chess)));

    // The record says who did that, and why.
    let log = world.items("/workspaces/acme/events?type=workspace.connector_removed").await;
    assert_eq!(log[0]["data"], json!({ "connector": "store", "people": "deactivate" }));
    for name in ["user.entry_removed", "user.offboarding_started", "group.deleted"] {
        let events = world.items(&format!("/workspaces/acme/events?type={name}")).await;
        assert!(!events.is_empty(), "{name}");
        for event in events {
            assert_eq!(event["actor"], json!("policy:removals"), "{name}");
            assert_eq!(event["causation"], log[0]["position"], "{name}");
            assert_eq!(event["correlation"], log[0]["correlation"], "{name}");
            assert_eq!(event["rule"]["on_deactivate"], json!("remove_user"), "{name}");
        }
    }
}

#[actix_web::test]
async fn rule_5_people_who_stay_stay_as_they_are_and_out_of_reach() {
    let (world, caller) = store().await;
    let ada = world.provision(&caller, "ada@x").await.id;
    let sales = push(&world, &caller, "Sales", &[ada.to_string()]).await.to_string();
    let before = account(&world, ada).await;
    let token = world.post(&format!("{STORE}/tokens"), json!({})).await.field(201, "token");
    world.delete(&format!("{STORE}?people=keep")).await.is(204);
    assert_eq!(refused(&world, "store", &token).await, Unauthorized::Unknown);
    assert_eq!(account(&world, ada).await, before);
    let groups = world.items(&format!("/workspaces/acme/people/{ada}/groups")).await;
    assert_eq!(groups[0]["id"], json!(sales));
    assert!(world.items("/workspaces/acme/events?type=user.entry_removed").await.is_empty());
}

#[actix_web::test]
async fn rule_5_a_group_that_stayed_is_deleted_by_hand_and_no_other() {
    let (world, caller) = store().await;
    let okta = second(&world).await;
    let ada = world.provision(&caller, "ada@x").await.id;
    let sales = push(&world, &caller, "Sales", &[ada.to_string()]).await.to_string();
    let chess = push(&world, &okta, "Chess", &[]).await.to_string();
    let group = |id: &str| format!("/workspaces/acme/groups/{id}");
    let detail = world.delete(&group(&sales)).await.refused(409);
    assert!(detail.contains("the connector store"), "{detail}");
    world
        .put("/workspaces/acme/portals/store/access", json!({ "groups": [["sales"]] }))
        .await
        .is(200);
    world.delete(&format!("{STORE}?people=keep")).await.is(204);
    let groups = format!("/workspaces/acme/people/{ada}/groups");
    assert_eq!(world.get(&groups).await.is(200)["may_enter"], json!(true));

    world.delete(&format!("/workspaces/acme/mdm/groups/{sales}")).await.refused(404);
    world.delete(&group(&sales)).await.is(204);
    world.delete(&group(&sales)).await.refused(404);
    world.delete(&group(&chess)).await.refused(409);
    assert_eq!(world.get(&groups).await.is(200)["may_enter"], json!(false));
    let deleted = world.items("/workspaces/acme/events?type=group.deleted").await;
    assert_eq!((deleted.len(), &deleted[0]["actor"]), (1, &json!("person:owner")));
    assert_eq!(deleted[0]["stream"], json!(format!("group/{sales}")));
}

#[actix_web::test]
async fn rule_8_an_entry_that_stayed_keeps_nobody_here() {
    let (world, caller) = store().await;
    let ada = world.provision(&caller, "ada@x").await.id;
    let _ = second(&world).await;
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user" });
    world.put("/workspaces/acme/connectors/okta/provisioning", rule).await.is(200);
    let token = world.post("/workspaces/acme/connectors/okta/tokens", json!({})).await;
    let token = token.field(201, "token");
    let okta = world.caller("okta", &token).await;
    let also_ada = world.provision(&okta, "ada@x").await.id;
    // Both know her: the one that is left keeps her.
    world.set_active(&okta, also_ada, false).await;
    assert_eq!(account(&world, ada).await["account"], json!("active"));
    world.set_active(&okta, also_ada, true).await;
    world.delete(&format!("{STORE}?people=keep")).await.is(204);
    assert_eq!(account(&world, ada).await["account"], json!("active"));
    let okta = world.caller("okta", &token).await;
    world.set_active(&okta, also_ada, false).await;
    assert_eq!(account(&world, ada).await["account"], json!("suspended"));
}

#[actix_web::test]
async fn rule_4_saml_can_be_removed_once_no_connector_is_there() {
    let (world, _) = store().await;
    second(&world).await;
    let path = "/workspaces/acme/portals/store/saml";
    world.delete(&format!("{STORE}?people=deactivate")).await.is(204);
    assert!(world.delete(path).await.refused(409).contains("while SCIM manages"));
    world.put(path, saml(true)).await.refused(409);
    world.delete("/workspaces/acme/connectors/okta?people=keep").await.is(204);
    world.put(path, saml(true)).await.is(200);
    world.delete(path).await.is(204);
}

#[actix_web::test]
async fn rule_5_the_name_of_a_removed_connector_is_not_given_again() {
    let (world, _) = store().await;
    world.delete(&format!("{STORE}?people=keep")).await.is(204);
    let scim = "/workspaces/acme/portals/store/scim";
    let detail = world.post(scim, json!({ "name": "store" })).await.refused(409);
    assert!(detail.contains("its record is kept"), "{detail}");
    assert_eq!(world.post(scim, json!({})).await.field(201, "connector"), "store-2");
}

#[actix_web::test]
async fn rule_14_a_mapping_may_still_name_a_removed_connector_whose_groups_stayed() {
    let (world, _) = World::with_scim("dashboard", json!({})).await;
    let path = "/workspaces/acme/role-mapping";
    let rules = json!([{ "group": "Admins", "role": "admin", "connector": "dashboard" }]);
    let set = world.put(path, json!({ "rules": rules })).await.is(200);
    world.delete("/workspaces/acme/connectors/dashboard?people=keep").await.is(204);
    assert_eq!(world.get(path).await.is(200), set);
    assert_eq!(world.put(path, set.clone()).await.is(200), set);
}

#[actix_web::test]
async fn rule_14_a_mapping_names_no_connector_that_has_no_groups() {
    let (world, _) = World::with_scim("dashboard", json!({})).await;
    let path = "/workspaces/acme/role-mapping";
    let rule = |connector| json!({ "group": "Admins", "role": "admin", "connector": connector });
    let both = json!({ "rules": [rule("dashboard"), rule("nobody")] });
    let detail = world.put(path, both).await.refused(400);
    assert!(detail.starts_with("rules[1].connector") && detail.contains("nobody"), "{detail}");
    let one = json!({ "rules": [rule("dashboard")] });
    world.put(path, one.clone()).await.is(200);
    world.delete("/workspaces/acme/connectors/dashboard?people=deactivate").await.is(204);
    let detail = world.put(path, one).await.refused(409);
    assert!(detail.starts_with("rules[0].connector dashboard was removed"), "{detail}");
}

#[actix_web::test]
async fn what_was_on_its_way_while_its_connector_was_removed_is_swept_out_too() {
    let (world, caller) = store().await;
    world.delete(&format!("{STORE}?people=deactivate")).await.is(204);
    let late = world.provision(&caller, "late@x").await.id;
    push(&world, &caller, "Late", &[late.to_string()]).await;
    account(&world, late).await; // Policies have heard of them.
    swept(&world).await;
    let gone = account(&world, late).await;
    assert_eq!((&gone["account"], &gone["scim"]), (&json!("suspended"), &json!([])));
    assert!(world.items("/workspaces/acme/groups").await.is_empty());
}

/// Removes the Store's connector with its people and goes away before there is an answer.
async fn remove_unanswered(world: &World) {
    let (acme, store) = names();
    let path = format!("{STORE}?people=deactivate");
    let mut ticks = world.log.watch();
    let mut delete = pin!(world.delete(&path));
    while world.app.connector(&acme, &store).await.is_ok() {
        let recorded = pin!(ticks.changed());
        if let Either::Left((answer, _)) = select(delete.as_mut(), recorded).await {
            panic!("nobody sweeps: {answer:?}");
        }
    }
}

#[actix_web::test]
async fn a_restart_loses_nothing_of_it() {
    let world = World::asleep();
    world.post("/workspaces", json!({ "slug": "acme", "name": "Acme" })).await.is(201);
    world.put("/workspaces/acme/portals/store/saml", saml(false)).await.is(200);
    let token = world.post("/workspaces/acme/portals/store/scim", json!({})).await;
    let caller = world.caller("store", &token.field(201, "token")).await;
    let people: Vec<_> = (0..PEOPLE_MANY).map(|number| format!("p{number}@x")).collect();
    join_all(people.iter().map(|name| world.provision(&caller, name))).await;
    remove_unanswered(&world).await;
    let (acme, store) = names();
    world.app.read_models().caught_up("directory", &acme).await.unwrap();
    let directory = world.app.read_models().directory();
    assert_eq!(directory.people_of(&acme, &store).unwrap(), PEOPLE_MANY);
    let world = world.again();
    swept(&world).await;
    let path = "/workspaces/acme/events?type=user.entry_removed&limit=1000";
    assert_eq!(world.items(path).await.len() as u64, PEOPLE_MANY);
}

#[actix_web::test]
async fn a_workspace_is_not_closed_while_the_people_of_a_removed_connector_are_swept_out() {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user_and_devices" });
    let (world, token) = World::with_planner(rule).await;
    let caller = world.caller("mdm", &token).await;
    let ada = world.provision(&caller, "ada@x").await.id;
    let device = json!({ "serial": "S-1", "platform": "ios", "user": ada });
    world.post("/workspaces/acme/mdm/devices", device).await.is(201);
    // Groups go first. This one cannot be read, and holds up the people.
    let group = push(&world, &caller, "Sales", &[]).await;
    world.record(StreamId::new("group", group.0), 1, "group.unheard_of", &json!({})).await;
    world.delete("/workspaces/acme/connectors/mdm?people=deactivate").await.is(204);
    let detail = world.delete("/workspaces/acme").await.refused(409);
    assert!(detail.starts_with("the people of the connector mdm"), "{detail}");
    world.delete("/workspaces/acme?give_up=we+leave").await.is(204);
}
