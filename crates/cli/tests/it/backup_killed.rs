//! A process that makes a backup is killed: what is there is called what it is, nobody restores half of it, and
//! the next backup goes on.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tempfile::TempDir;
use testkit::{Server, scim, setup::Connector};
use tokio::process::Command;

use crate::{WORKSPACE, mdm};

/// What there is at a step of a backup, in the order of the steps.
const SIGNS: [&str; 5] = ["lock", "log.db", "keys.db", "commands.db", "manifest.json.new"];
/// In how many directories a backup is begun, at most, before one was cut off.
const TRIES: usize = 20;

fn text(path: &Path) -> String {
    path.display().to_string()
}

async fn users(connector: &Connector, names: std::ops::Range<u32>) {
    let mut client = connector.client().unwrap();
    for number in names {
        let user = scim::user(&format!("user{number}@acme.example"));
        client.post("/Users", user).await.unwrap().made().unwrap();
    }
}

/// What tells one state of a file from the next.
fn stamp(path: &Path) -> Option<(std::time::SystemTime, u64)> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.len()))
}

/// Makes a backup, and kills whoever makes it as soon as a file is there, or is another than before.
async fn kill_at(server: &Server, into: &Path, sign: &str) {
    let file = into.join(sign);
    let before = stamp(&file);
    let mut child = Command::new(env!("CARGO_BIN_EXE_muster"))
        .args(["backup", "--data-dir", &server.data_dir_text(), "--into", &text(into)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // It ends with the process at the latest.
    while child.try_wait().unwrap().is_none() && stamp(&file) == before {
        tokio::task::yield_now().await;
    }
    child.kill().await.unwrap();
}

async fn run(server: &Server, command: &[&str], code: i32) -> String {
    let (ended, said) = server.command(command).await.unwrap();
    assert_eq!(ended, Some(code), "{command:?}: {said}");
    said
}

/// Restores it, and checks every event. How many events of the workspace there are.
async fn restored(server: &Server, from: &Path) -> u64 {
    let into = TempDir::new().unwrap();
    let (from, into) = (text(from), text(into.path()));
    let said = run(server, &["restore", "--json", "--from", &from, "--data-dir", &into], 0).await;
    let said: Value = serde_json::from_str(said.trim()).unwrap();
    run(server, &["audit", "verify", "--data-dir", &into, "--workspace", WORKSPACE], 0).await;
    said["restored"].as_u64().unwrap()
}

/// Begins a backup that is cut off before it is one.
async fn cut_off(server: &Server, dir: &Path) -> PathBuf {
    for attempt in 0..TRIES {
        let into = dir.join(attempt.to_string());
        kill_at(server, &into, SIGNS[0]).await;
        if into.join(SIGNS[0]).exists() && !into.join("manifest.json").exists() {
            return into;
        }
    }
    panic!("no kill came in time");
}

#[tokio::test]
async fn a_backup_that_is_killed_is_called_unfinished_and_the_next_one_goes_on() {
    let (mut server, _, connector) = mdm("remove_user").await;
    users(&connector, 0..40).await;
    assert_eq!(server.stop().await.unwrap(), Some(0));
    let dir = TempDir::new().unwrap();
    let into = cut_off(&server, dir.path()).await;
    let elsewhere = TempDir::new().unwrap();
    let (from, new) = (text(&into), text(&elsewhere.path().join("new")));
    let restore = ["restore", "--from", &from, "--data-dir", &new];
    let said = run(&server, &restore, 1).await;
    assert!(said.contains("begun and never finished") && said.contains("muster backup"), "{said}");
    assert!(!Path::new(&new).exists(), "nothing was begun");
    let nothing = TempDir::new().unwrap();
    let nothing = text(nothing.path());
    let said = run(&server, &["restore", "--from", &nothing, "--data-dir", &new], 1).await;
    assert!(said.contains("is no backup"), "{said}");

    for sign in SIGNS {
        kill_at(&server, &into, sign).await;
    }
    let data = server.data_dir_text();
    run(&server, &["backup", "--data-dir", &data, "--into", &from], 0).await;
    let whole = restored(&server, &into).await;

    // What is added to a backup is in it once it is whole; cut off, it is the backup that it was.
    server.restart().await.unwrap();
    users(&connector.at(&server), 40..80).await;
    assert_eq!(server.stop().await.unwrap(), Some(0));
    let manifest = std::fs::read(into.join("manifest.json")).unwrap();
    for sign in &SIGNS[1..] {
        kill_at(&server, &into, sign).await;
        let is_as_before = std::fs::read(into.join("manifest.json")).unwrap() == manifest;
        let events = restored(&server, &into).await;
        assert_eq!(events == whole, is_as_before, "{sign}: {events} of {whole}");
    }
    run(&server, &["backup", "--data-dir", &data, "--into", &from], 0).await;
    assert!(restored(&server, &into).await > whole);
}

#[tokio::test]
async fn a_server_that_is_killed_while_it_makes_a_backup_goes_on_with_the_next() {
    let (mut server, mut api, connector) = mdm("remove_user").await;
    users(&connector, 0..40).await;
    let into = server.backup_dir();
    for _ in 0..3 {
        api.post("/backups", Value::Null).await.unwrap();
        server.kill().await.unwrap();
        server.restart().await.unwrap();
        api = server.api().unwrap();
        if into.join("manifest.json").exists() {
            continue;
        }
        let new = text(&into.with_extension("restored"));
        let said = run(&server, &["restore", "--from", &text(&into), "--data-dir", &new], 1).await;
        assert!(said.contains("never finished") || said.contains("is no backup"), "{said}");
    }
    let said = run(&server, &["backup", "--json"], 0).await;
    let said: Value = serde_json::from_str(said.trim()).unwrap();
    assert_eq!(said["state"], "completed", "{said}");
    assert!(restored(&server, &into).await > 40);
}
