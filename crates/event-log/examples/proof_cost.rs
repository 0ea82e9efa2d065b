//! What a proof costs in a long log, beside computing the same from all of its leaves.
//!
//! `cargo run --release -p event-log --example proof_cost [EVENTS]`

#![expect(clippy::print_stdout, reason = "printing figures is what it is for")]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use event_log::{
    Commit, EventLog, Meta, NewEvent, Seal, SqliteLog, StreamAppend, StreamId, SystemClock,
    WorkspaceId,
};
use hdrhistogram::Histogram;
use uuid::Uuid;

/// How many events one append has.
const APPEND: usize = 1_000;
/// How many proofs of each kind are timed.
const PROOFS: u64 = 1_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let events = std::env::args().nth(1).map_or(Ok(1_000_000), |number| number.parse::<usize>())?;
    let log = SqliteLog::temporary(Arc::new(SystemClock))?;
    let acme = WorkspaceId::parse("acme")?;
    let started = Instant::now();
    for number in (0..).take(events.div_ceil(APPEND)) {
        log.append(append(&acme, number)).await?;
    }
    let head = log.head(&acme);
    let seconds = started.elapsed().as_secs_f64();
    println!("{head} events appended, {APPEND} at a time: {seconds:.1} s");

    let mut inclusion = Histogram::<u64>::new(3)?;
    let mut consistency = Histogram::<u64>::new(3)?;
    for number in 0..PROOFS {
        // Spread over the whole log.
        let position = 1 + number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % head;
        let started = Instant::now();
        log.inclusion(&acme, position, head).await?;
        inclusion.record(micros(started))?;
        let started = Instant::now();
        log.consistency(&acme, position, head).await?;
        consistency.record(micros(started))?;
    }
    for (name, times) in [("inclusion", inclusion), ("consistency", consistency)] {
        let [half, most] = [0.5, 0.99].map(|quantile| times.value_at_quantile(quantile));
        println!("{name}: p50 {half} µs, p99 {most} µs");
    }
    let started = Instant::now();
    log.verify(&acme, &mut |_, _| ()).await?;
    println!("reading and hashing everything: {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn micros(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn append(workspace: &WorkspaceId, number: u64) -> StreamAppend {
    let event = NewEvent {
        name: "user.changed".into(),
        schema_version: 1,
        payload: vec![b'x'; 200],
        seal: Seal::Open,
    };
    let commit = Commit {
        meta: Meta { actor: "connector:okta/t1".into(), ..Meta::default() },
        events: vec![event; APPEND],
        claims: Vec::new(),
        checkpoint: None,
    };
    StreamAppend {
        workspace: workspace.clone(),
        stream: StreamId::new("user", Uuid::from_u64_pair(0, number)),
        expected_version: 0,
        commits: vec![commit],
    }
}
