//! The read models of a node: opened together, followed by one projector, read from any thread.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use event_log::{AsOf, EventLog, WorkspaceId};
use parking_lot::Mutex;
use tokio::{
    runtime::{Builder, Runtime},
    sync::{Notify, watch},
    time::timeout,
};
use uuid::Uuid;

use crate::{
    ALL, Failure, HeldStream, OpenError, Projection, Stale,
    accounts::Accounts,
    builds::Builds,
    directory::Directory,
    effects::Effects,
    marks::Marks,
    mdm::Devices,
    mender,
    past::{self, Past},
    power, private, projector,
    readers::Reader,
    rebuild,
    seat::Seat,
    skips::Skips,
    store::Publications,
    timeline::Timelines,
    wal::Copier,
    workshop::Workshop,
};

/// All read models of a node.
///
/// A read first waits until its projection has caught up ([`ReadModels::caught_up`]), then asks, at
/// once and on its own thread ([`ReadModels::directory`] and the like).
pub struct ReadModels {
    pub(crate) shop: Arc<Workshop>,
    /// The projector, the mender and the builder; or the one that builds a past.
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// What they have that are of the past; the directory goes with those.
    pub(crate) past: Option<Arc<Past>>,
    /// Whose turn it is to build a past.
    turns: past::Turns,
    /// How far the log went when they were opened.
    heads_at_start: Vec<(WorkspaceId, u64)>,
    /// Whether they have come so far.
    is_started: AtomicBool,
    /// Goes last: whoever waits for that knows that the files of a past are gone.
    pub(crate) alive: watch::Sender<()>,
}

/// Below how many events a file is filled by the projector when there is none; reads wait for that. Tests
/// of builds are done with fewer.
const FILLED_BELOW: u64 = if cfg!(test) { 1 } else { 10_000 };
/// How long a read waits for a file that is being built, in seconds, before it is told to come back.
const VACANT_SECONDS: u64 = 2;
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
    /// How many streams it holds back.
    pub held: usize,
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

    /// Read models of a workspace as it stood at a position, in a directory of that name. Each is built
    /// when it is asked for, by a thread of their own, and their files go with them.
    ///
    /// # Errors
    /// [`OpenError`] when the directory refuses.
    pub fn past(&self, name: Uuid, log: Arc<AsOf>) -> Result<Arc<Self>, OpenError> {
        self.past_on(name, log, past::Terms::default())
    }

    /// The same on other terms.
    pub(crate) fn past_on(
        &self,
        name: Uuid,
        log: Arc<AsOf>,
        terms: past::Terms,
    ) -> Result<Arc<Self>, OpenError> {
        let dir = self.shop.dir.join(PAST).join(name.to_string());
        let events = log.heads().iter().map(|(_, head)| head).sum();
        let past = Past::new(self.sizes_of(events), self.turns.clone(), terms);
        Self::opened(&dir, log, ALL, Some(past))
    }

    /// The same with other projections.
    pub(crate) fn with(
        dir: &Path,
        log: Arc<dyn EventLog>,
        projections: &'static [&'static dyn Projection],
    ) -> Result<Arc<Self>, OpenError> {
        Self::opened(dir, log, projections, None)
    }

    pub(crate) fn opened(
        dir: &Path,
        log: Arc<dyn EventLog>,
        projections: &'static [&'static dyn Projection],
        past: Option<Past>,
    ) -> Result<Arc<Self>, OpenError> {
        let failed = |source: Failure| OpenError { dir: dir.to_owned(), source };
        private::make_dir(dir).map_err(|error| failed(error.into()))?;
        if past.is_none() {
            power::discard(dir).map_err(failed)?;
        }
        let copier = Copier::start().map_err(|error| failed(error.into()))?;
        let (marks, repair) = (Marks::new(projections.len()), Arc::default());
        // What is small is filled by the projector; what would keep everybody waiting is built.
        let heads_at_start = log.heads();
        let events: u64 = heads_at_start.iter().map(|(_, head)| head).sum();
        let fills = past.is_none() && events < FILLED_BELOW;
        let mut seats = Vec::with_capacity(projections.len());
        for (index, projection) in projections.iter().enumerate() {
            let sound = |workspace: &WorkspaceId, position| log.head(workspace) >= position;
            let seat = Seat::open(dir, *projection, index, &copier, sound, (fills, &repair));
            let seat = seat.map_err(failed)?;
            if seat.serving().is_placeholder {
                marks.vacate(index);
            }
            let writer = seat.writer.lock();
            for (workspace, position) in writer.saved() {
                marks.reach(index, workspace, *position);
            }
            for workspace in writer.held().workspaces() {
                marks.hold(index, workspace, writer.held().list(workspace));
            }
            drop(writer);
            seats.push(seat);
        }
        let shop = Arc::new(Workshop {
            log,
            seats: seats.into(),
            marks,
            skips: Skips::default(),
            dir: dir.to_owned(),
            copier,
            builds: Builds::of_dir(dir),
            stop: watch::Sender::new(false),
            mend: Notify::new(),
            repair,
            catch_up: Notify::new(),
        });
        let past = past.map(Arc::new);
        let threads = if let Some(past) = past.clone() {
            // Nothing is followed, and nothing mended: what it took came later.
            vec![start("past", &shop, move |shop, runtime, stop| {
                past::run(shop, &past, runtime, stop);
            })]
        } else {
            let project = |shop: &Arc<Workshop>, runtime: &Runtime, stop| {
                projector::run(shop, runtime, stop);
            };
            vec![
                start("projector", &shop, project),
                start("mender", &shop, mender::run),
                start("builder", &shop, rebuild::run),
            ]
        };
        let threads = threads.into_iter().collect::<Result<_, _>>().map_err(failed)?;
        let (threads, is_started) = (Mutex::new(threads), AtomicBool::new(false));
        let turns = past::Turns::default();
        let alive = watch::Sender::new(());
        Ok(Arc::new(Self { shop, threads, past, turns, heads_at_start, is_started, alive }))
    }

    /// Waits until every projection of which a file serves has seen what the log held at the start: what is
    /// held back of that is known from then on. One that has stopped is not waited for.
    pub async fn started(&self) {
        if self.is_started.load(Ordering::Relaxed) {
            return;
        }
        for seat in self.shop.seats.iter().filter(|it| !self.shop.marks.is_vacant(it.index)) {
            let name = seat.projection.name();
            for (workspace, head) in &self.heads_at_start {
                // Why it has stopped, whoever reads is told.
                tokio::select! {
                    _ = self.shop.marks.reached(seat.index, name, workspace, *head) => {}
                    () = self.shop.marks.vacated(seat.index) => {}
                }
            }
        }
        self.is_started.store(true, Ordering::Relaxed);
    }

    /// Waits until a projection shows everything that the workspace's log holds now, and holds
    /// nothing back. For whoever decides by what it shows.
    ///
    /// # Errors
    /// [`Stale`] when it has stopped before, or holds something back.
    pub async fn caught_up(&self, name: &str, workspace: &WorkspaceId) -> Result<(), Stale> {
        let held = self.followed(name, workspace).await?;
        held.first().map_or(Ok(()), |held| Err(held.into()))
    }

    /// Waits until a projection has seen everything that the workspace's log holds now. Gives back what
    /// it holds back: of those streams what it shows is old, or missing.
    ///
    /// # Errors
    /// [`Stale`] when it has stopped before.
    pub async fn followed(
        &self,
        name: &str,
        workspace: &WorkspaceId,
    ) -> Result<Arc<[HeldStream]>, Stale> {
        self.followed_to(name, workspace, self.shop.log.head(workspace)).await
    }

    /// The same up to a position.
    ///
    /// # Errors
    /// [`Stale`] when it has stopped before.
    pub async fn followed_to(
        &self,
        name: &str,
        workspace: &WorkspaceId,
        position: u64,
    ) -> Result<Arc<[HeldStream]>, Stale> {
        let seat = self.seat(name);
        let name = seat.projection.name();
        if let Some(past) = &self.past {
            self.built(past, seat, workspace).await?;
        } else if self.shop.marks.is_vacant(seat.index) {
            let occupied = self.shop.marks.occupied(seat.index);
            if timeout(Duration::from_secs(VACANT_SECONDS), occupied).await.is_err() {
                return Err(self.vacant(seat, workspace));
            }
        }
        tokio::select! {
            biased;
            reached = self.shop.marks.reached(seat.index, name, workspace, position) => reached?,
            // Its file was found damaged meanwhile: nothing is applied before another one serves.
            () = self.shop.marks.vacated(seat.index) => return Err(self.vacant(seat, workspace)),
        }
        Ok(self.shop.marks.held(seat.index, workspace))
    }

    /// The last position of a workspace that a projection shows, and everything before it. `None` while
    /// that cannot be said of any: nothing serves, its file or the log refuses, or something is held back.
    pub fn shows(&self, name: &str, workspace: &WorkspaceId) -> Option<u64> {
        let (marks, index) = (&self.shop.marks, self.seat(name).index);
        // Asked for first: what is held back by the time that it is reached is known then.
        let position = marks.applied(index, workspace);
        let is_whole = !marks.is_vacant(index)
            && !marks.is_refused(index, workspace)
            && marks.held(index, workspace).is_empty();
        is_whole.then_some(position)
    }

    /// How many files of each projection were found damaged since the start.
    pub fn damages(&self) -> Vec<(&'static str, u64)> {
        let seats = self.shop.seats.iter();
        seats.map(|seat| (seat.projection.name(), seat.damage.times())).collect()
    }

    /// Whether any file that serves is damaged.
    pub fn is_damaged(&self) -> bool {
        self.shop.seats.iter().any(Seat::is_damaged)
    }

    /// The projections whose file cannot be read though it was built again and again: that is not tried any
    /// more for now.
    pub fn past_mending(&self) -> Vec<&'static str> {
        let resting = self.shop.seats.iter().filter(|seat| seat.rests());
        resting.map(|seat| seat.projection.name()).collect()
    }

    /// Whether any projection does not show the whole of what happened in a workspace, and which.
    pub fn stale_in(&self, workspace: &WorkspaceId) -> Vec<&'static str> {
        let Workshop { seats, marks, .. } = &*self.shop;
        let stale = seats.iter().filter(|seat| {
            !marks.held(seat.index, workspace).is_empty()
                || marks.is_vacant(seat.index)
                || marks.halted(seat.index, workspace).is_some()
        });
        stale.map(|seat| seat.projection.name()).collect()
    }

    /// The last position of a workspace that a projection shows.
    pub fn position(&self, name: &str, workspace: &WorkspaceId) -> u64 {
        self.shop.marks.applied(self.seat(name).index, workspace)
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
        let Workshop { log, seats, marks, .. } = &*self.shop;
        let heads = log.heads();
        let each = seats.iter().flat_map(|seat| heads.iter().map(move |it| (seat, it)));
        each.map(|(seat, (workspace, head))| Status {
            projection: seat.projection.name(),
            version: seat.projection.version(),
            generation: seat.serving().number,
            workspace: workspace.clone(),
            position: marks.applied(seat.index, workspace),
            head: *head,
            stale: if marks.is_vacant(seat.index) {
                let vacancy = self.vacancy(seat);
                let what = if vacancy.is_damaged { "its file" } else { "it" };
                Some(format!("{what} {}", vacancy.in_words()).into())
            } else {
                marks.halted(seat.index, workspace)
            },
            held: marks.held(seat.index, workspace).len(),
        })
        .collect()
    }

    /// Stops the projector and writes down how far it has come. Reading goes on; waiting does not.
    pub fn close(&self) {
        self.shop.stop.send_replace(true);
        self.shop.builds.close();
        let threads = std::mem::take(&mut *self.threads.lock());
        if threads.is_empty() {
            return;
        }
        for thread in threads {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                tracing::error!(thread = name, "it had panicked");
            }
        }
        let Workshop { log, seats, marks, .. } = &*self.shop;
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
            seat.serving().readers.close();
        }
        if self.past.is_none() {
            self.force();
        }
    }

    /// Brings what was written to the disk, once nobody writes any more.
    fn force(&self) {
        let Workshop { seats, dir, .. } = &*self.shop;
        let serving: Vec<_> = seats.iter().map(|it| it.serving().path().to_owned()).collect();
        let emptied = seats
            .iter()
            .map(|it| it.writer.lock().empty_log(&it.serving().readers).unwrap_or(false));
        let emptied: Vec<_> = emptied.collect();
        match emptied.iter().all(|it| *it).then(|| power::end(dir, &serving)).transpose() {
            Ok(Some(true)) => {}
            Ok(None | Some(false)) => tracing::info!(
                "read models are in use or being built: if the machine goes down before the next start, they are made anew"
            ),
            Err(error) => tracing::warn!(%error, "read models may not be on the disk"),
        }
    }

    /// The place of a projection that exists: names are constants of this crate.
    pub(crate) fn seat(&self, name: &str) -> &Seat {
        let seats = &self.shop.seats;
        seats
            .iter()
            .find(|seat| seat.projection.name() == name)
            .unwrap_or_else(|| unreachable!("{name:?} is the name of no projection"))
    }
}

/// Starts a thread that works until it is told to stop.
fn start(
    name: &str,
    shop: &Arc<Workshop>,
    work: impl FnOnce(&Arc<Workshop>, &Runtime, watch::Receiver<bool>) + Send + 'static,
) -> Result<JoinHandle<()>, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (shop, stopped) = (Arc::clone(shop), shop.stop.subscribe());
    let thread = std::thread::Builder::new().name(name.to_owned());
    Ok(thread.spawn(move || work(&shop, &runtime, stopped))?)
}

impl Drop for ReadModels {
    fn drop(&mut self) {
        self.close();
        if self.past.is_some()
            && let Err(error) = std::fs::remove_dir_all(&self.shop.dir)
        {
            tracing::warn!(dir = %self.shop.dir.display(), %error, "read models of the past stay on disk");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
