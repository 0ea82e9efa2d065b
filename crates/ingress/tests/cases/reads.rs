//! Reading users: filters, pages, projections.

use std::collections::HashSet;

use domain::{portal::Portal, workspace::Idp};
use serde_json::{Value, json};

use crate::support::{EU, Server, escape};

#[actix_web::test]
async fn case_33_a_reference_is_checked_by_a_filter() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let (ada, bob) = (entra.user("ada").await, entra.user("bob").await);
    let group = entra.group("Engineers", &[&ada]).await;
    let filter = |member: &str| format!("id eq \"{group}\" and members eq \"{member}\"");
    assert_eq!(entra.find("/Groups", &filter(&ada)).await.ids(), [group.as_str()]);
    assert!(entra.find("/Groups", &filter(&bob)).await.ids().is_empty());

    let manager = json!([{"op": "Add", "path": "manager", "value": [{"value": bob}]}]);
    entra.patch(&format!("/Users/{ada}"), manager).await;
    let ask = |manager: &str| {
        let filter = escape(&format!("id eq \"{ada}\" and manager eq \"{manager}\""));
        format!("/Users?filter={filter}&attributes=id")
    };
    let reply = entra.get(&ask(&bob)).await;
    assert_eq!(reply.ids(), [ada.as_str()]);
    assert_eq!(reply.body["Resources"][0].get("userName"), None);
    assert!(entra.get(&ask(&ada)).await.ids().is_empty());
}

#[actix_web::test]
async fn case_34_an_external_id_is_exact_and_its_connectors_own() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let other = server.connect(Portal::Mdm, "other", Idp::Entra).await;
    let body = json!({"userName": "ada", "externalId": "AbC"});
    let id = entra.post("/Users", body.clone()).await.id();
    let theirs = other.post("/Users", body).await.id();
    assert_eq!(entra.find("/Users", "externalId eq \"AbC\"").await.ids(), [id]);
    assert_eq!(other.find("/Users", "externalId eq \"AbC\"").await.ids(), [theirs]);
    assert!(entra.find("/Users", "externalId eq \"abc\"").await.ids().is_empty());
}

#[actix_web::test]
async fn case_35_a_value_path_may_stand_before_or_around_the_comparison() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let emails = json!([{"type": "work", "value": "a@x"}, {"type": "home", "value": "b@x"}]);
    let id = entra.post("/Users", json!({"userName": "ada", "emails": emails})).await.id();
    for (filter, found) in [
        ("emails[type eq \"work\"].value eq \"A@x\"", true),
        ("emails[type eq \"work\" and value eq \"a@x\"]", true),
        ("emails[type eq \"work\"].value eq \"b@x\"", false),
        ("emails[type eq \"work\" and value eq \"b@x\"]", false),
    ] {
        let expected = if found { vec![id.as_str()] } else { Vec::new() };
        assert_eq!(entra.find("/Users", filter).await.ids(), expected, "{filter}");
    }
}

#[actix_web::test]
async fn case_36_parameters_that_scim_does_not_have_are_ignored() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    let id = entra.user("ada").await;
    let flag = "aadOptscim062020";
    assert_eq!(entra.get(&format!("/Users?{flag}&x=1")).await.ids(), [id.as_str()]);
    assert_eq!(entra.get(&format!("/Users/{id}?{flag}")).await.status, 200);
    let reply = entra.post(&format!("/Users?{flag}"), json!({"userName": "bob"})).await;
    assert_eq!(reply.status, 201);
}

#[actix_web::test]
async fn case_44_pages_do_not_overlap() {
    let server = Server::start().await;
    let entra = server.client(Idp::Entra).await;
    for number in 1..=12 {
        entra.user(&format!("user-{number}")).await;
        entra.group(&format!("group-{number}"), &[]).await;
    }
    for path in ["/Users", "/Groups"] {
        let mut seen = HashSet::new();
        for (start, expected) in [(1, 5), (6, 5), (11, 2), (16, 0)] {
            let reply = entra.get(&format!("{path}?startIndex={start}&count=5")).await;
            assert_eq!(reply.ids().len(), expected);
            assert_eq!(reply.body["totalResults"], 12);
            assert_eq!(reply.body["startIndex"], start);
            seen.extend(reply.ids().into_iter().map(str::to_owned));
        }
        assert_eq!(seen.len(), 12);
    }
}

#[actix_web::test]
async fn case_45_numbers_out_of_bounds_are_brought_within() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    for name in ["ada", "bob"] {
        generic.user(name).await;
    }
    for (query, found) in [
        ("startIndex=0", 2),
        ("startIndex=-3", 2),
        ("count=-1", 0),
        ("count=0", 0),
        ("startindex=0", 2),
        ("STARTINDEX=2", 1),
        ("count=100000", 2),
    ] {
        let reply = generic.get(&format!("/Users?{query}")).await;
        assert_eq!(reply.ids().len(), found, "{query}");
        assert_eq!(reply.body["totalResults"], 2, "{query}");
    }
}

#[actix_web::test]
async fn case_46_characters_that_urls_and_filters_mind() {
    let server = Server::start().await;
    let okta = server.client(Idp::Okta).await;
    for name in ["a+b@x.com", "say \"hi\"", "O'Malley", "a\\b", "åsa@x.se", "a&b=c", "100%"] {
        let id = okta.user(name).await;
        let filter = format!("userName eq {}", Value::from(name));
        assert_eq!(okta.find("/Users", &filter).await.ids(), [id], "{filter}");
    }
    let plus = okta.get("/Users?filter=userName%20eq%20%22a%2Bb%40x.com%22").await;
    assert_eq!(plus.ids().len(), 1);
    let space = okta.get("/Users?filter=userName+eq+%22a+b@x.com%22").await;
    assert!(space.ids().is_empty());
}

#[actix_web::test]
async fn case_52_filters_are_understood_or_refused() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    for (name, title, kind) in [("ada", "a", "Employee"), ("bob", "b", "Guest"), ("cy", "b", "x")] {
        generic.post("/Users", json!({"userName": name, "title": title, "userType": kind})).await;
    }
    for bad in [
        "active gt true",
        "userName regex \"x\"",
        "userName eq",
        "(title eq 1",
        "title eq 1)",
        "shoeSize eq 38",
        "name.nope pr",
        "password eq \"secret\"",
        " ",
        "[",
        "\"",
    ] {
        let reply = generic.find("/Users", bad).await;
        if !bad.trim().is_empty() {
            assert_eq!(reply.error(), (400, Some("invalidFilter")), "{bad}");
        }
    }
    for (filter, names) in [
        ("title eq \"a\" or title eq \"b\" and not (userType eq \"x\")", vec!["ada", "bob"]),
        ("(title eq \"a\" or title eq \"b\") and userType eq \"x\"", vec!["cy"]),
        ("userType eq Employee", vec!["ada"]),
        ("displayName pr or members pr", vec![]),
        ("urn:company:2.0:User:shoeSize eq 38", vec![]),
        ("userName sw \"A\" OR userName EW \"B\"", vec!["ada", "bob"]),
        ("meta.created ge \"2026-01-01T00:00:00Z\" and title pr", vec!["ada", "bob", "cy"]),
    ] {
        let reply = generic.find("/Users", filter).await;
        assert_eq!(reply.status, 200, "{filter}: {reply:?}");
        let resources = reply.body["Resources"].as_array().unwrap();
        let found: Vec<_> = resources.iter().map(|it| it["userName"].as_str().unwrap()).collect();
        assert_eq!(found, names, "{filter}");
    }
}

#[actix_web::test]
async fn case_53_answers_have_the_attributes_that_are_asked_for() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let body = json!({
        "userName": "ada", "active": true, "title": "x",
        "emails": [{"type": "work", "value": "a@x"}],
        EU: {"department": "math", "division": "y"}
    });
    let id = generic.post("/Users", body.clone()).await.id();
    for (query, names) in [
        ("attributes=userName", vec!["id", "schemas", "userName"]),
        ("attributes=TITLE,emails", vec!["emails", "id", "schemas", "title"]),
        ("attributes=emails%5Btype%20eq%20%22work%22%5D", vec!["emails", "id", "schemas"]),
        (
            "excludedAttributes=emails,id,meta",
            vec!["active", "id", "schemas", "title", EU, "userName"],
        ),
    ] {
        for path in [format!("/Users/{id}?{query}"), format!("/Users?{query}")] {
            let reply = generic.get(&path).await;
            assert_eq!(reply.status, 200, "{path}: {reply:?}");
            let shown = reply.body["Resources"].get(0).unwrap_or(&reply.body).clone();
            let found: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(found, names, "{path}");
        }
    }
    let urn = generic.get(&format!("/Users/{id}?attributes={EU}:department")).await;
    assert_eq!(urn.body[EU], json!({"department": "math"}));
    assert_eq!(urn.body.get("userName"), None);
    let both = format!("/Users/{id}?attributes=userName&excludedAttributes=title");
    assert_eq!(generic.get(&both).await.error(), (400, Some("invalidValue")));

    // On writes too, and what is wrong with the question is found before anything is written.
    let head = server.head();
    let put = generic.put(&both, body.clone()).await;
    assert_eq!((put.error().0, server.head()), (400, head));
    let post = generic.post("/Users?attributes=userName", json!({"userName": "bob", "title": "x"}));
    assert_eq!(post.await.body.get("title"), None);
}

#[actix_web::test]
async fn head_is_get_without_a_body() {
    let server = Server::start().await;
    let generic = server.client(Idp::Generic).await;
    let id = generic.user("ada").await;
    for path in ["/Users", "/Groups", "/Schemas", "/ServiceProviderConfig", &format!("/Users/{id}")]
    {
        let reply = generic.send(actix_web::http::Method::HEAD, path, None).await;
        assert_eq!(reply.status, 200, "{path}");
    }
}
