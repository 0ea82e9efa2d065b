//! What may be asked of a group, and why it may be refused.

use scim::{Catalogue, etag::EntityTags, filter::Filter, patch, resource::Resource};

use crate::{
    ids::{ConnectorName, MemberId},
    portal::Portal,
};

/// A member as a request names it, and whom that names in this connector, if anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRef {
    /// What the connector calls them.
    pub value: String,
    /// The entry or group it names. Looked up before the decision; whoever arrives between the two
    /// is found by the policy that resolves pending members.
    pub known: Option<MemberId>,
}

/// A change of members.
#[derive(Clone, Debug)]
pub enum MemberOp {
    /// These too.
    Add(Vec<MemberRef>),
    /// Not these.
    Remove(Vec<MemberRef>),
    /// None at all.
    RemoveAll,
    /// These and no others.
    Replace(Vec<MemberRef>),
    /// None that the filter matches.
    RemoveMatching(Filter),
}

/// One operation of a PATCH.
#[derive(Clone, Debug)]
pub enum Operation {
    /// On the members.
    Members(MemberOp),
    /// On anything else.
    Attribute(patch::Change),
}

/// Through which connector a request came, and for which group it was made.
#[derive(Clone, Debug)]
pub struct Via {
    /// The connector.
    pub connector: ConnectorName,
    /// The schemas of its resources.
    pub catalogue: Catalogue,
    /// The versions of the group for which the request was made; any, if `None`.
    pub if_match: Option<EntityTags>,
}

impl Via {
    /// A request for any version, by the schemas of RFC 7643.
    pub fn new(connector: ConnectorName) -> Self {
        Self { connector, catalogue: Catalogue::standard().clone(), if_match: None }
    }
}

/// What may be asked.
#[derive(Clone, Debug)]
pub enum GroupCommand {
    /// SCIM POST.
    Create {
        /// The portal of the connector.
        portal: Portal,
        /// The connector.
        connector: ConnectorName,
        /// Its attributes.
        resource: Resource,
        /// Its members.
        members: Vec<MemberRef>,
    },
    /// SCIM PUT.
    Replace {
        /// Through which connector.
        via: Via,
        /// Its attributes.
        resource: Resource,
        /// Its members; `None` when the request does not speak of them, which leaves them.
        members: Option<Vec<MemberRef>>,
    },
    /// SCIM PATCH.
    Patch {
        /// Through which connector.
        via: Via,
        /// In order; all or none.
        operations: Vec<Operation>,
        /// How lenient to be.
        options: patch::Options,
    },
    /// SCIM DELETE.
    Delete {
        /// Through which connector.
        via: Via,
    },
    /// These are gone: they are members no more (a policy asks).
    Forget {
        /// Who.
        members: Vec<MemberId>,
    },
    /// Pending values name somebody who is erased.
    Drop {
        /// The versions of the events that brought the values.
        pending: Vec<u64>,
    },
    /// Somebody arrived whom pending values name (a policy asks).
    Resolve {
        /// The versions of the events that brought the values.
        pending: Vec<u64>,
        /// Who it is.
        member: MemberId,
    },
}

/// Why a command is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum GroupRefusal {
    /// The connector has no such group.
    #[error("this connector has no group with that id")]
    NoGroup,
    /// The group has changed since the client read it (RFC 7644 §3.14).
    #[error("the group has changed: its version is now {}", scim::etag::of(*.0))]
    OtherVersion(u64),
    /// The request itself is wrong.
    #[error(transparent)]
    Scim(#[from] scim::Error),
}
