//! `muster workspace export` and `import`: one workspace moves to another installation.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{anyhow, ensure};
use backup::{
    Progress,
    moving::{Export, ExportError, Exported, Import, ImportError, Imported, TransferKey},
};
use clap::Args;
use data_encoding::BASE64;
use event_log::{Clock, SystemClock, WorkspaceId};
use indicatif::ProgressBar;
use serde_json::json;

use crate::{
    audit::{Offline, gather, verifiers},
    options::Misused,
    output::say,
    progress::bar,
};

/// Which workspace, and where to.
#[derive(Args)]
pub(crate) struct ExportOptions {
    /// The data directory. Its server may be running.
    #[command(flatten)]
    offline: Offline,
    /// The workspace's slug.
    #[arg(long, env = "MUSTER_WORKSPACE")]
    workspace: String,
    /// The directory to make: it must not be there, or be empty.
    #[arg(long)]
    into: PathBuf,
    /// The file to write the transfer key to, without which nobody reads what is personal in the export. It
    /// travels by another way.
    #[arg(long)]
    transfer_key: PathBuf,
    /// A public key of the installation where the workspace goes (`muster audit key show`), of any of its
    /// workspaces, or a file with it: the last checkpoint here then says that this key follows.
    #[arg(long)]
    next_key: Option<String>,
    /// Export it though it goes on here: nothing moves, and what comes later is not in the export.
    #[arg(long)]
    rehearsal: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What, and into which installation.
#[derive(Args)]
pub(crate) struct ImportOptions {
    /// The directory of the export.
    #[arg(long)]
    from: PathBuf,
    /// The file of its transfer key.
    #[arg(long)]
    transfer_key: PathBuf,
    #[command(flatten)]
    offline: Offline,
    /// The slug of the workspace that it has to be.
    #[arg(long, env = "MUSTER_WORKSPACE")]
    workspace: Option<String>,
    /// A checkpoint that was kept elsewhere, or a file of several: what is imported must fit it. May be given
    /// more than once.
    #[arg(long)]
    checkpoint: Vec<PathBuf>,
    /// A public key, or a file of some, of the installation that it comes from: one must have signed the
    /// export and what was kept.
    #[arg(long)]
    key: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn export(options: ExportOptions) -> anyhow::Result<ExitCode> {
    let data_dir = data_dir(&options.offline)?;
    let log = data_dir.join("log.db");
    ensure!(log.exists(), "there is no installation in {}", data_dir.display());
    let signing_keys = options.offline.signing_keys();
    // They are made at a server's first start, not beside it.
    ensure!(signing_keys.exists(), "there are no signing keys {}", signing_keys.display());
    let next_key = options.next_key.as_deref().map(verifiers).transpose().map_err(Misused)?;
    let order = Export {
        source: options.offline.backup_source()?,
        workspace: WorkspaceId::parse(&options.workspace).map_err(|it| Misused(it.into()))?,
        into: options.into,
        transfer_key: options.transfer_key,
        next_key: next_key.and_then(|keys| keys.into_iter().last()),
        rehearsal: options.rehearsal,
    };
    let hidden = options.json;
    let work = move || {
        let bar = hidden_or_bar(hidden);
        let exported =
            backup::moving::export(&order, SystemClock.now(), &mut |it| advance(&bar, it));
        bar.finish_and_clear();
        exported
    };
    let exported = tokio::task::spawn_blocking(work).await?.map_err(|error| match error {
        ExportError::Misplaced(it) => Misused(it.into()).into(),
        error => anyhow!(error).context("no export"),
    })?;
    tell_exported(&exported, options.json);
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn import(options: ImportOptions) -> anyhow::Result<ExitCode> {
    let workspace = options.workspace.as_deref().map(WorkspaceId::parse).transpose();
    let order = Import {
        from: options.from,
        transfer_key: TransferKey::read(&options.transfer_key)?,
        workspace: workspace.map_err(|it| Misused(it.into()))?,
        data_dir: data_dir(&options.offline)?,
        signing_keys: options.offline.signing_keys(),
        erasure_ledger: options.offline.erasure_ledger(),
        master_key: options.offline.master_key()?,
        trust: gather(&options.key, &options.checkpoint)?,
    };
    let hidden = options.json;
    let work = move || {
        let bar = hidden_or_bar(hidden);
        let imported =
            backup::moving::import(&order, SystemClock.now(), &mut |it| advance(&bar, it));
        bar.finish_and_clear();
        imported
    };
    let imported = tokio::task::spawn_blocking(work).await?.map_err(|error| match error {
        ImportError::Misplaced(it) => Misused(it.into()).into(),
        error => anyhow!(error).context("nothing is imported"),
    })?;
    tell_imported(&imported, options.json);
    Ok(ExitCode::SUCCESS)
}

/// Both work on files, never over the network: keys are in them.
fn data_dir(offline: &Offline) -> Result<PathBuf, Misused> {
    offline
        .data_dir
        .clone()
        .ok_or_else(|| Misused(anyhow!("say which installation: --data-dir DIR")))
}

fn hidden_or_bar(hidden: bool) -> ProgressBar {
    if hidden { ProgressBar::hidden() } else { bar("") }
}

fn advance(bar: &ProgressBar, Progress { what, done, total }: Progress) {
    bar.set_prefix(what);
    bar.set_length(total);
    bar.set_position(done);
}

fn tell_exported(exported: &Exported, as_json: bool) {
    let Exported { manifest, head, erasures } = exported;
    let root = BASE64.encode(&head.root);
    if as_json {
        say(&json!({
            "workspace": manifest.workspace, "at": manifest.at, "from": manifest.from,
            "events": head.size, "root": root, "erasures": erasures,
            "checkpoint": manifest.checkpoint, "rehearsal": manifest.rehearsal,
        })
        .to_string());
        return;
    }
    let workspace = &manifest.workspace;
    say(&format!("{workspace}: {} events, checked; root {root}", head.size));
    say(if manifest.rehearsal {
        "a rehearsal: the workspace goes on here, and nothing that it does from now on is in the export"
    } else {
        "what is recorded here from now on does not move: leave its connectors paused and its deliveries \
         suspended, and close it once it works in the other place"
    });
}

fn tell_imported(imported: &Imported, as_json: bool) {
    let Imported { manifest, workspace, came, head, vouched, erasures, names_next_key } = imported;
    let root = BASE64.encode(&came.root);
    if as_json {
        say(&json!({
            "workspace": workspace.as_str(), "exported_at": manifest.at, "from": manifest.from,
            "imported": came.size, "root": root, "events": head.size,
            "checkpoints_that_fit": vouched, "erasures": erasures,
            "names_next_key": names_next_key, "rehearsal": manifest.rehearsal,
        })
        .to_string());
        return;
    }
    let fits = match vouched {
        0 => "nothing that was kept elsewhere vouches for it: --checkpoint".to_owned(),
        count => format!("{count} checkpoint(s) that were kept fit"),
    };
    say(&format!(
        "{workspace}: {} events of {}, checked; root {root}; {fits}",
        came.size, manifest.from
    ));
    if manifest.rehearsal {
        say("a rehearsal: the workspace goes on where it was, and this is a copy of it");
    }
    if !names_next_key {
        say(
            "the key that signed there does not name the one that signs here: whoever keeps checkpoints \
             needs it (muster audit key show)",
        );
    }
    say(
        "nothing is sent to devices and connectors are as they were: start the server, let identity \
         providers come to it (muster connector resume), look at what is owed (muster effects list), then \
         have it sent (muster effects resume)",
    );
}
