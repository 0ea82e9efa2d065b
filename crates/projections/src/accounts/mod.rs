//! Accounts: the people of one portal, as its pages and `/api/v1` show them.
//!
//! The three portals have one shape of account and a file each, so that one can be rebuilt without
//! the others. A row keeps the user's own state, as the domain folds it, without what no rule of
//! accounts looks at (most of what a connector says of a person); columns beside it are for indices.
//!
//! - `apply`: from facts to rows
//! - `queries`: what is asked of them

mod apply;
mod queries;

pub(crate) use apply::apply;
pub use queries::{AccountRow, Accounts, EntryRef};

use crate::Table;

/// The version of tables and rules; part of the version of every projection that has them.
pub(crate) const VERSION: u32 = 5;

/// The tables, to be put into a projection's schema.
macro_rules! schema {
    () => {
        "
CREATE TABLE accounts (
    no             INTEGER PRIMARY KEY,
    workspace      TEXT NOT NULL,
    user           BLOB NOT NULL,
    standing       INTEGER NOT NULL,  -- 1 while the account is active or suspended.
    account        TEXT NOT NULL,
    user_name_fold TEXT NOT NULL,
    email_fold     TEXT NOT NULL,
    created        INTEGER NOT NULL,  -- When anybody first spoke of the person.
    state          TEXT NOT NULL      -- The user, as the domain folds it.
) STRICT;
CREATE UNIQUE INDEX accounts_by_user ON accounts (workspace, user);
-- Answers a page, filtered by state and by a part of a name, without a look at the rows passed over.
CREATE INDEX accounts_by_name
    ON accounts (workspace, standing, user_name_fold, user, account, email_fold);

CREATE TABLE account_entries (
    workspace TEXT NOT NULL,
    id        BLOB NOT NULL,
    user      BLOB NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;
"
    };
}
pub(crate) use schema;

/// The tables, for dumps.
pub(crate) const ACCOUNTS: Table = Table {
    name: "accounts",
    rows: "SELECT user, standing, account, user_name_fold, email_fold, created, state
           FROM accounts WHERE workspace = ?1 ORDER BY user",
    forget: "DELETE FROM accounts WHERE workspace = ?1",
};
/// See [`ACCOUNTS`].
pub(crate) const ENTRIES: Table = Table {
    name: "account_entries",
    rows: "SELECT id, user FROM account_entries WHERE workspace = ?1 ORDER BY id",
    forget: "DELETE FROM account_entries WHERE workspace = ?1",
};

#[cfg(test)]
mod tests;
