//! Backups of the installation, in the directory that its operator has named.

use std::sync::Arc;

use backup::{Backups, Manifest, Run};

use crate::{App, Refusal};

impl App {
    /// Has backups made by this. Without it there are none.
    pub fn back_up_with(&self, backups: Arc<Backups>) {
        // Once: a server's settings do not change while it runs.
        drop(self.backups.set(backups));
    }

    /// Begins a backup.
    ///
    /// # Errors
    /// [`Refusal::State`] where no directory is configured, or while one is under way.
    pub fn begin_backup(&self) -> Result<Run, Refusal> {
        let none = "no directory for backups is configured: start the server with --backup-dir";
        let backups = self.backups.get().ok_or_else(|| Refusal::State(none.to_owned()))?;
        backups.begin().map_err(|busy| Refusal::State(busy.to_string()))
    }

    /// The last backup that was asked for since the start, and what is in the directory.
    pub fn last_backup(&self) -> (Option<Run>, Option<Manifest>) {
        match self.backups.get() {
            None => (None, None),
            Some(backups) => (backups.last(), backups.manifest()),
        }
    }
}
