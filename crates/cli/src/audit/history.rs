//! `muster audit history` and `muster audit diff`: what stood, and what changed (rule 30).

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use domain::ids::{DeviceId, GroupId, UserId};
use event_log::WorkspaceId;
use serde_json::Value;

use super::filters::joined;
use crate::{
    api::escape,
    options::moment,
    output::{one_line, say},
    progress,
    remote::Remote,
};

/// How much is asked for at a time.
const PAGE: usize = 1_000;

/// Who or what, and when.
#[derive(Args)]
pub(crate) struct HistoryOptions {
    #[command(flatten)]
    remote: Remote,
    /// The workspace's slug.
    #[arg(long, env = "MUSTER_WORKSPACE")]
    workspace: String,
    /// Of what kind.
    kind: Kind,
    /// Its id; of a person, the SCIM id of one of their entries will do.
    id: String,
    /// As of this position of the record, or this RFC 3339 time. [default: now]
    #[arg(long, value_name = "POSITION|TIME", value_parser = moment)]
    at: Option<String>,
    /// Print the API's JSON.
    #[arg(long)]
    json: bool,
}

/// What has a history of its own.
#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Of any portal.
    Person,
    /// With all members.
    Group,
    /// Of Device Management.
    Device,
}

/// Between which moments, and of whom.
#[derive(Args)]
pub(crate) struct DiffOptions {
    #[command(flatten)]
    remote: Remote,
    /// The workspace's slug.
    #[arg(long, env = "MUSTER_WORKSPACE")]
    workspace: String,
    /// From this position or RFC 3339 time on. [default: before there was anything]
    #[arg(long, value_name = "POSITION|TIME", value_parser = moment)]
    from: Option<String>,
    /// To this position or RFC 3339 time. [default: now]
    #[arg(long, value_name = "POSITION|TIME", value_parser = moment)]
    to: Option<String>,
    #[command(flatten)]
    of: Of,
    /// One JSON object a line, for each of them.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(multiple = false)]
struct Of {
    /// Only of this person, by any of their ids.
    #[arg(long, value_name = "ID")]
    person: Option<UserId>,
    /// Only of this group.
    #[arg(long, value_name = "ID")]
    group: Option<GroupId>,
    /// Only of this device.
    #[arg(long, value_name = "ID")]
    device: Option<DeviceId>,
}

pub(super) async fn history(options: HistoryOptions) -> anyhow::Result<ExitCode> {
    let workspace = WorkspaceId::parse(&options.workspace)?;
    let kind = match options.kind {
        Kind::Person => "users",
        Kind::Group => "groups",
        Kind::Device => "devices",
    };
    let at = options.at.map(|at| format!("?at={}", escape(&at))).unwrap_or_default();
    let path = format!("/workspaces/{workspace}/history/{kind}/{}{at}", escape(&options.id));
    let then = options.remote.client()?.get(&path).await?;
    if options.json {
        say(&then.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let mut all = Vec::new();
    leaves("", &then, &mut all);
    let width = all.iter().map(|(path, _)| path.chars().count()).max().unwrap_or(0);
    all.iter().for_each(|(path, value)| say(&format!("{path:width$}  {value}")));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn diff(options: DiffOptions) -> anyhow::Result<ExitCode> {
    let workspace = WorkspaceId::parse(&options.workspace)?;
    let Of { person, group, device } = &options.of;
    let stream = person.map(|id| format!("user/{id}"));
    let stream = stream.or_else(|| group.map(|id| format!("group/{id}")));
    let stream = stream.or_else(|| device.map(|id| format!("device/{id}")));
    let given = [("from", &options.from), ("to", &options.to), ("stream", &stream)];
    let given = given.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    let query = joined(&given.collect::<Vec<_>>());
    let mut client = options.remote.client()?;
    let bar = progress::bar(workspace.as_str());
    let mut cursor = String::new();
    loop {
        let path = format!("/workspaces/{workspace}/diff?limit={PAGE}{query}{cursor}");
        let part = client.get(&path).await?;
        let items = part["items"].as_array().context("the server did not answer with changes")?;
        bar.suspend(|| items.iter().for_each(|item| tell(item, options.json)));
        let Some(next) = part["next_cursor"].as_str() else { break };
        let number = |name: &str| part[name].as_u64().unwrap_or_default();
        bar.set_length(number("to").saturating_sub(number("from")));
        let at: u64 = next.parse().unwrap_or_default();
        bar.set_position(at.saturating_sub(number("from")));
        cursor = format!("&cursor={}", escape(next));
    }
    bar.finish_and_clear();
    Ok(ExitCode::SUCCESS)
}

/// The lines for somebody or something that is different.
fn tell(item: &Value, json: bool) {
    if json {
        return say(&item.to_string());
    }
    let text = |name: &str| item[name].as_str().unwrap_or("-").to_owned();
    say(&format!("{} {}", text("kind"), text("id")));
    if item["erasure"].is_string() {
        say(&format!("  erased ({}): what changed cannot be read any more", text("erasure")));
    }
    for change in item["changes"].as_array().into_iter().flatten() {
        say(&format!("  {}", line(change)));
    }
}

/// A change in a line: of a list that stays, what went and what came.
fn line(change: &Value) -> String {
    let (path, position) = (change["path"].as_str().unwrap_or("-"), &change["position"]);
    let (before, after) = (&change["before"], &change["after"]);
    if change["delta"] == true {
        return format!("{path}  without {before}, with {after}  (by {position})");
    }
    format!("{path}  {before} -> {after}  (by {position})")
}

/// Every value of an object with the path that leads to it; of lists, the whole.
fn leaves(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(&path, value, found);
            }
        }
        Value::Null => found.push((path.to_owned(), "-".to_owned())),
        Value::String(text) => found.push((path.to_owned(), one_line(text).into_owned())),
        other => found.push((path.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_told_in_a_line() {
        let value = json!({ "path": "a.b", "before": null, "after": "x", "position": 7 });
        assert_eq!(line(&value), "a.b  null -> \"x\"  (by 7)");
        let list = json!({ "path": "m", "before": [1], "after": [], "delta": true, "position": 8 });
        assert_eq!(line(&list), "m  without [1], with []  (by 8)");
    }

    #[test]
    fn an_object_is_told_by_its_leaves() {
        let mut found = Vec::new();
        leaves(
            "",
            &json!({ "at": 7, "who": { "name": "Ada", "tags": [1, 2], "boss": null } }),
            &mut found,
        );
        let lines: Vec<_> = found.iter().map(|(path, value)| format!("{path} {value}")).collect();
        assert_eq!(lines, ["at 7", "who.boss -", "who.name Ada", "who.tags [1,2]"]);
    }
}
