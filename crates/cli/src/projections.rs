//! `muster projections`: rebuild read models from the log, and check that they are right; at a
//! running server, or in a data directory that no server is using.

mod builds;
mod holds;

use std::{path::Path, process::ExitCode, sync::Arc};

use admin::{Projection, Verified};
use anyhow::Context;
use clap::{Args, Subcommand};
use event_log::{SqliteLog, WorkspaceId};
use projections::{ALL, Order, Progress, ReadModels};
use serde_json::{Value, json};

use self::builds::Watched;
use crate::{
    audit::Offline,
    node,
    output::say,
    progress::bar,
    remote::{Remote, items},
    serve::log_lines,
};

/// The exit code of whoever was interrupted, as shells have it: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// What to do with read models.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show how far each has come.
    Status(Options),
    /// Build them anew from the log, beside the ones that serve, and switch.
    Rebuild(Options),
    /// List the build that is under way at a server and the last ones that were.
    Builds(builds::Listing),
    /// Let a build wait.
    Pause(builds::One),
    /// Let a build go on that was paused.
    Resume(builds::One),
    /// Take a build back; what serves goes on.
    Cancel(builds::One),
    /// Build them anew in a temporary file and compare.
    Verify(Options),
    /// List the events that they cannot apply and hold back, with what follows in their streams.
    Holds(holds::Listing),
    /// Try again what is held back.
    Retry(holds::One),
    /// Let a projection pass over the event that it holds back: for good, and on the record.
    Skip(holds::Skip),
    /// Take that back: the projection of that workspace is built again, and applies the event or holds it.
    Unskip(holds::Unskip),
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
    /// Of one workspace only, by its slug. [default: all of them]
    #[arg(long, value_name = "SLUG")]
    workspace: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Status(options) => status(&options).await,
        Command::Rebuild(options) => rebuild(&options).await,
        Command::Builds(listing) => builds::list(&listing).await,
        Command::Pause(one) => builds::steer(&one, "pause").await,
        Command::Resume(one) => builds::steer(&one, "resume").await,
        Command::Cancel(one) => builds::steer(&one, "cancel").await,
        Command::Verify(options) => verify(&options).await,
        Command::Holds(listing) => holds::list(&listing).await,
        Command::Retry(one) => holds::retry(&one).await,
        Command::Skip(skip) => holds::skip(&skip).await,
        Command::Unskip(unskip) => holds::unskip(&unskip).await,
    }
}

async fn status(options: &Options) -> anyhow::Result<ExitCode> {
    let named = known(options.projection.as_deref())?;
    let answer = match Local::open(&options.offline)? {
        Some(local) => local.status(),
        None => options.remote.client()?.get("/projections").await?,
    };
    let mut all = items(&answer["items"])?.to_vec();
    all.retain(|it| named.iter().any(|name| it["name"] == *name));
    if let Some(workspace) = &options.workspace {
        all.iter_mut().for_each(|it| narrow(it, workspace));
    }
    if options.json {
        say(&json!({ "items": all }).to_string());
    } else {
        all.iter().for_each(reached);
    }
    Ok(ExitCode::SUCCESS)
}

/// Leaves of a projection what is of one workspace. What is said of all together is not.
fn narrow(projection: &mut Value, workspace: &str) {
    if let Some(reached) = projection["workspaces"].as_array_mut() {
        reached.retain(|it| it["workspace"] == workspace);
    }
    let kept = ["name", "version", "generation", "workspaces"];
    projection
        .as_object_mut()
        .into_iter()
        .for_each(|it| it.retain(|name, _| kept.contains(&name.as_str())));
}

/// A line for each workspace that a projection shows.
fn reached(projection: &Value) {
    for reached in projection["workspaces"].as_array().into_iter().flatten() {
        let mut row = reached.clone();
        for name in ["name", "version", "generation"] {
            row[name] = projection[name].clone();
        }
        line(&row);
    }
}

async fn rebuild(options: &Options) -> anyhow::Result<ExitCode> {
    let answer = match Local::open(&options.offline)? {
        Some(local) => local.rebuild(&options.order()?)?,
        None => match builds::run(&options.remote, options.body()).await? {
            Watched::Done(answer) => answer,
            Watched::Left(answer) => {
                if options.json {
                    say(&answer.to_string());
                }
                return Ok(ExitCode::from(INTERRUPTED));
            }
        },
    };
    let names = names(&answer["rebuilt"])?;
    say(&if options.json { answer.to_string() } else { format!("rebuilt {names}") });
    Ok(ExitCode::SUCCESS)
}

async fn verify(options: &Options) -> anyhow::Result<ExitCode> {
    let answer = match Local::open(&options.offline)? {
        Some(local) => {
            local.read_models.wait_for_builds();
            // A file that was filled from nothing shows little yet, and that would be sound.
            local.read_models.started().await;
            local.verify(&options.order()?)?
        }
        None => builds::shown(&options.remote, "/projections/verify", &options.body()).await?,
    };
    let verified = names(&answer["verified"])?;
    let sound = answer["sound"].as_bool().context("the server did not say what it found")?;
    if options.json {
        say(&answer.to_string());
    } else if sound {
        for content in items(&answer["contents"])? {
            let text = |name: &str| content[name].as_str().unwrap_or_default().to_owned();
            let (projection, workspace) = (text("projection"), text("workspace"));
            say(&format!("{}  {projection} {workspace} @{}", text("sha256"), content["position"]));
        }
        say(&format!("{verified}: as the log says"));
    } else {
        items(&answer["damaged"])?.iter().for_each(line);
        items(&answer["differences"])?.iter().for_each(line);
        // A projection that holds something back shows less than the log says, however it was built.
        items(&answer["held"])?.iter().for_each(line);
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Options {
    fn body(&self) -> Value {
        json!({ "projection": self.projection, "workspace": self.workspace })
    }

    fn order(&self) -> anyhow::Result<Order> {
        let workspace = self.workspace.as_deref().map(WorkspaceId::parse).transpose()?;
        Ok(Order { projection: self.projection.clone(), workspace })
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
        // Somebody is to hear of it when what is there has to be thrown away.
        log_lines(false, "error");
        let read_models = node::open_read_models(data_dir, &log)?;
        Ok(Some(Self { log, read_models }))
    }

    fn status(&self) -> Value {
        let all = Projection::all(self.read_models.status(), self.read_models.held());
        json!({ "items": all })
    }

    fn rebuild(&self, order: &Order) -> anyhow::Result<Value> {
        let names = known(order.projection.as_deref())?;
        self.read_models.wait_for_builds();
        work("rebuild", |progress| self.read_models.begin(order)?.run(progress))?;
        Ok(json!({ "rebuilt": names }))
    }

    fn verify(&self, order: &Order) -> anyhow::Result<Value> {
        let names = known(order.projection.as_deref())?;
        self.read_models.wait_for_builds();
        let found = work("verify", |progress| self.read_models.verify(order, progress))?;
        Ok(serde_json::to_value(Verified::of(names, found, true))?)
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
    let names: Vec<_> = items(list)?.iter().filter_map(Value::as_str).collect();
    anyhow::ensure!(!names.is_empty(), "the server did not say which projections it meant");
    Ok(names.join(", "))
}

/// A line for an object: its fields with their names.
fn line(item: &Value) {
    let fields = item.as_object().into_iter().flatten();
    let line: Vec<_> = fields.map(|(name, value)| format!("{name}={value}")).collect();
    say(&line.join("  "));
}
