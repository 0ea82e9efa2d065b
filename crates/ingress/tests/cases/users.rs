//! Users: created, read, replaced, deactivated, removed.

use domain::{portal::Portal, workspace::Idp};
use serde_json::{Value, json};

use crate::support::{EU, Server, person};

/// The body of Microsoft's documentation.
fn ada() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", EU],
        "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
        "userName": "Ada@contoso.com",
        "active": true,
        "emails": [{"primary": true, "type": "work", "value": "ada@contoso.com"}],
        "meta": {"resourceType": "User", "location": "https://elsewhere", "version": "W/\"99\""},
        "name": {"formatted": "Ada Lovelace", "familyName": "Lovelace", "givenName": "Ada"},
        "roles": []
    })
}

#[actix_web::test]
async fn case_01_the_probe_of_a_test_connection_finds_nobody() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let reply = entra.find("/Users", "userName eq \"8b6bd4d5-6a3b-4c2f-9d3e-000000000000\"").await;
    assert!(reply.ids().is_empty());
    assert_eq!(reply.body["totalResults"], 0);
    assert_eq!(reply.body["Resources"], json!([]));
}

#[actix_web::test]
async fn case_02_without_a_good_token_there_is_nothing_to_see() {
    let server = Server::start().await;
    let okta = server.client(Idp::Okta).await;
    okta.user("ada").await;
    let mut details = Vec::new();
    for token in [None, Some("Bearer x"), Some("mst_x"), Some("mst_00_secret")] {
        let mut other = okta.clone();
        other.token = token.map(str::to_owned);
        let reply = other.get("/Users").await;
        assert_eq!(reply.error(), (401, None));
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        details.push(reply.body["detail"].to_string());
    }
    assert!(details[0].contains("Authorization: Bearer"), "{}", details[0]);
    assert_eq!(okta.get("/Users").await.ids().len(), 1);
}

#[actix_web::test]
async fn case_03_a_user_of_entra_is_created() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let reply = entra.post("/Users", ada()).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let location = format!("https://muster.example{}/Users/{}", entra.base, reply.id());
    assert_eq!(reply.header("location"), Some(location.as_str()));
    assert_eq!(reply.header("etag"), Some("W/\"1\""));
    assert_eq!(reply.body["active"], true);
    assert_eq!(
        reply.body["meta"],
        json!({
            "resourceType": "User",
            "created": "2026-01-01T00:00:00.000Z",
            "lastModified": "2026-01-01T00:00:00.000Z",
            "location": location,
            "version": "W/\"1\""
        })
    );
    assert_eq!(reply.body["externalId"], ada()["externalId"]);
    let read = entra.get(&format!("/Users/{}", reply.id())).await;
    assert_eq!((read.status, &read.body), (200, &reply.body));
    assert_eq!(read.header("location"), Some(location.as_str()));
}

#[actix_web::test]
async fn case_04_a_user_is_found_at_once_by_a_user_name_in_capitals() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let id = entra.post("/Users", ada()).await.id();
    let reply = entra.find("/Users", "userName eq \"ADA@CONTOSO.COM\"").await;
    assert_eq!(reply.ids(), [id]);
    assert_eq!(reply.body["Resources"][0]["userName"], "Ada@contoso.com");
}

#[actix_web::test]
async fn case_05_a_user_name_can_be_had_once() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    entra.post("/Users", ada()).await;
    let head = server.head();
    let reply = entra.post("/Users", json!({"userName": "ADA@contoso.com"})).await;
    assert_eq!(reply.error(), (409, Some("uniqueness")));
    assert_eq!(server.head(), head);
}

#[actix_web::test]
async fn case_08_a_copy_of_what_was_read_can_be_put_back() {
    let server = Server::start().await;
    let okta = server.client(Idp::Okta).await;
    let created = okta.post("/Users", ada()).await;
    let user = format!("/Users/{}", created.id());
    let group = okta.group("Engineers", &[&created.id()]).await;

    let mut copy = okta.get(&user).await.body;
    assert_eq!(copy["groups"][0]["value"], group);
    let head = server.head();
    let repeated = okta.put(&user, copy.clone()).await;
    assert_eq!((repeated.status, &repeated.body["meta"]), (200, &created.body["meta"]));
    assert_eq!(server.head(), head);

    copy["active"] = json!(false);
    copy["password"] = json!("Secret12");
    copy["id"] = json!("another");
    copy["groups"] = json!([]);
    let reply = okta.put(&user, copy).await;
    assert_eq!((reply.status, &reply.body["active"]), (200, &json!(false)));
    assert_eq!(reply.id(), created.id());
    assert_eq!(reply.body["groups"][0]["value"], group);
    assert_eq!(reply.body.get("password"), None);
    assert_eq!(reply.header("etag"), Some("W/\"2\""));
}

#[actix_web::test]
async fn case_09_an_inactive_user_is_found_and_reactivated_with_their_memberships() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let id = entra.user("ada").await;
    let group = entra.group("Engineers", &[&id]).await;
    let user = format!("/Users/{id}");
    entra.patch(&user, json!([{"op": "Replace", "path": "active", "value": "False"}])).await;

    let found = entra.find("/Users", "userName eq \"ada\"").await;
    assert_eq!(found.ids(), [id.as_str()]);
    assert_eq!(found.body["Resources"][0]["active"], false);
    let reply =
        entra.patch(&user, json!([{"op": "Replace", "path": "active", "value": "True"}])).await;
    assert_eq!((reply.status, &reply.body["active"]), (200, &json!(true)));
    assert_eq!((reply.id(), &reply.body["groups"][0]["value"]), (id.clone(), &json!(group)));
    assert_eq!(entra.members(&group).await, [id]);
}

#[actix_web::test]
async fn case_22_the_test_of_a_new_connector_finds_an_empty_list() {
    let server = Server::start().await;
    let okta = server.client(Idp::Okta).await;
    let reply = okta.get("/Users?startIndex=1&count=2").await;
    assert!(reply.ids().is_empty());
    assert_eq!((&reply.body["totalResults"], &reply.body["startIndex"]), (&json!(0), &json!(1)));
}

#[actix_web::test]
async fn case_27_a_deleted_user_is_gone_and_the_name_is_free() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let (id, other) = (entra.user("ada").await, entra.user("bob").await);
    let group = entra.group("Engineers", &[&id, &other]).await;
    let user = format!("/Users/{id}");
    let reply = entra.delete(&user).await;
    assert_eq!((reply.status, reply.body), (204, Value::Null));

    assert_eq!(entra.get(&user).await.error(), (404, None));
    assert_eq!(entra.delete(&user).await.error(), (404, None));
    assert!(entra.find("/Users", "userName eq \"ada\"").await.ids().is_empty());
    assert_eq!(entra.members(&group).await, [other]);
    let again = entra.user("ada").await;
    assert_ne!(again, id);
    assert_eq!(entra.get(&format!("/Users/{again}")).await.body.get("groups"), None);
}

#[actix_web::test]
async fn case_28_what_is_unknown_is_not_found_and_never_made() {
    let server = Server::start().await;
    let okta = server.client(Idp::Okta).await;
    let head = server.head();
    for id in ["0190f5e0-0000-7000-8000-00000000abcd", "7", "null", "..%2f", "bulkId:1", "%00"] {
        let user = format!("/Users/{id}");
        assert_eq!(okta.get(&user).await.error(), (404, None), "{id}");
        assert_eq!(okta.put(&user, ada()).await.error(), (404, None), "{id}");
        let patch = okta.patch(&user, json!([{"op": "replace", "path": "title", "value": "x"}]));
        assert_eq!(patch.await.error(), (404, None), "{id}");
        assert_eq!(okta.delete(&user).await.error(), (404, None), "{id}");
    }
    assert_eq!(server.head(), head);
}

#[actix_web::test]
async fn case_30_a_user_of_okta_comes_as_plain_json_with_a_password() {
    let server = Server::start().await;
    let okta =
        server.client(Idp::Okta).await.with("content-type", "application/json; charset=utf-8");
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "ada@example.com", "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "emails": [{"primary": true, "value": "ada@example.com", "type": "work"}],
        "displayName": "Ada Lovelace", "locale": "en-US", "externalId": "00u1",
        "groups": [], "password": "1mz050nq", "active": true
    });
    let reply = okta.post("/Users", body).await;
    assert_eq!((reply.status, &reply.body["displayName"]), (201, &json!("Ada Lovelace")));
    assert_eq!(reply.body.get("password"), None);
    assert!(!reply.body.to_string().contains("1mz050nq"));
}

#[actix_web::test]
async fn case_38_an_extension_that_nobody_declared_is_kept() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let custom = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User";
    server
        .map_attributes(json!([
            {"name": "number", "attributes": [{"key": "CustomAttribute"}]},
            {"name": "odd", "attributes": [{"namespace": custom, "key": "CustomAttribute:User"}]},
            {"name": "none", "attributes": [{"namespace": EU, "key": "CustomAttribute"}]},
        ]))
        .await;
    let mut body = ada();
    body[custom] = json!({"CustomAttribute:User": "7", "CustomAttribute": 701_984});
    let reply = entra.post("/Users", body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.body[custom]["CustomAttribute"], 701_984);
    assert!(reply.body["schemas"].as_array().unwrap().contains(&json!(custom)));
    assert_eq!(server.metadata(&reply.id()).await, json!({"number": "701984", "odd": "7"}));
    let seen = server.seen().await;
    assert_eq!(seen["CustomExtensionName:User CustomAttribute"], 1, "{seen:?}");
    assert_eq!(seen["CustomExtensionName:User CustomAttribute:User"], 1, "{seen:?}");
}

#[actix_web::test]
async fn case_49_two_tokens_are_good_until_one_is_revoked() {
    let server = Server::start().await;
    let okta = server.client(Idp::Okta).await;
    let store = domain::ids::ConnectorName::parse("store").unwrap();
    let (app, workspace) = (&server.app, &server.workspace);
    let fresh = app.issue_token(&person(), workspace, &store, None).await.unwrap();
    let mut rotated = okta.clone();
    rotated.token = Some(fresh.token);
    assert_eq!(okta.get("/Users").await.status, 200);
    assert_eq!(rotated.get("/Users").await.status, 200);

    app.revoke_token(&person(), workspace, &store, fresh.id).await.unwrap();
    let reply = rotated.get("/Users").await;
    assert_eq!(reply.error(), (401, None));
    assert!(reply.body["detail"].to_string().contains("revoked"));
    assert_eq!(okta.get("/Users").await.status, 200);

    server.clock.advance(std::time::Duration::from_hours(366 * 24));
    assert!(okta.get("/Users").await.body["detail"].to_string().contains("expired"));
}

#[actix_web::test]
async fn case_50_a_body_has_to_say_who_it_is_about() {
    let server = Server::start().await;
    let strict = server.client(Idp::Strict).await;
    let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:User"]);
    let made = strict.post("/Users", json!({"schemas": schemas, "userName": "ada"})).await;
    let (user, head) = (format!("/Users/{}", made.id()), server.head());
    let nobody = json!({"schemas": schemas, "active": true});
    assert_eq!(strict.put(&user, nobody.clone()).await.error(), (400, Some("invalidValue")));
    assert_eq!(strict.post("/Users", nobody).await.error(), (400, Some("invalidValue")));
    let broken =
        strict.send(actix_web::http::Method::POST, "/Users", Some(b"{\"userName\": \"a".to_vec()));
    let broken = broken.await;
    assert_eq!(broken.error(), (400, Some("invalidSyntax")));
    assert!(broken.body["detail"].to_string().contains("line 1 column"), "{broken:?}");
    assert_eq!(server.head(), head);
}

#[actix_web::test]
async fn case_58_a_template_of_onelogin_is_brought_into_shape() {
    let server = Server::start().await;
    let onelogin = server.client(Idp::OneLogin).await;
    let body = json!({
        "schemas": ["urn:scim:schemas:core:1.0", "urn:scim:schemas:extension:enterprise:1.0"],
        "id": null, "userName": "ada", "active": "true", "title": "",
        "emails": {"value": "ada@x", "type": "work", "primary": "true"},
        "urn:scim:schemas:extension:enterprise:1.0": {"department": "math", "manager": {"managerId": "7"}}
    });
    let reply = onelogin.post("/Users", body.clone()).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.body["active"], true);
    assert_eq!(reply.body["emails"], json!([{"value": "ada@x", "type": "work", "primary": true}]));
    assert_eq!(reply.body[EU], json!({"department": "math", "manager": {"value": "7"}}));
    assert_eq!(reply.body.get("title"), None);
    let user = format!("/Users/{}?", reply.id());
    let head = server.head();
    assert_eq!(onelogin.put(&user, body).await.status, 200);
    assert_eq!(server.head(), head);
    let found = onelogin.get("/Users?filter=userName+eq+%22ADA%22&").await;
    assert_eq!(found.ids(), [reply.id()]);

    let group = onelogin.group("Engineers", &[]).await;
    for (value, members) in [
        (json!(reply.id()), 1),
        (json!([]), 0),
        (json!({"value": reply.id()}), 1),
        (json!(""), 0),
        (json!([{"value": reply.id()}]), 1),
    ] {
        let operation = json!([{"op": "replace", "path": "members", "value": value}]);
        let patched = onelogin.patch(&format!("/Groups/{group}"), operation).await;
        assert_eq!(patched.status, 204, "{value}: {patched:?}");
        assert_eq!(onelogin.members(&group).await.len(), members, "{value}");
    }
}

#[actix_web::test]
async fn another_connector_sees_nothing_and_reaches_nothing() {
    let server = Server::start().await;
    let store = server.client(Idp::Entra).await;
    let other = server.connect(Portal::Store, "okta", Idp::Okta).await;
    let id = store.user("ada").await;
    let group = store.group("Engineers", &[&id]).await;
    let head = server.head();

    assert!(other.get("/Users").await.ids().is_empty());
    assert!(other.find("/Users", &format!("id eq \"{id}\"")).await.ids().is_empty());
    assert!(other.find("/Groups", &format!("members eq \"{id}\"")).await.ids().is_empty());
    for path in [format!("/Users/{id}"), format!("/Groups/{group}")] {
        assert_eq!(other.get(&path).await.error(), (404, None), "{path}");
        assert_eq!(other.delete(&path).await.error(), (404, None), "{path}");
        let body = json!({"userName": "x", "displayName": "x"});
        assert_eq!(other.put(&path, body).await.error(), (404, None), "{path}");
        let patch = other.patch(&path, json!([{"op": "add", "path": "displayName", "value": "x"}]));
        assert_eq!(patch.await.error(), (404, None), "{path}");
    }
    let mut crossed = other.clone();
    crossed.token.clone_from(&store.token);
    let reply = crossed.get("/Users").await;
    assert_eq!(reply.error(), (401, None));
    assert!(reply.body["detail"].to_string().contains("another connector"));
    assert_eq!(server.head(), head);

    // As a member it is nobody yet, and the same person may be an entry of both.
    let theirs = other.group("Engineers", &[&id]).await;
    assert!(other.members(&theirs).await.is_empty());
    assert_ne!(other.user("ADA").await, id);
}

#[actix_web::test]
async fn active_that_was_removed_is_not_there_until_it_is_set() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let path = format!("/Users/{}", generic.user("ada").await);
    let gone = json!([{"op": "remove", "path": "active"}]);
    assert_eq!(generic.patch(&path, gone.clone()).await.body.get("active"), None);
    for (filter, found) in [("active pr", 0), ("active eq true", 0), ("not (active pr)", 1)] {
        assert_eq!(generic.find("/Users", filter).await.ids().len(), found, "{filter}");
    }
    let head = server.head();
    let copy = generic.get(&path).await.body;
    assert_eq!(generic.put(&path, copy).await.body.get("active"), None);
    assert_eq!(server.head(), head, "a copy changes nothing");
    let off = json!([{"op": "replace", "path": "active", "value": false}]);
    assert_eq!(generic.patch(&path, off).await.body["active"], false);
    assert_eq!(generic.patch(&path, gone).await.error(), (400, Some("mutability")));
    assert_eq!(generic.find("/Users", "active eq false").await.ids().len(), 1);
}
