//! Building every read model again while an identity provider goes on: whether a request fails, and how
//! much longer requests take before, meanwhile, and when what was built takes its place.
//!
//! The provider looks people up, changes them and brings new ones, in an open loop at a moderate rate.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use hyper::Method;
use serde_json::{Value, json};

use crate::{
    bodies, history,
    load::{Connector, Jobs, Turn, Until, run as load},
    open::{Arrived, Crowd},
    options::Sizes,
    process::precise,
    report::{Report, Wanted, latency, mib, ms, thousands},
    server::Server,
};

const WORKSPACE: &str = "under-load";

/// Over so many connections the provider sends.
const CONNECTIONS: usize = 16;

/// How long before and after the new files take their place requests are those "at the switch".
const SWITCH: Duration = Duration::from_secs(1);

/// A step that visits the people in no order a cache could guess: a prime.
const STRIDE: usize = 7_919;

/// New people have numbers from here on.
const NEW: usize = 9_000_000;

pub(crate) async fn run(muster: &Path, sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let (server, connector, people) = Box::pin(set(muster, sizes, report)).await?;
    let per_second = sizes.cycle_per_second;
    let mut provider = Crowd::new([(connector, cycle(people))], CONNECTIONS);
    provider.during(per_second, sizes.time / 2).await?.measured()?; // Its connections are made now.

    let before = provider.during(per_second, sizes.time).await?;
    let (memory, _) = server.process().memory_mib()?;
    server.process().forget_peak();
    let (meanwhile, built) = provider.beside(per_second, rebuild(&server)).await?;
    let (_, peak) = server.process().memory_mib()?;
    let after = provider.during(per_second, sizes.time).await?;

    let events = thousands(precise(built.events));
    let what = format!("rebuild of all read models from {events} events during a cycle");
    let rate = precise(built.events) / built.seconds();
    let figure = format!("{:.1} s, {}/s", built.seconds(), thousands(rate));
    report.note(what, figure);
    rows([&before, &meanwhile, &after], &built, per_second, report)?;
    let figure = format!("{}, {}", mib(memory), mib(peak));
    report.note("memory before and at the peak of it", figure);
    Ok(())
}

/// A server with a long log, and the number of people in it.
async fn set(
    muster: &Path,
    sizes: Sizes,
    report: &mut Report,
) -> anyhow::Result<(Server, Connector, usize)> {
    let server = Server::start(muster).await?;
    let connector = server.connector(WORKSPACE).await?;
    let mut client = connector.connect();
    let pattern = crate::load::id(&client.send(bodies::create_user(history::PATTERN)).await?)?;
    client.send(bodies::patch_user(&pattern, history::PATTERN)).await?;
    server.caught_up().await?;
    let (_, data) = server.stop().await?;
    let began = Instant::now();
    let people = history::append(data.path(), WORKSPACE, &pattern, sizes.rebuilt_events).await?;
    let seconds = began.elapsed().as_secs_f64();
    let events = thousands(precise(sizes.rebuilt_events));
    let figure = format!("{}/s", thousands(precise(sizes.rebuilt_events) / seconds));
    report.note(format!("append {events} events of {people} people to the log"), figure);

    let (server, seconds) = filled(muster, data).await?;
    report.note(
        format!("start without read models, until all of {events} events are in them"),
        format!("{seconds:.1} s, {}/s", thousands(precise(sizes.rebuilt_events) / seconds)),
    );
    let connector = server.again(&connector);
    let find = move |turn: Turn| bodies::find_user(turn.number * STRIDE % people);
    let found = load(&connector, CONNECTIONS, Until::Requests(people.min(1_000)), find).await?;
    ensure!(!found.latencies.is_empty(), "nobody was looked up");
    Ok((server, connector, people))
}

/// Starts a server that has to make its read models; returns how long that took.
async fn filled(muster: &Path, data: tempfile::TempDir) -> anyhow::Result<(Server, f64)> {
    std::fs::remove_dir_all(data.path().join("read")).context("removing the read models")?;
    let began = Instant::now();
    let server = Server::start_with(muster, &[], data).await?;
    server.caught_up().await?;
    Ok((server, began.elapsed().as_secs_f64()))
}

/// What the provider sends: of four requests two lookups, a change and somebody new.
fn cycle(people: usize) -> Jobs {
    let new = AtomicUsize::new(NEW);
    Arc::new(move |number: usize| {
        let person = number.wrapping_mul(STRIDE) % people;
        match number % 4 {
            1 => bodies::patch_user(&history::id(person).to_string(), number),
            3 => bodies::create_user(new.fetch_add(1, Ordering::Relaxed)),
            _ => bodies::find_user(person),
        }
    })
}

/// A build that is over.
struct Built {
    began: Instant,
    /// When the first of the files was ready to take its place.
    finishing: Instant,
    ended: Instant,
    events: u64,
}

impl Built {
    fn seconds(&self) -> f64 {
        self.ended.duration_since(self.began).as_secs_f64()
    }

    fn is_switch(&self, at: Instant) -> bool {
        at + SWITCH >= self.finishing && at <= self.ended + SWITCH
    }
}

/// Has all read models built again, and watches until they serve.
async fn rebuild(server: &Server) -> anyhow::Result<Built> {
    let began = Instant::now();
    let wait = json!({ "wait": false });
    let begun = server.ask(Method::POST, "/projections/rebuild", &wait).await?;
    let id = begun["build"]["id"].as_str().context("a build without an id")?.to_owned();
    let path = format!("/projections/builds/{id}");
    let finishing = std::cell::Cell::new(None);
    let events = std::cell::Cell::new(0);
    server
        .until(async || {
            let build = server.ask(Method::GET, &path, &Value::Null).await?;
            events.set(build["total"].as_u64().unwrap_or(0));
            if build["phase"] == "finishing" && finishing.get().is_none() {
                finishing.set(Some(Instant::now()));
            }
            match build["state"].as_str() {
                Some("running") => Ok(false),
                Some("done") => Ok(true),
                _ => anyhow::bail!("the build has ended otherwise: {build}"),
            }
        })
        .await?;
    let ended = Instant::now();
    let finishing = finishing.get().unwrap_or(ended);
    Ok(Built { began, finishing, ended, events: events.get() })
}

fn rows(
    [before, meanwhile, after]: [&Arrived; 3],
    built: &Built,
    per_second: f64,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut failed = 0;
    for arrived in [before, meanwhile, after] {
        let (count, failure) = arrived.failed();
        failed += count;
        if let (1.., Some(failure)) = (count, failure) {
            report.note("a request that failed", failure);
        }
    }
    let what = "requests of the cycle that failed";
    report.budget(what, precise(failed as u64), Wanted::AtMost(0.0));
    let rest = before.latencies(|_| true);
    let what = format!("the cycle at rest, {per_second:.0} due a second");
    report.note(what, latency(&rest));
    let at_rest = rest.value_at_quantile(0.99);
    let parts = [
        ("while it is built", meanwhile.latencies(|it| !built.is_switch(it.due))),
        ("at the switch, a second before and after it", {
            let mut at_switch = meanwhile.latencies(|it| built.is_switch(it.due));
            at_switch.add(after.latencies(|it| built.is_switch(it.due)))?;
            at_switch
        }),
        ("afterwards", after.latencies(|it| !built.is_switch(it.due))),
    ];
    for (what, latencies) in parts {
        let ratio = precise(latencies.value_at_quantile(0.99)) / precise(at_rest.max(1));
        let reference = format!("p99 {} ms at rest", ms(at_rest));
        let figures = (latency(&latencies), reference);
        report.ratio(format!("the cycle {what}"), figures, ratio, None);
    }
    Ok(())
}
