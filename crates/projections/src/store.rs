//! Employees: the accounts of the Store.

use domain::{Event, portal::Portal};
use rusqlite::Transaction;

use crate::{Projection, Recorded, Table, accounts};

/// Fills the employees.
pub struct Store;

impl Projection for Store {
    fn name(&self) -> &'static str {
        "store"
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

    fn apply(&self, tx: &Transaction<'_>, event: &Recorded) -> rusqlite::Result<()> {
        match &event.event {
            Event::User(fact) => accounts::apply(tx, Portal::Store, event, fact),
            Event::Workspace(_) | Event::Group(_) | Event::Device(_) => Ok(()),
        }
    }
}
