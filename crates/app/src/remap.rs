//! Metadata of everybody a connector has brought, brought up to date with its attribute mapping on
//! request, as a [job](crate::jobs).

use std::sync::Arc;

use domain::{
    ids::{ConnectorName, UserId},
    user::UserCommand,
};
use event_log::{Meta, WorkspaceId};
use futures_util::{StreamExt, stream};

use crate::{
    App, Order, Person, Refusal,
    jobs::{AT_ONCE, Job, Running, Subject},
};

/// How many people a job has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remapped {
    /// Those who have other metadata, or another role, now.
    pub changed: u64,
}

impl App {
    /// Brings the metadata of everybody a connector has brought up to date with its attribute mapping,
    /// in the background. Asked for while it runs, it begins anew when it is through.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or when the directory cannot be read.
    pub async fn apply_attribute_mapping(
        self: &Arc<Self>,
        person: &Person,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
    ) -> Result<Job<Remapped>, Refusal> {
        self.connector(workspace, connector).await?;
        let subject = Subject { workspace: workspace.clone(), connector: connector.clone() };
        let begun = Job::begun(self.count_people(&subject).await?, Remapped::default());
        let running = match self.remaps.begin(&subject, begun, |_| true) {
            Ok(running) => running,
            Err(goes_on) => return Ok(goes_on),
        };
        let (app, meta) = (Arc::clone(self), person.meta());
        self.spawn_job(async move {
            if let Err(error) = app.remap_all(&subject, &meta, &running).await {
                let Subject { workspace, connector } = &subject;
                tracing::error!(%workspace, %connector, %error, "metadata could not be brought up to date");
            }
        });
        Ok(begun)
    }

    /// How far the last job of a connector is; `None` when there was none since the server started.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn attribute_mapping_applied(
        &self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
    ) -> Result<Option<Job<Remapped>>, Refusal> {
        self.connector(workspace, connector).await?;
        let subject = Subject { workspace: workspace.clone(), connector: connector.clone() };
        Ok(self.remaps.last(&subject))
    }

    async fn remap_all(
        &self,
        subject: &Subject,
        meta: &Meta,
        running: &Running<Remapped>,
    ) -> Result<(), Refusal> {
        let Subject { workspace, connector } = subject;
        loop {
            let mapping = self.attribute_mapping(workspace, connector).await?;
            let gone = self.workspace(workspace).await?.state.gone();
            let remap = |user: UserId| {
                let (connector, mapping) = (connector.clone(), Arc::clone(&mapping));
                let command = UserCommand::Remap { connector, mapping, gone: gone.clone() };
                let (workspace, meta) = (workspace.clone(), meta.clone());
                self.users.dispatch(Order { workspace, id: user.0, command, meta })
            };
            let mut after = 0;
            loop {
                let stretch = self.stretch();
                let people = self.people_behind(subject, &mut after).await?;
                if people.is_empty() {
                    break;
                }
                let mut done = stream::iter(people).map(remap).buffer_unordered(AT_ONCE);
                while let Some(done) = done.next().await {
                    let changed = done?.receipt.is_some();
                    running.note(|found| found.changed += u64::from(changed));
                }
                self.rest(stretch).await;
            }
            // A mapping that was changed meanwhile has to win over what was applied of the old one.
            let other = self.attribute_mapping(workspace, connector).await? != mapping;
            if running.is_over(other) {
                return Ok(());
            }
            running.restart(Job::begun(self.count_people(subject).await?, Remapped::default()));
        }
    }
}
