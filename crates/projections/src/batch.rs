//! What is read of the log for projections: one event after the other, those too that cannot be read.

use domain::Micros;
use event_log::StoredEvent;
use smol_str::SmolStr;
use uuid::Uuid;

#[cfg(test)]
use crate::Recorded;
use crate::{Projection, ReadError, recorded::Seen};

/// Events that follow on each other in a workspace.
pub(crate) struct Batch {
    pub(crate) items: Vec<Item>,
    /// The last position that was read, erased events included.
    pub(crate) to: u64,
}

/// An event of the log, as far as it can be read.
pub(crate) struct Item {
    stream: Stream,
    place: Place,
    /// What is seen of it, or why it cannot be read.
    seen: Result<Seen, String>,
}

/// An aggregate, among those of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stream {
    pub(crate) kind: SmolStr,
    pub(crate) id: Uuid,
}

/// Where an event stands, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) position: u64,
    pub(crate) version: u64,
    pub(crate) at: Micros,
}

impl Batch {
    /// Reads what came after a position.
    pub(crate) fn of(after: u64, stored: Vec<StoredEvent>) -> Self {
        let to = stored.last().map_or(after, |event| event.position);
        Self { items: items(stored), to }
    }
}

/// Events as far as they can be read.
pub(crate) fn items(stored: Vec<StoredEvent>) -> Vec<Item> {
    let item = |event: StoredEvent| {
        let stream = Stream { kind: event.stream.kind.clone(), id: event.stream.id };
        let StoredEvent { position, version, time: at, .. } = event;
        let seen = Seen::read(event).map_err(|error| in_full(&error));
        Item { stream, place: Place { position, version, at }, seen }
    };
    stored.into_iter().map(item).collect()
}

impl Item {
    /// An event that can be read.
    #[cfg(test)]
    pub(crate) fn of(event: Recorded) -> Self {
        let Recorded { position, version, at, .. } = event;
        let stream = Stream { kind: event.kind.clone(), id: event.stream };
        Self { stream, place: Place { position, version, at }, seen: Ok(Seen::Whole(event)) }
    }

    pub(crate) fn position(&self) -> u64 {
        self.place.position
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Whether a projection may do something with it.
    pub(crate) fn is_heard_by(&self, projection: &dyn Projection) -> bool {
        match &self.seen {
            Ok(seen) => seen.concerns(projection),
            Err(_) => projection.follows(&self.stream.kind),
        }
    }

    /// What is seen of it.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn seen(&self) -> Result<&Seen, &str> {
        self.seen.as_ref().map_err(String::as_str)
    }
}

/// An error with what caused it, in one line.
fn in_full(error: &ReadError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
