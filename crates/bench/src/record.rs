//! The record of a workspace with very many events: to verify it, to export it, to see one person as
//! they were, and what changed within a month; each beside plain reading of the same file.
//!
//! Months do not pass while a bench runs. So the changes of three months are appended by the log itself,
//! on a clock that is set forward: the same events as a PATCH leaves, one for each person and round.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use event_log::{
    Commit, EventLog, ManualClock, Micros, NewEvent, Payload, Seal, SqliteLog, SqliteOptions,
    StoredEvent, StreamAppend, StreamId, WorkspaceId,
};
use hyper::Method;
use serde::{Deserialize, de::IgnoredAny};
use simulate::summary::{histogram, microseconds};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{
    growth::MEMORY_MIB_MAX,
    load::{self, Job, Turn, Until},
    options::Sizes,
    population::Population,
    process::{Spent, Timer, precise},
    report::{Report, Wanted, latency, mib, ms, thousands},
    server::Server,
    stage::{Stage, WORKSPACE},
    tool, yardsticks,
};

/// The time that all changes are spread over.
const MONTHS: u32 = 3;
const MONTH: Duration = Duration::from_hours(30 * 24);

/// How many appends are under way at a time.
const AT_ONCE: usize = 1_000;

/// How many people are looked at as they were.
const PEOPLE: usize = 1_000;

/// How many differences are asked for at a time.
const PAGE: usize = 1_000;

/// What the changes begin with, and what is different in each.
const TITLE: &str = "\"Title ";

/// When the months begin that are compared.
struct Months {
    first: Micros,
    second: Micros,
}

/// Measures on the server of a stage, and ends it.
pub(crate) async fn run(
    muster: &Path,
    stage: Stage,
    sizes: Sizes,
    report: &mut Report,
) -> anyhow::Result<()> {
    let Stage { server, users, .. } = stage;
    // Everybody is changed once as identity providers do, which is the pattern of all further changes.
    let change = users.changes();
    let change = move |turn: Turn| change(turn.number);
    load::run(&users.connector, 64, Until::Requests(users.ids.len()), change).await?;
    let (_, data) = server.stop().await?;
    let months = append_months(data.path(), sizes.events).await?;
    offline(muster, data.path(), report).await?;

    let began = Instant::now();
    let server = Server::start_with(muster, &[], data).await?;
    server.caught_up().await?;
    let seconds = began.elapsed().as_secs_f64();
    report.note("start, until the read models have what was appended", format!("{seconds:.1} s"));
    let users = users.on(&server);
    replay(&server, &users, &months, report).await?;
    diff(&server, &months, report).await
}

/// Verifies and exports, with the commands that an auditor uses.
async fn offline(muster: &Path, data_dir: &Path, report: &mut Report) -> anyhow::Result<()> {
    let (count, reading) = yardsticks::read_events(data_dir, WORKSPACE, (0, u64::MAX >> 1))?;
    let count = thousands(precise(count));
    let row = |what: &str, ran: tool::Ran, reading: Spent, report: &mut Report| {
        let figure = format!("{}, peak {}", ran.spent, mib(ran.peak_mib));
        let what = format!("{what}, {count} events");
        let ratio = ran.spent.cpu_seconds / reading.cpu_seconds;
        report.ratio(&what, (figure, format!("{reading} to read them")), ratio, None);
        let what = format!("MiB at the peak of it: {what}");
        report.budget(what, precise(ran.peak_mib), Wanted::AtMost(MEMORY_MIB_MAX));
    };
    let of_data = [OsStr::new("--data-dir"), data_dir.as_os_str()];
    let of_workspace = ["--workspace", WORKSPACE].map(OsStr::new);
    let verify = ["audit", "verify"].map(OsStr::new);
    let ran = tool::run(muster, &[&verify[..], &of_data, &of_workspace].concat()).await?;
    row("verify a data directory", ran, reading, report);

    let files = TempDir::new_in(data_dir).context("making a directory for an export")?;
    let file = files.path().join("export.ndjson");
    let export = ["audit", "export"].map(OsStr::new);
    let out = [OsStr::new("--out"), file.as_os_str()];
    let ran = tool::run(muster, &[&export[..], &of_data, &of_workspace, &out].concat()).await?;
    row("export as NDJSON", ran, reading, report);

    let of_file = [OsString::from("--file"), file.clone().into()];
    let verify = verify.map(OsString::from);
    let ran = tool::run(muster, &[&verify[..], &of_file].concat()).await?;
    row("verify an export", ran, yardsticks::read_file(&file)?, report);
    Ok(())
}

/// Looks at people as they were at the end of the first month.
async fn replay(
    server: &Server,
    users: &Population,
    months: &Months,
    report: &mut Report,
) -> anyhow::Result<()> {
    let log = yardsticks::open(&server.data_dir().join("log.db"))?;
    let (at, position) = position(&log, months.second)?;
    let (mut api, mut plain, mut all) = (server.api()?.connect(), histogram(), histogram());
    let path = format!("/workspaces/{WORKSPACE}/history/users");
    for id in users.ids.iter().cycle().step_by(7).take(PEOPLE) {
        let get = Job::new(Method::GET, format!("{path}/{id}?at={at}"), "", &[200]);
        let began = Instant::now();
        api.send(get).await?;
        all.saturating_record(microseconds(began.elapsed()));
        let id = id.replace('-', "");
        let id = data_encoding::HEXLOWER.decode(id.as_bytes()).context("an id is no UUID")?;
        let began = Instant::now();
        yardsticks::read_stream(&log, &id, position)?;
        plain.saturating_record(microseconds(began.elapsed()));
    }
    let [took, reading] = [&all, &plain].map(|it| it.value_at_quantile(0.5));
    let reference = format!("p50 {} ms to read their events", ms(reading));
    let ratio = precise(took) / precise(reading);
    report.ratio("one person as of a time, over HTTP", (latency(&all), reference), ratio, None);
    Ok(())
}

/// What changed in the second month, page by page.
async fn diff(server: &Server, months: &Months, report: &mut Report) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Page {
        items: Vec<IgnoredAny>,
        next_cursor: Option<String>,
    }
    let log = yardsticks::open(&server.data_dir().join("log.db"))?;
    let ((from, after), (to, upto)) =
        (position(&log, months.first)?, position(&log, months.second)?);
    let (before, _) = server.process().memory_mib()?;
    server.process().forget_peak();
    let (mut api, mut found, mut cursor) = (server.api()?.connect(), 0, String::new());
    let timer = Timer::start()?;
    let before_cpu = server.process().cpu_seconds()?;
    loop {
        let path = format!("/workspaces/{WORKSPACE}/diff?from={from}&to={to}&limit={PAGE}{cursor}");
        let answer = api.send(Job::new(Method::GET, path, "", &[200])).await?;
        let page: Page = serde_json::from_slice(&answer.body).context("reading differences")?;
        found += page.items.len();
        let Some(next) = page.next_cursor else { break };
        cursor = format!("&cursor={next}");
    }
    let seconds = timer.stop()?.seconds;
    let spent = Spent { seconds, cpu_seconds: server.process().cpu_seconds()? - before_cpu };
    let (_, peak) = server.process().memory_mib()?;
    let (count, reading) = yardsticks::read_events(server.data_dir(), WORKSPACE, (after, upto))?;
    let count = thousands(precise(count));
    ensure!(found > 0, "nothing changed within a month");
    let what = format!("what changed in a month of {count} events, over HTTP");
    let figure = format!("{spent}, {} changed", thousands(precise(found as u64)));
    let ratio = spent.cpu_seconds / reading.cpu_seconds;
    report.ratio(what, (figure, format!("{reading} to read them")), ratio, None);
    report.note("memory before and at the peak of it", format!("{}, {}", mib(before), mib(peak)));
    let what = "MiB at the peak of it: what changed in a month";
    report.budget(what, precise(peak), Wanted::AtMost(MEMORY_MIB_MAX));
    Ok(())
}

/// A time as the API takes it, and the last position by then.
fn position(log: &rusqlite::Connection, at: Micros) -> anyhow::Result<(String, u64)> {
    let sql = "SELECT coalesce(max(last), 0) FROM transactions
               WHERE workspace = (SELECT no FROM workspaces WHERE id = ?1) AND time <= ?2";
    let position: i64 = log.query_row(sql, (WORKSPACE, at), |row| row.get(0))?;
    let text = jiff::Timestamp::from_microsecond(at).context("a time beyond all calendars")?;
    Ok((text.to_string(), position.cast_unsigned()))
}

/// Appends changes of three months until there are so many events.
async fn append_months(data_dir: &Path, events: u64) -> anyhow::Result<Months> {
    let workspace = WorkspaceId::parse(WORKSPACE)?;
    let clock = Arc::new(ManualClock::at(0));
    let log = SqliteLog::open(SqliteOptions::new(data_dir), Arc::clone(&clock) as _)?;
    let mut pattern = changes(&log, &workspace).await?;
    ensure!(!pattern.is_empty(), "nobody was changed");
    let begin = pattern.iter().map(|event| event.time).max().unwrap_or(0);
    clock.set(begin);
    let missing = events.saturating_sub(log.head(&workspace)).max(pattern.len() as u64 * 3);
    // A change of everybody in each round, and the rounds at even distances.
    let rounds = u32::try_from(missing.div_ceil(pattern.len() as u64))?.max(MONTHS);
    for round in 1..=rounds {
        clock.advance(MONTH * MONTHS / rounds);
        append_round(&log, &workspace, &mut pattern, round).await?;
    }
    log.close();
    let month = Micros::try_from(MONTH.as_micros())?;
    Ok(Months { first: begin + month, second: begin + 2 * month })
}

/// The last change of each person, with the version that the person has.
async fn changes(log: &SqliteLog, workspace: &WorkspaceId) -> anyhow::Result<Vec<StoredEvent>> {
    let (head, mut after) = (log.head(workspace), 0);
    let mut found: HashMap<StreamId, StoredEvent> = HashMap::new();
    while after < head {
        for event in log.read(workspace, after, AT_ONCE).await? {
            after = event.position;
            if event.name == "user.entry_changed" {
                found.insert(event.stream.clone(), event);
            } else if let Some(known) = found.get_mut(&event.stream) {
                known.version = event.version;
            }
        }
    }
    Ok(found.into_values().collect())
}

/// Changes everybody once more.
async fn append_round(
    log: &Arc<SqliteLog>,
    workspace: &WorkspaceId,
    pattern: &mut [StoredEvent],
    round: u32,
) -> anyhow::Result<()> {
    for chunk in pattern.chunks_mut(AT_ONCE) {
        let mut appends = JoinSet::new();
        for event in chunk {
            appends.spawn(log.append(again(workspace, event, round)?));
            event.version += 1;
        }
        while let Some(append) = appends.join_next().await {
            append.context("waiting for an append")??;
        }
    }
    Ok(())
}

/// The same change to another title.
fn again(workspace: &WorkspaceId, event: &StoredEvent, round: u32) -> anyhow::Result<StreamAppend> {
    let Payload::Plain(payload) = &event.payload else { anyhow::bail!("a change cannot be read") };
    let payload = str::from_utf8(payload)?.replace(TITLE, &format!("{TITLE}{round} "));
    ensure!(payload.contains(TITLE), "a change has no title: {payload}");
    let event_again = NewEvent {
        name: event.name.clone(),
        schema_version: event.schema_version,
        payload: payload.into_bytes(),
        seal: Seal::Stream,
    };
    let mut meta = event_log::Meta::clone(&event.meta);
    meta.correlation = format!("{}-{round}", meta.correlation);
    let commit = Commit { meta, events: vec![event_again], claims: Vec::new(), checkpoint: None };
    Ok(StreamAppend {
        workspace: workspace.clone(),
        stream: event.stream.clone(),
        expected_version: event.version,
        commits: vec![commit],
    })
}
