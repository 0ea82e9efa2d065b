//! After a restore nothing is sent to devices: what is owed may have been sent long ago, by this machine
//! or by the one that was copied. Each workspace records that it was restored, from what and up to where,
//! and that its deliveries are suspended.

use domain::{
    Decider, Es, Event, Stamp,
    stored::encode,
    workspace::{Suspended, Workspace, WorkspaceCommand, WorkspaceEvent},
};
use event_log::{
    AppendError, Clock, Commit, EventLog, Failure, ManualClock, Meta, Micros, NewEvent, OpenError,
    Seal, SqliteLog, SqliteOptions, StoredEvent, StreamAppend, StreamId, WorkspaceId,
};
use projections::{ReadError, Recorded};
use std::sync::Arc;
use uuid::Uuid;

use crate::{Manifest, Restore, Restored};

/// Who is said to have done it.
const ACTOR: &str = "restore";

/// Why deliveries could not be suspended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuspendError {
    /// The log does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An event of a workspace does not read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log does not read.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// There is nothing that waits for the log.
    #[error("starting a runtime")]
    Runtime(#[from] std::io::Error),
    /// Nothing was appended.
    #[error("recording that deliveries are suspended")]
    Append(#[from] AppendError),
}

/// Suspends the deliveries of everything that was restored. Not to be called where a runtime is at work.
pub(crate) fn deliveries(
    order: &Restore,
    manifest: &Manifest,
    restored: &[Restored],
    now: Micros,
) -> Result<(), SuspendError> {
    let master_key = order.master_key;
    let options = SqliteOptions { master_key, unfinished: true, ..SqliteOptions::new(&order.into) };
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(now));
    let log = SqliteLog::open(options, clock)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    // The journal of the backup may know the names of whom it did not know to be erased.
    for erasure in log.ledger().erasures() {
        log.journal().forget(&erasure.workspace, &erasure.entries)?;
    }
    for it in restored {
        let (backup, known, kept) = (manifest.at_micros, it.known, it.head.size);
        let because = Suspended::Restored { backup, known, kept };
        let command = WorkspaceCommand::SuspendDeliveries { because };
        runtime.block_on(record(&log, &it.workspace, ACTOR, &command, now))?;
    }
    log.close();
    Ok(())
}

/// A workspace, from the events of its stream.
///
/// # Errors
/// When one does not read.
pub(crate) fn fold(events: Vec<StoredEvent>) -> Result<Es<Workspace>, ReadError> {
    let mut es = Es::<Workspace>::default();
    for event in events {
        if let Some(Recorded { position, version, at, event: Event::Workspace(fact), .. }) =
            Recorded::read(event)?
        {
            es.replay(&fact, &Stamp { position, version, at });
        }
    }
    Ok(es)
}

/// Records what follows from a command to a workspace.
pub(crate) async fn record(
    log: &SqliteLog,
    workspace: &WorkspaceId,
    actor: &'static str,
    command: &WorkspaceCommand,
    now: Micros,
) -> Result<(), SuspendError> {
    let stream = StreamId::new(Workspace::KIND, Uuid::nil());
    let events = log.read_stream(workspace, &stream, 0, usize::MAX).await?;
    let expected_version = events.last().map_or(0, |event| event.version);
    let es = fold(events)?;
    // A closed workspace has no services that anything could be sent to.
    let facts = es.state.decide(command).unwrap_or_default();
    if facts.is_empty() {
        return Ok(());
    }
    let correlation = format!("{actor}-{now}");
    let meta = Meta { actor: actor.into(), correlation, ..Meta::default() };
    let events = facts.iter().map(new_event).collect();
    let (claims, checkpoint) = (Vec::new(), None);
    log.append(StreamAppend {
        workspace: workspace.clone(),
        stream,
        expected_version,
        commits: vec![Commit { meta, events, claims, checkpoint }],
    })
    .await?;
    Ok(())
}

fn new_event(fact: &WorkspaceEvent) -> NewEvent {
    let encoded = encode(fact);
    NewEvent {
        name: encoded.name.into(),
        schema_version: encoded.schema_version,
        payload: encoded.payload,
        seal: Seal::Open,
    }
}
