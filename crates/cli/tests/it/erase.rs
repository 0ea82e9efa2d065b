//! Erasing people (rule 32): nothing of them is in any file afterwards, whatever happens meanwhile, and
//! the record can still be verified.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};
use testkit::{
    ADMIN_TOKEN, Client, Server, all_ended,
    record::Record,
    scim,
    setup::{self, Connector},
    together, until,
};

use crate::{
    WORKSPACE, get, mdm,
    needle::{CUSTOM, NEEDLE, files, holds, needle, person},
    start_with_workspace,
};

/// How many clients change somebody who is being erased.
const CLIENTS: usize = 6;
/// How often the server is killed while it erases somebody.
const KILLS: usize = 5;

/// The files of a data directory in which a needle is.
fn found(server: &Server) -> Vec<String> {
    let all = files(server.data_dir()).into_iter().filter(|file| holds(file, NEEDLE));
    all.map(|file| file.display().to_string()).collect()
}

#[track_caller]
fn nothing_left(server: &Server, when: &str) {
    let found = found(server);
    assert!(found.is_empty(), "{when}: {found:?}");
}

/// Runs a command that has to be done; what it prints.
async fn does(server: &Server, line: &str) -> String {
    let arguments: Vec<_> = line.split_whitespace().collect();
    let (code, text) = server.command(&arguments).await.unwrap();
    assert_eq!(code, Some(0), "{line}: {text}");
    text
}

async fn erase(server: &Server, id: &str) -> Value {
    let line = format!("people erase --workspace {WORKSPACE} {id} --yes --json");
    serde_json::from_str(&does(server, &line).await).unwrap()
}

/// Says everything of a person that can be said, and says it anew, so that nothing is said any more that
/// was said first.
async fn say_everything(api: &mut Client, connector: &Connector) -> String {
    let path = format!("/workspaces/{WORKSPACE}/connectors/mdm");
    let mapping =
        json!([{ "name": "badge", "attributes": [{ "namespace": CUSTOM, "key": "badge" }] }]);
    api.put(&format!("{path}/attribute-mapping"), mapping).await.unwrap().expect(200).unwrap();
    let mut client = connector.client().unwrap();
    let user_name = format!("{}@acme.example", needle("user-name"));
    let members = [user_name.clone(), needle("external-id")];
    let waits =
        client.post("/Groups", scim::group("Waits", &members)).await.unwrap().made().unwrap();
    let id = client.post("/Users", person()).await.unwrap().made().unwrap();
    let path = format!("/Users/{id}");
    for round in 0..5 {
        let patch = scim::patch(json!([
            { "op": "replace", "path": "title", "value": needle(&format!("title-{round}")) },
            { "op": "replace", "path": "userName", "value": format!("{}-{round}@x", needle("name")) },
            { "op": "replace", "path": "externalId", "value": needle(&format!("ext-{round}")) },
            { "op": "replace", "path": format!("{CUSTOM}:badge"), "value": needle("badge-2").repeat(round + 1) },
            { "op": "replace", "path": "name.familyName", "value": needle(&"family".repeat(90 * round + 1)) },
        ]));
        client.patch(&path, patch).await.unwrap().expect(200).unwrap();
    }
    // Names of theirs that nobody answers to any more.
    let more = scim::patch(json!([scim::add(&[needle("ext-0"), user_name])]));
    client.patch(&format!("/Groups/{waits}"), more).await.unwrap();
    id
}

/// Gives a device of theirs names, and so one that was theirs once and is removed. Returns that one, and one
/// that was never theirs.
async fn name_devices(api: &mut Client, device: &str, id: &str) -> (String, String) {
    let path = |id: &str| format!("/workspaces/{WORKSPACE}/mdm/devices/{id}");
    let once = setup::device(api, WORKSPACE, "S-2", None).await.unwrap();
    for (device, change) in [
        (device, json!({ "name": needle("phone") })),
        (device, json!({ "name": needle("phone-2") })),
        (&once, json!({ "name": needle("tablet") })),
        (&once, json!({ "user": id })),
        (&once, json!({ "user": null })),
    ] {
        api.patch(&path(device), change).await.unwrap().expect(200).unwrap();
    }
    api.delete(&path(&once)).await.unwrap().expect(204).unwrap();
    (once, setup::device(api, WORKSPACE, "S-3", None).await.unwrap())
}

/// What the past shows of an erased person: that they were there.
async fn the_past_goes_on(api: &mut Client, id: &str, before: u64) {
    let erased = get(api, &format!("/events?stream=user/{id}&type=user.erased")).await;
    let erased_at = erased["items"][0]["position"].as_u64().unwrap();
    assert!(before < erased_at, "{erased}");
    for at in [before, before + 1] {
        let path = format!("/history/users/{id}?at={at}");
        let then = get(api, &path).await;
        assert!(!then.to_string().contains(NEEDLE), "{then}");
        assert_eq!((&then["resource"], then["account"]["id"].as_str()), (&Value::Null, Some(id)));
        assert!(then["account"]["erasure"].is_string(), "{then}");
        let listed = get(api, &format!("/mdm/users?at={at}&account=any")).await;
        let listed = listed["items"].as_array().unwrap();
        // Lists show who was there: until they were erased.
        let is_listed = listed.iter().any(|it| it["id"] == id && it["erasure"].is_string());
        assert_eq!(is_listed, at < erased_at, "at {at}, erased at {erased_at}: {listed:?}");
        let one = get(api, &format!("/mdm/users/{id}?at={at}")).await;
        assert!(one["erasure"].is_string() && !one.to_string().contains(NEEDLE), "{one}");
        get(api, &format!("/mdm/devices?at={at}")).await;
    }
    let diff = get(api, &format!("/diff?from=1&to={before}")).await;
    assert!(!diff.to_string().contains(NEEDLE), "{diff}");
    let record = Record::whole(api, WORKSPACE).await.unwrap();
    let theirs: Vec<_> = record.events.iter().filter(|it| it.stream_id() == id).collect();
    let last = theirs.iter().position(|it| it.kind == "user.erased").unwrap();
    assert!(theirs[..last].iter().all(|it| it.json["erased"] == true), "{theirs:?}");
    assert!(theirs[last..].iter().all(|it| it.json["data"].is_object()), "{theirs:?}");
    assert_eq!(theirs[0].kind, "user.entry_added");
}

async fn the_record_is_whole(server: &Server, kept: &Path) {
    let file = |name: &str| kept.join(name).display().to_string();
    let (key, note, export) = (file("key"), file("note"), file("export"));
    fs::write(&key, does(server, &format!("audit key show --workspace {WORKSPACE}")).await)
        .unwrap();
    for file in [&note, &export] {
        drop(fs::remove_file(file));
    }
    does(server, &format!("audit checkpoint --workspace {WORKSPACE} --out {note}")).await;
    does(server, &format!("audit export --workspace {WORKSPACE} --out {export}")).await;
    assert!(!fs::read_to_string(&export).unwrap().contains(NEEDLE));
    does(server, &format!("audit verify --file {export} --checkpoint {note} --key {key}")).await;
    does(server, &format!("audit verify --workspace {WORKSPACE} --key {key} --since {note}")).await;
}

#[tokio::test]
async fn rule_32_nothing_of_an_erased_person_is_in_any_file_and_the_record_is_whole() {
    let (mut server, mut api, connector) = mdm("remove_user").await;
    let id = say_everything(&mut api, &connector).await;
    let device = setup::device(&mut api, WORKSPACE, "S-1", Some(&id)).await.unwrap();
    let (theirs_once, of_nobody) = name_devices(&mut api, &device, &id).await;
    let before = testkit::record::head(&mut api, WORKSPACE).await.unwrap();
    // What shows the past holds them too.
    get(&mut api, &format!("/mdm/users?at={before}")).await;
    api.post("/projections/rebuild", json!({})).await.unwrap().expect(200).unwrap();
    assert!(!found(&server).is_empty(), "no needle was there before");

    let asked = format!("people erase --workspace {WORKSPACE} {id}");
    let (code, text) = server.command(&asked.split(' ').collect::<Vec<_>>()).await.unwrap();
    assert!(code == Some(2) && text.contains(&device) && text.contains("--yes"), "{text}");
    let certificate = erase(&server, &id).await;
    nothing_left(&server, "when the command returned");
    assert_eq!(certificate["state"], "completed", "{certificate}");
    assert_eq!(certificate["devices"], json!([device]));
    assert_eq!(certificate["names_kept"], json!([]));
    for (device, name) in [(&device, None), (&theirs_once, None), (&of_nobody, Some("S-3"))] {
        let shown = get(&mut api, &format!("/mdm/devices/{device}")).await;
        assert_eq!(shown["name"].as_str(), name, "{shown}");
    }
    assert!(certificate["keys_destroyed"].as_u64().unwrap() >= 3, "{certificate}");
    assert_eq!(erase(&server, &id).await["id"], certificate["id"], "asked twice, it is one");

    all_ended(&mut api, WORKSPACE).await.unwrap();
    the_past_goes_on(&mut api, &id, before).await;
    let verified = api.post("/projections/verify", json!({})).await.unwrap().expect(200).unwrap();
    assert_eq!(verified["differences"], json!([]), "{verified}");
    api.post("/projections/rebuild", json!({})).await.unwrap().expect(200).unwrap();
    nothing_left(&server, "after a rebuild");
    let kept = tempfile::tempdir().unwrap();
    the_record_is_whole(&server, kept.path()).await;

    // Whoever comes by that name is somebody else.
    let mut client = connector.client().unwrap();
    client.get(&format!("/Users/{id}")).await.unwrap().expect_scim_error(404, None).unwrap();
    let user = scim::user("ada@acme.example");
    let first = client.post("/Users", user.clone()).await.unwrap().made().unwrap();
    let erased = erase(&server, &first).await;
    let second = client.post("/Users", user).await.unwrap().made().unwrap();
    assert_ne!(first, second);
    let shown = get(&mut api, &format!("/mdm/users/{second}")).await;
    assert_eq!((&shown["id"], &shown["account"]), (&json!(second), &json!("active")));
    let listed = get(&mut api, "/erasures").await;
    let ids: Vec<_> = listed["items"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, [&certificate["id"], &erased["id"]]);

    server.kill().await.unwrap();
    server.restart().await.unwrap();
    nothing_left(&server, "after a kill and a restart");
    assert_eq!(server.stop().await.unwrap(), Some(0));
    nothing_left(&server, "after a stop");
    let data = server.data_dir_text();
    does(&server, &format!("audit verify --data-dir {data} --workspace {WORKSPACE}")).await;
}

#[tokio::test]
async fn an_offboarding_that_is_held_loses_no_device_when_its_person_is_erased() {
    let (server, mut api) = start_with_workspace().await;
    let brake = json!({ "count": 1, "share": 1, "share_from": 1, "window_minutes": 60 });
    let rule = json!({
        "on_create": "create", "on_deactivate": "remove_user_and_devices", "brake": brake,
    });
    let connector = setup::connector(&mut api, WORKSPACE, "mdm", "generic", rule).await.unwrap();
    let mut client = connector.client().unwrap();
    let (mut people, mut devices) = (Vec::new(), Vec::new());
    for number in 0..3 {
        let user = scim::user(&format!("{}-{number}@x", needle("held")));
        let id = client.post("/Users", user).await.unwrap().made().unwrap();
        let serial = format!("S-{number}");
        devices.push(setup::device(&mut api, WORKSPACE, &serial, Some(&id)).await.unwrap());
        people.push(id);
    }
    // The first one passes the brake; the second one is held, then erased; the third is erased at once.
    for id in &people[..2] {
        let path = format!("/Users/{id}");
        client.patch(&path, scim::active(false)).await.unwrap().expect(200).unwrap();
        get(&mut api, "/offboardings").await;
    }
    for id in &people {
        erase(&server, id).await;
    }
    nothing_left(&server, "after all were erased");
    all_ended(&mut api, WORKSPACE).await.unwrap();
    let hold = get(&mut api, "/holds?state=open").await["items"][0].clone();
    let path = format!("/workspaces/{WORKSPACE}/holds/{}", hold["id"].as_str().unwrap());
    let undone = api.post(&format!("{path}/undo"), json!({ "users": [people[1]] })).await.unwrap();
    assert_eq!(undone.status, 409, "{}", undone.body);
    api.post("/projections/rebuild", json!({})).await.unwrap().expect(200).unwrap();
    api.post(&format!("{path}/approve"), json!({})).await.unwrap().expect(200).unwrap();
    all_ended(&mut api, WORKSPACE).await.unwrap();
    for (id, device) in people.iter().zip(&devices) {
        let device = get(&mut api, &format!("/mdm/devices/{device}")).await;
        assert_eq!(device["state"], "removed", "{device}");
        let shown = get(&mut api, &format!("/mdm/users/{id}")).await;
        assert_eq!((&shown["account"], &shown["user_name"]), (&json!("removed"), &json!("")));
    }
}

#[tokio::test]
async fn the_same_person_in_other_portals_is_named_and_goes_if_asked_for() {
    let (server, mut api, connector) = mdm("remove_user").await;
    let rule = setup::create_and("remove_user");
    let store = setup::connector(&mut api, WORKSPACE, "store", "generic", rule).await.unwrap();
    for all in [false, true] {
        let user = scim::user(&format!("{}-{all}@x", needle("both")));
        let mut of = Vec::new();
        for connector in [&connector, &store] {
            let mut client = connector.client().unwrap();
            of.push(client.post("/Users", user.clone()).await.unwrap().made().unwrap());
        }
        let flag = if all { "--all-portals" } else { "" };
        let line = format!(
            "people erase --workspace {WORKSPACE} {} --yes --json --reason 4711 {flag}",
            of[0]
        );
        let certificate: Value = serde_json::from_str(&does(&server, &line).await).unwrap();
        let other = &certificate["others"][0];
        assert_eq!((&other["portal"], &other["id"]), (&json!("store"), &json!(of[1])));
        assert_eq!((other["erasure"].is_string(), &certificate["reason"]), (all, &json!("4711")));
        if !all {
            assert!(!found(&server).is_empty(), "the other one was erased too");
            erase(&server, &of[1]).await;
        }
        nothing_left(&server, "after both went");
    }
}

#[tokio::test]
async fn asked_again_for_all_portals_the_others_go_too() {
    let (server, mut api, connector) = mdm("remove_user").await;
    let rule = setup::create_and("remove_user");
    let store = setup::connector(&mut api, WORKSPACE, "store", "generic", rule).await.unwrap();
    let user = scim::user(&format!("{}@x", needle("again")));
    let mut of = Vec::new();
    for connector in [&connector, &store] {
        let mut client = connector.client().unwrap();
        of.push(client.post("/Users", user.clone()).await.unwrap().made().unwrap());
    }
    let first = erase(&server, &of[0]).await;
    assert_eq!(first["others"][0]["erasure"], Value::Null);
    assert!(!found(&server).is_empty(), "the other one was erased too");
    let line = format!("people erase --workspace {WORKSPACE} {} --yes --json --all-portals", of[0]);
    let again: Value = serde_json::from_str(&does(&server, &line).await).unwrap();
    assert_eq!(again["id"], first["id"], "of the first one there is one");
    assert!(again["others"][0]["erasure"].is_string(), "{again}");
    nothing_left(&server, "after both went");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_the_past_are_answered_while_people_are_erased() {
    let (server, mut api, connector) = mdm("remove_user").await;
    let mut client = connector.client().unwrap();
    let mut people = Vec::new();
    for number in 0..CLIENTS {
        let user = scim::user(&format!("{}-{number}@x", needle("past")));
        people.push(client.post("/Users", user).await.unwrap().made().unwrap());
    }
    let head = testkit::record::head(&mut api, WORKSPACE).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let readers = (0..CLIENTS as u64).map(|number| {
        let (mut api, over) = (server.api().unwrap(), Arc::clone(&over));
        async move {
            let mut answered = 0;
            while !over.load(Ordering::Relaxed) || answered == 0 {
                for list in ["mdm/users?account=any&", "groups?", "mdm/devices?"] {
                    let at = head - (number + answered) % (head / 2);
                    let path = format!("/workspaces/{WORKSPACE}/{list}at={at}");
                    let answer = api.get(&path).await?;
                    match answer.status {
                        200 => answered += 1,
                        // It is being built anew.
                        503 => {}
                        status => anyhow::bail!("{path}: {status} {}", answer.body),
                    }
                }
            }
            Ok(())
        }
    });
    let reading = tokio::spawn(together(readers.collect::<Vec<_>>()));
    for id in &people {
        let certificate = erase(&server, id).await;
        assert_eq!(certificate["state"], "completed", "{certificate}");
    }
    nothing_left(&server, "when the last command returned");
    over.store(true, Ordering::Relaxed);
    reading.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_changed_while_being_erased_is_erased() {
    let (server, mut api, connector) = mdm("remove_user").await;
    let id = connector.client().unwrap().post("/Users", person()).await.unwrap().made().unwrap();
    let clients = (0..CLIENTS).map(|number| {
        let (mut client, path) = (connector.client().unwrap(), format!("/Users/{id}"));
        async move {
            for round in 0.. {
                let title = needle(&format!("title-{number}-{round}"));
                let answer = client.patch(&path, scim::set("title", title)).await?;
                match answer.status {
                    200 => {}
                    404 => break,
                    _ => anyhow::bail!("{} {}", answer.status, answer.body),
                }
            }
            Ok(())
        }
    });
    let changing = tokio::spawn(together(clients.collect::<Vec<_>>()));
    let title = async || {
        let record = Record::whole(&mut api, WORKSPACE).await?;
        Ok((record.of("user.entry_changed").count() > CLIENTS).then_some(()))
    };
    until("somebody is being changed", title).await.unwrap();
    erase(&server, &id).await;
    nothing_left(&server, "when the command returned");
    changing.await.unwrap().unwrap();
    nothing_left(&server, "when nobody tried any more");
    let record = Record::whole(&mut api, WORKSPACE).await.unwrap();
    let theirs: Vec<_> = record.events.iter().filter(|it| it.stream_id() == id).collect();
    let erased = theirs.iter().position(|it| it.kind == "user.erased").unwrap();
    assert!(theirs[erased..].iter().all(|it| it.kind != "user.entry_changed"), "{theirs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_is_cut_off_is_completed_by_the_next_start() {
    let (mut server, mut api, connector) = mdm("remove_user").await;
    let mut recorded = 0;
    for round in 0..KILLS {
        let mut user = person();
        user["userName"] = json!(format!("{}-{round}@x", needle("killed")));
        user["externalId"] = json!(needle(&format!("killed-{round}")));
        let mut client = connector.at(&server).client().unwrap();
        let waits = scim::group(&format!("Waits {round}"), &[needle(&format!("killed-{round}"))]);
        client.post("/Groups", waits).await.unwrap().made().unwrap();
        let id = client.post("/Users", user).await.unwrap().made().unwrap();
        let asking = tokio::spawn({
            let mut api = server.api().unwrap();
            let path = format!("/workspaces/{WORKSPACE}/people/{id}/erase");
            async move { api.post(&path, json!({})).await.map(|answer| answer.status) }
        });
        // Killed at once, after the decision, after the ledger, and so on: whatever comes first.
        let (ledger, mut steps) = (server.data_dir().join("erasures.ledger"), 0);
        let lines = || fs::read(&ledger).map_or(0, |it| it.split(|byte| *byte == b'\n').count());
        let known = lines();
        while !asking.is_finished() && (round % 2 == 1 && lines() == known || steps < round * 400) {
            steps += 1;
            tokio::task::yield_now().await;
        }
        server.kill().await.unwrap();
        drop(asking.await);
        server.restart().await.unwrap();
        api = server.api().unwrap();
        let record = Record::whole(&mut api, WORKSPACE).await.unwrap();
        let erased = record.of("user.erased").find(|it| it.stream_id() == id);
        match erased.map(|event| event.data("erasure").to_owned()) {
            None => drop(erase(&server, &id).await),
            Some(erasure) => {
                recorded += 1;
                let done = async || {
                    let path = format!("/workspaces/{WORKSPACE}/erasures/{erasure}");
                    let answer = api.get(&path).await?.expect(200)?;
                    Ok((answer["state"] == "completed").then_some(()))
                };
                until("the erasure is completed", done).await.unwrap();
            }
        }
        nothing_left(&server, &format!("after kill {round}"));
    }
    assert!(recorded > 0, "no kill came after a decision");
    let verified = api.post("/projections/verify", json!({})).await.unwrap().expect(200).unwrap();
    assert_eq!(verified["differences"], json!([]), "{verified}");
}

#[tokio::test]
async fn a_ledger_that_was_lost_stops_erasures_and_is_written_again_by_the_next_start() {
    let (mut server, mut api, connector) = mdm("remove_user").await;
    let mut client = connector.client().unwrap();
    let ada = client.post("/Users", person()).await.unwrap().made().unwrap();
    let bob = scim::user("bob@acme.example");
    let bob = client.post("/Users", bob).await.unwrap().made().unwrap();
    erase(&server, &ada).await;
    let path = server.data_dir().join("erasures.ledger");
    let known = fs::read_to_string(&path).unwrap();
    assert_eq!(known.lines().count(), 1);

    fs::remove_file(&path).unwrap();
    let answer = api.post(&format!("/workspaces/{WORKSPACE}/people/{bob}/erase"), json!({})).await;
    assert!(answer.unwrap().status >= 500);
    let record = Record::whole(&mut api, WORKSPACE).await.unwrap();
    assert!(record.of("user.erased").all(|it| it.stream_id() == ada), "nothing was decided");
    client.get(&format!("/Users/{bob}")).await.unwrap().expect(200).unwrap();
    let mut root = Client::new(server.url(), ADMIN_TOKEN).unwrap();
    let ready = root.get("/readyz").await.unwrap().expect(200).unwrap();
    assert!(ready["warnings"].to_string().contains("ledger of erasures"), "{ready}");

    let value = |line: &str| -> Value { serde_json::from_str(line).unwrap() };
    // Gone, and empty.
    for _ in 0..2 {
        server.kill().await.unwrap();
        server.restart().await.unwrap();
        let path = path.clone();
        let written = async || {
            let text = fs::read_to_string(&path)?;
            Ok(text.ends_with('\n').then_some(text))
        };
        let again = until("the ledger is written again", written).await.unwrap();
        for field in ["id", "user", "entries", "keys", "installation"] {
            let (again, known) = (value(&again), value(&known));
            assert_eq!(again[field], known[field], "{field}");
        }
        fs::write(&path, "").unwrap();
    }
    let mut root = Client::new(server.url(), ADMIN_TOKEN).unwrap();
    let ready = root.get("/readyz").await.unwrap().expect(200).unwrap();
    assert!(ready["warnings"].to_string().contains("ledger of erasures"), "{ready}");
}
