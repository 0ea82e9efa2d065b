//! What is measured, and how much of it.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};

use crate::{load::Until, reference, unfriendly};

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
    /// Connectors that one among them, who is not friendly, must not slow down.
    #[arg(long, default_value_t = 200)]
    connectors: usize,
    /// The share of what the server can do at most that all of them ask for, from 0 to 1.
    #[arg(long, default_value_t = 0.25)]
    others_share: f64,
    /// Connections of the one that hammers.
    #[arg(long, default_value_t = 256)]
    hammering: usize,
    /// Clients that send or read a byte at a time.
    #[arg(long, default_value_t = 300)]
    slow: usize,
    /// Connections that rest.
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// Events of the log that is rebuilt while an identity provider goes on; a tenth as many people.
    #[arg(long, default_value_t = 500_000)]
    rebuilt_events: u64,
    /// Requests that this provider sends in a second.
    #[arg(long, default_value_t = 200.0)]
    cycle_per_second: f64,
    /// Workspaces of one server, at least 10.
    #[arg(long, default_value_t = 100)]
    workspaces: usize,
    /// Users of each of them.
    #[arg(long, default_value_t = 1_000)]
    users_each: usize,
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
    /// Sends as fast as it is answered, to see whom that slows down.
    #[command(hide = true)]
    Hammer(unfriendly::Hammering),
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
    Unfriendly,
    RebuildUnderLoad,
    ManyWorkspaces,
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
    /// Connectors beside the one who is not friendly.
    pub(crate) connectors: usize,
    /// The share of what the server can do that they ask for.
    pub(crate) others_share: f64,
    /// Connections of the one that hammers.
    pub(crate) hammering: usize,
    /// Clients that send or read a byte at a time.
    pub(crate) slow: usize,
    /// Connections that rest.
    pub(crate) idle: usize,
    /// Events of the log that is rebuilt under load.
    pub(crate) rebuilt_events: u64,
    /// Requests a second meanwhile.
    pub(crate) cycle_per_second: f64,
    /// Workspaces of one server.
    pub(crate) workspaces: usize,
    /// Users of each.
    pub(crate) users_each: usize,
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
            connectors: (self.connectors / part).max(20),
            others_share: self.others_share.clamp(0.01, 1.0),
            hammering: self.hammering,
            slow: self.slow / part,
            idle: self.idle / part,
            rebuilt_events: (self.rebuilt_events / part as u64).max(1_000),
            cycle_per_second: self.cycle_per_second.max(1.0),
            workspaces: self.workspaces.max(10),
            users_each: (self.users_each / part).max(10),
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
