//! What time travel shows of whoever is erased: that they were there, and no more (rules 30 and 32).

use event_log::StreamId;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{access::push, world::World};

const ACME: &str = "/workspaces/acme";
const PEOPLE: &str = "/workspaces/acme/employees";

async fn head(world: &World) -> u64 {
    let events = world.get(&format!("{ACME}/events?limit=1000")).await.is(200);
    events["items"].as_array().unwrap().len() as u64
}

fn ids(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["id"].as_str().unwrap()).collect()
}

/// Two people, of whom the first one is erased; her id, that of the other one, and the moments: both are
/// there, she is suspended.
async fn erased() -> (World, String, String, u64, u64) {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user", "brake": "off" });
    let (world, token) = World::with_scim("store", rule).await;
    let caller = world.caller("store", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let bob = world.provision(&caller, "bob@acme.example").await.id;
    push(&world, &caller, "Sales", &[ada.to_string(), bob.to_string()]).await;
    let app = json!({ "name": "Mail", "groups": [["Sales"]] });
    world.post(&format!("{ACME}/publications"), app).await.is(201);
    let there = head(&world).await;
    world.set_active(&caller, ada, false).await;
    let suspended = head(&world).await;
    // What is kept of the past has her row.
    assert_eq!(
        world.items(&format!("{PEOPLE}?at={there}")).await[0]["user_name"],
        "ada@acme.example"
    );
    let erase = format!("{ACME}/people/{ada}/erase");
    let done = world.post(&erase, json!({ "reason": "4711" })).await.is(200);
    assert_eq!(done["state"], "completed");
    (world, ada.to_string(), bob.to_string(), there, suspended)
}

#[actix_web::test]
async fn rule_32_lists_of_the_past_show_that_somebody_was_there() {
    let (world, ada, bob, there, suspended) = erased().await;
    let at = |at: u64| format!("{PEOPLE}?at={at}");
    let both = world.items(&at(there)).await;
    assert_eq!(ids(&both), [&*ada, &*bob]);
    assert!(both[0]["erasure"].is_string() && both[1]["erasure"].is_null(), "{both:?}");
    assert_eq!(
        (&both[0]["user_name"], &both[0]["email"], &both[0]["account"]),
        (&json!(""), &json!(null), &json!("active"))
    );
    assert_eq!(world.get(&format!("{PEOPLE}/{ada}?at={there}")).await.is(200), both[0]);

    // Whether there was an account is known, and nothing by which she would be found.
    let of = async |query: String| -> Vec<String> {
        let items = world.items(&format!("{PEOPLE}?{query}")).await;
        ids(&items).into_iter().map(str::to_owned).collect()
    };
    assert_eq!(of(format!("at={suspended}&account=suspended")).await, [&*ada]);
    assert_eq!(of(format!("at={suspended}&account=active")).await, [&*bob]);
    assert_eq!(of(format!("at={suspended}&account=any")).await, [&*ada, &*bob]);
    assert_eq!(of(format!("at={there}&account=suspended")).await, [""; 0]);
    assert_eq!(of(format!("at={there}&q=ada")).await, [""; 0]);

    // In parts; the last one is known as such.
    let first = world.get(&format!("{}&limit=1", at(there))).await.is(200);
    assert_eq!(first["items"], json!([both[0]]));
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = world.get(&format!("{}&limit=1&cursor={cursor}", at(there))).await.is(200);
    assert_eq!((&second["items"], &second["next_cursor"]), (&json!([both[1]]), &json!(null)));
    let alone = world.get(&format!("{}&limit=1&account=suspended", at(suspended))).await.is(200);
    assert_eq!(alone["next_cursor"], json!(null));

    // Neither before she came, nor in another portal, nor after she was erased, nor today.
    assert_eq!(of("at=5&account=any".to_owned()).await, [""; 0]);
    assert!(world.items(&format!("{ACME}/collaborators?at={there}&account=any")).await.is_empty());
    world.get(&format!("{ACME}/collaborators/{ada}?at={there}")).await.refused(404);
    let now = head(&world).await;
    assert_eq!(of(format!("at={now}&account=any")).await, [&*bob]);
    assert_eq!(of("account=any".to_owned()).await, [&*bob]);
    assert!(world.get(&format!("{PEOPLE}/{ada}")).await.is(200)["erasure"].is_string());
}

#[actix_web::test]
async fn rule_32_history_and_differences_show_that_somebody_was_there() {
    let (world, ada, bob, there, suspended) = erased().await;
    for (at, account) in [(there, "active"), (suspended, "suspended")] {
        let was = world.get(&format!("{ACME}/history/users/{ada}?at={at}")).await.is(200);
        assert_eq!((&was["resource"], &was["account"]["account"]), (&Value::Null, &json!(account)));
        assert!(was["account"]["erasure"].is_string(), "{was}");
    }
    let diff = async |query: String| world.get(&format!("{ACME}/diff?{query}")).await.is(200);
    for to in [suspended, head(&world).await] {
        let found = diff(format!("from={there}&to={to}")).await;
        let people = found["items"].as_array().unwrap().iter().filter(|it| it["kind"] == "user");
        let people: Vec<_> = people.collect();
        let [item] = people[..] else { panic!("{found}") };
        assert_eq!((&item["id"], &item["changes"]), (&json!(ada), &json!([])), "{found}");
        assert!(item["erasure"].is_string(), "{found}");
        let alone = diff(format!("from={there}&to={to}&stream=user/{ada}")).await;
        assert_eq!(alone["items"], json!([item]));
    }
    let came = diff(format!("from=1&to={there}")).await;
    let bobs = came["items"].as_array().unwrap().iter().find(|it| it["id"] == *bob).unwrap();
    assert!(!bobs["changes"].as_array().unwrap().is_empty() && bobs["erasure"].is_null());
}

#[actix_web::test]
async fn rule_32_groups_and_audiences_of_the_past_leave_out_whoever_is_erased() {
    let (world, ada, bob, there, _) = erased().await;
    let group = world.items(&format!("{ACME}/groups")).await[0]["id"].clone();
    let group = group.as_str().unwrap();
    let members = world.items(&format!("{ACME}/groups/{group}/members?at={there}")).await;
    assert_eq!(ids(&members), [&*bob]);
    let app = world.items(&format!("{ACME}/publications")).await[0]["id"].clone();
    let app = app.as_str().unwrap();
    let audience = world.items(&format!("{ACME}/publications/{app}/audience?at={there}")).await;
    assert_eq!(ids(&audience), [&*bob]);
    // The group's own events name its members by id, and are not the person's.
    let was = world.get(&format!("{ACME}/history/groups/{group}?at={there}")).await.is(200);
    assert_eq!(was["resource"]["members"], json!([{ "value": ada }, { "value": bob }]));
}

#[actix_web::test]
async fn what_an_older_version_called_a_device_is_taken_from_it_and_said_to_be_kept() {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user", "brake": "off" });
    let (world, token) = World::with_scim("mdm", rule).await;
    let caller = world.caller("mdm", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let id = Uuid::from_u128(77);
    let enrolled = json!({ "serial": "S-1", "platform": "ios", "name": "Ada's phone", "user": ada.to_string() });
    world.record(StreamId::new("device", id), 0, "device.enrolled", &enrolled).await;
    let device = format!("{ACME}/mdm/devices/{id}");
    assert_eq!(world.get(&device).await.is(200)["name"], "Ada's phone");
    let erase = format!("{ACME}/people/{ada}/erase");
    let kept = json!([id.to_string()]);
    assert_eq!(world.get(&erase).await.is(200)["names_kept"], kept);

    let certificate = world.post(&erase, json!({})).await.is(200);
    assert_eq!((&certificate["state"], &certificate["names_kept"]), (&json!("completed"), &kept));
    assert_eq!(world.get(&device).await.is(200)["name"], Value::Null);
    assert!(world.items(&format!("{ACME}/mdm/devices?q=Ada")).await.is_empty());
    let listed = world.items(&format!("{ACME}/erasures")).await;
    assert_eq!(listed[0]["names_kept"], kept);
}

#[actix_web::test]
async fn rule_32_what_an_erased_person_might_do_is_not_made_up() {
    let (world, ada, _, there, suspended) = erased().await;
    let groups = async |at: u64| world.get(&format!("{ACME}/people/{ada}/groups?at={at}")).await;
    let then = groups(there).await.is(200);
    assert_eq!((&then["portal"], &then["items"]), (&json!("store"), &json!([])), "{then}");
    assert_eq!(then["may_enter"], true, "no group was required: {then}");
    let then = groups(suspended).await.is(200);
    let because = then["because"].as_str().unwrap();
    assert!(then["may_enter"] == false && because.contains("suspended"), "{then}");
    let seen = world.get(&format!("{PEOPLE}/{ada}/publications?at={there}")).await.is(200);
    assert_eq!(seen["items"], json!([]));
    world.get(&format!("{ACME}/people/{ada}/groups?at=5")).await.refused(404);
}

#[actix_web::test]
async fn rule_32_whether_groups_let_an_erased_person_in_is_not_known() {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user", "brake": "off" });
    let (world, token) = World::with_scim("store", rule).await;
    let caller = world.caller("store", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id.to_string();
    push(&world, &caller, "Sales", std::slice::from_ref(&ada)).await;
    let access = json!({ "groups": [["Sales"]] });
    world.put(&format!("{ACME}/portals/store/access"), access).await.is(200);
    let path = format!("{ACME}/people/{ada}/groups");
    assert_eq!(world.get(&path).await.is(200)["may_enter"], true);
    let there = head(&world).await;
    world.post(&format!("{ACME}/people/{ada}/erase"), json!({})).await.is(200);
    let then = world.get(&format!("{path}?at={there}")).await.is(200);
    assert_eq!((&then["may_enter"], &then["items"]), (&Value::Null, &json!([])), "{then}");
}
