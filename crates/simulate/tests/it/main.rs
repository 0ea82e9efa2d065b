//! The providers against a server that remembers what it was asked.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod cycles;
mod fake;
mod fake_scim;
mod findings;
mod wire;
