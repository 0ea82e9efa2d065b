//! References to what the same request creates: `bulkId:` and a name, where an id is due.
//!
//! They are found wherever an id can stand: as whole text values, at the end of a `$ref`, in the
//! value filters of PATCH paths, and in the path of the operation itself. What names a resource
//! (`userName`, `displayName`, `externalId`) is left alone: it is the client's to choose.
//! RFC 7644 §3.7.2.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Method, Operation};
use crate::filter::Filter;
use crate::object;
use crate::path::Path;
use crate::schema::Kind;
use crate::urn;

const PREFIX: &str = "bulkId:";

/// The attributes whose values are never references.
const NAMES: [&str; 3] = ["userName", "displayName", "externalId"];

/// Finds the id of a name; `None` if there is none (yet).
type Ids<'f> = &'f dyn Fn(&str) -> Option<String>;

impl Operation {
    /// The names that the operation refers to, in its path or its data.
    pub fn references(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut add = |name: &str| {
            names.insert(name.to_owned());
        };
        if let Some(name) = self.id.as_deref().and_then(|id| id.strip_prefix(PREFIX)) {
            add(name);
        }
        find(&self.data, self.place(), &mut add);
        names
    }

    /// Puts ids in the place of all references.
    ///
    /// # Errors
    /// The first name that has no id; the operation is then as it was.
    pub fn resolve(&mut self, ids: impl Fn(&str) -> Option<String>) -> Result<(), String> {
        if let Some(name) = self.references().into_iter().find(|name| ids(name).is_none()) {
            return Err(name);
        }
        if let Some(id) = self.id.as_deref().and_then(|id| ids(id.strip_prefix(PREFIX)?)) {
            self.id = Some(id);
        }
        let place = self.place();
        replace(&mut self.data, place, &ids);
        Ok(())
    }

    /// Takes out of the data of a POST what refers to names that have no id yet, for references in
    /// a circle, and returns a PATCH of the new resource that adds it. `None` if there is nothing of
    /// the kind, or if the POST has no name by which the PATCH could refer to it.
    ///
    /// Of a list, the elements that refer to such a name are taken out, otherwise the attribute.
    /// This does not know whether a name will ever get an id: an operation that refers to one which
    /// nothing creates ([`super::Request::creations`]), or whose creation has failed, is to be
    /// refused before.
    ///
    /// # Source
    /// RFC 7644 §3.7.1: a service provider "MUST try to resolve circular cross-references".
    pub fn postpone(&mut self, ids: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let own = self.bulk_id.as_deref().filter(|_| self.method == Method::Post)?;
        let own = format!("{PREFIX}{own}");
        let data = self.data.as_object_mut()?;
        let mut additions = Vec::new();
        take_out(data, None, &ids, &mut additions);
        if additions.is_empty() {
            return None;
        }
        Some(Self {
            method: Method::Patch,
            bulk_id: None,
            kind: self.kind,
            id: Some(own),
            version: None,
            data: json!({"schemas": [urn::PATCH_OP], "Operations": additions}),
        })
    }

    fn place(&self) -> Place {
        if self.method == Method::Patch { Place::Patch } else { Place::Resource }
    }
}

/// Moves what cannot be resolved into operations that add it.
fn take_out(
    object: &mut Map<String, Value>,
    schema: Option<&str>,
    ids: Ids<'_>,
    additions: &mut Vec<Value>,
) {
    let waits = |value: &Value| {
        let mut waits = false;
        find(value, Place::Inside, &mut |name| waits |= ids(name).is_none());
        waits
    };
    object.retain(|key, value| {
        let path = schema.map_or_else(|| key.clone(), |schema| format!("{schema}:{key}"));
        if (schema.is_none_or(is_core) && is_name(key)) || !waits(value) {
            return true;
        }
        let taken = match value {
            Value::Object(inside) if schema.is_none() && urn::is_uri(key) => {
                take_out(inside, Some(key), ids, additions);
                return !inside.is_empty();
            }
            Value::Array(items) => {
                let (taken, left) = std::mem::take(items).into_iter().partition(waits);
                *items = left;
                Value::Array(taken)
            }
            _ => value.take(),
        };
        additions.push(json!({"op": "add", "path": path, "value": taken}));
        !object::is_empty(value)
    });
}

/// What a value is, seen from the rules about references.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// The body of a POST or PUT, or a PATCH value without a path: its names are not references.
    Resource,
    /// The body of a PATCH.
    Patch,
    /// Anything inside.
    Inside,
    /// The text of a `$ref`.
    Reference,
    /// The path of a PATCH operation.
    Path,
    /// The value of a PATCH operation on a name.
    Name,
}

impl Place {
    /// What a member of an object at this place is. `operation` tells what the value of a PATCH
    /// operation is.
    fn member(self, key: &str, value: &Value, operation: Option<Self>) -> Self {
        match self {
            Self::Resource if is_name(key) => Self::Name,
            Self::Resource if is_core(key) => Self::Resource,
            Self::Resource | Self::Inside if key.eq_ignore_ascii_case("$ref") => Self::Reference,
            Self::Patch if key.eq_ignore_ascii_case("operations") && !value.is_string() => {
                Self::Patch
            }
            Self::Patch if key.eq_ignore_ascii_case("path") => Self::Path,
            Self::Patch if key.eq_ignore_ascii_case("value") => operation.unwrap_or(Self::Inside),
            _ => Self::Inside,
        }
    }

    /// What the elements of a list at this place are.
    fn element(self) -> Self {
        if self == Self::Resource { Self::Inside } else { self }
    }

    /// What the `value` of a PATCH operation is, which depends on its path.
    fn of_value(operation: &Map<String, Value>) -> Self {
        let path = object::get(operation, "path").and_then(Value::as_str).unwrap_or_default();
        match Path::parse(path) {
            Ok(path) if path.sub().is_none() && is_name(&path.attribute.name) => Self::Name,
            Ok(path) if path.sub().is_some_and(|sub| sub.eq_ignore_ascii_case("$ref")) => {
                Self::Reference
            }
            _ if path.trim().is_empty() || is_core(path.trim()) => Self::Resource,
            _ => Self::Inside,
        }
    }
}

/// Whether a key is the URN of a core schema: what is under it could as well stand at the top.
fn is_core(key: &str) -> bool {
    Kind::ALL.iter().any(|kind| key.eq_ignore_ascii_case(kind.schema()))
}

fn is_name(key: &str) -> bool {
    let name = if urn::is_uri(key) { key.rsplit(':').next().unwrap_or(key) } else { key };
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Calls for the name of every reference in a value.
fn find(value: &Value, place: Place, found: &mut dyn FnMut(&str)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| find(item, place.element(), found)),
        Value::Object(object) => {
            let operation = (place == Place::Patch).then(|| Place::of_value(object));
            for (key, value) in object {
                find(value, place.member(key, value, operation), found);
            }
        }
        Value::String(text) => match place {
            Place::Path => {
                let filter = text.contains(PREFIX).then(|| Path::parse(text).ok()?.filter);
                if let Some(mut filter) = filter.flatten() {
                    literals(&mut filter, &mut |literal| {
                        reference(literal, Place::Inside).into_iter().for_each(|it| found(it.1));
                    });
                }
            }
            place => reference(text, place).into_iter().for_each(|it| found(it.1)),
        },
        _ => {}
    }
}

/// Puts the ids in the place of the names.
fn replace(value: &mut Value, place: Place, ids: Ids<'_>) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(|item| replace(item, place.element(), ids));
        }
        Value::Object(object) => {
            let operation = (place == Place::Patch).then(|| Place::of_value(object));
            for (key, value) in object.iter_mut() {
                let place = place.member(key, value, operation);
                replace(value, place, ids);
            }
        }
        Value::String(text) => {
            let replaced = match place {
                Place::Path => replaced_path(text, ids),
                place => replaced(text, place, ids),
            };
            if let Some(replaced) = replaced {
                *text = replaced;
            }
        }
        _ => {}
    }
}

fn replaced(text: &str, place: Place, ids: Ids<'_>) -> Option<String> {
    let (before, name) = reference(text, place)?;
    Some(format!("{before}{}", ids(name)?))
}

fn replaced_path(text: &str, ids: Ids<'_>) -> Option<String> {
    let mut path = text.contains(PREFIX).then(|| Path::parse(text).ok())??;
    literals(path.filter.as_mut()?, &mut |literal| {
        if let Some(replaced) = replaced(literal, Place::Inside, ids) {
            *literal = replaced;
        }
    });
    Some(path.to_string())
}

/// The name in a reference, and what stands before the reference.
fn reference(text: &str, place: Place) -> Option<(&str, &str)> {
    let (before, name) = match place {
        Place::Name => return None,
        Place::Reference => text.rsplit_once(PREFIX)?,
        _ => ("", text.strip_prefix(PREFIX)?),
    };
    let is_segment = before.is_empty() || before.ends_with('/');
    (is_segment && !name.is_empty()).then_some((before, name))
}

/// The texts that a filter compares with.
fn literals(filter: &mut Filter, each: &mut dyn FnMut(&mut String)) {
    match filter {
        Filter::Compare { value: Value::String(text), .. } => each(text),
        Filter::Compare { .. } | Filter::Present(_) => {}
        Filter::Element { filter, .. } | Filter::Not(filter) => literals(filter, each),
        Filter::And(terms) | Filter::Or(terms) => {
            terms.iter_mut().for_each(|term| literals(term, each));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const ENTERPRISE: &str = urn::ENTERPRISE_USER;

    fn operation(method: Method, id: Option<&str>, data: Value) -> Operation {
        Operation {
            method,
            bulk_id: Some("own".to_owned()),
            kind: Kind::Group,
            id: id.map(str::to_owned),
            version: None,
            data,
        }
    }

    fn ids(name: &str) -> Option<String> {
        (name != "later").then(|| format!("id-{name}"))
    }

    /// The names that a body refers to, and the body with ids in their place.
    fn resolved(method: Method, data: Value) -> (String, Value) {
        let mut operation = operation(method, None, data);
        let names = operation.references().into_iter().collect::<Vec<_>>().join(" ");
        operation.resolve(ids).unwrap();
        assert!(operation.references().is_empty(), "{operation:?}");
        (names, operation.data)
    }

    #[test]
    fn section_3_7_2_references_stand_where_ids_do() {
        let (names, data) = resolved(
            Method::Post,
            json!({
                "displayName": "bulkId:name", "USERNAME": "bulkId:name", "externalId": "bulkId:name",
                "urn:ietf:params:scim:schemas:core:2.0:User:userName": "bulkId:name",
                "members": [
                    {"type": "User", "value": "bulkId:qwerty", "$ref": "https://example.com/Users/bulkId:qwerty"},
                    {"value": "plain", "$ref": "bulkId:r", "display": "see bulkId:x"},
                    "bulkId:a b"
                ],
                ENTERPRISE: {"manager": {"value": "bulkId:boss"}},
                "urn:x:y": {"userName": "bulkId:free", "empty": "bulkId:"}
            }),
        );
        assert_eq!(names, "a b boss free qwerty r");
        assert_eq!(
            data,
            json!({
                "displayName": "bulkId:name", "USERNAME": "bulkId:name", "externalId": "bulkId:name",
                "urn:ietf:params:scim:schemas:core:2.0:User:userName": "bulkId:name",
                "members": [
                    {"type": "User", "value": "id-qwerty", "$ref": "https://example.com/Users/id-qwerty"},
                    {"value": "plain", "$ref": "id-r", "display": "see bulkId:x"},
                    "id-a b"
                ],
                ENTERPRISE: {"manager": {"value": "id-boss"}},
                "urn:x:y": {"userName": "id-free", "empty": "bulkId:"}
            })
        );
    }

    #[test]
    fn references_stand_in_the_paths_and_values_of_patches() {
        let (names, data) = resolved(
            Method::Patch,
            json!({
                "schemas": [urn::PATCH_OP],
                "operations": [
                    {"op": "remove", "Path": "members[value eq \"bulkId:p\" or value eq \"u\"]"},
                    {"op": "add", "path": "members", "value": [{"value": "bulkId:v"}]},
                    {"op": "replace", "path": "members[value eq \"u\"].$ref", "value": "../Users/bulkId:r"},
                    {"op": "add", "value": {"displayName": "bulkId:no", "members": "bulkId:w", "manager": {"$ref": "bulkId:m"}}},
                    {"op": "replace", "path": "displayName", "value": "bulkId:no"},
                    {"op": "replace", "path": "nope[", "value": "bulkId:z"}
                ]
            }),
        );
        assert_eq!(names, "m p r v w z");
        assert_eq!(
            data["operations"],
            json!([
                {"op": "remove", "Path": "members[value eq \"id-p\" or value eq \"u\"]"},
                {"op": "add", "path": "members", "value": [{"value": "id-v"}]},
                {"op": "replace", "path": "members[value eq \"u\"].$ref", "value": "../Users/id-r"},
                {"op": "add", "value": {"displayName": "bulkId:no", "members": "id-w", "manager": {"$ref": "id-m"}}},
                {"op": "replace", "path": "displayName", "value": "bulkId:no"},
                {"op": "replace", "path": "nope[", "value": "id-z"}
            ])
        );
    }

    #[test]
    fn names_under_the_urn_of_the_core_schema_are_not_references_either() {
        let group = json!({"displayName": "bulkId:no", "members": [{"value": "bulkId:m"}]});
        let urn = urn::CORE_GROUP.to_uppercase();
        let (names, data) = resolved(Method::Post, json!({ urn.as_str(): group }));
        assert_eq!((&*names, &data[&urn]["displayName"]), ("m", &json!("bulkId:no")));
        let operations = json!([
            {"op": "add", "value": {urn::CORE_GROUP: group}},
            {"op": "add", "path": urn::CORE_GROUP, "value": group}
        ]);
        let (names, data) = resolved(Method::Patch, json!({ "Operations": operations }));
        assert_eq!(names, "m");
        assert_eq!(data["Operations"][1]["value"]["displayName"], "bulkId:no");
        let waiting = json!({"displayName": "bulkId:later", "members": ["bulkId:later"]});
        let mut post = operation(Method::Post, None, json!({ urn::CORE_GROUP: waiting }));
        let patch = post.postpone(ids).unwrap();
        assert_eq!(post.data, json!({ urn::CORE_GROUP: {"displayName": "bulkId:later"} }));
        let path = format!("{}:members", urn::CORE_GROUP);
        let added = json!([{"op": "add", "path": path, "value": ["bulkId:later"]}]);
        assert_eq!(patch.data["Operations"], added);
    }

    #[test]
    fn the_path_of_the_operation_may_be_a_reference() {
        let mut delete = operation(Method::Delete, Some("bulkId:x"), Value::Null);
        assert_eq!(delete.references(), BTreeSet::from(["x".to_owned()]));
        delete.resolve(ids).unwrap();
        assert_eq!(delete.id.as_deref(), Some("id-x"));
        let mut plain = operation(Method::Delete, Some("x"), Value::Null);
        plain.resolve(ids).unwrap();
        assert_eq!(plain.id.as_deref(), Some("x"));
    }

    #[test]
    fn a_name_without_an_id_changes_nothing() {
        let data = json!({"members": [{"value": "bulkId:a"}, {"value": "bulkId:later"}]});
        let mut put = operation(Method::Put, Some("bulkId:a"), data);
        let before = put.clone();
        assert_eq!(put.resolve(ids), Err("later".to_owned()));
        assert_eq!(put, before);
    }

    #[test]
    fn section_3_7_1_what_waits_in_a_circle_is_added_afterwards() {
        let mut post = operation(
            Method::Post,
            None,
            json!({
                "displayName": "bulkId:later",
                "members": [{"value": "bulkId:a"}, {"value": "bulkId:later"}],
                "others": ["bulkId:later"],
                ENTERPRISE: {"department": "d", "manager": {"value": "bulkId:later"}},
                "urn:x:y": {"tags": ["bulkId:later"]}
            }),
        );
        let patch = post.postpone(ids).unwrap();
        assert_eq!(
            post.data,
            json!({
                "displayName": "bulkId:later", "members": [{"value": "bulkId:a"}],
                ENTERPRISE: {"department": "d"}
            })
        );
        assert_eq!(post.resolve(ids), Ok(()));
        assert_eq!(
            (patch.method, patch.kind, patch.id.as_deref()),
            (Method::Patch, Kind::Group, Some("bulkId:own"))
        );
        assert_eq!(
            patch.data["Operations"],
            json!([
                {"op": "add", "path": "members", "value": [{"value": "bulkId:later"}]},
                {"op": "add", "path": "others", "value": ["bulkId:later"]},
                {"op": "add", "path": format!("{ENTERPRISE}:manager"), "value": {"value": "bulkId:later"}},
                {"op": "add", "path": "urn:x:y:tags", "value": ["bulkId:later"]}
            ])
        );
        assert_eq!(post.postpone(ids), None);
        let data = json!({"members": ["bulkId:later"]});
        assert_eq!(operation(Method::Put, Some("1"), data.clone()).postpone(ids), None);
        let nameless = &mut operation(Method::Post, None, data);
        nameless.bulk_id = None;
        assert_eq!(nameless.postpone(ids), None);
        assert_eq!(nameless.data, json!({"members": ["bulkId:later"]}));
    }
}
