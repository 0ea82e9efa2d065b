//! No connector reaches anything of another one (rule 5): a token against every route, with every name
//! that something of another connector has.
//!
//! Two servers are alike to the last id. On one of them a connector is asked with what belongs to
//! another connector, on the other with names that nobody has: the answers must be the same to the
//! letter, and the other connector's world what it was. There are probes for every route that there is
//! ([`ingress::routes`]); a route that has none fails the test.

mod probes;

use actix_web::http::{Method, StatusCode};
use domain::{
    portal::Portal,
    workspace::{Idp, Plan},
};
use event_log::WorkspaceId;
use futures_util::FutureExt;
use serde_json::{Value, json};

use self::probes::{Ask, Names, Own};
use crate::support::{Client, Server, person};

/// Stands in everything that the other connector has, and in no probe.
const MARK: &str = "theirs-alone";
/// Ids of the form that this server gives, which nobody has.
const NOBODY: [&str; 3] = [
    "00000000-0000-7000-8000-0000000f0001",
    "00000000-0000-7000-8000-0000000f0002",
    "00000000-0000-7000-8000-0000000f0003",
];

/// Where the other connector is.
#[derive(Clone, Copy, Debug)]
enum Place {
    SamePortal,
    OtherPortal,
    /// Under the same name, in the same portal.
    OtherWorkspace,
}

const PLACES: [Place; 3] = [Place::SamePortal, Place::OtherPortal, Place::OtherWorkspace];

/// The other connector.
struct Other<'a> {
    client: Client<'a>,
    workspace: WorkspaceId,
    names: Names,
}

impl<'a> Other<'a> {
    /// Connects it, and gives it people and groups.
    async fn start(server: &'a Server, place: Place) -> Self {
        let (workspace, client) = match place {
            Place::SamePortal => (
                server.workspace.clone(),
                server.connect(Portal::Store, "other", Idp::Generic).await,
            ),
            Place::OtherPortal => {
                (server.workspace.clone(), server.connect(Portal::Mdm, "mdm", Idp::Generic).await)
            }
            Place::OtherWorkspace => {
                let person = person();
                let globex =
                    server.app.create_workspace(&person, "globex", "Globex", Plan::Enterprise);
                let (globex, _) = globex.await.unwrap();
                let client = server.connect_in(&globex, Portal::Store, "store", Idp::Generic).await;
                (globex, client)
            }
        };
        let user = create(
            &client,
            "/Users",
            json!({
                "userName": "bob@other.example", "externalId": "ext-bob", "displayName": MARK,
            }),
        );
        let user = user.await;
        // Somebody whom both connectors know.
        let shared = json!({"userName": "shared@both.example", "displayName": MARK});
        let shared = create(&client, "/Users", shared).await;
        let managed = json!({
            "userName": "carl@other.example", "displayName": MARK,
            crate::support::EU: {"manager": {"value": user}},
        });
        create(&client, "/Users", managed).await;
        let group = create(
            &client,
            "/Groups",
            json!({
                "displayName": "Secrets of others", "externalId": "ext-secrets",
                "members": [{"value": user}, {"value": shared}, {"value": "nobody-yet"}],
            }),
        );
        let group = group.await;
        let cursor = client.get("/Users?cursor&count=1").await.body["nextCursor"].clone();
        let names = Names {
            user,
            shared,
            group,
            user_name: "bob@other.example".to_owned(),
            user_external_id: "ext-bob".to_owned(),
            display_name: "Secrets of others".to_owned(),
            group_external_id: "ext-secrets".to_owned(),
            cursor: cursor.as_str().unwrap().to_owned(),
        };
        Self { client, workspace, names }
    }

    /// Everything that it sees, with versions.
    async fn view(&self) -> Vec<Value> {
        view(&self.client).await
    }

    /// What has happened to its people and groups, by position.
    fn history(&self) -> Vec<(u64, String)> {
        let events = events(self.client.server, &self.workspace, 0);
        let connector = self.client.base.rsplit('/').next().unwrap();
        let actor = format!("connector:{connector}/");
        let of_it = |stream: &str| {
            let mut events = events.iter();
            events.any(|(_, on, by)| on == stream && by.starts_with(&actor))
        };
        let all = events.iter().filter(|(_, stream, _)| of_it(stream));
        all.map(|(position, stream, _)| (*position, stream.clone())).collect()
    }
}

/// Position, stream and actor of the events of a workspace behind a position, but for first sights of
/// attributes: those come with requests that are refused, too.
fn events(server: &Server, workspace: &WorkspaceId, after: u64) -> Vec<(u64, String, String)> {
    let log = server.app.log();
    // A read is ready at once.
    let events = log.read(workspace, after, 100_000).now_or_never().unwrap().unwrap();
    let kept = events.into_iter().filter(|event| event.name != "workspace.attributes_seen");
    kept.map(|it| (it.position, it.stream.to_string(), it.meta.actor.to_string())).collect()
}

async fn create(client: &Client<'_>, path: &str, body: Value) -> String {
    let reply = client.post(path, body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.id()
}

/// All that a connector sees of people and groups.
async fn view(client: &Client<'_>) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in ["/Users?count=1000", "/Groups?count=1000"] {
        let reply = client.get(path).await;
        assert!(!reply.ids().is_empty());
        seen.push(reply.body);
    }
    seen
}

/// The connector that asks.
async fn start(server: &Server) -> (Client<'_>, Own) {
    let client = server.client(Idp::Generic).await;
    let boss = client.user("boss@own.example").await;
    let user = client.user("ann@own.example").await;
    client.user("shared@both.example").await;
    let group = client.group("Own", &[&user]).await;
    // It belongs to another list than any that the probes ask for.
    let cursor =
        client.get("/Users?cursor&count=1&sortBy=displayName").await.body["nextCursor"].clone();
    (client, Own { user, boss, group, cursor: cursor.as_str().unwrap().to_owned() })
}

/// What is answered, to the letter.
async fn answered(client: &Client<'_>, ask: &Ask) -> (StatusCode, String) {
    let mut client = client.clone();
    client.headers.extend(ask.headers.iter().cloned());
    let body = ask.body.as_ref().map(|body| body.to_string().into_bytes());
    let response = client.answer(ask.method.clone(), &ask.path, body).await;
    let status = response.status();
    let mut head: Vec<_> =
        response.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    head.sort();
    let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    (status, format!("{status} {} {body}", head.join(", ")))
}

/// Asks everything on a server of its own, with names that another connector has or with such as
/// nobody has, and returns what was answered.
async fn asked(place: Place, with_theirs: bool) -> Vec<String> {
    let server = Server::start().await;
    let (client, own) = start(&server).await;
    let other = Other::start(&server, place).await;
    let nobodys = Names::of_nobody(NOBODY, &own.cursor);
    let names = if with_theirs { &other.names } else { &nobodys };
    let (view_before, history_before) = (other.view().await, other.history());
    let both = [&server.workspace, &other.workspace];
    let mut heard = Vec::new();
    for (method, path) in ingress::routes() {
        for ask in probes::of(&method, path, &own, names) {
            let heads = both.map(|it| (it, server.app.log().head(it)));
            let (status, answer) = answered(&client, &ask).await;
            assert!(!answer.contains(MARK), "{place:?} {ask:?}: {answer}");
            if ask.must_miss {
                assert_eq!(status, StatusCode::NOT_FOUND, "{place:?} {ask:?}: {answer}");
                for (workspace, head) in heads {
                    assert_eq!(events(&server, workspace, head), [], "{place:?} {ask:?}");
                }
            }
            heard.push(names.hide(&format!("{ask:?}: {answer}")));
        }
    }
    assert_eq!(other.view().await, view_before, "{place:?}");
    assert_eq!(other.history(), history_before, "{place:?}");
    let own = view(&client).await.into_iter().map(|list| names.hide(&list.to_string()));
    heard.extend(own);
    heard
}

#[actix_web::test]
async fn rule_5_what_another_connector_has_is_like_what_nobody_has() {
    for place in PLACES {
        let theirs = asked(place, true).await;
        let nobodys = asked(place, false).await;
        assert_eq!(theirs.len(), nobodys.len());
        assert!(theirs.len() > ingress::routes().len());
        for (theirs, nobodys) in theirs.iter().zip(&nobodys) {
            assert_eq!(theirs, nobodys, "{place:?}");
        }
    }
}

#[actix_web::test]
async fn rule_5_a_token_opens_no_route_below_another_base_url() {
    for place in PLACES {
        let server = Server::start().await;
        let (client, own) = start(&server).await;
        let other = Other::start(&server, place).await;
        let trespasser = Client { base: other.client.base.clone(), ..client.clone() };
        // Where there is no such connector, and no such workspace.
        let nowhere = ["/scim/v2/globex/nobody", "/scim/v2/nobody/store"]
            .map(|base| Client { base: base.to_owned(), ..client.clone() });
        let owner = Client { token: Some("owner".to_owned()), ..client.clone() };
        let view_before = other.view().await;
        let heads = [&server.workspace, &other.workspace].map(|it| (it, server.app.log().head(it)));
        for (method, path) in ingress::routes() {
            for ask in probes::of(&method, path, &own, &other.names) {
                let (status, answer) = answered(&trespasser, &ask).await;
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{place:?} {ask:?}");
                for nowhere in &nowhere {
                    let (status, unknown) = answered(nowhere, &ask).await;
                    assert_eq!(status, StatusCode::UNAUTHORIZED, "{place:?} {ask:?}");
                    // Within a workspace the token of another connector is told what it is.
                    if matches!(place, Place::OtherWorkspace) {
                        assert_eq!(without_ids(&answer), without_ids(&unknown), "{ask:?}");
                    }
                }
                // Nor is an administrator somebody here.
                let (status, _) = answered(&owner, &ask).await;
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{place:?} {ask:?}");
            }
        }
        for (workspace, head) in heads {
            assert_eq!(events(&server, workspace, head), [], "{place:?}");
        }
        assert_eq!(other.view().await, view_before, "{place:?}");
    }
}

/// An answer without the id that each request has.
fn without_ids(answer: &str) -> String {
    let (before, after) = answer.split_once("x-request-id: \"").unwrap();
    let (_, after) = after.split_once('"').unwrap();
    format!("{before}{after}")
}

#[actix_web::test]
async fn rule_5_whom_another_connector_brings_is_no_member_here() {
    for place in PLACES {
        let server = Server::start().await;
        let policies = app::policies::run(server.app.clone(), app::policies::standard());
        actix_web::rt::spawn(policies);
        let (client, own) = start(&server).await;
        let other = Other::start(&server, place).await;
        let waiting = client.group("Waiting", &["dora@new.example", "ext-dora"]).await;
        create(
            &other.client,
            "/Users",
            json!({
                "userName": "dora@new.example", "externalId": "ext-dora",
            }),
        )
        .await;
        server.app.settled(&server.workspace).await;
        server.app.settled(&other.workspace).await;
        assert!(client.members(&waiting).await.is_empty(), "{place:?}");
        // One of its own is, so that the policy has run.
        let dora = client.user("dora@new.example").await;
        server.app.settled(&server.workspace).await;
        assert_eq!(client.members(&waiting).await, [dora], "{place:?}");
        assert_eq!(client.members(&own.group).await, [own.user.as_str()], "{place:?}");
    }
}

#[actix_web::test]
async fn rule_5_a_person_of_two_connectors_has_two_entries_that_know_nothing_of_each_other() {
    let server = Server::start().await;
    let (client, _) = start(&server).await;
    let other = Other::start(&server, Place::SamePortal).await;
    let before = other.view().await;
    let bob = json!({"userName": "BOB@other.example", "externalId": "ext-bob"});
    let bob = client.post("/Users", bob).await;
    assert_eq!(bob.status, 201);
    assert!(bob.body.get("displayName").is_none() && bob.body.get("groups").is_none(), "{bob:?}");
    assert_ne!(bob.id(), other.names.user);
    let path = format!("/Users/{}", bob.id());
    let changed = json!([{"op": "replace", "path": "displayName", "value": "Robert"}]);
    assert_eq!(client.patch(&path, changed).await.status, 200);
    assert_eq!(client.send(Method::DELETE, &path, None).await.status, 204);
    assert_eq!(other.view().await, before);
}
