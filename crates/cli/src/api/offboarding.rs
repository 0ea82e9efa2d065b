//! `muster offboarding`: what deactivations carry out.

use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;

use super::{InWorkspace, escape};

/// What to do with offboardings.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List them.
    List {
        #[command(flatten)]
        of: InWorkspace,
    },
    /// Show one.
    Show {
        #[command(flatten)]
        of: InWorkspace,
        /// Its id.
        id: String,
    },
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { of } => {
            of.list("/offboardings", &["id", "portal", "user", "rule", "state", "done", "total"])
                .await
        }
        Command::Show { of, id } => {
            of.show(Method::GET, &format!("/offboardings/{}", escape(&id)), None).await
        }
    }
}
