//! `muster audit verify`: has anybody changed the record?
//!
//! Of an export, nothing but the file, a checkpoint and a public key is looked at. Of a server the
//! same is done with what it exports. Of a data directory every hash is computed again, and what is
//! kept beside the events is compared too.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context, anyhow};
use clap::Args;
use data_encoding::BASE64;
use event_log::{EventLog, SqliteLog, Verdict, WorkspaceId};
use indicatif::ProgressBar;
use record::{
    Bad, Checkpoint, Examination, Findings, NotBegun, Note, PublicKey, Trust, export::Trailer,
};
use serde_json::{Value, json};

use super::{
    Offline,
    keys::gather,
    source::{Source, Wanted},
};
use crate::{options::Misused, output::say, progress::bar, remote::Remote};

/// Of what, and whom to believe.
#[derive(Args)]
pub(crate) struct VerifyOptions {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    offline: Offline,
    /// An export to check; nothing else is looked at.
    #[arg(long, conflicts_with = "data_dir")]
    file: Option<PathBuf>,
    /// A checkpoint that was kept, or a file of several. May be given more than once.
    #[arg(long)]
    checkpoint: Vec<PathBuf>,
    /// The same, for one that was kept earlier: the record has to be a continuation of it.
    #[arg(long)]
    since: Vec<PathBuf>,
    /// A public key, or a file of some. Without one, checkpoints are believed because they were kept.
    #[arg(long)]
    key: Vec<String>,
    /// The workspace's slug. [default: all of the data directory; of a server it has to be said]
    #[arg(long, env = "MUSTER_WORKSPACE")]
    workspace: Option<String>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn verify(options: VerifyOptions) -> anyhow::Result<ExitCode> {
    let kept: Vec<_> = options.checkpoint.iter().chain(&options.since).cloned().collect();
    let mut trust = gather(&options.key, &kept)?;
    let sound = match (&options.file, options.offline.open()?) {
        (Some(_), _) => {
            trust.settle()?;
            of_file(&options, &trust)?
        }
        (None, Some(log)) => of_files(&options, trust, &log).await?,
        (None, None) => of_server(&options, trust).await?,
    };
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Checks an export.
fn of_file(options: &VerifyOptions, trust: &Trust) -> anyhow::Result<bool> {
    let path = options.file.clone().unwrap_or_default();
    let doing = || format!("reading {}", path.display());
    // What is no UTF-8 is no reason to stop: the event in whose line it stands is named.
    let lines = BufReader::new(File::open(&path).with_context(doing)?).split(b'\n');
    let mut lines =
        lines.map(|line| line.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    let first = lines.next().transpose().with_context(doing)?.unwrap_or_default();
    let name = path.display().to_string();
    let mut examination = match Examination::begin(&first, &trust.keys, &trust.kept) {
        Ok(examination) => examination,
        Err(NotBegun::Bad(bad)) => return Ok(tell(&name, Err(&bad), options.json)),
        Err(incomparable) => return Err(Misused(anyhow!("{name}: {incomparable}")).into()),
    };
    let bar = progress(&name, options.json);
    for line in lines {
        if let Err(bad) = examination.line(&line.with_context(doing)?) {
            bar.finish_and_clear();
            return Ok(tell(&name, Err(&bad), options.json));
        }
        let (done, of) = examination.progress();
        bar.set_length(of);
        bar.set_position(done);
    }
    bar.finish_and_clear();
    Ok(tell(&name, examination.finish().as_ref(), options.json))
}

/// Checks what a server exports, whole.
async fn of_server(options: &VerifyOptions, mut trust: Trust) -> anyhow::Result<bool> {
    let workspace = options.workspace.as_deref();
    let workspace = workspace.ok_or_else(|| {
        Misused(anyhow!("say what to check: --file EXPORT, --data-dir DIR or --workspace SLUG"))
    })?;
    let id = WorkspaceId::parse(workspace)?;
    if !trust.keys.is_empty() {
        let keys = options.remote.client()?.get(&format!("/workspaces/{id}/keys")).await?;
        trust.follow(last_checkpoints(&keys));
    }
    trust.settle()?;
    let wanted = Wanted::default();
    let mut source = Source::open(&options.offline, &options.remote, &id, wanted).await?;
    let begun = Examination::begin(&source.header, &trust.keys, &trust.kept_of(workspace));
    let mut examination = match begun {
        Ok(examination) => examination,
        Err(NotBegun::Bad(bad)) => return Ok(tell(workspace, Err(&bad), options.json)),
        Err(incomparable) => return Err(Misused(anyhow!("{workspace}: {incomparable}")).into()),
    };
    let bar = progress(workspace, options.json);
    bar.set_length(source.size);
    let (mut after, mut events) = (Some(0), 0);
    while let Some(position) = after {
        let part = source.part(position).await?;
        events += part.lines.len() as u64;
        if let Err(bad) = part.lines.iter().try_for_each(|line| examination.line(line)) {
            bar.finish_and_clear();
            return Ok(tell(workspace, Err(&bad), options.json));
        }
        after = part.next;
        bar.set_position(after.unwrap_or(source.size));
    }
    bar.finish_and_clear();
    let end = serde_json::to_string(&Trailer::new(events, None))?;
    let found = examination.line(&end).and_then(|()| examination.finish());
    Ok(tell(workspace, found.as_ref(), options.json))
}

/// By which the keys of a server have handed over, the oldest first.
fn last_checkpoints(keys: &Value) -> Vec<Note> {
    let keys = keys["items"].as_array().into_iter().flatten();
    keys.filter_map(|key| Note::parse(key["last_checkpoint"].as_str()?).ok()).collect()
}

/// Checks a data directory.
async fn of_files(
    options: &VerifyOptions,
    mut trust: Trust,
    log: &SqliteLog,
) -> anyhow::Result<bool> {
    let mut workspaces: Vec<_> = log.heads().into_iter().map(|(workspace, _)| workspace).collect();
    workspaces.sort();
    if let Some(only) = &options.workspace {
        let only = WorkspaceId::parse(only)?;
        anyhow::ensure!(workspaces.contains(&only), "there is no workspace {only}");
        workspaces = vec![only];
    }
    // A check makes no key.
    if !trust.keys.is_empty() && options.offline.signing_keys().exists() {
        for workspace in &workspaces {
            // What does not read teaches nothing; if it stands in the record, it is found below.
            let keys = options.offline.keys_of(log, workspace).await.unwrap_or_default();
            trust.follow(keys.iter().filter_map(PublicKey::last_checkpoint));
        }
    }
    trust.settle()?;
    for kept in &trust.kept {
        let there = workspaces.iter().any(|it| it.as_str() == kept.workspace());
        anyhow::ensure!(there, "the checkpoint is of {}, which is not here", kept.origin);
    }
    let mut sound = true;
    for workspace in &workspaces {
        let bar = progress(workspace.as_str(), options.json);
        let mut progress = |done, of| {
            bar.set_length(of);
            bar.set_position(done);
        };
        let verdict = log.verify(workspace, &mut progress).await?;
        bar.finish_and_clear();
        let kept = trust.kept_of(workspace.as_str());
        sound &= match verdict {
            Verdict::Broken(fault) => {
                let what = match fault.position {
                    Some(_) => fault.what.to_owned(),
                    None => format!(
                        "each event is as written, and what is kept of them is not: {}",
                        fault.what
                    ),
                };
                let bad = Bad { first: fault.position, last: fault.position, what };
                tell(workspace.as_str(), Err(&bad), options.json)
            }
            Verdict::Sound(head) => {
                let compared = compare(log, workspace, kept).await?;
                let found = compared.map(|trusted| Findings {
                    head,
                    events: head.size,
                    whole: true,
                    trusted,
                    unproved_data: 0,
                });
                tell(workspace.as_str(), found.as_ref(), options.json)
            }
        };
    }
    log.close();
    Ok(sound)
}

/// Compares a log that fits in itself with checkpoints that were kept. The size of the largest.
async fn compare(
    log: &SqliteLog,
    workspace: &WorkspaceId,
    mut kept: Vec<Checkpoint>,
) -> anyhow::Result<Result<u64, Bad>> {
    kept.sort_by_key(|it| it.head.size);
    let mut fitted = 0;
    for Checkpoint { head, .. } in kept {
        match log.tree_at(workspace, head.size).await? {
            Some(now) if now == head => fitted = head.size,
            Some(_) => {
                let what =
                    format!("the checkpoint of {} events is of others than these", head.size);
                return Ok(Err(Bad { first: Some(fitted + 1), last: Some(head.size), what }));
            }
            None => {
                let missing = Some(log.head(workspace) + 1);
                let what = format!("the event is missing: a checkpoint covers {}", head.size);
                return Ok(Err(Bad { first: missing, last: missing, what }));
            }
        }
    }
    Ok(Ok(fitted))
}

fn progress(name: &str, json: bool) -> ProgressBar {
    if json { ProgressBar::hidden() } else { bar(name) }
}

/// Prints what was found. Whether it is sound.
fn tell(name: &str, found: Result<&Findings, &Bad>, json: bool) -> bool {
    say(&if json { as_json(name, found).to_string() } else { in_words(name, found) });
    found.is_ok()
}

fn as_json(name: &str, found: Result<&Findings, &Bad>) -> Value {
    match found {
        Ok(found) => json!({
            "workspace": name, "sound": true, "size": found.head.size,
            "root": BASE64.encode(&found.head.root), "events": found.events,
            "whole": found.whole, "trusted": found.trusted, "unproved_data": found.unproved_data,
        }),
        Err(bad) => json!({
            "workspace": name, "sound": false, "position": bad.first, "last": bad.last,
            "what": bad.what,
        }),
    }
}

fn in_words(name: &str, found: Result<&Findings, &Bad>) -> String {
    match found {
        Err(Bad { first, last, what }) => {
            let place = match (first, last) {
                (Some(first), Some(last)) if first < last => {
                    format!(" between positions {first} and {last}")
                }
                (Some(first), _) => format!(" at position {first}"),
                (None, _) => String::new(),
            };
            format!("{name}: BROKEN{place}: {what}")
        }
        Ok(Findings { head, events, whole, trusted, unproved_data }) => {
            let root = BASE64.encode(&head.root);
            let which = if *whole { "" } else { " of an export with gaps" };
            let mut said = vec![
                format!("{name}: {events} events{which}, all as written"),
                format!("root {root}"),
            ];
            said.push(match trusted {
                0 => "nothing that was kept elsewhere vouches for it: --checkpoint".to_owned(),
                size if *size == head.size => "the checkpoint fits".to_owned(),
                size => format!("a checkpoint vouches for the first {size}"),
            });
            if *unproved_data > 0 {
                let note = "are sealed: what their data says is the exporter's word";
                said.push(format!("{unproved_data} events {note}"));
            }
            said.join("; ")
        }
    }
}
