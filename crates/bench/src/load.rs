//! The load generator: connections that are kept, one request on each at a time.
//!
//! A closed loop (`open` has the other kind): a connection sends its next request when it has its answer. Every status is
//! checked, and the first wrong one ends the measurement, since the rate of refusals says nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use bytes::Bytes;
use hdrhistogram::Histogram;
use hyper::{
    HeaderMap, Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::Deserialize;
use simulate::{
    client::{Connection, Response, Target},
    summary::{histogram, microseconds, rate},
};
use tokio::task::JoinSet;

/// Where load goes, and with which token.
#[derive(Clone)]
pub(crate) struct Connector {
    target: Arc<Target>,
    headers: HeaderMap,
}

impl Connector {
    pub(crate) fn new(target: Target, token: &str) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}"))?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/scim+json"));
        Ok(Self { target: Arc::new(target), headers })
    }

    /// The same on another server.
    pub(crate) fn on(&self, server: &Target) -> Self {
        let target = Arc::new(server.with_path(self.target.path()));
        Self { target, headers: self.headers.clone() }
    }

    /// Its Base URL and its token, for another process.
    pub(crate) fn named(&self) -> anyhow::Result<(String, String)> {
        let (host, port) = self.target.address();
        let token = self.headers.get(AUTHORIZATION).context("a connector without a token")?;
        let token = token.to_str()?.trim_start_matches("Bearer ").to_owned();
        Ok((format!("http://{host}:{port}{}", self.target.path()), token))
    }

    /// Host and port.
    pub(crate) fn address(&self) -> (String, u16) {
        let (host, port) = self.target.address();
        (host.to_owned(), port)
    }

    /// A request as it goes over the wire, for clients that no HTTP library would be.
    pub(crate) fn written(&self, job: &Job) -> Vec<u8> {
        let Job { method, path, body, .. } = job;
        let (host, port) = self.target.address();
        let (base, length) = (self.target.path(), body.len());
        let mut text = format!(
            "{method} {base}{path} HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-length: {length}\r\n"
        )
        .into_bytes();
        for (name, value) in &self.headers {
            text.extend_from_slice(name.as_str().as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value.as_bytes());
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(body);
        text
    }

    pub(crate) fn connect(&self) -> Client {
        Client { connection: Connection::new(Arc::clone(&self.target)), connector: self.clone() }
    }
}

/// One connection of a connector.
pub(crate) struct Client {
    connection: Connection,
    connector: Connector,
}

impl Client {
    /// Sends one request; a status that the job does not accept is an error.
    pub(crate) async fn send(&mut self, job: Job) -> anyhow::Result<Response> {
        let headers = &self.connector.headers;
        let response = self.connection.send(&job.method, &job.path, headers, job.body).await?;
        if !job.accepted.contains(&response.status.as_u16()) {
            let body = String::from_utf8_lossy(&response.body);
            bail!("{} {} was answered {}: {body}", job.method, job.path, response.status);
        }
        Ok(response)
    }
}

/// One request, and the status codes that are an answer to it.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Bytes,
    pub(crate) accepted: &'static [u16],
}

impl Job {
    pub(crate) fn new(
        method: Method,
        path: impl Into<String>,
        body: impl Into<Bytes>,
        accepted: &'static [u16],
    ) -> Self {
        Self { method, path: path.into(), body: body.into(), accepted }
    }
}

/// Which request comes next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// The connection, from 0.
    pub(crate) connection: usize,
    /// The request, from 0 over all connections.
    pub(crate) number: usize,
}

/// The request of each number.
pub(crate) type Jobs = Arc<dyn Fn(usize) -> Job + Send + Sync>;

/// When the load ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// After this many requests.
    Requests(usize),
    /// When this time is over; what is under way is still answered and counted, and every
    /// connection sends at least one request.
    Time(Duration),
}

/// What a load measured.
pub(crate) struct Measured {
    /// The wall time from the first request to the last answer, in seconds.
    pub(crate) seconds: f64,
    /// Latencies in microseconds, one for each request.
    pub(crate) latencies: Histogram<u64>,
    /// The ids of what was created, in the order of the requests' numbers.
    pub(crate) ids: Vec<String>,
}

impl Measured {
    /// Nothing yet.
    pub(crate) fn none() -> Self {
        Self { seconds: 0.0, latencies: histogram(), ids: Vec::new() }
    }

    /// Adds what was measured later.
    pub(crate) fn add(&mut self, later: Self) -> anyhow::Result<()> {
        self.seconds += later.seconds;
        self.latencies.add(later.latencies).context("adding up latencies")?;
        self.ids.extend(later.ids);
        Ok(())
    }

    /// Returns the latency that 99 of 100 requests did not exceed, in microseconds.
    pub(crate) fn p99(&self) -> u64 {
        self.latencies.value_at_quantile(0.99)
    }

    /// Returns the answers per second.
    pub(crate) fn rate(&self) -> f64 {
        rate(self.latencies.len(), self.seconds)
    }
}

/// Sends what `next` says over some connections until the end has come.
pub(crate) async fn run(
    connector: &Connector,
    connections: usize,
    until: Until,
    next: impl Fn(Turn) -> Job + Send + Sync + 'static,
) -> anyhow::Result<Measured> {
    let next = Arc::new(next);
    let taken = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut workers = JoinSet::new();
    for connection in 0..connections {
        let (client, next, taken) = (connector.connect(), Arc::clone(&next), Arc::clone(&taken));
        workers.spawn(async move { work(client, connection, &*next, &taken, began, until).await });
    }
    let (mut latencies, mut ids) = (histogram(), Vec::new());
    while let Some(worker) = workers.join_next().await {
        let (own, created) = worker.context("waiting for a connection")??;
        latencies.add(own).context("adding up latencies")?;
        ids.extend(created);
    }
    let seconds = began.elapsed().as_secs_f64();
    ids.sort_unstable();
    Ok(Measured { seconds, latencies, ids: ids.into_iter().map(|(_, id)| id).collect() })
}

async fn work(
    mut client: Client,
    connection: usize,
    next: &impl Fn(Turn) -> Job,
    taken: &AtomicU64,
    began: Instant,
    until: Until,
) -> anyhow::Result<(Histogram<u64>, Vec<(usize, String)>)> {
    let (mut latencies, mut ids) = (histogram(), Vec::new());
    loop {
        let number = usize::try_from(taken.fetch_add(1, Ordering::Relaxed))?;
        let over = match until {
            Until::Requests(count) => number >= count,
            Until::Time(time) => !latencies.is_empty() && began.elapsed() >= time,
        };
        if over {
            return Ok((latencies, ids));
        }
        let job = next(Turn { connection, number });
        let sent = Instant::now();
        let response = client.send(job).await?;
        latencies.saturating_record(microseconds(sent.elapsed()));
        if response.status == 201 {
            ids.push((number, id(&response)?));
        }
    }
}

/// Reads the id out of a resource and nothing else.
pub(crate) fn id(response: &Response) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Created {
        id: String,
    }
    let created: Created = serde_json::from_slice(&response.body).context("reading an id")?;
    Ok(created.id)
}
