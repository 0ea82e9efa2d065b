//! `muster publication`: apps in the Store, and who sees them.

use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};

use super::{InWorkspace, Then, confirmed, escape, fields, lines::Lines, text};

/// What to do with publications.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List them, or those that an employee sees.
    List {
        #[command(flatten)]
        of: Then,
        /// Only what this employee sees, by their id.
        #[arg(long, value_name = "ID")]
        employee: Option<String>,
    },
    /// Publish something: to everybody, or to lines of groups.
    Create {
        #[command(flatten)]
        of: InWorkspace,
        /// What people call it.
        name: String,
        #[command(flatten)]
        lines: Lines,
    },
    /// Show one.
    Show {
        #[command(flatten)]
        of: Then,
        /// Its id.
        id: String,
    },
    /// Rename one, or show it to others.
    Change {
        #[command(flatten)]
        of: InWorkspace,
        /// Its id.
        id: String,
        /// What people call it.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        lines: Lines,
        /// Show it to everybody.
        #[arg(long, conflicts_with = "lines")]
        everybody: bool,
    },
    /// List who sees one.
    Audience {
        #[command(flatten)]
        of: Then,
        /// Its id.
        id: String,
    },
    /// Take one out of the Store.
    Withdraw {
        #[command(flatten)]
        of: InWorkspace,
        /// Its id.
        id: String,
        /// Yes, withdraw it.
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { of, employee } => {
            let path = employee.map(|id| format!("/employees/{}/publications", escape(&id)));
            let path = path.unwrap_or_else(|| "/publications".to_owned());
            of.list(&path, &["id", "name", "groups"]).await
        }
        Command::Create { of, name, lines } => {
            let body = fields([("name", Some(Value::from(name))), ("groups", lines.given())]);
            of.show(Method::POST, "/publications", Some(&body)).await
        }
        Command::Show { of, id } => of.show(&one(&id)).await,
        Command::Change { of, id, name, lines, everybody } => {
            let groups = if everybody { Some(json!([])) } else { lines.given() };
            let body = fields([("name", text(name.as_ref())), ("groups", groups)]);
            of.show(Method::PATCH, &one(&id), Some(&body)).await
        }
        Command::Audience { of, id } => {
            of.list(&format!("{}/audience", one(&id)), &["id", "user_name", "email", "account"])
                .await
        }
        Command::Withdraw { of, id, yes } => {
            confirmed(yes, "nobody will see it any more")?;
            of.done(Method::DELETE, &one(&id), &format!("withdrew {id}")).await
        }
    }
}

fn one(id: &str) -> String {
    format!("/publications/{}", escape(id))
}
