//! Who may use the API, and as what.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::world::World;

/// Gives somebody a token: their id, and the token.
async fn grant(world: &World, role: &str, workspace: Option<&str>) -> (String, String) {
    let asked = json!({ "name": "Somebody", "role": role, "workspace": workspace });
    let granted = world.post("/access", asked).await.is(201);
    let text = |name: &str| granted[name].as_str().unwrap().to_owned();
    (text("id"), text("token"))
}

async fn get(world: &World, token: &str, path: &str) -> crate::world::Answer {
    world.call_as(token, Method::GET, path, None).await
}

#[actix_web::test]
async fn a_token_is_shown_once_and_revoked_at_once() {
    let (world, _) = World::with_scim("store", json!({ "on_create": "create" })).await;
    let (id, token) = grant(&world, "auditor", None).await;
    assert!(token.starts_with("mst_"));
    get(&world, &token, "/workspaces/acme/events").await.is(200);
    let listed = world.get("/access").await;
    assert!(!listed.text.contains("mst_") && !listed.text.contains("digest"), "{}", listed.text);
    let shown = &listed.is(200)["items"][0];
    assert_eq!(
        (&shown["id"], &shown["live"], &shown["role"]),
        (&json!(id), &json!(true), &json!("auditor"))
    );
    assert_eq!(shown["created_by"], "person:owner");
    assert_eq!(shown["last_used"], "2026-01-01T00:00:00.000000Z");

    world.delete(&format!("/access/{id}")).await.is(204);
    world.delete(&format!("/access/{id}")).await.is(204);
    let detail = get(&world, &token, "/workspaces/acme/events").await.refused(401);
    assert!(detail.contains("revoked"), "{detail}");
    // It stays in the list: who could do what, and until when.
    let gone = &world.items("/access").await[0];
    assert_eq!((&gone["live"], &gone["revoked_by"]), (&json!(false), &json!("person:owner")));

    // One to a workspace that is closed opens nothing, and nobody is told that it does.
    world.post("/workspaces", json!({ "slug": "beta", "name": "Beta" })).await.is(201);
    let (beta, _) = grant(&world, "auditor", Some("beta")).await;
    let live = async || {
        let all = world.items("/access").await;
        all.iter().find(|it| it["id"] == json!(beta)).unwrap()["live"].clone()
    };
    assert_eq!(live().await, json!(true));
    world.delete("/workspaces/beta").await.is(204);
    assert_eq!(live().await, json!(false));

    // The same after a restart, and for a token that is nearly right.
    let (_, other) = grant(&world, "auditor", None).await;
    let world = world.again();
    get(&world, &token, "/workspaces").await.refused(401);
    get(&world, &other, "/workspaces").await.is(200);
    get(&world, &format!("{other}x"), "/workspaces").await.refused(401);
}

#[actix_web::test]
async fn a_token_ends_when_it_was_said_to() {
    let world = World::new();
    let asked = json!({ "name": "Ann", "role": "owner", "expires_at": "2026-01-02T00:00:00Z" });
    let token = world.post("/access", asked).await.field(201, "token");
    get(&world, &token, "/access").await.is(200);
    world.days_pass(1);
    assert!(get(&world, &token, "/access").await.refused(401).contains("expired"));
    for (field, value) in [
        ("expires_at", json!("2026-01-01T00:00:00Z")),
        ("expires_at", json!("soon")),
        ("role", json!("god")),
        ("name", json!(" ")),
        ("workspace", json!("nowhere")),
    ] {
        let mut asked = json!({ "name": "Ann", "role": "owner" });
        asked[field] = value;
        let detail = world.post("/access", asked).await.refused(400);
        assert!(detail.starts_with(field), "{detail}");
    }
}

#[actix_web::test]
async fn the_record_names_whoever_did_it() {
    let (world, _) = World::with_scim("store", json!({})).await;
    let (id, token) = grant(&world, "administrator", None).await;
    let rename = json!({ "name": "Other" });
    world.call_as(&token, Method::PATCH, "/workspaces/acme", Some(rename)).await.is(200);
    let events = world.items(&format!("/workspaces/acme/events?actor=person:{id}")).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["type"], "workspace.renamed");
    // Whoever reaches one workspace alone is a fact of it, without their name.
    let (id, _) = grant(&world, "auditor", Some("acme")).await;
    world.delete(&format!("/access/{id}")).await.is(204);
    let facts = world.items("/workspaces/acme/events?type=workspace.api_access_*").await;
    let said: Vec<_> = facts.iter().map(|it| (&it["type"], &it["actor"], &it["data"])).collect();
    let owner = json!("person:owner");
    assert_eq!(
        said,
        [
            (
                &json!("workspace.api_access_granted"),
                &owner,
                &json!({ "access": id, "role": "auditor", "expires": null })
            ),
            (&json!("workspace.api_access_revoked"), &owner, &json!({ "access": id })),
        ]
    );
}

#[actix_web::test]
async fn whoever_reaches_one_workspace_learns_nothing_of_another() {
    let (world, _) = World::with_scim("store", json!({})).await;
    world.post("/workspaces", json!({ "slug": "globex", "name": "Globex" })).await.is(201);
    let (_, elsewhere) = grant(&world, "owner", None).await;
    let (id, token) = grant(&world, "owner", Some("acme")).await;
    let slugs = |items: Value| -> Vec<String> {
        items["items"].as_array().unwrap().iter().map(|it| it["slug"].to_string()).collect()
    };
    assert_eq!(slugs(get(&world, &token, "/workspaces").await.is(200)), ["\"acme\""]);
    assert_eq!(slugs(get(&world, &elsewhere, "/workspaces").await.is(200)).len(), 2);
    let there = get(&world, &token, "/workspaces/globex").await.refused(404);
    let nowhere = get(&world, &token, "/workspaces/nowhere").await.refused(404);
    assert_eq!(there, nowhere);
    assert!(get(&world, &token, "/projections").await.refused(403).contains("acme"));

    // They see, give and take what is of their workspace, and no more.
    let seen = get(&world, &token, "/access").await.is(200);
    assert_eq!(seen["items"].as_array().unwrap().len(), 1);
    assert_eq!(seen["items"][0]["id"], json!(id));
    let give = async |workspace: Option<&str>| {
        let asked = json!({ "name": "Bo", "role": "operator", "workspace": workspace });
        world.call_as(&token, Method::POST, "/access", Some(asked)).await
    };
    assert!(give(None).await.refused(403).contains("acme"));
    let detail = give(Some("globex")).await.refused(400);
    assert_eq!(detail.replace("globex", "nowhere"), give(Some("nowhere")).await.refused(400));
    let given = give(Some("acme")).await.field(201, "id");
    let revoke = async |id: &str| {
        world.call_as(&token, Method::DELETE, &format!("/access/{id}"), None).await
    };
    revoke(&given).await.is(204);
    let all = world.items("/access").await;
    revoke(all[0]["id"].as_str().unwrap()).await.refused(404);

    // Whatever their role is: that it does not fit must not tell that there is something.
    let (_, auditor) = grant(&world, "auditor", Some("acme")).await;
    let ask = async |slug: &str| {
        let path = format!("/workspaces/{slug}/connectors/okta?people=keep");
        world.call_as(&auditor, Method::DELETE, &path, None).await
    };
    let (there, nowhere) = (ask("globex").await, ask("nowhere").await);
    assert_eq!(there.refused(404), nowhere.refused(404));
    ask("acme").await.refused(403);
}

#[actix_web::test]
async fn an_operator_steers_and_sees_nobody() {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user", "brake": "off" });
    let (world, scim) = World::with_scim("mdm", rule).await;
    let caller = world.caller("mdm", &scim).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id;
    let (_, token) = grant(&world, "operator", None).await;
    for path in ["events", "mdm/users", "groups", "provisioning-log", "people/x/groups", "export"] {
        let detail = get(&world, &token, &format!("/workspaces/acme/{path}")).await.refused(403);
        assert!(detail.contains("owner, administrator or auditor"), "{detail}");
    }
    for path in ["connectors", "connectors/mdm", "effects", "offboardings", "holds", "checkpoint"] {
        let seen = get(&world, &token, &format!("/workspaces/acme/{path}")).await;
        assert!(!seen.text.contains("ada@"), "{}", seen.text);
        assert_eq!(seen.status, 200, "{path}");
    }
    let verify = json!({ "projection": "mdm" });
    world.call_as(&token, Method::POST, "/projections/verify", Some(verify)).await.is(200);
    let delete = format!("/workspaces/acme/mdm/users/{ada}");
    let detail = world.call_as(&token, Method::DELETE, &delete, None).await.refused(403);
    assert!(detail.contains("owner or administrator") && detail.contains("operator"), "{detail}");
}
