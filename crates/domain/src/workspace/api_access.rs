//! Who may use `/api/v1` for this workspace alone. Their tokens and names lie beside the log: here stands
//! who could do what, and when, so that the record answers that.
//!
//! Whoever reaches every workspace stands in no workspace's record, but in that of the installation.

use super::{Workspace, WorkspaceEvent, WorkspaceRefusal};
use crate::{Micros, admin_role::AdminRole, ids::AccessId};

/// How many there are at a time, at most; those that have expired count until they are revoked.
pub const API_ACCESSES_MAX: usize = 100;

/// What somebody may do, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ApiAccess {
    /// As what they ask.
    pub role: AdminRole,
    /// From when on they are refused; `None`: never by itself.
    pub expires: Option<Micros>,
}

impl Workspace {
    pub(super) fn grant_api_access(
        &self,
        access: AccessId,
        granted: ApiAccess,
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        if self.api_accesses.contains_key(&access) {
            return Ok(vec![]);
        }
        if self.api_accesses.len() >= API_ACCESSES_MAX {
            return Err(WorkspaceRefusal::TooManyApiAccesses(API_ACCESSES_MAX));
        }
        let ApiAccess { role, expires } = granted;
        Ok(vec![WorkspaceEvent::ApiAccessGranted { access, role, expires }])
    }

    pub(super) fn revoke_api_access(&self, access: AccessId) -> Vec<WorkspaceEvent> {
        let known = self.api_accesses.contains_key(&access);
        known.then_some(WorkspaceEvent::ApiAccessRevoked { access }).into_iter().collect()
    }
}
