//! An auditor with a token of their own: reads, follows and asks why, changes nothing, and is let go.

use std::process::Stdio;

use serde_json::Value;
use testkit::scim;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::{WORKSPACE, mdm};

#[tokio::test]
async fn an_auditor_reads_follows_and_asks_why_and_changes_nothing() {
    let (mut server, _, connector) = mdm("remove_user").await;
    let mut client = connector.client().unwrap();
    let ada = client.post("/Users", scim::user("ada@acme.example")).await.unwrap();
    let ada = ada.made().unwrap();
    let create = ["access", "create", "Ann", "--role", "auditor", "--workspace", WORKSPACE];
    let (code, granted) = server.command(&[&create[..], &["--json"]].concat()).await.unwrap();
    assert_eq!(code, Some(0), "{granted}");
    let granted: Value = serde_json::from_str(&granted).unwrap();
    let (id, token) = (granted["id"].as_str().unwrap(), granted["token"].as_str().unwrap());
    let auditor = async |command: &[&str]| {
        let command = [command, &["--workspace", WORKSPACE, "--token", token]].concat();
        server.command(&command).await.unwrap()
    };

    let (code, lines) = auditor(&["audit", "tail", "--after", "0", "--to", "5", "--json"]).await;
    assert_eq!(code, Some(0), "{lines}");
    let followed: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let positions: Vec<_> = followed.iter().map(|it| it["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, [1, 2, 3, 4, 5]);
    let (code, timeline) = auditor(&["audit", "timeline", &ada]).await;
    assert_eq!(code, Some(0), "{timeline}");
    assert!(timeline.contains("brought them as ada@acme.example"), "{timeline}");
    let (code, why) = auditor(&["audit", "why", "--account", &ada]).await;
    assert_eq!(code, Some(0), "{why}");
    assert!(why.starts_with("their account is active\n"), "{why}");
    assert!(why.contains("mdm asked to create: created"), "{why}");
    let (code, refused) = auditor(&["people", "remove", "mdm", &ada, "--yes"]).await;
    assert!(code == Some(1) && refused.contains("owner or administrator"), "{refused}");

    // Whoever follows is let go when the server ends, and told where to go on.
    let mut tail = Command::new(env!("CARGO_BIN_EXE_muster"))
        .args(["audit", "tail", "--after", "0", "--workspace", WORKSPACE])
        .env("MUSTER_URL", server.url())
        .env("MUSTER_TOKEN", token)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    assert!(lines.next_line().await.unwrap().is_some(), "it is connected");
    assert_eq!(server.stop().await.unwrap(), Some(0));
    let ended = tail.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success() && said.contains("go on with --after"), "{said}");

    server.restart().await.unwrap();
    let (code, said) = server.command(&["access", "revoke", id]).await.unwrap();
    assert_eq!(code, Some(0), "{said}");
    let log = ["audit", "log", "--workspace", WORKSPACE, "--token", token];
    let (code, refused) = server.command(&log).await.unwrap();
    assert!(code == Some(1) && refused.contains("revoked"), "{refused}");
}
