//! Every rule of creation with every rule of deactivation, in the three portals: what becomes of
//! the account and of the devices when a person comes, is deactivated, comes back and is deleted.

use serde_json::{Value, json};
use testkit::{Client, Server, all_ended, scim, setup};

use crate::{WORKSPACE, get, start_with_workspace};

/// How an account stands after each step of a life.
struct Life {
    on_create: &'static str,
    on_deactivate: &'static str,
    created: &'static str,
    deactivated: &'static str,
    reactivated: &'static str,
    deleted: &'static str,
}

/// What a deactivation does to a device of the person.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Stays,
    Unassigned,
    GetsPolicy,
    Removed,
}

const fn life(rules: [&'static str; 2], states: [&'static str; 4]) -> Life {
    let [on_create, on_deactivate] = rules;
    let [created, deactivated, reactivated, deleted] = states;
    Life { on_create, on_deactivate, created, deactivated, reactivated, deleted }
}

/// Where there are no devices, in the Dashboard and in the Store.
const WITHOUT_DEVICES: [Life; 4] = [
    life(["nothing", "nothing"], ["none", "none", "none", "none"]),
    life(["nothing", "remove_user"], ["none", "none", "none", "none"]),
    life(["create", "nothing"], ["active", "active", "active", "active"]),
    life(["create", "remove_user"], ["active", "removed", "active", "removed"]),
];

/// In MDM. Where creation grants no account, one is made by hand before devices are assigned: it is
/// an account like any other to deactivation, and reactivation does not bring it back.
const MDM: [(Life, Fate); 10] = [
    (life(["nothing", "nothing"], ["active", "active", "active", "active"]), Fate::Stays),
    (life(["nothing", "unassign"], ["active", "active", "active", "active"]), Fate::Unassigned),
    (
        life(["nothing", "change_policy"], ["active", "active", "active", "active"]),
        Fate::GetsPolicy,
    ),
    (
        life(["nothing", "remove_user"], ["active", "removed", "removed", "removed"]),
        Fate::Unassigned,
    ),
    (
        life(["nothing", "remove_user_and_devices"], ["active", "removed", "removed", "removed"]),
        Fate::Removed,
    ),
    (life(["create", "nothing"], ["active", "active", "active", "active"]), Fate::Stays),
    (life(["create", "unassign"], ["active", "active", "active", "active"]), Fate::Unassigned),
    (life(["create", "change_policy"], ["active", "active", "active", "active"]), Fate::GetsPolicy),
    (life(["create", "remove_user"], ["active", "removed", "active", "removed"]), Fate::Unassigned),
    (
        life(["create", "remove_user_and_devices"], ["active", "removed", "active", "removed"]),
        Fate::Removed,
    ),
];

/// A portal with a connector, and the policy that `change_policy` gives.
struct Scene {
    _server: Server,
    api: Client,
    client: Client,
    portal: &'static str,
    accounts: &'static str,
    policy: String,
    devices: usize,
}

impl Scene {
    async fn set(portal: &'static str, accounts: &'static str) -> Self {
        let (server, mut api) = start_with_workspace().await;
        let rule = setup::create_and("nothing");
        let connector = setup::connector(&mut api, WORKSPACE, portal, "generic", rule).await;
        let client = connector.unwrap().client().unwrap();
        let policy = setup::policy(&mut api, WORKSPACE, "Locked down").await.unwrap();
        Self { _server: server, api, client, portal, accounts, policy, devices: 0 }
    }

    async fn rule(&mut self, life: &Life) {
        let mut rule = setup::create_and(life.on_deactivate);
        rule["on_create"] = life.on_create.into();
        if life.on_deactivate == "change_policy" {
            rule["policy"] = self.policy.as_str().into();
        }
        setup::rule(&mut self.api, WORKSPACE, self.portal, rule).await.unwrap();
    }

    async fn get(&mut self, path: &str) -> Value {
        get(&mut self.api, path).await
    }

    /// The account of a person, which the portal's read model shows as the person's own stream does.
    async fn account(&mut self, id: &str, user_name: &str) -> Value {
        let accounts = self.accounts;
        let account = self.get(&format!("/{accounts}/{id}")).await;
        let any = format!("/{accounts}?account=any&q={}", scim::escape(user_name));
        assert_eq!(self.get(&any).await["items"], json!([account]), "{user_name} in the list");
        let standing = self.get(&format!("/{accounts}?q={}", scim::escape(user_name))).await;
        let stands = ["active", "suspended"].contains(&account["account"].as_str().unwrap());
        assert_eq!(standing["items"] == json!([account]), stands, "{standing}");
        account
    }

    /// How the account stands once nothing is under way any more.
    async fn settled(&mut self, id: &str, user_name: &str) -> String {
        all_ended(&mut self.api, WORKSPACE).await.unwrap();
        let account = self.account(id, user_name).await;
        assert_eq!(account["offboarding"], Value::Null);
        account["account"].as_str().unwrap().to_owned()
    }

    /// Gives new devices to a person.
    async fn give(&mut self, id: &str, count: usize) -> Vec<String> {
        let mut devices = Vec::new();
        for _ in 0..count {
            self.devices += 1;
            let serial = format!("serial-{}", self.devices);
            let device = setup::device(&mut self.api, WORKSPACE, &serial, Some(id)).await;
            devices.push(device.unwrap());
        }
        devices
    }

    /// Each device met its fate, in the list as in its own stream.
    async fn met(&mut self, devices: &[String], user: &str, fate: Fate) {
        for id in devices {
            let device = self.get(&format!("/mdm/devices/{id}")).await;
            let policy = (fate == Fate::GetsPolicy).then_some(self.policy.as_str());
            let (state, user) = match fate {
                Fate::Stays | Fate::GetsPolicy => ("enrolled", Some(user)),
                Fate::Unassigned => ("enrolled", None),
                Fate::Removed => ("removed", None),
            };
            assert_eq!(
                (&device["state"], &device["user"], &device["policy"]),
                (&json!(state), &json!(user), &json!(policy)),
                "{device}"
            );
            let serial = device["serial"].as_str().unwrap();
            let listed = self.get(&format!("/mdm/devices?q={serial}&limit=1000")).await;
            assert!(listed["items"].as_array().unwrap().contains(&device), "{device} in {listed}");
        }
    }

    /// What SCIM shows stays with the IdP, whatever the rule says.
    async fn entry(&mut self, id: &str, user_name: &str, active: Option<bool>) {
        let by_id = self.client.get(&format!("/Users/{id}")).await.unwrap();
        let found = self.client.get(&scim::path_eq("/Users", "userName", user_name)).await;
        let found = found.unwrap().expect(200).unwrap();
        if let Some(active) = active {
            assert_eq!(by_id.expect(200).unwrap()["active"], active);
            assert_eq!(found["Resources"][0]["active"], active);
        } else {
            by_id.expect_scim_error(404, None).unwrap();
            assert_eq!(found["totalResults"], 0);
        }
    }

    /// One life under one pair of rules, with so many devices at a time.
    async fn live(&mut self, life: &Life, devices: usize, fate: Fate) {
        self.rule(life).await;
        let (on_create, on_deactivate) = (life.on_create, life.on_deactivate);
        let name = format!("{on_create}.{on_deactivate}.{devices}@acme.example");
        let user = scim::user(&name);
        let id = self.client.post("/Users", user).await.unwrap().made().unwrap();
        let path = format!("/Users/{id}");
        if life.on_create == "nothing" && devices > 0 {
            self.by_hand(&id, &name).await;
        }
        assert_eq!(self.settled(&id, &name).await, life.created, "{name} created");
        self.entry(&id, &name, Some(true)).await;

        let given = self.give(&id, devices).await;
        let off = self.client.patch(&path, scim::active(false)).await.unwrap();
        assert_eq!(off.expect(200).unwrap()["active"], false);
        assert_eq!(self.settled(&id, &name).await, life.deactivated, "{name} deactivated");
        self.met(&given, &id, fate).await;
        self.entry(&id, &name, Some(false)).await;

        let on = self.client.patch(&path, scim::active(true)).await.unwrap();
        assert_eq!(on.expect(200).unwrap()["active"], true);
        assert_eq!(self.settled(&id, &name).await, life.reactivated, "{name} reactivated");
        self.met(&given, &id, fate).await;
        self.entry(&id, &name, Some(true)).await;

        let stands = life.reactivated == "active";
        let again = self.give(&id, if stands { devices } else { 0 }).await;
        self.client.delete(&path).await.unwrap().expect(204).unwrap();
        assert_eq!(self.settled(&id, &name).await, life.deleted, "{name} deleted");
        self.met(&again, &id, fate).await;
        self.entry(&id, &name, None).await;
    }

    /// Without an account nobody gets a device; an administrator makes one.
    async fn by_hand(&mut self, id: &str, user_name: &str) {
        let device = json!({ "serial": "none", "platform": "ios", "user": id });
        let path = format!("/workspaces/{WORKSPACE}/mdm/devices");
        self.api.post(&path, device).await.unwrap().expect(409).unwrap();
        let path = format!("/workspaces/{WORKSPACE}/{}", self.accounts);
        let account = self.api.post(&path, json!({ "user_name": user_name })).await.unwrap();
        assert_eq!(account.made().unwrap(), id, "it is the person whom SCIM has brought");
    }
}

#[tokio::test]
async fn the_dashboard_follows_its_rules() {
    let mut scene = Scene::set("dashboard", "collaborators").await;
    for life in &WITHOUT_DEVICES {
        scene.live(life, 0, Fate::Stays).await;
    }
}

#[tokio::test]
async fn the_store_follows_its_rules() {
    let mut scene = Scene::set("store", "employees").await;
    for life in &WITHOUT_DEVICES {
        scene.live(life, 0, Fate::Stays).await;
    }
}

#[tokio::test]
async fn mdm_follows_its_rules_with_devices() {
    let mut scene = Scene::set("mdm", "mdm/users").await;
    for (life, fate) in &MDM {
        scene.live(life, 2, *fate).await;
    }
}

#[tokio::test]
async fn mdm_follows_its_rules_without_devices() {
    let mut scene = Scene::set("mdm", "mdm/users").await;
    for (with_devices, fate) in &MDM {
        let rules = [with_devices.on_create, with_devices.on_deactivate];
        let life = match with_devices {
            Life { on_create: "nothing", .. } => life(rules, ["none"; 4]),
            Life { created, deactivated, reactivated, deleted, .. } => {
                life(rules, [created, deactivated, reactivated, deleted])
            }
        };
        scene.live(&life, 0, *fate).await;
    }
}

#[tokio::test]
async fn a_setting_that_the_portal_cannot_have_is_refused() {
    let mut scene = Scene::set("store", "employees").await;
    let path = format!("/workspaces/{WORKSPACE}/connectors/store/provisioning");
    for bad in [
        json!({ "on_deactivate": "unassign" }),
        json!({ "on_deactivate": "change_policy", "policy": scene.policy }),
        json!({ "on_deactivate": "remove_user_and_devices" }),
        json!({ "on_deactivate": "explode" }),
        json!({ "on_create": "create", "default_role": "viewer" }),
        json!({ "on_creation": "create" }),
    ] {
        scene.api.put(&path, bad).await.unwrap().expect(400).unwrap();
    }
    let before = scene.api.get(&path).await.unwrap().expect(200).unwrap();
    assert_eq!(before, setup::create_and("nothing"), "nothing was changed");
}
