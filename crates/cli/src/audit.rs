//! `muster audit`: the record of a workspace, from a running server or from a data directory.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use admin::Event;
use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use event_log::{EventLog, Verdict, WorkspaceId};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::{
    node,
    options::{self, Misused},
    output::say,
    remote::Remote,
};

/// How many events are asked for at a time.
const PAGE: usize = 1_000;

/// What to do with the record.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List events, oldest first.
    Log(LogOptions),
    /// Recompute every hash of a data directory, and name the first event that is not as written.
    Verify(VerifyOptions),
}

/// Which events.
#[derive(Args)]
pub(crate) struct LogOptions {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    offline: Offline,
    /// The workspace's slug.
    #[arg(long)]
    workspace: String,
    /// Only events after this position.
    #[arg(long, default_value_t = 0)]
    after: u64,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Which workspaces.
#[derive(Args)]
pub(crate) struct VerifyOptions {
    #[command(flatten)]
    offline: Offline,
    /// The workspace's slug. [default: all of them]
    #[arg(long)]
    workspace: Option<String>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// A data directory that no server is using.
#[derive(Args, Clone)]
pub(crate) struct Offline {
    /// Read this data directory instead of asking a server.
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// The master key of the data directory.
    #[arg(long, env = "MUSTER_MASTER_KEY", hide_env_values = true)]
    master_key: Option<String>,
}

impl Offline {
    pub(crate) fn open(&self) -> anyhow::Result<Option<Arc<event_log::SqliteLog>>> {
        let Some(data_dir) = &self.data_dir else { return Ok(None) };
        anyhow::ensure!(data_dir.exists(), "there is no directory {}", data_dir.display());
        let key = self.master_key.as_deref().map(options::key).transpose()?;
        node::open_log(data_dir, key).map(Some)
    }
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Log(options) => log(options).await,
        Command::Verify(options) => verify(options).await,
    }
}

async fn log(options: LogOptions) -> anyhow::Result<ExitCode> {
    let workspace = WorkspaceId::parse(&options.workspace)?;
    match options.offline.open()? {
        Some(log) => {
            anyhow::ensure!(log.head(&workspace) > 0, "there is no workspace {workspace}");
            let mut after = options.after;
            loop {
                let events = log.read(&workspace, after, PAGE).await?;
                let Some(last) = events.last() else { break };
                after = last.position;
                for event in events {
                    show(&serde_json::to_value(Event::from(event))?, options.json)?;
                }
            }
            log.close();
        }
        None => ask(&options, &workspace).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn ask(options: &LogOptions, workspace: &WorkspaceId) -> anyhow::Result<()> {
    let mut client = options.remote.client()?;
    let mut after = Some(options.after);
    while let Some(position) = after {
        let path = format!("/workspaces/{workspace}/events?after={position}&limit={PAGE}");
        let page = client.get(&path).await?;
        let items = page["items"].as_array().context("the server did not answer with events")?;
        items.iter().try_for_each(|event| show(event, options.json))?;
        after = page["next"].as_u64();
    }
    Ok(())
}

/// A line for an event: for a machine as it is, for a person the columns that tell the story.
fn show(event: &Value, json: bool) -> anyhow::Result<()> {
    if json {
        say(&serde_json::to_string(event)?);
        return Ok(());
    }
    let text = |name: &str| event[name].as_str().unwrap_or("-").to_owned();
    let position = event["position"].as_u64().unwrap_or_default();
    let (time, kind) = (text("time"), text("type"));
    let (stream, actor) = (text("stream"), text("actor"));
    say(&format!("{position:>8}  {time}  {kind:<30}  {stream}  {actor}  {}", event["data"]));
    Ok(())
}

async fn verify(options: VerifyOptions) -> anyhow::Result<ExitCode> {
    let log = options.offline.open()?;
    let log = log.ok_or_else(|| {
        Misused(anyhow!("say which data directory: --data-dir DIR, with its server stopped"))
    })?;
    let mut workspaces: Vec<_> = log.heads().into_iter().map(|(workspace, _)| workspace).collect();
    workspaces.sort();
    if let Some(only) = &options.workspace {
        let only = WorkspaceId::parse(only)?;
        anyhow::ensure!(workspaces.contains(&only), "there is no workspace {only}");
        workspaces = vec![only];
    }
    let mut sound = true;
    for workspace in &workspaces {
        let bar = if options.json { ProgressBar::hidden() } else { bar(workspace.as_str()) };
        let mut progress = |done, of| {
            bar.set_length(of);
            bar.set_position(done);
        };
        let verdict = log.verify(workspace, &mut progress).await?;
        bar.finish_and_clear();
        sound &= matches!(verdict, Verdict::Sound(_));
        say(&describe(workspace, &verdict, options.json));
    }
    log.close();
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn describe(workspace: &WorkspaceId, verdict: &Verdict, json: bool) -> String {
    let workspace = workspace.as_str();
    let value = match verdict {
        Verdict::Sound(head) => {
            let root = data_encoding::BASE64.encode(&head.root);
            if !json {
                return format!("{workspace}: {} events, all as written; root {root}", head.size);
            }
            serde_json::json!({ "workspace": workspace, "sound": true, "size": head.size, "root": root })
        }
        Verdict::Broken(fault) => {
            if !json {
                let place =
                    fault.position.map(|it| format!(" at position {it}")).unwrap_or_default();
                return format!("{workspace}: BROKEN{place}: {}", fault.what);
            }
            serde_json::json!({
                "workspace": workspace, "sound": false,
                "position": fault.position, "what": fault.what,
            })
        }
    };
    value.to_string()
}

/// A bar on standard error, with rate and time left; nothing where that is no terminal.
pub(crate) fn bar(what: &str) -> ProgressBar {
    let template = "{prefix:16} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}";
    let bar = ProgressBar::no_length().with_prefix(what.to_owned());
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
