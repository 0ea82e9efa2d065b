//! Applivery with a separate application in Okta for provisioning, one of the catalogue: the Dashboard,
//! with groups that are pushed by hand, one after the other. Profiles go by PUT, the rest by PATCH.
//!
//! Source: www.applivery.com/docs/platform/sso/saml/identity-management-using-scim-integration (2026-11),
//! the older of the two guides for Okta.

use serde_json::{Value, json};
use simulate::Idp;
use testkit::{Client, scim, setup::Connector};

use super::{
    console::{COLLABORATORS, Console},
    cycles, directory,
    entra::{self, Entra},
    okta::{self, Okta, Way},
    shows,
};

fn person(name: &str) -> Value {
    let user_name = format!("{}@acme.example", name.to_lowercase());
    okta::user(&user_name, name, "Smith", &format!("00u-{name}"))
}

#[tokio::test]
async fn guide_applivery_with_okta_template() {
    let mut console = Console::open().await;
    let connector = enable_scim(&mut console).await;
    let mut okta = test_credentials(&connector).await;
    accounts_by_hand_are_adopted(&mut console, &mut okta).await;
    let ada = push_groups(&mut console, &mut okta).await;
    attributes(&mut console, &mut okta, &ada).await;
    unassign_and_assign_again(&mut console, &mut okta, &ada).await;

    // Step 10: Everybody else, with the cycle that follows.
    let mut directory = directory(13);
    cycles(&mut console, &connector, Idp::OktaTemplate, &mut directory).await;
    console.shows_directory(COLLABORATORS, "groups", &directory).await;

    a_partner_makes_no_admins(&mut console).await;
}

/// Step 1: SAML of the Dashboard, then Enable SCIM.
/// Step 2: What creation and deactivation do: collaborators get no role but that of their groups.
/// Before, there are an Owner and somebody who was invited.
async fn enable_scim(console: &mut Console) -> Connector {
    console.configure_saml("dashboard", false).await;
    let invited = json!({ "user_name": "eve@acme.example", "role": "developer" });
    console.make("/collaborators", invited).await;
    let owner = json!({ "user_name": "boss@acme.example", "role": "owner" });
    console.make("/collaborators", owner).await;
    let connector = console.enable_scim("dashboard", json!({ "idp": "okta" })).await;
    let rule = json!({
        "on_create": "create", "default_role": "viewer", "on_deactivate": "remove_user",
    });
    console.provisioning(&connector.name, rule).await;
    let rules = json!([
        { "group": "Applivery Admins", "role": "admin", "connector": "dashboard" },
        { "group": "Applivery Developers", "role": "developer" },
        { "group": "Guests", "role": "unassigned" },
    ]);
    let mapping = json!({
        "rules": rules, "settle_minutes": 1440, "follow_groups": false, "no_match": "unassigned",
    });
    console.put("/role-mapping", mapping).await;
    connector
}

/// Step 3: Browse App Catalog > SCIM 2.0 Test App > Configure API Integration > Test API
/// Credentials. What stands in the field for the token is sent as it is: without Bearer, or with
/// two of it, the test fails and says why.
async fn test_credentials(connector: &Connector) -> Okta {
    let anonymous =
        || Client::new(&connector.base_url, "none").unwrap().without_header("authorization");
    for (header, said) in [
        (connector.token.clone(), "Bearer"),
        (format!("Bearer Bearer {}", connector.token), "once"),
    ] {
        let mut client = anonymous().with_header("authorization", &header).unwrap();
        let answer = client.get("/Users?startIndex=1&count=2").await.unwrap();
        answer.expect_scim_error(401, None).unwrap();
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(said), "{detail}");
    }
    let mut okta = Okta::with(connector, Way::Template);
    okta.test_connection().await;
    okta
}

/// Step 4: Assignments: who was there by hand is adopted and keeps their role.
async fn accounts_by_hand_are_adopted(console: &mut Console, okta: &mut Okta) {
    let eve = okta.assign(&person("Eve")).await;
    let entry = json!([{ "connector": "dashboard", "id": eve, "active": true }]);
    let shown = console.person(COLLABORATORS, &eve).await;
    shows(&shown, json!({ "account": "active", "role": "developer", "scim": entry }));
    assert_ne!(shown["id"], eve.as_str(), "she is the person that she was");

    // SCIM takes no Owner away: a person has to decide.
    let boss = okta.assign(&person("Boss")).await;
    okta.unassign(&person("Boss")).await;
    shows(&console.offboardings(&boss).await[0], json!({ "state": "held" }));
    let shown = console.person(COLLABORATORS, &boss).await;
    shows(&shown, json!({ "account": "active", "role": "owner" }));
    okta.assign(&person("Boss")).await;
    shows(&console.offboardings(&boss).await[0], json!({ "state": "cancelled" }));
    shows(
        &console.person(COLLABORATORS, &boss).await,
        json!({ "account": "active", "role": "owner" }),
    );
}

/// Step 5: Push Groups, by hand, after the people have come.
/// Step 6: Other members. Returns Ada's SCIM id, who ends as an admin.
async fn push_groups(console: &mut Console, okta: &mut Okta) -> String {
    let ada = okta.assign(&person("Ada")).await;
    let bob = okta.assign(&person("Bob")).await;
    let eve = okta.assign(&person("Eve")).await;
    shows(
        &console.person(COLLABORATORS, &ada).await,
        json!({ "account": "active", "role": "unassigned" }),
    );
    // An administrator gives Bob a role, which no group changes from then on.
    console.change(&format!("/{COLLABORATORS}/{bob}"), json!({ "role": "viewer" })).await;

    // One member has not been assigned yet. Okta itself sends those who have; a group that was
    // pushed before somebody was deleted has such members.
    let developers =
        okta.push_group("Applivery Developers", &[&ada, &bob, "cyd@acme.example"]).await;
    let guests = okta.push_group("Guests", &[&ada, &bob]).await;
    let admins = okta.push_group("Applivery Admins", &[&eve]).await;
    for (id, role) in [(&ada, "developer"), (&bob, "viewer"), (&eve, "developer")] {
        shows(&console.person(COLLABORATORS, id).await, json!({ "role": role }));
    }
    let pending = console.items(&format!("/groups/{developers}/pending")).await;
    assert_eq!((pending.len(), &pending[0]["value"]), (1, &json!("cyd@acme.example")));
    let cyd = okta.assign(&person("Cyd")).await;
    shows(
        &console.person(COLLABORATORS, &cyd).await,
        json!({ "account": "active", "role": "developer" }),
    );
    let pending = console.items(&format!("/groups/{developers}/pending")).await;
    assert!(pending.is_empty(), "{pending:?}");
    assert_eq!(scim::members(&mut okta.client, &developers).await.unwrap().len(), 3);

    okta.push_again(&admins, "Applivery Admins", &[&ada, &bob]).await;
    for (id, role) in [(&ada, "admin"), (&bob, "viewer"), (&eve, "developer")] {
        shows(&console.person(COLLABORATORS, id).await, json!({ "role": role }));
    }
    okta.push_again(&developers, "Applivery Developers", &[]).await;
    shows(&console.person(COLLABORATORS, &cyd).await, json!({ "role": "unassigned" }));
    // With another name a group has nothing to do with the mapping any more.
    okta.push_again(&guests, "Visitors", &[&ada]).await;
    let groups = [("Applivery Admins", 2), ("Applivery Developers", 0), ("Visitors", 1)];
    let groups = groups.map(|(name, members)| (name.to_owned(), members));
    assert_eq!(console.groups("groups").await, groups);
    ada
}

/// Step 7: Attributes of a profile are chosen from those that have been seen, and follow at the
/// next sync.
async fn attributes(console: &mut Console, okta: &mut Okta, ada: &str) {
    okta.update(ada, |user| user["title"] = json!("Engineer")).await;
    let seen = console.attributes_seen("dashboard").await;
    for key in ["locale", "title", "name.givenName"] {
        assert!(seen.contains(&format!("{}:{key}", scim::USER)), "{key} in {seen:?}");
    }
    assert!(!seen.iter().any(|it| it.contains("costCode")), "{seen:?}");
    let mapping = json!([{ "name": "position", "attributes": [{ "key": "title" }] }]);
    console.put("/connectors/dashboard/attribute-mapping", mapping).await;
    assert_eq!(console.person(COLLABORATORS, ada).await["metadata"], json!({}));
    okta.update(ada, |user| user["title"] = json!("Chief Engineer")).await;
    let shown = console.person(COLLABORATORS, ada).await;
    assert_eq!(shown["metadata"], json!({ "position": "Chief Engineer" }));
}

/// Step 8: Unassigned: the collaborator is removed.
/// Step 9: Assigned again: the role is that of the groups.
async fn unassign_and_assign_again(console: &mut Console, okta: &mut Okta, ada: &str) {
    okta.unassign(&person("Ada")).await;
    shows(
        &console.offboardings(ada).await[0],
        json!({ "state": "completed", "rule": "remove_user" }),
    );
    shows(&console.person(COLLABORATORS, ada).await, json!({ "account": "removed" }));
    let left = ["bob", "boss", "cyd", "eve"].map(|name| format!("{name}@acme.example"));
    assert_eq!(console.people(COLLABORATORS).await, left);

    assert_eq!(okta.assign(&person("Ada")).await, ada);
    let metadata = json!({ "position": "Chief Engineer" });
    let shown = console.person(COLLABORATORS, ada).await;
    shows(&shown, json!({ "account": "active", "role": "admin", "metadata": metadata }));
}

/// Step 11: A partner's identity provider beside it may call a group as it likes: the mapping means that
/// of the first one.
async fn a_partner_makes_no_admins(console: &mut Console) {
    let enable = json!({ "idp": "entra", "name": "partner" });
    let partner = console.enable_scim("dashboard", enable).await;
    console.provisioning("partner", json!({ "on_create": "create" })).await;
    let mut entra = Entra::with(&partner);
    let zoe = entra::user("zoe@partner.example", "Zoe", "Virtanen", "object-id-of-Zoe");
    for (group, role) in [("Applivery Admins", "unassigned"), ("Applivery Developers", "developer")]
    {
        let (_, ids) = entra.provision_group_on_demand(group, &[&zoe]).await;
        let shown = console.person(COLLABORATORS, &ids[0]).await;
        shows(&shown, json!({ "account": "active", "role": role }));
    }
}
