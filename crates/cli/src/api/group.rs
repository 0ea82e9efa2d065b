//! `muster group`: the groups that identity providers push.

use std::process::ExitCode;

use clap::Subcommand;

use super::{Portal, Then, escape};

/// What to do with groups.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List them, or those that a person is in.
    List {
        #[command(flatten)]
        of: Then,
        /// Only those of this portal.
        #[arg(long)]
        portal: Option<Portal>,
        /// Only those that this person is in, directly or through others, by their id.
        #[arg(long, value_name = "ID", conflicts_with = "portal")]
        person: Option<String>,
    },
    /// Show one.
    Show {
        #[command(flatten)]
        of: Then,
        /// Its id.
        id: String,
    },
    /// List its members.
    Members {
        #[command(flatten)]
        of: Then,
        /// Its id.
        id: String,
    },
    /// List whom it names and nobody has brought yet.
    Pending {
        #[command(flatten)]
        of: Then,
        /// Its id.
        id: String,
    },
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { of, portal, person: None } => {
            let query = portal.map(|it| format!("?portal={}", it.name())).unwrap_or_default();
            of.list(&format!("/groups{query}"), &["id", "display_name", "portal", "connector"])
                .await
        }
        Command::List { of, person: Some(id), .. } => {
            let path = format!("/people/{}/groups", escape(&id));
            of.list(&path, &["id", "display_name", "connector", "direct"]).await
        }
        Command::Show { of, id } => of.show(&one(&id)).await,
        Command::Members { of, id } => {
            of.list(&format!("{}/members", one(&id)), &["id", "type", "display"]).await
        }
        Command::Pending { of, id } => of.list(&format!("{}/pending", one(&id)), &["value"]).await,
    }
}

fn one(id: &str) -> String {
    format!("/groups/{}", escape(id))
}
