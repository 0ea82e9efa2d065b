//! The document of a resource: what a client reads.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::Resource;
use crate::schema::Kind;

/// What the service provider knows about a resource beside its attributes.
///
/// # Source
/// RFC 7643 §3.1; `resourceType` follows from the kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// When the resource was created, as an `xsd:dateTime`.
    pub created: String,
    /// When it was last changed, as an `xsd:dateTime`.
    pub last_modified: String,
    /// Its absolute URI.
    pub location: String,
    /// Its ETag, with `W/` and quotes; `None` where none is served.
    pub version: Option<String>,
}

/// The `meta` attribute as it is sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown<'a> {
    resource_type: &'static str,
    created: &'a str,
    last_modified: &'a str,
    location: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
}

impl Meta {
    /// The `meta` attribute.
    pub fn to_json(&self, kind: Kind) -> Value {
        json!(self.shown(kind))
    }

    pub(super) fn shown(&self, kind: Kind) -> Shown<'_> {
        Shown {
            resource_type: kind.name(),
            created: &self.created,
            last_modified: &self.last_modified,
            location: &self.location,
            version: self.version.as_deref(),
        }
    }
}

impl Resource {
    /// The whole SCIM document, without `groups` and `members`: the caller knows those.
    pub fn document(&self, kind: Kind, id: &str, meta: &Meta) -> Value {
        self.clone().into_document(kind, id, meta)
    }

    /// The same as [`Resource::document`], without a copy where nobody shares it.
    pub fn into_document(self, kind: Kind, id: &str, meta: &Meta) -> Value {
        let schemas = self.schemas(kind).into_iter().map(Value::String).collect();
        let mut document = Arc::unwrap_or_clone(self.0);
        document.insert("schemas".to_owned(), Value::Array(schemas));
        document.insert("id".to_owned(), Value::from(id));
        document.insert("meta".to_owned(), meta.to_json(kind));
        Value::Object(document)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_has_what_the_service_provider_adds() {
        let ada: Resource = serde_json::from_value(json!({
            "userName": "ada", "urn:x:User": {"costCode": "7"}
        }))
        .unwrap();
        let meta = Meta {
            created: "2026-01-01T00:00:00Z".to_owned(),
            last_modified: "2026-01-02T00:00:00Z".to_owned(),
            location: "https://example.com/scim/v2/Users/1".to_owned(),
            version: Some("W/\"2\"".to_owned()),
        };
        assert_eq!(
            ada.document(Kind::User, "1", &meta),
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:x:User"],
                "id": "1",
                "userName": "ada",
                "urn:x:User": {"costCode": "7"},
                "meta": {
                    "resourceType": "User",
                    "created": "2026-01-01T00:00:00Z",
                    "lastModified": "2026-01-02T00:00:00Z",
                    "location": "https://example.com/scim/v2/Users/1",
                    "version": "W/\"2\""
                }
            })
        );
        let bare = Resource::default().document(Kind::Group, "2", &Meta::default());
        assert_eq!(bare["meta"].get("version"), None);
        assert_eq!(bare["schemas"], json!(["urn:ietf:params:scim:schemas:core:2.0:Group"]));
    }
}
