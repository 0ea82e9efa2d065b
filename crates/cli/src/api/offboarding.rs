//! `muster offboarding`: what deactivations carry out.

use std::process::ExitCode;

use clap::Subcommand;

use super::{Then, escape};

/// What to do with offboardings.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List them, the last one first.
    List {
        #[command(flatten)]
        of: Then,
        /// Only those in this state: `started`, `held`, `completed` or `cancelled`.
        #[arg(long)]
        state: Option<String>,
        /// Only of this person, by any of their ids.
        #[arg(long)]
        user: Option<String>,
    },
    /// Show one, with what it called for on each device.
    Show {
        #[command(flatten)]
        of: Then,
        /// Its id.
        id: String,
    },
}

const COLUMNS: [&str; 9] =
    ["id", "portal", "connector", "user", "rule", "state", "done", "total", "started_at"];
const OF_ACTIONS: [&str; 6] = ["id", "action", "device", "state", "attempts", "reason"];

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { of, state, user } => {
            let query: Vec<_> = [("state", state), ("user", user)]
                .into_iter()
                .filter_map(|(name, value)| Some(format!("{name}={}", escape(&value?))))
                .collect();
            of.list(&format!("/offboardings?{}", query.join("&")), &COLUMNS).await
        }
        Command::Show { of, id } => {
            let path = format!("/offboardings/{}", escape(&id));
            of.show_with(&path, "actions", &OF_ACTIONS).await
        }
    }
}
