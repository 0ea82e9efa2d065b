//! What may be asked of a user, and why it may be refused.

use std::{collections::BTreeSet, sync::Arc};

use scim::{Catalogue, etag::EntityTags, patch, resource::Resource};

use super::Erase;
use crate::{
    Micros,
    attribute_mapping::AttributeMapping,
    ids::{ConnectorName, EntryId, HoldId, OffboardingId},
    offboarding::{Limit, Planned},
    portal::{Portal, Role},
    role_mapping::{Mapped, RoleMapping},
    rule::Rule,
};

/// Through which connector a request came, and what that means at this moment.
#[derive(Clone, Debug)]
pub struct Via {
    /// The connector.
    pub connector: ConnectorName,
    /// Its setting in force.
    pub rule: Arc<Rule>,
    /// Connectors that were removed: what their entries say keeps nobody here, and is no metadata.
    pub gone: BTreeSet<ConnectorName>,
    /// The id of the offboarding, should the request open one.
    pub offboarding: OffboardingId,
    /// The schemas of the connector's resources.
    pub catalogue: Catalogue,
    /// Which attributes become metadata.
    pub mapping: Arc<AttributeMapping>,
    /// The versions of the entry for which the request was made; any, if `None`.
    pub if_match: Option<EntityTags>,
}

impl Via {
    /// A request for any version, by the schemas of RFC 7643, with no attribute mapped.
    pub fn new(connector: ConnectorName, rule: Arc<Rule>, offboarding: OffboardingId) -> Self {
        let (catalogue, mapping) = (Catalogue::standard().clone(), Arc::default());
        let gone = BTreeSet::new();
        Self { connector, rule, gone, offboarding, catalogue, mapping, if_match: None }
    }
}

/// What may be asked.
#[derive(Clone, Debug)]
pub enum UserCommand {
    /// SCIM POST.
    Provision {
        /// The portal of the connector.
        portal: Portal,
        /// Through which connector.
        via: Via,
        /// The SCIM id that the new entry gets.
        entry: EntryId,
        /// What the connector says.
        resource: Resource,
    },
    /// SCIM PUT.
    Replace {
        /// Through which connector.
        via: Via,
        /// The entry's SCIM id.
        entry: EntryId,
        /// What the connector says now.
        resource: Resource,
    },
    /// SCIM PATCH.
    Patch {
        /// Through which connector.
        via: Via,
        /// The entry's SCIM id.
        entry: EntryId,
        /// The changes, in order; all or none.
        request: patch::Request,
        /// How lenient to be.
        options: patch::Options,
    },
    /// SCIM DELETE.
    RemoveEntry {
        /// Through which connector.
        via: Via,
        /// The entry's SCIM id.
        entry: EntryId,
    },
    /// An administrator wants metadata to follow the mapping before the next sync.
    Remap {
        /// Whose entry.
        connector: ConnectorName,
        /// The mapping in force.
        mapping: Arc<AttributeMapping>,
        /// Connectors that were removed: what they have said ends.
        gone: BTreeSet<ConnectorName>,
    },
    /// An administrator wants the rule in force to reach somebody who is there already.
    ApplyRule {
        /// The connector, and its rule; the id of an offboarding is made from these.
        via: Via,
    },
    /// An administrator makes the account by hand.
    Invite {
        /// The portal.
        portal: Portal,
        /// How the person signs in.
        user_name: String,
        /// Where they are written to.
        email: Option<String>,
        /// Dashboard: their role.
        role: Option<Role>,
    },
    /// An administrator chooses a role.
    SetRole {
        /// Which.
        role: Role,
    },
    /// The person's groups were looked at (a policy asks).
    MapRole {
        /// What they make them.
        mapped: Option<Mapped>,
        /// The setting in force.
        mapping: Arc<RoleMapping>,
        /// When what made the policy look was recorded.
        at: Micros,
    },
    /// An administrator removes the account.
    RemoveAccount,
    /// The planner found what an offboarding calls for.
    PlanOffboarding {
        /// Which.
        offboarding: OffboardingId,
        /// One action for each device.
        actions: Vec<Planned>,
    },
    /// Everything an offboarding called for has ended.
    CompleteOffboarding {
        /// Which.
        offboarding: OffboardingId,
    },
    /// The brake holds an offboarding before anything of it is carried out.
    HoldOffboarding {
        /// Which.
        offboarding: OffboardingId,
        /// With which others.
        hold: HoldId,
        /// What the connector went over.
        limit: Limit,
    },
    /// A person lets an offboarding that is held go on.
    ApproveOffboarding {
        /// Which.
        offboarding: OffboardingId,
    },
    /// A person takes an offboarding back: what has not been sent will not be, and the account is
    /// open again. Entries stay as the `IdP` left them.
    UndoOffboarding {
        /// Which.
        offboarding: OffboardingId,
    },
    /// A person is to be erased, for ever (rule 32).
    Erase(Box<Erase>),
}

/// Why a command is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum UserRefusal {
    /// The connector has no such entry.
    #[error("this connector has no user with that id")]
    NoEntry,
    /// The entry has changed since the client read it (RFC 7644 §3.14).
    #[error("the user has changed: its version is now {}", scim::etag::of(*.0))]
    OtherVersion(u64),
    /// The connector has an entry for that person already.
    #[error("this connector has a user with that userName already")]
    EntryExists,
    /// The request itself is wrong.
    #[error(transparent)]
    Scim(#[from] scim::Error),
    /// The person has an account already.
    #[error("that person has an account in this portal already")]
    AccountExists,
    /// There is no account to act on.
    #[error("that person has no account in this portal")]
    NoAccount,
    /// Nothing is planned before it is decided.
    #[error("the offboarding of that person waits for a decision")]
    Held,
    /// It was decided, or has ended, meanwhile.
    #[error("the offboarding of that person is not held any more")]
    NotHeld,
    /// Nothing is done to, or taken back of, somebody who was erased.
    #[error("that person was erased")]
    Erased,
    /// What the command builds on is not stored yet: ask again.
    #[error("what was decided about the person a moment ago is not stored yet")]
    NotStored,
    /// Roles belong to the Dashboard.
    #[error("{0} has no roles; only collaborators of the dashboard do")]
    NoRoles(Portal),
}
