//! Identity providers that speak to any SCIM server as Entra and Okta do.
//!
//! A [`Plan`] names the provider, the cycle and the size; [`run`] sends what that provider would
//! send, in its order and its dialect, checks every answer against the [`Case`] it belongs to, and
//! gives a [`Summary`] with rates, latencies and findings. The people come from a seed, so that a
//! later cycle, in another process, speaks of the same ones; what the server calls them is found
//! out by filters, as a provider does after it has lost its memory. Start at [`run`].
//!
//! Invariant: no clock but the monotonic one, no randomness of the system, no state on disk.
//! Invariant: traffic goes to the base URL of the plan and nowhere else.

use std::{num::NonZeroU32, sync::Arc};

use clap::ValueEnum;
use serde::Serialize;

pub use crate::{client::Failure, expect::Case, progress::Progress, summary::Summary};

pub mod client;
mod cycle;
mod entra;
mod expect;
mod okta;
pub mod people;
mod probe;
pub mod progress;
mod session;
pub mod summary;

/// An identity provider and the dialect it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Idp {
    /// Microsoft Entra as it is by default: capitalised operations, booleans as text.
    Entra,
    /// Microsoft Entra with `aadOptscim062020` in the tenant URL: nearly RFC 7644.
    EntraFlag,
    /// Okta's own application with SCIM switched on: never PATCH, always the whole resource.
    OktaNative,
    /// An application from Okta's catalogue, such as "SCIM 2.0 Test App": PATCH for activation and
    /// groups, PUT for the profile.
    OktaTemplate,
}

/// What the provider has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Cycle {
    /// Everybody and every group for the first time: matched, else created.
    Initial,
    /// The changes of the plan's round: attributes, people who leave or come back, memberships,
    /// names of groups. Needs what [`Cycle::Initial`] made.
    Incremental,
    /// The state of the plan's round all over again, as after a lost answer: a server must find
    /// nothing to record. Needs what the earlier cycles made.
    Repeat,
    /// Not a cycle of a provider: wrong tokens, names that are taken, unknown ids and deletions,
    /// on two users and a group of its own, which are deleted again.
    Probe,
}

/// One cycle of one provider against one connector.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The SCIM base URL, `http` or `https`, of the connector.
    pub base_url: String,
    /// The bearer token, without its scheme.
    pub token: String,
    /// Who speaks.
    pub idp: Idp,
    /// What about.
    pub cycle: Cycle,
    /// How many people are assigned to the application.
    pub users: usize,
    /// How many groups are assigned to it, or pushed.
    pub groups: usize,
    /// What the people are made from. Another seed gives people with other userNames.
    pub seed: u64,
    /// How many incremental cycles there have been, this one included. Counts for
    /// [`Cycle::Incremental`], where 0 means 1, and for [`Cycle::Repeat`], where 0 is the state
    /// after the initial cycle.
    pub round: u32,
    /// How many requests are under way at a time, at least 1.
    pub concurrency: usize,
    /// The most requests per second; `None` sets no limit.
    pub rate_per_second_max: Option<NonZeroU32>,
}

impl Plan {
    /// Makes a plan for 100 people and 10 groups of seed 1, with 8 requests at a time and no limit
    /// of the rate. The round is 1 for an incremental cycle and 0 else.
    pub fn new(
        base_url: impl Into<String>,
        token: impl Into<String>,
        idp: Idp,
        cycle: Cycle,
    ) -> Self {
        Self {
            base_url: base_url.into(),
            token: token.into(),
            idp,
            cycle,
            users: 100,
            groups: 10,
            seed: 1,
            round: u32::from(cycle == Cycle::Incremental),
            concurrency: 8,
            rate_per_second_max: None,
        }
    }
}

/// Sends one cycle and returns what was measured and what was found.
///
/// An unexpected answer is a finding and the cycle goes on, as a provider's does; only where the
/// connection test is refused it ends there.
///
/// # Errors
/// [`Failure`] when the base URL cannot be used or the server cannot be reached at all.
pub async fn run(plan: Plan, progress: &Progress) -> Result<Summary, Failure> {
    let run = Arc::new(cycle::Run::new(plan, progress.clone())?);
    let outcome = match run.plan.idp {
        _ if run.plan.cycle == Cycle::Probe => probe::cycle(&run).await,
        Idp::Entra => entra::cycle(&run, entra::Dialect::Default).await,
        Idp::EntraFlag => entra::cycle(&run, entra::Dialect::Flag).await,
        Idp::OktaNative => okta::cycle(&run, okta::Way::Native).await,
        Idp::OktaTemplate => okta::cycle(&run, okta::Way::Template).await,
    };
    progress.end();
    outcome.map(|()| run.summary())
}
