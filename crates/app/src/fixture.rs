//! An app over a log that lives as long as a test, and in which no policy runs.

use std::sync::Arc;

use event_log::{ManualClock, SqliteLog};
use projections::ReadModels;
use tempfile::TempDir;

use crate::{App, CountedIds, Notary, Parts};

/// The app, and the directory of its read models.
pub(crate) fn app() -> (Arc<App>, TempDir) {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::default()));
    let log = SqliteLog::temporary(Arc::clone(&clock) as _).unwrap();
    let app = App::new(Parts {
        read_models: ReadModels::open(dir.path(), Arc::clone(&log) as _).unwrap(),
        log,
        clock,
        ids: Arc::new(CountedIds::default()),
        public_url: String::new(),
        admin_digest: crate::admin_digest("owner"),
        notary: Arc::new(Notary::temporary().unwrap()),
    });
    (app, dir)
}
