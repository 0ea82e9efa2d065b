//! Who asks: a connector by its token, or a person by theirs.
//!
//! Tenant isolation is this type: every SCIM read and write takes a [`Caller`] and can reach its
//! connector's data and no other.

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    admin_role::AdminRole,
    attribute_mapping::AttributeMapping,
    ids::{ConnectorName, TokenId},
    portal::Portal,
    rule::Rule,
    workspace::{Idp, Paused},
};
use event_log::{Meta, WorkspaceId};
use scim::Catalogue;
use smol_str::{SmolStr, format_smolstr};

use crate::{Budget, RequestIds, Sightings, Trace};

/// A connector that has proven itself with a live token.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose workspace.
    pub workspace: WorkspaceId,
    /// Which connector.
    pub connector: ConnectorName,
    /// Whose people it provisions.
    pub portal: Portal,
    /// Whose dialect it speaks.
    pub idp: Idp,
    /// With which token.
    pub token: TokenId,
    /// Its rule in force.
    pub rule: Arc<Rule>,
    /// The connectors of the workspace that were removed.
    pub gone: BTreeSet<ConnectorName>,
    /// The schemas of its resources.
    pub catalogue: Catalogue,
    /// Which attributes become metadata.
    pub mapping: Arc<AttributeMapping>,
    /// Which request this is.
    pub ids: RequestIds,
    /// Which attributes it carries.
    pub sightings: Sightings,
    /// What its filters have cost.
    pub budget: Budget,
    /// What it has done.
    pub trace: Trace,
    /// Why the connector is paused, if it is.
    pub paused: Option<Paused>,
    /// Whether the provisioning log keeps the bodies of its requests.
    pub keeps_bodies: bool,
}

impl Caller {
    /// What is recorded with the events of this request.
    pub(crate) fn meta(&self) -> Meta {
        Meta {
            actor: format_smolstr!("connector:{}/{}", self.connector, self.token),
            request: Some(self.ids.request.clone()),
            correlation: self.ids.correlation.clone(),
            causation: None,
            rule: None,
        }
    }

    /// The same, with the rule in force: for what the rule has a say in.
    pub(crate) fn meta_with_rule(&self) -> Meta {
        Meta { rule: serde_json::to_string(&*self.rule).ok(), ..self.meta() }
    }
}

/// A person who asks through `/api/v1`.
#[derive(Clone, Debug)]
pub struct Person {
    /// An id, never a name: of their access, or `owner`.
    pub id: SmolStr,
    /// What they may do.
    pub role: AdminRole,
    /// The one workspace that they reach; `None` for all.
    pub reach: Option<WorkspaceId>,
    /// Which request this is.
    pub ids: RequestIds,
}

impl Person {
    /// The owner of the installation, or somebody who acts as they would.
    pub fn owner(id: impl Into<SmolStr>, ids: RequestIds) -> Self {
        Self { id: id.into(), role: AdminRole::Owner, reach: None, ids }
    }

    /// Whether they reach a workspace. One that they do not reach is to them like one that is not there.
    pub fn reaches(&self, workspace: &WorkspaceId) -> bool {
        self.reach.as_ref().is_none_or(|reach| reach == workspace)
    }

    /// As the record names them.
    pub(crate) fn actor(&self) -> SmolStr {
        format_smolstr!("person:{}", self.id)
    }

    /// What is recorded with the events of this request.
    pub(crate) fn meta(&self) -> Meta {
        Meta {
            actor: self.actor(),
            request: Some(self.ids.request.clone()),
            correlation: self.ids.correlation.clone(),
            causation: None,
            rule: None,
        }
    }
}

/// Why a request is answered 401. Told apart, so that an administrator knows what to mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unauthorized {
    /// No `Authorization` header.
    #[error("no bearer token: send the header \"Authorization: Bearer <token>\"")]
    Missing,
    /// A header that is not a bearer token of ours.
    #[error(
        "the Authorization header holds no token of this server: it must read \
         \"Bearer mst_…\", with the word Bearer once"
    )]
    Malformed,
    /// A token, but none that this connector has.
    #[error("that token is not known here: check the Base URL, or make a new token")]
    Unknown,
    /// A token of the same workspace, for another connector.
    #[error("that token belongs to another connector: use it with that connector's Base URL")]
    OtherConnector,
    /// It was good once.
    #[error("that token has expired: make a new one")]
    Expired,
    /// It was good once.
    #[error("that token has been revoked: make a new one")]
    Revoked,
}

impl Unauthorized {
    /// One word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::OtherConnector => "other_connector",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// The token in an `Authorization` header: the scheme in any case, one or more spaces.
///
/// # Errors
/// [`Unauthorized::Missing`] or [`Unauthorized::Malformed`].
pub(crate) fn bearer_token(header: Option<&str>) -> Result<&str, Unauthorized> {
    let header = header.map(str::trim).filter(|text| !text.is_empty());
    let header = header.ok_or(Unauthorized::Missing)?;
    let (scheme, token) = header.split_once(' ').ok_or(Unauthorized::Malformed)?;
    let token = token.trim();
    let well_formed = scheme.eq_ignore_ascii_case("bearer") && !token.contains(' ');
    if well_formed && !token.is_empty() { Ok(token) } else { Err(Unauthorized::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_read_in_any_case_and_once() {
        assert_eq!(bearer_token(Some("bearer  abc")), Ok("abc"));
        assert_eq!(bearer_token(Some("BEARER abc ")), Ok("abc"));
        assert_eq!(bearer_token(Some("Bearer Bearer abc")), Err(Unauthorized::Malformed));
        assert_eq!(bearer_token(Some("abc")), Err(Unauthorized::Malformed));
        assert_eq!(bearer_token(Some("Basic abc")), Err(Unauthorized::Malformed));
        assert_eq!(bearer_token(Some(" ")), Err(Unauthorized::Missing));
        assert_eq!(bearer_token(None), Err(Unauthorized::Missing));
    }
}
