//! After a kill: entries of the provisioning log for changes that had none yet.
//!
//! The journal is written once a second, the event log at once. What a request recorded names its
//! connector, token and ids there, so that an accepted change is in the provisioning log whatever
//! happens, if without status and duration. Of what was refused or only read, the last second is lost.

use std::collections::{BTreeMap, HashMap};

use domain::{Decider, group::Group, user::User};
use event_log::{
    Micros, StoredEvent, StreamId, WorkspaceId,
    journal::{Action, Entry, NewEntry, Outcome, Resource, Search},
};
use uuid::Uuid;

use crate::{App, Refusal, WORKSPACE_STREAM};

/// How long before the last entry is looked for changes without one, in microseconds: 1 minute. A
/// request that took longer to be answered is not found.
const BACK_MICROS: Micros = 60 * 1_000_000;
/// How many events or entries are read at a time.
const CHUNK: usize = 1_000;
/// The event of a workspace that came from another installation.
const IMPORTED: &str = "workspace.imported";

/// The first and the last position of what a request recorded.
type Positions = (u64, u64);

impl App {
    /// Adds the entries that a kill has cost; nothing after an end in order. To be called before
    /// requests are taken.
    ///
    /// A workspace of which an event cannot be read keeps no server from starting: it is looked at again at
    /// each start until it can.
    ///
    /// # Errors
    /// When the log or the journal cannot be read.
    pub async fn recover_provisioning_log(&self) -> Result<(), Refusal> {
        if !self.log.journal().was_cut_off() {
            return Ok(());
        }
        let mut is_complete = true;
        for (workspace, head) in self.log.heads() {
            match self.recover_in(&workspace, head).await {
                Ok(()) => {}
                Err(error) if error.is_of_an_event() => {
                    self.say("its provisioning log may lack entries", &workspace, &error);
                    is_complete = false;
                }
                Err(error) => return Err(error),
            }
        }
        if is_complete {
            self.log.journal().recovered();
        }
        Ok(())
    }

    async fn recover_in(&self, workspace: &WorkspaceId, head: u64) -> Result<(), Refusal> {
        let added = self.recover(workspace, head).await?;
        if added > 0 {
            tracing::info!(%workspace, added, "entries of the provisioning log were recovered");
        }
        let known = self.workspaces.load(workspace, WORKSPACE_STREAM).await?;
        // The setting may have been recorded and not told to the journal.
        self.log.journal().keep(workspace, known.state.provisioning_log_days())?;
        Ok(())
    }

    async fn recover(&self, workspace: &WorkspaceId, head: u64) -> Result<usize, Refusal> {
        let newest = Search { limit: 1, ..Search::default() };
        let newest = self.log.journal().search(workspace, &newest)?.items.pop();
        let since = match newest {
            Some(entry) => entry.time,
            None => match self.log.read(workspace, head.saturating_sub(1), 1).await?.pop() {
                Some(last) => last.time,
                None => return Ok(0),
            },
        };
        let since = since - BACK_MICROS;
        let known = self.known_since(workspace, since)?;
        let mut after = self.log.position_at(workspace, since).await?;
        let mut lost: BTreeMap<(String, StreamId), Entry> = BTreeMap::new();
        while after < head {
            let events = self.log.read(workspace, after, CHUNK).await?;
            let Some(last) = events.last() else { break };
            after = last.position;
            for event in &events {
                if event.name == IMPORTED {
                    // What came before was asked of another installation, which has the entries.
                    lost.clear();
                }
                let Some(entry) = entry_of(event) else { continue };
                let key = (entry.request.clone(), event.stream.clone());
                let spans = |(first, last): &Positions| (*first..=*last).contains(&event.position);
                if let Some(known) = lost.get_mut(&key) {
                    known.time = event.time;
                    known.positions = known.positions.map(|(first, _)| (first, event.position));
                } else if !known.get(&entry.request).is_some_and(|it| it.iter().any(spans)) {
                    lost.insert(key, entry);
                }
            }
        }
        let added = lost.len();
        let mut lost: Vec<_> = lost.into_values().collect();
        lost.sort_by_key(|entry| entry.positions);
        for entry in lost {
            let workspace = workspace.clone();
            self.log.journal().answered(NewEntry { workspace, entry, body: None });
        }
        Ok(added)
    }

    /// What requests have recorded, by their ids, as far as the entries from a time on say so.
    fn known_since(
        &self,
        workspace: &WorkspaceId,
        since: Micros,
    ) -> Result<HashMap<String, Vec<Positions>>, Refusal> {
        let mut known: HashMap<String, Vec<Positions>> = HashMap::new();
        let mut search = Search { from: Some(since), limit: CHUNK, ..Search::default() };
        loop {
            let part = self.log.journal().search(workspace, &search)?;
            for entry in part.items {
                if let Some(positions) = entry.positions {
                    known.entry(entry.request).or_default().push(positions);
                }
            }
            search.before = part.next;
            if search.before.is_none() {
                return Ok(known);
            }
        }
    }
}

/// What an event tells of the request that recorded it; `None` for what no request of a connector did,
/// and for the first sight of an attribute.
fn entry_of(event: &StoredEvent) -> Option<Entry> {
    let (connector, token) = event.meta.actor.strip_prefix("connector:")?.split_once('/')?;
    let resource = match event.stream.kind.as_str() {
        User::KIND => Resource::User,
        Group::KIND => Resource::Group,
        _ => return None,
    };
    Some(Entry {
        time: event.time,
        connector: connector.into(),
        token: Uuid::try_parse(token).ok()?,
        action: Action::Other,
        outcome: Outcome::Recovered,
        resource: Some(resource),
        subject: Some(event.stream.id),
        name: None,
        status: None,
        scim_type: None,
        detail: None,
        duration_micros: None,
        request: event.meta.request.clone()?,
        correlation: event.meta.correlation.clone(),
        operation: None,
        positions: Some((event.position, event.position)),
    })
}
