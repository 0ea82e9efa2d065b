//! What is asked at the root without a token: alive, ready, how it goes.
//!
//! None of it names a workspace or a person: whoever can reach the port can read it.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use actix_web::{
    HttpResponse, Route,
    http::Method,
    web::{self, Data, ServiceConfig},
};
use app::{App, admin::projections::Checked};
use event_log::Stats;
use projections::{BuildState, BuildView, Vacancy, directory};
use reactor::{
    owed::{self, Owed},
    service::Services,
};
use serde_json::json;

use crate::{databases, endpoint, scrape::Scrape};

/// How long it is waited for what the read models hold back of what was recorded before the start.
const START_WAIT: Duration = Duration::from_secs(1);

/// Where the log's figures come from.
type LogStats = Arc<dyn Fn() -> Stats + Send + Sync>;

/// What the probes look at.
#[derive(Clone)]
pub struct Probes {
    app: Arc<App>,
    log: Option<LogStats>,
    services: Option<Arc<dyn Services>>,
    files: Option<PathBuf>,
}

impl Probes {
    /// Probes of an app.
    pub fn new(app: Arc<App>) -> Self {
        Self { app, log: None, services: None, files: None }
    }

    /// The same, with the figures of a log that has some.
    #[must_use]
    pub fn with_log(self, stats: impl Fn() -> Stats + Send + Sync + 'static) -> Self {
        Self { log: Some(Arc::new(stats)), ..self }
    }

    /// The same, with what is owed through each adapter.
    #[must_use]
    pub fn with_services(self, services: Arc<dyn Services>) -> Self {
        Self { services: Some(services), ..self }
    }

    /// The same, with the sizes of the files in a data directory.
    #[must_use]
    pub fn with_files(self, data_dir: PathBuf) -> Self {
        Self { files: Some(data_dir), ..self }
    }

    /// What is owed through each adapter, as far as that is known.
    async fn owed(&self) -> BTreeMap<&'static str, Owed> {
        let Some(services) = &self.services else { return BTreeMap::new() };
        let owed = owed::by_adapter(&self.app, &**services).await;
        owed.unwrap_or_else(|error| {
            tracing::error!(%error, "what is owed through each adapter cannot be told");
            BTreeMap::new()
        })
    }

    /// What somebody should look at, though requests are served.
    async fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut stale: BTreeMap<&'static str, u64> = BTreeMap::new();
        let vacant = self.app.read_models().vacancies();
        let is_vacant = |name| vacant.iter().any(|it| it.projection == name);
        let stopped = self.app.projections().into_iter().filter(|it| it.stale.is_some());
        for status in stopped.filter(|it| !is_vacant(it.projection)) {
            *stale.entry(status.projection).or_default() += 1;
        }
        for (name, count) in stale {
            warnings.push(format!("the projection {name} has stopped in {count} workspace(s)"));
        }
        for vacancy in &vacant {
            let Vacancy { projection, is_damaged, done, of, .. } = *vacancy;
            let what = if is_damaged { "the file of the projection" } else { "the projection" };
            let how_far = if of > 0 { format!(": {done} of {of} events") } else { String::new() };
            warnings.push(format!("{what} {projection} {}{how_far}", vacancy.in_words()));
        }
        for name in self.app.read_models().past_mending() {
            warnings.push(format!(
                "the file of the projection {name} cannot be read though it was built again: look at the \
                 disk, and report it"
            ));
        }
        for (name, _) in self.app.checked().into_iter().filter(|(_, it)| !it.is_sound) {
            warnings.push(format!("the projection {name} does not show what the log says"));
        }
        for (name, count) in self.held_streams().into_iter().filter(|(_, count)| *count > 0) {
            warnings.push(format!("the projection {name} holds back {count} stream(s)"));
        }
        let parked: u64 = self.owed().await.values().map(|owed| owed.parked).sum();
        if parked > 0 {
            warnings.push(format!("{parked} device action(s) wait for a person"));
        }
        let ending = self.app.tokens_ending();
        if ending > 0 {
            warnings.push(format!("{ending} token(s) of connectors end within 30 days"));
        }
        let suspended = self.suspended();
        if suspended > 0 {
            warnings.push(format!(
                "deliveries to devices are suspended in {suspended} workspace(s) until a person resumes them"
            ));
        }
        let held = self.held().await;
        if held > 0 {
            warnings.push(format!("{held} offboarding(s) are held for a person to decide"));
        }
        warnings.extend(self.app.erasure_warnings());
        if self.is_read_only() {
            warnings.push("the log takes nothing any more: its storage failed".to_owned());
        }
        warnings
    }

    /// Whether the log takes nothing any more.
    fn is_read_only(&self) -> bool {
        self.log.as_ref().is_some_and(|stats| stats().read_only)
    }

    /// Whether the directory has stopped in every workspace that is open: no SCIM request is served then.
    /// Where it goes on in one, others are not to be cut off from it.
    async fn directory_has_stopped(&self) -> bool {
        let all = self.app.projections().into_iter().filter(|it| it.projection == directory::NAME);
        let (stopped, others): (Vec<_>, Vec<_>) = all.partition(|it| it.stale.is_some());
        if stopped.is_empty() {
            return false;
        }
        for other in others {
            if self.app.workspace(&other.workspace).await.is_ok() {
                return false;
            }
        }
        true
    }

    /// Why nobody is served, if that is so.
    async fn out(&self) -> Option<&'static str> {
        let vacant = self.app.read_models().vacancies();
        if vacant.iter().any(|it| it.projection == directory::NAME) {
            return Some("building");
        }
        let is_stopped = self.is_read_only() || self.directory_has_stopped().await;
        is_stopped.then_some("stopped")
    }

    /// How many streams each projection holds back.
    fn held_streams(&self) -> BTreeMap<&'static str, u64> {
        let mut held: BTreeMap<_, u64> = BTreeMap::new();
        for status in self.app.projections() {
            *held.entry(status.projection).or_default() += status.held as u64;
        }
        held
    }

    /// How many device actions there are in each state.
    async fn effects(&self) -> Vec<(&'static str, u64)> {
        let counts = self.app.effects_by_state().await.unwrap_or_else(|error| {
            tracing::error!(%error, "the effects cannot be counted");
            BTreeMap::new()
        });
        counts.into_iter().collect()
    }

    /// In how many workspaces nothing is sent.
    fn suspended(&self) -> u64 {
        self.app.workspaces_suspended().unwrap_or_else(|error| {
            tracing::error!(%error, "whether deliveries are suspended cannot be told");
            0
        })
    }

    /// How many offboardings wait for a decision.
    async fn held(&self) -> u64 {
        self.app.offboardings_held().await.unwrap_or_else(|error| {
            tracing::error!(%error, "what is held cannot be counted");
            0
        })
    }

    /// The build that is under way, and what comparisons have found.
    fn builds(&self, text: &Scrape) {
        let builds = self.app.builds().into_iter();
        let is_over =
            |it| matches!(it, BuildState::Done | BuildState::Failed | BuildState::Cancelled);
        let running = builds.filter(|it| !is_over(it.state));
        let running: Vec<_> = running.collect();
        let each = |pick: fn(&BuildView) -> u64| {
            let names = |it: &BuildView| it.projections.clone();
            let values = running.iter().flat_map(|it| names(it).into_iter().map(|n| (n, pick(it))));
            values.collect::<Vec<_>>()
        };
        let says = "Events in the file that is being built of a projection.";
        text.family("projection_build_done", says, "projection", &each(|it| it.done));
        let says = "Events that are to be in it.";
        text.family("projection_build_total", says, "projection", &each(|it| it.total));
        let checked = self.app.checked();
        let each = |pick: fn(&Checked) -> u64| {
            checked.iter().map(|(name, it)| (*name, pick(it))).collect::<Vec<_>>()
        };
        let says = "Whether the last comparison with the log found a difference.";
        text.family("projection_differs", says, "projection", &each(|it| (!it.is_sound).into()));
        let says = "When it was last compared with the log, in seconds since 1970.";
        let seconds = |it: &Checked| u64::try_from(it.at / 1_000_000).unwrap_or(0);
        text.family("projection_verified_seconds", says, "projection", &each(seconds));
    }

    async fn metrics(&self) -> String {
        let text = Scrape::default();
        let heads = self.app.log().heads();
        text.gauge("workspaces", "Workspaces in the log.", heads.len() as u64);
        let events = heads.iter().map(|(_, head)| head).sum();
        text.counter("events_total", "Events in the log, of all workspaces.", events);
        let policies = self.app.policies();
        let behind = heads.iter().map(|(id, head)| head.saturating_sub(policies.position(id)));
        text.gauge("policy_lag_events", "Events that no policy has dealt with.", behind.sum());
        let mut lags: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
        for status in self.app.projections() {
            let (lag, stale) = lags.entry(status.projection).or_default();
            *lag += status.head.saturating_sub(status.position);
            *stale += u64::from(status.stale.is_some());
        }
        let each = |pick: fn(&(u64, u64)) -> u64| {
            lags.iter().map(|(name, it)| (*name, pick(it))).collect::<Vec<_>>()
        };
        let says = "Events that a projection does not show.";
        text.family("projection_lag_events", says, "projection", &each(|it| it.0));
        let says = "Workspaces in which a projection has stopped.";
        text.family("projection_stale_workspaces", says, "projection", &each(|it| it.1));
        let says =
            "Files of a projection that were found damaged since the start, and built again.";
        text.family("projection_damages", says, "projection", &self.app.read_models().damages());
        self.builds(&text);
        let held: Vec<_> = self.held_streams().into_iter().collect();
        let says = "Streams of which a projection holds an event back.";
        text.family("projection_held_streams", says, "projection", &held);
        let says = "Live tokens that end within 30 days, at the last look; once an hour.";
        text.gauge("tokens_ending", says, self.app.tokens_ending());
        text.gauge(
            "offboardings_held",
            "Offboardings that wait for a decision.",
            self.held().await,
        );
        let says = "Workspaces in which nothing is sent to devices until a person resumes it.";
        text.gauge("deliveries_suspended_workspaces", says, self.suspended());
        text.family(
            "effects",
            "Device actions, by how far they are.",
            "state",
            &self.effects().await,
        );
        adapters(&text, &self.owed().await);
        if let Some(stats) = &self.log {
            log(&text, &stats());
        }
        let (bytes, states): (Vec<_>, Vec<_>) = self
            .app
            .caches()
            .into_iter()
            .map(|it| ((it.kind, it.bytes), (it.kind, it.states)))
            .unzip();
        let says = "Bytes of states of aggregates in memory, about.";
        text.family("cache_bytes", says, "aggregate", &bytes);
        let says = "States of aggregates in memory.";
        text.family("cache_states", says, "aggregate", &states);
        if let Some(dir) = &self.files {
            let says = "Bytes of the files of the data directory, write-ahead logs included.";
            text.family("database_bytes", says, "database", &databases::sizes(dir));
        }
        text.page(self.app.meters().gather())
    }
}

fn adapters(text: &Scrape, owed: &BTreeMap<&'static str, Owed>) {
    let family = |name, says, pick: fn(&Owed) -> u64| {
        let values: Vec<_> = owed.iter().map(|(adapter, it)| (*adapter, pick(it))).collect();
        text.family(name, says, "adapter", &values);
    };
    family("effects_owed", "Device actions that have not ended and wait for nobody.", |it| it.owed);
    family("effects_in_flight", "Device actions that an MDM service has.", |it| it.in_flight);
    family("effects_parked", "Device actions that wait for a person.", |it| it.parked);
    let says = "How long ago the oldest owed device action was requested.";
    family("effects_oldest_seconds", says, |it| it.oldest_seconds);
}

fn log(text: &Scrape, stats: &Stats) {
    text.counter("log_appends_total", "Appends that were answered.", stats.appends);
    text.counter("log_events_total", "Events stored since the start.", stats.events);
    text.counter("log_batches_total", "Transactions that wrote something.", stats.batches);
    text.counter("log_syncs_total", "Times that the disk was waited for.", stats.syncs);
    text.counter("log_checkpoints_total", "Times that the WAL was emptied.", stats.checkpoints);
    text.counter("log_overloaded_total", "Appends that were turned away.", stats.overloaded);
    text.counter("log_failures_total", "Transactions that failed.", stats.failures);
    text.gauge("log_wal_bytes", "Bytes in the write-ahead log.", stats.wal_bytes);
    text.gauge("log_queue_appends", "Appends that are waiting.", stats.queue_appends);
    text.gauge("log_queue_bytes", "Bytes that are waiting.", stats.queue_bytes);
    let read_only = u64::from(stats.read_only);
    text.gauge("log_read_only", "Whether the log takes nothing any more.", read_only);
}

/// Adds `/healthz`, `/readyz` and `/metrics` to a server.
pub fn configure_probes(probes: &Probes) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let probes = Data::new(probes.clone());
    move |config| {
        let resource = |path, handler| web::resource(path).app_data(probes.clone()).route(handler);
        let got = || Route::new().guard(endpoint::of(Method::GET));
        config
            .service(resource("/healthz", got().to(health)))
            .service(resource("/readyz", got().to(ready)))
            .service(resource("/metrics", got().to(metrics)));
    }
}

async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "alive" }))
}

async fn ready(probes: Data<Probes>) -> HttpResponse {
    let started =
        actix_web::rt::time::timeout(START_WAIT, probes.app.read_models().started()).await;
    let mut warnings = probes.warnings().await;
    if started.is_err() {
        warnings
            .push("the read models have not seen all that was recorded before the start".into());
    }
    if let Some(status) = probes.out().await {
        let answer = json!({ "status": status, "warnings": warnings });
        return HttpResponse::ServiceUnavailable().json(answer);
    }
    HttpResponse::Ok().json(json!({ "status": "ready", "warnings": warnings }))
}

async fn metrics(probes: Data<Probes>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(probes.metrics().await)
}
