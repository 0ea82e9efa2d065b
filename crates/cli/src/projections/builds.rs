//! Builds at a running server: begun, watched, paused and taken back.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::line;
use crate::{
    api::escape,
    output::{complain, say},
    progress::bar,
    remote::{Remote, items},
};

/// How often is looked how far a build is.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Where to look.
#[derive(Args)]
pub(crate) struct Listing {
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
    at: Listing,
    /// Its number, as `builds` lists it.
    id: String,
}

pub(crate) async fn list(listing: &Listing) -> anyhow::Result<ExitCode> {
    let all = listing.remote.client()?.get("/projections/builds").await?;
    if listing.json {
        say(&all.to_string());
    } else {
        items(&all["items"])?.iter().for_each(line);
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn steer(one: &One, wish: &str) -> anyhow::Result<ExitCode> {
    let path = format!("/projections/builds/{}/{wish}", escape(&one.id));
    let build = one.at.remote.client()?.post(&path, &json!({})).await?;
    if one.at.json {
        say(&build.to_string());
    } else {
        line(&build);
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks for something that answers when a build has ended, and shows meanwhile how far that is.
pub(crate) async fn shown(remote: &Remote, path: &str, body: &Value) -> anyhow::Result<Value> {
    let (mut client, mut beside) = (remote.client()?, remote.client()?);
    let mut answer = std::pin::pin!(client.post(path, body));
    let bar = bar("building");
    loop {
        if let Ok(answer) = tokio::time::timeout(LOOK_EVERY, &mut answer).await {
            bar.finish_and_clear();
            return answer;
        }
        // The last build is the first one in the list. Not to see it is no reason to stop.
        let builds = beside.get("/projections/builds?limit=1").await.unwrap_or_default();
        bar.set_length(builds["items"][0]["total"].as_u64().unwrap_or(0));
        bar.set_position(builds["items"][0]["done"].as_u64().unwrap_or(0));
    }
}

/// What became of a build that was watched.
pub(crate) enum Watched {
    /// It was done: the answer.
    Done(Value),
    /// Somebody has interrupted the watching: the build goes on, and is as it was then.
    Left(Value),
}

/// Begins a build and shows how far it is until it has ended. Interrupted, it leaves it running.
pub(crate) async fn run(remote: &Remote, mut body: Value) -> anyhow::Result<Watched> {
    body["wait"] = json!(false);
    let mut client = remote.client()?;
    let begun = client.post("/projections/rebuild", &body).await?;
    let mut build = begun["build"].clone();
    let id = build["id"].as_str().context("the server did not say which build it has begun")?;
    let (id, path) = (id.to_owned(), format!("/projections/builds/{}", escape(id)));
    let bar = bar("rebuild");
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    while matches!(build["state"].as_str(), Some("running" | "paused" | "cancelling")) {
        bar.set_length(build["total"].as_u64().unwrap_or(0));
        bar.set_position(build["done"].as_u64().unwrap_or(0));
        if tokio::time::timeout(LOOK_EVERY, &mut interrupt).await.is_ok() {
            bar.finish_and_clear();
            complain(&format!(
                "nobody waits any more, and the build goes on at the server: `muster projections builds` \
                 shows it, `muster projections cancel {id}` takes it back"
            ));
            return Ok(Watched::Left(json!({ "rebuilt": [], "build": build })));
        }
        build = client.get(&path).await?;
    }
    bar.finish_and_clear();
    match build["state"].as_str().unwrap_or_default() {
        "done" => Ok(Watched::Done(json!({ "rebuilt": build["projections"], "build": build }))),
        "cancelled" => bail!("build {id} was cancelled: what served before serves on"),
        "failed" => bail!(
            "build {id} failed, and what served before serves on: {}",
            build["error"].as_str().unwrap_or("see the server's log")
        ),
        state => bail!("build {id} is {state:?}, which this version does not know"),
    }
}
