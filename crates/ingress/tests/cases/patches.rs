//! PATCH of users, as the providers write it and as the standard does.

use domain::workspace::Idp;
use serde_json::{Value, json};

use crate::support::{Client, EU, Server};

async fn ada(client: &Client<'_>) -> String {
    format!("/Users/{}", client.user("ada").await)
}

async fn patched(client: &Client<'_>, user: &str, operations: Value) -> Value {
    let reply = client.patch(user, operations.clone()).await;
    assert_eq!(reply.status, 200, "{operations}: {reply:?}");
    assert_eq!(client.get(user).await.body, reply.body);
    reply.body
}

#[actix_web::test]
async fn case_06_entra_deactivates_with_text() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let user = ada(&entra).await;
    let operations = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    let body = patched(&entra, &user, operations.clone()).await;
    assert_eq!(body["active"], false);
    let head = server.head();
    assert_eq!(patched(&entra, &user, operations).await["meta"], body["meta"]);
    assert_eq!(server.head(), head);
    assert_eq!(entra.get("/Users").await.ids().len(), 1);
}

#[actix_web::test]
async fn case_07_okta_deactivates_without_a_path() {
    let server = Server::start().await;
    let okta = server.client(Idp::Okta).await;
    let user = ada(&okta).await;
    let body = patched(&okta, &user, json!([{"op": "replace", "value": {"active": false}}])).await;
    assert_eq!((&body["active"], &body["userName"]), (&json!(false), &json!("ada")));
}

#[actix_web::test]
async fn case_15_several_operations_are_applied_in_order() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let user = ada(&entra).await;
    let body = patched(
        &entra,
        &user,
        json!([
            {"op": "Add", "path": "emails", "value": [{"type": "work", "value": "old@x"}]},
            {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "new@x"},
            {"op": "Replace", "path": "name.familyName", "value": "Byron"},
            {"op": "Replace", "path": "name.familyName", "value": "Lovelace"},
            {"op": "Add", "path": "nickName", "value": "Babs"},
            {"op": "Add", "path": format!("{EU}:department"), "value": "math"}
        ]),
    )
    .await;
    assert_eq!(body["emails"], json!([{"type": "work", "value": "new@x"}]));
    assert_eq!(body["name"], json!({"familyName": "Lovelace"}));
    assert_eq!((&body["nickName"], &body[EU]["department"]), (&json!("Babs"), &json!("math")));
}

#[actix_web::test]
async fn case_16_keys_without_a_path_may_be_dotted_or_full_names() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let user = ada(&entra).await;
    let value = json!({
        "displayName": "Eva", "name.givenName": "Eva", "name.familyName": "P",
        format!("{EU}:employeeNumber"): "6"
    });
    let body = patched(&entra, &user, json!([{"op": "replace", "value": value}])).await;
    assert_eq!(body["name"], json!({"givenName": "Eva", "familyName": "P"}));
    assert_eq!(body[EU], json!({"employeeNumber": "6"}));
    assert!(body["schemas"].as_array().unwrap().contains(&json!(EU)));
}

#[actix_web::test]
async fn case_17_an_element_that_is_missing_is_made_unless_strict() {
    let server = Server::start().await;
    let operations =
        json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "a@x"}]);
    let entra = server.client(Idp::Entra).await;
    let user = ada(&entra).await;
    let body = patched(&entra, &user, operations.clone()).await;
    assert_eq!(body["emails"], json!([{"type": "work", "value": "a@x"}]));
    let by_value =
        json!([{"op": "Replace", "path": "emails[value eq \"z@x\"].type", "value": "home"}]);
    assert_eq!(entra.patch(&user, by_value).await.error(), (400, Some("noTarget")));

    let strict = server.connect(domain::portal::Portal::Mdm, "strict", Idp::Strict).await;
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada"
    });
    let user = format!("/Users/{}", strict.post("/Users", body).await.id());
    assert_eq!(strict.patch(&user, operations).await.error(), (400, Some("noTarget")));
}

#[actix_web::test]
async fn case_18_an_empty_text_clears_an_attribute() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let user = ada(&entra).await;
    let department = format!("{EU}:department");
    let phone = "phoneNumbers[type eq \"work\"].value";
    let set = |op: &str, value: Value| -> Value {
        let paths = ["title", phone, &department];
        paths.iter().map(|path| json!({"op": op, "path": path, "value": value})).collect()
    };
    let body = patched(&entra, &user, set("add", json!("x"))).await;
    assert_eq!((&body["title"], &body[EU]["department"]), (&json!("x"), &json!("x")));
    let body = patched(&entra, &user, set("replace", json!(""))).await;
    for name in ["title", "phoneNumbers", EU] {
        assert_eq!(body.get(name), None, "{name}");
    }
    patched(&entra, &user, set("add", json!("x"))).await;
    assert_eq!(patched(&entra, &user, set("replace", Value::Null)).await.get("title"), None);
}

#[actix_web::test]
async fn case_31_a_manager_is_set_and_unset_in_every_way() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let user = ada(&entra).await;
    let manager = format!("{EU}:manager");
    let dotted = format!("{EU}.manager");
    for (operation, value) in [
        (
            json!({"op": "Add", "path": "manager", "value": [{"$ref": "x", "value": "2819"}]}),
            Some("2819"),
        ),
        (json!({"op": "Add", "path": manager, "value": "271"}), Some("271")),
        (json!({"op": "replace", "path": manager, "value": {"value": ""}}), None),
        (json!({"op": "Add", "path": dotted, "value": "nobody at all"}), Some("nobody at all")),
        (json!({"op": "replace", "path": manager, "value": null}), None),
        (json!({"op": "Add", "path": manager, "value": {"value": "9"}}), Some("9")),
        (json!({"op": "Remove", "path": manager}), None),
    ] {
        let body = patched(&entra, &user, json!([operation])).await;
        let found = body.get(EU).map(|extension| extension["manager"]["value"].clone());
        assert_eq!(found, value.map(Value::from), "{operation}");
    }
}

#[actix_web::test]
async fn case_32_many_additions_to_a_bare_user() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let user = ada(&entra).await;
    let mut operations = vec![
        json!({"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "Admin"}),
        json!({"op": "Add", "path": "roles[primary eq \"True\"].display", "value": "Administrator"}),
    ];
    let plain = [
        "displayName",
        "title",
        "preferredLanguage",
        "userType",
        "nickName",
        "locale",
        "timezone",
        "profileUrl",
        "name.givenName",
        "name.familyName",
        "name.formatted",
        "name.honorificPrefix",
        "name.honorificSuffix",
    ];
    operations.extend(plain.map(|path| json!({"op": "Add", "path": path, "value": "x"})));
    for name in ["employeeNumber", "department", "costCenter", "organization", "division"] {
        operations.push(json!({"op": "Add", "path": format!("{EU}:{name}"), "value": "x"}));
    }
    for of_type in ["work", "home", "other"] {
        for sub in ["formatted", "streetAddress", "locality", "region", "postalCode"] {
            let path = format!("addresses[type eq \"{of_type}\"].{sub}");
            operations.push(json!({"op": "Add", "path": path, "value": "Belize"}));
        }
    }
    assert!(operations.len() >= 35);
    let body = patched(&entra, &user, json!(operations)).await;
    assert_eq!(
        body["roles"],
        json!([{"primary": true, "value": "Admin", "display": "Administrator"}])
    );
    assert_eq!(body["addresses"].as_array().unwrap().len(), 3);
}

#[actix_web::test]
async fn entra_sends_roles_as_json_in_a_text() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let user = ada(&entra).await;
    let packed = r#"{"id":"06b0","value":"Admin","displayName":"Administrator"}"#;
    let operations = json!([{"op": "Add", "path": "roles", "value": [{"value": packed}]}]);
    let body = patched(&entra, &user, operations).await;
    assert_eq!(body["roles"], json!([{"value": "Admin", "display": "Administrator"}]));
}

#[actix_web::test]
async fn case_39_a_custom_attribute_is_added_replaced_and_removed() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let user = ada(&entra).await;
    let id = user.rsplit('/').next().unwrap();
    let cost = json!([{"name": "cost code", "attributes": [{"key": "costCode"}]}]);
    server.map_attributes(cost).await;
    let (urn, path) = ("urn:customer:2.0:User", "urn:customer:2.0:User:costCode");
    let body = patched(&entra, &user, json!([{"op": "add", "path": path, "value": "7"}])).await;
    assert_eq!(body[urn], json!({"costCode": "7"}));
    assert_eq!(server.metadata(id).await, json!({"cost code": "7"}));
    let body = patched(&entra, &user, json!([{"op": "replace", "path": path, "value": "8"}])).await;
    assert_eq!(body[urn], json!({"costCode": "8"}));
    assert_eq!(server.metadata(id).await, json!({"cost code": "8"}));
    let body = patched(&entra, &user, json!([{"op": "remove", "path": path}])).await;
    assert_eq!(server.metadata(id).await, json!({}));
    assert_eq!(server.seen().await["urn:customer:User costCode"], 3);
    assert_eq!(body.get(urn), None);
    assert_eq!(body["schemas"], json!(["urn:ietf:params:scim:schemas:core:2.0:User"]));
}

#[actix_web::test]
async fn case_41_one_bad_operation_spoils_all() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let user = ada(&entra).await;
    let (before, head) = (entra.get(&user).await.body, server.head());
    let reply = entra
        .patch(
            &user,
            json!([
                {"op": "replace", "path": "title", "value": "x"},
                {"op": "replace", "path": "shoeSize", "value": 38},
                {"op": "replace", "path": "nickName", "value": "y"}
            ]),
        )
        .await;
    assert_eq!(reply.error(), (400, Some("invalidPath")));
    assert!(reply.body["detail"].to_string().contains("operation 2"), "{reply:?}");
    assert_eq!((entra.get(&user).await.body, server.head()), (before, head));
}

#[actix_web::test]
async fn case_51_operations_that_make_no_sense() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let user = ada(&generic).await;
    let head = server.head();
    for (operation, keyword) in [
        (json!({"op": "remove"}), "noTarget"),
        (json!({"op": "replace", "path": "emails[", "value": "x"}), "invalidFilter"),
        (
            json!({"op": "replace", "path": "emails[type eq \"work\"", "value": "x"}),
            "invalidFilter",
        ),
        (json!({"op": "replace", "path": "e mails", "value": "x"}), "invalidPath"),
        (json!({"op": "replace", "path": "id", "value": "x"}), "mutability"),
        (json!({"op": "remove", "path": "userName"}), "mutability"),
        (json!({"op": "move", "path": "title", "value": "x"}), "invalidSyntax"),
        (json!({"path": "title", "value": "x"}), "invalidSyntax"),
        (json!({"op": "add", "path": "title"}), "invalidValue"),
        (json!({"op": "add", "path": "active", "value": "perhaps"}), "invalidValue"),
        (json!("add"), "invalidSyntax"),
    ] {
        let reply = generic.patch(&user, json!([operation])).await;
        assert_eq!(reply.error(), (400, Some(keyword)), "{operation}: {reply:?}");
    }
    assert_eq!(generic.patch(&user, json!([])).await.error(), (400, Some("invalidSyntax")));
    let many = vec![json!({"op": "add", "path": "title", "value": "x"}); 1_001];
    assert_eq!(generic.patch(&user, json!(many)).await.error(), (413, None));
    assert_eq!(server.head(), head);
}

#[actix_web::test]
async fn a_strict_connector_takes_the_standard_to_the_letter() {
    let server = Server::start().await;
    let strict = server.client(Idp::Strict).await;
    let core = "urn:ietf:params:scim:schemas:core:2.0:User";
    let made = strict.post("/Users", json!({"schemas": [core], "userName": "ada"})).await;
    let (user, head) = (format!("/Users/{}", made.id()), server.head());
    for (operation, keyword) in [
        (json!({"op": "Replace", "path": "title", "value": "x"}), "invalidSyntax"),
        (json!({"op": "replace", "path": "active", "value": "False"}), "invalidValue"),
        (json!({"op": "replace", "path": "emails", "value": {"value": "a@x"}}), "invalidValue"),
    ] {
        let reply = strict.patch(&user, json!([operation])).await;
        assert_eq!(reply.error(), (400, Some(keyword)), "{operation}: {reply:?}");
    }
    let without_schemas = strict.post("/Users", json!({"userName": "bob"})).await;
    assert_eq!(without_schemas.error(), (400, Some("invalidValue")));
    assert_eq!(server.head(), head);
}

#[actix_web::test]
async fn a_patch_of_a_user_shows_what_is_asked_for() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let user = ada(&generic).await;
    let operations = json!([{"op": "add", "path": "title", "value": "x"}]);
    let reply = generic.patch(&format!("{user}?attributes=title"), operations).await;
    let names: Vec<_> = reply.body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!((reply.status, names), (200, vec!["id", "schemas", "title"]));
}
