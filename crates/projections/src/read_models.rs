//! The read models of a node: opened together, followed by one projector, read from any thread.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
};

use event_log::{AsOf, EventLog, WorkspaceId};
use parking_lot::Mutex;
use tokio::{runtime::Builder, sync::watch};
use uuid::Uuid;

use crate::{
    ALL, Failure, OpenError, Projection, Stale, accounts::Accounts, directory::Directory,
    effects::Effects, generation, generation::Reader, marks::Marks, mdm::Devices,
    projector::Projector, seat::Seat, store::Publications, timeline::Timelines, wal::Copier,
};

/// All read models of a node.
///
/// A read first waits until its projection has caught up ([`ReadModels::caught_up`]), then asks, at
/// once and on its own thread ([`ReadModels::directory`] and the like).
pub struct ReadModels {
    pub(crate) projector: Arc<Projector>,
    pub(crate) dir: PathBuf,
    pub(crate) copier: Copier,
    /// Held by the one build that may run.
    pub(crate) building: Mutex<()>,
    pub(crate) stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Whether the directory goes with them.
    is_past: bool,
}

/// Where read models of the past lie, in the directory of today's.
pub(crate) const PAST: &str = "past";

/// How far a projection has come in a workspace.
#[derive(Clone, Debug)]
pub struct Status {
    /// Which projection.
    pub projection: &'static str,
    /// Its version.
    pub version: u32,
    /// How often it was rebuilt at this version, and one more.
    pub generation: u32,
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// The last position it shows.
    pub position: u64,
    /// The last position of the log.
    pub head: u64,
    /// Why it has stopped, if it has.
    pub stale: Option<Arc<str>>,
}

impl ReadModels {
    /// Opens the files of every projection in a directory, makes those that are missing, and starts
    /// the projector.
    ///
    /// # Errors
    /// [`OpenError`] when the directory or a file in it refuses.
    pub fn open(dir: &Path, log: Arc<dyn EventLog>) -> Result<Arc<Self>, OpenError> {
        // What a crash has left of the past.
        match std::fs::remove_dir_all(dir.join(PAST)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(dir = %dir.display(), %error, "read models of the past stay on disk");
            }
            _ => {}
        }
        Self::with(dir, log, ALL)
    }

    /// Read models of a workspace as it stood at a position, in a directory of that name. They are built
    /// from now on, by a thread of their own, and their files go with them.
    ///
    /// # Errors
    /// [`OpenError`] when the directory refuses.
    pub fn past(&self, name: Uuid, log: Arc<AsOf>) -> Result<Arc<Self>, OpenError> {
        let dir = self.dir.join(PAST).join(name.to_string());
        Self::opened(&dir, log, ALL, true)
    }

    /// The same with other projections.
    pub(crate) fn with(
        dir: &Path,
        log: Arc<dyn EventLog>,
        projections: &'static [&'static dyn Projection],
    ) -> Result<Arc<Self>, OpenError> {
        Self::opened(dir, log, projections, false)
    }

    fn opened(
        dir: &Path,
        log: Arc<dyn EventLog>,
        projections: &'static [&'static dyn Projection],
        is_past: bool,
    ) -> Result<Arc<Self>, OpenError> {
        let failed = |source: Failure| OpenError { dir: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(|error| failed(error.into()))?;
        let copier = Copier::start().map_err(|error| failed(error.into()))?;
        let marks = Marks::new(projections.len());
        let mut seats = Vec::with_capacity(projections.len());
        for (index, projection) in projections.iter().enumerate() {
            let sound = |workspace: &WorkspaceId, position| log.head(workspace) >= position;
            let seat = Seat::open(dir, *projection, index, &copier, sound).map_err(failed)?;
            for (workspace, position) in seat.writer.lock().saved() {
                marks.reach(index, workspace, *position);
            }
            seats.push(seat);
        }
        let serving: Vec<_> = seats.iter().map(|seat| seat.serving().path().to_owned()).collect();
        generation::remove_others(dir, &serving).map_err(failed)?;
        let projector = Arc::new(Projector { log, seats: seats.into(), marks });
        let stop = watch::Sender::new(false);
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.into()))?;
        let (follower, stopped) = (Arc::clone(&projector), stop.subscribe());
        let thread = std::thread::Builder::new()
            .name("projector".to_owned())
            .spawn(move || follower.run(&runtime, stopped))
            .map_err(|error| failed(error.into()))?;
        let thread = Mutex::new(Some(thread));
        let (dir, building) = (dir.to_owned(), Mutex::new(()));
        Ok(Arc::new(Self { projector, dir, copier, building, stop, thread, is_past }))
    }

    /// Waits until a projection shows everything that the workspace's log holds now.
    ///
    /// # Errors
    /// [`Stale`] when it has stopped before.
    pub async fn caught_up(&self, name: &str, workspace: &WorkspaceId) -> Result<(), Stale> {
        let seat = self.seat(name);
        let head = self.projector.log.head(workspace);
        let name = seat.projection.name();
        self.projector.marks.reached(seat.index, name, workspace, head).await
    }

    /// The last position of a workspace that a projection shows.
    pub fn position(&self, name: &str, workspace: &WorkspaceId) -> u64 {
        self.projector.marks.applied(self.seat(name).index, workspace)
    }

    /// A connection that reads a projection's tables.
    ///
    /// # Errors
    /// When its file cannot be opened.
    pub fn reader(&self, name: &str) -> Result<Reader, Failure> {
        self.seat(name).reader()
    }

    /// What SCIM reads.
    pub fn directory(&self) -> Directory<'_> {
        Directory::new(self)
    }

    /// The people of the portals.
    pub fn accounts(&self) -> Accounts<'_> {
        Accounts::new(self)
    }

    /// What is asked of publications.
    pub fn publications(&self) -> Publications<'_> {
        Publications::new(self)
    }

    /// Devices and their policies.
    pub fn devices(&self) -> Devices<'_> {
        Devices::new(self)
    }

    /// What is owed.
    pub fn effects(&self) -> Effects<'_> {
        Effects::new(self)
    }

    /// Which events are about somebody.
    pub fn timelines(&self) -> Timelines<'_> {
        Timelines::new(self)
    }

    /// How far every projection has come in every workspace.
    pub fn status(&self) -> Vec<Status> {
        let Projector { log, seats, marks } = &*self.projector;
        let heads = log.heads();
        let each = seats.iter().flat_map(|seat| heads.iter().map(move |it| (seat, it)));
        each.map(|(seat, (workspace, head))| Status {
            projection: seat.projection.name(),
            version: seat.projection.version(),
            generation: seat.serving().number,
            workspace: workspace.clone(),
            position: marks.applied(seat.index, workspace),
            head: *head,
            stale: marks.halted(seat.index, workspace).map(|halt| halt.reason),
        })
        .collect()
    }

    /// Stops the projector and writes down how far it has come. Reading goes on; waiting does not.
    pub fn close(&self) {
        self.stop.send_replace(true);
        let Some(thread) = self.thread.lock().take() else { return };
        if thread.join().is_err() {
            tracing::error!("the projector had panicked");
        }
        let Projector { log, seats, marks } = &*self.projector;
        for seat in seats {
            let heads = log.heads().into_iter().map(|(workspace, _)| workspace);
            let reached = heads.map(|workspace| {
                let position = marks.applied(seat.index, &workspace);
                (workspace, position)
            });
            if let Err(error) = seat.writer.lock().save_all(reached) {
                let projection = seat.projection.name();
                tracing::warn!(projection, %error, "a checkpoint stays behind");
            }
            seat.serving().close();
        }
    }

    /// The place of a projection that exists: names are constants of this crate.
    pub(crate) fn seat(&self, name: &str) -> &Seat {
        let seats = &self.projector.seats;
        seats
            .iter()
            .find(|seat| seat.projection.name() == name)
            .unwrap_or_else(|| unreachable!("{name:?} is the name of no projection"))
    }
}

impl Drop for ReadModels {
    fn drop(&mut self) {
        self.close();
        if self.is_past
            && let Err(error) = std::fs::remove_dir_all(&self.dir)
        {
            tracing::warn!(dir = %self.dir.display(), %error, "read models of the past stay on disk");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
