//! The runner: reads each workspace's log after its checkpoint and lets policies react.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use event_log::{Checkpoint, Meta, Micros, StoredEvent, WorkspaceId};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use projections::Recorded;
use smol_str::{SmolStr, format_smolstr};
use tokio::{sync::watch, task::JoinSet, time::Instant};
use uuid::Uuid;

use super::{Consequence, Policy, role_passes, role_passes::Cause, sweeps};
use crate::{App, Order, Refusal, Span, SpanKind, WORKSPACE_STREAM, erasures};

/// The name of the checkpoint in the log's file.
const CHECKPOINT: SmolStr = SmolStr::new_static("policies");
/// How many events are read at a time.
const BATCH: usize = 500;
/// How many streams of a batch are worked on at a time. Few enough that a request that comes to the log
/// behind all of them waits for a small transaction, and enough to share its sync.
const STREAMS_AT_ONCE: usize = 12;
/// How many workspaces are worked on at a time.
const WORKSPACES_AT_ONCE: usize = 8;
/// After how many events without consequence the checkpoint is stored: what a restart reads again.
const STORE_AFTER: u64 = 2_000;
/// How long a workspace is left alone where a policy has failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs policies, and what they leave to be worked off, until the log closes.
pub async fn run(app: Arc<App>, policies: Vec<Box<dyn Policy>>) {
    app.run_jobs_here();
    // Tasks of their own: what is large must not have a turn of the policies' own. They end with them.
    let mut beside = JoinSet::new();
    beside.spawn(sweeps::run(Arc::clone(&app)));
    beside.spawn(role_passes::run(Arc::clone(&app)));
    beside.spawn(erasures::run(Arc::clone(&app)));
    follow_log(&app, &policies).await;
}

async fn follow_log(app: &App, policies: &[Box<dyn Policy>]) {
    let runner = Runner { app, policies, left_alone: Mutex::default() };
    let mut ticks = app.log.watch();
    let (mut stored, mut behind, mut seen) = (BTreeMap::new(), BTreeMap::new(), 0);
    loop {
        let tick = *ticks.borrow_and_update();
        behind.extend(app.log.heads_since(seen));
        seen = tick;
        let goes_on = if runner.catch_up(&mut behind, &mut stored).await {
            ticks.changed().await.is_ok()
        } else {
            pause_or_change(&mut ticks).await
        };
        if !goes_on {
            return;
        }
    }
}

/// Waits before something that failed is tried again; `false` when the log has closed.
async fn pause_or_change(ticks: &mut watch::Receiver<u64>) -> bool {
    #[expect(clippy::disallowed_methods, reason = "a failure is given time to pass")]
    let pause = tokio::time::sleep(PAUSE);
    tokio::select! {
        changed = ticks.changed() => changed.is_ok(),
        () = pause => true,
    }
}

/// The span of a policy that had something to do because of an event.
fn span(event: &Recorded, policy: &str, (begun, ended): (Micros, Micros)) -> Span {
    Span {
        correlation: event.meta.correlation.clone(),
        name: format!("policy {policy}"),
        kind: SpanKind::Internal,
        begun,
        ended,
        details: vec![
            ("muster.workspace", event.workspace.to_string()),
            ("muster.stream", event.stream.to_string()),
            ("muster.event", event.name.to_string()),
            ("muster.position", event.position.to_string()),
        ],
        failed: None,
    }
}

struct Runner<'a> {
    app: &'a App,
    policies: &'a [Box<dyn Policy>],
    /// Until when, after a failure: what others record meanwhile must not have it tried again at each commit.
    left_alone: Mutex<HashMap<WorkspaceId, Instant>>,
}

impl Runner<'_> {
    /// Deals with everything up to these heads; `false` when something failed and is left. Workspaces
    /// where nothing is left are taken out.
    async fn catch_up(
        &self,
        behind: &mut BTreeMap<WorkspaceId, u64>,
        stored: &mut BTreeMap<WorkspaceId, u64>,
    ) -> bool {
        let mut to_follow = Vec::new();
        for (workspace, head) in &*behind {
            let checkpoint = match stored.get(workspace) {
                Some(&checkpoint) => checkpoint,
                None => self.first(workspace).await,
            };
            stored.insert(workspace.clone(), checkpoint);
            let is_behind = self.app.progress.position(workspace) < *head;
            if is_behind && !self.is_left_alone(workspace) {
                to_follow.push((workspace.clone(), checkpoint, *head));
            }
        }
        let followed: Vec<_> = stream::iter(to_follow)
            .map(|(workspace, checkpoint, head)| async move {
                let checkpoint = self.follow(&workspace, checkpoint, head).await;
                (workspace, checkpoint)
            })
            .buffer_unordered(WORKSPACES_AT_ONCE)
            .collect()
            .await;
        behind.retain(|workspace, head| self.app.progress.position(workspace) < *head);
        stored.extend(followed);
        behind.is_empty()
    }

    fn is_left_alone(&self, workspace: &WorkspaceId) -> bool {
        self.left_alone.lock().get(workspace).is_some_and(|until| *until > Instant::now())
    }

    /// Where a workspace was left at the last run.
    async fn first(&self, workspace: &WorkspaceId) -> u64 {
        let checkpoint = self.app.log.checkpoint(workspace, &CHECKPOINT).await;
        let checkpoint = checkpoint.unwrap_or_else(|error| {
            tracing::error!(%workspace, %error, "the policies' checkpoint cannot be read");
            0
        });
        self.app.progress.reach(workspace, checkpoint);
        checkpoint
    }

    /// Follows a workspace to `head`; returns the checkpoint that is stored.
    async fn follow(&self, workspace: &WorkspaceId, mut stored: u64, head: u64) -> u64 {
        loop {
            let after = self.app.progress.position(workspace);
            if after >= head {
                return stored;
            }
            match self.batch(workspace, after).await {
                Ok((position, acted)) => {
                    let is_due = acted || position - stored >= STORE_AFTER;
                    if is_due && self.store(workspace, position).await {
                        stored = position;
                    }
                    self.app.progress.reach(workspace, position);
                }
                Err(error) => {
                    // Never skipped: it is tried again after a pause.
                    if matches!(
                        error,
                        Refusal::Unreadable
                            | Refusal::Damaged(_)
                            | Refusal::Stale(_)
                            | Refusal::Filling { .. }
                            | Refusal::Broken(_)
                    ) {
                        self.app.progress.stall(workspace);
                    }
                    self.left_alone.lock().insert(workspace.clone(), Instant::now() + PAUSE);
                    tracing::error!(%workspace, after, %error, "a policy failed and will be tried again");
                    return stored;
                }
            }
        }
    }

    /// Deals with the next events: their last position, and whether anything followed.
    async fn batch(&self, workspace: &WorkspaceId, after: u64) -> Result<(u64, bool), Refusal> {
        let events = self.app.log.read(workspace, after, BATCH).await?;
        let position = events.last().map_or(after, |event| event.position);
        let mut streams: BTreeMap<Uuid, Vec<StoredEvent>> = BTreeMap::new();
        for event in events {
            if self.policies.iter().any(|policy| policy.hears(&event.name)) {
                streams.entry(event.stream.id).or_default().push(event);
            }
        }
        let mut work = stream::iter(streams.into_values())
            .map(|events| self.stream(events))
            .buffer_unordered(STREAMS_AT_ONCE);
        let mut acted = false;
        while let Some(result) = work.next().await {
            acted |= result?;
        }
        Ok((position, acted))
    }

    /// Deals with the events of one stream, in order.
    async fn stream(&self, events: Vec<StoredEvent>) -> Result<bool, Refusal> {
        let mut acted = false;
        for event in events {
            let Some(event) = Recorded::read(event).map_err(|_| Refusal::Unreadable)? else {
                continue;
            };
            for policy in self.policies.iter().filter(|policy| policy.hears(&event.name)) {
                let (meta, begun) = (caused_by(&event, policy.name()), self.app.now());
                let consequences = policy.react(self.app, &event).await?;
                if consequences.is_empty() {
                    continue;
                }
                for consequence in consequences {
                    self.carry_out(&event.workspace, consequence, meta.clone()).await?;
                }
                acted = true;
                self.app.tell_span(|| span(&event, policy.name(), (begun, self.app.now())));
            }
        }
        Ok(acted)
    }

    async fn carry_out(
        &self,
        workspace: &WorkspaceId,
        consequence: Consequence,
        meta: Meta,
    ) -> Result<(), Refusal> {
        let workspace = workspace.clone();
        let position = meta.causation.unwrap_or_default();
        let receipt = match consequence {
            Consequence::User(id, command) => {
                let order = Order { workspace: workspace.clone(), id: id.0, command, meta };
                self.app.users.dispatch(order).await?.receipt
            }
            Consequence::Role(id, at) => {
                let cause = Cause { position, at, meta };
                let caused = self.app.follow_groups(&workspace, id, &cause).await?;
                caused.iter().for_each(|it| self.app.progress.cause(&workspace, position, it));
                return Ok(());
            }
            Consequence::Roles(at) => {
                let cause = Cause { position, at, meta };
                return self.app.role_passes.owe(self.app, &workspace, cause).await;
            }
            Consequence::Erasure(user) => {
                return self.app.erasures.owe(self.app, &workspace, user, position).await;
            }
            Consequence::Sweep(connector) => {
                self.app.sweeps.owe((workspace, Some(connector)));
                return Ok(());
            }
            Consequence::Group(id, command) => {
                let order = Order { workspace: workspace.clone(), id: id.0, command, meta };
                self.app.groups.dispatch(order).await?.receipt
            }
            Consequence::Device(id, command) => {
                let order = Order { workspace: workspace.clone(), id: id.0, command, meta };
                self.app.devices.dispatch(order).await?.receipt
            }
        };
        if let Some(receipt) = receipt {
            self.app.progress.cause(&workspace, position, &receipt);
        }
        Ok(())
    }

    /// Stores how far policies have come, and tells whether that is done. Losing it costs a restart some
    /// reading.
    async fn store(&self, workspace: &WorkspaceId, position: u64) -> bool {
        let checkpoint = Checkpoint { name: CHECKPOINT, position };
        let stored = self.app.workspaces.touch(workspace, WORKSPACE_STREAM, checkpoint).await;
        if let Err(error) = &stored {
            tracing::warn!(%workspace, %error, "the policies' checkpoint was not stored");
        }
        stored.is_ok()
    }
}

/// Who did what follows, and because of what. The rule in force goes along.
pub(super) fn caused_by(event: &Recorded, policy: &str) -> Meta {
    Meta {
        actor: format_smolstr!("policy:{policy}"),
        request: None,
        correlation: event.meta.correlation.clone(),
        causation: Some(event.position),
        rule: event.meta.rule.clone(),
    }
}
