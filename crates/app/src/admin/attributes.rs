//! Attributes: which of those that a connector sends become metadata of people.

use std::sync::Arc;

use domain::{
    attribute_mapping::AttributeMapping, ids::ConnectorName, workspace::WorkspaceCommand,
};
use event_log::WorkspaceId;

use crate::{App, Person, Refusal};

impl App {
    /// The setting in force.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn attribute_mapping(
        &self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
    ) -> Result<Arc<AttributeMapping>, Refusal> {
        Ok(self.connector(workspace, connector).await?.attribute_mapping)
    }

    /// Says which attributes become metadata. Each person's follows at their next sync.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or [`Refusal::Malformed`] with the field that makes no sense.
    pub async fn set_attribute_mapping(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        mapping: AttributeMapping,
    ) -> Result<Arc<AttributeMapping>, Refusal> {
        let name = connector.clone();
        let command = WorkspaceCommand::SetAttributeMapping { connector: name, mapping };
        self.on_workspace(workspace, command, person.meta()).await?;
        self.attribute_mapping(workspace, connector).await
    }
}
