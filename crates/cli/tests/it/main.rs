//! The binary end to end: real processes, real files, real connections, one file for each subject.
//!
//! Every test starts a server of its own on a directory of its own, speaks HTTP to it as identity
//! providers and administrators do, and looks at what they see. Nothing waits for time to pass.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has to stop")]

// mod bad_input;
// mod crash;
mod hot_group;
mod lanes;
mod lifecycle;
mod needle;
mod rules_matrix;
mod simulated_cycles;

use testkit::Server;

/// The workspace of every test.
const WORKSPACE: &str = "acme";

/// A server that is running.
async fn start() -> Server {
    Server::start(env!("CARGO_BIN_EXE_muster")).await.unwrap()
}

/// A server with a workspace in it, and a client of its API.
async fn start_with_workspace() -> (Server, testkit::Client) {
    let server = start().await;
    let mut api = server.api().unwrap();
    testkit::setup::workspace(&mut api, WORKSPACE).await.unwrap();
    (server, api)
}
