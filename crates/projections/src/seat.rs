//! The place of one projection among the read models: the file that serves and who writes it.

use std::{path::Path, sync::Arc};

use event_log::WorkspaceId;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::{
    Failure, HeldStream, Order, Projection, RebuildError, Unsound,
    batch::Batch,
    builds::Ticket,
    damage::Damage,
    generation::{self, Generation, remove},
    integrity,
    marks::Marks,
    readers::Reader,
    skips::Skipped,
    wal::Copier,
    writer::Writer,
};

/// One projection, its serving file and its writer.
pub(crate) struct Seat {
    pub(crate) projection: &'static dyn Projection,
    /// Its place in the list.
    pub(crate) index: usize,
    serving: RwLock<Arc<Generation>>,
    /// Whoever holds it decides how far the projection has come.
    pub(crate) writer: Mutex<Writer>,
    /// What is known of damages to its files.
    pub(crate) damage: Arc<Damage>,
}

impl Seat {
    /// Opens the file that serves. Where there is none, and `fills` says so, an empty one is filled by the
    /// projector; else it is vacant until one is built. `sound` says whether a file that stands at these
    /// positions can belong to this log; if not, it is thrown away, and so is one that is damaged. `repair`
    /// is woken when the file is found damaged later.
    pub(crate) fn open(
        dir: &Path,
        projection: &'static dyn Projection,
        index: usize,
        copier: &Copier,
        sound: impl Fn(&WorkspaceId, u64) -> bool,
        (fills, repair): (bool, &Arc<Notify>),
    ) -> Result<Self, Failure> {
        let is_sound = |writer: &Writer| writer.saved().iter().all(|(it, at)| sound(it, *at));
        let damage = Arc::new(Damage::new(projection.name(), repair));
        let (mut found, mut lost) = (None, 0);
        while let Some(generation) = Generation::serving(dir, projection, lost)? {
            let name = projection.name();
            if generation.is_condemned() {
                lost = generation.number;
                tracing::error!(projection = name, "its file was found damaged: starting anew");
                remove(generation.path());
                continue;
            }
            match open_writer(&generation, projection, copier) {
                Ok(writer) if is_sound(&writer) => {
                    found = Some((generation, writer));
                    break;
                }
                Ok(_) => tracing::warn!(projection = name, "it is ahead of the log: starting anew"),
                Err(error) if error.is_damage() => {
                    lost = generation.number;
                    tracing::error!(projection = name, %error, "its file is damaged: starting anew");
                }
                Err(error) => return Err(error),
            }
            remove(generation.path());
        }
        if lost > 0 {
            damage.condemn(if fills || found.is_some() { 0 } else { lost });
        }
        let next = found.as_ref().map_or(lost, |(generation, _)| generation.number) + 1;
        let left = generation::path(dir, projection, next);
        if let Some(unfinished) = generation::unfinished(&left, projection) {
            let writer = Writer::new(projection, unfinished.connection, None);
            if !writer.is_ok_and(|writer| is_sound(&writer)) {
                remove(&left);
            }
        }
        let (generation, writer) = if let Some(found) = found {
            found
        } else {
            let generation = if fills {
                Generation::remove_old(dir, projection)?;
                Generation::first(dir, projection)?
            } else {
                Generation::placeholder(dir, projection, lost)?
            };
            let writer = open_writer(&generation, projection, copier)?;
            (generation, writer)
        };
        let serving = RwLock::new(Arc::new(generation));
        Ok(Self { projection, index, serving, writer: Mutex::new(writer), damage })
    }

    /// What was to be built and was not ended.
    pub(crate) fn unfinished(&self, dir: &Path) -> Option<Order> {
        let path = generation::path(dir, self.projection, self.serving().number + 1);
        let left = generation::unfinished(&path, self.projection)?;
        let projection = Some(self.projection.name().to_owned());
        Some(Order { projection, workspace: left.workspace })
    }

    /// The file that serves now.
    pub(crate) fn serving(&self) -> Arc<Generation> {
        Arc::clone(&self.serving.read())
    }

    pub(crate) fn reader(&self) -> Result<Reader, Failure> {
        Reader::of(self.serving(), &self.damage)
    }

    /// Whether the file that serves was found damaged, and is to be built again.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damage.is_of(self.serving().number)
    }

    /// Whether it was found damaged, and building has mended nothing.
    pub(crate) fn rests(&self) -> bool {
        self.damage.rests(self.serving().number)
    }

    /// Whoever writes the file that serves has met an error.
    pub(crate) fn look(&self, error: &rusqlite::Error) {
        self.damage.look(self.serving().number, error);
    }

    /// Looks through the file that serves. One that is damaged is built again.
    ///
    /// # Errors
    /// As for [`integrity::check`].
    pub(crate) fn check(&self, ticket: &Ticket) -> Result<Option<Unsound>, RebuildError> {
        let serving = self.serving();
        let Some(says) = integrity::check(&serving, self.projection, ticket)? else {
            return Ok(None);
        };
        // It may have given way to another one meanwhile, and be gone.
        if self.serving().number != serving.number {
            return Ok(None);
        }
        self.damage.found(serving.number, &says);
        // Here and now: whoever checks without a server ends before anybody has built.
        serving.condemn().map_err(Failure::from)?;
        Ok(Some(Unsound { projection: self.projection.name(), says }))
    }

    /// Applies a batch of one workspace, read after `from`, if the projection still stands there.
    /// Returns whether it came further.
    pub(crate) fn follow(
        &self,
        marks: &Marks,
        workspace: &WorkspaceId,
        (batch, skipped): (&Batch, &Skipped),
        from: u64,
    ) -> bool {
        let mut writer = self.writer.lock();
        if marks.applied(self.index, workspace) != from || from >= batch.to {
            return false;
        }
        writer.suspects_file = self.damage.may_repair();
        match writer.apply(workspace, batch.items.iter(), skipped, batch.to) {
            Ok(found) => {
                let serving = self.serving();
                serving.readers.changed();
                if !found.is_empty() {
                    found.iter().for_each(say);
                    marks.hold(self.index, workspace, writer.held().list(workspace));
                }
                marks.reach(self.index, workspace, batch.to);
                writer.tidy(&serving.readers);
                true
            }
            Err(error) => {
                self.look(&error);
                self.halt(marks, workspace, &format!("its file cannot be written: {error}"));
                false
            }
        }
    }

    /// Stops in a workspace, and says so once.
    pub(crate) fn halt(&self, marks: &Marks, workspace: &WorkspaceId, reason: &str) {
        if marks.halt(self.index, workspace, reason) {
            let (projection, position) =
                (self.projection.name(), marks.applied(self.index, workspace));
            tracing::error!(
                projection, workspace.id = %workspace, log.position = position, reason,
                "a projection has stopped: what it shows is old"
            );
        }
    }

    /// Files of older versions are of no use once one of today's serves.
    fn remove_old(&self, beside: &Path) {
        let dir = beside.parent().unwrap_or_else(|| Path::new("."));
        if let Err(error) = Generation::remove_old(dir, self.projection) {
            tracing::warn!(projection = self.projection.name(), %error, "old read models stay");
        }
    }

    /// Lets another file serve; whoever calls holds the writer of the old one in `slot`.
    pub(crate) fn swap(&self, slot: &mut Writer, generation: Generation, writer: Writer) {
        let old = std::mem::replace(&mut *self.serving.write(), Arc::new(generation));
        *slot = writer;
        old.readers.close();
        remove(old.path());
        self.remove_old(old.path());
    }
}

/// Raises the alarm: somebody has to look.
fn say(held: &HeldStream) {
    tracing::error!(
        hold = %held.id(), log.position = held.position, reason = %held.reason,
        "an event cannot be applied: it and what follows in its stream are held"
    );
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
