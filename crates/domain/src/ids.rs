//! Identifiers, each a type of its own so that no two can be mistaken for each other.
//!
//! All are UUIDs made at the edge (version 7, so that neighbours in time are neighbours in an index)
//! or derived from others (version 5), but for a connector, which people name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

uuid_ids! {
    /// A person in one portal: the id of the user's stream. Equal to the SCIM id of their first entry.
    UserId;
    /// What SCIM calls the `id` of a User: one entry of a person in one connector.
    EntryId;
    /// A group of one connector; also its SCIM `id`.
    GroupId;
    /// A member of a group: the [`EntryId`] of a user or the [`GroupId`] of a nested group.
    MemberId;
    /// A device of a workspace.
    DeviceId;
    /// A publication: an app in the Store.
    PublicationId;
    /// A segment of Device Management.
    SegmentId;
    /// A device policy of a workspace.
    PolicyId;
    /// One process that a deactivation opened.
    OffboardingId;
    /// One erasure of a person.
    ErasureId;
    /// What waits for a person's decision: the [`OffboardingId`] of the first one that is held.
    HoldId;
    /// One thing owed to one device. Derived: see [`ActionId::derive`].
    ActionId;
    /// What a service is called with; the credentials themselves lie sealed beside the log.
    CredentialsId;
    /// A bearer token of a connector; stands readable inside the token.
    TokenId;
    /// A person's access to `/api/v1`; stands readable inside its token, and names them in the record.
    AccessId;
}

impl From<EntryId> for MemberId {
    fn from(entry: EntryId) -> Self {
        Self(entry.0)
    }
}

impl From<OffboardingId> for HoldId {
    fn from(first: OffboardingId) -> Self {
        Self(first.0)
    }
}

impl From<GroupId> for MemberId {
    fn from(group: GroupId) -> Self {
        Self(group.0)
    }
}

impl OffboardingId {
    /// The offboarding that a rule calls for when it is applied to an entry in one of its versions.
    /// Asked twice, it is the same one.
    pub fn derive(entry: EntryId, version: u64, rule: u64) -> Self {
        Self(Uuid::new_v5(&entry.0, format!("version {version}, rule {rule}").as_bytes()))
    }
}

impl ActionId {
    /// The action that `offboarding` calls for on `device`. Planning twice names the same action,
    /// so it is requested once, and it is the idempotency key toward the MDM service.
    pub fn derive(offboarding: OffboardingId, device: DeviceId) -> Self {
        Self(Uuid::new_v5(&offboarding.0, device.0.as_bytes()))
    }

    /// The action for the same device when the person is given it back, by the event at a position,
    /// after this one has ended.
    #[must_use]
    pub fn again(self, position: u64) -> Self {
        Self(Uuid::new_v5(&self.0, &position.to_be_bytes()))
    }
}

/// A connector's name in its workspace: 1 to 63 of `[a-z0-9-]`. The first connector of a portal is
/// named after the portal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectorName(SmolStr);

/// A name that is not 1 to 63 of `[a-z0-9-]`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a connector's name is 1 to 63 characters of a-z, 0-9 and '-', got {0:?}")]
pub struct BadConnectorName(String);

impl ConnectorName {
    /// Checks a name.
    pub fn parse(text: &str) -> Result<Self, BadConnectorName> {
        let fits = (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(text.into())) } else { Err(BadConnectorName(text.to_owned())) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
