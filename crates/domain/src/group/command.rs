//! What may be asked of a group, and why it may be refused.

use scim::{filter::Filter, patch, resource::Resource};

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
        /// The connector.
        connector: ConnectorName,
        /// Its attributes.
        resource: Resource,
        /// Its members; `None` when the request does not speak of them, which leaves them.
        members: Option<Vec<MemberRef>>,
    },
    /// SCIM PATCH.
    Patch {
        /// The connector.
        connector: ConnectorName,
        /// In order; all or none.
        operations: Vec<Operation>,
        /// How lenient to be.
        options: patch::Options,
    },
    /// SCIM DELETE.
    Delete {
        /// The connector.
        connector: ConnectorName,
    },
    /// These are gone: they are members no more (a policy asks).
    Forget {
        /// Who.
        members: Vec<MemberId>,
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
    /// The request itself is wrong.
    #[error(transparent)]
    Scim(#[from] scim::Error),
}
