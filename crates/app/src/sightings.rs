//! What a connector's requests carry (rule 19), and when its tokens are used.
//!
//! Counting waits for nothing: the journal adds it up. The first sight of an attribute is a fact, and
//! the one request in which it is seen is answered once that is on disk. Where it cannot be recorded, since
//! the log refuses or fails, the request is answered all the same and the server's log says so: the attribute
//! is counted, and becomes a fact with the next request that carries it.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use domain::{
    ids::{ConnectorName, TokenId},
    workspace::{SEEN_MAX, SeenAttribute, SeenAttributes, WorkspaceCommand},
};
use event_log::{EventLog, Meta, Micros, WorkspaceId};
use parking_lot::Mutex;
use scim::attributes::Seen;

use crate::{App, Caller};

/// How old the last use of a token that is recorded may be, in microseconds: 5 minutes.
const TOKEN_USE_EVERY_MICROS: Micros = 5 * 60 * 1_000_000;

/// The attributes that a request carries.
#[derive(Clone)]
pub struct Sightings(Arc<Inner>);

struct Inner {
    log: Arc<dyn EventLog>,
    workspace: WorkspaceId,
    connector: ConnectorName,
    /// What was seen before this request.
    known: SeenAttributes,
    at: Micros,
    /// What is seen in it for the first time.
    new: Mutex<BTreeSet<SeenAttribute>>,
}

impl Sightings {
    pub(crate) fn new(
        log: Arc<dyn EventLog>,
        workspace: WorkspaceId,
        connector: ConnectorName,
        known: SeenAttributes,
        at: Micros,
    ) -> Self {
        let new = Mutex::default();
        Self(Arc::new(Inner { log, workspace, connector, known, at, new }))
    }

    /// Counts attributes that the request carries, each once. Never waits.
    pub fn note(&self, seen: &[Seen<'_>]) {
        let Inner { log, workspace, connector, known, at, new } = &*self.0;
        let is_kept = |seen: &&Seen<'_>| {
            let (namespace, key) = (&*seen.namespace, &*seen.key);
            if known.contains(namespace, key) {
                return true;
            }
            let mut new = new.lock();
            let has_room = known.len() + new.len() < SEEN_MAX;
            let is_kept = has_room && SeenAttribute::fits(namespace, key);
            if is_kept {
                new.insert(SeenAttribute { namespace: namespace.into(), key: key.into() });
            }
            is_kept
        };
        let kept = seen.iter().filter(is_kept).map(|seen| (&*seen.namespace, &*seen.key));
        log.journal().attributes_seen(workspace, connector.as_str(), kept, *at);
    }
}

impl fmt::Debug for Sightings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sightings").field("new", &self.0.new.lock().len()).finish_non_exhaustive()
    }
}

/// When each token was last said to the journal to be used.
#[derive(Default)]
pub(crate) struct TokenUses(Mutex<HashMap<TokenId, Micros>>);

impl TokenUses {
    /// Whether a use is worth recording.
    fn is_due(&self, token: TokenId, at: Micros) -> bool {
        let mut uses = self.0.lock();
        let due = uses.get(&token).is_none_or(|last| at - last >= TOKEN_USE_EVERY_MICROS);
        if due {
            uses.insert(token, at);
        }
        due
    }
}

impl App {
    /// Makes facts of what was seen in a request for the first time; mostly that is nothing.
    pub async fn keep_sightings(&self, caller: &Caller) {
        let Inner { workspace, connector, known, new, .. } = &*caller.sightings.0;
        let attributes: Vec<_> = std::mem::take(&mut *new.lock()).into_iter().collect();
        if attributes.is_empty() {
            return;
        }
        let name = connector.clone();
        let command = WorkspaceCommand::SeeAttributes { connector: name, attributes };
        // It tells the request, and is no part of what follows from what the request asked for.
        let correlation = format!("{}.seen", caller.ids.request);
        let meta = Meta { correlation, ..caller.meta() };
        match self.on_workspace(workspace, command, meta).await {
            Ok(done) => {
                let is_full = |seen: &SeenAttributes| seen.is_full();
                let now = done.es.state.connectors.get(connector).map(|it| &it.seen);
                if done.receipt.is_some() && !is_full(known) && now.is_some_and(is_full) {
                    tracing::warn!(
                        %workspace, %connector,
                        "{SEEN_MAX} attributes were seen; no other one is remembered"
                    );
                }
            }
            // The request itself is answered; its attributes are seen with the next one.
            Err(error) => tracing::warn!(%error, "attributes that were seen are not remembered"),
        }
    }

    /// The same for a person's access to `/api/v1`.
    pub(crate) fn note_access(&self, access: TokenId, at: Micros) {
        if self.token_uses.is_due(access, at) {
            self.log.journal().access_used(access.0, at);
        }
    }

    /// Records that a token was used, if that was not recorded just before.
    pub(crate) fn note_use(&self, workspace: &WorkspaceId, token: TokenId, at: Micros) {
        if self.token_uses.is_due(token, at) {
            self.log.journal().token_used(workspace, token.0, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_token_is_recorded_every_few_minutes() {
        let uses = TokenUses::default();
        let (one, two) = (TokenId(Uuid::from_u128(1)), TokenId(Uuid::from_u128(2)));
        assert!(uses.is_due(one, 0));
        assert!(!uses.is_due(one, TOKEN_USE_EVERY_MICROS - 1));
        assert!(uses.is_due(two, TOKEN_USE_EVERY_MICROS - 1));
        assert!(uses.is_due(one, TOKEN_USE_EVERY_MICROS));
        assert!(!uses.is_due(one, TOKEN_USE_EVERY_MICROS + 1));
    }
}
