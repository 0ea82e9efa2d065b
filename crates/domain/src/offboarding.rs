//! An offboarding: the process that a deactivation opens, recorded on the user, and what it owes to
//! devices, recorded on each of them.

use serde::{Deserialize, Serialize};

use crate::{
    Micros,
    ids::{ActionId, ConnectorName, DeviceId, HoldId, OffboardingId, PolicyId},
    rule::OnDeactivate,
};

/// An offboarding. It stays with the user after it is completed, until they are active again: a
/// device that is assigned to them meanwhile gets the recorded rule as well (rule 25).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offboarding {
    /// Its id.
    pub id: OffboardingId,
    /// The position of the event that opened it: a device that was assigned before is part of its
    /// plan, one that is assigned later gets the rule because of that (rule 25).
    pub started: u64,
    /// Whose rule it carries out.
    pub connector: ConnectorName,
    /// The rule, as it was when the process began.
    pub rule: OnDeactivate,
    /// The policy that devices get, for [`OnDeactivate::ChangePolicy`].
    pub policy: Option<PolicyId>,
    /// Waits for a person to decide.
    pub held: bool,
    /// A person let it go on: the brake holds it no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approved: bool,
    /// What it called for so far.
    pub planned: Vec<Planned>,
    /// Everything it called for is done.
    pub completed: bool,
    /// When it was opened.
    #[serde(default)]
    pub began: Micros,
    /// When it was completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Micros>,
    /// With what it waits, or waited last, for a person to decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Held>,
}

/// That an offboarding was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// With which others.
    pub hold: HoldId,
    /// Why.
    pub because: HeldBecause,
    /// The position of the event that says so.
    pub position: u64,
    /// When that was recorded.
    pub at: Micros,
}

impl Offboarding {
    /// Whether the brake has a say: what it would hold is not under way yet, and nobody approved it.
    pub fn can_be_held(&self) -> bool {
        self.rule.removes_account() && !self.held && !self.approved && self.planned.is_empty()
    }

    /// Whether everything that it says of positions is known: in a draft it is not.
    pub fn is_stored(&self) -> bool {
        self.started > 0 && self.hold.is_none_or(|held| held.position > 0)
    }

    /// What it does to a device of the person.
    pub fn action(&self) -> Option<ActionKind> {
        Self::calls_for(self.rule, self.policy)
    }

    /// What the rule does to each device of the person; nothing where the portal has none.
    pub fn calls_for(rule: OnDeactivate, policy: Option<PolicyId>) -> Option<ActionKind> {
        match rule {
            OnDeactivate::Nothing => None,
            // "Remove user" unassigns their devices first (rule 24).
            OnDeactivate::RemoveUser | OnDeactivate::Unassign => Some(ActionKind::Unassign),
            OnDeactivate::ChangePolicy => policy.map(|policy| ActionKind::ChangePolicy { policy }),
            OnDeactivate::RemoveUserAndDevices => Some(ActionKind::Remove),
        }
    }
}

/// What is done to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum ActionKind {
    /// Nobody uses it any more.
    Unassign,
    /// It gets another policy.
    ChangePolicy {
        /// Which.
        policy: PolicyId,
    },
    /// It is wiped and leaves management.
    Remove,
}

impl ActionKind {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unassign => "unassign",
            Self::ChangePolicy { .. } => "change_policy",
            Self::Remove => "remove",
        }
    }
}

/// A device action that an offboarding calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Its id.
    pub action: ActionId,
    /// The device.
    pub device: DeviceId,
}

/// Why an offboarding waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBecause {
    /// SCIM never removes or suspends an Owner (rule 10).
    Owner,
    /// The connector offboards more people than its brake lets pass (rule 27).
    Brake(Limit),
}

/// What a connector went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// So many people may be offboarded within the window.
    pub people: u32,
    /// How many people the connector had, if the limit is a share of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// The window, in minutes.
    pub window_minutes: u32,
}

/// Why an offboarding ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelledBecause {
    /// The `IdP` activated the person again.
    Reactivated,
    /// An administrator removed the account by hand.
    RemovedByHand,
    /// An administrator undid it (rule 27).
    Undone,
}

impl CancelledBecause {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reactivated => "reactivated",
            Self::RemovedByHand => "removed_by_hand",
            Self::Undone => "undone",
        }
    }
}
