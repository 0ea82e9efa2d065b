//! What the provisioning log costs a request: two servers, one of which keeps none, under the same
//! requests in turn.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Context;

use crate::{
    bodies,
    load::Jobs,
    options::Sizes,
    population::Population,
    report::{Report, Wanted},
    server::Server,
    versus::{self, Side},
};

/// The hidden option of `muster serve`.
const WITHOUT: &str = "--without-provisioning-log";

const CONNECTIONS: usize = 16;

/// How many users are read and changed.
const USERS: usize = 10_000;

/// The rate with the log against the rate without it: it may cost 5 %.
const BUDGET: Wanted = Wanted::AtLeast(0.95);

pub(crate) async fn run(muster: &Path, sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let with = Keeper::start(muster, &[], sizes).await?;
    let without = Keeper::start(muster, &[WITHOUT], sizes).await?;
    let of =
        |keeper: &Keeper, next| Side::new(&keeper.users.connector, keeper.server.process(), next);
    for (what, jobs) in KINDS {
        let [one, other] = [&with, &without].map(|keeper| of(keeper, jobs(keeper)));
        let compared = versus::run(one, other, CONNECTIONS, 2 * sizes.time).await?;
        let what = format!("{what} with the provisioning log, against without");
        report.compare(&what, &compared, Some(BUDGET));
        let cpu = format!("time of a core: {what}");
        let [one, other] =
            [&compared.one, &compared.other].map(|it| format!("{:.1} µs", it.cpu_us));
        report.ratio(cpu, (one, other), compared.cpu_ratio(), None);
    }
    Ok(())
}

/// A kind of requests, in words and as what is sent to a server.
type Kind = (&'static str, fn(&Keeper) -> Jobs);

/// What is compared.
const KINDS: [Kind; 4] = [
    ("create users", |keeper| {
        let created = Arc::clone(&keeper.created);
        Arc::new(move |_| bodies::create_user(created.fetch_add(1, Ordering::Relaxed)))
    }),
    ("PATCH users", |keeper| keeper.users.changes()),
    ("GET by id", |keeper| keeper.users.reads()),
    ("GET by userName", |keeper| keeper.users.lookups()),
];

/// A server that keeps the log, or not.
struct Keeper {
    server: Server,
    users: Population,
    /// The number of the next user to be created.
    created: Arc<AtomicUsize>,
}

impl Keeper {
    async fn start(muster: &Path, arguments: &[&str], sizes: Sizes) -> anyhow::Result<Self> {
        let data = tempfile::TempDir::new().context("making a data directory")?;
        let server = Server::start_with(muster, arguments, data).await?;
        let connector = server.connector("log").await?;
        let (users, _) = Population::create(connector, USERS.min(sizes.users)).await?;
        let created = Arc::new(AtomicUsize::new(users.ids.len()));
        Ok(Self { server, users, created })
    }
}
