//! Erasures that are decided and not carried out yet.
//!
//! They stand beside the policies and not among them, since looking for what names somebody may take a
//! while. What is owed is kept as a checkpoint in the log's file: the position of the oldest erasure that
//! is not carried out. It is written before the policies go beyond that event, so that a crash loses none.
//!
//! A log that was restored may be older than an erasure of the ledger. Its keys are destroyed again when
//! the log is opened; here the erasure is recorded again, so that the rest follows from it.
//!
//! A ledger that was lost is older than the log. What it lacks is found by the events and carried out again,
//! which writes its lines anew: with the keys of all that was said of the person, as far as events tell whose
//! they were. The others that were destroyed get a line of nobody.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use domain::{
    Event,
    ids::{ErasureId, UserId},
    user::{Erase, UserCommand, UserEvent},
};
use event_log::{BoxFuture, Checkpoint, Meta, WorkspaceId};
use projections::Recorded;
use smol_str::{SmolStr, format_smolstr};

use super::{carry_out::NAME, reading::Reading};
use crate::{
    App, Order, Refusal, WORKSPACE_STREAM,
    policies::{Consequence, Policy, backlog::Backlog},
};

/// The name of the event.
pub(super) const EVENT: SmolStr = SmolStr::new_static("user.erased");
/// The name of the checkpoint in the log's file; 0 when nothing is owed.
const CHECKPOINT: SmolStr = SmolStr::new_static("erasures");

/// The erasures that are owed.
#[derive(Default)]
pub(crate) struct Erasures {
    /// `None` stands for a workspace in which not all of them could be found yet.
    pub(super) backlog: Backlog<(WorkspaceId, Option<UserId>)>,
    /// Where each is recorded. Held while a checkpoint is written, so that the last one that is written is
    /// the right one.
    owed: tokio::sync::Mutex<HashMap<WorkspaceId, BTreeMap<UserId, u64>>>,
    /// Those that could not be carried out when it was last tried.
    failing: parking_lot::Mutex<BTreeSet<(WorkspaceId, Option<UserId>)>>,
    /// Held while it is decided whether somebody may be erased, or cease to be an Owner.
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl Erasures {
    /// Nobody else decides whether somebody may be erased, or cease to be an Owner.
    pub(crate) async fn alone(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.one_at_a_time.lock().await
    }

    /// An erasure is to be carried out. Returns once that is on disk.
    pub(crate) async fn owe(
        &self,
        app: &App,
        workspace: &WorkspaceId,
        user: UserId,
        position: u64,
    ) -> Result<(), Refusal> {
        let mut all = self.owed.lock().await;
        let owed = all.entry(workspace.clone()).or_default();
        // Policies work on several streams at a time: what is older may be heard of later.
        if owed.values().all(|known| *known > position) {
            store(app, workspace, position).await?;
        }
        owed.entry(user).or_insert(position);
        self.backlog.owe((workspace.clone(), Some(user)));
        Ok(())
    }

    /// One is carried out.
    async fn done(&self, app: &App, workspace: &WorkspaceId, user: UserId) -> Result<(), Refusal> {
        let mut all = self.owed.lock().await;
        let Some(owed) = all.get_mut(workspace) else { return Ok(()) };
        let oldest = owed.iter().filter(|(other, _)| **other != user).map(|(_, at)| *at).min();
        if oldest.is_none() {
            app.keep_destroyed(workspace).await?;
        }
        store(app, workspace, oldest.unwrap_or_default()).await?;
        owed.remove(&user);
        Ok(())
    }

    /// Whether somebody's erasure is not carried out yet, or nobody knows.
    pub(super) fn owes(&self, workspace: &WorkspaceId, user: UserId) -> bool {
        [None, Some(user)].into_iter().any(|it| self.backlog.owes(&(workspace.clone(), it)))
    }

    /// Whom an erasure is owed to in a workspace.
    pub(super) async fn waiting(&self, workspace: &WorkspaceId) -> BTreeSet<UserId> {
        let all = self.owed.lock().await;
        all.get(workspace).map(|owed| owed.keys().copied().collect()).unwrap_or_default()
    }
}

/// Writes down from which event on erasures are owed.
async fn store(app: &App, workspace: &WorkspaceId, position: u64) -> Result<(), Refusal> {
    let checkpoint = Checkpoint { name: CHECKPOINT, position };
    Ok(app.workspaces.touch(workspace, WORKSPACE_STREAM, checkpoint).await?)
}

/// Hears of erasures.
pub(crate) struct Hearing;

impl Policy for Hearing {
    fn name(&self) -> &'static str {
        NAME
    }

    fn hears(&self, name: &str) -> bool {
        name == EVENT
    }

    fn react<'a>(
        &'a self,
        _: &'a App,
        event: &'a Recorded,
    ) -> BoxFuture<'a, Result<Vec<Consequence>, Refusal>> {
        let erased = matches!(&event.event, Event::User(UserEvent::Erased { .. }));
        let follows = erased.then_some(Consequence::Erasure(UserId(event.stream)));
        Box::pin(async move { Ok(follows.into_iter().collect()) })
    }
}

/// Carries out erasures for ever.
pub(crate) async fn run(app: Arc<App>) {
    // Where they cannot be found it is tried again beside the erasures of the others.
    for (workspace, _) in app.log.heads() {
        if find_all(&app, &workspace).await.is_err() {
            app.erasures.backlog.owe((workspace, None));
        }
    }
    app.erasures.backlog.complete();
    let app = &app;
    let work = |(workspace, user): (WorkspaceId, Option<UserId>)| async move {
        let done = match user {
            Some(user) => carry_out(app, &workspace, user).await.inspect_err(|error| {
                tracing::error!(%workspace, %user, %error, "an erasure is not carried out yet");
            }),
            None => find_all(app, &workspace).await.inspect_err(|error| {
                app.say("which erasures are owed cannot be found", &workspace, error);
            }),
        };
        let mut failing = app.erasures.failing.lock();
        match done {
            Ok(()) => failing.remove(&(workspace, user)),
            Err(_) => failing.insert((workspace, user)),
        };
        done
    };
    app.erasures.backlog.work_off(work).await;
}

async fn carry_out(app: &App, workspace: &WorkspaceId, user: UserId) -> Result<(), Refusal> {
    app.carry_out_erasure(workspace, user).await?;
    app.erasures.done(app, workspace, user).await
}

/// After a start: what the last run has left in a workspace, and what a restored log does not know.
async fn find_all(app: &App, workspace: &WorkspaceId) -> Result<(), Refusal> {
    let position = app.log.checkpoint(workspace, &CHECKPOINT).await?;
    if let Some(before) = position.checked_sub(1) {
        find(app, workspace, before).await?;
    }
    let mut recorded = Ok(());
    for erasure in app.log.ledger().erasures() {
        // Somebody who cannot be read leaves the others as they are.
        if erasure.workspace == *workspace
            && let Err(error) = record_again(app, &erasure).await
        {
            recorded = Err(error);
        }
    }
    recorded?;
    if app.log.ledger().is_new() || !app.keys_of_nobody(workspace)?.is_empty() {
        write_again(app, workspace).await?;
    }
    Ok(())
}

/// Sees to it that the ledger has every erasure of a workspace that the log has.
async fn write_again(app: &App, workspace: &WorkspaceId) -> Result<(), Refusal> {
    let known: BTreeSet<_> = app.log.ledger().erasures().into_iter().map(|it| it.id).collect();
    let mut reading = Reading::of(app, workspace, &EVENT, 0);
    while let Some(events) = reading.next().await? {
        for event in events {
            let (user, position) = (UserId(event.stream.id), event.position);
            let Some(recorded) = Recorded::read(event).map_err(|_| Refusal::Unreadable)? else {
                continue;
            };
            if let Event::User(UserEvent::Erased { erasure, .. }) = recorded.event
                && !known.contains(&erasure.0)
            {
                tracing::warn!(
                    %workspace, %user,
                    "the ledger of erasures lacks an erasure of the log: it is carried out again"
                );
                app.erasures.owe(app, workspace, user, position).await?;
            }
        }
    }
    Ok(())
}

impl App {
    /// The keys of a workspace that were destroyed and that the ledger does not name: it was lost.
    pub(super) fn keys_of_nobody(&self, workspace: &WorkspaceId) -> Result<BTreeSet<u64>, Refusal> {
        let ours = self.log.ledger().erasures().into_iter().filter(|it| it.workspace == *workspace);
        let named: BTreeSet<_> = ours.flat_map(|it| it.keys).collect();
        let gone = self.log.keyring().erased(workspace)?;
        Ok(gone.into_iter().filter(|key| !named.contains(key)).collect())
    }

    /// What somebody should look at, so that people are erased and stay so.
    pub fn erasure_warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.log.ledger().check().is_err() {
            let path = self.log.ledger().path().display();
            warnings.push(format!(
                "the ledger of erasures {path} is gone or was changed: nobody is erased until it is put back, or \
                 the server started again"
            ));
        }
        let failing = self.erasures.failing.lock().len();
        if failing > 0 {
            warnings
                .push(format!("{failing} erasure(s) cannot be carried out: see the server's log"));
        }
        warnings
    }
}

/// Owes every erasure after a position.
async fn find(app: &App, workspace: &WorkspaceId, after: u64) -> Result<(), Refusal> {
    let mut reading = Reading::of(app, workspace, &EVENT, after);
    while let Some(events) = reading.next().await? {
        for event in events {
            let user = UserId(event.stream.id);
            app.erasures.owe(app, workspace, user, event.position).await?;
        }
    }
    Ok(())
}

/// Records an erasure of the ledger that the log does not have.
async fn record_again(app: &App, erasure: &event_log::Erasure) -> Result<(), Refusal> {
    let event_log::Erasure { id, workspace, user, .. } = erasure;
    let known = app.users.load(workspace, *user).await?;
    if known.version == 0 || known.state.erased().is_some() {
        return Ok(());
    }
    let (again, devices) = app.left_of(erasure).await?;
    let erase = Erase {
        erasure: ErasureId(*id),
        via: None,
        reason: None,
        devices,
        others: Vec::new(),
        again: Some(again),
    };
    let meta = Meta {
        actor: format_smolstr!("policy:{NAME}"),
        correlation: format!("erasure-{id}"),
        ..Meta::default()
    };
    tracing::warn!(%workspace, %user, "an erasure of the ledger is recorded again");
    let command = UserCommand::Erase(Box::new(erase));
    let order = Order { workspace: workspace.clone(), id: *user, command, meta };
    app.users.dispatch(order).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn the_checkpoint_is_that_of_the_oldest_in_whatever_order_they_are_heard_of() {
        let (app, _dir) = crate::fixture::app();
        let workspace = WorkspaceId::parse("acme").unwrap();
        let user = |number| UserId(Uuid::from_u128(number));
        for (number, position, kept) in [(1, 12, 12), (2, 11, 11), (3, 13, 11), (2, 11, 11)] {
            app.erasures.owe(&app, &workspace, user(number), position).await.unwrap();
            assert_eq!(app.log.checkpoint(&workspace, &CHECKPOINT).await.unwrap(), kept);
        }
        app.erasures.done(&app, &workspace, user(2)).await.unwrap();
        assert_eq!(app.log.checkpoint(&workspace, &CHECKPOINT).await.unwrap(), 12);
    }
}
