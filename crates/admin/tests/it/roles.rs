//! Roles of collaborators (rules 12 to 14).

use std::collections::BTreeMap;

use app::Caller;
use domain::ids::{EntryId, GroupId};
use event_log::WorkspaceId;
use futures_util::future::join_all;
use scim::{
    patch,
    resource::Resource,
    schema::{Catalogue, Kind},
};
use serde_json::{Value, json};

use crate::world::World;

const MAPPING: &str = "/workspaces/acme/role-mapping";
const PEOPLE: &str = "/workspaces/acme/collaborators";

async fn dashboard(default_role: &str) -> (World, Caller) {
    let rule = json!({"on_create": "create", "default_role": default_role, "on_deactivate": "remove_user"});
    let (world, token) = World::with_scim("dashboard", rule).await;
    let caller = world.caller("dashboard", &token).await;
    (world, caller)
}

async fn push(world: &World, caller: &Caller, name: &str, members: &[&str]) -> GroupId {
    let members: Vec<_> = members.iter().map(|value| json!({"value": value})).collect();
    let body = json!({"displayName": name, "members": members});
    let parsed = Resource::parse(Kind::Group, body, Catalogue::standard()).unwrap();
    world.app.create_group(caller, GroupId(world.app.fresh_id()), parsed).await.unwrap().id
}

async fn change(world: &World, caller: &Caller, group: GroupId, operations: Value) {
    let body = json!({"Operations": operations});
    let request = patch::Request::parse(body, Kind::Group, Catalogue::standard()).unwrap();
    let options = patch::Options::default();
    world.app.patch_group(caller, group, request, options, None).await.unwrap();
}

async fn role(world: &World, id: EntryId) -> String {
    world.get(&format!("{PEOPLE}/{id}")).await.field(200, "role")
}

async fn map(world: &World, setting: Value) {
    world.put(MAPPING, setting).await.is(200);
}

fn admins() -> Value {
    json!({"rules": [
        {"group": "Admins", "role": "admin"},
        {"group": "everybody", "role": "viewer"}
    ]})
}

/// What an IdP may say, and what has to come before it.
const STEPS: [(&str, &[&str]); 6] = [
    ("user", &[]),
    ("group", &[]),
    ("member", &["group"]),
    ("rename", &["group"]),
    ("deactivate", &["user"]),
    ("reactivate", &["deactivate"]),
];

/// Every order of the steps in which each comes after what it needs.
fn orders() -> Vec<Vec<&'static str>> {
    let mut orders = vec![Vec::new()];
    for _ in STEPS {
        orders = orders
            .into_iter()
            .flat_map(|order: Vec<&str>| {
                let ready = STEPS.into_iter().filter({
                    let order = order.clone();
                    move |(step, needs)| {
                        !order.contains(step) && needs.iter().all(|need| order.contains(need))
                    }
                });
                ready.map(move |(step, _)| [&order[..], &[step]].concat()).collect::<Vec<_>>()
            })
            .collect();
    }
    orders
}

#[actix_web::test]
async fn rule_14_within_the_window_every_order_of_arrival_gives_the_same_role() {
    let orders = orders();
    assert_eq!(orders.len(), 40);
    let (world, caller) = dashboard("viewer").await;
    map(&world, json!({"rules": [{"group": "Admins", "role": "admin"}]})).await;
    for (number, order) in orders.iter().enumerate() {
        let name = format!("ada{number}@x");
        let (mut user, mut group) = (None, None);
        for step in order {
            match *step {
                "user" => user = Some(world.provision(&caller, &name).await.id),
                "group" => group = Some(push(&world, &caller, &format!("g{number}"), &[]).await),
                "member" => {
                    let add = json!([{"op": "add", "path": "members", "value": [{"value": name}]}]);
                    change(&world, &caller, group.unwrap(), add).await;
                }
                "rename" => {
                    let to = json!([{"op": "replace", "path": "displayName", "value": "ADMINS"}]);
                    change(&world, &caller, group.unwrap(), to).await;
                }
                "deactivate" => world.set_active(&caller, user.unwrap(), false).await,
                _ => world.set_active(&caller, user.unwrap(), true).await,
            }
        }
        assert_eq!(role(&world, user.unwrap()).await, "admin", "{order:?}");
        world.app.delete_group(&caller, group.unwrap(), None).await.unwrap();
        assert_eq!(role(&world, user.unwrap()).await, "viewer", "{order:?}: the group is gone");
    }
}

#[actix_web::test]
async fn rule_13_the_highest_privilege_wins_and_the_default_is_for_the_others() {
    let (world, caller) = dashboard("developer").await;
    map(&world, admins()).await;
    let [ada, bob, cy] = ["ada@x", "bob@x", "cy@x"];
    let ids = [
        world.provision(&caller, ada).await.id,
        world.provision(&caller, bob).await.id,
        world.provision(&caller, cy).await.id,
    ];
    push(&world, &caller, "Everybody", &[ada, bob]).await;
    let group = push(&world, &caller, "Admins", &[ada]).await;
    for (id, expected) in ids.into_iter().zip(["admin", "viewer", "developer"]) {
        assert_eq!(role(&world, id).await, expected);
    }
    let log = world.items("/workspaces/acme/events?type=user.role_changed").await;
    let why: Vec<_> = log.iter().map(|event| event["data"]["why"].clone()).collect();
    assert!(why.contains(&json!({"group": {"group": group}})), "{why:?}");
    // The other reading of the guides.
    let mut setting = admins();
    setting["no_match"] = json!("unassigned");
    map(&world, setting).await;
    assert_eq!(role(&world, ids[2]).await, "unassigned");
    // Also without any rule, of those who come later.
    map(&world, json!({"rules": [], "no_match": "unassigned"})).await;
    let late = world.provision(&caller, "dan@x").await.id;
    assert_eq!(role(&world, late).await, "unassigned");
}

#[actix_web::test]
async fn rule_14_after_the_window_and_after_a_person_has_chosen_groups_change_nothing() {
    let (world, caller) = dashboard("viewer").await;
    map(&world, admins()).await;
    let (ada, bob) =
        (world.provision(&caller, "ada@x").await.id, world.provision(&caller, "bob@x").await.id);
    world.patch(&format!("{PEOPLE}/{bob}"), json!({"role": "developer"})).await.is(200);
    push(&world, &caller, "Admins", &["bob@x"]).await;
    assert_eq!(role(&world, bob).await, "developer", "a person has chosen");
    world.days_pass(2);
    let late = push(&world, &caller, "everybody else", &[]).await;
    change(
        &world,
        &caller,
        late,
        json!([
            {"op": "replace", "path": "displayName", "value": "everybody"},
            {"op": "add", "path": "members", "value": [{"value": "ada@x"}]}
        ]),
    )
    .await;
    assert_eq!(role(&world, ada).await, "viewer");
    let admins = world.items("/workspaces/acme/groups?q=Admins").await;
    let admins = GroupId(admins[0]["id"].as_str().unwrap().parse().unwrap());
    change(
        &world,
        &caller,
        admins,
        json!([{"op": "add", "path": "members", "value": [{"value": "ada@x"}]}]),
    )
    .await;
    assert_eq!(role(&world, ada).await, "viewer", "the window is over");
    // Provisioned for the first time again.
    world.delete(&format!("{PEOPLE}/{ada}")).await.is(204);
    world.set_active(&caller, ada, false).await;
    world.set_active(&caller, ada, true).await;
    assert_eq!(role(&world, ada).await, "admin");
}

#[actix_web::test]
async fn rule_14_with_follow_groups_the_mapping_holds_for_ever() {
    let (world, caller) = dashboard("viewer").await;
    let ada = world.provision(&caller, "ada@x").await.id;
    let group = push(&world, &caller, "Admins", &["ada@x"]).await;
    world.days_pass(30);
    let mut setting = admins();
    map(&world, setting.clone()).await;
    assert_eq!(role(&world, ada).await, "viewer");
    setting["follow_groups"] = json!(true);
    map(&world, setting).await;
    assert_eq!(role(&world, ada).await, "admin");
    let refused = world.patch(&format!("{PEOPLE}/{ada}"), json!({"role": "viewer"})).await;
    assert!(refused.refused(409).contains("follow_groups"));
    change(&world, &caller, group, json!([{"op": "remove", "path": "members"}])).await;
    assert_eq!(role(&world, ada).await, "viewer");
    // Whoever was invited by hand is SCIM's from the day on which it takes them over.
    world.post(PEOPLE, json!({"user_name": "bob@x", "role": "viewer"})).await.is(201);
    let body = json!({"userName": "bob@x", "active": false});
    let bob = Resource::parse(Kind::User, body, Catalogue::standard()).unwrap();
    let bob = world.app.create_user(&caller, EntryId(world.app.fresh_id()), bob).await.unwrap().id;
    push(&world, &caller, "Everybody", &["bob@x"]).await;
    let members = json!([{"op": "add", "path": "members", "value": [{"value": "bob@x"}]}]);
    change(&world, &caller, group, members).await;
    assert_eq!(role(&world, bob).await, "viewer");
    world.set_active(&caller, bob, true).await;
    assert_eq!(role(&world, bob).await, "admin");
    // Who was invited by hand is nobody's to change but by hand.
    let eve =
        world.post(PEOPLE, json!({"user_name": "eve@x", "role": "admin"})).await.field(201, "id");
    world.patch(&format!("{PEOPLE}/{eve}"), json!({"role": "developer"})).await.is(200);
}

#[actix_web::test]
async fn rule_12_an_owner_is_never_made_or_unmade_by_a_group() {
    let (world, caller) = dashboard("viewer").await;
    let refused = world.put(MAPPING, json!({"rules": [{"group": "x", "role": "owner"}]})).await;
    assert!(refused.refused(400).contains("rules[0].role"));
    map(&world, admins()).await;
    let ada = world.provision(&caller, "ada@x").await.id;
    world.patch(&format!("{PEOPLE}/{ada}"), json!({"role": "owner"})).await.is(200);
    push(&world, &caller, "Admins", &["ada@x"]).await;
    assert_eq!(role(&world, ada).await, "owner");
}

#[actix_web::test]
async fn groups_within_groups_count() {
    let (world, caller) = dashboard("viewer").await;
    map(&world, admins()).await;
    let ada = world.provision(&caller, "ada@x").await.id;
    let inner = push(&world, &caller, "Berlin", &["ada@x"]).await;
    let outer = push(&world, &caller, "Admins", &[&inner.to_string()]).await;
    assert_eq!(role(&world, ada).await, "admin");
    // A circle of groups has an end.
    let back = json!([{"op": "add", "path": "members", "value": [{"value": outer}]}]);
    change(&world, &caller, inner, back).await;
    change(&world, &caller, outer, json!([{"op": "replace", "path": "displayName", "value": "x"}]))
        .await;
    assert_eq!(role(&world, ada).await, "viewer");
}

#[actix_web::test]
async fn the_setting_is_shown_as_it_was_sent_with_its_defaults() {
    let (world, _) = dashboard("viewer").await;
    let empty = json!({"rules": [], "settle_minutes": 1_440, "follow_groups": false});
    assert_eq!(world.get(MAPPING).await.is(200), empty);
    let sent = json!({
        "rules": [{"group": "Admins", "role": "admin", "connector": "dashboard"}],
        "settle_minutes": 60, "follow_groups": true, "no_match": "unassigned"
    });
    assert_eq!(world.put(MAPPING, sent.clone()).await.is(200), sent);
    assert_eq!(world.get(MAPPING).await.is(200), sent);
    assert_eq!(world.put(MAPPING, json!({})).await.is(200), empty);
    for bad in [
        json!({"rules": [{"group": "a", "role": "admin"}, {"group": "A", "role": "viewer"}]}),
        json!({"rules": [{"group": "", "role": "admin"}]}),
        json!({"rules": [{"group": "a", "role": "admin", "connector": "store"}]}),
        json!({"settle_minutes": -1}),
        json!({"no_match": "viewer"}),
    ] {
        let refused = world.put(MAPPING, bad.clone()).await;
        assert!([400, 404].contains(&refused.status), "{bad}: {}", refused.text);
    }
}

/// More than are looked at among the policies.
const PEOPLE_MANY: usize = 1_100;

/// Collaborators of whom SCIM has made so many; the first ones' ids.
async fn many(world: &World, caller: &Caller) -> Vec<EntryId> {
    let make =
        |number: usize| async move { world.provision(caller, &format!("p{number:04}@x")).await.id };
    join_all((0..PEOPLE_MANY).map(make)).await
}

async fn progress(world: &World) -> Value {
    world.get(&format!("{MAPPING}/progress")).await.is(200)
}

async fn roles_settled(world: &World) {
    world.app.roles_settled(&WorkspaceId::parse("acme").unwrap()).await;
}

/// How many collaborators have each role.
async fn roles(world: &World) -> BTreeMap<String, usize> {
    let (mut roles, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let part = world.get(&format!("{PEOPLE}?limit=1000{cursor}")).await.is(200);
        for person in part["items"].as_array().unwrap() {
            *roles.entry(person["role"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let Some(next) = part["next_cursor"].as_str() else { return roles };
        cursor = format!("&cursor={}", next.replace(' ', "%20"));
    }
}

fn counts<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts.into_iter().map(|(role, count)| (role.to_owned(), count)).collect()
}

#[actix_web::test]
async fn rule_14_roles_of_many_follow_in_the_background_and_whoever_is_asked_about_goes_first() {
    let (world, caller) = dashboard("viewer").await;
    assert_eq!(progress(&world).await["state"], json!("none"));
    let ids = many(&world, &caller).await;
    let group = push(&world, &caller, "Everybody", &[]).await;
    let members: Vec<_> = ids.iter().map(|id| json!({"value": id})).collect();
    change(&world, &caller, group, json!([{"op": "add", "path": "members", "value": members}]))
        .await;
    // Without a mapping, that concerns nobody.
    roles_settled(&world).await;
    let setting = |role: &str| json!({"rules": [{"group": "Everybody", "role": role}]});
    map(&world, setting("developer")).await;
    // The last one that a pass comes to.
    let last = ids.iter().max().copied().unwrap();
    assert_eq!(role(&world, last).await, "developer");
    roles_settled(&world).await;
    let many = json!(PEOPLE_MANY);
    let ended = progress(&world).await;
    assert_eq!(
        (&ended["state"], &ended["total"], &ended["done"]),
        (&json!("completed"), &many, &many)
    );
    assert_eq!(roles(&world).await, counts([("developer", PEOPLE_MANY)]));

    // One is chosen for by hand meanwhile, another one is made, a third one leaves the group.
    map(&world, setting("admin")).await;
    let (chosen, left) = (ids[0], ids[1]);
    world.patch(&format!("{PEOPLE}/{chosen}"), json!({"role": "unassigned"})).await.is(200);
    let path = format!("members[value eq \"{left}\"]");
    change(&world, &caller, group, json!([{"op": "remove", "path": path}])).await;
    let late = world.provision(&caller, "late@x").await.id;
    roles_settled(&world).await;
    assert_eq!(role(&world, chosen).await, "unassigned");
    assert_eq!(role(&world, left).await, "viewer");
    assert_eq!(role(&world, late).await, "viewer");
    let expected = counts([("admin", PEOPLE_MANY - 2), ("unassigned", 1), ("viewer", 2)]);
    assert_eq!(roles(&world).await, expected);

    // The record says because of what.
    let log = world.items("/workspaces/acme/events?type=user.role_changed&limit=1000").await;
    let set = world.items("/workspaces/acme/events?type=workspace.role_mapping_set").await;
    assert_eq!(log[5]["actor"], json!("policy:roles"));
    assert_eq!(log[5]["causation"], set[0]["position"]);
    assert_eq!(log[5]["correlation"], set[0]["correlation"]);

    // A large group that is renamed, or deleted, concerns as many.
    let rename = json!([{"op": "replace", "path": "displayName", "value": "Nobody"}]);
    change(&world, &caller, group, rename).await;
    roles_settled(&world).await;
    assert_eq!(roles(&world).await, counts([("unassigned", 1), ("viewer", PEOPLE_MANY)]));
}

#[actix_web::test]
async fn rule_14_a_restart_loses_no_look_at_many() {
    let (world, caller) = dashboard("viewer").await;
    let ids = many(&world, &caller).await;
    let group = push(&world, &caller, "Everybody", &[]).await;
    let members: Vec<_> = ids.iter().map(|id| json!({"value": id})).collect();
    change(&world, &caller, group, json!([{"op": "add", "path": "members", "value": members}]))
        .await;
    map(&world, json!({"rules": [{"group": "Everybody", "role": "developer"}]})).await;
    // Policies are through with it, and have written so down; the pass is not.
    let state = progress(&world).await;
    assert_eq!(state["state"], json!("running"), "{state}");
    let world = world.again();
    roles_settled(&world).await;
    assert_eq!(roles(&world).await, counts([("developer", PEOPLE_MANY)]));
    // And no more is owed.
    let world = world.again();
    roles_settled(&world).await;
    assert_eq!(progress(&world).await["state"], json!("none"));
}
