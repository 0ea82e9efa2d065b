//! `muster audit timeline` and `muster audit why`: what happened to somebody, and why something is so.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use event_log::WorkspaceId;
use serde_json::Value;

use crate::{
    api::escape,
    output::{one_line, say},
    remote::Remote,
};

/// How many events are asked for at a time.
const PAGE: usize = 1_000;

/// Whose timeline.
#[derive(Args)]
pub(crate) struct TimelineOptions {
    #[command(flatten)]
    remote: Remote,
    /// The workspace's slug.
    #[arg(long, env = "MUSTER_WORKSPACE")]
    workspace: String,
    /// The person's id, or the SCIM id of one of their entries.
    id: String,
    /// Only what stands after this position.
    #[arg(long, default_value_t = 0)]
    after: u64,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Why what.
#[derive(Args)]
pub(crate) struct WhyOptions {
    #[command(flatten)]
    remote: Remote,
    /// The workspace's slug.
    #[arg(long, env = "MUSTER_WORKSPACE")]
    workspace: String,
    #[command(flatten)]
    of: Of,
    /// Print the API's JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Of {
    /// Why the event at this position.
    position: Option<u64>,
    /// Why this person has an account, or has none.
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Why this collaborator has their role.
    #[arg(long, value_name = "ID")]
    role: Option<String>,
    /// Why this was done to a device: the id of the effect.
    #[arg(long, value_name = "ID")]
    effect: Option<String>,
}

pub(super) async fn timeline(options: TimelineOptions) -> anyhow::Result<ExitCode> {
    let workspace = WorkspaceId::parse(&options.workspace)?;
    let id = escape(&options.id);
    let mut client = options.remote.client()?;
    let mut after = Some(options.after);
    while let Some(position) = after {
        let path =
            format!("/workspaces/{workspace}/people/{id}/timeline?after={position}&limit={PAGE}");
        let part = client.get(&path).await?;
        let items = part["items"].as_array().context("the server did not answer with events")?;
        items
            .iter()
            .for_each(|item| if options.json { say(&item.to_string()) } else { tell(item) });
        after = part["next"].as_u64();
        let others = part["same_user_name"].as_array().into_iter().flatten();
        if after.is_none() && !options.json {
            for other in others.filter_map(Value::as_str) {
                say(&format!("another person of the same userName: {other}"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn why(options: WhyOptions) -> anyhow::Result<ExitCode> {
    let workspace = WorkspaceId::parse(&options.workspace)?;
    let Of { position, account, role, effect } = options.of;
    let position = position.map(|position| position.to_string());
    let given = [("position", position), ("account", account), ("role", role), ("effect", effect)];
    let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let query: Vec<_> = given.map(|(name, value)| format!("{name}={}", escape(&value))).collect();
    let mut client = options.remote.client()?;
    let why = client.get(&format!("/workspaces/{workspace}/why?{}", query.join("&"))).await?;
    if options.json {
        say(&why.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    say(why["because"].as_str().unwrap_or_default());
    why["steps"].as_array().into_iter().flatten().for_each(tell);
    let request = &why["request"];
    if request.is_object() {
        let text = |name: &str| request[name].as_str().unwrap_or("-").to_owned();
        let (id, time, connector) = (text("id"), text("time"), text("connector"));
        let (action, outcome) = (text("action"), text("outcome"));
        say(&format!("request {id}  {time}  {connector} asked to {action}: {outcome}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// A line for an event.
fn tell(event: &Value) {
    let text = |name: &str| event[name].as_str().unwrap_or("-").to_owned();
    let position = event["position"].as_u64().unwrap_or_default();
    let cause = event["causation"].as_u64().map(|cause| format!("  because of {cause}"));
    let (time, says, actor) = (text("time"), text("says"), text("actor"));
    let says = one_line(&says);
    say(&format!("{position:>8}  {time}  {says}  ({actor}){}", cause.unwrap_or_default()));
}
