//! How fast the log appends, reads and verifies here.
//!
//! `cargo run --release -p event-log --example append_rate [SECONDS] [CONNECTIONS…]`
//!
//! Each of the connections creates one user after the other: one sealed event of about 200 bytes
//! and two claims, acknowledged when it is on disk. (Correlation ids that an IdP draws at random would
//! touch one more page each.) What a sync of the disk takes is printed
//! first, since it bounds a single connection.

#![expect(clippy::print_stdout, reason = "printing figures is what it is for")]

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event_log::{
    Claim, ClaimChange, Clock, Commit, EventLog, Meta, NewEvent, Seal, SqliteLog, StreamAppend,
    StreamId, SystemClock, WorkspaceId,
};
use hdrhistogram::Histogram;
use uuid::{Builder, Uuid};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<u32>());
    let seconds = numbers.next().transpose()?.unwrap_or(3);
    let mut connections = numbers.collect::<Result<Vec<_>, _>>()?;
    if connections.is_empty() {
        connections = vec![1, 16, 64, 256];
    }
    println!("sync of the disk: {:.0} µs (median)", sync_micros()?);
    println!(
        "connections  appends/s  p50 ms  p99 ms  syncs/append  appends/batch  KiB written/append"
    );
    for count in connections {
        let log = SqliteLog::temporary(Arc::new(SystemClock))?;
        appends(&log, count, Duration::from_secs(seconds.into())).await?;
        reads(&log).await?;
    }
    Ok(())
}

async fn appends(log: &Arc<SqliteLog>, count: u32, length: Duration) -> Result<(), Failure> {
    let written = bytes_written();
    let start = Instant::now();
    let tasks: Vec<_> = (0..count)
        .map(|connection| tokio::spawn(connection_of(Arc::clone(log), connection, start, length)))
        .collect();
    let mut latencies = Histogram::<u64>::new(3)?;
    for task in tasks {
        latencies += task.await??;
    }
    let seconds = start.elapsed().as_secs_f64();
    let stats = log.stats();
    println!(
        "{count:>11} {:>10.0} {:>7.2} {:>7.2} {:>13.3} {:>14.1} {:>19.1}",
        ratio(latencies.len(), 1) / seconds,
        ratio(latencies.value_at_quantile(0.5), 1_000),
        ratio(latencies.value_at_quantile(0.99), 1_000),
        ratio(stats.syncs, stats.appends),
        ratio(stats.appends, stats.batches),
        ratio(bytes_written() - written, stats.appends * 1_024),
    );
    Ok(())
}

async fn connection_of(
    log: Arc<SqliteLog>,
    connection: u32,
    start: Instant,
    length: Duration,
) -> Result<Histogram<u64>, Failure> {
    let mut latencies = Histogram::<u64>::new(3)?;
    let workspace = workspace()?;
    for number in 0_u64.. {
        if start.elapsed() >= length {
            break;
        }
        let batch = user(&workspace, connection, number);
        let sent = Instant::now();
        log.append(batch).await?;
        latencies.record(u64::try_from(sent.elapsed().as_micros())?)?;
    }
    Ok(latencies)
}

/// What creating a user appends.
fn user(workspace: &WorkspaceId, connection: u32, number: u64) -> StreamAppend {
    let name = format!("user-{connection}-{number}@acme.example");
    let mut random = [0; 10];
    random[..4].copy_from_slice(&connection.to_be_bytes());
    random[4..].copy_from_slice(&number.to_be_bytes()[2..]);
    let millis = u64::try_from(SystemClock.now() / 1_000).unwrap_or(0);
    let id: Uuid = Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    let claim = |scope: &str| Claim { scope: scope.into(), key: name.clone() };
    let payload = format!(
        r#"{{"entry":"{id}","userName":"{name}","name":{{"givenName":"Ada","familyName":"Lovelace"}},"active":true,"emails":[{{"value":"{name}","type":"work","primary":true}}]}}"#
    );
    let commit = Commit {
        meta: Meta {
            actor: "connector:okta/token:1".into(),
            request: Some("POST /Users".to_owned()),
            correlation: id.to_string(),
            causation: None,
            rule: None,
        },
        events: vec![NewEvent {
            name: "user.entry_added".into(),
            schema_version: 1,
            payload: payload.into_bytes(),
            seal: Seal::Stream,
        }],
        claims: vec![
            ClaimChange::Take(claim("entry:okta")),
            ClaimChange::Take(claim("account:dashboard")),
        ],
        checkpoint: None,
    };
    StreamAppend {
        workspace: workspace.clone(),
        stream: StreamId::new("user", id),
        expected_version: 0,
        commits: vec![commit],
    }
}

/// What this process has had written to disks; 0 where the system does not say.
fn bytes_written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

/// Reads everything, as a rebuild does, and verifies it.
async fn reads(log: &SqliteLog) -> Result<(), Failure> {
    let workspace = workspace()?;
    let head = log.head(&workspace);
    let start = Instant::now();
    let mut after = 0;
    while after < head {
        after = log.read(&workspace, after, 1_000).await?.last().map_or(head, |last| last.position);
    }
    let read = start.elapsed();
    let start = Instant::now();
    log.verify(&workspace, &mut |_, _| ()).await?;
    let verified = start.elapsed();
    let rate = |elapsed: Duration| ratio(head, 1) / elapsed.as_secs_f64();
    println!("  {:.0} events/s read, {:.0} events/s verified", rate(read), rate(verified));
    Ok(())
}

fn workspace() -> Result<WorkspaceId, Failure> {
    Ok(WorkspaceId::parse("acme")?)
}

/// The median of 500 writes of a page with a sync, in microseconds.
fn sync_micros() -> Result<f64, Failure> {
    let path = std::env::temp_dir().join(format!("append-rate-{}", std::process::id()));
    let mut file = File::create(&path)?;
    file.write_all(&vec![0; 4_096 * 500])?;
    file.sync_all()?;
    let mut latencies = Histogram::<u64>::new(3)?;
    std::io::Seek::rewind(&mut file)?;
    for _ in 0..500 {
        let start = Instant::now();
        file.write_all(&[1; 4_096])?;
        file.sync_data()?;
        latencies.record(u64::try_from(start.elapsed().as_micros())?)?;
    }
    std::fs::remove_file(&path)?;
    Ok(ratio(latencies.value_at_quantile(0.5), 1))
}

#[expect(clippy::cast_precision_loss, reason = "figures are printed with a few digits")]
fn ratio(count: u64, of: u64) -> f64 {
    count as f64 / of as f64
}
