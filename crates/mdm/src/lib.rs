//! MDM services, each behind an adapter: one file per service.
//!
//! What an adapter has to do stands in [`reactor::service`]; what each service gets for each action,
//! and how it is set up, in `docs/mdm.md`. What they share over HTTP is in [`http`].
//!
//! - [`nanomdm`]: NanoMDM, for Apple devices
//! - [`registry`]: the built-in device registry, which needs no service
//! - [`android_management`]: Google's Android Management API
//! - [`webhook`]: a signed webhook, for any service that has no adapter

pub mod android_management;
pub mod http;
pub mod nanomdm;
pub mod registry;
mod services;
pub mod webhook;

use reactor::service::{BoxFuture, Mdm, MdmError};

pub use android_management::AndroidManagement;
pub use nanomdm::NanoMdm;
pub use registry::Registry;
pub use services::Configured;
pub use webhook::Webhook;

/// A service that an administrator has set up.
pub trait Adapter: Mdm {
    /// Whether the service answers and accepts the credentials. Nothing happens to any device.
    ///
    /// # Errors
    /// What the service said, or that it said nothing.
    fn test(&self) -> BoxFuture<'_, Result<(), MdmError>>;
}
