//! `muster access`: who may use `/api/v1`, and with that these commands, and as what.
//!
//! Which groups a portal requires of its people is another thing: `muster workspace access`.

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use hyper::Method;
use serde_json::Value;

use super::{Api, escape, fields, text};

/// What to do with access.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List who has it and who had it, when, and when they last used it.
    List {
        #[command(flatten)]
        api: Api,
    },
    /// Give somebody a token, shown this once.
    Create {
        #[command(flatten)]
        api: Api,
        /// Whose it is to be.
        name: String,
        /// What they may do.
        #[arg(long, value_enum)]
        role: Role,
        /// The one workspace that they are to reach. [default: all]
        #[arg(long, value_name = "SLUG")]
        workspace: Option<String>,
        /// From when on it is to be refused, such as 2027-01-01T00:00:00Z. [default: never]
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    /// Refuse somebody from now on.
    Revoke {
        #[command(flatten)]
        api: Api,
        /// The id of their access.
        id: String,
    },
}

/// What somebody may do.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Role {
    /// Everything, and say who else may what.
    Owner,
    /// Everything in workspaces.
    Administrator,
    /// Read everything, change nothing.
    Auditor,
    /// Look after the machinery, without seeing anybody's data.
    Operator,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { api } => {
            let columns = ["id", "name", "role", "workspace", "live", "last_used", "expires_at"];
            api.list("/access", &columns).await
        }
        Command::Create { api, name, role, workspace, expires_at } => {
            let role = role.to_possible_value().map(|role| Value::from(role.get_name()));
            let body = fields([
                ("name", Some(Value::from(name))),
                ("role", role),
                ("workspace", text(workspace.as_ref())),
                ("expires_at", text(expires_at.as_ref())),
            ]);
            api.ask(Method::POST, "/access", Some(&body)).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Revoke { api, id } => {
            let path = format!("/access/{}", escape(&id));
            api.done(Method::DELETE, &path, &format!("revoked {id}")).await
        }
    }
}
