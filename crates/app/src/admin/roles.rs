//! Role mapping: which groups make collaborators what.

use std::sync::Arc;

use domain::{role_mapping::RoleMapping, workspace::WorkspaceCommand};
use event_log::WorkspaceId;

use crate::{App, Person, Refusal};

impl App {
    /// The setting in force.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn role_mapping(&self, workspace: &WorkspaceId) -> Result<Arc<RoleMapping>, Refusal> {
        Ok(Arc::clone(&self.workspace(workspace).await?.state.role_mapping))
    }

    /// Says which groups make collaborators what. Whose role still follows their groups gets
    /// another one in the background.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] names the rule that makes no sense.
    pub async fn set_role_mapping(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        mapping: RoleMapping,
    ) -> Result<Arc<RoleMapping>, Refusal> {
        let command = WorkspaceCommand::SetRoleMapping { mapping };
        self.on_workspace(workspace, command, person.meta()).await?;
        self.role_mapping(workspace).await
    }
}
