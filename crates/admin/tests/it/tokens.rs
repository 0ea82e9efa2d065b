//! Tokens: two live, shown once, revoked at once (rule 3).

use std::time::Duration;

use actix_web::test::TestRequest;
use app::RequestIds;
use serde_json::json;

use crate::world::World;

const TOKENS: &str = "/workspaces/acme/connectors/store/tokens";

async fn opens(world: &World, token: &str) -> bool {
    let bearer = format!("Bearer {token}");
    let ids = RequestIds::default();
    world.app.authenticate("acme", "store", Some(&bearer), ids).await.is_ok()
}

#[actix_web::test]
async fn a_rotation_cuts_off_no_cycle() {
    let (world, old) = World::with_scim("store", json!({})).await;
    let issued = world.post(TOKENS, json!({})).await.is(201);
    let new = issued["token"].as_str().unwrap();
    assert_eq!(issued["id"], issued["token_id"]);
    assert!(opens(&world, &old).await && opens(&world, new).await);
    assert!(world.post(TOKENS, json!({})).await.refused(409).contains("two tokens are live"));

    let listed = world.get(TOKENS).await;
    assert!(!listed.text.contains("mst_") && !listed.text.contains("digest"));
    let listed = listed.is(200)["items"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|token| token["live"] == json!(true)));

    let first = listed[0]["id"].as_str().unwrap();
    world.delete(&format!("{TOKENS}/{first}")).await.is(204);
    world.delete(&format!("{TOKENS}/{first}")).await.is(204);
    assert!(!opens(&world, &old).await && opens(&world, new).await);
    let listed = world.items(TOKENS).await;
    assert_eq!(listed[0]["revoked_at"], json!("2026-01-01T00:00:00.000000Z"));
    assert_eq!(listed[0]["live"], json!(false));
    world.post(TOKENS, json!({})).await.is(201);
    world.delete(&format!("{TOKENS}/00000000-0000-0000-0000-00000000000f")).await.refused(404);
}

#[actix_web::test]
async fn rule_3_a_token_ends_and_is_warned_of_before() {
    let (world, token) = World::with_scim("store", json!({})).await;
    let warnings = async || {
        let connector = world.get("/workspaces/acme/connectors/store").await.is(200);
        let warnings = connector["warnings"].as_array().unwrap().clone();
        warnings.iter().map(|it| it.as_str().unwrap().to_owned()).collect::<Vec<_>>().join("; ")
    };
    // What the one who looks after the server sees.
    let probes = async || {
        world.app.look_at_tokens().await;
        let ready = world.send(TestRequest::get().uri("/readyz")).await.is(200);
        let metrics = world.send(TestRequest::get().uri("/metrics")).await.text;
        let metric = metrics.lines().find(|line| line.starts_with("muster_tokens_ending "));
        (ready["warnings"].clone(), metric.unwrap().to_owned())
    };
    assert_eq!(warnings().await, "");
    assert_eq!(probes().await, (json!([]), "muster_tokens_ending 0".to_owned()));
    world.days_pass(340);
    assert!(warnings().await.contains("expires at 2027-01-01"), "{}", warnings().await);
    let says = json!(["1 token(s) of connectors end within 30 days"]);
    assert_eq!(probes().await, (says, "muster_tokens_ending 1".to_owned()));
    assert!(opens(&world, &token).await);
    world.days_pass(25);
    assert!(!opens(&world, &token).await);
    assert!(warnings().await.starts_with("no token is live"), "{}", warnings().await);
    assert_eq!(probes().await, (json!([]), "muster_tokens_ending 0".to_owned()));

    let soon = json!({ "expires_at": "2027-01-02T01:00:00+01:00" });
    let issued = world.post(TOKENS, soon).await.is(201);
    assert_eq!(issued["expires_at"], json!("2027-01-02T00:00:00.000000Z"));
    for bad in ["2020-01-01T00:00:00Z", "tomorrow"] {
        let detail = world.post(TOKENS, json!({ "expires_at": bad })).await.refused(400);
        assert!(detail.contains("expires_at"), "{detail}");
    }
}

#[actix_web::test]
async fn the_last_use_of_a_token_is_shown_to_within_five_minutes() {
    let (world, token) = World::with_scim("store", json!({})).await;
    let last_used = async || world.items(TOKENS).await[0].get("last_used").cloned();
    assert_eq!(last_used().await, None);
    assert!(!opens(&world, &token.replace("mst_", "mst_x")).await);
    assert_eq!(last_used().await, None);
    assert!(opens(&world, &token).await);
    assert_eq!(last_used().await, Some(json!("2026-01-01T00:00:00.000000Z")));
    world.clock.advance(Duration::from_secs(299));
    assert!(opens(&world, &token).await);
    assert_eq!(last_used().await, Some(json!("2026-01-01T00:00:00.000000Z")));
    world.clock.advance(Duration::from_secs(1));
    assert!(opens(&world, &token).await);
    assert_eq!(last_used().await, Some(json!("2026-01-01T00:05:00.000000Z")));
}
