//! A workspace: one organisation, its three portals and the connectors that provision them.
//!
//! Everything an administrator sets stands here. The stream is small and read on each request (whose
//! token is this, is the connector paused, which rule is in force), so it stays in memory.

mod api_access;
mod command;
mod connector;
mod deliveries;
mod event;
mod extensions;
mod mdm_service;
mod moved;
mod provisioning_log;
mod removal;
mod seen;
mod skip;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use api_access::{API_ACCESSES_MAX, ApiAccess};
pub use command::{NewToken, WorkspaceCommand, WorkspaceRefusal};
pub use connector::{Connector, ConnectorState, Idp, Paused, Token};
pub use deliveries::{Suspended, Suspension};
pub use event::{Saml, WorkspaceEvent};
pub use extensions::{Extension, Extensions};
pub use mdm_service::{MdmService, MdmSetting, OTHER_PLATFORMS};
pub use moved::{Origin, PastKey};
pub use provisioning_log::{BODIES_HOURS_MAX, LOG_DAYS, LOG_DAYS_MAX};
pub use removal::{People, Removed};
pub use seen::{SEEN_MAX, SeenAttribute, SeenAttributes};
pub use skip::Skip;

use crate::{
    Claim, Decider, Micros, Stamp,
    group_filter::GroupFilter,
    ids::{AccessId, ConnectorName, PolicyId},
    portal::Portal,
    role_mapping::RoleMapping,
};

/// What the organisation pays for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plan {
    /// Without SCIM.
    Basic,
    /// With SCIM (rule 2).
    #[default]
    Enterprise,
}

/// A portal's sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The SAML configuration.
    pub saml: Saml,
    /// Whether signing in creates people. Off while SCIM manages the portal (rule 4).
    pub jit: bool,
}

/// The state of a workspace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Workspace {
    /// Whether it was created, and not closed since.
    pub open: bool,
    /// What people call it.
    pub name: String,
    /// What it may use.
    pub plan: Plan,
    /// When it was created.
    pub created: Micros,
    /// Sign-in, where it is configured.
    pub logins: BTreeMap<Portal, Login>,
    /// Its links to `IdP`s.
    pub connectors: BTreeMap<ConnectorName, Connector>,
    /// Those that were removed; their names are not given again.
    pub removed: BTreeMap<ConnectorName, Removed>,
    /// Which groups a portal requires to enter; a portal that requires none is not there.
    pub access: BTreeMap<Portal, Arc<GroupFilter>>,
    /// Which groups make collaborators what.
    pub role_mapping: Arc<RoleMapping>,
    /// When that was set.
    pub role_mapping_set: Micros,
    /// Its device policies.
    pub policies: BTreeMap<PolicyId, SmolStr>,
    /// Its MDM services by platform, in lower case; [`OTHER_PLATFORMS`] stands for all others.
    pub mdm_services: BTreeMap<SmolStr, MdmSetting>,
    /// How long the provisioning log is kept, in days, where that was said.
    pub provisioning_log_days: Option<u32>,
    /// Who reaches this workspace, and no other, through `/api/v1`; those that were revoked are gone.
    pub api_accesses: BTreeMap<AccessId, ApiAccess>,
    /// The installations that it came from, the first one first.
    pub origins: Vec<Origin>,
    /// Since when nothing is sent to devices, and why; `None` while deliveries go on.
    pub suspended: Option<Suspension>,
    /// The events that read models pass over.
    pub skipped: BTreeSet<Skip>,
}

impl Workspace {
    /// Whether any connector manages the people of a portal.
    pub fn managed_by_scim(&self, portal: Portal) -> bool {
        self.connectors.values().any(|connector| connector.portal == portal)
    }

    /// What is left of it: its record is kept as it said, and proved by the keys that have signed it.
    fn closed(&mut self) -> Self {
        let provisioning_log_days = self.provisioning_log_days;
        let origins = std::mem::take(&mut self.origins);
        Self { provisioning_log_days, origins, ..Self::default() }
    }

    fn connector(&self, name: &ConnectorName) -> Result<&Connector, WorkspaceRefusal> {
        self.connectors.get(name).ok_or_else(|| WorkspaceRefusal::NoConnector(name.clone()))
    }
}

impl Decider for Workspace {
    const KIND: &'static str = "workspace";
    type Command = WorkspaceCommand;
    type Event = WorkspaceEvent;
    type Refusal = WorkspaceRefusal;

    fn decide(&self, command: &WorkspaceCommand) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        match (self.open, command) {
            (false, WorkspaceCommand::Create { name, plan }) => {
                Ok(vec![WorkspaceEvent::Created { name: name.clone(), plan: *plan }])
            }
            (true, WorkspaceCommand::Create { .. }) => Err(WorkspaceRefusal::Exists),
            (false, _) => Err(WorkspaceRefusal::NoWorkspace),
            (true, _) => self.change(command),
        }
    }

    fn evolve(&mut self, event: &WorkspaceEvent, stamp: &Stamp) {
        match event {
            WorkspaceEvent::Created { name, plan } => {
                let (name, plan, created) = (name.clone(), *plan, stamp.at);
                *self = Self { open: true, name, plan, created, ..Self::default() };
            }
            WorkspaceEvent::Renamed { name } => self.name.clone_from(name),
            WorkspaceEvent::PlanChanged { plan } => self.plan = *plan,
            WorkspaceEvent::Closed { .. } => *self = self.closed(),
            WorkspaceEvent::SamlConfigured { portal, saml, jit } => {
                self.logins.insert(*portal, Login { saml: saml.clone(), jit: *jit });
            }
            WorkspaceEvent::SamlRemoved { portal } => {
                self.logins.remove(portal);
            }
            WorkspaceEvent::JitSwitchedOff { portal } => {
                self.logins.entry(*portal).and_modify(|login| login.jit = false);
            }
            WorkspaceEvent::AccessSet { portal, groups } if groups.is_everybody() => {
                self.access.remove(portal);
            }
            WorkspaceEvent::AccessSet { portal, groups } => {
                self.access.insert(*portal, Arc::new(groups.clone()));
            }
            WorkspaceEvent::RoleMappingSet { mapping } => {
                self.role_mapping = Arc::new(mapping.clone());
                self.role_mapping_set = stamp.at;
            }
            WorkspaceEvent::PolicyAdded { policy, name } => {
                self.policies.insert(*policy, name.clone());
            }
            WorkspaceEvent::PolicyRemoved { policy } => {
                self.policies.remove(policy);
            }
            WorkspaceEvent::MdmServiceSet { platform, setting } => {
                self.mdm_services.insert(mdm_service::key(platform.as_ref()), setting.clone());
            }
            WorkspaceEvent::MdmServiceRemoved { platform } => {
                self.mdm_services.remove(&mdm_service::key(platform.as_ref()));
            }
            WorkspaceEvent::ProvisioningLogKept { days } => {
                self.provisioning_log_days = Some(*days);
            }
            WorkspaceEvent::ApiAccessGranted { access, role, expires } => {
                let granted = ApiAccess { role: *role, expires: *expires };
                self.api_accesses.insert(*access, granted);
            }
            WorkspaceEvent::ApiAccessRevoked { access } => {
                self.api_accesses.remove(access);
            }
            WorkspaceEvent::Imported { origin } => self.origins.push(origin.clone()),
            WorkspaceEvent::DeliveriesSuspended { because } => {
                self.suspended = Some(Suspension { since: stamp.at, because: *because });
            }
            WorkspaceEvent::DeliveriesResumed {} => self.suspended = None,
            WorkspaceEvent::EventSkipped { skip, .. } => self.skip_from_here(skip, true),
            WorkspaceEvent::EventUnskipped { skip } => self.skip_from_here(skip, false),
            WorkspaceEvent::ConnectorAdded { .. }
            | WorkspaceEvent::ConnectorPaused { .. }
            | WorkspaceEvent::ConnectorResumed { .. }
            | WorkspaceEvent::ConnectorIdpChanged { .. }
            | WorkspaceEvent::ConnectorRemoved { .. }
            | WorkspaceEvent::ProvisioningSet { .. }
            | WorkspaceEvent::ExtensionsDeclared { .. }
            | WorkspaceEvent::AttributeMappingSet { .. }
            | WorkspaceEvent::AttributesSeen { .. }
            | WorkspaceEvent::BodiesKept { .. }
            | WorkspaceEvent::TokenIssued { .. }
            | WorkspaceEvent::TokenRevoked { .. } => self.evolve_connector(event, stamp),
        }
    }

    /// None: its slug is its name in the log, and connectors are unique in its own state.
    fn claims(&self) -> Vec<Claim> {
        Vec::new()
    }

    fn weight(&self) -> usize {
        let access: usize = self.access.values().map(|groups| groups.weight()).sum();
        let seen: usize = self.connectors.values().map(|it| it.seen.len()).sum();
        1024 + self.connectors.len() * 1024
            + self.policies.len() * 64
            + self.mdm_services.len() * 1024
            + self.api_accesses.len() * 64
            + self.skipped.len() * 96
            + self.origins.len() * 1024
            + access
            + seen * 96
    }
}

impl Workspace {
    /// Which groups a portal requires to enter (rule 16).
    pub fn access(&self, portal: Portal) -> Arc<GroupFilter> {
        self.access.get(&portal).cloned().unwrap_or_default()
    }

    fn set_access(
        &self,
        portal: Portal,
        groups: &GroupFilter,
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        groups.check()?;
        let same = *self.access(portal) == *groups;
        let set = WorkspaceEvent::AccessSet { portal, groups: groups.clone() };
        Ok(if same { vec![] } else { vec![set] })
    }

    fn set_role_mapping(
        &self,
        mapping: &RoleMapping,
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        mapping.check()?;
        for (index, rule) in mapping.rules.iter().enumerate() {
            let Some(name) = &rule.connector else { continue };
            let refuse =
                |why: fn(usize, ConnectorName) -> WorkspaceRefusal| Err(why(index, name.clone()));
            match self.portal_of(name) {
                None => return refuse(WorkspaceRefusal::UnknownInRule),
                Some(Portal::Dashboard) => {}
                Some(_) => return refuse(WorkspaceRefusal::NotOfDashboard),
            }
            // Groups that stayed go on to count.
            if self.removed.get(name).is_some_and(|it| it.people == People::Deactivate) {
                return refuse(WorkspaceRefusal::GoneInRule);
            }
        }
        let mapping = mapping.clone();
        let same = *self.role_mapping == mapping;
        Ok(if same { vec![] } else { vec![WorkspaceEvent::RoleMappingSet { mapping }] })
    }

    fn change(&self, command: &WorkspaceCommand) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        match command {
            WorkspaceCommand::Create { .. } => Err(WorkspaceRefusal::Exists),
            WorkspaceCommand::Change { name, plan } => Ok(self.renamed(name.as_deref(), *plan)),
            WorkspaceCommand::Close { gave_up } => {
                Ok(vec![WorkspaceEvent::Closed { gave_up: gave_up.clone() }])
            }
            WorkspaceCommand::ConfigureSaml { portal, saml, jit } => {
                self.configure_saml(*portal, saml, *jit)
            }
            WorkspaceCommand::RemoveSaml { portal } => self.remove_saml(*portal),
            WorkspaceCommand::AddPolicy { policy, name } => self.add_policy(*policy, name),
            WorkspaceCommand::RemovePolicy { policy } => self.remove_policy(*policy),
            WorkspaceCommand::SetMdmService { platform, setting } => {
                self.set_mdm_service(platform.as_ref(), setting)
            }
            WorkspaceCommand::RemoveMdmService { platform } => {
                self.remove_mdm_service(platform.as_ref())
            }
            WorkspaceCommand::SetAccess { portal, groups } => self.set_access(*portal, groups),
            WorkspaceCommand::SetRoleMapping { mapping } => self.set_role_mapping(mapping),
            WorkspaceCommand::EnableScim { portal, connector, idp, disable_jit, token } => {
                self.enable_scim(*portal, connector, *idp, *disable_jit, token)
            }
            WorkspaceCommand::ChangeConnector { connector, state, idp } => {
                self.change_connector(connector, *state, *idp)
            }
            WorkspaceCommand::RemoveConnector { connector, people } => {
                self.remove_connector(connector, *people)
            }
            WorkspaceCommand::SetProvisioning { connector, provisioning } => {
                self.set_provisioning(connector, provisioning)
            }
            WorkspaceCommand::DeclareExtensions { connector, extensions } => {
                self.declare_extensions(connector, extensions)
            }
            WorkspaceCommand::SetAttributeMapping { connector, mapping } => {
                self.set_attribute_mapping(connector, mapping)
            }
            WorkspaceCommand::SeeAttributes { connector, attributes } => {
                self.see_attributes(connector, attributes)
            }
            WorkspaceCommand::GrantApiAccess { access, granted } => {
                self.grant_api_access(*access, *granted)
            }
            WorkspaceCommand::RevokeApiAccess { access } => Ok(self.revoke_api_access(*access)),
            WorkspaceCommand::SuspendDeliveries { because } => {
                Ok(self.suspend_deliveries(*because))
            }
            WorkspaceCommand::ResumeDeliveries => self.resume_deliveries(),
            WorkspaceCommand::Import { origin } => Ok(self.import(origin)),
            WorkspaceCommand::SkipEvent { skip, reason } => Ok(self.skip(skip, reason)),
            WorkspaceCommand::UnskipEvent { skip } => Ok(self.unskip(skip)),
            WorkspaceCommand::KeepProvisioningLog { days } => self.keep_provisioning_log(*days),
            WorkspaceCommand::KeepBodies { connector, until, now } => {
                self.keep_bodies(connector, *until, *now)
            }
            WorkspaceCommand::IssueToken { connector, token } => self.issue_token(connector, token),
            WorkspaceCommand::RevokeToken { connector, token } => {
                self.revoke_token(connector, *token)
            }
        }
    }

    fn renamed(&self, name: Option<&str>, plan: Option<Plan>) -> Vec<WorkspaceEvent> {
        let mut events = Vec::new();
        if let Some(name) = name.filter(|name| *name != self.name) {
            events.push(WorkspaceEvent::Renamed { name: name.to_owned() });
        }
        if let Some(plan) = plan.filter(|plan| *plan != self.plan) {
            events.push(WorkspaceEvent::PlanChanged { plan });
            events.extend(self.follow_plan(plan));
        }
        events
    }

    fn configure_saml(
        &self,
        portal: Portal,
        saml: &Saml,
        jit: bool,
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        if jit && self.managed_by_scim(portal) {
            return Err(WorkspaceRefusal::JitUnderScim(portal));
        }
        let login = Login { saml: saml.clone(), jit };
        let same = self.logins.get(&portal) == Some(&login);
        let configured = WorkspaceEvent::SamlConfigured { portal, saml: login.saml, jit };
        Ok(if same { vec![] } else { vec![configured] })
    }

    fn remove_saml(&self, portal: Portal) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        if self.managed_by_scim(portal) {
            return Err(WorkspaceRefusal::SamlUnderScim(portal));
        }
        self.logins.get(&portal).ok_or(WorkspaceRefusal::NoSaml(portal))?;
        Ok(vec![WorkspaceEvent::SamlRemoved { portal }])
    }

    fn add_policy(
        &self,
        policy: PolicyId,
        name: &str,
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        if self.policies.values().any(|known| known == name) {
            return Err(WorkspaceRefusal::PolicyExists(name.to_owned()));
        }
        Ok(vec![WorkspaceEvent::PolicyAdded { policy, name: name.into() }])
    }

    fn remove_policy(&self, policy: PolicyId) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        self.policies.get(&policy).ok_or(WorkspaceRefusal::NoPolicy(policy))?;
        let user = self
            .connectors
            .iter()
            .find(|(_, connector)| connector.rule.provisioning.policy == Some(policy));
        match user {
            Some((connector, _)) => Err(WorkspaceRefusal::PolicyInRule(connector.clone())),
            None => Ok(vec![WorkspaceEvent::PolicyRemoved { policy }]),
        }
    }
}
