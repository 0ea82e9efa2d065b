//! States of aggregates in memory, bounded in bytes.
//!
//! Only a cache: dropping all of it changes nothing but time. There is one writing process, and a
//! lane is the only one that changes its aggregate, so what is cached is current.

use std::sync::Arc;

use domain::{Decider, Es};
use event_log::WorkspaceId;
use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache as QuickCache, DefaultLifecycle},
};
use uuid::Uuid;

/// Which aggregate of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) workspace: WorkspaceId,
    pub(crate) id: Uuid,
}

/// In how many parts a cache is kept. What is heavier than a part is never kept, and a part is to hold
/// a group of a million: left alone, their number grows with that of the processors.
const SHARDS: usize = 2;

#[derive(Clone)]
struct ByWeight;

impl<D: Decider> Weighter<Key, Arc<Es<D>>> for ByWeight {
    fn weight(&self, _: &Key, es: &Arc<Es<D>>) -> u64 {
        u64::try_from(es.state.weight()).unwrap_or(u64::MAX)
    }
}

/// How much of a kind of aggregates is in memory.
#[derive(Clone, Copy, Debug)]
pub struct CacheSize {
    /// Which kind, such as `users`.
    pub kind: &'static str,
    /// Bytes, about.
    pub bytes: u64,
    /// How many states.
    pub states: u64,
}

/// A cache of one kind of aggregate.
pub(crate) struct Cache<D: Decider>(QuickCache<Key, Arc<Es<D>>, ByWeight>);

impl<D: Decider> Cache<D> {
    /// A cache of at most `bytes_max` bytes.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let entries = usize::try_from(bytes_max / 1024).unwrap_or(usize::MAX);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(entries)
            .weight_capacity(bytes_max)
            .shards(SHARDS)
            .build()
            .unwrap_or_else(|_| unreachable!("both capacities are given"));
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self(QuickCache::with_options(options, ByWeight, hasher, lifecycle))
    }

    /// How many bytes its states weigh, about, and how many they are.
    pub(crate) fn size(&self) -> (u64, u64) {
        (self.0.weight(), u64::try_from(self.0.len()).unwrap_or(u64::MAX))
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

#[cfg(test)]
mod tests {
    use domain::{
        Stamp,
        group::{Group, GroupEvent},
        ids::MemberId,
        portal::Portal,
    };
    use scim::{
        resource::Resource,
        schema::{Catalogue, Kind},
    };

    use super::*;

    #[test]
    fn a_large_group_is_kept_on_any_machine() {
        let body = serde_json::json!({"displayName": "all"});
        let resource = Resource::parse(Kind::Group, body, Catalogue::standard()).unwrap().resource;
        let connector = domain::ids::ConnectorName::parse("okta").unwrap();
        let created = GroupEvent::Created { portal: Portal::Store, connector, resource };
        let members = (0..500_000).map(|number| MemberId(Uuid::from_u128(number))).collect();
        let mut es = Es::<Group>::default();
        for (event, version) in [created, GroupEvent::MembersAdded { members }].iter().zip(1..) {
            es.replay(event, &Stamp { position: version, version, at: 0 });
        }
        let cache = Cache::<Group>::new(crate::cache_bytes::GROUPS);
        let workspace = WorkspaceId::parse("acme").unwrap();
        let key = Key { workspace, id: Uuid::nil() };
        cache.put(key.clone(), Arc::new(es));
        assert!(cache.get(&key).is_some(), "it would be read from the log for each request");
    }
}
