//! A log of very many events, appended by the log itself while no server runs: what creating people and
//! changing them again and again leaves, without the time that this takes over HTTP.
//!
//! One person who was created and changed over HTTP is the pattern of all others: their events are read,
//! get another id and other names, and what they claim is asked of the domain. So what lies in the log is
//! what the server would have put there, and it can be read, changed and found as anything else.

use std::{path::Path, sync::Arc};

use anyhow::{Context, ensure};
use domain::{
    Es, Stamp,
    stored::{self, Fact, Sealing},
    user::{User, UserEvent},
};
use event_log::{
    Checkpoint, Claim, ClaimChange, Commit, EventLog, Meta, NewEvent, Payload, Seal, SqliteLog,
    SqliteOptions, StoredEvent, StreamAppend, StreamId, SystemClock, WorkspaceId,
};
use tokio::task::JoinSet;
use uuid::{Builder, Uuid};

use crate::process::{Spent, Timer};

/// The number of the person who is the pattern. No other number has it within.
pub(crate) const PATTERN: usize = 8_888_888;

/// How many appends are under way at a time.
const AT_ONCE: usize = 1_000;

/// How many events of the pattern are read.
const EVENTS_MAX: usize = 100;

/// For how many events there is one person: the others are changes.
const EVENTS_EACH: u64 = 10;

/// What a change begins with, and what is different in each.
const TITLE: &str = "\"Title ";

/// The name of the checkpoint that says how far policies have come.
const POLICIES: &str = "policies";

/// The id of the person with a number.
pub(crate) fn id(number: usize) -> Uuid {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&(number as u64).to_be_bytes());
    // As if they had come one after the other, a thousand in a second.
    Builder::from_unix_timestamp_millis(1_700_000_000_000 + number as u64, &random).into_uuid()
}

/// Appends people and their changes until a workspace has so many events. Returns how many people there
/// are.
pub(crate) async fn append(
    data_dir: &Path,
    workspace: &str,
    pattern: &str,
    events: u64,
) -> anyhow::Result<usize> {
    let log = SqliteLog::open(SqliteOptions::new(data_dir), Arc::new(SystemClock))?;
    let workspace = WorkspaceId::parse(workspace)?;
    let pattern = Pattern::read(&log, &workspace, pattern).await?;
    let people = usize::try_from(events / EVENTS_EACH)?.max(1);
    let mut under_way = JoinSet::new();
    let mut round = 0;
    while log.head(&workspace) < events {
        let left = usize::try_from(events - log.head(&workspace))?;
        for number in 0..people.min(left) {
            if under_way.len() >= AT_ONCE {
                settle(&mut under_way).await?;
            }
            let append = match round {
                0 => pattern.create(&workspace, number)?,
                round => pattern.change(&workspace, number, round)?,
            };
            under_way.spawn(log.append(append));
        }
        while !under_way.is_empty() {
            settle(&mut under_way).await?;
        }
        round += 1;
    }
    // Nothing follows from any of this, as a server would have found out that had been there.
    let (position, name) = (log.head(&workspace), POLICIES.into());
    let mut last = pattern.change(&workspace, 0, round)?;
    last.commits[0].checkpoint = Some(Checkpoint { name, position });
    log.append(last).await?;
    log.close();
    Ok(people)
}

/// Appends people, of whom so many are under way at a time, to a workspace that has none but the pattern.
/// Returns what that took.
pub(crate) async fn append_people(
    data_dir: &Path,
    workspace: &str,
    pattern: &str,
    (people, at_once): (usize, usize),
) -> anyhow::Result<Spent> {
    let log = SqliteLog::open(SqliteOptions::new(data_dir), Arc::new(SystemClock))?;
    let workspace = WorkspaceId::parse(workspace)?;
    let pattern = Pattern::read(&log, &workspace, pattern).await?;
    let appends = (0..people).map(|number| pattern.create(&workspace, number));
    let appends = appends.collect::<anyhow::Result<Vec<_>>>()?;
    let (timer, mut under_way) = (Timer::start()?, JoinSet::new());
    for append in appends {
        if under_way.len() >= at_once {
            settle(&mut under_way).await?;
        }
        under_way.spawn(log.append(append));
    }
    while !under_way.is_empty() {
        settle(&mut under_way).await?;
    }
    let spent = timer.stop()?;
    log.close();
    Ok(spent)
}

async fn settle(
    under_way: &mut JoinSet<Result<Vec<event_log::CommitOutcome>, event_log::AppendError>>,
) -> anyhow::Result<()> {
    let Some(append) = under_way.join_next().await else { return Ok(()) };
    let outcomes = append.context("waiting for an append")??;
    ensure!(outcomes.iter().all(|it| it.receipt().is_some()), "a name is taken: {outcomes:?}");
    Ok(())
}

/// The events of one person.
struct Pattern {
    id: String,
    /// What creating them has left.
    created: Vec<StoredEvent>,
    /// What changing them has left.
    changed: StoredEvent,
}

impl Pattern {
    async fn read(log: &SqliteLog, workspace: &WorkspaceId, id: &str) -> anyhow::Result<Self> {
        let stream = StreamId::new("user", id.parse().context("an id is no UUID")?);
        let mut events = log.read_stream(workspace, &stream, 0, EVENTS_MAX).await?;
        let changed = events.pop().context("there are no events of the pattern")?;
        ensure!(changed.name == "user.entry_changed", "the last event is a {}", changed.name);
        Ok(Self { id: id.to_owned(), created: events, changed })
    }

    /// What creating another person appends.
    fn create(&self, workspace: &WorkspaceId, number: usize) -> anyhow::Result<StreamAppend> {
        let id = id(number);
        let mut es = Es::<User>::default();
        let mut events = Vec::with_capacity(self.created.len());
        for event in &self.created {
            let fact = self.of(event, number, text(event)?)?;
            let (version, at) = (es.version + 1, event.time);
            es.replay(&fact, &Stamp { position: event.position, version, at });
            events.push(new_event(&fact));
        }
        let claims = domain::Decider::claims(&es.state).into_iter();
        let claims = claims.map(|it| ClaimChange::Take(Claim { scope: it.scope, key: it.key }));
        let meta = meta(&self.created[0], number, 0);
        let commit = Commit { meta, events, claims: claims.collect(), checkpoint: None };
        Ok(appended(workspace, id, 0, commit))
    }

    /// What changing them again appends, the so-manieth time, from 1.
    fn change(
        &self,
        workspace: &WorkspaceId,
        number: usize,
        round: u64,
    ) -> anyhow::Result<StreamAppend> {
        let title = format!("{TITLE}{round} of ");
        let text = text(&self.changed)?.replace(TITLE, &title);
        ensure!(text.contains(&title), "a change has no title: {text}");
        let fact = self.of(&self.changed, number, &text)?;
        let meta = meta(&self.changed, number, round);
        let (events, claims) = (vec![new_event(&fact)], Vec::new());
        let commit = Commit { meta, events, claims, checkpoint: None };
        let version = self.created.len() as u64 + round - 1;
        Ok(appended(workspace, id(number), version, commit))
    }

    /// The same fact of another person.
    fn of(&self, event: &StoredEvent, number: usize, text: &str) -> anyhow::Result<UserEvent> {
        let text = text.replace(&self.id, &id(number).to_string());
        let text = text.replace(&PATTERN.to_string(), &format!("{number:07}"));
        Ok(stored::decode(&event.name, event.schema_version, text.as_bytes())?)
    }
}

fn text(event: &StoredEvent) -> anyhow::Result<&str> {
    let Payload::Plain(payload) = &event.payload else { anyhow::bail!("an event cannot be read") };
    Ok(str::from_utf8(payload)?)
}

fn new_event(fact: &UserEvent) -> NewEvent {
    let encoded = stored::encode(fact);
    NewEvent {
        name: encoded.name.into(),
        schema_version: encoded.schema_version,
        payload: encoded.payload,
        seal: match fact.sealing() {
            Sealing::Open => Seal::Open,
            Sealing::Stream => Seal::Stream,
            Sealing::Own => Seal::Own,
            Sealing::Afresh => Seal::Afresh,
        },
    }
}

/// Who did it, in a request of its own.
fn meta(event: &StoredEvent, number: usize, round: u64) -> Meta {
    let mut meta = Meta::clone(&event.meta);
    meta.correlation = format!("{}-{number}-{round}", meta.correlation);
    meta
}

fn appended(
    workspace: &WorkspaceId,
    id: Uuid,
    expected_version: u64,
    commit: Commit,
) -> StreamAppend {
    StreamAppend {
        workspace: workspace.clone(),
        stream: StreamId::new("user", id),
        expected_version,
        commits: vec![commit],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_an_id_of_its_own_in_their_order() {
        assert!(id(1) < id(2) && id(2) < id(1_000_000));
        assert_eq!(id(7), id(7));
        assert_eq!(id(7).get_version_num(), 7);
    }
}
