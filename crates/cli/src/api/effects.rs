//! `muster effects`: what is owed to devices, and what a person makes of it.

use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;
use serde_json::json;

use super::{InWorkspace, Then, confirmed, escape, fields, text};

/// What to do with effects.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List them.
    List {
        #[command(flatten)]
        of: Then,
        /// Only those in this state, such as `requested`, `parked` or `confirmed`.
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
    /// Show whether what is owed is sent.
    Deliveries(InWorkspace),
    /// Send nothing to devices until deliveries are resumed.
    Suspend(InWorkspace),
    /// Send what is owed again, as after a restore. Look first at what is owed (`list`):
    /// some of it may have been sent before, or by the machine that was restored from.
    Resume(InWorkspace),
    /// Have one tried again that failed or waits for a person.
    Retry {
        #[command(flatten)]
        of: InWorkspace,
        /// Its id.
        id: String,
        /// Why; goes into the record.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Take one back that the MDM service cannot have.
    Cancel {
        #[command(flatten)]
        of: InWorkspace,
        /// Its id.
        id: String,
        /// Why; goes into the record.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Wait for one no longer, whatever the MDM service does; its offboarding may complete then.
    GiveUp {
        #[command(flatten)]
        of: InWorkspace,
        /// Its id.
        id: String,
        /// Why; goes into the record.
        #[arg(long)]
        reason: String,
        /// Yes, give it up.
        #[arg(long)]
        yes: bool,
    },
}

const COLUMNS: [&str; 8] =
    ["id", "action", "device", "user", "state", "attempts", "requested_at", "reason"];

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let one = |id: &str| format!("/effects/{}", escape(id));
    match command {
        Command::List { of, state } => {
            let query = state.map(|it| format!("?state={}", escape(&it))).unwrap_or_default();
            of.list(&format!("/effects{query}"), &COLUMNS).await
        }
        Command::Show { of, id } => of.show(&one(&id)).await,
        Command::Deliveries(of) => of.show(Method::GET, "/deliveries", None).await,
        Command::Suspend(of) => of.show(Method::POST, "/deliveries/suspend", None).await,
        Command::Resume(of) => of.show(Method::POST, "/deliveries/resume", None).await,
        Command::Retry { of, id, reason } => {
            let body = fields([("reason", text(reason.as_ref()))]);
            of.show(Method::POST, &format!("{}/retry", one(&id)), Some(&body)).await
        }
        Command::Cancel { of, id, reason } => {
            let body = fields([("reason", text(reason.as_ref()))]);
            of.show(Method::POST, &format!("{}/cancel", one(&id)), Some(&body)).await
        }
        Command::GiveUp { of, id, reason, yes } => {
            confirmed(yes, "the service may still carry it out, and nobody will wait for that")?;
            let body = json!({ "reason": reason });
            of.show(Method::POST, &format!("{}/give-up", one(&id)), Some(&body)).await
        }
    }
}
