//! An application of Okta with SCIM, step by step as an administrator clicks through it.
//!
//! There are two ways. SCIM that is added to one's own SAML application never sends PATCH; an
//! application of the catalogue, such as *SCIM 2.0 Test App*, sends PATCH for activation and groups.
//!
//! Source: Okta, *SCIM 2.0 protocol reference* and *SCIM technical questions* (2026), and captured
//! traffic.

use serde_json::{Value, json};
use testkit::{Client, scim, setup::Connector};

/// Which application it is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Way {
    /// One's own SAML application.
    Native,
    /// An application of the catalogue.
    Template,
}

/// The application, with Base URL and token filled in.
pub(super) struct Okta {
    pub(super) client: Client,
    way: Way,
}

impl Okta {
    /// Provisioning > Integration.
    pub(super) fn with(connector: &Connector, way: Way) -> Self {
        let client = connector.client().unwrap();
        let client = client.with_header("user-agent", "Okta SCIM Client 1.0.0").unwrap();
        Self { client, way }
    }

    /// Test Connector Configuration, or Test API Credentials; then Save, which looks at the groups too.
    pub(super) async fn test_connection(&mut self) {
        for path in ["/Users?startIndex=1&count=2", "/Groups?startIndex=1&count=100"] {
            let list = self.client.get(path).await.unwrap().expect(200).unwrap();
            assert_eq!((&list["totalResults"], &list["startIndex"]), (&json!(0), &json!(1)));
            assert_eq!(list["Resources"], json!([]));
        }
    }

    async fn find(&mut self, user: &Value) -> Option<Value> {
        let path = scim::path_eq("/Users", "userName", user["userName"].as_str().unwrap());
        let path = format!("{path}&startIndex=1&count=100");
        let list = self.client.get(&path).await.unwrap().expect(200).unwrap();
        list["Resources"].as_array().unwrap().first().cloned()
    }

    /// Assignments > Assign, which acts at once: there is no provisioning on demand because every
    /// assignment is one. Somebody who was assigned before is found and activated. Returns the SCIM id.
    pub(super) async fn assign(&mut self, user: &Value) -> String {
        let Some(found) = self.find(user).await else {
            let made = self.client.post("/Users", user.clone()).await.unwrap();
            assert_eq!(made.body.get("password"), None, "{}", made.body);
            return made.made().unwrap();
        };
        let id = found["id"].as_str().unwrap();
        // Captured traffic says it twice.
        for _ in 0..2 {
            assert_eq!(self.set_active(id, true).await["groups"], found["groups"]);
        }
        id.to_owned()
    }

    /// Unassigned or deactivated. Okta deletes nobody, and leaves the groups as they are.
    pub(super) async fn unassign(&mut self, user: &Value) {
        let found = self.find(user).await.unwrap();
        let after = self.set_active(found["id"].as_str().unwrap(), false).await;
        assert_eq!((&after["active"], &after["groups"]), (&json!(false), &found["groups"]));
        assert_eq!(self.find(user).await.unwrap()["id"], found["id"]);
    }

    async fn set_active(&mut self, id: &str, active: bool) -> Value {
        if self.way == Way::Native {
            return self.update(id, |user| user["active"] = json!(active)).await;
        }
        let body = scim::patch(json!([{ "op": "replace", "value": { "active": active } }]));
        self.client.patch(&format!("/Users/{id}"), body).await.unwrap().expect(200).unwrap()
    }

    /// A profile changed: what is there is read, changed, and put back whole.
    pub(super) async fn update(&mut self, id: &str, edit: impl FnOnce(&mut Value)) -> Value {
        let path = format!("/Users/{id}");
        let mut user = self.client.get(&path).await.unwrap().expect(200).unwrap();
        edit(&mut user);
        self.client.put(&path, user).await.unwrap().expect(200).unwrap()
    }

    /// Push Groups > Push now. Returns the SCIM id.
    pub(super) async fn push_group(&mut self, name: &str, members: &[&str]) -> String {
        let body = json!({
            "schemas": [scim::GROUP], "displayName": name, "members": references(members),
        });
        self.client.post("/Groups", body).await.unwrap().made().unwrap()
    }

    /// A pushed group has another name or other members.
    pub(super) async fn push_again(&mut self, id: &str, name: &str, members: &[&str]) {
        let path = format!("/Groups/{id}");
        let members = references(members);
        if self.way == Way::Native {
            let body = json!({
                "schemas": [scim::GROUP], "id": id, "displayName": name, "members": members,
            });
            self.client.put(&path, body).await.unwrap().expect(200).unwrap();
            return;
        }
        let rename = json!({ "op": "replace", "value": { "id": id, "displayName": name } });
        let replace = json!({ "op": "replace", "path": "members", "value": members });
        for operation in [rename, replace] {
            let body = scim::patch(json!([operation]));
            self.client.patch(&path, body).await.unwrap().expect(204).unwrap();
        }
    }

    /// Unlink pushed group, and delete it in the application.
    pub(super) async fn unlink(&mut self, id: &str) {
        let path = format!("/Groups/{id}");
        self.client.delete(&path).await.unwrap().expect(204).unwrap();
        self.client.get(&path).await.unwrap().expect_scim_error(404, None).unwrap();
    }
}

/// Somebody in Okta as the default attribute mappings make them, with the password that every new user
/// comes with.
pub(super) fn user(user_name: &str, given: &str, family: &str, okta_id: &str) -> Value {
    json!({
        "schemas": [scim::USER],
        "userName": user_name,
        "name": { "givenName": given, "familyName": family },
        "emails": [{ "primary": true, "value": user_name, "type": "work" }],
        "displayName": format!("{given} {family}"),
        "locale": "en-US",
        "externalId": okta_id,
        "groups": [],
        "password": "1mz050nq",
        "active": true,
    })
}

fn references(members: &[&str]) -> Value {
    members.iter().map(|id| json!({ "value": id, "display": null })).collect()
}
