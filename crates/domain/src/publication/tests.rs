//! Given facts, when a command, then facts or a refusal.

use std::sync::Arc;

use cqrs_es::test::TestFramework;

use super::{Publication, PublicationCommand, PublicationEvent, PublicationRefusal};
use crate::{Attempt, Es, group_filter::GroupFilter};

fn filter(names: &[&str]) -> GroupFilter {
    GroupFilter { lines: names.iter().map(|name| vec![(*name).to_owned()]).collect() }
}

fn published() -> PublicationEvent {
    PublicationEvent::Published { name: "Mail".to_owned(), groups: filter(&["sales"]) }
}

fn change(name: Option<&str>, groups: Option<GroupFilter>) -> PublicationCommand {
    PublicationCommand::Change { name: name.map(str::to_owned), groups }
}

#[track_caller]
fn check(
    given: impl IntoIterator<Item = PublicationEvent>,
    command: PublicationCommand,
    then: &Result<Vec<PublicationEvent>, PublicationRefusal>,
) {
    let result = TestFramework::<Es<Publication>>::with(())
        .given(given.into_iter().collect())
        .when(Attempt { command: Arc::new(command), now: 0 })
        .inspect_result();
    assert_eq!(&result, then);
}

#[test]
fn a_publication_is_published_changed_and_withdrawn() {
    let publish =
        PublicationCommand::Publish { name: "Mail".to_owned(), groups: filter(&["sales"]) };
    check([], publish.clone(), &Ok(vec![published()]));
    check([published()], publish.clone(), &Err(PublicationRefusal::Exists));
    let renamed = PublicationEvent::Renamed { name: "Post".to_owned() };
    let set = PublicationEvent::VisibilitySet { groups: filter(&["board"]) };
    let both = change(Some("Post"), Some(filter(&["board"])));
    check([published()], both, &Ok(vec![renamed, set]));
    let withdrawn = PublicationEvent::Withdrawn {};
    check([published()], PublicationCommand::Withdraw, &Ok(vec![withdrawn.clone()]));
    check([published(), withdrawn], publish, &Ok(vec![published()]));
}

#[test]
fn what_is_so_already_records_nothing() {
    check([published()], change(Some("Mail"), Some(filter(&["sales"]))), &Ok(vec![]));
    check([published()], change(None, None), &Ok(vec![]));
}

#[test]
fn what_is_not_there_is_refused() {
    let none = || Err(PublicationRefusal::NoPublication);
    check([], change(Some("Post"), None), &none());
    check([], PublicationCommand::Withdraw, &none());
    check([published(), PublicationEvent::Withdrawn {}], change(None, None), &none());
}

#[test]
fn rule_17_a_line_of_no_group_is_refused() {
    let bad = || GroupFilter { lines: vec![vec![]] };
    let text = bad().check().unwrap_err();
    let publish = PublicationCommand::Publish { name: "Mail".to_owned(), groups: bad() };
    check([], publish, &Err(PublicationRefusal::BadGroupFilter(text)));
    let text = bad().check().unwrap_err();
    check([published()], change(None, Some(bad())), &Err(PublicationRefusal::BadGroupFilter(text)));
}
