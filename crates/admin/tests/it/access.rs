//! Which groups a portal requires, and which somebody is in (rule 16).

use app::Caller;
use domain::ids::GroupId;
use scim::{
    patch,
    resource::Resource,
    schema::{Catalogue, Kind},
};
use serde_json::{Value, json};

use crate::world::World;

const ACCESS: &str = "/workspaces/acme/portals/store/access";

/// Pushes a group, as SCIM's POST /Groups does.
pub(crate) async fn push(
    world: &World,
    caller: &Caller,
    name: &str,
    members: &[String],
) -> GroupId {
    let members: Vec<_> = members.iter().map(|value| json!({ "value": value })).collect();
    let body = json!({ "displayName": name, "members": members });
    let parsed = Resource::parse(Kind::Group, body, Catalogue::standard()).unwrap();
    world.app.create_group(caller, GroupId(world.app.fresh_id()), parsed).await.unwrap().id
}

/// Changes a group, as SCIM's PATCH /Groups/{id} does.
pub(crate) async fn change(world: &World, caller: &Caller, group: GroupId, operations: Value) {
    let body = json!({ "Operations": operations });
    let request = patch::Request::parse(body, Kind::Group, Catalogue::standard()).unwrap();
    let options = patch::Options::default();
    world.app.patch_group(caller, group, request, options, None).await.unwrap();
}

pub(crate) async fn add(world: &World, caller: &Caller, group: GroupId, member: &str) {
    let add = json!([{ "op": "add", "path": "members", "value": [{ "value": member }] }]);
    change(world, caller, group, add).await;
}

/// A world in which the Store's people get accounts.
pub(crate) async fn store() -> (World, Caller) {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user" });
    let (world, token) = World::with_scim("store", rule).await;
    let caller = world.caller("store", &token).await;
    (world, caller)
}

/// A second connector of the Store.
pub(crate) async fn second(world: &World) -> Caller {
    let body = json!({ "name": "okta", "idp": "okta" });
    let scim = world.post("/workspaces/acme/portals/store/scim", body).await;
    let token = scim.field(201, "token");
    world.caller("okta", &token).await
}

async fn groups_of(world: &World, id: impl std::fmt::Display) -> Value {
    world.get(&format!("/workspaces/acme/people/{id}/groups")).await.is(200)
}

fn names(groups: &Value) -> Vec<(&str, bool)> {
    let items = groups["items"].as_array().unwrap().iter();
    items
        .map(|item| (item["display_name"].as_str().unwrap(), item["direct"].as_bool().unwrap()))
        .collect()
}

#[actix_web::test]
async fn rule_16_a_portal_requires_groups_to_enter() {
    let (world, store) = store().await;
    assert_eq!(world.get(ACCESS).await.is(200), json!({ "groups": [] }));
    let ada = world.provision(&store, "ada@x").await.id;
    let free = groups_of(&world, ada).await;
    assert_eq!(
        (&free["may_enter"], &free["because"], &free["portal"]),
        (&json!(true), &json!("the portal requires no group"), &json!("store"))
    );
    // Before any such group is there, and in any case.
    let lines = json!({ "groups": [["Sales", "emea"], ["board"]] });
    assert_eq!(world.put(ACCESS, lines.clone()).await.is(200), lines);
    assert_eq!(world.get(ACCESS).await.is(200), lines);
    assert_eq!(groups_of(&world, ada).await["may_enter"], json!(false));
    push(&world, &store, "SALES", &[ada.to_string()]).await;
    assert_eq!(groups_of(&world, ada).await["may_enter"], json!(false));
    let emea = push(&world, &store, "EMEA", &[ada.to_string()]).await;
    let both = groups_of(&world, ada).await;
    assert_eq!(
        (&both["may_enter"], &both["because"]),
        (&json!(true), &json!("they are in Sales and emea"))
    );
    world.app.delete_group(&store, emea, None).await.unwrap();
    assert_eq!(groups_of(&world, ada).await["may_enter"], json!(false));
    push(&world, &store, "Board", &[ada.to_string()]).await;
    assert_eq!(groups_of(&world, ada).await["may_enter"], json!(true));
    // Whoever has no active account stays outside.
    world.set_active(&store, ada, false).await;
    let out = groups_of(&world, ada).await;
    assert_eq!((&out["may_enter"], &out["items"]), (&json!(false), &json!([])));
    assert!(out["because"].as_str().unwrap().starts_with("their account is not active"));
    // Another portal has a setting of its own.
    let other = world.get("/workspaces/acme/portals/mdm/access").await.is(200);
    assert_eq!(other, json!({ "groups": [] }));
    assert_eq!(world.put(ACCESS, json!({ "groups": [] })).await.is(200), json!({ "groups": [] }));
}

#[actix_web::test]
async fn rule_16_a_group_needs_no_saml_and_no_sign_in_and_counts_at_once() {
    let (world, store) = store().await;
    world.put(ACCESS, json!({ "groups": [["board"]] })).await.is(200);
    // The group is pushed before its member has arrived.
    push(&world, &store, "Board", &["ada@x".to_owned()]).await;
    let ada = world.provision(&store, "ada@x").await.id;
    assert_eq!(groups_of(&world, ada).await["may_enter"], json!(true));
    let by_hand = json!({ "user_name": "eve@x" });
    let eve = world.post("/workspaces/acme/employees", by_hand).await.field(201, "id");
    let out = groups_of(&world, &eve).await;
    assert_eq!((&out["may_enter"], &out["items"]), (&json!(false), &json!([])));
}

#[actix_web::test]
async fn rule_16_effective_groups_reach_through_groups_without_loops_and_over_all_entries() {
    let (world, store) = store().await;
    let okta = second(&world).await;
    let ada = world.provision(&store, "ada@x").await.id;
    let also_ada = world.provision(&okta, "ADA@x").await.id;
    let berlin = push(&world, &store, "Berlin", &[ada.to_string()]).await;
    let germany = push(&world, &store, "Germany", &[berlin.to_string()]).await;
    let emea = push(&world, &store, "EMEA", &[germany.to_string(), berlin.to_string()]).await;
    add(&world, &store, berlin, &emea.to_string()).await; // A loop.
    push(&world, &okta, "Chess", &[also_ada.to_string()]).await;
    let groups = groups_of(&world, ada).await;
    let expected = [("Berlin", true), ("Germany", false), ("EMEA", false), ("Chess", true)];
    assert_eq!(names(&groups), expected);
    assert_eq!(groups["items"][3]["connector"], json!("okta"));
    assert_eq!(groups_of(&world, also_ada).await, groups, "by the id of any entry");
    // In parts.
    let path = format!("/workspaces/acme/people/{ada}/groups");
    let first = world.get(&format!("{path}?limit=3")).await.is(200);
    assert_eq!(names(&first), expected[..3]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = world.get(&format!("{path}?limit=3&cursor={cursor}")).await.is(200);
    assert_eq!((names(&rest), &rest["next_cursor"]), (expected[3..].to_vec(), &Value::Null));
    assert_eq!(names(&world.get(&format!("{path}?q=che")).await.is(200)), expected[3..]);
    // What an inactive entry is in counts for nothing.
    world.set_active(&okta, also_ada, false).await;
    assert_eq!(names(&groups_of(&world, ada).await).len(), 3);
}

#[actix_web::test]
async fn what_cannot_be_is_refused_with_its_place() {
    let (world, _) = store().await;
    for (groups, place) in [
        (json!([[]]), "groups[0]"),
        (json!([["a"], ["b", " "]]), "groups[1][1]"),
        (json!([vec!["a"; 21]]), "groups[0]"),
        (json!("board"), "groups"),
    ] {
        let detail = world.put(ACCESS, json!({ "groups": groups })).await.refused(400);
        assert!(detail.contains(place), "{detail}");
    }
    world.put(ACCESS, json!({})).await.refused(400);
    world.put("/workspaces/acme/portals/shop/access", json!({ "groups": [] })).await.refused(404);
    world.get("/workspaces/acme/people/nonsense/groups").await.refused(404);
    let nobody = "/workspaces/acme/people/00000000-0000-0000-0000-00000000dead/groups";
    world.get(nobody).await.refused(404);
}
