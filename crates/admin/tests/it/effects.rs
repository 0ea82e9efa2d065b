//! What a person makes of an effect that does not end by itself (rule 24).

use actix_web::test::TestRequest;
use app::Order;
use domain::{
    device::DeviceCommand,
    ids::{ActionId, DeviceId, OffboardingId, UserId},
    offboarding::ActionKind,
};
use event_log::{Meta, WorkspaceId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::World;

const EFFECTS: &str = "/workspaces/acme/effects";

/// A device of somebody with an action that has come so far.
struct Scene {
    world: World,
    device: DeviceId,
    action: ActionId,
}

impl Scene {
    async fn set() -> Self {
        let (world, token) = World::with_scim("mdm", json!({ "on_create": "create" })).await;
        let caller = world.caller("mdm", &token).await;
        let ada = world.provision(&caller, "ada@acme.example").await.id;
        let device = json!({ "serial": "1", "platform": "ios", "user": ada.to_string() });
        let device = world.post("/workspaces/acme/mdm/devices", device).await.field(201, "id");
        let device = DeviceId(Uuid::parse_str(&device).unwrap());
        let (action, offboarding) = (ActionId(world.app.fresh_id()), OffboardingId::default());
        let scene = Self { world, device, action };
        let (user, kind) = (UserId(ada.0), ActionKind::Remove);
        scene.note(DeviceCommand::Request { action, offboarding, user, kind }).await;
        scene
    }

    async fn note(&self, command: DeviceCommand) {
        let (workspace, meta) = (WorkspaceId::parse("acme").unwrap(), Meta::default());
        let order = Order { workspace, id: self.device.0, command, meta };
        self.world.app.devices().dispatch(order).await.unwrap();
    }

    async fn sent(&self) {
        self.note(DeviceCommand::Send { action: self.action }).await;
    }

    async fn parked(&self) {
        self.sent().await;
        let reason = "no".to_owned();
        self.note(DeviceCommand::Park { action: self.action, reason }).await;
    }

    fn path(&self, verb: &str) -> String {
        format!("{EFFECTS}/{}/{verb}", self.action)
    }

    async fn warnings(&self) -> Value {
        self.world.items(EFFECTS).await;
        let ready = self.world.send(TestRequest::get().uri("/readyz")).await.is(200);
        ready["warnings"].clone()
    }

    /// What became of it, and why.
    async fn shows(&self) -> (Value, Value) {
        let shown = self.world.get(&format!("{EFFECTS}/{}", self.action)).await.is(200);
        (shown["state"].clone(), shown["reason"].clone())
    }
}

#[actix_web::test]
async fn what_is_parked_is_retried_on_request_once() {
    let scene = Scene::set().await;
    scene.parked().await;
    assert_eq!(scene.shows().await, (json!("parked"), json!("no")));
    let retried = scene.world.post(&scene.path("retry"), json!({ "reason": " mended " })).await;
    let retried = retried.is(200);
    assert_eq!((&retried["state"], &retried["reason"]), (&json!("requested"), &json!("mended")));
    assert!(retried["due_at"].is_string(), "{retried}");
    scene.world.post(&scene.path("retry"), json!({})).await.is(200);
    assert_eq!(scene.shows().await, (json!("requested"), json!("mended")));

    scene.sent().await;
    let detail = scene.world.post(&scene.path("retry"), json!({})).await.refused(409);
    assert!(detail.contains("give it up"), "{detail}");
    let events = scene.world.items("/workspaces/acme/events?type=device.action_retried").await;
    assert_eq!((events.len(), &events[0]["actor"]), (1, &json!("person:owner")));
}

#[actix_web::test]
async fn only_what_nobody_can_have_received_is_cancelled() {
    let scene = Scene::set().await;
    let detail = scene.world.post(&scene.path("give-up"), json!({ "reason": "x" })).await;
    assert!(detail.refused(409).contains("cancel"));
    scene.sent().await;
    let detail = scene.world.post(&scene.path("cancel"), json!({})).await.refused(409);
    assert!(detail.contains("may have that effect already"), "{detail}");
    scene.note(DeviceCommand::Park { action: scene.action, reason: "no".to_owned() }).await;
    let cancelled = scene.world.post(&scene.path("cancel"), json!({ "reason": "ours" })).await;
    assert_eq!(cancelled.field(200, "state"), "cancelled");
    scene.world.post(&scene.path("cancel"), json!({})).await.is(200);
    assert_eq!(scene.shows().await, (json!("cancelled"), json!("ours")));
    scene.world.post(&scene.path("retry"), json!({})).await.refused(409);
    let device = format!("/workspaces/acme/mdm/devices/{}", scene.device);
    assert_eq!(scene.world.get(&device).await.field(200, "state"), "enrolled");
}

#[actix_web::test]
async fn giving_up_needs_a_reason_and_frees_the_device() {
    let scene = Scene::set().await;
    scene.sent().await;
    let give_up = scene.path("give-up");
    for bad in [json!({}), json!({ "reason": " " }), json!({ "reason": 1 }), json!({ "why": "x" })]
    {
        scene.world.post(&give_up, bad).await.refused(400);
    }
    for _ in 0..2 {
        let given_up = scene.world.post(&give_up, json!({ "reason": "it is lost" })).await;
        assert_eq!(given_up.field(200, "state"), "given_up");
    }
    assert_eq!(scene.shows().await, (json!("given_up"), json!("it is lost")));
    assert_eq!(scene.world.items(&format!("{EFFECTS}?state=given_up")).await.len(), 1);
    let device = format!("/workspaces/acme/mdm/devices/{}", scene.device);
    let device = scene.world.get(&device).await.is(200);
    assert_eq!((&device["state"], &device["user"]), (&json!("enrolled"), &json!(null)));
    for verb in ["retry", "cancel"] {
        scene.world.post(&scene.path(verb), json!({})).await.refused(409);
    }
    let unknown = format!("{EFFECTS}/00000000-0000-0000-0000-00000000000f/give-up");
    scene.world.post(&unknown, json!({ "reason": "x" })).await.refused(404);
}

#[actix_web::test]
async fn what_is_owed_is_measured_adapter_by_adapter() {
    let scene = Scene::set().await;
    scene.world.days_pass(1);
    let metrics = scene.world.metrics().await;
    for line in [
        "muster_effects_owed{adapter=\"nobody\"} 1",
        "muster_effects_in_flight{adapter=\"nobody\"} 0",
        "muster_effects_parked{adapter=\"nobody\"} 0",
        "muster_effects_oldest_seconds{adapter=\"nobody\"} 86400",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} in\n{metrics}");
    }
    scene.parked().await;
    let metrics = scene.world.metrics().await;
    for line in [
        "muster_effects_owed{adapter=\"nobody\"} 0",
        "muster_effects_parked{adapter=\"nobody\"} 1",
        "muster_effects_oldest_seconds{adapter=\"nobody\"} 0",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} in\n{metrics}");
    }
}

#[actix_web::test]
async fn whoever_watches_is_warned_while_something_waits_for_a_person() {
    let scene = Scene::set().await;
    assert_eq!(scene.warnings().await, json!([]));
    scene.parked().await;
    assert_eq!(scene.warnings().await, json!(["1 device action(s) wait for a person"]));
    scene.world.post(&scene.path("retry"), json!({})).await.is(200);
    assert_eq!(scene.warnings().await, json!([]));
}
