//! Following the record: events as they are recorded.
//!
//! A follower asks for the next part when it has taken the one before, so that a slow one costs no memory,
//! and is woken by the log, so that nobody polls. It is let go when the server ends, when its token opens
//! nothing any more, and when the workspace is closed.

use std::{sync::Arc, time::Duration};

use event_log::{StoredEvent, WorkspaceId};
use tokio::{sync::watch, time::Instant};

use super::events::{EventQuery, Moment};
use crate::{App, Person, Refusal};

/// How long a follower is told nothing at most, in seconds: a connection that is gone shows then, and
/// nobody between takes it for one that is idle.
const QUIET_SECONDS: u64 = 15;

/// What ends followers.
pub(crate) struct Endings(watch::Sender<Ending>);

#[derive(Clone, Copy, Default)]
struct Ending {
    /// The server ends.
    all: bool,
    /// How often somebody may have lost access.
    looks: u64,
}

impl Default for Endings {
    fn default() -> Self {
        Self(watch::Sender::new(Ending::default()))
    }
}

impl Endings {
    /// Has every follower look again whether it still may.
    pub(crate) fn look_again(&self) {
        self.0.send_modify(|ending| ending.looks += 1);
    }
}

/// Somebody who follows the record of a workspace.
pub struct Follower {
    app: Arc<App>,
    person: Person,
    workspace: WorkspaceId,
    query: EventQuery,
    heads: watch::Receiver<u64>,
    endings: watch::Receiver<Ending>,
}

/// What a follower was woken by.
enum Woken {
    ToLook,
    ByTime,
    AtTheEnd,
}

/// What a follower is told next.
#[derive(Clone, Debug)]
pub struct News {
    /// What was recorded, in order; nothing, when nothing was for a while.
    pub items: Vec<StoredEvent>,
    /// Up to which position everything was looked at.
    pub upto: u64,
}

impl App {
    /// Ends everybody's following, for a server that ends.
    pub fn end_following(&self) {
        self.endings.0.send_modify(|ending| ending.all = true);
    }

    /// Begins to follow the record of a workspace, after a position; up to the end of the query, if it has
    /// one.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a stream that cannot be; [`Refusal::State`] for a position that is not
    /// there yet: whoever has had an event of it follows a record that was set back since, and would be told
    /// nothing of what took its place.
    pub async fn follow(
        self: Arc<Self>,
        person: Person,
        workspace: WorkspaceId,
        query: EventQuery,
    ) -> Result<Follower, Refusal> {
        let (after, head) = (query.after, self.log.head(&workspace));
        if after > head {
            return Err(Refusal::State(format!(
                "the record ends at position {head}, before {after}: it was set back by a restore, or {after} \
                 is of another record. What you have of it from a point on may be there no more: compare it \
                 with the events (a restore says up to where in workspace.deliveries_suspended), and go on \
                 after {head} or before"
            )));
        }
        // What is wrong with it is said before anything is answered.
        self.events_by_now(&workspace, &EventQuery { limit: 1, ..query.clone() }).await?;
        let (heads, endings) = (self.log.watch(), self.endings.0.subscribe());
        Ok(Follower { app: self, person, workspace, query, heads, endings })
    }
}

impl Follower {
    /// Waits for the next part. `None` when there will be none.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn next(&mut self) -> Result<Option<News>, Refusal> {
        // What others are told, or nobody who asks like this, is nothing to whoever follows.
        let quiet = Instant::now() + Duration::from_secs(QUIET_SECONDS);
        loop {
            let ending = *self.endings.borrow_and_update();
            if ending.all || !self.still_may().await? {
                return Ok(None);
            }
            let end = self.end().await?;
            if self.query.after >= end {
                return Ok(None);
            }
            let head = self.app.log.head(&self.workspace).min(end);
            if head > self.query.after {
                let news = self.read(head).await?;
                if !news.items.is_empty() || Instant::now() >= quiet {
                    return Ok(Some(news));
                }
                continue;
            }
            match self.woken(quiet).await {
                Woken::ToLook => {}
                Woken::ByTime => {
                    return Ok(Some(News { items: Vec::new(), upto: self.query.after }));
                }
                Woken::AtTheEnd => return Ok(None),
            }
        }
    }

    /// Reads on, up to a position that is there.
    async fn read(&mut self, head: u64) -> Result<News, Refusal> {
        let query = EventQuery { to: Some(Moment::Position(head)), ..self.query.clone() };
        let part = self.app.events_by_now(&self.workspace, &query).await?;
        self.query.after = part.next.unwrap_or(head);
        Ok(News { items: part.items, upto: self.query.after })
    }

    /// Waits until something may be new, or nothing has been for so long.
    async fn woken(&mut self, quiet: Instant) -> Woken {
        let app = Arc::clone(&self.app);
        let (workspace, after) = (self.workspace.clone(), self.query.after);
        // Commits of other workspaces wake too.
        let recorded = self.heads.wait_for(|_| app.log.head(&workspace) > after);
        let quiet = tokio::time::sleep_until(quiet);
        tokio::select! {
            recorded = recorded => match recorded {
                Ok(_) => Woken::ToLook,
                // The log is closed.
                Err(_) => Woken::AtTheEnd,
            },
            _ = self.endings.changed() => Woken::ToLook,
            () = quiet => Woken::ByTime,
        }
    }

    async fn still_may(&self) -> Result<bool, Refusal> {
        match self.app.still_admits(&self.person) {
            Err(Refusal::Unauthorized(_)) => Ok(false),
            Err(failure) => Err(failure),
            Ok(()) => self.app.is_open(&self.workspace).await,
        }
    }

    /// After which position nothing is wanted any more.
    async fn end(&self) -> Result<u64, Refusal> {
        match self.query.to {
            None => Ok(u64::MAX),
            Some(Moment::Position(position)) => Ok(position),
            Some(Moment::Time(time)) if self.app.now() <= time => Ok(u64::MAX),
            Some(Moment::Time(time)) => Ok(self.app.log.position_at(&self.workspace, time).await?),
        }
    }
}
