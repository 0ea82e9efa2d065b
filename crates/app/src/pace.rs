//! The pace of connectors: how many requests each may send.
//!
//! Off unless it is set: fairness comes from the queues, and an IdP that is slowed down falls behind.
//! It is for servers that are paid for by the request.

use std::{num::NonZeroU32, sync::OnceLock};

use domain::ids::ConnectorName;
use event_log::WorkspaceId;
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use crate::Refusal;

/// The limit of all connectors, each counted alone.
#[derive(Default)]
pub(crate) struct Pace(OnceLock<DefaultKeyedRateLimiter<(WorkspaceId, ConnectorName)>>);

impl Pace {
    /// Sets the limit, once. A connector that has been quiet may send a second's worth at once.
    pub(crate) fn limit(&self, per_second: NonZeroU32) {
        self.0.get_or_init(|| RateLimiter::keyed(Quota::per_second(per_second)));
    }

    /// Counts a request.
    ///
    /// # Errors
    /// [`Refusal::TooFast`] with the seconds after which another one is taken.
    pub(crate) fn check(
        &self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
    ) -> Result<(), Refusal> {
        let Some(limiter) = self.0.get() else { return Ok(()) };
        limiter.check_key(&(workspace.clone(), connector.clone())).map_err(|early| {
            let wait = early.wait_time_from(DefaultClock::default().now()).as_secs();
            Refusal::TooFast(u32::try_from(wait).unwrap_or(u32::MAX).saturating_add(1))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connector_has_a_pace_of_its_own() {
        let (workspace, name) = (WorkspaceId::parse("acme").unwrap(), ConnectorName::parse);
        let (store, mdm) = (name("store").unwrap(), name("mdm").unwrap());
        let pace = Pace::default();
        for _ in 0..100 {
            pace.check(&workspace, &store).unwrap();
        }
        pace.limit(NonZeroU32::MIN);
        pace.check(&workspace, &store).unwrap();
        assert!(matches!(pace.check(&workspace, &store), Err(Refusal::TooFast(1..=2))));
        pace.check(&workspace, &mdm).unwrap();
    }
}
