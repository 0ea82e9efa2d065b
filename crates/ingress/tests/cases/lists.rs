//! Lists: order, pages by index and by cursor, searches.

use std::time::Duration;

use actix_web::{
    body::{BodySize, MessageBody as _},
    http::Method,
};
use domain::workspace::Idp;
use serde_json::{Value, json};

use crate::support::{Client, Reply, Server, escape};

const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// Five users, of whom two have no title, and two groups.
async fn fill(client: &Client<'_>) {
    for (name, title) in [("Cy", "b"), ("ada", ""), ("Bob", "A"), ("dan", "c"), ("Eve", "")] {
        let body = json!({"userName": name, "displayName": format!("The {name}"), "title": title});
        assert_eq!(client.post("/Users", body).await.status, 201);
    }
    client.group("Beta", &[]).await;
    client.group("alpha", &[]).await;
}

#[track_caller]
fn names(reply: &Reply) -> Vec<&str> {
    assert_eq!(reply.status, 200, "{reply:?}");
    let resources = reply.body["Resources"].as_array().unwrap();
    assert_eq!(reply.body["itemsPerPage"], json!(resources.len()));
    let name =
        |it: &'_ Value| it["userName"].as_str().or_else(|| it["displayName"].as_str()).is_some();
    assert!(resources.iter().all(name));
    resources
        .iter()
        .map(|it| it["userName"].as_str().or_else(|| it["displayName"].as_str()).unwrap())
        .collect()
}

#[actix_web::test]
async fn lists_are_sorted_as_the_rfc_says() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    fill(&generic).await;
    for (query, expected) in [
        ("sortBy=userName", ["ada", "Bob", "Cy", "dan", "Eve"]),
        ("sortby=USERNAME&sortorder=Descending", ["Eve", "dan", "Cy", "Bob", "ada"]),
        ("sortBy=displayName&sortOrder=ascending", ["ada", "Bob", "Cy", "dan", "Eve"]),
        // Without a value last, and first when descending.
        ("sortBy=title", ["Bob", "Cy", "dan", "ada", "Eve"]),
        ("sortBy=title&sortOrder=descending", ["Eve", "ada", "dan", "Cy", "Bob"]),
        ("sortBy=meta.created", ["Cy", "ada", "Bob", "dan", "Eve"]),
        ("sortBy=", ["Cy", "ada", "Bob", "dan", "Eve"]),
        ("sortOrder=descending", ["Cy", "ada", "Bob", "dan", "Eve"]),
    ] {
        let reply = generic.get(&format!("/Users?{query}")).await;
        assert_eq!(names(&reply), expected, "{query}");
    }
    let page = generic.get("/Users?sortBy=userName&startIndex=2&count=2&filter=title+pr").await;
    assert_eq!(names(&page), ["Cy", "dan"]);
    assert_eq!((&page.body["totalResults"], &page.body["startIndex"]), (&json!(3), &json!(2)));
    assert_eq!(names(&generic.get("/Groups?sortBy=displayName").await), ["alpha", "Beta"]);
    for bad in ["sortBy=nope", "sortBy=user!", "sortBy=userName&sortOrder=up", "sortBy=name"] {
        let reply = generic.get(&format!("/Users?{bad}")).await;
        assert_eq!(reply.error(), (400, Some("invalidValue")), "{bad}");
    }
    assert_eq!(generic.get("/Users?sortBy=password").await.error().0, 400);
}

#[actix_web::test]
async fn case_55_searches_ask_what_lists_do() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    fill(&generic).await;
    let search = |path: &'static str, body: Value| {
        let generic = generic.clone();
        async move { generic.post(path, body).await }
    };
    let body = json!({
        "schemas": [SEARCH], "filter": "title pr", "sortBy": "title", "startIndex": 2, "count": 1,
        "attributes": ["userName", "title"]
    });
    let users = search("/Users/.search", body.clone()).await;
    assert_eq!(names(&users), ["Cy"]);
    assert_eq!(users.body["totalResults"], 3);
    let mut keys: Vec<_> = users.body["Resources"][0].as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["id", "schemas", "title", "userName"]);
    let everything = search("/.search", json!({"schemas": [SEARCH]})).await;
    assert_eq!(names(&everything), ["Cy", "ada", "Bob", "dan", "Eve", "Beta", "alpha"]);
    let groups = json!({"schemas": [SEARCH], "filter": "meta.resourceType eq \"Group\""});
    assert_eq!(names(&search("/.search", groups).await), ["Beta", "alpha"]);
    // Sorted, kinds mix; what is an attribute of one kind only has no value in the other.
    let mixed = json!({"schemas": [SEARCH], "sortBy": "displayName", "count": 3});
    assert_eq!(names(&search("/.search", mixed).await), ["alpha", "Beta", "ada"]);
    let foreign = json!({"schemas": [SEARCH], "filter": "userName sw \"a\" or members pr"});
    assert_eq!(names(&search("/.search", foreign).await), ["ada"]);
    let root = generic.find("", "meta.resourceType eq User and title pr").await;
    assert_eq!(names(&root), ["Cy", "Bob", "dan"]);
    let none =
        search("/Groups/.search", json!({"schemas": [SEARCH], "filter": "userName pr"})).await;
    assert_eq!(none.ids().len(), 0);
    for (bad, keyword) in [
        (json!({"schemas": ["urn:x"]}), "invalidSyntax"),
        (json!({"schemas": [SEARCH], "filter": "userName"}), "invalidFilter"),
        (json!({"schemas": [SEARCH], "count": "many"}), "invalidValue"),
        (
            json!({"schemas": [SEARCH], "attributes": ["a"], "excludedAttributes": ["b"]}),
            "invalidValue",
        ),
    ] {
        assert_eq!(search("/Users/.search", bad).await.error(), (400, Some(keyword)));
    }
    let other = server.client_of("other", Idp::Strict).await;
    assert_eq!(other.post("/Users/.search", json!({})).await.error(), (400, Some("invalidSyntax")));
    assert_eq!(other.post("/.search", json!({"schemas": [SEARCH]})).await.ids().len(), 0);
}

#[actix_web::test]
async fn case_57_a_cursor_shows_every_live_user_once() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let mut ids = Vec::new();
    for number in 0..30 {
        ids.push(generic.user(&format!("user{number:02}")).await);
    }
    for query in ["", "&sortBy=userName&sortOrder=descending", "&filter=userName+co+%22user%22"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = generic.get(&format!("/Users?count=4&cursor={cursor}{query}")).await;
            assert_eq!(page.body.get("startIndex"), None, "{page:?}");
            assert!(names(&page).len() <= 4);
            for resource in page.body["Resources"].as_array().unwrap() {
                seen.push(resource["id"].as_str().unwrap().to_owned());
            }
            // The last one of the page is deleted: the cursor stands behind it all the same.
            if query.is_empty() {
                let last = seen.last().unwrap();
                assert_eq!(generic.delete(&format!("/Users/{last}")).await.status, 204);
            }
            match page.body.get("nextCursor") {
                Some(next) => cursor = next.as_str().unwrap().to_owned(),
                None => break,
            }
        }
        ids.sort();
        seen.sort();
        assert_eq!(seen, ids, "{query}");
        // Whoever was deleted is not expected any more.
        let left = generic.get("/Users?count=100").await;
        ids = left.ids().into_iter().map(str::to_owned).collect();
    }
    let first = generic.get("/Users?cursor&count=2").await;
    let next = first.body["nextCursor"].as_str().unwrap();
    assert_eq!(first.body["totalResults"], json!(ids.len()));
    for (bad, keyword) in [
        ("cursor=x", "invalidCursor"),
        (&format!("cursor={}", &next[1..]), "invalidCursor"),
        (&format!("cursor={next}&sortBy=userName"), "invalidCursor"),
        (&format!("cursor={next}&filter=userName+pr"), "invalidCursor"),
        ("cursor&count=0", "invalidCount"),
        ("cursor&count=-1", "invalidCount"),
        ("cursor&startIndex=1", "invalidValue"),
    ] {
        let reply = generic.get(&format!("/Users?{bad}")).await;
        assert_eq!(reply.error(), (400, Some(keyword)), "{bad}");
    }
    let groups = generic.get(&format!("/Groups?cursor={next}")).await;
    assert_eq!(groups.error(), (400, Some("invalidCursor")));
    let search = generic.post("/Users/.search", json!({"cursor": next, "count": 2})).await;
    assert_eq!(names(&search).len(), 2);
    server.clock.advance(Duration::from_secs(3_601));
    let old = generic.get(&format!("/Users?cursor={next}&count=2")).await;
    assert_eq!(old.error(), (400, Some("expiredCursor")));
}

#[actix_web::test]
async fn a_cursor_goes_through_both_kinds() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    fill(&generic).await;
    for sort in ["", "displayName"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let body = json!({"cursor": cursor, "count": 2, "sortBy": sort});
            let page = generic.post("/.search", body).await;
            seen.extend(names(&page).into_iter().map(str::to_owned));
            match page.body.get("nextCursor") {
                Some(next) => cursor = next.as_str().unwrap().to_owned(),
                None => break,
            }
        }
        seen.sort();
        assert_eq!(seen, ["Beta", "Bob", "Cy", "Eve", "ada", "alpha", "dan"], "{sort}");
    }
}

/// Nobody reads members to throw them away.
#[actix_web::test]
async fn the_head_of_a_group_has_everything_but_a_body() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let ada = generic.user("ada").await;
    let path = format!("/Groups/{}", generic.group("All", &[&ada]).await);
    let get = generic.begin(Method::GET, &path).await;
    let head = generic.begin(Method::HEAD, &path).await;
    for name in ["etag", "content-type", "location"] {
        assert_eq!(head.headers().get(name), get.headers().get(name), "{name}");
    }
    assert_eq!(head.status(), 200);
    assert_eq!(head.into_body().size(), BodySize::None);
    let etag = get.headers().get("etag").unwrap().to_str().unwrap();
    let known = generic.with("if-none-match", etag);
    assert_eq!(known.send(Method::HEAD, &path, None).await.status, 304);
    assert_eq!(known.get(&path).await.status, 304);
    let stale = generic.with("if-none-match", "W/\"1\"");
    assert_eq!(stale.get(&path).await.body["members"].as_array().unwrap().len(), 1);
}

/// Only members of groups are read while an answer is being sent.
#[actix_web::test]
async fn a_list_of_users_says_how_long_it_is() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    for number in 0..20 {
        let body = json!({"userName": number.to_string(), "title": "t".repeat(20_000)});
        assert_eq!(generic.post("/Users", body).await.status, 201);
    }
    let size = generic.begin(Method::GET, "/Users").await.into_body().size();
    assert!(matches!(size, BodySize::Sized(bytes) if bytes > 400_000), "{size:?}");
}

#[actix_web::test]
async fn heads_say_what_bodies_would() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let id = generic.user("ada").await;
    for path in ["/Users", &format!("/Users/{id}"), "/Schemas", "/ServiceProviderConfig", ""] {
        let reply = generic.send(Method::HEAD, path, None).await;
        assert_eq!(reply.status, 200, "{path}");
    }
    assert_eq!(generic.send(Method::HEAD, "/Users/nobody", None).await.status, 404);
}

#[actix_web::test]
async fn whoever_reads_plain_json_only_gets_it() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let plain = "application/json; charset=utf-8";
    let scim = "application/scim+json; charset=utf-8";
    for (accept, expected) in [
        ("application/json", plain),
        ("text/html, Application/JSON;q=0.9", plain),
        ("application/json, text/plain, */*", scim),
        ("application/scim+json, application/json", scim),
        ("text/html", scim),
    ] {
        for path in ["/Users", "/Users/nobody"] {
            let reply = generic.with("accept", accept).begin(Method::GET, path).await;
            let found = reply.headers().get("content-type").unwrap();
            assert_eq!(found, expected, "{accept} {path}");
        }
    }
}

#[actix_web::test]
async fn a_filter_of_any_length_that_is_allowed_is_answered() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let ada = generic.user("ada").await;
    let any: Vec<_> = (0..200).map(|number| format!("userName eq \"u{number}\"")).collect();
    let filter = format!("{} or id eq \"{ada}\"", any.join(" or "));
    let reply = generic.get(&format!("/Users?filter={}", escape(&filter))).await;
    assert_eq!(reply.ids(), [ada]);
}
