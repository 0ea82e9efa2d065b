//! The built-in device registry: the workspace's own record is the service.
//!
//! There is nobody to call. An order is taken as soon as it is sent and done as soon as it is asked
//! about; what it does to the device is recorded with the confirmation. It is the default, so that a
//! workspace works without any MDM service.

use reactor::service::{BoxFuture, DeviceOrder, Mdm, MdmError, Received, Standing};

use crate::Adapter;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Registry;

impl Mdm for Registry {
    fn name(&self) -> &'static str {
        "registry"
    }

    fn paced(&self) -> bool {
        false
    }

    fn send<'a>(&'a self, _: &'a DeviceOrder) -> BoxFuture<'a, Result<(), MdmError>> {
        Box::pin(async { Ok(()) })
    }

    fn standing<'a>(&'a self, _: &'a DeviceOrder) -> BoxFuture<'a, Result<Standing, MdmError>> {
        Box::pin(async { Ok(Standing::Done) })
    }

    /// Nothing has been done before the confirmation is recorded.
    fn received<'a>(&'a self, _: &'a DeviceOrder) -> BoxFuture<'a, Result<Received, MdmError>> {
        Box::pin(async { Ok(Received::No) })
    }
}

impl Adapter for Registry {
    /// It is always there.
    fn test(&self) -> BoxFuture<'_, Result<(), MdmError>> {
        Box::pin(async { Ok(()) })
    }
}
