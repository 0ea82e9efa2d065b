//! Effects owed: offboardings, and the device actions that have not ended.
//!
//! What a device must suffer is a fact of the log (requested) without the fact that ends it; this is
//! where those are found. An action has its *turn* when every earlier one of its device has ended:
//! only then may it be due, so that devices are acted on one step at a time, in the order in which
//! people were offboarded.
//!
//! - `apply`, `erased`: from facts to rows
//! - `actions`, `offboardings`, `holds`: the queries
//! - `queues`: what is due, platform by platform, for the deliverer

mod actions;
mod apply;
mod erased;
mod holds;
mod offboardings;
mod queues;
#[cfg(test)]
mod tests;

use domain::{Decider, Event, device::Device, user::User, workspace::Workspace};
use rusqlite::Transaction;

pub use actions::ActionRow;
pub use holds::{Decided, HoldRow, Offboarded};
pub use offboardings::{OffboardingRow, OffboardingState};
pub use queues::{Owed, OwedIn, Queue};

use crate::{Failure, Projection, ReadModels, Recorded, Table, readers::Reader};

/// The name of the projection.
pub const NAME: &str = "effects";

/// Fills what is owed.
pub struct EffectsProjection;

const SCHEMA: &str = "
CREATE TABLE connectors (
    workspace TEXT NOT NULL,
    name      TEXT NOT NULL,
    portal    TEXT NOT NULL,
    PRIMARY KEY (workspace, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE offboardings (
    workspace TEXT NOT NULL,
    position  INTEGER NOT NULL,  -- Of the event that started it.
    id        BLOB NOT NULL,
    user      BLOB NOT NULL,
    portal    TEXT,              -- NULL when nobody ever added its connector.
    connector TEXT NOT NULL,
    rule      TEXT NOT NULL,
    policy    BLOB,
    state     TEXT NOT NULL,
    started   INTEGER NOT NULL,
    ended     INTEGER,
    planned   INTEGER NOT NULL DEFAULT 0,
    hold      BLOB,              -- NULL unless it was ever held; then by which event, when and why.
    held_position INTEGER,
    held_at   INTEGER,
    because   TEXT,
    braked    INTEGER,
    cancelled TEXT,              -- Why, once it is.
    PRIMARY KEY (workspace, position)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX offboardings_by_id ON offboardings (workspace, id);
CREATE INDEX offboardings_by_state ON offboardings (workspace, state, position);
CREATE INDEX offboardings_by_user ON offboardings (workspace, user, position);
CREATE INDEX offboardings_of_connector
    ON offboardings (workspace, connector, started, user, cancelled);
CREATE INDEX offboardings_of_hold ON offboardings (workspace, hold, state, position)
    WHERE hold IS NOT NULL;

CREATE TABLE holds (
    workspace TEXT NOT NULL,
    position  INTEGER NOT NULL,  -- Of the event by which the first one was held.
    id        BLOB NOT NULL,
    connector TEXT NOT NULL,
    because   TEXT NOT NULL,
    opened    INTEGER NOT NULL,
    braked    INTEGER NOT NULL,  -- 1 unless it is about an Owner alone.
    held      INTEGER NOT NULL,  -- How many offboardings wait for a decision.
    PRIMARY KEY (workspace, position)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX holds_by_id ON holds (workspace, id);
CREATE INDEX holds_open ON holds (workspace, position, connector, braked, held) WHERE held > 0;

CREATE TABLE devices (
    workspace TEXT NOT NULL,
    id        BLOB NOT NULL,
    platform  TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE actions (
    workspace    TEXT NOT NULL,
    position     INTEGER NOT NULL,  -- Of the event that requested it.
    id           BLOB NOT NULL,
    device       BLOB NOT NULL,
    platform     TEXT NOT NULL,     -- Of the device.
    offboarding  BLOB NOT NULL,
    user         BLOB NOT NULL,
    kind         TEXT NOT NULL,
    state        TEXT NOT NULL,
    open         INTEGER NOT NULL,  -- 1 until it has ended.
    turn         INTEGER NOT NULL,  -- 1 while it is the first open one of its device.
    due          INTEGER,           -- NULL while nothing is to be sent.
    received     INTEGER NOT NULL DEFAULT 0,  -- 1 once the service may have had it.
    attempts     INTEGER NOT NULL DEFAULT 0,
    requested    INTEGER NOT NULL,
    reason       TEXT,
    correlation  TEXT NOT NULL,
    PRIMARY KEY (workspace, position)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX actions_by_id ON actions (workspace, id);
CREATE INDEX actions_by_state ON actions (workspace, state, position);
CREATE INDEX actions_by_offboarding ON actions (workspace, offboarding, position);
CREATE INDEX actions_of_device ON actions (workspace, device, position) WHERE open = 1;
CREATE INDEX actions_due ON actions (workspace, platform, due, position)
    WHERE turn = 1 AND due IS NOT NULL;
CREATE INDEX actions_taken ON actions (workspace, platform, position)
    WHERE turn = 1 AND state = 'acknowledged';
CREATE INDEX actions_owed ON actions (workspace, platform, position, requested)
    WHERE open = 1 AND state <> 'parked';

-- Workspaces in which nothing is sent until a person resumes it.
CREATE TABLE suspended (
    workspace TEXT PRIMARY KEY,
    since     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How many actions there are, so that nobody counts.
CREATE TABLE counts (
    workspace TEXT NOT NULL,
    platform  TEXT NOT NULL,
    state     TEXT NOT NULL,
    actions   INTEGER NOT NULL,
    PRIMARY KEY (workspace, platform, state)
) STRICT, WITHOUT ROWID;
";

const TABLES: &[Table] = &[
    Table {
        name: "connectors",
        rows: "SELECT name, portal FROM connectors WHERE workspace = ?1 ORDER BY name",
        forget: "DELETE FROM connectors WHERE workspace = ?1",
    },
    Table {
        name: "offboardings",
        rows: "SELECT position, id, user, portal, connector, rule, policy, state, started, ended,
                      planned, hold, held_position, held_at, because, braked, cancelled
               FROM offboardings WHERE workspace = ?1 ORDER BY position",
        forget: "DELETE FROM offboardings WHERE workspace = ?1",
    },
    Table {
        name: "holds",
        rows: "SELECT position, id, connector, because, opened, braked, held
               FROM holds WHERE workspace = ?1 ORDER BY position",
        forget: "DELETE FROM holds WHERE workspace = ?1",
    },
    Table {
        name: "devices",
        rows: "SELECT id, platform FROM devices WHERE workspace = ?1 ORDER BY id",
        forget: "DELETE FROM devices WHERE workspace = ?1",
    },
    Table {
        name: "actions",
        rows: "SELECT position, id, device, platform, offboarding, user, kind, state, open, turn,
                      due, received, attempts, requested, reason, correlation
               FROM actions WHERE workspace = ?1 ORDER BY position",
        forget: "DELETE FROM actions WHERE workspace = ?1",
    },
    Table {
        name: "suspended",
        rows: "SELECT since FROM suspended WHERE workspace = ?1",
        forget: "DELETE FROM suspended WHERE workspace = ?1",
    },
    Table {
        name: "counts",
        rows: "SELECT platform, state, actions FROM counts WHERE workspace = ?1
               ORDER BY platform, state",
        forget: "DELETE FROM counts WHERE workspace = ?1",
    },
];

impl Projection for EffectsProjection {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> u32 {
        4
    }

    fn schema(&self) -> &'static str {
        SCHEMA
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn hears(&self, event: &Event) -> bool {
        match event {
            Event::User(fact) => apply::hears_user(fact),
            Event::Device(_) | Event::Workspace(_) => true,
            Event::Group(_) | Event::Publication(_) | Event::Segments(_) => false,
        }
    }

    fn follows(&self, kind: &str) -> bool {
        [User::KIND, Device::KIND, Workspace::KIND].contains(&kind)
    }

    fn apply(&self, tx: &Transaction<'_>, event: &Recorded) -> rusqlite::Result<()> {
        match &event.event {
            Event::User(fact) => apply::user(tx, event, fact),
            Event::Device(fact) => apply::device(tx, event, fact),
            Event::Workspace(fact) => apply::setting(tx, event, fact),
            Event::Group(_) | Event::Publication(_) | Event::Segments(_) => Ok(()),
        }
    }
}

/// The queries on what is owed.
#[derive(Clone, Copy)]
pub struct Effects<'a> {
    models: &'a ReadModels,
}

impl<'a> Effects<'a> {
    pub(crate) fn new(models: &'a ReadModels) -> Self {
        Self { models }
    }

    fn reader(self) -> Result<Reader, Failure> {
        self.models.reader(NAME)
    }
}
