//! Erasures that are decided and not carried out yet.
//!
//! They stand beside the policies and not among them, since looking for what names somebody may take a
//! while. What is owed is kept as a checkpoint in the log's file: the position of the oldest erasure that
//! is not carried out. It is written before the policies go beyond that event, so that a crash loses none.
//!
//! A log that was restored may be older than an erasure of the ledger. Its keys are destroyed again when
//! the log is opened; here the erasure is recorded again, so that the rest follows from it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use domain::{
    Event,
    ids::{ErasureId, UserId},
    user::{Erase, UserCommand, UserEvent},
};
use event_log::{BoxFuture, Checkpoint, EventFilter, Meta, WorkspaceId};
use projections::Recorded;
use smol_str::{SmolStr, format_smolstr};

use super::carry_out::NAME;
use crate::{
    App, Order, Refusal, WORKSPACE_STREAM,
    policies::{
        Consequence, Policy,
        backlog::{Backlog, pause},
    },
};

/// The name of the event.
pub(super) const EVENT: SmolStr = SmolStr::new_static("user.erased");
/// The name of the checkpoint in the log's file; 0 when nothing is owed.
const CHECKPOINT: SmolStr = SmolStr::new_static("erasures");
/// How many events are read at a time.
const CHUNK: usize = 500;

/// The erasures that are owed.
#[derive(Default)]
pub(crate) struct Erasures {
    pub(super) backlog: Backlog<(WorkspaceId, UserId)>,
    /// Where each is recorded. Held while a checkpoint is written, so that the last one that is written is
    /// the right one.
    owed: tokio::sync::Mutex<HashMap<WorkspaceId, BTreeMap<UserId, u64>>>,
    /// Held while it is decided whether somebody may be erased.
    pub(super) one_at_a_time: tokio::sync::Mutex<()>,
}

impl Erasures {
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
        if owed.is_empty() {
            store(app, workspace, position).await?;
        }
        owed.entry(user).or_insert(position);
        self.backlog.owe((workspace.clone(), user));
        Ok(())
    }

    /// One is carried out.
    async fn done(&self, app: &App, workspace: &WorkspaceId, user: UserId) -> Result<(), Refusal> {
        let mut all = self.owed.lock().await;
        let Some(owed) = all.get_mut(workspace) else { return Ok(()) };
        let oldest = owed.iter().filter(|(other, _)| **other != user).map(|(_, at)| *at).min();
        store(app, workspace, oldest.unwrap_or_default()).await?;
        owed.remove(&user);
        Ok(())
    }

    /// Whom an erasure is owed to in a workspace.
    pub(super) async fn waiting(&self, workspace: &WorkspaceId) -> Vec<UserId> {
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
    while let Err(error) = find_all(&app).await {
        tracing::error!(%error, "which erasures are owed cannot be found");
        pause().await;
    }
    app.erasures.backlog.complete();
    let app = &app;
    let work = |(workspace, user): (WorkspaceId, UserId)| async move {
        let carried_out = async {
            app.carry_out_erasure(&workspace, user).await?;
            app.erasures.done(app, &workspace, user).await
        };
        carried_out.await.inspect_err(|error| {
            tracing::error!(%workspace, %user, %error, "an erasure is not carried out yet");
        })
    };
    app.erasures.backlog.work_off(work).await;
}

/// After a start: what the last run has left, and what a restored log does not know.
async fn find_all(app: &App) -> Result<(), Refusal> {
    for (workspace, _) in app.log.heads() {
        let position = app.log.checkpoint(&workspace, &CHECKPOINT).await?;
        if let Some(before) = position.checked_sub(1) {
            find(app, &workspace, before).await?;
        }
    }
    for erasure in app.log.ledger().erasures() {
        record_again(app, &erasure).await?;
    }
    Ok(())
}

async fn find(app: &App, workspace: &WorkspaceId, mut after: u64) -> Result<(), Refusal> {
    let filter = EventFilter { name: Some(EVENT), ..EventFilter::default() };
    loop {
        let events = app.log.find(workspace, &filter, after, CHUNK).await?;
        for event in &events {
            after = event.position;
            let user = UserId(event.stream.id);
            app.erasures.owe(app, workspace, user, event.position).await?;
        }
        if events.len() < CHUNK {
            return Ok(());
        }
    }
}

/// Records an erasure of the ledger that the log does not have.
async fn record_again(app: &App, erasure: &event_log::Erasure) -> Result<(), Refusal> {
    let event_log::Erasure { id, workspace, user, .. } = erasure;
    let known = app.users.load(workspace, *user).await?;
    if known.version == 0 || known.state.erased().is_some() {
        return Ok(());
    }
    let erase = Erase {
        erasure: ErasureId(*id),
        via: None,
        reason: None,
        devices: Vec::new(),
        others: Vec::new(),
        all_portals: false,
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
