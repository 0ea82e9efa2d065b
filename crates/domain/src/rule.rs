//! What a connector does when a person appears or goes: the rules an administrator chooses.

use serde::{Deserialize, Serialize};

use crate::{
    ids::PolicyId,
    portal::{Portal, Role},
};

/// What the creation of a SCIM user does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCreate {
    /// Keeps the entry and grants no account.
    #[default]
    Nothing,
    /// Grants the portal's account.
    Create,
}

/// What the deactivation of a person does, once their last active entry goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDeactivate {
    /// Nothing: no offboarding is opened.
    #[default]
    Nothing,
    /// Removes the account; in MDM, after their devices have been unassigned.
    RemoveUser,
    /// MDM: unassigns the person's devices.
    Unassign,
    /// MDM: gives the person's devices another policy.
    ChangePolicy,
    /// MDM: removes every device, then the account.
    RemoveUserAndDevices,
}

impl OnDeactivate {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::RemoveUser => "remove_user",
            Self::Unassign => "unassign",
            Self::ChangePolicy => "change_policy",
            Self::RemoveUserAndDevices => "remove_user_and_devices",
        }
    }

    /// Whether the account goes in the end; such a rule suspends it at once (rule 24).
    pub fn removes_account(self) -> bool {
        match self {
            Self::RemoveUser | Self::RemoveUserAndDevices => true,
            Self::Nothing | Self::Unassign | Self::ChangePolicy => false,
        }
    }

    /// Whether a portal other than MDM can have it.
    fn needs_devices(self) -> bool {
        match self {
            Self::Unassign | Self::ChangePolicy | Self::RemoveUserAndDevices => true,
            Self::Nothing | Self::RemoveUser => false,
        }
    }
}

/// The brake on mass deprovisioning (rule 27).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Brake {
    /// `"off"`.
    Off(Off),
    /// On beyond a number or a share.
    Limit(BrakeLimit),
}

/// The word `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Off {
    /// No brake; only ever by an explicit setting.
    Off,
}

/// When the brake holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrakeLimit {
    /// People offboarded within the window.
    pub count: u32,
    /// Share of the connector's people, 0 to 1.
    pub share: f64,
    /// How many people a connector needs for the share to count.
    pub share_from: u32,
    /// The window, in minutes.
    pub window_minutes: u32,
}

impl Default for Brake {
    fn default() -> Self {
        Self::Limit(BrakeLimit { count: 50, share: 0.2, share_from: 20, window_minutes: 60 })
    }
}

/// A connector's setting.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provisioning {
    /// What creation does.
    pub on_create: OnCreate,
    /// Dashboard: the role of a collaborator that SCIM creates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_role: Option<Role>,
    /// What deactivation does.
    pub on_deactivate: OnDeactivate,
    /// The policy of [`OnDeactivate::ChangePolicy`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyId>,
    /// The brake.
    pub brake: Brake,
}

/// A setting that its portal cannot have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProvisioning {
    /// Devices belong to MDM.
    #[error("on_deactivate {} acts on devices, which only the mdm portal has", .0.as_str())]
    NeedsDevices(OnDeactivate),
    /// Roles belong to the Dashboard.
    #[error("default_role is for the dashboard portal; {0} has no roles")]
    NoRoles(Portal),
    /// Rule 12.
    #[error("default_role cannot be owner: SCIM never grants it")]
    OwnerByScim,
    /// `change_policy` says which.
    #[error("on_deactivate change_policy needs `policy`, the id of a device policy")]
    PolicyMissing,
    /// `policy` goes with `change_policy`.
    #[error("`policy` goes with on_deactivate change_policy only")]
    PolicyUnused,
    /// A share is a part of one, and a brake needs a window.
    #[error("a brake has a share between 0 and 1 and a window of at least one minute")]
    BrakeOutOfRange,
}

impl Provisioning {
    /// Checks the setting against the portal it is for. Whether the policy exists is the
    /// workspace's to say.
    ///
    /// # Errors
    /// [`BadProvisioning`] names the first field that does not fit.
    pub fn check(&self, portal: Portal) -> Result<(), BadProvisioning> {
        if portal != Portal::Mdm && self.on_deactivate.needs_devices() {
            return Err(BadProvisioning::NeedsDevices(self.on_deactivate));
        }
        match (portal, self.default_role) {
            (_, Some(Role::Owner)) => return Err(BadProvisioning::OwnerByScim),
            (Portal::Store | Portal::Mdm, Some(_)) => return Err(BadProvisioning::NoRoles(portal)),
            _ => {}
        }
        match (self.on_deactivate == OnDeactivate::ChangePolicy, self.policy) {
            (true, None) => return Err(BadProvisioning::PolicyMissing),
            (false, Some(_)) => return Err(BadProvisioning::PolicyUnused),
            _ => {}
        }
        match self.brake {
            Brake::Limit(limit)
                if !(0.0..=1.0).contains(&limit.share) || limit.window_minutes == 0 =>
            {
                Err(BadProvisioning::BrakeOutOfRange)
            }
            Brake::Limit(_) | Brake::Off(Off::Off) => Ok(()),
        }
    }
}

/// The setting in force when something was decided. Events carry it (rule 11), so that changing the
/// setting later rewrites nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// The position of the event that set it.
    pub position: u64,
    /// Its values.
    #[serde(flatten)]
    pub provisioning: Provisioning,
}

impl Rule {
    /// The rule that an event's metadata carry, as the log has it; the default where there is none.
    pub fn recorded(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}
