//! States of aggregates in memory, bounded in bytes.
//!
//! Only a cache: dropping all of it changes nothing but time. There is one writing process, and a
//! lane is the only one that changes its aggregate, so what is cached is current.

use std::sync::Arc;

use domain::{Decider, Es};
use event_log::WorkspaceId;
use quick_cache::{Weighter, sync::Cache as QuickCache};
use uuid::Uuid;

/// Which aggregate of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) workspace: WorkspaceId,
    pub(crate) id: Uuid,
}

#[derive(Clone)]
struct ByWeight;

impl<D: Decider> Weighter<Key, Arc<Es<D>>> for ByWeight {
    fn weight(&self, _: &Key, es: &Arc<Es<D>>) -> u64 {
        u64::try_from(es.state.weight()).unwrap_or(u64::MAX)
    }
}

/// A cache of one kind of aggregate.
pub(crate) struct Cache<D: Decider>(QuickCache<Key, Arc<Es<D>>, ByWeight>);

impl<D: Decider> Cache<D> {
    /// A cache of at most `bytes_max` bytes.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let entries = usize::try_from(bytes_max / 1024).unwrap_or(usize::MAX);
        Self(QuickCache::with_weighter(entries, bytes_max, ByWeight))
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Es<D>>> {
        self.0.get(key)
    }

    pub(crate) fn put(&self, key: Key, es: Arc<Es<D>>) {
        self.0.insert(key, es);
    }

    pub(crate) fn forget(&self, key: &Key) {
        self.0.remove(key);
    }
}
