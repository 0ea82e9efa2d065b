//! Discovery.

use actix_web::http::Method;
use domain::workspace::Idp;
use serde_json::json;

use crate::support::{EU, Server};

#[actix_web::test]
async fn case_42_the_schemas_are_listed() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let reply = entra.get("/Schemas").await;
    let ids = reply.ids();
    for id in [
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "urn:ietf:params:scim:schemas:core:2.0:Group",
        EU,
        "urn:ietf:params:scim:schemas:core:2.0:Schema",
        "urn:ietf:params:scim:schemas:core:2.0:ResourceType",
        "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig",
    ] {
        assert!(ids.contains(&id), "{id}");
        let one = entra.get(&format!("/Schemas/{id}")).await;
        assert_eq!((one.status, one.id().as_str()), (200, id));
        let location = format!("https://muster.example{}/Schemas/{id}", entra.base);
        assert_eq!(one.body["meta"]["location"], location);
    }
    assert_eq!(entra.get(&format!("/Schemas/{}", EU.replace(':', "%3A"))).await.status, 200);
}

#[actix_web::test]
async fn case_43_discovery_says_what_there_is() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    assert_eq!(generic.get("/ResourceTypes").await.ids(), ["User", "Group"]);
    let user = generic.get("/ResourceTypes/User").await;
    assert_eq!((&user.body["endpoint"], &user.body["id"]), (&json!("/Users"), &json!("User")));
    for unknown in ["/ResourceTypes/Device", "/Schemas/urn:nope", "/Schemas/User"] {
        assert_eq!(generic.get(unknown).await.error(), (404, None), "{unknown}");
    }
    let all = ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/ResourceTypes/User"];
    for path in all {
        assert_eq!(generic.find(path, "id pr").await.error(), (403, None), "{path}");
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let reply = generic.send(method, path, Some(b"{}".to_vec())).await;
            assert_eq!(reply.error(), (405, None), "{path}");
            assert_eq!(reply.header("allow"), Some("GET, HEAD"));
        }
        let options = generic.send(Method::OPTIONS, path, None).await;
        assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD")));
    }
}

#[actix_web::test]
async fn the_configuration_can_be_read_without_a_token() {
    let server = Server::start().await;
    let mut nobody = server.client(Idp::Generic).await;
    nobody.token = None;
    let config = nobody.get("/ServiceProviderConfig").await;
    assert_eq!(config.status, 200);
    assert_eq!(config.body["patch"], json!({"supported": true}));
    assert_eq!(config.body["filter"], json!({"supported": true, "maxResults": 1_000}));
    for served in ["patch", "bulk", "sort", "etag"] {
        assert_eq!(config.body[served]["supported"], true, "{served}");
    }
    assert_eq!(config.body["changePassword"]["supported"], false);
    assert_eq!(config.body["pagination"]["cursor"], true);
    assert_eq!(nobody.get("/Schemas").await.error(), (401, None));
    nobody.base = "/scim/v2/Not-A-Slug/x".to_owned();
    assert_eq!(nobody.get("/ServiceProviderConfig").await.error(), (404, None));
}
