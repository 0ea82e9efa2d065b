//! Looking through what a read model has of everybody.
//!
//! A text is looked for in the names of all: the more there are, the longer that takes, and on a thread that
//! answers requests nobody would be answered meanwhile, identity providers neither.

use std::sync::Arc;

use projections::ReadModels;
use tokio::sync::Semaphore;

use crate::{App, Refusal};

/// How many look at a time: each has a thread, and files, of its own.
const LOOKS_MAX: usize = 4;

/// Who may look.
pub(crate) struct Looks(Arc<Semaphore>);

impl Default for Looks {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LOOKS_MAX)))
    }
}

impl App {
    /// Looks through a read model on a thread where nobody waits. Whoever is not waited for any more looks to
    /// the end.
    pub(super) async fn look_through<T: Send + 'static>(
        &self,
        look: impl FnOnce(&ReadModels) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let turn = Arc::clone(&self.looks.0).acquire_owned().await;
        let models = Arc::clone(&self.read_models);
        let looked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            look(&models)
        });
        looked.await.unwrap_or(Err(Refusal::Stopping))
    }
}
