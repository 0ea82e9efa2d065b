//! `muster`: the server and the commands around it, in one binary.
//!
//! Exit codes: 0 when it is done, 1 when something was found wrong or failed, 2 when the command
//! itself was not understood.

mod api;
mod audit;
mod backup;
mod check;
mod connections;
mod demo;
mod moving;
mod node;
mod options;
mod otlp;
mod output;
mod progress;
mod projections;
mod remote;
mod restore;
mod serve;
mod simulate;
mod slices;

use std::process::ExitCode;

use ::projections::stand_back;
use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Provisioning backend: SCIM in, an append-only record, three portals out.
#[derive(Parser)]
#[command(name = "muster", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve(options::ServerOptions),
    /// Run the server with a workspace to play with, and print its addresses and tokens.
    Demo(demo::Options),
    /// Speak to a SCIM server as an identity provider does.
    Simulate(simulate::Options),
    /// Ask any SCIM 2.0 server whether it does what the standards and the identity providers demand.
    Check(check::Options),
    /// Workspaces, and how their people sign in.
    #[command(subcommand)]
    Workspace(api::workspace::Command),
    /// Links from an identity provider to a portal.
    #[command(subcommand)]
    Connector(api::connector::Command),
    /// The bearer tokens of a connector.
    #[command(subcommand)]
    Token(api::token::Command),
    /// Collaborators, employees and MDM employees.
    #[command(subcommand)]
    People(api::people::Command),
    /// The groups that identity providers push.
    #[command(subcommand)]
    Group(api::group::Command),
    /// Apps in the Store, and who sees them.
    #[command(subcommand)]
    Publication(api::publication::Command),
    /// The tree of Device Management, and what collaborators may do in it.
    #[command(subcommand)]
    Segment(api::segment::Command),
    /// Which groups make collaborators what.
    #[command(subcommand)]
    Roles(api::roles::Command),
    /// What an identity provider sends, and what of it becomes metadata.
    #[command(subcommand)]
    Attributes(api::attributes::Command),
    /// Devices of Device Management.
    #[command(subcommand)]
    Device(api::device::Command),
    /// What is owed to devices, and what becomes of it.
    #[command(subcommand)]
    Effects(api::effects::Command),
    /// What deactivations carry out.
    #[command(subcommand)]
    Offboarding(api::offboarding::Command),
    /// Offboardings that wait for a person's decision.
    #[command(subcommand)]
    Hold(api::hold::Command),
    /// Who may use the API and these commands, and as what.
    #[command(subcommand)]
    Access(api::access::Command),
    /// Read and check the record.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Copy everything to where it outlives this machine; what is there already is added to.
    Backup(backup::Options),
    /// Make a data directory of a backup, whole or as it was at an earlier point.
    Restore(restore::Options),
    /// Look after read models.
    #[command(subcommand)]
    Projections(projections::Command),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Policies and deliveries of a server. It answers on threads of its own.
        .on_thread_start(stand_back)
        .enable_all()
        .build();
    let result = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        runtime.block_on(async move {
            match cli.command {
                Command::Serve(options) => serve::run(options).await,
                Command::Demo(options) => demo::run(options).await,
                Command::Simulate(options) => simulate::run(options).await,
                Command::Check(options) => check::run(options).await,
                Command::Workspace(command) => api::workspace::run(command).await,
                Command::Connector(command) => api::connector::run(command).await,
                Command::Token(command) => api::token::run(command).await,
                Command::People(command) => api::people::run(command).await,
                Command::Group(command) => api::group::run(command).await,
                Command::Publication(command) => api::publication::run(command).await,
                Command::Segment(command) => api::segment::run(command).await,
                Command::Roles(command) => api::roles::run(command).await,
                Command::Attributes(command) => api::attributes::run(command).await,
                Command::Device(command) => api::device::run(command).await,
                Command::Effects(command) => api::effects::run(command).await,
                Command::Offboarding(command) => api::offboarding::run(command).await,
                Command::Hold(command) => api::hold::run(command).await,
                Command::Access(command) => api::access::run(command).await,
                Command::Audit(command) => audit::run(command).await,
                Command::Backup(options) => backup::run(options).await,
                Command::Restore(options) => restore::run(options).await,
                Command::Projections(command) => projections::run(command).await,
            }
        })
    });
    match result {
        Ok(_) if output::is_lost() => ExitCode::FAILURE,
        Ok(code) => code,
        Err(error) => {
            output::complain(&format!("muster: {error:#}"));
            if error.is::<options::Misused>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}
