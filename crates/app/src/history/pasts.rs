//! Pasts: apps over the log as it stood.
//!
//! A past is opened when somebody asks about it, and kept while others may ask about the same. What a
//! question reads of it is built then, and no more (`projections::ReadModels::past`). Pasts that nobody has asked
//! about for a while go, and so does the one that was asked about longest ago when there are too many, or
//! when they take too much disk. Their read models go with them.

use std::{sync::Arc, time::Duration};

use event_log::{AsOf, WorkspaceId};
use parking_lot::Mutex;
use projections::{Departure, ReadModels};
use uuid::Uuid;

use crate::{App, Parts, Refusal, admin::events::Moment};

/// How many pasts are kept.
const KEPT: usize = 4;
/// How many bytes of disk all pasts together may have before those go that were asked about longest ago;
/// the last one stays, however large.
const BYTES_MAX: u64 = 2 << 30;

/// How long is waited for those who read a past that has to go, in seconds: they have what they read, and
/// are told to ask again for what they have not.
const LEAVE_SECONDS: u64 = 30;

/// The pasts of a server.
#[derive(Default)]
pub(crate) struct Pasts(Mutex<All>);

#[derive(Default)]
struct All {
    /// Those that are kept, the one that was asked about last at the end.
    kept: Vec<Past>,
    /// Those that are not, as long as somebody reads them.
    leaving: Vec<Departure>,
}

struct Past {
    name: Uuid,
    workspace: WorkspaceId,
    position: u64,
    app: Arc<App>,
}

impl Pasts {
    /// Lets all of them go that there are now, with their files: somebody was erased whom they may show. Those
    /// that are begun meanwhile show nothing of them any more, and stay.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] where somebody goes on reading one: try again.
    pub(crate) async fn forget(&self, models: &ReadModels) -> Result<(), Refusal> {
        let (gone, mut leaving) = {
            let All { kept, leaving } = &mut *self.0.lock();
            let gone = std::mem::take(kept);
            gone.iter().for_each(|past| past.app.read_models.end());
            leaving.extend(gone.iter().map(|past| past.app.read_models.departure()));
            (gone, std::mem::take(leaving))
        };
        // Threads end and files are closed with them, for which nobody else waits.
        drop(gone);
        let over = async {
            for past in &mut leaving {
                past.over().await;
            }
        };
        let over = tokio::time::timeout(Duration::from_secs(LEAVE_SECONDS), over).await;
        let all = &mut *self.0.lock();
        if over.is_err() {
            all.leaving.extend(leaving);
            return Err(Refusal::Overloaded);
        }
        // What could not be removed when it went. Nothing is made while the lock is held.
        let names: Vec<_> = all.kept.iter().map(|past| past.name).collect();
        Ok(models.remove_pasts_but(&names)?)
    }
}

impl Past {
    fn is_of_use(&self) -> bool {
        // Nobody mends the files of a past: it is built anew.
        !self.app.read_models.is_damaged() && !self.app.read_models.is_forgotten()
    }
}

/// Takes out what is to go: first what is of no use, then the oldest ones, as long as there are too many.
/// What is being built stays: several who ask about different moments would end each other's for ever.
fn let_go(pasts: &mut Vec<Past>) -> Vec<Past> {
    let mut gone: Vec<_> = pasts.extract_if(.., |past| !past.is_of_use()).collect();
    let bytes = |pasts: &[Past]| pasts.iter().map(|past| past.app.read_models.bytes()).sum::<u64>();
    while pasts.len() > 1 && (pasts.len() > KEPT || bytes(pasts) > BYTES_MAX) {
        let older = &pasts[..pasts.len() - 1];
        let Some(index) = older.iter().position(|past| !past.app.read_models.is_building()) else {
            break;
        };
        gone.push(pasts.remove(index));
    }
    gone
}

impl App {
    /// The app as it would have answered at a moment, about one workspace. It changes nothing. What it reads
    /// is built when it is asked, which a question waits for, at most for so long.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] while as many pasts are being built as are kept.
    pub async fn as_of(
        &self,
        workspace: &WorkspaceId,
        moment: Moment,
        wait: Option<Duration>,
    ) -> Result<Arc<Self>, Refusal> {
        let position = self.position_at(workspace, moment).await?;
        let past = self.past(workspace, position)?;
        past.read_models.wait_at_most(wait);
        if past.gone.get().is_none() {
            // Whoever asks about the same meanwhile finds the same.
            let _ = past.gone.set(self.gone_since(workspace, position).await?);
        }
        Ok(past)
    }

    fn past(&self, workspace: &WorkspaceId, position: u64) -> Result<Arc<Self>, Refusal> {
        let mut all = self.pasts.0.lock();
        let All { kept: pasts, leaving } = &mut *all;
        let known =
            |it: &Past| it.position == position && it.workspace == *workspace && it.is_of_use();
        let past = if let Some(index) = pasts.iter().position(known) {
            pasts.remove(index)
        } else {
            let is_building = |it: &&Past| it.app.read_models.is_building();
            if pasts.iter().filter(is_building).count() >= KEPT {
                return Err(Refusal::Overloaded);
            }
            let name = self.fresh_id();
            let app = self.at_position(workspace, position, name)?;
            Past { name, workspace: workspace.clone(), position, app }
        };
        let app = Arc::clone(&past.app);
        pasts.push(past);
        let gone = let_go(pasts);
        leaving.retain(|past| !past.is_over());
        leaving.extend(gone.iter().map(|past| past.app.read_models.departure()));
        // Their threads end and their files go while others may ask.
        drop(all);
        drop(gone);
        Ok(app)
    }

    fn at_position(
        &self,
        workspace: &WorkspaceId,
        position: u64,
        name: Uuid,
    ) -> Result<Arc<Self>, Refusal> {
        let log = Arc::new(AsOf::new(Arc::clone(&self.log), workspace.clone(), position));
        let read_models = self.read_models.past(name, Arc::clone(&log));
        let read_models = read_models.map_err(|error| Refusal::Reading(error.source))?;
        let app = Self::new(Parts {
            log,
            read_models,
            clock: Arc::clone(&self.clock),
            ids: Arc::clone(&self.ids),
            public_url: self.public_url.clone(),
            admin_digest: self.admin_digest,
            notary: Arc::clone(&self.notary),
        });
        // What policies made of it is in the log, or came later.
        app.progress.reach(workspace, position);
        Ok(app)
    }
}
