//! A workspace moves from one server to another while the other one has a workspace of its own.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{
    Client, Server, all_ended,
    fake::{Fake, WebhookReceiver},
    scim,
    setup::{self, Connector},
};
use tokio::process::Command;

use crate::{WORKSPACE, get, mdm};

/// 32 bytes of `k`, in base64.
const SECRET: &str = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
/// What read models show.
const LISTS: [&str; 6] = [
    "/mdm/users?account=any",
    "/groups",
    "/mdm/groups",
    "/mdm/devices",
    "/effects",
    "/offboardings",
];
/// How often an import is killed.
const KILLS: usize = 6;

/// Two installations, and what travels between them.
struct Scene {
    old: Server,
    api: Client,
    connector: Connector,
    new: Server,
    /// What is neither installation's.
    kept: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let (old, api, connector) = mdm("remove_user_and_devices").await;
        let new = Server::start(env!("CARGO_BIN_EXE_muster")).await.unwrap();
        setup::workspace(&mut new.api().unwrap(), "other").await.unwrap();
        Self { old, api, connector, new, kept: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str) -> String {
        self.kept.path().join(name).display().to_string()
    }

    async fn user(&self, name: &str) -> String {
        let mut client = self.connector.client().unwrap();
        let user = scim::user(&format!("{name}@acme.example"));
        client.post("/Users", user).await.unwrap().made().unwrap()
    }

    /// Brings the workspace to rest.
    async fn rest(&self) {
        does(&self.old, &["effects", "suspend", "--workspace", WORKSPACE]).await;
        does(&self.old, &["connector", "pause", "--workspace", WORKSPACE, "mdm"]).await;
    }

    /// What an auditor keeps: the files of a checkpoint and of the key that has signed it.
    async fn keep(&self) -> (String, String) {
        let (note, key) = (self.file("note"), self.file("key"));
        does(&self.old, &["audit", "checkpoint", "--workspace", WORKSPACE, "--out", &note]).await;
        let shown = does(&self.old, &["audit", "key", "show", "--workspace", WORKSPACE]).await;
        std::fs::write(&key, shown).unwrap();
        (note, key)
    }

    /// Compares what both servers show of what has moved.
    async fn compare(&mut self, size: u64) {
        let mut api = self.new.api().unwrap();
        for list in LISTS.iter().chain(&["/erasures"]) {
            assert_eq!(get(&mut api, list).await, get(&mut self.api, list).await, "{list}");
        }
        assert_eq!(events(&mut api, size).await, events(&mut self.api, size).await);
        let behind = events(&mut api, size + 3).await;
        let behind: Vec<_> =
            behind.iter().skip(usize::try_from(size).unwrap()).map(|it| &it["type"]).collect();
        let expected = [
            "workspace.imported",
            "workspace.api_access_revoked",
            "workspace.deliveries_suspended",
        ];
        assert_eq!(behind, expected);
    }

    /// Exports it, beside the server.
    async fn export(&self, more: &[&str]) -> (Option<i32>, String) {
        let (data, into, key) =
            (self.old.data_dir_text(), self.file("export"), self.file("transfer.key"));
        let command = [
            "workspace",
            "export",
            "--workspace",
            WORKSPACE,
            "--data-dir",
            &data,
            "--into",
            &into,
            "--transfer-key",
            &key,
        ];
        self.old.command(&[&command, more].concat()).await.unwrap()
    }

    fn import(&self) -> Vec<String> {
        let (from, key) = (self.file("export"), self.file("transfer.key"));
        let data = self.new.data_dir_text();
        [
            "workspace",
            "import",
            "--json",
            "--from",
            &from,
            "--transfer-key",
            &key,
            "--data-dir",
            &data,
        ]
        .map(str::to_owned)
        .into()
    }
}

/// Runs a command that has to be done; what it prints.
async fn does(server: &Server, command: &[&str]) -> String {
    let (code, text) = server.command(command).await.unwrap();
    assert_eq!(code, Some(0), "{command:?}: {text}");
    text
}

/// Runs a command that ends like this.
async fn ends(server: &Server, code: i32, command: &[&str], says: &str) {
    let (found, text) = server.command(command).await.unwrap();
    assert_eq!(found, Some(code), "{command:?}: {text}");
    assert!(text.contains(says), "{command:?}: {text}");
}

fn words(command: &[String]) -> Vec<&str> {
    command.iter().map(String::as_str).collect()
}

/// The first events, as the API shows them.
async fn events(api: &mut Client, size: u64) -> Vec<Value> {
    let events = get(api, "/events?limit=1000").await;
    let events = events["items"].as_array().unwrap().iter();
    events.filter(|it| it["position"].as_u64().unwrap() <= size).cloned().collect()
}

async fn hook(api: &mut Client, receiver: &Fake<WebhookReceiver>) {
    let set = json!({ "kind": "webhook", "url": receiver.url(), "secret": SECRET });
    let path = format!("/workspaces/{WORKSPACE}/mdm/services/default");
    api.put(&path, set).await.unwrap().expect(200).unwrap();
}

/// Ids of messages that were ordered.
fn orders(receiver: &Fake<WebhookReceiver>) -> Vec<String> {
    let orders = receiver.received().into_iter();
    let orders = orders.filter(|it| it.json()["type"] == "device_action.requested");
    orders.map(|it| it.json()["data"]["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_workspace_moves_with_its_history_and_nothing_is_sent_by_either_side() {
    let receiver = Fake::start(WebhookReceiver::new(&[b'k'; 32])).await.unwrap();
    receiver.with(|it| it.at_once = true);
    let mut scene = Scene::new().await;
    hook(&mut scene.api, &receiver).await;
    let (ada, bob, eve) =
        (scene.user("ada").await, scene.user("bob").await, scene.user("eve").await);
    setup::device(&mut scene.api, WORKSPACE, "S-1", Some(&ada)).await.unwrap();
    let mut client = scene.connector.client().unwrap();
    let group = scim::group("Staff", &[ada.clone(), bob.clone()]);
    client.post("/Groups", group).await.unwrap().made().unwrap();
    let access = ["access", "create", "Ann", "--role", "auditor", "--workspace", WORKSPACE];
    does(&scene.old, &access).await;
    let (note, key) = scene.keep().await;

    // Owed, and not sent; somebody is erased.
    does(&scene.old, &["effects", "suspend", "--workspace", WORKSPACE]).await;
    let off = scim::active(false);
    client.patch(&format!("/Users/{ada}"), off).await.unwrap().expect(200).unwrap();
    does(&scene.old, &["people", "erase", "--workspace", WORKSPACE, &eve, "--yes"]).await;
    let (code, said) = scene.export(&[]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("mdm of acme is not paused"), "{said}");
    scene.rest().await;
    get(&mut scene.api, "/effects").await;
    let theirs = does(&scene.new, &["audit", "key", "show", "--workspace", "other"]).await;
    let (code, said) = scene.export(&["--json", "--next-key", theirs.trim()]).await;
    assert_eq!(code, Some(0), "{said}");
    let exported: Value = serde_json::from_str(&said).unwrap();
    let size = exported["events"].as_u64().unwrap();
    assert_eq!(exported["erasures"], json!(1));

    // The other server is in use: not now.
    let import = scene.import();
    ends(&scene.new, 1, &words(&import), "another process uses the data directory").await;
    assert_eq!(scene.new.stop().await.unwrap(), Some(0));
    let vouched = [&words(&import)[..], &["--checkpoint", &note, "--key", &key]].concat();
    let said = does(&scene.new, &vouched).await;
    let imported: Value = serde_json::from_str(said.trim()).unwrap();
    assert_eq!(
        (&imported["imported"], &imported["checkpoints_that_fit"], &imported["names_next_key"]),
        (&json!(size), &json!(1), &json!(true))
    );
    ends(&scene.new, 1, &words(&import), "there is a workspace acme in this installation").await;
    let data = scene.new.data_dir_text();
    let said = does(&scene.new, &["projections", "verify", "--data-dir", &data]).await;
    assert!(said.contains("as the log"), "{said}");

    scene.new.restart().await.unwrap();
    let mut api = scene.new.api().unwrap();
    scene.compare(size).await;
    let state = get(&mut api, "/deliveries").await;
    assert_eq!((&state["state"], &state["because"]), (&json!("suspended"), &json!("imported")));

    // An auditor goes on with what they have: the old key vouches for the new one.
    let verify =
        ["audit", "verify", "--workspace", WORKSPACE, "--checkpoint", &note, "--key", &key];
    let said = does(&scene.new, &verify).await;
    assert!(said.contains("the checkpoint fits") || said.contains("vouches for"), "{said}");
    let all = ["audit", "key", "show", "--workspace", WORKSPACE, "--all"];
    assert_eq!(does(&scene.new, &all).await.lines().count(), 2);

    // Identity providers come with the tokens that they have, and connectors are paused as they were.
    let mut client = scene.connector.at(&scene.new).client().unwrap();
    client.get(&format!("/Users/{bob}")).await.unwrap().expect(503).unwrap();
    does(&scene.new, &["connector", "resume", "--workspace", WORKSPACE, "mdm"]).await;
    client.get(&format!("/Users/{bob}")).await.unwrap().expect(200).unwrap();
    let again = client.post("/Users", scim::user("bob@acme.example")).await.unwrap();
    again.expect_scim_error(409, Some("uniqueness")).unwrap();
    client.post("/Users", scim::user("eve@acme.example")).await.unwrap().made().unwrap();
    let others = api.get("/workspaces/other/events").await.unwrap().expect(200).unwrap();
    assert_eq!(others["items"].as_array().unwrap().len(), 1);

    assert!(receiver.received().is_empty(), "nothing at all reached the service");
    does(&scene.new, &["effects", "resume", "--workspace", WORKSPACE]).await;
    all_ended(&mut api, WORKSPACE).await.unwrap();
    assert_eq!(orders(&receiver).len(), 1, "with the credentials that came");
    let owed = get(&mut scene.api, "/effects").await;
    assert_eq!(owed["items"][0]["state"], "requested", "the old place has sent nothing");
}

#[tokio::test]
async fn an_import_that_is_killed_leaves_nothing_and_the_next_one_works() {
    let mut scene = Scene::new().await;
    for number in 0..20 {
        scene.user(&format!("user{number}")).await;
    }
    let (note, key) = scene.keep().await;
    scene.rest().await;
    let (code, said) = scene.export(&[]).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(scene.new.stop().await.unwrap(), Some(0));

    let import = scene.import();
    let stage = scene.new.data_dir().join("import.unfinished");
    let mut imported = false;
    for round in 0..KILLS {
        // At another point each time.
        let sign =
            ["log.db", "keys.db", "commands.db", "erasures.ledger", "lock", "merging"][round];
        let mut child = Command::new(env!("CARGO_BIN_EXE_muster"))
            .args(&import)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // It ends with the process at the latest.
        while child.try_wait().unwrap().is_none() && !stage.join(sign).exists() {
            tokio::task::yield_now().await;
        }
        child.kill().await.unwrap();
        // A server beside it is what it was, or has all of it.
        scene.new.restart().await.unwrap();
        let mut api = scene.new.api().unwrap();
        let others = api.get("/workspaces/other/events").await.unwrap().expect(200).unwrap();
        assert_eq!(others["items"].as_array().unwrap().len(), 1);
        let shown = api.get(&format!("/workspaces/{WORKSPACE}")).await.unwrap();
        imported = shown.status == 200;
        assert!(imported || shown.status == 404, "{}", shown.status);
        assert!(!stage.exists());
        assert_eq!(scene.new.stop().await.unwrap(), Some(0));
        if imported {
            break;
        }
    }
    if !imported {
        does(&scene.new, &words(&import)).await;
    }
    let data = scene.new.data_dir_text();
    does(&scene.new, &["audit", "verify", "--data-dir", &data]).await;
    scene.new.restart().await.unwrap();
    let mut api = scene.new.api().unwrap();
    for list in LISTS {
        assert_eq!(get(&mut api, list).await, get(&mut scene.api, list).await, "{list}");
    }
    // A start after a kill looks for changes that have no entry.
    scene.new.kill().await.unwrap();
    scene.new.restart().await.unwrap();
    let mut api = scene.new.api().unwrap();
    let asked = get(&mut api, "/provisioning-log").await;
    assert_eq!(asked["items"], json!([]), "what was asked there is not made up here");
    // No statement names the new key here: an auditor needs both.
    let (file, new_key) = (scene.file("export.ndjson"), scene.file("new.key"));
    does(&scene.new, &["audit", "export", "--workspace", WORKSPACE, "--out", &file]).await;
    let shown = does(&scene.new, &["audit", "key", "show", "--workspace", WORKSPACE]).await;
    std::fs::write(&new_key, shown).unwrap();
    let verify = ["audit", "verify", "--file", &file, "--checkpoint", &note, "--key", &key];
    ends(&scene.new, 1, &verify, "no key that is trusted has signed it").await;
    let said = does(&scene.new, &[&verify[..], &["--key", &new_key]].concat()).await;
    assert!(said.contains("all as written"), "{said}");
}

#[tokio::test]
async fn what_makes_no_sense_is_said_before_anything_is_written() {
    let scene = Scene::new().await;
    let data = scene.old.data_dir_text();
    let (into, key) = (scene.file("export"), scene.file("transfer.key"));
    let inside = scene.file("export/transfer.key");
    let export = ["workspace", "export", "--workspace", WORKSPACE, "--into", &into];
    for (more, code, says) in [
        (vec!["--transfer-key", &key], 2, "--data-dir DIR"),
        (vec!["--transfer-key", &inside, "--data-dir", &data], 2, "lies in the export"),
        (vec!["--transfer-key", &key, "--data-dir", &data], 1, "are not suspended"),
    ] {
        ends(&scene.old, code, &[&export[..], &more].concat(), says).await;
    }
    assert!(!Path::new(&into).exists() && !Path::new(&key).exists());
    let import = scene.import();
    ends(&scene.new, 1, &words(&import), "the transfer key").await;

    // A rehearsal needs no rest.
    let (code, said) = scene.export(&["--rehearsal"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the workspace goes on here"), "{said}");
    let other = [&words(&import)[..], &["--workspace", "other"]].concat();
    ends(&scene.new, 1, &other, "this is an export of acme, not of other").await;
}
