//! `muster audit log`: events, oldest first.

use std::process::ExitCode;

use admin::Event;
use anyhow::Context;
use clap::Args;
use event_log::{EventLog, WorkspaceId};
use serde_json::Value;

use super::{
    Offline,
    filters::{Filters, Span, joined},
};
use crate::{
    output::{is_unread, say},
    remote::Remote,
};

/// How many events are asked for at a time.
const PAGE: usize = 1_000;

/// Which events.
#[derive(Args)]
pub(crate) struct LogOptions {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    offline: Offline,
    /// The workspace's slug.
    #[arg(long, env = "MUSTER_WORKSPACE")]
    workspace: String,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    span: Span,
    /// Only events after this position.
    #[arg(long, default_value_t = 0)]
    after: u64,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn log(options: LogOptions) -> anyhow::Result<ExitCode> {
    let workspace = WorkspaceId::parse(&options.workspace)?;
    if options.offline.data_dir.is_some() {
        read(&options, &workspace).await?;
    } else {
        ask(&options, &workspace).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(options: &LogOptions, workspace: &WorkspaceId) -> anyhow::Result<()> {
    // Before anything is opened: what was not understood is said first.
    let (filter, before) = options.filters.offline(&options.span)?;
    let Some(log) = options.offline.open()? else { return Ok(()) };
    anyhow::ensure!(log.head(workspace) > 0, "there is no workspace {workspace}");
    let mut after = options.after.max(before);
    while !is_unread() {
        let events = log.find(workspace, &filter, after, PAGE).await?;
        let Some(last) = events.last() else { break };
        after = last.position;
        for event in events {
            show(&serde_json::to_value(Event::from(event))?, options.json)?;
        }
    }
    log.close();
    Ok(())
}

async fn ask(options: &LogOptions, workspace: &WorkspaceId) -> anyhow::Result<()> {
    let mut client = options.remote.client()?;
    let params = [options.filters.params(), options.span.params()].concat();
    let query = joined(&params);
    let mut after = Some(options.after);
    while let Some(position) = after {
        let path = format!("/workspaces/{workspace}/events?after={position}&limit={PAGE}{query}");
        let page = client.get(&path).await?;
        let items = page["items"].as_array().context("the server did not answer with events")?;
        items.iter().try_for_each(|event| show(event, options.json))?;
        after = page["next"].as_u64().filter(|_| !is_unread());
    }
    Ok(())
}

/// A line for an event: for a machine as it is, for a person the columns that tell the story.
pub(super) fn show(event: &Value, json: bool) -> anyhow::Result<()> {
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
