//! SCIM errors: the body that a client reads when a request is refused.
//!
//! One type for every refusal of the protocol, because its only reader is the client: an
//! administrator in front of the provisioning log of an IdP sees nothing but `detail`. Where code
//! wants to match (a filter's syntax), there is an error of its own that becomes one of these at
//! the edge. RFC 7644 §3.12.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::urn;

/// A refusal as SCIM expresses it: status, error keyword, text for a person.
///
/// # Source
/// RFC 7644 §3.12.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    /// The HTTP status code, 400 to 599.
    pub status: u16,
    /// The keyword of Table 9; `None` where the status says everything.
    pub scim_type: Option<ErrorType>,
    /// What was wrong and where, for a person.
    pub detail: String,
}

/// The detail error keywords of RFC 7644 Table 9, and of RFC 9865 §2.1 for cursors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// The filter does not parse, or compares what cannot be compared.
    InvalidFilter,
    /// The filter yields more results than the service provider is willing to give.
    TooMany,
    /// A value is taken or reserved.
    Uniqueness,
    /// The change is not compatible with the attribute's mutability.
    Mutability,
    /// The body is not of the shape that the request demands.
    InvalidSyntax,
    /// The `path` of a PATCH operation does not parse or names no attribute.
    InvalidPath,
    /// The `path` of a PATCH operation selects nothing.
    NoTarget,
    /// A required value is missing, or a value does not have the attribute's type.
    InvalidValue,
    /// The protocol version is not supported.
    InvalidVers,
    /// The request carries in its URI what must not stand in one.
    Sensitive,
    /// The cursor is not one of ours.
    InvalidCursor,
    /// The cursor was ours, and is too old.
    ExpiredCursor,
    /// The page size cannot be used with a cursor.
    InvalidCount,
}

impl ErrorType {
    /// The keyword as it stands in `scimType`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::InvalidVers => "invalidVers",
            Self::Sensitive => "sensitive",
            Self::InvalidCursor => "invalidCursor",
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCount => "invalidCount",
        }
    }
}

impl Error {
    /// An error with a status and no keyword, for statuses that have no constructor here.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self { status, scim_type: None, detail: detail.into() }
    }

    /// A 400 with a keyword, for keywords that are known only at run time.
    pub fn bad_request(scim_type: ErrorType, detail: impl Into<String>) -> Self {
        Self { status: 400, scim_type: Some(scim_type), detail: detail.into() }
    }

    /// 400 `invalidFilter`.
    pub fn invalid_filter(detail: impl Into<String>) -> Self {
        Self::bad_request(ErrorType::InvalidFilter, detail)
    }

    /// 400 `tooMany`.
    pub fn too_many(detail: impl Into<String>) -> Self {
        Self::bad_request(ErrorType::TooMany, detail)
    }

    /// 409 `uniqueness`.
    ///
    /// # Source
    /// RFC 7644 §3.3: a duplicate "MUST" be answered with 409.
    pub fn uniqueness(detail: impl Into<String>) -> Self {
        Self { status: 409, ..Self::bad_request(ErrorType::Uniqueness, detail) }
    }

    /// 400 `mutability`.
    pub fn mutability(detail: impl Into<String>) -> Self {
        Self::bad_request(ErrorType::Mutability, detail)
    }

    /// 400 `invalidSyntax`.
    pub fn invalid_syntax(detail: impl Into<String>) -> Self {
        Self::bad_request(ErrorType::InvalidSyntax, detail)
    }

    /// 400 `invalidPath`.
    pub fn invalid_path(detail: impl Into<String>) -> Self {
        Self::bad_request(ErrorType::InvalidPath, detail)
    }

    /// 400 `noTarget`.
    pub fn no_target(detail: impl Into<String>) -> Self {
        Self::bad_request(ErrorType::NoTarget, detail)
    }

    /// 400 `invalidValue`.
    pub fn invalid_value(detail: impl Into<String>) -> Self {
        Self::bad_request(ErrorType::InvalidValue, detail)
    }

    /// 400 `invalidVers`.
    pub fn invalid_version(detail: impl Into<String>) -> Self {
        Self::bad_request(ErrorType::InvalidVers, detail)
    }

    /// 403 `sensitive`.
    ///
    /// # Source
    /// RFC 7644 §7.5.2.
    pub fn sensitive(detail: impl Into<String>) -> Self {
        Self { status: 403, ..Self::bad_request(ErrorType::Sensitive, detail) }
    }

    /// 401.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(401, detail)
    }

    /// 403.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, detail)
    }

    /// 405.
    pub fn method_not_allowed(detail: impl Into<String>) -> Self {
        Self::new(405, detail)
    }

    /// 409 without a keyword: a conflict that is not a duplicate.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(409, detail)
    }

    /// 412: `If-Match` does not hold.
    pub fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(412, detail)
    }

    /// 413: more bytes or operations than a stated limit.
    pub fn payload_too_large(detail: impl Into<String>) -> Self {
        Self::new(413, detail)
    }

    /// 415.
    pub fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Self::new(415, detail)
    }

    /// 429.
    pub fn too_many_requests(detail: impl Into<String>) -> Self {
        Self::new(429, detail)
    }

    /// 500. The text must hold nothing of the inside, only what helps to find it (a request id).
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(500, detail)
    }

    /// 501.
    pub fn not_implemented(detail: impl Into<String>) -> Self {
        Self::new(501, detail)
    }

    /// 503.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(503, detail)
    }

    /// The same error with words before its detail that say where it happened.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.detail = format!("{place}: {}", self.detail);
        self
    }

    /// The body of the response; `status` is a string in it.
    ///
    /// # Source
    /// RFC 7644 §3.12.
    pub fn to_json(&self) -> Value {
        let mut body = Map::new();
        body.insert("schemas".to_owned(), json!([urn::ERROR]));
        body.insert("status".to_owned(), Value::String(self.status.to_string()));
        if let Some(scim_type) = self.scim_type {
            body.insert("scimType".to_owned(), Value::from(scim_type.as_str()));
        }
        body.insert("detail".to_owned(), Value::from(self.detail.as_str()));
        Value::Object(body)
    }
}

/// The most characters of a client's text that a detail repeats.
const ECHO_CHARS_MAX: usize = 200;

/// A client's text as a detail repeats it: the beginning of it, where it is long.
pub(crate) struct Echo<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Echo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        match text.char_indices().nth(ECHO_CHARS_MAX) {
            Some((end, _)) => write!(f, "{}…", &text[..end]),
            None => f.write_str(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Catalogue, Kind, filter::Filter, patch};

    #[test]
    fn a_detail_repeats_no_more_than_the_beginning_of_a_long_text() {
        assert_eq!(Echo("ü".repeat(200)).to_string(), "ü".repeat(200));
        assert_eq!(Echo("ü".repeat(201)).to_string(), format!("{}…", "ü".repeat(200)));
        let long = "x".repeat(10_000);
        let filtered =
            |text: String| Filter::parse(&text)?.check(Kind::User, Catalogue::standard());
        let patched = |path: String, value: Value| {
            let body = json!({"Operations": [{"op": "add", "path": path, "value": value}]});
            let request = patch::Request::parse(body, Kind::User, Catalogue::standard())?;
            let options = patch::Options::LENIENT;
            request.apply(
                &mut crate::Resource::default(),
                Kind::User,
                Catalogue::standard(),
                &options,
            )
        };
        let urn = format!("urn:{long}:User");
        for refused in [
            filtered(format!("{long}! eq 1")),
            filtered(format!("userName {long} 1")),
            filtered(format!("active eq \"{long}\"")),
            patched(format!("{long}!"), json!(1)),
            patched(long.clone(), json!(1)),
            patched(format!("userName.{long}"), json!(1)),
            patched(format!("emails[type eq \"{long}\"].x"), json!(1)),
            patched(urn.clone(), json!("x")),
            patched(format!("{urn}:k"), json!({long.clone(): vec![1; 1001]})),
        ] {
            let error = refused.unwrap_err();
            assert!(error.detail.chars().count() < 700, "{error}");
            assert!(error.detail.contains('…'), "{error}");
        }
    }

    #[test]
    fn section_3_12_the_status_is_a_string_and_absent_members_are_left_out() {
        assert_eq!(
            Error::mutability("Attribute 'id' is readOnly").to_json(),
            json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "scimType": "mutability",
                "detail": "Attribute 'id' is readOnly",
                "status": "400"
            })
        );
        assert_eq!(
            Error::not_found("Resource 2819c223 not found").to_json(),
            json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "detail": "Resource 2819c223 not found",
                "status": "404"
            })
        );
    }

    #[test]
    fn statuses_that_differ_from_400_keep_their_keyword() {
        let duplicate = Error::uniqueness("taken");
        assert_eq!((duplicate.status, duplicate.scim_type), (409, Some(ErrorType::Uniqueness)));
        let sensitive = Error::sensitive("no");
        assert_eq!((sensitive.status, sensitive.scim_type), (403, Some(ErrorType::Sensitive)));
    }

    #[test]
    fn the_place_comes_before_the_detail() {
        assert_eq!(
            Error::no_target("nothing").at("operation 2").to_string(),
            "operation 2: nothing"
        );
    }
}
