//! What happened to somebody, in one order, and why something is so.

use event_log::StreamId;
use serde_json::{Value, json};

use crate::{
    access::{add, push},
    world::World,
};

const ACME: &str = "/workspaces/acme";

fn says(items: &Value) -> Vec<&str> {
    let items = items.as_array().unwrap().iter();
    items.map(|item| item["says"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn a_timeline_joins_a_person_with_their_groups_and_devices() {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user", "brake": "off" });
    let (world, token) = World::with_scim("mdm", rule).await;
    let caller = world.caller("mdm", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let bob = world.provision(&caller, "bob@acme.example").await.id;
    let sales = push(&world, &caller, "Sales", &[ada.to_string(), bob.to_string()]).await;
    let device = json!({ "serial": "S-1", "platform": "ios", "user": ada });
    let device = world.post(&format!("{ACME}/mdm/devices"), device).await.field(201, "id");
    let change = json!({ "user": bob });
    world.patch(&format!("{ACME}/mdm/devices/{device}"), change).await.is(200);
    world.app.delete_group(&caller, sales, None).await.unwrap();
    let path = format!("{ACME}/people/{ada}/timeline");
    let whole = world.get(&path).await.is(200);
    assert_eq!((&whole["user"], &whole["portal"]), (&json!(ada.to_string()), &json!("mdm")));
    assert_eq!(
        says(&whole["items"]),
        [
            "the connector mdm brought them as ada@acme.example",
            "the creation rule gave them an account",
            "they came into the group Sales",
            "the device S-1 was enrolled for them",
            "the device S-1 was assigned to somebody else",
            "the group Sales, which they were in, was deleted",
        ]
    );
    // In order, and the same in parts.
    let (mut found, mut after) = (Vec::new(), json!(0));
    while !after.is_null() {
        let part = world.get(&format!("{path}?limit=2&after={after}")).await.is(200);
        found.extend(part["items"].as_array().unwrap().clone());
        after = part["next"].clone();
    }
    assert_eq!(json!(found), whole["items"]);
    assert!(found.is_sorted_by_key(|item| item["position"].as_u64()));
    world.get(&format!("{path}?after=x")).await.refused(400);
    let nobody = format!("{ACME}/people/00000000-0000-0000-0000-00000000000f/timeline");
    world.get(&nobody).await.refused(404);
}

#[actix_web::test]
async fn why_leads_from_a_state_back_to_the_request() {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user_and_devices", "brake": "off" });
    let (world, token) = World::with_planner(rule).await;
    let caller = world.caller("mdm", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let device = json!({ "serial": "S-1", "platform": "ios", "user": ada });
    world.post(&format!("{ACME}/mdm/devices"), device).await.is(201);
    let ids = app::RequestIds { request: "r-2".to_owned(), correlation: "c-2".to_owned() };
    world.set_active(&app::Caller { ids, ..caller }, ada, false).await;
    let effect =
        world.items(&format!("{ACME}/effects")).await[0]["id"].as_str().unwrap().to_owned();
    let why = world.get(&format!("{ACME}/why?effect={effect}")).await.is(200);
    let steps = says(&why["steps"]);
    assert_eq!(
        steps[0],
        "the offboarding called for the device S-1 to be wiped and leave management"
    );
    assert_eq!(*steps.last().unwrap(), "the connector mdm said that they are not active any more");
    assert!(steps.iter().any(|step| step.starts_with("an offboarding began")), "{steps:?}");
    assert_eq!(why["because"], steps[0]);

    let of_account = world.get(&format!("{ACME}/why?account={ada}")).await.is(200);
    assert_eq!(of_account["because"], "their account is suspended");
    assert_eq!(says(&of_account["steps"])[0], "their account was suspended");
    let position = of_account["steps"][0]["position"].as_u64().unwrap();
    let of_event = world.get(&format!("{ACME}/why?position={position}")).await.is(200);
    assert_eq!(of_event["steps"], of_account["steps"]);
    for bad in [
        "",
        "?position=1&effect=x",
        "?position=x",
        "?position=1&account=00000000-0000-0000-0000-00000000000f",
    ] {
        world.get(&format!("{ACME}/why{bad}")).await.refused(400);
    }
    world.get(&format!("{ACME}/why?position=0")).await.refused(404);
    world.get(&format!("{ACME}/why?position=100000")).await.refused(404);
    // Nobody in MDM has a role.
    world.get(&format!("{ACME}/why?role={ada}")).await.refused(404);
}

#[actix_web::test]
async fn why_somebody_has_no_account_or_this_role() {
    let (world, token) = World::with_scim("dashboard", json!({})).await;
    let caller = world.caller("dashboard", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let none = world.get(&format!("{ACME}/why?account={ada}")).await.is(200);
    let because = none["because"].as_str().unwrap();
    assert!(
        because.contains("they have no account") && because.contains("create none"),
        "{because}"
    );
    let provisioning = format!("{ACME}/connectors/dashboard/provisioning");
    let create = json!({ "on_create": "create", "default_role": "viewer" });
    world.put(&provisioning, create).await.is(200);
    let mapping = json!({ "rules": [{ "group": "Staff", "role": "admin" }], "settle_minutes": 60, "follow_groups": false });
    world.put(&format!("{ACME}/role-mapping"), mapping).await.is(200);
    // With the rule that is in force now.
    let caller = world.caller("dashboard", &token).await;
    let bob = world.provision(&caller, "bob@acme.example").await.id;
    let staff = push(&world, &caller, "Staff", &[]).await;
    add(&world, &caller, staff, &bob.to_string()).await;
    let role = world.get(&format!("{ACME}/why?role={bob}")).await.is(200);
    assert_eq!(role["because"], "their role is admin");
    let steps = says(&role["steps"]);
    assert_eq!(steps[0], "their role became admin: the group Staff is mapped to it");
    assert_eq!(steps[1], "they came into the group Staff");
}

#[actix_web::test]
async fn why_a_role_came_names_the_group_however_late_the_policy_was() {
    let (world, token) = World::with_scim("dashboard", json!({ "on_create": "create" })).await;
    let mapping = json!({ "rules": [{ "group": "Staff", "role": "admin" }] });
    world.put(&format!("{ACME}/role-mapping"), mapping).await.is(200);
    let world = world.dozing();
    let caller = world.caller("dashboard", &token).await;
    let bob = world.provision(&caller, "bob@acme.example").await.id;
    let staff = push(&world, &caller, "Staff", &[]).await;
    add(&world, &caller, staff, &bob.to_string()).await;
    let world = world.awake();
    let role = world.get(&format!("{ACME}/why?role={bob}")).await.is(200);
    let steps = &role["steps"];
    let came = steps[1]["position"].as_u64();
    assert!(steps[0]["causation"].as_u64() < came, "the policy has looked because of the account");
    let says = says(steps);
    assert_eq!(says[0], "their role became admin: the group Staff is mapped to it");
    assert_eq!(says[1], "they came into the group Staff");
}

#[actix_web::test]
async fn why_names_what_decided_last_however_often_it_was_decided() {
    let (world, token) = World::with_scim("dashboard", json!({ "on_create": "create" })).await;
    let caller = world.caller("dashboard", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    // As years of changes have left it.
    let roles: Vec<_> = ["admin", "viewer"].into_iter().cycle().take(10_001).collect();
    let changes: Vec<_> =
        roles.iter().map(|role| json!({ "role": role, "why": "by_hand" })).collect();
    let stream = StreamId::new("user", ada.0);
    world.record_all(stream, 2, "user.role_changed", &changes).await;
    let world = world.again();
    let person = format!("{ACME}/collaborators/{ada}");
    world.patch(&person, json!({ "role": "developer" })).await.is(200);
    let why = world.get(&format!("{ACME}/why?role={ada}")).await.is(200);
    assert_eq!(why["because"], json!("their role is developer"));
    assert_eq!(says(&why["steps"])[0], "their role became developer: a person chose it");
}
