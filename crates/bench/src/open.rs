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

use anyhow::Context;
use simulate::summary::{histogram, microseconds};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
};

use crate::load::{Client, Connector, Jobs, Measured};

/// How many requests can be under way at a time; further ones wait, and their clients with them.
const CONNECTIONS: usize = 64;

/// Which request is due, counted from 0, and when.
type Due = (usize, Instant);

/// Requests that are due at even distances.
pub(crate) struct Arrivals {
    pub(crate) connector: Connector,
    pub(crate) per_second: f64,
    /// The request of a number.
    pub(crate) next: Jobs,
}

impl Arrivals {
    /// Sends what is due within a time.
    pub(crate) async fn during(self, time: Duration) -> anyhow::Result<Measured> {
        let time = tokio::time::Instant::now() + time;
        let over = async {
            tokio::time::sleep_until(time).await;
            Ok(())
        };
        Ok(self.beside(over).await?.0)
    }

    /// Sends what is due while something else is going on; returns what that came to as well.
    pub(crate) async fn beside<T>(
        self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<(Measured, T)> {
        let Self { connector, per_second, next } = self;
        let over = Arc::new(AtomicBool::new(false));
        let began = Instant::now();
        let (sender, due) = mpsc::unbounded_channel();
        let last = Arc::clone(&over);
        thread::spawn(move || announce(&sender, per_second, &last));
        let due = Arc::new(Mutex::new(due));
        let mut workers = JoinSet::new();
        for _ in 0..CONNECTIONS {
            workers.spawn(work_off(connector.connect(), Arc::clone(&next), Arc::clone(&due)));
        }
        let done = work.await;
        over.store(true, Ordering::Relaxed);
        let mut measured = Measured::none();
        while let Some(worker) = workers.join_next().await {
            measured.add(worker.context("waiting for a connection")??)?;
        }
        measured.seconds = began.elapsed().as_secs_f64();
        Ok((measured, done?))
    }
}

/// Says which request is due as soon as it is. A thread of its own: tokio's timers are good to a
/// millisecond, and much of what is measured is faster.
fn announce(due: &mpsc::UnboundedSender<Due>, per_second: f64, over: &AtomicBool) {
    let (began, distance) = (Instant::now(), Duration::from_secs_f64(1.0 / per_second));
    let mut at = began;
    for number in 0.. {
        #[expect(clippy::disallowed_methods, reason = "the time of the next request is to come")]
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if over.load(Ordering::Relaxed) || due.send((number, at)).is_err() {
            return;
        }
        at += distance;
    }
}

async fn work_off(
    mut client: Client,
    next: Jobs,
    due: Arc<Mutex<mpsc::UnboundedReceiver<Due>>>,
) -> anyhow::Result<Measured> {
    let mut latencies = histogram();
    loop {
        let Some((number, at)) = due.lock().await.recv().await else {
            return Ok(Measured { latencies, ..Measured::none() });
        };
        client.send(next(number)).await?;
        latencies.saturating_record(microseconds(at.elapsed()));
    }
}
