//! A workspace that came from another installation, with its whole record.
//!
//! That it came is a fact of the workspace, and so are the keys that signed its checkpoints before: whoever
//! has kept one of those finds here what it was signed with, and the record proves that it was so.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{Suspended, Workspace, WorkspaceEvent};
use crate::Micros;

/// Where a workspace came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The name of the installation, with which the origin of its checkpoints begins.
    pub from: SmolStr,
    /// When it was exported there.
    pub exported: Micros,
    /// How many events it had then: all that came.
    pub size: u64,
    /// The checkpoint of these events, a signed note of that installation.
    pub checkpoint: String,
    /// The public keys that signed there, oldest first; the last one did at the end.
    pub keys: Vec<PastKey>,
}

/// A key that signed in another installation. Times are RFC 3339, as that installation said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastKey {
    /// The verifier key.
    pub key: String,
    /// When it was made.
    pub made: String,
    /// When another key of that installation took over; null for the last one.
    pub retired: Option<String>,
    /// Its last checkpoint, signed by it and by that other key; null for the last one, and where the
    /// workspace was not there yet.
    pub last: Option<String>,
}

impl Workspace {
    /// Nothing is sent until a person resumes it, and nobody has access: whose tokens were good there has none
    /// here.
    pub(super) fn import(&self, origin: &Origin) -> Vec<WorkspaceEvent> {
        let Origin { exported, size, .. } = *origin;
        let mut events = vec![WorkspaceEvent::Imported { origin: origin.clone() }];
        let accesses = self.api_accesses.keys();
        events.extend(accesses.map(|access| WorkspaceEvent::ApiAccessRevoked { access: *access }));
        events.extend(self.suspend_deliveries(Suspended::Imported { exported, size }));
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Decider, Stamp,
        admin_role::AdminRole,
        ids::AccessId,
        workspace::{Suspension, WorkspaceCommand, WorkspaceRefusal},
    };
    use uuid::Uuid;

    fn origin(from: &str) -> Origin {
        let checkpoint = "note".to_owned();
        Origin { from: from.into(), exported: 5, size: 9, checkpoint, keys: Vec::new() }
    }

    #[test]
    fn whoever_had_access_elsewhere_has_none_here_and_nothing_is_sent() {
        let mut acme = Workspace { open: true, ..Workspace::default() };
        let access = AccessId(Uuid::from_u128(1));
        let granted =
            WorkspaceEvent::ApiAccessGranted { access, role: AdminRole::Auditor, expires: None };
        acme.evolve(&granted, &Stamp::default());
        for from in ["here", "there"] {
            let origin = origin(from);
            let events = acme.decide(&WorkspaceCommand::Import { origin }).unwrap();
            events.iter().for_each(|it| acme.evolve(it, &Stamp { at: 7, ..Stamp::default() }));
        }
        assert!(acme.api_accesses.is_empty());
        let because = Suspended::Imported { exported: 5, size: 9 };
        assert_eq!(acme.suspended, Some(Suspension { since: 7, because }));
        assert_eq!(acme.origins, [origin("here"), origin("there")]);
        // Its record is proved by their keys also when it is closed.
        acme.evolve(&WorkspaceEvent::Closed { gave_up: None }, &Stamp::default());
        assert!(!acme.open && acme.origins.len() == 2, "{acme:?}");
    }

    #[test]
    fn what_is_closed_does_not_come() {
        let closed = Workspace::default();
        let refused = closed.decide(&WorkspaceCommand::Import { origin: origin("there") });
        assert_eq!(refused, Err(WorkspaceRefusal::NoWorkspace));
    }
}
