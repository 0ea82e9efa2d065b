//! Whether what is owed to devices is sent: not after a restore, or where a person has stopped it, until
//! a person resumes it.

use domain::workspace::{Suspended, Suspension, WorkspaceCommand};
use event_log::WorkspaceId;

use crate::{App, Person, Refusal, WORKSPACE_STREAM};

impl App {
    /// Since when nothing is sent to the devices of a workspace, and why; `None` while deliveries go on.
    /// Also for a workspace that is closed.
    ///
    /// # Errors
    /// When its state cannot be read.
    pub async fn suspension(&self, workspace: &WorkspaceId) -> Result<Option<Suspension>, Refusal> {
        Ok(self.workspaces.load(workspace, WORKSPACE_STREAM).await?.state.suspended)
    }

    /// Has nothing sent until somebody resumes it. What a service is being asked just now is still asked.
    /// Where nothing is sent already, nothing changes.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn suspend_deliveries(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
    ) -> Result<(), Refusal> {
        let command = WorkspaceCommand::SuspendDeliveries { because: Suspended::ByHand {} };
        self.on_workspace(workspace, command, person.meta()).await?;
        Ok(())
    }

    /// Has what is owed sent again.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::State`] when deliveries are not suspended.
    pub async fn resume_deliveries(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
    ) -> Result<(), Refusal> {
        let command = WorkspaceCommand::ResumeDeliveries;
        self.on_workspace(workspace, command, person.meta()).await?;
        Ok(())
    }

    /// In how many workspaces nothing is sent, as far as it is known now.
    ///
    /// # Errors
    /// When the read model cannot be read.
    pub fn workspaces_suspended(&self) -> Result<u64, Refusal> {
        Ok(self.read_models.effects().suspended()?)
    }
}
