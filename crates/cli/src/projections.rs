//! `muster projections`: rebuild read models from the log, and check that they are right; at a
//! running server, or in a data directory that no server is using.

use std::{path::Path, process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::{Args, Subcommand};
use event_log::SqliteLog;
use projections::{ALL, Difference, Progress, ReadModels, Status};
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
    let answer = match Local::open(&options.offline)? {
        Some(local) => local.status(),
        None => options.remote.client()?.get("/projections").await?,
    };
    if options.json {
        say(&answer.to_string());
    } else {
        items(&answer["items"]).iter().for_each(line);
    }
    Ok(ExitCode::SUCCESS)
}

async fn rebuild(options: &Options) -> anyhow::Result<ExitCode> {
    let answer = match Local::open(&options.offline)? {
        Some(local) => local.rebuild(options.projection.as_deref())?,
        None => options.ask("/projections/rebuild").await?,
    };
    let names = names(&answer["rebuilt"])?;
    say(&if options.json { answer.to_string() } else { format!("rebuilt {names}") });
    Ok(ExitCode::SUCCESS)
}

async fn verify(options: &Options) -> anyhow::Result<ExitCode> {
    let answer = match Local::open(&options.offline)? {
        Some(local) => local.verify(options.projection.as_deref())?,
        None => options.ask("/projections/verify").await?,
    };
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

impl Options {
    async fn ask(&self, path: &str) -> anyhow::Result<Value> {
        let body = json!({ "projection": self.projection });
        self.remote.client()?.post(path, &body).await
    }
}

/// The read models of a data directory that no server is using. It says what a server would say.
struct Local {
    log: Arc<SqliteLog>,
    read_models: Arc<ReadModels>,
}

impl Local {
    fn open(offline: &Offline) -> anyhow::Result<Option<Self>> {
        let Some(log) = offline.open()? else { return Ok(None) };
        let data_dir = offline.data_dir.as_deref().unwrap_or_else(|| Path::new("."));
        let read_models = node::open_read_models(data_dir, &log)?;
        Ok(Some(Self { log, read_models }))
    }

    fn status(&self) -> Value {
        let item = |status: &Status| {
            json!({
                "name": status.projection, "version": status.version,
                "generation": status.generation, "workspace": status.workspace.as_str(),
                "position": status.position, "head": status.head, "stale": status.stale.as_deref(),
            })
        };
        json!({ "items": self.read_models.status().iter().map(item).collect::<Vec<_>>() })
    }

    fn rebuild(&self, name: Option<&str>) -> anyhow::Result<Value> {
        let names = known(name)?;
        work("rebuild", |progress| self.read_models.rebuild(name, progress))?;
        Ok(json!({ "rebuilt": names }))
    }

    fn verify(&self, name: Option<&str>) -> anyhow::Result<Value> {
        let names = known(name)?;
        let differences = work("verify", |progress| self.read_models.verify(name, progress))?;
        let item = |it: &Difference| {
            json!({
                "projection": it.projection, "workspace": it.workspace.as_str(),
                "table": it.table, "live": it.live, "rebuilt": it.rebuilt,
            })
        };
        let differences: Vec<_> = differences.iter().map(item).collect();
        Ok(json!({
            "verified": names, "sound": differences.is_empty(), "differences": differences,
        }))
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.read_models.close();
        self.log.close();
    }
}

/// Does something that blocks, with a bar that shows how far it is.
fn work<T, E: std::error::Error + Send + Sync + 'static>(
    what: &'static str,
    work: impl FnOnce(&mut dyn FnMut(Progress)) -> Result<T, E>,
) -> anyhow::Result<T> {
    let bar = bar(what);
    let mut progress = |it: Progress| {
        bar.set_prefix(it.projection);
        bar.set_length(it.total);
        bar.set_position(it.done);
    };
    let done = tokio::task::block_in_place(|| work(&mut progress));
    bar.finish_and_clear();
    Ok(done?)
}

/// The projections that a name means; without one, all.
fn known(name: Option<&str>) -> anyhow::Result<Vec<&'static str>> {
    let all = ALL.iter().map(|projection| projection.name());
    let named: Vec<_> = all.clone().filter(|it| name.is_none_or(|name| name == *it)).collect();
    anyhow::ensure!(
        !named.is_empty(),
        "a projection is one of {}",
        all.collect::<Vec<_>>().join(", ")
    );
    Ok(named)
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

/// A line for an object: its fields with their names.
fn line(item: &Value) {
    let fields = item.as_object().into_iter().flatten();
    let line: Vec<_> = fields.map(|(name, value)| format!("{name}={value}")).collect();
    say(&line.join("  "));
}
