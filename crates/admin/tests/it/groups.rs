//! Groups as administrators see them (rules 16, 18 and 22).

use app::Caller;
use domain::ids::GroupId;
use scim::{
    resource::Resource,
    schema::{Catalogue, Kind},
};
use serde_json::{Value, json};

use crate::world::{World, saml};

async fn push(world: &World, caller: &Caller, group: Value) -> String {
    let parsed = Resource::parse(Kind::Group, group, Catalogue::standard()).unwrap();
    world
        .app
        .create_group(caller, GroupId(world.app.fresh_id()), parsed)
        .await
        .unwrap()
        .id
        .to_string()
}

#[actix_web::test]
async fn groups_show_their_members_and_who_is_awaited() {
    let (world, token) = World::with_scim("mdm", json!({})).await;
    let mdm = world.caller("mdm", &token).await;
    world.put("/workspaces/acme/portals/store/saml", saml(false)).await.is(200);
    let enabled = world.post("/workspaces/acme/portals/store/scim", json!({})).await;
    let store = world.caller("store", &enabled.field(201, "token")).await;

    let ada = world.provision(&mdm, "ada@acme.example").await.id.to_string();
    let members = json!([{ "value": ada }, { "value": "bob@acme.example" }]);
    let sales = json!({ "displayName": "Sales", "externalId": "s-1", "members": members });
    let sales = push(&world, &mdm, sales).await;
    let board = push(&world, &store, json!({ "displayName": "Board" })).await;

    // Portal by portal, each by name.
    let all = world.items("/workspaces/acme/groups").await;
    let ids: Vec<_> = all.iter().map(|group| group["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&*board, &*sales]);
    let mut one_by_one = Vec::new();
    let mut cursor = String::new();
    for _ in 0..3 {
        let path = format!("/workspaces/acme/groups?limit=1&cursor={cursor}");
        let page = world.get(&path).await.is(200);
        one_by_one.extend(page["items"].as_array().unwrap().clone());
        page["next_cursor"].as_str().unwrap_or_default().clone_into(&mut cursor);
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(one_by_one, all);
    assert_eq!(world.items("/workspaces/acme/groups?portal=store").await, all[..1]);
    assert_eq!(world.items("/workspaces/acme/mdm/groups").await, all[1..]);
    assert_eq!(world.items("/workspaces/acme/groups?q=sal").await, all[1..]);
    world.get("/workspaces/acme/groups?portal=shop").await.refused(400);
    world.get("/workspaces/acme/groups?cursor=x").await.refused(400);

    let path = format!("/workspaces/acme/mdm/groups/{sales}");
    let shown = world.get(&path).await.is(200);
    assert_eq!((&shown["display_name"], &shown["external_id"]), (&json!("Sales"), &json!("s-1")));
    assert_eq!((&shown["connector"], &shown["members"]), (&json!("mdm"), &json!(1)));
    let member = json!({ "id": ada, "type": "User", "display": "ada@acme.example" });
    assert_eq!(world.items(&format!("{path}/members")).await, [member]);
    let pending = world.items(&format!("{path}/pending")).await;
    assert_eq!((pending.len(), &pending[0]["value"]), (1, &json!("bob@acme.example")));

    // Whoever was awaited arrives, and the next read shows it.
    world.provision(&mdm, "bob@acme.example").await;
    assert_eq!(world.items(&format!("{path}/members")).await.len(), 2);
    assert_eq!(world.items(&format!("{path}/members?limit=1")).await.len(), 1);
    assert!(world.items(&format!("{path}/pending")).await.is_empty());

    world.get(&format!("/workspaces/acme/mdm/groups/{board}")).await.refused(404);
    world.get(&format!("/workspaces/acme/mdm/groups/{board}/members")).await.refused(404);
    world.get("/workspaces/acme/groups/nonsense/pending").await.refused(404);
}
