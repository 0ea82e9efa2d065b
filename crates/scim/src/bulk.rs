//! Bulk: many operations in one request.
//!
//! What can be said of a bulk request without carrying it out: which operations it has, which of
//! them are no good, which resources they create for each other, in what order that can be done,
//! and what the answer looks like. One bad operation does not spoil the others, so a request holds
//! a result for each.
//!
//! Whoever carries a request out takes the operations in [`Request::order`], resolves the
//! references of each ([`Operation::resolve`]) with the ids of what was created so far, and stops
//! when `fail_on_errors` operations have failed. In a circle of references the first operation
//! cannot be resolved when its turn comes: [`Operation::postpone`] takes out of it what has to wait
//! and makes a PATCH of that. RFC 7644 §3.7.

use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::schema::Kind;
use crate::urn;

mod order;
mod parse;
mod references;

/// The most operations in one request.
pub const OPERATIONS_MAX: usize = 1_000;
/// The largest body of a request, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;
/// The longest `bulkId`, in characters.
pub const BULK_ID_CHARS_MAX: usize = crate::NAME_CHARS_MAX;

/// A bulk request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// How many operations may fail, at least 1, before the rest is not tried; `None` is all.
    pub fail_on_errors: Option<u64>,
    /// The operations as given, each with what is wrong about it if anything is.
    pub operations: Vec<Result<Operation, BadOperation>>,
}

/// One operation that can be tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// What to do.
    pub method: Method,
    /// The client's name for what a POST creates; of other methods it is only repeated.
    pub bulk_id: Option<String>,
    /// Of which kind the resource is.
    pub kind: Kind,
    /// The id of the resource, or `bulkId:` with the name of one that this request creates; `None`
    /// for POST only.
    pub id: Option<String>,
    /// The entity tag on which PUT, PATCH and DELETE depend.
    pub version: Option<String>,
    /// What would be the body of a single request; null for DELETE.
    pub data: Value,
}

/// One operation that cannot be tried.
#[derive(Clone, Debug, PartialEq)]
pub struct BadOperation {
    /// The method as the client wrote it; empty if there was none.
    pub method: String,
    /// The client's name for it.
    pub bulk_id: Option<String>,
    /// The resource, as far as it could be read.
    pub kind: Option<Kind>,
    /// Its id.
    pub id: Option<String>,
    /// What is wrong.
    pub error: Error,
}

/// What operations do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Create a resource.
    Post,
    /// Replace one.
    Put,
    /// Change one.
    Patch,
    /// Delete one.
    Delete,
}

impl Method {
    /// Every method that an operation may have.
    pub const ALL: [Self; 4] = [Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// The method as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What became of one operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The method as the client wrote it.
    pub method: String,
    /// The client's name for it.
    pub bulk_id: Option<String>,
    /// The absolute URI of the resource, if there is one: of a POST that failed, only when what it
    /// created stands all the same.
    pub location: Option<String>,
    /// The entity tag of the resource, if it is there and has one.
    pub version: Option<String>,
    /// The HTTP status that a single request would have had.
    pub status: u16,
    /// Why it failed.
    pub error: Option<Error>,
}

/// The answer to a bulk request: what became of the operations that were tried.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    /// One for each operation.
    pub outcomes: Vec<Outcome>,
}

impl BadOperation {
    /// What became of it; `location` is that of the resource, if it is known. A POST has none.
    pub fn into_outcome(self, location: Option<String>) -> Outcome {
        let Self { method, bulk_id, error, .. } = self;
        let status = error.status;
        let location = location.filter(|_| method != Method::Post.as_str());
        Outcome { method, bulk_id, location, version: None, status, error: Some(error) }
    }
}

impl Response {
    /// The body of the response.
    ///
    /// # Source
    /// RFC 7644 §3.7.3; `status` is a text, as in its examples, not the object with `code` of §3.7.2.
    pub fn into_json(self) -> Value {
        let operations: Vec<_> = self.outcomes.into_iter().map(Outcome::into_json).collect();
        json!({"schemas": [urn::BULK_RESPONSE], "Operations": operations})
    }
}

impl Outcome {
    fn into_json(self) -> Value {
        let status = Some(self.status.to_string());
        let members = [
            ("method", Some(self.method).filter(|method| !method.is_empty())),
            ("bulkId", self.bulk_id),
            ("location", self.location),
            ("version", self.version),
            ("status", status),
        ];
        let present = members.into_iter().filter_map(|(name, text)| Some((name, text?)));
        let mut body: Map<_, _> =
            present.map(|(name, text)| (name.to_owned(), Value::String(text))).collect();
        body.extend(self.error.map(|error| ("response".to_owned(), error.to_json())));
        Value::Object(body)
    }
}

/// The refusal of a body of more than [`PAYLOAD_BYTES_MAX`] bytes.
///
/// # Source
/// RFC 7644 §3.7.4: the response "MUST specify the limit exceeded".
pub fn too_large() -> Error {
    let detail = format!("the body is larger than maxPayloadSize ({PAYLOAD_BYTES_MAX} bytes)");
    Error::payload_too_large(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_3_7_3_the_answer_to_what_was_tried() {
        let created = Outcome {
            method: "POST".to_owned(),
            bulk_id: Some("qwerty".to_owned()),
            location: Some("https://example.com/v2/Users/1".to_owned()),
            version: Some("W/\"1\"".to_owned()),
            status: 201,
            error: None,
        };
        let stale = Outcome {
            method: "PUT".to_owned(),
            bulk_id: None,
            version: None,
            status: 412,
            error: Some(Error::precondition_failed("changed")),
            ..created.clone()
        };
        let bad = BadOperation {
            method: "POST".to_owned(),
            bulk_id: None,
            kind: Some(Kind::User),
            id: None,
            error: Error::invalid_value("no bulkId"),
        };
        let bad = bad.into_outcome(created.location.clone());
        let error = |status: &str, detail: &str| json!({"schemas": [urn::ERROR], "status": status, "detail": detail});
        let mut invalid = error("400", "no bulkId");
        invalid["scimType"] = json!("invalidValue");
        assert_eq!(
            Response { outcomes: vec![created, stale, bad] }.into_json(),
            json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"],
                "Operations": [
                    {
                        "method": "POST", "bulkId": "qwerty", "version": "W/\"1\"", "status": "201",
                        "location": "https://example.com/v2/Users/1"
                    },
                    {
                        "method": "PUT", "location": "https://example.com/v2/Users/1",
                        "status": "412", "response": error("412", "changed")
                    },
                    {"method": "POST", "status": "400", "response": invalid}
                ]
            })
        );
    }

    #[test]
    fn section_3_7_4_the_limit_is_named() {
        assert_eq!(too_large().status, 413);
        assert!(too_large().detail.contains("maxPayloadSize (16777216 bytes)"));
    }
}
