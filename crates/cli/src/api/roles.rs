//! `muster roles`: which groups make collaborators what.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;
use hyper::Method;

use super::{InWorkspace, connector::read, job};

/// What to do with the role mapping.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show it.
    Show {
        #[command(flatten)]
        of: InWorkspace,
    },
    /// Set it, and wait until everybody whose role follows their groups has the right one.
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
            let code = of.show(Method::PUT, "/role-mapping", Some(&read(&file)?)).await?;
            let progress = "/role-mapping/progress";
            let begun = of.api.client()?.get(&of.path(progress)).await?;
            job::follow(&of, progress, begun).await?;
            Ok(code)
        }
    }
}
