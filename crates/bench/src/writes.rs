//! How many users are created and changed per second, each answer after the change is durable, beside a
//! server that does nothing but commit one row for each request.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    bodies, floor,
    load::Jobs,
    open::Arrivals,
    options::Sizes,
    population::Population,
    process::precise,
    reference::{Answers, Reference},
    report::{Report, Wanted, latency, mib},
    server::Server,
    versus::{self, Compared, Side},
};

/// The numbers of connections that are measured. One alone mostly waits for the disk.
const CONNECTIONS: [usize; 3] = [1, 16, 64];

/// At so many connections syncs are counted.
const CONNECTIONS_OF_SYNCS: usize = 16;

/// How many users are changed, one after the other.
const USERS: usize = 2_000;

/// What Muster has to do of what a server does that only commits.
const BUDGET: Wanted = Wanted::AtLeast(0.5);

/// How many syncs of the disk a creation may take.
const SYNCS_MAX: f64 = 0.2;

pub(crate) async fn run(muster: &Path, sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let server = Server::start(muster).await?;
    report.note("start with an empty data directory", format!("{} ms", server.start.as_millis()));
    report.note("memory after that", mib(server.process().memory_mib()?.0));
    let pair = Pair::new(server, sizes).await?;
    let mut last = None;
    for connections in CONNECTIONS {
        let wanted = (connections > 1).then_some(BUDGET);
        let before = pair.server.metric("log_syncs_total").await?;
        let compared = pair.compare(connections, sizes, || pair.creations()).await?;
        let syncs = pair.server.metric("log_syncs_total").await? - before;
        report.compare(format!("create users, {connections} connections"), &compared, wanted);
        let creations = compared;
        if connections == CONNECTIONS_OF_SYNCS {
            let syncs = precise(syncs) / precise(creations.one.measured.latencies.len());
            let what = format!("syncs of the disk per creation, {connections} connections");
            report.budget(what, syncs, Wanted::AtMost(SYNCS_MAX));
        }
        let compared = pair.compare(connections, sizes, || pair.users.changes()).await?;
        report.compare(format!("PATCH users, {connections} connections"), &compared, wanted);
        if connections == CONNECTIONS_OF_SYNCS {
            pair.open_loop(compared.one.measured.rate() / 2.0, sizes, report).await?;
        }
        last = Some((creations, connections));
    }
    let (memory, peak) = pair.server.process().memory_mib()?;
    report.note("memory after the writes", format!("{}, peak {}", mib(memory), mib(peak)));
    let (took, _) = pair.server.stop().await?;
    report.note("end after SIGTERM", format!("{} ms", took.as_millis()));
    if let Some((creations, connections)) = last {
        floor::run(muster, sizes, (&creations, connections), report).await?;
    }
    Ok(())
}

/// Muster, and what it is measured by.
struct Pair {
    server: Server,
    users: Population,
    reference: Reference,
    /// The number of the next user to be created: behind those that are there.
    created: Arc<AtomicUsize>,
}

impl Pair {
    async fn new(server: Server, sizes: Sizes) -> anyhow::Result<Self> {
        let connector = server.connector("writes").await?;
        let reference = Reference::durable(&Answers::of(&connector).await?).await?;
        let (users, _) = Population::create(connector, USERS.min(sizes.users)).await?;
        let created = Arc::new(AtomicUsize::new(users.ids.len()));
        Ok(Self { server, users, reference, created })
    }

    fn creations(&self) -> Jobs {
        let created = Arc::clone(&self.created);
        Arc::new(move |_| bodies::create_user(created.fetch_add(1, Ordering::Relaxed)))
    }

    async fn compare(
        &self,
        connections: usize,
        sizes: Sizes,
        jobs: impl Fn() -> Jobs,
    ) -> anyhow::Result<Compared> {
        let Self { server, users, reference, .. } = self;
        let one = Side::new(&users.connector, server.process(), jobs());
        let other = Side::new(&reference.connector, reference.server.process(), jobs());
        versus::run(one, other, connections, sizes.time).await
    }

    async fn open_loop(
        &self,
        per_second: f64,
        sizes: Sizes,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let (connector, next) = (self.users.connector.clone(), self.users.changes());
        let measured = Arrivals { connector, per_second, next }.during(sizes.time).await?;
        let what = format!("PATCH users, {per_second:.0} due a second");
        report.note(what, latency(&measured.latencies));
        Ok(())
    }
}
