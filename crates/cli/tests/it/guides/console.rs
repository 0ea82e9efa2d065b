//! Where the administrator sits: what they set up through `/api/v1`, and what they see there.

use serde_json::{Value, json};
use simulate::people::Directory;
use testkit::{
    Client, Server, all_ended, record, scim,
    setup::{self, Connector},
};

use crate::{WORKSPACE, get, start_with_workspace};

/// The lists of people of the three portals.
pub(super) const COLLABORATORS: &str = "collaborators";
pub(super) const EMPLOYEES: &str = "employees";
pub(super) const USER_ENROLLMENT: &str = "mdm/users";

/// An administrator's session, and the server that it is with.
pub(super) struct Console {
    server: Server,
    api: Client,
}

impl Console {
    /// A workspace on a plan that has SCIM, and nothing in it yet.
    pub(super) async fn open() -> Self {
        let (server, api) = start_with_workspace().await;
        Self { server, api }
    }

    /// Reads something of the workspace.
    pub(super) async fn get(&mut self, path: &str) -> Value {
        get(&mut self.api, path).await
    }

    /// The items of a list, which must fit one page.
    pub(super) async fn items(&mut self, path: &str) -> Vec<Value> {
        let mut page = self.get(path).await;
        assert_eq!(page["next_cursor"], Value::Null, "{path} has another page");
        page["items"].as_array_mut().map(std::mem::take).unwrap()
    }

    /// Replaces a setting, which is then shown as it was put.
    pub(super) async fn put(&mut self, path: &str, setting: Value) {
        let url = format!("/workspaces/{WORKSPACE}{path}");
        let shown = self.api.put(&url, setting).await.unwrap().expect(200).unwrap();
        assert_eq!(self.get(path).await, shown);
    }

    /// Makes something; its id.
    pub(super) async fn make(&mut self, path: &str, body: Value) -> String {
        let url = format!("/workspaces/{WORKSPACE}{path}");
        self.api.post(&url, body).await.unwrap().made().unwrap()
    }

    /// Changes something.
    pub(super) async fn change(&mut self, path: &str, body: Value) {
        let url = format!("/workspaces/{WORKSPACE}{path}");
        self.api.patch(&url, body).await.unwrap().expect(200).unwrap();
    }

    /// Takes something away.
    pub(super) async fn remove(&mut self, path: &str) {
        let url = format!("/workspaces/{WORKSPACE}{path}");
        self.api.delete(&url).await.unwrap().expect(204).unwrap();
    }

    /// Login providers > SAML > Configure: uploads the metadata of the identity provider.
    pub(super) async fn configure_saml(&mut self, portal: &str, jit: bool) {
        let xml = setup::saml_metadata("https://idp.example/acme");
        let path = format!("/portals/{portal}/saml");
        self.put(&path, json!({ "metadata_xml": xml, "jit": jit })).await;
        let shown = self.get(&path).await;
        super::shows(&shown, json!({ "entity_id": "https://idp.example/acme", "jit": jit }));
    }

    /// Enable SCIM, which is refused; what has to be done first.
    pub(super) async fn enabling_is_refused(&mut self, portal: &str, body: Value) -> String {
        let path = format!("/workspaces/{WORKSPACE}/portals/{portal}/scim");
        let problem = self.api.post(&path, body).await.unwrap().expect(409).unwrap();
        problem["detail"].as_str().unwrap().to_owned()
    }

    /// Enable SCIM, and copy Base URL and Bearer Token.
    pub(super) async fn enable_scim(&mut self, portal: &str, body: Value) -> Connector {
        let path = format!("/workspaces/{WORKSPACE}/portals/{portal}/scim");
        let enabled = self.api.post(&path, body).await.unwrap().expect(201).unwrap();
        let text = |name: &str| enabled[name].as_str().unwrap().to_owned();
        let connector =
            Connector { name: text("connector"), base_url: text("base_url"), token: text("token") };
        let path = format!("/scim/v2/{WORKSPACE}/{}", connector.name);
        assert_eq!(connector.base_url, format!("{}{path}", self.server.url()));
        connector
    }

    /// Generate new token: another one beside those that are live.
    pub(super) async fn new_token(&mut self, connector: &Connector) -> Connector {
        let path = format!("/workspaces/{WORKSPACE}/connectors/{}/tokens", connector.name);
        let made = self.api.post(&path, json!({})).await.unwrap().expect(201).unwrap();
        Connector { token: made["token"].as_str().unwrap().to_owned(), ..connector.clone() }
    }

    /// What creation and deactivation do.
    pub(super) async fn provisioning(&mut self, connector: &str, rule: Value) {
        self.put(&format!("/connectors/{connector}/provisioning"), rule).await;
    }

    /// The last position of the record, once everything has happened that follows from it.
    pub(super) async fn head(&mut self) -> u64 {
        self.settle().await;
        record::head(&mut self.api, WORKSPACE).await.unwrap()
    }

    /// Waits until no offboarding and no action on a device is under way.
    pub(super) async fn settle(&mut self) {
        all_ended(&mut self.api, WORKSPACE).await.unwrap();
    }

    /// A person of a portal, who is shown in the list as alone.
    pub(super) async fn person(&mut self, list: &str, id: &str) -> Value {
        let person = self.get(&format!("/{list}/{id}")).await;
        let name = scim::escape(person["user_name"].as_str().unwrap());
        let listed = self.items(&format!("/{list}?account=any&q={name}")).await;
        assert!(listed.contains(&person), "{person} in {listed:?}");
        person
    }

    /// Who has an account, by userName and in its order.
    pub(super) async fn people(&mut self, list: &str) -> Vec<String> {
        names(&self.items(&format!("/{list}?limit=1000")).await, "user_name")
    }

    /// The groups and how many members each has, in the order of their names.
    pub(super) async fn groups(&mut self, list: &str) -> Vec<(String, u64)> {
        let groups = self.items(&format!("/{list}?limit=1000")).await;
        let pair = |it: &Value| {
            let name = it["display_name"].as_str().unwrap().to_owned();
            (name, it["members"].as_u64().unwrap())
        };
        let mut groups: Vec<_> = groups.iter().map(pair).collect();
        groups.sort_unstable();
        groups
    }

    /// Who is in a group, by id.
    pub(super) async fn members(&mut self, list: &str, group: &str) -> Vec<String> {
        names(&self.items(&format!("/{list}/{group}/members")).await, "id")
    }

    /// The names of the groups that somebody is in, and whether those let them enter the portal.
    pub(super) async fn groups_of(&mut self, person: &str) -> (Vec<String>, bool) {
        let path = format!("/people/{person}/groups");
        let may_enter = self.get(&path).await["may_enter"].as_bool().unwrap();
        (names(&self.items(&path).await, "display_name"), may_enter)
    }

    /// Who sees a publication. Each of them has it among what they see.
    pub(super) async fn audience(&mut self, publication: &str) -> Vec<String> {
        let audience = self.items(&format!("/publications/{publication}/audience")).await;
        for person in &audience {
            let path = format!("/employees/{}/publications", person["id"].as_str().unwrap());
            let seen = self.items(&path).await;
            assert!(seen.iter().any(|it| it["id"] == publication), "{person} sees {seen:?}");
        }
        names(&audience, "user_name")
    }

    /// The states of somebody's offboardings, the first one first.
    pub(super) async fn offboardings(&mut self, person: &str) -> Vec<Value> {
        self.settle().await;
        let mut all = self.items(&format!("/offboardings?user={person}")).await;
        all.sort_by_key(|it| it["started_at"].to_string());
        all
    }

    /// Which attributes a connector has carried, as `namespace:key`.
    pub(super) async fn attributes_seen(&mut self, connector: &str) -> Vec<String> {
        let path = format!("/connectors/{connector}/attribute-history?limit=1000");
        let seen = self.items(&path).await;
        seen.iter()
            .map(|it| {
                format!("{}:{}", it["namespace"].as_str().unwrap(), it["key"].as_str().unwrap())
            })
            .collect()
    }

    /// What made somebody's role what it is, each time that it changed.
    pub(super) async fn reasons(&mut self, person: &str) -> Vec<Value> {
        let events = self.get("/events?type=user.role_changed&limit=1000").await;
        let events = events["items"].as_array().unwrap().iter();
        let stream = format!("user/{person}");
        events
            .filter(|it| it["stream"] == stream.as_str())
            .map(|it| it["data"]["why"].clone())
            .collect()
    }

    /// The people and groups of a directory are there: everybody who is assigned has an account, and
    /// groups have the members that they have in the directory.
    pub(super) async fn shows_directory(&mut self, list: &str, groups: &str, wanted: &Directory) {
        self.settle().await;
        let people = self.people(list).await;
        for person in &wanted.people {
            assert_eq!(people.contains(&person.user_name), person.active, "{person:?}");
        }
        let shown = self.groups(groups).await;
        for group in &wanted.groups {
            let pair = (group.display_name.clone(), group.members.len() as u64);
            assert!(shown.contains(&pair), "{pair:?} in {shown:?}");
        }
    }
}

/// One field of each item, sorted.
fn names(items: &[Value], field: &str) -> Vec<String> {
    let mut names: Vec<_> = items.iter().map(|it| it[field].as_str().unwrap().to_owned()).collect();
    names.sort_unstable();
    names
}
