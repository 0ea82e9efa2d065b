//! The names of the attributes that requests carry, and the look-up of values by such names.
//!
//! Every attribute that an IdP sends is remembered, mapped or not, so that an administrator can
//! choose from what really arrives. A name is a schema's URN and a key: `userName`, `name`,
//! `name.givenName`. Names are read from the bodies themselves, not from resources, because what
//! the schema does not know or what is empty is worth knowing too.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::elements;
use crate::object;
use crate::patch::{Change, OPERATIONS_MAX, Request};
use crate::path::AttributePath;
use crate::resource::Resource;
use crate::schema::{Attribute, Catalogue, Kind};
use crate::urn;

/// An attribute that a request carried.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seen<'a> {
    /// The URN of the schema; the core schema's for attributes without one.
    pub namespace: Cow<'a, str>,
    /// The name of the attribute, or `attribute.subAttribute` for complex ones with one value.
    pub key: Cow<'a, str>,
}

impl Seen<'_> {
    /// The path of the attribute.
    pub fn path(&self) -> AttributePath {
        let (name, sub) = match self.key.split_once('.') {
            Some((name, sub)) => (name, Some(sub.to_owned())),
            None => (&*self.key, None),
        };
        AttributePath { sub, ..AttributePath::new(name).in_schema(&*self.namespace) }
    }

    fn into_owned(self) -> Seen<'static> {
        let Self { namespace, key } = self;
        Seen { namespace: namespace.into_owned().into(), key: key.into_owned().into() }
    }
}

/// The attributes that the body of a POST or PUT carries, each once, sorted.
///
/// Names that the catalogue has are in its spelling. `schemas`, `id` and `meta` are protocol, not
/// attributes of anybody, and are left out.
pub fn seen<'a>(body: &'a Value, kind: Kind, catalogue: &'a Catalogue) -> Vec<Seen<'a>> {
    let mut seer = Seer { kind, catalogue, seen: Vec::new() };
    for (key, value) in body.as_object().into_iter().flatten() {
        match value {
            Value::Object(attributes) if urn::is_uri(key) && !catalogue.is_full_name(kind, key) => {
                seer.extension(key, attributes);
            }
            value => seer.named(key, value),
        }
    }
    seer.finish()
}

/// The attributes that a PATCH request carries, each once, sorted.
pub fn seen_in<'a>(request: &'a Request, kind: Kind, catalogue: &'a Catalogue) -> Vec<Seen<'a>> {
    let mut seer = Seer { kind, catalogue, seen: Vec::new() };
    for change in &request.changes {
        seer.change(change);
    }
    for name in &request.ignored {
        match name.rsplit_once(':').filter(|(urn, _)| urn::is_uri(urn)) {
            Some((urn, name)) => seer.in_schema(urn, name, &Value::Null),
            None => seer.push(kind.schema(), name, None),
        }
    }
    seer.finish()
}

/// What a PATCH request names, kept apart from the request itself: it tells the attributes of one that
/// is refused, of which there is no [`Request`].
#[derive(Clone, Debug, Default)]
pub struct Outline(Vec<Value>);

impl Outline {
    /// The outline of a PATCH body: paths, and the names in values; no value. What stands behind as
    /// many operations as a request may have is left out: each is read once more for its names.
    pub fn of(body: &Value) -> Self {
        let operations = body.as_object().and_then(|body| object::get(body, "Operations"));
        let operations = match operations {
            Some(Value::Array(operations)) => operations.as_slice(),
            Some(operation) => std::slice::from_ref(operation),
            None => &[],
        };
        let operations = operations.iter().take(OPERATIONS_MAX);
        Self(operations.filter_map(Value::as_object).map(outline).collect())
    }

    /// The attributes that are named, each once, sorted; an operation whose path is none names none.
    pub fn seen(self, kind: Kind, catalogue: &Catalogue) -> Vec<Seen<'static>> {
        let of_operation = |operation| {
            let body = json!({ "Operations": [operation] });
            let request = Request::parse(body, kind, catalogue).unwrap_or_default();
            let seen = seen_in(&request, kind, catalogue).into_iter();
            seen.map(Seen::into_owned).collect::<Vec<_>>()
        };
        let mut seen: Vec<_> = self.0.into_iter().flat_map(of_operation).collect();
        seen.sort();
        seen.dedup();
        seen
    }
}

/// An operation of the same path, whose value has the same names and says nothing.
fn outline(operation: &Map<String, Value>) -> Value {
    let value = match object::get(operation, "value") {
        Some(Value::Object(value)) => {
            let named = |(name, value): (&String, &Value)| {
                let names = value.as_object().map(|value| value.keys().cloned());
                let value = names.map_or(json!(true), |names| {
                    names.map(|name| (name, json!(true))).collect::<Map<_, _>>().into()
                });
                (name.clone(), value)
            };
            Value::Object(value.iter().map(named).collect())
        }
        _ => json!(true),
    };
    let path = object::get(operation, "path").filter(|path| path.is_string());
    json!({ "op": "add", "path": path.cloned().unwrap_or_default(), "value": value })
}

/// The value of an attribute by the name under which it was seen.
///
/// Without a namespace the core schema is searched first, then the enterprise extension, then the
/// others by URN. Of a list, a sub-attribute is that of the primary element, else of the first.
pub fn find<'a>(resource: &'a Resource, namespace: Option<&str>, key: &str) -> Option<&'a Value> {
    let all = resource.attributes();
    let is_core = |urn: &str| Kind::ALL.iter().any(|kind| urn.eq_ignore_ascii_case(kind.schema()));
    if let Some(urn) = namespace {
        let object = if is_core(urn) { all } else { object::get(all, urn)?.as_object()? };
        return value_of(object, key);
    }
    let extension = |urn: &str| value_of(object::get(all, urn)?.as_object()?, key);
    value_of(all, key).or_else(|| extension(urn::ENTERPRISE_USER)).or_else(|| {
        let mut urns: Vec<_> = all.keys().filter(|name| urn::is_uri(name)).collect();
        urns.sort();
        urns.into_iter().find_map(|urn| extension(urn))
    })
}

/// A value as one text: a boolean or a number as JSON writes it, of a list the primary element, else
/// the first, and of an object its `value`. What is none of these has no text.
pub fn text(value: &Value) -> Option<Cow<'_, str>> {
    let value = match value {
        Value::Array(list) => one_of(list)?,
        value => value,
    };
    let value = match value {
        Value::Object(object) => object::get(object, "value")?,
        value => value,
    };
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string().into()),
        Value::Array(_) | Value::Object(_) | Value::Null => None,
    }
}

/// The element of a list that stands for it: the primary one, else the first.
fn one_of(list: &[Value]) -> Option<&Value> {
    list.iter().find(|element| elements::is_primary(element)).or_else(|| list.first())
}

fn value_of<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    if let Some(value) = object::get(object, key) {
        return Some(value);
    }
    let (name, sub) = key.split_once('.')?;
    let value = match object::get(object, name)? {
        Value::Array(list) => one_of(list)?,
        value => value,
    };
    object::get(value.as_object()?, sub)
}

struct Seer<'a> {
    kind: Kind,
    catalogue: &'a Catalogue,
    seen: Vec<Seen<'a>>,
}

impl<'a> Seer<'a> {
    /// A member of a body that is no extension object: an attribute by its short or full name.
    fn named(&mut self, key: &'a str, value: &'a Value) {
        if let Some(attribute) = self.catalogue.core_attribute(self.kind, key) {
            return self.value(self.kind.schema(), &attribute.name, Some(attribute), value);
        }
        if let Some((urn, name)) = key.rsplit_once(':').filter(|_| urn::is_uri(key)) {
            return self.in_schema(urn, name, value);
        }
        let kind = self.kind;
        let declared = self
            .catalogue
            .extensions(kind)
            .find_map(|schema| Some((schema, schema.attribute(key)?)));
        match declared {
            Some((schema, attribute)) => {
                self.value(&schema.id, &attribute.name, Some(attribute), value);
            }
            None => self.value(kind.schema(), key, None, value),
        }
    }

    fn extension(&mut self, urn: &'a str, attributes: &'a Map<String, Value>) {
        for (key, value) in attributes {
            self.in_schema(urn, key, value);
        }
    }

    fn in_schema(&mut self, urn: &'a str, key: &'a str, value: &'a Value) {
        let core = self.catalogue.core(self.kind);
        let is_core = urn.eq_ignore_ascii_case(&core.id);
        let schema = if is_core { Some(core) } else { self.catalogue.extension(self.kind, urn) };
        let attribute = schema.and_then(|schema| schema.attribute(key));
        let name = attribute.map_or(key, |attribute| &attribute.name);
        self.value(schema.map_or(urn, |schema| &schema.id), name, attribute, value);
    }

    fn change(&mut self, change: &'a Change) {
        let path = &change.path.attribute;
        let Some(place) = self.catalogue.locate(self.kind, path) else {
            let namespace = path.schema.as_deref().unwrap_or(self.kind.schema());
            return self.push(namespace, &path.name, path.sub.as_deref());
        };
        // The place borrows from the path and the catalogue alone, its owned texts excepted.
        let namespace = match place.extension {
            None => self.kind.schema(),
            Some(Cow::Borrowed(urn)) => urn,
            Some(Cow::Owned(_)) => path.schema.as_deref().unwrap_or(&path.name),
        };
        match (place.attribute, place.sub, &change.value) {
            (None, _, Some(Value::Object(attributes))) => self.extension(namespace, attributes),
            (None, _, _) => {}
            (Some(attribute), Some(sub), _) => {
                self.push(namespace, attribute.name, None);
                self.push(namespace, attribute.name, Some(sub.name));
            }
            (Some(attribute), None, Some(value)) if change.path.filter.is_none() => {
                self.value(namespace, attribute.name, attribute.definition, value);
            }
            (Some(attribute), None, _) => self.push(namespace, attribute.name, None),
        }
    }

    /// An attribute, and its sub-attributes if the value is one object.
    fn value(
        &mut self,
        namespace: &'a str,
        name: &'a str,
        definition: Option<&Attribute>,
        value: &'a Value,
    ) {
        self.push(namespace, name, None);
        for sub in value.as_object().into_iter().flat_map(Map::keys) {
            let known = definition.and_then(|attribute| attribute.sub(sub));
            self.push(namespace, name, Some(known.map_or(sub, |known| &known.name)));
        }
    }

    fn push(&mut self, namespace: &'a str, name: &'a str, sub: Option<&str>) {
        if namespace == self.kind.schema() && matches!(name, "schemas" | "id" | "meta") {
            return;
        }
        let key = sub.map_or(Cow::Borrowed(name), |sub| Cow::Owned(format!("{name}.{sub}")));
        self.seen.push(Seen { namespace: Cow::Borrowed(namespace), key });
    }

    fn finish(mut self) -> Vec<Seen<'a>> {
        self.seen.sort();
        self.seen.dedup();
        self.seen
    }
}

#[cfg(test)]
#[expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[expect(clippy::needless_pass_by_value, reason = "an `expect![]` is written where it is used")]
    fn check(seen: &[Seen<'_>], expected: Expect) {
        let lines: Vec<_> = seen
            .iter()
            .map(|seen| format!("{} {}", seen.namespace.rsplit_once(':').unwrap().0, seen.key))
            .map(|line| line.replace("urn:ietf:params:scim:schemas:", ""))
            .collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn a_body_shows_names_of_all_schemas_known_or_not() {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "1", "meta": {},
            "USERNAME": "ada", "name": {"GIVENNAME": "Ada"}, "emails": [{"value": "a@x"}],
            "shoeSize": 38, "manager": {"value": "7"}, "title": null,
            "urn:company:2.0:User": {"costCode": "7"},
            "URN:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"DEPARTMENT": "x"},
            "urn:company:2.0:User:badge": "1"
        });
        check(
            &seen(&body, Kind::User, Catalogue::standard()),
            expect![[r#"
            urn:company:2.0 badge
            urn:company:2.0 costCode
            core:2.0 emails
            core:2.0 name
            core:2.0 name.givenName
            core:2.0 shoeSize
            core:2.0 title
            core:2.0 userName
            extension:enterprise:2.0 department
            extension:enterprise:2.0 manager
            extension:enterprise:2.0 manager.value"#]],
        );
    }

    #[test]
    fn a_full_name_is_an_attribute_also_where_its_value_is_an_object() {
        let body = json!({
            "urn:ietf:params:scim:schemas:core:2.0:User:name": {"givenName": "Ada"},
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager": {"value": "7"},
        });
        check(
            &seen(&body, Kind::User, Catalogue::standard()),
            expect![[r#"
            core:2.0 name
            core:2.0 name.givenName
            extension:enterprise:2.0 manager
            extension:enterprise:2.0 manager.value"#]],
        );
    }

    #[test]
    fn a_patch_shows_the_names_in_its_paths_and_values() {
        let body = json!({"Operations": [
            {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "x"},
            {"op": "replace", "path": "name.givenName", "value": "Ada"},
            {"op": "replace", "path": "name", "value": {"familyName": "L"}},
            {"op": "add", "path": "urn:company:2.0:User:costCode", "value": "7"},
            {"op": "add", "path": "urn:company:2.0:User", "value": {"badge": 1}},
            {"op": "remove", "path": "title"},
            {"op": "add", "value": {"shoeSize": 38, "manager": "7", "id": "1"}}
        ]});
        let request = Request::parse(body, Kind::User, Catalogue::standard()).unwrap();
        check(
            &seen_in(&request, Kind::User, Catalogue::standard()),
            expect![[r#"
            urn:company:2.0 badge
            urn:company:2.0 costCode
            core:2.0 emails
            core:2.0 name
            core:2.0 name.familyName
            core:2.0 name.givenName
            core:2.0 shoeSize
            core:2.0 title
            extension:enterprise:2.0 manager"#]],
        );
    }

    #[test]
    fn the_outline_of_a_patch_shows_what_it_names_though_it_is_refused() {
        let body = json!({"operations": [
            {"op": "Oops", "path": "title", "value": [{"a": 1}]},
            {"op": "replace", "path": "no path[", "value": "x"},
            {"path": "emails[type eq \"work\"].value"},
            {"op": "add", "path": 7, "value": {"shoeSize": 38, "name": {"givenName": "A"}, "nickName": null}},
            "x",
            {"op": "add", "value": {"urn:company:2.0:User": {"badge": 1}, "name.familyName": "L"}}
        ]});
        let seen = Outline::of(&body).seen(Kind::User, Catalogue::standard());
        let mut names: Vec<_> = seen.iter().map(|seen| &*seen.key).collect();
        names.sort_unstable();
        let expected = [
            "badge",
            "emails",
            "name",
            "name.familyName",
            "name.givenName",
            "nickName",
            "shoeSize",
            "title",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_outline_of_a_patch_ends_where_a_request_has_to() {
        let names = (0..=OPERATIONS_MAX).map(|number| format!("name{number}"));
        let operations: Vec<_> = names.map(|name| json!({"path": name, "value": 1})).collect();
        let body = json!({ "Operations": operations });
        let seen = Outline::of(&body).seen(Kind::User, Catalogue::standard());
        assert_eq!(seen.len(), OPERATIONS_MAX);
        let last = format!("name{OPERATIONS_MAX}");
        assert!(seen.iter().all(|seen| seen.key != last));
    }

    #[test]
    fn what_a_strict_patch_ignores_is_seen_in_its_schema() {
        let body = json!({"schemas": [urn::PATCH_OP], "Operations": [{"op": "add", "value": {
            "shoeSize": 38, "URN:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"badge": 1},
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:desk": 2
        }}]});
        let (catalogue, strict) = (Catalogue::standard(), crate::Leniency::Strict);
        let request = Request::parse_with(body, Kind::User, catalogue, strict).unwrap();
        assert_eq!(request.changes, []);
        check(
            &seen_in(&request, Kind::User, catalogue),
            expect![[r#"
                core:2.0 shoeSize
                extension:enterprise:2.0 badge
                extension:enterprise:2.0 desk"#]],
        );
    }

    #[test]
    fn a_value_has_one_text_or_none() {
        let text = |value: Value| text(&value).map(Cow::into_owned);
        for (value, expected) in [
            (json!("a"), Some("a")),
            (json!(true), Some("true")),
            (json!(1.5), Some("1.5")),
            (json!(["b", "c"]), Some("b")),
            (json!([{"value": "h"}, {"value": "w", "primary": true}]), Some("w")),
            (json!({"value": 7, "display": "x"}), Some("7")),
            (json!({"givenName": "Ada"}), None),
            (json!([["a"]]), None),
            (json!([]), None),
            (json!(null), None),
        ] {
            assert_eq!(text(value.clone()).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn a_value_is_found_by_its_name_in_the_order_of_the_schemas() {
        let ada: Resource = serde_json::from_value(json!({
            "userName": "ada", "name": {"givenName": "Ada"},
            "emails": [{"value": "h@x"}, {"value": "w@x", "primary": true}],
            "urn:z:User": {"code": "z", "userName": "zed"}, "urn:a:User": {"code": "a"},
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "math"}
        }))
        .unwrap();
        let find = |namespace, key| find(&ada, namespace, key).and_then(Value::as_str);
        assert_eq!(find(None, "userName"), Some("ada"));
        assert_eq!(find(Some("urn:z:User"), "username"), Some("zed"));
        assert_eq!(find(None, "code"), Some("a"));
        assert_eq!(find(None, "department"), Some("math"));
        assert_eq!(find(None, "name.givenName"), Some("Ada"));
        assert_eq!(find(None, "emails.value"), Some("w@x"));
        assert_eq!(find(Some(urn::CORE_USER), "code"), None);
        assert_eq!(find(None, "nope"), None);
    }
}
