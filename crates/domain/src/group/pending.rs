//! The members of a group that name nobody known yet (rule 18), by the event that brought them and
//! by what they are called.
//!
//! Persistent like the members: a draft is an O(1) copy, however many of them there are.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

/// Values that wait for somebody to arrive. Each stands once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingMembers {
    by_event: OrdMap<u64, String>,
    by_value: OrdMap<String, u64>,
}

impl PendingMembers {
    /// Keeps a value that the event of this version brought.
    pub(super) fn insert(&mut self, event: u64, value: String) {
        self.by_value.insert(value.clone(), event);
        self.by_event.insert(event, value);
    }

    /// Forgets the value that the event of this version brought; `false` when it was forgotten
    /// already.
    pub(super) fn remove(&mut self, event: u64) -> bool {
        let value = self.by_event.remove(&event);
        value.is_some_and(|value| self.by_value.remove(&value).is_some())
    }

    /// The version of the event that brought a value.
    pub fn event_of(&self, value: &str) -> Option<u64> {
        self.by_value.get(value).copied()
    }

    /// Whether what the event of this version brought still waits.
    pub fn contains(&self, event: u64) -> bool {
        self.by_event.contains_key(&event)
    }

    /// What the event of this version brought, if that still waits.
    pub fn value_of(&self, event: u64) -> Option<&str> {
        self.by_event.get(&event).map(String::as_str)
    }

    /// Versions and values, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &str)> {
        self.by_event.iter().map(|(&event, value)| (event, value.as_str()))
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.by_event.len()
    }

    /// Whether nobody is waited for.
    pub fn is_empty(&self) -> bool {
        self.by_event.is_empty()
    }
}
