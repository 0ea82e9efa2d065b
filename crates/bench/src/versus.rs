//! Two servers under the same load, in turn.
//!
//! A machine grows slower and faster by itself. So the two take turns, several times, in short
//! slices, each time in the other order; what counts is the ratio of neighbours, and of those ratios the
//! one in the middle.

use std::{sync::Arc, time::Duration};

use crate::{
    load::{self, Connector, Jobs, Measured, Turn, Until},
    process::{Process, precise},
};

/// How often each has its turn.
const ROUNDS: u32 = 6;

/// One of two servers, and what it is asked.
pub(crate) struct Side {
    connector: Connector,
    process: Process,
    next: Jobs,
    /// Requests that were sent, so that the next slice goes on behind them.
    sent: usize,
    total: Measured,
    cpu_seconds: f64,
}

/// What one of two servers did.
pub(crate) struct Total {
    pub(crate) measured: Measured,
    /// The server's time on a processor for each request, in microseconds.
    pub(crate) cpu_us: f64,
}

/// What came of it.
pub(crate) struct Compared {
    pub(crate) one: Total,
    pub(crate) other: Total,
    /// The rate of the one against that of the other.
    pub(crate) ratio: f64,
}

impl Compared {
    /// What a request costs the one in time on a processor, against the other.
    pub(crate) fn cpu_ratio(&self) -> f64 {
        self.one.cpu_us / self.other.cpu_us
    }
}

impl Side {
    pub(crate) fn new(connector: &Connector, process: Process, next: Jobs) -> Self {
        let connector = connector.clone();
        Self { connector, process, next, sent: 0, total: Measured::none(), cpu_seconds: 0.0 }
    }

    /// Sends requests for a while; returns how many were answered in a second.
    async fn slice(&mut self, connections: usize, time: Duration) -> anyhow::Result<f64> {
        let (next, begin) = (Arc::clone(&self.next), self.sent);
        let next = move |turn: Turn| next(begin + turn.number);
        let before = self.process.cpu_seconds()?;
        let measured = load::run(&self.connector, connections, Until::Time(time), next).await?;
        self.cpu_seconds += self.process.cpu_seconds()? - before;
        // A connection that found the time over had taken a number as well.
        self.sent += usize::try_from(measured.latencies.len())? + connections;
        let rate = measured.rate();
        self.total.add(measured)?;
        Ok(rate)
    }

    fn end(self) -> Total {
        let cpu_us = self.cpu_seconds * 1e6 / precise(self.total.latencies.len());
        Total { measured: self.total, cpu_us }
    }
}

/// Lets two take turns over some connections, each for that long in all.
pub(crate) async fn run(
    mut one: Side,
    mut other: Side,
    connections: usize,
    time: Duration,
) -> anyhow::Result<Compared> {
    let (slice, mut ratios) = (time / ROUNDS, Vec::new());
    for round in 0..ROUNDS {
        let (first, second) = if round % 2 == 0 {
            let first = one.slice(connections, slice).await?;
            (first, other.slice(connections, slice).await?)
        } else {
            let second = other.slice(connections, slice).await?;
            (one.slice(connections, slice).await?, second)
        };
        ratios.push(first / second);
    }
    Ok(Compared { one: one.end(), other: other.end(), ratio: median(ratios) })
}

/// The figure in the middle; of an even number, the mean of the two there. 0 of none.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let half = figures.len() / 2;
    match figures.get(half) {
        None => 0.0,
        Some(upper) if figures.len() % 2 == 1 => *upper,
        Some(upper) => f64::midpoint(figures[half - 1], *upper),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_slice_does_not_move_the_median_far() {
        let text = |figures: &[f64]| format!("{:.2}", median(figures.to_vec()));
        assert_eq!(text(&[0.5, 9.0, 0.7]), "0.70");
        assert_eq!(text(&[0.5, 0.6, 0.7, 0.8]), "0.65");
        assert_eq!(text(&[]), "0.00");
    }
}
