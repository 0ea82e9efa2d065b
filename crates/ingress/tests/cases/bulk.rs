//! Bulk requests.

use domain::workspace::Idp;
use serde_json::{Value, json};

use crate::support::{EU, Reply, Server, person};

const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

fn request(operations: &Value) -> Value {
    json!({"schemas": [BULK], "Operations": operations})
}

/// The statuses of the operations.
#[track_caller]
fn statuses(reply: &Reply) -> Vec<&str> {
    assert_eq!(reply.status, 200, "{reply:?}");
    let urn = json!(["urn:ietf:params:scim:api:messages:2.0:BulkResponse"]);
    assert_eq!(reply.body["schemas"], urn);
    let operations = reply.body["Operations"].as_array().unwrap();
    operations.iter().map(|it| it["status"].as_str().unwrap()).collect()
}

fn id_in(operation: &Value) -> String {
    operation["location"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

#[actix_web::test]
async fn case_56_what_is_created_can_be_referred_to() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let reply = generic
        .post(
            "/Bulk",
            request(&json!([
                {"method": "POST", "path": "/Groups", "bulkId": "group", "data": {
                    "displayName": "Engineers",
                    "members": [{"type": "User", "value": "bulkId:ada"}]
                }},
                {"method": "POST", "path": "/Users", "bulkId": "ada", "data": {
                    "userName": "ada", EU: {"manager": {"value": "bulkId:boss"}}
                }},
                {"method": "POST", "path": "/Users", "bulkId": "boss", "data": {"userName": "boss"}},
                {"method": "PATCH", "path": "/Groups/bulkId:group", "data": {
                    "schemas": [PATCH_OP],
                    "Operations": [{"op": "add", "path": "members", "value": [{"value": "bulkId:boss"}]}]
                }}
            ])),
        )
        .await;
    assert_eq!(statuses(&reply), ["201", "201", "201", "200"]);
    let operations = reply.body["Operations"].as_array().unwrap();
    assert_eq!(operations[0]["bulkId"], "group");
    assert_eq!(operations[1]["method"], "POST");
    let [group, ada, boss] = [0, 1, 2].map(|index| id_in(&operations[index]));
    let mut expected = vec![ada.clone(), boss.clone()];
    expected.sort();
    assert_eq!(generic.members(&group).await, expected);
    let shown = generic.get(&format!("/Users/{ada}")).await;
    assert_eq!(shown.body[EU]["manager"]["value"], json!(boss));
    assert_eq!(shown.header("etag"), operations[1]["version"].as_str());
    assert_eq!(id_in(&operations[3]), group);
}

#[actix_web::test]
async fn case_56_references_in_a_circle_are_resolved() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let group = |name: &str, other: &str| {
        json!({"method": "POST", "path": "/Groups", "bulkId": name, "data": {
            "displayName": name, "members": [{"type": "Group", "value": format!("bulkId:{other}")}]
        }})
    };
    let reply = generic.post("/Bulk", request(&json!([group("a", "b"), group("b", "a")]))).await;
    assert_eq!(statuses(&reply), ["201", "201"]);
    let ids: Vec<_> = reply.body["Operations"].as_array().unwrap().iter().map(id_in).collect();
    assert_eq!(generic.members(&ids[0]).await, [ids[1].clone()]);
    assert_eq!(generic.members(&ids[1]).await, [ids[0].clone()]);
    for operation in reply.body["Operations"].as_array().unwrap() {
        let shown = generic.get(&format!("/Groups/{}", id_in(operation))).await;
        assert_eq!(shown.header("etag"), operation["version"].as_str(), "the version is the last");
    }
    // Where one of a circle cannot be, the other stands without it; nothing is taken back.
    let head = server.head();
    let reply = generic.post("/Bulk", request(&json!([group("c", "a"), group("a", "c")]))).await;
    assert_eq!(statuses(&reply), ["409", "409"]);
    let detail = reply.body["Operations"][0]["response"]["detail"].as_str().unwrap();
    assert!(detail.starts_with("'bulkId:a' names nothing"), "{detail}");
    assert_eq!(reply.body["Operations"][1]["response"]["scimType"], "uniqueness");
    let alone = id_in(&reply.body["Operations"][0]);
    assert_eq!((generic.members(&alone).await, server.head()), (vec![], head + 1));
    // What nothing creates cannot be waited for: nothing is written.
    let head = server.head();
    let reply = generic.post("/Bulk", request(&json!([group("d", "nobody")]))).await;
    assert_eq!((statuses(&reply), server.head()), (vec!["409"], head));
}

/// What stands is told, and so is what it lacks.
#[actix_web::test]
async fn case_56_what_a_circle_leaves_incomplete_is_an_error_with_a_location() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let group = |name: &str, data: Value| json!({"method": "POST", "path": "/Groups", "bulkId": name, "data": data});
    let member = |name: &str| json!([{"value": format!("bulkId:{name}")}]);
    let mut body = request(&json!([
        group("a", json!({"displayName": "a", "members": member("b")})),
        group("c", json!({"members": member("a")})),
        group("b", json!({"displayName": "b", "members": member("a")}))
    ]));
    body["failOnErrors"] = json!(1);
    let reply = generic.post("/Bulk", body).await;
    assert_eq!(statuses(&reply), ["409", "400"], "b was not tried");
    let alone = &reply.body["Operations"][0];
    assert!(alone["response"]["detail"].as_str().unwrap().contains("bulkId:b"), "{alone}");
    assert_eq!(generic.members(&id_in(alone)).await, Vec::<String>::new());
    let shown = generic.get(&format!("/Groups/{}", id_in(alone))).await;
    assert_eq!(shown.header("etag"), alone["version"].as_str());
    assert_eq!(reply.body["Operations"][1].get("location"), None);
}

/// What cannot be added later is an error of what was created, and counts.
#[actix_web::test]
async fn case_56_an_addition_that_fails_is_an_error_with_a_location() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let user = |name: &str, data: Value| json!({"method": "POST", "path": "/Users", "bulkId": name, "data": data});
    let mut body = request(&json!([
        user("ada", json!({"userName": "ada", "active": "bulkId:bob"})),
        user("bob", json!({"userName": "bob", EU: {"manager": {"value": "bulkId:ada"}}})),
        user("cy", json!({"userName": "cy", EU: {"manager": {"value": "bulkId:bob"}}}))
    ]));
    body["failOnErrors"] = json!(1);
    let reply = generic.post("/Bulk", body).await;
    assert_eq!(statuses(&reply), ["400", "201"], "cy is not tried: {reply:?}");
    let ada = id_in(&reply.body["Operations"][0]);
    assert_eq!(generic.get(&format!("/Users/{ada}")).await.body["userName"], "ada");
}

/// Whoever is put in by a circle and taken out by a later operation stays out.
#[actix_web::test]
async fn case_56_what_waits_in_a_circle_is_added_before_later_operations() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let group = |name: &str, other: &str| {
        json!({"method": "POST", "path": "/Groups", "bulkId": name, "data": {
            "displayName": name, "members": [{"value": format!("bulkId:{other}")}]
        }})
    };
    let remove = json!({"method": "PATCH", "path": "/Groups/bulkId:a", "data": {
        "schemas": [PATCH_OP],
        "Operations": [{"op": "remove", "path": "members[value eq \"bulkId:b\"]"}]
    }});
    let reply = generic.post("/Bulk", request(&json!([group("a", "b"), group("b", "a"), remove])));
    let reply = reply.await;
    assert_eq!(statuses(&reply), ["201", "201", "200"]);
    let a = id_in(&reply.body["Operations"][0]);
    assert_eq!(generic.members(&a).await, Vec::<String>::new());
}

#[actix_web::test]
async fn case_56_an_operation_may_be_no_larger_than_it_may_be_alone() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let data = json!({"userName": "ada", "unknown": "x".repeat(2 << 20)});
    assert_eq!(generic.post("/Users", data.clone()).await.error(), (413, None));
    let reply = generic
        .post(
            "/Bulk",
            request(&json!([
                {"method": "POST", "path": "/Users", "bulkId": "1", "data": data},
                {"method": "POST", "path": "/Users", "bulkId": "2", "data": {"userName": "bob"}}
            ])),
        )
        .await;
    assert_eq!(statuses(&reply), ["413", "201"]);
}

/// Each operation alone is far below what a request may compare; together they are not.
#[actix_web::test]
async fn case_56_operations_share_what_the_filters_of_a_request_may_cost() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let (mut users, mut values) = (Vec::new(), Vec::new());
    for number in 0..40 {
        users.push(generic.user(&format!("user-{number}")).await);
    }
    values.extend(users.iter().map(String::as_str));
    let group = generic.group("All", &values).await;
    let bulk = |attribute: &str, terms: usize, operations: usize| {
        let terms: Vec<_> = (0..terms).map(|it| format!("{attribute} co \"?{it}\"")).collect();
        let remove = json!({"method": "PATCH", "path": format!("/Groups/{group}"), "data": {
            "schemas": [PATCH_OP],
            "Operations": vec![
                json!({"op": "remove", "path": format!("members[{}]", terms.join(" or "))});
                20
            ]
        }});
        request(&json!(vec![remove; operations]))
    };
    // 40 members, 100 terms, 20 filters: 80,000 comparisons in each operation.
    let reply = generic.post("/Bulk", bulk("display", 100, 4)).await;
    assert_eq!(statuses(&reply), ["200", "200", "400", "400"]);
    let refused = &reply.body["Operations"][2]["response"];
    assert_eq!(refused["scimType"], "tooMany");
    assert!(refused["detail"].as_str().unwrap().contains("200000"), "{refused}");
    let reply = generic.post("/Bulk", bulk("value", 100, 27)).await;
    assert_eq!(statuses(&reply)[24..], ["200", "400", "400"], "the next request has its own");
    let refused = &reply.body["Operations"][26]["response"];
    assert_eq!(refused["scimType"], "tooMany");
    assert!(refused["detail"].as_str().unwrap().contains("2000000"), "{refused}");
}

#[actix_web::test]
async fn case_56_one_failure_stops_nothing_unless_it_is_asked_to() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let ada = generic.user("ada").await;
    let version = generic.get(&format!("/Users/{ada}")).await.header("etag").unwrap().to_owned();
    let operations = json!([
        {"method": "POST", "path": "/Users", "bulkId": "1", "data": {"userName": "ADA"}},
        {"method": "PUT", "path": format!("/Users/{ada}"), "version": "W/\"99\"",
         "data": {"userName": "ada"}},
        {"method": "PUT", "path": format!("/Users/{ada}"), "version": version,
         "data": {"userName": "ada", "title": "x"}},
        {"method": "POST", "path": "/Users", "bulkId": "2", "data": {"userName": "bob"}},
        {"method": "DELETE", "path": "/Users/0190f5e0-0000-7000-8000-00000000abcd"},
        {"method": "POST", "path": "/Devices", "bulkId": "3", "data": {}},
        {"method": "GET", "path": "/Users"},
        {"method": "PATCH", "path": "/Groups/bulkId:nobody", "data": {"Operations": []}},
        {"method": "POST", "path": "/Users", "bulkId": "2", "data": {"userName": "eve"}},
        {"method": "DELETE", "path": format!("/Users/{ada}")}
    ]);
    let all = generic.post("/Bulk", request(&operations)).await;
    let expected = ["409", "412", "200", "201", "404", "404", "400", "409", "400", "204"];
    assert_eq!(statuses(&all), expected);
    let first = &all.body["Operations"][0];
    assert_eq!(first["response"]["scimType"], "uniqueness");
    assert_eq!(first["response"]["status"], "409");
    assert_eq!(first.get("location"), None, "nothing was created: {first}");
    assert!(all.body["Operations"][1]["location"].as_str().unwrap().ends_with(&ada));

    let mut first_only = request(&json!([
        {"method": "DELETE", "path": "/Users/0190f5e0-0000-7000-8000-00000000abcd"},
        {"method": "POST", "path": "/Users", "bulkId": "1", "data": {"userName": "cy"}},
        {"method": "DELETE", "path": "/Users/0190f5e0-0000-7000-8000-00000000abcd"},
        {"method": "POST", "path": "/Users", "bulkId": "2", "data": {"userName": "dan"}}
    ]));
    first_only["failOnErrors"] = json!(2);
    assert_eq!(statuses(&generic.post("/Bulk", first_only.clone()).await), ["404", "201", "404"]);
    first_only["failOnErrors"] = json!(1);
    assert_eq!(statuses(&generic.post("/Bulk", first_only).await), ["404"]);
    assert_eq!(generic.find("/Users", "userName eq \"dan\"").await.ids().len(), 0);
}

#[actix_web::test]
async fn case_56_limits_are_named() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let head = server.head();
    let one = json!({"method": "POST", "path": "/Users", "bulkId": "1", "data": {"userName": "x"}});
    let many = generic.post("/Bulk", request(&json!(vec![one; 1_001]))).await;
    assert_eq!(many.error(), (413, None));
    assert!(many.body["detail"].as_str().unwrap().contains("maxOperations (1000)"), "{many:?}");
    let large = generic.with("content-length", "99999999").post("/Bulk", request(&json!([]))).await;
    assert_eq!(large.error(), (413, None));
    assert!(large.body["detail"].as_str().unwrap().contains("maxPayloadSize"), "{large:?}");
    for bad in [json!({}), json!([]), json!({"schemas": [BULK], "Operations": []})] {
        assert_eq!(generic.post("/Bulk", bad).await.error(), (400, Some("invalidSyntax")));
    }
    let mut zero = request(&json!([{"method": "DELETE", "path": "/Users/1"}]));
    zero["failOnErrors"] = json!(0);
    assert_eq!(generic.post("/Bulk", zero).await.error(), (400, Some("invalidValue")));
    assert_eq!(server.head(), head);
}

/// Rule 3: revoking acts at once.
#[actix_web::test]
async fn operations_behind_the_revocation_of_their_token_are_refused() {
    let server = Server::start().await;
    let mut generic = server.client(Idp::Generic).await;
    let store = domain::ids::ConnectorName::parse("store").unwrap();
    let (app, workspace) = (&server.app, &server.workspace);
    let fresh = app.issue_token(&person(), workspace, &store, None).await.unwrap();
    generic.token = Some(fresh.token);
    let user = |number: usize| {
        json!({"method": "POST", "path": "/Users", "bulkId": number.to_string(),
            "data": {"userName": number.to_string()}})
    };
    let body = request(&(0..200).map(user).collect());
    let person = person();
    let revoked = app.revoke_token(&person, workspace, &store, fresh.id);
    let (reply, revoked) = futures_util::join!(generic.post("/Bulk", body), revoked);
    revoked.unwrap();
    let all = statuses(&reply);
    let made = all.iter().take_while(|status| **status == "201").count();
    assert!(made < 200 && all[made..].iter().all(|status| *status == "401"), "{all:?}");
    let last = &reply.body["Operations"][199]["response"]["detail"];
    assert!(last.as_str().unwrap().contains("revoked"), "{last}");
}

#[actix_web::test]
async fn operations_speak_the_dialect_of_their_connector() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let ada = entra.user("ada").await;
    let reply = entra
        .post(
            "/Bulk",
            request(&json!([{"method": "PATCH", "path": format!("Users/{ada}"), "data": {
                "schemas": [PATCH_OP],
                "Operations": [{"op": "Replace", "path": "active", "value": "False"}]
            }}])),
        )
        .await;
    assert_eq!(statuses(&reply), ["200"]);
    assert_eq!(entra.get(&format!("/Users/{ada}")).await.body["active"], false);
}
