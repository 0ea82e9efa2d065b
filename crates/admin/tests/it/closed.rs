//! What is still answered of a workspace that was closed: its record stays, and people can be erased in it.

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
    world.get(&format!("{ACME}/events")).await.refused(404);

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
