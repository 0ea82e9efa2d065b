//! What commands make of what they are answered, and of where they print it.

use std::{
    fs::{File, Permissions},
    os::unix::fs::PermissionsExt,
    process::Stdio,
};

use serde_json::{Value, json};
use testkit::{
    fake::{Fake, Received, Reply, Service},
    scim,
    setup::{self, connector},
};
use tokio::process::Command;

use crate::{WORKSPACE, commands::Shell, start_with_workspace};

/// A server that answers as a test says.
struct Scripted<F>(F);

impl<F: FnMut(&Received) -> Reply + Send + 'static> Service for Scripted<F> {
    fn answer(&mut self, request: &Received) -> Reply {
        self.0(request)
    }

    fn is_order(&self, _: &Received) -> bool {
        false
    }

    fn settle(&mut self) {}

    fn done(&self) -> usize {
        0
    }
}

async fn shell_at<F>(answer: F) -> (Fake<Scripted<F>>, Shell)
where
    F: FnMut(&Received) -> Reply + Send + 'static,
{
    let fake = Fake::start(Scripted(answer)).await.unwrap();
    let shell = Shell { url: fake.url() };
    (fake, shell)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_the_apis_is_no_empty_list() {
    let headers = vec![("content-type", "text/html".to_owned())];
    let page = Reply { status: 200, headers, body: "<h1>Welcome</h1>".to_owned() };
    let (_page, shell) = shell_at(move |_| page.clone()).await;
    for line in ["people list store", "workspace show", "roles show"] {
        let (code, complaint) = shell.fails(line).await;
        assert!(code == 1 && complaint.contains("--url"), "{line}: {code} {complaint}");
    }
    let (_other, shell) = shell_at(|_| Reply::json(200, &json!({ "hello": "world" }))).await;
    for line in ["people list store", "audit provisioning list", "audit provisioning rejections"] {
        let (code, complaint) = shell.fails(line).await;
        assert!(code == 1 && complaint.contains("list"), "{line}: {code} {complaint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_is_read_to_its_end() {
    let (server, mut api) = start_with_workspace().await;
    let rule = setup::create_and("remove_user");
    let mdm = connector(&mut api, WORKSPACE, "mdm", "generic", rule).await.unwrap();
    let mut client = mdm.client().unwrap();
    let ada = client.post("/Users", scim::user("ada@acme.example")).await.unwrap().made().unwrap();
    let shell = Shell { url: server.url().to_owned() };
    for line in [
        "access list".to_owned(),
        "attributes history mdm".to_owned(),
        "connector list".to_owned(),
        "connector rule preview mdm --list".to_owned(),
        "device list".to_owned(),
        "effects list".to_owned(),
        "group list".to_owned(),
        format!("group list --person {ada}"),
        "hold list".to_owned(),
        "offboarding list".to_owned(),
        "people erasures".to_owned(),
        "people list mdm".to_owned(),
        "publication list".to_owned(),
        "segment list".to_owned(),
        "token list mdm".to_owned(),
        "workspace list".to_owned(),
        "workspace mdm list".to_owned(),
        "audit provisioning list".to_owned(),
        "audit provisioning cycles".to_owned(),
        "audit provisioning rejections".to_owned(),
        "projections holds".to_owned(),
        "projections holds --workspace acme".to_owned(),
        "projections builds".to_owned(),
        "projections status".to_owned(),
    ] {
        if line.contains("preview") {
            shell.prints("connector rule preview mdm").await;
        }
        assert!(shell.json(&line).await["items"].is_array(), "{line}");
        shell.prints(&line).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_goes_by_whichever_id_of_the_collaborator() {
    let (server, mut api) = start_with_workspace().await;
    let shell = Shell { url: server.url().to_owned() };
    let eve = shell.json("people invite dashboard eve@acme.example").await;
    let rule = setup::create_and("remove_user");
    let entra = connector(&mut api, WORKSPACE, "dashboard", "generic", rule).await.unwrap();
    let mut client = entra.client().unwrap();
    let entry =
        client.post("/Users", scim::user("eve@acme.example")).await.unwrap().made().unwrap();
    assert_ne!(eve["id"], entry, "she was there before");
    let all = shell.json("segment add All").await["id"].as_str().unwrap().to_owned();
    let grant = format!("segment grants {all} --collaborator {entry}");
    for may in [" --may view", " --may view --may remove"] {
        let granted = shell.json(&format!("{grant}{may}")).await;
        assert_eq!(granted["grants"].as_array().unwrap().len(), 1, "{granted}");
    }
    assert_eq!(shell.json(&grant).await["grants"], json!([]), "nothing was taken away");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_do_not_command_a_terminal() {
    let (server, mut api) = start_with_workspace().await;
    let rule = setup::create_and("remove_user");
    let store = connector(&mut api, WORKSPACE, "store", "generic", rule).await.unwrap();
    let mut client = store.client().unwrap();
    let mut eve = scim::user("eve@acme.example");
    eve["title"] = json!("Head\u{1b}[2J\u{9b}31m\nforged");
    let eve = client.post("/Users", eve).await.unwrap().made().unwrap();
    let shell = Shell { url: server.url().to_owned() };
    let line = format!("audit history person {eve}");
    let printed = shell.prints(&line).await;
    let tame = |c: char| c == '\n' || !c.is_control();
    assert!(printed.chars().all(tame), "{printed:?}");
    assert!(printed.contains("Head") && !printed.contains("\nforged"), "{printed}");
    let then = shell.json(&line).await;
    assert_eq!(then["resource"]["title"], "Head\u{1b}[2J\u{9b}31m\nforged", "JSON says it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_printed_is_a_failure() {
    let (server, _api) = start_with_workspace().await;
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    for command in [&["audit", "log", "--json"][..], &["workspace", "list"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_muster"))
            .args(command)
            .env("MUSTER_URL", server.url())
            .env("MUSTER_TOKEN", testkit::ADMIN_TOKEN)
            .env("MUSTER_WORKSPACE", WORKSPACE)
            .stdout(full())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = output.wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
        assert!(said.contains("could not be printed"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hears_no_more_ends_what_goes_on_and_on() {
    let (server, _api) = start_with_workspace().await;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_muster"))
        .args(["audit", "tail", "--after", "0"])
        .env("MUSTER_URL", server.url())
        .env("MUSTER_TOKEN", testkit::ADMIN_TOKEN)
        .env("MUSTER_WORKSPACE", WORKSPACE)
        .stdout(Stdio::from(writer))
        .status()
        .await
        .unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_projection_that_is_named_is_shown_and_no_other() {
    let (mut server, mut api) = start_with_workspace().await;
    setup::workspace(&mut api, "other").await.unwrap();
    let shell = Shell { url: server.url().to_owned() };
    let names = |status: &Value| -> Vec<String> {
        let items = status["items"].as_array().unwrap().iter();
        items.map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    };
    let status = shell.json("projections status directory").await;
    assert_eq!(names(&status), ["directory"]);
    let narrowed = shell.json("projections status directory --workspace acme").await;
    let reached = narrowed["items"][0]["workspaces"].as_array().unwrap();
    assert_eq!(reached.iter().map(|it| &it["workspace"]).collect::<Vec<_>>(), [WORKSPACE]);
    let (code, complaint) = shell.fails("projections status nothing").await;
    assert!(code == 1 && complaint.contains("directory"), "{code} {complaint}");

    assert_eq!(server.stop().await.unwrap(), Some(0));
    let dir = server.data_dir_text();
    let offline = [
        "projections",
        "status",
        "directory",
        "--data-dir",
        &dir,
        "--workspace",
        WORKSPACE,
        "--json",
    ];
    let (code, said) = server.command(&offline).await.unwrap();
    assert_eq!(code, Some(0), "{said}");
    let status: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(status, narrowed, "a data directory says what its server has said");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_makes_no_sense_is_a_misuse() {
    // Nothing can be there: a server that comes so far does not run for ever.
    let data = "/dev/null/data";
    for (setting, said) in [
        (["--workers", "0"], "workers"),
        (["--public-url", "muster.example"], "http"),
        (["--public-url", "https://muster.example/?a=b"], "query"),
        (["--public-url", ""], "http"),
        (["--otlp-share", "2"], "otlp-share"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_muster"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir", data])
            .args(setting)
            .kill_on_drop(true)
            .output();
        let output = output.await.unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{setting:?}: {complaint}");
        assert!(complaint.contains(said), "{setting:?}: {complaint}");
    }
    let (mut server, _api) = start_with_workspace().await;
    assert_eq!(server.stop().await.unwrap(), Some(0));
    let dir = server.data_dir_text();
    let out = format!("{dir}/out");
    let unheard_of = "usr/01990000-0000-7000-8000-000000000001".to_owned();
    for command in [
        &[
            "audit",
            "export",
            "--data-dir",
            &dir,
            "--workspace",
            WORKSPACE,
            "--out",
            &out,
            "--type",
            "user.*",
        ][..],
        &["simulate", "okta", "--base-url", "http://127.0.0.1:9", "--token", "t", "--flag"],
        &["simulate", "entra", "--base-url", "http://127.0.0.1:9", "--token", "t", "--template"],
        &["audit", "log", "--data-dir", &dir, "--workspace", WORKSPACE, "--stream", "usr/1"],
        &["audit", "log", "--data-dir", &dir, "--workspace", WORKSPACE, "--stream", &unheard_of],
    ] {
        let (code, said) = server.command(command).await.unwrap();
        assert_eq!(code, Some(2), "{command:?}: {said}");
    }
}
#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_about_the_record_is_json_where_that_is_asked_for() {
    let (server, _api) = start_with_workspace().await;
    let shell = Shell { url: server.url().to_owned() };
    let note = shell.prints("audit checkpoint").await;
    let said = shell.json("audit checkpoint").await;
    assert_eq!(said["checkpoint"].as_str().unwrap().trim_end(), note.trim_end());
    let output = server.command(&["audit", "key", "rotate", "--json"]).await.unwrap();
    assert_eq!(output, (Some(0), "{}\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_over_a_file_that_others_could_read_is_for_its_owner_alone() {
    let (server, _api) = start_with_workspace().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_permissions(Permissions::from_mode(0o644)).unwrap();
    let out = file.path().display().to_string();
    let command = ["audit", "export", "--workspace", WORKSPACE, "--out", &out];
    let (code, said) = server.command(&command).await.unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
}
