//! Segments and what collaborators may do in them (rule 15).

use serde_json::{Value, json};

use crate::{
    access::{add, change, push},
    world::World,
};

const ALL: &str = "/workspaces/acme/mdm/segments";
const PEOPLE: &str = "/workspaces/acme/collaborators";

async fn segment(world: &World, name: &str, parent: Option<&str>) -> String {
    world.post(ALL, json!({ "name": name, "parent": parent })).await.field(201, "id")
}

async fn grant(world: &World, segment: &str, grants: Value) -> Value {
    world.put(&format!("{ALL}/{segment}/grants"), json!({ "grants": grants })).await.is(200)
}

/// Name and actions of the segments in which somebody may do something.
async fn may(world: &World, id: &str) -> Vec<(String, Value)> {
    let items = world.items(&format!("{PEOPLE}/{id}/segments")).await;
    let shown = |item: Value| (item["name"].as_str().unwrap().to_owned(), item["actions"].clone());
    items.into_iter().map(shown).collect()
}

async fn by_hand(world: &World, name: &str, role: &str) -> String {
    world.post(PEOPLE, json!({ "user_name": name, "role": role })).await.field(201, "id")
}

#[actix_web::test]
async fn rule_15_a_grant_on_a_segment_covers_its_descendants() {
    let (world, _) = World::with_scim("dashboard", json!({ "on_create": "create" })).await;
    let ada = by_hand(&world, "ada@x", "viewer").await;
    let bob = by_hand(&world, "bob@x", "admin").await;
    let top = segment(&world, "World", None).await;
    let europe = segment(&world, "Europe", Some(&top)).await;
    let berlin = segment(&world, "Berlin", Some(&europe)).await;
    segment(&world, "Asia", Some(&top)).await;
    let grants = json!([{ "collaborator": ada, "actions": ["assign", "view"] }]);
    let set = grant(&world, &europe, grants).await;
    let shown = json!({ "grants": [{ "collaborator": ada, "actions": ["view", "assign"] }] });
    assert_eq!(set, shown);
    assert_eq!(world.get(&format!("{ALL}/{europe}/grants")).await.is(200), shown);
    grant(&world, &berlin, json!([{ "collaborator": ada, "actions": ["remove"] }])).await;

    let items = world.items(&format!("{PEOPLE}/{ada}/segments")).await;
    assert_eq!(
        items[1],
        json!({
            "id": berlin, "name": "Berlin", "parent": europe,
            "actions": ["view", "assign", "remove"], "granted": ["remove"],
        })
    );
    let both = |europe: Value, berlin: Value| {
        vec![("Europe".to_owned(), europe), ("Berlin".to_owned(), berlin)]
    };
    let expected = both(json!(["view", "assign"]), json!(["view", "assign", "remove"]));
    assert_eq!(may(&world, &ada).await, expected);
    assert!(may(&world, &bob).await.is_empty(), "a role gives nothing");
    // What stands elsewhere is covered from there.
    world.patch(&format!("{ALL}/{berlin}"), json!({ "parent": null })).await.is(200);
    assert_eq!(may(&world, &ada).await, both(json!(["view", "assign"]), json!(["remove"])));
    grant(&world, &europe, json!([])).await;
    assert_eq!(may(&world, &ada).await, [("Berlin".to_owned(), json!(["remove"]))]);
}

#[actix_web::test]
async fn rule_15_no_request_of_scim_no_group_and_no_role_changes_a_permission() {
    let rule =
        json!({ "on_create": "create", "default_role": "viewer", "on_deactivate": "remove_user" });
    let (world, token) = World::with_scim("dashboard", rule).await;
    let caller = world.caller("dashboard", &token).await;
    let ada = world.provision(&caller, "ada@x").await.id;
    let bob = world.provision(&caller, "bob@x").await.id;
    let top = segment(&world, "World", None).await;
    let berlin = segment(&world, "Berlin", Some(&top)).await;
    let both = json!([
        { "collaborator": ada, "actions": ["view"] },
        { "collaborator": bob, "actions": ["enroll"] },
    ]);
    grant(&world, &top, both).await;
    grant(&world, &berlin, json!([{ "collaborator": ada, "actions": ["change_policy"] }])).await;

    let record = async || {
        let mut shown = vec![json!(world.items(ALL).await)];
        for path in [
            format!("{ALL}/{top}/grants"),
            format!("{ALL}/{berlin}/grants"),
            format!("{PEOPLE}/{ada}/segments"),
            format!("{PEOPLE}/{bob}/segments"),
            "/workspaces/acme/events?type=segments.*".to_owned(),
        ] {
            shown.push(world.get(&path).await.is(200));
        }
        shown
    };
    let before = record().await;
    let same = async |what: &str| assert_eq!(record().await, before, "{what}");

    // Groups: named like a segment, with members, nested, renamed, mapped to roles.
    let group = push(&world, &caller, "Berlin", &[ada.to_string()]).await;
    same("a group comes").await;
    let outer = push(&world, &caller, "World", &[group.to_string()]).await;
    let mapping =
        json!({ "rules": [{ "group": "berlin", "role": "admin" }], "follow_groups": true });
    world.put("/workspaces/acme/role-mapping", mapping).await.is(200);
    let role = world.get(&format!("{PEOPLE}/{ada}")).await.field(200, "role");
    assert_eq!(role, "admin", "the mapping has done something");
    same("groups are mapped to roles").await;
    add(&world, &caller, group, &bob.to_string()).await;
    let rename = json!([{ "op": "replace", "path": "displayName", "value": "Paris" }]);
    change(&world, &caller, group, rename).await;
    same("a group is changed").await;
    world.app.delete_group(&caller, outer, None).await.unwrap();
    world.app.delete_group(&caller, group, None).await.unwrap();
    same("groups are deleted").await;

    // Roles by hand, and none.
    world.put("/workspaces/acme/role-mapping", json!({})).await.is(200);
    let other = json!({ "user_name": "owner@x", "role": "owner" });
    world.post(PEOPLE, other).await.is(201);
    for role in ["owner", "unassigned", "developer"] {
        world.patch(&format!("{PEOPLE}/{ada}"), json!({ "role": role })).await.is(200);
        same(role).await;
    }

    // People: others come, these are changed, go, come back, and are deleted.
    world.provision(&caller, "cy@x").await;
    same("somebody else comes").await;
    world.set_active(&caller, ada, false).await;
    same("a collaborator is deactivated").await;
    world.set_active(&caller, ada, true).await;
    same("a collaborator is reactivated").await;
    world.delete(&format!("{PEOPLE}/{bob}")).await.is(204);
    same("an account is removed by hand").await;
    let path = "/workspaces/acme/connectors/dashboard";
    world.patch(path, json!({ "state": "paused" })).await.is(200);
    same("a connector is paused").await;
    world.patch(path, json!({ "state": "active" })).await.is(200);
    // What was granted to somebody who has gone can be sent as it was shown.
    let shown = world.get(&format!("{ALL}/{top}/grants")).await.is(200);
    assert_eq!(world.put(&format!("{ALL}/{top}/grants"), shown.clone()).await.is(200), shown);
    world.app.delete_user(&caller, ada, None).await.unwrap();
    same("an entry is deleted").await;
}

#[actix_web::test]
async fn the_tree_stays_a_tree() {
    let (world, _) = World::with_scim("dashboard", json!({})).await;
    let top = segment(&world, "World", None).await;
    let europe = segment(&world, "Europe", Some(&top)).await;
    let one = format!("{ALL}/{europe}");
    let shown = json!({ "id": europe, "name": "Europe", "parent": top });
    assert_eq!(world.get(&one).await.is(200), shown);
    assert_eq!(world.items(&format!("{ALL}?q=EUR")).await, std::slice::from_ref(&shown));
    assert_eq!(world.items(ALL).await.len(), 2);

    let refused = world.patch(&format!("{ALL}/{top}"), json!({ "parent": europe })).await;
    assert!(refused.refused(409).contains("under itself"));
    let refused = world.post(ALL, json!({ "name": "EUROPE", "parent": top })).await;
    assert!(refused.refused(409).contains("named"));
    let refused = world.post(ALL, json!({ "name": "x", "parent": uuid(9) })).await;
    assert!(refused.refused(400).contains("parent"));
    world.post(ALL, json!({ "name": " " })).await.refused(400);
    assert!(world.delete(&format!("{ALL}/{top}")).await.refused(409).contains("(1)"));

    let renamed = world.patch(&one, json!({ "name": "EU" })).await.is(200);
    assert_eq!(renamed, json!({ "id": europe, "name": "EU", "parent": top }));
    world.delete(&one).await.is(204);
    world.get(&one).await.refused(404);
    world.patch(&one, json!({ "name": "x" })).await.refused(404);
    world.get(&format!("{one}/grants")).await.refused(404);
    world.delete(&format!("{ALL}/{top}")).await.is(204);
}

#[actix_web::test]
async fn only_collaborators_are_granted_anything() {
    let (world, token) = World::with_scim("dashboard", json!({ "on_create": "nothing" })).await;
    let caller = world.caller("dashboard", &token).await;
    let top = segment(&world, "World", None).await;
    let path = format!("{ALL}/{top}/grants");
    let put = async |grants: Value| world.put(&path, json!({ "grants": grants })).await;
    let ada = by_hand(&world, "ada@x", "viewer").await;
    let of = |id: &str| json!({ "collaborator": id, "actions": ["view"] });
    let without = world.provision(&caller, "bob@x").await.id.to_string();
    assert!(put(json!([of(&without)])).await.refused(409).contains("grants[0].collaborator"));
    assert!(put(json!([of(&ada), of(&uuid(9))])).await.refused(400).contains("grants[1]"));
    assert!(put(json!([of(&ada), of(&ada)])).await.refused(400).contains("earlier"));
    let unknown = json!([{ "collaborator": ada, "actions": ["fly"] }]);
    assert!(put(unknown).await.refused(400).contains("actions"));
    let employee = json!({ "user_name": "eve@x" });
    let eve = world.post("/workspaces/acme/employees", employee).await.field(201, "id");
    put(json!([of(&eve)])).await.refused(400);
    world.get(&format!("{PEOPLE}/{eve}/segments")).await.refused(404);
    assert_eq!(world.get(&path).await.is(200), json!({ "grants": [] }));
}

fn uuid(number: u8) -> String {
    format!("00000000-0000-0000-0000-0000000000{number:02x}")
}
