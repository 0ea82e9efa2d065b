//! What is wrong is refused as SCIM says it, whatever it is, and leaves no trace in the record.

use anyhow::Context;
use serde_json::{Value, json};
use testkit::{
    Client, Server, record, scim,
    setup::{self, Connector},
};

use crate::{WORKSPACE, raw, start_with_workspace};

/// An id that nobody has.
const UNKNOWN: &str = "0190f5e0-0000-7000-8000-00000000abcd";
/// One byte more than a body may have.
const TOO_LARGE: usize = (16 << 20) + 1;

/// A server with two connectors of one workspace and one of another, each with a user.
struct Scene {
    server: Server,
    api: Client,
    store: Connector,
    dashboard: Connector,
    elsewhere: Connector,
    user: String,
    group: String,
    stranger: String,
}

impl Scene {
    async fn set() -> Self {
        let (server, mut api) = start_with_workspace().await;
        setup::workspace(&mut api, "other").await.unwrap();
        let rule = || setup::create_and("remove_user");
        let store =
            setup::connector(&mut api, WORKSPACE, "store", "generic", rule()).await.unwrap();
        let dashboard = setup::connector(&mut api, WORKSPACE, "dashboard", "generic", rule()).await;
        let elsewhere = setup::connector(&mut api, "other", "store", "generic", rule()).await;
        let (dashboard, elsewhere) = (dashboard.unwrap(), elsewhere.unwrap());
        let mut client = store.client().unwrap();
        let user = client.post("/Users", scim::user("ada@acme.example")).await.unwrap();
        let user = user.made().unwrap();
        client.post("/Users", scim::user("taken@acme.example")).await.unwrap().made().unwrap();
        let group = client
            .post("/Groups", scim::group("Everybody", std::slice::from_ref(&user)))
            .await
            .unwrap();
        let group = group.made().unwrap();
        client.post("/Groups", scim::group("Taken", &[])).await.unwrap().made().unwrap();
        let mut other = dashboard.client().unwrap();
        let stranger = other.post("/Users", scim::user("eve@acme.example")).await.unwrap();
        let stranger = stranger.made().unwrap();
        Self { server, api, store, dashboard, elsewhere, user, group, stranger }
    }

    async fn changes(&mut self) -> [usize; 2] {
        let acme = record::changes(&mut self.api, WORKSPACE).await.unwrap();
        [acme, record::changes(&mut self.api, "other").await.unwrap()]
    }

    /// Sends each and looks at the refusal; none has left a trace.
    async fn refuses(&mut self, cases: impl IntoIterator<Item = Case>) {
        let before = self.changes().await;
        let mut client = self.store.client().unwrap();
        let mut found = Vec::new();
        for Case { method, path, body, status, scim_type } in cases {
            let path = path.replace("{user}", &self.user).replace("{group}", &self.group);
            let path = path.replace("{stranger}", &self.stranger);
            let shown: String = body.chars().take(100).collect();
            let answer = client.send(method, &path, body.into_bytes()).await;
            if let Err(error) = answer.unwrap().expect_scim_error(status, scim_type) {
                found.push(format!("{method} {path} {shown}: {error:#}"));
            }
        }
        assert!(found.is_empty(), "{found:#?}");
        assert_eq!(self.changes().await, before, "something was recorded");
    }

    /// The same request as different callers; none is let in.
    async fn lets_nobody_in(&mut self, clients: Vec<(&'static str, Client)>) {
        let before = self.changes().await;
        for (who, mut client) in clients {
            let answer = client.post("/Users", scim::user("mallory@acme.example")).await.unwrap();
            answer.expect_scim_error(401, None).context(who).unwrap();
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{who}");
            let read = client.get("/Users").await.unwrap();
            read.expect_scim_error(401, None).context(who).unwrap();
        }
        assert_eq!(self.changes().await, before, "something was recorded");
    }
}

/// A request and how it is refused.
struct Case {
    method: &'static str,
    path: String,
    body: String,
    status: u16,
    scim_type: Option<&'static str>,
}

fn case(
    request: &'static str,
    body: impl std::fmt::Display,
    status: u16,
    scim_type: impl Into<Option<&'static str>>,
) -> Case {
    let (method, path) = request.split_once(' ').unwrap();
    let (path, body, scim_type) = (path.to_owned(), body.to_string(), scim_type.into());
    Case { method, path, body, status, scim_type }
}

/// A PATCH of the user with one operation.
#[expect(clippy::needless_pass_by_value, reason = "so that a case reads `operation(json!(…), …)`")]
fn operation(operation: Value, scim_type: &'static str) -> Case {
    case("PATCH /Users/{user}", scim::patch(json!([operation])), 400, scim_type)
}

/// A list with a query.
fn query(query: &str, scim_type: &'static str) -> Case {
    let listing = case("GET /Users", "", 400, scim_type);
    Case { path: format!("/Users?{query}"), ..listing }
}

fn user_with(name: &str, value: impl Into<Value>) -> Value {
    let mut user = scim::user("new@acme.example");
    user[name] = value.into();
    user
}

#[tokio::test]
async fn bodies_that_are_no_user_are_refused() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let bad = |body: Value| case("POST /Users", body, 400, "invalidValue");
    let cases = [
        case("POST /Users", "", 400, "invalidSyntax"),
        case("POST /Users", "userName=ada", 400, "invalidSyntax"),
        case("POST /Users", "{\"userName\": \"ada\"", 400, "invalidSyntax"),
        case("POST /Users", "{\"userName\": \"ada\"} {}", 400, "invalidSyntax"),
        case("POST /Users", "\u{0}", 400, "invalidSyntax"),
        case("POST /Users", "[]", 400, "invalidSyntax"),
        case("POST /Users", "\"ada\"", 400, "invalidSyntax"),
        case("POST /Users", "null", 400, "invalidSyntax"),
        case("POST /Users", deep, 400, "invalidSyntax"),
        bad(json!({})),
        bad(json!({ "schemas": [scim::USER] })),
        bad(json!({ "userName": null })),
        bad(json!({ "userName": "" })),
        bad(json!({ "userName": ["ada", "bob"] })),
        bad(json!({ "userName": { "value": "ada" } })),
        bad(user_with("active", "perhaps")),
        bad(user_with("active", json!({ "a": true }))),
        bad(user_with("name", "Ada")),
        bad(user_with("emails", json!([["a@b.c", "d@e.f"]]))),
        bad(user_with("emails", json!([{ "value": { "a": 1 } }]))),
        case("PUT /Users/{user}", "{}", 400, "invalidValue"),
        case("PUT /Users/{user}", "[", 400, "invalidSyntax"),
        case("POST /Groups", "{}", 400, "invalidValue"),
        case("POST /Groups", json!({ "displayName": "" }), 400, "invalidValue"),
        case("POST /Groups", json!({ "displayName": { "a": 1 } }), 400, "invalidValue"),
        case("POST /Users", scim::user("TAKEN@acme.example"), 409, "uniqueness"),
        case("PUT /Users/{user}", scim::user("Taken@acme.example"), 409, "uniqueness"),
        case("POST /Groups", scim::group("taken", &[]), 409, "uniqueness"),
        case("PUT /Groups/{group}", scim::group("TAKEN", &[]), 409, "uniqueness"),
    ];
    Scene::set().await.refuses(cases).await;
}

#[tokio::test]
async fn patches_that_cannot_be_are_refused_whole() {
    let users = |body: Value, scim_type| case("PATCH /Users/{user}", body, 400, scim_type);
    let many: Vec<_> = (0..20_000).map(|_| json!({ "op": "remove", "path": "title" })).collect();
    let good = json!({ "op": "replace", "path": "title", "value": "Countess" });
    let bad = json!({ "op": "replace", "path": "active", "value": "perhaps" });
    let cases = [
        users(json!({ "schemas": [scim::PATCH_OP] }), "invalidSyntax"),
        users(json!({ "schemas": [scim::PATCH_OP], "Operations": [] }), "invalidSyntax"),
        users(json!({ "schemas": [scim::PATCH_OP], "Operations": "all" }), "invalidSyntax"),
        users(json!({ "schemas": [scim::PATCH_OP], "Operations": [1] }), "invalidSyntax"),
        users(json!({ "schemas": [scim::USER], "Operations": [good] }), "invalidSyntax"),
        users(json!([]), "invalidSyntax"),
        operation(json!({ "path": "title", "value": "x" }), "invalidSyntax"),
        operation(json!({ "op": "merge", "path": "title", "value": "x" }), "invalidSyntax"),
        operation(json!({ "op": "remove" }), "noTarget"),
        operation(json!({ "op": "replace", "path": "emails[", "value": "x" }), "invalidFilter"),
        operation(json!({ "op": "replace", "path": "title..x", "value": "x" }), "invalidPath"),
        operation(json!({ "op": "replace", "path": 7, "value": "x" }), "invalidPath"),
        operation(json!({ "op": "replace", "path": "id", "value": UNKNOWN }), "mutability"),
        operation(json!({ "op": "remove", "path": "userName" }), "mutability"),
        operation(json!({ "op": "add", "path": "title" }), "invalidValue"),
        operation(json!({ "op": "replace", "path": "name", "value": 7 }), "invalidValue"),
        operation(
            json!({ "op": "replace", "path": "phoneNumbers[value eq \"1\"].value", "value": "2" }),
            "noTarget",
        ),
        operation(bad.clone(), "invalidValue"),
        users(scim::patch(json!([good, bad, good])), "invalidValue"),
        case("PATCH /Users/{user}", scim::patch(json!(many)), 413, None),
        case("PATCH /Users/{user}", scim::set("userName", "taken@acme.example"), 409, "uniqueness"),
        case("PATCH /Groups/{group}", "{}", 400, "invalidSyntax"),
        case("PATCH /Groups/{group}", scim::set("displayName", "Taken"), 409, "uniqueness"),
        case(
            "PATCH /Groups/{group}",
            scim::patch(json!([scim::remove("x"), { "op": "remove", "path": "displayName" }])),
            400,
            "mutability",
        ),
    ];
    let mut scene = Scene::set().await;
    scene.refuses(cases).await;
    let user = scene.store.client().unwrap().get(&format!("/Users/{}", scene.user)).await.unwrap();
    assert_eq!(user.body.get("title"), None, "a part of a refused PATCH was applied");
}

#[tokio::test]
async fn queries_that_do_not_read_are_refused() {
    let filter = |text: &str| query(&format!("filter={}", scim::escape(text)), "invalidFilter");
    let deep = format!("{}userName pr{}", "(".repeat(2_000), ")".repeat(2_000));
    let wide = vec!["title eq \"x\""; 1_000].join(" or ");
    let cases = [
        filter("userName regex \"x\""),
        filter("userName eq"),
        filter("active gt true"),
        filter("(userName eq \"a\""),
        filter("userName eq \"a\" and"),
        filter("emails[type eq \"work\""),
        filter("userName eq \"a\u{0}"),
        filter(&deep),
        filter(&wide),
        query("startIndex=one", "invalidValue"),
        query("count=many", "invalidValue"),
        query("filter=%ff", "invalidValue"),
        query("attributes=userName&excludedAttributes=title", "invalidValue"),
    ];
    Scene::set().await.refuses(cases).await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let cases = ["GET", "PUT", "PATCH", "DELETE"].into_iter().flat_map(|method| {
        let user = || match method {
            "PATCH" => scim::active(false).to_string(),
            "PUT" => scim::user("ada@acme.example").to_string(),
            _ => String::new(),
        };
        let group = || match method {
            "PATCH" => scim::set("displayName", "x").to_string(),
            "PUT" => scim::group("x", &[]).to_string(),
            _ => String::new(),
        };
        let not_found = |path: &str, body| Case {
            method,
            path: path.to_owned(),
            body,
            status: 404,
            scim_type: None,
        };
        [
            not_found(&format!("/Users/{UNKNOWN}"), user()),
            not_found("/Users/not-an-id", user()),
            not_found("/Users/%00%ff", user()),
            // Another connector's, and what is of the other kind.
            not_found("/Users/{stranger}", user()),
            not_found("/Users/{group}", user()),
            not_found(&format!("/Groups/{UNKNOWN}"), group()),
            not_found("/Groups/{user}", group()),
            not_found("/Nope", user()),
            not_found("/Users/{user}/emails", user()),
        ]
    });
    let mut scene = Scene::set().await;
    scene.refuses(cases).await;
    let others = [
        case("GET /Schemas/urn:nobody:knows", "", 404, None),
        case("GET /ResourceTypes/Nope", "", 404, None),
        case("PUT /Users", "{}", 405, None),
        case("DELETE /Groups", "", 405, None),
        case("POST /Users/{user}", "{}", 405, None),
        case("PATCH /Schemas", "{}", 405, None),
        case("POST /ServiceProviderConfig", "{}", 405, None),
        case("GET /Me", "", 501, None),
    ];
    scene.refuses(others).await;
}

#[tokio::test]
async fn whoever_has_no_live_token_of_this_connector_learns_nothing() {
    let mut scene = Scene::set().await;
    let client = |authorization: &str| {
        let client = scene.store.client().unwrap();
        client.with_header("authorization", authorization).unwrap()
    };
    let of = |base_url: &str, token: &str| Client::new(base_url, token).unwrap();
    let (store, own) = (scene.store.base_url.clone(), scene.store.token.clone());
    let without_last = &own[..own.len() - 1];
    let unknown = |part: &str, with: &str| store.replace(part, with);
    let clients = vec![
        ("no header", scene.store.client().unwrap().without_header("authorization")),
        ("an empty header", client("")),
        ("no scheme", client(&own)),
        ("another scheme", client("Basic YWRhOnNlY3JldA==")),
        ("the scheme twice", client(&format!("Bearer Bearer {own}"))),
        ("no token", client("Bearer ")),
        ("a token of somebody else's making", client("Bearer abc.def.ghi")),
        ("a token that is too short", client(&format!("Bearer {without_last}"))),
        ("a token that is too long", client(&format!("Bearer {own}x"))),
        ("the owner's token", client(&format!("Bearer {}", testkit::ADMIN_TOKEN))),
        ("another connector's token", of(&store, &scene.dashboard.token)),
        ("another workspace's token", of(&store, &scene.elsewhere.token)),
        ("this token elsewhere", of(&scene.elsewhere.base_url, &own)),
        ("an unknown connector", of(&unknown("/store", "/nope"), &own)),
        ("an unknown workspace", of(&unknown("/acme/", "/nope/"), &own)),
        ("a connector that cannot be", of(&unknown("/store", "/St%20re"), &own)),
    ];
    scene.lets_nobody_in(clients).await;
    let mut client = Client::new(&format!("{}/scim", scene.server.url()), &own).unwrap();
    client.get("/v1/Users").await.unwrap().expect_scim_error(404, None).unwrap();
}

#[tokio::test]
async fn another_connectors_id_is_nobody_as_a_member_and_in_a_filter() {
    let mut scene = Scene::set().await;
    let mut client = scene.store.client().unwrap();
    for attribute in ["id", "manager.value", "groups.value"] {
        let path = scim::path_eq("/Users", attribute, &scene.stranger);
        let found = client.get(&path).await.unwrap().expect(200).unwrap();
        assert_eq!((&found["totalResults"], &found["Resources"]), (&json!(0), &json!([])));
    }
    let path = scim::path_eq("/Groups", "members.value", &scene.stranger);
    let found = client.get(&path).await.unwrap().expect(200).unwrap();
    assert_eq!(found["totalResults"], 0);

    // Kept as a name that nobody has yet, as any unknown one is.
    let add = scim::patch(json!([scim::add(&[scene.stranger.clone(), UNKNOWN.to_owned()])]));
    let group = scene.group.clone();
    client.patch(&format!("/Groups/{group}"), add).await.unwrap().expect(204).unwrap();
    assert_eq!(scim::members(&mut client, &group).await.unwrap(), [scene.user.clone()]);
    let pending = format!("/workspaces/{WORKSPACE}/groups/{group}/pending");
    let pending = scene.api.get(&pending).await.unwrap().expect(200).unwrap();
    assert_eq!(pending["items"].as_array().unwrap().len(), 2);
    let mut stranger = scene.dashboard.client().unwrap();
    let path = format!("/Users/{}", scene.stranger);
    let user = stranger.get(&path).await.unwrap().expect(200).unwrap();
    assert_eq!(user.get("groups"), None);
}

#[tokio::test]
async fn bodies_that_are_too_large_or_of_another_kind_are_refused() {
    let mut scene = Scene::set().await;
    let before = scene.changes().await;
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
        let client = scene.store.client().unwrap().with_header("content-type", media_type);
        let user = scim::user("new@acme.example");
        client.unwrap().post("/Users", user).await.unwrap().expect_scim_error(415, None).unwrap();
    }
    // Refused by its head alone, before anything of it has come.
    let head = announce(&scene.store, &format!("Content-Length: {TOO_LARGE}"), b"").await.unwrap();
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    assert!(head.contains("application/scim+json") && head.contains(scim::ERROR), "{head}");
    // And when it does not say how long it is.
    let mut chunk = format!("{TOO_LARGE:x}\r\n\"").into_bytes();
    chunk.resize(chunk.len() + TOO_LARGE, b'x');
    let head = announce(&scene.store, "Transfer-Encoding: chunked", &chunk).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    assert_eq!(scene.changes().await, before);
    scene.store.client().unwrap().get("/Users").await.unwrap().expect(200).unwrap();
}

/// Sends the head of a POST and what there is of its body; the answer's bytes until the server
/// closes the connection.
async fn announce(connector: &Connector, header: &str, body: &[u8]) -> anyhow::Result<String> {
    let rest = connector.base_url.strip_prefix("http://").context("no http URL")?;
    let (authority, path) = rest.split_once('/').context("no path")?;
    let head = format!(
        "POST /{path}/Users HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/scim+json\r\nConnection: close\r\n{header}\r\n\r\n",
        connector.token
    );
    let request = [head.as_bytes(), body].concat();
    let answer = raw::exchange(authority, &request).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
