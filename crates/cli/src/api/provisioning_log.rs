//! `muster audit provisioning`: what identity providers asked for, and what came of it.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::json;

use super::{InWorkspace, escape};
use crate::{options::time, remote::items};

/// What to do with the provisioning log.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List requests, newest first.
    List(Box<List>),
    /// Show one, with what followed from it down to the devices.
    Show {
        #[command(flatten)]
        of: InWorkspace,
        /// Its id.
        id: String,
    },
    /// List the cycles that requests came in, newest first.
    Cycles {
        #[command(flatten)]
        of: InWorkspace,
        /// Only of this connector.
        #[arg(long)]
        connector: Option<String>,
        /// How many at most.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Show how often requests came without a token that opens anything.
    Rejections {
        #[command(flatten)]
        of: InWorkspace,
    },
    /// Show how long the log is kept, or set it.
    Keep {
        #[command(flatten)]
        of: InWorkspace,
        /// Set it: 1 to 3,650.
        #[arg(long)]
        days: Option<u32>,
    },
    /// Show until when the bodies of a connector's requests are kept, or set it.
    Bodies {
        #[command(flatten)]
        of: InWorkspace,
        /// The connector.
        connector: String,
        /// Keep them, sealed, until this RFC 3339 time: at most 24 hours ahead.
        #[arg(long, conflicts_with = "off", value_parser = time)]
        until: Option<String>,
        /// Keep no more of them.
        #[arg(long)]
        off: bool,
    },
}

/// Which requests.
#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    of: InWorkspace,
    /// Only about this SCIM id, or whoever has exactly this userName or displayName.
    #[arg(long)]
    q: Option<String>,
    /// Only of this connector.
    #[arg(long)]
    connector: Option<String>,
    /// Only what asks for this: `create`, `replace`, `patch`, `delete`, `read`, `list`, …
    #[arg(long)]
    action: Option<String>,
    /// Only what came out so: `created`, `changed`, `removed`, `refused`, `deferred`, …
    #[arg(long)]
    outcome: Option<String>,
    /// Only with this HTTP status, or of this class: `4xx`.
    #[arg(long)]
    status: Option<String>,
    /// Only with this correlation id.
    #[arg(long)]
    correlation: Option<String>,
    /// Not before this RFC 3339 time.
    #[arg(long, value_parser = time)]
    from: Option<String>,
    /// Not after this RFC 3339 time.
    #[arg(long, value_parser = time)]
    to: Option<String>,
    /// How many at most.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

const PATH: &str = "/provisioning-log";

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(list) => {
            let columns = [
                "time", "id", "action", "resource", "outcome", "status", "subject", "name",
                "detail",
            ];
            let List { of, limit, .. } = &*list;
            newest(of, &format!("{PATH}?{}", list.query()), *limit, &columns).await
        }
        Command::Show { of, id } => {
            of.show(Method::GET, &format!("{PATH}/{}", escape(&id)), None).await
        }
        Command::Cycles { of, connector, limit } => {
            let columns = [
                "begun",
                "ended",
                "connector",
                "requests",
                "created",
                "changed",
                "removed",
                "read",
                "refused",
                "deferred",
                "failed",
            ];
            let query = query(&[("connector", connector.as_ref())]);
            newest(&of, &format!("{PATH}/cycles?{query}"), limit, &columns).await
        }
        Command::Rejections { of } => {
            let found = of.api.client()?.get(&of.path(&format!("{PATH}/rejections"))).await?;
            of.api.print_list(items(&found)?, &["connector", "reason", "count", "last"]);
            Ok(ExitCode::SUCCESS)
        }
        Command::Keep { of, days } => {
            let path = format!("{PATH}/settings");
            match days {
                None => of.show(Method::GET, &path, None).await,
                Some(days) => of.show(Method::PUT, &path, Some(&json!({ "days": days }))).await,
            }
        }
        Command::Bodies { of, connector, until, off } => {
            let path = format!("/connectors/{}{PATH}", escape(&connector));
            if until.is_none() && !off {
                return of.show(Method::GET, &path, None).await;
            }
            of.show(Method::PUT, &path, Some(&json!({ "bodies_until": until }))).await
        }
    }
}

impl List {
    fn query(&self) -> String {
        query(&[
            ("q", self.q.as_ref()),
            ("connector", self.connector.as_ref()),
            ("action", self.action.as_ref()),
            ("outcome", self.outcome.as_ref()),
            ("status", self.status.as_ref()),
            ("correlation", self.correlation.as_ref()),
            ("from", self.from.as_ref()),
            ("to", self.to.as_ref()),
        ])
    }
}

fn query(given: &[(&str, Option<&String>)]) -> String {
    let given = given.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let given: Vec<_> = given.map(|(name, value)| format!("{name}={}", escape(value))).collect();
    given.join("&")
}

/// Prints the newest items of a list that may be long.
async fn newest(
    of: &InWorkspace,
    rest: &str,
    limit: usize,
    columns: &[&str],
) -> anyhow::Result<ExitCode> {
    let mut client = of.api.client()?;
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    while found.len() < limit {
        let left = (limit - found.len()).min(super::PAGE);
        let behind = cursor.map(|it| format!("&cursor={}", escape(&it))).unwrap_or_default();
        let page = client.get(&of.path(&format!("{rest}&limit={left}{behind}"))).await?;
        found.extend_from_slice(items(&page["items"])?);
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    of.api.print_list(&found, columns);
    Ok(ExitCode::SUCCESS)
}
