//! A conformance suite for SCIM 2.0 servers: ours and anybody's.
//!
//! A [`Plan`] names a server; [`run`] asks it what the standards demand, case by case, and gives a
//! [`Report`] of what it did. The cases stand in `groups`, one file for each subject: a case is a
//! function and a line in its file's list, with what it demands and who says so. What a server
//! declares not to offer is skipped and not held against it. Start at [`run`];
//! `docs/check.md` says how to add a case.
//!
//! Invariant: it knows of a server only what comes over HTTP; no other crate of ours but the client
//! of `simulate` is used.
//! Invariant: what it has not made it neither changes nor removes.
//! Invariant: a token is never part of a report.

pub use crate::{
    case::Level,
    catalogue::{ListedCase, ListedGroup, list},
    finding::{Answered, Asked, Finding},
    report::{CaseReport, GroupReport, Left, Outcome, Report, Totals},
    runner::{Failure, Plan, Step, run},
};

mod answer;
mod case;
mod catalogue;
mod finding;
mod groups;
mod offer;
mod report;
mod request;
mod runner;
mod session;
