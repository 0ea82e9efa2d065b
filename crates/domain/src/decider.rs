//! The shape of every aggregate, and the one adapter to cqrs-es.
//!
//! A [`Decider`] is two pure functions: `decide` answers a command with facts or a refusal, `evolve`
//! folds a fact into the state. [`Es`] makes a cqrs-es `Aggregate` of it, which gives us that
//! framework's given/when/then tests and its event sink; its executor, stores and queries stay
//! unused (they know neither lanes nor receipts, and lose updates in a crash).

use std::{fmt::Debug, sync::Arc};

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Claim, Micros, stored::Fact};

/// Where and when an event stands in the log. While a decision is being made the position is not
/// known yet and is 0; the state is evolved anew from the last committed one once it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The event's position in its workspace, from 1.
    pub position: u64,
    /// The event's version in its stream, from 1.
    pub version: u64,
    /// When it was recorded.
    pub at: Micros,
}

/// An aggregate: state, and the decisions that may be made on it.
pub trait Decider:
    Default + Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The first part of a stream's name, and of its events' names.
    const KIND: &'static str;
    /// What may be asked.
    type Command: Send + Sync + 'static;
    /// What may become a fact.
    type Event: Fact;
    /// Why a command is not carried out: the caller's fault, never ours.
    type Refusal: std::error::Error + Send + Sync + 'static;

    /// The facts that `command` adds. None when everything it asks for is so already.
    fn decide(&self, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// Folds one fact in. Total: whatever was recorded can be folded.
    fn evolve(&mut self, event: &Self::Event, stamp: &Stamp);

    /// What this state holds against every other stream of the workspace.
    fn claims(&self) -> Vec<Claim>;

    /// About how many bytes this state keeps in memory, for a cache that is bounded in bytes.
    fn weight(&self) -> usize;
}

/// One try at a command.
#[derive(Debug)]
pub struct Attempt<C> {
    /// What is asked. Shared, since a conflict makes it be decided again.
    pub command: Arc<C>,
    /// The time at which it is decided, for the draft only: the record's own time counts.
    pub now: Micros,
}

/// A decider with its version, as cqrs-es wants it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Es<D> {
    /// The aggregate's state.
    pub state: D,
    /// The version of the last event folded in; 0 for a stream that does not exist.
    pub version: u64,
    #[serde(skip)]
    now: Micros,
}

impl<D: Decider> Es<D> {
    /// Folds in an event that stands in the log.
    pub fn replay(&mut self, event: &D::Event, stamp: &Stamp) {
        self.version = stamp.version;
        self.state.evolve(event, stamp);
    }
}

impl<D: Decider> Aggregate for Es<D>
where
    D::Event: DomainEvent,
{
    const TYPE: &'static str = D::KIND;
    type Command = Attempt<D::Command>;
    type Event = D::Event;
    type Error = D::Refusal;
    type Services = ();

    async fn handle(
        &mut self,
        attempt: Self::Command,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Self::Error> {
        self.now = attempt.now;
        for event in self.state.decide(&attempt.command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Self::Event) {
        let stamp = Stamp { position: 0, version: self.version + 1, at: self.now };
        self.replay(&event, &stamp);
    }
}
