//! Applivery with Microsoft Entra ID: the Dashboard, with roles by group.
//!
//! Source: docs.applivery.com/en/platform/authentication/sso/azure-ad-scim, and for the attributes
//! docs.applivery.com/en/device-management/integrations/sso/scim-attributes-mapping (2026-11).

use serde_json::{Value, json};
use simulate::{Idp, people::Directory};
use testkit::{scim, setup::Connector};

use super::{
    ENTERPRISE,
    console::{COLLABORATORS, Console},
    cycles, directory,
    entra::{self, Entra},
    shows,
};

/// The customer's own extension in the guide's example.
const CUSTOM: &str = "urn:company:params:scim:schemas:extension:custom:2.0:User";

/// Somebody as the attribute mappings make them: an attribute of the enterprise extension, and one of
/// the customer's own.
fn person(name: &str) -> Value {
    let user_name = format!("{}@acme.example", name.to_lowercase());
    let user = entra::user(&user_name, name, "Smith", &format!("object-id-of-{name}"));
    let user = entra::with(&user, ENTERPRISE, "department", "Engines");
    entra::with(&user, CUSTOM, "employeeId", format!("E-{name}"))
}

#[tokio::test]
async fn guide_applivery_with_entra() {
    let mut console = Console::open().await;
    let connector = enable_scim(&mut console).await;
    let mut entra = Entra::with(&connector);
    map_roles_and_attributes(&mut console, &connector).await;

    // Step 5: Test Connection.
    entra.test_connection().await;
    assert_eq!(console.people(COLLABORATORS).await, [""; 0]);

    let segment = provision_on_demand(&mut console, &mut entra).await;
    let admins = provision_groups_on_demand(&mut console, &mut entra).await;
    start_provisioning(&mut console, &connector).await;
    attributes_change(&mut console, &mut entra).await;
    unassign_and_assign_again(&mut console, &mut entra, &admins).await;

    // Step 12: All the while nobody's permissions in Device Management have changed.
    let ada = entra.provision_on_demand(&person("Ada")).await;
    let permitted = console.items(&format!("/{COLLABORATORS}/{ada}/segments")).await;
    assert_eq!(permitted.len(), 1, "{permitted:?}");
    shows(&permitted[0], json!({ "id": segment, "actions": ["view"], "granted": ["view"] }));
}

/// Step 1: SCIM stands on the SAML configuration of the Dashboard, and just-in-time creation must
/// be off.
/// Step 2: Settings > Login providers > SAML (Dashboard) > Configure > Enable SCIM.
/// Step 3: What happens when a user is created and deactivated.
async fn enable_scim(console: &mut Console) -> Connector {
    let detail = console.enabling_is_refused("dashboard", json!({ "idp": "entra" })).await;
    assert!(detail.contains("SAML"), "{detail}");
    console.configure_saml("dashboard", true).await;
    let detail = console.enabling_is_refused("dashboard", json!({ "idp": "entra" })).await;
    assert!(detail.contains("disable_jit"), "{detail}");
    let enable = json!({ "idp": "entra", "disable_jit": true });
    let connector = console.enable_scim("dashboard", enable).await;
    assert_eq!(console.get("/portals/dashboard/saml").await["jit"], false);

    let rule = json!({
        "on_create": "create", "default_role": "viewer", "on_deactivate": "remove_user",
    });
    console.provisioning(&connector.name, rule).await;
    connector
}

/// Step 4: Groups become roles, attributes become metadata.
async fn map_roles_and_attributes(console: &mut Console, connector: &Connector) {
    let group = &directory(11).groups[0].display_name;
    let rules = json!([
        { "group": "App Admins", "role": "admin" },
        { "group": "app developers", "role": "developer" },
        { "group": group, "role": "developer" },
    ]);
    let mapping = json!({ "rules": rules, "settle_minutes": 1440, "follow_groups": false });
    console.put("/role-mapping", mapping).await;
    let employee_id = json!([{ "namespace": CUSTOM, "key": "employeeId" }]);
    let mapping = json!([
        { "name": "department", "attributes": [{ "key": "department" }] },
        { "name": "employeeCode", "attributes": employee_id },
    ]);
    console.put(&format!("/connectors/{}/attribute-mapping", connector.name), mapping).await;
}

/// Step 6: Provision on demand, one user: a collaborator with the default role. An administrator
/// lets her see the devices of a segment, which is that segment's id.
async fn provision_on_demand(console: &mut Console, entra: &mut Entra) -> String {
    let ada = entra.provision_on_demand(&person("Ada")).await;
    let shown = console.person(COLLABORATORS, &ada).await;
    let entry = json!([{ "connector": "dashboard", "id": ada, "active": true }]);
    let metadata = json!({ "department": "Engines", "employeeCode": "E-Ada" });
    shows(
        &shown,
        json!({
            "account": "active", "role": "viewer", "source": "scim", "scim": entry,
            "email": "ada@acme.example", "metadata": metadata,
        }),
    );
    assert_eq!(console.people(COLLABORATORS).await, ["ada@acme.example"]);
    // Once more: it is matched, and nothing is new.
    let head = console.head().await;
    assert_eq!(entra.provision_on_demand(&person("Ada")).await, ada);
    assert_eq!(console.head().await, head);

    let segment = console.make("/mdm/segments", json!({ "name": "EMEA" })).await;
    let grants = json!({ "grants": [{ "collaborator": shown["id"], "actions": ["view"] }] });
    console.put(&format!("/mdm/segments/{segment}/grants"), grants).await;
    segment
}

/// Step 7: Provision on demand, a group with the members that are picked: their roles are those of
/// the group, the highest one wins. Returns the group of admins.
async fn provision_groups_on_demand(console: &mut Console, entra: &mut Entra) -> String {
    let picked = [&person("Ada"), &person("Grace")];
    let (admins, ids) = entra.provision_group_on_demand("App Admins", &picked).await;
    for id in &ids {
        let shown = console.person(COLLABORATORS, id).await;
        shows(&shown, json!({ "account": "active", "role": "admin" }));
        let reasons = console.reasons(shown["id"].as_str().unwrap()).await;
        assert_eq!(reasons.last(), Some(&json!({ "group": { "group": admins } })));
    }
    let five = ["Grace", "Bob", "Cyd", "Dan", "Eve"].map(person);
    let five = [&five[0], &five[1], &five[2], &five[3], &five[4]];
    let (developers, ids) = entra.provision_group_on_demand("App Developers", &five).await;
    let wanted = ["admin", "developer", "developer", "developer", "developer"];
    for (id, role) in ids.iter().zip(wanted) {
        shows(&console.person(COLLABORATORS, id).await, json!({ "role": role }));
    }
    let groups = [("App Admins".to_owned(), 2), ("App Developers".to_owned(), 5)];
    assert_eq!(console.groups("groups").await, groups);
    assert_eq!(console.members("groups", &developers).await.len(), 5);
    let pending = console.items(&format!("/groups/{developers}/pending")).await;
    assert!(pending.is_empty(), "{pending:?}");
    assert_eq!(console.groups_of(&ids[0]).await.0, ["App Admins", "App Developers"]);

    // Taken out of one group within the settling window, she has the role of the other.
    entra.remove_member(&admins, &ids[0]).await;
    shows(&console.person(COLLABORATORS, &ids[0]).await, json!({ "role": "developer" }));
    admins
}

/// Step 8: Users and groups > assign; Overview > Start provisioning.
async fn start_provisioning(console: &mut Console, connector: &Connector) {
    let mut directory = directory(11);
    cycles(console, connector, Idp::Entra, &mut directory).await;
    console.shows_directory(COLLABORATORS, "groups", &directory).await;
    let Directory { people, groups, .. } = &directory;
    let mapped = super::directory(11).groups[0].display_name.clone();
    let mut roles = Vec::new();
    for (index, person) in people.iter().enumerate().filter(|(_, person)| person.active) {
        let mut mapped = groups.iter().filter(|group| group.display_name == mapped);
        let is_developer = mapped.any(|group| group.members.contains(&index));
        let role = if is_developer { "developer" } else { "viewer" };
        let path = format!("/{COLLABORATORS}?q={}", scim::escape(&person.user_name));
        let metadata = json!({ "department": person.department });
        let shown = &console.items(&path).await[0];
        shows(shown, json!({ "account": "active", "role": role, "metadata": metadata }));
        roles.push(role);
    }
    assert!(roles.contains(&"developer") && roles.contains(&"viewer"), "{roles:?}");
}

/// Step 9: Attributes: what was sent, mapped or not, and what becomes of a change.
async fn attributes_change(console: &mut Console, entra: &mut Entra) {
    let seen = console.attributes_seen("dashboard").await;
    for key in ["department", "employeeNumber"] {
        assert!(seen.contains(&format!("{ENTERPRISE}:{key}")), "{key} in {seen:?}");
    }
    assert!(seen.contains(&format!("{CUSTOM}:employeeId")), "{seen:?}");

    // The guide's sample nests core attributes under their URN.
    let sample = json!({
        "schemas": [scim::USER, CUSTOM], "userName": "fay@acme.example", "active": true,
        (scim::USER): { "title": "Manager" }, (CUSTOM): { "employeeId": "E-Fay" },
    });
    let answer = entra.client.post("/Users", sample).await.unwrap();
    assert_eq!(answer.body["title"], "Manager", "{}", answer.body);
    let fay = answer.made().unwrap();
    let shown = console.person(COLLABORATORS, &fay).await;
    assert_eq!(shown["metadata"], json!({ "employeeCode": "E-Fay" }));

    let bob = entra::with(&person("Bob"), ENTERPRISE, "department", "Analysis");
    let id = entra.provision_on_demand(&bob).await;
    let shown = console.person(COLLABORATORS, &id).await;
    assert_eq!(shown["metadata"], json!({ "department": "Analysis", "employeeCode": "E-Bob" }));
    let path = format!("{CUSTOM}:employeeId");
    entra.change(&id, json!([{ "op": "Remove", "path": path }])).await;
    let shown = console.person(COLLABORATORS, &id).await;
    assert_eq!(shown["metadata"], json!({ "department": "Analysis" }));
}

/// Step 10: Unassigned: the collaborator is removed, the entry stays, in its groups.
/// Step 11: Assigned again: provisioned for the first time again, with the role of those groups.
async fn unassign_and_assign_again(console: &mut Console, entra: &mut Entra, admins: &str) {
    let ada = entra.provision_on_demand(&person("Ada")).await;
    entra.unassign(&person("Ada")).await;
    let offboardings = console.offboardings(&ada).await;
    shows(&offboardings[0], json!({ "state": "completed", "rule": "remove_user", "total": 0 }));
    let entry = json!([{ "connector": "dashboard", "id": ada, "active": false }]);
    let shown = console.person(COLLABORATORS, &ada).await;
    shows(&shown, json!({ "account": "removed", "scim": entry, "offboarding": null }));
    assert!(!console.people(COLLABORATORS).await.contains(&"ada@acme.example".to_owned()));
    assert_eq!(console.members("groups", admins).await, [ada.as_str()]);
    assert_eq!(console.groups_of(&ada).await, (vec![], false));

    entra.assign_again(&person("Ada")).await;
    let shown = console.person(COLLABORATORS, &ada).await;
    let metadata = json!({ "department": "Engines", "employeeCode": "E-Ada" });
    shows(&shown, json!({ "account": "active", "role": "admin", "metadata": metadata }));
    assert_eq!(console.groups_of(&ada).await, (vec!["App Admins".to_owned()], true));
}
