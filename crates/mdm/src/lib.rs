//! MDM services, each behind an adapter: one file per service.
//!
//! What an adapter has to do stands in [`reactor::service`].
//!
//! - [`registry`]: the built-in device registry, which needs no service

pub mod registry;

pub use registry::Registry;
