//! Given facts, when a command, then facts or a refusal.

use std::sync::Arc;

use cqrs_es::test::TestFramework;
use scim::{
    etag::EntityTags,
    filter::Filter,
    patch,
    resource::Resource,
    schema::{Catalogue, Kind},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Group, GroupCommand, GroupEvent, MemberOp, MemberRef, Operation, Via};
use crate::{
    Attempt, Es,
    ids::{ConnectorName, MemberId},
    portal::Portal,
};

fn okta() -> ConnectorName {
    ConnectorName::parse("okta").unwrap()
}

fn resource(value: Value) -> Resource {
    Resource::parse(Kind::Group, value, Catalogue::standard()).unwrap().resource
}

fn sales() -> Resource {
    resource(json!({ "displayName": "Sales" }))
}

fn id(number: u128) -> MemberId {
    MemberId(Uuid::from_u128(number))
}

fn known(numbers: &[u128]) -> Vec<MemberRef> {
    numbers
        .iter()
        .map(|&number| MemberRef { value: id(number).to_string(), known: Some(id(number)) })
        .collect()
}

fn unknown(value: &str) -> MemberRef {
    MemberRef { value: value.into(), known: None }
}

fn created() -> GroupEvent {
    GroupEvent::Created { portal: Portal::Store, connector: okta(), resource: sales() }
}

fn added(numbers: &[u128]) -> GroupEvent {
    GroupEvent::MembersAdded { members: numbers.iter().copied().map(id).collect() }
}

fn removed(numbers: &[u128]) -> GroupEvent {
    GroupEvent::MembersRemoved { members: numbers.iter().copied().map(id).collect() }
}

fn members(operations: impl IntoIterator<Item = MemberOp>) -> GroupCommand {
    GroupCommand::Patch {
        via: Via::new(okta()),
        operations: operations.into_iter().map(Operation::Members).collect(),
        options: patch::Options::default(),
    }
}

fn put(members: Option<Vec<MemberRef>>) -> GroupCommand {
    GroupCommand::Replace { via: Via::new(okta()), resource: sales(), members }
}

fn check(
    given: impl IntoIterator<Item = GroupEvent>,
    when: GroupCommand,
    then: impl IntoIterator<Item = GroupEvent>,
) {
    TestFramework::<Es<Group>>::with(())
        .given(given.into_iter().collect())
        .when(Attempt { command: Arc::new(when), now: 0 })
        .then_expect_events(then.into_iter().collect());
}

#[test]
fn a_group_begins_with_the_members_it_is_given() {
    let members = [known(&[2, 1]), vec![unknown("bob")]].concat();
    let create = GroupCommand::Create {
        portal: Portal::Store,
        connector: okta(),
        resource: sales(),
        members,
    };
    let pending = GroupEvent::MemberPending { value: "bob".into() };
    check([], create, [created(), added(&[1, 2]), pending]);
}

#[test]
fn adding_a_member_again_records_nothing() {
    let given = [created(), added(&[1])];
    check(given.clone(), members([MemberOp::Add(known(&[1]))]), []);
    check(given, members([MemberOp::Add(known(&[1, 2]))]), [added(&[2])]);
}

#[test]
fn removing_takes_only_those_listed_and_a_stranger_is_no_error() {
    let given = [created(), added(&[1, 2, 3])];
    check(given.clone(), members([MemberOp::Remove(known(&[2]))]), [removed(&[2])]);
    check(given, members([MemberOp::Remove(known(&[9]))]), []);
}

#[test]
fn a_put_in_another_order_records_nothing_and_one_change_is_one_small_fact() {
    let given = [created(), added(&[1, 2, 3])];
    check(given.clone(), put(Some(known(&[3, 1, 2]))), []);
    check(given.clone(), put(Some(known(&[3, 1, 4]))), [removed(&[2]), added(&[4])]);
    check(given, put(Some(vec![])), [removed(&[1, 2, 3])]);
}

#[test]
fn a_put_that_does_not_speak_of_members_leaves_them() {
    check([created(), added(&[1])], put(None), []);
}

#[test]
fn operations_act_in_order_and_only_their_sum_is_recorded() {
    let given = [created(), added(&[1])];
    let there_and_back = [MemberOp::Remove(known(&[1])), MemberOp::Add(known(&[1]))];
    check(given.clone(), members(there_and_back), []);
    let in_and_out = [MemberOp::Add(known(&[2])), MemberOp::RemoveAll, MemberOp::Add(known(&[3]))];
    check(given, members(in_and_out), [removed(&[1]), added(&[3])]);
}

#[test]
fn a_filter_on_the_value_removes_whom_it_matches() {
    let filter = Filter::parse(&format!("value sw \"{}\"", &id(2).to_string()[..36])).unwrap();
    let command = members([MemberOp::RemoveMatching(filter)]);
    check([created(), added(&[1, 2])], command, [removed(&[2])]);
}

#[test]
fn a_pending_member_is_kept_once_resolved_once_and_can_be_taken_back() {
    let pending = GroupEvent::MemberPending { value: "bob".into() };
    let given = [created(), pending];
    check(given.clone(), members([MemberOp::Add(vec![unknown("bob")])]), []);
    let resolve = || GroupCommand::Resolve { pending: vec![2], member: id(7) };
    let resolved = GroupEvent::PendingResolved { pending: 2, member: id(7) };
    check(given.clone(), resolve(), [resolved.clone()]);
    check(given.clone().into_iter().chain([resolved]), resolve(), []);
    let dropped = GroupEvent::PendingDropped { pending: 2 };
    check(given, members([MemberOp::Remove(vec![unknown("bob")])]), [dropped]);
}

#[test]
fn forgetting_somebody_who_is_no_member_records_nothing() {
    let forget = || GroupCommand::Forget { members: vec![id(1)] };
    check([created(), added(&[1, 2])], forget(), [removed(&[1])]);
    check([created()], forget(), []);
    check([created(), GroupEvent::Deleted {}], forget(), []);
}

#[test]
fn another_connector_finds_no_group() {
    let via = Via::new(ConnectorName::parse("entra").unwrap());
    TestFramework::<Es<Group>>::with(())
        .given(vec![created()])
        .when(Attempt { command: Arc::new(GroupCommand::Delete { via }), now: 0 })
        .then_expect_error_message("this connector has no group with that id");
}

#[test]
fn a_request_for_another_version_changes_nothing() {
    let via = |tag: &str| Via { if_match: Some(EntityTags::parse(tag)), ..Via::new(okta()) };
    let ask = |command| {
        TestFramework::<Es<Group>>::with(())
            .given(vec![created(), added(&[1])])
            .when(Attempt { command: Arc::new(command), now: 0 })
    };
    let stale = "the group has changed: its version is now W/\"2\"";
    ask(GroupCommand::Delete { via: via("W/\"1\"") }).then_expect_error_message(stale);
    ask(GroupCommand::Delete { via: via("W/\"2\"") })
        .then_expect_events(vec![GroupEvent::Deleted {}]);
}

/// Values are found by what they are called; none is looked for by looking at all of them.
#[test]
fn a_request_with_many_pending_members_is_compared_value_by_value() {
    let many: Vec<_> = (0..20_000).map(|number| unknown(&format!("nobody-{number:05}"))).collect();
    let pending = many.iter().map(|it| GroupEvent::MemberPending { value: it.value.clone() });
    let given: Vec<_> = [created()].into_iter().chain(pending).collect();
    check(given.clone(), put(Some(many.clone())), []);
    check(given.clone(), members([MemberOp::Add(many.clone())]), []);
    let dropped = (2..20_002).map(|pending| GroupEvent::PendingDropped { pending });
    check(given, members([MemberOp::Remove(many)]), dropped);
}

#[test]
fn filters_that_cost_too_much_are_refused() {
    let many: Vec<u128> = (1..=10_000).collect();
    let filter = |terms: usize| {
        let terms: Vec<_> = (0..terms).map(|number| format!("value co \"x{number}\"")).collect();
        MemberOp::RemoveMatching(Filter::parse(&terms.join(" or ")).unwrap())
    };
    check([created(), added(&many)], members([filter(200)]), []);
    TestFramework::<Es<Group>>::with(())
        .given(vec![created(), added(&many)])
        .when(Attempt { command: Arc::new(members([filter(200), filter(1)])), now: 0 })
        .then_expect_error_message(
            "the filters make 2010000 comparisons with the members of this group, more than \
             2000000: name the members by their value",
        );
}

#[test]
fn filters_on_long_texts_are_refused() {
    let long = "x".repeat(60_000);
    let texts: Vec<_> = (0..15).map(|number| format!("{number}{long}")).collect();
    let created = GroupEvent::Created {
        portal: Portal::Store,
        connector: okta(),
        resource: resource(json!({ "displayName": "Sales", "urn:a:b:Group": { "list": texts } })),
    };
    let remove = |comparisons: usize| {
        let filter = vec!["value eq \"y\""; comparisons].join(" or ");
        let path = format!("urn:a:b:Group:list[not ({filter})].x");
        let body = json!({ "Operations": vec![json!({ "op": "remove", "path": path }); 2] });
        let request = patch::Request::parse(body, Kind::Group, Catalogue::standard()).unwrap();
        let operations = request.changes.into_iter().map(Operation::Attribute).collect();
        let (via, options) = (Via::new(okta()), patch::Options::default());
        GroupCommand::Patch { via, operations, options }
    };
    check([created.clone()], remove(4), []);
    let refused = TestFramework::<Es<Group>>::with(())
        .given(vec![created])
        .when(Attempt { command: Arc::new(remove(20)), now: 0 })
        .inspect_result();
    let said = refused.unwrap_err().to_string();
    assert!(said.ends_with("bytes, more than 33554432"), "{said}");
}
