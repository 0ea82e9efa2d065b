//! The id in a path.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use uuid::Uuid;

use crate::error::Refused;

/// The id of a resource. Whatever is none of ours names nothing: 404, like an id that is unknown.
#[derive(Clone, Copy)]
pub(crate) struct Id(pub(crate) Uuid);

impl FromRequest for Id {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(named(request.match_info().query("id")).map(Self).map_err(Refused::from))
    }
}

/// The id that a text names.
///
/// # Errors
/// 404.
pub(crate) fn named(text: &str) -> Result<Uuid, scim::Error> {
    parse(text).ok_or_else(|| scim::Error::not_found("no resource has this id"))
}

/// The one spelling of an id, hyphenated and in lower case.
///
/// # Source
/// RFC 7643 §3.1: `id` has "caseExact" as "true".
fn parse(text: &str) -> Option<Uuid> {
    let is_canonical = |id: &Uuid| {
        let mut buffer = Uuid::encode_buffer();
        *id.hyphenated().encode_lower(&mut buffer) == *text
    };
    Uuid::try_parse(text).ok().filter(is_canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = "0190f5e0-0000-7000-8000-00000000abcd";
        assert_eq!(parse(id).map(|id| id.to_string()).as_deref(), Some(id));
        let capitals = id.to_uppercase();
        for other in
            ["", &capitals, "7", &id.replace('-', ""), &format!("{{{id}}}"), "urn:uuid:x", &id[1..]]
        {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
