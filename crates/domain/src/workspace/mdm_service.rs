//! Which MDM service the devices of a platform belong to (rule 28).
//!
//! Only what is no secret stands here: credentials lie sealed beside the log, under an id that is made
//! anew each time they are set.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{Workspace, WorkspaceEvent, WorkspaceRefusal};
use crate::ids::CredentialsId;

/// How many platforms may have a service of their own.
const SERVICES_MAX: usize = 50;

/// The word for all platforms that have no service of their own.
pub const OTHER_PLATFORMS: &str = "default";

/// Where the service of a platform stands; `None` is for all others.
pub(super) fn key(platform: Option<&SmolStr>) -> SmolStr {
    platform.cloned().unwrap_or_else(|| SmolStr::new_static(OTHER_PLATFORMS))
}

/// A service, as it is set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MdmService {
    /// The built-in registry: no service at all.
    Registry {},
    /// A signed webhook.
    Webhook {
        /// Where it goes.
        url: String,
    },
    /// Google's Android Management API.
    AndroidManagement {
        /// `enterprises/…`.
        enterprise: String,
        /// The service account's name.
        service_account: String,
        /// How long a device may take to execute a wipe, in days.
        wipe_days: u16,
        /// Where the service is, if not at Google's address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        endpoint: Option<String>,
    },
    /// NanoMDM, for Apple devices.
    #[serde(rename = "nanomdm")]
    NanoMdm {
        /// Where it is.
        url: String,
        /// The names of the policies for which it has a profile.
        profiles: Vec<String>,
    },
}

/// A service of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MdmSetting {
    /// The service.
    pub service: MdmService,
    /// Its credentials; none where it needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialsId>,
}

impl Default for MdmSetting {
    fn default() -> Self {
        Self { service: MdmService::Registry {}, credentials: None }
    }
}

impl Workspace {
    /// The service of a platform: its own, else the one for all others, else the registry.
    pub fn mdm_service(&self, platform: &str) -> MdmSetting {
        let own = self.mdm_services.get(platform.to_lowercase().as_str());
        own.or_else(|| self.mdm_services.get(OTHER_PLATFORMS)).cloned().unwrap_or_default()
    }

    /// What is set for just this platform; `None` is for all others.
    pub fn mdm_setting(&self, platform: Option<&SmolStr>) -> Option<&MdmSetting> {
        self.mdm_services.get(&key(platform))
    }

    pub(super) fn set_mdm_service(
        &self,
        platform: Option<&SmolStr>,
        setting: &MdmSetting,
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        let known = self.mdm_setting(platform);
        if known == Some(setting) {
            return Ok(Vec::new());
        }
        if known.is_none() && self.mdm_services.len() >= SERVICES_MAX {
            return Err(WorkspaceRefusal::TooManyMdmServices(SERVICES_MAX));
        }
        let (platform, setting) = (platform.cloned(), setting.clone());
        Ok(vec![WorkspaceEvent::MdmServiceSet { platform, setting }])
    }

    pub(super) fn remove_mdm_service(
        &self,
        platform: Option<&SmolStr>,
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        self.mdm_setting(platform).ok_or(WorkspaceRefusal::NoMdmService)?;
        Ok(vec![WorkspaceEvent::MdmServiceRemoved { platform: platform.cloned() }])
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{Decider, Stamp, workspace::WorkspaceCommand};

    fn webhook(credentials: u128) -> MdmSetting {
        let service = MdmService::Webhook { url: "https://mdm.example".into() };
        MdmSetting { service, credentials: Some(CredentialsId(Uuid::from_u128(credentials))) }
    }

    fn set(workspace: &mut Workspace, platform: Option<&str>, setting: MdmSetting) -> usize {
        let platform = platform.map(Into::into);
        let events = workspace.decide(&WorkspaceCommand::SetMdmService { platform, setting });
        let events = events.unwrap();
        events.iter().for_each(|event| workspace.evolve(event, &Stamp::default()));
        events.len()
    }

    #[test]
    fn rule_28_a_platform_has_its_own_service_or_the_one_for_all_others() {
        let mut acme = Workspace { open: true, ..Workspace::default() };
        assert_eq!(acme.mdm_service("ios"), MdmSetting::default());
        assert_eq!(set(&mut acme, None, webhook(1)), 1);
        assert_eq!(set(&mut acme, Some("android"), webhook(2)), 1);
        assert_eq!(acme.mdm_service("ios"), webhook(1));
        assert_eq!(acme.mdm_service("Android"), webhook(2));

        assert_eq!(set(&mut acme, None, webhook(1)), 0, "nothing new");
        assert_eq!(set(&mut acme, None, webhook(3)), 1, "new credentials are new");

        let remove = WorkspaceCommand::RemoveMdmService { platform: Some("android".into()) };
        for event in acme.decide(&remove).unwrap() {
            acme.evolve(&event, &Stamp::default());
        }
        assert_eq!(acme.mdm_service("android"), webhook(3));
        assert_eq!(acme.decide(&remove), Err(WorkspaceRefusal::NoMdmService));
    }
}
