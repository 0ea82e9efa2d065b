//! `/backups`: backups of the installation, for operators.

use actix_web::http::Method;
use backup::{Manifest, Run, RunState};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    answer::{Created, Part, page},
    ask::Ask,
    endpoint::Endpoint,
    moment,
    params::Params,
    problem::Refused,
    words,
};

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            Method::POST,
            "/backups",
            "Begin a backup into the directory that the server was given, or add to the one there",
            begin,
        )
        .makes::<Backup>()
        .refuses(
            409,
            "No directory is configured, or a backup is under way; the detail says which",
        ),
        Endpoint::new(
            Method::GET,
            "/backups",
            "List the backup that is there, and how far the one is that was asked for last",
            list,
        )
        .parts::<Backup>(),
    ]
}

/// A backup.
#[derive(Debug, Serialize, ToSchema)]
struct Backup {
    /// `running`, `completed` or `failed`, of the last one that was asked for since the server started;
    /// `completed` for one of before.
    #[schema(schema_with = words::backup_state)]
    state: &'static str,
    /// When it was asked for; null for one of before the server started.
    begun_at: Option<String>,
    /// How many events that were not in the backup are now.
    done: u64,
    /// How many were not.
    total: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// When what is in the directory was complete last; null when it never was.
    at: Option<String>,
    /// How many events are in it, of all workspaces.
    events: u64,
    /// How many workspaces.
    workspaces: u64,
    /// Whether keys lie in a directory of their own.
    keys_apart: bool,
}

impl Backup {
    fn show(run: Option<&Run>, manifest: Option<&Manifest>) -> Self {
        let (state, reason) = match run.map(|it| &it.state) {
            None | Some(RunState::Completed) => ("completed", None),
            Some(RunState::Running) => ("running", None),
            Some(RunState::Failed { reason }) => ("failed", Some(reason.clone())),
        };
        Self {
            state,
            begun_at: run.map(|it| moment::show(it.begun)),
            done: run.map_or(0, |it| it.done),
            total: run.map_or(0, |it| it.total),
            reason,
            at: manifest.map(|it| it.at.clone()),
            events: manifest.map_or(0, Manifest::events),
            workspaces: manifest.map_or(0, |it| it.workspaces.len() as u64),
            keys_apart: manifest.is_some_and(|it| it.keys_apart),
        }
    }
}

async fn begin(ask: Ask) -> Result<Created<Backup>, Refused> {
    let run = ask.app.begin_backup()?;
    Ok(Created(Backup::show(Some(&run), ask.app.last_backup().1.as_ref())))
}

async fn list(ask: Ask, params: Params) -> Part<Backup> {
    let listing = params.listing()?;
    let (run, manifest) = ask.app.last_backup();
    let there = run.is_some() || manifest.is_some();
    let all = there.then(|| ("last".to_owned(), Backup::show(run.as_ref(), manifest.as_ref())));
    let listed = listing.of(all, |_, _| true)?;
    Ok(page(listed, |(_, backup)| backup))
}
