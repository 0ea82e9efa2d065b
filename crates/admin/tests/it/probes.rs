//! The probes, without a token.

use std::sync::Arc;

use actix_web::{
    http::Method,
    test::{self, TestRequest},
};
use domain::ids::EntryId;
use event_log::Stats;
use scim::{
    resource::Resource,
    schema::{Catalogue, Kind},
};
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
async fn a_server_whose_log_takes_nothing_is_not_ready() {
    let world = World::new();
    let log = Arc::clone(&world.log);
    let probes = admin::Probes::new(Arc::clone(&world.app))
        .with_log(move || Stats { read_only: true, ..log.stats() });
    let server = actix_web::App::new().configure(admin::configure_probes(&probes));
    let server = test::init_service(server).await;
    let answer = test::call_service(&server, TestRequest::get().uri("/readyz").to_request()).await;
    assert_eq!(answer.status(), 503);
    let ready: serde_json::Value = test::read_body_json(answer).await;
    let warnings = json!(["the log takes nothing any more: its storage failed"]);
    assert_eq!((&ready["status"], &ready["warnings"]), (&json!("stopped"), &warnings));
}

#[actix_web::test]
async fn a_server_is_ready_as_long_as_the_directory_goes_on_in_an_open_workspace() {
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let caller = world.caller("store", &token).await;
    for slug in ["globex", "initech"] {
        world.post("/workspaces", json!({ "slug": slug, "name": slug })).await.is(201);
    }
    world.delete("/workspaces/initech").await.is(204);
    world.app.read_models().started().await;
    for status in world.app.projections() {
        world.app.read_models().followed(status.projection, &status.workspace).await.unwrap();
    }
    let locked = world.spoil("directory", "BEGIN IMMEDIATE");
    let body = json!({ "userName": "ada@acme.example" });
    let body = Resource::parse(Kind::User, body, Catalogue::standard()).unwrap();
    // She is recorded, whatever is answered.
    drop(world.app.create_user(&caller, EntryId(world.app.fresh_id()), body).await);
    let stale = world.app.read_models().followed("directory", &caller.workspace).await.unwrap_err();
    assert!(stale.reason.starts_with("its file cannot be written: "), "{stale}");
    let warned = async |status: u16| {
        let ready = ask(&world, "/readyz").await.is(status);
        let warning = json!("the projection directory has stopped in 1 workspace(s)");
        assert!(ready["warnings"].as_array().unwrap().contains(&warning), "{ready}");
        ready["status"].clone()
    };
    assert_eq!(warned(200).await, json!("ready"));
    world.delete("/workspaces/globex").await.is(204);
    assert_eq!(warned(503).await, json!("stopped"));
    drop(locked);
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
