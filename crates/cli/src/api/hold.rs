//! `muster hold`: offboardings that wait for a person's decision.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::{InWorkspace, Then, confirmed, escape};

/// What to do with holds.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List them, the last one first.
    List {
        #[command(flatten)]
        of: Then,
        /// Only those that are `open`, or `decided`.
        #[arg(long)]
        state: Option<String>,
    },
    /// Show one.
    Show {
        #[command(flatten)]
        of: Then,
        /// Its id.
        id: String,
    },
    /// List whom one is about.
    Users {
        #[command(flatten)]
        of: Then,
        /// Its id.
        id: String,
        /// How far their offboarding has come: held, started, completed or cancelled.
        #[arg(long, default_value = "held")]
        state: String,
    },
    /// Let what is held go on: accounts and devices are removed.
    Approve {
        #[command(flatten)]
        of: InWorkspace,
        #[command(flatten)]
        whom: Whom,
        /// That this is meant.
        #[arg(long)]
        yes: bool,
    },
    /// Take it back: offboardings are cancelled, and accounts are open again.
    Undo {
        #[command(flatten)]
        of: InWorkspace,
        #[command(flatten)]
        whom: Whom,
    },
}

/// About whom is decided.
#[derive(Args)]
pub(crate) struct Whom {
    /// The hold's id.
    id: String,
    /// Somebody in it, by their id; may be given more than once. Without it: all that wait.
    #[arg(long = "user", value_name = "ID")]
    users: Vec<String>,
}

impl Whom {
    fn body(&self) -> Value {
        if self.users.is_empty() { json!({}) } else { json!({ "users": self.users }) }
    }

    fn path(&self, decision: &str) -> String {
        format!("/holds/{}/{decision}", escape(&self.id))
    }
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { of, state } => {
            let query = state.map(|it| format!("?state={}", escape(&it))).unwrap_or_default();
            let columns = ["id", "state", "because", "connector", "people", "opened_at"];
            of.list(&format!("/holds{query}"), &columns).await
        }
        Command::Show { of, id } => of.show(&format!("/holds/{}", escape(&id))).await,
        Command::Users { of, id, state } => {
            let path = format!("/holds/{}/users?state={}", escape(&id), escape(&state));
            of.list(&path, &["user", "user_name", "offboarding", "state"]).await
        }
        Command::Approve { of, whom, yes } => {
            confirmed(yes, "approving removes accounts and devices for good")?;
            of.show(Method::POST, &whom.path("approve"), Some(&whom.body())).await
        }
        Command::Undo { of, whom } => {
            of.show(Method::POST, &whom.path("undo"), Some(&whom.body())).await
        }
    }
}
