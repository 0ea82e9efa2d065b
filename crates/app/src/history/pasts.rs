//! Pasts: apps over the log as it stood.
//!
//! A past is built when somebody asks about it, and kept while others may ask about the same; the one
//! that was asked about longest ago makes room. Its read models go with it.

use std::{sync::Arc, time::Duration};

use event_log::{AsOf, WorkspaceId};
use parking_lot::Mutex;

use crate::{App, Parts, Refusal, admin::events::Moment};

/// How many pasts are kept.
const KEPT: usize = 4;
/// How long a request waits for one to be built, in seconds.
const WAIT_SECONDS: u64 = 10;

/// The pasts that are kept, the one that was asked about last at the end.
#[derive(Default)]
pub(crate) struct Pasts(Mutex<Vec<Past>>);

struct Past {
    workspace: WorkspaceId,
    position: u64,
    app: Arc<App>,
}

impl Pasts {
    /// Lets all of them go: somebody was erased whom they may show.
    pub(crate) fn forget(&self) {
        let pasts = std::mem::take(&mut *self.0.lock());
        drop(pasts);
    }
}

impl App {
    /// The app as it would have answered at a moment, about one workspace. It changes nothing.
    ///
    /// # Errors
    /// [`Refusal::Building`] while there is too much to read: it goes on, and may be asked again.
    pub async fn as_of(
        &self,
        workspace: &WorkspaceId,
        moment: Moment,
    ) -> Result<Arc<Self>, Refusal> {
        let position = self.position_at(workspace, moment).await?;
        let past = self.past(workspace, position)?;
        if past.gone.get().is_none() {
            // Whoever asks about the same meanwhile finds the same.
            let _ = past.gone.set(self.gone_since(workspace, position).await?);
        }
        let all = async {
            for status in past.read_models.status() {
                past.read_models.followed(status.projection, workspace).await?;
            }
            Ok(())
        };
        if let Ok(done) = tokio::time::timeout(Duration::from_secs(WAIT_SECONDS), all).await {
            return done.map(|()| past);
        }
        let built = past.read_models.status().into_iter().map(|it| it.position).min();
        Err(Refusal::Building { done: built.unwrap_or_default(), of: position })
    }

    fn past(&self, workspace: &WorkspaceId, position: u64) -> Result<Arc<Self>, Refusal> {
        let mut pasts = self.pasts.0.lock();
        // Nobody mends the files of a past: it is built anew.
        pasts.retain(|it| !it.app.read_models.is_damaged());
        let known =
            pasts.iter().position(|it| it.position == position && it.workspace == *workspace);
        let past = if let Some(index) = known {
            pasts.remove(index)
        } else {
            let app = self.at_position(workspace, position)?;
            Past { workspace: workspace.clone(), position, app }
        };
        let app = Arc::clone(&past.app);
        pasts.push(past);
        if pasts.len() > KEPT {
            pasts.remove(0);
        }
        Ok(app)
    }

    fn at_position(&self, workspace: &WorkspaceId, position: u64) -> Result<Arc<Self>, Refusal> {
        let log = Arc::new(AsOf::new(Arc::clone(&self.log), workspace.clone(), position));
        let read_models = self.read_models.past(self.fresh_id(), Arc::clone(&log));
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
