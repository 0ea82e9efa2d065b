//! `muster serve`: the server.

use std::{
    io::{self, IsTerminal},
    net::TcpListener,
    num::NonZeroUsize,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::{
    App as HttpApp, HttpServer,
    dev::{Service, ServiceRequest, ServiceResponse},
    http::ConnectionType,
};
use admin::Probes;
use anyhow::Context;
use app::App;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::{
    connections,
    node::Node,
    options::{ServerOptions, Settings},
    output::say,
    slices::{SLICE_BYTES, slices},
};

/// How long requests that are under way may take when the server is asked to stop, in seconds.
const SHUTDOWN_SECONDS: u64 = 5;
/// How long a client may take to send the head of its request, in seconds.
const HEAD_SECONDS: u64 = 15;
/// How long an idle connection is kept, in seconds. Longer than a provisioning cycle pauses.
const KEEP_ALIVE_SECONDS: u64 = 75;

pub(crate) async fn run(options: ServerOptions) -> anyhow::Result<ExitCode> {
    let server = Server::open(options.settle()?)?;
    if let Some(token) = &server.node.new_token {
        say(&format!("owner's token (shown once): {token}"));
    }
    server.run().await
}

/// A server that is listening and does not answer yet.
pub(crate) struct Server {
    pub(crate) node: Node,
    pub(crate) url: String,
    listener: TcpListener,
    settings: Settings,
}

impl Server {
    /// Opens the data directory and the port.
    pub(crate) fn open(settings: Settings) -> anyhow::Result<Self> {
        log_lines(settings.log_json, "info");
        let listener = TcpListener::bind(settings.listen)
            .with_context(|| format!("listening on {}", settings.listen))?;
        connections::set_up(&listener).context("setting up the socket that listens")?;
        let url = format!("http://{}", listener.local_addr()?);
        let public_url = settings.public_url.clone().unwrap_or_else(|| url.clone());
        let node = Node::start(&settings, public_url)?;
        Ok(Self { node, url, listener, settings })
    }

    /// Answers requests until the process is asked to stop.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let app = Arc::clone(&self.node.app);
        let recovered = app.recover_provisioning_log().await;
        recovered.context("bringing the provisioning log up to date")?;
        let log = Arc::clone(&self.node.log);
        let services = Arc::clone(&self.node.services);
        let probes = Probes::new(Arc::clone(&app))
            .with_log(move || log.stats())
            .with_services(services)
            .with_files(self.settings.data_dir.clone());
        let ending = Arc::new(AtomicBool::new(false));
        let last = Arc::clone(&ending);
        let service = move || {
            let last = Arc::clone(&last);
            let around = move |request, service: &_| answer(request, service, Arc::clone(&last));
            HttpApp::new().wrap_fn(around).configure(routes(&app, &probes))
        };
        let workers = self.settings.workers.map_or_else(connections::workers, NonZeroUsize::get);
        let http = HttpServer::new(service)
            .workers(workers)
            .max_connections(connections::of_each(workers))
            .keep_alive(Duration::from_secs(KEEP_ALIVE_SECONDS))
            // Whoever hangs up wants no answer any more, as with the proxies that most clients stand behind.
            .h1_allow_half_closed(false)
            .h1_write_buffer_size(SLICE_BYTES)
            // A slice does not wait until the client has confirmed the one before.
            .tcp_nodelay(true)
            .client_request_timeout(Duration::from_secs(HEAD_SECONDS))
            .shutdown_timeout(SHUTDOWN_SECONDS);
        // Before anybody is told that the server is there: from then on it ends as it should.
        let mut signals = Signals::new().context("listening to signals")?;
        let http = http.disable_signals().listen(self.listener).context("starting the server")?;
        let server = http.run();
        let handle = server.handle();
        let followed = Arc::clone(&self.node.app);
        let stop = tokio::spawn(async move {
            let gracefully = signals.asked().await;
            ending.store(true, Ordering::Relaxed);
            followed.end_following();
            handle.stop(gracefully).await;
        });
        say(&format!("listening on {}", self.url));
        let served = server.await.context("serving");
        stop.abort();
        self.node.stop();
        served.map(|()| ExitCode::SUCCESS)
    }
}

/// Answers a request. While the server ends, each answer is the last one of its connection: a client
/// that goes on sending would otherwise hold the end up until it is cut off in the middle.
fn answer<S>(
    request: ServiceRequest,
    service: &S,
    ending: Arc<AtomicBool>,
) -> impl Future<Output = Result<ServiceResponse, actix_web::Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = actix_web::Error>,
{
    let answer = service.call(request);
    async move {
        let mut answer = answer.await?.map_body(|_, body| slices(body));
        if ending.load(Ordering::Relaxed) {
            answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        }
        Ok(answer)
    }
}

/// The ways in which the system asks a process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits until the process is asked to end; tells whether requests under way may be finished.
    async fn asked(&mut self) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => true,
            _ = self.interrupt.recv() => false,
        }
    }
}

/// Every route of the server.
fn routes(
    app: &Arc<App>,
    probes: &Probes,
) -> impl FnOnce(&mut actix_web::web::ServiceConfig) + use<> {
    let (app, probes) = (Arc::clone(app), probes.clone());
    move |config| {
        config.configure(admin::configure_probes(&probes));
        config.configure(admin::configure(Arc::clone(&app)));
        config.configure(admin::configure_reports(Arc::clone(&app)));
        config.configure(ingress::configure(app));
    }
}

/// Log lines go to standard error, in colours if that is a terminal and `NO_COLOR` is not set. `RUST_LOG`
/// chooses what, else `level`; ids only, never names or bodies.
pub(crate) fn log_lines(json: bool, level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let wants_colours = std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    let lines = tracing_subscriber::fmt()
        .with_ansi(wants_colours && io::stderr().is_terminal())
        .with_env_filter(filter)
        .with_writer(io::stderr);
    // A second subscriber in one process, as in tests, changes nothing.
    let set = if json { lines.json().try_init() } else { lines.try_init() };
    drop(set);
}
