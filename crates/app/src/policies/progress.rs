//! How far policies have come, and waiting for them.

use std::collections::{BTreeMap, HashMap};

use event_log::{Receipt, WorkspaceId};
use parking_lot::Mutex;
use tokio::sync::watch;

#[derive(Debug, Default)]
struct Reached {
    /// Everything up to this position has been dealt with.
    position: u64,
    /// What policies have brought about and have yet to deal with: by the last position of each commit.
    caused: BTreeMap<u64, Caused>,
    /// Whether nothing goes on there until a person or a newer version has mended something.
    stalled: bool,
    /// Up to where somebody has waited for policies in vain.
    late: u64,
}

/// A commit that a policy brought about.
#[derive(Clone, Copy, Debug)]
struct Caused {
    /// The first position of it.
    first: u64,
    /// The event that it all began with, which no policy brought about.
    began_with: u64,
}

impl Reached {
    /// The event that an event began with: itself, if no policy brought it about.
    fn beginning(&self, position: u64) -> u64 {
        let commit = self.caused.range(position..).next();
        let commit = commit.filter(|(_, caused)| caused.first <= position);
        commit.map_or(position, |(_, caused)| caused.began_with)
    }

    /// Whether everything up to `head` has been dealt with, and what followed from that.
    fn is_settled(&self, head: u64) -> bool {
        self.position >= head && self.caused.values().all(|caused| caused.began_with > head)
    }
}

/// How far policies have come in each workspace.
#[derive(Debug)]
pub struct Progress {
    reached: Mutex<HashMap<WorkspaceId, Reached>>,
    tick: watch::Sender<u64>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { reached: Mutex::default(), tick: watch::Sender::new(0) }
    }
}

impl Progress {
    /// Everything up to `position` has been dealt with.
    pub(crate) fn reach(&self, workspace: &WorkspaceId, position: u64) {
        self.change(workspace, |reached| {
            reached.position = reached.position.max(position);
            reached.caused = reached.caused.split_off(&(reached.position + 1));
            reached.stalled = false;
        });
    }

    /// Policies cannot go on in a workspace, for longer than anybody wants to wait.
    pub(super) fn stall(&self, workspace: &WorkspaceId) {
        self.change(workspace, |reached| reached.stalled = true);
    }

    /// Somebody has waited in vain for policies, while the log went up to `head`.
    pub(crate) fn give_up(&self, workspace: &WorkspaceId, head: u64) {
        self.change(workspace, |reached| reached.late = reached.late.max(head));
    }

    fn change(&self, workspace: &WorkspaceId, change: impl FnOnce(&mut Reached)) {
        change(self.reached.lock().entry(workspace.clone()).or_default());
        self.tick.send_modify(|tick| *tick += 1);
    }

    /// Whether policies cannot go on in a workspace, or are later than anybody wants to wait.
    pub(crate) fn is_behind(&self, workspace: &WorkspaceId) -> bool {
        let is_behind = |it: &Reached| it.stalled || it.position < it.late;
        self.reached.lock().get(workspace).is_some_and(is_behind)
    }

    /// A policy has recorded something because of the event at `because_of`, which it is dealing with.
    pub(super) fn cause(&self, workspace: &WorkspaceId, because_of: u64, receipt: &Receipt) {
        let mut reached = self.reached.lock();
        let reached = reached.entry(workspace.clone()).or_default();
        let caused =
            Caused { first: receipt.first_position, began_with: reached.beginning(because_of) };
        reached.caused.insert(receipt.last_position, caused);
    }

    /// The position up to which a workspace has been dealt with.
    pub fn position(&self, workspace: &WorkspaceId) -> u64 {
        self.reached.lock().get(workspace).map_or(0, |reached| reached.position)
    }

    /// Waits until policies have dealt with everything up to `head`, and with what they themselves
    /// brought about because of that; or until they cannot go on: then `false`. What follows from later
    /// events is not waited for: where there are always some, that would have no end.
    pub(crate) async fn settled(&self, workspace: &WorkspaceId, head: u64) -> bool {
        let mut ticks = self.tick.subscribe();
        loop {
            let (is_settled, stalled) = match self.reached.lock().get(workspace) {
                Some(reached) => (reached.is_settled(head), reached.stalled),
                None => (head == 0, false),
            };
            // The sender lives as long as `self`.
            if is_settled || stalled || ticks.changed().await.is_err() {
                return is_settled;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// Progress in one workspace.
    struct Acme(Progress, WorkspaceId);

    impl Acme {
        fn new() -> Self {
            Self(Progress::default(), WorkspaceId::parse("acme").unwrap())
        }

        fn reach(&self, position: u64) {
            self.0.reach(&self.1, position);
        }

        fn cause(&self, because_of: u64, (first_position, last_position): (u64, u64)) {
            let receipt = Receipt { first_position, last_position, version: 1, time: 0 };
            self.0.cause(&self.1, because_of, &receipt);
        }

        fn is_settled(&self, head: u64) -> bool {
            self.0.settled(&self.1, head).now_or_never().unwrap_or(false)
        }
    }

    #[test]
    fn what_followed_is_waited_for_and_what_followed_from_that() {
        let acme = Acme::new();
        assert!(acme.is_settled(0) && !acme.is_settled(1));
        acme.cause(1, (4, 5));
        acme.reach(3);
        assert!(!acme.is_settled(1) && acme.is_settled(0), "4 and 5 followed from 1");
        acme.cause(4, (6, 6));
        acme.reach(5);
        assert!(!acme.is_settled(3), "6 followed from 4");
        acme.reach(6);
        assert!(acme.is_settled(6) && !acme.is_settled(7));
    }

    #[test]
    fn what_follows_from_later_events_is_not_waited_for() {
        let acme = Acme::new();
        acme.cause(2, (3, 3));
        acme.reach(2);
        assert!(acme.is_settled(1) && !acme.is_settled(2));
        acme.cause(3, (4, 4));
        acme.reach(3);
        assert!(acme.is_settled(1) && !acme.is_settled(2) && !acme.is_settled(3));
    }

    #[test]
    fn nobody_waits_where_nothing_goes_on() {
        let acme = Acme::new();
        acme.0.stall(&acme.1);
        assert_eq!(acme.0.settled(&acme.1, 7).now_or_never(), Some(false));
        assert!(acme.0.is_behind(&acme.1));
        acme.reach(1);
        assert!(!acme.is_settled(7) && !acme.0.is_behind(&acme.1));
    }

    #[test]
    fn policies_are_late_until_they_are_where_somebody_has_waited_for_them() {
        let acme = Acme::new();
        acme.reach(1);
        acme.0.give_up(&acme.1, 3);
        assert!(acme.0.is_behind(&acme.1));
        acme.reach(2);
        assert!(acme.0.is_behind(&acme.1));
        acme.reach(3);
        assert!(!acme.0.is_behind(&acme.1));
    }
}
