//! `muster device`: the devices of Device Management.

use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;
use serde_json::{Map, Value};

use super::{InWorkspace, Then, confirmed, escape, fields, text};

/// What to do with devices.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List them, removed ones too.
    List {
        #[command(flatten)]
        of: Then,
        /// Only those in whose serial number or name this occurs.
        #[arg(long)]
        q: Option<String>,
    },
    /// Show one.
    Show {
        #[command(flatten)]
        of: Then,
        /// Its id.
        id: String,
    },
    /// Take one under management.
    Enrol {
        #[command(flatten)]
        of: InWorkspace,
        /// Its serial number.
        serial: String,
        /// For example `ios`.
        platform: String,
        /// What people call it.
        #[arg(long)]
        name: Option<String>,
        /// What its MDM service calls it, where that is not the serial number.
        #[arg(long)]
        external_id: Option<String>,
        /// Who uses it, by any of their ids.
        #[arg(long)]
        user: Option<String>,
        /// The id of a policy.
        #[arg(long)]
        policy: Option<String>,
    },
    /// Give one another user, policy, name or external id; `none` takes away.
    Change {
        #[command(flatten)]
        of: InWorkspace,
        /// Its id.
        id: String,
        /// Who uses it, by any of their ids.
        #[arg(long)]
        user: Option<String>,
        /// The id of a policy.
        #[arg(long)]
        policy: Option<String>,
        /// What people call it.
        #[arg(long)]
        name: Option<String>,
        /// What its MDM service calls it, where that is not the serial number.
        #[arg(long)]
        external_id: Option<String>,
    },
    /// Remove one from the record; the MDM service is not told.
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

const COLUMNS: [&str; 7] = ["id", "serial", "platform", "name", "state", "user", "policy"];

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let one = |id: &str| format!("/mdm/devices/{}", escape(id));
    match command {
        Command::List { of, q } => {
            let query = q.map(|it| format!("?q={}", escape(&it))).unwrap_or_default();
            of.list(&format!("/mdm/devices{query}"), &COLUMNS).await
        }
        Command::Show { of, id } => of.show(&one(&id)).await,
        Command::Enrol { of, serial, platform, name, external_id, user, policy } => {
            let body = fields([
                ("serial", Some(Value::from(serial))),
                ("platform", Some(Value::from(platform))),
                ("name", text(name.as_ref())),
                ("external_id", text(external_id.as_ref())),
                ("user", text(user.as_ref())),
                ("policy", text(policy.as_ref())),
            ]);
            of.show(Method::POST, "/mdm/devices", Some(&body)).await
        }
        Command::Change { of, id, user, policy, name, external_id } => {
            let changes =
                [("user", user), ("policy", policy), ("name", name), ("external_id", external_id)];
            let body: Map<_, _> = changes
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), or_none(value?))))
                .collect();
            of.show(Method::PATCH, &one(&id), Some(&Value::Object(body))).await
        }
        Command::Remove { of, id, yes } => {
            confirmed(yes, "this removes the device from the record for ever")?;
            of.done(Method::DELETE, &one(&id), &format!("removed {id}")).await
        }
    }
}

/// A value that is given or, as `none`, taken away.
fn or_none(given: String) -> Value {
    if given == "none" { Value::Null } else { Value::from(given) }
}
