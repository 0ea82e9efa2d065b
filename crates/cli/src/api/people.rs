//! `muster people`: collaborators, employees and MDM employees.

use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};

use super::{
    InWorkspace, Portal, Then, confirmed,
    erase::{self, Erase},
    escape, fields, text,
};

/// What to do with people.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List those of a portal who have an account.
    List {
        #[command(flatten)]
        of: Then,
        /// The portal.
        portal: Portal,
        /// Only those in whose userName or address this occurs.
        #[arg(long)]
        q: Option<String>,
        /// Only accounts that are `active`, `suspended`, `removed` or `none`; `any` for all.
        #[arg(long)]
        account: Option<String>,
    },
    /// Show one, by any of their ids.
    Show {
        #[command(flatten)]
        of: Then,
        /// The portal.
        portal: Portal,
        /// Their id, or the SCIM id of one of their entries.
        id: String,
    },
    /// Make an account by hand.
    Invite {
        #[command(flatten)]
        of: InWorkspace,
        /// The portal.
        portal: Portal,
        /// How they sign in.
        user_name: String,
        /// Where they are written to.
        #[arg(long)]
        email: Option<String>,
        /// Dashboard: their role. [default: unassigned]
        #[arg(long)]
        role: Option<String>,
    },
    /// Give a collaborator another role.
    Role {
        #[command(flatten)]
        of: InWorkspace,
        /// Their id.
        id: String,
        /// `owner`, `admin`, `developer`, `viewer` or `unassigned`.
        role: String,
    },
    /// Remove an account; what connectors know of the person stays.
    Remove {
        #[command(flatten)]
        of: InWorkspace,
        /// The portal.
        portal: Portal,
        /// Their id.
        id: String,
        /// Yes, remove it.
        #[arg(long)]
        yes: bool,
    },
    /// Erase a person for ever: everything that was said of them becomes unreadable, while the record can
    /// still be verified. Returns when no file of the data directory holds anything of them. Without --yes
    /// it says what it would do.
    Erase {
        #[command(flatten)]
        of: InWorkspace,
        /// Their id, or the SCIM id of one of their entries.
        id: String,
        /// On whose wish, such as the number of a request; kept for ever, and without personal data.
        #[arg(long)]
        reason: Option<String>,
        /// In every portal: the persons too who had the same userName last, and at the same time. Others of the
        /// name stay, since each of them may be another human being; without --yes this lists them.
        #[arg(long)]
        all_portals: bool,
        /// One of the listed others too, by id; may be given more than once.
        #[arg(long, value_name = "ID")]
        with: Vec<String>,
        /// Yes, erase them.
        #[arg(long)]
        yes: bool,
    },
    /// List the erasures, or show the certificate of one.
    Erasures {
        #[command(flatten)]
        of: InWorkspace,
        /// The id of an erasure, or of whoever was erased.
        id: Option<String>,
    },
}

const COLUMNS: [&str; 6] = ["id", "user_name", "email", "account", "role", "source"];

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let one = |portal: Portal, id: &str| format!("{}/{}", portal.people(), escape(id));
    match command {
        Command::List { of, portal, q, account } => {
            let query = [("q", q), ("account", account)];
            let query: Vec<_> = query
                .into_iter()
                .filter_map(|(name, value)| Some(format!("{name}={}", escape(&value?))))
                .collect();
            of.list(&format!("{}?{}", portal.people(), query.join("&")), &COLUMNS).await
        }
        Command::Show { of, portal, id } => of.show(&one(portal, &id)).await,
        Command::Invite { of, portal, user_name, email, role } => {
            let body = fields([
                ("user_name", Some(Value::from(user_name))),
                ("email", text(email.as_ref())),
                ("role", text(role.as_ref())),
            ]);
            of.show(Method::POST, portal.people(), Some(&body)).await
        }
        Command::Role { of, id, role } => {
            let body = json!({ "role": role });
            of.show(Method::PATCH, &one(Portal::Dashboard, &id), Some(&body)).await
        }
        Command::Remove { of, portal, id, yes } => {
            confirmed(yes, "this removes the account")?;
            of.done(Method::DELETE, &one(portal, &id), &format!("removed {id}")).await
        }
        Command::Erase { of, id, reason, all_portals, with, yes } => {
            erase::erase(&of, Erase { id, reason, all_portals, with, yes }).await
        }
        Command::Erasures { of, id: None } => erase::list(&of).await,
        Command::Erasures { of, id: Some(id) } => erase::show(&of, &id).await,
    }
}
