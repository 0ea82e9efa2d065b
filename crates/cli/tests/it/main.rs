//! The binary end to end: real processes, real files, real connections, one file for each subject.
//!
//! Every test starts a server of its own on a directory of its own, speaks HTTP to it as identity
//! providers and administrators do, and looks at what they see. Nothing waits for time to pass.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has to stop")]

mod access;
mod answers;
mod attributes;
mod backup;
mod backup_killed;
mod bad_input;
mod brake;
mod check;
mod commands;
mod crash;
mod each_service;
mod erase;
mod guides;
mod hostile;
mod hot_group;
mod kills;
mod lanes;
mod lifecycle;
mod lost_ledger;
mod mdm_services;
mod metrics;
mod middle;
mod moving;
mod needle;
mod operation;
mod proofs;
mod provisioning_log;
mod races;
mod raw;
mod rules_matrix;
mod simulated_cycles;
mod tampering;
mod time_travel;
mod tracing;

use serde_json::Value;
use testkit::{
    Client, Server,
    setup::{self, Connector},
};

/// The workspace of every test.
const WORKSPACE: &str = "acme";

/// A server with a workspace in it, and a client of its API.
async fn start_with_workspace() -> (Server, Client) {
    let server = Server::start(env!("CARGO_BIN_EXE_muster")).await.unwrap();
    let mut api = server.api().unwrap();
    setup::workspace(&mut api, WORKSPACE).await.unwrap();
    (server, api)
}

/// The same with a connector for MDM that creates accounts, and does this on deactivation.
async fn mdm(on_deactivate: &str) -> (Server, Client, Connector) {
    let (server, mut api) = start_with_workspace().await;
    let rule = setup::create_and(on_deactivate);
    let connector = setup::connector(&mut api, WORKSPACE, "mdm", "generic", rule).await.unwrap();
    (server, api, connector)
}

/// Reads something of the workspace.
async fn get(api: &mut Client, path: &str) -> Value {
    let path = format!("/workspaces/{WORKSPACE}{path}");
    api.get(&path).await.unwrap().expect(200).unwrap()
}
