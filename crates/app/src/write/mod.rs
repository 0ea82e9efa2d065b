//! The write path: a command becomes facts on disk, or a refusal.
//!
//! Commands for one aggregate wait in its [`lane`]; whatever waits is decided on one cached state
//! and appended together. Decisions are made by the aggregate alone, on its own state.

pub(crate) mod cache;
pub(crate) mod decide;
mod error;
pub(crate) mod lane;

pub use cache::CacheSize;
pub use error::DispatchError;
pub use lane::{Done, Lanes, Order};
