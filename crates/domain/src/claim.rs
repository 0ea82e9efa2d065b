//! Claims: values that at most one stream of a workspace may hold at a time.
//!
//! What a stream holds is a function of its state ([`crate::Decider::claims`]); what a decision
//! takes and gives back is the difference between before and after. The log writes that difference
//! in the append's own transaction, which is what makes uniqueness hold under concurrency.

use smol_str::{SmolStr, format_smolstr};

use crate::{ids::ConnectorName, portal::Portal};

/// A value held by a stream. Keys are folded already; the log keeps only a keyed hash of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    /// The space in which the key is unique.
    pub scope: SmolStr,
    /// The folded value.
    pub key: String,
}

impl Claim {
    /// A person's userName in a portal, whichever connectors know them: one person, one account.
    pub fn person(portal: Portal, user_name: &str) -> Self {
        Self { scope: format_smolstr!("person:{portal}"), key: scim::fold::user_name(user_name) }
    }

    /// A userName within one connector (RFC 7643 §4.1.1: unique, compared after PRECIS).
    pub fn entry(connector: &ConnectorName, user_name: &str) -> Self {
        Self { scope: format_smolstr!("entry:{connector}"), key: scim::fold::user_name(user_name) }
    }

    /// The SCIM id of an entry that is not its user's own id, so that it can be found.
    pub fn alias(entry: crate::ids::EntryId) -> Self {
        Self { scope: SmolStr::new_static("alias"), key: entry.to_string() }
    }

    /// A group's displayName within one connector. The RFC does not ask for it; Entra matches
    /// groups by it and its validator expects 409 for a second one.
    pub fn group(connector: &ConnectorName, display_name: &str) -> Self {
        Self { scope: format_smolstr!("group:{connector}"), key: scim::fold::text(display_name) }
    }

    /// A device's serial number within the workspace.
    pub fn serial(serial: &str) -> Self {
        Self { scope: SmolStr::new_static("serial"), key: scim::fold::text(serial) }
    }
}
