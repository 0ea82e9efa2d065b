//! What a server says that it offers: its discovery documents, read once before the cases.
//!
//! RFC 7644 leaves sorting, versions, Bulk and more to the server, which declares them in
//! `/ServiceProviderConfig`; cases about what is not offered are skipped. A server without
//! these documents is taken to offer what every provisioning needs and nothing beyond.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// Something that a server may or may not offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Feature {
    Patch,
    Bulk,
    Filter,
    Sort,
    Etag,
    /// Pages by cursor, RFC 9865.
    Cursor,
}

impl fmt::Display for Feature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Patch => "PATCH",
            Self::Bulk => "Bulk",
            Self::Filter => "filters",
            Self::Sort => "sorting",
            Self::Etag => "ETags",
            Self::Cursor => "pages by cursor",
        })
    }
}

/// The discovery documents of a server, as far as it has them.
#[derive(Debug, Default)]
pub(crate) struct Offer {
    /// `/ServiceProviderConfig`
    pub(crate) config: Option<Value>,
    /// `/ResourceTypes`
    pub(crate) types: Option<Vec<Value>>,
    /// `/Schemas`
    pub(crate) schemas: Option<Vec<Value>>,
}

impl Offer {
    /// Tells whether the server says that it offers something.
    pub(crate) fn has(&self, feature: Feature) -> bool {
        let Some(config) = &self.config else {
            return matches!(feature, Feature::Patch | Feature::Filter);
        };
        let name = match feature {
            Feature::Patch => "patch",
            Feature::Bulk => "bulk",
            Feature::Filter => "filter",
            Feature::Sort => "sort",
            Feature::Etag => "etag",
            Feature::Cursor => return config["pagination"]["cursor"] == true,
        };
        config[name]["supported"] == true
    }

    /// Tells whether there are resources of that type.
    pub(crate) fn has_type(&self, name: &str) -> bool {
        self.types.as_ref().is_none_or(|types| types.iter().any(|known| known["name"] == name))
    }

    /// Tells whether the schema with that URN has an attribute, or whether nobody knows.
    pub(crate) fn has_attribute(&self, urn: &str, attribute: &str) -> bool {
        let Some(schemas) = &self.schemas else { return true };
        let Some(schema) = schemas.iter().find(|schema| schema["id"] == urn) else { return false };
        let attributes = schema["attributes"].as_array().map(Vec::as_slice).unwrap_or_default();
        attributes.iter().any(|known| {
            known["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(attribute))
        })
    }

    /// Returns a limit of the configuration, such as `bulk` and `maxOperations`.
    pub(crate) fn limit(&self, of: &str, name: &str) -> Option<u64> {
        self.config.as_ref()?[of][name].as_u64()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_declared_is_not_offered() {
        let config = json!({"patch": {"supported": true}, "sort": {"supported": false}});
        let offer = Offer { config: Some(config), ..Offer::default() };
        assert!(offer.has(Feature::Patch));
        assert!(!offer.has(Feature::Sort) && !offer.has(Feature::Etag));
        assert!(!offer.has(Feature::Cursor));
    }

    #[test]
    fn a_server_without_documents_offers_what_provisioning_needs() {
        let offer = Offer::default();
        assert!(offer.has(Feature::Patch) && offer.has(Feature::Filter));
        assert!(!offer.has(Feature::Bulk));
        assert!(offer.has_type("Group") && offer.has_attribute("urn:x", "title"));
    }

    #[test]
    fn attributes_are_those_of_the_schema() {
        let schema = json!({"id": "urn:x", "attributes": [{"name": "nickName"}]});
        let offer = Offer { schemas: Some(vec![schema]), ..Offer::default() };
        assert!(offer.has_attribute("urn:x", "nickname"));
        assert!(!offer.has_attribute("urn:x", "title"));
        assert!(!offer.has_attribute("urn:y", "nickName"));
    }
}
