//! `muster projections holds`, `retry`, `skip` and `unskip`: events that a projection cannot apply, at a running
//! server.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::{builds, line};
use crate::{
    api::escape,
    output::say,
    remote::{Remote, items},
};

/// Where to look.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Which ones.
#[derive(Args)]
pub(crate) struct Listing {
    #[command(flatten)]
    at: Options,
    /// Of one workspace only, by its slug. [default: all of them]
    #[arg(long, value_name = "SLUG")]
    workspace: Option<String>,
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
    /// The position of the event, as `holds` lists it. [default: where the hold stands now]
    #[arg(long)]
    position: Option<u64>,
    /// Why the event may be passed over, in words that name nobody: it goes on the record.
    #[arg(long)]
    reason: String,
}

/// Which event is passed over.
#[derive(Args)]
pub(crate) struct Unskip {
    #[command(flatten)]
    one: One,
    /// The position of the event, as it was skipped.
    #[arg(long)]
    position: u64,
}

pub(crate) async fn list(listing: &Listing) -> anyhow::Result<ExitCode> {
    let mut client = listing.at.remote.client()?;
    let (mut holds, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/projections/holds?limit=1000{cursor}")).await?;
        holds.extend_from_slice(items(&page["items"])?);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", escape(next)),
            None => break,
        }
    }
    if let Some(workspace) = &listing.workspace {
        holds.retain(|it| it["workspace"] == *workspace);
    }
    if listing.at.json {
        say(&json!({ "items": holds }).to_string());
    } else {
        holds.iter().for_each(line);
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what is left of the hold: exit code 1 while there is anything.
pub(crate) async fn retry(one: &One) -> anyhow::Result<ExitCode> {
    let tried = one.post("retry", &json!({})).await?;
    let released = tried["released"] == json!(true);
    if one.at.json {
        say(&tried.to_string());
    } else if released {
        say(&format!("{}: shown", one.id));
    } else {
        line(&tried["hold"]);
    }
    Ok(if released { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Names the event that the hold stands at, so that an answer that is lost never skips two. What is skipped
/// is on the record, whatever else of the stream is held: that is success.
pub(crate) async fn skip(skip: &Skip) -> anyhow::Result<ExitCode> {
    let Skip { one, position, reason } = skip;
    let position = match position {
        Some(position) => *position,
        None => one.position().await?,
    };
    let tried = one.post("skip", &json!({ "position": position, "reason": reason })).await?;
    if one.at.json {
        say(&tried.to_string());
    } else {
        say(&format!("{}: the event at position {position} is skipped", one.id));
        if !tried["hold"].is_null() {
            let same = tried["hold"]["position"] == json!(position);
            say(if same {
                "held until the server has built that workspace again:"
            } else {
                "held now, of what follows in the same stream:"
            });
            line(&tried["hold"]);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what is held of the stream now: exit code 1 while there is anything.
pub(crate) async fn unskip(unskip: &Unskip) -> anyhow::Result<ExitCode> {
    let Unskip { one, position } = unskip;
    let built = one.post("unskip", &json!({ "position": position })).await?;
    let shown = built["released"] == json!(true);
    if one.at.json {
        say(&built.to_string());
    } else if shown {
        say(&format!("{}: the event at position {position} is shown", one.id));
    } else {
        line(&built["hold"]);
    }
    Ok(if shown { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl One {
    async fn post(&self, what: &str, body: &Value) -> anyhow::Result<Value> {
        let path = format!("/projections/holds/{}/{what}", escape(&self.id));
        builds::shown(&self.at.remote, &path, body).await
    }

    /// The position of the event that is held now.
    async fn position(&self) -> anyhow::Result<u64> {
        let path = format!("/projections/holds?q={}", escape(&self.id));
        let page = self.at.remote.client()?.get(&path).await?;
        let held = items(&page["items"])?.iter().find(|held| held["id"] == self.id.as_str());
        let position = held.and_then(|held| held["position"].as_u64());
        position.with_context(|| format!("nothing is held under {}", self.id))
    }
}
