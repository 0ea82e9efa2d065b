//! Discovery: what a client can ask the service provider about itself.
//!
//! The schemas are those of the catalogue that everything else works by, and the configuration
//! says only what is really served. No value is null: the schema readers of IdPs fail on one.
//! RFC 7644 §4, RFC 7643 §5 to §7.

use serde_json::{Map, Value, json};

use crate::schema::{Catalogue, Kind, Schema};
use crate::urn;

/// What the service provider serves.
#[expect(clippy::struct_excessive_bools, reason = "the standard's document is a list of flags")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// PATCH.
    pub patch: bool,
    /// Bulk requests and their limits.
    pub bulk: Option<Bulk>,
    /// The most resources in one page; `None` if filters are not served.
    pub filter_results_max: Option<u64>,
    /// Changing passwords.
    pub change_password: bool,
    /// `sortBy`.
    pub sort: bool,
    /// `ETag`, `If-Match`, `If-None-Match`.
    pub etag: bool,
    /// Pages by cursor and their limits.
    pub cursor: Option<Cursor>,
    /// A page for people about this service provider.
    pub documentation_uri: Option<String>,
}

/// The limits of bulk requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bulk {
    /// The most operations in one request.
    pub operations_max: u64,
    /// The largest body in bytes.
    pub payload_bytes_max: u64,
}

/// The limits of pages by cursor, RFC 9865 §4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The size of a page when the client does not say.
    pub page_size_default: u64,
    /// The largest page.
    pub page_size_max: u64,
    /// How long a cursor can be used, in seconds; `None` if it does not age.
    pub timeout_seconds: Option<u64>,
}

impl Default for Features {
    /// PATCH and filters, nothing else.
    fn default() -> Self {
        Self {
            patch: true,
            bulk: None,
            filter_results_max: Some(1_000),
            change_password: false,
            sort: false,
            etag: false,
            cursor: None,
            documentation_uri: None,
        }
    }
}

/// The document of `/ServiceProviderConfig`; `base_url` has no slash at its end.
///
/// # Source
/// RFC 7643 §5; `pagination` is RFC 9865 §4.
pub fn service_provider_config(features: &Features, base_url: &str) -> Value {
    let supported = |flag: bool| json!({"supported": flag});
    let mut config = Map::new();
    let mut set = |name: &str, value: Value| config.insert(name.to_owned(), value);
    set("schemas", json!([urn::SERVICE_PROVIDER_CONFIG]));
    set("patch", supported(features.patch));
    set(
        "bulk",
        json!({
            "supported": features.bulk.is_some(),
            "maxOperations": features.bulk.map_or(0, |bulk| bulk.operations_max),
            "maxPayloadSize": features.bulk.map_or(0, |bulk| bulk.payload_bytes_max),
        }),
    );
    set(
        "filter",
        json!({
            "supported": features.filter_results_max.is_some(),
            "maxResults": features.filter_results_max.unwrap_or(0),
        }),
    );
    set("changePassword", supported(features.change_password));
    set("sort", supported(features.sort));
    set("etag", supported(features.etag));
    set("pagination", pagination(features.cursor));
    set(
        "authenticationSchemes",
        json!([{
            "type": "oauthbearertoken",
            "name": "OAuth Bearer Token",
            "description": "A token in the Authorization header, in the scheme Bearer",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }]),
    );
    if let Some(uri) = &features.documentation_uri {
        set("documentationUri", Value::from(uri.as_str()));
    }
    set("meta", meta("ServiceProviderConfig", &format!("{base_url}/ServiceProviderConfig")));
    Value::Object(config)
}

fn pagination(cursor: Option<Cursor>) -> Value {
    let mut pagination = Map::new();
    let mut set = |name: &str, value: Value| pagination.insert(name.to_owned(), value);
    set("index", Value::Bool(true));
    set("cursor", Value::Bool(cursor.is_some()));
    set("defaultPaginationMethod", Value::from("index"));
    if let Some(cursor) = cursor {
        set("defaultPageSize", Value::from(cursor.page_size_default));
        set("maxPageSize", Value::from(cursor.page_size_max));
        if let Some(seconds) = cursor.timeout_seconds {
            set("cursorTimeout", Value::from(seconds));
        }
    }
    Value::Object(pagination)
}

/// The documents of `/ResourceTypes`.
pub fn resource_types(base_url: &str, catalogue: &Catalogue) -> Vec<Value> {
    Kind::ALL.into_iter().map(|kind| resource_type(base_url, catalogue, kind)).collect()
}

/// The document of `/ResourceTypes/{name}`.
///
/// # Source
/// RFC 7643 §6.
pub fn resource_type(base_url: &str, catalogue: &Catalogue, kind: Kind) -> Value {
    let name = kind.name();
    let extensions: Vec<_> = catalogue
        .extensions(kind)
        .map(|schema| json!({"schema": schema.id, "required": false}))
        .collect();
    json!({
        "schemas": [urn::RESOURCE_TYPE],
        "id": name,
        "name": name,
        "description": catalogue.core(kind).description,
        "endpoint": kind.endpoint(),
        "schema": kind.schema(),
        "schemaExtensions": extensions,
        "meta": meta("ResourceType", &format!("{base_url}/ResourceTypes/{name}")),
    })
}

/// The documents of `/Schemas`.
pub fn schemas(base_url: &str, catalogue: &Catalogue) -> Vec<Value> {
    catalogue.schemas().map(|schema| document(base_url, schema)).collect()
}

/// The document of `/Schemas/{urn}`; `None` if there is no such schema.
pub fn schema(base_url: &str, catalogue: &Catalogue, urn: &str) -> Option<Value> {
    let schema = catalogue.schemas().find(|schema| schema.id.eq_ignore_ascii_case(urn))?;
    Some(document(base_url, schema))
}

fn document(base_url: &str, schema: &Schema) -> Value {
    let Ok(Value::Object(mut document)) = serde_json::to_value(schema) else {
        unreachable!("a schema is a struct of texts, lists and flags: it serializes to an object")
    };
    let location = format!("{base_url}/Schemas/{}", schema.id);
    document.insert("schemas".to_owned(), json!([urn::SCHEMA]));
    document.insert("meta".to_owned(), meta("Schema", &location));
    Value::Object(document)
}

fn meta(resource_type: &str, location: &str) -> Value {
    json!({"resourceType": resource_type, "location": location})
}

#[cfg(test)]
#[expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const BASE: &str = "https://example.com/scim/v2/acme/store";

    /// One line for each member of an object.
    #[expect(clippy::needless_pass_by_value, reason = "an `expect![]` is written where it is used")]
    fn check(value: &Value, expected: Expect) {
        let members = value.as_object().unwrap();
        let lines: Vec<_> =
            members.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        expected.assert_eq(&lines.join("\n"));
    }

    fn assert_no_null(value: &Value) {
        match value {
            Value::Null => panic!("null"),
            Value::Array(items) => items.iter().for_each(assert_no_null),
            Value::Object(object) => object.values().for_each(assert_no_null),
            _ => {}
        }
    }

    #[test]
    fn the_configuration_says_what_is_served() {
        let config = service_provider_config(&Features::default(), BASE);
        assert_no_null(&config);
        check(
            &config,
            expect![[r#"
            authenticationSchemes: [{"description":"A token in the Authorization header, in the scheme Bearer","name":"OAuth Bearer Token","primary":true,"specUri":"https://www.rfc-editor.org/info/rfc6750","type":"oauthbearertoken"}]
            bulk: {"maxOperations":0,"maxPayloadSize":0,"supported":false}
            changePassword: {"supported":false}
            etag: {"supported":false}
            filter: {"maxResults":1000,"supported":true}
            meta: {"location":"https://example.com/scim/v2/acme/store/ServiceProviderConfig","resourceType":"ServiceProviderConfig"}
            pagination: {"cursor":false,"defaultPaginationMethod":"index","index":true}
            patch: {"supported":true}
            schemas: ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"]
            sort: {"supported":false}"#]],
        );
        let features = Features {
            bulk: Some(Bulk { operations_max: 1_000, payload_bytes_max: 1_048_576 }),
            cursor: Some(Cursor {
                page_size_default: 100,
                page_size_max: 1_000,
                timeout_seconds: Some(3_600),
            }),
            documentation_uri: Some("https://example.com/docs".to_owned()),
            ..Features::default()
        };
        let config = service_provider_config(&features, BASE);
        check(
            &config["bulk"],
            expect![[r#"
            maxOperations: 1000
            maxPayloadSize: 1048576
            supported: true"#]],
        );
        check(
            &config["pagination"],
            expect![[r#"
            cursor: true
            cursorTimeout: 3600
            defaultPageSize: 100
            defaultPaginationMethod: "index"
            index: true
            maxPageSize: 1000"#]],
        );
        assert_eq!(config["documentationUri"], "https://example.com/docs");
    }

    #[test]
    fn resource_types_name_their_extensions() {
        let types = resource_types(BASE, Catalogue::standard());
        check(
            &types[0],
            expect![[r#"
            description: "User Account"
            endpoint: "/Users"
            id: "User"
            meta: {"location":"https://example.com/scim/v2/acme/store/ResourceTypes/User","resourceType":"ResourceType"}
            name: "User"
            schema: "urn:ietf:params:scim:schemas:core:2.0:User"
            schemaExtensions: [{"required":false,"schema":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"}]
            schemas: ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"]"#]],
        );
        assert_eq!(types[1]["endpoint"], "/Groups");
        assert_eq!(types[1]["schemaExtensions"], json!([]));
    }

    type Is = fn(&Value) -> bool;

    /// Finds what an attribute of a schema's document lacks.
    fn gaps(attribute: &Value, place: &str, found: &mut Vec<String>) {
        const ALWAYS: [(&str, Is); 9] = [
            ("name", Value::is_string),
            ("type", Value::is_string),
            ("multiValued", Value::is_boolean),
            ("description", Value::is_string),
            ("required", Value::is_boolean),
            ("caseExact", Value::is_boolean),
            ("mutability", Value::is_string),
            ("returned", Value::is_string),
            ("uniqueness", Value::is_string),
        ];
        let place = format!("{place}.{}", attribute["name"].as_str().unwrap_or("?"));
        let lacks = ALWAYS.iter().filter(|(name, is)| !attribute.get(name).is_some_and(is));
        found.extend(lacks.map(|(name, _)| format!("{place}: {name}")));
        let subs = attribute.get("subAttributes").and_then(Value::as_array);
        if subs.is_some() != (attribute["type"] == "complex") {
            found.push(format!("{place}: subAttributes"));
        }
        if attribute.get("referenceTypes").is_some() != (attribute["type"] == "reference") {
            found.push(format!("{place}: referenceTypes"));
        }
        subs.into_iter().flatten().for_each(|sub| gaps(sub, &place, found));
    }

    #[test]
    fn rfc_7643_section_7_every_attribute_has_all_its_characteristics() {
        let mut found = Vec::new();
        for schema in schemas(BASE, Catalogue::standard()) {
            let id = schema["id"].as_str().unwrap();
            let attributes = schema["attributes"].as_array().unwrap();
            assert!(!attributes.is_empty(), "{id}");
            attributes.iter().for_each(|attribute| gaps(attribute, id, &mut found));
        }
        assert_eq!(found, Vec::<String>::new());
    }

    /// The names of the attributes, each with those of its sub-attributes.
    fn names(attributes: &Value) -> String {
        let name = |attribute: &Value| {
            let subs = attribute
                .get("subAttributes")
                .map_or_else(String::new, |subs| format!("({})", names(subs)));
            format!("{}{subs}", attribute["name"].as_str().unwrap())
        };
        attributes.as_array().unwrap().iter().map(name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn rfc_7643_section_8_7_1_nothing_is_missing() {
        let of = |urn| names(&schema(BASE, Catalogue::standard(), urn).unwrap()["attributes"]);
        check(
            &json!({
                "user": of(urn::CORE_USER), "group": of(urn::CORE_GROUP),
                "enterprise": of(urn::ENTERPRISE_USER)
            }),
            expect![[r#"
                enterprise: "employeeNumber costCenter organization division department manager(value $ref displayName)"
                group: "displayName members(value $ref type display)"
                user: "userName name(formatted familyName givenName middleName honorificPrefix honorificSuffix) displayName nickName profileUrl title userType preferredLanguage locale timezone active password emails(value display type primary) phoneNumbers(value display type primary) ims(value display type primary) photos(value display type primary) addresses(formatted streetAddress locality region postalCode country type primary) groups(value $ref display type) entitlements(value display type primary) roles(value display type primary) x509Certificates(value display type primary)""#]],
        );
    }

    /// Checks that the schema of a document has all that is in it, with its type.
    fn described(document: &Value, attributes: &[crate::schema::Attribute]) {
        use crate::schema::Type;
        for (name, value) in document.as_object().unwrap() {
            if matches!(name.as_str(), "schemas" | "meta" | "id") {
                continue;
            }
            let Some(attribute) = attributes.iter().find(|it| it.name == *name) else {
                panic!("no schema has '{name}'");
            };
            assert_eq!(value.is_array(), attribute.multi_valued, "{name}");
            for value in value.as_array().unwrap_or(&vec![value.clone()]) {
                match attribute.data_type {
                    Type::Complex => described(value, &attribute.sub_attributes),
                    Type::Boolean => assert!(value.is_boolean(), "{name}"),
                    Type::Integer => assert!(value.is_u64(), "{name}"),
                    _ => assert!(value.is_string(), "{name}"),
                }
            }
        }
        for required in attributes.iter().filter(|attribute| attribute.required) {
            assert!(document.get(&required.name).is_some(), "{}", required.name);
        }
    }

    #[test]
    fn what_discovery_answers_is_what_its_own_schemas_say() {
        let cursor = Cursor { page_size_default: 1, page_size_max: 2, timeout_seconds: Some(3) };
        let features = Features {
            cursor: Some(cursor),
            documentation_uri: Some("https://example.com".to_owned()),
            ..Features::default()
        };
        let catalogue = Catalogue::standard();
        let of = |urn| &*catalogue.schemas().find(|it| it.id == urn).unwrap().attributes;
        let config = service_provider_config(&features, BASE);
        described(&config, of(urn::SERVICE_PROVIDER_CONFIG));
        for document in resource_types(BASE, catalogue) {
            described(&document, of(urn::RESOURCE_TYPE));
        }
        // The one of schemas has a level more than it can describe.
        for document in schemas(BASE, catalogue).iter().filter(|it| it["id"] != urn::SCHEMA) {
            described(document, of(urn::SCHEMA));
        }
    }

    #[test]
    fn schemas_hold_no_null_and_know_where_they_are() {
        let all = schemas(BASE, Catalogue::standard());
        all.iter().for_each(assert_no_null);
        let ids: Vec<_> = all.iter().map(|schema| schema["id"].as_str().unwrap()).collect();
        assert_eq!(
            ids,
            [
                urn::CORE_USER,
                urn::CORE_GROUP,
                urn::ENTERPRISE_USER,
                urn::SERVICE_PROVIDER_CONFIG,
                urn::RESOURCE_TYPE,
                urn::SCHEMA
            ]
        );
        let group = schema(BASE, Catalogue::standard(), &urn::CORE_GROUP.to_uppercase()).unwrap();
        assert_eq!(group["meta"]["location"], format!("{BASE}/Schemas/{}", urn::CORE_GROUP));
        assert_eq!(group["attributes"][1]["name"], "members");
        check(
            &group["attributes"][1]["subAttributes"][0],
            expect![[r#"
            caseExact: true
            description: "Identifier of the member of this Group."
            multiValued: false
            mutability: "immutable"
            name: "value"
            required: false
            returned: "default"
            type: "string"
            uniqueness: "none""#]],
        );
        assert_eq!(schema(BASE, Catalogue::standard(), "urn:nope"), None);
    }
}
