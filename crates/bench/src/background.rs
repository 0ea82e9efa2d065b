//! What an administrator has done to everybody, and what SCIM requests notice of it.
//!
//! The same requests are sent before a job, beside it and after it; what counts is the rate beside it
//! against the mean of the other two, so that a machine that grows slower or faster is no finding.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::ensure;
use hyper::Method;
use serde_json::{Value, json};

use crate::{
    bodies,
    load::{self, Measured, Turn},
    options::Sizes,
    population::Population,
    report::{Report, Wanted, mib},
    server::Server,
};

const CONNECTIONS: usize = 16;

/// A step that visits the users in no order a cache could guess: a prime.
const STRIDE: usize = 7_919;

/// More than are sent in a round.
const REQUESTS_MAX: usize = 100_000_000;

/// How many members are added at a time.
const MEMBERS: usize = 1_000;

/// How often is looked whether a job has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

const WORKSPACE: &str = "/workspaces/background";

/// A job, and what has to be set before it.
struct Job {
    /// In words, after "while".
    what: &'static str,
    /// What is put where; it begins the job where no POST does.
    setting: (&'static str, Value),
    /// Where it is begun, and where its progress is.
    path: &'static str,
    posted: bool,
}

pub(crate) async fn run(muster: &Path, sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let server = &Server::start(muster).await?;
    // Nobody has an account yet.
    let connector = server.connector_of("background", "dashboard", &json!({})).await?;
    let (people, _) = Population::create(connector, sizes.users).await?;
    let mut client = people.connector.connect();
    let group = load::id(&client.send(bodies::create_group("Everybody")).await?)?;
    for members in people.ids.chunks(MEMBERS) {
        client.send(bodies::add_members(&group, members)).await?;
    }
    for (number, job) in jobs().iter().enumerate() {
        measure(server, &people, sizes, (number, job), report).await?;
    }
    let (memory, peak) = server.process().memory_mib()?;
    report.note("memory after the jobs", format!("{}, peak {}", mib(memory), mib(peak)));
    Ok(())
}

fn jobs() -> [Job; 4] {
    let rule = || {
        let rule = json!({ "on_create": "create", "default_role": "viewer" });
        ("/connectors/dashboard/provisioning", rule)
    };
    let department = json!([{ "name": "department", "attributes": [{ "key": "department" }] }]);
    let everybody = json!({ "rules": [{ "group": "Everybody", "role": "developer" }] });
    [
        Job {
            what: "what a rule would do is counted",
            setting: rule(),
            path: "/connectors/dashboard/provisioning/preview",
            posted: true,
        },
        Job {
            what: "a rule gives everybody an account",
            setting: rule(),
            path: "/connectors/dashboard/provisioning/apply",
            posted: true,
        },
        Job {
            what: "everybody gets other metadata",
            setting: ("/connectors/dashboard/attribute-mapping", department),
            path: "/connectors/dashboard/attribute-mapping/apply",
            posted: true,
        },
        Job {
            what: "everybody gets another role",
            setting: ("/role-mapping", everybody),
            path: "/role-mapping/progress",
            posted: false,
        },
    ]
}

async fn measure(
    server: &Server,
    people: &Population,
    sizes: Sizes,
    (number, job): (usize, &Job),
    report: &mut Report,
) -> anyhow::Result<()> {
    let at = |path: &str| format!("{WORKSPACE}{path}");
    let (what, path) = (job.what, at(job.path));
    let requests = |round| requests(people, sizes, 3 * number + round);
    if job.posted {
        server.ask(Method::PUT, &at(job.setting.0), &job.setting.1).await?;
    }
    let before = requests(0).await?;
    let began = Instant::now();
    if job.posted {
        server.ask(Method::POST, &path, &json!({})).await?;
    } else {
        server.ask(Method::PUT, &at(job.setting.0), &job.setting.1).await?;
    }
    let beside = requests(1).await?;
    let then = server.ask(Method::GET, &path, &Value::Null).await?;
    let ended = ended(server, &path).await?;
    let seconds = began.elapsed().as_secs_f64();
    let after = requests(2).await?;

    let done = |job: &Value| job["done"].as_u64().unwrap_or(0);
    let still = if then["state"] == "running" { "went on" } else { "had ended" };
    let figure = format!(
        "{} people in {seconds:.1} s; {still} after {:.1} s, with {} done",
        done(&ended),
        beside.seconds,
        done(&then)
    );
    report.note(what, figure);
    report.rate(format!("read and PATCH users before {what}, {CONNECTIONS} connections"), &before);
    report.rate(format!("read and PATCH users while {what}, {CONNECTIONS} connections"), &beside);
    let ratio = beside.rate() * 2.0 / (before.rate() + after.rate());
    report.budget(format!("requests while {what}, against without"), ratio, Wanted::AtLeast(0.8));
    Ok(())
}

/// Half of them reads, half of them changes, which are others in each round.
async fn requests(people: &Population, sizes: Sizes, round: usize) -> anyhow::Result<Measured> {
    let ids = Arc::clone(&people.ids);
    let next = move |turn: Turn| {
        let id = &ids[turn.number * STRIDE % ids.len()];
        if turn.number.is_multiple_of(2) {
            bodies::get_user(id)
        } else {
            bodies::patch_user(id, round * REQUESTS_MAX + turn.number)
        }
    };
    load::run(&people.connector, CONNECTIONS, sizes.until(), next).await
}

/// Waits until a job has ended.
#[expect(clippy::disallowed_methods, reason = "over HTTP the end of a job can only be asked for")]
async fn ended(server: &Server, path: &str) -> anyhow::Result<Value> {
    loop {
        let job = server.ask(Method::GET, path, &Value::Null).await?;
        ensure!(job["state"] != "failed", "the job has failed: {job}");
        if job["state"] != "running" {
            return Ok(job);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
