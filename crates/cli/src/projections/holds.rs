//! `muster projections holds`, `retry` and `skip`: events that a projection cannot apply, at a running
//! server.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{items, line};
use crate::{api::escape, output::say, remote::Remote};

/// Where to look.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Which one.
#[derive(Args)]
pub(crate) struct One {
    #[command(flatten)]
    at: Options,
    /// Its id: projection.workspace.kind.stream, as `holds` lists it.
    id: String,
}

/// Which one, and why.
#[derive(Args)]
pub(crate) struct Skip {
    #[command(flatten)]
    one: One,
    /// Why the event may be passed over, in words that name nobody: it goes on the record.
    #[arg(long)]
    reason: String,
}

pub(crate) async fn list(options: &Options) -> anyhow::Result<ExitCode> {
    let mut client = options.remote.client()?;
    let (mut holds, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/projections/holds?limit=1000{cursor}")).await?;
        holds.extend_from_slice(items(&page["items"]));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", escape(next)),
            None => break,
        }
    }
    if options.json {
        say(&json!({ "items": holds }).to_string());
    } else {
        holds.iter().for_each(line);
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn retry(one: &One) -> anyhow::Result<ExitCode> {
    one.ask("retry", &json!({})).await
}

pub(crate) async fn skip(skip: &Skip) -> anyhow::Result<ExitCode> {
    skip.one.ask("skip", &json!({ "reason": skip.reason })).await
}

impl One {
    /// Asks, and says what is left of the hold: exit code 1 while there is anything.
    async fn ask(&self, what: &str, body: &Value) -> anyhow::Result<ExitCode> {
        let path = format!("/projections/holds/{}/{what}", escape(&self.id));
        let tried = self.at.remote.client()?.post(&path, body).await?;
        let released = tried["released"] == json!(true);
        if self.at.json {
            say(&tried.to_string());
        } else if released {
            say(&format!("{}: shown", self.id));
        } else {
            line(&tried["hold"]);
        }
        Ok(if released { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
