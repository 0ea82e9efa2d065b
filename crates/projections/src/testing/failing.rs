//! A projection that cannot apply some events, for as long as a test wants.

use std::{collections::BTreeSet, sync::Arc};

use domain::Event;
use parking_lot::Mutex;
use rusqlite::Transaction;

use crate::{Projection, Recorded, Table};

/// Fails at these positions of the workspace `acme`.
#[derive(Clone)]
pub(crate) struct Failing {
    of: &'static dyn Projection,
    at: Arc<Mutex<BTreeSet<u64>>>,
}

impl Failing {
    pub(crate) fn at(of: &'static dyn Projection, at: impl IntoIterator<Item = u64>) -> Self {
        Self { of, at: Arc::new(Mutex::new(at.into_iter().collect())) }
    }

    /// From here on it applies everything.
    pub(crate) fn mended(&self) {
        self.at.lock().clear();
    }

    /// For as long as the tests run.
    pub(crate) fn leaked(&self) -> &'static dyn Projection {
        Box::leak(Box::new(self.clone()))
    }
}

impl Projection for Failing {
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

    fn streams_are_apart(&self) -> bool {
        self.of.streams_are_apart()
    }

    fn apply(&self, tx: &Transaction<'_>, event: &Recorded) -> rusqlite::Result<()> {
        // Half of what it does is done, to be taken back.
        self.of.apply(tx, event)?;
        if event.workspace.as_str() == "acme" && self.at.lock().contains(&event.position) {
            return Err(rusqlite::Error::InvalidQuery);
        }
        Ok(())
    }
}
