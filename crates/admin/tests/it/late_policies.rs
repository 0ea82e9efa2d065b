//! Policies that are later than anybody waits for them, as beside thousands of decisions.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use app::{
    App, Caller, Refusal,
    policies::{Consequence, Policy},
};
use event_log::{StreamId, WorkspaceId};
use projections::Recorded;
use reactor::service::BoxFuture;
use serde_json::json;
use tokio::time;
use uuid::Uuid;

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

/// Records an event that policies hear, that no read model of offboardings or devices follows, and that cannot
/// be read. Nothing goes on behind it.
async fn stop_policies(world: &World, caller: &Caller) {
    let group = StreamId::new("group", Uuid::from_u128(0xbad));
    world.record(group, 0, "group.members_added", &json!({ "unheard_of": true })).await;
    world.app.settled(&caller.workspace).await;
}

#[actix_web::test]
async fn rule_24_nothing_is_decided_on_what_policies_that_have_stopped_have_not_seen() {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user_and_devices" });
    let (world, token) = World::with_planner(rule).await;
    let caller = world.caller("mdm", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let device = json!({ "serial": "S-1", "platform": "ios", "user": ada });
    let device = world.post("/workspaces/acme/mdm/devices", device).await.field(201, "id");
    let policies = "/workspaces/acme/mdm/policies";
    let policy = world.post(policies, json!({ "name": "Kiosk" })).await.field(201, "id");
    stop_policies(&world, &caller).await;
    let person = format!("/workspaces/acme/mdm/users/{ada}");

    // Nobody can tell what is owed.
    for path in ["/workspaces/acme", &*format!("{policies}/{policy}"), &*person] {
        let detail = world.delete(path).await.refused(503);
        assert!(detail.starts_with("what follows from the events of this workspace"), "{detail}");
    }
    // Her wipe is called for, and not requested yet: it would be lost with her account.
    world.set_active(&caller, ada, false).await;
    world.delete(&person).await.refused(503);
    // What only shows is shown, and said to be old.
    let device = world.get(&format!("/workspaces/acme/mdm/devices/{device}")).await;
    let stale = device.headers.get("muster-stale").unwrap().to_str().unwrap();
    assert!(stale.ends_with("policies"), "{stale}");
    assert_eq!(device.is(200)["user"], json!(ada));
    world.delete("/workspaces/acme?give_up=we+leave").await.is(204);
}

#[actix_web::test]
async fn rule_27_where_policies_have_stopped_a_hold_is_undone_and_not_approved() {
    let (world, caller, ada) = World::with_somebody_held().await;
    let holds = world.items("/workspaces/acme/holds").await;
    let hold = format!("/workspaces/acme/holds/{}", holds[0]["id"].as_str().unwrap());
    stop_policies(&world, &caller).await;
    world.post(&format!("{hold}/approve"), json!({})).await.refused(503);
    world.post(&format!("{hold}/undo"), json!({})).await.is(200);
    let person = world.get(&format!("/workspaces/acme/mdm/users/{ada}")).await.is(200);
    assert_eq!(person["account"], json!("active"));
}

#[actix_web::test]
async fn rule_32_an_erasure_that_policies_have_not_heard_of_is_answered_for_as_not_completed() {
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let caller = world.caller("store", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    stop_policies(&world, &caller).await;
    let erase = format!("/workspaces/acme/people/{ada}/erase");
    world.get(&erase).await.is(200);
    let erased = world.post(&erase, json!({})).await.is(200);
    assert_eq!(erased["state"], json!("running"));
    let id = erased["id"].as_str().unwrap();
    world.get(&format!("/workspaces/acme/erasures/{id}")).await.is(200);
    assert_eq!(world.items("/workspaces/acme/erasures").await.len(), 1);
}

/// A policy that can do nothing.
struct Failing(Arc<AtomicUsize>);

impl Policy for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }

    fn hears(&self, name: &str) -> bool {
        name == "user.entry_added"
    }

    fn react<'a>(
        &'a self,
        _: &'a App,
        _: &'a Recorded,
    ) -> BoxFuture<'a, Result<Vec<Consequence>, Refusal>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Err(Refusal::Unreadable) })
    }
}

#[actix_web::test]
async fn a_policy_that_fails_is_not_tried_again_at_each_commit_of_others() {
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let caller = world.caller("store", &token).await;
    world.post("/workspaces", json!({ "slug": "other", "name": "Other" })).await.is(201);
    let tries = Arc::new(AtomicUsize::new(0));
    let world = world.dozing().awake_with(vec![Box::new(Failing(Arc::clone(&tries)))]);
    world.provision(&caller, "ada@acme.example").await;
    let other = WorkspaceId::parse("other").unwrap();
    for number in 0..200 {
        world.patch("/workspaces/other", json!({ "name": format!("{number}") })).await.is(200);
        // Nobody else waits for that one.
        world.app.settled(&other).await;
    }
    let tries = tries.load(Ordering::Relaxed);
    assert!((1..100).contains(&tries), "{tries}");
}
