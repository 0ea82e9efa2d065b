//! `muster audit tail`: events as they are recorded.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use event_log::WorkspaceId;
use serde_json::Value;

use super::filters::{Filters, joined};
use crate::{output::complain, remote::Remote};

/// From where on.
#[derive(Args)]
pub(crate) struct TailOptions {
    #[command(flatten)]
    remote: Remote,
    /// The workspace's slug.
    #[arg(long, env = "MUSTER_WORKSPACE")]
    workspace: String,
    #[command(flatten)]
    filters: Filters,
    /// Also what stands after this position already. [default: only what is to come]
    #[arg(long)]
    after: Option<u64>,
    /// End after the event at this position.
    #[arg(long)]
    to: Option<u64>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn tail(options: TailOptions) -> anyhow::Result<ExitCode> {
    let workspace = WorkspaceId::parse(&options.workspace)?;
    let given = [("after", options.after), ("to", options.to)];
    let given = given.into_iter().filter_map(|(name, value)| Some((name, value?.to_string())));
    let params = [given.collect(), options.filters.params()].concat();
    let query = joined(&params);
    let path = format!("/workspaces/{workspace}/events/stream?{}", query.trim_start_matches('&'));
    let mut stream = options.remote.client()?.open(&path).await?;
    let (mut lines, mut last) = (Lines::default(), None);
    while let Some(chunk) = stream.chunk().await.context("following the record")? {
        for line in lines.take(&chunk) {
            if let Some(id) = line.strip_prefix("id: ") {
                last = id.parse::<u64>().ok();
            }
            if let Some(data) = line.strip_prefix("data: ") {
                let event: Value = serde_json::from_str(data).context("the server's event")?;
                super::log::show(&event, options.json)?;
            }
        }
    }
    if options.to.is_none() {
        let after = last.map(|last| format!("; go on with --after {last}")).unwrap_or_default();
        complain(&format!("the server has ended the stream{after}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Bytes on their way to lines.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// The lines that are whole.
    fn take(&mut self, chunk: &[u8]) -> Vec<String> {
        self.0.extend_from_slice(chunk);
        let Some(end) = self.0.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let whole: Vec<u8> = self.0.drain(..=end).collect();
        String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_when_it_is_whole() {
        let mut lines = Lines::default();
        assert!(lines.take(b"id: 1\r"[..5].as_ref()).is_empty());
        assert_eq!(lines.take(b"\ndata: {\"a\""), ["id: 1"]);
        assert_eq!(lines.take(b":1}\n\n: x"), ["data: {\"a\":1}", ""]);
        assert_eq!(lines.take(b"\n"), [": x"]);
    }
}
