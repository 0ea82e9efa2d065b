//! The tables of the directory.
//!
//! A row number is `connector number << 32 | ordinal`, the ordinal counting what that connector ever
//! brought: one range of the table is one connector in the order of creation, which is the order in
//! which lists are shown, and no index is needed for it. Ids are unique within a connector, not
//! beyond: a workspace that is imported beside its original has the same ones.

use scim::schema::Kind;

use crate::Table;

/// How many ordinals one row of `blocks` counts.
pub(super) const BLOCK: i64 = 512;

/// What stands in `display_fold` where there is no displayName: behind every text in an index, which
/// is where a missing value is sorted (RFC 7644 §3.4.2.3).
pub(super) const MISSING: &str = "\u{10ffff}";

/// The row numbers of a connector, from the first that is possible up to the last.
pub(super) fn range(connector: i64) -> (i64, i64) {
    (connector << 32, ((connector + 1) << 32) - 1)
}

/// What a row number says within its connector: the same in every generation of the tables.
pub(super) fn ordinal(no: i64) -> i64 {
    no & 0xffff_ffff
}

/// The block that counts a row.
pub(super) fn block(no: i64) -> i64 {
    ordinal(no) / BLOCK
}

/// How a kind is written in `blocks`.
pub(super) fn kind(kind: Kind) -> i64 {
    match kind {
        Kind::User => 0,
        Kind::Group => 1,
    }
}

pub(super) const SCHEMA: &str = "
CREATE TABLE connectors (
    no           INTEGER PRIMARY KEY,
    workspace    TEXT NOT NULL,
    name         TEXT NOT NULL,
    entries_made INTEGER NOT NULL DEFAULT 0,  -- The last ordinal given.
    groups_made  INTEGER NOT NULL DEFAULT 0,
    entries      INTEGER NOT NULL DEFAULT 0,  -- How many there are now, so that nobody counts.
    groups       INTEGER NOT NULL DEFAULT 0,
    pending      INTEGER NOT NULL DEFAULT 0,
    UNIQUE (workspace, name)
) STRICT;

CREATE TABLE entries (
    no             INTEGER PRIMARY KEY,
    connector      INTEGER NOT NULL,
    id             BLOB NOT NULL,
    user           BLOB NOT NULL,
    user_name      TEXT NOT NULL,
    user_name_fold TEXT NOT NULL,
    display_name   TEXT,
    display_fold   TEXT NOT NULL,     -- U+10FFFF where there is none.
    external_id    TEXT,
    manager        TEXT,              -- Folded.
    active         INTEGER,           -- As the client said; NULL where it did not.
    created        INTEGER NOT NULL,
    modified       INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    resource       TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX entries_by_id ON entries (connector, id);
CREATE UNIQUE INDEX entries_by_user ON entries (connector, user);
CREATE INDEX entries_by_user_name ON entries (connector, user_name_fold);
CREATE INDEX entries_by_display ON entries (connector, display_fold);
CREATE INDEX entries_by_modified ON entries (connector, modified);
CREATE INDEX entries_by_external_id ON entries (connector, external_id)
    WHERE external_id IS NOT NULL;
CREATE INDEX entries_by_manager ON entries (connector, manager) WHERE manager IS NOT NULL;

-- The addresses of an entry, each once.
CREATE TABLE emails (
    connector INTEGER NOT NULL,
    fold      TEXT NOT NULL,
    no        INTEGER NOT NULL,
    PRIMARY KEY (connector, fold, no)
) STRICT, WITHOUT ROWID;

-- How many entries (kind 0) or groups (1) there are among each 512 ordinals, and how many of them
-- are active or are not: counts them, and finds the n-th, without walking there.
CREATE TABLE blocks (
    connector INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    block     INTEGER NOT NULL,
    rows      INTEGER NOT NULL,
    active    INTEGER NOT NULL,
    inactive  INTEGER NOT NULL,
    PRIMARY KEY (connector, kind, block)
) STRICT, WITHOUT ROWID;

CREATE TABLE groups (
    no           INTEGER PRIMARY KEY,
    connector    INTEGER NOT NULL,
    workspace    TEXT NOT NULL,
    portal       TEXT NOT NULL,
    id           BLOB NOT NULL,
    display_name TEXT NOT NULL,
    display_fold TEXT NOT NULL,
    external_id  TEXT,
    members      INTEGER NOT NULL DEFAULT 0,  -- How many rows of `members` it has.
    created      INTEGER NOT NULL,
    modified     INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    resource     TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX groups_by_id ON groups (workspace, id);
CREATE INDEX groups_by_display ON groups (connector, display_fold);
CREATE INDEX groups_by_modified ON groups (connector, modified);
CREATE INDEX groups_in_id_order ON groups (connector, id);
CREATE INDEX groups_by_external_id ON groups (connector, external_id)
    WHERE external_id IS NOT NULL;
CREATE INDEX groups_of_portal ON groups (workspace, portal, display_fold, id);

-- Exactly the members that the group's facts name. Whether one still exists is asked when it is read.
CREATE TABLE members (
    group_no INTEGER NOT NULL,
    member   BLOB NOT NULL,
    PRIMARY KEY (group_no, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_member ON members (member, group_no);

CREATE TABLE pending (
    group_no  INTEGER NOT NULL,
    at        INTEGER NOT NULL,  -- The version of the event that brought the value.
    connector INTEGER NOT NULL,
    value     TEXT NOT NULL,
    fold      TEXT NOT NULL,     -- As a userName, or as an id, would be compared.
    PRIMARY KEY (group_no, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_by_value ON pending (connector, value);
CREATE INDEX pending_by_fold ON pending (connector, fold);
";

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "connectors",
        rows: "SELECT name, entries_made, groups_made, entries, groups, pending
               FROM connectors WHERE workspace = ?1 ORDER BY name",
        forget: "DELETE FROM connectors WHERE workspace = ?1",
    },
    Table {
        name: "entries",
        rows: "SELECT c.name, e.no & 4294967295, e.id, e.user, e.user_name, e.user_name_fold,
                      e.display_name, e.display_fold, e.external_id, e.manager, e.active,
                      e.created, e.modified, e.version, e.resource
               FROM connectors c JOIN entries e
                 ON e.no BETWEEN c.no << 32 AND ((c.no + 1) << 32) - 1
               WHERE c.workspace = ?1 ORDER BY c.name, e.no",
        forget: "DELETE FROM entries
                 WHERE connector IN (SELECT no FROM connectors WHERE workspace = ?1)",
    },
    Table {
        name: "emails",
        rows: "SELECT c.name, m.fold, m.no & 4294967295
               FROM connectors c JOIN emails m ON m.connector = c.no
               WHERE c.workspace = ?1 ORDER BY c.name, m.fold, m.no",
        forget: "DELETE FROM emails
                 WHERE connector IN (SELECT no FROM connectors WHERE workspace = ?1)",
    },
    Table {
        name: "blocks",
        rows: "SELECT c.name, b.kind, b.block, b.rows, b.active, b.inactive
               FROM connectors c JOIN blocks b ON b.connector = c.no
               WHERE c.workspace = ?1 ORDER BY c.name, b.kind, b.block",
        forget: "DELETE FROM blocks
                 WHERE connector IN (SELECT no FROM connectors WHERE workspace = ?1)",
    },
    Table {
        name: "groups",
        rows: "SELECT c.name, g.no & 4294967295, g.portal, g.id, g.display_name, g.display_fold,
                      g.external_id, g.members, g.created, g.modified, g.version, g.resource
               FROM connectors c JOIN groups g
                 ON g.no BETWEEN c.no << 32 AND ((c.no + 1) << 32) - 1
               WHERE c.workspace = ?1 ORDER BY c.name, g.no",
        forget: "DELETE FROM groups WHERE workspace = ?1",
    },
    Table {
        name: "members",
        rows: "SELECT c.name, m.group_no & 4294967295, m.member
               FROM connectors c JOIN members m
                 ON m.group_no BETWEEN c.no << 32 AND ((c.no + 1) << 32) - 1
               WHERE c.workspace = ?1 ORDER BY c.name, m.group_no, m.member",
        forget: "DELETE FROM members
                 WHERE group_no IN (SELECT no FROM groups WHERE workspace = ?1)",
    },
    Table {
        name: "pending",
        rows: "SELECT c.name, p.group_no & 4294967295, p.at, p.value, p.fold
               FROM connectors c JOIN pending p
                 ON p.group_no BETWEEN c.no << 32 AND ((c.no + 1) << 32) - 1
               WHERE c.workspace = ?1 ORDER BY c.name, p.group_no, p.at",
        forget: "DELETE FROM pending
                 WHERE group_no IN (SELECT no FROM groups WHERE workspace = ?1)",
    },
];
