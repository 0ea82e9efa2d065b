//! Extension schemas that are declared for a connector.

use domain::workspace::{Extension, Idp};
use scim::{Kind, schema::Schema};
use serde_json::{Value, json};

use crate::support::{Client, Server, person};

const URN: &str = "urn:company:params:scim:schemas:extension:hr:2.0:User";

async fn declare(server: &Server, client: &Client<'_>, schema: Value) {
    let schema = Schema::parse_extension(schema).unwrap();
    let extension = Extension { resource_type: Kind::User, schema };
    let name = client.base.rsplit('/').next().unwrap();
    let name = domain::ids::ConnectorName::parse(name).unwrap();
    server
        .app
        .declare_extensions(&person(), &server.workspace, &name, vec![extension])
        .await
        .unwrap();
}

fn schema() -> Value {
    json!({
        "id": URN, "name": "HR",
        "attributes": [
            {"name": "costCode", "type": "integer", "required": true},
            {"name": "badge", "mutability": "immutable"},
            {"name": "pin", "mutability": "writeOnly", "returned": "never"},
            {"name": "score", "type": "decimal", "returned": "request"},
            {"name": "seal", "type": "complex", "returned": "request", "subAttributes": [
                {"name": "sign"}, {"name": "pin", "returned": "never"}
            ]}
        ]
    })
}

#[actix_web::test]
async fn what_is_never_returned_is_not_returned_where_it_was_sent() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    declare(&server, &generic, schema()).await;
    let seal = json!({"sign": "s", "pin": "1234"});
    let user = json!({"userName": "ada", URN: {"costCode": 7, "seal": seal}});
    let shown = json!({"costCode": 7, "seal": {"sign": "s"}});
    let made = generic.post("/Users", user.clone()).await;
    assert_eq!((made.status, &made.body[URN]), (201, &shown));
    let path = format!("/Users/{}", made.id());
    assert_eq!(generic.put(&path, user).await.body[URN], shown);
    for (name, value) in [
        (format!("{URN}:seal.sign"), json!("s")),
        (format!("{URN}:seal.pin"), json!("4321")),
        (format!("{URN}:seal"), seal.clone()),
        ("seal.sign".to_owned(), json!("s")),
        (URN.to_owned(), json!({"seal": seal})),
    ] {
        let patch = json!([{"op": "replace", "path": name, "value": value}]);
        assert_eq!(generic.patch(&path, patch).await.body[URN], shown, "{name}");
    }
    assert_eq!(generic.get(&path).await.body[URN], json!({"costCode": 7}));
}

#[actix_web::test]
async fn what_is_returned_on_request_is_returned_where_a_patch_sent_it_under_any_name() {
    const HR: &str = "urn:company:hr";
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let attributes = json!([{"name": "code", "returned": "request"}]);
    declare(&server, &generic, json!({"id": HR, "name": "HR", "attributes": attributes})).await;
    let path = format!("/Users/{}", generic.user("ada").await);
    for operation in [
        json!({"op": "add", "path": "code", "value": "c"}),
        json!({"op": "add", "value": {"code": "c"}}),
        json!({"op": "add", "value": {HR: {"code": "c"}}}),
        json!({"op": "add", "path": HR, "value": {"code": "c"}}),
        json!({"op": "add", "path": "urn:COMPANY:hr:CODE", "value": "c"}),
    ] {
        let patched = generic.patch(&path, json!([operation])).await;
        assert_eq!(patched.body[HR], json!({"code": "c"}), "{operation} {patched:?}");
    }
    let patch = json!([{"op": "add", "path": "title", "value": "t"}]);
    assert_eq!(generic.patch(&path, patch).await.body.get(HR), None);
}

#[actix_web::test]
async fn a_declared_extension_stands_in_discovery() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    assert_eq!(generic.get(&format!("/Schemas/{URN}")).await.error(), (404, None));
    declare(&server, &generic, schema()).await;
    let shown = generic.get(&format!("/Schemas/{URN}")).await;
    assert_eq!((shown.status, &shown.body["name"]), (200, &json!("HR")));
    assert_eq!(shown.body["attributes"][0]["type"], "integer");
    let all = generic.get("/Schemas").await;
    assert!(all.ids().contains(&URN));
    let user = generic.get("/ResourceTypes/User").await;
    let extensions = user.body["schemaExtensions"].as_array().unwrap();
    assert!(extensions.contains(&json!({"schema": URN, "required": false})), "{extensions:?}");
}

#[actix_web::test]
async fn the_characteristics_of_a_declared_extension_are_enforced() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    declare(&server, &generic, schema()).await;
    let user = |extension: Value| json!({"userName": "ada", URN: extension});
    let refused = generic.post("/Users", user(json!({"badge": "1"}))).await;
    assert_eq!(refused.error(), (400, Some("invalidValue")), "costCode is required: {refused:?}");
    let refused = generic.post("/Users", user(json!({"costCode": "seven"}))).await;
    assert_eq!(refused.error(), (400, Some("invalidValue")), "{refused:?}");
    let extension = json!({"costCode": "7", "badge": "1", "pin": "1234", "score": 1.5});
    let made = generic.post("/Users", user(extension)).await;
    assert_eq!(made.status, 201, "{made:?}");
    // What is returned on request is returned where it was sent.
    assert_eq!(made.body[URN], json!({"costCode": 7, "badge": "1", "score": 1.5}));
    let path = format!("/Users/{}", made.id());
    assert_eq!(generic.get(&path).await.body[URN], json!({"costCode": 7, "badge": "1"}));
    let patch = json!([{"op": "replace", "path": format!("{URN}:score"), "value": 1.5}]);
    assert_eq!(generic.patch(&path, patch).await.body[URN]["score"], 1.5);
    let asked = generic.get(&format!("{path}?attributes={URN}:score,{URN}:pin")).await;
    assert_eq!(asked.body[URN], json!({"score": 1.5}));
    let other = generic.put(&path, user(json!({"costCode": 7, "badge": "2"}))).await;
    assert_eq!(other.error(), (400, Some("mutability")), "{other:?}");
    let patch = json!([{"op": "replace", "path": format!("{URN}:badge"), "value": "2"}]);
    assert_eq!(generic.patch(&path, patch).await.error(), (400, Some("mutability")));
    let same = generic.put(&path, user(json!({"costCode": 8, "badge": "1"}))).await;
    assert_eq!(same.body[URN], json!({"costCode": 8, "badge": "1"}));
    let filter = generic.find("/Users", &format!("{URN}:costCode gt 7")).await;
    assert_eq!(filter.ids().len(), 1);
    let hidden = generic.find("/Users", &format!("{URN}:pin eq \"1234\"")).await;
    assert_eq!(hidden.error(), (400, Some("invalidFilter")));
}
