//! Lines: what waits on a worker, one line for each connector, and whose turn it is.
//!
//! The next to begin is the first in the line of the connector that has had the least of the worker's
//! time. So that nobody saves time up by asking for nothing, a line that was empty begins where the
//! others are (start-time fair queueing).
//!
//! Nothing here waits or knows what time it is; a test can say in which order things happen.
//!
//! # Source
//! P. Goyal, H. M. Vin, H. Cheng, "Start-time Fair Queuing", SIGCOMM 1996.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::{Duration, Instant},
};

use domain::ids::ConnectorName;
use event_log::WorkspaceId;

/// How much work begins in one turn of a worker, in microseconds, by what the last requests of the same
/// connectors took; one request at least. Whoever comes next waits for that long.
const TURN_MICROS: u64 = 500;
/// What a request takes of a connector of which nothing is known, in microseconds.
const UNKNOWN_MICROS: u64 = 100;
/// The least that a request takes: reading its head and sending its answer are not counted.
const LEAST_MICROS: u64 = 10;
/// How many changes of one connector are under way on a worker, when no other connector asks for
/// anything. They share a sync of the disk, so that fewer would leave the disk idle.
pub(crate) const CHANGES_MAX: usize = 32;
/// How many of them are under way, however many connectors there are: while one is on its way to
/// the disk, the next one can be decided.
const CHANGES_MIN: usize = 2;
/// For how large a body a change has its place, in bytes. Read into values it may take forty times as much
/// memory; a larger body takes a place for each such part of it.
const BODY_BYTES: usize = 128 << 10;
/// How many requests of one connector wait on a worker; more are turned away with 503.
const WAITING_MAX: usize = 4_096;
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
    /// What has a large body, a search too: it takes the places of so many changes.
    Large(usize),
}

impl Kind {
    /// The same with a body of so many bytes.
    pub(crate) fn with_body(self, bytes: usize) -> Self {
        if bytes > BODY_BYTES { Self::Large(bytes.div_ceil(BODY_BYTES)) } else { self }
    }

    /// How many of the changes under way it is.
    fn changes(self) -> usize {
        match self {
            Self::Read => 0,
            Self::Change => 1,
            Self::Large(places) => places,
        }
    }

    /// How many of the requests that wait it is.
    fn waits(self) -> usize {
        self.changes().max(1)
    }
}

/// A request that is under way.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Begun {
    source: Source,
    kind: Kind,
    /// What its line was charged for it, in microseconds.
    expected: u64,
}

/// What becomes of a request that has come.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Entered {
    Begins(Begun),
    Waits,
    /// Too many wait in its line.
    TurnedAway,
}

/// When a line has its turn: after how much of the worker's time, and which of several then.
type Turn = (u64, u64);

/// The lines of a worker; `W` stands for a request that waits.
pub(crate) struct Lines<W> {
    all: HashMap<Source, Line<W>>,
    /// The lines whose first request may begin, each once.
    turns: BTreeMap<Turn, Source>,
    /// How many turns were given.
    given: u64,
    /// What the line had had whose request began last.
    now_at: u64,
    /// How much work has begun in this turn.
    begun: u64,
    tidied: Option<Instant>,
}

struct Line<W> {
    waiting: VecDeque<(Kind, W)>,
    /// How many requests they are, large ones counted as many.
    waits: usize,
    /// How many changes are under way, large ones counted as many.
    changes: usize,
    /// Where it stands among the turns.
    turn: Option<Turn>,
    /// How much of the worker's time it has had, in microseconds.
    had: u64,
    /// What its last request took.
    expected: u64,
    seen: Instant,
}

impl<W> Default for Lines<W> {
    fn default() -> Self {
        let (all, turns) = (HashMap::new(), BTreeMap::new());
        Self { all, turns, given: 0, now_at: 0, begun: 0, tidied: None }
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
        let (share, now_at) = (self.share(), self.now_at);
        let is_free = self.turns.is_empty();
        let Some(line) = self.all.get_mut(source) else { unreachable!("it was put there") };
        line.seen = now;
        if line.waiting.is_empty() {
            line.had = line.had.max(now_at);
            if is_free && line.fits(self.begun) && line.bears(kind, share) {
                self.now_at = line.had;
                let begun = line.begin(source.clone(), kind);
                self.begun += begun.expected;
                return Entered::Begins(begun);
            }
        }
        if line.waits + kind.waits() > WAITING_MAX {
            return Entered::TurnedAway;
        }
        line.waits += kind.waits();
        line.waiting.push_back((kind, waits()));
        self.give_turn(source, share);
        Entered::Waits
    }

    /// A request that had begun has ended, and has taken so much of the worker's time, in microseconds.
    pub(crate) fn end(&mut self, begun: &Begun, took: u64) {
        let (share, took) = (self.share(), took.max(LEAST_MICROS));
        let Some(line) = self.all.get_mut(&begun.source) else { return };
        line.changes -= begun.kind.changes();
        line.expected = took;
        line.had = (line.had + took).saturating_sub(begun.expected);
        // What it has had tells where it stands.
        if let Some(turn) = line.turn.take() {
            self.turns.remove(&turn);
        }
        self.give_turn(&begun.source, share);
    }

    /// A new turn of the worker.
    pub(crate) fn turn(&mut self) {
        self.begun = 0;
    }

    /// The next request that begins in this turn.
    pub(crate) fn next(&mut self) -> Option<(Begun, W)> {
        let share = self.share();
        while let Some(first) = self.turns.first_entry() {
            let Some(line) = self.all.get_mut(first.get()) else {
                first.remove();
                continue;
            };
            if !line.fits(self.begun) {
                return None;
            }
            let ((at, _), source) = first.remove_entry();
            line.turn = None;
            // It may be one of more connectors now than when it got its turn.
            if !line.next_may_begin(share) {
                continue;
            }
            let Some((kind, waiting)) = line.waiting.pop_front() else { continue };
            line.waits -= kind.waits();
            self.now_at = self.now_at.max(at);
            let begun = line.begin(source, kind);
            self.begun += begun.expected;
            self.give_turn(&begun.source, share);
            return Some((begun, waiting));
        }
        None
    }

    /// Whether anything could begin in the next turn.
    pub(crate) fn has_next(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Lets a line have a turn, if it has none and could use it.
    fn give_turn(&mut self, source: &Source, share: usize) {
        let Some(line) = self.all.get_mut(source) else { return };
        if line.turn.is_none() && line.next_may_begin(share) {
            self.given += 1;
            let turn = (line.had, self.given);
            line.turn = Some(turn);
            self.turns.insert(turn, source.clone());
        }
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
        let (waiting, expected) = (VecDeque::new(), UNKNOWN_MICROS);
        Self { waiting, waits: 0, changes: 0, turn: None, had: 0, expected, seen }
    }

    /// Whether its next request may begin in a turn in which so much has begun.
    fn fits(&self, begun: u64) -> bool {
        begun == 0 || begun + self.expected <= TURN_MICROS
    }

    /// Whether one more request of a kind may be under way.
    fn bears(&self, kind: Kind, share: usize) -> bool {
        kind == Kind::Read || self.changes == 0 || self.changes + kind.changes() <= share
    }

    fn next_may_begin(&self, share: usize) -> bool {
        self.waiting.front().is_some_and(|(kind, _)| self.bears(*kind, share))
    }

    fn begin(&mut self, source: Source, kind: Kind) -> Begun {
        self.changes += kind.changes();
        self.had += self.expected;
        Begun { source, kind, expected: self.expected }
    }
}

#[cfg(test)]
mod tests;
