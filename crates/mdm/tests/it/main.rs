//! Each adapter against a faithful fake of its service: what all promise alike, then what is its own.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has to stop")]

mod android_management;
mod nanomdm;
mod record;
mod registry;
mod services;
mod suite;
mod tls;
mod webhook;
