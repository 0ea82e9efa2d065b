//! Every kind of outcome, and what a report says of it.

use check::{Failure, Outcome, Plan, Step};

use crate::{
    case, check, fake,
    fake::{Fake, Fault, TOKEN},
    plan, run, with,
};

/// What the fake server does as it should.
const RIGHT: &[&str] = &[
    "discovery.config",
    "discovery.config-without-token",
    "errors.no-token",
    "errors.wrong-token",
    "errors.broken-json",
    "create.created",
    "create.location",
    "create.user-name-required",
    "create.user-name-taken-in-capitals",
    "read.users",
    "read.inactive-is-there",
    "filter.nobody",
    "filter.found-at-once",
    "delete.deleted",
    "delete.not-found",
    "delete.name-is-free",
];

#[tokio::test]
async fn what_a_server_does_right_passes() {
    let fake = Fake::start(Fault::None).await;
    let report = check(&fake, RIGHT).await;
    assert_eq!(with(&report, Outcome::Passed), RIGHT, "{report}");
    assert_eq!(report.totals.passed, RIGHT.len());
    assert!(report.is_good());
}

#[tokio::test]
async fn a_failure_shows_what_was_expected_and_the_exchange() {
    let fake = Fake::start(Fault::CreatesWith200).await;
    let report = check(&fake, &["create.created"]).await;
    assert!(!report.is_good());
    let finding = case(&report, "create.created").finding.as_ref().unwrap();
    assert_eq!((&*finding.expected, &*finding.found), ("status 201", "status 200"));
    assert_eq!(finding.request.method, "POST");
    assert_eq!(finding.request.url, format!("{}/Users", fake.base_url()));
    assert!(finding.request.body.contains(&report.prefix));
    assert_eq!(finding.response.status, 200);
    assert!(finding.response.body.contains("\"id\":\"user-1\""));
    let location = format!("{}/Users/user-1", fake.base_url());
    assert!(finding.response.headers.contains(&("location".to_owned(), location)));
}

#[tokio::test]
async fn the_request_that_came_before_is_shown_too() {
    let fake = Fake::start(Fault::IgnoresFilters).await;
    let report = check(&fake, &["filter.found-at-once"]).await;
    let finding = case(&report, "filter.found-at-once").finding.as_ref().unwrap();
    assert!(finding.request.url.contains("/Users?filter=userName%20eq%20"));
    let after = finding.after.as_ref().unwrap();
    assert_eq!((&*after.method, &*after.url), ("POST", &*format!("{}/Users", fake.base_url())));
}

#[tokio::test]
async fn a_token_is_in_no_report() {
    let fake = Fake::start(Fault::PlainErrors).await;
    let report = check(&fake, &["errors", "create"]).await;
    let finding = case(&report, "errors.unknown-user").finding.as_ref().unwrap();
    assert_eq!(finding.response.body, r#"{"error":"no","you sent":"Bearer [token]"}"#);
    assert!(report.totals.failed > 3);
    assert!(!report.to_string().contains(TOKEN));
    assert!(!serde_json::to_string(&report).unwrap().contains(TOKEN));
}

#[tokio::test]
async fn advice_that_is_not_followed_is_a_warning() {
    let fake = Fake::start(Fault::None).await;
    let report = check(&fake, &["read.head"]).await;
    assert_eq!(case(&report, "read.head").outcome, Outcome::Warned);
    assert!(report.is_good(), "a warning is no failure");
    assert!(report.to_string().contains("WARNING read.head"));
}

#[tokio::test]
async fn what_a_server_does_not_offer_is_skipped_and_not_asked_for() {
    let fake = Fake::start(Fault::None).await;
    let skipped = [
        "sort",
        "etag",
        "bulk",
        "page-cursor",
        "patch.active",
        "groups.add",
        "search.bad-filter",
        "filter.eq",
    ];
    let report = check(&fake, &skipped).await;
    assert_eq!(report.totals.passed + report.totals.failed + report.totals.warned, 0, "{report}");
    let reason = |id| case(&report, id).reason.as_deref().unwrap();
    assert_eq!(reason("sort.ascending"), "not offered: /ServiceProviderConfig declares no sorting");
    assert_eq!(reason("search.bad-filter"), "not offered: the server answers 501");
    assert!(reason("filter.eq").starts_with("/Schemas has no title in "));
    assert!(report.to_string().contains("not offered: /ServiceProviderConfig declares no Bulk"));
    let asked = fake.asked();
    assert!(
        !asked.iter().any(|asked| asked.contains("Bulk") || asked.contains("PATCH")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_type_that_a_server_does_not_have_is_skipped() {
    let fake = Fake::start(Fault::None).await;
    let report = check(&fake, &["read.groups"]).await;
    assert_eq!(case(&report, "read.groups").reason.as_deref(), Some("/ResourceTypes has no Group"));
}

#[tokio::test]
async fn a_server_without_documents_is_asked_for_what_provisioning_needs() {
    let fake = Fake::start(Fault::NoDocuments).await;
    let only = ["discovery.config", "filter.found-at-once", "patch.active", "sort.ascending"];
    let report = check(&fake, &only).await;
    let failed = with(&report, Outcome::Failed);
    assert_eq!(failed, ["discovery.config", "patch.active"], "the fake server has no PATCH");
    assert_eq!(with(&report, Outcome::Passed), ["filter.found-at-once"]);
    assert_eq!(with(&report, Outcome::Skipped), ["sort.ascending"]);
}

#[tokio::test]
async fn nothing_is_written_when_nothing_may_be() {
    let fake = Fake::start(Fault::None).await;
    let report = run(Plan { read_only: true, ..plan(&fake, &[]) }).await;
    assert_eq!(case(&report, "create.created").reason.as_deref(), Some("it writes"));
    assert_eq!(case(&report, "read.users").outcome, Outcome::Passed);
    let wrote = |asked: &&String| !asked.starts_with("GET") && !asked.contains(".search");
    let asked = fake.asked();
    assert_eq!(asked.iter().filter(wrote).filter(|asked| !asked.starts_with("HEAD")).count(), 0);
}

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_it() {
    let fake = Fake::start(Fault::AsksForPatience).await;
    let mut plan = plan(&fake, &["read.users"]);
    plan.base_url.push('/');
    let report = run(plan).await;
    assert_eq!(case(&report, "read.users").outcome, Outcome::Passed);
}

#[tokio::test]
async fn who_watches_hears_of_every_case() {
    let fake = Fake::start(Fault::None).await;
    let steps = std::sync::Mutex::new(Vec::new());
    let watch = |step: Step| steps.lock().unwrap().push(step);
    let plan = plan(&fake, &["read.users", "read.head"]);
    check::run(plan, &watch, std::future::pending()).await.unwrap();
    let steps = steps.into_inner().unwrap();
    assert_eq!(
        steps,
        [
            Step::Begin { cases: 2 },
            Step::Case { group: "read" },
            Step::Done(Outcome::Passed),
            Step::Case { group: "read" },
            Step::Done(Outcome::Warned),
            Step::End,
        ]
    );
}

#[tokio::test]
async fn a_word_or_a_server_that_is_not_there_gives_no_report() {
    let fake = Fake::start(Fault::None).await;
    let wrong = plan(&fake, &["paatch"]);
    let failure = check::run(wrong, &|_| {}, std::future::pending()).await.unwrap_err();
    assert!(matches!(failure, Failure::Unknown(word) if word == "paatch"));
    assert_eq!(fake.asked(), [""; 0]);
    // A port that was free a moment ago, and that nobody listens on.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = Plan { base_url: format!("http://{free}/scim"), ..plan(&fake, &[]) };
    let failure = check::run(nobody, &|_| {}, std::future::pending()).await.unwrap_err();
    assert!(matches!(failure, Failure::Unreachable(_)));
}

#[tokio::test]
async fn a_token_that_the_server_does_not_take_gives_no_report() {
    let fake = Fake::start(Fault::None).await;
    let wrong = Plan { token: "another".to_owned(), ..plan(&fake, &[]) };
    let failure = check::run(wrong, &|_| {}, std::future::pending()).await.unwrap_err();
    assert!(matches!(failure, Failure::Unauthorized));
    assert_eq!(fake.asked(), ["GET /Users?count=1"]);
}

#[tokio::test]
async fn the_shape_of_the_json_report_stays() {
    let fake = Fake::start(Fault::CreatesWith200).await;
    let report = check(&fake, &["create.created", "sort.ascending", "read.users"]).await;
    let json = serde_json::to_value(&report).unwrap();
    let names = |pointer: &str| -> Vec<String> {
        json.pointer(pointer).unwrap().as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(
        names(""),
        [
            "base_url",
            "groups",
            "interrupted",
            "left_behind",
            "prefix",
            "requests",
            "seconds",
            "totals",
            "version",
        ]
    );
    assert_eq!(names("/totals"), ["failed", "passed", "skipped", "warned"]);
    assert_eq!(names("/groups/0"), ["about", "cases", "name", "totals"]);
    let failed = "/groups/0/cases/0";
    let of_every_case = ["demand", "id", "level", "outcome", "source"];
    let of_a_failure = ["expected", "found", "request", "response"];
    let mut wanted = [&of_every_case[..], &of_a_failure].concat();
    wanted.sort_unstable();
    assert_eq!(names(failed), wanted);
    assert_eq!(names(&format!("{failed}/request")), ["body", "headers", "method", "url"]);
    assert_eq!(names(&format!("{failed}/response")), ["body", "headers", "status"]);
    assert_eq!(names("/groups/1/cases/0"), of_every_case);
    assert_eq!(
        names("/groups/2/cases/0"),
        ["demand", "id", "level", "outcome", "reason", "source"]
    );
    assert_eq!(json.pointer("/groups/0/cases/0/outcome").unwrap(), "failed");
    assert_eq!(fake.users(), [fake::FOREIGN]);
}
