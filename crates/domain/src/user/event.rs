//! The facts of a user.

use std::collections::BTreeMap;

use cqrs_es::DomainEvent;
use scim::resource::{Changes, Resource};
use serde::{Deserialize, Serialize};

use super::erasure::{Namesake, RecordedAgain, Remains};
use crate::{
    ids::{ConnectorName, DeviceId, EntryId, ErasureId, GroupId, HoldId, OffboardingId, PolicyId},
    offboarding::{CancelledBecause, HeldBecause, Planned},
    portal::{Portal, Role},
    rule::OnDeactivate,
    stored::{Fact, Sealing, name_of},
};

/// What may become a fact of a user. Every payload is sealed under the user's own key, but for the one
/// that says that this key is destroyed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum UserEvent {
    /// A connector brought the person.
    #[serde(rename = "user.entry_added")]
    EntryAdded {
        /// The portal of the connector.
        portal: Portal,
        /// The connector.
        connector: ConnectorName,
        /// The entry's SCIM id.
        entry: EntryId,
        /// Everything the connector said, `active` included.
        resource: Resource,
    },
    /// A connector changed what it says of the person; never `active`, which has events of its own.
    #[serde(rename = "user.entry_changed")]
    EntryChanged {
        /// The connector.
        connector: ConnectorName,
        /// The attributes that are different now.
        changes: Changes,
    },
    /// A connector says that the person is not active any more.
    #[serde(rename = "user.entry_deactivated")]
    EntryDeactivated {
        /// The connector.
        connector: ConnectorName,
    },
    /// A connector says that the person is active again.
    #[serde(rename = "user.entry_reactivated")]
    EntryReactivated {
        /// The connector.
        connector: ConnectorName,
    },
    /// A connector deleted the person.
    #[serde(rename = "user.entry_removed")]
    EntryRemoved {
        /// The connector.
        connector: ConnectorName,
        /// The entry's SCIM id, which is never given again.
        entry: EntryId,
    },
    /// Mapped attributes of a connector's entry give the person other metadata (rule 20). The entry
    /// itself need not have changed: its version and time do not follow.
    #[serde(rename = "user.metadata_changed")]
    MetadataChanged {
        /// The connector.
        connector: ConnectorName,
        /// The names that have another value now.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        set: BTreeMap<String, String>,
        /// The names that have none any more.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unset: Vec<String>,
    },
    /// SCIM's creation rule gave the person an account.
    #[serde(rename = "user.account_granted")]
    AccountGranted {
        /// Dashboard: the role they begin with.
        #[serde(skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
    },
    /// An administrator made the account by hand.
    #[serde(rename = "user.account_invited")]
    AccountInvited {
        /// The portal.
        portal: Portal,
        /// How the person signs in, and by what SCIM will recognise them.
        user_name: String,
        /// Where they are written to.
        #[serde(skip_serializing_if = "Option::is_none")]
        email: Option<String>,
        /// Dashboard: their role.
        #[serde(skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
    },
    /// SCIM brought somebody whose account stood already: same person, role kept (rule 10).
    #[serde(rename = "user.account_adopted")]
    AccountAdopted {
        /// The connector that did.
        connector: ConnectorName,
    },
    /// The account is closed to its owner, and can come back.
    #[serde(rename = "user.account_suspended")]
    AccountSuspended {},
    /// The account is open again.
    #[serde(rename = "user.account_restored")]
    AccountRestored {},
    /// The account is gone.
    #[serde(rename = "user.account_removed")]
    AccountRemoved {},
    /// The collaborator has another role.
    #[serde(rename = "user.role_changed")]
    RoleChanged {
        /// Which.
        role: Role,
        /// Why.
        why: RoleReason,
    },
    /// A deactivation opened an offboarding.
    #[serde(rename = "user.offboarding_started")]
    OffboardingStarted {
        /// Its id.
        offboarding: OffboardingId,
        /// Whose rule it carries out.
        connector: ConnectorName,
        /// The rule.
        rule: OnDeactivate,
        /// The policy that devices get, for `change_policy`.
        #[serde(skip_serializing_if = "Option::is_none")]
        policy: Option<PolicyId>,
    },
    /// It waits for a person to decide.
    #[serde(rename = "user.offboarding_held")]
    OffboardingHeld {
        /// Which.
        offboarding: OffboardingId,
        /// Why.
        because: HeldBecause,
        /// With which others; on its own if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hold: Option<HoldId>,
    },
    /// A person let it go on.
    #[serde(rename = "user.offboarding_approved")]
    OffboardingApproved {
        /// Which.
        offboarding: OffboardingId,
    },
    /// What it calls for on which devices.
    #[serde(rename = "user.offboarding_planned")]
    OffboardingPlanned {
        /// Which.
        offboarding: OffboardingId,
        /// One action for each device.
        actions: Vec<Planned>,
    },
    /// Everything it called for is done.
    #[serde(rename = "user.offboarding_completed")]
    OffboardingCompleted {
        /// Which.
        offboarding: OffboardingId,
    },
    /// It ended early; what had not been sent will not be.
    #[serde(rename = "user.offboarding_cancelled")]
    OffboardingCancelled {
        /// Which.
        offboarding: OffboardingId,
        /// Why.
        because: CancelledBecause,
    },
    /// The person was erased (rule 32): the key of everything before this is destroyed. It is not sealed
    /// itself, since it says nothing about anybody, and what follows it has another key.
    #[serde(rename = "user.erased")]
    Erased {
        /// The id of the erasure.
        erasure: ErasureId,
        /// What is left of them.
        remains: Box<Remains>,
        /// On whose wish, in a person's words, which hold no personal data.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The devices that they had then.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        devices: Vec<DeviceId>,
        /// The persons of one of their userNames, in all portals, and whether they are erased too.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<Namesake>,
        /// Whether all of those are erased too. Not recorded any more since 2026-11-26: each says it of itself.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        all_portals: bool,
        /// It was recorded before, in a log that was lost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again: Option<RecordedAgain>,
    },
}

/// Why a role is what it is (rule 14).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleReason {
    /// A person set it.
    ByHand,
    /// A group that the person is in is mapped to it.
    Group {
        /// Which.
        group: GroupId,
    },
    /// No group that the person is in is mapped: the default role of the creation rule, or none.
    Default,
}

impl DomainEvent for UserEvent {
    fn event_type(&self) -> String {
        name_of(self)
    }

    fn event_version(&self) -> String {
        self.schema_version().to_string()
    }
}

impl Fact for UserEvent {
    fn sealing(&self) -> Sealing {
        match self {
            Self::Erased { .. } => Sealing::Afresh,
            _ => Sealing::Stream,
        }
    }
}
