//! What is refused whatever the route: names of another workspace, and requests that are none.

use std::collections::BTreeSet;

use actix_web::{http::Method, test::TestRequest};
use event_log::EventLog;
use serde_json::{Value, json};

use super::{NOBODY, WS, granted, is_unseen};
use crate::{
    document::Granted,
    world::{TOKEN, World},
};

/// Everything that was granted in one workspace, asked for in another: its ids are ids that nobody has.
pub(super) async fn in_another_workspace(world: &World) {
    let globex = event_log::WorkspaceId::parse("globex").unwrap();
    let document = world.document().await;
    let ids = ids_of(world).await;
    let (mut paths, mut bodies) = (BTreeSet::new(), 0);
    for Granted { operation, path, body } in document.granted() {
        let Some(within) = path.strip_prefix(WS) else { continue };
        let text = format!("{within} {}", body.clone().unwrap_or_default());
        let in_path = operation.1.contains("{id}") || operation.1.contains("{connector}");
        let named: Vec<_> = ids.iter().filter(|id| text.contains(*id)).collect();
        if !in_path && named.is_empty() {
            continue;
        }
        let head = world.log.head(&globex);
        let method: Method = operation.0.to_ascii_uppercase().parse().unwrap();
        let elsewhere = format!("/workspaces/globex{within}");
        let answer = world.call(method.clone(), &elsewhere, body.clone()).await;
        if in_path {
            assert_eq!(answer.status, 404, "{method} {elsewhere}: {}", answer.text);
            paths.insert(operation);
        } else if answer.status < 300 {
            // A question that names somebody of another workspace has an empty answer.
            assert_eq!(method, Method::GET, "{elsewhere} with {body:?}");
            assert_eq!(answer.body["items"], json!([]), "{elsewhere}");
        } else {
            bodies += 1;
        }
        assert_eq!(world.log.head(&globex), head, "{method} {elsewhere}");
        let nobodys =
            |text: &str| named.iter().fold(text.to_owned(), |text, id| text.replace(*id, NOBODY));
        let body = body.map(|body| serde_json::from_str(&nobodys(&body.to_string())).unwrap());
        let unknown = world.call(method, &nobodys(&elsewhere), body).await;
        assert_eq!((answer.status, nobodys(&answer.text)), (unknown.status, unknown.text));
    }
    let with_names = document.operations().into_keys();
    let with_names: BTreeSet<_> = with_names
        .filter(|it| it.1.contains("{ws}"))
        .filter(|it| it.1.contains("{id}") || it.1.contains("{connector}"))
        .collect();
    let unasked: Vec<_> = with_names.difference(&paths).filter(|it| !is_unseen(it, 200)).collect();
    assert!(unasked.is_empty(), "{unasked:#?}");
    assert!(bodies >= 3, "{bodies}");
}

/// The ids of what is, or was, in the workspace.
async fn ids_of(world: &World) -> BTreeSet<String> {
    let acme = event_log::WorkspaceId::parse("acme").unwrap();
    let events = world.log.read(&acme, 0, 100_000).await.unwrap();
    let text = events.iter().map(|event| event.stream.to_string()).collect::<Vec<_>>().join(" ");
    let mut ids: BTreeSet<_> = uuids(&text);
    for granted in world.document().await.granted() {
        ids.extend(uuids(&granted.path));
        ids.extend(granted.body.map(|body| uuids(&body.to_string())).unwrap_or_default());
    }
    ids
}

/// The ids that stand in a text.
fn uuids(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_hexdigit() && c != '-');
    words
        .filter(|word| word.parse::<uuid::Uuid>().is_ok() && word.len() == 36)
        .map(str::to_owned)
        .collect()
}

/// What every route refuses that is described so: no token, names that nobody has, parameters that it
/// does not take, and bodies that are none.
pub(super) async fn alike(world: &World) {
    let huge = "x".repeat((1 << 20) + 1);
    let of_a_connector = granted::token(world, "store").await;
    let document = world.document().await;
    for (operation, statuses) in document.operations() {
        let described = document.described(&operation);
        let (method, path) = &operation;
        let path = named(path, "acme");
        if statuses.contains(&401) {
            for token in [None, Some(&*of_a_connector), Some("mst_nonsense")] {
                ask(world, method, &path, token, "").await.refused(401);
            }
            let odd = format!("{path}?odd=1");
            let detail = ask(world, method, &odd, Some(TOKEN), "").await.refused(400);
            assert!(detail.starts_with("odd: "), "{method} {odd}: {detail}");
            for known in in_query(described) {
                assert!(detail.contains(known), "{method} {odd}: {detail}");
            }
            ask(world, method, &odd, None, "").await.refused(401);
        }
        if operation.1.contains("{ws}") {
            let nowhere = named(&operation.1, "nobody");
            let granted = document.granted().into_iter().find(|it| it.operation == operation);
            let body = granted.and_then(|it| it.body).map(|body| body.to_string());
            ask(world, method, &nowhere, Some(TOKEN), &body.unwrap_or_default()).await.refused(404);
        }
        // What nobody reads would be carried out whatever it says. The command sends these two null.
        let takes_any = ["/backups", "/keys/rotate"].contains(&&*operation.1);
        let has_body = described["requestBody"].is_object();
        assert!(method != "post" || has_body || takes_any, "POST {path} takes any body");
        if has_body {
            if operation.1.contains("{ws}") {
                let nowhere = named(&operation.1, "nobody");
                ask(world, method, &nowhere, Some(TOKEN), "{").await.refused(404);
            }
            ask(world, method, &path, Some(TOKEN), "{").await.refused(400);
            ask(world, method, &path, Some(TOKEN), &huge).await.refused(413);
        }
    }
}

/// Every gate, closed once: to an operator or an auditor, else to whoever reaches one workspace alone.
pub(super) async fn by_gates(world: &World) {
    let give = async |role: &str, workspace: Option<&str>| {
        let asked = json!({ "name": role, "role": role, "workspace": workspace });
        world.post("/access", asked).await.field(201, "token")
    };
    let (operator, auditor) = (give("operator", None).await, give("auditor", None).await);
    let of_acme = give("owner", Some("acme")).await;
    let document = world.document().await;
    for (operation, statuses) in document.operations() {
        if statuses.contains(&403) {
            let roles = &document.described(&operation)["x-roles"];
            let has = |role: &str| roles.as_array().unwrap().contains(&json!(role));
            let token = match (has("operator"), has("auditor")) {
                (false, _) => &operator,
                (true, false) => &auditor,
                (true, true) => &of_acme,
            };
            let path = named(&operation.1, "acme");
            ask(world, &operation.0, &path, Some(token), "").await.refused(403);
        }
    }
}

/// What every route answers everybody: a role that the document names gets past the gate, where an odd
/// parameter stops it, and any other one does not. Whoever reaches another workspace alone is told of this
/// one what is told of one that is not there.
pub(super) async fn by_role(world: &World) {
    let mut tokens = Vec::new();
    for (role, workspace) in [
        ("owner", None),
        ("administrator", None),
        ("auditor", None),
        ("operator", None),
        ("owner", Some("globex-two")),
        ("operator", Some("globex-two")),
    ] {
        let asked = json!({ "name": role, "role": role, "workspace": workspace });
        let token = world.post("/access", asked).await.field(201, "token");
        tokens.push((role, workspace, token));
    }
    let document = world.document().await;
    let mut refused = BTreeSet::new();
    for (operation, statuses) in document.operations() {
        if !statuses.contains(&401) {
            continue;
        }
        let described = document.described(&operation);
        let roles: Vec<_> = described["x-roles"].as_array().unwrap().iter().collect();
        assert_eq!(roles[0], "owner", "{operation:?}");
        let (method, path) = &operation;
        let odd = format!("{}?odd=1", named(path, "acme"));
        for (role, workspace, token) in &tokens {
            if workspace.is_some() && path.contains("{ws}") {
                // Whatever their role is.
                let here = ask(world, method, &named(path, "acme"), Some(token), "{}").await;
                let nowhere = ask(world, method, &named(path, "nobody"), Some(token), "{}").await;
                assert_eq!((here.status, here.text), (404, nowhere.text), "{method} {path}");
                continue;
            }
            let answer = ask(world, method, &odd, Some(token), "").await;
            let what = format!("{method} {path} as {role} of {workspace:?}: {}", answer.text);
            // Outside of a workspace there are routes for all and for those who reach all.
            let sorted = path == "/workspaces" && method == "get" || path.starts_with("/access");
            let whole = !path.contains("{ws}") && !sorted;
            if !roles.contains(&&json!(role)) || (whole && workspace.is_some()) {
                let detail = answer.refused(403);
                assert!(
                    detail.contains(if roles.contains(&&json!(role)) {
                        "globex-two"
                    } else {
                        "owner"
                    }),
                    "{what}"
                );
                refused.insert((role.to_string(), operation.clone()));
            } else {
                assert_eq!(answer.status, 400, "{what}");
            }
        }
    }
    assert!(refused.len() > 100, "{}", refused.len());
}

fn in_query(described: &Value) -> Vec<&str> {
    let params = described["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let in_query = params.iter().filter(|it| it["in"] == "query");
    in_query.map(|it| it["name"].as_str().unwrap()).collect()
}

/// A path with names in it: of what is there, but for ids.
fn named(path: &str, workspace: &str) -> String {
    path.replace("{ws}", workspace)
        .replace("{portal}", "store")
        .replace("{connector}", "store")
        .replace("{id}", NOBODY)
        .replace("{entry}", "store-1")
}

async fn ask(
    world: &World,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> crate::world::Answer {
    let method: Method = method.to_ascii_uppercase().parse().unwrap();
    let mut request = TestRequest::default().method(method).uri(&format!("/api/v1{path}"));
    if let Some(token) = token {
        request = request.insert_header(("authorization", format!("Bearer {token}")));
    }
    world.send(request.set_payload(body.to_owned())).await
}
