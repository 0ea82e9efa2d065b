//! Timelines: which events are about somebody that do not stand in their own stream.
//!
//! What happens to a person stands in their stream; that they came into a group, got a device, or that
//! something was done to their device, stands in those of groups and devices. Here is a row for each such
//! event and each person whom it is about, so that a timeline is found by one look into an index, and is
//! never looked for in the log.
//!
//! A row holds ids and a position, and nothing that was said about anybody. There is one for each
//! membership that ever began or ended: about 60 bytes.
//!
//! - `apply`: from facts to rows
//! - `queries`: the positions of somebody's timeline

mod apply;
mod queries;
#[cfg(test)]
mod tests;

use domain::{Decider, Event, device::Device, group::Group};
use rusqlite::Transaction;

pub use queries::Timelines;

use crate::{Erased, Projection, Recorded, Table};

/// The name of the projection.
pub const NAME: &str = "timeline";

/// Fills the rows.
pub struct Timeline;

const SCHEMA: &str = "
-- An event of another stream that is about somebody.
CREATE TABLE mentions (
    workspace TEXT NOT NULL,
    subject   BLOB NOT NULL,     -- As the event names them: a user's id, or the SCIM id of an entry.
    position  INTEGER NOT NULL,
    grp       BLOB,              -- The group that they came into or went from.
    came      INTEGER,           -- 1 when they came, 0 when they went.
    PRIMARY KEY (workspace, subject, position)
) STRICT, WITHOUT ROWID;

-- The groups that were deleted: whoever was in one then was not told apart from the others.
CREATE TABLE deleted (
    workspace TEXT NOT NULL,
    grp       BLOB NOT NULL,
    position  INTEGER NOT NULL,
    PRIMARY KEY (workspace, grp)
) STRICT, WITHOUT ROWID;

-- Who has a device, since most of its events do not say it.
CREATE TABLE holders (
    workspace TEXT NOT NULL,
    device    BLOB NOT NULL,
    user      BLOB NOT NULL,
    PRIMARY KEY (workspace, device)
) STRICT, WITHOUT ROWID;

-- Whom an action on a device is about, likewise.
CREATE TABLE actions (
    workspace TEXT NOT NULL,
    id        BLOB NOT NULL,
    user      BLOB NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;
";

const TABLES: &[Table] = &[
    Table {
        name: "mentions",
        rows: "SELECT subject, position, grp, came FROM mentions WHERE workspace = ?1
               ORDER BY subject, position",
        forget: "DELETE FROM mentions WHERE workspace = ?1",
    },
    Table {
        name: "deleted",
        rows: "SELECT grp, position FROM deleted WHERE workspace = ?1 ORDER BY grp",
        forget: "DELETE FROM deleted WHERE workspace = ?1",
    },
    Table {
        name: "holders",
        rows: "SELECT device, user FROM holders WHERE workspace = ?1 ORDER BY device",
        forget: "DELETE FROM holders WHERE workspace = ?1",
    },
    Table {
        name: "actions",
        rows: "SELECT id, user FROM actions WHERE workspace = ?1 ORDER BY id",
        forget: "DELETE FROM actions WHERE workspace = ?1",
    },
];

/// What a device records when it gets a name.
const NAMED: &str = "device.named";

impl Projection for Timeline {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static str {
        SCHEMA
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn hears(&self, event: &Event) -> bool {
        match event {
            Event::Group(_) | Event::Device(_) => true,
            Event::User(_) | Event::Workspace(_) | Event::Publication(_) | Event::Segments(_) => {
                false
            }
        }
    }

    fn follows(&self, kind: &str) -> bool {
        [Group::KIND, Device::KIND].contains(&kind)
    }

    fn streams_are_apart(&self) -> bool {
        true
    }

    fn apply(&self, tx: &Transaction<'_>, event: &Recorded) -> rusqlite::Result<()> {
        match &event.event {
            Event::Group(fact) => apply::group(tx, event, fact),
            Event::Device(fact) => apply::device(tx, event, fact),
            Event::User(_) | Event::Workspace(_) | Event::Publication(_) | Event::Segments(_) => {
                Ok(())
            }
        }
    }

    fn hears_erased(&self, name: &str) -> bool {
        name == NAMED
    }

    fn apply_erased(&self, tx: &Transaction<'_>, event: &Erased) -> rusqlite::Result<()> {
        apply::erased_name(tx, event)
    }
}
