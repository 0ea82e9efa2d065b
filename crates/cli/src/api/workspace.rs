//! `muster workspace`: workspaces, and how the people of their portals sign in.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};

use super::{Api, InWorkspace, Portal, confirmed, escape, fields, lines::Lines, text};

/// What to do with workspaces.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List them.
    List {
        #[command(flatten)]
        api: Api,
    },
    /// Make one.
    Create {
        #[command(flatten)]
        api: Api,
        /// What it is called in addresses: a-z, 0-9 and hyphens.
        slug: String,
        /// What people call it. [default: the slug]
        #[arg(long)]
        name: Option<String>,
        /// `basic`, without SCIM, or `enterprise`. [default: enterprise]
        #[arg(long)]
        plan: Option<String>,
    },
    /// Show one.
    Show {
        #[command(flatten)]
        of: InWorkspace,
    },
    /// Rename one, or give it another plan.
    Change {
        #[command(flatten)]
        of: InWorkspace,
        /// What people call it.
        #[arg(long)]
        name: Option<String>,
        /// `basic` or `enterprise`.
        #[arg(long)]
        plan: Option<String>,
    },
    /// Close one for ever; its record stays.
    Close {
        #[command(flatten)]
        of: InWorkspace,
        /// Yes, close it.
        #[arg(long)]
        yes: bool,
        /// Why nobody waits for what is owed to devices, in words that name nobody: it is never sent, wipes
        /// included, and the reason goes on the record.
        #[arg(long, value_name = "REASON")]
        give_up: Option<String>,
    },
    /// Say how a portal's people sign in. SCIM needs that first.
    Saml {
        #[command(flatten)]
        of: InWorkspace,
        /// The portal.
        portal: Portal,
        /// The metadata of the identity provider, an XML file.
        #[arg(long)]
        metadata: PathBuf,
        /// Whether signing in creates people; not while SCIM manages the portal. Off unless said, also
        /// where it was on before.
        #[arg(long)]
        jit: bool,
    },
    /// Show which groups a portal requires to enter, or say it.
    Access {
        #[command(flatten)]
        of: InWorkspace,
        /// The portal.
        portal: Portal,
        #[command(flatten)]
        lines: Lines,
        /// No group is required any more.
        #[arg(long, conflicts_with = "lines")]
        none: bool,
    },
    /// Put one into a directory, with its record and its keys, to move it to another installation.
    Export(crate::moving::ExportOptions),
    /// Bring one that was exported into the data directory of an installation whose server is stopped.
    Import(crate::moving::ImportOptions),
    /// MDM services: what carries out what is owed to devices.
    #[command(subcommand)]
    Mdm(super::mdm::Command),
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { api } => {
            api.list("/workspaces", &["slug", "name", "plan", "unreadable"]).await
        }
        Command::Create { api, slug, name, plan } => {
            let name = name.unwrap_or_else(|| slug.clone());
            let body = fields([
                ("slug", Some(Value::from(slug))),
                ("name", Some(Value::from(name))),
                ("plan", text(plan.as_ref())),
            ]);
            api.ask(Method::POST, "/workspaces", Some(&body)).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Show { of } => of.show(Method::GET, "", None).await,
        Command::Change { of, name, plan } => {
            let body = fields([("name", text(name.as_ref())), ("plan", text(plan.as_ref()))]);
            of.show(Method::PATCH, "", Some(&body)).await
        }
        Command::Close { of, yes, give_up } => {
            confirmed(yes, "this closes the workspace for ever")?;
            let said = format!("closed {}", of.workspace);
            let query = give_up.map(|it| format!("?give_up={}", escape(&it))).unwrap_or_default();
            of.done(Method::DELETE, &query, &said).await
        }
        Command::Export(options) => crate::moving::export(options).await,
        Command::Import(options) => crate::moving::import(options).await,
        Command::Mdm(command) => super::mdm::run(command).await,
        Command::Saml { of, portal, metadata, jit } => {
            let xml = std::fs::read_to_string(&metadata)
                .with_context(|| format!("reading {}", metadata.display()))?;
            let body = json!({ "metadata_xml": xml, "jit": jit });
            let path = format!("/portals/{}/saml", escape(portal.name()));
            of.show(Method::PUT, &path, Some(&body)).await
        }
        Command::Access { of, portal, lines, none } => {
            let path = format!("/portals/{}/access", escape(portal.name()));
            let groups = if none { Some(json!([])) } else { lines.given() };
            match groups {
                None => of.show(Method::GET, &path, None).await,
                Some(groups) => {
                    of.show(Method::PUT, &path, Some(&json!({ "groups": groups }))).await
                }
            }
        }
    }
}
