//! The record (rule 29).

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use crate::world::{TOKEN, World};

const EVENTS: &str = "/workspaces/acme/events";

async fn world() -> (World, String) {
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    world.days_pass(1);
    let caller = world.caller("store", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id.to_string();
    world.days_pass(1);
    world.patch("/workspaces/acme", json!({ "name": "Other" })).await.is(200);
    (world, ada)
}

async fn types(world: &World, query: &str) -> Vec<String> {
    let items = world.items(&format!("{EVENTS}?{query}")).await;
    items.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn everything_that_happened_is_told_in_order() {
    let (world, ada) = world().await;
    let all = [
        "workspace.created",
        "workspace.saml_configured",
        "workspace.connector_added",
        "workspace.token_issued",
        "workspace.provisioning_set",
        "user.entry_added",
        "user.account_granted",
        "workspace.renamed",
    ];
    assert_eq!(types(&world, "").await, all);
    let added = &world.items(&format!("{EVENTS}?type=user.entry_added")).await[0];
    assert_eq!((&added["position"], &added["version"]), (&json!(6), &json!(1)));
    assert_eq!(added["time"], json!("2026-01-02T00:00:00.000000Z"));
    assert_eq!(added["stream"], json!(format!("user/{ada}")));
    assert!(added["actor"].as_str().unwrap().starts_with("connector:store/"));
    assert_eq!((&added["request"], &added["correlation"]), (&json!("r-1"), &json!("c-1")));
    assert_eq!((&added["causation"], &added["rule"]["position"]), (&json!(null), &json!(5)));
    assert_eq!(added["rule"]["on_create"], json!("create"));
    assert_eq!(added["data"]["resource"]["userName"], json!("ada@acme.example"));

    // In parts.
    let mut found = Vec::new();
    let mut after = json!(0);
    while !after.is_null() {
        let part = world.get(&format!("{EVENTS}?limit=3&after={after}")).await.is(200);
        found.extend(part["items"].as_array().unwrap().clone());
        after = part["next"].clone();
    }
    assert_eq!(found, world.items(EVENTS).await);
}

#[actix_web::test]
async fn events_are_found_by_what_is_known_of_them() {
    let (world, ada) = world().await;
    let of_ada = ["user.entry_added", "user.account_granted"];
    assert_eq!(types(&world, &format!("stream=user/{ada}")).await, of_ada);
    assert_eq!(types(&world, &format!("stream=user/{ada}&after=6")).await, of_ada[1..]);
    let part = world.get(&format!("{EVENTS}?stream=user/{ada}&limit=1")).await.is(200);
    assert_eq!(part["next"], json!(6));
    assert_eq!(types(&world, "type=user.*").await, of_ada);
    assert_eq!(types(&world, "actor=connector:store").await, of_ada);
    assert_eq!(types(&world, "actor=connector:sto").await.len(), 0);
    assert_eq!(types(&world, "correlation=c-1").await, of_ada);
    assert_eq!(types(&world, "actor=person:owner").await.len(), 6);
    assert_eq!(types(&world, "from=6&to=7").await, of_ada);
    assert_eq!(types(&world, "from=2026-01-02T00:00:00Z&to=2026-01-02T23:00:00Z").await, of_ada);
    assert_eq!(types(&world, "from=2026-01-02T00:00:00.000001Z").await, ["workspace.renamed"]);
    assert_eq!(types(&world, "to=2025-12-31T00:00:00Z").await.len(), 0);
    assert_eq!(types(&world, "to=99999").await.len(), 8);
    assert_eq!(types(&world, "after=99999").await.len(), 0);
    for bad in ["stream=ada", "stream=car/1", "from=soon", "after=x", "limit=0"] {
        let detail = world.get(&format!("{EVENTS}?{bad}")).await.refused(400);
        assert!(detail.starts_with(bad.split('=').next().unwrap()), "{detail}");
    }
}

#[actix_web::test]
async fn the_record_comes_as_lines_too() {
    let (world, _) = world().await;
    let lines = async |query: &str| {
        let request = TestRequest::get()
            .uri(&format!("/api/v1{EVENTS}?{query}"))
            .insert_header(("accept", "application/x-ndjson"))
            .insert_header(("authorization", format!("Bearer {TOKEN}")));
        world.send(request).await
    };
    let answer = lines("").await;
    assert_eq!(answer.headers.get("content-type").unwrap(), "application/x-ndjson");
    let read = |text: &str| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(read(&answer.text), world.items(EVENTS).await);
    assert_eq!(read(&lines("type=user.*&limit=1").await.text).len(), 1);
    lines("stream=nonsense").await.refused(400);
}

#[actix_web::test]
async fn a_request_keeps_the_id_that_its_client_gave_it() {
    let world = World::new();
    let make = async |slug: &str, header: &str, id: &str| {
        let request = TestRequest::post()
            .uri("/api/v1/workspaces")
            .insert_header((header, id))
            .insert_header(("authorization", format!("Bearer {TOKEN}")))
            .set_json(json!({ "slug": slug, "name": slug }));
        let answer = world.send(request).await;
        let echoed = answer.headers.get("x-request-id").unwrap().to_str().unwrap().to_owned();
        answer.is(201);
        let event = world.items(&format!("/workspaces/{slug}/events")).await.remove(0);
        assert_eq!(event["correlation"], json!(echoed));
        assert_ne!(event["request"], json!(id), "the request's own id is ours");
        echoed
    };
    assert_eq!(make("a", "x-request-id", "A-1:x.y_z").await, "A-1:x.y_z");
    assert_eq!(make("b", "client-request-id", "entra-7").await, "entra-7");
    assert_ne!(make("c", "x-request-id", "not an id").await, "not an id");
}
