//! The record (rule 29).

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use crate::{
    access::push,
    world::{TOKEN, World},
};

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
    assert_eq!(types(&world, "connector=store").await, of_ada);
    assert_eq!(types(&world, "connector=okta").await.len(), 0);
    assert_eq!(types(&world, "connector=store&type=user.account_*").await, of_ada[1..]);
    assert_eq!(types(&world, "actor=person:owner&type=workspace.*").await.len(), 6);
    assert_eq!(types(&world, "actor=person:owner&type=user.*").await.len(), 0);
    assert_eq!(types(&world, "correlation=c-1").await, of_ada);
    assert_eq!(types(&world, "actor=person:owner").await.len(), 6);
    assert_eq!(types(&world, "from=6&to=7").await, of_ada);
    assert_eq!(types(&world, "from=2026-01-02T00:00:00Z&to=2026-01-02T23:00:00Z").await, of_ada);
    assert_eq!(types(&world, "from=2026-01-02T00:00:00.000001Z").await, ["workspace.renamed"]);
    assert_eq!(types(&world, "to=2025-12-31T00:00:00Z").await.len(), 0);
    assert_eq!(types(&world, "to=99999").await.len(), 8);
    assert_eq!(types(&world, "after=99999").await.len(), 0);
    for bad in [
        "stream=ada",
        "stream=car/1",
        "from=soon",
        "after=x",
        "limit=0",
        "person=ada",
        "connector=Not A Slug",
        "connector=store&actor=person:owner",
    ] {
        let bad = bad.replace(' ', "%20");
        let detail = world.get(&format!("{EVENTS}?{bad}")).await.refused(400);
        assert!(detail.starts_with(bad.split('=').next().unwrap()), "{detail}");
    }
}

#[actix_web::test]
async fn what_is_about_a_person_is_found_wherever_it_stands() {
    let (world, token) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let caller = world.caller("store", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let bob = world.provision(&caller, "bob@acme.example").await.id;
    let sales = push(&world, &caller, "Sales", &[ada.to_string(), bob.to_string()]).await;
    push(&world, &caller, "Board", &[bob.to_string()]).await;
    world.app.delete_group(&caller, sales, None).await.unwrap();
    let of_ada =
        ["user.entry_added", "user.account_granted", "group.members_added", "group.deleted"];
    assert_eq!(types(&world, &format!("person={ada}")).await, of_ada);
    assert_eq!(types(&world, &format!("person={ada}&type=group.*")).await, of_ada[2..]);
    assert_eq!(types(&world, &format!("person={ada}&stream=group/{sales}")).await, of_ada[2..]);
    assert_eq!(types(&world, &format!("person={ada}&connector=okta")).await.len(), 0);
    assert_eq!(types(&world, &format!("person={bob}&type=group.members_added")).await.len(), 2);
    // In parts, of which one may be empty; and up to a position.
    let (mut found, mut after) = (Vec::new(), json!(0));
    while !after.is_null() {
        let path = format!("{EVENTS}?person={ada}&type=group.*&limit=1&after={after}");
        let part = world.get(&path).await.is(200);
        found.extend(part["items"].as_array().unwrap().clone());
        after = part["next"].clone();
    }
    assert_eq!(found, world.items(&format!("{EVENTS}?person={ada}&type=group.*")).await);
    let upto = found[0]["position"].as_u64().unwrap();
    assert_eq!(types(&world, &format!("person={ada}&to={upto}")).await, of_ada[..3]);
    // Followed and exported as it is read.
    let head = world.items(EVENTS).await.len();
    let followed = world.get(&format!("{EVENTS}/stream?person={ada}&after=0&to={head}")).await;
    assert_eq!(followed.text.matches("data: ").count(), 4, "{}", followed.text);
    let export = world.get(&format!("/workspaces/acme/export?person={ada}")).await;
    assert_eq!(export.text.lines().count(), 6, "{}", export.text);
    world.get(&format!("{EVENTS}?person=00000000-0000-0000-0000-00000000000f")).await.refused(404);
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
