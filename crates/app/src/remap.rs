//! Metadata of everybody a connector has brought, brought up to date with its attribute mapping on
//! request: in the background, a few people at a time, with progress.
//!
//! A job lives in this process. One that a restart has ended is asked for again; whoever is up to date
//! already is passed over without a fact.

use std::{collections::HashMap, sync::Arc};

use domain::{
    ids::{ConnectorName, UserId},
    user::UserCommand,
};
use event_log::{Meta, WorkspaceId};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;

use crate::{App, Order, Person, Refusal};

/// How many people are read at a time.
const PAGE: usize = 500;
/// How many of them are worked on at a time. SCIM requests go on beside them.
const AT_ONCE: usize = 4;

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remapping {
    /// Whether it has ended, and how.
    pub state: RemapState,
    /// How many people there were when it began.
    pub total: u64,
    /// How many have been looked at.
    pub done: u64,
    /// How many of them have other metadata now.
    pub changed: u64,
}

/// Whether a job has ended, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemapState {
    /// It goes on.
    Running,
    /// Everybody has been looked at.
    Completed,
    /// It stopped on the way; the server's log says why.
    Failed,
}

/// The last job of each connector.
#[derive(Default)]
pub(crate) struct Remaps(Mutex<HashMap<(WorkspaceId, ConnectorName), Arc<Job>>>);

struct Job {
    /// How far it is, and whether it was asked for again meanwhile.
    progress: Mutex<(Remapping, bool)>,
}

/// Says of a job that ends on the way (its runtime has) that it failed.
struct Running(Arc<Job>);

impl Drop for Running {
    fn drop(&mut self) {
        let mut progress = self.0.progress.lock();
        if progress.0.state == RemapState::Running {
            progress.0.state = RemapState::Failed;
        }
    }
}

impl Running {
    /// Ends the job, unless it was asked for again meanwhile; then it begins anew.
    fn is_over(&self, begin_again: bool) -> bool {
        let mut progress = self.0.progress.lock();
        let (remapping, asked_again) = &mut *progress;
        if std::mem::take(asked_again) || begin_again {
            return false;
        }
        remapping.state = RemapState::Completed;
        true
    }
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
    ) -> Result<Remapping, Refusal> {
        self.connector(workspace, connector).await?;
        let total = self.directory(workspace).await?.people_of(workspace, connector)?;
        let begun = Remapping { state: RemapState::Running, total, done: 0, changed: 0 };
        let job = Arc::new(Job { progress: Mutex::new((begun, false)) });
        {
            let mut jobs = self.remaps.0.lock();
            let key = (workspace.clone(), connector.clone());
            if let Some(known) = jobs.get(&key) {
                let mut progress = known.progress.lock();
                if progress.0.state == RemapState::Running {
                    progress.1 = true;
                    return Ok(progress.0);
                }
            }
            jobs.insert(key, Arc::clone(&job));
        }
        let (app, meta) = (Arc::clone(self), person.meta());
        let (workspace, connector) = (workspace.clone(), connector.clone());
        let running = Running(job);
        tokio::spawn(async move {
            if let Err(error) = app.remap_all(&workspace, &connector, &meta, &running).await {
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
    ) -> Result<Option<Remapping>, Refusal> {
        self.connector(workspace, connector).await?;
        let jobs = self.remaps.0.lock();
        let job = jobs.get(&(workspace.clone(), connector.clone()));
        Ok(job.map(|job| job.progress.lock().0))
    }

    async fn remap_all(
        &self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        meta: &Meta,
        running: &Running,
    ) -> Result<(), Refusal> {
        loop {
            let mapping = self.attribute_mapping(workspace, connector).await?;
            let gone = self.workspace(workspace).await?.state.gone();
            let mut after = 0;
            loop {
                let directory = self.directory(workspace).await?;
                let people = directory.people_after(workspace, connector, after, PAGE)?;
                let Some((last, _)) = people.last() else { break };
                after = *last;
                let remap = |(_, user): (i64, UserId)| {
                    let (connector, mapping) = (connector.clone(), Arc::clone(&mapping));
                    let command = UserCommand::Remap { connector, mapping, gone: gone.clone() };
                    let (workspace, meta) = (workspace.clone(), meta.clone());
                    self.users.dispatch(Order { workspace, id: user.0, command, meta })
                };
                let mut done = stream::iter(people).map(remap).buffer_unordered(AT_ONCE);
                while let Some(done) = done.next().await {
                    let changed = done?.receipt.is_some();
                    let mut progress = running.0.progress.lock();
                    progress.0.done += 1;
                    progress.0.changed += u64::from(changed);
                }
            }
            // A mapping that was changed meanwhile has to win over what was applied of the old one.
            let other = self.attribute_mapping(workspace, connector).await? != mapping;
            if running.is_over(other) {
                return Ok(());
            }
            let total = self.directory(workspace).await?.people_of(workspace, connector)?;
            running.0.progress.lock().0 =
                Remapping { state: RemapState::Running, total, done: 0, changed: 0 };
        }
    }
}
