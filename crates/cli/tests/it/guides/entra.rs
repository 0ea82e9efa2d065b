//! An enterprise application of Microsoft Entra ID, step by step as an administrator clicks through it.
//!
//! Every body is of the default dialect: operations in capitals, booleans as text. Provisioning on
//! demand knows no other, whatever stands in the Tenant URL.
//!
//! Source: Microsoft Learn, *Develop and plan provisioning for a SCIM endpoint* (2025), *Known issues
//! with SCIM 2.0 protocol compliance* (2025), *On-demand provisioning* (2025): of a group, at most five
//! members are picked at a time.

use serde_json::{Map, Value, json};
use testkit::{Client, scim, setup::Connector};

use super::ENTERPRISE;

/// How many members of a group can be picked for provisioning on demand.
const PICKED_MAX: usize = 5;

/// The application, with Tenant URL and Secret Token filled in.
pub(super) struct Entra {
    pub(super) client: Client,
}

impl Entra {
    /// Provisioning > Admin Credentials.
    pub(super) fn with(connector: &Connector) -> Self {
        Self { client: connector.client().unwrap() }
    }

    /// Test Connection: somebody is looked for who cannot be there, and the groups are looked at.
    pub(super) async fn test_connection(&mut self) {
        let nobody = "5e2ad2a9-5b0c-4b0a-9d0e-2f6f7b1c3d4e";
        assert_eq!(self.find("/Users", "userName", nobody).await, None);
        self.client.get("/Groups").await.unwrap().expect(200).unwrap();
    }

    /// What a filter finds: nothing or one.
    async fn find(&mut self, endpoint: &str, attribute: &str, value: &str) -> Option<Value> {
        let path = scim::path_eq(endpoint, attribute, value);
        let list = self.client.get(&path).await.unwrap().expect(200).unwrap();
        assert_eq!(list["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:ListResponse"]));
        let found = list["Resources"].as_array().unwrap();
        assert_eq!(list["totalResults"], found.len());
        assert!(found.len() <= 1, "{list}");
        found.first().cloned()
    }

    /// Provision on demand, one user: matched by userName, then created, or changed in what is not as
    /// the mapping makes it. Returns the SCIM id.
    pub(super) async fn provision_on_demand(&mut self, user: &Value) -> String {
        let name = user["userName"].as_str().unwrap();
        let Some(found) = self.find("/Users", "userName", name).await else {
            let made = self.client.post("/Users", user.clone()).await.unwrap();
            return made.made().unwrap();
        };
        let id = found["id"].as_str().unwrap();
        let known = mapped(&found);
        let wanted =
            mapped(user).into_iter().filter(|(path, value)| known.get(path) != Some(value));
        let operation = |(path, value): (String, Value)| {
            let op = if known.contains_key(&path) { "Replace" } else { "Add" };
            json!({ "op": op, "path": path, "value": value })
        };
        let operations: Vec<_> = wanted.map(operation).collect();
        if !operations.is_empty() {
            self.change(id, json!(operations)).await;
        }
        id.to_owned()
    }

    /// Provision on demand, a group with the members that were picked: each of them first, then the
    /// group, then who is in it. Returns the SCIM ids of the group and of the members.
    pub(super) async fn provision_group_on_demand(
        &mut self,
        name: &str,
        picked: &[&Value],
    ) -> (String, Vec<String>) {
        assert!(picked.len() <= PICKED_MAX, "Entra lets nobody pick more");
        let mut ids = Vec::new();
        for user in picked {
            ids.push(self.provision_on_demand(user).await);
        }
        let path = scim::path_eq("/Groups", "displayName", name);
        let path = path.replace('?', "?excludedAttributes=members&");
        let list = self.client.get(&path).await.unwrap().expect(200).unwrap();
        let group = match list["Resources"][0]["id"].as_str() {
            Some(id) => id.to_owned(),
            None => self.client.post("/Groups", group(name)).await.unwrap().made().unwrap(),
        };
        let members: Vec<_> = ids.iter().map(|id| json!({ "$ref": null, "value": id })).collect();
        let add = json!([{ "op": "Add", "path": "members", "value": members }]);
        self.change_group(&group, add).await;
        (group, ids)
    }

    /// One PATCH of a user.
    pub(super) async fn change(&mut self, id: &str, operations: Value) -> Value {
        let path = format!("/Users/{id}");
        self.client.patch(&path, scim::patch(operations)).await.unwrap().expect(200).unwrap()
    }

    /// One PATCH of a group.
    pub(super) async fn change_group(&mut self, id: &str, operations: Value) {
        let path = format!("/Groups/{id}");
        self.client.patch(&path, scim::patch(operations)).await.unwrap().expect(204).unwrap();
    }

    /// Takes somebody out of a group: a list of values.
    pub(super) async fn remove_member(&mut self, group: &str, id: &str) {
        let members = json!([{ "$ref": null, "value": id }]);
        let remove = json!([{ "op": "Remove", "path": "members", "value": members }]);
        self.change_group(group, remove).await;
    }

    /// Unassigned, disabled or deleted: the user stays and is inactive, in the groups that they were in.
    pub(super) async fn unassign(&mut self, user: &Value) {
        self.set_active(user, false).await;
    }

    /// Assigned again: Entra finds the inactive user.
    pub(super) async fn assign_again(&mut self, user: &Value) {
        self.set_active(user, true).await;
    }

    async fn set_active(&mut self, user: &Value, active: bool) {
        let name = user["userName"].as_str().unwrap();
        let before = self.find("/Users", "userName", name).await.unwrap();
        let id = before["id"].as_str().unwrap();
        let value = if active { "True" } else { "False" };
        let operations = json!([{ "op": "Replace", "path": "active", "value": value }]);
        assert_eq!(self.change(id, operations).await["active"], active);
        let after = self.find("/Users", "userName", name).await.unwrap();
        assert_eq!((&after["id"], &after["active"]), (&before["id"], &json!(active)));
        assert_eq!(after["groups"], before["groups"]);
    }

    /// Deleted for good, 30 days later.
    pub(super) async fn delete_for_good(&mut self, id: &str) {
        let path = format!("/Users/{id}");
        self.client.delete(&path).await.unwrap().expect(204).unwrap();
        self.client.get(&path).await.unwrap().expect_scim_error(404, None).unwrap();
    }
}

/// Somebody in the directory, as the default attribute mappings make them.
pub(super) fn user(user_name: &str, given: &str, family: &str, object_id: &str) -> Value {
    json!({
        "schemas": [scim::USER, ENTERPRISE],
        "externalId": object_id,
        "userName": user_name,
        "active": true,
        "displayName": format!("{given} {family}"),
        "emails": [{ "primary": true, "type": "work", "value": user_name }],
        "meta": { "resourceType": "User" },
        "name": { "formatted": format!("{given} {family}"), "familyName": family, "givenName": given },
        "roles": [],
    })
}

/// The same with an attribute of an extension, of which `schemas` says nothing.
pub(super) fn with(user: &Value, urn: &str, key: &str, value: impl Into<Value>) -> Value {
    let mut user = user.clone();
    user[urn][key] = value.into();
    user
}

fn group(name: &str) -> Value {
    json!({
        "schemas": [
            scim::GROUP,
            "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group",
        ],
        "externalId": format!("object-id-of-{name}"),
        "displayName": name,
        "meta": { "resourceType": "Group" },
    })
}

/// The single texts of a user by their paths, as the target attributes of a mapping name them.
fn mapped(user: &Value) -> Map<String, Value> {
    let mut paths = Map::new();
    for (name, value) in user.as_object().unwrap() {
        match value {
            Value::String(_) if name != "id" => drop(paths.insert(name.clone(), value.clone())),
            Value::Object(inner) if name == "name" || name.starts_with("urn:") => {
                let separator = if name == "name" { '.' } else { ':' };
                for (key, value) in inner {
                    paths.insert(format!("{name}{separator}{key}"), value.clone());
                }
            }
            _ => {}
        }
    }
    paths
}
