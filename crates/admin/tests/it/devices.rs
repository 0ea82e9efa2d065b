//! Devices and the policies they are under (rules 23 and 25).

use event_log::StreamId;
use serde_json::json;

use crate::world::World;

const DEVICES: &str = "/workspaces/acme/mdm/devices";
const POLICIES: &str = "/workspaces/acme/mdm/policies";
const NOBODY: &str = "00000000-0000-0000-0000-00000000000f";

#[actix_web::test]
async fn a_device_is_enrolled_assigned_and_removed() {
    let (world, token) = World::with_scim("mdm", json!({ "on_create": "create" })).await;
    let caller = world.caller("mdm", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await;
    let policy = world.post(POLICIES, json!({ "name": "Kiosk" })).await.field(201, "id");
    let device = json!({
        "serial": "C02-1", "platform": "ios", "name": "Ada's phone", "policy": policy,
        "external_id": " UDID-1 ", "user": ada.id.to_string(),
    });
    let made = world.post(DEVICES, device).await.is(201);
    let id = made["id"].as_str().unwrap();
    let expected = json!({
        "id": id, "serial": "C02-1", "platform": "ios", "name": "Ada's phone",
        "external_id": "UDID-1", "state": "enrolled", "user": ada.id.to_string(), "policy": policy,
    });
    assert_eq!(made, expected);
    let path = format!("{DEVICES}/{id}");
    assert_eq!(world.get(&path).await.is(200), expected);
    assert_eq!(world.items(DEVICES).await, [expected]);
    let again = json!({ "serial": "c02-1", "platform": "ios" });
    assert!(world.post(DEVICES, again.clone()).await.refused(409).contains("serial"));

    // What is left out stays, null takes away.
    let kept = world.patch(&path, json!({ "policy": null })).await.is(200);
    assert_eq!((&kept["policy"], &kept["user"]), (&json!(null), &json!(ada.id.to_string())));
    let unassigned = world.patch(&path, json!({ "user": null, "policy": policy })).await.is(200);
    assert_eq!((&unassigned["user"], &unassigned["policy"]), (&json!(null), &json!(policy)));
    assert_eq!(unassigned["external_id"], "UDID-1");
    let other = world.patch(&path, json!({ "external_id": "UDID-2" })).await.is(200);
    assert_eq!((&other["external_id"], &other["policy"]), (&json!("UDID-2"), &json!(policy)));
    let none = world.patch(&path, json!({ "external_id": null })).await.is(200);
    assert_eq!(none["external_id"], json!(null));
    world.patch(&path, json!({ "external_id": "\n" })).await.refused(400);

    world.delete(&path).await.is(204);
    assert_eq!(world.get(&path).await.field(200, "state"), "removed");
    world.patch(&path, json!({ "user": null })).await.refused(409);
    world.delete(&path).await.refused(409);
    world.post(DEVICES, again).await.is(201);
    assert_eq!(world.items(&format!("{DEVICES}?q=C02")).await.len(), 2);
    world.get(&format!("{DEVICES}/{NOBODY}")).await.refused(404);
    let detail = world.delete(&format!("{DEVICES}/nonsense")).await.refused(404);
    assert!(detail.contains("\"nonsense\"") && detail.contains("ids look like"), "{detail}");
}

#[actix_web::test]
async fn only_an_mdm_user_with_an_account_gets_a_device() {
    let (world, token) = World::with_scim("mdm", json!({})).await;
    let caller = world.caller("mdm", &token).await;
    let entry = world.provision(&caller, "ada@acme.example").await.id.to_string();
    let assign = |user: &str| json!({ "serial": "1", "platform": "ios", "user": user });

    let detail = world.post(DEVICES, assign(&entry)).await.refused(409);
    assert!(detail.contains("no account"), "{detail}");
    let users = "/workspaces/acme/mdm/users";
    world.post(users, json!({ "user_name": "ada@acme.example" })).await.is(201);
    let device = world.post(DEVICES, assign(&entry)).await.field(201, "id");
    world.delete(&format!("{users}/{entry}")).await.is(204);
    let path = format!("{DEVICES}/{device}");
    assert!(world.get(&path).await.is(200)["user"].is_null(), "it is unassigned first");
    let detail = world.patch(&path, json!({ "user": entry })).await.refused(409);
    assert!(detail.contains("has been removed"), "{detail}");

    world.put("/workspaces/acme/portals/store/saml", crate::world::saml(false)).await.is(200);
    let bob = json!({ "user_name": "bob" });
    let employee = world.post("/workspaces/acme/employees", bob).await.field(201, "id");
    for unknown in [NOBODY, &employee] {
        let detail = world.patch(&path, json!({ "user": unknown })).await.refused(400);
        assert!(detail.contains("no MDM user"), "{detail}");
    }
    let detail = world.patch(&path, json!({ "policy": NOBODY })).await.refused(400);
    assert!(detail.contains("policy"), "{detail}");
    for bad in [json!({ "serial": "1" }), json!({ "serial": " ", "platform": "ios" })] {
        world.post(DEVICES, bad).await.refused(400);
    }
}

#[actix_web::test]
async fn nobody_is_removed_while_it_is_not_known_which_devices_they_have() {
    let (world, token) = World::with_scim("mdm", json!({ "on_create": "create" })).await;
    let caller = world.caller("mdm", &token).await;
    let ada = world.provision(&caller, "ada@acme.example").await.id.to_string();
    let device = json!({ "serial": "1", "platform": "ios" });
    let device = world.post(DEVICES, device).await.field(201, "id");
    let stream = StreamId::new("device", device.parse().unwrap());
    // Perhaps it is hers now.
    world.record(stream, 1, "device.unheard_of", &json!({})).await;
    let user = format!("/workspaces/acme/mdm/users/{ada}");
    world.delete(&user).await.refused(503);
    assert_eq!(world.get(&user).await.field(200, "account"), "active");
}

#[actix_web::test]
async fn a_policy_in_use_stays() {
    let (world, _) = World::with_scim("mdm", json!({})).await;
    let kiosk = world.post(POLICIES, json!({ "name": "Kiosk" })).await.field(201, "id");
    let locked = world.post(POLICIES, json!({ "name": "Locked" })).await.field(201, "id");
    assert!(world.post(POLICIES, json!({ "name": "Kiosk" })).await.refused(409).contains("Kiosk"));
    let device = json!({ "serial": "1", "platform": "ios", "policy": kiosk });
    let device = world.post(DEVICES, device).await.field(201, "id");
    let rule = json!({ "on_deactivate": "change_policy", "policy": locked });
    world.put("/workspaces/acme/connectors/mdm/provisioning", rule).await.is(200);

    let detail = world.delete(&format!("{POLICIES}/{kiosk}")).await.refused(409);
    assert!(detail.contains("devices"), "{detail}");
    let detail = world.delete(&format!("{POLICIES}/{locked}")).await.refused(409);
    assert!(detail.contains("rule of the connector mdm"), "{detail}");

    world.delete(&format!("{DEVICES}/{device}")).await.is(204);
    world.delete(&format!("{POLICIES}/{kiosk}")).await.is(204);
    world.delete(&format!("{POLICIES}/{kiosk}")).await.refused(404);
    world.get(&format!("{POLICIES}/{kiosk}")).await.refused(404);
    let left = world.items(POLICIES).await;
    assert_eq!(left, [json!({ "id": locked, "name": "Locked" })]);
    assert_eq!(world.get(&format!("{POLICIES}/{locked}")).await.field(200, "name"), "Locked");
}
