//! What is answered while the directory is behind the log.

use domain::workspace::Idp;
use serde_json::{Value, json};

use crate::support::{Client, Server};

fn replace(path: &str, value: &str) -> Value {
    json!([{"op": "replace", "path": path, "value": value}])
}

/// The status of a list of the users of a name, and their ids.
async fn named(client: &Client<'_>, name: &str) -> (u16, Vec<String>) {
    let reply = client.find("/Users", &format!("userName eq \"{name}\"")).await;
    let ids = if reply.status == 200 { reply.ids() } else { Vec::new() };
    (reply.status, ids.into_iter().map(str::to_owned).collect())
}

#[actix_web::test]
async fn what_certainly_has_not_changed_is_answered_and_everything_else_waits() {
    let server = Server::start().await;
    let okta = server.client(Idp::Okta).await;
    let (ada, bob) = (okta.user("ada").await, okta.user("bob").await);
    let group = okta.group("Engineers", &[&ada]).await;
    let (ada_at, bob_at) = (format!("/Users/{ada}"), format!("/Users/{bob}"));
    // So that attributes are not seen for the first time later.
    okta.patch(&ada_at, replace("title", "Miss")).await;
    assert_eq!(okta.get(&ada_at).await.body["title"], "Miss");
    // From now on nothing is applied, and whoever waits for that is told so.
    server.app.read_models().close();

    let reply = okta.patch(&ada_at, replace("title", "Countess")).await;
    assert_eq!((reply.status, &reply.body["title"]), (200, &json!("Countess")));
    assert_eq!(reply.body["groups"][0]["value"], group, "a change waits for nothing");
    assert_eq!(okta.get(&ada_at).await.status, 503);
    assert_eq!(okta.get(&bob_at).await.status, 200);

    let reply = okta.patch(&ada_at, replace("userName", "countess")).await;
    assert_eq!((reply.status, &reply.body["userName"]), (200, &json!("countess")));
    assert_eq!(named(&okta, "ada").await, (503, vec![]), "she is shown under that name");
    assert_eq!(named(&okta, "countess").await, (503, vec![]));
    assert_eq!(named(&okta, "bob").await, (200, vec![bob]));
    assert_eq!(named(&okta, "nobody").await, (200, vec![]));
    assert_eq!(okta.get("/Users").await.status, 503);

    okta.post("/Groups", json!({"displayName": "Poets"})).await;
    assert_eq!(okta.get(&bob_at).await.status, 503, "they may be in it");
    assert_eq!(named(&okta, "nobody").await, (503, vec![]));
}
