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
        let id = parse(request.match_info().query("id"));
        ready(id.map(Self).ok_or_else(|| scim::Error::not_found("resource not found").into()))
    }
}

/// One spelling of an id, hyphenated; its case is forgiven, because clients print GUIDs in capitals.
fn parse(text: &str) -> Option<Uuid> {
    let hyphenated = text.len() == uuid::fmt::Hyphenated::LENGTH;
    if hyphenated { Uuid::try_parse(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = "0190f5e0-0000-7000-8000-00000000abcd";
        assert_eq!(parse(id).map(|id| id.to_string()).as_deref(), Some(id));
        assert_eq!(parse(&id.to_uppercase()), parse(id));
        for other in ["", "7", &id.replace('-', ""), &format!("{{{id}}}"), "urn:uuid:x", &id[1..]] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
