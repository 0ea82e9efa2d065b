//! Conditions: for which versions of a resource a request was made (RFC 7644 §3.14).

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH},
};
use scim::etag::EntityTags;

use crate::error::Refused;

/// `If-Match`: the versions that a change is meant for. Decided with the change itself, so that
/// nothing comes in between.
pub(crate) struct IfMatch(pub(crate) Option<EntityTags>);

/// `If-None-Match`: the versions that the client has already.
pub(crate) struct IfNoneMatch(Option<EntityTags>);

impl IfNoneMatch {
    /// Whether the client has any version.
    pub(crate) fn is_given(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the client has this version.
    pub(crate) fn has(&self, version: u64) -> bool {
        self.0.as_ref().is_some_and(|tags| tags.matches(version))
    }
}

impl FromRequest for IfMatch {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(tags(request.headers(), &IF_MATCH))))
    }
}

impl FromRequest for IfNoneMatch {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(tags(request.headers(), &IF_NONE_MATCH))))
    }
}

/// The tags of a header, which may be there more than once. What is not text matches nothing.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<EntityTags> {
    let values: Vec<_> =
        headers.get_all(name).map(|value| value.to_str().unwrap_or("\"?\"")).collect();
    (!values.is_empty()).then(|| EntityTags::parse(&values.join(",")))
}
