//! `muster audit checkpoint` and `muster audit key`: what auditors keep.

use std::{fs::OpenOptions, io::Write, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, Subcommand};
use event_log::{Clock, EventLog, SystemClock, WorkspaceId};
use record::KeyState;
use serde_json::{Value, json};

use super::Offline;
use crate::{output::say, remote::Remote};

/// Whose checkpoint.
#[derive(Args)]
pub(crate) struct CheckpointOptions {
    #[command(flatten)]
    of: Of,
    /// Adds it to this file instead of printing it.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print it in JSON.
    #[arg(long, conflicts_with = "out")]
    json: bool,
}

/// A workspace of a server or a data directory.
#[derive(Args)]
pub(crate) struct Of {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    offline: Offline,
    /// The workspace's slug.
    #[arg(long, env = "MUSTER_WORKSPACE")]
    workspace: String,
}

/// What to do with the key.
#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Print the public key, as `verify --key` takes it; with --all or --json, those before as well.
    Show(ShowOptions),
    /// Replace the key, of every workspace. The old and the new one sign a last checkpoint of each.
    Rotate(RotateOptions),
}

/// Which keys.
#[derive(Args)]
pub(crate) struct ShowOptions {
    #[command(flatten)]
    of: Of,
    /// Those that signed before as well, oldest first.
    #[arg(long)]
    all: bool,
    /// One JSON object, with the last checkpoint of each.
    #[arg(long)]
    json: bool,
}

/// Of which installation.
#[derive(Args)]
pub(crate) struct RotateOptions {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    offline: Offline,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn checkpoint(options: CheckpointOptions) -> anyhow::Result<ExitCode> {
    let Of { remote, offline, workspace } = &options.of;
    let workspace = WorkspaceId::parse(workspace)?;
    let note = match offline.open()? {
        Some(log) => {
            anyhow::ensure!(log.head(&workspace) > 0, "there is no workspace {workspace}");
            let head = log.tree(&workspace).await?;
            offline.notary()?.sign(&workspace, head).to_string()
        }
        None => remote.client()?.text(&format!("/workspaces/{workspace}/checkpoint")).await?,
    };
    match &options.out {
        None if options.json => say(&json!({ "checkpoint": note }).to_string()),
        None => say(note.trim_end()),
        Some(path) => {
            let file = OpenOptions::new().append(true).create(true).open(path);
            file.and_then(|mut file| file.write_all(note.as_bytes()))
                .with_context(|| format!("writing {}", path.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn key(command: KeyCommand) -> anyhow::Result<ExitCode> {
    match command {
        KeyCommand::Show(options) => show(options).await?,
        KeyCommand::Rotate(options) => rotate(options).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(options: ShowOptions) -> anyhow::Result<()> {
    let Of { remote, offline, workspace } = &options.of;
    let workspace = WorkspaceId::parse(workspace)?;
    let keys: Value = match offline.open()? {
        Some(log) => {
            let keys = offline.keys_of(&log, &workspace).await?;
            let keys = keys.into_iter().map(|key| {
                let (retired, last) = match key.state {
                    KeyState::Signs => (None, None),
                    KeyState::Retired { at, last } => (Some(at), last),
                };
                json!({
                    "key": key.verifier.to_string(), "made": key.made, "retired": retired,
                    "last_checkpoint": last,
                })
            });
            json!({ "items": keys.collect::<Vec<_>>() })
        }
        None => remote.client()?.get(&format!("/workspaces/{workspace}/keys")).await?,
    };
    if options.json {
        say(&keys.to_string());
        return Ok(());
    }
    let keys = keys["items"].as_array().context("the server did not answer with keys")?;
    let skipped = if options.all { 0 } else { keys.len().saturating_sub(1) };
    keys.iter().skip(skipped).filter_map(|key| key["key"].as_str()).for_each(say);
    Ok(())
}

async fn rotate(options: RotateOptions) -> anyhow::Result<()> {
    match options.offline.open()? {
        Some(log) => {
            let mut heads = Vec::new();
            for (workspace, _) in log.heads() {
                let head = log.tree(&workspace).await?;
                heads.push((workspace, head));
            }
            options.offline.notary()?.rotate(&heads, SystemClock.now())?;
        }
        None => drop(options.remote.client()?.post("/keys/rotate", &Value::Null).await?),
    }
    let said =
        "a new key signs; whoever keeps checkpoints learns of it by `muster audit key show --json`";
    say(if options.json { "{}" } else { said });
    Ok(())
}
