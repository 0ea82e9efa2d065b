//! What services have reported of their own accord, and nobody has asked about yet.
//!
//! A report only says where to look: it is asked for how the order stands, as it would be half a minute
//! later. So nothing is lost with what stands here, be it in a crash or because there is too much of it.

use std::collections::VecDeque;

use domain::ids::ActionId;
use event_log::WorkspaceId;
use parking_lot::Mutex;

/// How many wait, at most. The others are asked about when their round comes.
const WAITING_MAX: usize = 1_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reports(Mutex<VecDeque<Report>>);

/// In which workspace something has become of which action.
pub(super) type Report = (WorkspaceId, ActionId);

impl Reports {
    pub(super) fn add(&self, report: Report) {
        let mut waiting = self.0.lock();
        if waiting.len() < WAITING_MAX && !waiting.contains(&report) {
            waiting.push_back(report);
        }
    }

    /// All that wait, in order; none waits any more.
    pub(super) fn take(&self) -> VecDeque<Report> {
        std::mem::take(&mut *self.0.lock())
    }

    /// Those wait again, before whatever has come since.
    pub(super) fn put_back(&self, mut reports: VecDeque<Report>) {
        let mut waiting = self.0.lock();
        reports.append(&mut waiting);
        reports.truncate(WAITING_MAX);
        *waiting = reports;
    }
}
