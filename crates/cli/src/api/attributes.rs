//! `muster attributes`: what an identity provider sends, and what of it becomes metadata.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Subcommand;
use hyper::Method;

use super::{InWorkspace, connector::read, escape};
use crate::audit::bar;

/// How often is looked how far a job is.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What to do with attributes.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List every attribute that a connector's requests have carried.
    History {
        #[command(flatten)]
        of: InWorkspace,
        /// The connector.
        connector: String,
    },
    /// Show which attributes become metadata, or set it.
    Mapping {
        #[command(flatten)]
        of: InWorkspace,
        /// The connector.
        connector: String,
        /// Set it: a JSON file, in the form in which `--json` prints it.
        #[arg(long)]
        set: Option<PathBuf>,
    },
    /// Bring the metadata of everybody whom a connector has brought up to date with it.
    Apply {
        #[command(flatten)]
        of: InWorkspace,
        /// The connector.
        connector: String,
    },
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let of_connector =
        |connector: &str, rest: &str| format!("/connectors/{}/attribute-{rest}", escape(connector));
    match command {
        Command::History { of, connector } => {
            let columns = ["namespace", "key", "count", "first_seen", "last_seen"];
            of.list(&of_connector(&connector, "history"), &columns).await
        }
        Command::Mapping { of, connector, set } => {
            let path = of_connector(&connector, "mapping");
            match set {
                None => of.show(Method::GET, &path, None).await,
                Some(file) => of.show(Method::PUT, &path, Some(&read(&file)?)).await,
            }
        }
        Command::Apply { of, connector } => {
            apply(&of, &of_connector(&connector, "mapping/apply")).await
        }
    }
}

/// Starts the job, and shows how far it is until it ends.
#[expect(clippy::disallowed_methods, reason = "over HTTP the end of the job can only be asked for")]
async fn apply(of: &InWorkspace, rest: &str) -> anyhow::Result<ExitCode> {
    let (mut client, path) = (of.api.client()?, of.path(rest));
    let bar = bar("people");
    let mut job = client.ask(&Method::POST, &path, None).await?;
    while job["state"] == "running" {
        bar.set_length(job["total"].as_u64().unwrap_or(0));
        bar.set_position(job["done"].as_u64().unwrap_or(0));
        tokio::time::sleep(LOOK_EVERY).await;
        job = client.get(&path).await?;
    }
    bar.finish_and_clear();
    of.api.print(&job);
    anyhow::ensure!(job["state"] == "completed", "not everybody was reached: see the server's log");
    Ok(ExitCode::SUCCESS)
}
