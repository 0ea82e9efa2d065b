//! Appspace with Azure (Microsoft Entra ID): people and groups of one portal, an extension whose
//! properties everybody names as they like, and a token that is generated anew.
//!
//! Source: community.appspace.com/getting-started-with-appspace-226/scim-azure-setup-936 (2025-07-22);
//! docs.appspace.com/latest/cloud/configure-scim (2026-11), for groups, the token, and the userName that
//! follows the address.

use serde_json::{Value, json};
use simulate::Idp;
use testkit::{scim, setup::Connector};

use super::{
    ENTERPRISE,
    console::{Console, EMPLOYEES},
    cycles, directory,
    entra::{self, Entra},
    shows,
};

/// The extension of the guide. What comes after it is free.
const APPSPACE: &str = "urn:ietf:params:scim:schemas:extension:appspace:2.0:User";

fn person(name: &str) -> Value {
    let user_name = format!("{}@acme.example", name.to_lowercase());
    let user = entra::user(&user_name, name, "Smith", &format!("object-id-of-{name}"));
    let user = entra::with(&user, APPSPACE, "Building", "Tower");
    entra::with(&user, APPSPACE, "desk-number", "17")
}

#[tokio::test]
async fn guide_appspace_with_azure() {
    let mut console = Console::open().await;
    let connector = enable_scim(&mut console).await;

    // Step 4: Provisioning Mode Automatic; Tenant URL and Secret Token; Test Connection.
    let mut entra = Entra::with(&connector);
    entra.test_connection().await;

    let ada = provision_on_demand(&mut console, &mut entra).await;
    let group = provision_group_on_demand(&mut console, &mut entra, &ada).await;

    // Step 7: Start provisioning, with the flag in the Tenant URL this time.
    let mut directory = directory(14);
    cycles(&mut console, &connector, Idp::EntraFlag, &mut directory).await;
    console.shows_directory(EMPLOYEES, "groups", &directory).await;

    properties_change(&mut console, &mut entra, &ada).await;
    a_new_address(&mut console, &mut entra, &ada).await;
    unassign_and_assign_again(&mut console, &mut entra, &group).await;
    delete_for_good(&mut console, &mut entra, &group).await;
    generate_a_new_token(&mut console, &connector).await;
}

/// Step 1: Just-in-time creation must be off.
/// Step 2: Users > Settings > User provisioning > SCIM.
/// Step 3: What creation and deactivation do, and which properties become metadata.
async fn enable_scim(console: &mut Console) -> Connector {
    console.configure_saml("store", true).await;
    let detail = console.enabling_is_refused("store", json!({ "idp": "entra" })).await;
    assert!(detail.contains("disable_jit"), "{detail}");
    console.configure_saml("store", false).await;
    let connector = console.enable_scim("store", json!({ "idp": "entra" })).await;
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user" });
    console.provisioning("store", rule).await;
    let mapping = json!([
        { "name": "building", "attributes": [{ "namespace": APPSPACE, "key": "Building" }] },
        { "name": "desk", "attributes": [{ "key": "desk-number" }] },
        { "name": "unit", "attributes": [{ "key": "department" }, { "key": "division" }] },
        { "name": "first name", "attributes": [{ "key": "name.givenName" }] },
    ]);
    console.put("/connectors/store/attribute-mapping", mapping).await;
    connector
}

/// Step 5: Provision on demand, one user.
async fn provision_on_demand(console: &mut Console, entra: &mut Entra) -> String {
    let ada = entra.provision_on_demand(&person("Ada")).await;
    let metadata = json!({ "building": "Tower", "desk": "17", "first name": "Ada" });
    shows(
        &console.person(EMPLOYEES, &ada).await,
        json!({ "account": "active", "email": "ada@acme.example", "metadata": metadata }),
    );
    let seen = console.attributes_seen("store").await;
    for key in ["Building", "desk-number"] {
        assert!(seen.contains(&format!("{APPSPACE}:{key}")), "{key} in {seen:?}");
    }
    let resource = entra.client.get(&format!("/Users/{ada}")).await.unwrap().expect(200).unwrap();
    let schemas = resource["schemas"].as_array().unwrap();
    assert!(schemas.contains(&json!(APPSPACE)), "{schemas:?}");
    ada
}

/// Step 6: Provision on demand, a group with picked members (Enable User Group Sync). Returns the
/// group.
async fn provision_group_on_demand(console: &mut Console, entra: &mut Entra, ada: &str) -> String {
    let picked = [&person("Ada"), &person("Bob")];
    let (group, ids) = entra.provision_group_on_demand("Visitors' Desk", &picked).await;
    assert_eq!(ids[0], ada);
    let mut sorted = ids.clone();
    sorted.sort();
    assert_eq!(console.members("groups", &group).await, sorted);
    assert_eq!(console.groups("groups").await, [("Visitors' Desk".to_owned(), 2)]);
    assert_eq!(console.people(EMPLOYEES).await, ["ada@acme.example", "bob@acme.example"]);
    // A channel that is for this group alone.
    let channel = json!({ "name": "Welcome", "groups": [["visitors' desk"]] });
    let channel = console.make("/publications", channel).await;
    let audience = console.audience(&channel).await;
    assert_eq!(audience, ["ada@acme.example", "bob@acme.example"]);
    // Those who are picked once more are in it already.
    let head = console.head().await;
    let again = entra.provision_group_on_demand("Visitors' Desk", &picked).await;
    assert_eq!((again, console.head().await), ((group.clone(), ids), head));
    group
}

/// Step 8: Free properties, those of the enterprise extension, and core ones under their own URN
/// change, come and go; metadata follows.
async fn properties_change(console: &mut Console, entra: &mut Entra, ada: &str) {
    let path = |urn: &str, key: &str| format!("{urn}:{key}");
    let changes = json!([
        { "op": "Replace", "path": path(APPSPACE, "Building"), "value": "Annex" },
        { "op": "Remove", "path": path(APPSPACE, "desk-number") },
        { "op": "Add", "path": path(ENTERPRISE, "division"), "value": "North" },
        { "op": "Replace", "path": path(scim::USER, "name.givenName"), "value": "Augusta" },
    ]);
    entra.change(ada, changes).await;
    let metadata = json!({ "building": "Annex", "unit": "North", "first name": "Augusta" });
    assert_eq!(console.person(EMPLOYEES, ada).await["metadata"], metadata);
    // The first attribute that has a value gives it.
    let department = path(ENTERPRISE, "department");
    entra.change(ada, json!([{ "op": "Add", "path": department, "value": "Lobby" }])).await;
    assert_eq!(console.person(EMPLOYEES, ada).await["metadata"]["unit"], "Lobby");
    entra.change(ada, json!([{ "op": "Replace", "path": department, "value": "" }])).await;
    assert_eq!(console.person(EMPLOYEES, ada).await["metadata"]["unit"], "North");
}

/// Step 9: The userName follows the address.
async fn a_new_address(console: &mut Console, entra: &mut Entra, ada: &str) {
    let address = "augusta@acme.example";
    let changes = json!([
        { "op": "Replace", "path": "userName", "value": address },
        { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": address },
    ]);
    entra.change(ada, changes).await;
    let shown = console.person(EMPLOYEES, ada).await;
    shows(&shown, json!({ "account": "active", "user_name": address, "email": address }));
    assert!(!console.people(EMPLOYEES).await.contains(&"ada@acme.example".to_owned()));
}

/// Step 10: Bob is unassigned, and assigned again.
async fn unassign_and_assign_again(console: &mut Console, entra: &mut Entra, group: &str) {
    let bob = entra.provision_on_demand(&person("Bob")).await;
    entra.unassign(&person("Bob")).await;
    shows(
        &console.offboardings(&bob).await[0],
        json!({ "state": "completed", "done": 0, "total": 0 }),
    );
    shows(&console.person(EMPLOYEES, &bob).await, json!({ "account": "removed" }));
    assert!(console.members("groups", group).await.contains(&bob));
    assert_eq!(console.groups_of(&bob).await, (vec![], false));

    entra.assign_again(&person("Bob")).await;
    let metadata = json!({ "building": "Tower", "desk": "17", "first name": "Bob" });
    shows(
        &console.person(EMPLOYEES, &bob).await,
        json!({ "account": "active", "metadata": metadata }),
    );
    assert_eq!(console.groups_of(&bob).await, (vec!["Visitors' Desk".to_owned()], true));
}

/// Step 11: Bob is deleted, and 30 days later for good. When somebody of that name comes, they are
/// new.
async fn delete_for_good(console: &mut Console, entra: &mut Entra, group: &str) {
    let bob = entra.provision_on_demand(&person("Bob")).await;
    entra.unassign(&person("Bob")).await;
    entra.delete_for_good(&bob).await;
    console.settle().await;
    assert!(!console.people(EMPLOYEES).await.contains(&"bob@acme.example".to_owned()));
    assert!(!console.members("groups", group).await.contains(&bob));
    let again = entra.provision_on_demand(&person("Bob")).await;
    assert_ne!(again, bob);
    shows(&console.person(EMPLOYEES, &again).await, json!({ "account": "active" }));
    assert_eq!(console.groups_of(&again).await, (vec![], true));
}

/// Step 12: Generate new token: both are good until the old one is revoked, and then at once no
/// more.
async fn generate_a_new_token(console: &mut Console, connector: &Connector) {
    let tokens = console.items("/connectors/store/tokens").await;
    let old = tokens[0]["id"].as_str().unwrap();
    let renewed = console.new_token(connector).await;
    for connector in [connector, &renewed] {
        let mut client = connector.client().unwrap();
        client.get("/Users?count=1").await.unwrap().expect(200).unwrap();
    }
    console.remove(&format!("/connectors/store/tokens/{old}")).await;
    let mut client = connector.client().unwrap();
    client.get("/Users?count=1").await.unwrap().expect_scim_error(401, None).unwrap();
    let mut client = renewed.client().unwrap();
    client.get("/Users?count=1").await.unwrap().expect(200).unwrap();
}
