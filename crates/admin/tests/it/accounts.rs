//! The people of the portals (rules 8 and 10).

use app::admin::page::Listing;
use domain::{portal::Portal, user::AccountState};
use event_log::WorkspaceId;
use serde_json::{Value, json};

use crate::world::World;

const COLLABORATORS: &str = "/workspaces/acme/collaborators";
/// How often it is looked whether something is there that cannot be.
const TURNS: usize = 1_000;

fn names(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["user_name"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn an_account_made_by_hand_is_adopted_by_scim() {
    let (world, token) = World::with_scim("dashboard", json!({ "on_create": "create" })).await;
    let ada = json!({ "user_name": "ada@acme.example", "role": "admin" });
    let made = world.post(COLLABORATORS, ada.clone()).await.is(201);
    assert_eq!((&made["source"], &made["account"]), (&json!("hand"), &json!("active")));
    assert_eq!(
        (&made["role"], &made["metadata"], &made["scim"]),
        (&json!("admin"), &json!({}), &json!([]))
    );
    world.post(COLLABORATORS, ada).await.refused(409);

    let caller = world.caller("dashboard", &token).await;
    let entry = world.provision(&caller, "ADA@acme.example").await;
    let path = format!("{COLLABORATORS}/{}", made["id"].as_str().unwrap());
    let adopted = world.get(&path).await.is(200);
    assert_eq!((&adopted["source"], &adopted["role"]), (&json!("scim"), &json!("admin")));
    let known = json!([{ "connector": "dashboard", "id": entry.id.to_string(), "active": true }]);
    assert_eq!(adopted["scim"], known);

    // The SCIM id of an entry names the same person.
    let alias = format!("{COLLABORATORS}/{}", entry.id);
    assert_eq!(world.get(&alias).await.is(200), adopted);
    let changed = world.patch(&alias, json!({ "role": "viewer" })).await.is(200);
    assert_eq!((&changed["id"], &changed["role"]), (&made["id"], &json!("viewer")));
    world.patch(&alias, json!({})).await.refused(400);
    world.patch(&alias, json!({ "role": "king" })).await.refused(400);
    assert_eq!(world.items(COLLABORATORS).await, [changed]);

    world.delete(&alias).await.is(204);
    world.delete(&alias).await.refused(409);
    world.patch(&alias, json!({ "role": "viewer" })).await.refused(409);
    let removed = world.get(&path).await.is(200);
    assert_eq!(removed["account"], json!("removed"));
    assert_eq!(removed["scim"].as_array().unwrap().len(), 1);
    assert!(world.items(COLLABORATORS).await.is_empty());
    assert_eq!(world.items(&format!("{COLLABORATORS}?account=any")).await.len(), 1);
}

#[actix_web::test]
async fn somebody_scim_brought_without_an_account_gets_one_by_hand() {
    let (world, token) = World::with_scim("store", json!({})).await;
    let caller = world.caller("store", &token).await;
    let entry = world.provision(&caller, "bob@acme.example").await;
    let path = format!("/workspaces/acme/employees/{}", entry.id);
    assert_eq!(world.get(&path).await.field(200, "account"), "none");
    assert!(world.items("/workspaces/acme/employees").await.is_empty());
    assert_eq!(world.items("/workspaces/acme/employees?account=none").await.len(), 1);

    let bob = json!({ "user_name": "Bob@acme.example", "email": "bob@home.example" });
    let made = world.post("/workspaces/acme/employees", bob).await.is(201);
    assert_eq!(made["id"], json!(entry.id.to_string()), "the same person");
    assert_eq!(made["account"], json!("active"));
    assert!(made.get("role").is_none(), "employees have no roles");
    world.patch(&path, json!({ "role": "admin" })).await.refused(400);
    let with_role = json!({ "user_name": "x", "role": "admin" });
    world.post("/workspaces/acme/employees", with_role).await.refused(400);
    // Nor is anybody in two portals by one id.
    world.get(&format!("{COLLABORATORS}/{}", entry.id)).await.refused(404);
}

#[actix_web::test]
async fn a_list_goes_on_where_it_ended() {
    let (world, _) = World::with_scim("store", json!({})).await;
    for number in 0..5 {
        let body = json!({ "user_name": format!("user-{number}"), "email": "all@acme.example" });
        world.post("/workspaces/acme/employees", body).await.is(201);
    }
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/workspaces/acme/employees?limit=2&cursor={cursor}");
        let page = world.get(&path).await.is(200);
        found.extend(page["items"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(names(&found), ["user-0", "user-1", "user-2", "user-3", "user-4"]);
    let found = world.items("/workspaces/acme/employees?q=SER-3").await;
    assert_eq!(names(&found), ["user-3"]);
    assert_eq!(world.items("/workspaces/acme/employees?q=all@").await.len(), 5);
    for bad in ["cursor=nonsense", "limit=0", "limit=many", "account=gone"] {
        let detail = world.get(&format!("/workspaces/acme/employees?{bad}")).await.refused(400);
        assert!(detail.starts_with(bad.split('=').next().unwrap()), "{detail}");
    }
}

#[actix_web::test]
async fn rule_8_whoever_is_invited_again_is_the_same_person_while_an_entry_is_there() {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user" });
    let (world, token) = World::with_scim("dashboard", rule).await;
    let caller = world.caller("dashboard", &token).await;
    for (name, active) in [("ada@acme.example", true), ("bob@acme.example", false)] {
        let entry = world.provision(&caller, name).await.id;
        world.set_active(&caller, entry, active).await;
        world.delete(&format!("{COLLABORATORS}/{entry}")).await.is(204);
        let again = json!({ "user_name": name.to_uppercase() });
        let again = world.post(COLLABORATORS, again).await.is(201);
        let known =
            json!([{ "connector": "dashboard", "id": entry.to_string(), "active": active }]);
        assert_eq!((&again["id"], &again["scim"]), (&json!(entry.to_string()), &known));
    }
    assert_eq!(world.items(&format!("{COLLABORATORS}?account=any")).await.len(), 2);
}

#[actix_web::test]
async fn the_last_owner_stays_until_there_is_another() {
    let (world, _) = World::with_scim("dashboard", json!({})).await;
    let made = async |name: &str, role: &str| {
        let person = json!({ "user_name": name, "role": role });
        let id = world.post(COLLABORATORS, person).await.field(201, "id");
        format!("{COLLABORATORS}/{id}")
    };
    let (ada, bob) = (made("ada@x", "owner").await, made("bob@x", "admin").await);
    let viewer = json!({ "role": "viewer" });
    for detail in [
        world.patch(&ada, viewer.clone()).await.refused(409),
        world.delete(&ada).await.refused(409),
    ] {
        assert!(detail.contains("make somebody else an Owner first"), "{detail}");
    }
    world.patch(&ada, json!({ "role": "owner" })).await.is(200);
    world.patch(&bob, json!({ "role": "owner" })).await.is(200);
    world.patch(&ada, viewer).await.is(200);
    world.delete(&bob).await.refused(409);
    world.delete(&ada).await.is(204);
}

#[test]
fn whoever_looks_for_a_name_among_all_keeps_nobody_waiting() {
    // One thread answers, and there is one more for what takes long.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let (world, _) = World::with_scim("store", json!({})).await;
        let acme = WorkspaceId::parse("acme").unwrap();
        let listing = Listing { q: Some("ada".into()), limit: 10, cursor: None };
        let look = || {
            let active = &[AccountState::Active];
            world.app.list_accounts(&acme, Portal::Store, active, &listing)
        };
        look().await.unwrap();
        let (let_go, held) = std::sync::mpsc::channel();
        let busy = tokio::task::spawn_blocking(move || held.recv());
        let mut looking = std::pin::pin!(look());
        for _ in 0..TURNS {
            let found = futures_util::poll!(&mut looking);
            assert!(found.is_pending(), "it was looked through where requests are answered");
            tokio::task::yield_now().await;
        }
        let_go.send(()).unwrap();
        looking.await.unwrap();
        busy.await.unwrap().unwrap();
    });
}
