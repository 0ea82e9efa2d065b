//! The mender: tries again what is held, at every start, whenever somebody skips an event, and on a
//! timer that grows slower.
//!
//! Where a projection's streams are apart, the events of a released stream are applied where they are.
//! Elsewhere their place among the others matters, and their workspace is built again beside the file
//! that serves.

use std::{collections::HashMap, sync::Arc, time::Duration};

use event_log::StreamId;
use tokio::{
    runtime::Runtime,
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{
    HeldId, HeldStream, Order, ReadModels, RebuildError,
    batch::{Item, items},
    builds::Purpose,
    fill::Source,
    rebuild::apart,
    skips::Skipped,
    workshop::Workshop,
    writer::Tried,
};

/// How long after it was found a held event is tried again, in seconds; twice as long each time.
const FIRST_SECONDS: u64 = 30;
/// The longest that it is left alone, in seconds.
const LAST_SECONDS: u64 = 3_600;
/// How many events of a stream are read at a time.
const PAGE: usize = 1_000;

/// When something that is held is tried, and what came of that so far.
struct Due {
    when: Instant,
    /// The event that is held.
    position: u64,
    /// How often it was tried here. A build that holds it again begins to count at one.
    tries: u32,
}

/// Tries what is due, until it is told to stop.
pub(crate) fn run(shop: &Arc<Workshop>, runtime: &Runtime, mut stop: watch::Receiver<bool>) {
    // This program may be a newer one than that which held them: all are due at the start.
    let now = Instant::now();
    let due = shop.held().into_iter().map(|held| (held.id(), Due::at(now, &held)));
    let mut due: HashMap<_, _> = due.collect();
    loop {
        let next = shop.mend_what_is_due(&mut due);
        let goes_on = runtime.block_on(async {
            // A notice that came while others were tried has been kept until here.
            let notice = shop.mend.notified();
            let until = async {
                match next {
                    Some(next) => drop(timeout_at(next, notice).await),
                    None => notice.await,
                }
            };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => false,
                () = until => true,
            }
        });
        if !goes_on {
            return;
        }
    }
}

impl Due {
    fn at(when: Instant, held: &HeldStream) -> Self {
        Self { when, position: held.position, tries: 0 }
    }

    /// It was tried, and this is held now.
    fn tried(&mut self, held: &HeldStream) {
        self.tries = if held.position == self.position { self.tries.saturating_add(1) } else { 0 };
        self.position = held.position;
        self.when = Instant::now() + pause(held.attempts.max(self.tries));
    }
}

impl Workshop {
    /// Tries those that are due, and forgets those that are no more; tells when the next one is.
    fn mend_what_is_due(self: &Arc<Self>, due: &mut HashMap<HeldId, Due>) -> Option<Instant> {
        let held = self.held();
        due.retain(|id, _| held.iter().any(|held| held.id() == *id));
        for held in held {
            let (id, now) = (held.id(), Instant::now());
            let known =
                due.entry(id.clone()).or_insert_with(|| Due::at(now + pause(held.attempts), &held));
            if *self.stop.borrow() || (known.when > now && !self.is_skipped(&held)) {
                continue;
            }
            match self.source().map_err(RebuildError::from).and_then(|it| self.mend(&held, &it)) {
                Ok(()) => {}
                Err(RebuildError::Closed) => return None,
                Err(error) => {
                    tracing::warn!(hold = %id, %error, "what is held could not be tried again");
                }
            }
            match self.held_now(&id) {
                Some(held) => known.tried(&held),
                None => drop(due.remove(&id)),
            }
        }
        due.values().map(|it| it.when).min()
    }

    /// Whether a person lets the event pass that is held.
    fn is_skipped(&self, held: &HeldStream) -> bool {
        let known = self.skips.known(&held.workspace);
        known.is_some_and(|it| it.has(held.projection, held.position))
    }

    /// Everything that is held, in the order of projections, workspaces and positions.
    pub(crate) fn held(&self) -> Vec<HeldStream> {
        let mut workspaces: Vec<_> = self.log.heads().into_iter().map(|(it, _)| it).collect();
        workspaces.sort();
        let each = self.seats.iter().flat_map(|seat| workspaces.iter().map(move |it| (seat, it)));
        each.flat_map(|(seat, it)| self.marks.held(seat.index, it).to_vec()).collect()
    }

    /// What is held under a name now.
    pub(crate) fn held_now(&self, id: &HeldId) -> Option<HeldStream> {
        let seat = self.seats.iter().find(|seat| seat.projection.name() == id.projection)?;
        let held = self.marks.held(seat.index, &id.workspace);
        held.iter().find(|held| held.stream == id.stream && held.kind == id.kind).cloned()
    }

    /// Tries a held stream again, and builds again where that is what it takes.
    pub(crate) fn mend(
        self: &Arc<Self>,
        held: &HeldStream,
        source: &Source,
    ) -> Result<(), RebuildError> {
        let workspace = &held.workspace;
        let Some(seat) = self.seats.iter().find(|it| it.projection.name() == held.projection)
        else {
            return Ok(());
        };
        let mut writer = seat.writer.lock();
        // It may be different from what was known when nobody held the writer.
        let Some(held) = writer.held().get(workspace, &held.key()).cloned() else { return Ok(()) };
        let to = self.marks.applied(seat.index, workspace);
        let (items, skipped) = source.stream(&held, to)?;
        let tried = writer.try_again(&held, &items, &skipped, to);
        let tried = tried.inspect_err(|error| seat.look(error));
        let tried = tried.map_err(|error| RebuildError::File(error.into()))?;
        seat.serving().readers.changed();
        self.marks.hold(seat.index, workspace, writer.held().list(workspace));
        drop(writer);
        let id = held.id();
        match tried {
            Tried::Held => tracing::warn!(hold = %id, "it was tried again, and is still held"),
            Tried::Released => tracing::info!(hold = %id, "what was held has been applied"),
            Tried::Rebuild => {
                tracing::info!(hold = %id, "what was held can be applied: building again");
                let projection = Some(held.projection.to_owned());
                let order = Order { projection, workspace: Some(workspace.clone()) };
                self.begin(Purpose::Rebuild, &order)?.run(&mut |_| {})?;
            }
        }
        Ok(())
    }
}

impl Source {
    /// The events of a held stream, from the one that is held up to a position, and what is skipped.
    fn stream(
        &self,
        held: &HeldStream,
        to: u64,
    ) -> Result<(Vec<Item>, Arc<Skipped>), RebuildError> {
        let stream = StreamId::new(held.kind.clone(), held.stream);
        let mut found = Vec::new();
        let mut after = held.version.saturating_sub(1);
        loop {
            let page = self.log.read_stream(&held.workspace, &stream, after, PAGE);
            let page = self.runtime.block_on(page)?;
            let Some(last) = page.last() else { break };
            after = last.version;
            found.extend(page);
        }
        found.retain(|event| event.position <= to);
        let skipped = self.runtime.block_on(Skipped::read(&*self.log, &held.workspace))?;
        Ok((items(found), Arc::new(skipped)))
    }
}

/// How long a held event is left alone after so many tries.
fn pause(attempts: u32) -> Duration {
    let doubled = 2_u64.saturating_pow(attempts.saturating_sub(1));
    Duration::from_secs(FIRST_SECONDS.saturating_mul(doubled).min(LAST_SECONDS))
}

impl ReadModels {
    /// Everything that is held, in the order of projections, workspaces and positions.
    pub fn held(&self) -> Vec<HeldStream> {
        self.shop.held()
    }

    /// Tries a held stream again, now. Gives back what is left of the hold: nothing, once its events
    /// are in the rows.
    ///
    /// Blocks until it is done, which takes a build where the place of the events among others
    /// matters; a thread that has tasks to run had better let another one call it.
    ///
    /// # Errors
    /// [`RebuildError::Unknown`] when nothing is held under that name; what a build may fail with.
    pub fn retry(&self, id: &HeldId) -> Result<Option<HeldStream>, RebuildError> {
        let held = self.shop.held_now(id);
        let held = held.ok_or_else(|| RebuildError::Unknown(id.to_string()))?;
        apart(&mut |_| {}, |_| self.shop.mend(&held, &self.shop.source()?))?;
        Ok(self.shop.held_now(id))
    }
}

#[cfg(test)]
mod tests;
