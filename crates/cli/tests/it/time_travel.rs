//! What an auditor asks from a shell (rules 29 and 30): what stood, what changed, and which events there
//! were.

use serde_json::{Value, json};
use testkit::{Client, Server, all_ended, record, scim, setup};
use tokio::process::Command;

use crate::{WORKSPACE, get, mdm};

/// Runs a command in the workspace that the shell is set to; what it prints.
async fn does(server: &Server, line: &str) -> String {
    let (code, text) = runs(server, line).await;
    assert_eq!(code, Some(0), "{line}: {text}");
    text
}

async fn runs(server: &Server, line: &str) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_muster"))
        .args(line.split_whitespace())
        .env("MUSTER_URL", server.url())
        .env("MUSTER_TOKEN", testkit::ADMIN_TOKEN)
        .env("MUSTER_WORKSPACE", WORKSPACE)
        .output()
        .await
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// What a command prints as JSON.
async fn json_of(server: &Server, line: &str) -> Value {
    serde_json::from_str(&does(server, &format!("{line} --json")).await).unwrap()
}

/// What a command prints as JSON, one a line.
async fn lines_of(server: &Server, line: &str) -> Vec<Value> {
    let text = does(server, &format!("{line} --json")).await;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// A server with a person in MDM who is in a group and has a device.
struct Scene {
    server: Server,
    api: Client,
    idp: Client,
    ada: String,
    group: String,
    device: String,
}

impl Scene {
    async fn new() -> Self {
        let (server, mut api, connector) = mdm("remove_user").await;
        let mut idp = connector.client().unwrap();
        let ada = idp.post("/Users", scim::user("ada@acme.example")).await.unwrap();
        let ada = ada.made().unwrap();
        let group = scim::group("Sales", &[ada.clone(), "soon".to_owned()]);
        let group = idp.post("/Groups", group).await.unwrap().made().unwrap();
        let device = setup::device(&mut api, WORKSPACE, "S-1", Some(&ada)).await.unwrap();
        Self { server, api, idp, ada, group, device }
    }

    /// All of it changes.
    async fn change(&mut self) {
        let Self { ada, group, .. } = self;
        let empty = json!([{ "op": "replace", "path": "members", "value": [] }]);
        let group = format!("/Groups/{group}");
        self.idp.patch(&group, scim::patch(empty)).await.unwrap();
        let inactive = self.idp.patch(&format!("/Users/{ada}"), scim::active(false)).await;
        inactive.unwrap().expect(200).unwrap();
        all_ended(&mut self.api, WORKSPACE).await.unwrap();
    }
}

#[tokio::test]
async fn rule_30_a_shell_travels_in_time() {
    let mut scene = Scene::new().await;
    let (ada, group, device) = (scene.ada.clone(), scene.group.clone(), scene.device.clone());
    let segment = json_of(&scene.server, "segment add Berlin").await["id"].clone();
    let segment = segment.as_str().unwrap();
    let changing = [
        "people list mdm".to_owned(),
        format!("people show mdm {ada}"),
        format!("group members {group}"),
        format!("group pending {group}"),
        format!("group list --person {ada}"),
        "device list".to_owned(),
        format!("device show {device}"),
        "effects list".to_owned(),
        "offboarding list".to_owned(),
        format!("audit history person {ada}"),
        format!("audit history group {group}"),
        format!("audit history device {device}"),
    ];
    let staying = [
        format!("group show {group}"),
        "group list --portal mdm".to_owned(),
        "hold list --state open".to_owned(),
        "publication list".to_owned(),
        "segment list".to_owned(),
        "connector list".to_owned(),
        "connector show mdm".to_owned(),
        "connector provisioning mdm".to_owned(),
        format!("segment grants {segment}"),
    ];
    let mut seen = Vec::new();
    for line in changing.iter().chain(&staying) {
        seen.push(json_of(&scene.server, line).await);
    }
    let then = record::head(&mut scene.api, WORKSPACE).await.unwrap();
    let at = get(&mut scene.api, &format!("/events?after={}", then - 1)).await;
    let at = at["items"][0]["time"].as_str().unwrap().to_owned();
    scene.change().await;
    let server = &scene.server;
    for (index, line) in changing.iter().chain(&staying).enumerate() {
        let was = json_of(server, &format!("{line} --at {then}")).await;
        assert_eq!(was, seen[index], "{line}");
        if index < changing.len() {
            assert_ne!(json_of(server, line).await, seen[index], "{line}");
        }
    }
    let line = format!("people show mdm {ada} --at {at}");
    assert_eq!(json_of(server, &line).await, seen[1], "by its time");
    for (list, show) in [("offboarding list", "offboarding show"), ("effects list", "effects show")]
    {
        let id = json_of(server, list).await["items"][0]["id"].as_str().unwrap().to_owned();
        let now = record::head(&mut scene.api, WORKSPACE).await.unwrap();
        let shown = json_of(server, &format!("{show} {id}")).await;
        assert_eq!(json_of(server, &format!("{show} {id} --at {now}")).await, shown);
        let (code, text) = runs(server, &format!("{show} {id} --at {then}")).await;
        assert!(code == Some(1) && text.contains("404"), "{text}");
    }
    let (code, text) = runs(server, "people list mdm --at 1970-01-01T00:00:00Z").await;
    assert!(code == Some(1) && text.contains("did not exist yet"), "{text}");
    let told = does(server, &format!("audit history person {ada} --at {then}")).await;
    assert!(told.contains("account.account") && told.contains("active"), "{told}");

    what_changed_in_between(&scene, then).await;
}

#[tokio::test]
async fn a_moment_or_an_id_that_is_none_is_not_understood() {
    let (server, _, _) = mdm("remove_user").await;
    for (line, says) in [
        ("audit log --from yesterday", "a position or an RFC 3339 time"),
        ("audit diff --to yesterday", "a position or an RFC 3339 time"),
        ("people list mdm --at yesterday", "a position or an RFC 3339 time"),
        ("audit history person 7 --at never", "a position or an RFC 3339 time"),
        ("audit provisioning list --from 12", "an RFC 3339 time"),
        ("audit provisioning bodies mdm --until soon", "an RFC 3339 time"),
        ("audit diff --person zz", "--person"),
        ("connector provisioning mdm --at 3 --on-create create", "nothing of the past"),
    ] {
        let (code, text) = runs(&server, line).await;
        assert!(code == Some(2) && text.contains(says), "{line}: {code:?} {text}");
    }
    // Nothing would be kept.
    let past = "audit provisioning bodies mdm --until 2020-01-01T00:00:00Z";
    let (code, text) = runs(&server, past).await;
    assert!(code == Some(1) && text.contains("must lie ahead"), "{text}");
}

async fn what_changed_in_between(scene: &Scene, then: u64) {
    let Scene { server, ada, group, device, .. } = scene;
    let diff = format!("audit diff --from {then}");
    let all = lines_of(server, &diff).await;
    let kinds: Vec<_> = all.iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["group", "user", "device"]);
    for (line, index) in [
        (format!("{diff} --group {group}"), 0),
        (format!("{diff} --person {ada}"), 1),
        (format!("{diff} --device {device}"), 2),
    ] {
        assert_eq!(lines_of(server, &line).await, [all[index].clone()], "{line}");
    }
    let told = does(server, &diff).await;
    assert!(told.contains(&format!("user {ada}")), "{told}");
    assert!(told.contains("resource.active  true -> false  (by "), "{told}");
    assert!(
        told.contains(&format!("resource.members  without [\"{ada}\"], with []  (by ")),
        "{told}"
    );
}

#[tokio::test]
async fn rule_29_a_shell_finds_events_by_what_is_known_of_them() {
    let mut scene = Scene::new().await;
    scene.change().await;
    let server = &scene.server;
    let (ada, group, device) = (&scene.ada, &scene.group, &scene.device);
    let whole = lines_of(server, "audit log").await;
    let of = |wanted: &dyn Fn(&Value) -> bool| -> Vec<Value> {
        whole.iter().filter(|event| wanted(event)).cloned().collect()
    };
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    let correlation = text(&whole[whole.len() - 1], "correlation");
    let mut actors = whole.iter().map(|event| text(event, "actor"));
    let policy = actors.find(|actor| actor.starts_with("policy:")).unwrap();
    let middle = whole.len() / 2;
    let time = text(&whole[middle], "time");
    let by_log: Vec<(String, Vec<Value>)> = vec![
        (format!("--stream user/{ada}"), of(&|it| text(it, "stream") == format!("user/{ada}"))),
        ("--type user.*".to_owned(), of(&|it| text(it, "type").starts_with("user."))),
        ("--connector mdm".to_owned(), of(&|it| text(it, "actor").starts_with("connector:mdm/"))),
        (format!("--actor {policy}"), of(&|it| text(it, "actor") == policy)),
        (format!("--correlation {correlation}"), of(&|it| text(it, "correlation") == correlation)),
        (format!("--from {time}"), of(&|it| text(it, "time") >= time)),
        (format!("--to {}", middle + 1), whole[..=middle].to_vec()),
        (
            format!("--connector mdm --type group.* --from {} --to {time}", 3),
            of(&|it| {
                text(it, "actor").starts_with("connector:mdm/")
                    && text(it, "type").starts_with("group.")
                    && it["position"].as_u64().unwrap() >= 3
                    && text(it, "time") <= time
            }),
        ),
    ];
    for (filter, expected) in &by_log {
        assert_eq!(&lines_of(server, &format!("audit log {filter}")).await, expected, "{filter}");
    }
    assert!(by_log.iter().filter(|(_, found)| !found.is_empty()).count() >= 6);
    // What is about somebody stands in the streams of groups and devices as well.
    let about = lines_of(server, &format!("audit log --person {ada}")).await;
    for stream in [format!("user/{ada}"), format!("group/{group}"), format!("device/{device}")] {
        assert!(about.iter().any(|event| event["stream"] == stream), "{about:?}");
    }
    let gone = format!("audit log --person {ada} --type group.members_removed");
    assert_eq!(types(&lines_of(server, &gone).await), ["group.members_removed"]);
    let head = whole.len();
    let tail = format!("audit tail --after 0 --to {head} --person {ada}");
    assert_eq!(lines_of(server, &tail).await, about);

    // Whoever has had more than there is learns why nothing comes, and where to go on.
    let (code, text) = runs(server, &format!("audit tail --after {}", head + 100)).await;
    assert!(code == Some(1) && text.contains("set back"), "{text}");
    assert!(text.contains(&format!("after {head} or before")), "{text}");

    // The same without the server.
    assert_eq!(scene.server.stop().await.unwrap(), Some(0));
    let offline = format!("audit log --data-dir {}", scene.server.data_dir_text());
    for (filter, expected) in &by_log {
        let found = lines_of(&scene.server, &format!("{offline} {filter}")).await;
        assert_eq!(types(&found), types(expected), "{filter}");
    }
    let (code, text) = runs(&scene.server, &format!("{offline} --person {ada}")).await;
    assert!(code == Some(2) && text.contains("server"), "{text}");
}
