//! What is still answered of a workspace that was closed: its record stays and can be proved, and people can be
//! erased in it.

use std::time::Duration;

use actix_web::http::Method;
use app::Answered;
use event_log::journal::{Action, Resource};
use serde_json::json;

use crate::world::World;

const ACME: &str = "/workspaces/acme";

#[actix_web::test]
async fn of_a_closed_workspace_the_log_is_read_and_people_are_erased() {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user_and_devices" });
    let (world, token) = World::with_planner(rule).await;
    let caller = world.caller("mdm", &token).await;
    let id = world.provision(&caller, "ada@acme.example").await.id;
    let device = json!({ "name": "Phone", "serial": "S-1", "platform": "ios", "user": id });
    world.post(&format!("{ACME}/mdm/devices"), device).await.is(201);
    world.delete(ACME).await.is(204);
    world.get(&format!("{ACME}/mdm/users/{id}")).await.refused(404);
    world.get(&format!("{ACME}/people/{id}/timeline")).await.refused(404);

    let erase = format!("{ACME}/people/{id}/erase");
    assert_eq!(world.get(&erase).await.is(200)["user_name"], "ada@acme.example");
    let done = world.post(&erase, json!({ "reason": "4711" })).await.is(200);
    assert_eq!((&done["state"], &done["reason"]), (&json!("completed"), &json!("4711")));
    assert_eq!(world.items(&format!("{ACME}/erasures")).await, [done]);
    world.post(&erase, json!({})).await.is(200);

    world.get(&format!("{ACME}/provisioning-log")).await.is(200);
    world.get(&format!("{ACME}/provisioning-log/cycles")).await.is(200);
    world.get(&format!("{ACME}/provisioning-log/rejections")).await.is(200);
    let days = json!({ "days": 30 });
    world.put(&format!("{ACME}/provisioning-log/settings"), days).await.refused(404);
    // One that never was has nothing.
    world.get("/workspaces/nobody/erasures").await.refused(404);
    world.get("/workspaces/nobody/provisioning-log").await.refused(404);
}

#[actix_web::test]
async fn the_record_of_a_closed_workspace_is_read_and_proved() {
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let caller = world.caller("store", &token).await;
    let id = world.provision(&caller, "ada@acme.example").await.id;
    let before = world.get(&format!("{ACME}/checkpoint")).await;
    let access = json!({ "name": "auditor of acme", "role": "auditor", "workspace": "acme" });
    let auditor = world.post("/access", access).await.field(201, "token");
    let asks = async |path: &str| {
        world.call_as(&auditor, Method::GET, &format!("{ACME}/{path}"), None).await
    };
    let routes = ["events", "checkpoint", "export", "keys", "provisioning-log", "erasures"];
    for path in routes {
        asks(path).await.is(200);
    }
    world.delete(ACME).await.is(204);
    // Whoever reached it alone is not let in any more.
    for path in routes {
        asks(path).await.refused(404);
    }
    let events = world.get(&format!("{ACME}/events?person={id}")).await.is(200);
    assert_eq!(events["items"][0]["data"]["resource"]["userName"], "ada@acme.example");
    let closed = world.items(&format!("{ACME}/events?type=workspace.closed")).await;
    let end = closed[0]["position"].as_u64().unwrap();
    for path in ["keys", "proof?position=1", "consistency?from=1", "export?type=user.*"] {
        world.get(&format!("{ACME}/{path}")).await.is(200);
    }

    // As `muster audit verify` does it.
    let whole = world.get(&format!("{ACME}/export")).await;
    let kept = record::Note::parse(&before.text).unwrap();
    let kept = record::Checkpoint::parse(kept.text_as_kept()).unwrap();
    let mut lines = whole.text.lines();
    let mut check = record::Examination::begin(lines.next().unwrap(), &[], &[kept]).unwrap();
    lines.try_for_each(|line| check.line(line)).unwrap();
    assert_eq!(check.finish().unwrap().events, end);
    for path in ["events", "export", "checkpoint", "keys"] {
        world.get(&format!("/workspaces/nobody/{path}")).await.refused(404);
    }
}

#[actix_web::test]
async fn a_closed_workspace_keeps_its_provisioning_log_as_long_as_it_said() {
    for (days, kept) in [(365, true), (30, false)] {
        let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
        let settings = format!("{ACME}/provisioning-log/settings");
        world.put(&settings, json!({ "days": days })).await.is(200);
        let caller = world.caller("store", &token).await;
        let answered = Answered {
            action: Action::Create,
            resource: Some(Resource::User),
            operation: None,
            status: Some(409),
            error: Some(scim::Error::uniqueness("taken")),
            duration: Duration::ZERO,
        };
        world.app.answered(&caller, answered);
        world.delete(ACME).await.is(204);
        world.days_pass(100);
        let log = world.items(&format!("{ACME}/provisioning-log")).await;
        assert_eq!(log.len(), usize::from(kept), "{log:?}");
    }
}
