//! The attributes that a connector's requests have carried (rule 19).
//!
//! The first sight of one is a fact; how often it was seen since is not, and stands in the journal.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{Workspace, WorkspaceEvent, WorkspaceRefusal};
use crate::{Micros, ids::ConnectorName};

/// How many attributes of a connector are remembered. No `IdP` has so many; a client that makes names
/// up must not fill the record with them.
pub const SEEN_MAX: usize = 10_000;
/// The longest key that is remembered, in bytes.
const SEEN_KEY_BYTES_MAX: usize = 500;
/// The longest namespace that is remembered, in bytes.
const SEEN_NAMESPACE_BYTES_MAX: usize = 500;

/// An attribute that a request carried.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeenAttribute {
    /// The URN of its schema.
    pub namespace: SmolStr,
    /// `attribute`, or `attribute.subAttribute`.
    pub key: SmolStr,
}

/// Those of a connector, each with the time of its first sight. A copy costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(SeenAttribute, Micros)>", into = "Vec<(SeenAttribute, Micros)>")]
pub struct SeenAttributes {
    by_namespace: OrdMap<SmolStr, OrdMap<SmolStr, Micros>>,
    len: usize,
}

impl SeenAttributes {
    /// Whether it was seen.
    pub fn contains(&self, namespace: &str, key: &str) -> bool {
        self.by_namespace.get(namespace).is_some_and(|keys| keys.contains_key(key))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether no other one is remembered.
    pub fn is_full(&self) -> bool {
        self.len >= SEEN_MAX
    }

    /// By namespace and key, with the time of the first sight.
    pub fn iter(&self) -> impl Iterator<Item = (&SmolStr, &SmolStr, Micros)> {
        self.by_namespace.iter().flat_map(|(namespace, keys)| {
            keys.iter().map(move |(key, first_seen)| (namespace, key, *first_seen))
        })
    }

    fn insert(&mut self, attribute: &SeenAttribute, at: Micros) {
        if !self.contains(&attribute.namespace, &attribute.key) {
            let keys = self.by_namespace.entry(attribute.namespace.clone()).or_default();
            keys.insert(attribute.key.clone(), at);
            self.len += 1;
        }
    }

    pub(super) fn see(&mut self, attributes: &[SeenAttribute], at: Micros) {
        attributes.iter().for_each(|attribute| self.insert(attribute, at));
    }
}

impl From<Vec<(SeenAttribute, Micros)>> for SeenAttributes {
    fn from(all: Vec<(SeenAttribute, Micros)>) -> Self {
        let mut seen = Self::default();
        all.iter().for_each(|(attribute, at)| seen.insert(attribute, *at));
        seen
    }
}

impl From<SeenAttributes> for Vec<(SeenAttribute, Micros)> {
    fn from(seen: SeenAttributes) -> Self {
        let named = |(namespace, key, at): (&SmolStr, &SmolStr, Micros)| {
            (SeenAttribute { namespace: namespace.clone(), key: key.clone() }, at)
        };
        seen.iter().map(named).collect()
    }
}

impl SeenAttribute {
    /// Whether it is short enough to be remembered.
    pub fn fits(namespace: &str, key: &str) -> bool {
        namespace.len() <= SEEN_NAMESPACE_BYTES_MAX && key.len() <= SEEN_KEY_BYTES_MAX
    }
}

impl Workspace {
    /// The first sights among some attributes, as many of them as are remembered.
    pub(super) fn see_attributes(
        &self,
        name: &ConnectorName,
        attributes: &[SeenAttribute],
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        let seen = &self.connector(name)?.seen;
        let is_new = |it: &&SeenAttribute| {
            SeenAttribute::fits(&it.namespace, &it.key) && !seen.contains(&it.namespace, &it.key)
        };
        let mut new: Vec<_> = attributes.iter().filter(is_new).cloned().collect();
        new.sort();
        new.dedup();
        new.truncate(SEEN_MAX.saturating_sub(seen.len()));
        if new.is_empty() {
            return Ok(vec![]);
        }
        Ok(vec![WorkspaceEvent::AttributesSeen { connector: name.clone(), attributes: new }])
    }
}
