//! Publications and who sees them (rule 17).

use app::Caller;
use serde_json::{Value, json};

use crate::{
    access::{add, change, push, second, store},
    world::World,
};

const ALL: &str = "/workspaces/acme/publications";

async fn publish(world: &World, name: &str, groups: Value) -> String {
    world.post(ALL, json!({ "name": name, "groups": groups })).await.field(201, "id")
}

async fn employee(world: &World, caller: &Caller, name: &str) -> String {
    world.provision(caller, name).await.id.to_string()
}

/// All items of a list, some at a time.
async fn all(world: &World, path: &str, limit: usize, field: &str) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("{path}?limit={limit}&cursor={cursor}")).await.is(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        found.extend(items.iter().map(|item| item[field].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return found,
        }
    }
}

async fn audience(world: &World, publication: &str) -> Vec<String> {
    let path = format!("{ALL}/{publication}/audience");
    let found = all(world, &path, 100, "user_name").await;
    assert_eq!(all(world, &path, 1, "user_name").await, found, "in parts");
    found
}

async fn sees(world: &World, employee: &str) -> Vec<String> {
    let path = format!("/workspaces/acme/employees/{employee}/publications");
    let found = all(world, &path, 100, "name").await;
    assert_eq!(all(world, &path, 1, "name").await, found, "in parts");
    found
}

#[actix_web::test]
async fn rule_17_both_directions_agree() {
    let (world, store) = store().await;
    let mut people = Vec::new();
    for name in ["ada@x", "bob@x", "cy@x", "dan@x"] {
        people.push(employee(&world, &store, name).await);
    }
    let [ada, bob, cy, dan] = [&people[0], &people[1], &people[2], &people[3]];
    let mail = publish(&world, "Mail", json!([["sales", "emea"], ["board"]])).await;
    let chat = publish(&world, "Chat", json!([])).await;
    let payroll = publish(&world, "Payroll", json!([["BOARD"]])).await;
    let nobody = publish(&world, "Nobody", json!([["no such group"], ["sales", "nor this"]])).await;
    assert!(audience(&world, &mail).await.is_empty(), "no such group yet");
    push(&world, &store, "Sales", &[ada.clone(), bob.clone()]).await;
    push(&world, &store, "EMEA", &[bob.clone(), cy.clone()]).await;
    push(&world, &store, "Board", std::slice::from_ref(dan)).await;

    assert_eq!(audience(&world, &mail).await, ["bob@x", "dan@x"]);
    assert_eq!(audience(&world, &chat).await, ["ada@x", "bob@x", "cy@x", "dan@x"]);
    assert_eq!(audience(&world, &payroll).await, ["dan@x"]);
    assert!(audience(&world, &nobody).await.is_empty());
    assert_eq!(sees(&world, ada).await, ["Chat"]);
    assert_eq!(sees(&world, bob).await, ["Chat", "Mail"]);
    assert_eq!(sees(&world, cy).await, ["Chat"]);
    assert_eq!(sees(&world, dan).await, ["Chat", "Mail", "Payroll"]);
    let item = world.items(&format!("{ALL}/{payroll}/audience")).await;
    assert_eq!(item, [world.get(&format!("/workspaces/acme/employees/{dan}")).await.is(200)]);
    // A group that arrives later is the one that was meant.
    push(&world, &store, "NO SUCH GROUP", std::slice::from_ref(cy)).await;
    assert_eq!(audience(&world, &nobody).await, ["cy@x"]);
    assert_eq!(sees(&world, cy).await, ["Chat", "Nobody"]);
}

#[actix_web::test]
async fn rule_17_groups_within_groups_and_all_entries_of_a_person_count() {
    let (world, store) = store().await;
    let okta = second(&world).await;
    let ada = employee(&world, &store, "ada@x").await;
    let also_ada = employee(&world, &okta, "Ada@x").await;
    let bob = employee(&world, &store, "bob@x").await;
    let berlin = push(&world, &store, "Berlin", &[ada.clone(), bob.clone()]).await;
    let emea = push(&world, &store, "EMEA", &[berlin.to_string()]).await;
    add(&world, &store, berlin, &emea.to_string()).await; // A loop.
    let sales = push(&world, &okta, "Sales", std::slice::from_ref(&also_ada)).await;
    let mail = publish(&world, "Mail", json!([["sales", "emea"]])).await;
    let either = publish(&world, "Either", json!([["emea"], ["sales"]])).await;
    assert_eq!(audience(&world, &mail).await, ["Ada@x"]);
    assert_eq!(audience(&world, &either).await, ["Ada@x", "bob@x"], "each once");
    for id in [&ada, &also_ada] {
        assert_eq!(sees(&world, id).await, ["Either", "Mail"], "by the id of any entry");
    }
    // Renaming a group makes it another one.
    let rename = json!([{ "op": "replace", "path": "displayName", "value": "Chess" }]);
    change(&world, &okta, sales, rename).await;
    assert!(audience(&world, &mail).await.is_empty());
    assert_eq!(sees(&world, &ada).await, ["Either"]);
    world.app.delete_group(&store, emea, None).await.unwrap();
    assert!(audience(&world, &either).await.is_empty());
}

#[actix_web::test]
async fn rule_17_whoever_is_inactive_counts_for_nothing() {
    let (world, store) = store().await;
    let okta = second(&world).await; // Its rule is: nothing.
    let ada = world.provision(&store, "ada@x").await.id;
    let bob = world.provision(&store, "bob@x").await.id;
    let also_bob = world.provision(&okta, "bob@x").await.id;
    let cy = world.provision(&okta, "cy@x").await.id; // Without an account.
    push(&world, &store, "Sales", &[ada.to_string(), bob.to_string()]).await;
    push(&world, &okta, "Sales", &[also_bob.to_string(), cy.to_string()]).await;
    let mail = publish(&world, "Mail", json!([["sales"]])).await;
    let chat = publish(&world, "Chat", json!([])).await;
    assert_eq!(audience(&world, &mail).await, ["ada@x", "bob@x"]);
    assert_eq!(audience(&world, &chat).await, ["ada@x", "bob@x"]);
    assert!(sees(&world, &cy.to_string()).await.is_empty(), "an entry alone opens nothing");
    // The account is suspended.
    world.set_active(&store, ada, false).await;
    assert_eq!(audience(&world, &mail).await, ["bob@x"]);
    assert!(sees(&world, &ada.to_string()).await.is_empty());
    // One entry goes, the other one still counts.
    world.set_active(&store, bob, false).await;
    assert_eq!(audience(&world, &mail).await, ["bob@x"]);
    world.set_active(&store, ada, true).await;
    assert_eq!(audience(&world, &mail).await, ["ada@x", "bob@x"]);
    // By hand there is an account, but no group.
    let by_hand = json!({ "user_name": "eve@x" });
    let eve = world.post("/workspaces/acme/employees", by_hand).await.field(201, "id");
    assert_eq!(sees(&world, &eve).await, ["Chat"]);
    assert_eq!(audience(&world, &chat).await, ["ada@x", "bob@x", "eve@x"]);
    world.app.delete_user(&store, ada, None).await.unwrap();
    assert_eq!(audience(&world, &mail).await, ["bob@x"]);
}

#[actix_web::test]
async fn a_publication_is_made_shown_changed_and_withdrawn() {
    let (world, _) = store().await;
    let groups = json!([["Sales", "EMEA"], ["Board"]]);
    let made = world.post(ALL, json!({ "name": " Mail ", "groups": groups })).await.is(201);
    let one = format!("{ALL}/{}", made["id"].as_str().unwrap());
    assert_eq!(made, json!({ "id": made["id"], "name": "Mail", "groups": groups }));
    assert_eq!(world.get(&one).await.is(200), made);
    assert_eq!(world.items(ALL).await, std::slice::from_ref(&made));
    assert_eq!(world.items(&format!("{ALL}?q=AI")).await, [made]);
    assert!(world.items(&format!("{ALL}?q=zz")).await.is_empty());
    let changed = world.patch(&one, json!({ "groups": [] })).await.is(200);
    assert_eq!((&changed["name"], &changed["groups"]), (&json!("Mail"), &json!([])));
    let changed = world.patch(&one, json!({ "name": "Post" })).await.is(200);
    assert_eq!((&changed["name"], &changed["groups"]), (&json!("Post"), &json!([])));
    world.patch(&one, json!({})).await.is(200);
    let id = made_id(&one);
    let log = world.items(&format!("/workspaces/acme/events?stream=publication/{id}")).await;
    let names: Vec<_> = log.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let expected = ["publication.published", "publication.visibility_set", "publication.renamed"];
    assert_eq!(names, expected);
    assert_eq!(log[0]["actor"], json!("person:owner"));
    world.delete(&one).await.is(204);
    for path in [one.clone(), format!("{one}/audience")] {
        world.get(&path).await.refused(404);
    }
    world.patch(&one, json!({ "name": "x" })).await.refused(404);
    world.delete(&one).await.refused(404);
    assert!(world.items(ALL).await.is_empty());
}

fn made_id(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

#[actix_web::test]
async fn what_cannot_be_is_refused_with_its_place() {
    let (world, _) = store().await;
    for (body, place) in [
        (json!({ "name": "Mail", "groups": [[]] }), "groups[0]"),
        (json!({ "name": "Mail", "groups": [["a", ""]] }), "groups[0][1]"),
        (json!({ "name": " ", "groups": [] }), "name"),
        (json!({ "groups": [] }), "name"),
        (json!({ "name": "Mail", "group": [] }), "group"),
    ] {
        let detail = world.post(ALL, body).await.refused(400);
        assert!(detail.contains(place), "{detail}");
    }
    let mail = publish(&world, "Mail", json!([["a"]])).await;
    world.get(&format!("{ALL}/{mail}/audience?cursor=x")).await.refused(400);
    world.get(&format!("{ALL}/{mail}/audience?limit=0")).await.refused(400);
    world.get(&format!("{ALL}/nonsense/audience")).await.refused(404);
    world.get(&format!("/workspaces/acme/employees/{mail}/publications")).await.refused(404);
}
