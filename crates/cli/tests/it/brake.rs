//! The brake on mass deprovisioning (rule 27): what is held, what is counted, and what a person
//! decides.

use serde_json::{Value, json};
use testkit::{
    Client, Server,
    record::Record,
    scim,
    setup::{self, Connector},
    together, until,
};

use crate::{WORKSPACE, get, start_with_workspace};

/// A rule that removes, with a brake.
fn rule(on_deactivate: &str, brake: &Value) -> Value {
    json!({ "on_create": "create", "on_deactivate": on_deactivate, "brake": brake })
}

/// So many people in an hour, whatever share that is.
fn at_most(count: u32) -> Value {
    json!({ "count": count, "share": 1, "share_from": 1, "window_minutes": 60 })
}

struct Scene {
    server: Server,
    api: Client,
    connector: Connector,
    people: &'static str,
    users: Vec<String>,
}

impl Scene {
    /// A connector with so many people.
    async fn of(count: usize, portal: &str, on_deactivate: &str, brake: &Value) -> Self {
        let (server, mut api) = start_with_workspace().await;
        let rule = rule(on_deactivate, brake);
        let made = setup::connector(&mut api, WORKSPACE, portal, "generic", rule).await;
        let people = match portal {
            "dashboard" => "/collaborators",
            "store" => "/employees",
            _ => "/mdm/users",
        };
        let connector = made.unwrap();
        let mut scene = Self { server, api, connector, people, users: Vec::new() };
        let mut client = scene.client();
        for number in 0..count {
            let user = scim::user(&format!("user-{number}@acme.example"));
            scene.users.push(client.post("/Users", user).await.unwrap().made().unwrap());
        }
        scene
    }

    fn client(&self) -> Client {
        self.connector.client().unwrap()
    }

    /// SCIM answers as always, whatever is held.
    async fn set_active(&self, user: &str, active: bool) {
        let answer = self.client().patch(&format!("/Users/{user}"), scim::active(active)).await;
        let shown = answer.unwrap().expect(200).unwrap();
        assert_eq!(shown["active"], active);
    }

    /// Deactivates everybody, one after the other.
    async fn deactivate_all(&self) {
        for user in &self.users {
            self.set_active(user, false).await;
        }
    }

    async fn get(&mut self, path: &str) -> Value {
        get(&mut self.api, path).await
    }

    async fn items(&mut self, path: &str) -> Vec<Value> {
        self.get(path).await["items"].as_array().unwrap().clone()
    }

    async fn accounts(&mut self) -> Vec<String> {
        let mut states = Vec::new();
        for user in self.users.clone() {
            let path = format!("{}/{user}", self.people);
            states.push(self.get(&path).await["account"].as_str().unwrap().to_owned());
        }
        states
    }

    /// Waits until so many accounts are in a state.
    async fn until(&mut self, count: usize, state: &str) {
        let what = format!("{count} accounts are {state}");
        let people = format!("/workspaces/{WORKSPACE}{}?account=any&limit=1000", self.people);
        let api = &mut self.api;
        let reached = async || {
            let list = api.get(&people).await?.expect(200)?;
            let items = list["items"].as_array().cloned().unwrap_or_default();
            let found = items.iter().filter(|it| it["account"] == state).count();
            Ok((found == count).then_some(()))
        };
        until(&what, reached).await.unwrap();
    }

    /// The one hold that there is.
    async fn hold(&mut self) -> Value {
        let mut holds = self.items("/holds").await;
        assert_eq!(holds.len(), 1, "{holds:?}");
        holds.remove(0)
    }

    async fn decide(&mut self, hold: &Value, decision: &str, users: Option<&[&String]>) -> Value {
        let path = format!("{}/{decision}", path_of(hold));
        let body = users.map_or(json!({}), |users| json!({ "users": users }));
        self.api.post(&path, body).await.unwrap().expect(200).unwrap()
    }

    /// The people of a hold in a state.
    async fn held(&mut self, hold: &Value, state: &str) -> Vec<String> {
        let path =
            format!("/holds/{}/users?state={state}&limit=1000", hold["id"].as_str().unwrap());
        let people = self.items(&path).await;
        people.iter().map(|it| it["user"].as_str().unwrap().to_owned()).collect()
    }
}

fn path_of(hold: &Value) -> String {
    format!("/workspaces/{WORKSPACE}/holds/{}", hold["id"].as_str().unwrap())
}

#[tokio::test]
async fn rule_27_beyond_the_limit_nothing_is_removed_before_a_person_approves() {
    let mut scene = Scene::of(7, "mdm", "remove_user_and_devices", &at_most(3)).await;
    let mut devices = Vec::new();
    for (number, user) in scene.users.clone().iter().enumerate() {
        let serial = format!("S-{number}");
        let device = setup::device(&mut scene.api, WORKSPACE, &serial, Some(user)).await.unwrap();
        devices.push(format!("/mdm/devices/{device}"));
    }
    scene.deactivate_all().await;
    scene.until(3, "removed").await;
    assert_eq!(scene.accounts().await[3..], ["suspended"; 4]);

    let hold = scene.hold().await;
    assert_eq!((&hold["state"], &hold["because"]), (&json!("open"), &json!("brake")));
    assert_eq!(hold["connector"], "mdm");
    let detail = hold["detail"].as_str().unwrap();
    assert!(detail.contains("more than 3 people within 60 minutes"), "{detail}");
    assert_eq!(hold["people"], json!({"held": 4, "started": 0, "completed": 0, "cancelled": 0}));
    assert_eq!(scene.held(&hold, "held").await, scene.users[3..]);
    for device in &devices[3..] {
        assert_eq!(scene.get(device).await["state"], "enrolled");
    }
    let held = scene.items("/offboardings?state=held").await;
    assert_eq!((held.len(), &held[0]["hold"]), (4, &hold["id"]));
    let mut root = Client::new(scene.server.url(), "").unwrap();
    let ready = root.get("/readyz").await.unwrap().expect(200).unwrap();
    assert_eq!(ready["warnings"], json!(["4 offboarding(s) are held for a person to decide"]));
    assert!(ready["status"] == "ready", "{ready}");

    // Some are approved, some undone, the rest approved without being named.
    let users = scene.users.clone();
    let after = scene.decide(&hold, "approve", Some(&[&users[3]])).await;
    assert_eq!((&after["state"], &after["people"]["held"]), (&json!("open"), &json!(3)));
    scene.until(4, "removed").await;
    assert_eq!(scene.get(&devices[3]).await["state"], "removed");
    let after = scene.decide(&hold, "undo", Some(&[&users[4]])).await;
    assert_eq!((&after["people"]["held"], &after["people"]["cancelled"]), (&json!(2), &json!(1)));
    assert_eq!(scene.accounts().await[4], "active");
    assert_eq!(scene.get(&devices[4]).await["state"], "enrolled");
    let after = scene.decide(&hold, "approve", None).await;
    assert_eq!((&after["state"], &after["people"]["held"]), (&json!("decided"), &json!(0)));
    scene.until(6, "removed").await;
    let states = scene.accounts().await;
    assert_eq!(states[4], "active", "{states:?}");

    // Asked again, nothing more happens; what is too late is refused.
    let record = Record::whole(&mut scene.api, WORKSPACE).await.unwrap();
    scene.decide(&hold, "approve", Some(&[&users[3]])).await;
    scene.decide(&hold, "undo", Some(&[&users[4]])).await;
    for (decision, user) in [("undo", &users[3]), ("approve", &users[4]), ("approve", &users[0])] {
        let path = format!("{}/{decision}", path_of(&hold));
        let refused = scene.api.post(&path, json!({ "users": [user] })).await.unwrap();
        let detail = refused.expect(409).unwrap()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(user.as_str()), "{detail}");
    }
    let again = Record::whole(&mut scene.api, WORKSPACE).await.unwrap();
    assert_eq!(record.events.len(), again.events.len());
    // Every decision says who made it.
    for name in ["user.offboarding_approved", "user.offboarding_cancelled"] {
        assert!(again.of(name).count() > 0);
        assert!(again.of(name).all(|event| event.text("actor").starts_with("person:")), "{name}");
    }
}

#[tokio::test]
async fn rule_27_the_people_of_a_removed_connector_are_held_like_any_others() {
    let mut scene = Scene::of(5, "store", "remove_user", &at_most(2)).await;
    let path = format!("/workspaces/{WORKSPACE}/connectors/store?people=deactivate");
    scene.api.delete(&path).await.unwrap().expect(204).unwrap();
    scene.until(2, "removed").await;
    scene.until(3, "suspended").await;
    let hold = scene.hold().await;
    assert_eq!(hold["people"], json!({"held": 3, "started": 0, "completed": 0, "cancelled": 0}));
    scene.decide(&hold, "approve", None).await;
    scene.until(5, "removed").await;
}

#[tokio::test]
async fn rule_27_whoever_is_undone_stays_until_a_new_deactivation() {
    let mut scene = Scene::of(2, "store", "remove_user", &at_most(1)).await;
    scene.deactivate_all().await;
    scene.until(1, "removed").await;
    let (hold, user) = (scene.hold().await, scene.users[1].clone());
    scene.decide(&hold, "undo", None).await;
    // The entry is as the IdP left it; that it says so again is no new deactivation.
    let entry = scene.client().get(&format!("/Users/{user}")).await.unwrap().expect(200).unwrap();
    assert_eq!(entry["active"], false);
    scene.set_active(&user, false).await;
    assert_eq!(scene.accounts().await[1], "active");
    let offboardings = scene.items(&format!("/offboardings?user={user}")).await;
    assert_eq!(offboardings.len(), 1);
    assert_eq!(offboardings[0]["cancelled_because"], "undone");

    // Whom a person has taken back does not count: one of the two is all that ever went.
    scene.set_active(&user, true).await;
    scene.set_active(&user, false).await;
    let offboardings = scene.items(&format!("/offboardings?user={user}")).await;
    assert_eq!((offboardings.len(), &offboardings[0]["state"]), (2, &json!("held")));
    let open = scene.items("/holds?state=open").await;
    assert_eq!(open.len(), 1);
    assert_ne!(open[0]["id"], hold["id"], "what was decided stays decided");
    assert_eq!(scene.items("/holds?state=decided").await[0]["id"], hold["id"]);

    // The IdP may take it back itself.
    scene.set_active(&user, true).await;
    assert_eq!(scene.accounts().await[1], "active");
    assert!(scene.items("/holds?state=open").await.is_empty());
}

#[tokio::test]
async fn rule_27_a_share_of_its_people_is_enough_once_a_connector_has_some() {
    for (count, passed) in [(25, 5), (19, 19)] {
        let brake = json!({ "count": 50, "share": 0.2, "share_from": 20, "window_minutes": 60 });
        let mut scene = Scene::of(count, "dashboard", "remove_user", &brake).await;
        // All at once: however they come, exactly the limit passes.
        let requests = scene.users.iter().map(|user| {
            let (mut client, path) = (scene.client(), format!("/Users/{user}"));
            async move { client.patch(&path, scim::active(false)).await?.expect(200) }
        });
        together(requests.collect::<Vec<_>>()).await.unwrap();
        scene.until(passed, "removed").await;
        let states = scene.accounts().await;
        let suspended = states.iter().filter(|state| *state == "suspended").count();
        assert_eq!(suspended, count - passed, "{states:?}");
        if passed < count {
            let hold = scene.hold().await;
            let detail = hold["detail"].as_str().unwrap();
            assert!(detail.contains("more than 5 people of the 25 it had"), "{detail}");
            assert_eq!(scene.held(&hold, "held").await.len(), 20);
        } else {
            assert!(scene.items("/holds").await.is_empty());
        }
    }
}

#[tokio::test]
async fn rule_27_deletions_count_and_a_restart_forgets_nothing() {
    let mut scene = Scene::of(6, "store", "remove_user", &at_most(2)).await;
    let users = scene.users.clone();
    let mut client = scene.client();
    for user in &users[..2] {
        client.delete(&format!("/Users/{user}")).await.unwrap().expect(204).unwrap();
    }
    scene.until(2, "removed").await;
    scene.server.kill().await.unwrap();
    scene.server.restart().await.unwrap();
    scene.api = scene.server.api().unwrap();
    scene.connector = scene.connector.at(&scene.server);
    scene.set_active(&users[2], false).await;
    let mut client = scene.client();
    client.delete(&format!("/Users/{}", users[3])).await.unwrap().expect(204).unwrap();
    assert_eq!(scene.accounts().await[2..4], ["suspended"; 2]);
    let hold = scene.hold().await;
    assert_eq!(scene.held(&hold, "held").await, users[2..4]);

    // Killed again with what is held, the hold stands, and more joins it.
    scene.server.kill().await.unwrap();
    scene.server.restart().await.unwrap();
    scene.api = scene.server.api().unwrap();
    scene.connector = scene.connector.at(&scene.server);
    scene.set_active(&users[4], false).await;
    assert_eq!(scene.hold().await["id"], hold["id"]);
    assert_eq!(scene.held(&hold, "held").await, users[2..5]);
    scene.decide(&hold, "approve", None).await;
    scene.until(5, "removed").await;
}

#[tokio::test]
async fn rule_27_what_can_be_taken_back_is_not_held_and_off_is_off() {
    let mut scene = Scene::of(4, "mdm", "unassign", &at_most(1)).await;
    let mut devices = Vec::new();
    for (number, user) in scene.users.clone().iter().enumerate() {
        let serial = format!("S-{number}");
        let device = setup::device(&mut scene.api, WORKSPACE, &serial, Some(user)).await.unwrap();
        devices.push(format!("/mdm/devices/{device}"));
    }
    scene.deactivate_all().await;
    testkit::all_ended(&mut scene.api, WORKSPACE).await.unwrap();
    for device in &devices {
        assert_eq!(scene.get(device).await["user"], Value::Null);
    }
    assert!(scene.items("/holds").await.is_empty());

    let mut scene = Scene::of(4, "store", "remove_user", &json!("off")).await;
    scene.deactivate_all().await;
    scene.until(4, "removed").await;
    assert!(scene.items("/holds").await.is_empty());
}

#[tokio::test]
async fn rule_27_people_of_a_connector_that_is_removed_are_held_as_well() {
    let mut scene = Scene::of(5, "store", "remove_user", &at_most(2)).await;
    let path = format!("/workspaces/{WORKSPACE}/connectors/store?people=deactivate");
    scene.api.delete(&path).await.unwrap().expect(204).unwrap();
    scene.until(2, "removed").await;
    scene.until(3, "suspended").await;
    let hold = scene.hold().await;
    assert_eq!(hold["people"]["held"], 3);
    scene.decide(&hold, "undo", None).await;
    scene.until(3, "active").await;
}

#[tokio::test]
async fn rule_10_an_owner_waits_in_a_hold_of_their_own() {
    let mut scene = Scene::of(0, "dashboard", "remove_user", &at_most(0)).await;
    let collaborators = format!("/workspaces/{WORKSPACE}/collaborators");
    for name in ["ada", "bob"] {
        let name = format!("{name}@acme.example");
        let owner = json!({ "user_name": name, "role": "owner" });
        scene.api.post(&collaborators, owner).await.unwrap().made().unwrap();
        let user = scene.client().post("/Users", scim::user(&name)).await.unwrap().made().unwrap();
        scene.users.push(user);
    }
    scene.deactivate_all().await;
    assert_eq!(scene.accounts().await, ["active"; 2]);
    let holds = scene.items("/holds").await;
    assert_eq!(holds.len(), 2);
    assert!(holds.iter().all(|hold| hold["because"] == "owner"), "{holds:?}");
    scene.decide(&holds[1], "approve", None).await;
    scene.decide(&holds[0], "undo", None).await;
    scene.until(1, "removed").await;
    assert_eq!(scene.accounts().await, ["removed", "active"]);
}

#[tokio::test]
async fn holds_are_seen_and_decided_from_the_command_line() {
    let mut scene = Scene::of(3, "store", "remove_user", &at_most(1)).await;
    scene.deactivate_all().await;
    scene.until(1, "removed").await;
    let hold = scene.hold().await["id"].as_str().unwrap().to_owned();
    let url = scene.server.url().to_owned();
    let command = async |arguments: &[&str]| {
        let common = ["--workspace", WORKSPACE, "--url", &url];
        let all: Vec<_> = arguments.iter().chain(&common).copied().collect();
        scene.server.command(&all).await.unwrap()
    };
    let (code, text) = command(&["hold", "list", "--state", "open"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&hold) && text.contains("brake"), "{text}");
    let (code, text) = command(&["hold", "users", &hold]).await;
    assert!(code == Some(0) && text.contains("user-1@acme.example"), "{text}");
    let (code, text) = command(&["hold", "approve", &hold]).await;
    assert!(code == Some(2) && text.contains("--yes"), "{text}");
    let one = scene.users[1].as_str();
    let (code, text) = command(&["hold", "undo", &hold, "--user", one, "--json"]).await;
    assert!(code == Some(0) && text.contains("\"cancelled\":1"), "{text}");
    let (code, text) = command(&["hold", "approve", &hold, "--yes"]).await;
    assert_eq!(code, Some(0), "{text}");
    scene.until(2, "removed").await;
    assert_eq!(scene.accounts().await[1], "active");
}

#[tokio::test]
async fn a_brake_is_set_from_the_command_line() {
    let scene = Scene::of(0, "store", "remove_user", &json!("off")).await;
    let url = scene.server.url().to_owned();
    let set = async |brake: &str| {
        let of = ["connector", "provisioning", "store", "--brake", brake, "--json"];
        let common = ["--workspace", WORKSPACE, "--url", &url];
        let all: Vec<_> = of.iter().chain(&common).copied().collect();
        scene.server.command(&all).await.unwrap()
    };
    let (code, text) = set("count=10,window_minutes=30").await;
    assert_eq!(code, Some(0), "{text}");
    let rule: Value = serde_json::from_str(&text).unwrap();
    let brake = json!({ "count": 10, "share": 0.2, "share_from": 20, "window_minutes": 30 });
    assert_eq!((&rule["brake"], &rule["on_deactivate"]), (&brake, &json!("remove_user")));
    let (code, text) = set("off").await;
    assert!(code == Some(0) && text.contains("\"brake\":\"off\""), "{text}");
    for bad in ["on", "count=ten", "counts=10"] {
        let (code, text) = set(bad).await;
        assert!(code == Some(2) || code == Some(1), "{bad}: {text}");
    }
}

/// Of two decisions at the same time the one that is answered 200 has been carried out.
#[tokio::test]
async fn rule_27_of_two_decisions_at_once_none_is_granted_that_was_not_made() {
    let mut scene = Scene::of(12, "store", "remove_user", &at_most(0)).await;
    scene.deactivate_all().await;
    let hold = scene.hold().await;
    assert_eq!(scene.held(&hold, "held").await.len(), 12);
    let users = scene.users.clone();
    let asked = users.iter().flat_map(|user| ["approve", "undo"].map(|it| (user.clone(), it)));
    let path = path_of(&hold);
    let requests = asked.map(|(user, decision)| {
        let (mut api, path) = (scene.server.api().unwrap(), format!("{path}/{decision}"));
        async move {
            let answer = api.post(&path, json!({ "users": [user] })).await?;
            Ok((user, decision, answer.status))
        }
    });
    let answers = together(requests.collect::<Vec<_>>()).await.unwrap();
    testkit::all_ended(&mut scene.api, WORKSPACE).await.unwrap();
    for (user, state) in users.iter().zip(scene.accounts().await) {
        let granted = |decision| answers.contains(&(user.clone(), decision, 200));
        // Whoever is approved may be undone after it, not the other way round.
        assert_eq!(state == "active", granted("undo"), "{user}: {answers:?}");
        assert!(granted("approve") || granted("undo"), "{user}: {answers:?}");
    }
    assert!(answers.iter().all(|(.., status)| [200, 409].contains(status)), "{answers:?}");
}
