//! The MDM portal: its people, their devices and the policies that devices are under.
//!
//! - `apply`: from facts to rows
//! - `devices`: what is asked of devices and policies
//!
//! "User enrollment" is its accounts; "User groups" are the groups of its connectors, which the
//! directory lists by portal.

mod apply;
mod devices;
#[cfg(test)]
pub(crate) mod tests;

use domain::{Decider, Event, device::Device, portal::Portal, user::User, workspace::Workspace};
use rusqlite::Transaction;

pub use devices::{DeviceRow, Devices, PolicyRow};

use crate::{Projection, Recorded, Table, accounts};

/// The name of the projection.
pub const NAME: &str = "mdm";

/// The version of the tables of devices and policies.
const VERSION: u32 = 2;

/// Fills MDM's people, devices and policies.
pub struct Mdm;

const SCHEMA: &str = concat!(
    accounts::schema!(),
    "
CREATE TABLE devices (
    no          INTEGER PRIMARY KEY,
    workspace   TEXT NOT NULL,
    id          BLOB NOT NULL,
    serial_fold TEXT NOT NULL,
    name_fold   TEXT NOT NULL,
    state       TEXT NOT NULL,
    user        BLOB,
    policy      BLOB,
    device      TEXT NOT NULL  -- The device, as the domain folds it.
) STRICT;
CREATE UNIQUE INDEX devices_by_id ON devices (workspace, id);
CREATE INDEX devices_by_serial ON devices (workspace, serial_fold, id, name_fold);
CREATE INDEX devices_by_user ON devices (workspace, user) WHERE user IS NOT NULL;
CREATE INDEX devices_by_policy ON devices (workspace, policy) WHERE policy IS NOT NULL;

CREATE TABLE policies (
    workspace TEXT NOT NULL,
    id        BLOB NOT NULL,
    name      TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX policies_by_name ON policies (workspace, name);
"
);

const DEVICES: Table = Table {
    name: "devices",
    rows: "SELECT id, serial_fold, name_fold, state, user, policy, device
           FROM devices WHERE workspace = ?1 ORDER BY id",
    forget: "DELETE FROM devices WHERE workspace = ?1",
};
const POLICIES: Table = Table {
    name: "policies",
    rows: "SELECT id, name FROM policies WHERE workspace = ?1 ORDER BY id",
    forget: "DELETE FROM policies WHERE workspace = ?1",
};

impl Projection for Mdm {
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
        &[accounts::ACCOUNTS, accounts::ENTRIES, DEVICES, POLICIES]
    }

    fn hears(&self, event: &Event) -> bool {
        match event {
            Event::User(_) | Event::Device(_) | Event::Workspace(_) => true,
            Event::Group(_) | Event::Publication(_) | Event::Segments(_) => false,
        }
    }

    fn follows(&self, kind: &str) -> bool {
        [User::KIND, Device::KIND, Workspace::KIND].contains(&kind)
    }

    fn streams_are_apart(&self) -> bool {
        true
    }

    fn apply(&self, tx: &Transaction<'_>, event: &Recorded) -> rusqlite::Result<()> {
        match &event.event {
            Event::User(fact) => accounts::apply(tx, Portal::Mdm, event, fact),
            Event::Device(fact) => apply::device(tx, event, fact),
            Event::Workspace(fact) => apply::setting(tx, event, fact),
            Event::Group(_) | Event::Publication(_) | Event::Segments(_) => Ok(()),
        }
    }
}
