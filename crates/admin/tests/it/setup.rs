//! Connecting an `IdP`: workspace, SAML, SCIM, provisioning (rules 1 to 5).

use serde_json::json;

use crate::world::{CERTIFICATE, World, saml};

#[actix_web::test]
async fn an_administrator_connects_an_idp() {
    let world = World::new();
    let made = world.post("/workspaces", json!({ "slug": "acme", "name": " Acme Ltd " })).await;
    let acme = made.is(201);
    assert_eq!((&acme["id"], &acme["slug"]), (&json!("acme"), &json!("acme")));
    assert_eq!((&acme["name"], &acme["plan"]), (&json!("Acme Ltd"), &json!("enterprise")));
    assert_eq!(acme["created_at"], json!("2026-01-01T00:00:00.000000Z"));

    // SCIM stands on SAML, and the refusal says so.
    let scim = "/workspaces/acme/portals/mdm/scim";
    let detail = world.post(scim, json!({ "idp": "okta" })).await.refused(409);
    assert!(detail.contains("SAML is not configured") && detail.contains("PUT"), "{detail}");
    world.put("/workspaces/acme/portals/mdm/saml", saml(false)).await.is(200);
    let enabled = world.post(scim, json!({ "idp": "okta" })).await.is(201);
    assert_eq!(enabled["connector"], json!("mdm"));
    assert_eq!(enabled["base_url"], json!("https://muster.example/scim/v2/acme/mdm"));
    assert_eq!(enabled["expires_at"], json!("2027-01-01T00:00:00.000000Z"));
    assert!(enabled["token"].as_str().unwrap().starts_with("mst_"));

    // A further connector needs a name.
    let detail = world.post(scim, json!({ "idp": "entra" })).await.refused(409);
    assert!(detail.contains("\"name\""), "{detail}");
    let second = json!({ "idp": "entra", "name": "entra-mdm" });
    assert_eq!(world.post(scim, second.clone()).await.field(201, "connector"), "entra-mdm");
    world.post(scim, second).await.refused(409);
    world.post(scim, json!({ "name": "No Slug" })).await.refused(400);

    let names: Vec<_> = world.items("/workspaces/acme/connectors").await;
    assert_eq!(names.iter().map(|it| &it["id"]).collect::<Vec<_>>(), ["entra-mdm", "mdm"]);
    let first = world.get("/workspaces/acme/connectors?limit=1").await.is(200);
    let next = first["next_cursor"].as_str().unwrap();
    let second = world.get(&format!("/workspaces/acme/connectors?limit=1&cursor={next}")).await;
    assert_eq!(second.is(200)["next_cursor"], json!(null));
    let mdm = world.get("/workspaces/acme/connectors/mdm").await;
    assert!(!mdm.text.contains("mst_"), "a token stands only in the answer that makes it");
    assert_eq!(mdm.is(200)["idp"], json!("okta"));
}

#[actix_web::test]
async fn scim_is_an_entitlement_of_the_plan() {
    let world = World::new();
    let basic = json!({ "slug": "acme", "name": "Acme", "plan": "basic" });
    world.post("/workspaces", basic).await.is(201);
    world.put("/workspaces/acme/portals/store/saml", saml(false)).await.is(200);
    let scim = "/workspaces/acme/portals/store/scim";
    assert!(world.post(scim, json!({})).await.refused(409).contains("plan"));
    let upgraded = world.patch("/workspaces/acme", json!({ "plan": "enterprise" })).await;
    assert_eq!(upgraded.is(200)["plan"], json!("enterprise"));
    world.post(scim, json!({})).await.is(201);

    // A downgrade pauses; an upgrade resumes what it paused.
    let store = "/workspaces/acme/connectors/store";
    world.patch("/workspaces/acme", json!({ "plan": "basic" })).await.is(200);
    let paused = world.get(store).await.is(200);
    assert_eq!((&paused["state"], &paused["paused"]), (&json!("paused"), &json!("plan")));
    world.patch(store, json!({ "state": "active" })).await.refused(409);
    world.patch("/workspaces/acme", json!({ "plan": "enterprise" })).await.is(200);
    assert_eq!(world.get(store).await.field(200, "state"), "active");

    let changed = world.patch(store, json!({ "state": "paused", "idp": "entra" })).await.is(200);
    assert_eq!((&changed["state"], &changed["idp"]), (&json!("paused"), &json!("entra")));
}

#[actix_web::test]
async fn just_in_time_creation_and_scim_exclude_each_other() {
    let world = World::new();
    world.post("/workspaces", json!({ "slug": "acme", "name": "Acme" })).await.is(201);
    let (path, scim) =
        ("/workspaces/acme/portals/store/saml", "/workspaces/acme/portals/store/scim");
    world.put(path, saml(true)).await.is(200);
    assert!(world.post(scim, json!({})).await.refused(409).contains("disable_jit"));
    world.post(scim, json!({ "disable_jit": true })).await.is(201);
    assert_eq!(world.get(path).await.is(200), saml(false));
    world.put(path, saml(true)).await.refused(409);
    world.put(path, saml(false)).await.is(200);
    world.delete(path).await.refused(409);
    world.get("/workspaces/acme/portals/mdm/saml").await.refused(404);
    world.delete("/workspaces/acme/portals/mdm/saml").await.refused(404);
    world.get("/workspaces/acme/portals/shop/saml").await.refused(404);
}

#[actix_web::test]
async fn saml_is_taken_from_metadata_and_shown_in_one_shape() {
    let world = World::new();
    world.post("/workspaces", json!({ "slug": "acme", "name": "Acme" })).await.is(201);
    let path = "/workspaces/acme/portals/dashboard/saml";
    let metadata = format!(
        r#"<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example/1">
             <IDPSSODescriptor><KeyDescriptor><X509Certificate>{CERTIFICATE}</X509Certificate></KeyDescriptor>
             <SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
                                  Location="https://idp.example/sso"/>
             </IDPSSODescriptor></EntityDescriptor>"#
    );
    let shown = world.put(path, json!({ "metadata_xml": metadata })).await.is(200);
    assert_eq!(shown, saml(false));
    assert_eq!(world.get(path).await.is(200), shown);
    assert_eq!(world.put(path, shown.clone()).await.is(200), shown);
    world.delete(path).await.is(204);
    world.get(path).await.refused(404);
}

#[actix_web::test]
async fn provisioning_is_replaced_whole_and_fits_its_portal() {
    let (world, _) = World::with_scim("mdm", json!({})).await;
    let path = "/workspaces/acme/connectors/mdm/provisioning";
    let brake = json!({ "count": 50, "share": 0.2, "share_from": 20, "window_minutes": 60 });
    let defaults = json!({ "on_create": "nothing", "on_deactivate": "nothing", "brake": brake });
    assert_eq!(world.get(path).await.is(200), defaults);

    let policy = world.post("/workspaces/acme/mdm/policies", json!({ "name": "Locked" })).await;
    let policy = policy.field(201, "id");
    let rule = json!({
        "on_create": "create", "on_deactivate": "change_policy", "policy": policy, "brake": "off",
    });
    assert_eq!(world.put(path, rule.clone()).await.is(200), rule);
    assert_eq!(world.get(path).await.is(200), rule);
    let partial = json!({ "brake": { "count": 3 } });
    assert_eq!(world.put(path, partial).await.is(200)["brake"]["share_from"], json!(20));

    for (bad, said) in [
        (json!({ "on_create": "explode" }), "on_create"),
        (json!({ "on_deactivate": "change_policy" }), "policy"),
        (json!({ "default_role": "viewer" }), "default_role"),
        (json!({ "policy": "00000000-0000-0000-0000-00000000000f" }), "policy"),
        (json!({ "brake": { "size": 3 } }), "brake"),
        (json!({ "brake": "on" }), "off"),
        (json!({ "brake": { "share": 2 } }), "share"),
        (json!({ "on_crate": "create" }), "on_crate"),
    ] {
        let detail = world.put(path, bad).await.refused(400);
        assert!(detail.contains(said), "{detail}");
    }
    let unknown = "00000000-0000-0000-0000-00000000000f";
    let unknown = json!({ "on_deactivate": "change_policy", "policy": unknown });
    assert!(world.put(path, unknown).await.refused(400).contains("policy"));
}

#[actix_web::test]
async fn a_workspace_is_renamed_found_and_closed() {
    let world = World::new();
    for (slug, name) in [("acme", "Acme"), ("beta", "Beta"), ("gamma", "Gamma")] {
        world.post("/workspaces", json!({ "slug": slug, "name": name })).await.is(201);
    }
    world.post("/workspaces", json!({ "slug": "acme", "name": "Again" })).await.refused(409);
    let renamed = world.patch("/workspaces/beta", json!({ "name": "Bettina" })).await;
    assert_eq!(renamed.is(200)["name"], json!("Bettina"));
    let found = world.items("/workspaces?q=BETT").await;
    assert_eq!((found.len(), &found[0]["slug"]), (1, &json!("beta")));

    let first = world.get("/workspaces?limit=2").await.is(200);
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let next = first["next_cursor"].as_str().unwrap();
    let rest = world.items(&format!("/workspaces?limit=2&cursor={next}")).await;
    assert_eq!((rest.len(), &rest[0]["slug"]), (1, &json!("gamma")));

    world.delete("/workspaces/beta").await.is(204);
    world.get("/workspaces/beta").await.refused(404);
    world.get("/workspaces/beta/connectors").await.refused(404);
    world.delete("/workspaces/beta").await.refused(404);
    assert_eq!(world.items("/workspaces").await.len(), 2);
    // Its record stays, and so nobody else gets its slug.
    world.post("/workspaces", json!({ "slug": "beta", "name": "Beta" })).await.refused(409);
}
