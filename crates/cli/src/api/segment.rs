//! `muster segment`: the tree of Device Management, and what collaborators may do in it.

use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};

use super::{InWorkspace, Then, confirmed, escape, fields, text};
use crate::remote::items;

/// What to do with segments.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List them, or those in which a collaborator may do something.
    List {
        #[command(flatten)]
        of: Then,
        /// Only where this collaborator may do something, by their id.
        #[arg(long, value_name = "ID")]
        collaborator: Option<String>,
    },
    /// Add one.
    Add {
        #[command(flatten)]
        of: InWorkspace,
        /// What people call it.
        name: String,
        /// The id of the segment it stands under. [default: none]
        #[arg(long, value_name = "ID")]
        parent: Option<String>,
    },
    /// Rename one, or move it.
    Change {
        #[command(flatten)]
        of: InWorkspace,
        /// Its id.
        id: String,
        /// What people call it.
        #[arg(long)]
        name: Option<String>,
        /// The id of the segment it is to stand under.
        #[arg(long, value_name = "ID")]
        parent: Option<String>,
        /// It is to stand at the top.
        #[arg(long, conflicts_with = "parent")]
        top: bool,
    },
    /// Show what collaborators may do in one, or say what one of them may.
    Grants {
        #[command(flatten)]
        of: Then,
        /// Its id.
        id: String,
        /// Say it for this collaborator, by their id; the others keep what they have.
        #[arg(long, value_name = "ID")]
        collaborator: Option<String>,
        /// What they may do here and below: `view`, `enroll`, `assign`, `change_policy` or `remove`; as often
        /// as there are things, or never: nothing.
        #[arg(long = "may", value_name = "ACTION", requires = "collaborator")]
        actions: Vec<String>,
    },
    /// Remove one that has none below it.
    Remove {
        #[command(flatten)]
        of: InWorkspace,
        /// Its id.
        id: String,
        /// Yes, remove it.
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { of, collaborator: None } => {
            of.list("/mdm/segments", &["id", "name", "parent"]).await
        }
        Command::List { of, collaborator: Some(id) } => {
            let path = format!("/collaborators/{}/segments", escape(&id));
            of.list(&path, &["id", "name", "parent", "actions", "granted"]).await
        }
        Command::Add { of, name, parent } => {
            let body =
                fields([("name", Some(Value::from(name))), ("parent", text(parent.as_ref()))]);
            of.show(Method::POST, "/mdm/segments", Some(&body)).await
        }
        Command::Change { of, id, name, parent, top } => {
            let parent = if top { Some(Value::Null) } else { text(parent.as_ref()) };
            let body = fields([("name", text(name.as_ref())), ("parent", parent)]);
            of.show(Method::PATCH, &one(&id), Some(&body)).await
        }
        Command::Grants { of, id, collaborator, actions } => {
            let path = format!("{}/grants", one(&id));
            match collaborator {
                None => of.show(&path).await,
                Some(who) => grant(of.now()?, &path, &who, actions).await,
            }
        }
        Command::Remove { of, id, yes } => {
            confirmed(yes, "the segment and what is granted in it go")?;
            of.done(Method::DELETE, &one(&id), &format!("removed {id}")).await
        }
    }
}

/// Says what one collaborator may do; the API takes what all of them may, and shows of the ids of each only
/// one.
async fn grant(
    of: &InWorkspace,
    path: &str,
    who: &str,
    actions: Vec<String>,
) -> anyhow::Result<ExitCode> {
    let mut client = of.api.client()?;
    let known = client.get(&of.path(path)).await?;
    let mut grants = items(&known["grants"])?.to_vec();
    let mut who = Value::from(who);
    if !grants.iter().any(|grant| grant["collaborator"] == who) {
        let person = format!("/collaborators/{}", escape(who.as_str().unwrap_or_default()));
        who = client.get(&of.path(&person)).await?["id"].take();
    }
    grants.retain(|grant| grant["collaborator"] != who);
    if !actions.is_empty() {
        grants.push(json!({ "collaborator": who, "actions": actions }));
    }
    of.show(Method::PUT, path, Some(&json!({ "grants": grants }))).await
}

fn one(id: &str) -> String {
    format!("/mdm/segments/{}", escape(id))
}
