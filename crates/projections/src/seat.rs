//! The place of one projection among the read models: the file that serves and who writes it.

use std::{path::Path, sync::Arc};

use event_log::WorkspaceId;
use parking_lot::{Mutex, RwLock};

use crate::{
    Failure, Projection,
    generation::{Generation, Reader, remove},
    marks::{Halt, Marks},
    recorded::Seen,
    wal::Copier,
    writer::{Stop, Writer},
};

/// One projection, its serving file and its writer.
pub(crate) struct Seat {
    pub(crate) projection: &'static dyn Projection,
    /// Its place in the list.
    pub(crate) index: usize,
    serving: RwLock<Arc<Generation>>,
    /// Whoever holds it decides how far the projection has come.
    pub(crate) writer: Mutex<Writer>,
}

impl Seat {
    /// Opens the file that serves, or makes one. `sound` says whether a file that stands at these
    /// positions can belong to this log; if not, it is thrown away.
    pub(crate) fn open(
        dir: &Path,
        projection: &'static dyn Projection,
        index: usize,
        copier: &Copier,
        sound: impl Fn(&WorkspaceId, u64) -> bool,
    ) -> Result<Self, Failure> {
        let mut generation = Generation::serving(dir, projection)?;
        let mut writer = open_writer(&generation, projection, copier)?;
        if !writer.saved().iter().all(|(workspace, position)| sound(workspace, *position)) {
            tracing::warn!(projection = projection.name(), "it is ahead of the log: starting anew");
            drop(writer);
            remove(generation.path());
            generation = Generation::serving(dir, projection)?;
            writer = open_writer(&generation, projection, copier)?;
        }
        let serving = RwLock::new(Arc::new(generation));
        Ok(Self { projection, index, serving, writer: Mutex::new(writer) })
    }

    /// The file that serves now.
    pub(crate) fn serving(&self) -> Arc<Generation> {
        Arc::clone(&self.serving.read())
    }

    pub(crate) fn reader(&self) -> Result<Reader, Failure> {
        self.serving().reader()
    }

    /// Applies a batch of one workspace, read after `from` and up to `to`, if the projection still
    /// stands there. Returns whether it came further.
    pub(crate) fn follow(
        &self,
        marks: &Marks,
        workspace: &WorkspaceId,
        events: &[Seen],
        (from, to): (u64, u64),
    ) -> bool {
        let mut writer = self.writer.lock();
        if marks.applied(self.index, workspace) != from || from >= to {
            return false;
        }
        match writer.apply(workspace, events.iter(), (from, to)) {
            Ok(()) => {
                marks.reach(self.index, workspace, to);
                writer.tidy();
                true
            }
            Err(Stop { applied, event, error }) => {
                marks.reach(self.index, workspace, applied);
                let (reason, retry) = match event {
                    Some(position) => {
                        (format!("the event at position {position} does not fit: {error}"), false)
                    }
                    None => (format!("its file cannot be written: {error}"), true),
                };
                self.halt(marks, workspace, &reason, retry);
                false
            }
        }
    }

    /// Stops in a workspace, and says so once.
    pub(crate) fn halt(&self, marks: &Marks, workspace: &WorkspaceId, reason: &str, retry: bool) {
        let halt = Halt { reason: reason.into(), retry };
        if marks.halt(self.index, workspace, halt) {
            let (projection, position) =
                (self.projection.name(), marks.applied(self.index, workspace));
            tracing::error!(
                projection, workspace.id = %workspace, log.position = position, reason,
                "a projection has stopped: what it shows is old"
            );
        }
    }
    /// Lets another file serve; whoever calls holds the writer of the old one in `slot`.
    pub(crate) fn swap(&self, slot: &mut Writer, generation: Generation, writer: Writer) {
        let old = std::mem::replace(&mut *self.serving.write(), Arc::new(generation));
        *slot = writer;
        old.close();
        remove(old.path());
    }
}

/// The writer of a file that serves or is about to.
pub(crate) fn open_writer(
    generation: &Generation,
    projection: &'static dyn Projection,
    copier: &Copier,
) -> Result<Writer, Failure> {
    let wal = copier.of(generation.path().to_owned());
    Writer::new(projection, generation.open_to_write()?, Some(wal))
}
