//! The commands that prove things fail when there is something to find: a byte of the record that
//! was changed, a row of a read model that is not what the log says.

use std::{fs, path::Path};

use serde_json::json;
use testkit::{Server, record::Record, scim, setup};

use crate::{WORKSPACE, start_with_workspace};

/// Writes other bytes in the place of these, wherever they stand in the files of a directory itself;
/// returns in how many places.
fn replace(directory: &Path, from: &str, to: &str) -> usize {
    assert_eq!(from.len(), to.len());
    let mut replaced = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            continue;
        }
        let mut bytes = fs::read(&path).unwrap();
        let is = |at: &usize| bytes[*at..].starts_with(from.as_bytes());
        let places: Vec<_> = (0..bytes.len()).filter(is).collect();
        for at in &places {
            bytes[*at..at + to.len()].copy_from_slice(to.as_bytes());
        }
        if !places.is_empty() {
            fs::write(&path, bytes).unwrap();
        }
        replaced += places.len();
    }
    replaced
}

async fn run(server: &Server, command: &[&str]) -> (Option<i32>, String) {
    server.command(command).await.unwrap()
}

#[tokio::test]
async fn a_record_that_was_altered_is_named_by_its_position() {
    let (mut server, mut api) = start_with_workspace().await;
    let rename = json!({ "name": "Before" });
    api.patch(&format!("/workspaces/{WORKSPACE}"), rename).await.unwrap().expect(200).unwrap();
    let record = Record::whole(&mut api, WORKSPACE).await.unwrap();
    let renamed = record.of("workspace.renamed").next().unwrap().position;
    assert_eq!(server.stop().await.unwrap(), Some(0));
    let directory = server.data_dir_text();
    let verify = ["audit", "verify", "--data-dir", &directory];

    let (code, text) = run(&server, &verify).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(replace(server.data_dir(), "Before", "Forged") > 0, "the name stands in no file");
    let (code, text) = run(&server, &verify).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&format!("BROKEN at position {renamed}")), "{text}");
}

#[tokio::test]
async fn a_read_model_that_differs_from_the_log_is_found_and_mended_by_a_rebuild() {
    let (mut server, mut api) = start_with_workspace().await;
    let rule = setup::create_and("remove_user");
    let connector = setup::connector(&mut api, WORKSPACE, "store", "generic", rule).await.unwrap();
    let mut client = connector.client().unwrap();
    let mut user = scim::user("ada@acme.example");
    user["title"] = json!("Countess");
    let id = client.post("/Users", user).await.unwrap().made().unwrap();
    let path = format!("/Users/{id}");
    client.get(&path).await.unwrap().expect(200).unwrap();
    assert_eq!(server.stop().await.unwrap(), Some(0));
    assert!(replace(&server.data_dir().join("read"), "Countess", "Impostor") > 0);

    server.restart().await.unwrap();
    let mut client = connector.at(&server).client().unwrap();
    let shown = client.get(&path).await.unwrap().expect(200).unwrap();
    assert_eq!(shown["title"], "Impostor", "the row was not altered: the test tests nothing");
    let (code, text) = run(&server, &["projections", "verify"]).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("directory") && text.contains(WORKSPACE), "{text}");

    assert_eq!(run(&server, &["projections", "rebuild", "directory"]).await.0, Some(0));
    let (code, text) = run(&server, &["projections", "verify"]).await;
    assert_eq!(code, Some(0), "{text}");
    let shown = client.get(&path).await.unwrap().expect(200).unwrap();
    assert_eq!(shown["title"], "Countess");

    // The same without a server, on its files.
    assert_eq!(server.stop().await.unwrap(), Some(0));
    assert!(replace(&server.data_dir().join("read"), "Countess", "Impostor") > 0);
    let directory = server.data_dir_text();
    let offline = |command| ["projections", command, "--data-dir", &directory, "directory"];
    let (code, text) = run(&server, &offline("verify")).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("Impostor") && text.contains("Countess"), "{text}");
    let (code, text) = run(&server, &offline("rebuild")).await;
    assert_eq!((code, text.trim()), (Some(0), "rebuilt directory"));
    let (code, text) = run(&server, &offline("verify")).await;
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = run(&server, &offline("status")).await;
    assert!(code == Some(0) && text.contains("generation=3"), "{text}");
}
