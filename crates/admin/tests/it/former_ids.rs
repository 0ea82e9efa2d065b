//! Whoever reads the identity provider's log knows people by the SCIM ids that they had then.

use domain::ids::EntryId;
use serde_json::{Value, json};

use crate::{access::push, world::World};

const ACME: &str = "/workspaces/acme";

/// Somebody whom a connector has brought twice and deleted twice: their id, and the SCIM id that they had
/// the second time, when they came into a group.
async fn scene() -> (World, [EntryId; 2]) {
    let rule = json!({ "on_create": "create", "default_role": "viewer" });
    let (world, token) = World::with_scim("dashboard", rule).await;
    let caller = world.caller("dashboard", &token).await;
    let first = world.provision(&caller, "ada@acme.example").await.id;
    world.app.delete_user(&caller, first, None).await.unwrap();
    let second = world.provision(&caller, "ada@acme.example").await.id;
    assert_ne!(first, second);
    push(&world, &caller, "Sales", &[second.to_string()]).await;
    world.app.delete_user(&caller, second, None).await.unwrap();
    (world, [first, second])
}

async fn head(world: &World) -> u64 {
    let events = world.items(&format!("{ACME}/events?limit=1000")).await;
    events.last().unwrap()["position"].as_u64().unwrap()
}

#[actix_web::test]
async fn whoever_was_deleted_is_found_by_the_scim_id_that_they_had() {
    let (world, [first, second]) = scene().await;
    let at = head(&world).await;
    for path in [
        "/history/users/ID".to_owned(),
        format!("/history/users/ID?at={at}"),
        "/collaborators/ID".to_owned(),
        format!("/collaborators/ID?at={at}"),
        "/people/ID/timeline".to_owned(),
        "/people/ID/groups".to_owned(),
        format!("/people/ID/groups?at={at}"),
        "/why?account=ID".to_owned(),
        "/why?role=ID".to_owned(),
        "/events?stream=user/ID".to_owned(),
    ] {
        let of = |id: EntryId| format!("{ACME}{}", path.replace("ID", &id.to_string()));
        let found = world.get(&of(second)).await.is(200);
        assert_eq!(found, world.get(&of(first)).await.is(200), "{path}");
    }
    let history = world.get(&format!("{ACME}/history/users/{second}")).await.is(200);
    assert_eq!(history["account"]["id"], json!(first.to_string()));
    let timeline = world.get(&format!("{ACME}/people/{second}/timeline")).await.is(200);
    let says = |item: &Value| item["says"] == "they came into the group Sales";
    assert!(timeline["items"].as_array().unwrap().iter().any(says), "{timeline}");
    // Before they came there was nobody, by whichever id.
    let events = world.items(&format!("{ACME}/events?stream=user/{second}")).await;
    let before = events[0]["position"].as_u64().unwrap() - 1;
    for id in [first, second] {
        world.get(&format!("{ACME}/collaborators/{id}?at={before}")).await.refused(404);
    }
}

#[actix_web::test]
async fn the_scim_ids_of_somebody_who_is_erased_lead_to_the_erasure() {
    let (world, [first, second]) = scene().await;
    let erased = json!({ "reason": "request 4711" });
    world.post(&format!("{ACME}/people/{second}/erase"), erased).await.is(200);
    let history = world.get(&format!("{ACME}/history/users/{second}")).await.is(200);
    assert_eq!(history["account"]["id"], json!(first.to_string()));
    assert!(history["account"]["erasure"].is_string(), "{history}");
    // The same for whoever cannot read any more what was said before.
    let world = world.again();
    let again = world.get(&format!("{ACME}/history/users/{second}")).await.is(200);
    assert_eq!(again, history);
    let timeline = world.get(&format!("{ACME}/people/{second}/timeline")).await.is(200);
    assert_eq!(timeline["user"], json!(first.to_string()));
    let said = timeline["items"].as_array().unwrap();
    assert!(said.iter().any(|item| item["type"] == "group.members_added"), "{timeline}");
}
