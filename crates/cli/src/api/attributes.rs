//! `muster attributes`: what an identity provider sends, and what of it becomes metadata.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;
use hyper::Method;

use super::{InWorkspace, connector::read, escape, job};

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
            job::run(&of, &of_connector(&connector, "mapping/apply"), None).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
