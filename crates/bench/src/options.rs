//! What is measured, and how much of it.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};

use crate::{load::Until, reference};

/// Measures a `muster` binary under load, beside servers and loops that do none of its work.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The binary to measure; the one beside this program if none is named.
    pub(crate) muster: Option<PathBuf>,
    /// Users of the large workspace.
    #[arg(long, default_value_t = 100_000)]
    users: usize,
    /// Members of the large group, at least 30.
    #[arg(long, default_value_t = 100_000)]
    members: usize,
    /// Members that join the large group, and a group of each client, under contention.
    #[arg(long, default_value_t = 4_000)]
    additions: usize,
    /// Events of the record that is verified, exported and replayed.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// People who are deactivated at once, with two devices each.
    #[arg(long, default_value_t = 10_000)]
    offboarded: usize,
    /// Seconds of each measurement that goes by time.
    #[arg(long, default_value_t = 6.0)]
    seconds: f64,
    /// A twentieth of the sizes and a fifth of the time.
    #[arg(long)]
    quick: bool,
    /// What is measured; everything if nothing is named.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Family>,
}

/// What this program does besides measuring.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serves constants, to be measured beside Muster.
    #[command(hide = true)]
    Reference(reference::Options),
}

/// A family of rows: a file of this crate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Family {
    Writes,
    Growth,
    Reads,
    Listing,
    BigGroup,
    Contention,
    Rebuild,
    Record,
    Offboarding,
    ProvisioningLog,
    Background,
}

/// How large a run is.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    /// Users of the large workspace.
    pub(crate) users: usize,
    /// Users of a small one.
    pub(crate) users_few: usize,
    /// Members of the large group.
    pub(crate) members: usize,
    /// Members that join under contention.
    pub(crate) additions: usize,
    /// Events of the record.
    pub(crate) events: u64,
    /// People who are deactivated at once.
    pub(crate) offboarded: usize,
    /// The time of a measurement that has no other end.
    pub(crate) time: Duration,
}

impl Options {
    pub(crate) fn sizes(&self) -> Sizes {
        let (part, time) = if self.quick { (20, self.seconds / 5.0) } else { (1, self.seconds) };
        let users = self.users / part;
        Sizes {
            users,
            users_few: (users / 100).max(10),
            members: (self.members / part).max(30),
            additions: self.additions / part,
            events: self.events / part as u64,
            offboarded: (self.offboarded / part).max(30),
            time: Duration::from_secs_f64(time.max(0.01)),
        }
    }

    pub(crate) fn wants(&self, family: Family) -> bool {
        self.only.is_empty() || self.only.contains(&family)
    }

    /// Whether any of these is measured.
    pub(crate) fn wants_any(&self, families: &[Family]) -> bool {
        families.iter().any(|family| self.wants(*family))
    }
}

impl Sizes {
    pub(crate) fn until(self) -> Until {
        Until::Time(self.time)
    }

    /// Users of the large workspace. Those who join the large group while clients contend for it are
    /// further ones.
    pub(crate) fn population(self) -> usize {
        self.users.max(self.members + self.additions)
    }
}
