//! What is granted, and what only some routes refuse: a function for each kind of thing.

use std::time::Duration;

use actix_web::{
    http::{Method, header::ACCEPT},
    test::TestRequest,
};
use app::{Answered, Order};
use domain::{
    device::DeviceCommand,
    ids::{ActionId, OffboardingId, UserId},
    offboarding::ActionKind,
};
use event_log::{
    Meta, WorkspaceId,
    journal::{Action, Resource},
};
use projections::Order as Build;
use serde_json::json;

use super::{NOBODY, WS};
use crate::{
    access::push,
    world::{TOKEN, World, saml},
};

/// Asks for everything that adds up: later ones need what earlier ones have made.
pub(super) async fn all(world: &World) {
    workspaces(world).await;
    api_access(world).await;
    sign_in(world).await;
    connectors(world).await;
    tokens(world).await;
    settings(world).await;
    people_and_groups(world).await;
    publications(world).await;
    segments(world).await;
    devices(world).await;
    mdm_services(world).await;
    offboardings(world).await;
    effects(world).await;
    deliveries(world).await;
    rule_in_force(world).await;
    holds(world).await;
    erasures(world).await;
    record(world).await;
    history(world).await;
    projections(world).await;
    backups(world).await;
}

async fn workspaces(world: &World) {
    let acme = json!({ "slug": "acme", "name": "Acme", "plan": "enterprise" });
    world.post("/workspaces", acme.clone()).await.is(201);
    world.post("/workspaces", acme).await.refused(409);
    world.post("/workspaces", json!({ "slug": "globex", "name": "Globex" })).await.is(201);
    world.get("/workspaces?q=a&limit=1").await.is(200);
    world.get("/workspaces?limit=1").await.is(200);
    world.get(WS).await.is(200);
    world.patch(WS, json!({ "name": "Acme Corp" })).await.is(200);
    world.patch(WS, json!({ "name": null, "plan": "enterprise" })).await.is(200);
}

async fn api_access(world: &World) {
    let full = json!({
        "name": "Ann", "role": "auditor", "workspace": "acme", "expires_at": "2026-02-01T00:00:00Z",
    });
    let id = world.post("/access", full).await.field(201, "id");
    world.post("/access", json!({ "name": "Bo", "role": "operator" })).await.is(201);
    world.get("/access?q=a&limit=1").await.is(200);
    world.delete(&format!("/access/{id}")).await.is(204);
    world.delete(&format!("/access/{NOBODY}")).await.refused(404);
    // A workspace has room for so many.
    for number in 0..domain::workspace::API_ACCESSES_MAX {
        let one = json!({ "name": format!("{number}"), "role": "auditor", "workspace": "globex" });
        world.post("/access", one).await.is(201);
    }
    let more = json!({ "name": "one more", "role": "auditor", "workspace": "globex" });
    world.post("/access", more).await.refused(409);
}

async fn sign_in(world: &World) {
    for portal in ["dashboard", "store", "mdm"] {
        let path = format!("{WS}/portals/{portal}");
        world.post(&format!("{path}/scim"), json!({})).await.refused(409);
        world.put(&format!("{path}/saml"), saml(false)).await.is(200);
        world.get(&format!("{path}/saml")).await.is(200);
        world
            .put(&format!("{path}/access"), json!({ "groups": [["staff"], ["a", "b"]] }))
            .await
            .is(200);
        world.put(&format!("{path}/access"), json!({ "groups": [] })).await.is(200);
        world.get(&format!("{path}/access")).await.is(200);
    }
}

async fn connectors(world: &World) {
    let all = json!({ "idp": "okta", "name": "okta", "disable_jit": true });
    world.post(&format!("{WS}/portals/store/scim"), all).await.is(201);
    for portal in ["dashboard", "store", "mdm"] {
        let none = json!({ "name": portal, "disable_jit": null });
        world.post(&format!("{WS}/portals/{portal}/scim"), none).await.is(201);
        world.put(&format!("{WS}/portals/{portal}/saml"), saml(true)).await.refused(409);
        world.delete(&format!("{WS}/portals/{portal}/saml")).await.refused(409);
    }
    let okta = format!("{WS}/connectors/okta");
    world.get(&format!("{WS}/connectors?q=o&limit=1")).await.is(200);
    world.get(&format!("{WS}/connectors?cursor=mdm")).await.is(200);
    for foreign in [&format!("{WS}/connectors"), "/workspaces", "/projections"] {
        let detail = world.get(&format!("{foreign}?cursor=zz")).await.refused(400);
        assert!(detail.starts_with("cursor: "), "{detail}");
    }
    left_groups(world).await;
    world.patch(&okta, json!({ "state": "paused", "idp": "strict" })).await.is(200);
    world.get(&okta).await.is(200);
    world.patch(WS, json!({ "plan": "basic" })).await.is(200);
    world.get(&format!("{WS}/connectors")).await.is(200);
    world.patch(&okta, json!({ "state": "active" })).await.refused(409);
    world.patch(WS, json!({ "plan": "enterprise" })).await.is(200);
    world.patch(&okta, json!({ "state": "active" })).await.is(200);
}

/// A connector that was removed, and the groups that it has left.
async fn left_groups(world: &World) {
    let left = world.post(&format!("{WS}/portals/mdm/scim"), json!({ "name": "left" })).await;
    let caller = world.caller("left", &left.field(201, "token")).await;
    let groups = [push(world, &caller, "One", &[]).await, push(world, &caller, "Two", &[]).await];
    world.delete(&format!("{WS}/connectors/left?people=keep")).await.is(204);
    for (path, group) in ["groups", "mdm/groups"].into_iter().zip(groups) {
        world.delete(&format!("{WS}/{path}/{group}")).await.is(204);
    }
}

async fn tokens(world: &World) {
    let path = format!("{WS}/connectors/okta/tokens");
    let soon = json!({ "expires_at": "2026-01-10T00:00:00+01:00" });
    let id = world.post(&path, soon).await.field(201, "id");
    world.post(&path, json!({})).await.refused(409);
    world.delete(&format!("{path}/{id}")).await.is(204);
    world.post(&path, json!({})).await.is(201);
    world.get(&path).await.is(200);
    world.get(&format!("{WS}/connectors/okta")).await.is(200);
}

async fn settings(world: &World) {
    for connector in ["dashboard", "store", "mdm"] {
        let path = format!("{WS}/connectors/{connector}");
        let rule = format!("{path}/provisioning");
        for brake in [
            json!("off"),
            json!({}),
            json!({ "count": 5, "share": 0.5, "share_from": 1, "window_minutes": 2 }),
        ] {
            let body =
                json!({ "on_create": "create", "on_deactivate": "remove_user", "brake": brake });
            world.put(&rule, body).await.is(200);
        }
        world
            .put(&rule, json!({ "on_create": "create", "on_deactivate": "remove_user" }))
            .await
            .is(200);
        world.get(&rule).await.is(200);
        let schema = json!({ "id": "urn:acme:User", "name": "Acme", "attributes": [{ "name": "badge", "type": "string" }] });
        let declared = json!({ "items": [{ "resource_type": "User", "schema": schema }] });
        world.put(&format!("{path}/extensions"), declared).await.is(200);
        world.get(&format!("{path}/extensions")).await.is(200);
        let mapping = json!([{ "name": "title", "attributes": [{ "key": "title" }, { "namespace": "urn:acme:User", "key": "badge" }] }]);
        world.put(&format!("{path}/attribute-mapping"), mapping).await.is(200);
        world.get(&format!("{path}/attribute-mapping")).await.is(200);
        let bodies = json!({ "bodies_until": "2026-01-01T12:00:00Z" });
        world.put(&format!("{path}/provisioning-log"), bodies).await.is(200);
        world.get(&format!("{path}/provisioning-log")).await.is(200);
        world.get(&format!("{path}/attribute-mapping/apply")).await.is(200);
        world.post(&format!("{path}/attribute-mapping/apply"), json!({})).await.is(200);
        world.get(&format!("{path}/attribute-mapping/apply")).await.is(200);
    }
    let mapping = json!({
        "rules": [{ "group": "Admins", "role": "admin", "connector": "dashboard" }, { "group": "Others", "role": "viewer" }],
        "settle_minutes": 5, "follow_groups": false, "no_match": "unassigned",
    });
    world.put(&format!("{WS}/role-mapping"), mapping).await.is(200);
    world.put(&format!("{WS}/role-mapping"), json!({ "no_match": null })).await.is(200);
    world.post(&format!("{WS}/portals/dashboard/scim"), json!({ "name": "past" })).await.is(201);
    world.delete(&format!("{WS}/connectors/past?people=deactivate")).await.is(204);
    let past = json!({ "rules": [{ "group": "Staff", "role": "admin", "connector": "past" }] });
    world.put(&format!("{WS}/role-mapping"), past).await.refused(409);
    world.get(&format!("{WS}/role-mapping")).await.is(200);
}

/// The one token of a connector.
pub(super) async fn token(world: &World, connector: &str) -> String {
    let all = format!("{WS}/connectors/{connector}/tokens");
    for known in world.items(&all).await {
        world.delete(&format!("{all}/{}", known["id"].as_str().unwrap())).await.is(204);
    }
    world.post(&all, json!({})).await.field(201, "token")
}

async fn people_and_groups(world: &World) {
    for (connector, path) in
        [("dashboard", "collaborators"), ("store", "employees"), ("mdm", "mdm/users")]
    {
        let all = format!("{WS}/{path}");
        let caller = world.caller(connector, &token(world, connector).await).await;
        let ada = world.provision(&caller, "ada@x").await.id.to_string();
        let group = push(world, &caller, "Staff", &[ada.clone(), "nobody-yet".to_owned()]).await;
        let role = (connector == "dashboard").then_some("developer");
        let mut eve = json!({ "user_name": "eve@x", "email": "eve@x" });
        if let Some(role) = role {
            eve["role"] = json!(role);
        }
        let eve_id = world.post(&all, eve.clone()).await.field(201, "id");
        world.post(&all, eve).await.refused(409);
        world.post(&all, json!({ "user_name": "mallory@x", "email": null })).await.is(201);
        world.get(&format!("{all}?q=x&limit=1&account=any")).await.is(200);
        for id in [&ada, &eve_id] {
            world.get(&format!("{all}/{id}")).await.is(200);
            world.get(&format!("{WS}/people/{id}/groups?limit=1&q=s")).await.is(200);
            world.get(&format!("{WS}/people/{id}/timeline?limit=1&after=1")).await.is(200);
        }
        let change = json!({ "role": "viewer" });
        if role.is_some() {
            world.patch(&format!("{all}/{eve_id}"), change.clone()).await.is(200);
        }
        world.delete(&format!("{all}/{eve_id}")).await.is(204);
        world.delete(&format!("{all}/{eve_id}")).await.refused(409);
        let refused = world.patch(&format!("{all}/{eve_id}"), change).await;
        refused.refused(if role.is_some() { 409 } else { 400 });
        world.get(&format!("{all}/{eve_id}")).await.is(200);
        world.get(&format!("{WS}/connectors/{connector}/attribute-history?q=u")).await.is(200);
        let groups = if connector == "mdm" { ["groups", "mdm/groups"] } else { ["groups"; 2] };
        for groups in groups {
            let groups = format!("{WS}/{groups}");
            world.get(&format!("{groups}?q=s&limit=1")).await.is(200);
            for of in ["", "/members?limit=1", "/pending?limit=1"] {
                world.get(&format!("{groups}/{group}{of}")).await.is(200);
            }
            world.delete(&format!("{groups}/{group}")).await.refused(409);
        }
        world.get(&format!("{WS}/groups?portal=store")).await.is(200);
    }
}

async fn publications(world: &World) {
    let all = format!("{WS}/publications");
    let made = world.post(&all, json!({ "name": "Expenses", "groups": [["staff"]] })).await;
    let one = format!("{all}/{}", made.field(201, "id"));
    world.get(&format!("{all}?q=e&limit=1")).await.is(200);
    world.get(&one).await.is(200);
    world.patch(&one, json!({ "name": "Travel", "groups": null })).await.is(200);
    let audience = world.items(&format!("{one}/audience?limit=1")).await;
    let employee = audience[0]["id"].as_str().unwrap();
    assert!(!world.items(&format!("{WS}/employees/{employee}/publications?q=t")).await.is_empty());
    world.delete(&one).await.is(204);
}

async fn segments(world: &World) {
    let all = format!("{WS}/mdm/segments");
    let top = world.post(&all, json!({ "name": "EMEA", "parent": null })).await.field(201, "id");
    world.post(&all, json!({ "name": "emea" })).await.refused(409);
    let below = world.post(&all, json!({ "name": "Spain", "parent": top })).await.field(201, "id");
    let (top, below) = (format!("{all}/{top}"), format!("{all}/{below}"));
    world.get(&format!("{all}?q=e&limit=1")).await.is(200);
    world.get(&below).await.is(200);
    world.delete(&top).await.refused(409);
    world.patch(&below, json!({ "name": "Iberia", "parent": null })).await.is(200);
    world.patch(&below, json!({ "name": "EMEA" })).await.refused(409);
    let people = world.items(&format!("{WS}/collaborators")).await;
    let id = people[0]["id"].as_str().unwrap();
    let grant =
        |id: &str| json!({ "grants": [{ "collaborator": id, "actions": ["view", "enroll"] }] });
    world.put(&format!("{top}/grants"), grant(id)).await.is(200);
    world.get(&format!("{top}/grants")).await.is(200);
    let removed = world.items(&format!("{WS}/collaborators?account=removed")).await;
    let removed = removed[0]["id"].as_str().unwrap();
    world.put(&format!("{top}/grants"), grant(removed)).await.refused(409);
    assert!(!world.items(&format!("{WS}/collaborators/{id}/segments?q=e")).await.is_empty());
    world.delete(&below).await.is(204);
}

async fn devices(world: &World) {
    let (all, policies) = (format!("{WS}/mdm/devices"), format!("{WS}/mdm/policies"));
    let policy = world.post(&policies, json!({ "name": "Kiosk" })).await.field(201, "id");
    world.post(&policies, json!({ "name": "Kiosk" })).await.refused(409);
    world.get(&format!("{policies}?q=k&limit=1")).await.is(200);
    world.get(&format!("{policies}/{policy}")).await.is(200);
    let full =
        json!({ "serial": "1", "platform": "ios", "name": "One", "policy": policy, "user": null });
    let one = world.post(&all, full.clone()).await.field(201, "id");
    let one = format!("{all}/{one}");
    world.post(&all, full).await.refused(409);
    world.delete(&format!("{policies}/{policy}")).await.refused(409);
    world.get(&format!("{all}?q=1&limit=1")).await.is(200);
    world.get(&one).await.is(200);
    world.patch(&one, json!({ "user": null, "policy": null })).await.is(200);
    world.delete(&format!("{policies}/{policy}")).await.is(204);
    world.delete(&one).await.is(204);
    world.patch(&one, json!({ "policy": null })).await.refused(409);
    world.delete(&one).await.refused(409);
}

async fn offboardings(world: &World) {
    let policy = world.post(&format!("{WS}/mdm/policies"), json!({ "name": "Locked" })).await;
    let rule = json!({
        "on_create": "create", "on_deactivate": "change_policy", "policy": policy.field(201, "id"),
    });
    world.put(&format!("{WS}/connectors/mdm/provisioning"), rule).await.is(200);
    world.get(&format!("{WS}/connectors/mdm/provisioning")).await.is(200);
    let caller = world.caller("mdm", &token(world, "mdm").await).await;
    let bob = world.provision(&caller, "bob@x").await.id;
    for serial in ["2", "3"] {
        let device = json!({ "serial": serial, "platform": "ios", "user": bob });
        world.post(&format!("{WS}/mdm/devices"), device).await.is(201);
    }
    world.set_active(&caller, bob, false).await;
    for path in ["offboardings", "effects"] {
        let all = format!("{WS}/{path}");
        let found = world.items(&format!("{all}?limit=1")).await;
        let id = found[0]["id"].as_str().unwrap();
        world.get(&format!("{all}/{id}")).await.is(200);
    }
    assert_eq!(world.items(&format!("{WS}/offboardings?state=started&user={bob}")).await.len(), 1);
    assert_eq!(world.items(&format!("{WS}/effects?state=requested")).await.len(), 2);
}

async fn mdm_services(world: &World) {
    let all = format!("{WS}/mdm/services");
    let one = format!("{all}/ios");
    world.get(&one).await.refused(404);
    world.put(&one, json!({ "kind": "registry" })).await.is(200);
    world.get(&one).await.is(200);
    world.get(&all).await.is(200);
    world.post(&format!("{one}/test"), json!({})).await.is(200);
    world.delete(&one).await.is(204);
}

/// Nobody delivers here: what an MDM service would have done is noted by hand.
async fn backups(world: &World) {
    world.post("/backups", json!({})).await.refused(409);
    let place = world.back_up();
    world.get("/backups").await.is(200);
    world.post("/backups", json!({})).await.is(201);
    world.get("/backups?limit=1").await.is(200);
    drop(place);
}

async fn deliveries(world: &World) {
    let path = format!("{WS}/deliveries");
    world.get(&path).await.is(200);
    world.post(&format!("{path}/resume"), json!({})).await.refused(409);
    world.post(&format!("{path}/suspend"), json!({})).await.is(200);
    world.get(&path).await.is(200);
    world.post(&format!("{path}/resume"), json!({})).await.is(200);
}

async fn effects(world: &World) {
    let requested = world.items(&format!("{WS}/effects?state=requested")).await;
    let path = |index: usize| format!("{WS}/effects/{}", requested[index]["id"].as_str().unwrap());
    let (first, second) = (path(0), path(1));
    let why = || json!({ "reason": "it is lost" });
    let note = async |command: fn(ActionId) -> DeviceCommand| {
        let id = |name: &str| requested[1][name].as_str().unwrap().parse().unwrap();
        let command = command(ActionId(id("id")));
        let (workspace, meta) = (WorkspaceId::parse("acme").unwrap(), Meta::default());
        let order = Order { workspace, id: id("device"), command, meta };
        world.app.devices().dispatch(order).await.unwrap();
    };
    world.post(&format!("{first}/give-up"), why()).await.refused(409);
    world.post(&format!("{first}/cancel"), json!({ "reason": null })).await.is(200);
    note(|action| DeviceCommand::Send { action }).await;
    world.post(&format!("{second}/cancel"), json!({})).await.refused(409);
    world.post(&format!("{second}/retry"), json!({})).await.refused(409);
    note(|action| DeviceCommand::Park { action, reason: "no".to_owned() }).await;
    world.post(&format!("{second}/retry"), why()).await.is(200);
    note(|action| DeviceCommand::Send { action }).await;
    note(|action| DeviceCommand::Park { action, reason: "no".to_owned() }).await;
    world.post(&format!("{second}/give-up"), why()).await.is(200);
}

async fn rule_in_force(world: &World) {
    let path = format!("{WS}/connectors/mdm/provisioning");
    let (preview, apply) = (format!("{path}/preview"), format!("{path}/apply"));
    let rule = world.post(&preview, json!({})).await.is(200)["rule"].as_u64().unwrap();
    world.get(&preview).await.is(200);
    world.get(&format!("{preview}/people?limit=1")).await.is(200);
    world.post(&apply, json!({ "rule": rule + 1 })).await.refused(409);
    world.post(&apply, json!({ "rule": rule })).await.is(200);
    world.get(&apply).await.is(200);
    world.get(&format!("{WS}/role-mapping/progress")).await.is(200);
}

async fn holds(world: &World) {
    let brake = json!({ "count": 1, "share": 1.0, "share_from": 1_000, "window_minutes": 60 });
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user", "brake": brake });
    world.put(&format!("{WS}/connectors/store/provisioning"), rule).await.is(200);
    let caller = world.caller("store", &token(world, "store").await).await;
    for name in ["h1@x", "h2@x", "h3@x"] {
        let id = world.provision(&caller, name).await.id;
        world.set_active(&caller, id, false).await;
        // In their order: the first one passes.
        world.get(&format!("{WS}/offboardings?user={id}")).await.is(200);
    }
    let all = format!("{WS}/holds");
    let found = world.items(&format!("{all}?state=open&limit=1")).await;
    let one = format!("{all}/{}", found[0]["id"].as_str().unwrap());
    world.get(&one).await.is(200);
    let held = world.items(&format!("{one}/users?state=held&limit=2")).await;
    let (approve, undo) = (format!("{one}/approve"), format!("{one}/undo"));
    let whom = |index: usize| json!({ "users": [held[index]["user"]] });
    world.post(&approve, json!({ "users": [] })).await.refused(400);
    world.post(&approve, whom(0)).await.is(200);
    world.post(&undo, json!({ "users": null })).await.is(200);
    world.post(&undo, whom(0)).await.refused(409);
    world.post(&approve, whom(1)).await.refused(409);
}

async fn record(world: &World) {
    let path = format!("/api/v1{WS}/events");
    world.get(&format!("{WS}/events?after=1&limit=5&type=workspace.*&from=1&to=9")).await.is(200);
    world.get(&format!("{WS}/events?limit=1000")).await.is(200);
    let followed = world.get(&format!("{WS}/events/stream?after=3&to=9&from=1&type=*")).await;
    assert_eq!(followed.text.matches("data: ").count(), 6, "{}", followed.text);
    world.get(&format!("{WS}/events/stream?after=1000000")).await.refused(409);
    world.get(&format!("{WS}/why?position=1")).await.is(200);
    world.get(&format!("{WS}/why?position=1000000")).await.refused(404);
    let lines = TestRequest::get()
        .uri(&path)
        .insert_header(("authorization", format!("Bearer {TOKEN}")))
        .insert_header((ACCEPT, "application/x-ndjson"));
    let lines = world.send(lines).await;
    assert!(lines.text.lines().count() > 50, "{}", lines.text);
    proofs(world).await;
    provisioning_log(world).await;
}

async fn proofs(world: &World) {
    for (path, refused) in [
        ("checkpoint?size=3", "checkpoint?size=9999999"),
        ("proof?position=2&size=3", "proof?position=4&size=3"),
        ("consistency?from=2&to=3", "consistency?from=4&to=3"),
        ("export?after=1&limit=2&size=5&proofs=true&type=workspace.*", "export?size=9999999"),
        ("keys", ""),
    ] {
        world.get(&format!("{WS}/{path}")).await.is(200);
        if !refused.is_empty() {
            world.get(&format!("{WS}/{refused}")).await.refused(400);
        }
    }
    world.call(Method::POST, "/keys/rotate", None).await.is(204);
    world.get(&format!("{WS}/keys")).await.is(200);
}

async fn provisioning_log(world: &World) {
    let token = token(world, "store").await;
    let caller = world.caller("store", &token).await;
    let answered = Answered {
        action: Action::Create,
        resource: Some(Resource::User),
        operation: None,
        status: Some(409),
        error: Some(scim::Error::uniqueness("taken")),
        duration: Duration::ZERO,
    };
    world.app.answered(&caller, answered);
    let log = format!("{WS}/provisioning-log");
    let query = "q=ada&connector=store&action=create&outcome=refused&status=4xx&correlation=c";
    world
        .get(&format!("{log}?{query}&from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z"))
        .await
        .is(200);
    let id = world.items(&log).await[0]["id"].as_str().unwrap().to_owned();
    world.get(&format!("{log}/{id}")).await.is(200);
    world.get(&format!("{log}/cycles?connector=store&limit=1")).await.is(200);
    for list in [&log, &format!("{log}/cycles")] {
        world.get(&format!("{list}?cursor=99-1&limit=1000")).await.is(200);
        for (foreign, name) in [("cursor=99-9", "cursor: "), ("limit=1001", "limit: ")] {
            let detail = world.get(&format!("{list}?{foreign}")).await.refused(400);
            assert!(detail.starts_with(name), "{detail}");
        }
    }
    world.get(&format!("{log}/rejections")).await.is(200);
    world.put(&format!("{log}/settings"), json!({ "days": 365 })).await.is(200);
    world.get(&format!("{log}/settings")).await.is(200);
}

async fn erasures(world: &World) {
    let people = format!("{WS}/collaborators");
    let owner = json!({ "user_name": "owner@x", "role": "owner" });
    let owner = world.post(&people, owner).await.field(201, "id");
    world.post(&format!("{WS}/people/{owner}/erase"), json!({})).await.refused(409);
    let caller = world.caller("store", &token(world, "store").await).await;
    let id = world.provision(&caller, "erased@x").await.id;
    let path = format!("{WS}/people/{id}/erase");
    world.get(&path).await.is(200);
    let asked = json!({ "reason": "4711", "all_portals": true });
    let erasure = world.post(&path, asked).await.field(200, "id");
    world.get(&path).await.refused(409);
    world.get(&format!("{WS}/erasures?limit=1")).await.is(200);
    let certificate = world.get(&format!("{WS}/erasures/{erasure}")).await.is(200);
    assert_eq!(world.get(&format!("{WS}/erasures/{id}")).await.is(200), certificate);
}

async fn history(world: &World) {
    for (list, kind) in [("employees", "users"), ("groups", "groups"), ("mdm/devices", "devices")] {
        let found = world.items(&format!("{WS}/{list}?limit=1")).await;
        let path = format!("{WS}/history/{kind}/{}", found[0]["id"].as_str().unwrap());
        world.get(&path).await.is(200);
        world.get(&format!("{path}?at=1")).await.refused(404);
    }
    world.get(&format!("{WS}/diff?from=1&to=1000&limit=2")).await.is(200);
}

async fn projections(world: &World) {
    world.get("/projections?limit=2").await.is(200);
    for what in ["rebuild", "verify"] {
        let path = format!("/projections/{what}");
        world.post(&path, json!({ "projection": "store" })).await.is(200);
        world.post(&path, json!({ "projection": null, "workspace": "acme" })).await.is(200);
        world.post(&path, json!({ "workspace": "nobody" })).await.refused(404);
    }
    let begun = world.post("/projections/rebuild", json!({ "wait": false })).await.is(202);
    let build = format!("/projections/builds/{}", begun["build"]["id"].as_str().unwrap());
    world.app.read_models().wait_for_builds();
    world.get(&build).await.is(200);
    world.get("/projections/builds?limit=1").await.is(200);
    world.get("/projections/builds/99").await.refused(404);
    for wish in ["pause", "resume", "cancel"] {
        world.call(Method::POST, &format!("{build}/{wish}"), None).await.refused(409);
        world
            .call(Method::POST, &format!("/projections/builds/99/{wish}"), None)
            .await
            .refused(404);
    }
    let names = Build { projection: Some("store".to_owned()), workspace: None };
    let begun = world.app.read_models().begin(&names).unwrap();
    for wish in ["pause", "resume", "cancel"] {
        let path = format!("/projections/builds/{}/{wish}", begun.id());
        world.call(Method::POST, &path, None).await.is(200);
        world.post("/projections/rebuild", json!({})).await.refused(409);
        world.post("/projections/verify", json!({})).await.refused(409);
    }
    begun.run(&mut |_| ()).unwrap_err();
    world.get("/openapi.json").await.is(200);
    projection_holds(world).await;
}

async fn projection_holds(world: &World) {
    world.damage(uuid::Uuid::from_u128(0xbad), 0).await;
    world.get(&format!("{WS}/employees")).await.is(200);
    let holds = world.items("/projections/holds?q=STORE&limit=1").await;
    let hold = format!("/projections/holds/{}", holds[0]["id"].as_str().unwrap());
    world.call(Method::POST, &format!("{hold}/retry"), None).await.is(200);
    for held in world.items("/projections/holds").await {
        let hold = format!("/projections/holds/{}", held["id"].as_str().unwrap());
        let position = held["position"].as_u64().unwrap();
        let skip = |position| json!({ "position": position, "reason": "it was made up" });
        world.post(&format!("{hold}/skip"), skip(position + 1)).await.refused(409);
        world.post(&format!("{hold}/skip"), skip(position)).await.is(200);
        world.post(&format!("{hold}/skip"), skip(position + 1)).await.refused(404);
        world.call(Method::POST, &format!("{hold}/retry"), None).await.refused(404);
        let unskip = |position| json!({ "position": position });
        world.post(&format!("{hold}/unskip"), unskip(position + 1)).await.refused(404);
        let order = projections::Order::default();
        let other = world.app.read_models().begin(&order).unwrap();
        world.post(&format!("{hold}/unskip"), unskip(position)).await.refused(409);
        drop(other);
        world.post(&format!("{hold}/unskip"), unskip(position)).await.is(200);
        world.post(&format!("{hold}/skip"), skip(position)).await.is(200);
    }
}

pub(super) async fn removals(world: &World) {
    let user = world.post(&format!("{WS}/mdm/users"), json!({ "user_name": "owed@x" })).await;
    let user = user.field(201, "id");
    let device = json!({ "serial": "owed", "platform": "ios", "user": user });
    let device = world.post(&format!("{WS}/mdm/devices"), device).await.field(201, "id");
    let (action, user) = (ActionId(world.app.fresh_id()), UserId(user.parse().unwrap()));
    let (offboarding, kind) = (OffboardingId::default(), ActionKind::Remove);
    let command = DeviceCommand::Request { action, offboarding, user, kind };
    let (workspace, meta) = (WorkspaceId::parse("acme").unwrap(), Meta::default());
    let id = device.parse().unwrap();
    world.app.devices().dispatch(Order { workspace, id, command, meta }).await.unwrap();
    world.delete(WS).await.refused(409);
    world.call(Method::POST, &format!("{WS}/effects/{action}/cancel"), None).await.is(200);
    for connector in ["okta", "dashboard", "store", "mdm"] {
        let path = format!("{WS}/connectors/{connector}?people=keep");
        world.delete(&path).await.is(204);
    }
    for portal in ["dashboard", "store", "mdm"] {
        world.delete(&format!("{WS}/portals/{portal}/saml")).await.is(204);
    }
    world.delete(WS).await.is(204);
}
