//! A command of `muster` that works on files: how long it takes, and how much memory.

use std::{
    ffi::OsStr,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use tokio::{process::Command, time::interval};

use crate::process::{Process, Spent};

/// How often memory and time on a processor are looked at. Both only grow, so that the last look before
/// the end is short of them by what was added since.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How a command went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran {
    pub(crate) spent: Spent,
    pub(crate) peak_mib: u64,
}

/// Runs a command to its end; one that fails is an error.
pub(crate) async fn run<S: AsRef<OsStr>>(muster: &Path, arguments: &[S]) -> anyhow::Result<Ran> {
    let began = Instant::now();
    let mut command = Command::new(muster);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    let mut child = command.env("RUST_LOG", "error").spawn().context("starting a command")?;
    let process = Process(child.id().context("the command ended at once")?);
    let (mut looks, mut peak_mib, mut cpu_seconds) = (interval(LOOK_EVERY), 0, 0.0);
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.context("waiting for a command")?,
            _ = looks.tick() => {
                // It may have ended just now.
                peak_mib = process.memory_mib().map_or(peak_mib, |(_, peak)| peak);
                cpu_seconds = process.cpu_seconds().unwrap_or(cpu_seconds);
            }
        }
    };
    let seconds = began.elapsed().as_secs_f64();
    ensure!(status.success(), "{:?} ended with {status}", command.as_std());
    Ok(Ran { spent: Spent { seconds, cpu_seconds }, peak_mib })
}
