//! What must hold for every input, not only for the examples that somebody thought of.
#![expect(
    clippy::unwrap_used,
    reason = "in an integration test the helpers count as outside tests"
)]

mod bulk;
mod input;
mod language;
mod lists;
mod resources;
