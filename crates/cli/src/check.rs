//! `muster check`: the conformance suite against a base URL.

use std::process::ExitCode;

use check::{Failure, ListedGroup, Outcome, Plan, Step};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{options::Misused, output::say};

/// Which server, and what of the suite.
#[derive(Args)]
pub(crate) struct Options {
    /// The server's SCIM base URL.
    #[arg(required_unless_present = "list")]
    base_url: Option<String>,
    /// The bearer token.
    #[arg(long, env = "MUSTER_SCIM_TOKEN", hide_env_values = true, default_value = "")]
    token: String,
    /// Run only this: a group, the id of a case, or `dialects`.
    #[arg(long, value_name = "GROUP")]
    only: Vec<String>,
    /// Leave this out: a group, the id of a case, or `dialects`.
    #[arg(long, value_name = "GROUP")]
    skip: Vec<String>,
    /// Whether to run cases that make, change and remove resources of their own.
    #[arg(long, value_enum, default_value = "yes")]
    writes: Writes,
    /// Leave on the server what was made.
    #[arg(long)]
    keep: bool,
    /// List the groups and the cases, and ask no server.
    #[arg(long)]
    list: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Whether cases may write.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Writes {
    /// They may.
    Yes,
    /// They may not: those that would are skipped.
    No,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    if options.list {
        return list(options.json);
    }
    let plan = Plan {
        base_url: options.base_url.unwrap_or_default(),
        token: options.token,
        only: options.only,
        skip: options.skip,
        read_only: options.writes == Writes::No,
        keep: options.keep,
    };
    let bar = if options.json { ProgressBar::hidden() } else { bar() };
    let interrupted = async {
        // A system without signals cannot interrupt.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let report = check::run(plan, &|step| show(&bar, step), interrupted).await;
    let report = report.map_err(|failure| match failure {
        // Nothing was found wrong: nothing could be asked.
        Failure::Unknown(_) | Failure::Unreachable(_) | Failure::Unauthorized => {
            Misused(failure.into()).into()
        }
        Failure::Random(_) => anyhow::Error::from(failure),
    })?;
    say(&if options.json { serde_json::to_string(&report)? } else { report.to_string() });
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::no_length();
    let template = "{prefix:14} {wide_bar} {human_pos}/{human_len} {per_sec} {eta} {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn show(bar: &ProgressBar, step: Step) {
    match step {
        Step::Begin { cases } => bar.set_length(cases as u64),
        Step::Case { group } => bar.set_prefix(group),
        Step::Done(outcome) => {
            bar.inc(1);
            if outcome == Outcome::Failed {
                bar.set_message("failures");
            }
        }
        Step::End => bar.finish_and_clear(),
    }
}

fn list(json: bool) -> anyhow::Result<ExitCode> {
    let groups = check::list();
    if json {
        say(&serde_json::to_string(&groups)?);
    } else {
        groups.iter().for_each(say_group);
    }
    Ok(ExitCode::SUCCESS)
}

fn say_group(group: &ListedGroup) {
    let needs = group.needs.as_ref().map(|feature| format!(", if the server offers {feature}"));
    say(&format!("{}: {}{}", group.name, group.about, needs.unwrap_or_default()));
    for case in &group.cases {
        say(&format!("  {:<40} {}", case.id, case.demand));
    }
}
