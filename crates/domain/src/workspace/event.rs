//! The facts of a workspace. Open in the log: settings, ids and digests, nothing about a person.

use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{
    Extension, Idp, MdmSetting, Origin, Paused, People, Plan, SeenAttribute, Skip, Suspended,
};
use crate::{
    Micros,
    admin_role::AdminRole,
    attribute_mapping::AttributeMapping,
    group_filter::GroupFilter,
    ids::{AccessId, ConnectorName, PolicyId, TokenId},
    portal::Portal,
    role_mapping::RoleMapping,
    rule::Provisioning,
    stored::{Fact, Sealing, name_of},
};

/// How a portal's people sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saml {
    /// The `IdP`'s entity id.
    pub entity_id: String,
    /// Where people are sent to sign in.
    pub sso_url: String,
    /// The `IdP`'s signing certificate, base64 of DER without line breaks.
    pub certificate: String,
}

/// What may become a fact of a workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum WorkspaceEvent {
    /// It was made.
    #[serde(rename = "workspace.created")]
    Created {
        /// What people call it.
        name: String,
        /// What it may use.
        plan: Plan,
    },
    /// It is called something else.
    #[serde(rename = "workspace.renamed")]
    Renamed {
        /// What.
        name: String,
    },
    /// It may use other things.
    #[serde(rename = "workspace.plan_changed")]
    PlanChanged {
        /// What it may use.
        plan: Plan,
    },
    /// It was closed.
    #[serde(rename = "workspace.closed")]
    Closed {
        /// Why nobody waits for what was owed to devices then, in a person's words, which name nobody: this
        /// is not sealed. `None` where nothing was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gave_up: Option<String>,
    },
    /// A portal's people sign in like this.
    #[serde(rename = "workspace.saml_configured")]
    SamlConfigured {
        /// Which portal.
        portal: Portal,
        /// How.
        saml: Saml,
        /// Whether signing in creates people.
        jit: bool,
    },
    /// A portal's people cannot sign in.
    #[serde(rename = "workspace.saml_removed")]
    SamlRemoved {
        /// Which portal.
        portal: Portal,
    },
    /// Signing in creates nobody any more, since SCIM does.
    #[serde(rename = "workspace.jit_switched_off")]
    JitSwitchedOff {
        /// Which portal.
        portal: Portal,
    },
    /// An `IdP` provisions a portal.
    #[serde(rename = "workspace.connector_added")]
    ConnectorAdded {
        /// The connector's name.
        connector: ConnectorName,
        /// Which portal.
        portal: Portal,
        /// Whose dialect it speaks.
        idp: Idp,
    },
    /// Requests are not taken.
    #[serde(rename = "workspace.connector_paused")]
    ConnectorPaused {
        /// Of which connector.
        connector: ConnectorName,
        /// Why.
        because: Paused,
    },
    /// Requests are taken again.
    #[serde(rename = "workspace.connector_resumed")]
    ConnectorResumed {
        /// Of which connector.
        connector: ConnectorName,
    },
    /// A connector speaks another dialect.
    #[serde(rename = "workspace.connector_idp_changed")]
    ConnectorIdpChanged {
        /// Which connector.
        connector: ConnectorName,
        /// Whose.
        idp: Idp,
    },
    /// A connector is gone for ever.
    #[serde(rename = "workspace.connector_removed")]
    ConnectorRemoved {
        /// Which.
        connector: ConnectorName,
        /// What becomes of its people.
        people: People,
    },
    /// Creation and deactivation do this from now on.
    #[serde(rename = "workspace.provisioning_set")]
    ProvisioningSet {
        /// Of which connector.
        connector: ConnectorName,
        /// What they do.
        provisioning: Provisioning,
    },
    /// These extension schemas are known from now on, and no others.
    #[serde(rename = "workspace.extensions_declared")]
    ExtensionsDeclared {
        /// Of which connector.
        connector: ConnectorName,
        /// Which.
        extensions: Vec<Extension>,
    },
    /// These attributes become metadata from now on, at each person's next sync.
    #[serde(rename = "workspace.attribute_mapping_set")]
    AttributeMappingSet {
        /// Of which connector.
        connector: ConnectorName,
        /// Which.
        mapping: AttributeMapping,
    },
    /// Requests carried attributes that none had carried before (rule 19). Names only, no values.
    #[serde(rename = "workspace.attributes_seen")]
    AttributesSeen {
        /// Of which connector.
        connector: ConnectorName,
        /// Which.
        attributes: Vec<SeenAttribute>,
    },
    /// The provisioning log is kept for so long from now on.
    #[serde(rename = "workspace.provisioning_log_kept")]
    ProvisioningLogKept {
        /// How many days.
        days: u32,
    },
    /// Bodies of requests are kept, sealed, for a while; or not any more.
    #[serde(rename = "workspace.bodies_kept")]
    BodiesKept {
        /// Of which connector.
        connector: ConnectorName,
        /// Of requests before then; null: of none.
        until: Option<Micros>,
    },
    /// A person has let a read model pass over an event that it could not apply. Others apply it, and
    /// the event stays what it is.
    #[serde(rename = "workspace.event_skipped")]
    EventSkipped {
        /// Which event, and by which read model.
        #[serde(flatten)]
        skip: Skip,
        /// Why, in words that name nobody: this is not sealed.
        reason: String,
    },
    /// A person has taken that back: the read model applies the event, or holds it, like any other.
    #[serde(rename = "workspace.event_unskipped")]
    EventUnskipped {
        /// Which event, and by which read model.
        #[serde(flatten)]
        skip: Skip,
    },
    /// A connector has one more token.
    #[serde(rename = "workspace.token_issued")]
    TokenIssued {
        /// Which connector.
        connector: ConnectorName,
        /// The token's id.
        token: TokenId,
        /// SHA-256 of the whole token.
        #[serde(with = "hex_digest")]
        digest: [u8; 32],
        /// From when on it is refused.
        expires: Micros,
    },
    /// A token is refused.
    #[serde(rename = "workspace.token_revoked")]
    TokenRevoked {
        /// Of which connector.
        connector: ConnectorName,
        /// Which.
        token: TokenId,
    },
    /// Somebody may use `/api/v1` for this workspace, and for no other.
    #[serde(rename = "workspace.api_access_granted")]
    ApiAccessGranted {
        /// By which the record names them: `person:<id>`.
        access: AccessId,
        /// As what.
        role: AdminRole,
        /// From when on it is refused; null: never by itself.
        expires: Option<Micros>,
    },
    /// They may not any more.
    #[serde(rename = "workspace.api_access_revoked")]
    ApiAccessRevoked {
        /// Which.
        access: AccessId,
    },
    /// A portal requires these groups to enter from now on; none, if there is no line.
    #[serde(rename = "workspace.access_set")]
    AccessSet {
        /// Which portal.
        portal: Portal,
        /// Which groups.
        groups: GroupFilter,
    },
    /// Groups make collaborators this from now on.
    #[serde(rename = "workspace.role_mapping_set")]
    RoleMappingSet {
        /// How.
        mapping: RoleMapping,
    },
    /// There is one more device policy.
    #[serde(rename = "workspace.policy_added")]
    PolicyAdded {
        /// Its id.
        policy: PolicyId,
        /// Its name.
        name: SmolStr,
    },
    /// A device policy is gone.
    #[serde(rename = "workspace.policy_removed")]
    PolicyRemoved {
        /// Which.
        policy: PolicyId,
    },
    /// The devices of a platform belong to this MDM service from now on.
    #[serde(rename = "workspace.mdm_service_set")]
    MdmServiceSet {
        /// Which platform; `None` is for all others.
        platform: Option<SmolStr>,
        /// The service.
        #[serde(flatten)]
        setting: MdmSetting,
    },
    /// The devices of a platform belong to the service for all others, or to the registry.
    #[serde(rename = "workspace.mdm_service_removed")]
    MdmServiceRemoved {
        /// Which platform; `None` is for all others.
        platform: Option<SmolStr>,
    },
    /// It came from another installation, with everything that stands before this.
    #[serde(rename = "workspace.imported")]
    Imported {
        /// From which, and what proves what came.
        #[serde(flatten)]
        origin: Origin,
    },
    /// Nothing is sent to devices from now on.
    #[serde(rename = "workspace.deliveries_suspended")]
    DeliveriesSuspended {
        /// Why.
        because: Suspended,
    },
    /// What is owed to devices is sent again.
    #[serde(rename = "workspace.deliveries_resumed")]
    DeliveriesResumed {},
}

impl WorkspaceEvent {
    /// The connector it is about.
    pub fn connector(&self) -> Option<&ConnectorName> {
        match self {
            Self::ConnectorAdded { connector, .. }
            | Self::ConnectorPaused { connector, .. }
            | Self::ConnectorResumed { connector }
            | Self::ConnectorIdpChanged { connector, .. }
            | Self::ConnectorRemoved { connector, .. }
            | Self::ProvisioningSet { connector, .. }
            | Self::ExtensionsDeclared { connector, .. }
            | Self::AttributeMappingSet { connector, .. }
            | Self::AttributesSeen { connector, .. }
            | Self::BodiesKept { connector, .. }
            | Self::TokenIssued { connector, .. }
            | Self::TokenRevoked { connector, .. } => Some(connector),
            Self::Created { .. }
            | Self::Renamed { .. }
            | Self::PlanChanged { .. }
            | Self::Closed { .. }
            | Self::SamlConfigured { .. }
            | Self::SamlRemoved { .. }
            | Self::JitSwitchedOff { .. }
            | Self::AccessSet { .. }
            | Self::RoleMappingSet { .. }
            | Self::PolicyAdded { .. }
            | Self::PolicyRemoved { .. }
            | Self::MdmServiceSet { .. }
            | Self::MdmServiceRemoved { .. }
            | Self::ApiAccessGranted { .. }
            | Self::ApiAccessRevoked { .. }
            | Self::ProvisioningLogKept { .. }
            | Self::EventSkipped { .. }
            | Self::Imported { .. }
            | Self::EventUnskipped { .. }
            | Self::DeliveriesSuspended { .. }
            | Self::DeliveriesResumed {} => None,
        }
    }
}

impl DomainEvent for WorkspaceEvent {
    fn event_type(&self) -> String {
        name_of(self)
    }

    fn event_version(&self) -> String {
        self.schema_version().to_string()
    }
}

impl Fact for WorkspaceEvent {
    fn sealing(&self) -> Sealing {
        Sealing::Open
    }
}

/// A digest as 64 hexadecimal digits, which an auditor can compare by eye.
mod hex_digest {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        digest: &[u8; 32],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&data_encoding::HEXLOWER.encode(digest))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(D::Error::custom)?;
        bytes.try_into().map_err(|_| D::Error::custom("a digest has 32 bytes"))
    }
}
