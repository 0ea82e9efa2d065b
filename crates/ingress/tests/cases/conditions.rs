//! Conditions: requests that were made for one version of a resource.

use domain::workspace::Idp;
use serde_json::json;

use crate::support::Server;

#[actix_web::test]
async fn case_54_a_stale_version_is_412_and_a_known_one_304() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let user = format!("/Users/{}", generic.user("ada").await);
    let group = format!("/Groups/{}", generic.group("Engineers", &[]).await);
    for (path, body) in
        [(&user, json!({"userName": "ada", "title": "x"})), (&group, json!({"displayName": "E"}))]
    {
        let first = generic.get(path).await.header("etag").unwrap().to_owned();
        let known = generic.with("if-none-match", &first).get(path).await;
        assert_eq!((known.status, known.header("etag")), (304, Some(&*first)));
        assert_eq!(known.body, json!(null));
        assert_eq!(generic.with("if-none-match", "*").get(path).await.status, 304);
        assert_eq!(generic.with("if-none-match", "W/\"99\", \"x\"").get(path).await.status, 200);
        let replaced = generic.with("if-match", &first).put(path, body.clone()).await;
        assert_eq!(replaced.status, 200, "{replaced:?}");
        let second = replaced.header("etag").unwrap().to_owned();
        assert_ne!(first, second);
        assert_eq!(replaced.body["meta"]["version"], json!(second));
        assert_eq!(generic.with("if-none-match", &first).get(path).await.status, 200);

        let head = server.head();
        let stale = generic.with("if-match", &first);
        let patch = json!([{"op": "add", "path": "externalId", "value": "7"}]);
        for reply in [
            stale.put(path, body.clone()).await,
            stale.patch(path, patch.clone()).await,
            stale.delete(path).await,
        ] {
            assert_eq!(reply.error(), (412, None));
            assert!(reply.body["detail"].as_str().unwrap().contains(&second), "{reply:?}");
        }
        assert_eq!(server.head(), head);
        let several = format!("\"x\", {second}");
        let patched = generic.with("if-match", &several).patch(path, patch).await;
        assert!(patched.status < 300, "{patched:?}");
        assert_eq!(generic.with("if-match", "*").delete(path).await.status, 204);
        assert_eq!(generic.with("if-match", "*").delete(path).await.error(), (404, None));
    }
}

/// Of two that read the same version, one wins.
#[actix_web::test]
async fn of_two_changes_for_one_version_one_is_refused() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let user = format!("/Users/{}", generic.user("ada").await);
    let version = generic.get(&user).await.header("etag").unwrap().to_owned();
    let change = |title: &'static str| {
        let (client, user) = (generic.with("if-match", &version), user.clone());
        async move {
            let operations = json!([{"op": "replace", "path": "title", "value": title}]);
            client.patch(&user, operations).await.status
        }
    };
    let (one, other) = futures_util::future::join(change("one"), change("other")).await;
    assert_eq!([one, other].iter().sum::<u16>(), 200 + 412, "{one} {other}");
}
