//! `muster restore`: an installation of a backup, in a directory of its own.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, anyhow};
use backup::{Place, Progress, Restore, RestoreError, Restored, Until};
use clap::Args;
use data_encoding::BASE64;
use event_log::{Clock, SystemClock, WorkspaceId};
use serde_json::json;

use crate::{
    audit::gather,
    options::{Misused, key},
    output::say,
    progress::bar,
};

/// What to restore, and where.
#[derive(Args)]
pub(crate) struct Options {
    /// The directory of the backup.
    #[arg(long)]
    from: PathBuf,
    /// Where its keys are, if they were kept apart.
    #[arg(long)]
    keys_from: Option<PathBuf>,
    /// The data directory to make: it must not be there, or be empty.
    #[arg(long)]
    data_dir: PathBuf,
    /// Up to where: a time (RFC 3339) for all workspaces, or a position of one (--workspace).
    #[arg(long)]
    to: Option<String>,
    /// The workspace whose position --to is.
    #[arg(long)]
    workspace: Option<String>,
    /// A ledger of erasures that is newer than the backup's own: whoever is in it is erased again. May be
    /// given more than once.
    #[arg(long)]
    erasure_ledger: Vec<PathBuf>,
    /// A checkpoint that was kept elsewhere, or a file of several: what is restored must fit it. May be
    /// given more than once.
    #[arg(long)]
    checkpoint: Vec<PathBuf>,
    /// A public key, or a file of some, that must have signed the checkpoints that were kept, or one that
    /// followed it.
    #[arg(long)]
    key: Vec<String>,
    /// The master key of the installation.
    #[arg(long, env = "MUSTER_MASTER_KEY", hide_env_values = true)]
    master_key: Option<String>,
    /// Print JSON, one object a line for each workspace.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let until = until(options.to.as_deref(), options.workspace.as_deref()).map_err(Misused)?;
    let order = Restore {
        from: Place { dir: options.from, keys: options.keys_from },
        into: options.data_dir,
        until,
        ledgers: options.erasure_ledger,
        trust: gather(&options.key, &options.checkpoint)?,
        master_key: options.master_key.as_deref().map(key).transpose()?,
    };
    let hidden = options.json;
    let work = move || {
        let bar = if hidden { indicatif::ProgressBar::hidden() } else { bar("") };
        let mut progress = |Progress { what, done, total }: Progress| {
            bar.set_prefix(what);
            bar.set_length(total);
            bar.set_position(done);
        };
        let restored = backup::restore(&order, SystemClock.now(), &mut progress);
        bar.finish_and_clear();
        restored
    };
    let restored = tokio::task::spawn_blocking(work).await?.map_err(|error| match error {
        RestoreError::Misplaced(it) => Misused(it.into()).into(),
        error => anyhow!(error).context("nothing is restored"),
    })?;
    restored.iter().for_each(|it| tell(it, options.json));
    if !options.json {
        say(
            "nothing is sent to devices: look at what is owed (muster effects list), then have it sent \
             (muster effects resume), one workspace after the other",
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Up to where: what was said makes sense, or not.
fn until(to: Option<&str>, workspace: Option<&str>) -> anyhow::Result<Until> {
    match (to, workspace) {
        (None, None) => Ok(Until::Everything),
        (None, Some(_)) => Err(anyhow!("--workspace needs --to POSITION")),
        (Some(to), Some(workspace)) => {
            let position = to.parse().context("with --workspace, --to is a position")?;
            Ok(Until::Position(WorkspaceId::parse(workspace)?, position))
        }
        (Some(to), None) => {
            let time = record::export::read_time(to);
            let said = "--to is a time (RFC 3339), or a position with --workspace";
            Ok(Until::Time(time.context(said)?))
        }
    }
}

fn tell(restored: &Restored, as_json: bool) {
    let Restored { workspace, known, head, vouched, beyond } = restored;
    let root = BASE64.encode(&head.root);
    if as_json {
        say(&json!({
            "workspace": workspace.as_str(), "restored": head.size, "in_backup": known,
            "root": root, "checkpoints_that_fit": vouched, "checkpoints_beyond": beyond,
        })
        .to_string());
        return;
    }
    let fits = match vouched {
        0 => "nothing that was kept elsewhere vouches for it: --checkpoint".to_owned(),
        count => format!("{count} checkpoint(s) that were kept fit"),
    };
    say(&format!("{workspace}: {} of {known} events; root {root}; {fits}", head.size));
    if let (Some(first), Some(last)) = (beyond.first(), beyond.last()) {
        let sizes = if first == last { first.to_string() } else { format!("{first} to {last}") };
        say(&format!(
            "{workspace}: checkpoints of {sizes} events fit no longer, since what they cover was not \
             restored: whoever has them will see that, and should be told"
        ));
    }
}
