//! A real server in a test: started on a port that the system chooses, killed, started again.
//!
//! Tests that use it see what a client sees: HTTP, files and log lines. Nothing is mocked, and
//! nothing waits for time to pass: what is waited for is an answer.
//!
//! Start at [`Server::start`].
//!
//! - [`setup`] makes a workspace as an administrator would
//! - [`scim`] writes what an identity provider sends, and reads what it gets
//! - [`record`] reads a workspace's events
//! - [`until`] asks again until an answer is there, [`all_ended`] until nothing is under way;
//!   [`together`] lets many ask at once
//! - [`fake`]s of MDM services, which a test can make misbehave
//! - [`transcript`] plays dialogues that are written down as text
//! - [`Random`] makes choices that a seed repeats

mod client;
pub mod fake;
mod random;
pub mod record;
pub mod scim;
mod server;
pub mod setup;
pub mod transcript;
mod waiting;

pub use client::{Answer, Client};
pub use random::Random;
pub use server::{ADMIN_TOKEN, Server};
pub use waiting::{all_ended, together, until};
