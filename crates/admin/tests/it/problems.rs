//! What is refused, and how it is said (RFC 9457).

use actix_web::{http::Method, test::TestRequest};
use serde_json::{Value, json};

use crate::world::{TOKEN, World};

async fn raw(world: &World, method: &str, path: &str, body: &str) -> crate::world::Answer {
    let request = TestRequest::default()
        .method(method.parse().unwrap())
        .uri(&format!("/api/v1{path}"))
        .insert_header(("authorization", format!("Bearer {TOKEN}")))
        .set_payload(body.to_owned());
    world.send(request).await
}

#[actix_web::test]
async fn a_body_that_was_lost_resets_no_setting() {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user" });
    let (world, _) = World::with_scim("store", rule).await;
    let path = "/workspaces/acme/connectors/store/provisioning";
    let before = world.get(path).await.is(200);
    for body in ["", " \n"] {
        let said = raw(&world, "PUT", path, body).await.refused(400);
        assert!(said.contains("the body is missing"), "{said}");
    }
    assert_eq!(world.get(path).await.is(200), before);
    // Whoever means the defaults says so.
    raw(&world, "PUT", path, "{}").await.is(200);
    assert_eq!(world.get(path).await.is(200)["on_deactivate"], "nothing");
}

#[actix_web::test]
async fn a_bad_parameter_is_told_what_it_has_to_be() {
    let (world, _) = World::with_scim("store", json!({})).await;
    for (path, said) in [
        ("events?after=x", "after: must be a position"),
        ("events?person=ada", "person: must be an id, such as"),
        ("events?from=2026-01-01T00:00:00+01:00", "+ is written %2B"),
        ("provisioning-log?from=2026-01-01T00:00:00+01:00", "+ is written %2B"),
        ("provisioning-log?subject=ada", "subject: must be an id, such as"),
        ("export?limit=0", "limit: must be a whole number from 1 on"),
        ("export?proofs=yes", "proofs: must be true or false, got \"yes\""),
        ("why?effect=x", "effect: must be an id, such as"),
        ("groups?portal=x", "portal: must be dashboard, store or mdm"),
        ("offboardings?user=x", "user: must be an id, such as"),
        ("proof?position=x", "position: must be a position"),
    ] {
        let detail = world.get(&format!("/workspaces/acme/{path}")).await.refused(400);
        assert!(detail.contains(said), "{path}: {detail}");
    }
    let document = world.get("/openapi.json").await.is(200);
    for (path, name) in [("proof", "position"), ("consistency", "from")] {
        let params = &document["paths"][format!("/workspaces/{{ws}}/{path}")]["get"]["parameters"];
        let param = params.as_array().unwrap().iter().find(|it| it["name"] == name).unwrap();
        assert_eq!(param["required"], true, "{path} {name}");
    }
}

#[actix_web::test]
async fn a_platform_that_no_device_can_have_gets_no_service() {
    let (world, _) = World::with_scim("mdm", json!({})).await;
    for platform in ["%20", "%20ios", "ios%20", "iOS", "i%0Dos"] {
        let path = format!("/workspaces/acme/mdm/services/{platform}");
        let detail = world.put(&path, json!({ "kind": "registry" })).await.refused(400);
        assert!(detail.contains("platform"), "{platform}: {detail}");
    }
    world.put("/workspaces/acme/mdm/services/ios", json!({ "kind": "registry" })).await.is(200);
}

#[actix_web::test]
async fn a_bad_body_is_told_where_it_is_bad() {
    let world = World::new();
    world.post("/workspaces", json!({ "slug": "acme", "name": "Acme" })).await.is(201);
    let saml = "/workspaces/acme/portals/store/saml";
    for (method, path, body, said, field, at) in [
        ("POST", "/workspaces", "{", "EOF", None, Some((1, 1))),
        ("POST", "/workspaces", "{}", "slug", None, Some((1, 2))),
        ("POST", "/workspaces", "", "slug", None, Some((1, 2))),
        ("POST", "/workspaces", r#"{"slug":"x","name":1}"#, "string", Some("name"), Some((1, 20))),
        ("POST", "/workspaces", "{\"slug\":\"x\",\n\"nam\":1}", "nam", Some("nam"), Some((2, 5))),
        (
            "POST",
            "/workspaces",
            r#"{"slug":"x","name":"X","plan":"gold"}"#,
            "`basic` or `enterprise`",
            Some("plan"),
            Some((1, 36)),
        ),
        ("POST", "/workspaces", r#"{"slug":"No Slug","name":"X"}"#, "slug", None, None),
        ("POST", "/workspaces", r#"{"slug":"x","name":"  "}"#, "name", None, None),
        ("PATCH", "/workspaces/acme", r#"{"slug":"other"}"#, "slug", Some("slug"), Some((1, 7))),
        ("PUT", saml, "{}", "entity_id", None, None),
        ("PUT", saml, r#"{"entity_id":"a"}"#, "sso_url", None, None),
        ("PUT", saml, r#"{"entity_id":"a","sso_url":"https://b"}"#, "certificate", None, None),
        (
            "PUT",
            saml,
            r#"{"entity_id":"a","sso_url":"b","certificate":"MIIB"}"#,
            "https",
            None,
            None,
        ),
        (
            "PUT",
            saml,
            r#"{"entity_id":"a","sso_url":"https://b","certificate":"not one"}"#,
            "certificate",
            None,
            None,
        ),
        ("PUT", saml, r#"{"metadata_xml":"<a"}"#, "well-formed", None, None),
        ("PUT", saml, r#"{"metadata_xml":"<a/>"}"#, "IDPSSODescriptor", None, None),
        ("PUT", saml, r#"{"metadata_xml":"<a/>","entity_id":"a"}"#, "alone", None, None),
        (
            "POST",
            "/workspaces/acme/portals/store/scim",
            r#"{"idp":"other"}"#,
            "`entra`",
            Some("idp"),
            Some((1, 14)),
        ),
    ] {
        let answer = raw(&world, method, path, body).await;
        let placed = (answer.body["line"].as_u64(), answer.body["column"].as_u64());
        assert_eq!(placed, at.map_or((None, None), |(l, c)| (Some(l), Some(c))), "{body}");
        assert_eq!(answer.body["field"].as_str(), field, "{body}");
        let detail = answer.refused(400);
        assert!(detail.contains(said), "{body}: {detail}");
    }
}

#[actix_web::test]
async fn no_body_makes_the_server_fail() {
    let (world, _) = World::with_scim("store", json!({})).await;
    let document = world.get("/openapi.json").await.is(200);
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let strange = "{\"name\":\"a\\u0000b\",\"slug\":\"\\u0000\",\"user_name\":\"\\u0007\"}";
    let bodies =
        ["null", "[]", "[1]", "1", "\"x\"", "{\"x\":1}", "{", "\u{feff}{}", &deep, strange];
    for (path, item) in document["paths"].as_object().unwrap() {
        let takes = |operation: &Value| operation.get("requestBody").is_some();
        for (method, _) in item.as_object().unwrap().iter().filter(|(_, it)| takes(it)) {
            let path = path
                .replace("{ws}", "acme")
                .replace("{portal}", "store")
                .replace("{connector}", "store")
                .replace("{id}", "00000000-0000-0000-0000-00000000000f");
            // What takes an array may take one that is empty.
            let takes_list = path.ends_with("/attribute-mapping");
            for body in bodies.into_iter().filter(|body| !(takes_list && *body == "[]")) {
                let answer = raw(&world, &method.to_ascii_uppercase(), &path, body).await;
                let short: String = body.chars().take(40).collect();
                assert!((400..500).contains(&answer.status), "{method} {path} {short}");
                let status = answer.status;
                answer.refused(status);
            }
        }
    }
}

#[actix_web::test]
async fn what_is_not_there_is_a_problem_too() {
    let world = World::new();
    world.get("/nothing").await.refused(404);
    world.get("/workspaces/unknown").await.refused(404);
    world.get("/workspaces/No%20Slug").await.refused(404);
    world.post("/workspaces", json!({ "slug": "acme", "name": "Acme" })).await.is(201);
    world.get("/workspaces/acme/connectors/none").await.refused(404);
    world.get("/workspaces/acme/connectors/None/tokens").await.refused(404);
    world.put("/workspaces/acme/connectors/none/provisioning", json!({})).await.refused(404);
    world.get("/workspaces/acme/employees/nonsense").await.refused(404);

    let answer = raw(&world, "PUT", "/workspaces", "{}").await;
    assert_eq!(answer.headers.get("allow").unwrap(), "GET, POST, HEAD");
    answer.refused(405);
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    assert!(raw(&world, "POST", "/workspaces", &large).await.refused(413).contains("bytes"));
    let head = raw(&world, "HEAD", "/workspaces", "").await;
    assert_eq!(head.status, 200);
}

#[actix_web::test]
async fn without_a_token_nothing_answers_but_the_document() {
    let world = World::new();
    world.post("/workspaces", json!({ "slug": "acme", "name": "Acme" })).await.is(201);
    let document = world.send(TestRequest::get().uri("/api/v1/openapi.json")).await.is(200);
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let open = item[method]["security"] == json!([{}]);
            assert_eq!(open, path == "/openapi.json", "{method} {path}");
            if open {
                continue;
            }
            let path = path
                .replace("{ws}", "acme")
                .replace("{portal}", "store")
                .replace("{connector}", "store")
                .replace("{id}", "00000000-0000-0000-0000-00000000000f");
            let method: Method = method.to_ascii_uppercase().parse().unwrap();
            for (header, said) in [
                (None, "no bearer token"),
                (Some("Bearer mst_unknown"), "not known"),
                (Some("Basic b3duZXI6"), "must read"),
            ] {
                let mut request = TestRequest::default()
                    .method(method.clone())
                    .uri(&format!("/api/v1{path}"))
                    .set_payload("{");
                if let Some(header) = header {
                    request = request.insert_header(("authorization", header));
                }
                let answer = world.send(request).await;
                assert!(answer.headers.contains_key("www-authenticate"), "{method} {path}");
                let detail = answer.refused(401);
                assert!(detail.contains(said), "{method} {path}: {detail}");
            }
            asked += 1;
        }
    }
    assert!(asked > 40, "{asked}");
}

#[actix_web::test]
async fn answers_are_kept_by_nobody() {
    let world = World::new();
    let answer = world.get("/workspaces").await;
    assert_eq!(answer.headers.get("cache-control").unwrap(), "no-store");
    let empty: Value = json!({ "items": [], "next_cursor": null });
    assert_eq!(answer.is(200), empty);
}
