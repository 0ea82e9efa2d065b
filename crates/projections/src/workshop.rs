//! What all work on read models has in common: the log, the files, and how far each has come.

use std::{path::PathBuf, sync::Arc};

use event_log::EventLog;
use tokio::sync::{Notify, watch};

use crate::{builds::Builds, marks::Marks, seat::Seat, skips::Skips, wal::Copier};

/// Shared by the projector, the mender and whatever builds.
pub(crate) struct Workshop {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) seats: Box<[Seat]>,
    pub(crate) marks: Marks,
    pub(crate) skips: Skips,
    /// Where the files lie.
    pub(crate) dir: PathBuf,
    pub(crate) copier: Copier,
    pub(crate) builds: Arc<Builds>,
    /// Whether everything ends.
    pub(crate) stop: watch::Sender<bool>,
    /// Wakes the mender.
    pub(crate) mend: Notify,
    /// Wakes the builder: a file is damaged.
    pub(crate) repair: Arc<Notify>,
    /// Wakes the projector, which then looks at every workspace.
    pub(crate) catch_up: Notify,
}
