//! What a projection is: schema, version, `apply`.

use domain::Event;
use rusqlite::Transaction;

use crate::{Erased, Recorded};

/// A read model, as code: from events to the rows of a file of its own.
///
/// `apply` computes rows from the event and the rows that are there. It reads no clock, makes no id
/// and asks no other projection, so that a rebuild gives the same rows.
pub trait Projection: Send + Sync {
    /// Its name, which is also the beginning of its file's name: `[a-z]+`.
    fn name(&self) -> &'static str;

    /// Raised whenever schema or `apply` change: the next start then builds a new file.
    fn version(&self) -> u32;

    /// The oldest version whose files today's queries can read and today's `apply` can go on with. Such
    /// a file serves while one of this version is built; without one, reads are told to come back.
    fn serves_since(&self) -> u32 {
        self.version()
    }

    /// The statements that make its tables.
    fn schema(&self) -> &'static str;

    /// Its tables, for dumps and parity.
    fn tables(&self) -> &'static [Table];

    /// Whether `apply` may do something with an event. Only saves time: what is not heard does not
    /// open a transaction.
    fn hears(&self, event: &Event) -> bool;

    /// Whether it hears anything of aggregates of this kind, such as `user`: true wherever
    /// [`hears`](Self::hears) is for one of their events. It is asked about events that cannot be read.
    fn follows(&self, kind: &str) -> bool;

    /// Whether what the events of one stream do to the rows is the same whenever those of other
    /// streams come: `apply` neither reads nor counts what another stream has written. The events of a
    /// stream that was held are then applied where they are; else its workspace is built again.
    fn streams_are_apart(&self) -> bool {
        false
    }

    /// Changes the rows as the event says. Total: an event that means nothing here changes nothing.
    ///
    /// # Errors
    /// What SQLite says; the event and those of its stream that follow are then held (see
    /// [`crate::HeldStream`]).
    fn apply(&self, tx: &Transaction<'_>, event: &Recorded) -> rusqlite::Result<()>;

    /// Whether `apply_erased` may do something with an erased event of this name.
    fn hears_erased(&self, _name: &str) -> bool {
        false
    }

    /// Changes the rows as far as what can be seen of an erased event says. For what another row depends
    /// on: a file that met the event while it could be read has to have the same rows.
    ///
    /// # Errors
    /// As for `apply`.
    fn apply_erased(&self, _tx: &Transaction<'_>, _event: &Erased) -> rusqlite::Result<()> {
        Ok(())
    }
}

/// A table, as a dump shows it.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// A query of its rows of the workspace `?1`, in an order of their own, without row numbers that
    /// depend on how workspaces took turns: two files with the same rows give the same lines.
    pub rows: &'static str,
    /// A statement that takes out the rows of the workspace `?1`. Tables are emptied from the last one to
    /// the first, so that one may say by another which rows those are.
    pub forget: &'static str,
}
