//! A cycle of each provider does what it should and finds nothing wrong with a good server.

use serde_json::Value;
use simulate::{Cycle, Idp, Plan, Progress, Summary, people::Directory, progress::Report};

use crate::fake::{Fake, TOKEN};

const IDPS: [Idp; 4] = [Idp::Entra, Idp::EntraFlag, Idp::OktaNative, Idp::OktaTemplate];

fn plan(fake: &Fake, idp: Idp, cycle: Cycle) -> Plan {
    Plan { users: 120, groups: 6, ..Plan::new(fake.base_url(), TOKEN, idp, cycle) }
}

async fn run(plan: Plan) -> Summary {
    let summary = simulate::run(plan, &Progress::Silent).await.unwrap();
    assert_eq!(summary.findings_total, 0, "{summary}");
    summary
}

/// Users by userName, activity and displayName, and groups by displayName and size.
type Picture = (Vec<(String, bool, String)>, Vec<(String, usize)>);

/// The people and groups on the server, by what the provider knows of them.
fn state(fake: &Fake) -> Picture {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    fake.scim(|scim| {
        let users = scim.of("User").into_iter();
        let users = users.map(|user| {
            (text(&user["userName"]), user["active"] == true, text(&user["displayName"]))
        });
        let groups = scim.of("Group").into_iter().map(|group| {
            (text(&group["displayName"]), group["members"].as_array().map_or(0, Vec::len))
        });
        let (mut users, mut groups): (Vec<_>, Vec<_>) = (users.collect(), groups.collect());
        users.sort();
        groups.sort();
        (users, groups)
    })
}

fn wanted(rounds: u32) -> Picture {
    let mut directory = Directory::new(1, 120, 6);
    (1..=rounds).for_each(|round| drop(directory.advance(round)));
    let users = directory.people.iter();
    let users = users.map(|it| (it.user_name.clone(), it.active, it.display_name()));
    let groups = directory.groups.iter().map(|it| (it.display_name.clone(), it.members.len()));
    let (mut users, mut groups): (Vec<_>, Vec<_>) = (users.collect(), groups.collect());
    users.sort();
    groups.sort();
    (users, groups)
}

#[tokio::test]
async fn the_initial_cycle_brings_everybody() {
    for idp in IDPS {
        let fake = Fake::start().await;
        run(plan(&fake, idp, Cycle::Initial)).await;
        assert_eq!(state(&fake), wanted(0), "{idp:?}");
    }
}

#[tokio::test]
async fn incremental_cycles_bring_the_changes_of_their_rounds() {
    for idp in IDPS {
        let fake = Fake::start().await;
        run(plan(&fake, idp, Cycle::Initial)).await;
        for round in 1..=3 {
            run(Plan { round, ..plan(&fake, idp, Cycle::Incremental) }).await;
            assert_eq!(state(&fake), wanted(round), "{idp:?}, round {round}");
        }
    }
}

#[tokio::test]
async fn repeating_a_cycle_records_nothing() {
    for idp in IDPS {
        let fake = Fake::start().await;
        run(plan(&fake, idp, Cycle::Initial)).await;
        let events = fake.scim(|scim| scim.events);
        run(plan(&fake, idp, Cycle::Repeat)).await;
        assert_eq!(fake.scim(|scim| scim.events), events, "{idp:?}");

        run(plan(&fake, idp, Cycle::Incremental)).await;
        let events = fake.scim(|scim| scim.events);
        run(Plan { round: 1, ..plan(&fake, idp, Cycle::Repeat) }).await;
        assert_eq!(fake.scim(|scim| scim.events), events, "{idp:?}");
    }
}

#[tokio::test]
async fn a_probe_leaves_nothing_behind() {
    for idp in IDPS {
        let fake = Fake::start().await;
        run(plan(&fake, idp, Cycle::Probe)).await;
        run(plan(&fake, idp, Cycle::Probe)).await;
        assert!(fake.scim(|scim| scim.resources.is_empty()), "{idp:?}");
    }
}

#[tokio::test]
async fn a_summary_counts_by_kind() {
    let fake = Fake::start().await;
    let summary = run(plan(&fake, Idp::OktaNative, Cycle::Initial)).await;
    let count = |kind: &str| {
        let kinds = summary.kinds.iter().filter(|summary| summary.kind == kind);
        kinds.map(|summary| (summary.method.as_str(), summary.requests)).collect::<Vec<_>>()
    };
    assert_eq!(count("find user"), [("GET", 120)]);
    assert_eq!(count("create user"), [("POST", 120)]);
    assert_eq!(count("push group"), [("POST", 6)]);
    assert_eq!(summary.requests, fake.take().len() as u64);
    assert_eq!(summary.statuses.keys().copied().collect::<Vec<_>>(), [200, 201]);
    assert!(summary.latency.p50_us > 0 && summary.latency.p50_us <= summary.latency.max_us);
}

#[tokio::test]
async fn progress_reports_every_step() {
    let fake = Fake::start().await;
    let (sender, reports) = std::sync::mpsc::channel();
    let progress = Progress::call(move |report| sender.send(report).unwrap());
    simulate::run(plan(&fake, Idp::Entra, Cycle::Initial), &progress).await.unwrap();
    drop(progress);
    let reports: Vec<Report> = reports.iter().collect();
    let steps = reports.iter().filter(|report| **report == Report::Step).count();
    let announced = reports.iter().map(|report| match report {
        Report::Stage { name: "connection", .. } => 0,
        Report::Stage { steps, .. } => *steps,
        _ => 0,
    });
    assert_eq!(steps, announced.sum::<usize>());
    assert_eq!(reports.last(), Some(&Report::End));
}

#[test]
fn a_run_can_be_given_to_another_thread() {
    fn is_send(_: &impl Send) {}
    let plan = Plan::new("http://127.0.0.1:1", TOKEN, Idp::Entra, Cycle::Initial);
    is_send(&simulate::run(plan, &Progress::Silent));
}
