//! The application: the write path, the reads, and what follows from an event.
//!
//! Everything that HTTP, the command line or the reactor can do to a workspace is a method of
//! [`App`]. A write is dispatched to its aggregate's lane and answered from the aggregate's own new
//! state; a read first catches up with the log, then answers from a read model.
//!
//! - `authentication`: whose a SCIM request is
//! - `users`, `groups`, `lists`: what SCIM does
//! - [`admin`]: what an administrator does
//! - [`policies`]: what follows inside Muster from an event
//! - [`erasures`]: erasing a person, for ever
//! - `refusal`: the one place where a refusal becomes an error on the wire
//!
//! Invariant: no read model decides a write; one may route it, resolve a name, or tell a policy what to
//! ask an aggregate for.
//! Invariant: a SCIM method takes a [`Caller`] and reaches that connector's data and no other.

pub mod admin;
mod authentication;
mod bearer;
mod budget;
mod caller;
mod cursor;
pub mod erasures;
#[cfg(test)]
mod fixture;
mod groups;
mod held;
pub mod history;
mod ids;
mod in_force;
mod jobs;
mod kept_body;
mod lists;
mod long_work;
mod meters;
mod pace;
pub mod policies;
mod recovery;
mod redact;
mod refusal;
mod remap;
mod request_ids;
mod said;
mod sightings;
mod spans;
mod token_watch;
mod trace;
mod undisturbed;
mod users;
mod write;

use std::{path::PathBuf, sync::Arc};

use domain::{
    device::Device, group::Group, ids::ConnectorName, publication::Publication, segments::Segments,
    user::User, workspace::Workspace,
};
use event_log::{Clock, EventLog, Meta, Micros, WorkspaceId};
use projections::ReadModels;
use uuid::Uuid;

pub use bearer::TokenDigest;
pub use budget::Budget;
pub use caller::{Caller, Person, Unauthorized};
pub use cursor::CURSOR_SECONDS_MAX;
pub use groups::{GroupView, MEMBERS_CHUNK, MemberIds};
pub use ids::{CountedIds, Ids, SystemIds};
pub use in_force::{Reached, WouldDo};
pub use jobs::{Job, JobState};
pub use lists::{List, View};
pub use meters::Meters;
pub use record::Notary;
pub use refusal::{Problem, Refusal};
pub use remap::Remapped;
pub use request_ids::RequestIds;
pub use sightings::Sightings;
pub use spans::{Span, SpanKind, Spans};
pub use token_watch::watch_tokens;
pub use trace::{Answered, Trace};
pub use users::UserView;
pub use write::{CacheSize, DispatchError, Done, Lanes, Order};

/// What an app is made of.
pub struct Parts {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// The read models over it.
    pub read_models: Arc<ReadModels>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Where clients reach the server, without a slash at the end.
    pub public_url: String,
    /// SHA-256 of the owner's token for `/api/v1`.
    pub admin_digest: TokenDigest,
    /// What signs checkpoints.
    pub notary: Arc<Notary>,
}

/// How many bytes of states each kind of aggregate may keep in memory.
mod cache_bytes {
    pub(crate) const WORKSPACES: u64 = 32 << 20;
    pub(crate) const USERS: u64 = 32 << 20;
    pub(crate) const GROUPS: u64 = 64 << 20;
    pub(crate) const DEVICES: u64 = 8 << 20;
    pub(crate) const PUBLICATIONS: u64 = 2 << 20;
    pub(crate) const SEGMENTS: u64 = 8 << 20;
}

/// The stream of a workspace's own settings: one in each workspace.
const WORKSPACE_STREAM: Uuid = Uuid::nil();

/// The application.
pub struct App {
    log: Arc<dyn EventLog>,
    read_models: Arc<ReadModels>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    public_url: String,
    admin_digest: TokenDigest,
    notary: Arc<Notary>,
    workspaces: Arc<Lanes<Workspace>>,
    users: Arc<Lanes<User>>,
    groups: Arc<Lanes<Group>>,
    devices: Arc<Lanes<Device>>,
    publications: Arc<Lanes<Publication>>,
    segments: Arc<Lanes<Segments>>,
    progress: policies::Progress,
    pace: pace::Pace,
    long_work: Arc<long_work::LongWork>,
    meters: Meters,
    spans: std::sync::OnceLock<Arc<dyn Spans>>,
    turns: policies::Turns,
    token_uses: sightings::TokenUses,
    token_watch: token_watch::TokenWatch,
    pasts: history::Pasts,
    /// Of an app of the past: whom today's calls erased.
    gone: std::sync::OnceLock<Vec<erasures::Gone>>,
    said: said::Said,
    sweeps: policies::Sweeps,
    /// Whether requests have no entry in the provisioning log.
    unrecorded: std::sync::atomic::AtomicBool,
    remaps: jobs::Jobs<Remapped>,
    in_force: in_force::RuleJobs,
    role_passes: policies::RolePasses,
    erasures: erasures::Erasures,
    requests: jobs::Requests,
    /// What the last comparison of each read model with the log has found.
    verified:
        parking_lot::Mutex<std::collections::BTreeMap<&'static str, admin::projections::Checked>>,
    jobs_run_on: std::sync::OnceLock<tokio::runtime::Handle>,
    set_up: std::sync::OnceLock<std::sync::Weak<dyn admin::mdm_services::SetUp>>,
    endings: admin::follow::Endings,
    backups: std::sync::OnceLock<Arc<backup::Backups>>,
    looks: admin::looks::Looks,
    /// Held while the services of a workspace and their credentials change together.
    mdm_settings: tokio::sync::Mutex<()>,
}

impl App {
    /// Puts the parts together. Policies run once [`policies::run`] is started.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { log, read_models, clock, ids, public_url, admin_digest, notary } = parts;
        let lanes = (Arc::clone(&log), Arc::clone(&clock));
        Arc::new(Self {
            workspaces: Lanes::new(lanes.0.clone(), lanes.1.clone(), cache_bytes::WORKSPACES),
            users: Lanes::new(lanes.0.clone(), lanes.1.clone(), cache_bytes::USERS),
            groups: Lanes::new(lanes.0.clone(), lanes.1.clone(), cache_bytes::GROUPS),
            devices: Lanes::new(lanes.0.clone(), lanes.1.clone(), cache_bytes::DEVICES),
            publications: Lanes::new(lanes.0.clone(), lanes.1.clone(), cache_bytes::PUBLICATIONS),
            segments: Lanes::new(lanes.0, lanes.1, cache_bytes::SEGMENTS),
            log,
            read_models,
            clock,
            ids,
            public_url,
            admin_digest,
            notary,
            progress: policies::Progress::default(),
            pace: pace::Pace::default(),
            long_work: Arc::default(),
            meters: Meters::default(),
            spans: std::sync::OnceLock::new(),
            turns: policies::Turns::default(),
            token_uses: sightings::TokenUses::default(),
            token_watch: token_watch::TokenWatch::default(),
            pasts: history::Pasts::default(),
            gone: std::sync::OnceLock::new(),
            said: said::Said::default(),
            sweeps: policies::Sweeps::default(),
            unrecorded: std::sync::atomic::AtomicBool::new(false),
            remaps: jobs::Jobs::default(),
            in_force: in_force::RuleJobs::default(),
            role_passes: policies::RolePasses::default(),
            erasures: erasures::Erasures::default(),
            requests: jobs::Requests::default(),
            verified: parking_lot::Mutex::default(),
            jobs_run_on: std::sync::OnceLock::new(),
            set_up: std::sync::OnceLock::new(),
            endings: admin::follow::Endings::default(),
            backups: std::sync::OnceLock::new(),
            looks: admin::looks::Looks::default(),
            mdm_settings: tokio::sync::Mutex::default(),
        })
    }

    /// The log, for reading.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }

    /// The read models.
    pub fn read_models(&self) -> &Arc<ReadModels> {
        &self.read_models
    }

    /// Now.
    pub fn now(&self) -> Micros {
        self.clock.now()
    }

    /// Says in the server's log what goes wrong in a workspace, unless it was said just now.
    pub fn say(&self, what: &'static str, workspace: &WorkspaceId, error: &dyn std::error::Error) {
        self.said.say(what, workspace, error, self.now());
    }

    /// A fresh id.
    pub fn fresh_id(&self) -> Uuid {
        self.ids.fresh()
    }

    /// Users' streams.
    pub fn users(&self) -> &Arc<Lanes<User>> {
        &self.users
    }

    /// Devices' streams.
    pub fn devices(&self) -> &Arc<Lanes<Device>> {
        &self.devices
    }

    /// Limits how many SCIM requests each connector may send. There is no limit unless it is set,
    /// once.
    pub fn limit_requests(&self, per_second: std::num::NonZeroU32) {
        self.pace.limit(per_second);
    }

    /// How much of each kind of aggregates is in memory.
    pub fn caches(&self) -> [CacheSize; 6] {
        [
            self.workspaces.cache_size("workspaces"),
            self.users.cache_size("users"),
            self.groups.cache_size("groups"),
            self.devices.cache_size("devices"),
            self.publications.cache_size("publications"),
            self.segments.cache_size("segments"),
        ]
    }

    /// What is counted of requests.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Keeps no provisioning log from now on. For measuring what it costs, and for nothing else.
    pub fn leave_requests_unrecorded(&self) {
        self.unrecorded.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// Under which URL a connector's `IdP` reaches it.
    pub fn base_url(&self, workspace: &WorkspaceId, connector: &ConnectorName) -> String {
        format!("{}/scim/v2/{workspace}/{connector}", self.public_url)
    }

    /// Waits until policies have dealt with everything that is in a workspace's log now. Reads of
    /// `/api/v1` do; what a person asks for right after an event then shows what followed from it.
    pub async fn settled(&self, workspace: &WorkspaceId) {
        let _ = self.progress.settled(workspace, self.log.head(workspace)).await;
    }

    /// What does not show the whole of what happened in a workspace: the names of read models, and
    /// `policies` where these have stopped at what they cannot read, or are late.
    pub fn stale_in(&self, workspace: &WorkspaceId) -> Vec<&'static str> {
        let mut stale = self.read_models.stale_in(workspace);
        if self.progress.is_behind(workspace) {
            stale.push("policies");
        }
        stale
    }

    /// How far policies have come.
    pub fn policies(&self) -> &policies::Progress {
        &self.progress
    }

    async fn on_workspace(
        &self,
        workspace: &WorkspaceId,
        command: domain::workspace::WorkspaceCommand,
        meta: Meta,
    ) -> Result<Done<Workspace>, Refusal> {
        let workspace = workspace.clone();
        let order = Order { workspace, id: WORKSPACE_STREAM, command, meta };
        Ok(self.workspaces.dispatch(order).await?)
    }

    /// Whether there is such a workspace, and it is open.
    pub(crate) async fn is_open(&self, id: &WorkspaceId) -> Result<bool, Refusal> {
        Ok(self.workspaces.load(id, WORKSPACE_STREAM).await?.state.open)
    }

    /// The same for what is counted in all workspaces: nobody knows that one is closed of which an event cannot
    /// be read.
    pub(crate) async fn may_be_open(&self, id: &WorkspaceId) -> Result<bool, Refusal> {
        match self.is_open(id).await {
            Err(error) if error.is_of_an_event() => {
                self.say("whether it is open is not known", id, &error);
                Ok(true)
            }
            known => known,
        }
    }

    /// A workspace that is open.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn workspace(&self, id: &WorkspaceId) -> Result<Arc<domain::Es<Workspace>>, Refusal> {
        let known = self.workspaces.load(id, WORKSPACE_STREAM).await?;
        if known.state.open { Ok(known) } else { Err(Refusal::NotFound("workspace".into())) }
    }
}

/// What a server keeps of the owner's token.
pub fn admin_digest(token: &str) -> TokenDigest {
    bearer::digest(token)
}

/// A token for the owner, for a server that was given none.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn make_admin_token(ids: &dyn Ids) -> Result<String, getrandom::Error> {
    bearer::make(domain::ids::TokenId(ids.fresh()))
}

/// Where the read models lie in a data directory.
pub fn read_models_dir(data_dir: &std::path::Path) -> PathBuf {
    data_dir.join("read")
}
