//! What clients do wrong: the right status, a proper SCIM error, and nothing written.

use actix_web::http::Method;
use domain::{
    ids::ConnectorName,
    workspace::{ConnectorState, Idp},
};
use serde_json::json;

use crate::support::{Server, person};

#[actix_web::test]
async fn case_59_what_http_refuses_is_scim_json_too() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let head = server.head();
    let body = |text: &str| Some(text.as_bytes().to_vec());
    let large = format!("{{\"userName\": \"{}\"}}", "x".repeat(ingress::USER_BODY_BYTES_MAX));
    let huge = format!("{{\"displayName\": \"{}\"}}", "x".repeat(ingress::BODY_BYTES_MAX));
    for (method, path, sent, status) in [
        (Method::POST, "/Users", body(&large), 413),
        (Method::PATCH, "/Users/0190f5e0-0000-7000-8000-00000000abcd", body(&large), 413),
        (Method::POST, "/Groups", body(&large.replace("userName", "displayName")), 400),
        (Method::POST, "/Groups", body(&huge), 413),
        (Method::GET, "/Nope", None, 404),
        (Method::GET, "/Users/1/2", None, 404),
        (Method::PATCH, "/Schemas", body("{}"), 405),
        (Method::DELETE, "/Users", None, 405),
        (Method::POST, "/Users/0190f5e0-0000-7000-8000-00000000abcd", body("{}"), 405),
        (Method::GET, "/Users/.search", None, 405),
        (Method::GET, "/Bulk", None, 405),
        (Method::GET, "/Me", None, 501),
        (Method::POST, "/Me", body("{}"), 501),
        (Method::POST, "/Bulk", body("{}"), 400),
        (Method::POST, "/.search", body("[]"), 400),
        (Method::POST, "/Bulk", body(&huge), 413),
    ] {
        let reply = generic.send(method.clone(), path, sent).await;
        assert_eq!(reply.error().0, status, "{method} {path}: {reply:?}");
        assert_eq!(reply.header("allow").is_some(), status == 405, "{method} {path}");
    }
    for media_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let reply = generic.with("content-type", media_type).post("/Users", json!({})).await;
        assert_eq!(reply.error(), (415, None), "{media_type}");
    }
    let large = generic.with("content-length", "99999999").post("/Users", json!({})).await;
    assert_eq!(large.error(), (413, None));
    assert!(large.body["detail"].to_string().contains("1048576"), "{large:?}");
    assert_eq!(server.head(), head);
}

#[actix_web::test]
async fn bodies_that_say_nothing_usable_are_refused() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let user = format!("/Users/{}", generic.user("ada").await);
    let group = format!("/Groups/{}", generic.group("Engineers", &[]).await);
    let head = server.head();
    let deep = "[".repeat(33) + &"]".repeat(33);
    let (syntax, value) = (Some("invalidSyntax"), Some("invalidValue"));
    for (method, path, body, keyword) in [
        (Method::POST, "/Users", "", syntax),
        (Method::POST, "/Users", "userName=ada", syntax),
        (Method::POST, "/Users", "{\"userName\": ", syntax),
        (Method::POST, "/Users", &deep, syntax),
        (Method::POST, "/Users", "[]", syntax),
        (Method::POST, "/Users", "null", syntax),
        (Method::POST, "/Users", "{}", value),
        (Method::POST, "/Users", "{\"userName\": \" \"}", value),
        (Method::POST, "/Users", "{\"userName\": {\"a\": 1}}", value),
        (Method::POST, "/Users", "{\"userName\": \"x\", \"active\": \"perhaps\"}", value),
        (Method::POST, "/Users", "{\"userName\": \"x\", \"name\": 7}", value),
        (Method::PUT, &user, "{\"active\": true}", value),
        (Method::PUT, &user, "7", syntax),
        (Method::PATCH, &user, "{}", syntax),
        (Method::PATCH, &user, "{\"Operations\": 7}", syntax),
        (Method::PATCH, &user, "{\"schemas\": [\"urn:x\"], \"Operations\": []}", syntax),
        (Method::POST, "/Groups", "{\"members\": []}", value),
        (Method::POST, "/Groups", "{\"displayName\": \"x\", \"members\": [{}]}", value),
        (Method::PUT, &group, "{\"displayName\": \"\"}", value),
    ] {
        let reply = generic.send(method.clone(), path, Some(body.as_bytes().to_vec())).await;
        assert_eq!(reply.error(), (400, keyword), "{method} {path} {body}: {reply:?}");
    }
    assert_eq!(server.head(), head);
}

#[actix_web::test]
async fn numbers_and_filters_are_refused_by_name() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    for (query, keyword, named) in [
        ("startIndex=x", "invalidValue", "startIndex"),
        ("count=1.5", "invalidValue", "count"),
        ("filter=userName%20regex%20%22x%22", "invalidFilter", "byte 9"),
        ("filter=%FF", "invalidValue", "UTF-8"),
        ("attributes=a%20b", "invalidValue", "attributes"),
    ] {
        for path in ["/Users", "/Groups"] {
            let reply = generic.get(&format!("{path}?{query}")).await;
            assert_eq!(reply.error(), (400, Some(keyword)), "{query}");
            assert!(reply.body["detail"].to_string().contains(named), "{query}: {reply:?}");
        }
    }
}

#[actix_web::test]
async fn the_token_is_looked_at_before_the_body() {
    let server = Server::start().await;
    let mut nobody = server.client(Idp::Generic).await;
    nobody.token = None;
    for (method, path) in [
        (Method::POST, "/Users"),
        (Method::PUT, "/Users/7"),
        (Method::PATCH, "/Groups/7"),
        (Method::GET, "/Nope"),
        (Method::DELETE, "/Schemas"),
    ] {
        let reply = nobody.send(method.clone(), path, Some(b"not json".to_vec())).await;
        assert_eq!(reply.error(), (401, None), "{method} {path}");
    }
}

#[actix_web::test]
async fn a_paused_connector_asks_to_come_back() {
    let server = Server::start().await;
    let okta = server.client(Idp::Okta).await;
    let name = ConnectorName::parse("store").unwrap();
    let (app, workspace) = (&server.app, &server.workspace);
    let paused = Some(ConnectorState::Paused);
    app.change_connector(&person(), workspace, &name, paused, None).await.unwrap();
    let head = server.head();
    let reply = okta.post("/Users", json!({"userName": "ada"})).await;
    assert_eq!((reply.error(), reply.header("retry-after")), ((503, None), Some("30")));
    assert_eq!(server.head(), head);
    let active = Some(ConnectorState::Active);
    app.change_connector(&person(), workspace, &name, active, None).await.unwrap();
    okta.user("ada").await;
}

#[actix_web::test]
async fn slashes_are_tolerated_and_other_bases_are_not_found() {
    let server = Server::start().await;
    let mut generic = server.client(Idp::Generic).await;
    let id = generic.user("ada").await;
    for path in ["/Users/", "//Users", "/Users//", &format!("/Users/{id}/"), "/Schemas/"] {
        assert_eq!(generic.get(path).await.status, 200, "{path}");
    }
    assert_eq!(generic.get("/Users/?startIndex=1&count=2").await.ids(), [id]);
    for base in
        ["/scim", "/scim/v2", "/scim/v2/acme", "/scim/v1/acme/store", "/scim/v2//acme/store"]
    {
        base.clone_into(&mut generic.base);
        assert_eq!(generic.get("").await.error(), (404, None), "{base}");
    }
    for base in ["/scim/v2/acme/other", "/scim/v2/nobody/store", "/scim/v2/ACME/store"] {
        base.clone_into(&mut generic.base);
        assert_eq!(generic.get("/Users").await.error(), (401, None), "{base}");
    }
}

#[actix_web::test]
async fn a_client_gets_its_request_id_back() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let made = generic.get("/Users").await;
    assert_eq!(made.header("x-request-id").unwrap().len(), 36);
    assert_ne!(made.header("x-request-id"), generic.get("/Users").await.header("x-request-id"));
    for (name, given, echoed) in [
        ("x-request-id", "my.id-1:2_3", true),
        ("client-request-id", "0a1b", true),
        ("x-request-id", "with space", false),
    ] {
        let reply = generic.with(name, given).get("/Nope").await;
        assert_eq!(reply.header("x-request-id") == Some(given), echoed, "{name}: {given}");
    }
    let ada = json!({"userName": "ada"});
    generic.with("x-request-id", "from-the-idp").post("/Users", ada).await;
    let log = server.app.log();
    let events = log.read(&server.workspace, 0, 1_000).await.unwrap();
    let events: Vec<_> = events.iter().filter(|it| it.name == "user.entry_added").collect();
    assert_eq!(events[0].meta.correlation, "from-the-idp");
    assert!(events[0].meta.actor.starts_with("connector:store/"));
}

#[actix_web::test]
async fn an_id_in_another_spelling_is_not_found() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let id = generic.user("ada").await;
    assert_eq!(generic.get(&format!("/Users/{id}")).await.status, 200);
    let braced = format!("%7B{id}%7D");
    // Ids that are counted may have no letters to print in capitals.
    let capitals = "0190F5E0-0000-7000-8000-00000000ABCD".to_owned();
    for other in [capitals, id.replace('-', ""), braced, format!("urn:uuid:{id}"), "7".to_owned()] {
        let reply = generic.get(&format!("/Users/{other}")).await;
        assert_eq!(reply.error(), (404, None), "{other}");
        assert_eq!(reply.body["detail"], json!("no resource has this id"), "{other}");
    }
}

#[actix_web::test]
async fn case_59_more_requests_than_allowed_are_429() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let other = server.client_of("other", Idp::Generic).await;
    server.app.limit_requests(std::num::NonZeroU32::MIN);
    assert_eq!(generic.get("/Users").await.status, 200);
    let reply = generic.get("/Users").await;
    assert_eq!(reply.error(), (429, None));
    let seconds: u32 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&seconds), "{seconds}");
    assert_eq!(other.get("/Users").await.status, 200, "nobody else is slowed down");
}

#[actix_web::test]
async fn more_requests_than_can_wait_are_503_and_keep_nobody_else_waiting() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let other = server.client_of("other", Idp::Generic).await;
    let crowd = futures_util::future::join_all((0..4_400).map(|_| generic.get("/Users?count=1")));
    let (replies, quiet) = futures_util::future::join(crowd, other.get("/Users")).await;
    assert_eq!(quiet.status, 200);
    let of = |status| replies.iter().filter(move |reply| reply.status == status);
    assert!(of(200).count() >= 4_096 && of(503).count() > 0, "{} refused", of(503).count());
    assert_eq!(of(200).count() + of(503).count(), replies.len());
    assert!(of(503).all(|reply| reply.header("retry-after") == Some("30")));
    assert_eq!(generic.get("/Users").await.status, 200, "nothing is left behind");
}
