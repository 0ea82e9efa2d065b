//! What a run makes, it removes; what it has not made, it leaves alone.

use check::{Outcome, Plan};

use crate::{
    case, check,
    fake::{FOREIGN, Fake, Fault},
    plan, run, with,
};

#[tokio::test]
async fn what_was_made_is_removed() {
    let fake = Fake::start(Fault::None).await;
    let report = check(&fake, &["create", "page-index.pages"]).await;
    assert!(fake.asked().iter().filter(|asked| asked.starts_with("POST /Users")).count() > 20);
    assert_eq!(fake.users(), [FOREIGN]);
    assert!(report.left_behind.is_empty());
    let asked = fake.asked();
    let last = asked.last().unwrap();
    assert!(
        last.starts_with("GET /Users?filter=userName%20sw"),
        "the last look found some: {last}"
    );
}

#[tokio::test]
async fn what_was_made_is_removed_also_when_the_case_fails() {
    let fake = Fake::start(Fault::CreatesWith200).await;
    let report = check(&fake, &["create.created", "filter.found-at-once"]).await;
    assert_eq!(report.totals.failed, 2);
    assert_eq!(fake.users(), [FOREIGN]);
}

#[tokio::test]
async fn what_was_made_without_saying_so_is_found_by_its_name() {
    let fake = Fake::start(Fault::LosesAnswers).await;
    let report = check(&fake, &["create.created", "create.location"]).await;
    assert_eq!(with(&report, Outcome::Failed), ["create.created", "create.location"]);
    let posted = fake.asked().iter().filter(|asked| asked.starts_with("POST /Users")).count();
    assert!(posted > 1, "more than the one user of a page");
    assert_eq!(fake.users(), [FOREIGN]);
    assert!(report.left_behind.is_empty());
}

#[tokio::test]
async fn what_cannot_be_looked_for_is_said() {
    let fake = Fake::start(Fault::LosesAllAnswers).await;
    let report = check(&fake, &["create.created"]).await;
    assert_eq!(fake.users(), [FOREIGN, "user-1"]);
    assert_eq!(report.left_behind.len(), 1);
    assert_eq!(report.left_behind[0].path, "/Users");
    let reason =
        "what else was made could not be looked for: status 200 expected, status 500 found";
    assert_eq!(report.left_behind[0].reason, reason);
}

#[tokio::test]
async fn ids_are_escaped_in_paths() {
    let fake = Fake::start(Fault::OddIds).await;
    let report = check(&fake, &["create.created", "delete.deleted"]).await;
    assert_eq!(with(&report, Outcome::Passed), ["create.created", "delete.deleted"], "{report}");
    assert_eq!(fake.users(), [FOREIGN]);
    assert!(fake.asked().iter().any(|asked| asked == "DELETE /Users/user%2F1%20%C3%A9%3F"));
    assert!(report.left_behind.is_empty());
}

#[tokio::test]
async fn others_stay_although_the_server_says_that_they_match() {
    let fake = Fake::start(Fault::IgnoresFilters).await;
    check(&fake, &["create.created", "filter"]).await;
    assert_eq!(fake.users(), [FOREIGN]);
    let theirs = format!("/Users/{FOREIGN}");
    assert!(!fake.asked().iter().any(|asked| asked.contains(&theirs)));
}

#[tokio::test]
async fn what_cannot_be_removed_is_named() {
    let fake = Fake::start(Fault::RefusesDeletion).await;
    let report = check(&fake, &["create.created"]).await;
    assert_eq!(case(&report, "create.created").outcome, Outcome::Passed);
    assert_eq!(report.left_behind.len(), 1);
    assert_eq!(report.left_behind[0].path, "/Users/user-1");
    assert_eq!(report.left_behind[0].reason, "DELETE is answered 403");
    assert!(report.to_string().contains("/Users/user-1: DELETE is answered 403"));
}

#[tokio::test]
async fn what_is_to_be_kept_is_kept_and_named() {
    let fake = Fake::start(Fault::None).await;
    let report = run(Plan { keep: true, ..plan(&fake, &["create.created"]) }).await;
    assert_eq!(fake.users(), [FOREIGN, "user-1"]);
    assert_eq!(report.left_behind[0].path, "/Users/user-1");
    assert!(!fake.asked().iter().any(|asked| asked.starts_with("DELETE")));
}

#[tokio::test]
async fn an_interruption_removes_what_was_made_and_skips_the_rest() {
    let fake = Fake::start(Fault::None).await;
    let plan = plan(&fake, &["create.created", "create.location", "delete.deleted"]);
    let report = check::run(plan, &|_| {}, fake.created()).await.unwrap();
    let skipped = with(&report, Outcome::Skipped);
    assert_eq!(skipped, ["create.created", "create.location", "delete.deleted"]);
    assert_eq!(case(&report, "delete.deleted").reason.as_deref(), Some("interrupted"));
    assert!(report.interrupted && !report.is_good());
    assert_eq!(fake.asked().iter().filter(|asked| asked.starts_with("POST")).count(), 1);
    assert_eq!(fake.users(), [FOREIGN]);
}
