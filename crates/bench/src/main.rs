//! The load generator and benchmark of `muster serve`.
//!
//! Starts servers on loopback ports with data directories of their own, sends them load over plain HTTP, and
//! prints one Markdown table. Generator and servers share the machine: what counts are the ratios of
//! one run, to servers and loops that do none of Muster's work.
//!
//! - a *family* of rows is a file with a function `run`, one line of [`measure`] and of `Family`
//! - `load` and `open`: closed and open loop; `versus`: two servers in turn
//! - `reference`, `yardsticks`: what Muster is measured by
//! - `server`, `tool`, `process`: the program that is measured, as a server and as a command

mod background;
mod big_group;
mod bodies;
mod contention;
mod elsewhere;
mod floor;
mod found;
mod growth;
mod history;
mod listing;
mod load;
mod machine;
mod many_workspaces;
mod offboarding;
mod open;
mod options;
mod population;
mod process;
mod provisioning_log;
mod reads;
mod rebuild;
mod receiver;
mod record;
mod reference;
mod report;
mod server;
mod stage;
mod tool;
mod under_load;
mod unfriendly;
mod versus;
mod writes;
mod yardsticks;

use std::{io::Write, path::Path, process::ExitCode};

use anyhow::Context;
use clap::Parser;

use crate::{
    growth::Curves,
    options::{Command, Family, Options},
    report::Report,
    stage::Stage,
};

/// The same as that of `muster`, so that the reference servers are not slower for it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if let Some(Command::Reference(options)) = &options.command {
        return reference::serve(options).map(|()| ExitCode::SUCCESS);
    }
    if let Some(Command::Hammer(options)) = &options.command {
        print(&unfriendly::hammer(options)?);
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Runtime::new().context("starting the load generator")?;
    runtime.block_on(bench(&options))
}

async fn bench(options: &Options) -> anyhow::Result<ExitCode> {
    let muster = match &options.muster {
        Some(path) => path.clone(),
        None => std::env::current_exe().context("finding this program")?.with_file_name("muster"),
    };
    let (mut report, mut curves) = (Report::default(), Curves::default());
    let measured = Box::pin(measure(&muster, options, &mut report, &mut curves)).await;
    // What was measured before something failed is worth reading too.
    print(&format!("{}\n\n{report}{}", machine::describe(), curves.table()));
    measured?;
    Ok(if report.missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(
    muster: &Path,
    options: &Options,
    report: &mut Report,
    curves: &mut Curves,
) -> anyhow::Result<()> {
    use Family::{
        Background, BigGroup, Contention, Growth, Listing, ManyWorkspaces, Offboarding,
        ProvisioningLog, Reads, Rebuild, RebuildUnderLoad, Record, Unfriendly, Writes,
    };
    let sizes = options.sizes();
    if options.wants(Writes) {
        writes::run(muster, sizes, report).await?;
    }
    if options.wants(Growth) {
        curves.smaller(muster, sizes).await?;
    }
    if options.wants_any(&[Growth, Reads, Listing, BigGroup, Contention, Rebuild, Record]) {
        Box::pin(on_stage(muster, options, report, curves)).await?;
    }
    if options.wants(Offboarding) {
        Box::pin(offboarding::run(muster, sizes, report)).await?;
    }
    if options.wants(ProvisioningLog) {
        provisioning_log::run(muster, sizes, report).await?;
    }
    if options.wants(Background) {
        background::run(muster, sizes, report).await?;
    }
    if options.wants(Unfriendly) {
        Box::pin(unfriendly::run(muster, sizes, report)).await?;
    }
    if options.wants(RebuildUnderLoad) {
        under_load::run(muster, sizes, report).await?;
    }
    if options.wants(ManyWorkspaces) {
        many_workspaces::run(muster, sizes, report).await?;
    }
    Ok(())
}

/// The families that share the large workspace.
async fn on_stage(
    muster: &Path,
    options: &Options,
    report: &mut Report,
    curves: &mut Curves,
) -> anyhow::Result<()> {
    let sizes = options.sizes();
    let mut stage = Stage::build(muster, sizes.population()).await?;
    growth::budgets(&stage, report);
    if options.wants(Family::Growth) {
        curves.add(&stage, sizes).await?;
    }
    if options.wants(Family::Reads) {
        reads::run(&stage, sizes, report).await?;
    }
    if options.wants(Family::Listing) {
        listing::run(&stage.users, report).await?;
    }
    if options.wants_any(&[Family::BigGroup, Family::Contention]) {
        let group = big_group::run(&stage.users, sizes, report).await?;
        if options.wants(Family::Contention) {
            contention::run(&stage.users, &group, sizes, report).await?;
        }
    }
    let (memory, peak) = stage.server.process().memory_mib()?;
    let figure = format!("{}, peak {}", report::mib(memory), report::mib(peak));
    report.note("memory after all that", figure);
    if options.wants(Family::Rebuild) {
        stage = stage.offline(muster, async |dir| rebuild::run(muster, dir, report).await).await?;
    }
    if options.wants(Family::Record) {
        record::run(muster, stage, sizes, report).await?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn print(text: &str) {
    print!("{text}");
    // Whoever starts a reference server waits for its address.
    let _ = std::io::stdout().flush();
}
