//! A backlog: what is worked off beside the policies, so that it holds up no read and no other policy.
//!
//! Each thing that is owed is worked on by itself: a large one lets the others go on. What is heard of again
//! while it is worked on is worked on once more.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::sync::watch;

use crate::Refusal;

/// How many things are worked on at a time.
const AT_ONCE: usize = 8;
/// How long something that failed is left alone, in seconds.
const PAUSE_SECONDS: u64 = 1;

/// What is owed, and waiting for it.
pub(crate) struct Backlog<K>(watch::Sender<Owed<K>>);

struct Owed<K> {
    /// Whether what the last run has left is among them.
    complete: bool,
    /// Each with how often it was heard of.
    heard: BTreeMap<K, u64>,
}

impl<K> Default for Backlog<K> {
    fn default() -> Self {
        Self(watch::Sender::new(Owed { complete: false, heard: BTreeMap::new() }))
    }
}

impl<K: Ord + Clone> Backlog<K> {
    /// Something is to be done.
    pub(crate) fn owe(&self, key: K) {
        self.0.send_modify(|owed| *owed.heard.entry(key).or_default() += 1);
    }

    /// Everything that the last run has left is owed by now.
    pub(crate) fn complete(&self) {
        self.0.send_modify(|owed| owed.complete = true);
    }

    /// Waits until everything that the last run has left is owed.
    pub(crate) async fn completed(&self) {
        let _ = self.0.subscribe().wait_for(|owed| owed.complete).await;
    }

    /// Waits until nothing is to be done about something.
    pub(crate) async fn cleared(&self, key: &K) {
        let done = |owed: &Owed<K>| owed.complete && !owed.heard.contains_key(key);
        // It ends with the app, and then nobody waits.
        let _ = self.0.subscribe().wait_for(done).await;
    }

    /// Whether something is to be done about something, or nobody knows yet.
    pub(crate) fn owes(&self, key: &K) -> bool {
        let owed = self.0.borrow();
        !owed.complete || owed.heard.contains_key(key)
    }

    /// Works on whatever is owed, for ever. What fails says so itself; it is tried again after a pause.
    pub(crate) async fn work_off<F>(&self, work: impl Fn(K) -> F)
    where
        F: Future<Output = Result<(), Refusal>>,
    {
        let mut owed = self.0.subscribe();
        // What has failed rests: it is not among those at a time, so that it keeps nobody out.
        let (mut running, mut resting) = (FuturesUnordered::new(), FuturesUnordered::new());
        let mut busy = BTreeSet::new();
        loop {
            let waiting = owed.borrow_and_update().heard.clone();
            for (key, heard) in waiting {
                if running.len() < AT_ONCE && busy.insert(key.clone()) {
                    let work = work(key.clone());
                    running.push(async move { (key, work.await.is_ok().then_some(heard)) });
                }
            }
            tokio::select! {
                Some((key, done)) = running.next() => match done {
                    Some(heard) => {
                        busy.remove(&key);
                        self.done(&key, heard);
                    }
                    None => resting.push(async move {
                        pause().await;
                        key
                    }),
                },
                Some(key) = resting.next() => {
                    busy.remove(&key);
                }
                changed = owed.changed() => if changed.is_err() {
                    return;
                },
            }
        }
    }

    /// Something was done, as far as it was heard of before.
    fn done(&self, key: &K, heard: u64) {
        self.0.send_modify(|owed| {
            if owed.heard.get(key) == Some(&heard) {
                owed.heard.remove(key);
            }
        });
    }
}

/// Waits before something that failed is tried again.
async fn pause() {
    #[expect(clippy::disallowed_methods, reason = "a failure is given time to pass")]
    tokio::time::sleep(std::time::Duration::from_secs(PAUSE_SECONDS)).await;
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn a_large_thing_lets_the_others_go_on_and_is_done_again_if_it_is_heard_of_again() {
        let backlog = Arc::new(Backlog::default());
        let (gate, large) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = {
            let (gate, large) = (Arc::clone(&gate), Arc::clone(&large));
            move |key: &'static str| {
                let (gate, large) = (Arc::clone(&gate), Arc::clone(&large));
                async move {
                    if key == "large" {
                        large.fetch_add(1, Ordering::Relaxed);
                        gate.acquire().await.unwrap().forget();
                    }
                    Ok(())
                }
            }
        };
        let worker = Arc::clone(&backlog);
        let worker = tokio::spawn(async move { worker.work_off(work).await });
        backlog.complete();
        backlog.owe("large");
        backlog.owe("small");
        backlog.cleared(&"small").await;
        assert_eq!(large.load(Ordering::Relaxed), 1);
        backlog.owe("large");
        gate.add_permits(2);
        backlog.cleared(&"large").await;
        assert_eq!(large.load(Ordering::Relaxed), 2);
        worker.abort();
    }

    #[tokio::test]
    async fn what_fails_keeps_nobody_out_however_much_it_is() {
        let backlog = Arc::new(Backlog::default());
        let last = 2 * AT_ONCE;
        let work = move |key: usize| async move {
            if key == last { Ok(()) } else { Err(Refusal::Unreadable) }
        };
        (0..=last).for_each(|key| backlog.owe(key));
        backlog.complete();
        let worker = Arc::clone(&backlog);
        let worker = tokio::spawn(async move { worker.work_off(work).await });
        backlog.cleared(&last).await;
        assert!(backlog.owes(&0));
        worker.abort();
    }
}
