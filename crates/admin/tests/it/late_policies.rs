//! Policies that are later than anybody waits for them, as beside thousands of decisions.

use serde_json::json;
use tokio::time;

use crate::world::World;

#[actix_web::test]
async fn what_there_is_is_shown_and_said_to_be_old_and_whoever_decides_is_told_to_wait() {
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let caller = world.caller("store", &token).await;
    let world = world.dozing();
    world.provision(&caller, "ada@acme.example").await;
    // Nobody waits in truth: time passes when nothing else does.
    time::pause();
    let begun = time::Instant::now();
    let late = world.get("/workspaces/acme/employees").await;
    assert_eq!(late.headers.get("muster-stale").unwrap(), "policies");
    assert_eq!(late.is(200)["items"].as_array().unwrap().len(), 1);
    let waited = begun.elapsed();
    assert!(waited.as_secs() >= 10, "{waited:?}");
    let late = world.get("/workspaces/acme/employees").await;
    assert_eq!(late.headers.get("muster-stale").unwrap(), "policies");
    assert_eq!(begun.elapsed(), waited, "whoever comes later does not wait again");
    world.delete("/workspaces/acme").await.refused(503);

    time::resume();
    let world = world.awake();
    world.app.settled(&caller.workspace).await;
    let current = world.get("/workspaces/acme/employees").await;
    assert!(current.headers.get("muster-stale").is_none());
    world.delete("/workspaces/acme").await.is(204);
}
