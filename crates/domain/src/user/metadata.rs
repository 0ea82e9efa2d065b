//! Metadata: what the mapped attributes of a person's entries say (rule 20).
//!
//! It is recorded as a fact, not computed when it is shown: a mapping that changes acts at each
//! person's next sync, and the record says which values held when.

use std::collections::{BTreeMap, BTreeSet};

use scim::resource::Resource;

use super::{User, UserEvent};
use crate::{attribute_mapping::AttributeMapping, ids::ConnectorName};

impl User {
    /// The metadata of the person.
    ///
    /// Where connectors give one name different values, an entry that is active goes before one
    /// that is not, and among those the connector whose name comes later.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let mut said: Vec<_> = self
            .metadata
            .iter()
            .map(|(connector, values)| {
                let active = self.entries.get(connector).is_some_and(super::Entry::active);
                (active, connector, values)
            })
            .collect();
        said.sort_by_key(|(active, connector, _)| (*active, *connector));
        said.into_iter().flat_map(|(_, _, values)| values.clone()).collect()
    }

    /// The fact in the difference between what is recorded and what an entry says now.
    pub(super) fn metadata_changed(
        &self,
        connector: &ConnectorName,
        mapping: &AttributeMapping,
        entry: &Resource,
    ) -> Option<UserEvent> {
        let nothing = BTreeMap::new();
        let known = self.metadata.get(connector).unwrap_or(&nothing);
        let mut set = mapping.values(entry);
        let gone = known.keys().filter(|name| !set.contains_key(*name));
        let unset: Vec<_> = gone.cloned().collect();
        set.retain(|name, value| known.get(name) != Some(value));
        if set.is_empty() && unset.is_empty() {
            return None;
        }
        Some(UserEvent::MetadataChanged { connector: connector.clone(), set, unset })
    }

    /// The end of what connectors that were removed have said, now that another one speaks: nobody
    /// could change it any more.
    pub(super) fn metadata_ended<'a>(
        &'a self,
        gone: &'a BTreeSet<ConnectorName>,
    ) -> impl Iterator<Item = UserEvent> + 'a {
        let said = self.metadata.iter().filter(|(connector, _)| gone.contains(connector));
        said.map(|(connector, values)| UserEvent::MetadataChanged {
            connector: connector.clone(),
            set: BTreeMap::new(),
            unset: values.keys().cloned().collect(),
        })
    }

    /// What the mapping in force makes of the entry of a connector as it is.
    pub(super) fn remap(
        &self,
        connector: &ConnectorName,
        mapping: &AttributeMapping,
        gone: &BTreeSet<ConnectorName>,
    ) -> Vec<UserEvent> {
        let Some(entry) = self.entries.get(connector) else { return Vec::new() };
        let changed = self.metadata_changed(connector, mapping, &entry.resource);
        changed.into_iter().chain(self.metadata_ended(gone)).collect()
    }

    pub(super) fn evolve_metadata(&mut self, event: &UserEvent) {
        match event {
            UserEvent::MetadataChanged { connector, set, unset } => {
                let known = self.metadata.entry(connector.clone()).or_default();
                known.retain(|name, _| !unset.contains(name));
                known.extend(set.clone());
                if known.is_empty() {
                    self.metadata.remove(connector);
                }
            }
            UserEvent::EntryRemoved { connector, .. } => {
                self.metadata.remove(connector);
            }
            _ => {}
        }
    }

    pub(super) fn metadata_weight(&self) -> usize {
        let texts = self.metadata.values().flatten();
        texts.map(|(name, value)| 64 + name.len() + value.len()).sum()
    }
}
