//! The last events, as they were before they were sealed.
//!
//! Whoever follows the log asks for what was committed a moment ago, and several follow it: read models,
//! policies, the reactor. To read that back from the file and to open it once for each of them costs
//! more than to keep it in memory for that moment.
//!
//! Invariant: what is here is on disk, and nothing is missing between a workspace's first event here and its
//! last commit. Whoever reads looks for the keys as if it came from the file: what is erased there must
//! not be readable here.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use crate::job::{Answer, SealedAppend, SealedCommit, SealedEvent};
use crate::sync::lock;
use crate::{CommitOutcome, Payload, StoredEvent, StreamId, WorkspaceId};

/// What an event takes beside its payload, about: names, ids, what it shares with those of its commit.
const EVENT_BYTES: usize = 512;

/// The last events of all workspaces.
pub(crate) struct Recent {
    /// How many bytes they may take together, about.
    bytes_max: usize,
    events: Mutex<Events>,
}

#[derive(Default)]
struct Events {
    /// Positions follow on each other in each.
    of: HashMap<WorkspaceId, VecDeque<Arc<StoredEvent>>>,
    /// Whose the oldest is, and so on.
    order: VecDeque<WorkspaceId>,
    bytes: usize,
}

impl Recent {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, events: Mutex::default() }
    }

    /// Keeps what has come to be on disk, in the order in which it did.
    pub(crate) fn keep<'a>(&self, stored: impl Iterator<Item = (SealedAppend, &'a Answer)>) {
        let mut events = lock(&self.events);
        for event in stored.flat_map(|(append, answer)| events_of(append, answer)) {
            events.push(event);
            while events.bytes > self.bytes_max {
                events.drop_oldest();
            }
        }
    }

    /// At most `limit` events after a position; `None` when the first of them is not here.
    pub(crate) fn after(
        &self,
        workspace: &WorkspaceId,
        after: u64,
        limit: usize,
    ) -> Option<Vec<StoredEvent>> {
        let found: Vec<_> = {
            let events = lock(&self.events);
            let kept = events.of.get(workspace)?;
            let from = after.checked_add(1)?.checked_sub(kept.front()?.position)?;
            let from = usize::try_from(from).ok().filter(|from| *from < kept.len())?;
            kept.range(from..).take(limit).cloned().collect()
        };
        Some(found.iter().map(|event| (**event).clone()).collect())
    }

    /// Whether none of the events after one position, up to another at least, belongs to such a stream.
    /// `false` too when not all of them are here.
    pub(crate) fn nothing_since(
        &self,
        workspace: &WorkspaceId,
        (after, head): (u64, u64),
        of: &dyn Fn(&StreamId) -> bool,
    ) -> bool {
        if after >= head {
            return true;
        }
        let events = lock(&self.events);
        let Some(kept) = events.of.get(workspace) else { return false };
        let (Some(first), Some(last)) = (kept.front(), kept.back()) else { return false };
        if last.position < head {
            return false;
        }
        let from = (after + 1).checked_sub(first.position).map(usize::try_from);
        let Some(Ok(from)) = from else { return false };
        !kept.range(from..).any(|event| of(&event.stream))
    }

    /// Forgets what was sealed with these keys, and what stands before it.
    pub(crate) fn forget(&self, workspace: &WorkspaceId, keys: &BTreeSet<u64>) {
        let mut events = lock(&self.events);
        let Some(kept) = events.of.get(workspace) else { return };
        let sealed = |event: &Arc<StoredEvent>| event.key.is_some_and(|key| keys.contains(&key));
        if kept.iter().any(sealed) {
            events.remove(workspace);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        *lock(&self.events) = Events::default();
    }
}

impl Events {
    fn push(&mut self, event: StoredEvent) {
        let workspace = event.workspace.clone();
        let last = self.of.get(&workspace).and_then(VecDeque::back).map(|last| last.position);
        if last.is_some_and(|last| last + 1 != event.position) {
            self.remove(&workspace);
        }
        self.bytes += bytes(&event);
        self.of.entry(workspace.clone()).or_default().push_back(Arc::new(event));
        self.order.push_back(workspace);
    }

    fn drop_oldest(&mut self) {
        let Some(workspace) = self.order.pop_front() else { return };
        let Some(kept) = self.of.get_mut(&workspace) else { return };
        self.bytes -= kept.pop_front().map_or(0, |event| bytes(&event));
        if kept.is_empty() {
            self.of.remove(&workspace);
        }
    }

    /// Takes out all of a workspace.
    fn remove(&mut self, workspace: &WorkspaceId) {
        let removed = self.of.remove(workspace).unwrap_or_default();
        self.bytes -= removed.iter().map(|event| bytes(event)).sum::<usize>();
        self.order.retain(|other| other != workspace);
    }
}

/// What of an append is on disk: its first commits, up to one that was refused.
fn events_of(append: SealedAppend, answer: &Answer) -> Vec<StoredEvent> {
    let SealedAppend { workspace, stream, commits, .. } = append;
    let receipts = answer.iter().flatten().map_while(CommitOutcome::receipt);
    let mut stored = Vec::new();
    for (commit, receipt) in commits.into_iter().zip(receipts) {
        let SealedCommit { meta, events, .. } = commit;
        let (meta, before) = (Arc::new(meta), receipt.version - events.len() as u64);
        for (index, event) in (0..).zip(events) {
            let SealedEvent { name, schema_version, key, payload, plain } = event;
            stored.push(StoredEvent {
                workspace: workspace.clone(),
                position: receipt.first_position + index,
                stream: stream.clone(),
                version: before + 1 + index,
                name,
                schema_version,
                time: receipt.time,
                meta: Arc::clone(&meta),
                key,
                payload: Payload::Plain(plain.unwrap_or(payload)),
            });
        }
    }
    stored
}

fn bytes(event: &StoredEvent) -> usize {
    let payload = match &event.payload {
        Payload::Plain(bytes) => bytes.len(),
        Payload::Erased | Payload::Missing { .. } | Payload::Damaged { .. } => 0,
    };
    EVENT_BYTES + payload
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Meta;
    use uuid::Uuid;

    fn id(workspace: &str) -> WorkspaceId {
        WorkspaceId::parse(workspace).unwrap()
    }

    /// An append of one commit with so many events, sealed with this key, and what the writer answered.
    fn stored(workspace: &str, first: u64, events: u64, key: u64) -> (SealedAppend, Answer) {
        let event = |index| SealedEvent {
            name: "user.changed".into(),
            schema_version: 1,
            key: Some(key),
            payload: b"sealed".to_vec(),
            plain: Some(format!("event {}", first + index).into_bytes()),
        };
        let commit = SealedCommit {
            meta: Meta::default(),
            events: (0..events).map(event).collect(),
            claims: Vec::new(),
            checkpoint: None,
            stream_key: None,
        };
        let append = SealedAppend {
            workspace: id(workspace),
            stream: StreamId::new("user", Uuid::nil()),
            expected_version: 0,
            key: None,
            commits: vec![commit],
        };
        let last_position = first + events - 1;
        let version = last_position;
        let receipt = crate::Receipt { first_position: first, last_position, version, time: 7 };
        (append, Ok(vec![CommitOutcome::Stored(receipt)]))
    }

    impl Recent {
        fn put(&self, (append, answer): (SealedAppend, Answer)) {
            self.keep(std::iter::once((append, &answer)));
        }

        fn positions(&self, workspace: &str, after: u64, limit: usize) -> Option<Vec<u64>> {
            let found = self.after(&id(workspace), after, limit)?;
            for event in &found {
                let text = format!("event {}", event.position).into_bytes();
                assert_eq!(
                    (&event.payload, event.version),
                    (&Payload::Plain(text), event.position)
                );
            }
            Some(found.iter().map(|event| event.position).collect())
        }
    }

    #[test]
    fn what_follows_on_an_event_that_is_here_is_here() {
        let recent = Recent::new(1 << 20);
        recent.put(stored("acme", 11, 2, 1));
        recent.put(stored("other", 1, 1, 1));
        recent.put(stored("acme", 13, 2, 1));
        assert_eq!(recent.positions("acme", 9, 9), None, "the tenth is not here");
        assert_eq!(recent.positions("acme", 10, 9), Some(vec![11, 12, 13, 14]));
        assert_eq!(recent.positions("acme", 11, 2), Some(vec![12, 13]));
        assert_eq!(recent.positions("acme", 14, 9), None, "nobody knows here what comes after");
        assert_eq!(recent.positions("other", 0, 9), Some(vec![1]));
        assert_eq!(recent.positions("nobody", 0, 9), None);
    }

    #[test]
    fn what_certainly_has_not_changed_is_told() {
        let recent = Recent::new(1 << 20);
        let nothing_since = |after, head, number| {
            let of = StreamId::new("user", Uuid::from_u128(number));
            recent.nothing_since(&id("acme"), (after, head), &|it| *it == of)
        };
        assert!(nothing_since(0, 0, 0) && !nothing_since(0, 1, 0));
        recent.put(stored("acme", 11, 2, 1));
        assert!(nothing_since(10, 12, 1) && nothing_since(11, 12, 1));
        assert!(!nothing_since(10, 12, 0) && !nothing_since(11, 12, 0));
        assert!(nothing_since(12, 12, 0), "nothing comes after the head");
        assert!(!nothing_since(9, 12, 1), "the tenth is not here");
        assert!(!nothing_since(11, 13, 1), "nor is the thirteenth");
    }

    #[test]
    fn the_oldest_go_when_there_is_too_much_of_whatever_workspace() {
        let recent = Recent::new(10 * (EVENT_BYTES + "event 1".len()));
        recent.put(stored("quiet", 1, 1, 1));
        for position in 1..=9 {
            recent.put(stored("acme", position, 1, 1));
        }
        assert_eq!(recent.positions("quiet", 0, 9), Some(vec![1]));
        recent.put(stored("acme", 10, 1, 1));
        assert_eq!(recent.positions("quiet", 0, 9), None);
        recent.put(stored("acme", 11, 3, 1));
        assert_eq!(recent.positions("acme", 3, 9), None);
        assert_eq!(recent.positions("acme", 4, 1), Some(vec![5]));
    }

    #[test]
    fn nothing_is_kept_that_does_not_follow_on_what_is_here() {
        let recent = Recent::new(1 << 20);
        recent.put(stored("acme", 1, 2, 1));
        recent.put(stored("acme", 4, 1, 1));
        assert_eq!(recent.positions("acme", 0, 9), None);
        assert_eq!(recent.positions("acme", 3, 9), Some(vec![4]));
        assert_eq!(lock(&recent.events).order.len(), 1);
    }

    #[test]
    fn what_an_erased_key_sealed_does_not_stay() {
        let recent = Recent::new(1 << 20);
        recent.put(stored("acme", 1, 1, 1));
        recent.put(stored("acme", 2, 1, 2));
        recent.forget(&id("acme"), &BTreeSet::from([3]));
        recent.forget(&id("other"), &BTreeSet::from([2]));
        assert_eq!(recent.positions("acme", 0, 9), Some(vec![1, 2]));
        recent.forget(&id("acme"), &BTreeSet::from([2]));
        assert_eq!((recent.positions("acme", 0, 9), lock(&recent.events).bytes), (None, 0));
    }

    #[test]
    fn of_an_append_only_what_was_stored_is_kept() {
        let recent = Recent::new(1 << 20);
        let (mut append, answer) = stored("acme", 1, 1, 1);
        let (second, _) = stored("acme", 2, 1, 1);
        append.commits.extend(second.commits);
        let mut outcomes = answer.unwrap();
        outcomes.push(CommitOutcome::NotTried);
        recent.put((append, Ok(outcomes)));
        let (refused, _) = stored("acme", 2, 1, 1);
        recent.put((refused, Err(crate::AppendError::Overloaded)));
        assert_eq!(recent.positions("acme", 0, 9), Some(vec![1]));
    }

    #[tokio::test]
    async fn what_is_here_is_read_with_the_keys_that_are_there_now() {
        let clock = Arc::new(crate::ManualClock::at(1));
        let log = crate::SqliteLog::temporary(clock).unwrap();
        let event = crate::NewEvent {
            name: "user.changed".into(),
            schema_version: 1,
            payload: b"Ada".to_vec(),
            seal: crate::Seal::Stream,
        };
        let commit = crate::Commit {
            meta: Meta::default(),
            events: vec![event],
            claims: Vec::new(),
            checkpoint: None,
        };
        let append = crate::StreamAppend {
            workspace: id("acme"),
            stream: StreamId::new("user", Uuid::nil()),
            expected_version: 0,
            commits: vec![commit],
        };
        let log: &dyn crate::EventLog = &*log;
        log.append(append).await.unwrap();
        let read = log.read(&id("acme"), 0, 9).await.unwrap();
        assert_eq!(read[0].payload, Payload::Plain(b"Ada".to_vec()));
        // As when a key is destroyed while its event is on its way: nobody has told what is here.
        let keys = BTreeSet::from([read[0].key.unwrap()]);
        log.keyring().erase_all(&id("acme"), &keys).unwrap();
        let read = log.read(&id("acme"), 0, 9).await.unwrap();
        assert_eq!(read[0].payload, Payload::Erased);
    }
}
