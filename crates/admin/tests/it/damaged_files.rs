//! A file of a read model that is damaged while the server runs: what everybody is told, and how it ends.

use actix_web::{http::header::HeaderValue, test::TestRequest};
use projections::Order;
use serde_json::json;

use crate::world::World;

const EMPLOYEES: &str = "/workspaces/acme/employees";

#[actix_web::test]
async fn a_damaged_file_is_named_and_built_again_by_itself() {
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let caller = world.caller("store", &token).await;
    world.provision(&caller, "ada@acme.example").await;
    world.app.settled(&caller.workspace).await;
    let models = world.app.read_models();
    models.caught_up("store", &caller.workspace).await.unwrap();
    // Nobody can build as long as somebody else does.
    let order = Order { projection: Some("mdm".to_owned()), workspace: None };
    let other = models.begin(&order).unwrap();
    world.overwrite("store");

    let answer = world.get(EMPLOYEES).await;
    assert_eq!(answer.headers.get("retry-after").map(HeaderValue::as_bytes), Some(&b"30"[..]));
    let detail = answer.refused(503);
    assert!(detail.starts_with("the file of the view store is damaged"), "{detail}");
    // From then on nobody reads it, and what it still shows is believed by nobody.
    while models.vacancies().is_empty() {
        std::thread::yield_now();
    }
    let detail = world.get(EMPLOYEES).await.refused(503);
    let expected = "the file of the view store was damaged and waits to be built again: ask again";
    assert!(detail.starts_with(expected), "{detail}");
    let ask = |path| world.send(TestRequest::get().uri(path));
    let ready = ask("/readyz").await.is(200);
    let warning = "the file of the projection store was damaged and waits to be built again";
    let warnings = ready["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|it| it.as_str().unwrap().starts_with(warning)), "{ready}");
    assert!(
        ask("/metrics").await.text.contains("muster_projection_damages{projection=\"store\"} 1\n")
    );
    // Others go on.
    world.provision(&caller, "bob@acme.example").await;

    other.run(&mut |_| {}).unwrap();
    while models.is_damaged() {
        std::thread::yield_now();
    }
    assert_eq!(world.items(EMPLOYEES).await.len(), 2);
    let builds = world.items("/projections/builds").await;
    assert_eq!(
        (&builds[0]["purpose"], &builds[0]["projections"]),
        (&json!("repair"), &json!(["store"]))
    );
    assert_eq!(ask("/readyz").await.is(200)["warnings"], json!([]));
}

#[actix_web::test]
async fn a_comparison_says_what_is_wrong_with_a_file() {
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let caller = world.caller("store", &token).await;
    world.provision(&caller, "ada@acme.example").await;
    world.app.settled(&caller.workspace).await;
    let models = world.app.read_models();
    models.caught_up("store", &caller.workspace).await.unwrap();
    world.spoil("store", "DROP INDEX accounts_by_name");
    let found = world.post("/projections/verify", json!({ "projection": "store" })).await.is(200);
    let damaged = json!([{ "projection": "store", "says": "there is no accounts_by_name" }]);
    assert_eq!((&found["sound"], &found["damaged"]), (&json!(false), &damaged));
    assert_eq!((&found["differences"], &found["contents"]), (&json!([]), &json!([])));
    while models.is_damaged() {
        std::thread::yield_now();
    }
    models.wait_for_builds();
    let found = world.post("/projections/verify", json!({ "projection": "store" })).await.is(200);
    assert_eq!((&found["sound"], &found["damaged"]), (&json!(true), &json!([])));
}
