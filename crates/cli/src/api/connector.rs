//! `muster connector`: links from an identity provider to a portal.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use hyper::Method;
use serde_json::{Value, json};

use super::{InWorkspace, Portal, Then, confirmed, escape, fields, rule, text};

/// What to do with connectors.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List them.
    List {
        #[command(flatten)]
        of: Then,
    },
    /// Enable SCIM for a portal; prints the Base URL and, this once, the token.
    Enable {
        #[command(flatten)]
        of: InWorkspace,
        /// The portal.
        portal: Portal,
        /// `entra`, `okta`, `onelogin`, `generic` or `strict`. [default: generic]
        #[arg(long)]
        idp: Option<String>,
        /// What it is called in addresses. [default: the portal's name]
        #[arg(long)]
        name: Option<String>,
        /// Switch just-in-time creation off, should it be on.
        #[arg(long)]
        disable_jit: bool,
    },
    /// Show one.
    Show {
        #[command(flatten)]
        of: Then,
        /// Its name.
        connector: String,
    },
    /// Take no requests for now: they get 503 and nothing is lost.
    Pause {
        #[command(flatten)]
        of: InWorkspace,
        /// Its name.
        connector: String,
    },
    /// Take requests again.
    Resume {
        #[command(flatten)]
        of: InWorkspace,
        /// Its name.
        connector: String,
    },
    /// Remove it for ever.
    Remove {
        #[command(flatten)]
        of: InWorkspace,
        /// Its name.
        connector: String,
        /// Whether its people stay as they are, or go as if it had deleted each of them.
        #[arg(long)]
        people: People,
        /// It is meant.
        #[arg(long)]
        yes: bool,
    },
    /// Say whose dialect it speaks.
    Idp {
        #[command(flatten)]
        of: InWorkspace,
        /// Its name.
        connector: String,
        /// `entra`, `okta`, `onelogin`, `generic` or `strict`.
        idp: String,
    },
    /// Show what creation and deactivation do, or change it; what is not said stays.
    Provisioning {
        #[command(flatten)]
        of: Then,
        /// Its name.
        connector: String,
        /// Set: `nothing` or `create`.
        #[arg(long)]
        on_create: Option<String>,
        /// Set: the role of a new collaborator.
        #[arg(long)]
        default_role: Option<String>,
        /// Set: `nothing`, `remove_user`, for mdm also `unassign`, `change_policy`,
        /// `remove_user_and_devices`.
        #[arg(long)]
        on_deactivate: Option<String>,
        /// Set: the id of the policy that `change_policy` gives.
        #[arg(long)]
        policy: Option<String>,
        /// Set: when a mass deprovisioning is held, such as `count=50,share=0.2`; also `share_from` and
        /// `window_minutes`. What is left out gets its default. `off`: never.
        #[arg(long, value_parser = brake)]
        brake: Option<Value>,
    },
    /// What creation and deactivation do, for the people who are there already.
    #[command(subcommand)]
    Rule(rule::Command),
    /// Show the extension schemas that are declared, or declare those of a file.
    Extensions {
        #[command(flatten)]
        of: InWorkspace,
        /// Its name.
        connector: String,
        /// Declare these, and no others: a JSON file as the API shows them.
        #[arg(long)]
        set: Option<PathBuf>,
    },
}

/// What becomes of the people of a connector that is removed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum People {
    /// Entries, groups and accounts stay, out of reach of SCIM.
    Keep,
    /// Entries and groups are removed, accounts and devices by the rule in force.
    Deactivate,
}

impl People {
    fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Deactivate => "deactivate",
        }
    }
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { of } => {
            of.list("/connectors", &["connector", "portal", "idp", "state", "base_url"]).await
        }
        Command::Enable { of, portal, idp, name, disable_jit } => {
            let body = fields([
                ("idp", text(idp.as_ref())),
                ("name", text(name.as_ref())),
                ("disable_jit", disable_jit.then_some(Value::Bool(true))),
            ]);
            let path = format!("/portals/{}/scim", portal.name());
            of.show(Method::POST, &path, Some(&body)).await
        }
        Command::Show { of, connector } => of.show(&one(&connector)).await,
        Command::Pause { of, connector } => {
            change(&of, &connector, json!({"state": "paused"})).await
        }
        Command::Resume { of, connector } => {
            change(&of, &connector, json!({"state": "active"})).await
        }
        Command::Remove { of, connector, people, yes } => {
            confirmed(yes, &format!("this removes the connector {connector} for ever"))?;
            let path = format!("{}?people={}", one(&connector), people.name());
            of.done(Method::DELETE, &path, "removed").await
        }
        Command::Idp { of, connector, idp } => change(&of, &connector, json!({ "idp": idp })).await,
        Command::Provisioning {
            of,
            connector,
            on_create,
            default_role,
            on_deactivate,
            policy,
            brake,
        } => {
            let path = format!("{}/provisioning", one(&connector));
            let said = [
                ("on_create", text(on_create.as_ref())),
                ("default_role", text(default_role.as_ref())),
                ("on_deactivate", text(on_deactivate.as_ref())),
                ("policy", text(policy.as_ref())),
                ("brake", brake),
            ];
            change_rule(&of, &path, said).await
        }
        Command::Rule(command) => rule::run(command).await,
        Command::Extensions { of, connector, set } => {
            let path = format!("{}/extensions", one(&connector));
            match set {
                None => of.show(Method::GET, &path, None).await,
                Some(file) => of.show(Method::PUT, &path, Some(&read(&file)?)).await,
            }
        }
    }
}

fn one(connector: &str) -> String {
    format!("/connectors/{}", escape(connector))
}

async fn change(of: &InWorkspace, connector: &str, body: Value) -> anyhow::Result<ExitCode> {
    of.show(Method::PATCH, &one(connector), Some(&body)).await
}

/// Sets what is said of a rule; the rest stays as it is.
async fn change_rule<const N: usize>(
    of: &Then,
    path: &str,
    said: [(&str, Option<Value>); N],
) -> anyhow::Result<ExitCode> {
    let said: Vec<_> = said.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    if said.is_empty() {
        return of.show(path).await;
    }
    let of = of.now()?;
    // The API takes the setting whole.
    let mut rule = of.api.client()?.get(&of.path(path)).await?;
    // A policy belongs to what gives it.
    if let (Some(rule), true) =
        (rule.as_object_mut(), said.iter().any(|it| it.0 == "on_deactivate"))
    {
        rule.remove("policy");
    }
    for (name, value) in said {
        rule[name] = value;
    }
    of.show(Method::PUT, path, Some(&rule)).await
}

/// Reads a brake: `off`, or numbers by their names.
fn brake(said: &str) -> Result<Value, String> {
    if said == "off" {
        return Ok(said.into());
    }
    let mut limit = serde_json::Map::new();
    for part in said.split(',') {
        let (name, number) = part.split_once('=').ok_or("say `off`, or NAME=NUMBER,…")?;
        let number = serde_json::from_str(number.trim())
            .map_err(|_| format!("{}: '{number}' is not a number", name.trim()))?;
        limit.insert(name.trim().to_owned(), Value::Number(number));
    }
    Ok(limit.into())
}

/// Reads a JSON file.
pub(super) fn read(file: &PathBuf) -> anyhow::Result<Value> {
    let text = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", file.display()))
}
