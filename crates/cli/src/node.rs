//! A node: the log, the read models, the app over both, and what runs in the background.

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use app::{App, Notary, Parts, SystemIds, admin::mdm_services::SetUp, policies};
use backup::{Backups, Place};
use event_log::{Clock, EventLog, SqliteLog, SqliteOptions, SystemClock, ledger};
use projections::{Order, ReadModels};
use reactor::{
    deliverer::{self, Deliverer},
    service::Services,
};
use tokio::task::JoinHandle;

use crate::{options::Settings, otlp::Collector};

/// The name under which the digest of the owner's token is kept.
const ADMIN: &str = "admin";

/// Everything that a server runs.
pub(crate) struct Node {
    pub(crate) app: Arc<App>,
    pub(crate) log: Arc<SqliteLog>,
    pub(crate) services: Arc<dyn Services>,
    /// The owner's token, if it was made just now: it cannot be shown again.
    pub(crate) new_token: Option<String>,
    background: Vec<JoinHandle<()>>,
    collector: Option<Arc<Collector>>,
}

/// Opens the log of a data directory.
pub(crate) fn open_log(
    data_dir: &Path,
    master_key: Option<[u8; 32]>,
    erasure_ledger: Option<PathBuf>,
) -> anyhow::Result<Arc<SqliteLog>> {
    let options = SqliteOptions { master_key, erasure_ledger, ..SqliteOptions::new(data_dir) };
    SqliteLog::open(options, Arc::new(SystemClock))
        .with_context(|| format!("opening the log in {}", data_dir.display()))
}

/// Opens the keys that sign checkpoints, in their own file or in that of the data directory. The log
/// must be open: it keeps others away.
pub(crate) fn open_notary(
    data_dir: &Path,
    path: Option<&Path>,
    master_key: Option<[u8; 32]>,
) -> anyhow::Result<Notary> {
    let path = path.map_or_else(|| data_dir.join("signing.keys"), Path::to_owned);
    Notary::open(&path, master_key.as_ref(), SystemClock.now()).context("opening the signing keys")
}

/// What a backup is made of.
pub(crate) fn backup_source(
    data_dir: &Path,
    signing_keys: Option<&Path>,
    ledger: Option<&Path>,
    master_key: Option<[u8; 32]>,
    notary: Arc<Notary>,
) -> backup::Source {
    let signing_keys = signing_keys.map_or_else(|| data_dir.join("signing.keys"), Path::to_owned);
    let ledger = ledger.map_or_else(|| data_dir.join(ledger::FILE), Path::to_owned);
    backup::Source { data_dir: data_dir.to_owned(), notary, signing_keys, ledger, master_key }
}

/// Opens the read models of a data directory.
pub(crate) fn open_read_models(
    data_dir: &Path,
    log: &Arc<SqliteLog>,
) -> anyhow::Result<Arc<ReadModels>> {
    let log: Arc<dyn EventLog> = Arc::clone(log) as _;
    ReadModels::open(&app::read_models_dir(data_dir), log).context("opening the read models")
}

impl Node {
    /// Opens everything and starts what runs in the background.
    pub(crate) fn start(settings: &Settings, public_url: String) -> anyhow::Result<Self> {
        let ledger = settings.erasure_ledger.clone();
        let log = open_log(&settings.data_dir, settings.master_key, ledger)?;
        let signing_keys = settings.signing_keys.as_deref();
        let notary = open_notary(&settings.data_dir, signing_keys, settings.master_key)?;
        if notary.is_made_now() && !log.heads().is_empty() {
            tracing::warn!(
                "a signing key was made, though there are events: whoever keeps checkpoints needs \
                 the new public key"
            );
        }
        let notary = Arc::new(notary);
        let read_models = open_read_models(&settings.data_dir, &log)?;
        let (admin_digest, new_token) = admin(&log, settings.admin_token.as_deref())?;
        let app = App::new(Parts {
            log: Arc::clone(&log) as _,
            read_models,
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
            public_url,
            admin_digest,
            notary: Arc::clone(&notary),
        });
        if let Some(dir) = settings.backup_dir.clone() {
            let (data_dir, key) = (&settings.data_dir, settings.master_key);
            let ledger = settings.erasure_ledger.as_deref();
            let source = backup_source(data_dir, signing_keys, ledger, key, notary);
            let place = Place { dir, keys: settings.backup_keys_dir.clone() };
            app.back_up_with(Backups::new(source, place, Arc::new(SystemClock)));
        }
        if let Some(per_second) = settings.requests_per_second {
            app.limit_requests(per_second);
        }
        let collector = settings.otlp_endpoint.as_deref();
        let collector = collector.map(|address| Collector::start(address, settings.otlp_share));
        let collector = collector.transpose()?;
        if let Some(collector) = &collector {
            app.spans_go_to(Arc::clone(collector) as _);
        }
        if settings.without_provisioning_log {
            tracing::warn!(
                "requests are not entered into the provisioning log: for measuring only"
            );
            app.leave_requests_unrecorded();
        }
        let mut all = policies::standard();
        all.push(Box::new(reactor::Planner::default()));
        let policies = tokio::spawn(policies::run(Arc::clone(&app), all));
        let http = mdm::http::Http::new();
        let services =
            Arc::new(mdm::Configured::new(Arc::clone(&app), http, Arc::new(SystemClock)));
        let set_up: Arc<dyn SetUp> = Arc::clone(&services) as _;
        app.set_up_services_with(&set_up);
        let services: Arc<dyn Services> = services;
        let calls = settings.mdm_calls_per_second;
        let deliverer = Deliverer::new(Arc::clone(&app), Arc::clone(&services), calls);
        let deliverer = tokio::spawn(deliverer::run(deliverer));
        let tokens = tokio::spawn(app::watch_tokens(Arc::clone(&app)));
        let mut background = vec![policies, deliverer, tokens];
        if let Some(hours) = settings.verify_every {
            background.push(tokio::spawn(verify_every(Arc::clone(&app), hours)));
        }
        Ok(Self { app, log, services, new_token, background, collector })
    }

    /// Stops what runs in the background and closes the files. What was acknowledged is on disk
    /// already; this only leaves them tidy.
    pub(crate) fn stop(self) {
        self.background.iter().for_each(JoinHandle::abort);
        self.app.read_models().close();
        self.log.close();
        if let Some(collector) = self.collector {
            collector.end();
        }
    }
}

/// Compares read models with the log, again and again. What it finds is in the log, in the metrics and
/// among the warnings of `/readyz`.
async fn verify_every(app: Arc<App>, hours: NonZeroU32) {
    let mut turns = tokio::time::interval(Duration::from_secs(3_600 * u64::from(hours.get())));
    turns.tick().await; // The first is at once.
    loop {
        turns.tick().await;
        match app.verify_projections(Order::default()).await {
            Ok((_, found)) if found.differences.is_empty() && found.unsound.is_empty() => {
                tracing::info!("the read models show what the log says");
            }
            Ok(_) => {} // Said already.
            Err(error) => tracing::warn!(%error, "the read models could not be compared"),
        }
    }
}

/// The digest of the owner's token: of the one that is configured, else of the one that was made at
/// the first start. The token itself is kept nowhere.
fn admin(
    log: &SqliteLog,
    configured: Option<&str>,
) -> anyhow::Result<(app::TokenDigest, Option<String>)> {
    let keyring = log.keyring();
    let known = keyring.secret(ADMIN).context("reading the owner's token")?;
    let (token, made) = match (configured, known) {
        (Some(token), _) => (token.to_owned(), false),
        (None, Some(known)) => {
            let digest = known.try_into().ok().context("the owner's token is damaged")?;
            return Ok((digest, None));
        }
        (None, None) => (app::make_admin_token(&SystemIds).context("making a token")?, true),
    };
    let digest = app::admin_digest(&token);
    keyring.set_secret(ADMIN, &digest).context("keeping the owner's token")?;
    Ok((digest, made.then_some(token)))
}
