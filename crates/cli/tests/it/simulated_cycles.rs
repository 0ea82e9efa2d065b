//! Entra's and Okta's cycles, in all their dialects: every answer is as it should be, and what is
//! said again is not recorded again.
//!
//! Small ones, since this is a debug build. A thousand people in fifty groups against a release
//! build is `muster simulate … --users 1000 --groups 50 --cycle initial,incremental,repeat`.

use serde_json::json;
use simulate::{Cycle, Idp, Plan, Progress, people::Directory};
use testkit::{Client, record, scim, setup};

use crate::{WORKSPACE, start_with_workspace};

const USERS: usize = 60;
const GROUPS: usize = 8;

/// Runs a cycle that finds nothing wrong.
async fn cycle(plan: Plan) {
    let summary = simulate::run(plan, &Progress::Silent).await.unwrap();
    assert_eq!(summary.findings_total, 0, "{summary}");
    assert!(summary.requests > 0);
}

/// The people and groups on the server are those of the provider's directory.
async fn is_there(client: &mut Client, directory: &Directory) {
    let mut users: Vec<_> = scim::all(client, "/Users").await.unwrap();
    users.sort_by_key(|user| user["userName"].to_string());
    let found: Vec<_> =
        users.iter().map(|it| json!([it["userName"], it["active"], it["displayName"]])).collect();
    let mut wanted: Vec<_> = directory
        .people
        .iter()
        .map(|it| json!([it.user_name, it.active, it.display_name()]))
        .collect();
    wanted.sort_by_key(|person| person[0].to_string());
    assert_eq!(found, wanted);

    let mut groups: Vec<_> = scim::all(client, "/Groups").await.unwrap();
    groups.sort_by_key(|group| group["displayName"].to_string());
    let found: Vec<_> =
        groups.iter().map(|it| (json!(it["displayName"]), scim::member_ids(it).len())).collect();
    let groups = directory.groups.iter();
    let mut wanted: Vec<_> = groups.map(|it| (json!(it.display_name), it.members.len())).collect();
    wanted.sort_by_key(|(name, _)| name.to_string());
    assert_eq!(found, wanted);
}

/// The initial cycle, an incremental one, and each said again.
async fn cycles(idp: Idp, portal: &str, kind: &str) {
    let (_server, mut api) = start_with_workspace().await;
    let rule = setup::create_and("remove_user");
    let connector = setup::connector(&mut api, WORKSPACE, portal, kind, rule).await.unwrap();
    let mut client = connector.client().unwrap();
    let plan = |cycle, round| Plan {
        users: USERS,
        groups: GROUPS,
        round,
        ..Plan::new(&connector.base_url, &connector.token, idp, cycle)
    };
    let mut directory = Directory::new(1, USERS, GROUPS);

    cycle(plan(Cycle::Initial, 0)).await;
    is_there(&mut client, &directory).await;
    let head = settled_head(&mut api).await;
    cycle(plan(Cycle::Repeat, 0)).await;
    assert_eq!(settled_head(&mut api).await, head, "the repeated initial cycle was recorded");

    directory.advance(1);
    cycle(plan(Cycle::Incremental, 1)).await;
    is_there(&mut client, &directory).await;
    let after = settled_head(&mut api).await;
    assert!(after > head, "the incremental cycle left no trace");
    cycle(plan(Cycle::Repeat, 1)).await;
    assert_eq!(settled_head(&mut api).await, after, "the repeated cycle was recorded");

    cycle(plan(Cycle::Probe, 0)).await;
    is_there(&mut client, &directory).await;
}

/// The head, after everything that follows from what has happened so far.
async fn settled_head(api: &mut Client) -> u64 {
    // Lists of accounts wait for policies; the record itself shows what is there.
    let path = format!("/workspaces/{WORKSPACE}/collaborators?limit=1");
    api.get(&path).await.unwrap().expect(200).unwrap();
    record::head(api, WORKSPACE).await.unwrap()
}

#[tokio::test]
async fn entra_by_default_finds_nothing_wrong_and_is_not_recorded_twice() {
    cycles(Idp::Entra, "dashboard", "entra").await;
}

#[tokio::test]
async fn entra_with_its_flag_finds_nothing_wrong_and_is_not_recorded_twice() {
    cycles(Idp::EntraFlag, "mdm", "entra").await;
}

#[tokio::test]
async fn okta_natively_finds_nothing_wrong_and_is_not_recorded_twice() {
    cycles(Idp::OktaNative, "store", "okta").await;
}

#[tokio::test]
async fn okta_by_its_template_finds_nothing_wrong_and_is_not_recorded_twice() {
    cycles(Idp::OktaTemplate, "dashboard", "okta").await;
}

#[tokio::test]
async fn all_dialects_find_nothing_wrong_with_a_generic_connector() {
    let (_server, mut api) = start_with_workspace().await;
    let rule = setup::create_and("remove_user");
    let connector = setup::connector(&mut api, WORKSPACE, "store", "generic", rule).await.unwrap();
    let all = [Idp::Entra, Idp::EntraFlag, Idp::OktaNative, Idp::OktaTemplate];
    for (seed, idp) in (1..).zip(all) {
        for kind in [Cycle::Initial, Cycle::Incremental, Cycle::Repeat] {
            let round = u32::from(kind != Cycle::Initial);
            // Groups have the same names whatever the seed, so that each dialect but one has none.
            let groups = if idp == Idp::Entra { 4 } else { 0 };
            let plan = Plan::new(&connector.base_url, &connector.token, idp, kind);
            cycle(Plan { users: 12, groups, seed, round, ..plan }).await;
        }
    }
}

#[tokio::test]
async fn the_command_says_by_its_exit_code_whether_it_found_anything() {
    let (server, mut api) = start_with_workspace().await;
    let rule = setup::create_and("remove_user");
    let connector = setup::connector(&mut api, WORKSPACE, "store", "okta", rule).await.unwrap();
    let simulate = |token: &str| {
        let given = ["--base-url", &connector.base_url, "--token", token, "--users", "4"];
        let command = ["simulate", "okta", "--groups", "1", "--cycle", "initial,repeat", "--json"];
        command.into_iter().chain(given).map(str::to_owned).collect::<Vec<_>>()
    };
    for (token, code) in [(connector.token.as_str(), 0), ("mst_of_nobody", 1)] {
        let command = simulate(token);
        let command: Vec<_> = command.iter().map(String::as_str).collect();
        let (found, text) = server.command(&command).await.unwrap();
        assert_eq!(found, Some(code), "{text}");
        assert_eq!(text.contains("\"findings_total\":0"), code == 0, "{text}");
    }
}
