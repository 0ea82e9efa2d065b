//! How fast a user is found: beside a server that answers a constant of the same size, and among few
//! users beside among many.

use crate::{
    found,
    load::{Connector, Jobs},
    open::Arrivals,
    options::Sizes,
    population::Population,
    reference::{Answers, Reference},
    report::{Report, Wanted, latency},
    stage::Stage,
    versus::{self, Compared, Side},
};

const CONNECTIONS: usize = 16;

/// What Muster has to do of what a server does that answers a constant.
const BUDGET: Wanted = Wanted::AtLeast(0.6);

/// At a million users a lookup may take 1.3 times as long as at ten thousand.
const BUDGET_OF_MANY: Wanted = Wanted::AtLeast(1.0 / 1.3);

pub(crate) async fn run(stage: &Stage, sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let few = stage.server.connector("few").await?;
    let (few, _) = Population::create(few, sizes.users_few).await?;
    let reference = Reference::constant(&Answers::of(&few.connector).await?).await?;
    let many = &stage.users;
    let players = (&few, many, &reference, stage);
    let reads = measure("GET by id", Population::reads, players, sizes, report).await?;
    found::run(stage, &reads, sizes, report)?;
    measure("GET by userName", Population::lookups, players, sizes, report).await?;
    Ok(())
}

/// Returns how it compares with a constant.
async fn measure(
    what: &str,
    jobs: fn(&Population) -> Jobs,
    (few, many, reference, stage): (&Population, &Population, &Reference, &Stage),
    sizes: Sizes,
    report: &mut Report,
) -> anyhow::Result<Compared> {
    let muster = stage.server.process();
    let side = |connector: &Connector, users: &Population, process| {
        Side::new(connector, process, jobs(users))
    };
    let one = side(&many.connector, many, muster);
    let other = side(&reference.connector, many, reference.server.process());
    let beside_constant = versus::run(one, other, CONNECTIONS, sizes.time).await?;
    let count = many.ids.len();
    let named = format!("{what} among {count}, against a constant, {CONNECTIONS} connections");
    report.compare(named, &beside_constant, Some(BUDGET));

    let per_second = beside_constant.one.measured.rate() / 2.0;
    let arrivals = Arrivals { connector: many.connector.clone(), per_second, next: jobs(many) };
    let measured = arrivals.during(sizes.time).await?;
    let named = format!("{what} among {count}, {per_second:.0} due a second");
    report.note(named, latency(&measured.latencies));

    let one = side(&many.connector, many, muster);
    let other = side(&few.connector, few, muster);
    let compared = versus::run(one, other, CONNECTIONS, sizes.time).await?;
    let named = format!("{what} among {count}, against among {}", few.ids.len());
    report.compare(named, &compared, Some(BUDGET_OF_MANY));
    Ok(beside_constant)
}
