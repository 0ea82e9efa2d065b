//! What grows with the number of users, and how: the curves from a thousand users on.

use std::fmt::Write;

use crate::{
    listing,
    load::{self, Jobs, Measured, Turn},
    options::Sizes,
    population::Population,
    process::{precise, precise_len},
    report::{Report, Wanted, mib, thousands},
    stage::Stage,
};

const CONNECTIONS: usize = 16;

/// How many more users one size has than the one before.
const STEP: usize = 10;

/// The smallest size.
const FIRST: usize = 1_000;

/// The most memory that a server at rest may have, in MiB.
pub(crate) const MEMORY_MIB_MAX: f64 = 300.0;

/// The curves as a table of their own.
#[derive(Default)]
pub(crate) struct Curves(String);

impl Curves {
    /// Measures the smaller sizes on servers of their own.
    pub(crate) async fn smaller(
        &mut self,
        muster: &std::path::Path,
        sizes: Sizes,
    ) -> anyhow::Result<()> {
        let mut users = FIRST;
        while users < sizes.population() {
            let stage = Stage::build(muster, users).await?;
            self.add(&stage, sizes).await?;
            users *= STEP;
        }
        Ok(())
    }

    /// Measures one size.
    pub(crate) async fn add(&mut self, stage: &Stage, sizes: Sizes) -> anyhow::Result<()> {
        let Stage { users, loaded, .. } = stage;
        let by_id = requests(users, sizes, users.reads()).await?;
        let by_name = requests(users, sizes, users.lookups()).await?;
        let patched = requests(users, sizes, users.changes()).await?;
        let listed = listing::by_index(users).await?;
        let [created, by_id, by_name, patched] =
            [&loaded.created, &by_id, &by_name, &patched].map(|it| thousands(it.rate()));
        let (idle, start) = (loaded.memory.0, loaded.start.as_millis());
        // Writing to a text cannot fail.
        let _ = writeln!(
            self.0,
            "| {} | {created} | {patched} | {by_id} | {by_name} | {} | {start} ms | {idle} MiB | {} MiB | {} MiB |",
            thousands(precise_len(users.ids.len())),
            thousands(listed),
            loaded.memory_started,
            loaded.disk_mib,
        );
        Ok(())
    }

    /// The table, or nothing where nothing was measured.
    pub(crate) fn table(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        format!(
            "\n| users | created/s, 64 conn. | PATCH/s, 16 conn. | GET by id/s | GET by userName/s \
             | listed/s | start | memory loaded | memory started | disk |\n\
             |---|---|---|---|---|---|---|---|---|---|\n{}",
            self.0
        )
    }
}

/// The budgets of the largest size.
pub(crate) fn budgets(stage: &Stage, report: &mut Report) {
    let (count, loaded) = (stage.users.ids.len(), &stage.loaded);
    let (idle, peak) = loaded.memory;
    report.rate(format!("create {count} users, 64 connections"), &loaded.created);
    report.note(format!("peak of the memory while {count} users are created"), mib(peak));
    let what = format!("MiB of memory with {count} users, at rest after the load");
    report.budget(what, precise(idle), Wanted::AtMost(MEMORY_MIB_MAX));
    let what = format!("seconds from start to finding the last of {count} users");
    report.budget(what, loaded.start.as_secs_f64(), Wanted::AtMost(1.0));
    report.note(format!("memory with {count} users after a start"), mib(loaded.memory_started));
    report.note(format!("on disk with {count} users"), mib(loaded.disk_mib));
}

async fn requests(users: &Population, sizes: Sizes, next: Jobs) -> anyhow::Result<Measured> {
    let next = move |turn: Turn| next(turn.number);
    load::run(&users.connector, CONNECTIONS, sizes.until(), next).await
}
