//! A copy of the log, made while it is in use.
//!
//! The log is copied first, then the keys: whatever the copy of the log holds was sealed with keys
//! that were on disk before it, so that the copy of the keys has them. Keys that were destroyed
//! meanwhile are missing from it, which is as it should be. Commands that were given after the
//! copy of the log belong to actions that it shows as not sent yet. The journal comes last; nothing depends on
//! how far it has come.

use std::fs::File;
use std::path::Path;

use rusqlite::Connection;

use crate::{Failure, schema};

/// Copies the files from one directory to another, which has none of them.
pub(crate) fn copy(from: &Path, into: &Path) -> Result<(), Failure> {
    let doing = "making a backup";
    for name in ["log.db", "keys.db", "commands.db", "journal.db"] {
        let conn = schema::open_reader(&from.join(name)).map_err(Failure::storage(doing))?;
        let target = into.join(name);
        vacuum(&conn, &target).map_err(Failure::storage(doing))?;
        // SQLite leaves the copy in the page cache.
        File::open(&target).and_then(|file| file.sync_all()).map_err(Failure::storage(doing))?;
    }
    File::open(into).and_then(|dir| dir.sync_all()).map_err(Failure::storage(doing))
}

/// Copies what is in use, in one snapshot. Nobody waits for it, nor it for them.
fn vacuum(conn: &Connection, target: &Path) -> rusqlite::Result<()> {
    conn.execute("VACUUM INTO ?1", [target.to_string_lossy()]).map(drop)
}
