//! What a provider finds wrong with a server that is not good.

use serde_json::{Value, json};
use simulate::{Cycle, Failure, Idp, Plan, Progress, Summary};

use crate::{
    fake::{Fake, Recorded, TOKEN},
    fake_scim::Answer,
};

fn plan(fake: &Fake, idp: Idp, cycle: Cycle) -> Plan {
    Plan { users: 20, groups: 2, ..Plan::new(fake.base_url(), TOKEN, idp, cycle) }
}

async fn run(plan: Plan) -> Summary {
    simulate::run(plan, &Progress::Silent).await.unwrap()
}

/// Runs a cycle against a server whose answers are spoilt and returns the cases and problems.
async fn found(
    idp: Idp,
    cycle: Cycle,
    spoil: impl Fn(&Recorded, &mut Answer) + Send + 'static,
) -> Vec<(u8, String)> {
    let fake = Fake::start().await;
    if cycle != Cycle::Initial {
        assert_eq!(run(plan(&fake, idp, Cycle::Initial)).await.findings_total, 0);
    }
    fake.spoil(spoil);
    let summary = run(plan(&fake, idp, cycle)).await;
    let findings = summary.findings.into_iter();
    let mut found: Vec<_> = findings.map(|it| (it.case, it.problems.join("; "))).collect();
    found.sort();
    found.dedup();
    found
}

fn change(answer: &mut Answer, change: impl FnOnce(&mut Value)) {
    let mut body = serde_json::from_str(&answer.text).unwrap_or_default();
    change(&mut body);
    answer.text = body.to_string();
}

#[tokio::test]
async fn a_password_that_comes_back() {
    let found = found(Idp::OktaNative, Cycle::Initial, |request, answer| {
        if request.method == "POST" && request.path.ends_with("/Users") {
            change(answer, |body| body["password"] = json!("x"));
        }
    });
    assert_eq!(found.await, [(30, "a password in the body".to_owned())]);
}

#[tokio::test]
async fn a_version_that_moves_for_nothing() {
    let found = found(Idp::OktaNative, Cycle::Repeat, |request, answer| {
        if request.method == "PUT" && request.path.contains("/Users/") {
            change(answer, |body| body["meta"]["version"] = json!("W/\"99\""));
            answer.headers.insert("etag", "W/\"99\"".parse().unwrap());
        }
    });
    let found = found.await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, 8);
    assert!(found[0].1.starts_with("a request that changes nothing moved the version"));
}

#[tokio::test]
async fn members_that_get_lost() {
    let found = found(Idp::Entra, Cycle::Initial, |request, answer| {
        if request.method == "GET" && request.path.contains("/Groups/") {
            change(answer, |body| drop(body["members"].as_array_mut().unwrap().pop()));
        }
    });
    let lost = "1 members are missing and 0 are there that should not be".to_owned();
    assert_eq!(found.await, [(13, lost)]);
}

#[tokio::test]
async fn an_inactive_user_that_is_hidden() {
    let found = found(Idp::OktaTemplate, Cycle::Incremental, |request, answer| {
        let lookup = request.path.contains("/Users?filter");
        if lookup && answer.text.contains("\"active\":false") {
            change(answer, |body| {
                body["totalResults"] = json!(0);
                body["Resources"] = json!([]);
            });
        }
    });
    assert_eq!(found.await, [(9, "totalResults 0 with 0 resources".to_owned())]);
}

#[tokio::test]
async fn text_in_place_of_scim() {
    let found = found(Idp::Entra, Cycle::Initial, |request, answer| {
        if request.method == "POST" {
            *answer = Answer::new(500, &Value::Null).with("content-type", "text/plain");
            "oops".clone_into(&mut answer.text);
        }
    });
    let problems = found.await;
    assert_eq!(problems.iter().map(|(case, _)| *case).collect::<Vec<_>>(), [3, 19]);
    assert!(problems[0].1.starts_with("status 500 instead of 201; content type \"text/plain\""));
}

#[tokio::test]
async fn a_wrong_token_ends_the_cycle_at_once() {
    let fake = Fake::start().await;
    for idp in [Idp::Entra, Idp::OktaNative] {
        let mut plan = plan(&fake, idp, Cycle::Initial);
        "wrong".clone_into(&mut plan.token);
        let summary = run(plan).await;
        assert!(summary.findings[0].problems[0].starts_with("status 401"), "{summary}");
        assert!(summary.requests <= 2);
    }
    assert!(fake.scim(|scim| scim.resources.is_empty()));
}

#[tokio::test]
async fn patience_is_not_a_finding() {
    let fake = Fake::start().await;
    let refused = std::sync::atomic::AtomicBool::new(false);
    fake.spoil(move |request, answer| {
        let first = || !refused.swap(true, std::sync::atomic::Ordering::Relaxed);
        if request.method == "POST" && first() {
            *answer = Answer::error(429, None).with("retry-after", "0");
        }
    });
    let mut plan = plan(&fake, Idp::OktaNative, Cycle::Initial);
    plan.concurrency = 1;
    let summary = run(plan).await;
    assert_eq!(summary.statuses.get(&429), Some(&1));
    // The fake had done what it then refused, so the second attempt finds the name taken.
    assert_eq!((summary.findings_total, summary.findings[0].case), (1, 30));
}

#[tokio::test]
async fn a_finding_shows_no_token() {
    let fake = Fake::start().await;
    fake.spoil(|_, answer| drop(answer.headers.remove("content-type")));
    let summary = run(plan(&fake, Idp::Entra, Cycle::Initial)).await;
    assert!(summary.findings_total > 0);
    let shown = serde_json::to_string(&summary).unwrap() + &summary.to_string();
    assert!(!shown.contains(TOKEN));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/scim", listener.local_addr().unwrap());
    drop(listener);
    let plan = Plan::new(base_url, TOKEN, Idp::Entra, Cycle::Initial);
    let failed = simulate::run(plan, &Progress::Silent).await;
    assert!(matches!(failed, Err(Failure::Connect { .. })));
}

#[tokio::test]
async fn a_rate_limit_spreads_the_requests() {
    let fake = Fake::start().await;
    let mut plan = plan(&fake, Idp::Entra, Cycle::Probe);
    plan.rate_per_second_max = std::num::NonZeroU32::new(200);
    let summary = run(plan).await;
    assert!(summary.requests_per_second <= 230.0, "{summary}");
}
