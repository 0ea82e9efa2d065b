//! The server that is measured: a child process with a data directory of its own.
//!
//! It listens on a loopback port of its choice, names it in a line on standard output, and is ended
//! by its own process id when the bench is over, however it ends.

use std::{
    path::Path,
    process::{Command as Blocking, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use hyper::Method;
use serde_json::{Value, json};
use simulate::client::Target;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::{
    load::{Client, Connector, Job},
    process::Process,
};

const ADMIN_TOKEN: &str = "bench-administrator-of-a-loopback-server";

/// How long a server may take to listen, and to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often is asked again whether something has come to its end.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A certificate that signs nothing: SCIM wants SAML to be configured first.
const CERTIFICATE: &str = include_str!("certificate.pem");

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// The root of the server.
    target: Target,
    /// From the start of the process to the line that names its address.
    pub(crate) start: Duration,
    data: TempDir,
}

impl Server {
    /// Starts `muster serve` on an empty data directory.
    pub(crate) async fn start(muster: &Path) -> anyhow::Result<Self> {
        Self::start_with(muster, &[], TempDir::new().context("making a data directory")?).await
    }

    /// The same with further arguments, on a data directory that may be there already.
    pub(crate) async fn start_with(
        muster: &Path,
        arguments: &[&str],
        data: TempDir,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(muster);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data.path())
            .args(arguments)
            .env("MUSTER_ADMIN_TOKEN", ADMIN_TOKEN)
            .env("RUST_LOG", "error");
        Self::spawn(command, data).await
    }

    /// Starts a server that says where it listens, as `muster serve` does.
    pub(crate) async fn spawn(mut command: Command, data: TempDir) -> anyhow::Result<Self> {
        let began = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", command.as_std().get_program().display()))?;
        let output = child.stdout.take().context("the server has no standard output")?;
        let mut lines = BufReader::new(output).lines();
        let listening = timeout(PATIENCE, address(&mut lines)).await;
        let address = listening.context("waiting for the server to listen")??;
        let start = began.elapsed();
        // Goes on reading, so that the server never waits for a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let target = Target::parse(&format!("http://{address}"))?;
        Ok(Self { child, target, start, data })
    }

    /// Makes a workspace with a connector of the Store whose users become employees.
    pub(crate) async fn connector(&self, workspace: &str) -> anyhow::Result<Connector> {
        self.connector_of(workspace, "store", &json!({ "on_create": "create" })).await
    }

    /// Makes a workspace with a connector of a portal under a rule.
    pub(crate) async fn connector_of(
        &self,
        workspace: &str,
        portal: &str,
        rule: &Value,
    ) -> anyhow::Result<Connector> {
        let name = json!({ "slug": workspace, "name": workspace });
        self.ask(Method::POST, "/workspaces", &name).await?;
        self.further_connector(workspace, portal, rule).await
    }

    /// Makes the connector of one more portal under a rule. It is named after the portal.
    pub(crate) async fn further_connector(
        &self,
        workspace: &str,
        portal: &str,
        rule: &Value,
    ) -> anyhow::Result<Connector> {
        let saml = json!({
            "entity_id": "https://idp.bench.example/entity",
            "sso_url": "https://idp.bench.example/sso",
            "certificate": CERTIFICATE,
        });
        let path = format!("/workspaces/{workspace}/portals/{portal}/saml");
        self.ask(Method::PUT, &path, &saml).await?;
        self.named_connector((workspace, portal, portal), rule).await
    }

    /// Makes a connector of a portal that has SAML, with a name of its own, under a rule.
    pub(crate) async fn named_connector(
        &self,
        (workspace, portal, name): (&str, &str, &str),
        rule: &Value,
    ) -> anyhow::Result<Connector> {
        let mut api = self.api()?.connect();
        let scim = json!({ "idp": "entra", "name": name });
        let path = format!("/workspaces/{workspace}/portals/{portal}/scim");
        let scim = call(&mut api, Method::POST, &path, &scim).await?;
        let text = |name: &str| {
            scim[name].as_str().with_context(|| format!("no {name} in the new connector: {scim}"))
        };
        let connector = text("connector")?;
        let path = format!("/workspaces/{workspace}/connectors/{connector}/provisioning");
        call(&mut api, Method::PUT, &path, rule).await?;
        // The public URL may name another address than the one that listens.
        let base = Target::parse(text("base_url")?)?;
        Connector::new(self.target.with_path(base.path()), text("token")?)
    }

    /// Asks the API for something, as its administrator.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        call(&mut self.api()?.connect(), method, path, body).await
    }

    /// The API as its administrator reaches it.
    pub(crate) fn api(&self) -> anyhow::Result<Connector> {
        self.at("/api/v1", ADMIN_TOKEN)
    }

    /// The same connector after a restart, which chose another port.
    pub(crate) fn again(&self, connector: &Connector) -> Connector {
        connector.on(&self.target)
    }

    /// Connects to a path of the server, with a token.
    pub(crate) fn at(&self, path: &str, token: &str) -> anyhow::Result<Connector> {
        Connector::new(self.target.with_path(path), token)
    }

    /// Returns a metric of the server, added up over its labels.
    pub(crate) async fn metric(&self, name: &str) -> anyhow::Result<u64> {
        let get = Job::new(Method::GET, "/metrics", "", &[200]);
        let answer = self.at("", ADMIN_TOKEN)?.connect().send(get).await?;
        Ok(sum(&String::from_utf8_lossy(&answer.body), &format!("muster_{name}")))
    }

    /// Waits until read models and policies have dealt with everything.
    pub(crate) async fn caught_up(&self) -> anyhow::Result<()> {
        self.until(async || {
            let behind = self.metric("projection_lag_events").await?;
            Ok(behind + self.metric("policy_lag_events").await? == 0)
        })
        .await
    }

    /// Asks again and again until something is so.
    pub(crate) async fn until(
        &self,
        is_so: impl AsyncFn() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        while !is_so().await? {
            #[expect(
                clippy::disallowed_methods,
                reason = "over HTTP an end can only be asked for"
            )]
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// The server as the system sees it.
    pub(crate) fn process(&self) -> Process {
        // A child that has ended has none; what is asked of process 0 then fails.
        Process(self.child.id().unwrap_or_default())
    }

    /// The directory with its files.
    pub(crate) fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// Asks the server to end and waits for it. Returns how long it took, and its files.
    pub(crate) async fn stop(mut self) -> anyhow::Result<(Duration, TempDir)> {
        let began = Instant::now();
        let pid = self.process().0.to_string();
        let kill = Blocking::new("kill").args(["-TERM", &pid]).status();
        if !kill.context("ending the server")?.success() {
            bail!("the server had ended before");
        }
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => status.context("waiting for the server")?,
            Err(_) => bail!("the server did not end within {PATIENCE:?} of SIGTERM"),
        };
        Ok((began.elapsed(), self.data))
    }
}

/// The sum of a metric over its labels.
fn sum(text: &str, name: &str) -> u64 {
    let of = |line: &str| {
        let (labels, value) = line.strip_prefix(name)?.rsplit_once(' ')?;
        (labels.is_empty() || labels.starts_with('{')).then_some(value.parse::<u64>().ok()?)
    };
    text.lines().filter_map(of).sum()
}

async fn address(lines: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<String> {
    while let Some(line) = lines.next_line().await? {
        if let Some(address) = address_in(&line) {
            return Ok(address.to_owned());
        }
    }
    bail!("the server ended before it listened")
}

fn address_in(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("listening on http://")?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !".:[]-".contains(c));
    Some(rest[..end.unwrap_or(rest.len())].trim_end_matches('.'))
}

async fn call(api: &mut Client, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = api.send(Job::new(method, path, body, &[200, 201, 202, 204])).await?;
    Ok(serde_json::from_slice(&response.body).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_out_of_a_line() {
        let line = |line| address_in(line);
        assert_eq!(line("listening on http://127.0.0.1:41234"), Some("127.0.0.1:41234"));
        assert_eq!(line(r#"{"m":"listening on http://[::1]:80","x":1}"#), Some("[::1]:80"));
        assert_eq!(line("muster is listening on http://127.0.0.1:80."), Some("127.0.0.1:80"));
        assert_eq!(line("listening soon"), None);
    }

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let text = "# TYPE a_b counter\na_b 7\na_b_c 8\nlag{p=\"x\"} 1\nlag{p=\"y\"} 2\n";
        assert_eq!((sum(text, "a_b"), sum(text, "lag"), sum(text, "a")), (7, 3, 0));
    }
}
