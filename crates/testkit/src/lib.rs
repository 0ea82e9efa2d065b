//! A real server in a test: started on a port that the system chooses, killed, started again.
//!
//! Tests that use it see what a client sees: HTTP, files and log lines. Nothing is mocked, and
//! nothing waits for time to pass: what is waited for is an answer.
//!
//! Start at [`Server::start`]; [`setup`] makes a workspace as an administrator would.

mod client;
mod server;
pub mod setup;

pub use client::{Answer, Client};
pub use server::{ADMIN_TOKEN, Server};
