//! The URNs of SCIM schemas and messages.
//!
//! In one place, because they appear in bodies, paths, filters and discovery, and a typing mistake
//! in any of them is an incompatibility that no compiler finds.

/// The core User schema, RFC 7643 §4.1.
pub const CORE_USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The core Group schema, RFC 7643 §4.2.
pub const CORE_GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The enterprise extension of User, RFC 7643 §4.3.
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// The schema of the service provider's configuration, RFC 7643 §5.
pub const SERVICE_PROVIDER_CONFIG: &str =
    "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
/// The schema of resource types, RFC 7643 §6.
pub const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
/// The schema of schemas, RFC 7643 §7.
pub const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";
/// The body of an error, RFC 7644 §3.12.
pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
/// The envelope of a list, RFC 7644 §3.4.2.
pub const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// The body of a PATCH, RFC 7644 §3.5.2.
pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// The body of a query by POST, RFC 7644 §3.4.3.
pub const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
/// The body of a bulk request, RFC 7644 §3.7.
pub const BULK_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The body of the answer to a bulk request, RFC 7644 §3.7.
pub const BULK_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

/// Tells whether a name is a schema URI, or begins with one, rather than an attribute's own name.
///
/// True for everything that starts with `urn:` in any case, and for URIs with `://`: one IdP names
/// a schema of its own that way. An attribute name holds no colon (RFC 7643 §2.1), so the two
/// cannot be confused.
pub fn is_uri(name: &str) -> bool {
    name.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("urn:")) || name.contains("://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_told_from_a_name() {
        assert!(is_uri(CORE_USER));
        assert!(is_uri("URN:company:User"));
        assert!(is_uri("http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"));
        assert!(!is_uri("userName"));
        assert!(!is_uri("urn"));
        assert!(!is_uri("ürn:x"));
    }
}
