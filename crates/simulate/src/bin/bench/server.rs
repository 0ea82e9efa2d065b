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

use crate::load::{Client, Connector, Job};

const ADMIN_TOKEN: &str = "bench-administrator-of-a-loopback-server";

/// How long a server may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A certificate that signs nothing: SCIM wants SAML to be configured first.
const CERTIFICATE: &str = include_str!("certificate.pem");

/// A running `muster serve`.
pub(crate) struct Server {
    child: Child,
    /// The process id.
    pid: u32,
    /// The root of the server.
    target: Target,
    /// From the start of the process to the line that names its address.
    pub(crate) start: Duration,
    /// Removed when the server is dropped.
    _data: TempDir,
}

impl Server {
    pub(crate) async fn start(muster: &Path) -> anyhow::Result<Self> {
        let data = TempDir::new().context("making a data directory")?;
        let began = Instant::now();
        let mut child = Command::new(muster)
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data.path())
            .env("MUSTER_ADMIN_TOKEN", ADMIN_TOKEN)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", muster.display()))?;
        let pid = child.id().context("the server ended at once")?;
        let output = child.stdout.take().context("the server has no standard output")?;
        let mut lines = BufReader::new(output).lines();
        let listening = timeout(PATIENCE, address(&mut lines)).await;
        let address = listening.context("waiting for the server to listen")??;
        let start = began.elapsed();
        // Goes on reading, so that the server never waits for a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let target = Target::parse(&format!("http://{address}"))?;
        Ok(Self { child, pid, target, start, _data: data })
    }

    /// Makes a workspace with a connector of the Store whose users become employees.
    pub(crate) async fn connector(&self, workspace: &str) -> anyhow::Result<Connector> {
        self.connector_of(workspace, "store", &json!({ "on_create": "create" })).await
    }

    /// Makes a workspace with a connector of a portal under a rule. It is named after the portal.
    pub(crate) async fn connector_of(
        &self,
        workspace: &str,
        portal: &str,
        rule: &Value,
    ) -> anyhow::Result<Connector> {
        let mut api = self.api()?;
        let portal = format!("/workspaces/{workspace}/portals/{portal}");
        let name = json!({ "slug": workspace, "name": workspace });
        call(&mut api, Method::POST, "/workspaces", &name).await?;
        let saml = json!({
            "entity_id": "https://idp.bench.example/entity",
            "sso_url": "https://idp.bench.example/sso",
            "certificate": CERTIFICATE,
        });
        call(&mut api, Method::PUT, &format!("{portal}/saml"), &saml).await?;
        let scim = json!({ "idp": "entra" });
        let scim = call(&mut api, Method::POST, &format!("{portal}/scim"), &scim).await?;
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
        call(&mut self.api()?, method, path, body).await
    }

    fn api(&self) -> anyhow::Result<Client> {
        Ok(Connector::new(self.target.with_path("/api/v1"), ADMIN_TOKEN)?.connect())
    }

    /// Returns the resident memory and its peak, in MiB.
    pub(crate) fn memory_mib(&self) -> anyhow::Result<(u64, u64)> {
        let path = format!("/proc/{}/status", self.pid);
        let status = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let mib = |name: &str| kib(&status, name).map(|kib| kib / 1_024);
        Ok((mib("VmRSS:").context("no VmRSS")?, mib("VmHWM:").context("no VmHWM")?))
    }

    /// Asks the server to end and waits for it. Returns how long it took.
    pub(crate) async fn stop(mut self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let kill = Blocking::new("kill").args(["-TERM", &self.pid.to_string()]).status();
        if !kill.context("ending the server")?.success() {
            bail!("the server had ended before");
        }
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => status.context("waiting for the server")?,
            Err(_) => bail!("the server did not end within {PATIENCE:?} of SIGTERM"),
        };
        Ok(began.elapsed())
    }
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

fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

async fn call(api: &mut Client, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = api.send(Job::new(method, path, body, &[200, 201, 204])).await?;
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
    fn memory_is_read_out_of_the_status_of_a_process() {
        let status = "Name:\tmuster\nVmHWM:\t  20480 kB\nVmRSS:\t   10240 kB\n";
        assert_eq!((kib(status, "VmRSS:"), kib(status, "VmHWM:")), (Some(10_240), Some(20_480)));
        assert_eq!(kib(status, "VmSwap:"), None);
    }
}
