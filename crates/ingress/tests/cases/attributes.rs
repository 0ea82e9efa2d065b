//! The history of attributes (rule 19): what requests carry, whatever becomes of them.

use std::collections::BTreeMap;

use domain::workspace::Idp;
use serde_json::json;

use crate::support::{EU, Server};

fn named<const N: usize>(seen: [(&str, u64); N]) -> BTreeMap<String, u64> {
    seen.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

#[actix_web::test]
async fn rule_19_what_post_and_put_carry_is_remembered_known_or_not() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    assert!(server.seen().await.is_empty());
    let body = json!({
        "schemas": [], "id": "7", "userName": "ada", "name": {"givenName": "Ada"}, "shoeSize": 38,
        "title": null, EU: {"department": "math"}, "urn:company:2.0:User": {"floor": 3}
    });
    let made = entra.post("/Users", body.clone()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let once = [
        ("core:User name", 1),
        ("core:User name.givenName", 1),
        ("core:User shoeSize", 1),
        ("core:User title", 1),
        ("core:User userName", 1),
        ("enterprise:User department", 1),
        ("urn:company:User floor", 1),
    ];
    assert_eq!(server.seen().await, named(once));
    assert_eq!(entra.put(&format!("/Users/{}", made.id()), body).await.status, 200);
    assert_eq!(server.seen().await, named(once.map(|(name, _)| (name, 2))));

    entra.group("Engineers", &[]).await;
    let seen = server.seen().await;
    assert_eq!(seen["core:Group displayName"], 1, "{seen:?}");
    // What reads carry is not what they are about.
    entra.find("/Users", "nickName eq \"x\"").await;
    assert_eq!(server.seen().await, seen);
}

#[actix_web::test]
async fn rule_19_every_path_of_a_patch_is_remembered() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let user = format!("/Users/{}", entra.user("ada").await);
    let operations = json!([
        {"op": "Add", "path": "emails[type eq \"work\"].value", "value": "a@x"},
        {"op": "Replace", "path": "name.givenName", "value": "Ada"},
        {"op": "Add", "path": format!("{EU}:department"), "value": "math"},
        {"op": "Add", "path": "urn:company:2.0:User", "value": {"floor": 3}},
        {"op": "Remove", "path": "title"},
        {"op": "Add", "value": {"nickName": "a", "name.familyName": "L", EU: {"division": "d"}}},
    ]);
    let reply = entra.patch(&user, operations).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let expected = named([
        ("core:User active", 1),
        ("core:User emails", 1),
        ("core:User name", 1),
        ("core:User name.familyName", 1),
        ("core:User name.givenName", 1),
        ("core:User nickName", 1),
        ("core:User title", 1),
        ("core:User userName", 1),
        ("enterprise:User department", 1),
        ("enterprise:User division", 1),
        ("urn:company:User floor", 1),
    ]);
    assert_eq!(server.seen().await, expected);
}

#[actix_web::test]
async fn rule_19_bulk_and_requests_that_are_refused_count_too() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let user = format!("/Users/{}", generic.user("ada").await);
    let nobody = format!("/Users/{}", uuid::Uuid::from_u128(7));
    let head = server.head();
    for (refused, status) in [
        (generic.post("/Users", json!({"userName": "ADA", "title": "x"})).await, 409),
        (generic.post("/Users", json!({"nickName": "x"})).await, 400),
        (generic.put(&nobody, json!({"userName": "x", "locale": "de"})).await, 404),
        (
            generic
                .patch(&user, json!([{"op": "replace", "path": "active", "value": "perhaps"}]))
                .await,
            400,
        ),
        (
            generic
                .patch(
                    &user,
                    json!([
                        {"op": "add", "path": "timezone", "value": "x"},
                        {"op": "explode", "path": "displayName", "value": "x"},
                        {"op": "add", "path": "timezone", "value": "y"},
                    ]),
                )
                .await,
            400,
        ),
    ] {
        assert_eq!(refused.status, status, "{refused:?}");
    }
    let broken = b"{\"preferredLanguage\": ".to_vec();
    let broken = generic.send(actix_web::http::Method::POST, "/Users", Some(broken)).await;
    assert_eq!(broken.status, 400);
    assert_eq!(server.head(), head);
    let expected = named([
        ("core:User active", 2),
        ("core:User displayName", 1),
        ("core:User locale", 1),
        ("core:User nickName", 1),
        ("core:User timezone", 1),
        ("core:User title", 1),
        ("core:User userName", 3),
    ]);
    assert_eq!(server.seen().await, expected);

    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": "b", "data": {"userName": "bob"}},
            {"method": "PATCH", "path": user, "data": {"Operations": [
                {"op": "add", "path": "profileUrl", "value": "https://x"},
            ]}},
        ],
    });
    assert_eq!(generic.post("/Bulk", bulk).await.status, 200);
    let seen = server.seen().await;
    assert_eq!((seen["core:User profileUrl"], seen["core:User userName"]), (1, 4));
}

#[actix_web::test]
async fn rule_19_the_first_sight_is_a_fact_and_the_next_ones_are_not() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let firsts = async || {
        let events = server.app.log().read(&server.workspace, 0, 1_000).await.unwrap();
        events.into_iter().filter(|event| event.name == "workspace.attributes_seen").count()
    };
    entra.user("ada").await;
    assert_eq!(firsts().await, 1);
    entra.user("bob").await;
    assert_eq!(firsts().await, 1);
    // Another connector begins anew.
    let okta = server.client_of("okta", Idp::Okta).await;
    okta.user("cyd").await;
    assert_eq!(firsts().await, 2);
    let seen = server.seen().await;
    assert_eq!(seen["core:User userName"], 2);
}
