//! What an auditor does (rule 31): keeps a checkpoint, takes an export away, checks both, and finds
//! whatever somebody with access to the files has changed since.

use std::{fs, path::Path};

use serde_json::{Value, json};
use testkit::{Client, Random, Server, scim, setup};

use crate::{WORKSPACE, start_with_workspace};

/// The seed of the test's choices, unless `MUSTER_TEST_SEED` gives another.
const SEED: u64 = 31;
/// How many changes are tried.
const CHANGES: usize = 24;
/// What is changed: all that a leaf covers and that can be found in the files as it is.
const FIELDS: [&str; 7] = ["payload", "leaf", "actor", "request", "correlation", "rule", "type"];

/// A server that has a history, and what an auditor keeps of it.
struct Audit {
    server: Server,
    api: Client,
    /// The auditor's own folder.
    kept: tempfile::TempDir,
}

impl Audit {
    async fn new() -> Self {
        let (server, mut api) = start_with_workspace().await;
        let rule = setup::create_and("remove_user");
        let connector =
            setup::connector(&mut api, WORKSPACE, "store", "generic", rule).await.unwrap();
        let mut client = connector.client().unwrap();
        for name in ["ada", "grace", "edsger"] {
            let user = scim::user(&format!("{name}@acme.example"));
            client.post("/Users", user).await.unwrap().made().unwrap();
        }
        Self { server, api, kept: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str) -> String {
        self.kept.path().join(name).display().to_string()
    }

    async fn run(&self, command: &[&str]) -> (Option<i32>, String) {
        self.server.command(&[&["audit"], command].concat()).await.unwrap()
    }

    /// Runs a command that has to be done.
    async fn does(&self, command: &[&str]) -> String {
        let (code, text) = self.run(command).await;
        assert_eq!(code, Some(0), "{command:?}: {text}");
        text
    }

    /// Keeps the key, a checkpoint and an export.
    async fn keep(&self) {
        let key = self.does(&["key", "show", "--workspace", WORKSPACE]).await;
        fs::write(self.file("key"), key).unwrap();
        let note = self.file("note");
        self.does(&["checkpoint", "--workspace", WORKSPACE, "--out", &note]).await;
        let export = self.file("export");
        self.does(&["export", "--workspace", WORKSPACE, "--out", &export]).await;
    }

    async fn rename(&mut self, name: &str) {
        let path = format!("/workspaces/{WORKSPACE}");
        self.api.patch(&path, json!({ "name": name })).await.unwrap().expect(200).unwrap();
    }
}

#[tokio::test]
async fn an_export_is_checked_with_a_checkpoint_and_a_key_and_goes_on_where_it_was_cut_off() {
    let mut audit = Audit::new().await;
    audit.keep().await;
    audit.rename("Later").await;
    let (key, note) = (audit.file("key"), audit.file("note"));
    let (old, new, part) = (audit.file("export"), audit.file("new"), audit.file("part"));
    audit.does(&["export", "--workspace", WORKSPACE, "--out", &new]).await;
    audit.does(&["export", "--workspace", WORKSPACE, "--out", &part, "--type", "user.*"]).await;
    assert_eq!(audit.server.stop().await.unwrap(), Some(0));

    for command in [
        &["verify", "--file", &old, "--checkpoint", &note][..],
        &["verify", "--file", &old, "--checkpoint", &note, "--key", &key],
        &["verify", "--file", &new, "--key", &key, "--since", &note],
        &["verify", "--file", &part, "--key", &key],
    ] {
        let text = audit.does(command).await;
        assert!(text.contains("all as written"), "{text}");
    }
    // A part against a checkpoint from before: that says nothing against either.
    for key in [&["--key", &*key][..], &[]] {
        let command = [&["verify", "--file", &part, "--checkpoint", &note][..], key].concat();
        let (code, text) = audit.run(&command).await;
        assert!(code == Some(2) && text.contains("cannot be compared"), "{code:?}: {text}");
        assert!(!text.contains("BROKEN"), "{text}");
    }

    // A byte that makes it no UTF-8 any more is found where it stands.
    let mut bytes = fs::read(&new).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] |= 0x80;
    let odd = audit.file("odd");
    fs::write(&odd, bytes).unwrap();
    let (code, text) = audit.run(&["verify", "--file", &odd, "--key", &key]).await;
    assert!(code == Some(1) && text.contains("position"), "{text}");

    // Cut off in the middle of a line, it is noticed, and resumed to the same bytes.
    audit.server.restart().await.unwrap();
    let whole = fs::read(&new).unwrap();
    fs::write(&new, &whole[..whole.len() * 2 / 3]).unwrap();
    let (code, text) = audit.run(&["verify", "--file", &new, "--key", &key]).await;
    assert_eq!(code, Some(1), "{text}");
    audit.does(&["export", "--workspace", WORKSPACE, "--out", &new, "--resume"]).await;
    assert_eq!(fs::read(&new).unwrap(), whole);

    let csv = audit.file("csv");
    audit.does(&["export", "--workspace", WORKSPACE, "--out", &csv, "--format", "csv"]).await;
    let rows = fs::read_to_string(&csv).unwrap();
    assert!(rows.starts_with("position,time,") && rows.contains("workspace.renamed"), "{rows}");
    // Cut off in a row, behind one, and not at all, while there is more by now.
    audit.api = audit.server.api().unwrap();
    audit.rename("Much later").await;
    for end in [rows.len() * 2 / 3, rows[..rows.len() / 2].rfind('\n').unwrap() + 1, rows.len()] {
        fs::write(&csv, &rows[..end]).unwrap();
        let export = ["export", "--workspace", WORKSPACE, "--out", &csv, "--format", "csv"];
        audit.does(&[&export[..], &["--resume"]].concat()).await;
        assert_eq!(fs::read_to_string(&csv).unwrap(), rows);
    }
}

#[tokio::test]
async fn a_server_and_its_files_are_checked_against_what_was_kept_and_over_a_change_of_the_key() {
    let mut audit = Audit::new().await;
    audit.keep().await;
    let (key, note) = (audit.file("key"), audit.file("note"));
    audit.does(&["key", "rotate"]).await;
    audit.rename("Later").await;
    let remote = ["verify", "--workspace", WORKSPACE, "--key", &key, "--since", &note];
    assert!(audit.does(&remote).await.contains("the checkpoint fits"));
    // One file with what both keys have signed, of which one is known.
    let both = audit.file("both");
    fs::copy(&note, &both).unwrap();
    audit.does(&["checkpoint", "--workspace", WORKSPACE, "--out", &both]).await;
    let remote = ["verify", "--workspace", WORKSPACE, "--key", &key, "--checkpoint", &both];
    assert!(audit.does(&remote).await.contains("the checkpoint fits"));

    assert_eq!(audit.server.stop().await.unwrap(), Some(0));
    let directory = audit.server.data_dir_text();
    audit.does(&["key", "rotate", "--data-dir", &directory]).await;
    let offline = ["verify", "--data-dir", &directory, "--key", &key, "--since", &note];
    assert!(audit.does(&offline).await.contains("a checkpoint vouches for the first"));
    // And what the keys that followed have signed.
    let offline = ["verify", "--data-dir", &directory, "--key", &key, "--checkpoint", &both];
    assert!(audit.does(&offline).await.contains("the checkpoint fits"));
    let show = ["key", "show", "--json", "--workspace", WORKSPACE, "--data-dir", &directory];
    let keys: Value = serde_json::from_str(&audit.does(&show).await).unwrap();
    assert_eq!(keys["items"].as_array().unwrap().len(), 3);
    let (first, again) = (audit.file("export"), audit.file("again"));
    let export = ["export", "--workspace", WORKSPACE, "--data-dir", &directory, "--out", &again];
    audit.does(&export).await;
    // Events that were there before are exported the same, by a server and from its files.
    let events = |path: &str| {
        fs::read_to_string(path).unwrap().lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let (first, again) = (events(&first), events(&again));
    assert_eq!(first[..first.len() - 1], again[..first.len() - 1]);
}

#[tokio::test]
async fn the_record_of_a_closed_workspace_is_verified_and_exported_on_a_running_server() {
    let mut audit = Audit::new().await;
    audit.keep().await;
    let (key, note, file) = (audit.file("key"), audit.file("note"), audit.file("closed"));
    audit.does(&["key", "rotate"]).await;
    let path = format!("/workspaces/{WORKSPACE}");
    audit.api.delete(&path).await.unwrap().expect(204).unwrap();
    let trust = ["--key", &key, "--checkpoint", &note];
    let remote = ["verify", "--workspace", WORKSPACE];
    assert!(audit.does(&[&remote[..], &trust].concat()).await.contains("all as written"));
    audit.does(&["export", "--workspace", WORKSPACE, "--out", &file]).await;
    let closed = audit.does(&["log", "--workspace", WORKSPACE, "--type", "workspace.closed"]).await;
    assert_eq!(closed.lines().count(), 1, "{closed}");
}

/// The bytes of a covered value, wherever the value stands in the files.
fn change(directory: &Path, value: &[u8], random: &mut Random) -> bool {
    let at = random.below(value.len());
    let bit = 1 << random.below(8);
    let mut changed = false;
    for name in ["log.db", "log.db-wal"] {
        let path = directory.join(name);
        let Ok(mut bytes) = fs::read(&path) else { continue };
        let places: Vec<_> =
            (0..bytes.len()).filter(|place| bytes[*place..].starts_with(value)).collect();
        for place in &places {
            bytes[place + at] ^= bit;
        }
        changed |= !places.is_empty();
        fs::write(&path, bytes).unwrap();
    }
    changed
}

/// The files of a data directory, to come back to. What is derived from them is left out.
struct Saved(tempfile::TempDir);

impl Saved {
    fn of(directory: &Path) -> Self {
        let saved = tempfile::tempdir().unwrap();
        for file in files(directory) {
            fs::copy(&file, saved.path().join(file.file_name().unwrap())).unwrap();
        }
        Self(saved)
    }

    fn restore(&self, directory: &Path) {
        files(directory).iter().for_each(|file| fs::remove_file(file).unwrap());
        for file in files(self.0.path()) {
            fs::copy(&file, directory.join(file.file_name().unwrap())).unwrap();
        }
    }
}

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}

#[tokio::test]
async fn rule_31_a_change_of_any_byte_of_an_event_is_found_and_named() {
    let mut audit = Audit::new().await;
    audit.keep().await;
    assert_eq!(audit.server.stop().await.unwrap(), Some(0));
    let seed = std::env::var("MUSTER_TEST_SEED").ok().and_then(|it| it.parse().ok());
    let seed = seed.unwrap_or(SEED);
    let mut random = Random::new(seed);
    let export = fs::read_to_string(audit.file("export")).unwrap();
    let events: Vec<Value> =
        export.lines().map(|line| serde_json::from_str(line).unwrap()).skip(1).collect();
    let events = &events[..events.len() - 1];
    let saved = Saved::of(audit.server.data_dir());
    let directory = audit.server.data_dir_text();
    let (key, note) = (audit.file("key"), audit.file("note"));
    let verify = ["verify", "--data-dir", &directory, "--key", &key, "--checkpoint", &note];
    audit.does(&verify).await;
    for _ in 0..CHANGES {
        let event = random.pick(events).unwrap();
        let field = *random.pick(&FIELDS).unwrap();
        let value = match (field, &event[field]) {
            (_, Value::Null) => continue,
            ("payload" | "leaf", value) => {
                data_encoding::BASE64.decode(value.as_str().unwrap().as_bytes()).unwrap()
            }
            (_, value) => value.as_str().unwrap().as_bytes().to_vec(),
        };
        assert!(change(audit.server.data_dir(), &value, &mut random), "{field} stands nowhere");
        let (code, text) = audit.run(&verify).await;
        let tried = format!("seed {seed}, {field} of event {}: {text}", event["position"]);
        assert_eq!(code, Some(1), "{tried}");
        // A value may stand in several events, and begin others: the first of them is named.
        let named = text.split("BROKEN at position ").nth(1).unwrap_or_else(|| panic!("{tried}"));
        let named: u64 = named.split(':').next().unwrap().parse().unwrap();
        let begins = |it: &&Value| match (&it[field], &event[field]) {
            (Value::String(one), Value::String(other)) => one.contains(other.as_str()),
            _ => false,
        };
        let first = events.iter().find(begins).unwrap()["position"].as_u64().unwrap();
        assert!(named <= first, "{tried}");
        assert!(field != "payload" && field != "leaf" || named == first, "{tried}");
        saved.restore(audit.server.data_dir());
    }
    audit.does(&verify).await;
}

#[tokio::test]
async fn rule_31_a_history_that_was_written_anew_is_found_with_a_kept_checkpoint() {
    let mut audit = Audit::new().await;
    audit.keep().await;
    assert_eq!(audit.server.stop().await.unwrap(), Some(0));
    let saved = Saved::of(audit.server.data_dir());
    audit.server.restart().await.unwrap();
    audit.api = audit.server.api().unwrap();
    let (key, late) = (audit.file("key"), audit.file("late"));
    for name in ["First", "Second"] {
        audit.rename(name).await;
        audit.does(&["checkpoint", "--workspace", WORKSPACE, "--out", &late]).await;
    }
    assert_eq!(audit.server.stop().await.unwrap(), Some(0));
    let directory = audit.server.data_dir_text();
    let verify = ["verify", "--data-dir", &directory, "--key", &key, "--checkpoint", &late];
    audit.does(&verify).await;
    let notes = fs::read_to_string(&late).unwrap();
    let head: u64 = notes.lines().nth(1).unwrap().parse().unwrap();

    // Each of these fits in itself, and is signed with the server's own key.
    for (names, place) in [
        (&[][..], format!("position {head}")),
        (&["First"], format!("position {}", head + 1)),
        (&["Second", "First"], format!("position {head}")),
        (&["First", "Third"], format!("position {}", head + 1)),
    ] {
        saved.restore(audit.server.data_dir());
        audit.server.restart().await.unwrap();
        audit.api = audit.server.api().unwrap();
        for name in names {
            audit.rename(name).await;
        }
        let remote = ["verify", "--workspace", WORKSPACE, "--key", &key, "--checkpoint", &late];
        let (code, text) = audit.run(&remote).await;
        assert!(code == Some(1) && text.contains("BROKEN"), "{names:?}: {text}");
        assert_eq!(audit.server.stop().await.unwrap(), Some(0));
        audit.does(&["verify", "--data-dir", &directory]).await;
        let (code, text) = audit.run(&verify).await;
        assert_eq!(code, Some(1), "{names:?}: {text}");
        let between = format!("between positions 1 and {head}");
        assert!(text.contains(&place) || text.contains(&between), "{names:?}: {text}");
    }
}
