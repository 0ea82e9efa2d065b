//! The reactor over a real log, step by step.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

mod brake;
mod offboardings;
mod scene;
