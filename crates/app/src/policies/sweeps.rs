//! Sweeps: what is left of connectors that were removed with their people.
//!
//! What is owed is not remembered but found: the connector was removed with its people, and the
//! directory still has entries or groups of it. So a crash loses nothing, and neither does a request
//! that was on its way while the connector was removed: what it brought is heard of, and swept out.
//!
//! Sweeps stand beside the policies and not among them, so that a large one holds up no read, and no sweep
//! holds up another one.

use std::sync::Arc;

use domain::{
    Event,
    group::{self, GroupCommand, GroupEvent, GroupRefusal},
    ids::{ConnectorName, EntryId, GroupId, OffboardingId, UserId},
    portal::Portal,
    user::{UserCommand, UserEvent, UserRefusal, Via},
    workspace::{People, Removed, Workspace, WorkspaceEvent},
};
use event_log::{BoxFuture, Meta, WorkspaceId};
use futures_util::{StreamExt, stream};
use projections::Recorded;
use smol_str::format_smolstr;
use uuid::Uuid;

use super::{Consequence, Policy, backlog::Backlog};
use crate::{App, DispatchError, Order, Refusal, WORKSPACE_STREAM};

/// For the log's actor column.
const NAME: &str = "removals";
/// How many entries or groups are read at a time.
const CHUNK: usize = 500;
/// How many of them are removed at a time.
const AT_ONCE: usize = 32;

/// Hears of what is to be swept out.
pub(super) struct Removals;

impl Policy for Removals {
    fn name(&self) -> &'static str {
        NAME
    }

    fn hears(&self, name: &str) -> bool {
        matches!(name, "workspace.connector_removed" | "user.entry_added" | "group.created")
    }

    fn react<'a>(
        &'a self,
        app: &'a App,
        event: &'a Recorded,
    ) -> BoxFuture<'a, Result<Vec<Consequence>, Refusal>> {
        Box::pin(async move {
            let (Event::Workspace(WorkspaceEvent::ConnectorRemoved { connector, .. })
            | Event::User(UserEvent::EntryAdded { connector, .. })
            | Event::Group(GroupEvent::Created { connector, .. })) = &event.event
            else {
                return Ok(Vec::new());
            };
            let workspace = app.workspaces.load(&event.workspace, WORKSPACE_STREAM).await?;
            let owed = owed(&workspace.state, connector).is_some();
            Ok(owed.then(|| Consequence::Sweep(connector.clone())).into_iter().collect())
        })
    }
}

/// A connector that was removed with its people.
fn owed<'w>(workspace: &'w Workspace, connector: &ConnectorName) -> Option<&'w Removed> {
    workspace.removed.get(connector).filter(|removed| removed.people == People::Deactivate)
}

impl App {
    /// A connector of MDM that was removed with its people, who are still being swept out.
    pub(crate) async fn being_swept(
        &self,
        workspace: &WorkspaceId,
    ) -> Result<Option<ConnectorName>, Refusal> {
        let known = self.workspaces.load(workspace, WORKSPACE_STREAM).await?;
        let unknown = self.sweeps.owes(&(workspace.clone(), None));
        let is_left = |name: &&ConnectorName| {
            let owes = || self.sweeps.owes(&(workspace.clone(), Some((*name).clone())));
            owed(&known.state, name).is_some_and(|removed| removed.portal == Portal::Mdm)
                && (unknown || owes())
        };
        Ok(known.state.removed.keys().find(is_left).cloned())
    }
}

/// The connectors of which something may be left; `None` for a workspace of which nobody knows yet, since it
/// cannot be read.
pub(crate) type Sweeps = Backlog<(WorkspaceId, Option<ConnectorName>)>;

/// Sweeps for ever.
pub(super) async fn run(app: Arc<App>) {
    // One that cannot be read is tried again beside the sweeps of the others.
    for (workspace, _) in app.log.heads() {
        if find(&app, &workspace).await.is_err() {
            app.sweeps.owe((workspace, None));
        }
    }
    app.sweeps.complete();
    let app = &app;
    let work = |(workspace, connector): (WorkspaceId, Option<ConnectorName>)| async move {
        let (what, done) = if let Some(connector) = connector {
            ("a sweep failed", sweep(app, &workspace, &connector).await)
        } else {
            ("what removed connectors have left cannot be found", find(app, &workspace).await)
        };
        done.inspect_err(|error| app.say(what, &workspace, error))
    };
    app.sweeps.work_off(work).await;
}

/// After a start: what may be left in a workspace.
async fn find(app: &App, workspace: &WorkspaceId) -> Result<(), Refusal> {
    let known = app.workspaces.load(workspace, WORKSPACE_STREAM).await?;
    for connector in known.state.removed.keys() {
        if owed(&known.state, connector).is_some() {
            app.sweeps.owe((workspace.clone(), Some(connector.clone())));
        }
    }
    Ok(())
}

/// Removes everything that is left of a connector: its groups first, so that nobody has to be taken
/// out of each of them.
async fn sweep(
    app: &App,
    workspace: &WorkspaceId,
    connector: &ConnectorName,
) -> Result<(), Refusal> {
    let known = app.workspaces.load(workspace, WORKSPACE_STREAM).await?;
    let Some(removed) = owed(&known.state, connector) else { return Ok(()) };
    let meta = caused_by(app, workspace, removed).await?;
    let one = Sweep { app, workspace, connector, removed, meta };
    loop {
        let directory = app.directory(workspace).await?;
        let groups = directory.groups_of_connector(workspace, connector, CHUNK)?;
        if groups.is_empty() {
            break;
        }
        let mut work = stream::iter(groups).map(|it| one.group(it)).buffer_unordered(AT_ONCE);
        while let Some(result) = work.next().await {
            result?;
        }
    }
    loop {
        let directory = app.directory(workspace).await?;
        let entries = directory.entries_of_connector(workspace, connector, CHUNK)?;
        if entries.is_empty() {
            return Ok(());
        }
        let work = stream::iter(entries).map(|(entry, user)| one.entry(entry, user));
        let mut work = work.buffer_unordered(AT_ONCE);
        while let Some(result) = work.next().await {
            result?;
        }
    }
}

struct Sweep<'a> {
    app: &'a App,
    workspace: &'a WorkspaceId,
    connector: &'a ConnectorName,
    removed: &'a Removed,
    meta: Meta,
}

impl Sweep<'_> {
    async fn group(&self, group: GroupId) -> Result<(), Refusal> {
        let command = GroupCommand::Delete { via: group::Via::new(self.connector.clone()) };
        let (workspace, meta) = (self.workspace.clone(), self.meta.clone());
        let order = Order { workspace, id: group.0, command, meta };
        match self.app.groups.dispatch(order).await {
            Ok(_) | Err(DispatchError::Refused(GroupRefusal::NoGroup)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn entry(&self, entry: EntryId, user: UserId) -> Result<(), Refusal> {
        // Twice is once: the id is made of the entry, which is removed once.
        let offboarding = OffboardingId(Uuid::new_v5(&entry.0, b"the connector was removed"));
        let rule = Arc::clone(&self.removed.rule);
        let via = Via::new(self.connector.clone(), rule, offboarding);
        // Another connector may have been removed since the sweep began.
        let known = self.app.workspaces.load(self.workspace, WORKSPACE_STREAM).await?;
        let via = Via { gone: known.state.gone(), ..via };
        let command = UserCommand::RemoveEntry { via, entry };
        let (workspace, meta) = (self.workspace.clone(), self.meta.clone());
        let order = Order { workspace, id: user.0, command, meta };
        match self.app.users.dispatch(order).await {
            Ok(_) | Err(DispatchError::Refused(UserRefusal::NoEntry)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Who removes, and because of what. The rule that was in force goes along.
async fn caused_by(app: &App, workspace: &WorkspaceId, removed: &Removed) -> Result<Meta, Refusal> {
    let events = app.log.read(workspace, removed.position - 1, 1).await?;
    let correlation = events.first().map(|event| event.meta.correlation.clone());
    Ok(Meta {
        actor: format_smolstr!("policy:{NAME}"),
        request: None,
        correlation: correlation.unwrap_or_default(),
        causation: Some(removed.position),
        rule: serde_json::to_string(&*removed.rule).ok(),
    })
}
