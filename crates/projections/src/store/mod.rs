//! The Store: its employees, and the publications with who sees them (rule 17).
//!
//! - `apply`: from facts to rows
//! - `publications`: what is asked of publications
//!
//! What an employee sees is found from their groups: a row for each name in each line of a filter
//! says which line it is of, and how many names that line has. Who sees a publication is found by the
//! directory, from the groups that its filter names.

mod apply;
mod publications;
#[cfg(test)]
mod tests;

use domain::{Decider, Event, portal::Portal, publication::Publication, user::User};
use rusqlite::Transaction;

pub use publications::{PublicationRow, Publications};

use crate::{Projection, Recorded, Table, accounts};

/// The name of the projection.
pub const NAME: &str = "store";

/// The version of the tables of publications.
const VERSION: u32 = 1;

/// Fills the employees and the publications.
pub struct Store;

const SCHEMA: &str = concat!(
    accounts::schema!(),
    "
CREATE TABLE publications (
    workspace TEXT NOT NULL,
    id        BLOB NOT NULL,
    name      TEXT NOT NULL,
    name_fold TEXT NOT NULL,
    everybody INTEGER NOT NULL,  -- 1 where the filter has no line.
    groups    TEXT NOT NULL,     -- The filter, as it was written.
    created   INTEGER NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX publications_by_name ON publications (workspace, name_fold, id);
CREATE INDEX publications_for_everybody ON publications (workspace, name_fold, id)
    WHERE everybody = 1;

-- A row for each name in each line.
CREATE TABLE publication_lines (
    workspace   TEXT NOT NULL,
    fold        TEXT NOT NULL,
    publication BLOB NOT NULL,
    line        INTEGER NOT NULL,
    names       INTEGER NOT NULL,  -- How many names the line has.
    PRIMARY KEY (workspace, fold, publication, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX publication_lines_of ON publication_lines (workspace, publication);
"
);

const PUBLICATIONS: Table = Table {
    name: "publications",
    rows: "SELECT id, name, name_fold, everybody, groups, created
           FROM publications WHERE workspace = ?1 ORDER BY id",
    forget: "DELETE FROM publications WHERE workspace = ?1",
};
const LINES: Table = Table {
    name: "publication_lines",
    rows: "SELECT fold, publication, line, names
           FROM publication_lines WHERE workspace = ?1 ORDER BY fold, publication, line",
    forget: "DELETE FROM publication_lines WHERE workspace = ?1",
};

impl Projection for Store {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> u32 {
        accounts::VERSION * 100 + VERSION
    }

    fn schema(&self) -> &'static str {
        SCHEMA
    }

    fn tables(&self) -> &'static [Table] {
        &[accounts::ACCOUNTS, accounts::ENTRIES, PUBLICATIONS, LINES]
    }

    fn hears(&self, event: &Event) -> bool {
        match event {
            Event::User(_) | Event::Publication(_) => true,
            Event::Workspace(_) | Event::Group(_) | Event::Device(_) | Event::Segments(_) => false,
        }
    }

    fn follows(&self, kind: &str) -> bool {
        [User::KIND, Publication::KIND].contains(&kind)
    }

    fn streams_are_apart(&self) -> bool {
        true
    }

    fn apply(&self, tx: &Transaction<'_>, event: &Recorded) -> rusqlite::Result<()> {
        match &event.event {
            Event::User(fact) => accounts::apply(tx, Portal::Store, event, fact),
            Event::Publication(fact) => apply::publication(tx, event, fact),
            Event::Workspace(_) | Event::Group(_) | Event::Device(_) | Event::Segments(_) => Ok(()),
        }
    }
}
