//! `muster audit`: the record of a workspace, from a running server, from a data directory, or from
//! an export.

mod checkpoint;
mod csv;
mod export;
mod filters;
mod history;
mod keys;
mod log;
mod source;
mod tail;
mod verify;
mod why;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use app::Notary;
use clap::{Args, Subcommand};

pub(crate) use keys::{gather, verifiers};

use crate::{api::provisioning_log, node, options};

/// What to do with the record.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List events, oldest first.
    Log(log::LogOptions),
    /// Follow events as they are recorded.
    Tail(tail::TailOptions),
    /// What happened to a person, and what was about them, in sentences.
    Timeline(why::TimelineOptions),
    /// A person, a group or a device as they stood.
    History(history::HistoryOptions),
    /// What is different between two moments, and by which events.
    Diff(history::DiffOptions),
    /// Why something is so: back to the request that began it.
    Why(why::WhyOptions),
    /// What identity providers asked for, and what came of it.
    #[command(subcommand)]
    Provisioning(provisioning_log::Command),
    /// Check that no event was changed, and name the first that was: in an export, in a data
    /// directory, or as a server shows them.
    Verify(verify::VerifyOptions),
    /// Write events to a file with everything that proves them.
    Export(export::ExportOptions),
    /// Get size and root of the record, signed: keep it where nobody of this installation can change
    /// it.
    Checkpoint(checkpoint::CheckpointOptions),
    /// The key that signs checkpoints.
    #[command(subcommand)]
    Key(checkpoint::KeyCommand),
}

/// A data directory that no server is using.
#[derive(Args, Clone)]
pub(crate) struct Offline {
    /// Read this data directory instead of asking a server.
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// The master key of the data directory.
    #[arg(long, env = "MUSTER_MASTER_KEY", hide_env_values = true)]
    master_key: Option<String>,
    /// The file of the signing keys. [default: signing.keys in the data directory]
    #[arg(long, env = "MUSTER_SIGNING_KEYS")]
    signing_keys: Option<PathBuf>,
    /// The file of the ledger of erasures. [default: erasures.ledger in the data directory]
    #[arg(long, env = "MUSTER_ERASURE_LEDGER")]
    erasure_ledger: Option<PathBuf>,
}

impl Offline {
    pub(crate) fn open(&self) -> anyhow::Result<Option<Arc<event_log::SqliteLog>>> {
        let Some(data_dir) = &self.data_dir else { return Ok(None) };
        anyhow::ensure!(data_dir.exists(), "there is no directory {}", data_dir.display());
        node::open_log(data_dir, self.master_key()?, self.erasure_ledger.clone()).map(Some)
    }

    /// What signs checkpoints, once the log is open: only then nobody else has the keys.
    fn notary(&self) -> anyhow::Result<Notary> {
        let data_dir = self.data_dir.clone().unwrap_or_default();
        node::open_notary(&data_dir, self.signing_keys.as_deref(), self.master_key()?)
    }

    /// The keys that have signed for a workspace, oldest first, once the log is open.
    async fn keys_of(
        &self,
        log: &event_log::SqliteLog,
        workspace: &event_log::WorkspaceId,
    ) -> anyhow::Result<Vec<record::PublicKey>> {
        let mut keys = backup::moving::keys_before(log, workspace).await?;
        keys.extend(self.notary()?.keys(workspace)?);
        Ok(keys)
    }

    /// The data directory as the source of a backup, once the log is open, or of an export.
    pub(crate) fn backup_source(&self) -> anyhow::Result<backup::Source> {
        let data_dir = self.data_dir.clone().unwrap_or_default();
        let notary = Arc::new(self.notary()?);
        let (signing_keys, ledger) = (self.signing_keys.as_deref(), self.erasure_ledger.as_deref());
        Ok(node::backup_source(&data_dir, signing_keys, ledger, self.master_key()?, notary))
    }

    /// The file of the signing keys.
    pub(crate) fn signing_keys(&self) -> PathBuf {
        let in_dir = || self.data_dir.clone().unwrap_or_default().join("signing.keys");
        self.signing_keys.clone().unwrap_or_else(in_dir)
    }

    /// The file of the ledger of erasures, where it was named.
    pub(crate) fn erasure_ledger(&self) -> Option<PathBuf> {
        self.erasure_ledger.clone()
    }

    pub(crate) fn master_key(&self) -> anyhow::Result<Option<[u8; 32]>> {
        self.master_key.as_deref().map(options::key).transpose()
    }
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Log(options) => log::log(options).await,
        Command::Tail(options) => tail::tail(options).await,
        Command::Timeline(options) => why::timeline(options).await,
        Command::History(options) => history::history(options).await,
        Command::Diff(options) => history::diff(options).await,
        Command::Why(options) => why::why(options).await,
        Command::Provisioning(command) => provisioning_log::run(command).await,
        Command::Verify(options) => verify::verify(options).await,
        Command::Export(options) => export::export(options).await,
        Command::Checkpoint(options) => checkpoint::checkpoint(options).await,
        Command::Key(command) => checkpoint::key(command).await,
    }
}
