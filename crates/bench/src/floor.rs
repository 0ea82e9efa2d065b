//! What a creation cannot do without, each part of it measured alone.
//!
//! A server that commits one row for each request shows what HTTP and the disk cost. Muster keeps two sealed events
//! in a record with a proof, and the rows of six read models. Here each of these is done by a loop that
//! does nothing else; all of them together are what the machine asks for, however good the rest is.

use std::{ffi::OsStr, path::Path, time::Duration};

use anyhow::Context;

use crate::{
    bodies, history,
    load::{self, Turn, Until},
    options::Sizes,
    process::precise,
    reference::{Answers, Reference},
    report::{Report, thousands},
    server::Server,
    tool,
    versus::Compared,
    yardsticks,
};

const WORKSPACE: &str = "floor";

/// How many people are appended to the log, decoded, and laid out in read models, at most.
const PEOPLE: usize = 20_000;

/// Microseconds of a core, for each creation.
struct Floor {
    /// To take a request, check its token, parse its JSON, and answer a constant.
    http: f64,
    /// To seal the events, hash them, and have them and the claims on disk.
    log: f64,
    /// To read the events back, open and decode them, once.
    decoding: f64,
    /// To insert the rows of the read models, all in one transaction.
    rows: f64,
}

/// Measures all parts with that many requests under way, and holds creations against them.
pub(crate) async fn run(
    muster: &Path,
    sizes: Sizes,
    (creations, connections): (&Compared, usize),
    report: &mut Report,
) -> anyhow::Result<()> {
    let floor = Floor::measure(muster, sizes, connections).await?;
    let Floor { http, log, decoding, rows } = floor;
    let all = http + log + decoding + rows;
    let figure = format!(
        "{} µs of a core: HTTP and JSON {}, the log {}, decoding {}, rows of the read models {}",
        thousands(all),
        thousands(http),
        thousands(log),
        thousands(decoding),
        thousands(rows),
    );
    let commits = format!("{} µs to commit a row", thousands(creations.other.cpu_us));
    let ratio = creations.other.cpu_us / all;
    report.ratio("what a creation cannot do without", (figure, commits), ratio, None);
    let [muster, all_of_it] =
        [creations.one.cpu_us, all].map(|us| format!("{} µs of a core", thousands(us)));
    let ratio = all / creations.one.cpu_us;
    report.ratio("a creation, against that", (muster, all_of_it), ratio, None);
    Ok(())
}

impl Floor {
    async fn measure(muster: &Path, sizes: Sizes, connections: usize) -> anyhow::Result<Self> {
        let server = Server::start(muster).await?;
        let connector = server.connector(WORKSPACE).await?;
        let http = http(&Answers::of(&connector).await?, connections, sizes.time).await?;
        let mut client = connector.connect();
        let pattern = load::id(&client.send(bodies::create_user(history::PATTERN)).await?)?;
        client.send(bodies::patch_user(&pattern, history::PATTERN)).await?;
        server.caught_up().await?;
        let (_, data) = server.stop().await?;

        let people = PEOPLE.min(sizes.users);
        let each = |spent: crate::process::Spent| spent.cpu_seconds * 1e6 / precise(people as u64);
        let (dir, size) = (data.path(), (people, connections));
        let log = each(history::append_people(dir, WORKSPACE, &pattern, size).await?);
        let (_, decoding) = yardsticks::decode_events(dir).await?;
        let arguments = ["projections", "rebuild", "--data-dir"].map(OsStr::new);
        tool::run(muster, &[&arguments[..], &[dir.as_os_str()]].concat()).await?;
        let (_, rows) = yardsticks::insert_rows(dir).context("laying out read models")?;
        Ok(Self { http, log, decoding: each(decoding), rows: each(rows) })
    }
}

/// What a creation costs a server that keeps nothing of it, in microseconds of a core.
async fn http(answers: &Answers, connections: usize, time: Duration) -> anyhow::Result<f64> {
    let Reference { server, connector } = Reference::constant(answers).await?;
    let before = server.process().cpu_seconds()?;
    let create = |turn: Turn| bodies::create_user(turn.number);
    let measured = load::run(&connector, connections, Until::Time(time), create).await?;
    let spent = server.process().cpu_seconds()? - before;
    Ok(spent * 1e6 / precise(measured.latencies.len()))
}
