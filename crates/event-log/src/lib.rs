//! The event log: what happened in every workspace, in order, for ever.
//!
//! It appends, reads and proves; it knows no domain, and a payload is bytes to it. The workspace
//! is the unit of order, integrity and erasure: its positions run 1, 2, 3, … without a gap, it has
//! a Merkle tree of its own, and nothing is ordered across workspaces. What may exist only once
//! is a [`Claim`], taken or refused in the append's own transaction. What is personal is sealed
//! with a key that lies beside the log, so that destroying the key erases the person while every
//! hash still holds.
//!
//! Start at [`EventLog`]; [`SqliteLog`] is the one that lies in files.
//!
//! Invariant: an acknowledged append is on disk, and so is every key it was sealed with.
//! Invariant: nothing public depends on a row number of the engine, so that a workspace can move.
//! Invariant: an event, once stored, is never changed; a leaf of the tree covers all its fields.

mod append;
mod as_of;
pub mod backup;
mod batch;
mod claims;
mod clock;
pub mod commands;
mod failure;
mod find;
mod ids;
mod job;
pub mod journal;
mod keyfile;
mod keys;
mod leaf;
pub mod ledger;
mod log;
mod master;
pub mod moving;
mod nodes;
mod proof;
mod queue;
mod readers;
mod reading;
mod recent;
mod rows;
mod schema;
mod seal;
mod seek;
mod shared;
mod sqlite;
mod stats;
mod stored;
mod sync;
mod tree;
mod verify;
mod wal;
mod writer;

pub use append::{
    AppendError, Checkpoint, Claim, ClaimChange, Commit, CommitOutcome, Meta, NewEvent, Receipt,
    Seal, StreamAppend,
};
pub use as_of::AsOf;
pub use clock::{Clock, ManualClock, Micros, SystemClock};
pub use commands::Commands;
pub use failure::{Failure, OpenError};
pub use find::EventFilter;
pub use ids::{InvalidWorkspaceId, StreamId, WorkspaceId};
pub use journal::Journal;
pub use keys::Keyring;
pub use leaf::Leaf;
pub use ledger::{Erasure, Ledger};
pub use log::{BoxFuture, EventLog};
pub use master::MasterKey;
pub use proof::{verify_consistency, verify_inclusion};
pub use sqlite::{SqliteLog, SqliteOptions};
pub use stats::Stats;
pub use stored::{Fault, Hash, Inclusion, Kept, Payload, StoredEvent, TreeHead, Verdict};
pub use tree::Edge;
