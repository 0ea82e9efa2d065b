//! The three portals of a workspace and the roles of the first.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where SCIM manages people.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Portal {
    /// Collaborators, who administer apps and devices.
    #[default]
    Dashboard,
    /// Employees, who download apps.
    Store,
    /// MDM employees, who use managed devices.
    Mdm,
}

impl Portal {
    /// All three, in the order of the product's pages.
    pub const ALL: [Self; 3] = [Self::Dashboard, Self::Store, Self::Mdm];

    /// The name on the wire and in stored events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dashboard => "dashboard",
            Self::Store => "store",
            Self::Mdm => "mdm",
        }
    }
}

impl fmt::Display for Portal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no portal.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a portal is dashboard, store or mdm, got {0:?}")]
pub struct UnknownPortal(String);

impl FromStr for Portal {
    type Err = UnknownPortal;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|portal| portal.as_str() == text)
            .ok_or_else(|| UnknownPortal(text.to_owned()))
    }
}

/// What a collaborator may do in App Distribution, weakest first, so that the greatest of several
/// is the highest privilege. It never governs Device Management (rule 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A collaborator whose role an administrator still has to choose.
    Unassigned,
    /// Reads.
    Viewer,
    /// Shown as "Developer / Editor".
    Developer,
    /// Administers.
    Admin,
    /// Never granted, removed or suspended by SCIM (rules 10 and 12).
    Owner,
}

impl Role {
    /// The name on the wire and in stored events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unassigned => "unassigned",
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}
