//! The provisioning log: every authenticated request, whatever its answer (rule 33).

use std::time::Duration;

use actix_web::http::Method;
use app::admin::{
    page::Listing,
    provisioning_log::{LogQuery, Logged},
};
use domain::{
    ids::ConnectorName,
    portal::Portal,
    workspace::{ConnectorState, Idp},
};
use event_log::journal::Outcome;
use serde_json::json;

use crate::support::{Client, Server, person};

const MINUTE: Duration = Duration::from_mins(1);

/// The entries that match, oldest first.
async fn log(server: &Server, q: Option<&str>, query: LogQuery) -> Vec<Logged> {
    let mut listing = Listing { q: q.map(str::to_owned), limit: 2, cursor: None };
    let mut all = Vec::new();
    loop {
        let part = server.app.provisioning_log(&server.workspace, query.clone(), &listing);
        let part = part.await.unwrap();
        all.extend(part.items);
        listing.cursor = part.next;
        if listing.cursor.is_none() {
            all.reverse();
            return all;
        }
    }
}

/// Each entry as a line: what, of what, what came of it, status and keyword.
async fn lines(server: &Server) -> Vec<String> {
    let all = log(server, None, LogQuery::default()).await;
    all.iter().map(line).collect()
}

fn line(Logged { entry: it, .. }: &Logged) -> String {
    let resource = it.resource.map_or("-", |it| it.as_str());
    let status = it.status.map_or("-".to_owned(), |it| it.to_string());
    let scim_type = it.scim_type.as_deref().unwrap_or("-");
    let operation = it.operation.map(|it| format!("{it}: ")).unwrap_or_default();
    let (action, outcome) = (it.action.as_str(), it.outcome.as_str());
    format!("{operation}{action} {resource} {outcome} {status} {scim_type}")
}

async fn pause(server: &Server, state: ConnectorState) {
    let store = ConnectorName::parse("store").unwrap();
    let (app, workspace) = (&server.app, &server.workspace);
    app.change_connector(&person(), workspace, &store, Some(state), None).await.unwrap();
}

#[actix_web::test]
async fn rule_33_every_authenticated_request_has_its_entry() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await.with("x-request-id", "theirs");
    let ada = generic.user("ada").await;
    let user = format!("/Users/{ada}");
    let group = format!("/Groups/{}", generic.group("crew", &[]).await);
    let title = json!([{"op": "replace", "path": "title", "value": "Pilot"}]);
    let etag = generic.get(&user).await.header("etag").unwrap().to_owned();
    generic.with("if-none-match", &etag).get(&user).await;
    generic.patch(&user, title.clone()).await;
    generic.patch(&user, title.clone()).await;
    generic.with("if-match", &etag).patch(&user, title.clone()).await;
    generic.put(&user, json!({"userName": "ada"})).await;
    let add = json!([{"op": "add", "path": "members", "value": [{"value": ada}]}]);
    assert_eq!(generic.patch(&group, add).await.status, 204);
    generic.post("/Users", json!({"userName": "ADA"})).await;
    generic.send(Method::POST, "/Users", Some(b"{".to_vec())).await;
    generic.find("/Users", "userName eq").await;
    generic.get("/Users").await;
    generic.post("/Groups/.search", json!({})).await;
    generic.get("/Me").await;
    generic.send(Method::DELETE, "/Users", None).await;
    generic.get("/Nothing").await;
    generic.delete(&user).await;
    generic.delete(&user).await;
    pause(&server, ConnectorState::Paused).await;
    generic.get("/Users").await;
    pause(&server, ConnectorState::Active).await;
    let expected = [
        "create User created 201 -",
        "create Group created 201 -",
        "read User read 200 -",
        "read User read 304 -",
        "patch User changed 200 -",
        "patch User unchanged 200 -",
        "patch User refused 412 -",
        "replace User changed 200 -",
        "patch Group changed 204 -",
        "create User refused 409 uniqueness",
        "create User refused 400 invalidSyntax",
        "list User refused 400 invalidFilter",
        "list User read 200 -",
        "list Group read 200 -",
        "other - refused 501 -",
        "other User refused 405 -",
        "other - refused 404 -",
        "delete User removed 204 -",
        "delete User refused 404 -",
        "list User deferred 503 -",
    ];
    assert_eq!(lines(&server).await, expected);

    let all = log(&server, None, LogQuery::default()).await;
    assert!(all.iter().all(|it| it.entry.correlation == "theirs"));
    let created = &all[0].entry;
    assert_eq!(created.subject.map(|it| it.to_string()), Some(ada));
    let (first, last) = created.positions.unwrap();
    let events = server.app.log().read(&server.workspace, first - 1, 10).await.unwrap();
    assert_eq!(events[0].meta.request.as_ref(), Some(&created.request));
    assert!(first <= last && events[0].name.starts_with("user."), "{events:?}");
    let taken = all[9].entry.detail.as_deref();
    assert_eq!(taken, Some("userName: this connector has a user with that userName already"));
    assert!(all[19].entry.detail.as_deref().unwrap().contains("paused"));
}

#[actix_web::test]
async fn rule_33_what_can_be_read_without_a_token_has_its_entry_when_there_is_one() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let config = "/ServiceProviderConfig";
    for token in [None, Some("nobodys".to_owned())] {
        let other = Client { token, ..generic.clone() };
        assert_eq!(other.get(config).await.status, 200);
    }
    assert!(lines(&server).await.is_empty());
    assert_eq!(generic.get(config).await.status, 200);
    assert_eq!(generic.find(config, "id pr").await.status, 403);
    assert_eq!(generic.delete(config).await.status, 405);
    pause(&server, ConnectorState::Paused).await;
    assert_eq!(generic.get(config).await.status, 200);
    let expected = [
        "discover - read 200 -",
        "discover - refused 403 -",
        "other - refused 405 -",
        "discover - read 200 -",
    ];
    assert_eq!(lines(&server).await, expected);
}

#[actix_web::test]
async fn rule_33_operations_of_a_bulk_request_have_entries_of_their_own() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let group = |name: &str, member: &str| {
        json!({
            "method": "POST", "path": "/Groups", "bulkId": name,
            "data": {"displayName": name, "members": [{"value": format!("bulkId:{member}")}]},
        })
    };
    let operations = json!([
        {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"userName": "ada"}},
        {"method": "DELETE", "path": "/Users/0190f5e0-0000-7000-8000-00000000abcd"},
        {"method": "POST", "path": "/Planes", "data": {}},
        group("a", "b"),
        group("b", "a"),
    ]);
    let schemas = ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"];
    let body = json!({"schemas": schemas, "Operations": operations});
    assert_eq!(generic.post("/Bulk", body).await.status, 200);
    let expected = [
        "0: create User created 201 -",
        "1: delete User refused 404 -",
        "2: other - refused 404 -",
        "3: create Group created 201 -",
        "4: create Group created 201 -",
        // What had to wait for the other group.
        "3: patch Group changed 200 -",
        "bulk - in_parts 200 -",
    ];
    assert_eq!(lines(&server).await, expected);
    let all = log(&server, None, LogQuery::default()).await;
    let requests: Vec<_> = all.iter().map(|it| &it.entry.request).collect();
    assert!(requests.iter().all(|it| *it == requests[0]), "one request");
    let (first, _) = all[0].entry.positions.unwrap();
    let (_, last) = all[5].entry.positions.unwrap();
    assert_eq!(all[6].entry.positions, Some((first, last)));
    assert_eq!((all[1].entry.positions, all[6].entry.subject), (None, None));
}

#[actix_web::test]
async fn rule_33_requests_are_found_by_what_is_known_of_them() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let okta = server.connect(Portal::Mdm, "okta", Idp::Okta).await;
    let ada = generic.with("x-request-id", "first").user("Ada@acme.example").await;
    server.clock.advance(MINUTE);
    generic.post("/Users", json!({"userName": "ada@acme.example"})).await;
    okta.user("ada@acme.example").await;
    generic.get(&format!("/Users/{ada}")).await;
    okta.group("crew", &[]).await;

    let find = async |q: Option<&str>, query: LogQuery| {
        log(&server, q, query).await.iter().map(line).collect::<Vec<_>>()
    };
    let all = LogQuery::default;
    let [created, taken] = ["create User created 201 -", "create User refused 409 uniqueness"];
    let [read, crew] = ["read User read 200 -", "create Group created 201 -"];
    assert_eq!(find(Some("ADA@acme.example"), all()).await, [created, taken, created]);
    assert_eq!(find(Some("crew"), all()).await, [crew]);
    assert_eq!(find(Some("ada"), all()).await, [""; 0], "whole names only");
    assert_eq!(find(Some(&ada), all()).await, [created, read]);
    let subject = Some(ada.parse().unwrap());
    assert_eq!(find(None, LogQuery { subject, ..all() }).await, [created, read]);
    let outcome = Some(Outcome::Refused);
    assert_eq!(find(None, LogQuery { outcome, ..all() }).await, [taken]);
    let status = Some((400, 499));
    assert_eq!(find(None, LogQuery { status, ..all() }).await, [taken]);
    let correlation = Some("first".to_owned());
    assert_eq!(find(None, LogQuery { correlation, ..all() }).await, [created]);
    let connector = Some("okta".to_owned());
    assert_eq!(find(None, LogQuery { connector, ..all() }).await, [created, crew]);
    let to = Some(server.app.now() - 1);
    assert_eq!(find(None, LogQuery { to, ..all() }).await, [created]);
    let from = Some(server.app.now());
    assert_eq!(find(None, LogQuery { from, ..all() }).await.len(), 4);

    // Whom it is about is looked up; nobody's name is kept.
    let found = log(&server, Some(&ada), all()).await;
    assert_eq!(found[0].name.as_deref(), Some("Ada@acme.example"));
    generic.delete(&format!("/Users/{ada}")).await;
    assert_eq!(log(&server, Some(&ada), all()).await[0].name, None);
    assert_eq!(found[0].entry.name, log(&server, Some(&ada), all()).await[0].entry.name);
}

#[actix_web::test]
async fn rule_33_nothing_of_anybody_is_in_the_journal() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let ada = generic.user("hedwig@acme.example").await;
    let user = format!("/Users/{ada}");
    generic.post("/Users", json!({"userName": "hedwig@acme.example", "title": "hedwig"})).await;
    generic.post("/Users", json!({"userName": ["hedwig"]})).await;
    generic.find("/Users", "userName eq hedwig").await;
    generic.find("/Users", "hedwig x").await;
    for path in ["emails[value eq \"hedwig\"].type", "hedwig@acme", "name[hedwig", "'hedwig'"] {
        generic.patch(&user, json!([{"op": "replace", "path": path, "value": "x"}])).await;
    }
    generic.group("hedwig", &["hedwig"]).await;
    generic.get("/Users/hedwig").await;
    generic.get("/hedwig").await;
    generic.get("/Users?sortBy=hedwig@acme&attributes=hedwig@acme").await;
    let refused = LogQuery { outcome: Some(Outcome::Refused), ..LogQuery::default() };
    let refused = log(&server, None, refused).await;
    assert!(refused.len() >= 6, "{refused:?}");
    assert!(!server.holds("hedwig"));
    for it in &refused {
        assert!(!it.entry.detail.as_deref().unwrap_or_default().contains("hedwig"), "{it:?}");
    }
    assert!(server.holds("uniqueness"), "the file is looked into");
}

#[actix_web::test]
async fn rule_33_bodies_are_kept_sealed_for_as_long_as_somebody_wants() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let store = ConnectorName::parse("store").unwrap();
    let (app, workspace) = (&server.app, &server.workspace);
    let newest = async || {
        let entry = log(&server, None, LogQuery::default()).await.pop().unwrap().entry;
        app.log().journal().entry(workspace, "store", entry.time).unwrap().unwrap()
    };
    generic.user("errol").await;
    assert_eq!(newest().await.1, None, "nobody asked for it");

    let until = Some(app.now() + 3_600_000_000);
    assert_eq!(app.keep_bodies(&person(), workspace, &store, until).await.unwrap(), until);
    generic.post("/Users", json!({"userName": "hedwig"})).await;
    let (_, body) = newest().await;
    assert_eq!(body.unwrap().bytes, br#"{"userName":"hedwig"}"#);
    assert!(!server.holds("hedwig"));

    // Whatever the portal, nobody's password is kept, nor what might hold one.
    let id = generic.user("crookshanks").await;
    let patch = json!([
        { "op": "replace", "path": "password", "value": "alohomora" },
        { "op": "replace", "value": { "password": "alohomora", "title": "Cat" } },
    ]);
    generic.patch(&format!("/Users/{id}"), patch).await;
    let kept = String::from_utf8(newest().await.1.unwrap().bytes).unwrap();
    assert!(kept.contains("Cat") && !kept.contains("alohomora"), "{kept}");
    let half = br#"{"password": "alohomora""#;
    generic.send(Method::POST, "/Users", Some(half.to_vec())).await;
    let kept = String::from_utf8(newest().await.1.unwrap().bytes).unwrap();
    assert!(kept.starts_with("(not kept") && !kept.contains("alohomora"), "{kept}");
    generic.post("/Users", json!({"userName": "hedwig-2"})).await;
    let (entry, _) = newest().await;

    // A person is erased.
    app.log().journal().forget(workspace, &[entry.subject.unwrap()]).unwrap();
    let (entry, body) = newest().await;
    assert_eq!((body, entry.name), (None, None));

    server.clock.advance(60 * MINUTE);
    assert_eq!(app.bodies_until(workspace, &store).await.unwrap(), None);
    generic.user("pigwidgeon").await;
    assert_eq!(newest().await.1, None, "the hour is over");
}

#[actix_web::test]
async fn rule_33_requests_come_in_cycles_and_go_after_their_days() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let (app, workspace) = (&server.app, &server.workspace);
    let cycle = async |client: &Client<'_>, number: usize| {
        client.find("/Users", "userName eq \"ada\"").await;
        client.user(&format!("ada-{number}")).await;
        client.post("/Users", json!({"userName": "ada-0"})).await;
    };
    cycle(&generic, 0).await;
    server.clock.advance(40 * MINUTE);
    cycle(&generic, 1).await;
    server.clock.advance(4 * MINUTE);
    cycle(&generic, 2).await;
    let cycles = async || {
        let listing = Listing { q: None, limit: 10, cursor: None };
        app.provisioning_cycles(workspace, LogQuery::default(), &listing).await.unwrap().items
    };
    let counts: Vec<_> = cycles()
        .await
        .iter()
        .map(|it| {
            let count = |outcome| it.count(outcome);
            (it.requests, count(Outcome::Created), count(Outcome::Refused), count(Outcome::Read))
        })
        .collect();
    assert_eq!(counts, [(6, 2, 2, 2), (3, 1, 1, 1)]);

    server.clock.advance(89 * 24 * 60 * MINUTE);
    assert_eq!(lines(&server).await.len(), 9);
    app.keep_provisioning_log(&person(), workspace, 30).await.unwrap();
    assert!(lines(&server).await.is_empty() && cycles().await.is_empty(), "not shown at once");
    generic.get("/Users").await;
    app.log().journal().sweep().unwrap();
    app.keep_provisioning_log(&person(), workspace, 3_650).await.unwrap();
    assert_eq!(lines(&server).await, ["list User read 200 -"], "and gone then");
}

#[actix_web::test]
async fn rule_33_what_is_not_authenticated_is_counted_and_a_few_are_kept() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let with = |token: Option<&str>| Client { token: token.map(str::to_owned), ..generic.clone() };
    for _ in 0..30 {
        with(None).get("/Users").await;
    }
    let real = generic.token.clone().unwrap();
    with(Some("hedwig")).get("/Users").await;
    with(Some(&format!("{}x", &real[..real.len() - 1]))).get("/Users").await;
    let elsewhere = Client { base: "/scim/v2/acme/hedwig".to_owned(), ..generic.clone() };
    elsewhere.get("/Users").await;
    let nowhere = Client { base: "/scim/v2/hedwig/store".to_owned(), ..generic.clone() };
    nowhere.get("/Users").await;

    assert!(lines(&server).await.is_empty(), "none of it is in the log itself");
    let found = server.app.provisioning_rejections(&server.workspace).unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|it| {
            let known = it.samples.iter().filter(|it| it.token.is_some()).count();
            (it.connector.as_deref(), it.reason.as_str(), it.count, it.samples.len(), known)
        })
        .collect();
    let expected = [
        (None, "unknown", 1, 1, 0),
        (Some("store"), "malformed", 1, 1, 0),
        (Some("store"), "missing", 30, 10, 0),
        (Some("store"), "unknown", 1, 1, 1),
    ];
    assert_eq!(found, expected);
    assert!(!server.holds("hedwig"));
}
