//! Where exported lines come from: a server, part by part, or a data directory.

use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use event_log::{EventLog, SqliteLog, WorkspaceId};
use record::{
    Checkpoint, Note,
    export::{Header, Line, Trailer},
};

use super::Offline;
use crate::{
    api::escape,
    options::Misused,
    remote::{Client, Remote},
};

/// How many events are asked for at a time.
const PAGE: usize = 1_000;

/// Where lines come from.
pub(super) struct Source {
    from: From,
    workspace: WorkspaceId,
    /// The first line, as it goes into the file.
    pub(super) header: String,
    /// How many events the checkpoint covers.
    pub(super) size: u64,
}

enum From {
    Server { client: Box<Client>, query: String },
    Files { log: Arc<SqliteLog>, prove: bool },
}

/// What is exported.
#[derive(Default)]
pub(super) struct Wanted {
    /// Parameters of the API, as they are.
    pub(super) filters: Vec<(&'static str, String)>,
    /// Of the first so many events.
    pub(super) size: Option<u64>,
    /// Whether each event has a proof of its own.
    pub(super) prove: bool,
}

/// A part of an export.
pub(super) struct Part {
    /// The lines of events.
    pub(super) lines: Vec<String>,
    /// After which position to go on.
    pub(super) next: Option<u64>,
}

impl Source {
    /// Opens the data directory if there is one, else asks the server.
    pub(super) async fn open(
        offline: &Offline,
        remote: &Remote,
        workspace: &WorkspaceId,
        wanted: Wanted,
    ) -> anyhow::Result<Self> {
        if offline.data_dir.is_some() && !wanted.filters.is_empty() {
            let what = "a data directory is exported whole: choose events with a server";
            return Err(Misused(anyhow!(what)).into());
        }
        match offline.open()? {
            Some(log) => {
                ensure!(log.head(workspace) > 0, "there is no workspace {workspace}");
                let size = wanted.size.unwrap_or_else(|| log.head(workspace));
                let head = log.tree_at(workspace, size).await?;
                let head = head.with_context(|| format!("there are not {size} events"))?;
                let note = offline.notary()?.sign(workspace, head).to_string();
                let header = serde_json::to_string(&Header::new(workspace, note, wanted.prove))?;
                let from = From::Files { log, prove: wanted.prove };
                Ok(Self { from, workspace: workspace.clone(), header, size })
            }
            None => Self::ask(remote, workspace, wanted).await,
        }
    }

    async fn ask(remote: &Remote, workspace: &WorkspaceId, wanted: Wanted) -> anyhow::Result<Self> {
        let mut query = vec![format!("proofs={}", wanted.prove)];
        let filters = wanted.filters.iter();
        query.extend(filters.map(|(name, value)| format!("{name}={}", escape(value))));
        let mut client = remote.client()?;
        let size = wanted.size.map(|size| format!("?size={size}")).unwrap_or_default();
        let note = client.text(&format!("/workspaces/{workspace}/checkpoint{size}")).await?;
        let read = Note::parse(&note)?;
        let size = Checkpoint::parse(read.text_as_kept())?.head.size;
        query.push(format!("size={size}"));
        let header = serde_json::to_string(&Header::new(workspace, note, wanted.prove))?;
        let from = From::Server { client: Box::new(client), query: query.join("&") };
        Ok(Self { from, workspace: workspace.clone(), header, size })
    }

    /// The events after a position, as many as come at a time.
    pub(super) async fn part(&mut self, after: u64) -> anyhow::Result<Part> {
        let workspace = &self.workspace;
        match &mut self.from {
            From::Server { client, query } => {
                let path =
                    format!("/workspaces/{workspace}/export?after={after}&limit={PAGE}&{query}");
                split(&client.text(&path).await?)
            }
            From::Files { log, prove } => {
                let left = usize::try_from(self.size.saturating_sub(after)).unwrap_or(PAGE);
                let events = log.read(workspace, after, left.min(PAGE)).await?;
                let positions = events.iter().map(|event| event.position).collect();
                let kept = log.kept(workspace, positions).await?;
                let mut lines = Vec::with_capacity(events.len());
                for (event, kept) in events.iter().zip(&kept) {
                    let mut path = None;
                    if *prove {
                        let proof = log.inclusion(workspace, event.position, self.size).await?;
                        path = proof.map(|proof| proof.path);
                    }
                    lines.push(serde_json::to_string(&Line::new(event, kept, path.as_deref()))?);
                }
                let last = events.last().map_or(self.size, |event| event.position);
                Ok(Part { lines, next: (last < self.size).then_some(last) })
            }
        }
    }
}

/// Takes the events out of an answer.
fn split(answer: &str) -> anyhow::Result<Part> {
    let mut lines = answer.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let end = lines.pop().as_deref().and_then(Trailer::parse);
    let end = end.context("the server's answer was cut off: try again with --resume")?.end;
    Ok(Part { lines, next: end.next })
}
