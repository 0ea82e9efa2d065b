//! Very many workspaces on one server: what each costs at rest, and whether requests find it beside so
//! many others. A tenth as many workspaces of the same size are the measure.
//!
//! Each workspace has an identity provider with a connection of its own, and their requests come in turn,
//! so that no two in a row are about the same one.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bytes::Bytes;
use hyper::Method;
use serde_json::json;
use simulate::summary::{histogram, microseconds};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{
    bodies::{self, PAGE_SIZE},
    growth::MEMORY_MIB_MAX,
    load::{self, Client, Connector, Job, Measured},
    options::Sizes,
    process::{precise, precise_len},
    report::{Report, Wanted, mib, thousands},
    server::Server,
    stage::size,
};

/// How many workspaces are made at a time.
const MADE_AT_ONCE: usize = 8;

/// How many requests are under way at a time.
const AT_ONCE: usize = 64;

/// How many times more workspaces there are than those that they are compared with.
const STEP: usize = 10;

/// The request of a workspace: of which one, and the so-manieth, from 0.
type Ask = Arc<dyn Fn(usize, usize) -> Job + Send + Sync>;

pub(crate) async fn run(muster: &Path, sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let (many, each) = (sizes.workspaces, sizes.users_each);
    let few = Box::pin(measure(muster, (many / STEP).max(1), each, sizes.time)).await?;
    let many = Box::pin(measure(muster, many, each, sizes.time)).await?;
    let of = |it: &Figures| format!("{} workspaces of {}", thousands(precise_len(it.count)), each);
    let (figure, reference) = (of(&many), of(&few));
    for ((what, one), (_, other)) in many.rates.iter().zip(&few.rates) {
        let texts = (format!("{}/s", thousands(*one)), format!("{}/s", thousands(*other)));
        report.ratio(format!("{what}: {figure}, against {reference}"), texts, one / other, None);
    }
    for (what, one, other) in [
        ("memory at rest after the load", many.memory, few.memory),
        ("memory after a start", many.memory_started, few.memory_started),
        ("on disk", many.disk_mib, few.disk_mib),
    ] {
        let ratio = precise(one) / precise(other.max(1));
        report.ratio(format!("{what}: the same"), (mib(one), mib(other)), ratio, None);
    }
    for (what, one, other) in
        [("open files", many.files, few.files), ("threads", many.threads, few.threads)]
    {
        let texts = (one.to_string(), other.to_string());
        let ratio = precise_len(one) / precise_len(other.max(1));
        report.ratio(format!("{what}: the same"), texts, ratio, None);
    }
    let empty = precise(many.memory_empty.saturating_sub(few.memory_empty) << 10);
    let empty = empty / precise_len(many.count - few.count.min(many.count - 1));
    report.note("memory of a workspace without people", format!("{empty:.1} KiB"));
    let what = format!("MiB of memory with {figure} people, at rest");
    report.budget(what, precise(many.memory), Wanted::AtMost(MEMORY_MIB_MAX));
    let what = format!("seconds from start to finding the last person of {figure}");
    report.budget(what, many.start.as_secs_f64(), Wanted::AtMost(1.0));
    Ok(())
}

/// What was measured with so many workspaces.
struct Figures {
    count: usize,
    /// What was sent, and how many of it in a second.
    rates: Vec<(&'static str, f64)>,
    /// Before anybody was in any of them.
    memory_empty: u64,
    memory: u64,
    memory_started: u64,
    disk_mib: u64,
    files: usize,
    threads: usize,
    start: Duration,
}

async fn measure(
    muster: &Path,
    count: usize,
    each: usize,
    time: Duration,
) -> anyhow::Result<Figures> {
    let server = Server::start(muster).await?;
    let mut everybody = Workspaces::make(&server, count).await?;
    server.caught_up().await?;
    let (memory_empty, _) = server.process().memory_mib()?;
    let create: Ask = Arc::new(|_, number| bodies::create_user(number));
    let created = everybody.ask(create, Until::Each(each)).await?;
    let ids: Arc<[Vec<String>]> = everybody.ids().into();
    ensure!(ids.iter().all(|ids| ids.len() == each), "somebody was not created");
    let (by_id, patched) = (Arc::clone(&ids), Arc::clone(&ids));
    let page = format!("/Users?count={PAGE_SIZE}");
    let asks: [(&str, Ask); 4] = [
        ("GET by id", Arc::new(move |at, number| bodies::get_user(&by_id[at][number % each]))),
        ("GET by userName", Arc::new(move |_, number| bodies::find_user(number % each))),
        (
            "PATCH",
            Arc::new(move |at, number| bodies::patch_user(&patched[at][number % each], number)),
        ),
        ("pages", Arc::new(move |_, _| Job::new(Method::GET, page.clone(), Bytes::new(), &[200]))),
    ];
    let mut rates = vec![("create users", created.rate())];
    for (what, ask) in asks {
        rates.push((what, everybody.ask(ask, Until::Time(time)).await?.rate()));
    }
    server.caught_up().await?;
    let process = server.process();
    let (memory, _) = process.memory_mib()?;
    let (files, threads) = (process.files()?, process.threads()?);
    drop(everybody.clients);
    let (_, data) = server.stop().await?;
    let disk_mib = size(data.path()).context("adding up files")? >> 20;
    let last = everybody.connectors.last().context("there is no workspace")?;
    let (server, start) = found(muster, data, last, each - 1).await?;
    let (memory_started, _) = server.process().memory_mib()?;
    Ok(Figures {
        count,
        rates,
        memory_empty,
        memory,
        memory_started,
        disk_mib,
        files,
        threads,
        start,
    })
}

/// Starts a server; returns how long that took until it found somebody.
async fn found(
    muster: &Path,
    data: TempDir,
    connector: &Connector,
    number: usize,
) -> anyhow::Result<(Server, Duration)> {
    let began = Instant::now();
    let server = Server::start_with(muster, &[], data).await?;
    let answer = server.again(connector).connect().send(bodies::find_user(number)).await?;
    let took = began.elapsed();
    let text = String::from_utf8_lossy(&answer.body);
    ensure!(text.contains(r#""totalResults":1"#), "the last user is not found: {text}");
    Ok((server, took))
}

/// When requests end.
#[derive(Clone, Copy)]
enum Until {
    /// After so many to each workspace.
    Each(usize),
    Time(Duration),
}

/// All workspaces, each with its identity provider.
struct Workspaces {
    connectors: Vec<Connector>,
    clients: Vec<Provider>,
}

/// The identity provider of a workspace.
struct Provider {
    /// The place of the workspace.
    at: usize,
    client: Client,
    /// How many requests it has sent since requests are of this kind.
    sent: usize,
    /// Whom it has created.
    ids: Vec<String>,
}

impl Workspaces {
    async fn make(server: &Server, count: usize) -> anyhow::Result<Self> {
        let mut connectors = Vec::with_capacity(count);
        // A server is borrowed by all, so that no tasks of their own are made.
        let names: Vec<_> = (0..count).map(|number| format!("workspace-{number}")).collect();
        for names in names.chunks(MADE_AT_ONCE) {
            let rule = json!({ "on_create": "create" });
            let made = names.iter().map(|name| server.connector_of(name, "store", &rule));
            for made in futures_util::future::join_all(made).await {
                connectors.push(made?);
            }
        }
        let provider = |(at, connector): (usize, &Connector)| Provider {
            at,
            client: connector.connect(),
            sent: 0,
            ids: Vec::new(),
        };
        let clients = connectors.iter().enumerate().map(provider).collect();
        Ok(Self { connectors, clients })
    }

    /// Whom each has created.
    fn ids(&mut self) -> Vec<Vec<String>> {
        self.clients.iter_mut().map(|it| std::mem::take(&mut it.ids)).collect()
    }

    /// Sends requests of one kind to all of them, one after the other.
    async fn ask(&mut self, ask: Ask, until: Until) -> anyhow::Result<Measured> {
        let (began, mut workers) = (Instant::now(), JoinSet::new());
        let mut parts: Vec<Vec<Provider>> = Vec::new();
        parts.resize_with(AT_ONCE.min(self.clients.len()), Vec::new);
        let count = parts.len();
        for (index, provider) in self.clients.drain(..).enumerate() {
            parts[index % count].push(Provider { sent: 0, ..provider });
        }
        for part in parts {
            workers.spawn(work(part, Arc::clone(&ask), began, until));
        }
        let mut measured = Measured::none();
        while let Some(worker) = workers.join_next().await {
            let (part, own) = worker.context("waiting for providers")??;
            self.clients.extend(part);
            measured.add(own)?;
        }
        self.clients.sort_by_key(|it| it.at);
        measured.seconds = began.elapsed().as_secs_f64();
        Ok(measured)
    }
}

/// Sends what is to be sent to some of the workspaces.
async fn work(
    mut part: Vec<Provider>,
    ask: Ask,
    began: Instant,
    until: Until,
) -> anyhow::Result<(Vec<Provider>, Measured)> {
    let mut latencies = histogram();
    loop {
        for provider in &mut part {
            let over = match until {
                Until::Each(each) => provider.sent >= each,
                Until::Time(time) => began.elapsed() >= time,
            };
            if over {
                let measured = Measured { latencies, ..Measured::none() };
                return Ok((part, measured));
            }
            let sent = Instant::now();
            let response = provider.client.send(ask(provider.at, provider.sent)).await?;
            latencies.saturating_record(microseconds(sent.elapsed()));
            provider.sent += 1;
            if response.status == 201 {
                provider.ids.push(load::id(&response)?);
            }
        }
    }
}
