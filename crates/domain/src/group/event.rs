//! The facts of a group.

use cqrs_es::DomainEvent;
use scim::resource::{Changes, Resource};
use serde::{Deserialize, Serialize};

use crate::{
    ids::{ConnectorName, MemberId},
    portal::Portal,
    stored::{Fact, Sealing, name_of},
};

/// What may become a fact of a group. Sealed under the group's key, since `IdP`s put names of people
/// into names of groups; a pending value under a key of its own, since it may name one person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum GroupEvent {
    /// A connector made the group.
    #[serde(rename = "group.created")]
    Created {
        /// The portal of the connector.
        portal: Portal,
        /// The connector.
        connector: ConnectorName,
        /// displayName, externalId and extensions.
        resource: Resource,
    },
    /// Its attributes are different now.
    #[serde(rename = "group.changed")]
    Changed {
        /// Which, and how.
        changes: Changes,
    },
    /// It has more members. One event for a request, however many it adds.
    #[serde(rename = "group.members_added")]
    MembersAdded {
        /// Who came.
        members: Vec<MemberId>,
    },
    /// It has fewer members.
    #[serde(rename = "group.members_removed")]
    MembersRemoved {
        /// Who went.
        members: Vec<MemberId>,
    },
    /// It has a member that nobody known answers to.
    #[serde(rename = "group.member_pending")]
    MemberPending {
        /// What the connector called them.
        value: String,
    },
    /// Somebody arrived whom a pending value names.
    #[serde(rename = "group.pending_resolved")]
    PendingResolved {
        /// The version of the event that brought the value.
        pending: u64,
        /// Who it is.
        member: MemberId,
    },
    /// A pending value was taken back.
    #[serde(rename = "group.pending_dropped")]
    PendingDropped {
        /// The version of the event that brought the value.
        pending: u64,
    },
    /// The connector deleted the group.
    #[serde(rename = "group.deleted")]
    Deleted {},
}

impl DomainEvent for GroupEvent {
    fn event_type(&self) -> String {
        name_of(self)
    }

    fn event_version(&self) -> String {
        self.schema_version().to_string()
    }
}

impl Fact for GroupEvent {
    fn sealing(&self) -> Sealing {
        match self {
            Self::MemberPending { .. } => Sealing::Own,
            Self::Created { .. }
            | Self::Changed { .. }
            | Self::MembersAdded { .. }
            | Self::MembersRemoved { .. }
            | Self::PendingResolved { .. }
            | Self::PendingDropped { .. }
            | Self::Deleted {} => Sealing::Stream,
        }
    }
}
