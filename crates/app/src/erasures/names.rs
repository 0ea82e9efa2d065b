//! The userNames that somebody has had, and when.
//!
//! Their stream says it, as long as its key is there: a person has a name while nobody else of their portal can
//! have it, which is what their claims say. Somebody else of the same name is the same human being if both had
//! it last, and at the same time. A name that was given to somebody else later, or had been somebody
//! else's before, was not theirs at the same time.
//!
//! Where a rename has reached one portal and not the other, two have the same name at the same time. Their
//! identity provider tells them apart by external ids, which are the same for one human being in all of its
//! applications.

use std::collections::BTreeMap;

use domain::{
    Decider, Micros, Stamp,
    ids::{ConnectorName, UserId},
    stored,
    user::{User, UserEvent},
    workspace::Workspace,
};
use event_log::{Payload, StoredEvent, StreamId, WorkspaceId};
use scim::fold;

use crate::{App, Refusal};

/// How many spells with a name are known of a person, at most; the oldest make room. Nobody is renamed as often.
const NAMES_MAX: usize = 100;
/// How many events are read at a time.
const CHUNK: usize = 1_000;

/// A userName that somebody had, and when.
#[derive(Clone, Debug)]
pub struct NameHad {
    /// As it was written last.
    pub user_name: String,
    /// From when on they had it.
    pub from: Micros,
    /// Since when they do not any more; `None` while it is theirs.
    pub to: Option<Micros>,
    /// The name, in the form in which names are compared.
    pub(super) folded: String,
    /// The positions of these moments.
    since: u64,
    until: u64,
}

/// What somebody has been called.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// By userName, the oldest spell first.
    had: Vec<NameHad>,
    /// The external id that each connector said last.
    external: BTreeMap<ConnectorName, String>,
}

impl Names {
    /// What the stream of somebody says; nothing of what cannot be read any more.
    pub(super) async fn find(
        app: &App,
        workspace: &WorkspaceId,
        user: UserId,
    ) -> Result<Self, Refusal> {
        let stream = StreamId::new(User::KIND, user.0);
        let (mut names, mut state, mut after) = (Self::default(), User::default(), 0);
        loop {
            let events = app.log.read_stream(workspace, &stream, after, CHUNK).await?;
            let (last, found) = (events.last().map(|event| event.version), events.len());
            for event in events {
                let StoredEvent { position, version, time: at, .. } = event;
                let payload = match &event.payload {
                    Payload::Plain(payload) => payload,
                    Payload::Erased => continue,
                    Payload::Missing { .. } | Payload::Damaged { .. } => {
                        return Err(Refusal::Unreadable);
                    }
                };
                let fact = stored::decode::<UserEvent>(&event.name, event.schema_version, payload);
                let fact = fact.map_err(|_| Refusal::Unreadable)?;
                state.evolve(&fact, &Stamp { position, version, at });
                names.note(&state, position, at);
            }
            match last {
                Some(last) if found == CHUNK => after = last,
                _ => return Ok(names),
            }
        }
    }

    /// What somebody is called since an event.
    fn note(&mut self, state: &User, position: u64, at: Micros) {
        let now = state.user_names().filter(|name| !name.is_empty());
        let now: Vec<_> = now.map(|name| (fold::user_name(name), name)).collect();
        let ended = |had: &&mut NameHad| now.iter().all(|(folded, _)| *folded != had.folded);
        for had in self.had.iter_mut().filter(|had| had.to.is_none()).filter(ended) {
            (had.to, had.until) = (Some(at), position);
        }
        for (folded, user_name) in now {
            let user_name = user_name.to_owned();
            let open = self.had.iter_mut().find(|had| had.to.is_none() && had.folded == folded);
            match open {
                Some(had) => had.user_name = user_name,
                None => self.had.push(NameHad {
                    user_name,
                    from: at,
                    to: None,
                    folded,
                    since: position,
                    until: u64::MAX,
                }),
            }
        }
        for (connector, entry) in &state.entries {
            if let Some(id) = entry.resource.external_id() {
                self.external.insert(connector.clone(), id.to_owned());
            }
        }
        let over = self.had.len().saturating_sub(NAMES_MAX);
        self.had.drain(..over);
    }

    /// All of them.
    pub(super) fn all(&self) -> &[NameHad] {
        &self.had
    }

    /// Those of them that somebody else has had as well.
    pub(super) fn shared_with(&self, other: &Self) -> Vec<NameHad> {
        let shared = |had: &&NameHad| other.had.iter().any(|it| it.folded == had.folded);
        self.had.iter().filter(shared).cloned().collect()
    }

    /// Whether both had the same name last, and at the same time, and no identity provider says that they are two.
    pub(super) fn same_time(&self, other: &Self, setting: &Workspace) -> bool {
        !self.are_two(other, setting)
            && self.last().any(|ours| {
                let theirs = other.last().filter(|it| it.folded == ours.folded);
                theirs.into_iter().any(|it| it.since < ours.until && ours.since < it.until)
            })
    }

    /// Whether connectors to one kind of identity provider gave them external ids, and none of these is the
    /// same. Of a connector that was removed, any kind will do.
    fn are_two(&self, other: &Self, setting: &Workspace) -> bool {
        let kind = |name| setting.connectors.get(name).map(|it| it.idp);
        let mut differ = false;
        for (ours, id) in &self.external {
            for (theirs, other_id) in &other.external {
                let (ours, theirs) = (kind(ours), kind(theirs));
                if ours == theirs || ours.is_none() || theirs.is_none() {
                    if id == other_id {
                        return false;
                    }
                    differ = true;
                }
            }
        }
        differ
    }

    /// What they are called now, or were when they went.
    fn last(&self) -> impl Iterator<Item = &NameHad> {
        let until = self.had.iter().map(|had| had.until).max();
        self.had.iter().filter(move |had| Some(had.until) == until)
    }
}
