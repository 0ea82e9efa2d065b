//! `muster simulate`: an identity provider's cycles against a base URL.

use std::{num::NonZeroU32, process::ExitCode};

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use simulate::{Cycle, Idp, Plan, Progress, Summary};

use crate::{options::Misused, output::say};

/// Which provider, what and how much.
#[derive(Args)]
pub(crate) struct Options {
    /// Which provider, in which of its dialects.
    #[arg(value_enum)]
    idp: Provider,
    /// The connector's SCIM base URL.
    #[arg(long)]
    base_url: String,
    /// The connector's bearer token.
    #[arg(long, env = "MUSTER_SCIM_TOKEN", hide_env_values = true)]
    token: String,
    /// Which cycles, in order. [default: an initial and an incremental one]
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["initial", "incremental"])]
    cycle: Vec<Cycle>,
    /// How many people are assigned.
    #[arg(long, default_value_t = 100)]
    users: usize,
    /// How many groups are assigned or pushed.
    #[arg(long, default_value_t = 10)]
    groups: usize,
    /// What the people are made from; another seed makes other people.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many incremental cycles there have been, this one included; what a repeated cycle
    /// repeats.
    #[arg(long)]
    round: Option<u32>,
    /// How many requests are under way at a time.
    #[arg(long, default_value_t = 8)]
    concurrency: usize,
    /// The most requests per second. [default: no limit]
    #[arg(long)]
    rate: Option<NonZeroU32>,
    /// Entra with `aadOptscim062020` in the tenant URL.
    #[arg(long)]
    flag: bool,
    /// Okta's way with PATCH (an application from its catalogue) instead of its native one.
    #[arg(long)]
    template: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// The provider on the command line.
#[derive(Clone, Copy, ValueEnum)]
enum Provider {
    /// Microsoft Entra ID.
    Entra,
    /// Okta.
    Okta,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    match (options.idp, options.flag, options.template) {
        (Provider::Okta, true, _) => return Err(Misused(anyhow!("--flag is Entra's")).into()),
        (Provider::Entra, _, true) => return Err(Misused(anyhow!("--template is Okta's")).into()),
        (Provider::Entra | Provider::Okta, _, _) => {}
    }
    let mut findings = 0;
    for &cycle in &options.cycle {
        let progress = if options.json { Progress::Silent } else { Progress::bar() };
        let summary = simulate::run(plan(&options, cycle), &progress).await;
        let summary = summary.with_context(|| format!("provisioning {}", options.base_url))?;
        findings += summary.findings_total;
        show(&summary, options.json)?;
    }
    Ok(if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plan(options: &Options, cycle: Cycle) -> Plan {
    let idp = match (options.idp, options.flag, options.template) {
        (Provider::Entra, false, _) => Idp::Entra,
        (Provider::Entra, true, _) => Idp::EntraFlag,
        (Provider::Okta, _, false) => Idp::OktaNative,
        (Provider::Okta, _, true) => Idp::OktaTemplate,
    };
    let plan = Plan::new(&options.base_url, &options.token, idp, cycle);
    Plan {
        users: options.users,
        groups: options.groups,
        seed: options.seed,
        round: options.round.unwrap_or(plan.round),
        concurrency: options.concurrency,
        rate_per_second_max: options.rate,
        ..plan
    }
}

fn show(summary: &Summary, json: bool) -> anyhow::Result<()> {
    let text = if json { serde_json::to_string(summary)? } else { summary.to_string() };
    say(&text);
    Ok(())
}
