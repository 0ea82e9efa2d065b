//! Lines: what waits on a worker, one line for each connector, and whose turn it is.
//!
//! Nothing here waits or knows what time it is; a test can say in which order things happen.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use domain::ids::ConnectorName;
use event_log::WorkspaceId;

/// How many requests begin in one turn of a worker. Whoever comes next waits for so many at most,
/// each of which takes 0.05 ms when it reads a person and 10 ms when it reads a page of a thousand.
pub(crate) const BEGIN_MAX: usize = 4;
/// How many changes of one connector are under way on a worker, when no other connector asks for
/// anything. They share a sync of the disk, so that fewer would leave the disk idle.
pub(crate) const CHANGES_MAX: usize = 32;
/// How many of them are under way, however many connectors there are: while one is on its way to
/// the disk, the next one can be decided.
pub(crate) const CHANGES_MIN: usize = 2;
/// How many requests of one connector wait on a worker; more are turned away with 503.
pub(crate) const WAITING_MAX: usize = 4_096;
/// For how long a connector that asks for nothing more is still one of those that share a worker.
const SHARES_FOR: Duration = Duration::from_secs(1);

/// Whose a request is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Source {
    pub(crate) workspace: WorkspaceId,
    pub(crate) connector: ConnectorName,
}

/// What a request takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Time of this worker's thread.
    Read,
    /// That of the log's writer, of the read models and of the policies too, and a place in the next
    /// sync of the disk.
    Change,
}

/// What becomes of a request that has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Entered {
    Begins,
    Waits,
    /// Too many wait in its line.
    TurnedAway,
}

/// The lines of a worker; `W` stands for a request that waits.
pub(crate) struct Lines<W> {
    all: HashMap<Source, Line<W>>,
    /// The lines whose first request may begin, each once, in the order of their turns.
    turns: VecDeque<Source>,
    /// How many requests have begun in this turn.
    begun: usize,
    tidied: Option<Instant>,
}

struct Line<W> {
    waiting: VecDeque<(Kind, W)>,
    /// How many changes are under way.
    changes: usize,
    has_turn: bool,
    seen: Instant,
}

impl<W> Default for Lines<W> {
    fn default() -> Self {
        Self { all: HashMap::new(), turns: VecDeque::new(), begun: 0, tidied: None }
    }
}

impl<W> Lines<W> {
    /// A request has come. It begins if nothing is in its way; else `waits` makes what stands for it.
    pub(crate) fn enter(
        &mut self,
        source: &Source,
        kind: Kind,
        now: Instant,
        waits: impl FnOnce() -> W,
    ) -> Entered {
        self.tidy(now);
        if !self.all.contains_key(source) {
            self.all.insert(source.clone(), Line::new(now));
        }
        let share = self.share();
        let Some(line) = self.all.get_mut(source) else { unreachable!("it was put there") };
        line.seen = now;
        if line.waiting.is_empty() && self.begun < BEGIN_MAX && line.bears(kind, share) {
            line.begin(kind);
            self.begun += 1;
            return Entered::Begins;
        }
        if line.waiting.len() >= WAITING_MAX {
            return Entered::TurnedAway;
        }
        line.waiting.push_back((kind, waits()));
        if !line.has_turn && line.next_may_begin(share) {
            line.has_turn = true;
            self.turns.push_back(source.clone());
        }
        Entered::Waits
    }

    /// A request that had begun has ended.
    pub(crate) fn end(&mut self, source: &Source, kind: Kind) {
        let share = self.share();
        let Some(line) = self.all.get_mut(source) else { return };
        if kind == Kind::Change {
            line.changes -= 1;
        }
        if !line.has_turn && line.next_may_begin(share) {
            line.has_turn = true;
            self.turns.push_back(source.clone());
        }
    }

    /// A new turn of the worker.
    pub(crate) fn turn(&mut self) {
        self.begun = 0;
    }

    /// The next request that begins in this turn, one of each line after the other.
    pub(crate) fn next(&mut self) -> Option<(Source, Kind, W)> {
        if self.begun >= BEGIN_MAX {
            return None;
        }
        let share = self.share();
        while let Some(source) = self.turns.pop_front() {
            let Some(line) = self.all.get_mut(&source) else { continue };
            line.has_turn = false;
            // It may be one of more connectors now than when it got its turn.
            if !line.next_may_begin(share) {
                continue;
            }
            let Some((kind, waiting)) = line.waiting.pop_front() else { continue };
            line.begin(kind);
            if line.next_may_begin(share) {
                line.has_turn = true;
                self.turns.push_back(source.clone());
            }
            self.begun += 1;
            return Some((source, kind, waiting));
        }
        None
    }

    /// Whether anything could begin in the next turn.
    pub(crate) fn has_next(&self) -> bool {
        !self.turns.is_empty()
    }

    /// How many changes each connector may have under way.
    fn share(&self) -> usize {
        (CHANGES_MAX / self.all.len().max(1)).max(CHANGES_MIN)
    }

    /// Forgets, once in a while, the connectors that ask for nothing any more.
    fn tidy(&mut self, now: Instant) {
        let tidied = *self.tidied.get_or_insert(now);
        if now.saturating_duration_since(tidied) < SHARES_FOR {
            return;
        }
        self.tidied = Some(now);
        self.all.retain(|_, line| {
            let is_quiet = now.saturating_duration_since(line.seen) >= SHARES_FOR;
            !is_quiet || line.changes > 0 || !line.waiting.is_empty()
        });
    }
}

impl<W> Line<W> {
    fn new(seen: Instant) -> Self {
        Self { waiting: VecDeque::new(), changes: 0, has_turn: false, seen }
    }

    /// Whether one more request of a kind may be under way.
    fn bears(&self, kind: Kind, share: usize) -> bool {
        kind == Kind::Read || self.changes < share
    }

    fn next_may_begin(&self, share: usize) -> bool {
        self.waiting.front().is_some_and(|(kind, _)| self.bears(*kind, share))
    }

    fn begin(&mut self, kind: Kind) {
        self.changes += usize::from(kind == Kind::Change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str) -> Source {
        Source {
            workspace: WorkspaceId::parse("acme").unwrap(),
            connector: ConnectorName::parse(name).unwrap(),
        }
    }

    /// Lines with so many requests of `loud` in them; those that began at once have ended.
    fn crowded(requests: usize, kind: Kind) -> (Lines<&'static str>, Instant) {
        let (mut lines, now) = (Lines::default(), Instant::now());
        for _ in 0..requests {
            if lines.enter(&source("loud"), kind, now, || "loud") == Entered::Begins {
                lines.end(&source("loud"), kind);
            }
        }
        (lines, now)
    }

    /// How many requests begin, turn after turn, before the one of this name; each ends at once.
    fn before(lines: &mut Lines<&'static str>, name: &str) -> usize {
        let mut begun = 0;
        loop {
            lines.turn();
            while let Some((source, kind, waiting)) = lines.next() {
                lines.end(&source, kind);
                if waiting == name {
                    return begun;
                }
                begun += 1;
            }
            assert!(lines.has_next(), "{name} waits for ever");
        }
    }

    #[test]
    fn a_request_that_meets_nobody_begins_at_once() {
        let (mut lines, now) = crowded(0, Kind::Read);
        for kind in [Kind::Read, Kind::Change, Kind::Read, Kind::Change] {
            assert_eq!(lines.enter(&source("quiet"), kind, now, || "quiet"), Entered::Begins);
        }
        assert!(!lines.has_next());
    }

    #[test]
    fn whoever_asks_for_little_waits_for_one_of_each_other_connector() {
        let (mut lines, now) = crowded(500, Kind::Read);
        for name in ["quiet", "calm"] {
            assert_eq!(lines.enter(&source(name), Kind::Read, now, || "few"), Entered::Waits);
        }
        assert_eq!(before(&mut lines, "few"), 1);
        assert_eq!(before(&mut lines, "few"), 0);
    }

    /// Without lines of their own, a request waits for all that have come before it.
    #[test]
    fn within_a_connector_the_first_that_came_is_the_first_that_begins() {
        let (mut lines, now) = crowded(500, Kind::Read);
        lines.enter(&source("loud"), Kind::Read, now, || "last");
        assert_eq!(before(&mut lines, "last"), 500 - BEGIN_MAX);
    }

    #[test]
    fn no_more_begin_in_a_turn_than_may() {
        let (mut lines, _) = crowded(500, Kind::Read);
        lines.turn();
        let begun = std::iter::from_fn(|| lines.next()).count();
        assert_eq!(begun, BEGIN_MAX);
        assert!(lines.has_next());
    }

    /// How many changes of `loud` are under way, once as many have begun as may.
    fn under_way(lines: &mut Lines<&'static str>) -> usize {
        let mut begun = 0;
        while lines.has_next() {
            lines.turn();
            begun += std::iter::from_fn(|| lines.next()).count();
        }
        begun
    }

    #[test]
    fn changes_share_what_may_be_under_way_and_the_first_to_end_lets_the_next_begin() {
        let (mut lines, now) = crowded(500, Kind::Change);
        assert_eq!(under_way(&mut lines), CHANGES_MAX);
        lines.end(&source("loud"), Kind::Change);
        assert_eq!(under_way(&mut lines), 1);

        // Others ask for something: as many end as it has too many before another one begins.
        for number in 0..3 {
            let other = source(&format!("other-{number}"));
            lines.turn();
            assert_eq!(lines.enter(&other, Kind::Read, now, || "few"), Entered::Begins);
        }
        for _ in 0..CHANGES_MAX - CHANGES_MAX / 4 {
            lines.end(&source("loud"), Kind::Change);
            assert_eq!(under_way(&mut lines), 0);
        }
        lines.end(&source("loud"), Kind::Change);
        assert_eq!(under_way(&mut lines), 1);
    }

    #[test]
    fn a_change_begins_beside_those_of_another_connector_that_has_all_it_may() {
        let (mut lines, now) = crowded(500, Kind::Change);
        under_way(&mut lines);
        lines.turn();
        assert_eq!(lines.enter(&source("quiet"), Kind::Change, now, || "quiet"), Entered::Begins);
    }

    #[test]
    fn connectors_that_are_gone_have_no_share_any_more() {
        let (mut lines, now) = crowded(0, Kind::Read);
        for number in 0..100 {
            lines.turn();
            lines.enter(&source(&format!("other-{number}")), Kind::Read, now, || "few");
        }
        let share_beside = |later: Duration, lines: &mut Lines<&'static str>| {
            lines.turn();
            lines.enter(&source("loud"), Kind::Read, now + later, || "loud");
            lines.share()
        };
        assert_eq!(share_beside(SHARES_FOR / 2, &mut lines), CHANGES_MIN);
        assert_eq!(share_beside(SHARES_FOR * 2, &mut lines), CHANGES_MAX);
    }

    #[test]
    fn more_than_may_wait_is_turned_away() {
        let (mut lines, now) = crowded(BEGIN_MAX + WAITING_MAX, Kind::Read);
        let entered =
            |lines: &mut Lines<_>, name| lines.enter(&source(name), Kind::Read, now, || "more");
        assert_eq!(entered(&mut lines, "loud"), Entered::TurnedAway);
        assert_eq!(entered(&mut lines, "quiet"), Entered::Waits);
        lines.turn();
        lines.next();
        assert_eq!(entered(&mut lines, "loud"), Entered::Waits);
    }
}
