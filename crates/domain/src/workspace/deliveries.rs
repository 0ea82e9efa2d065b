//! Whether what is owed to devices is sent.
//!
//! A restored workspace may owe what was sent long ago, or what the machine that it was copied from sends
//! as well. So nothing goes to any service from then on, until a person has looked at it and resumes
//! deliveries. A person may stop them by hand, too. It is a fact of the workspace, not a setting of the process: it stands in the record, who
//! ended it does too, and neither a restart nor a second restore loses it.

use serde::{Deserialize, Serialize};

use super::{Workspace, WorkspaceEvent, WorkspaceRefusal};
use crate::Micros;

/// Why nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspended {
    /// The workspace was restored from a backup.
    Restored {
        /// When the backup was made.
        backup: Micros,
        /// How many events of this workspace are in the backup.
        known: u64,
        /// How many of them were restored: less where the restore was up to an earlier point. Checkpoints
        /// of more events do not fit any more.
        kept: u64,
    },
    /// The workspace came from another installation, which may send what is owed as well.
    Imported {
        /// When it was exported there.
        exported: Micros,
        /// How many events it had then.
        size: u64,
    },
    /// A person wants it so.
    ByHand {},
}

/// Since when, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// When it was recorded.
    pub since: Micros,
    /// Why.
    pub because: Suspended,
}

impl Suspended {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restored { .. } => "restored",
            Self::Imported { .. } => "imported",
            Self::ByHand {} => "by_hand",
        }
    }
}

impl Workspace {
    /// Recorded at every restore and import, also where deliveries are suspended already: each is one of
    /// its own.
    pub(super) fn suspend_deliveries(&self, because: Suspended) -> Vec<WorkspaceEvent> {
        match (because, self.suspended) {
            (Suspended::ByHand {}, Some(_)) => vec![],
            (Suspended::ByHand {} | Suspended::Restored { .. } | Suspended::Imported { .. }, _) => {
                vec![WorkspaceEvent::DeliveriesSuspended { because }]
            }
        }
    }

    pub(super) fn resume_deliveries(&self) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        self.suspended.ok_or(WorkspaceRefusal::NotSuspended)?;
        Ok(vec![WorkspaceEvent::DeliveriesResumed {}])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decider, Stamp, workspace::WorkspaceCommand};

    #[test]
    fn nothing_is_sent_after_a_restore_until_a_person_resumes_it() {
        let mut acme = Workspace { open: true, ..Workspace::default() };
        let refused = acme.decide(&WorkspaceCommand::ResumeDeliveries);
        assert_eq!(refused, Err(WorkspaceRefusal::NotSuspended));
        let because = Suspended::Restored { backup: 1, known: 9, kept: 7 };
        for since in [10, 20] {
            let stamp = Stamp { at: since, ..Stamp::default() };
            let events = acme.decide(&WorkspaceCommand::SuspendDeliveries { because }).unwrap();
            events.iter().for_each(|event| acme.evolve(event, &stamp));
            assert_eq!(acme.suspended, Some(Suspension { since, because }));
        }
        let by_hand = WorkspaceCommand::SuspendDeliveries { because: Suspended::ByHand {} };
        assert_eq!(acme.decide(&by_hand), Ok(vec![]), "nothing new");
        let events = acme.decide(&WorkspaceCommand::ResumeDeliveries).unwrap();
        events.iter().for_each(|event| acme.evolve(event, &Stamp::default()));
        assert_eq!(acme.suspended, None);
    }
}
