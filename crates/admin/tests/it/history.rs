//! What stood and what changed (rule 30).

use serde_json::{Value, json};

use crate::{
    access::{change, push},
    world::World,
};

const ACME: &str = "/workspaces/acme";

async fn head(world: &World) -> u64 {
    let events = world.get(&format!("{ACME}/events?limit=1000")).await.is(200);
    events["items"].as_array().unwrap().len() as u64
}

#[actix_web::test]
async fn rule_30_somebody_is_shown_as_they_stood() {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user", "brake": "off" });
    let (world, token) = World::with_scim("store", rule).await;
    let caller = world.caller("store", &token).await;
    let before = head(&world).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let path = format!("{ACME}/history/users/{ada}");
    let then = head(&world).await;
    let born = world.get(&format!("{ACME}/events?stream=user/{ada}")).await.is(200);
    let born = born["items"][0]["time"].as_str().unwrap().to_owned();
    world.days_pass(1);
    world.set_active(&caller, ada, false).await;

    let now = world.get(&path).await.is(200);
    assert_eq!(
        (&now["account"]["account"], &now["resource"]["active"]),
        (&json!("suspended"), &json!(false))
    );
    for at in [then.to_string(), born.clone()] {
        let was = world.get(&format!("{path}?at={at}")).await.is(200);
        assert_eq!(was["account"]["account"], "active", "{at}");
        assert_eq!(was["resource"]["active"], true);
        assert_eq!(was["resource"]["meta"]["version"], "W/\"1\"");
        assert_eq!(was["at"], json!(then));
        assert_eq!(was["time"], json!(born));
    }
    let beyond = world.get(&format!("{path}?at=1000000")).await.is(200);
    assert_eq!(beyond, now, "beyond the head means the head");
    let detail = world.get(&format!("{path}?at={before}")).await.refused(404);
    assert!(detail.contains(&format!("position {before}")), "{detail}");
    for before in ["1970-01-01T00:00:00Z", "0"] {
        let detail = world.get(&format!("{path}?at={before}")).await.refused(404);
        assert!(detail.contains("acme did not exist yet"), "{detail}");
    }
    world.get(&format!("{path}?at=yesterday")).await.refused(400);
    let detail = world.get(&format!("{path}?at=1&at=2")).await.refused(400);
    assert!(detail.starts_with("at: ") && detail.contains("more than once"), "{detail}");
    let nobody = "00000000-0000-0000-0000-00000000000f";
    for kind in ["users", "groups", "devices"] {
        world.get(&format!("{ACME}/history/{kind}/{nobody}")).await.refused(404);
    }
}

#[actix_web::test]
async fn rule_30_a_device_is_shown_as_it_stood() {
    let rule = json!({ "on_create": "create" });
    let (world, token) = World::with_scim("mdm", rule).await;
    let caller = world.caller("mdm", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let device = json!({ "serial": "S-1", "platform": "ios", "user": ada });
    let made = world.post(&format!("{ACME}/mdm/devices"), device).await.is(201);
    let id = made["id"].as_str().unwrap();
    let then = head(&world).await;
    world.delete(&format!("{ACME}/mdm/devices/{id}")).await.is(204);
    let path = format!("{ACME}/history/devices/{id}");
    assert_eq!(world.get(&path).await.is(200)["resource"]["state"], "removed");
    let was = world.get(&format!("{path}?at={then}")).await.is(200);
    assert_eq!(was["resource"], made);
    let one = format!("{ACME}/mdm/devices/{id}");
    assert_eq!(world.get(&format!("{one}?at={then}")).await.is(200), made);
    assert_eq!(world.get(&one).await.is(200)["state"], "removed");
    world.get(&format!("{one}?at={}", then - 1)).await.refused(404);
}

#[actix_web::test]
async fn rule_30_whatever_a_list_shows_of_the_past_is_shown_alone_as_well() {
    let (world, _) = World::with_scim("store", json!({})).await;
    let make = async |path: &str, body: Value| {
        let path = format!("{ACME}/{path}");
        let id = world.post(&path, body).await.field(201, "id");
        format!("{path}/{id}")
    };
    let mail = make("publications", json!({ "name": "Mail", "groups": [] })).await;
    let berlin = make("mdm/segments", json!({ "name": "Berlin" })).await;
    let kiosk = make("mdm/policies", json!({ "name": "Kiosk" })).await;
    let store = format!("{ACME}/connectors/store");
    let mut seen = Vec::new();
    for path in [&mail, &berlin, &kiosk, &store] {
        seen.push((path, world.get(path).await.is(200)));
    }
    let then = head(&world).await;
    world.patch(&mail, json!({ "name": "Post" })).await.is(200);
    world.patch(&berlin, json!({ "name": "Bonn" })).await.is(200);
    world.delete(&kiosk).await.is(204);
    world.patch(&store, json!({ "state": "paused" })).await.is(200);
    for (path, seen) in seen {
        assert_eq!(world.get(&format!("{path}?at={then}")).await.is(200), seen, "{path}");
    }
    let grants = world.get(&format!("{berlin}/grants?at={then}")).await.is(200);
    assert_eq!(grants, world.get(&format!("{berlin}/grants")).await.is(200));
}

#[actix_web::test]
async fn of_the_moments_that_were_asked_about_the_last_ones_are_kept() {
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let caller = world.caller("store", &token).await;
    let before = head(&world).await;
    let people = async |at: u64| {
        let path = format!("{ACME}/employees?at={at}");
        world.get(&path).await.is(200)["items"].as_array().unwrap().len()
    };
    for number in 1..=6 {
        world.provision(&caller, &format!("user{number}@acme.example")).await;
        // Settings are read from their own stream, so that nothing is built for them.
        world.get(&format!("{ACME}/connectors?at={}", head(&world).await)).await.is(200);
        assert_eq!(people(before).await, 0);
        assert_eq!(people(head(&world).await).await, number);
        assert!(world.pasts() <= 4, "after {number}: {}", world.pasts());
    }
    let files = world.files_of_pasts();
    assert!(files.iter().all(|name| name.starts_with("store.")), "{files:?}");
}

/// The changes of one item, each as a line.
fn lines(item: &Value) -> Vec<String> {
    let line = |it: &Value| {
        format!("{} {} -> {}", it["path"].as_str().unwrap(), it["before"], it["after"])
    };
    item["changes"].as_array().unwrap().iter().map(line).collect()
}

#[actix_web::test]
async fn rule_30_the_difference_between_two_moments_names_the_events_that_made_it() {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user", "brake": "off" });
    let (world, token) = World::with_scim("store", rule).await;
    let caller = world.caller("store", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let bob = world.provision(&caller, "bob@acme.example").await.id;
    let from = head(&world).await;
    world.set_active(&caller, ada, false).await;
    world.set_active(&caller, ada, true).await;
    world.set_active(&caller, bob, false).await;
    let eve = world.provision(&caller, "eve@acme.example").await.id;
    let diff = format!("{ACME}/diff?from={from}");
    let found = world.get(&diff).await.is(200);
    assert_eq!((&found["from"], &found["to"]), (&json!(from), &json!(head(&world).await)));
    let items = found["items"].as_array().unwrap();
    let ids: Vec<_> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [bob.to_string(), eve.to_string()], "whoever is as before is left out");
    let bobs = lines(&items[0]);
    assert!(bobs.contains(&"resource.active true -> false".to_owned()), "{bobs:?}");
    assert!(bobs.contains(&"account.account \"active\" -> \"suspended\"".to_owned()), "{bobs:?}");
    let eves = lines(&items[1]);
    assert!(
        eves.contains(&"resource.userName null -> \"eve@acme.example\"".to_owned()),
        "{eves:?}"
    );
    // Of whoever is new, everything was nothing.
    let changes = items[1]["changes"].as_array().unwrap();
    assert!(changes.iter().all(|change| change["before"].is_null()), "{eves:?}");
    assert!(eves.contains(&"account.account null -> \"active\"".to_owned()), "{eves:?}");
    // Each names its event.
    for item in items {
        for change in item["changes"].as_array().unwrap() {
            let after = change["position"].as_u64().unwrap() - 1;
            let event = world.get(&format!("{ACME}/events?after={after}&limit=1")).await.is(200);
            let stream = format!("user/{}", item["id"].as_str().unwrap());
            assert_eq!(event["items"][0]["stream"], stream, "{change}");
        }
    }

    let first = world.get(&format!("{diff}&limit=1")).await.is(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(first["items"], json!([items[0]]));
    let second = world.get(&format!("{diff}&limit=1&cursor={cursor}")).await.is(200);
    assert_eq!(second["items"], json!([items[1]]));
    let none = world.get(&format!("{ACME}/diff?from={from}&to={from}")).await.is(200);
    assert_eq!((&none["items"], &none["next_cursor"]), (&json!([]), &json!(null)));
    let detail = world.get(&format!("{ACME}/diff?from={from}&to=1")).await.refused(400);
    assert!(detail.contains("before"), "{detail}");

    // One of them alone, whether something changed or not.
    let of = async |stream: String| world.get(&format!("{diff}&stream={stream}")).await;
    assert_eq!(of(format!("user/{bob}")).await.is(200)["items"], json!([items[0]]));
    assert_eq!(of(format!("user/{eve}")).await.is(200)["items"], json!([items[1]]));
    assert_eq!(of(format!("user/{ada}")).await.is(200)["items"], json!([]));
    of("user/00000000-0000-0000-0000-00000000000f".to_owned()).await.refused(404);
    of("workspace/00000000-0000-0000-0000-000000000000".to_owned()).await.refused(400);
    world.get(&format!("{ACME}/diff?from=1&to={from}&stream=user/{eve}")).await.refused(404);
}

#[actix_web::test]
async fn rule_30_of_a_list_that_stays_only_what_went_and_what_came_is_told() {
    let rule = json!({ "on_create": "create" });
    let (world, token) = World::with_scim("store", rule).await;
    let caller = world.caller("store", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id.to_string();
    let bob = world.provision(&caller, "bob@acme.example").await.id.to_string();
    let before = head(&world).await;
    let group = push(&world, &caller, "Sales", &[ada.clone(), "soon".to_owned()]).await;
    let then = head(&world).await;
    let members = json!([{ "value": bob }, { "value": "later" }]);
    let members = json!([{ "op": "replace", "path": "members", "value": members }]);
    change(&world, &caller, group, members).await;
    let of = async |from: u64, to: u64, path: &str| -> Value {
        let diff = format!("{ACME}/diff?from={from}&to={to}&stream=group/{group}");
        let found = world.get(&diff).await.is(200);
        let changes = found["items"][0]["changes"].as_array().unwrap().clone();
        let mut change = changes.into_iter().find(|change| change["path"] == path).unwrap();
        change.as_object_mut().unwrap().remove("position");
        change
    };
    let now = head(&world).await;
    for (path, was, is) in
        [("resource.members", &ada, &bob), ("pending", &"soon".to_owned(), &"later".to_owned())]
    {
        let delta = json!({ "path": path, "before": [was], "after": [is], "delta": true });
        assert_eq!(of(then, now, path).await, delta);
        let new = json!({ "path": path, "before": null, "after": [was] });
        assert_eq!(of(before, then, path).await, new);
    }
}

#[actix_web::test]
async fn rule_30_lists_are_shown_as_they_stood() {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user", "brake": "off" });
    let (world, token) = World::with_scim("store", rule).await;
    let caller = world.caller("store", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let app = json!({ "name": "Mail", "groups": [] });
    let app = world.post(&format!("{ACME}/publications"), app).await.field(201, "id");
    let (people, audience) =
        (format!("{ACME}/employees"), format!("{ACME}/publications/{app}/audience"));
    let (then, seen) = (head(&world).await, world.items(&people).await);
    assert_eq!(world.items(&audience).await.len(), 1);
    world.set_active(&caller, ada, false).await;
    world.provision(&caller, "bob@acme.example").await;
    world.patch(&format!("{ACME}/publications/{app}"), json!({ "name": "Post" })).await.is(200);

    assert_ne!(world.items(&people).await, seen);
    assert_eq!(world.items(&format!("{people}?at={then}")).await, seen);
    let was = world.items(&format!("{audience}?at={then}")).await;
    assert_eq!((was.len(), &was[0]["user_name"]), (1, &json!("ada@acme.example")));
    let named = world.items(&format!("{ACME}/publications?at={then}")).await;
    assert_eq!(named[0]["name"], "Mail");
    // Before there was anybody, and beyond the head.
    assert!(world.items(&format!("{people}?at={}", then - 4)).await.is_empty());
    let now = world.items(&people).await;
    assert_eq!(world.items(&format!("{people}?at=1000000")).await, now);
    // More moments than are kept at a time.
    for at in 1..=then {
        world.get(&format!("{people}?at={at}")).await.is(200);
    }
    let detail = world.get(&format!("{people}?at=0")).await.refused(404);
    assert!(detail.contains("acme did not exist yet"), "{detail}");
    world.get(&format!("{people}?at=yesterday")).await.refused(400);
    world.post(&format!("{people}?at=1"), json!({ "user_name": "x" })).await.refused(400);
}

#[actix_web::test]
async fn rule_30_each_view_of_a_person_is_shown_as_it_stood() {
    let rule = json!({ "on_create": "create", "on_deactivate": "unassign", "brake": "off" });
    let (world, token) = World::with_planner(rule).await;
    let caller = world.caller("mdm", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let bob = world.provision(&caller, "bob@acme.example").await.id;
    let group = push(&world, &caller, "Sales", &[ada.to_string(), bob.to_string()]).await;
    let device = json!({ "serial": "S-1", "platform": "ios", "user": ada });
    world.post(&format!("{ACME}/mdm/devices"), device).await.is(201);
    world.set_active(&caller, ada, false).await;
    let effect =
        world.items(&format!("{ACME}/effects")).await[0]["id"].as_str().unwrap().to_owned();
    let opened =
        world.items(&format!("{ACME}/offboardings")).await[0]["id"].as_str().unwrap().to_owned();
    let paths = [
        format!("{ACME}/mdm/users/{ada}"),
        format!("{ACME}/people/{bob}/groups"),
        format!("{ACME}/groups/{group}"),
        format!("{ACME}/mdm/groups/{group}/members"),
        format!("{ACME}/effects"),
        format!("{ACME}/effects/{effect}"),
        format!("{ACME}/offboardings/{opened}"),
        format!("{ACME}/holds"),
    ];
    let mut seen = Vec::new();
    for path in &paths {
        seen.push(world.get(path).await.is(200));
    }
    let then = head(&world).await;
    // All of it changes.
    world.post(&format!("{ACME}/effects/{effect}/cancel"), json!({})).await.is(200);
    world.set_active(&caller, ada, true).await;
    let none = json!([{ "op": "replace", "path": "members", "value": [] }]);
    change(&world, &caller, group, none).await;
    for (path, seen) in paths.iter().zip(seen) {
        let now = world.get(path).await.is(200);
        let was = world.get(&format!("{path}?at={then}")).await.is(200);
        assert_eq!(was, seen, "{path}");
        assert!(now != seen || path.ends_with("holds"), "{path}: {now}");
    }
}
