//! The read models, for operators.

use serde_json::json;

use crate::world::World;

#[actix_web::test]
async fn projections_are_shown_rebuilt_and_verified() {
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let caller = world.caller("store", &token).await;
    world.provision(&caller, "ada@acme.example").await;
    let employees = world.items("/workspaces/acme/employees").await;

    let names = ["dashboard", "directory", "effects", "mdm", "store", "timeline"];
    let all = world.items("/projections").await;
    assert_eq!(all.iter().map(|it| &it["id"]).collect::<Vec<_>>(), names);
    let store = &all[4];
    assert_eq!((&store["lag"], &store["stale"]), (&json!(0), &json!(false)));
    let reached = json!([{ "workspace": "acme", "position": 7, "head": 7, "held": 0 }]);
    assert_eq!(store["workspaces"], reached);

    let rebuilt = world.post("/projections/rebuild", json!({ "projection": "store" })).await;
    assert_eq!(rebuilt.is(200), json!({ "rebuilt": ["store"] }));
    let rebuilt = world.post("/projections/rebuild", json!({})).await.is(200);
    assert_eq!(rebuilt["rebuilt"].as_array().unwrap().len(), names.len());
    assert_eq!(world.items("/workspaces/acme/employees").await, employees);
    assert_eq!(world.items("/projections").await[4]["generation"], json!(3));

    let verified = world.post("/projections/verify", json!({})).await.is(200);
    assert_eq!((&verified["sound"], &verified["differences"]), (&json!(true), &json!([])));
    let contents = verified["contents"].as_array().unwrap();
    assert_eq!(contents.len(), names.len());
    assert_eq!(contents[0]["sha256"].as_str().unwrap().len(), 64);
    let metrics = world.metrics().await;
    assert!(metrics.contains("muster_projection_differs{projection=\"store\"} 0\n"), "{metrics}");
    let builds = world.items("/projections/builds").await;
    let purposes: Vec<_> = builds.iter().map(|it| it["purpose"].as_str().unwrap()).collect();
    assert_eq!(purposes, ["verify", "rebuild", "rebuild"]);
    assert!(builds.iter().all(|it| it["state"] == "done" && it["done"] == it["total"]));
    for verb in ["rebuild", "verify"] {
        let unknown = json!({ "projection": "shop" });
        let detail = world.post(&format!("/projections/{verb}"), unknown).await.refused(400);
        assert!(detail.contains("directory"), "{detail}");
    }
}

#[actix_web::test]
async fn a_rebuild_ends_what_was_found_to_differ() {
    let (world, token) = World::with_scim("store", json!({ "on_create": "nothing" })).await;
    let caller = world.caller("store", &token).await;
    world.provision(&caller, "ada@acme.example").await;
    // Rows that come after they were spoilt are sound.
    while world.items("/projections").await.iter().any(|it| it["lag"] != 0) {
        actix_web::rt::task::yield_now().await;
    }
    let whole = json!({ "projection": "directory" });
    let differs = "muster_projection_differs{projection=\"directory\"} 1\n";
    for wait in [true, false] {
        world.spoil("directory", "DELETE FROM entries");
        let verified = world.post("/projections/verify", whole.clone()).await.is(200);
        assert_eq!(verified["sound"], json!(false));
        assert!(world.metrics().await.contains(differs));
        let rebuild = json!({ "projection": "directory", "wait": wait });
        world.post("/projections/rebuild", rebuild).await;
        while world.items("/projections/builds").await[0]["state"] != "done" {
            actix_web::rt::task::yield_now().await;
        }
        // Said a moment after the build is done.
        while world.metrics().await.contains(differs) {
            actix_web::rt::task::yield_now().await;
        }
    }
}
