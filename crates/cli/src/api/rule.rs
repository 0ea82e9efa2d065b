//! `muster connector rule`: the rule in force, for the people who are there already.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{InWorkspace, confirmed, escape, job};

/// What to do with the rule in force.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show what it would do to the people who are there: how many, and with --list whom. Nothing is done.
    Preview {
        #[command(flatten)]
        of: InWorkspace,
        /// The connector.
        connector: String,
        /// List the people instead of counting them.
        #[arg(long)]
        list: bool,
    },
    /// Do that.
    Apply {
        #[command(flatten)]
        of: InWorkspace,
        /// The connector.
        connector: String,
        /// The rule that is meant, as its preview says: refused if another one is in force by now.
        #[arg(long)]
        rule: Option<u64>,
        /// It is meant.
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let path = |connector: &str, rest: &str| {
        format!("/connectors/{}/provisioning/{rest}", escape(connector))
    };
    match command {
        Command::Preview { of, connector, list: true } => {
            let columns =
                ["id", "user_name", "outcome", "role", "on_deactivate", "held", "devices"];
            of.list(&path(&connector, "preview/people"), &columns).await
        }
        Command::Preview { of, connector, list: false } => {
            job::run(&of, &path(&connector, "preview"), None).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Apply { of, connector, rule, yes } => {
            let what = format!("this gives and takes accounts of the people of {connector}");
            confirmed(yes, &what)?;
            let body: Option<Value> = rule.map(|rule| json!({ "rule": rule }));
            job::run(&of, &path(&connector, "apply"), body.as_ref()).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
