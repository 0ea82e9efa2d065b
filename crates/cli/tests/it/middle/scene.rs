//! Somebody with two devices, each with a service of its own, and somebody else.

use serde_json::{Value, json};
use testkit::{
    Answer, Client, Server, all_ended,
    fake::{Fake, Fault, Reply, Service as _, WebhookReceiver},
    scim,
    setup::{self, Connector},
    until,
};

use crate::{WORKSPACE, start_with_workspace};

/// 32 bytes of `k`, in base64.
const SECRET: &str = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";

/// Whether what removes waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brake {
    Off,
    HoldsEverybody,
}

/// See the module.
pub(super) struct Scene {
    server: Server,
    api: Client,
    connector: Connector,
    /// The service of the first device: it takes orders, and is not done.
    takes: Fake<WebhookReceiver>,
    /// The service of the second device: it takes no orders, and asks to be left alone for an hour.
    is_down: Fake<WebhookReceiver>,
    pub(super) ada: String,
    pub(super) bob: String,
    pub(super) device_ids: [String; 2],
}

impl Scene {
    /// Ada is active, and has the devices.
    async fn set(on_deactivate: &str, brake: Brake) -> Self {
        let (server, mut api) = start_with_workspace().await;
        let connector =
            setup::connector(&mut api, WORKSPACE, "mdm", "generic", json!({})).await.unwrap();
        let receiver = || Fake::start(WebhookReceiver::new(&[b'k'; 32]));
        let (takes, is_down) = (receiver().await.unwrap(), receiver().await.unwrap());
        is_down.with(|it| it.at_once = true);
        is_down.whenever(|request| {
            let headers = vec![("retry-after", "3600".to_owned())];
            let down = Fault::Answer(Reply { headers, ..Reply::empty(503) });
            (request.json()["type"] == "device_action.requested").then_some(down)
        });
        for (platform, fake) in [("ios", &takes), ("android", &is_down)] {
            let path = format!("/workspaces/{WORKSPACE}/mdm/services/{platform}");
            let service = json!({ "kind": "webhook", "url": fake.url(), "secret": SECRET });
            api.put(&path, service).await.unwrap().expect(200).unwrap();
        }
        let (ada, bob, device_ids) = Default::default();
        let mut scene = Self { server, api, connector, takes, is_down, ada, bob, device_ids };
        scene.rule(on_deactivate, brake).await;
        scene.ada = scene.bring("ada@acme.example").await;
        scene.bob = scene.bring("bob@acme.example").await;
        for (place, platform) in ["ios", "android"].into_iter().enumerate() {
            let device = json!({ "serial": platform, "platform": platform, "user": scene.ada });
            let path = format!("/workspaces/{WORKSPACE}/mdm/devices");
            let made = scene.api.post(&path, device).await.unwrap().made().unwrap();
            scene.device_ids[place] = made;
        }
        scene
    }

    /// Ada is deactivated; the one service has its order, the other one has not taken it.
    pub(super) async fn in_the_middle(on_deactivate: &str) -> Self {
        let mut scene = Self::set(on_deactivate, Brake::Off).await;
        scene.set_active(false).await;
        scene.comes_to_the_middle().await;
        scene
    }

    /// Ada is deactivated, and that is held.
    pub(super) async fn held(on_deactivate: &str) -> Self {
        let mut scene = Self::set(on_deactivate, Brake::HoldsEverybody).await;
        scene.set_active(false).await;
        assert_eq!(scene.offboardings().await, ["held"]);
        scene
    }

    /// The same, and somebody has approved it: it is in the middle now.
    pub(super) async fn approved(on_deactivate: &str) -> Self {
        let mut scene = Self::held(on_deactivate).await;
        scene.is_approved().await;
        scene
    }

    pub(super) async fn is_approved(&mut self) {
        self.decide("approve").await.expect(200).unwrap();
        self.comes_to_the_middle().await;
    }

    async fn comes_to_the_middle(&mut self) {
        self.takes.until(|all| all.len() >= 2).await;
        self.is_down.until(|all| !all.is_empty()).await;
        let device_ids = self.device_ids.clone();
        let api = &mut self.api;
        let reached = async || {
            let states = states(&effects(api).await?, &device_ids);
            Ok((states == ["acknowledged", "failed"]).then_some(()))
        };
        until("one has its order, and one does not take it", reached).await.unwrap();
    }

    pub(super) fn client(&self) -> Client {
        self.connector.at(&self.server).client().unwrap()
    }

    pub(super) async fn rule(&mut self, on_deactivate: &str, brake: Brake) {
        let mut rule = setup::create_and(on_deactivate);
        if brake == Brake::HoldsEverybody {
            rule["brake"] =
                json!({ "count": 0, "share": 1, "share_from": 1, "window_minutes": 60 });
        }
        setup::rule(&mut self.api, WORKSPACE, "mdm", rule).await.unwrap();
    }

    pub(super) async fn bring(&self, user_name: &str) -> String {
        self.client().post("/Users", scim::user(user_name)).await.unwrap().made().unwrap()
    }

    pub(super) async fn set_active(&mut self, active: bool) {
        let path = format!("/Users/{}", self.ada);
        self.client().patch(&path, scim::active(active)).await.unwrap().expect(200).unwrap();
    }

    pub(super) async fn delete(&mut self) {
        let path = format!("/Users/{}", self.ada);
        self.client().delete(&path).await.unwrap().expect(204).unwrap();
    }

    pub(super) async fn entry_is_gone(&self) {
        let path = format!("/Users/{}", self.ada);
        self.client().get(&path).await.unwrap().expect_scim_error(404, None).unwrap();
    }

    pub(super) async fn give_to_bob(&mut self, device: &str) -> Answer {
        let path = format!("/workspaces/{WORKSPACE}/mdm/devices/{device}");
        self.api.patch(&path, json!({ "user": self.bob })).await.unwrap()
    }

    pub(super) async fn remove_device(&mut self, place: usize) -> Answer {
        let path = format!("/workspaces/{WORKSPACE}/mdm/devices/{}", self.device_ids[place]);
        self.api.delete(&path).await.unwrap()
    }

    /// What an administrator makes of an effect.
    pub(super) async fn steer(&mut self, effect: &str, verb: &str, body: Value) {
        let path = format!("/workspaces/{WORKSPACE}/effects/{effect}/{verb}");
        self.api.post(&path, body).await.unwrap().expect(200).unwrap();
    }

    pub(super) async fn undo(&mut self) -> Answer {
        self.decide("undo").await
    }

    /// Decides about Ada, by the id under which she was held.
    async fn decide(&mut self, decision: &str) -> Answer {
        let holds = self.items("/holds").await;
        assert_eq!(holds.len(), 1, "{holds:?}");
        let hold = holds[0]["id"].as_str().unwrap();
        let path = format!("/workspaces/{WORKSPACE}/holds/{hold}/{decision}");
        self.api.post(&path, json!({ "users": [self.ada] })).await.unwrap()
    }

    async fn items(&mut self, path: &str) -> Vec<Value> {
        crate::get(&mut self.api, path).await["items"].as_array().unwrap().clone()
    }

    /// The states of Ada's offboardings, the last one first.
    pub(super) async fn offboardings(&mut self) -> Vec<String> {
        let path = format!("/offboardings?user={}", self.ada);
        texts(&self.items(&path).await, "state")
    }

    /// How many people have an account.
    pub(super) async fn accounts(&mut self) -> usize {
        self.items("/mdm/users").await.len()
    }

    pub(super) async fn account(&mut self) -> String {
        let path = format!("/mdm/users/{}", self.ada);
        crate::get(&mut self.api, &path).await["account"].as_str().unwrap().to_owned()
    }

    /// How far the last effect on each device has come.
    pub(super) async fn effects(&mut self) -> Vec<String> {
        states(&effects(&mut self.api).await.unwrap(), &self.device_ids)
    }

    /// The last effect on each device.
    pub(super) async fn effect_ids(&mut self) -> [String; 2] {
        let all = effects(&mut self.api).await.unwrap();
        let of = |device: &String| {
            let last = all.iter().rev().find(|it| it["device"] == **device).unwrap();
            last["id"].as_str().unwrap().to_owned()
        };
        self.device_ids.each_ref().map(of)
    }

    async fn each_device(&mut self) -> Vec<Value> {
        let mut devices = Vec::new();
        for id in self.device_ids.clone() {
            devices.push(crate::get(&mut self.api, &format!("/mdm/devices/{id}")).await);
        }
        devices
    }

    pub(super) async fn devices(&mut self) -> Vec<String> {
        texts(&self.each_device().await, "state")
    }

    /// Who has each device.
    pub(super) async fn owners(&mut self) -> Vec<Option<String>> {
        let devices = self.each_device().await;
        devices.iter().map(|it| it["user"].as_str().map(str::to_owned)).collect()
    }

    /// How many orders have reached each service.
    pub(super) fn orders(&self) -> [usize; 2] {
        [self.takes.orders().len(), self.is_down.orders().len()]
    }

    /// Both services are well from now on, and nothing is left to be done. What was taken is asked about
    /// after a restart at once, and what has failed is tried again on request.
    pub(super) async fn go_on_to_the_end(&mut self) {
        self.takes.with(|it| {
            it.settle();
            it.at_once = true;
        });
        self.is_down.does_well();
        for effect in self.items("/effects?state=failed").await {
            self.steer(effect["id"].as_str().unwrap(), "retry", json!({})).await;
        }
        self.server.kill().await.unwrap();
        self.server.restart().await.unwrap();
        self.api = self.server.api().unwrap();
        self.ended().await;
    }

    /// Waits until nothing is under way.
    pub(super) async fn ended(&mut self) {
        all_ended(&mut self.api, WORKSPACE).await.unwrap();
    }

    /// Ada is back, for that reason: what was not taken is taken back, and what was taken is done.
    pub(super) async fn is_taken_back_as_far_as_it_goes(&mut self, because: &str) {
        self.is_back(because).await;
        assert_eq!(self.effects().await, ["acknowledged", "cancelled"]);
        self.go_on_to_the_end().await;
        self.is_back(because).await;
        assert_eq!(self.effects().await, ["confirmed", "cancelled"]);
        assert_eq!(self.devices().await, ["removed", "enrolled"]);
        assert_eq!(self.owners().await, [None, Some(self.ada.clone())]);
        assert_eq!(self.orders(), [1, 1]);
    }

    /// Ada is back, for that reason, before anything was sent.
    pub(super) async fn nothing_has_happened(&mut self, because: &str) {
        self.is_back(because).await;
        assert!(effects(&mut self.api).await.unwrap().is_empty());
        assert_eq!(self.devices().await, ["enrolled", "enrolled"]);
        let theirs = Some(self.ada.clone());
        assert_eq!(self.owners().await, [theirs.clone(), theirs]);
        assert_eq!(self.orders(), [0, 0]);
    }

    async fn is_back(&mut self, because: &str) {
        let path = format!("/offboardings?user={}", self.ada);
        let offboardings = self.items(&path).await;
        assert_eq!(texts(&offboardings, "state"), ["cancelled"]);
        assert_eq!(texts(&offboardings, "cancelled_because"), [because]);
        assert_eq!(self.account().await, "active");
    }
}

async fn effects(api: &mut Client) -> anyhow::Result<Vec<Value>> {
    let list = api.get(&format!("/workspaces/{WORKSPACE}/effects")).await?.expect(200)?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

/// The state of the last effect on each of these devices.
fn states(effects: &[Value], devices: &[String]) -> Vec<String> {
    let last = |device: &String| effects.iter().rev().find(|it| it["device"] == **device);
    texts(&devices.iter().filter_map(last).cloned().collect::<Vec<_>>(), "state")
}

fn texts(items: &[Value], name: &str) -> Vec<String> {
    items.iter().map(|it| it[name].as_str().unwrap_or_default().to_owned()).collect()
}
