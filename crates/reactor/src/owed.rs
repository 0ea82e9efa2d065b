//! What is owed to devices, adapter by adapter, for whoever watches.

use std::collections::BTreeMap;

use app::{App, Refusal};
use domain::device::ActionState;

use crate::service::Services;

/// What is owed through one adapter, in all workspaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owed {
    /// Actions that have not ended and wait for nobody.
    pub owed: u64,
    /// Those of them that the service has, or may have just been given.
    pub in_flight: u64,
    /// Actions that wait for a person.
    pub parked: u64,
    /// How long ago the oldest of those that are owed was requested, in seconds; 0 when nothing is.
    pub oldest_seconds: u64,
}

/// What is owed, by the adapter that the settings name now.
///
/// # Errors
/// When the read model or a setting cannot be read.
pub async fn by_adapter(
    app: &App,
    services: &dyn Services,
) -> Result<BTreeMap<&'static str, Owed>, Refusal> {
    let now = app.now();
    let mut adapters = BTreeMap::<&'static str, Owed>::new();
    for queue in app.read_models().effects().owed()? {
        let service = match services.of(&queue.queue.workspace, &queue.queue.platform).await {
            // The workspace has been closed: nothing is owed there any more.
            Err(Refusal::NotFound(_)) => continue,
            service => service?,
        };
        let sum = adapters.entry(service.name()).or_default();
        for (state, count) in queue.counts {
            match state {
                ActionState::Requested | ActionState::Failed => sum.owed += count,
                ActionState::Sent | ActionState::Acknowledged => {
                    sum.owed += count;
                    sum.in_flight += count;
                }
                ActionState::Parked => sum.parked += count,
                ActionState::Confirmed | ActionState::Cancelled | ActionState::GivenUp => {}
            }
        }
        let age = queue.oldest.map_or(0, |oldest| (now - oldest).max(0) / 1_000_000);
        sum.oldest_seconds = sum.oldest_seconds.max(u64::try_from(age).unwrap_or_default());
    }
    Ok(adapters)
}
