//! `muster effects`: what is owed to devices.

use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;

use super::{InWorkspace, escape};

/// What to do with effects.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List them.
    List {
        #[command(flatten)]
        of: InWorkspace,
        /// Only those in this state, such as `requested`, `parked` or `confirmed`.
        #[arg(long)]
        state: Option<String>,
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
        Command::List { of, state } => {
            let query = state.map(|it| format!("?state={}", escape(&it))).unwrap_or_default();
            of.list(&format!("/effects{query}"), &["id", "action", "device", "user", "state"]).await
        }
        Command::Show { of, id } => {
            of.show(Method::GET, &format!("/effects/{}", escape(&id)), None).await
        }
    }
}
