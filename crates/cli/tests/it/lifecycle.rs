//! The life of a workspace as its people see it: the first five minutes of the README, people who
//! come back, people who are deleted and come again, members who are awaited.

use serde_json::{Value, json};
use testkit::{Client, Server, all_ended, record::Record, scim, setup, together, until};

use crate::{WORKSPACE, get, mdm, start_with_workspace};

/// What the demo prints as `export NAME=value`.
fn exported(server: &Server, name: &str) -> String {
    let words = server.printed().iter().filter(|line| line.contains("export "));
    let mut words = words.flat_map(|line| line.split_whitespace());
    let value = words.find_map(|word| word.strip_prefix(&format!("{name}=")));
    value.unwrap().to_owned()
}

#[tokio::test]
async fn the_first_five_minutes_of_the_readme() {
    let server = Server::demo(env!("CARGO_BIN_EXE_muster")).await.unwrap();
    let mut scim =
        Client::new(&exported(&server, "SCIM"), &exported(&server, "SCIM_TOKEN")).unwrap();
    let mut api =
        Client::new(&exported(&server, "API"), &exported(&server, "MUSTER_TOKEN")).unwrap();

    let user = json!({
        "schemas": [scim::USER], "userName": "ada@acme.example",
        "name": { "givenName": "Ada", "familyName": "Lovelace" },
        "emails": [{ "value": "ada@acme.example", "type": "work", "primary": true }],
    });
    let id = scim.post("/Users", user).await.unwrap().made().unwrap();
    let account = api.get(&format!("/mdm/users/{id}")).await.unwrap().expect(200).unwrap();
    assert_eq!(
        (&account["account"], &account["email"]),
        (&json!("active"), &json!("ada@acme.example"))
    );

    let devices = api.get("/mdm/devices").await.unwrap().expect(200).unwrap();
    let device = devices["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/mdm/devices/{device}");
    let assigned = api.patch(&path, json!({ "user": id })).await.unwrap().expect(200).unwrap();
    assert_eq!(assigned["user"], id.as_str());

    let deactivate = scim::patch(json!([{ "op": "Replace", "path": "active", "value": "False" }]));
    let mut scim = scim.with_header("x-request-id", "five-minutes").unwrap();
    scim.patch(&format!("/Users/{id}"), deactivate).await.unwrap().expect(200).unwrap();
    let completed = async || {
        let offboardings = api.get("/offboardings").await?.expect(200)?;
        let it = offboardings["items"][0].clone();
        Ok((it["state"] == "completed").then_some(it))
    };
    let offboarding = until("the offboarding is completed", completed).await.unwrap();
    assert_eq!((&offboarding["done"], &offboarding["total"]), (&json!(1), &json!(1)));
    let device = api.get(&path).await.unwrap().expect(200).unwrap();
    assert_eq!((&device["user"], &device["state"]), (&Value::Null, &json!("enrolled")));
    let account = api.get(&format!("/mdm/users/{id}")).await.unwrap().expect(200).unwrap();
    assert_eq!(account["account"], "removed");

    one_correlation(&mut server.api().unwrap()).await;
    let (code, text) = server.command(&["audit", "log", "--workspace", WORKSPACE]).await.unwrap();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("device.action_confirmed") && text.contains("user.account_removed"));
}

/// One correlation id from the request to the last effect, each event with what caused it.
async fn one_correlation(api: &mut Client) {
    let record = Record::whole(api, WORKSPACE).await.unwrap();
    let events = record.events.into_iter();
    let events: Vec<_> = events.filter(|it| it.text("correlation") == "five-minutes").collect();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "user.entry_deactivated",
            "user.offboarding_started",
            "user.account_suspended",
            "user.offboarding_planned",
            "device.action_requested",
            "device.action_sent",
            "device.action_acknowledged",
            "device.action_confirmed",
            "device.unassigned",
            "user.account_removed",
            "user.offboarding_completed",
        ]
    );
    let actors: Vec<_> =
        events.iter().map(|it| it.text("actor").split([':', '/']).next()).collect();
    let by = |actor, count| std::iter::repeat_n(Some(actor), count);
    let wanted = by("connector", 3).chain(by("policy", 2)).chain(by("reactor", 4));
    assert_eq!(actors, wanted.chain(by("policy", 2)).collect::<Vec<_>>());
    assert!(events[..3].iter().all(|event| event.json["causation"].is_null()));
    for event in &events[3..] {
        let cause = event.json["causation"].as_u64().unwrap();
        assert!(
            events.iter().any(|it| it.position == cause && cause < event.position),
            "{event:?}"
        );
    }
    let rule = &events[0].json["rule"];
    assert_eq!(rule["on_deactivate"], "remove_user");
    assert!(rule["position"].as_u64().unwrap() < events[0].position);
}

#[tokio::test]
async fn a_reactivation_in_the_middle_leaves_an_open_account_and_nothing_half_done() {
    const PEOPLE: usize = 8;
    let (_server, mut api, connector) = mdm("remove_user").await;
    let mut client = connector.client().unwrap();
    let mut people = Vec::new();
    for index in 0..PEOPLE {
        let user = scim::user(&format!("person{index}@acme.example"));
        let id = client.post("/Users", user).await.unwrap().made().unwrap();
        for device in ["a", "b"] {
            let serial = format!("{index}-{device}");
            setup::device(&mut api, WORKSPACE, &serial, Some(&id)).await.unwrap();
        }
        people.push(id);
    }
    let flicker = |id: String| {
        let connector = connector.clone();
        async move {
            let mut client = connector.client()?;
            for _ in 0..4 {
                for active in [false, true] {
                    client
                        .patch(&format!("/Users/{id}"), scim::active(active))
                        .await?
                        .expect(200)?;
                }
            }
            Ok(())
        }
    };
    together(people.iter().cloned().map(flicker)).await.unwrap();
    all_ended(&mut api, WORKSPACE).await.unwrap();

    for id in &people {
        let account = get(&mut api, &format!("/mdm/users/{id}")).await;
        assert_eq!(account["account"], "active", "{account}");
        assert_eq!(account["offboarding"], Value::Null);
    }
    let record = Record::whole(&mut api, WORKSPACE).await.unwrap();
    let started = record.of("user.offboarding_started").count();
    assert_eq!(started, PEOPLE * 4);
    let ended = record.of("user.offboarding_completed").count();
    let cancelled = record.of("user.offboarding_cancelled").count();
    assert_eq!(ended + cancelled, started);
    // What was requested has ended, once, and only what was confirmed has had an effect.
    let requested = record.of("device.action_requested").count();
    let confirmed = record.of("device.action_confirmed").count();
    assert_eq!(confirmed + record.of("device.action_cancelled").count(), requested);
    let devices = get(&mut api, "/mdm/devices").await;
    let devices = devices["items"].as_array().unwrap();
    let unassigned = devices.iter().filter(|device| device["user"].is_null()).count();
    assert_eq!(record.of("device.unassigned").count(), unassigned, "each went once");
    // The second offboarding of a person finds no device that the first one has taken away.
    assert!(confirmed >= unassigned);
}

#[tokio::test]
async fn an_owner_is_held_for_a_person_to_decide_and_comes_back_untouched() {
    let (_server, mut api) = start_with_workspace().await;
    let rule = setup::create_and("remove_user");
    let connector = setup::connector(&mut api, WORKSPACE, "dashboard", "okta", rule).await.unwrap();
    let mut client = connector.client().unwrap();
    let owner = json!({ "user_name": "boss@acme.example", "role": "owner" });
    let path = format!("/workspaces/{WORKSPACE}/collaborators");
    let account = api.post(&path, owner).await.unwrap().made().unwrap();

    let user = scim::user("Boss@acme.example");
    let id = client.post("/Users", user).await.unwrap().made().unwrap();
    let path = format!("/collaborators/{id}");
    let adopted = get(&mut api, &path).await;
    assert_eq!((&adopted["id"], &adopted["role"]), (&json!(account), &json!("owner")));
    let entry = format!("/Users/{id}");
    client.patch(&entry, scim::active(false)).await.unwrap().expect(200).unwrap();
    assert_eq!(get(&mut api, &path).await["account"], "active");
    let held = get(&mut api, &format!("/offboardings?user={id}")).await;
    assert_eq!(held["items"][0]["state"], "held");

    client.patch(&entry, scim::active(true)).await.unwrap().expect(200).unwrap();
    let after = get(&mut api, &path).await;
    assert_eq!((&after["account"], &after["role"]), (&json!("active"), &json!("owner")));
    let held = get(&mut api, &format!("/offboardings?user={id}")).await;
    assert_eq!(held["items"][0]["state"], "cancelled");
}

#[tokio::test]
async fn a_device_that_is_assigned_to_somebody_who_left_gets_the_rule_as_well() {
    let (_server, mut api, connector) = mdm("unassign").await;
    let mut client = connector.client().unwrap();
    let user = scim::user("ada@acme.example");
    let id = client.post("/Users", user).await.unwrap().made().unwrap();
    let path = format!("/Users/{id}");
    client.patch(&path, scim::active(false)).await.unwrap().expect(200).unwrap();
    all_ended(&mut api, WORKSPACE).await.unwrap();
    let device = setup::device(&mut api, WORKSPACE, "late", Some(&id)).await.unwrap();
    let unassigned = async || {
        let path = format!("/workspaces/{WORKSPACE}/mdm/devices/{device}");
        let device = api.get(&path).await?.expect(200)?;
        Ok(device["user"].is_null().then_some(()))
    };
    until("the device is unassigned", unassigned).await.unwrap();

    // Active again, they keep what they get.
    client.patch(&path, scim::active(true)).await.unwrap().expect(200).unwrap();
    let path = format!("/workspaces/{WORKSPACE}/mdm/devices/{device}");
    api.patch(&path, json!({ "user": id })).await.unwrap().expect(200).unwrap();
    all_ended(&mut api, WORKSPACE).await.unwrap();
    assert_eq!(get(&mut api, &format!("/mdm/devices/{device}")).await["user"], id.as_str());
}

#[tokio::test]
async fn nobody_whose_account_is_removed_gets_a_device() {
    let (_server, mut api, connector) = mdm("remove_user").await;
    let mut client = connector.client().unwrap();
    let id = client.post("/Users", scim::user("ada@acme.example")).await.unwrap().made().unwrap();
    client.patch(&format!("/Users/{id}"), scim::active(false)).await.unwrap().expect(200).unwrap();
    all_ended(&mut api, WORKSPACE).await.unwrap();
    let device = setup::device(&mut api, WORKSPACE, "spare", None).await.unwrap();
    let path = format!("/workspaces/{WORKSPACE}/mdm/devices/{device}");
    api.patch(&path, json!({ "user": id })).await.unwrap().expect(409).unwrap();
}

#[tokio::test]
async fn somebody_who_arrives_inactive_has_no_account_until_they_are_activated() {
    let (_server, mut api, connector) = mdm("remove_user").await;
    let mut client = connector.client().unwrap();
    let mut user = scim::user("ada@acme.example");
    user["active"] = json!(false);
    let id = client.post("/Users", user).await.unwrap().made().unwrap();
    let path = format!("/mdm/users/{id}");
    assert_eq!(get(&mut api, &path).await["account"], "none");
    client.patch(&format!("/Users/{id}"), scim::active(true)).await.unwrap().expect(200).unwrap();
    assert_eq!(get(&mut api, &path).await["account"], "active");
}

#[tokio::test]
async fn a_user_who_is_deleted_and_comes_again_has_a_new_id_and_no_memberships() {
    let (_server, mut api, connector) = mdm("remove_user").await;
    let mut client = connector.client().unwrap();
    let user = || scim::user("ada@acme.example");
    let id = client.post("/Users", user()).await.unwrap().made().unwrap();
    let group = scim::group("Everybody", std::slice::from_ref(&id));
    let group = client.post("/Groups", group).await.unwrap().made().unwrap();
    client.delete(&format!("/Users/{id}")).await.unwrap().expect(204).unwrap();
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let body = if method == "PATCH" { scim::active(true) } else { user() };
        let answer = client.send(method, &format!("/Users/{id}"), body.to_string().into()).await;
        answer.unwrap().expect_scim_error(404, None).unwrap();
    }
    let again = client.post("/Users", user()).await.unwrap().made().unwrap();
    assert_ne!(again, id);
    all_ended(&mut api, WORKSPACE).await.unwrap();
    assert_eq!(scim::members(&mut client, &group).await.unwrap(), [""; 0]);
    let account = get(&mut api, &format!("/mdm/users/{again}")).await;
    assert_eq!(account["account"], "active");
}

#[tokio::test]
async fn a_user_who_comes_again_takes_up_the_account_that_still_stands() {
    let (_server, mut api, connector) = mdm("nothing").await;
    let mut client = connector.client().unwrap();
    let user = || scim::user("ada@acme.example");
    let id = client.post("/Users", user()).await.unwrap().made().unwrap();
    let account = get(&mut api, &format!("/mdm/users/{id}")).await["id"].clone();
    client.delete(&format!("/Users/{id}")).await.unwrap().expect(204).unwrap();
    let again = client.post("/Users", user()).await.unwrap().made().unwrap();
    assert_ne!(again, id);
    let after = get(&mut api, &format!("/mdm/users/{again}")).await;
    assert_eq!((&after["id"], &after["account"]), (&account, &json!("active")));
    assert_eq!(after["scim"], json!([{ "connector": "mdm", "id": again, "active": true }]));
}

#[tokio::test]
async fn a_pending_member_is_one_when_somebody_arrives_whom_it_names() {
    let (_server, mut api, connector) = mdm("nothing").await;
    let mut client = connector.client().unwrap();
    let members = ["ADA@acme.example".to_owned(), "external-7".to_owned(), "nobody".to_owned()];
    let group = client.post("/Groups", scim::group("Awaited", &members)).await.unwrap();
    let group = group.made().unwrap();
    assert_eq!(scim::members(&mut client, &group).await.unwrap(), [""; 0]);
    let pending = get(&mut api, &format!("/mdm/groups/{group}/pending")).await;
    assert_eq!(pending["items"].as_array().unwrap().len(), 3);

    let ada = client.post("/Users", scim::user("ada@acme.example")).await.unwrap().made().unwrap();
    let mut bob = scim::user("bob@acme.example");
    bob["externalId"] = json!("external-7");
    let bob = client.post("/Users", bob).await.unwrap().made().unwrap();
    // Reads of the API wait for what follows from events; SCIM then shows it too.
    let pending = get(&mut api, &format!("/mdm/groups/{group}/pending")).await;
    let left: Vec<_> = pending["items"].as_array().unwrap().iter().map(|it| &it["value"]).collect();
    assert_eq!(left, ["nobody"]);
    let mut wanted = [ada.clone(), bob];
    wanted.sort();
    assert_eq!(scim::members(&mut client, &group).await.unwrap(), wanted);
    let user = client.get(&format!("/Users/{ada}")).await.unwrap().expect(200).unwrap();
    assert_eq!(user["groups"][0]["value"], group.as_str());
}

#[tokio::test]
async fn somebody_whose_account_was_made_again_by_hand_keeps_the_device_they_get() {
    let (_server, mut api, connector) = mdm("remove_user_and_devices").await;
    let mut client = connector.client().unwrap();
    let id = client.post("/Users", scim::user("ada@acme.example")).await.unwrap().made().unwrap();
    client.patch(&format!("/Users/{id}"), scim::active(false)).await.unwrap().expect(200).unwrap();
    all_ended(&mut api, WORKSPACE).await.unwrap();
    let path = format!("/workspaces/{WORKSPACE}/mdm/users");
    let invited = json!({ "user_name": "ada@acme.example" });
    assert_eq!(api.post(&path, invited).await.unwrap().made().unwrap(), id);

    let device = setup::device(&mut api, WORKSPACE, "new", Some(&id)).await.unwrap();
    all_ended(&mut api, WORKSPACE).await.unwrap();
    let device = get(&mut api, &format!("/mdm/devices/{device}")).await;
    assert_eq!((&device["state"], &device["user"]), (&json!("enrolled"), &json!(id)));
}
