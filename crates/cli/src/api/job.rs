//! Jobs that the server does in the background: starting one, and showing how far it is until it ends.

use std::time::Duration;

use hyper::Method;
use serde_json::Value;

use super::InWorkspace;
use crate::progress::bar;

/// How often is looked how far a job is.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Starts the job behind a path and waits until it has ended; then it is printed. On the way the number of
/// people, the rate and the time left are shown on a terminal.
///
/// # Errors
/// When it is refused, or has not reached everybody.
pub(super) async fn run(
    of: &InWorkspace,
    rest: &str,
    body: Option<&Value>,
) -> anyhow::Result<Value> {
    let begun = of.api.client()?.ask(&Method::POST, &of.path(rest), body).await?;
    let job = follow(of, rest, begun).await?;
    of.api.print(&job);
    let why = job["why"].as_str().unwrap_or("see the server's log");
    anyhow::ensure!(job["state"] == "completed", "not everybody was reached: {why}");
    Ok(job)
}

/// Shows how far a job is until it has ended.
#[expect(clippy::disallowed_methods, reason = "over HTTP the end of the job can only be asked for")]
pub(super) async fn follow(of: &InWorkspace, rest: &str, mut job: Value) -> anyhow::Result<Value> {
    let (mut client, path) = (of.api.client()?, of.path(rest));
    let bar = bar("people");
    while job["state"] == "running" {
        bar.set_length(job["total"].as_u64().unwrap_or(0));
        bar.set_position(job["done"].as_u64().unwrap_or(0));
        tokio::time::sleep(LOOK_EVERY).await;
        job = client.get(&path).await?;
    }
    bar.finish_and_clear();
    Ok(job)
}
