//! Removing a connector, and what becomes of its people (rule 5).
//!
//! Its tokens are refused at once, and nothing of it can be reached over SCIM again. Its people either
//! stay: entries, groups and accounts as they are. Or they go: each entry and each group is removed in
//! the background as a SCIM DELETE would, by the rule that was in force. What is left of that work is
//! read from the directory, so nothing has to be remembered but that the connector was removed.
//!
//! An entry that stayed keeps nobody here: once no connector that still is there says that somebody is
//! active, the rule of the last one that does is carried out.
//!
//! The name of a removed connector is not given again: entries and groups that stayed, and all that
//! was ever recorded, are under it.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Workspace, WorkspaceEvent, WorkspaceRefusal};
use crate::{Stamp, ids::ConnectorName, portal::Portal, rule::Rule};

/// What becomes of a connector's people when it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum People {
    /// They stay as they are.
    Keep,
    /// They go as if the connector had deleted each of them.
    Deactivate,
}

impl People {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Keep, Self::Deactivate];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Deactivate => "deactivate",
        }
    }
}

/// What is known of a connector that was removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Removed {
    /// Whose people it provisioned.
    pub portal: Portal,
    /// What becomes of them.
    pub people: People,
    /// The rule that was in force.
    pub rule: Arc<Rule>,
    /// The position of the removal.
    pub position: u64,
}

impl Workspace {
    /// The connectors that were removed.
    pub fn gone(&self) -> BTreeSet<ConnectorName> {
        self.removed.keys().cloned().collect()
    }

    /// The portal of a connector that is or was there.
    pub(super) fn portal_of(&self, name: &ConnectorName) -> Option<Portal> {
        let removed = self.removed.get(name).map(|removed| removed.portal);
        removed.or_else(|| self.connectors.get(name).map(|connector| connector.portal))
    }

    pub(super) fn remove_connector(
        &self,
        name: &ConnectorName,
        people: People,
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        self.connector(name)?;
        Ok(vec![WorkspaceEvent::ConnectorRemoved { connector: name.clone(), people }])
    }

    pub(super) fn evolve_removal(&mut self, name: &ConnectorName, people: People, stamp: &Stamp) {
        let Some(known) = self.connectors.remove(name) else { return };
        let (portal, rule, position) = (known.portal, known.rule, stamp.position);
        self.removed.insert(name.clone(), Removed { portal, people, rule, position });
    }
}
