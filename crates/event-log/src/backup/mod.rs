//! Copies of a log: made while it is in use, added to, and made into a log again.
//!
//! The copy of `log.db` is a log itself, and grows: events are never changed, so that only those are
//! read that it lacks. It is at every moment the beginning of each workspace's history, whole commits
//! and with its tree, whenever the copying was cut off. What is in use is read page by page, in reads
//! that end at once: a long one would keep the write-ahead log from starting over. Each event is hashed
//! on the way, so that nothing enters a copy that does not fit its leaf and its tree.
//!
//! Claims are not copied. They follow from the events, and whoever makes a log of a copy makes them from
//! these.
//!
//! The log is copied first, then the keys: whatever the copy of the log holds was sealed with keys
//! that were on disk before it, so that the copy of the keys has them. Keys that were destroyed
//! meanwhile are missing from it, which is as it should be. Commands that were given after the
//! copy of the log belong to actions that it shows as not sent yet. The journal comes last; what it tells of
//! events that the copy of the log does not have is taken out where a log is made of it.
//!
//! - `copy`, `page`: events, from one log to another
//! - `small`: the other files, each replaced as a whole
//! - `claims`: what they are, made from the events

mod claims;
mod copy;
mod page;
mod small;

use std::path::{Path, PathBuf};

use crate::WorkspaceId;

pub use claims::{Claims, ClaimsError, Held};
pub use copy::{Copied, Copying, Uncopied, make_sound, tree_at};
pub(crate) use small::sync;
pub use small::{
    cut_journal, cut_journal_beyond, files, first_missing_key, keys, keys_belong, make_whole,
};

/// Stands in a data directory while a restore is at work in it: nobody opens it until that is done.
pub const UNFINISHED: &str = "restore.unfinished";

/// A workspace, and how many of its first events are meant; `None` means all.
pub type Upto = (WorkspaceId, Option<u64>);

/// Where the mark of an unfinished restore lies.
pub fn mark(data_dir: &Path) -> PathBuf {
    data_dir.join(UNFINISHED)
}
