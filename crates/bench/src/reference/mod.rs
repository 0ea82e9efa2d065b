//! Reference servers: what an HTTP server costs that does none of Muster's work.
//!
//! This program runs again as a child, so that a reference has its own process as Muster has, and is
//! asked exactly what Muster is asked. `serve` is the server, `commits` what makes it durable.

mod commits;
mod serve;

use std::{fs, path::Path};

use anyhow::Context;
use bytes::Bytes;
use tempfile::TempDir;
use tokio::process::Command;

pub(crate) use self::serve::{Options, serve};
use crate::{
    bodies,
    load::{self, Connector},
    server::Server,
};

/// The only token that a reference server accepts.
const TOKEN: &str = "bench-connector-of-a-reference-server";

/// Where it listens to SCIM: as long as the path of a connector.
const BASE: &str = "/scim/v2/reference/store";

/// The answers of Muster, which a reference gives to everybody.
pub(crate) struct Answers {
    user: Bytes,
    list: Bytes,
}

impl Answers {
    /// Creates a user that no load will create, and keeps what is said of it.
    pub(crate) async fn of(connector: &Connector) -> anyhow::Result<Self> {
        let mut client = connector.connect();
        // Numbers are written with seven digits at least; more than that many users there are not.
        let number = 9_999_999;
        let user = client.send(bodies::create_user(number)).await?;
        let id = load::id(&user)?;
        let list = client.send(bodies::find_user(number)).await?.body;
        Ok(Self { user: client.send(bodies::get_user(&id)).await?.body, list })
    }
}

/// A reference server.
pub(crate) struct Reference {
    pub(crate) server: Server,
    pub(crate) connector: Connector,
}

impl Reference {
    /// Starts one that answers and keeps nothing.
    pub(crate) async fn constant(answers: &Answers) -> anyhow::Result<Self> {
        Self::start(answers, &[]).await
    }

    /// Starts one that has a row of each change on disk before it answers.
    pub(crate) async fn durable(answers: &Answers) -> anyhow::Result<Self> {
        Self::start(answers, &["--durable"]).await
    }

    async fn start(answers: &Answers, arguments: &[&str]) -> anyhow::Result<Self> {
        let data = TempDir::new().context("making a directory for a reference")?;
        keep(data.path(), answers).context("keeping the answers of a reference")?;
        let this = std::env::current_exe().context("finding this program")?;
        let mut command = Command::new(this);
        command.arg("reference").arg("--dir").arg(data.path()).args(arguments);
        let server = Server::spawn(command, data).await?;
        let connector = server.at(BASE, TOKEN)?;
        Ok(Self { server, connector })
    }
}

fn keep(dir: &Path, answers: &Answers) -> std::io::Result<()> {
    fs::write(dir.join(serve::USER), &answers.user)?;
    fs::write(dir.join(serve::LIST), &answers.list)
}
