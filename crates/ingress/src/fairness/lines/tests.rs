//! Who begins, in which order, and how many of whom at a time.

use super::*;

/// How many requests of which nothing is known begin in one turn.
const BEGIN: usize = (TURN_MICROS / UNKNOWN_MICROS) as usize;

fn source(name: &str) -> Source {
    Source {
        workspace: WorkspaceId::parse("acme").unwrap(),
        connector: ConnectorName::parse(name).unwrap(),
    }
}

type Named = Lines<&'static str>;

/// Lines with so many requests of `loud` in them; those that began at once have ended.
fn crowded(requests: usize, kind: Kind) -> (Named, Instant) {
    let (mut lines, now) = (Lines::default(), Instant::now());
    for _ in 0..requests {
        if let Entered::Begins(begun) = lines.enter(&source("loud"), kind, now, || "loud") {
            lines.end(&begun, UNKNOWN_MICROS);
        }
    }
    (lines, now)
}

/// How many requests begin, turn after turn, before the one of this name. Each takes what is said of it,
/// and ends before the next turn.
fn before(lines: &mut Named, name: &str, takes: impl Fn(&str) -> u64) -> usize {
    let mut before = 0;
    loop {
        lines.turn();
        let begun: Vec<_> = std::iter::from_fn(|| lines.next()).collect();
        begun.iter().for_each(|(begun, waiting)| lines.end(begun, takes(waiting)));
        match begun.iter().position(|(_, waiting)| *waiting == name) {
            Some(place) => return before + place,
            None => before += begun.len(),
        }
        assert!(lines.has_next(), "{name} waits for ever");
    }
}

fn begins(entered: &Entered) -> bool {
    matches!(entered, Entered::Begins(_))
}

/// Lets as many begin as may, over several turns; nothing of it ends.
fn under_way(lines: &mut Named) -> Vec<Begun> {
    let mut begun = Vec::new();
    while lines.has_next() {
        lines.turn();
        begun.extend(std::iter::from_fn(|| lines.next()).map(|(begun, _)| begun));
    }
    begun
}

#[test]
fn a_request_that_meets_nobody_begins_at_once() {
    let (mut lines, now) = crowded(0, Kind::Read);
    for kind in [Kind::Read, Kind::Change, Kind::Read, Kind::Change] {
        assert!(begins(&lines.enter(&source("quiet"), kind, now, || "quiet")));
    }
    assert!(!lines.has_next());
}

#[test]
fn whoever_asks_for_little_waits_for_little() {
    let (mut lines, now) = crowded(500, Kind::Read);
    let alike = |_: &str| UNKNOWN_MICROS;
    before(&mut lines, "loud", alike);
    for name in ["quiet", "calm"] {
        assert_eq!(lines.enter(&source(name), Kind::Read, now, || name), Entered::Waits);
    }
    let waited = before(&mut lines, "calm", alike);
    assert!(waited <= BEGIN, "{waited} began before it");
}

/// Without lines of their own, a request waits for all that have come before it.
#[test]
fn within_a_connector_the_first_that_came_is_the_first_that_begins() {
    let (mut lines, now) = crowded(500, Kind::Read);
    lines.enter(&source("loud"), Kind::Read, now, || "last");
    assert_eq!(before(&mut lines, "last", |_| UNKNOWN_MICROS), 500 - BEGIN);
}

#[test]
fn no_more_begins_in_a_turn_than_its_time_and_always_one() {
    let (mut lines, _) = crowded(500, Kind::Read);
    for takes in [UNKNOWN_MICROS, TURN_MICROS / 2, 20 * TURN_MICROS, 10] {
        let expected = (TURN_MICROS / takes).max(1);
        lines.turn();
        // The first ones tell what they take; what comes after is planned by that.
        let (begun, _) = lines.next().unwrap();
        lines.end(&begun, takes);
        lines.turn();
        let begun: Vec<_> = std::iter::from_fn(|| lines.next()).collect();
        begun.iter().for_each(|(begun, _)| lines.end(begun, takes));
        assert_eq!(begun.len() as u64, expected, "{takes} µs each");
    }
}

/// One reads pages, each of which takes as long as a hundred requests of the other.
#[test]
fn time_is_shared_and_not_the_number_of_requests() {
    let (mut lines, now) = crowded(500, Kind::Read);
    for _ in 0..500 {
        lines.enter(&source("light"), Kind::Read, now, || "light");
    }
    let mut had = BTreeMap::<_, u64>::new();
    for _ in 0..100 {
        lines.turn();
        let begun: Vec<_> = std::iter::from_fn(|| lines.next()).collect();
        for (begun, waiting) in begun {
            let takes = if waiting == "light" { 100 } else { 10_000 };
            lines.end(&begun, takes);
            *had.entry(waiting).or_default() += takes;
        }
    }
    let (light, loud) = (had["light"], had["loud"]);
    assert!(light.abs_diff(loud) <= 20_000, "{light} and {loud} µs");
}

/// Whoever has asked for nothing has not saved up any time.
#[test]
fn a_connector_that_comes_late_gets_its_share_and_no_more() {
    let (mut lines, now) = crowded(2_000, Kind::Read);
    for _ in 0..100 {
        before(&mut lines, "loud", |_| UNKNOWN_MICROS);
    }
    for _ in 0..100 {
        lines.enter(&source("late"), Kind::Read, now, || "late");
    }
    lines.enter(&source("late"), Kind::Read, now, || "last");
    let waited = before(&mut lines, "last", |_| UNKNOWN_MICROS);
    assert!(
        (190..=220).contains(&waited),
        "{waited} began before the hundredth of the one who came late"
    );
}

#[test]
fn changes_share_what_may_be_under_way_and_the_first_to_end_lets_the_next_begin() {
    let (mut lines, now) = crowded(500, Kind::Change);
    let mut begun = under_way(&mut lines);
    assert_eq!(begun.len(), CHANGES_MAX);
    lines.end(&begun.remove(0), UNKNOWN_MICROS);
    begun.extend(under_way(&mut lines));
    assert_eq!(begun.len(), CHANGES_MAX);

    // Others ask for something: as many end as it has too many before another one begins.
    for number in 0..3 {
        let other = source(&format!("other-{number}"));
        lines.turn();
        assert!(begins(&lines.enter(&other, Kind::Read, now, || "few")));
    }
    for begun in begun.drain(..CHANGES_MAX - CHANGES_MAX / 4) {
        lines.end(&begun, UNKNOWN_MICROS);
        assert!(under_way(&mut lines).is_empty());
    }
    lines.end(&begun.remove(0), UNKNOWN_MICROS);
    assert_eq!(under_way(&mut lines).len(), 1);
}

#[test]
fn a_change_begins_beside_those_of_another_connector_that_has_all_it_may() {
    let (mut lines, now) = crowded(500, Kind::Change);
    under_way(&mut lines);
    lines.turn();
    assert!(begins(&lines.enter(&source("quiet"), Kind::Change, now, || "quiet")));
}

#[test]
fn connectors_that_are_gone_have_no_share_any_more() {
    let (mut lines, now) = crowded(0, Kind::Read);
    for number in 0..100 {
        lines.turn();
        lines.enter(&source(&format!("other-{number}")), Kind::Read, now, || "few");
    }
    let share_beside = |later: Duration, lines: &mut Named| {
        lines.turn();
        lines.enter(&source("loud"), Kind::Read, now + later, || "loud");
        lines.share()
    };
    assert_eq!(share_beside(SHARES_FOR / 2, &mut lines), CHANGES_MIN);
    assert_eq!(share_beside(SHARES_FOR * 2, &mut lines), CHANGES_MAX);
}

#[test]
fn more_than_may_wait_is_turned_away() {
    let (mut lines, now) = crowded(BEGIN + WAITING_MAX, Kind::Read);
    let entered = |lines: &mut Named, name| lines.enter(&source(name), Kind::Read, now, || "more");
    assert_eq!(entered(&mut lines, "loud"), Entered::TurnedAway);
    assert_eq!(entered(&mut lines, "quiet"), Entered::Waits);
    lines.turn();
    while lines.next().is_some() {}
    assert_eq!(entered(&mut lines, "loud"), Entered::Waits);
}

#[test]
fn a_large_body_takes_the_places_of_many_and_waits_for_them() {
    let large = |bytes: usize| Kind::Change.with_body(bytes);
    assert_eq!(large(BODY_BYTES), Kind::Change);
    assert_eq!(Kind::Read.with_body(BODY_BYTES), Kind::Read);
    // A search may have one, too.
    assert_eq!(Kind::Read.with_body(2 * BODY_BYTES), Kind::Large(2));
    let (mut lines, now) = crowded(0, Kind::Read);
    let enter = |lines: &mut Named, kind| {
        lines.turn();
        lines.enter(&source("loud"), kind, now, || "large")
    };
    // Half of what may be under way, and a little more than half of it.
    let half = CHANGES_MAX * BODY_BYTES / 2;
    let Entered::Begins(first) = enter(&mut lines, large(half)) else { panic!("nobody is there") };
    assert_eq!(enter(&mut lines, large(half + 1)), Entered::Waits);
    // What is small does not overtake it.
    assert_eq!(enter(&mut lines, Kind::Change), Entered::Waits);
    assert!(under_way(&mut lines).is_empty());
    lines.end(&first, UNKNOWN_MICROS);
    let begun = under_way(&mut lines);
    assert_eq!(begun.len(), 2);
    begun.iter().for_each(|begun| lines.end(begun, UNKNOWN_MICROS));

    // One that is larger than all places together has them to itself.
    for _ in 0..3 {
        enter(&mut lines, large(1_000 * half));
    }
    assert!(under_way(&mut lines).is_empty());
    // Whoever else asks for something does not wait for it.
    lines.turn();
    assert!(begins(&lines.enter(&source("quiet"), Kind::Change, now, || "quiet")));
}

#[test]
fn large_bodies_that_wait_are_counted_as_many() {
    let (mut lines, now) = crowded(0, Kind::Read);
    let large = Kind::Change.with_body(WAITING_MAX * BODY_BYTES / 2);
    let mut entered = || {
        lines.turn();
        lines.enter(&source("loud"), large, now, || "large")
    };
    assert!(begins(&entered()));
    assert_eq!(
        [entered(), entered(), entered()],
        [Entered::Waits, Entered::Waits, Entered::TurnedAway]
    );
}
