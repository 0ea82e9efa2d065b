//! How the provisioning log is kept (rule 33). What stands in it lies in the journal, not here.

use super::{Workspace, WorkspaceEvent, WorkspaceRefusal};
use crate::{Micros, ids::ConnectorName};

/// How long the provisioning log is kept where nothing else is said, in days.
pub const LOG_DAYS: u32 = 90;
/// The longest that it is kept, in days: ten years.
pub const LOG_DAYS_MAX: u32 = 3_650;
/// How far ahead bodies may be kept, in hours: it is for looking into a problem, not for good.
pub const BODIES_HOURS_MAX: i64 = 24;

const HOUR_MICROS: Micros = 3_600 * 1_000_000;

impl Workspace {
    /// How long the provisioning log is kept, in days: 1 to [`LOG_DAYS_MAX`].
    pub fn provisioning_log_days(&self) -> u32 {
        self.provisioning_log_days.unwrap_or(LOG_DAYS)
    }

    pub(super) fn keep_provisioning_log(
        &self,
        days: u32,
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        if !(1..=LOG_DAYS_MAX).contains(&days) {
            return Err(WorkspaceRefusal::BadLogDays);
        }
        let same = self.provisioning_log_days() == days;
        Ok(if same { vec![] } else { vec![WorkspaceEvent::ProvisioningLogKept { days }] })
    }

    pub(super) fn keep_bodies(
        &self,
        name: &ConnectorName,
        until: Option<Micros>,
        now: Micros,
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        let known = self.connector(name)?.bodies_until;
        if until.is_some_and(|until| until <= now) {
            return Err(WorkspaceRefusal::BodiesPast);
        }
        if until.is_some_and(|until| until - now > BODIES_HOURS_MAX * HOUR_MICROS) {
            return Err(WorkspaceRefusal::BodiesTooLong);
        }
        // One that has passed by itself is as good as none.
        let same = known.filter(|until| *until > now) == until;
        let kept = WorkspaceEvent::BodiesKept { connector: name.clone(), until };
        Ok(if same { vec![] } else { vec![kept] })
    }
}
