//! The large workspace that several families are measured on: loaded, and started again.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context;
use tempfile::TempDir;

use crate::{bodies, load::Measured, population::Population, server::Server};

/// The slug of the workspace.
pub(crate) const WORKSPACE: &str = "many";

/// A server with users, which has loaded none of them itself.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) users: Population,
    pub(crate) loaded: Loaded,
}

/// How it went.
pub(crate) struct Loaded {
    pub(crate) created: Measured,
    /// Resident memory at rest after the load, and the peak of it, in MiB.
    pub(crate) memory: (u64, u64),
    /// From the start of the second process until it has found the last user that was made.
    pub(crate) start: Duration,
    /// Resident memory after that.
    pub(crate) memory_started: u64,
    /// What lies on disk, in MiB.
    pub(crate) disk_mib: u64,
}

impl Stage {
    /// Loads so many users, and starts the server again.
    pub(crate) async fn build(muster: &Path, count: usize) -> anyhow::Result<Self> {
        let server = Server::start(muster).await?;
        let (users, created) =
            Population::create(server.connector(WORKSPACE).await?, count).await?;
        server.caught_up().await?;
        let memory = server.process().memory_mib()?;
        let (_, data) = server.stop().await?;
        let disk_mib = size(data.path()).context("adding up files")? >> 20;
        let (server, start) = found(muster, data, &users).await?;
        let users = users.on(&server);
        let (memory_started, _) = server.process().memory_mib()?;
        let loaded = Loaded { created, memory, start, memory_started, disk_mib };
        Ok(Self { server, users, loaded })
    }

    /// Does something with the files while no server uses them.
    pub(crate) async fn offline(
        self,
        muster: &Path,
        work: impl AsyncFnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let Self { server, users, loaded } = self;
        let (_, data) = server.stop().await?;
        work(data.path()).await?;
        let server = Server::start_with(muster, &[], data).await?;
        let users = users.on(&server);
        Ok(Self { server, users, loaded })
    }
}

/// Starts a server; returns how long that took until it found the last user.
async fn found(
    muster: &Path,
    data: TempDir,
    users: &Population,
) -> anyhow::Result<(Server, Duration)> {
    let began = Instant::now();
    let server = Server::start_with(muster, &[], data).await?;
    let last = bodies::find_user(users.ids.len() - 1);
    let found = server.again(&users.connector).connect().send(last).await?;
    let took = began.elapsed();
    let text = String::from_utf8_lossy(&found.body);
    anyhow::ensure!(text.contains(r#""totalResults":1"#), "the last user is not found: {text}");
    Ok((server, took))
}

/// The bytes of all files below a directory.
pub(crate) fn size(dir: &Path) -> std::io::Result<u64> {
    let (mut bytes, mut pending) = (0, vec![PathBuf::from(dir)]);
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                pending.push(entry.path());
            } else {
                bytes += metadata.len();
            }
        }
    }
    Ok(bytes)
}
