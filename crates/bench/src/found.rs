//! What it costs to find users in the file that a server finds them in, for whoever does nothing else: one
//! statement of SQLite for each, by one index, with the page cache that the server has.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rusqlite::Connection;
use uuid::Uuid;

use crate::{
    options::Sizes,
    population::Population,
    process::{Timer, precise},
    report::{Report, thousands},
    stage::{Stage, WORKSPACE},
    versus::Compared,
    yardsticks,
};

/// How many users are looked for.
const LOOKUPS: usize = 200_000;

/// The page cache of each reader of a read model, in KiB: that of `projections`.
const CACHE_KIB: i64 = 2_048;

const BY_ID: &str = "SELECT id, user, resource, created, modified, version FROM entries
     WHERE connector = ?1 AND id = ?2";

/// Holds reads by id against HTTP and that statement together.
pub(crate) fn run(
    stage: &Stage,
    reads: &Compared,
    sizes: Sizes,
    report: &mut Report,
) -> anyhow::Result<()> {
    let count = LOOKUPS.min(10 * sizes.users);
    let (http, row) =
        (reads.other.cpu_us, statement(stage.server.data_dir(), &stage.users, count)?);
    let all = http + row;
    let figure = format!(
        "{} µs of a core: HTTP {}, one statement of SQLite {}",
        thousands(all),
        thousands(http),
        thousands(row)
    );
    let what = "what a GET by id cannot do without";
    report.ratio(what, (figure, format!("{} µs for HTTP", thousands(http))), http / all, None);
    let [muster, all_of_it] =
        [reads.one.cpu_us, all].map(|us| format!("{} µs of a core", thousands(us)));
    report.ratio("a GET by id, against that", (muster, all_of_it), all / reads.one.cpu_us, None);
    Ok(())
}

/// Microseconds of a core for each user.
fn statement(data_dir: &Path, users: &Population, count: usize) -> anyhow::Result<f64> {
    let directory = yardsticks::open(&file(&data_dir.join("read"))?)?;
    directory.pragma_update(None, "cache_size", -CACHE_KIB)?;
    let connector = connector(&directory, users)?;
    let ids = users.ids.iter().map(|id| Uuid::parse_str(id));
    let ids: Vec<_> = ids.collect::<Result<_, _>>().context("reading ids")?;
    let timer = Timer::start()?;
    let mut by_id = directory.prepare(BY_ID)?;
    for number in 0..count {
        let id = &ids[users.scattered(number)];
        let bytes =
            by_id.query_row((connector, id.as_bytes()), |row| Ok(row.get_ref(2)?.as_str()?.len()));
        std::hint::black_box(bytes.context("finding a user")?);
    }
    Ok(timer.stop()?.cpu_seconds * 1e6 / precise(count as u64))
}

fn connector(directory: &Connection, users: &Population) -> anyhow::Result<i64> {
    let sql = "SELECT e.connector FROM entries e JOIN connectors c ON c.no = e.connector
               WHERE c.workspace = ?1 AND e.id = ?2";
    let id = Uuid::parse_str(users.ids.first().context("nobody to be found")?)?;
    let no = directory.query_row(sql, (WORKSPACE, id.as_bytes()), |row| row.get(0));
    no.context("finding the connector")
}

/// The file of the directory.
fn file(dir: &Path) -> anyhow::Result<PathBuf> {
    let is_directory = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("directory"))
    };
    yardsticks::databases(dir)?.into_iter().find(is_directory).context("there is no directory")
}
