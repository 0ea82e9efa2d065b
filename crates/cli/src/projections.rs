//! `muster projections`: rebuild read models from the log, and check that they are right.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    audit::{Offline, bar},
    node,
    output::say,
    remote::Remote,
};

/// What to do with read models.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show how far each has come.
    Status(Options),
    /// Build them anew from the log, beside the ones that serve, and switch.
    Rebuild(Options),
    /// Build them anew in a temporary file and compare.
    Verify(Options),
}

/// Which, and where.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    offline: Offline,
    /// Which one. [default: all of them]
    projection: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Status(options) => status(&options).await,
        Command::Rebuild(options) => rebuild(&options).await,
        Command::Verify(options) => verify(&options).await,
    }
}

async fn status(options: &Options) -> anyhow::Result<ExitCode> {
    let answer = options.remote.client()?.get("/projections").await?;
    show(&answer, options.json);
    Ok(ExitCode::SUCCESS)
}

async fn rebuild(options: &Options) -> anyhow::Result<ExitCode> {
    let body = json!({ "projection": options.projection });
    let Some(log) = options.offline.open()? else {
        let answer = options.remote.client()?.post("/projections/rebuild", &body).await?;
        let names = names(&answer["rebuilt"])?;
        say(&if options.json { answer.to_string() } else { format!("rebuilt {names}") });
        return Ok(ExitCode::SUCCESS);
    };
    let data_dir = options.offline.data_dir.as_deref().unwrap_or_else(|| unreachable!("opened"));
    let read_models = node::open_read_models(data_dir, &log)?;
    let line = bar("rebuild");
    let mut progress = |it: projections::Progress| {
        line.set_prefix(it.projection);
        line.set_length(it.total);
        line.set_position(it.done);
    };
    read_models.rebuild(options.projection.as_deref(), &mut progress)?;
    line.finish_and_clear();
    say(if options.json { "{\"rebuilt\":true}" } else { "rebuilt" });
    read_models.close();
    log.close();
    Ok(ExitCode::SUCCESS)
}

async fn verify(options: &Options) -> anyhow::Result<ExitCode> {
    let body = json!({ "projection": options.projection });
    let answer = options.remote.client()?.post("/projections/verify", &body).await?;
    let verified = names(&answer["verified"])?;
    let sound = answer["sound"].as_bool().context("the server did not say what it found")?;
    if options.json {
        say(&answer.to_string());
    } else if sound {
        say(&format!("{verified}: as the log says"));
    } else {
        items(&answer["differences"]).iter().for_each(line);
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The names of projections that an answer lists; an answer without any is not the one expected.
fn names(list: &Value) -> anyhow::Result<String> {
    let names: Vec<_> = items(list).iter().filter_map(Value::as_str).collect();
    anyhow::ensure!(!names.is_empty(), "the server did not say which projections it meant");
    Ok(names.join(", "))
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn show(answer: &Value, json: bool) {
    if json {
        say(&answer.to_string());
        return;
    }
    items(&answer["items"]).iter().for_each(line);
}

/// A line for an object: its fields with their names.
fn line(item: &Value) {
    let fields = item.as_object().into_iter().flatten();
    let line: Vec<_> = fields.map(|(name, value)| format!("{name}={value}")).collect();
    say(&line.join("  "));
}
