//! `muster roles`: which groups make collaborators what.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;
use hyper::Method;

use super::{InWorkspace, connector::read};

/// What to do with the role mapping.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show it.
    Show {
        #[command(flatten)]
        of: InWorkspace,
    },
    /// Set it.
    Set {
        #[command(flatten)]
        of: InWorkspace,
        /// A JSON file, in the form in which `show --json` prints it.
        file: PathBuf,
    },
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Show { of } => of.show(Method::GET, "/role-mapping", None).await,
        Command::Set { of, file } => {
            of.show(Method::PUT, "/role-mapping", Some(&read(&file)?)).await
        }
    }
}
