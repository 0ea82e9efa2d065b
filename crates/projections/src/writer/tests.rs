//! Events that fail for a while, on random histories.

use std::{collections::BTreeSet, path::Path};

use event_log::WorkspaceId;
use proptest::prelude::*;

use super::*;
use crate::{
    ALL, Recorded, generation,
    testing::{
        assert_same,
        failing::Failing,
        history::{History, Step, steps},
        rows, workspace,
    },
};

fn history(steps: &[Step]) -> Vec<Recorded> {
    let mut history = History::new("acme");
    steps.iter().for_each(|step| history.take(*step));
    history.story.events
}

fn items(events: &[Recorded]) -> Vec<Item> {
    events.iter().cloned().map(Item::of).collect()
}

fn writer(dir: &Path, name: &str, projection: &'static dyn Projection) -> Writer {
    let file = generation::scratch(&dir.join(name), projection).unwrap();
    Writer::new(projection, file, None).unwrap()
}

/// Applies a history in batches of a size.
fn fill(writer: &mut Writer, events: &[Recorded], skipped: &Skipped, size: usize) {
    for batch in events.chunks(size) {
        let to = batch.last().map_or(0, |event| event.position);
        writer.apply(&workspace(), items(batch).iter(), skipped, to).unwrap();
    }
}

fn dump(writer: &Writer) -> String {
    rows(&writer.connection, writer.projection, &workspace())
}

/// Some positions of a history, chosen by numbers.
fn chosen(events: &[Recorded], numbers: &[usize]) -> BTreeSet<u64> {
    numbers.iter().map(|number| events[number % events.len()].position).collect()
}

fn held_of(writer: &Writer) -> Vec<HeldStream> {
    writer.held().list(&workspace()).to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn what_was_held_is_in_the_end_where_a_rebuild_has_it(
        steps in steps(60),
        numbers in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        size in 1..30_usize,
    ) {
        let events = history(&steps);
        let numbers: Vec<_> = numbers.iter().map(|it| it.index(events.len())).collect();
        let bad = chosen(&events, &numbers);
        let (dir, none) = (tempfile::tempdir().unwrap(), Skipped::default());
        for projection in ALL {
            let failing = Failing::at(*projection, bad.iter().copied());
            let mut live = writer(dir.path(), "live", failing.leaked());
            fill(&mut live, &events, &none, size);
            let mut rebuilt = writer(dir.path(), "rebuilt", *projection);
            fill(&mut rebuilt, &events, &none, events.len());

            let held = held_of(&live);
            let streams: BTreeSet<_> = held.iter().map(|it| (it.kind.clone(), it.stream)).collect();
            let hit = events.iter().filter(|it| bad.contains(&it.position) && projection.hears(&it.event));
            let hit: BTreeSet<_> = hit.map(|it| (it.kind.clone(), it.stream)).collect();
            prop_assert_eq!(streams, hit, "held is what fails, and nothing else");

            failing.mended();
            for held in &held {
                let of_stream = events.iter().filter(|it| {
                    (&it.kind, it.stream) == (&held.kind, held.stream) && it.position >= held.position
                });
                let of_stream: Vec<_> = of_stream.cloned().map(Item::of).collect();
                let to = events.len() as u64;
                let tried = live.try_again(held, &of_stream, &none, to).unwrap();
                if projection.streams_are_apart() {
                    prop_assert_eq!(tried, Tried::Released);
                } else {
                    prop_assert_eq!(tried, Tried::Rebuild);
                }
            }
            if projection.streams_are_apart() {
                prop_assert_eq!(held_of(&live), []);
                assert_same(&dump(&live), &dump(&rebuilt));
            }
        }
    }

    #[test]
    fn what_is_held_does_not_depend_on_batches_and_lies_in_the_file(
        steps in steps(60),
        number in any::<prop::sample::Index>(),
        size in 1..30_usize,
    ) {
        let events = history(&steps);
        let bad = chosen(&events, &[number.index(events.len())]);
        let (dir, none) = (tempfile::tempdir().unwrap(), Skipped::default());
        for projection in ALL {
            let failing = Failing::at(*projection, bad.iter().copied()).leaked();
            let mut live = writer(dir.path(), "live", failing);
            fill(&mut live, &events, &none, size);
            let mut rebuilt = writer(dir.path(), "rebuilt", failing);
            fill(&mut rebuilt, &events, &none, events.len());
            assert_same(&dump(&live), &dump(&rebuilt));
            prop_assert_eq!(held_of(&live), held_of(&rebuilt));
            let found = Held::of(live.connection(), projection.name()).unwrap();
            prop_assert_eq!(&*found.list(&workspace()), held_of(&live));
        }
    }

    #[test]
    fn an_event_that_is_skipped_is_as_if_it_had_never_been_heard(
        steps in steps(60),
        number in any::<prop::sample::Index>(),
        size in 1..30_usize,
    ) {
        let events = history(&steps);
        let bad = events[number.index(events.len())].position;
        let dir = tempfile::tempdir().unwrap();
        for projection in ALL {
            let skipped = Skipped::example(projection.name(), bad);
            let failing = Failing::at(*projection, [bad]);
            let mut live = writer(dir.path(), "live", failing.leaked());
            fill(&mut live, &events, &Skipped::default(), size);
            let mut rebuilt = writer(dir.path(), "rebuilt", *projection);
            fill(&mut rebuilt, &events, &skipped, events.len());
            if let Some(held) = held_of(&live).first() && projection.streams_are_apart() {
                let of_stream = events.iter().filter(|it| {
                    (&it.kind, it.stream) == (&held.kind, held.stream) && it.position >= bad
                });
                let of_stream: Vec<_> = of_stream.cloned().map(Item::of).collect();
                let tried = live.try_again(held, &of_stream, &skipped, events.len() as u64);
                // What comes after it in its stream may not fit without it.
                if tried.unwrap() == Tried::Released {
                    assert_same(&dump(&live), &dump(&rebuilt));
                }
            }
        }
    }
}

#[test]
fn a_projection_follows_the_kinds_of_which_it_hears_anything() {
    let steps = steps(400);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let steps = Strategy::new_tree(&steps, &mut runner).unwrap();
    let events = history(&proptest::strategy::ValueTree::current(&steps));
    for projection in ALL {
        let heard = events.iter().filter(|event| projection.hears(&event.event));
        let heard: BTreeSet<_> = heard.map(|event| event.kind.clone()).collect();
        assert!(!heard.is_empty());
        let kinds: BTreeSet<_> = events.iter().map(|event| event.kind.clone()).collect();
        for kind in kinds {
            assert_eq!(projection.follows(&kind), heard.contains(&kind), "{kind}");
        }
    }
}

#[test]
fn events_that_follow_a_held_one_wait_for_it() {
    let mut history = History::new("acme");
    history.story.user(1, crate::read_models::tests::added(1));
    let events = history.story.events;
    let (dir, none) = (tempfile::tempdir().unwrap(), Skipped::default());
    let position = events.len() as u64;
    let failing = Failing::at(&crate::store::Store, [position]);
    let mut live = writer(dir.path(), "live", failing.leaked());
    fill(&mut live, &events, &none, 100);
    let [held] = &*held_of(&live) else { panic!("one is held") };
    assert_eq!((held.position, held.attempts), (position, 1));
    assert_eq!(
        &*held.reason,
        format!("the event at position {position} does not fit: Query is not read-only")
    );
    // Trying in vain is counted, and changes nothing else.
    let again = live.try_again(held, &items(&events[events.len() - 1..]), &none, position).unwrap();
    assert_eq!(again, Tried::Held);
    assert_eq!(held_of(&live)[0], HeldStream { attempts: 2, ..held.clone() });
    assert_eq!(live.saved()[&WorkspaceId::parse("acme").unwrap()], position);
}
