//! The endpoints against a real log and real read models, case by case.
//!
//! A test named `case_NN_…` is number NN of the list of requests that providers are known to send
//! and standards demand. The others go through what clients do wrong.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attributes;
mod behind;
mod bulk;
mod conditions;
mod cycles;
mod discovery;
mod extensions;
mod groups;
mod isolation;
mod lists;
mod log;
mod patches;
mod provisioning_log;
mod reads;
mod refusals;
mod support;
mod users;
