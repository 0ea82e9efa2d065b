//! The directory: users and groups as SCIM reads them.
//!
//! It shows each connector its own entries and groups, and no other's. What an index cannot answer
//! exactly it only narrows: the evaluator of filters decides on every candidate, so that a filter
//! means the same everywhere.
//!
//! - `schema`: the tables
//! - `apply_users`, `apply_groups`: from facts to rows
//! - `users`, `groups`, `members`: the queries of single rows
//! - `effective`, `audience`: who is in what, through groups within groups
//! - `list`, `search`, `stream`: the lists of SCIM: `plan` finds where a filter's matches are, `keys`,
//!   `order` and `blocks` find them there, `lens` shows the evaluator those on which it has to decide

mod apply_groups;
mod apply_users;
mod audience;
mod blocks;
mod connectors;
mod effective;
mod groups;
mod keys;
mod lens;
mod list;
mod members;
mod order;
mod plan;
mod schema;
mod search;
mod stream;
mod users;

use domain::{Decider, Event, group::Group, user::User};
use rusqlite::Transaction;

pub use audience::Audience;
pub use effective::EffectiveGroup;
pub use groups::GroupRow;
pub use list::{Ask, EXAMINED_MAX, ListError, Listed, Named, Position, Row, SORTED_MAX, Start};
pub use members::MemberRow;
pub use plan::Members;
pub use users::{GroupRefRow, UserRow};

use crate::{Erased, Failure, Projection, ReadModels, Recorded, Table, readers::Reader};

/// The name of the projection.
pub const NAME: &str = "directory";

/// Fills the directory.
pub struct DirectoryProjection;

impl Projection for DirectoryProjection {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> u32 {
        3
    }

    fn schema(&self) -> &'static str {
        schema::SCHEMA
    }

    fn tables(&self) -> &'static [Table] {
        schema::TABLES
    }

    fn hears(&self, event: &Event) -> bool {
        match event {
            Event::User(_) | Event::Group(_) => true,
            Event::Workspace(_) | Event::Device(_) | Event::Publication(_) | Event::Segments(_) => {
                false
            }
        }
    }

    fn follows(&self, kind: &str) -> bool {
        [User::KIND, Group::KIND].contains(&kind)
    }

    fn apply(&self, tx: &Transaction<'_>, event: &Recorded) -> rusqlite::Result<()> {
        match &event.event {
            Event::User(fact) => apply_users::apply(tx, event, fact),
            Event::Group(fact) => apply_groups::apply(tx, event, fact),
            Event::Workspace(_) | Event::Device(_) | Event::Publication(_) | Event::Segments(_) => {
                Ok(())
            }
        }
    }

    fn hears_erased(&self, name: &str) -> bool {
        name == apply_users::ADDED
    }

    fn apply_erased(&self, tx: &Transaction<'_>, event: &Erased) -> rusqlite::Result<()> {
        apply_users::was_added(tx, event)
    }
}

/// The queries of the directory. Each sees one state of it.
#[derive(Clone, Copy)]
pub struct Directory<'a> {
    models: &'a ReadModels,
}

impl<'a> Directory<'a> {
    pub(crate) fn new(models: &'a ReadModels) -> Self {
        Self { models }
    }

    fn reader(self) -> Result<Reader, Failure> {
        self.models.reader(NAME)
    }
}

#[cfg(test)]
mod list_tests;
#[cfg(test)]
mod query_tests;
#[cfg(test)]
mod tests;
