//! The probes, without a token.

use actix_web::{http::Method, test::TestRequest};
use serde_json::json;

use crate::world::{Answer, World};

async fn ask(world: &World, path: &str) -> Answer {
    world.send(TestRequest::get().uri(path)).await
}

#[actix_web::test]
async fn anybody_may_ask_whether_it_is_alive_and_ready() {
    let world = World::new();
    ask(&world, "/healthz").await.is(200);
    let ready = ask(&world, "/readyz").await.is(200);
    assert_eq!((&ready["status"], &ready["warnings"]), (&json!("ready"), &json!([])));
    // As whoever watches only for the status asks.
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = world.send(TestRequest::with_uri(path).method(Method::HEAD)).await;
        assert_eq!(answer.status, 200, "{path}");
    }
}

#[actix_web::test]
async fn metrics_count_and_name_nobody() {
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let caller = world.caller("store", &token).await;
    world.provision(&caller, "ada@acme.example").await;
    world.items("/workspaces/acme/employees").await;
    let metrics = ask(&world, "/metrics").await;
    assert_eq!(metrics.status, 200);
    let text = &metrics.text;
    for line in [
        "muster_workspaces 1",
        "muster_events_total 7",
        "muster_policy_lag_events 0",
        "muster_projection_lag_events{projection=\"store\"} 0",
        "muster_projection_stale_workspaces{projection=\"directory\"} 0",
        "muster_projection_held_streams{projection=\"mdm\"} 0",
        "muster_log_events_total 7",
        "muster_log_read_only 0",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
    }
    for line in text.lines() {
        assert!(line.starts_with("muster_") || line.starts_with('#'), "{line}");
    }
    assert!(!text.contains("acme"), "whoever reaches the port can read it");
}
