//! How far the read models are, building them again, and comparing them with the log.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    Micros,
    workspace::{Skip, WorkspaceCommand},
};
use projections::{
    ALL, BuildView, Difference, Failure, HeldId, HeldStream, NoBuild, Order, ReadModels,
    RebuildError, Status, Verified,
};

use super::typed;
use crate::{App, Person, Refusal, WORKSPACE_STREAM, refusal::chain};

/// The longest reason for skipping an event, in characters.
const REASON_MAX: usize = 500;

/// What the last comparison of a projection with the log has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// When it was done.
    pub at: Micros,
    /// Whether everything was as the log says.
    pub is_sound: bool,
}

/// What somebody wants of a build that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// That it waits.
    Pause,
    /// That it goes on.
    Resume,
    /// That it is taken back.
    Cancel,
}

impl App {
    /// How far every projection has come in every workspace.
    pub fn projections(&self) -> Vec<Status> {
        self.read_models.status()
    }

    /// Builds projections again from the log while reads go on; resolves when the result serves. Whoever
    /// does not wait leaves it running. Returns the names of those that were built.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for an unknown name, [`Refusal::NotFound`] for an unknown workspace, and
    /// [`Refusal::State`] while another build runs, without room on the disk, and when it was cancelled.
    pub async fn rebuild(&self, order: Order) -> Result<Vec<&'static str>, Refusal> {
        let names = self.meant(&order)?;
        let begun = self.read_models.begin(&order).map_err(|error| refusal(&error))?;
        self.beside(move |_| begun.run(&mut |_| ())).await?;
        if order.workspace.is_none() {
            self.forget_differences(&names);
        }
        Ok(names)
    }

    /// Begins the same, and returns at once.
    ///
    /// # Errors
    /// As for [`App::rebuild`].
    pub fn start_rebuild(self: &Arc<Self>, order: &Order) -> Result<BuildView, Refusal> {
        let names = self.meant(order)?;
        let is_whole = order.workspace.is_none();
        let begun = self.read_models.begin(order).map_err(|error| refusal(&error))?;
        let (id, app) = (begun.id(), Arc::clone(self));
        drop(tokio::task::spawn_blocking(move || match begun.run(&mut |_| ()) {
            Ok(()) if is_whole => app.forget_differences(&names),
            Ok(()) => {}
            // Told to whoever looks at the build, too.
            Err(error) => drop(refusal(&error)),
        }));
        self.build(id)
    }

    /// The build that is under way and the last ones that were, the last one first.
    pub fn builds(&self) -> Vec<BuildView> {
        self.read_models.builds()
    }

    /// A build.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub fn build(&self, id: u64) -> Result<BuildView, Refusal> {
        let found = self.read_models.builds().into_iter().find(|build| build.id == id);
        found.ok_or_else(|| Refusal::NotFound("build".into()))
    }

    /// Pauses, resumes or cancels a build.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], and [`Refusal::State`] once it has ended.
    pub fn steer_build(&self, id: u64, wish: Wish) -> Result<BuildView, Refusal> {
        let steered = match wish {
            Wish::Pause => self.read_models.pause_build(id),
            Wish::Resume => self.read_models.resume_build(id),
            Wish::Cancel => self.read_models.cancel_build(id),
        };
        steered.map_err(|error| match error {
            NoBuild::Unknown => Refusal::NotFound("build".into()),
            NoBuild::Ended | NoBuild::Needed => Refusal::State(error.to_string()),
        })
    }

    /// Compares projections with what the log says. Returns the names of those that were compared, and
    /// what was found.
    ///
    /// # Errors
    /// As for [`App::rebuild`].
    pub async fn verify_projections(
        &self,
        order: Order,
    ) -> Result<(Vec<&'static str>, Verified), Refusal> {
        let names = self.meant(&order)?;
        let is_whole = order.workspace.is_none();
        let compare = move |models: &ReadModels| models.verify(&order, &mut |_| ());
        let verified = self.beside(compare).await?;
        let now = self.now();
        let mut last = self.verified.lock();
        for name in &names {
            if verified.unsound.iter().any(|it| it.projection == *name) {
                // Nothing of it was compared, and another one is built.
                last.remove(name);
                continue;
            }
            let is_sound = verified.differences.iter().all(|it| it.projection != *name);
            // What was found in one workspace says nothing good of the others.
            if is_whole || !is_sound {
                last.insert(*name, Checked { at: now, is_sound });
            }
        }
        drop(last);
        for Difference { projection, workspace, table, .. } in &verified.differences {
            tracing::error!(
                projection, workspace.id = %workspace, table,
                "a projection does not show what the log says: rebuild it"
            );
        }
        Ok((names, verified))
    }

    /// What was built again from the log does not differ any more. What was sound then is not known to be.
    fn forget_differences(&self, names: &[&'static str]) {
        self.verified.lock().retain(|name, it| it.is_sound || !names.contains(name));
    }

    /// When each projection was last compared with the log as a whole, and whether it was as that says; those
    /// that were not since the start are not there. A rebuild is no comparison, but it ends what differed.
    pub fn checked(&self) -> BTreeMap<&'static str, Checked> {
        self.verified.lock().clone()
    }

    /// The projections that an order means.
    fn meant(&self, order: &Order) -> Result<Vec<&'static str>, Refusal> {
        if let Some(workspace) = &order.workspace
            && self.log.head(workspace) == 0
        {
            return Err(Refusal::NotFound("workspace".into()));
        }
        named(order.projection.as_deref())
    }

    /// What projections hold back, by projection, workspace and position.
    pub fn held_streams(&self) -> Vec<HeldStream> {
        self.read_models.held()
    }

    /// Tries a held stream again. What is left of the hold: nothing, once its events are shown.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], and as for [`App::rebuild`].
    pub async fn retry_held(&self, id: HeldId) -> Result<Option<HeldStream>, Refusal> {
        self.beside(move |models| models.retry(&id)).await
    }

    /// Lets a projection pass over the event at a position that it holds back: for good, in rebuilds too,
    /// and on the record. What follows in its stream is tried; what is left of the hold is given back.
    ///
    /// Asked again about an event that was skipped, for instance because the answer was lost, it does
    /// nothing more: a hold that stands at the next event of the stream stays.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Malformed`] without a reason, and [`Refusal::State`] when the hold
    /// stands at another event.
    pub async fn skip_held(
        &self,
        person: &Person,
        id: HeldId,
        position: u64,
        reason: &str,
    ) -> Result<Option<HeldStream>, Refusal> {
        let reason = typed("reason", reason, REASON_MAX)?;
        let HeldId { projection, workspace, kind, stream } = id.clone();
        let skip = Skip { projection, kind, stream, position };
        let held = self.held_under(&id);
        if held.as_ref().is_none_or(|held| held.position != position) {
            let known = self.workspaces.load(&workspace, WORKSPACE_STREAM).await;
            let known = known.map_err(|error| nowhere_to_record(error.into()))?;
            return match held {
                held if known.state.skipped.contains(&skip) => Ok(held),
                Some(HeldStream { position: at, .. }) => Err(Refusal::State(format!(
                    "position: the event that is held is at {at}, not at {position}; nothing was skipped"
                ))),
                None => Err(Refusal::NotFound("hold".into())),
            };
        }
        let command = WorkspaceCommand::SkipEvent { skip, reason };
        let recorded = self.on_workspace(&workspace, command, person.meta()).await;
        recorded.map_err(nowhere_to_record)?;
        match self.retry_held(id.clone()).await {
            // The projector has seen to it already, or will once another build has ended: it was
            // recorded, and whoever is told that it failed would ask again.
            Err(Refusal::NotFound(_) | Refusal::State(_)) => Ok(self.held_under(&id)),
            tried => tried,
        }
    }

    /// Takes back that a projection passes over an event: its workspace is built again, and the event is
    /// applied where it stands, or held. Gives back what is held of the stream then.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when that event is not skipped, and as for [`App::rebuild`]. Whoever is told that
    /// the build came to nothing has taken it back all the same, and builds again.
    pub async fn unskip(
        &self,
        person: &Person,
        id: HeldId,
        position: u64,
    ) -> Result<Option<HeldStream>, Refusal> {
        let HeldId { projection, workspace, kind, stream } = id.clone();
        let order =
            Order { projection: Some(projection.to_string()), workspace: Some(workspace.clone()) };
        let skip = Skip { projection, kind, stream, position };
        let known = self.workspaces.load(&workspace, WORKSPACE_STREAM).await;
        let known = known.map_err(|error| nowhere_to_record(error.into()))?;
        if !known.state.skipped.contains(&skip) {
            return Err(Refusal::NotFound("skipped event".into()));
        }
        // Nothing is recorded that cannot be built now.
        let begun = self.read_models.begin(&order).map_err(|error| refusal(&error))?;
        self.on_workspace(&workspace, WorkspaceCommand::UnskipEvent { skip }, person.meta())
            .await?;
        match self.beside(move |_| begun.run(&mut |_| ())).await {
            Err(Refusal::State(detail)) => Err(Refusal::State(format!(
                "{detail}; the event is not passed over any more, which shows once the projection is built \
                 again: muster projections rebuild {} --workspace {}",
                id.projection, id.workspace
            ))),
            built => built.map(|()| self.held_under(&id)),
        }
    }

    fn held_under(&self, id: &HeldId) -> Option<HeldStream> {
        self.read_models.held().into_iter().find(|held| held.id() == *id)
    }

    /// Runs something that blocks on a thread that may.
    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadModels) -> Result<T, RebuildError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let models = Arc::clone(&self.read_models);
        let done = tokio::task::spawn_blocking(move || work(&models)).await;
        match done {
            Ok(result) => result.map_err(|error| refusal(&error)),
            // It panicked, which was said, or the server stops.
            Err(_) => Err(Refusal::Overloaded),
        }
    }
}

/// The projections that a name means; without one, all.
fn named(name: Option<&str>) -> Result<Vec<&'static str>, Refusal> {
    let all = || ALL.iter().map(|projection| projection.name());
    let named: Vec<_> = all().filter(|it| name.is_none_or(|name| name == *it)).collect();
    if named.is_empty() {
        let all = all().collect::<Vec<_>>().join(", ");
        return Err(Refusal::Malformed(format!("projection: must be one of {all}")));
    }
    Ok(named)
}

/// What is left to do about a hold in a workspace of whose own events one cannot be read.
fn nowhere_to_record(error: Refusal) -> Refusal {
    if error.is_of_an_event() { Refusal::NowhereToRecord(Box::new(error)) } else { error }
}

/// What an operator is told: where a build stopped, and why.
fn refusal(error: &RebuildError) -> Refusal {
    match error {
        RebuildError::Unknown(_) => return Refusal::NotFound("hold".into()),
        RebuildError::File(Failure::Damaged { projection, .. }) => {
            return Refusal::Broken(projection);
        }
        _ => {}
    }
    let detail = chain(error);
    if !matches!(error, RebuildError::Busy | RebuildError::Cancelled) {
        tracing::error!(error = %detail, "a projection could not be built");
    }
    Refusal::State(detail)
}
