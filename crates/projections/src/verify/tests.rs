//! Code that is wrong on purpose is found out.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use domain::Event;
use proptest::strategy::{Strategy, ValueTree};
use rusqlite::Transaction;

use super::*;
use crate::{
    ALL, Recorded, Table,
    read_models::tests::runtime,
    testing::{
        append,
        history::{History, Step, steps},
        log,
    },
};

/// How a projection is wrong.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    /// It does not apply every so-manieth event that it hears.
    Drops(u64),
    /// It takes the time of an event for another.
    Late,
    /// It takes the events of one stream for another's.
    Swaps,
}

/// A projection that is wrong until it is mended.
#[derive(Clone)]
struct Mutant {
    of: &'static dyn Projection,
    wrong: Wrong,
    is_mended: Arc<AtomicBool>,
    heard: Arc<AtomicU64>,
}

impl Projection for Mutant {
    fn name(&self) -> &'static str {
        self.of.name()
    }

    fn version(&self) -> u32 {
        self.of.version()
    }

    fn schema(&self) -> &'static str {
        self.of.schema()
    }

    fn tables(&self) -> &'static [Table] {
        self.of.tables()
    }

    fn hears(&self, event: &Event) -> bool {
        self.of.hears(event)
    }

    fn follows(&self, kind: &str) -> bool {
        self.of.follows(kind)
    }

    fn apply(&self, tx: &Transaction<'_>, event: &Recorded) -> rusqlite::Result<()> {
        if self.is_mended.load(Ordering::SeqCst) {
            return self.of.apply(tx, event);
        }
        let mut event = event.clone();
        match self.wrong {
            Wrong::Drops(each) => {
                let heard = self.heard.fetch_add(1, Ordering::SeqCst) + 1;
                if heard.is_multiple_of(each) {
                    return Ok(());
                }
            }
            Wrong::Late => event.at += 1,
            Wrong::Swaps => {
                let mut bytes = *event.stream.as_bytes();
                bytes[15] ^= 0x40;
                event.stream = uuid::Uuid::from_bytes(bytes);
            }
        }
        self.of.apply(tx, &event)
    }
}

/// What comes of steps, without those that erase somebody: of who is gone nothing can be wrong.
fn lasting(mut steps: Vec<Step>) -> Vec<Recorded> {
    'again: loop {
        let mut history = History::new("acme");
        for (index, step) in steps.iter().enumerate() {
            let known = history.story.events.len();
            history.take(*step);
            let mut new = history.story.events[known..].iter();
            if new.any(|event| event.name == "user.erased") {
                steps.remove(index);
                continue 'again;
            }
        }
        return history.story.events;
    }
}

/// A history that reaches every table.
fn history() -> Vec<Recorded> {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let all = (0..4).map(|_| lasting(steps(600).new_tree(&mut runner).unwrap().current()));
    all.max_by_key(Vec::len).unwrap()
}

#[test]
fn every_projection_that_is_wrong_is_found_out() {
    let events = history();
    let workspace = events[0].workspace.clone();
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    runtime().block_on(append(&*log, &events));
    for projection in ALL {
        for wrong in [Wrong::Drops(2), Wrong::Drops(3), Wrong::Late, Wrong::Swaps] {
            if matches!(wrong, Wrong::Late) && projection.name() == crate::timeline::NAME {
                continue; // It keeps no times.
            }
            let (is_mended, heard) = Default::default();
            let mutant = Mutant { of: *projection, wrong, is_mended, heard };
            let mended = Arc::clone(&mutant.is_mended);
            let name = projection.name();
            let projections: &'static [&'static dyn Projection] = Box::leak(
                vec![&*Box::leak(Box::new(mutant)) as &dyn Projection].into_boxed_slice(),
            );
            let read = tempfile::tempdir().unwrap();
            let models = ReadModels::with(read.path(), Arc::clone(&log) as _, projections).unwrap();
            runtime().block_on(models.followed(name, &workspace)).unwrap();
            models.wait_for_builds();
            mended.store(true, Ordering::SeqCst);
            let found = models.verify(&Order::default(), &mut |_| {}).unwrap();
            assert_eq!(found.differences.len(), 1, "{name} {wrong:?}");
            models.rebuild(None, &mut |_| {}).unwrap();
            let found = models.verify(&Order::default(), &mut |_| {}).unwrap();
            assert_eq!((found.differences.len(), found.contents.len()), (0, 1), "{name} {wrong:?}");
        }
    }
}

#[test]
fn what_shows_the_same_has_the_same_hash_whatever_the_way() {
    let events = history();
    let workspace = events[0].workspace.clone();
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    let open = |name: &str| ReadModels::open(&dir.path().join(name), log.clone()).unwrap();
    let [one, other] = ["one", "other"].map(open);
    let (before, after) = events.split_at(events.len() / 2);
    let mut hashes = Vec::new();
    for part in [before, after] {
        runtime().block_on(async {
            append(&*log, part).await;
            for (models, projection) in [&one, &other].into_iter().zip(ALL) {
                models.followed(projection.name(), &workspace).await.unwrap();
            }
        });
        other.rebuild(None, &mut |_| {}).unwrap();
        let all = |models: &ReadModels| {
            for projection in ALL {
                runtime().block_on(models.followed(projection.name(), &workspace)).unwrap();
            }
            models.verify(&Order::default(), &mut |_| {}).unwrap()
        };
        let (found, again) = (all(&one), all(&other));
        assert_eq!(found.differences, []);
        assert_eq!(found, again);
        assert_eq!(found.contents.len(), ALL.len());
        hashes.push(found.contents);
    }
    for (before, after) in hashes[0].iter().zip(&hashes[1]) {
        assert!(before.hash != after.hash && before.position < after.position);
    }
}
