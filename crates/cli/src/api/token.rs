//! `muster token`: the bearer tokens of a connector.

use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;
use serde_json::json;

use super::{InWorkspace, escape};

/// What to do with tokens.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List them; their secrets are nowhere.
    List {
        #[command(flatten)]
        of: InWorkspace,
        /// The connector.
        connector: String,
    },
    /// Make one, shown this once; the other one stays live, so that a rotation cuts nothing off.
    Create {
        #[command(flatten)]
        of: InWorkspace,
        /// The connector.
        connector: String,
    },
    /// Refuse one from now on.
    Revoke {
        #[command(flatten)]
        of: InWorkspace,
        /// The connector.
        connector: String,
        /// The token's id.
        id: String,
    },
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let tokens = |connector: &str| format!("/connectors/{}/tokens", escape(connector));
    match command {
        Command::List { of, connector } => {
            let columns = ["id", "live", "created_at", "expires_at", "last_used", "revoked_at"];
            of.list(&tokens(&connector), &columns).await
        }
        Command::Create { of, connector } => {
            of.show(Method::POST, &tokens(&connector), Some(&json!({}))).await
        }
        Command::Revoke { of, connector, id } => {
            let path = format!("{}/{}", tokens(&connector), escape(&id));
            of.done(Method::DELETE, &path, &format!("revoked {id}")).await
        }
    }
}
