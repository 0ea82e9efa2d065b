//! The queue before the writer: bounded, and fair between workspaces.
//!
//! The writer takes one append of each workspace in turn, so that the full synchronisation of one
//! does not hold up another. A workspace may fill no more of the queue than is still free: alone
//! it gets half, and there is always room for one that has nothing waiting.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::WorkspaceId;
use crate::sync::lock;

/// Items of workspaces, each with a size in bytes.
pub(crate) struct Queue<T> {
    items_max: usize,
    bytes_max: usize,
    state: Mutex<State<T>>,
    filled: Condvar,
}

struct State<T> {
    lanes: HashMap<WorkspaceId, Lane<T>>,
    /// The workspaces that have something waiting, each once, in the order of their turns.
    turns: VecDeque<WorkspaceId>,
    depth: Depth,
    closed: bool,
    /// Whether somebody waits in `take`: waking nobody would still cost a system call.
    waiting: bool,
}

struct Lane<T> {
    items: VecDeque<(usize, T)>,
    bytes: usize,
}

/// How much is waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Depth {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
}

/// Why an item was not taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    Full,
    Closed,
}

impl<T> Queue<T> {
    pub(crate) fn new(items_max: usize, bytes_max: usize) -> Self {
        let state = State {
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            depth: Depth::default(),
            closed: false,
            waiting: false,
        };
        Self { items_max, bytes_max, state: Mutex::new(state), filled: Condvar::new() }
    }

    /// Puts an item behind the others of its workspace.
    pub(crate) fn push(
        &self,
        workspace: &WorkspaceId,
        bytes: usize,
        item: T,
    ) -> Result<(), Refused> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(Refused::Closed);
        }
        let own = state
            .lanes
            .get(workspace)
            .map_or(Depth::default(), |lane| Depth { items: lane.items.len(), bytes: lane.bytes });
        // A single item, however large, must be able to pass.
        let fits = state.depth.items == 0
            || own.items + state.depth.items < self.items_max
                && own.bytes + state.depth.bytes + bytes <= self.bytes_max;
        if !fits {
            return Err(Refused::Full);
        }
        state.put(workspace, bytes, item);
        if std::mem::take(&mut state.waiting) {
            drop(state);
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits until there is something, then takes at most `max` items, one of each workspace in
    /// turn. Nothing: the queue is closed and empty.
    pub(crate) fn take(&self, max: usize) -> Vec<T> {
        let mut state = lock(&self.state);
        while state.depth.items == 0 && !state.closed {
            state.waiting = true;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut taken = Vec::with_capacity(max.min(state.depth.items));
        while taken.len() < max {
            let Some(item) = state.next() else { break };
            taken.push(item);
        }
        taken
    }

    /// Takes nothing in any more.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.filled.notify_all();
    }

    pub(crate) fn depth(&self) -> Depth {
        lock(&self.state).depth
    }
}

impl<T> State<T> {
    fn put(&mut self, workspace: &WorkspaceId, bytes: usize, item: T) {
        let lane = match self.lanes.entry(workspace.clone()) {
            Entry::Occupied(lane) => lane.into_mut(),
            Entry::Vacant(place) => {
                self.turns.push_back(workspace.clone());
                place.insert(Lane { items: VecDeque::new(), bytes: 0 })
            }
        };
        lane.items.push_back((bytes, item));
        lane.bytes += bytes;
        self.depth.items += 1;
        self.depth.bytes += bytes;
    }

    /// The first item of the workspace whose turn it is. A lane lives as long as it holds items.
    fn next(&mut self) -> Option<T> {
        let workspace = self.turns.pop_front()?;
        let lane = self.lanes.get_mut(&workspace)?;
        let (bytes, item) = lane.items.pop_front()?;
        lane.bytes -= bytes;
        self.depth.items -= 1;
        self.depth.bytes -= bytes;
        if lane.items.is_empty() {
            self.lanes.remove(&workspace);
        } else {
            self.turns.push_back(workspace);
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(name: &str) -> WorkspaceId {
        WorkspaceId::parse(name).unwrap()
    }

    #[test]
    fn workspaces_take_turns_whatever_one_of_them_has_waiting() {
        let queue = Queue::new(100, 1_000);
        for number in 0..5 {
            queue.push(&workspace("loud"), 1, ("loud", number)).unwrap();
        }
        for number in 0..2 {
            queue.push(&workspace("quiet"), 1, ("quiet", number)).unwrap();
        }
        assert_eq!(
            queue.take(5),
            [("loud", 0), ("quiet", 0), ("loud", 1), ("quiet", 1), ("loud", 2)]
        );
        assert_eq!(queue.take(5), [("loud", 3), ("loud", 4)]);
        assert_eq!(queue.depth(), Depth::default());
    }

    #[test]
    fn one_workspace_gets_half_of_it_and_another_half_of_the_rest() {
        let queue = Queue::new(8, 1_000);
        let fill = |name: &str| {
            let name = workspace(name);
            std::iter::repeat_with(|| queue.push(&name, 1, ())).take_while(Result::is_ok).count()
        };
        assert_eq!(fill("loud"), 4);
        assert_eq!(fill("other"), 2);
        assert_eq!(fill("third"), 1);
        assert_eq!(queue.push(&workspace("loud"), 1, ()), Err(Refused::Full));
    }

    #[test]
    fn bytes_are_bounded_too_but_a_single_item_always_passes() {
        let queue = Queue::new(100, 10);
        queue.push(&workspace("a"), 1_000, ()).unwrap();
        assert_eq!(queue.push(&workspace("b"), 1, ()), Err(Refused::Full));
        assert_eq!(queue.take(10).len(), 1);
        queue.push(&workspace("a"), 4, ()).unwrap();
        assert_eq!(queue.push(&workspace("a"), 3, ()), Err(Refused::Full));
        queue.push(&workspace("b"), 3, ()).unwrap();
        assert_eq!(queue.depth(), Depth { items: 2, bytes: 7 });
    }

    #[test]
    fn what_is_waiting_when_it_closes_is_still_taken() {
        let queue = Queue::new(8, 1_000);
        queue.push(&workspace("a"), 1, 1).unwrap();
        queue.close();
        assert_eq!(queue.push(&workspace("a"), 1, 2), Err(Refused::Closed));
        assert_eq!(queue.take(8), [1]);
        assert!(queue.take(8).is_empty());
    }

    #[test]
    fn taking_waits_for_the_first_item() {
        let queue = Queue::new(8, 1_000);
        std::thread::scope(|scope| {
            let taken = scope.spawn(|| queue.take(8));
            queue.push(&workspace("a"), 1, "late").unwrap();
            assert_eq!(taken.join().unwrap(), ["late"]);
        });
    }
}
