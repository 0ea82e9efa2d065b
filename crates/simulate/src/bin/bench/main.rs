//! The load generator and benchmark of `muster serve`.
//!
//! Starts a server on a loopback port with an empty data directory, sends it load over plain HTTP
//! and prints one Markdown table. Generator and server share the machine: what counts are the
//! ratios of one run. A scenario is a file with a function `run`; a reference server to compare
//! with is one more scenario.

mod background;
mod big_group;
mod bodies;
mod contention;
mod listing;
mod load;
mod reads;
mod report;
mod server;
mod writes;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Parser;

use crate::{
    load::{Connector, Until},
    report::Report,
    server::Server,
};

/// Measures a `muster` binary under load.
#[derive(Parser)]
struct Options {
    /// The binary to measure; the one beside this program if none is named.
    muster: Option<PathBuf>,
    /// Users of the large workspace.
    #[arg(long, default_value_t = 100_000)]
    users: usize,
    /// Members of the large group, at least 30.
    #[arg(long, default_value_t = 100_000)]
    members: usize,
    /// Members that join the large group, and a group of each client, under contention.
    #[arg(long, default_value_t = 4_000)]
    additions: usize,
    /// Seconds of each measurement that goes by time.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// A twentieth of the sizes and a fifth of the time.
    #[arg(long)]
    quick: bool,
    /// Scenarios to run; all of them if none is named.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Scenario>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Scenario {
    Writes,
    Reads,
    Listing,
    BigGroup,
    Contention,
    Background,
}

/// How large a run is.
#[derive(Clone, Copy)]
struct Sizes {
    /// Users of the large workspace.
    users: usize,
    /// Users of the small one.
    users_few: usize,
    /// Members of the large group.
    members: usize,
    /// Members that join under contention.
    additions: usize,
    /// The time of a measurement that has no other end.
    time: Duration,
}

impl Sizes {
    fn of(options: &Options) -> Self {
        let (part, time) =
            if options.quick { (20, options.seconds / 5.0) } else { (1, options.seconds) };
        let (users, members) = (options.users / part, (options.members / part).max(30));
        Self {
            users,
            users_few: (users / 100).max(10),
            members,
            additions: options.additions / part,
            time: Duration::from_secs_f64(time.max(0.01)),
        }
    }

    fn until(self) -> Until {
        Until::Time(self.time)
    }
}

/// A workspace with users in it.
struct Population {
    connector: Connector,
    /// The ids of the users, by their numbers.
    ids: std::sync::Arc<[String]>,
}

impl Population {
    /// Creates users over 64 connections.
    async fn create(connector: Connector, users: usize) -> anyhow::Result<(Self, load::Measured)> {
        let create = |turn: load::Turn| bodies::create_user(turn.number);
        let measured = load::run(&connector, 64, Until::Requests(users), create).await?;
        let ids = measured.ids.clone().into();
        Ok((Self { connector, ids }, measured))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let muster = match &options.muster {
        Some(path) => path.clone(),
        None => std::env::current_exe().context("finding this program")?.with_file_name("muster"),
    };
    let server = Server::start(&muster).await?;
    let mut report = Report::default();
    report.note("start with an empty data directory", format!("{} ms", server.start.as_millis()));
    measure(&server, &options, &mut report).await?;
    let stop = server.stop().await?;
    report.note("end after SIGTERM", format!("{} ms", stop.as_millis()));
    print(&report.to_string());
    Ok(if report.missed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn measure(server: &Server, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let sizes = Sizes::of(options);
    let wanted = |scenario| options.only.is_empty() || options.only.contains(&scenario);
    memory(server, report, "at the start")?;
    if wanted(Scenario::Writes) {
        writes::run(&server.connector("writes").await?, sizes, report).await?;
        memory(server, report, "after the writes")?;
    }
    // Those who join the large group while clients contend for it are further users.
    let count = sizes.users.max(sizes.members + sizes.additions);
    let (many, created) = Population::create(server.connector("many").await?, count).await?;
    report.rate(format!("create {count} users, 64 connections"), &created);
    memory(server, report, &format!("with {count} users"))?;
    if wanted(Scenario::Reads) {
        let few = server.connector("few").await?;
        let (few, _) = Population::create(few, sizes.users_few).await?;
        reads::run(&few, &many, sizes, report).await?;
        memory(server, report, "after the reads")?;
    }
    if wanted(Scenario::Listing) {
        listing::run(&many, report).await?;
        memory(server, report, "after the listing")?;
    }
    if wanted(Scenario::BigGroup) || wanted(Scenario::Contention) {
        let group = big_group::run(&many, sizes, report).await?;
        memory(server, report, &format!("with a group of {}", sizes.members))?;
        if wanted(Scenario::Contention) {
            contention::run(&many, &group, sizes, report).await?;
            memory(server, report, "after the contention")?;
        }
    }
    if wanted(Scenario::Background) {
        background::run(server, sizes, report).await?;
        memory(server, report, "after the jobs")?;
    }
    Ok(())
}

fn memory(server: &Server, report: &mut Report, when: &str) -> anyhow::Result<()> {
    let (now, peak) = server.memory_mib()?;
    report.note(format!("resident memory {when}"), format!("{now} MiB, peak {peak} MiB"));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn print(text: &str) {
    print!("{text}");
}
