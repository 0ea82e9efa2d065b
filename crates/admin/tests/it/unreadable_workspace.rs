//! A workspace of whose own events one cannot be read: what it takes along, and what it does not.

use std::sync::Arc;

use app::Caller;
use domain::ids::ConnectorName;
use event_log::{Clock, EventLog, SqliteLog, SqliteOptions, StreamId, WorkspaceId};
use projections::ReadModels;
use serde_json::json;
use uuid::Uuid;

use crate::world::{World, app};

/// The workspace that cannot be read; `acme` can.
const BROKEN: &str = "broken";

/// Lets a workspace beside `acme` have an event that this version does not know; of its own stream.
async fn break_one(world: &World) {
    world.post("/workspaces", json!({ "slug": BROKEN, "name": "Broken" })).await.is(201);
    let own = StreamId::new("workspace", Uuid::nil());
    world.record_in(BROKEN, own, 1, "workspace.unheard_of", &[json!({})]).await;
}

#[actix_web::test]
async fn others_are_swept_out() {
    let (world, token) =
        World::with_scim("store", json!({ "on_create": "create", "on_deactivate": "remove_user" }))
            .await;
    let caller = world.caller("store", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    break_one(&world).await;
    let world = world.again();
    world.delete("/workspaces/acme/connectors/store?people=deactivate").await.is(204);
    world.app.swept(&caller.workspace, &ConnectorName::parse("store").unwrap()).await;
    let ada = world.get(&format!("/workspaces/acme/employees/{ada}")).await.is(200);
    assert_eq!(ada["account"], json!("suspended"));
}

#[actix_web::test]
async fn others_are_warned_of_tokens_that_end_soon() {
    let (world, _) = World::with_scim("store", json!({})).await;
    break_one(&world).await;
    let world = world.again();
    world.days_pass(340);
    world.app.look_at_tokens().await;
    assert_eq!(world.app.tokens_ending(), 1);
}

#[actix_web::test]
async fn others_are_listed_and_it_is_listed_with_the_reason() {
    let (world, _) = World::with_scim("store", json!({})).await;
    break_one(&world).await;
    let world = world.again();
    let listed = world.items("/workspaces").await;
    assert_eq!(listed.len(), 2);
    assert_eq!((&listed[0]["slug"], &listed[0]["name"]), (&json!("acme"), &json!("Acme")));
    assert!(listed[0].get("unreadable").is_none());
    assert_eq!((&listed[1]["slug"], listed[1].get("name")), (&json!(BROKEN), None));
    let why = listed[1]["unreadable"].as_str().unwrap();
    assert!(why.starts_with("an event of this cannot be read"), "{why}");
    assert_eq!(world.items("/workspaces?q=acme").await.len(), 1);
    assert_eq!(world.items("/workspaces?q=brok").await.len(), 1);
    world.get("/workspaces/broken").await.refused(503);
}

#[actix_web::test]
async fn a_hold_in_it_is_not_skipped_and_whoever_asks_is_told_what_helps() {
    let (world, _) = World::with_scim("store", json!({})).await;
    break_one(&world).await;
    let person = StreamId::new("user", Uuid::from_u128(7));
    world.record_in(BROKEN, person, 0, "user.unheard_of", &[json!({})]).await;
    let world = world.again();
    let broken = WorkspaceId::parse(BROKEN).unwrap();
    world.app.read_models().followed("directory", &broken).await.unwrap();
    let holds = world.items("/projections/holds?q=directory.broken.user").await;
    let path = format!("/projections/holds/{}", holds[0]["id"].as_str().unwrap());
    let position = holds[0]["position"].as_u64().unwrap();
    for position in [position, position + 1] {
        let skip = json!({ "position": position, "reason": "it was a trial" });
        let detail = world.post(&format!("{path}/skip"), skip).await.refused(503);
        assert!(detail.contains("muster restore"), "{detail}");
    }
    let unskip = json!({ "position": position });
    let detail = world.post(&format!("{path}/unskip"), unskip).await.refused(503);
    assert!(detail.contains("muster restore"), "{detail}");
}

#[actix_web::test]
async fn rule_32_people_of_others_are_erased() {
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let caller = world.caller("store", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    break_one(&world).await;
    let person = StreamId::new("user", Uuid::from_u128(7));
    world.record_in(BROKEN, person, 0, "user.erased", &[json!({ "unheard_of": 1 })]).await;
    let world = world.again();
    let erased = world.post(&format!("/workspaces/acme/people/{ada}/erase"), json!({})).await;
    assert_eq!(erased.is(200)["state"], json!("completed"));
}

#[actix_web::test]
async fn a_server_that_was_killed_starts_beside_it() {
    let (world, _) = World::with_scim("store", json!({})).await;
    break_one(&world).await;
    // What a kill leaves.
    let dir = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(world.log.data_dir()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
    let log = SqliteLog::open(SqliteOptions::new(dir.path()), clock).unwrap();
    let read_models = tempfile::tempdir().unwrap();
    let read_models = ReadModels::open(read_models.path(), Arc::clone(&log) as _).unwrap();
    let app = app(&log, &world.clock, read_models);
    assert!(log.journal().was_cut_off());
    app.recover_provisioning_log().await.unwrap();
    assert!(log.journal().was_cut_off(), "it is looked at again at the next start");
}

/// Lets `acme` itself have such an event.
async fn break_acme(world: World, caller: &Caller) -> World {
    let own = StreamId::new("workspace", Uuid::nil());
    let version = world.app.workspace(&caller.workspace).await.unwrap().version;
    world.record(own, version, "workspace.unheard_of", &json!({})).await;
    let world = world.again();
    world.app.read_models().followed("effects", &caller.workspace).await.unwrap();
    world
}

#[actix_web::test]
async fn what_waits_for_a_decision_is_counted_all_the_same() {
    let (world, caller, _) = World::with_somebody_held().await;
    assert_eq!(world.items("/workspaces/acme/holds").await.len(), 1);
    let world = break_acme(world, &caller).await;
    assert_eq!(world.app.offboardings_held().await.unwrap(), 1);
}

#[actix_web::test]
async fn what_is_owed_to_its_devices_is_counted_all_the_same() {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user_and_devices" });
    let (world, token) = World::with_planner(rule).await;
    let caller = world.caller("mdm", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let device = json!({ "serial": "S-1", "platform": "ios", "user": ada });
    world.post("/workspaces/acme/mdm/devices", device).await.is(201);
    world.set_active(&caller, ada, false).await;
    let owed = world.items("/workspaces/acme/effects").await.len() as u64;
    assert!(owed > 0);
    let world = break_acme(world, &caller).await;
    assert_eq!(world.app.effects_by_state().await.unwrap().values().sum::<u64>(), owed);
}
