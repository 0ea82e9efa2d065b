//! What may be asked of a workspace, and why it may be refused.

use smol_str::SmolStr;

use super::{
    ApiAccess, ConnectorState, Extension, Idp, MdmSetting, Origin, People, Plan, Saml,
    SeenAttribute, Skip, Suspended, WorkspaceEvent,
};

use crate::{
    Micros,
    attribute_mapping::{AttributeMapping, BadAttributeMapping},
    group_filter::{BadGroupFilter, GroupFilter},
    ids::{AccessId, ConnectorName, PolicyId, TokenId},
    portal::Portal,
    role_mapping::{BadRoleMapping, RoleMapping},
    rule::{BadProvisioning, Provisioning},
};

/// A token that has just been made; its secret has left for the administrator already.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its id.
    pub token: TokenId,
    /// SHA-256 of the whole token.
    pub digest: [u8; 32],
    /// From when on it is refused.
    pub expires: Micros,
    /// Now, for telling which other tokens are live.
    pub now: Micros,
}

impl NewToken {
    pub(super) fn issued(&self, connector: &ConnectorName) -> WorkspaceEvent {
        WorkspaceEvent::TokenIssued {
            connector: connector.clone(),
            token: self.token,
            digest: self.digest,
            expires: self.expires,
        }
    }
}

/// What may be asked.
#[derive(Clone, Debug)]
pub enum WorkspaceCommand {
    /// Make it.
    Create {
        /// What people call it.
        name: String,
        /// What it may use.
        plan: Plan,
    },
    /// Rename it, or give it another plan.
    Change {
        /// What people call it.
        name: Option<String>,
        /// What it may use.
        plan: Option<Plan>,
    },
    /// Close it for ever. Its record stays.
    Close {
        /// Why nobody waits for what is owed to devices, if anything is.
        gave_up: Option<String>,
    },
    /// Say how a portal's people sign in.
    ConfigureSaml {
        /// Which portal.
        portal: Portal,
        /// How.
        saml: Saml,
        /// Whether signing in creates people.
        jit: bool,
    },
    /// Take a portal's sign-in away.
    RemoveSaml {
        /// Which portal.
        portal: Portal,
    },
    /// Add a device policy.
    AddPolicy {
        /// Its id.
        policy: PolicyId,
        /// Its name, unique in the workspace.
        name: String,
    },
    /// Remove a device policy that nothing uses.
    RemovePolicy {
        /// Which.
        policy: PolicyId,
    },
    /// Say which groups a portal requires to enter.
    SetAccess {
        /// Which portal.
        portal: Portal,
        /// Which groups.
        groups: GroupFilter,
    },
    /// Say which groups make collaborators what.
    SetRoleMapping {
        /// How.
        mapping: RoleMapping,
    },
    /// Let an `IdP` provision a portal.
    EnableScim {
        /// Which portal.
        portal: Portal,
        /// The connector's name.
        connector: ConnectorName,
        /// Whose dialect it speaks.
        idp: Idp,
        /// Switch just-in-time creation off, should it be on.
        disable_jit: bool,
        /// Its first token.
        token: NewToken,
    },
    /// Pause or resume a connector, or say whose dialect it speaks.
    ChangeConnector {
        /// Which.
        connector: ConnectorName,
        /// Whether requests are taken.
        state: Option<ConnectorState>,
        /// Whose dialect it speaks.
        idp: Option<Idp>,
    },
    /// Remove a connector for ever.
    RemoveConnector {
        /// Which.
        connector: ConnectorName,
        /// What becomes of its people.
        people: People,
    },
    /// Say what creation and deactivation do.
    SetProvisioning {
        /// Of which connector.
        connector: ConnectorName,
        /// What they do.
        provisioning: Provisioning,
    },
    /// Say which extension schemas there are.
    DeclareExtensions {
        /// Of which connector.
        connector: ConnectorName,
        /// All of them.
        extensions: Vec<Extension>,
    },
    /// Say which attributes become metadata.
    SetAttributeMapping {
        /// Of which connector.
        connector: ConnectorName,
        /// All of them.
        mapping: AttributeMapping,
    },
    /// Remember attributes that a request carried.
    SeeAttributes {
        /// Of which connector.
        connector: ConnectorName,
        /// Which.
        attributes: Vec<SeenAttribute>,
    },
    /// Say which MDM service the devices of a platform belong to.
    SetMdmService {
        /// Which platform; `None` is for all others.
        platform: Option<SmolStr>,
        /// The service.
        setting: MdmSetting,
    },
    /// Take the service of a platform away.
    RemoveMdmService {
        /// Which platform; `None` is for all others.
        platform: Option<SmolStr>,
    },
    /// Send nothing to devices from now on.
    SuspendDeliveries {
        /// Why.
        because: Suspended,
    },
    /// Send what is owed again.
    ResumeDeliveries,
    /// Say that it came from another installation.
    Import {
        /// From which, and what proves what came.
        origin: Origin,
    },
    /// Let a read model pass over an event that it cannot apply.
    SkipEvent {
        /// Which event, and by which read model.
        skip: Skip,
        /// Why.
        reason: String,
    },
    /// Take back that a read model passes over an event.
    UnskipEvent {
        /// Which event, and by which read model.
        skip: Skip,
    },
    /// Say how long the provisioning log is kept.
    KeepProvisioningLog {
        /// How many days: 1 to [`super::LOG_DAYS_MAX`].
        days: u32,
    },
    /// Say until when bodies of requests are kept.
    KeepBodies {
        /// Of which connector.
        connector: ConnectorName,
        /// Of requests before then: at most [`super::BODIES_HOURS_MAX`] ahead.
        until: Option<Micros>,
        /// Now.
        now: Micros,
    },
    /// Let somebody use `/api/v1` for this workspace.
    GrantApiAccess {
        /// Who.
        access: AccessId,
        /// As what, and how long.
        granted: ApiAccess,
    },
    /// Let them not any more. Asked twice, it is done once.
    RevokeApiAccess {
        /// Who.
        access: AccessId,
    },
    /// Add a token.
    IssueToken {
        /// Of which connector.
        connector: ConnectorName,
        /// The token.
        token: NewToken,
    },
    /// Refuse a token from now on.
    RevokeToken {
        /// Of which connector.
        connector: ConnectorName,
        /// Which.
        token: TokenId,
    },
}

/// Why a command is not carried out. The texts are for the administrator who asked: they say what to
/// do first.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum WorkspaceRefusal {
    /// The slug is taken.
    #[error("there is a workspace with that slug already")]
    Exists,
    /// No such workspace.
    #[error("there is no workspace with that slug")]
    NoWorkspace,
    /// Rule 2.
    #[error("SCIM is not part of the basic plan: change the workspace's plan to enterprise first")]
    NotEntitled,
    /// Rule 1.
    #[error(
        "SAML is not configured for the {0} portal: configure it first \
         (PUT …/portals/{0}/saml), then enable SCIM"
    )]
    SamlFirst(Portal),
    /// Rule 4.
    #[error(
        "just-in-time creation is on for the {0} portal: switch it off first, \
         or send \"disable_jit\": true"
    )]
    JitFirst(Portal),
    /// Rule 4.
    #[error("just-in-time creation cannot be switched on while SCIM manages the {0} portal")]
    JitUnderScim(Portal),
    /// Rule 4.
    #[error("SAML cannot be removed while SCIM manages the {0} portal")]
    SamlUnderScim(Portal),
    /// Nothing to remove.
    #[error("SAML is not configured for the {0} portal")]
    NoSaml(Portal),
    /// The name is taken.
    #[error("there is a connector named {0} already: send another \"name\"")]
    ConnectorExists(ConnectorName),
    /// The name was taken, and its record is kept.
    #[error(
        "there was a connector named {0}, and its record is kept under that name: send another \"name\""
    )]
    ConnectorWas(ConnectorName),
    /// No such connector.
    #[error("there is no connector named {0}")]
    NoConnector(ConnectorName),
    /// Rule 3.
    #[error("two tokens are live already: revoke one of them first")]
    TooManyTokens,
    /// More than anybody keeps an eye on.
    #[error("{0} people have access to this workspace alone already: revoke one of them first")]
    TooManyApiAccesses(usize),
    /// No such token.
    #[error("that connector has no token with that id")]
    NoToken,
    /// More than one request should have to look through.
    #[error("a connector has at most {0} extension schemas")]
    TooManyExtensions(usize),
    /// One schema, declared twice.
    #[error("the extension {0} is declared twice")]
    ExtensionTwice(String),
    /// The setting does not make sense.
    #[error(transparent)]
    BadAttributeMapping(#[from] BadAttributeMapping),
    /// The setting does not make sense.
    #[error(transparent)]
    BadRoleMapping(#[from] BadRoleMapping),
    /// The lines do not make sense.
    #[error(transparent)]
    BadGroupFilter(#[from] BadGroupFilter),
    /// Roles belong to the Dashboard.
    #[error("rules[{0}].connector {1} is not a connector of the dashboard portal")]
    NotOfDashboard(usize, ConnectorName),
    /// A rule that names nothing.
    #[error("rules[{0}].connector: there is no connector named {1}")]
    UnknownInRule(usize, ConnectorName),
    /// A rule that can never match.
    #[error(
        "rules[{0}].connector {1} was removed with its groups: take the rule out, or name another connector"
    )]
    GoneInRule(usize, ConnectorName),
    /// The setting does not fit its portal.
    #[error(transparent)]
    BadProvisioning(#[from] BadProvisioning),
    /// Out of range.
    #[error("days: must be a number from 1 to {}", super::LOG_DAYS_MAX)]
    BadLogDays,
    /// Too far ahead.
    #[error("bodies_until: must be at most {} hours ahead", super::BODIES_HOURS_MAX)]
    BodiesTooLong,
    /// Nothing would be kept.
    #[error("bodies_until: must lie ahead; to keep no more bodies, leave it out")]
    BodiesPast,
    /// The name is taken.
    #[error("there is a device policy named {0:?} already")]
    PolicyExists(String),
    /// No such policy.
    #[error("there is no device policy with the id {0}")]
    NoPolicy(PolicyId),
    /// Nothing is set.
    #[error("no MDM service is set for just that platform")]
    NoMdmService,
    /// More than one workspace has platforms.
    #[error("a workspace has at most {0} MDM services")]
    TooManyMdmServices(usize),
    /// There is nothing to resume.
    #[error("deliveries are not suspended")]
    NotSuspended,
    /// A rule uses it.
    #[error("the rule of the connector {0} uses that policy: change the rule first")]
    PolicyInRule(ConnectorName),
}
