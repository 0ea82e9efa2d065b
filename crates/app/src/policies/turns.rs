//! Turns: one look at a time at each person.
//!
//! A policy that looks at a read model and then tells an aggregate what it saw must not be overtaken
//! by itself: what was seen later has to arrive later.

use domain::ids::UserId;
use tokio::sync::{Mutex, MutexGuard};

/// How many people can have their turn at a time, those apart whom chance puts together.
const TURNS: usize = 256;

/// The turns of all people.
pub(crate) struct Turns(Vec<Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| Mutex::default()).collect())
    }
}

impl Turns {
    /// Waits for the turn of a person.
    pub(crate) async fn of(&self, user: UserId) -> MutexGuard<'_, ()> {
        // The end of an id is random.
        let index = usize::from(user.0.as_bytes()[15]) % TURNS;
        self.0[index].lock().await
    }
}
