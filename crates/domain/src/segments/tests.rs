//! Given facts, when a command, then facts or a refusal.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cqrs_es::test::TestFramework;
use uuid::Uuid;

use super::{DEPTH_MAX, Permission, Segments, SegmentsCommand, SegmentsEvent, SegmentsRefusal};
use crate::{
    Attempt, Decider, Es, Stamp,
    ids::{SegmentId, UserId},
};

fn id(number: u128) -> SegmentId {
    SegmentId(Uuid::from_u128(number))
}

fn user(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

fn added(number: u128, name: &str, parent: u128) -> SegmentsEvent {
    let parent = (parent > 0).then(|| id(parent));
    SegmentsEvent::Added { segment: id(number), name: name.to_owned(), parent }
}

fn add(number: u128, name: &str, parent: u128) -> SegmentsCommand {
    let parent = (parent > 0).then(|| id(parent));
    SegmentsCommand::Add { segment: id(number), name: name.to_owned(), parent }
}

fn put_under(number: u128, parent: Option<u128>) -> SegmentsCommand {
    SegmentsCommand::Change { segment: id(number), name: None, parent: Some(parent.map(id)) }
}

fn granted(number: u128, grants: &[(u128, &[Permission])]) -> SegmentsEvent {
    let grants = grants.iter().map(|(who, what)| (user(*who), what.iter().copied().collect()));
    SegmentsEvent::GrantsSet { segment: id(number), grants: grants.collect() }
}

/// World over Europe over Berlin, and Asia under the world.
fn world() -> Vec<SegmentsEvent> {
    vec![added(1, "World", 0), added(2, "Europe", 1), added(3, "Berlin", 2), added(4, "Asia", 1)]
}

fn when(
    given: impl IntoIterator<Item = SegmentsEvent>,
    command: SegmentsCommand,
) -> Result<Vec<SegmentsEvent>, SegmentsRefusal> {
    TestFramework::<Es<Segments>>::with(())
        .given(given.into_iter().collect())
        .when(Attempt { command: Arc::new(command), now: 0 })
        .inspect_result()
}

fn folded(events: &[SegmentsEvent]) -> Segments {
    let mut segments = Segments::default();
    events.iter().for_each(|event| segments.evolve(event, &Stamp::default()));
    segments
}

#[test]
fn segments_are_a_tree() {
    assert_eq!(when(world(), add(5, "Paris", 2)), Ok(vec![added(5, "Paris", 2)]));
    assert_eq!(when(world(), add(5, "Paris", 9)), Err(SegmentsRefusal::NoParent(id(9))));
    assert_eq!(when(world(), add(4, "x", 0)), Err(SegmentsRefusal::Exists));
    for under in [2, 3] {
        assert_eq!(when(world(), put_under(2, Some(under))), Err(SegmentsRefusal::Loop));
    }
    let moved = |parent: Option<u128>| {
        Ok(vec![SegmentsEvent::Moved { segment: id(2), parent: parent.map(id) }])
    };
    assert_eq!(when(world(), put_under(2, Some(4))), moved(Some(4)));
    assert_eq!(when(world(), put_under(2, None)), moved(None));
    assert_eq!(when(world(), put_under(2, Some(1))), Ok(vec![]));
    assert_eq!(when(world(), put_under(9, None)), Err(SegmentsRefusal::NoSegment));
}

#[test]
fn siblings_have_names_of_their_own() {
    let taken = |name: &str| Err(SegmentsRefusal::NameTaken(name.to_owned()));
    assert_eq!(when(world(), add(5, "EUROPE", 1)), taken("EUROPE"));
    assert_eq!(when(world(), add(5, "Europe", 4)), Ok(vec![added(5, "Europe", 4)]));
    let given = world().into_iter().chain([added(5, "Europe", 4)]);
    assert_eq!(when(given, put_under(5, Some(1))), taken("Europe"));
    let rename = |name: &str| SegmentsCommand::Change {
        segment: id(2),
        name: Some(name.to_owned()),
        parent: None,
    };
    assert_eq!(when(world(), rename("asia")), taken("asia"));
    let renamed = SegmentsEvent::Renamed { segment: id(2), name: "EUROPE".to_owned() };
    assert_eq!(when(world(), rename("EUROPE")), Ok(vec![renamed]));
    assert_eq!(when(world(), rename("Europe")), Ok(vec![]));
}

#[test]
fn only_a_segment_without_segments_is_removed() {
    let remove = |number| SegmentsCommand::Remove { segment: id(number) };
    assert_eq!(when(world(), remove(1)), Err(SegmentsRefusal::HasSegments(2)));
    assert_eq!(when(world(), remove(3)), Ok(vec![SegmentsEvent::Removed { segment: id(3) }]));
    assert_eq!(when(world(), remove(9)), Err(SegmentsRefusal::NoSegment));
}

#[test]
fn the_tree_has_a_depth() {
    let chain: Vec<_> = (1..=DEPTH_MAX as u128).map(|n| added(n, "s", n - 1)).collect();
    let deepest = DEPTH_MAX as u128;
    assert_eq!(when(chain.clone(), add(90, "x", deepest)), Err(SegmentsRefusal::TooDeep));
    assert!(when(chain.clone(), add(90, "x", deepest - 1)).is_ok());
    // What is moved takes along what stands below it.
    let other: Vec<_> = chain.into_iter().chain([added(80, "a", 0), added(81, "b", 80)]).collect();
    assert_eq!(
        when(other.clone(), put_under(80, Some(deepest - 1))),
        Err(SegmentsRefusal::TooDeep)
    );
    assert!(when(other, put_under(80, Some(deepest - 2))).is_ok());
}

#[test]
fn rule_15_a_grant_on_a_segment_covers_all_below_it() {
    let grants = [
        granted(2, &[(7, &[Permission::View]), (8, &[Permission::Remove])]),
        granted(3, &[(7, &[Permission::Assign])]),
    ];
    let mut events: Vec<_> = world().into_iter().chain(grants).collect();
    let may = |events: &[SegmentsEvent], segment| {
        let permissions = folded(events).permissions(id(segment), user(7));
        permissions.into_iter().map(Permission::as_str).collect::<Vec<_>>()
    };
    for (segment, expected) in
        [(1, &[][..]), (2, &["view"]), (3, &["view", "assign"]), (4, &[]), (9, &[])]
    {
        assert_eq!(may(&events, segment), expected, "{segment}");
    }
    // What is moved is covered by what it stands under now.
    events.push(SegmentsEvent::Moved { segment: id(3), parent: Some(id(4)) });
    assert_eq!(may(&events, 3), ["assign"]);
}

#[test]
fn grants_are_set_all_together() {
    let set = |grants: &[(u128, &[Permission])]| {
        let grants = grants.iter().map(|(who, what)| (user(*who), what.iter().copied().collect()));
        SegmentsCommand::SetGrants { segment: id(1), grants: grants.collect() }
    };
    let view: &[Permission] = &[Permission::View];
    assert_eq!(when(world(), set(&[(7, view), (8, &[])])), Ok(vec![granted(1, &[(7, view)])]));
    let given: Vec<_> = world().into_iter().chain([granted(1, &[(7, view)])]).collect();
    assert_eq!(when(given.clone(), set(&[(7, view)])), Ok(vec![]));
    assert_eq!(when(given, set(&[])), Ok(vec![granted(1, &[])]));
    let many: BTreeMap<_, _> =
        (0..1_001).map(|who| (user(who), BTreeSet::from([Permission::View]))).collect();
    let many = SegmentsCommand::SetGrants { segment: id(1), grants: many };
    assert_eq!(when(world(), many), Err(SegmentsRefusal::TooManyGrants));
}
