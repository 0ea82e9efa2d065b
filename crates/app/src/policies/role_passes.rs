//! Passes over all collaborators of a workspace, for what concerns many of them: a role mapping that was
//! set, a large group that was renamed (rule 14).
//!
//! A pass stands beside the policies and not among them, so that it holds up no read, no other policy and
//! no other workspace. It looks at one person after the other as the policy does, and in turn with it, so
//! it does not matter which of the two comes first.
//!
//! What is owed is kept as a checkpoint in the log's file: the position of the oldest event for which not
//! everybody has been looked at yet. It is written before the policies go beyond that event, so that a
//! crash loses no pass. Several events that wait for one pass are one: people are looked at as of the
//! oldest of them, since a window that was open then counts.

use std::{collections::HashMap, sync::Arc};

use domain::{Micros, ids::UserId, portal::Portal};
use event_log::{Checkpoint, Meta, Receipt, WorkspaceId};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use projections::Recorded;
use smol_str::SmolStr;

use super::{backlog::Backlog, runner::caused_by};
use crate::{
    App, Job, JobState, Order, Refusal, WORKSPACE_STREAM,
    jobs::{AT_ONCE, PAGE},
    remap::Remapped,
};

/// The name of the checkpoint in the log's file; 0 when nothing is owed.
const CHECKPOINT: SmolStr = SmolStr::new_static("role-passes");

/// An event for which everybody is to be looked at.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    /// Where it stands.
    pub(crate) position: u64,
    /// When it was recorded.
    pub(crate) at: Micros,
    /// What is recorded with what follows from it.
    pub(crate) meta: Meta,
}

/// What is owed in a workspace. One pass is under way at a time.
#[derive(Default)]
struct Owed {
    /// What the pass under way is for.
    working: Option<Cause>,
    /// What the next one is for.
    waiting: Option<Cause>,
}

impl Owed {
    fn oldest(&self) -> Option<&Cause> {
        let all = [&self.working, &self.waiting];
        all.into_iter().flatten().min_by_key(|cause| cause.position)
    }

    /// Whether nothing that is owed is as old. Policies work on several streams at a time: what is older
    /// may be heard of later.
    fn is_older(&self, position: u64) -> bool {
        self.oldest().is_none_or(|oldest| position < oldest.position)
    }
}

/// The passes that are owed, and how far they are.
#[derive(Default)]
pub(crate) struct RolePasses {
    backlog: Backlog<WorkspaceId>,
    /// Held while a checkpoint is written, so that the last one that is written is the right one.
    owed: tokio::sync::Mutex<HashMap<WorkspaceId, Owed>>,
    /// The last pass of each workspace.
    progress: Mutex<HashMap<WorkspaceId, Job<Remapped>>>,
}

impl RolePasses {
    /// Everybody is to be looked at because of an event. Returns once that is on disk.
    pub(super) async fn owe(
        &self,
        app: &App,
        workspace: &WorkspaceId,
        cause: Cause,
    ) -> Result<(), Refusal> {
        let mut all = self.owed.lock().await;
        let owed = all.entry(workspace.clone()).or_default();
        if owed.is_older(cause.position) {
            store(app, workspace, cause.position).await?;
        }
        if owed.waiting.as_ref().is_none_or(|known| cause.position < known.position) {
            owed.waiting = Some(cause);
        }
        self.note(workspace, |progress| {
            if progress.state != JobState::Running {
                *progress = about_to_begin();
            }
        });
        self.backlog.owe(workspace.clone());
        Ok(())
    }

    /// The oldest event for which not everybody has been looked at; `None` if there is none.
    pub(crate) async fn cause(&self, workspace: &WorkspaceId) -> Option<Cause> {
        self.owed.lock().await.get(workspace).and_then(Owed::oldest).cloned()
    }

    /// How far the last pass is; `None` when there was none since the server started.
    pub(crate) fn progress(&self, workspace: &WorkspaceId) -> Option<Job<Remapped>> {
        self.progress.lock().get(workspace).copied()
    }

    /// Waits until everybody has been looked at.
    pub(crate) async fn settled(&self, workspace: &WorkspaceId) {
        self.backlog.cleared(workspace).await;
    }

    /// The next pass begins.
    async fn begin(&self, workspace: &WorkspaceId) -> Option<Cause> {
        let mut all = self.owed.lock().await;
        let owed = all.get_mut(workspace)?;
        // One that failed goes before what was heard since.
        owed.working = owed.working.take().or_else(|| owed.waiting.take());
        owed.working.clone()
    }

    /// A pass is through.
    async fn end(&self, app: &App, workspace: &WorkspaceId) -> Result<(), Refusal> {
        let mut all = self.owed.lock().await;
        let Some(owed) = all.get_mut(workspace) else { return Ok(()) };
        store(app, workspace, owed.waiting.as_ref().map_or(0, |next| next.position)).await?;
        owed.working = None;
        if owed.waiting.is_none() {
            self.note(workspace, |progress| progress.state = JobState::Completed);
        }
        Ok(())
    }

    fn note(&self, workspace: &WorkspaceId, change: impl FnOnce(&mut Job<Remapped>)) {
        change(self.progress.lock().entry(workspace.clone()).or_insert_with(about_to_begin));
    }
}

fn about_to_begin() -> Job<Remapped> {
    Job::begun(0, Remapped::default())
}

/// Writes down from which event on people are to be looked at.
async fn store(app: &App, workspace: &WorkspaceId, position: u64) -> Result<(), Refusal> {
    let checkpoint = Checkpoint { name: CHECKPOINT, position };
    Ok(app.workspaces.touch(workspace, WORKSPACE_STREAM, checkpoint).await?)
}

/// Makes the passes that are owed, for ever.
pub(super) async fn run(app: Arc<App>) {
    // Where that cannot be read it is tried again beside the passes of the others.
    for (workspace, _) in app.log.heads() {
        if find(&app, &workspace).await.is_err() {
            app.role_passes.backlog.owe(workspace);
        }
    }
    app.role_passes.backlog.complete();
    let app = &app;
    let work = |workspace: WorkspaceId| async move {
        let passed = pass(app, &workspace).await;
        passed.inspect_err(|error| app.say("not everybody's role was looked at", &workspace, error))
    };
    app.role_passes.backlog.work_off(work).await;
}

/// After a start: what the last run has left in a workspace.
async fn find(app: &App, workspace: &WorkspaceId) -> Result<(), Refusal> {
    let position = app.log.checkpoint(workspace, &CHECKPOINT).await?;
    let Some(before) = position.checked_sub(1) else { return Ok(()) };
    let event = app.log.read(workspace, before, 1).await?.pop();
    let event = event.map(Recorded::read).transpose().map_err(|_| Refusal::Unreadable)?;
    let Some(event) = event.flatten() else { return Ok(()) };
    app.role_passes.owe(app, workspace, Cause::of(&event)).await
}

impl Cause {
    fn of(event: &Recorded) -> Self {
        let (position, at) = (event.position, event.at);
        Self { position, at, meta: caused_by(event, super::roles::NAME) }
    }
}

/// Looks at everybody who has an account of the Dashboard.
async fn pass(app: &App, workspace: &WorkspaceId) -> Result<(), Refusal> {
    let passes = &app.role_passes;
    if passes.cause(workspace).await.is_none() {
        find(app, workspace).await?;
    }
    let Some(cause) = passes.begin(workspace).await else { return Ok(()) };
    let dashboard = Portal::Dashboard;
    app.read_models.caught_up(dashboard.as_str(), workspace).await?;
    let total = app.read_models.accounts().count_standing(workspace, dashboard)?;
    passes.note(workspace, |progress| *progress = Job::begun(total, Remapped::default()));
    let mut after = None;
    loop {
        let stretch = app.stretch();
        let people = app.read_models.accounts().standing(workspace, dashboard, after, PAGE)?;
        let Some(last) = people.last() else { break };
        after = Some(*last);
        let looks = stream::iter(people).map(|user| app.follow_groups(workspace, user, &cause));
        let mut looks = looks.buffer_unordered(AT_ONCE);
        while let Some(look) = looks.next().await {
            let changed = look?.is_some();
            passes.note(workspace, |progress| {
                progress.done += 1;
                progress.found.changed += u64::from(changed);
            });
        }
        app.rest(stretch).await;
    }
    passes.end(app, workspace).await
}

impl App {
    /// Looks at somebody's groups now, and lets what they make of them be decided as of an event. Returns
    /// where that was recorded.
    pub(crate) async fn follow_groups(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
        cause: &Cause,
    ) -> Result<Option<Receipt>, Refusal> {
        // Nobody else looks at this person in between.
        let _turn = self.turns.of(user).await;
        let Some(command) = self.look_at_role(workspace, user, cause.at).await? else {
            return Ok(None);
        };
        let (workspace, meta) = (workspace.clone(), cause.meta.clone());
        let done = self.users.dispatch(Order { workspace, id: user.0, command, meta }).await?;
        Ok(done.receipt)
    }

    /// Lets somebody go first in a pass that is under way: whoever asks about one person sees what follows
    /// from what they have changed before.
    pub(crate) async fn look_ahead(
        &self,
        workspace: &WorkspaceId,
        user: UserId,
    ) -> Result<(), Refusal> {
        if let Some(cause) = self.role_passes.cause(workspace).await {
            self.follow_groups(workspace, user, &cause).await?;
        }
        Ok(())
    }

    /// How far the last look at the roles of many is; `None` when there was none since the server
    /// started.
    ///
    /// # Errors
    /// When policies have not come so far for too long.
    pub async fn roles_followed(
        &self,
        workspace: &WorkspaceId,
    ) -> Result<Option<Job<Remapped>>, Refusal> {
        self.settle(workspace).await?;
        Ok(self.role_passes.progress(workspace))
    }

    /// Waits until everybody's role follows what has happened so far.
    pub async fn roles_settled(&self, workspace: &WorkspaceId) {
        self.settled(workspace).await;
        self.role_passes.settled(workspace).await;
    }
}

#[cfg(test)]
mod tests {
    use event_log::{Commit, NewEvent, Seal, StreamAppend, StreamId};

    use super::*;

    #[tokio::test]
    async fn what_cannot_be_read_in_one_workspace_keeps_no_other_waiting() {
        let (app, _dir) = crate::fixture::app();
        let [acme, broken] = ["acme", "broken"].map(|it| WorkspaceId::parse(it).unwrap());
        let (name, payload) = ("workspace.unheard_of".into(), b"{}".to_vec());
        let event = NewEvent { name, schema_version: 1, payload, seal: Seal::Stream };
        let checkpoint = Some(Checkpoint { name: CHECKPOINT, position: 1 });
        let (meta, claims) = Default::default();
        let append = StreamAppend {
            workspace: broken.clone(),
            stream: StreamId::new("workspace", WORKSPACE_STREAM),
            expected_version: 0,
            commits: vec![Commit { meta, events: vec![event], claims, checkpoint }],
        };
        app.log.append(append).await.unwrap();
        let passes = tokio::spawn(run(Arc::clone(&app)));
        let cause = Cause { position: 1, at: 0, meta: Meta::default() };
        app.role_passes.owe(&app, &acme, cause).await.unwrap();
        app.role_passes.settled(&acme).await;
        assert!(app.role_passes.backlog.owes(&broken));
        passes.abort();
    }

    #[tokio::test]
    async fn a_pass_is_as_of_the_oldest_event_in_whatever_order_they_are_heard_of() {
        let (app, _dir) = crate::fixture::app();
        let workspace = WorkspaceId::parse("acme").unwrap();
        let checkpoint = || app.log.checkpoint(&workspace, &CHECKPOINT);
        let owe = |position: u64| {
            let cause = Cause { position, at: position.cast_signed(), meta: Meta::default() };
            app.role_passes.owe(&app, &workspace, cause)
        };
        for (position, kept) in [(12, 12), (11, 11), (13, 11)] {
            owe(position).await.unwrap();
            assert_eq!(checkpoint().await.unwrap(), kept);
        }
        assert_eq!(app.role_passes.begin(&workspace).await.unwrap().position, 11);
        owe(10).await.unwrap();
        assert_eq!(app.role_passes.cause(&workspace).await.unwrap().position, 10);
        app.role_passes.end(&app, &workspace).await.unwrap();
        assert_eq!(checkpoint().await.unwrap(), 10);
        assert_eq!(app.role_passes.begin(&workspace).await.unwrap().position, 10);
    }
}
