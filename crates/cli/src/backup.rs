//! `muster backup`: of a server that runs, into the directory that it was given, or of a data directory.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{anyhow, ensure};
use backup::{BackupError, Manifest, Place, Progress};
use clap::Args;
use event_log::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::{audit::Offline, options::Misused, output::say, progress::bar, remote::Remote};

/// How often is looked how far a server's backup is.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Of what, and where to.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    offline: Offline,
    /// With --data-dir: the directory of the backup. What it has already is added to. A server writes
    /// where its --backup-dir says.
    #[arg(long)]
    into: Option<PathBuf>,
    /// With --data-dir: keeps keys and signing keys apart from the rest, in this directory.
    #[arg(long, requires = "into")]
    keys_into: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let log = options.offline.open()?;
    let backup = match (&log, &options.into) {
        (Some(_), Some(into)) => of_files(&options, into.clone()).await?,
        (None, None) => of_server(&options).await?,
        (Some(_), None) => {
            return Err(Misused(anyhow!("say where to: --into DIR")).into());
        }
        (None, Some(_)) => {
            let what = "a server writes where its --backup-dir says; --into needs --data-dir";
            return Err(Misused(anyhow!(what)).into());
        }
    };
    if options.json {
        say(&backup.to_string());
    } else {
        let (events, at) = (&backup["events"], backup["at"].as_str().unwrap_or_default());
        say(&format!("backup of {at}: {events} events, checked"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Copies the data directory, which is open and so used by nobody else.
async fn of_files(options: &Options, dir: PathBuf) -> anyhow::Result<Value> {
    let source = options.offline.backup_source()?;
    let place = Place { dir, keys: options.keys_into.clone() };
    let hidden = options.json;
    let work = move || {
        let bar = if hidden { indicatif::ProgressBar::hidden() } else { bar("events") };
        let mut progress = |Progress { done, total, .. }: Progress| {
            bar.set_length(total);
            bar.set_position(done);
        };
        let taken = backup::take(&source, &place, SystemClock.now(), &mut progress);
        bar.finish_and_clear();
        taken
    };
    let taken = tokio::task::spawn_blocking(work).await?;
    let manifest: Manifest = taken.map_err(|error| match error {
        BackupError::Misplaced(it) => Misused(it.into()).into(),
        error => anyhow!(error).context("no backup"),
    })?;
    let events = manifest.events();
    Ok(json!({
        "at": manifest.at, "events": events, "keys_apart": manifest.keys_apart,
        "workspaces": manifest.workspaces.len(),
    }))
}

/// Has a server make one and waits until it is done.
#[expect(
    clippy::disallowed_methods,
    reason = "over HTTP the end of the work can only be asked for"
)]
async fn of_server(options: &Options) -> anyhow::Result<Value> {
    let mut client = options.remote.client()?;
    let mut run = client.post("/backups", &Value::Null).await?;
    let bar = if options.json { indicatif::ProgressBar::hidden() } else { bar("events") };
    while run["state"] == "running" {
        bar.set_length(run["total"].as_u64().unwrap_or(0));
        bar.set_position(run["done"].as_u64().unwrap_or(0));
        tokio::time::sleep(LOOK_EVERY).await;
        run = client.get("/backups").await?["items"][0].take();
    }
    bar.finish_and_clear();
    let reason = run["reason"].as_str().unwrap_or("see the server's log");
    ensure!(run["state"] == "completed", "no backup: {reason}");
    Ok(run)
}
