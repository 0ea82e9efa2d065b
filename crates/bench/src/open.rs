//! Load in an open loop: requests are due at their times, whatever became of those before.
//!
//! That is how clients come who know nothing of each other. A latency counts from when its request was
//! due, so that one that had to wait for a free connection is as slow as its client would find it: a
//! server that stands still for a second is seen to, by every request of that second.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use simulate::summary::{histogram, microseconds};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
};

use crate::load::{Client, Connector, Jobs, Measured};

/// How many requests of one client can be under way at a time; further ones wait, and it with them.
const CONNECTIONS: usize = 64;

/// Which request of a client is due, counted from 0, and when.
type Due = (usize, Instant);

/// Requests of one client that are due at even distances.
pub(crate) struct Arrivals {
    pub(crate) connector: Connector,
    pub(crate) per_second: f64,
    /// The request of a number.
    pub(crate) next: Jobs,
}

impl Arrivals {
    /// Sends what is due within a time.
    pub(crate) async fn during(self, time: Duration) -> anyhow::Result<Measured> {
        let Self { connector, per_second, next } = self;
        Crowd::of_one(&connector, next).during(per_second, time).await?.measured()
    }

    /// Sends what is due while something else is going on; returns what that came to as well.
    pub(crate) async fn beside<T>(
        self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<(Measured, T)> {
        let Self { connector, per_second, next } = self;
        let (arrived, done) = Crowd::of_one(&connector, next).beside(per_second, work).await?;
        Ok((arrived.measured()?, done))
    }
}

/// Clients whose requests are due in turn, at even distances. Their connections are kept from one
/// measurement to the next.
pub(crate) struct Crowd(Vec<Member>);

/// One of several clients.
struct Member {
    next: Jobs,
    clients: Vec<Client>,
    /// How many requests were due so far.
    sent: usize,
}

impl Crowd {
    /// Clients, each with its requests and so many connections.
    pub(crate) fn new(
        clients: impl IntoIterator<Item = (Connector, Jobs)>,
        connections: usize,
    ) -> Self {
        let member = |(connector, next): (Connector, Jobs)| {
            let clients = (0..connections).map(|_| connector.connect()).collect();
            Member { next, clients, sent: 0 }
        };
        Self(clients.into_iter().map(member).collect())
    }

    fn of_one(connector: &Connector, next: Jobs) -> Self {
        Self::new([(connector.clone(), next)], CONNECTIONS)
    }

    /// Sends what is due within a time.
    pub(crate) async fn during(
        &mut self,
        per_second: f64,
        time: Duration,
    ) -> anyhow::Result<Arrived> {
        let time = tokio::time::Instant::now() + time;
        let over = async {
            tokio::time::sleep_until(time).await;
            Ok(())
        };
        Ok(self.beside(per_second, over).await?.0)
    }

    /// Sends what is due while something else is going on; returns what that came to as well. That a
    /// request fails ends nothing.
    pub(crate) async fn beside<T>(
        &mut self,
        per_second: f64,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<(Arrived, T)> {
        let over = Arc::new(AtomicBool::new(false));
        let (mut members, mut workers) = (Vec::new(), JoinSet::new());
        for (index, member) in self.0.iter_mut().enumerate() {
            let (sender, due) = mpsc::unbounded_channel();
            members.push((sender, member.sent));
            let due = Arc::new(Mutex::new(due));
            for client in member.clients.drain(..) {
                let (next, due) = (Arc::clone(&member.next), Arc::clone(&due));
                workers.spawn(async move { (index, work_off(client, index, next, due).await) });
            }
        }
        let (began, last) = (Instant::now(), Arc::clone(&over));
        let announcer = thread::spawn(move || announce(members, per_second, &last));
        let done = work.await;
        over.store(true, Ordering::Relaxed);
        let mut arrived = Arrived::default();
        while let Some(worker) = workers.join_next().await {
            let (index, (client, own)) = worker.context("waiting for a connection")?;
            self.0[index].clients.push(client);
            arrived.samples.extend(own.samples);
            arrived.failure = arrived.failure.or(own.failure);
        }
        arrived.seconds = began.elapsed().as_secs_f64();
        let sent = announcer.join().ok().context("the clock of an open loop has stopped")?;
        self.0.iter_mut().zip(sent).for_each(|(member, sent)| member.sent = sent);
        Ok((arrived, done?))
    }
}

/// What became of requests that were due.
#[derive(Default)]
pub(crate) struct Arrived {
    samples: Vec<Sample>,
    /// Of one that failed, why.
    failure: Option<String>,
    seconds: f64,
}

/// One request.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// Of which client, by its place in the crowd.
    pub(crate) client: usize,
    pub(crate) due: Instant,
    micros: u64,
    failed: bool,
}

impl Arrived {
    /// The rate and the latencies.
    ///
    /// # Errors
    /// When a request failed: the latencies of refusals say nothing.
    pub(crate) fn measured(&self) -> anyhow::Result<Measured> {
        if let (1.., Some(failure)) = self.failed() {
            bail!("{failure}");
        }
        let latencies = self.latencies(|_| true);
        Ok(Measured { seconds: self.seconds, latencies, ..Measured::none() })
    }

    /// How many requests failed, and how one of them did.
    pub(crate) fn failed(&self) -> (usize, Option<&str>) {
        let failed = self.samples.iter().filter(|sample| sample.failed).count();
        (failed, self.failure.as_deref())
    }

    /// The latencies of some of the requests, in microseconds.
    pub(crate) fn latencies(&self, of: impl Fn(&Sample) -> bool) -> Histogram<u64> {
        let mut latencies = histogram();
        for sample in self.samples.iter().filter(|sample| of(sample)) {
            latencies.saturating_record(sample.micros);
        }
        latencies
    }
}

/// Says which request is due as soon as it is, to one client after the other; returns how many were
/// due of each. A thread of its own: tokio's timers are good to a millisecond, and much of what is
/// measured is faster.
fn announce(
    mut members: Vec<(mpsc::UnboundedSender<Due>, usize)>,
    per_second: f64,
    over: &AtomicBool,
) -> Vec<usize> {
    let distance = Duration::from_secs_f64(1.0 / per_second);
    let (mut at, mut turn) = (Instant::now(), 0);
    while let Some((sender, number)) = members.get_mut(turn) {
        #[expect(clippy::disallowed_methods, reason = "the time of the next request is to come")]
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if over.load(Ordering::Relaxed) || sender.send((*number, at)).is_err() {
            break;
        }
        *number += 1;
        turn = (turn + 1) % members.len();
        at += distance;
    }
    members.into_iter().map(|(_, sent)| sent).collect()
}

async fn work_off(
    mut client: Client,
    index: usize,
    next: Jobs,
    due: Arc<Mutex<mpsc::UnboundedReceiver<Due>>>,
) -> (Client, Arrived) {
    let mut arrived = Arrived::default();
    loop {
        let Some((number, at)) = due.lock().await.recv().await else { return (client, arrived) };
        let sent = client.send(next(number)).await;
        let (micros, failed) = (microseconds(at.elapsed()), sent.is_err());
        arrived.samples.push(Sample { client: index, due: at, micros, failed });
        if let Err(error) = sent {
            arrived.failure.get_or_insert_with(|| format!("{error:#}"));
        }
    }
}
