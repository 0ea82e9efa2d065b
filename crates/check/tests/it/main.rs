//! The suite against a server that is right in some things, and wrong in one on purpose.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod fake;
mod outcomes;
mod tidying;

use check::{CaseReport, Outcome, Plan, Report};
use fake::{Fake, TOKEN};

/// Runs some of the suite against a server.
async fn check(fake: &Fake, only: &[&str]) -> Report {
    run(plan(fake, only)).await
}

async fn run(plan: Plan) -> Report {
    check::run(plan, &|_| {}, std::future::pending()).await.unwrap()
}

fn plan(fake: &Fake, only: &[&str]) -> Plan {
    let only = only.iter().map(|word| (*word).to_owned()).collect();
    Plan { base_url: fake.base_url(), token: TOKEN.to_owned(), only, ..Plan::default() }
}

/// The case of that id.
#[track_caller]
fn case<'a>(report: &'a Report, id: &str) -> &'a CaseReport {
    let mut cases = report.groups.iter().flat_map(|group| &group.cases);
    cases.find(|case| case.id == id).unwrap()
}

/// The ids of the cases with that outcome.
fn with(report: &Report, outcome: Outcome) -> Vec<&str> {
    let cases = report.groups.iter().flat_map(|group| &group.cases);
    cases.filter(|case| case.outcome == outcome).map(|case| &*case.id).collect()
}
