//! Schemas, resources and documents that inputs are applied to.

use std::sync::LazyLock;

use scim::resource::{Meta, Resource};
use scim::schema::{Catalogue, Kind, Schema};
use serde_json::{Value, json};

/// The standard schemas and an extension that has every kind of attribute.
pub static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let extension = json!({
        "id": "urn:company:2.0:User", "name": "Company",
        "attributes": [
            {"name": "age", "type": "integer", "required": true},
            {"name": "weight", "type": "decimal"}, {"name": "vip", "type": "boolean"},
            {"name": "since", "type": "dateTime"}, {"name": "key", "type": "binary"},
            {"name": "link", "type": "reference", "referenceTypes": ["external"]},
            {"name": "tags", "multiValued": true}, {"name": "badge", "mutability": "immutable"},
            {"name": "sizes", "type": "integer", "multiValued": true, "mutability": "immutable"},
            {"name": "pin", "mutability": "writeOnly", "returned": "never"},
            {"name": "score", "type": "integer", "mutability": "readOnly"},
            {"name": "photo", "returned": "request"}, {"name": "title", "caseExact": true},
            {"name": "desk", "type": "complex", "subAttributes": [
                {"name": "floor", "type": "integer", "mutability": "immutable"}, {"name": "room"},
                {"name": "code", "returned": "never"}, {"name": "wing", "required": true}
            ]},
            {"name": "doors", "type": "complex", "multiValued": true, "subAttributes": [
                {"name": "value"}, {"name": "type"}, {"name": "primary", "type": "boolean"},
                {"name": "pin", "returned": "never"}, {"name": "since", "mutability": "immutable"},
                {"name": "of", "mutability": "readOnly"}, {"name": "tags", "multiValued": true}
            ]}
        ]
    });
    let schema = Schema::parse_extension(extension).expect("the extension is a good one");
    Catalogue::standard().with_extension(Kind::User, schema)
});

/// A user with a value of every shape, and a group.
pub fn resource(kind: Kind) -> Resource {
    static USER: LazyLock<Resource> = LazyLock::new(|| {
        parsed(
            Kind::User,
            json!({
                "userName": "babs@example.com", "externalId": "7", "title": "Countess", "active": true,
                "name": {"familyName": "Jensen", "givenName": "Barbara"},
                "emails": [
                    {"value": "babs@example.com", "type": "work", "primary": true},
                    {"value": "babs@jensen.org", "type": "home"}, {"type": "other", "display": "x"}
                ],
                "roles": [{"value": "a"}, {"value": "b", "type": "t", "primary": false}],
                "addresses": [{"type": "work", "locality": "x"}, {"type": "home", "primary": true}],
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
                    "department": "math", "manager": {"value": "26", "$ref": "../Users/26"}
                },
                "urn:company:2.0:User": {
                    "age": 7, "tags": ["a", "b"], "badge": "1", "pin": "0", "since": "2020-01-01T00:00:00Z",
                    "desk": {"floor": 1, "room": "x", "code": "0", "wing": "w"},
                    "doors": [{"value": "a", "pin": "0", "since": "x"}, {"type": "t", "primary": true}]
                },
                "urn:free:2.0:User": {
                    "costCode": 7, "tags": ["a", 2], "desk": {"floor": 3},
                    "phones": [{"type": "work", "value": "1"}, {"type": "home", "value": "2"}]
                }
            }),
        )
    });
    static GROUP: LazyLock<Resource> = LazyLock::new(|| {
        let body =
            json!({"displayName": "Tour Guides", "externalId": "7", "urn:free:g": {"a": [1]}});
        parsed(Kind::Group, body)
    });
    match kind {
        Kind::User => USER.clone(),
        Kind::Group => GROUP.clone(),
    }
}

fn parsed(kind: Kind, body: Value) -> Resource {
    Resource::parse(kind, body, &CATALOGUE).expect("the resource is a good one").resource
}

/// Documents that filters, orders and projections are applied to: those of the shared table, and
/// values where the schema has others.
pub static DOCUMENTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let table: Value = serde_json::from_str(include_str!("../conformance/filters.json"))
        .expect("the table is JSON");
    let mut documents: Vec<_> =
        table["documents"].as_array().into_iter().flatten().cloned().collect();
    assert!(!documents.is_empty(), "the table has documents");
    documents.extend(Kind::ALL.map(|kind| document(kind, &resource(kind))));
    documents.push(json!({
        "userName": ["a", {"value": "b"}], "emails": {"value": "x"}, "name": [{"givenName": ["a"]}],
        "active": "true", "title": {"title": null}, "urn:company:2.0:User": "x", "meta": 7,
        "members": [null, "", {"value": 7}]
    }));
    documents.push(json!("no object"));
    documents
});

/// The document of a resource.
pub fn document(kind: Kind, resource: &Resource) -> Value {
    resource.document(kind, "1", &Meta::default())
}

/// Panics unless a resource is canonical: nothing empty in it, one primary value at most in a list
/// that a schema has, and what it becomes when its own document is read is itself.
#[track_caller]
pub fn assert_canonical(kind: Kind, resource: &Resource) {
    for (name, value) in resource.attributes() {
        assert_full(name, value);
        if CATALOGUE.core_attribute(kind, name).is_some() {
            assert_one_primary(name, value);
        } else if let (Some(schema), Some(members)) =
            (CATALOGUE.extension(kind, name), value.as_object())
        {
            let declared = members.iter().filter(|(name, _)| schema.attribute(name).is_some());
            declared.for_each(|(name, value)| assert_one_primary(name, value));
        }
    }
    let document = document(kind, resource);
    let again = match Resource::parse(kind, document.clone(), &CATALOGUE) {
        Ok(again) => again,
        Err(error) => panic!("{document} is refused: {error}"),
    };
    assert_eq!(again.resource, *resource);
    assert_eq!(again.ignored, Vec::<String>::new());
}

#[track_caller]
fn assert_one_primary(name: &str, list: &Value) {
    let elements = list.as_array().into_iter().flatten();
    let count = elements.filter(|element| element["primary"] == json!(true)).count();
    assert!(count <= 1, "'{name}' has {count} primary values");
}

#[track_caller]
fn assert_full(name: &str, value: &Value) {
    let is_empty = match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    assert!(!is_empty, "'{name}' holds {value}");
    match value {
        Value::Array(items) => items.iter().for_each(|item| assert_full(name, item)),
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| assert_full(name, value));
        }
        _ => {}
    }
}

/// Whether a document is another one with something left out.
pub fn is_part(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|of| is_part(value, of)))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.iter().all(|value| whole.iter().any(|of| is_part(value, of)))
        }
        (part, whole) => part == whole,
    }
}
