//! The drill: a backup of a server under writes, its machine lost, and an installation made of it again.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{
    ADMIN_TOKEN, Client, Server, all_ended,
    fake::{Fake, WebhookReceiver},
    scim,
    setup::{self, Connector},
};

use crate::{WORKSPACE, get, mdm};

/// 32 bytes of `k`, in base64.
const SECRET: &str = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
/// A public key of somebody else.
const STRANGER: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
/// What each read model shows, of which there is a past.
const LISTS: [&str; 4] = ["/mdm/users", "/groups", "/mdm/groups", "/mdm/devices"];

struct Drill {
    server: Server,
    api: Client,
    connector: Connector,
    /// What the operator keeps elsewhere.
    kept: TempDir,
}

impl Drill {
    async fn new() -> Self {
        let (server, api, connector) = mdm("remove_user_and_devices").await;
        Self { server, api, connector, kept: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str) -> String {
        self.kept.path().join(name).display().to_string()
    }

    async fn run(&self, command: &[&str]) -> (Option<i32>, String) {
        self.server.command(command).await.unwrap()
    }

    async fn does(&self, command: &[&str]) -> String {
        let (code, text) = self.run(command).await;
        assert_eq!(code, Some(0), "{command:?}: {text}");
        text
    }

    /// Runs a command that finds something wrong.
    async fn refused(&self, command: &[&str]) -> String {
        let (code, text) = self.run(command).await;
        assert_eq!(code, Some(1), "{command:?}: {text}");
        text
    }

    async fn backup(&self) -> Value {
        serde_json::from_str(&self.does(&["backup", "--json"]).await).unwrap()
    }

    async fn keep_checkpoint(&self, name: &str) -> String {
        let path = self.file(name);
        self.does(&["audit", "checkpoint", "--workspace", WORKSPACE, "--out", &path]).await;
        path
    }

    async fn user(&self, name: &str) -> String {
        let mut client = self.connector.client().unwrap();
        let user = scim::user(&format!("{name}@acme.example"));
        client.post("/Users", user).await.unwrap().made().unwrap()
    }

    /// Restores the server's backup into a directory of its own, and what was said of it.
    async fn restore(&self, more: &[&str]) -> (TempDir, Value) {
        let into = tempfile::tempdir().unwrap();
        let (from, dir) = (self.server.backup_dir().display().to_string(), path(into.path()));
        let command = ["restore", "--json", "--from", &from, "--data-dir", &dir];
        let text = self.does(&[&command, more].concat()).await;
        (into, serde_json::from_str(text.trim()).unwrap())
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

async fn start(data: TempDir) -> (Server, Client) {
    let server = Server::start_in(env!("CARGO_BIN_EXE_muster"), data).await.unwrap();
    let api = server.api().unwrap();
    (server, api)
}

async fn hook(api: &mut Client, receiver: &Fake<WebhookReceiver>) {
    let set = json!({ "kind": "webhook", "url": receiver.url(), "secret": SECRET });
    let path = format!("/workspaces/{WORKSPACE}/mdm/services/default");
    api.put(&path, set).await.unwrap().expect(200).unwrap();
}

async fn deliveries(api: &mut Client, verb: &str) {
    let path = format!("/workspaces/{WORKSPACE}/deliveries/{verb}");
    api.post(&path, json!({})).await.unwrap().expect(200).unwrap();
}

/// Ids of messages that were ordered.
fn orders(receiver: &Fake<WebhookReceiver>) -> Vec<String> {
    let orders = receiver.received().into_iter();
    let orders = orders.filter(|it| it.json()["type"] == "device_action.requested");
    orders.map(|it| it.json()["data"]["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_restore_believes_checkpoints_of_keys_that_followed_the_one_that_was_kept() {
    let drill = Drill::new().await;
    let key = drill.file("key");
    let shown = drill.does(&["audit", "key", "show", "--workspace", WORKSPACE]).await;
    fs::write(&key, shown).unwrap();
    for name in ["ada", "bob"] {
        drill.user(name).await;
        drill.does(&["audit", "key", "rotate"]).await;
    }
    let note = drill.keep_checkpoint("note").await;
    drill.backup().await;
    let (_, said) = drill.restore(&["--key", &key, "--checkpoint", &note]).await;
    assert_eq!(said["checkpoints_that_fit"], json!(1), "{said}");

    // The installation's name, and another one's key: somebody has replaced the signing keys.
    let name = fs::read_to_string(&key).unwrap();
    let own = record::Verifier::parse(name.trim()).unwrap();
    let other = record::Verifier::parse(STRANGER).unwrap().named(own.name());
    let forged = drill.file("forged");
    fs::write(&forged, other.to_string()).unwrap();
    // Whose key is not known, and what is of nothing in the backup, is refused.
    let from = drill.server.backup_dir().display().to_string();
    let text = fs::read_to_string(&note).unwrap();
    let (stranger, elsewhere) = (drill.file("stranger"), drill.file("elsewhere"));
    fs::write(&stranger, STRANGER).unwrap();
    fs::write(&elsewhere, text.replacen(&format!("/{WORKSPACE}\n"), "/other\n", 1)).unwrap();
    for (more, says) in [
        (["--key", &*forged, "--key", &*stranger], "is signed by no key that is trusted"),
        (["--key", &*stranger, "--checkpoint", &*note], "no key that is trusted has signed it"),
        (["--checkpoint", &*elsewhere, "--checkpoint", &*note], "the backup has no such workspace"),
    ] {
        let into = tempfile::tempdir().unwrap();
        let command = ["restore", "--from", &from, "--data-dir", &path(into.path())];
        let said = drill.refused(&[&command[..], &more].concat()).await;
        assert!(said.contains(says), "{said}");
    }
}

#[tokio::test]
async fn what_was_backed_up_under_writes_is_there_after_the_machine_is_lost() {
    let mut drill = Drill::new().await;
    let (bob, ada) = (drill.user("bob").await, drill.user("ada").await);
    setup::device(&mut drill.api, WORKSPACE, "S-1", Some(&ada)).await.unwrap();
    let mut client = drill.connector.client().unwrap();
    let group = scim::group("Staff", &[ada.clone(), bob]);
    client.post("/Groups", group).await.unwrap().made().unwrap();
    let first = drill.backup().await;

    let writes = async {
        for number in 0..60 {
            drill.user(&format!("user{number}")).await;
        }
    };
    let backups = async {
        let mut last = Value::Null;
        for _ in 0..4 {
            last = drill.backup().await;
        }
        last
    };
    let ((), last) = tokio::join!(writes, backups);
    assert!(last["events"].as_u64() >= first["events"].as_u64(), "{first} {last}");
    let note = drill.keep_checkpoint("note").await;
    let last = drill.backup().await;
    let size = last["events"].as_u64().unwrap();
    drill.user("lost").await;
    drill.server.kill().await.unwrap();

    let (data, said) = drill.restore(&["--checkpoint", &note]).await;
    assert_eq!((&said["restored"], &said["checkpoints_that_fit"]), (&json!(size), &json!(1)));
    let dir = path(data.path());
    let verify = ["audit", "verify", "--data-dir", &dir, "--checkpoint", &note];
    assert!(drill.does(&verify).await.contains("a checkpoint vouches for the first"));
    assert!(
        drill.does(&["projections", "verify", "--data-dir", &dir]).await.contains("as the log")
    );

    drill.server.restart().await.unwrap();
    let mut original = drill.server.api().unwrap();
    let (restored, mut api) = start(data).await;
    for list in LISTS {
        let then = get(&mut original, &format!("{list}?limit=1000&at={size}")).await;
        assert_eq!(
            get(&mut api, &format!("{list}?limit=1000")).await["items"],
            then["items"],
            "{list}"
        );
    }
    // Tokens are those of before, and nobody is there twice.
    let mut client = drill.connector.at(&restored).client().unwrap();
    client.get(&format!("/Users/{ada}")).await.unwrap().expect(200).unwrap();
    let again = client.post("/Users", scim::user("ada@acme.example")).await.unwrap();
    again.expect_scim_error(409, Some("uniqueness")).unwrap();
    client.post("/Users", scim::user("lost@acme.example")).await.unwrap().made().unwrap();
}

#[tokio::test]
async fn a_restore_on_another_machine_sends_nothing_until_a_person_resumes_it() {
    let receiver = Fake::start(WebhookReceiver::new(&[b'k'; 32])).await.unwrap();
    receiver.with(|it| it.at_once = true);
    let mut drill = Drill::new().await;
    hook(&mut drill.api, &receiver).await;
    let (ada, bob) = (drill.user("ada").await, drill.user("bob").await);
    for (serial, user) in [("S-1", &ada), ("S-2", &bob)] {
        setup::device(&mut drill.api, WORKSPACE, serial, Some(user)).await.unwrap();
    }
    // Owed, and not sent yet.
    deliveries(&mut drill.api, "suspend").await;
    let mut client = drill.connector.client().unwrap();
    let off = |id: &str| (format!("/Users/{id}"), scim::active(false));
    let (to, change) = off(&ada);
    client.patch(&to, change).await.unwrap().expect(200).unwrap();
    get(&mut drill.api, "/effects").await;
    drill.backup().await;
    drill.server.kill().await.unwrap();

    let (data, _) = drill.restore(&[]).await;
    let (mut restored, mut api) = start(data).await;
    let mut root = Client::new(restored.url(), ADMIN_TOKEN).unwrap();
    let ready = root.get("/readyz").await.unwrap().expect(200).unwrap();
    assert!(ready["warnings"].to_string().contains("suspended in 1 workspace"), "{ready}");
    let state = get(&mut api, "/deliveries").await;
    assert_eq!((&state["state"], &state["because"]), (&json!("suspended"), &json!("restored")));

    // SCIM goes on, and offboardings open.
    let mut client = drill.connector.at(&restored).client().unwrap();
    let (to, change) = off(&bob);
    client.patch(&to, change).await.unwrap().expect(200).unwrap();
    api.post("/projections/rebuild", json!({})).await.unwrap().expect(200).unwrap();
    assert_eq!(restored.stop().await.unwrap(), Some(0));
    restored.restart().await.unwrap();
    let mut api = restored.api().unwrap();
    let effects = get(&mut api, "/effects").await;
    let effects = effects["items"].as_array().unwrap();
    assert_eq!(effects.len(), 2);
    assert!(effects.iter().all(|it| it["state"] == "requested" && it["suspended"] == true));
    let offboardings = get(&mut api, "/offboardings?state=started").await;
    assert_eq!(offboardings["items"].as_array().unwrap().len(), 2);
    assert!(receiver.received().is_empty(), "nothing at all reached the service");

    let resume = ["effects", "resume", "--workspace", WORKSPACE];
    assert_eq!(restored.command(&resume).await.unwrap().0, Some(0));
    all_ended(&mut api, WORKSPACE).await.unwrap();
    let mut owed: Vec<_> = effects.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
    let mut sent = orders(&receiver);
    owed.sort();
    sent.sort();
    assert_eq!(sent, owed, "each once, under its own key");
}

#[tokio::test]
async fn a_workspace_is_restored_as_it_was_at_an_earlier_point() {
    let mut drill = Drill::new().await;
    drill.user("ada").await;
    let early = drill.keep_checkpoint("early").await;
    let events = get(&mut drill.api, "/events?limit=1000").await;
    let position =
        events["items"].as_array().unwrap().last().unwrap()["position"].as_u64().unwrap();
    drill.user("grace").await;
    let late = drill.keep_checkpoint("late").await;
    drill.backup().await;
    drill.server.kill().await.unwrap();

    let to = position.to_string();
    let point = ["--workspace", WORKSPACE, "--to", &to];
    let notes = ["--checkpoint", &early, "--checkpoint", &late];
    let (data, said) = drill.restore(&[&point[..], &notes].concat()).await;
    assert_eq!((&said["restored"], &said["checkpoints_that_fit"]), (&json!(position), &json!(1)));
    assert_eq!(said["checkpoints_beyond"].as_array().unwrap().len(), 1);
    let dir = path(data.path());
    drill.does(&["audit", "verify", "--data-dir", &dir, "--checkpoint", &early]).await;
    // Whoever has kept the later one sees what happened.
    drill.refused(&["audit", "verify", "--data-dir", &dir, "--checkpoint", &late]).await;

    let (restored, mut api) = start(data).await;
    let state = get(&mut api, "/deliveries").await;
    assert!(state["backup_size"].as_u64() > state["restored_size"].as_u64(), "{state}");
    let mut client = drill.connector.at(&restored).client().unwrap();
    let names = get(&mut api, "/mdm/users").await;
    assert_eq!(names["items"].as_array().unwrap().len(), 1);
    let again = client.post("/Users", scim::user("ADA@acme.example")).await.unwrap();
    again.expect_scim_error(409, Some("uniqueness")).unwrap();
    client.post("/Users", scim::user("grace@acme.example")).await.unwrap().made().unwrap();

    let from = path(&drill.server.backup_dir());
    let other = drill.file("other");
    let beyond = ["restore", "--from", &from, "--data-dir", &other];
    let too_far = [&beyond[..], &["--workspace", WORKSPACE, "--to", "9999"]].concat();
    assert!(drill.refused(&too_far).await.contains("events of the workspace"));
    // What was begun there is not to be used, and not to be gone on with.
    drill.refused(&beyond).await;
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data-dir", &other];
    assert!(drill.refused(&serve).await.contains("was not finished"));
    let early = [
        "restore",
        "--from",
        &from,
        "--data-dir",
        &drill.file("none"),
        "--to",
        "1970-01-01T00:00:00Z",
    ];
    assert!(drill.refused(&early).await.contains("nothing would be restored"));
    let inside = path(&drill.server.backup_dir().join("new"));
    let (code, said) = drill.run(&["restore", "--from", &from, "--data-dir", &inside]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("lies in the backup"), "{said}");
}

#[tokio::test]
async fn keys_may_be_kept_apart_and_a_backup_that_was_changed_is_found() {
    let mut drill = Drill::new().await;
    drill.user("ada").await;
    assert_eq!(drill.server.stop().await.unwrap(), Some(0));
    let (data, into) = (drill.server.data_dir_text(), drill.file("backup"));
    let keys = drill.file("keys");
    let command = ["backup", "--data-dir", &data, "--into", &into, "--keys-into", &keys];
    drill.does(&command).await;
    drill.does(&command).await;
    for (dir, name, there) in
        [(&into, "keys.db", false), (&into, "signing.keys", false), (&keys, "keys.db", true)]
    {
        assert_eq!(Path::new(dir).join(name).exists(), there, "{dir} {name}");
    }
    for (into, keys, why) in [
        (&data, &keys, "is the data directory"),
        (&into, &into, "keep them apart"),
        (&path(drill.kept.path()), &keys, "not empty"),
    ] {
        let command = ["backup", "--data-dir", &data, "--into", into, "--keys-into", keys];
        let (code, said) = drill.run(&command).await;
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(why), "{said}");
    }
    let (without, with) = (drill.file("without"), drill.file("with"));
    let restore = ["restore", "--from", &into, "--data-dir"];
    let said = drill.refused(&[&restore[..], &[&without]].concat()).await;
    assert!(said.contains("--keys-from"), "{said}");
    drill.does(&[&restore[..], &[&with, "--keys-from", &keys]].concat()).await;

    let log = Path::new(&into).join("log.db");
    let mut bytes = fs::read(&log).unwrap();
    let name = b"user.entry_added";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    bytes[at + name.len() - 1] = b'D';
    fs::write(&log, bytes).unwrap();
    let changed = drill.file("changed");
    let said = drill.refused(&[&restore[..], &[&changed, "--keys-from", &keys]].concat()).await;
    assert!(said.contains("does not fit its leaf hash"), "{said}");
    fs::remove_file(Path::new(&into).join("manifest.json")).unwrap();
    let none = drill.file("none");
    let said = drill.refused(&[&restore[..], &[&none, "--keys-from", &keys]].concat()).await;
    assert!(said.contains("begun and never finished"), "{said}");
    let restore = ["restore", "--from", &without, "--data-dir"];
    let said = drill.refused(&[&restore[..], &[&none, "--keys-from", &keys]].concat()).await;
    assert!(said.contains("is no backup"), "{said}");
}
