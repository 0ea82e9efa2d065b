//! Collaborators: the accounts of the Dashboard.

use domain::{Decider, Event, portal::Portal, user::User};
use rusqlite::Transaction;

use crate::{Projection, Recorded, Table, accounts};

/// Fills the collaborators.
pub struct Dashboard;

impl Projection for Dashboard {
    fn name(&self) -> &'static str {
        "dashboard"
    }

    fn version(&self) -> u32 {
        accounts::VERSION
    }

    fn schema(&self) -> &'static str {
        accounts::schema!()
    }

    fn tables(&self) -> &'static [Table] {
        &[accounts::ACCOUNTS, accounts::ENTRIES]
    }

    fn hears(&self, event: &Event) -> bool {
        matches!(event, Event::User(_))
    }

    fn follows(&self, kind: &str) -> bool {
        kind == User::KIND
    }

    fn streams_are_apart(&self) -> bool {
        true
    }

    fn apply(&self, tx: &Transaction<'_>, event: &Recorded) -> rusqlite::Result<()> {
        match &event.event {
            Event::User(fact) => accounts::apply(tx, Portal::Dashboard, event, fact),
            Event::Workspace(_)
            | Event::Group(_)
            | Event::Device(_)
            | Event::Publication(_)
            | Event::Segments(_) => Ok(()),
        }
    }
}
