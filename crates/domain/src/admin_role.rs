//! What a person may do through `/api/v1`: not a collaborator's role, which is [`crate::portal::Role`].
//!
//! Which request takes which of these is said by the API itself, route by route.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// As what a person asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdminRole {
    /// Everything, and who else may what.
    Owner,
    /// Everything in workspaces but who may what.
    Administrator,
    /// Reads everything, changes nothing.
    Auditor,
    /// Looks after the machinery, and sees nobody's personal data.
    Operator,
}

impl AdminRole {
    /// All of them, the one that may most first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Administrator, Self::Auditor, Self::Operator];

    /// The name on the wire and in stored events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Administrator => "administrator",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }

    /// Whether they may see what is said about people.
    pub fn sees_people(self) -> bool {
        match self {
            Self::Owner | Self::Administrator | Self::Auditor => true,
            Self::Operator => false,
        }
    }
}

impl fmt::Display for AdminRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no role.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is owner, administrator, auditor or operator, got {0:?}")]
pub struct UnknownAdminRole(String);

impl FromStr for AdminRole {
    type Err = UnknownAdminRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| UnknownAdminRole(text.to_owned()))
    }
}
