//! Scalefusion with Microsoft Entra ID, and Okta beside it: managed devices, User enrollment and User
//! groups, several connectors in one console.
//!
//! Source: help.scalefusion.com/docs/scim-integration-with-microsoft-entra (2025-10-16) and
//! help.scalefusion.com/docs/scim-integration-with-okta (2026-11), where Okta's application is *SCIM 2.0
//! Test App (Header Auth)*.

use serde_json::{Value, json};
use simulate::Idp;
use testkit::setup::Connector;

use super::{
    ENTERPRISE,
    console::{Console, USER_ENROLLMENT},
    cycles, directory,
    entra::{self, Entra},
    okta::{self, Okta, Way},
    shows,
};

fn person(name: &str) -> Value {
    let user_name = format!("{}@acme.example", name.to_lowercase());
    let user = entra::user(&user_name, name, "Smith", &format!("object-id-of-{name}"));
    entra::with(&user, ENTERPRISE, "department", "Field Service")
}

fn person_in_okta(name: &str) -> Value {
    let user_name = format!("{}@acme.example", name.to_lowercase());
    let mut user = okta::user(&user_name, name, "Smith", &format!("00u-{name}"));
    user["nickName"] = json!(format!("{name} of the night shift"));
    user
}

/// What is there after the connectors have been made: one of each identity provider, and a policy.
struct Fleet {
    entra: Connector,
    okta: Connector,
    locked: String,
}

/// The SCIM ids of the people of this guide: of Ada in Entra and in Okta, Bob in Entra, Omar in Okta.
struct People {
    ada: String,
    ada_in_okta: String,
    bob: String,
    omar: String,
}

#[tokio::test]
async fn guide_scalefusion_with_entra_and_okta_beside_it() {
    let mut console = Console::open().await;
    let fleet = connectors(&mut console).await;
    let mut entra = Entra::with(&fleet.entra);
    let mut okta = Okta::with(&fleet.okta, Way::Template);

    // Step 3: Admin Credentials > Test Connection; in Okta, Test API Credentials.
    entra.test_connection().await;
    okta.test_connection().await;

    let people = provision_on_demand(&mut console, &mut entra, &mut okta).await;
    groups(&mut console, &mut entra, &mut okta, &people).await;

    // Step 7: Provisioning Status On, Sync only assigned users and groups.
    let mut directory = directory(15);
    cycles(&mut console, &fleet.entra, Idp::Entra, &mut directory).await;
    console.shows_directory(USER_ENROLLMENT, "mdm/groups", &directory).await;

    one_of_two_entries_goes(&mut console, &mut entra, &mut okta, &people).await;
    the_policy_changes(&mut console, &mut okta, &people, &fleet.locked).await;
    devices_go_with_their_user(&mut console, &mut entra, &people).await;
}

/// Step 1: Integrations > SCIM Connectors, one for each identity provider, each with an endpoint
/// and a token of its own.
/// Step 2: What deactivation does to devices, which may be another thing for each.
async fn connectors(console: &mut Console) -> Fleet {
    console.configure_saml("mdm", false).await;
    let entra = console.enable_scim("mdm", json!({ "idp": "entra" })).await;
    let okta = console.enable_scim("mdm", json!({ "idp": "okta", "name": "okta" })).await;
    let mixed = Connector { token: okta.token.clone(), ..entra.clone() };
    let answer = mixed.client().unwrap().get("/Users").await.unwrap();
    answer.expect_scim_error(401, None).unwrap();

    let locked = console.make("/mdm/policies", json!({ "name": "Locked down" })).await;
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user" });
    console.provisioning("mdm", rule).await;
    let rule = json!({ "on_create": "create", "on_deactivate": "change_policy", "policy": locked });
    console.provisioning("okta", rule).await;
    let department = json!([{ "name": "team", "attributes": [{ "key": "department" }] }]);
    console.put("/connectors/mdm/attribute-mapping", department).await;
    let nick_name = json!([{ "name": "shift", "attributes": [{ "key": "nickName" }] }]);
    console.put("/connectors/okta/attribute-mapping", nick_name).await;
    Fleet { entra, okta, locked }
}

/// Step 4: Provision on demand, one user; in Okta, assign. Ada is brought by both and is one
/// person. Neither sees anything of the other.
/// Step 5: User enrollment lists everybody.
async fn provision_on_demand(console: &mut Console, entra: &mut Entra, okta: &mut Okta) -> People {
    let ada = entra.provision_on_demand(&person("Ada")).await;
    let ada_in_okta = okta.assign(&person_in_okta("ADA")).await;
    let omar = okta.assign(&person_in_okta("Omar")).await;
    let bob = entra.provision_on_demand(&person("Bob")).await;
    assert_ne!(ada, ada_in_okta);
    let both = console.person(USER_ENROLLMENT, &ada).await;
    assert_eq!(console.get(&format!("/{USER_ENROLLMENT}/{ada_in_okta}")).await, both);
    let metadata = json!({ "team": "Field Service", "shift": "ADA of the night shift" });
    let entries = json!([
        { "connector": "mdm", "id": ada, "active": true },
        { "connector": "okta", "id": ada_in_okta, "active": true },
    ]);
    shows(&both, json!({ "account": "active", "metadata": metadata, "scim": entries }));
    let listed = ["ada", "bob", "omar"].map(|name| format!("{name}@acme.example"));
    assert_eq!(console.people(USER_ENROLLMENT).await, listed);
    for (client, id) in [(&mut entra.client, &omar), (&mut okta.client, &bob)] {
        client.get(&format!("/Users/{id}")).await.unwrap().expect_scim_error(404, None).unwrap();
        let list = client.get("/Users").await.unwrap().expect(200).unwrap();
        assert_eq!(list["totalResults"], 2);
    }
    People { ada, ada_in_okta, bob, omar }
}

/// Step 6: A group with picked members, and one that Okta pushes: User groups lists each with its
/// members. Two providers may have groups of one name.
async fn groups(console: &mut Console, entra: &mut Entra, okta: &mut Okta, people: &People) {
    let picked = [&person("Bob"), &person("Cyd")];
    let (group, ids) = entra.provision_group_on_demand("Drivers", &picked).await;
    let pushed = okta.push_group("Drivers", &[&people.ada_in_okta, &people.omar]).await;
    let drivers = [("Drivers".to_owned(), 2), ("Drivers".to_owned(), 2)];
    assert_eq!(console.groups("mdm/groups").await, drivers);
    let mut sorted = ids.clone();
    sorted.sort();
    assert_eq!(console.members("mdm/groups", &group).await, sorted);
    let mut sorted = [people.ada_in_okta.clone(), people.omar.clone()];
    sorted.sort();
    assert_eq!(console.members("mdm/groups", &pushed).await, sorted);
    // Cyd came with the group alone.
    let cyd = console.person(USER_ENROLLMENT, &ids[1]).await;
    shows(&cyd, json!({ "account": "active", "user_name": "cyd@acme.example" }));
    assert_eq!(console.groups_of(&people.ada).await, (vec!["Drivers".to_owned()], true));
}

/// Enrols a device for somebody; its id.
async fn enrol(console: &mut Console, serial: &str, user: &str) -> String {
    let device = json!({ "serial": serial, "platform": "android", "user": user });
    let device = console.make("/mdm/devices", device).await;
    let holder = console.get(&format!("/{USER_ENROLLMENT}/{user}")).await["id"].clone();
    let shown = console.get(&format!("/mdm/devices/{device}")).await;
    shows(&shown, json!({ "user": holder, "state": "enrolled", "policy": null }));
    device
}

/// Step 8: Ada is unassigned in Okta: she is still there by Entra. Then in Entra, too: its rule
/// takes her device and her account. Assigned again, she is back, and the device is not.
async fn one_of_two_entries_goes(
    console: &mut Console,
    entra: &mut Entra,
    okta: &mut Okta,
    people: &People,
) {
    let device = enrol(console, "ada-phone", &people.ada).await;
    okta.unassign(&person_in_okta("ADA")).await;
    assert!(console.offboardings(&people.ada).await.is_empty());
    let shown = console.person(USER_ENROLLMENT, &people.ada).await;
    shows(&shown, json!({ "account": "active" }));
    assert_eq!(console.get(&format!("/mdm/devices/{device}")).await["user"], shown["id"]);

    entra.unassign(&person("Ada")).await;
    let offboarding = &console.offboardings(&people.ada).await[0];
    shows(
        offboarding,
        json!({
            "state": "completed", "rule": "remove_user", "connector": "mdm", "done": 1, "total": 1,
        }),
    );
    shows(&offboarding["actions"][0], json!({ "state": "confirmed" }));
    shows(&console.person(USER_ENROLLMENT, &people.ada).await, json!({ "account": "removed" }));
    let shown = console.get(&format!("/mdm/devices/{device}")).await;
    shows(&shown, json!({ "user": null, "state": "enrolled" }));

    entra.assign_again(&person("Ada")).await;
    shows(&console.person(USER_ENROLLMENT, &people.ada).await, json!({ "account": "active" }));
    assert_eq!(console.get(&format!("/mdm/devices/{device}")).await["user"], Value::Null);
}

/// Step 9: Omar is unassigned in Okta, whose rule changes the policy of his device and leaves him
/// there.
async fn the_policy_changes(console: &mut Console, okta: &mut Okta, people: &People, locked: &str) {
    let device = enrol(console, "omar-tablet", &people.omar).await;
    okta.unassign(&person_in_okta("Omar")).await;
    let offboarding = &console.offboardings(&people.omar).await[0];
    shows(
        offboarding,
        json!({ "state": "completed", "rule": "change_policy", "connector": "okta" }),
    );
    let omar = console.person(USER_ENROLLMENT, &people.omar).await;
    shows(&omar, json!({ "account": "active" }));
    let shown = console.get(&format!("/mdm/devices/{device}")).await;
    shows(&shown, json!({ "user": omar["id"], "policy": locked, "state": "enrolled" }));
}

/// Step 10: With another rule for Entra, Bob's devices are removed, and then he is.
async fn devices_go_with_their_user(console: &mut Console, entra: &mut Entra, people: &People) {
    let rule = json!({ "on_create": "create", "on_deactivate": "remove_user_and_devices" });
    console.provisioning("mdm", rule).await;
    let mut devices = Vec::new();
    for serial in ["bob-phone", "bob-laptop"] {
        devices.push(enrol(console, serial, &people.bob).await);
    }
    entra.unassign(&person("Bob")).await;
    let offboarding = &console.offboardings(&people.bob).await[0];
    shows(
        offboarding,
        json!({ "state": "completed", "rule": "remove_user_and_devices", "done": 2, "total": 2 }),
    );
    for device in &devices {
        let shown = console.get(&format!("/mdm/devices/{device}")).await;
        shows(&shown, json!({ "state": "removed", "user": null }));
    }
    shows(&console.person(USER_ENROLLMENT, &people.bob).await, json!({ "account": "removed" }));
    assert!(!console.people(USER_ENROLLMENT).await.contains(&"bob@acme.example".to_owned()));
}
