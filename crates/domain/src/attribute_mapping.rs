//! Attribute mapping: which attributes of a SCIM user become metadata of the person (rule 20).

use std::collections::{BTreeMap, HashSet};

use scim::{
    Catalogue, Kind, attributes, fold,
    resource::Resource,
    schema::{Attribute, Type},
    urn,
};
use serde::{Deserialize, Serialize};

/// How many names a connector may fill.
pub const NAMES_MAX: usize = 100;
/// From how many attributes one name may be filled.
pub const ATTRIBUTES_MAX: usize = 20;
/// The longest name or key, in characters.
pub const KEY_CHARACTERS_MAX: usize = 200;
/// The longest namespace, in characters.
pub const NAMESPACE_CHARACTERS_MAX: usize = 500;
/// How much of a value is kept, in characters: one attribute may be mapped to many names, and what
/// is recorded must stay in proportion to what was sent.
pub const VALUE_CHARACTERS_MAX: usize = 1_000;

/// A connector's setting: the names, each with where its value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttributeMapping {
    /// The names; none is there twice.
    pub names: Vec<MappedName>,
}

/// A name in the metadata of people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedName {
    /// What it is called there.
    pub name: String,
    /// Where the value comes from: the first of these that has one.
    pub attributes: Vec<AttributeName>,
}

/// Which attribute of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeName {
    /// The URN of the only schema that is searched. Without one: core, then enterprise, then the
    /// others by URN, until one has the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `attribute` or `attribute.subAttribute`, in any case.
    pub key: String,
}

/// A setting that cannot be. Fields are named as in the list that was sent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAttributeMapping {
    /// More than a request should have to look through.
    #[error("an attribute mapping has at most {NAMES_MAX} names")]
    TooManyNames,
    /// The same, for one name.
    #[error("[{0}].attributes has at most {ATTRIBUTES_MAX} attributes")]
    TooManyAttributes(usize),
    /// A name that nothing could ever fill.
    #[error("[{0}].attributes must name at least one attribute")]
    NoAttributes(usize),
    /// Two values for one name.
    #[error("[{0}].name is given by an earlier item already")]
    Twice(usize),
    /// A text that is no name.
    #[error("{0} must be 1 to {1} characters, none of them a control character")]
    BadText(String, usize),
    /// A schema is named by its URN.
    #[error("[{0}].attributes[{1}].namespace must be the URN of a schema; leave it out for any")]
    BadNamespace(usize, usize),
    /// A key by which no user has a value, whatever the connector sends.
    #[error("[{0}].attributes[{1}].key can never have a value: {2}")]
    NoValue(usize, usize, &'static str),
}

impl AttributeMapping {
    /// Checks the setting.
    ///
    /// # Errors
    /// [`BadAttributeMapping`] names the first field that does not fit.
    pub fn check(&self) -> Result<(), BadAttributeMapping> {
        if self.names.len() > NAMES_MAX {
            return Err(BadAttributeMapping::TooManyNames);
        }
        let mut seen = HashSet::new();
        for (index, MappedName { name, attributes }) in self.names.iter().enumerate() {
            text(name, KEY_CHARACTERS_MAX, || format!("[{index}].name"))?;
            if !seen.insert(fold::text(name)) {
                return Err(BadAttributeMapping::Twice(index));
            }
            if attributes.is_empty() {
                return Err(BadAttributeMapping::NoAttributes(index));
            }
            if attributes.len() > ATTRIBUTES_MAX {
                return Err(BadAttributeMapping::TooManyAttributes(index));
            }
            for (number, AttributeName { namespace, key }) in attributes.iter().enumerate() {
                let field = |name: &str| format!("[{index}].attributes[{number}].{name}");
                text(key, KEY_CHARACTERS_MAX, || field("key"))?;
                if let Some(namespace) = namespace {
                    text(namespace, NAMESPACE_CHARACTERS_MAX, || field("namespace"))?;
                    if !urn::is_uri(namespace) {
                        return Err(BadAttributeMapping::BadNamespace(index, number));
                    }
                }
                if let Some(why) = why_empty(namespace.as_deref(), key) {
                    return Err(BadAttributeMapping::NoValue(index, number, why));
                }
            }
        }
        Ok(())
    }

    /// The metadata that a user has by this setting: a text for each name that has a value.
    pub fn values(&self, resource: &Resource) -> BTreeMap<String, String> {
        let value = |attribute: &AttributeName| {
            let AttributeName { namespace, key } = attribute;
            let text = attributes::text(attributes::find(resource, namespace.as_deref(), key)?)?;
            Some(text.chars().take(VALUE_CHARACTERS_MAX).collect::<String>())
        };
        let named =
            |it: &MappedName| Some((it.name.clone(), it.attributes.iter().find_map(value)?));
        self.names.iter().filter_map(named).collect()
    }
}

/// Why no user can have a value by a key, if none can. An extension may have anything.
fn why_empty(namespace: Option<&str>, key: &str) -> Option<&'static str> {
    if namespace.is_some_and(|urn| !urn.eq_ignore_ascii_case(Kind::User.schema())) {
        return None;
    }
    if urn::is_uri(key) {
        return Some("the URN of a schema goes into the namespace");
    }
    if key.contains(['[', ']']) {
        return Some("it is no filter: of a list, the primary element is taken, else the first");
    }
    let (name, sub) = key.split_once('.').map_or((key, None), |(name, sub)| (name, Some(sub)));
    match Catalogue::standard().core_attribute(Kind::User, name) {
        Some(attribute) => why_core_is_empty(attribute, sub),
        // Any extension may have it.
        None if namespace.is_none() => None,
        None => Some("the core schema has no such attribute"),
    }
}

fn why_core_is_empty(attribute: &Attribute, sub: Option<&str>) -> Option<&'static str> {
    if attribute.is_read_only() {
        return Some("only the server gives it; of an extension that has one, say the namespace");
    }
    if attribute.is_hidden() {
        return Some("it is never kept; of an extension that has one, say the namespace");
    }
    let has = |sub: &str| attribute.sub(sub).is_some();
    match sub {
        None if attribute.data_type == Type::Complex && !has("value") => {
            Some("it has parts: say which, as in name.familyName")
        }
        Some(sub) if !has(sub) => Some("the attribute has no such part"),
        _ => None,
    }
}

fn text(
    text: &str,
    characters_max: usize,
    field: impl Fn() -> String,
) -> Result<(), BadAttributeMapping> {
    let bad = text.trim().is_empty()
        || text.contains(char::is_control)
        || text.chars().count() > characters_max;
    if bad { Err(BadAttributeMapping::BadText(field(), characters_max)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use scim::schema::{Catalogue, Kind};
    use serde_json::{Value, json};

    use super::*;

    fn mapping(setting: Value) -> AttributeMapping {
        serde_json::from_value(setting).unwrap()
    }

    fn values(setting: Value) -> Value {
        let ada = json!({
            "userName": "ada", "active": true, "title": "Countess",
            "emails": [{"value": "h@x"}, {"value": "w@x", "primary": true}],
            "name": {"givenName": "Ada"},
            "urn:acme:User": {"floor": 3, "tags": ["b", "c"], "badge": {"colour": "red"}},
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
                {"department": "math", "manager": {"value": "7"}},
        });
        let ada = Resource::parse(Kind::User, ada, Catalogue::standard()).unwrap().resource;
        json!(mapping(setting).values(&ada))
    }

    #[expect(clippy::needless_pass_by_value, reason = "a `json!` is written where it is used")]
    fn one(attribute: Value) -> Value {
        values(json!([{"name": "x", "attributes": [attribute]}]))["x"].clone()
    }

    #[test]
    fn rule_20_values_are_texts_from_the_first_attribute_that_has_one() {
        assert_eq!(one(json!({"key": "TITLE"})), json!("Countess"));
        assert_eq!(one(json!({"key": "active"})), json!("true"));
        assert_eq!(one(json!({"key": "floor"})), json!("3"));
        assert_eq!(one(json!({"key": "tags"})), json!("b"));
        assert_eq!(one(json!({"key": "emails.value"})), json!("w@x"));
        assert_eq!(one(json!({"key": "emails"})), json!("w@x"));
        assert_eq!(one(json!({"key": "manager"})), json!("7"));
        assert_eq!(one(json!({"key": "name"})), json!(null));
        assert_eq!(one(json!({"key": "badge"})), json!(null));
        assert_eq!(one(json!({"key": "badge.colour"})), json!("red"));
        assert_eq!(one(json!({"namespace": "urn:acme:User", "key": "department"})), json!(null));
        assert_eq!(one(json!({"namespace": "URN:acme:user", "key": "Floor"})), json!("3"));
        let both = json!([
            {"name": "unit", "attributes": [{"key": "nope"}, {"key": "department"}]},
            {"name": "Gone", "attributes": [{"key": "nope"}]},
        ]);
        assert_eq!(values(both), json!({"unit": "math"}));
    }

    #[test]
    fn a_value_is_kept_up_to_its_bound() {
        let long = json!({"userName": "ada", "title": "é".repeat(VALUE_CHARACTERS_MAX + 1)});
        let long = Resource::parse(Kind::User, long, Catalogue::standard()).unwrap().resource;
        let kept = mapping(json!([{"name": "t", "attributes": [{"key": "title"}]}])).values(&long);
        assert_eq!(kept["t"].chars().count(), VALUE_CHARACTERS_MAX);
    }

    #[test]
    fn rule_20_a_key_that_can_never_have_a_value_is_refused() {
        let check = |attribute: &Value| {
            mapping(json!([{"name": "x", "attributes": [attribute]}])).check().err()
        };
        let core = "urn:ietf:params:scim:schemas:core:2.0:User";
        for (attribute, said) in [
            (json!({"key": "password"}), "never kept"),
            (json!({"key": "Password", "namespace": core}), "never kept"),
            (json!({"key": "id"}), "only the server"),
            (json!({"key": "meta.created"}), "only the server"),
            (json!({"key": "groups"}), "only the server"),
            (json!({"key": "emails[type eq \"work\"]"}), "no filter"),
            (json!({"key": "emails[type eq \"work\"].value"}), "no filter"),
            (json!({"key": format!("{core}:title")}), "goes into the namespace"),
            (json!({"key": "name"}), "has parts"),
            (json!({"key": "addresses"}), "has parts"),
            (json!({"key": "name.nick"}), "no such part"),
            (json!({"key": "title.text"}), "no such part"),
            (json!({"key": "costCode", "namespace": core}), "no such attribute"),
        ] {
            let error = check(&attribute).map(|error| error.to_string()).unwrap_or_default();
            assert!(error.starts_with("[0].attributes[0].key can never"), "{attribute}: {error}");
            assert!(error.contains(said), "{attribute}: {error}");
        }
        for fine in [
            json!({"key": "TITLE", "namespace": core}),
            json!({"key": "externalId"}),
            json!({"key": "emails"}),
            json!({"key": "emails.type"}),
            json!({"key": "addresses.locality"}),
            json!({"key": "costCode"}),
            json!({"key": "manager"}),
            json!({"key": "cost.code"}),
            json!({"key": "id", "namespace": "urn:acme:User"}),
            json!({"key": "a[b]", "namespace": "urn:acme:User"}),
        ] {
            assert_eq!(check(&fine), None, "{fine}");
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        let good = json!({"name": "x", "attributes": [{"key": "title"}]});
        let bad = |item: Value| mapping(json!([good, item])).check().unwrap_err().to_string();
        let with = |attribute: Value| {
            bad(json!({"name": "y", "attributes": [good["attributes"][0], attribute]}))
        };
        assert_eq!(mapping(json!([good])).check(), Ok(()));
        assert!(bad(json!({"name": " ", "attributes": []})).starts_with("[1].name must be"));
        assert!(bad(json!({"name": "X", "attributes": []})).starts_with("[1].name is given"));
        assert!(bad(json!({"name": "y", "attributes": []})).starts_with("[1].attributes must"));
        assert!(with(json!({"key": ""})).starts_with("[1].attributes[1].key must be 1 to 200"));
        assert!(with(json!({"key": "a\nb"})).starts_with("[1].attributes[1].key"));
        assert!(with(json!({"key": "k".repeat(201)})).starts_with("[1].attributes[1].key"));
        let namespace = |text: &str| with(json!({"namespace": text, "key": "a"}));
        assert!(namespace("").starts_with("[1].attributes[1].namespace must be 1"));
        assert!(namespace("acme").starts_with("[1].attributes[1].namespace must be the URN"));
        let many = vec![json!({"key": "a"}); ATTRIBUTES_MAX + 1];
        assert!(bad(json!({"name": "y", "attributes": many})).starts_with("[1].attributes has"));
        let names = (0..=NAMES_MAX).map(|it| json!({"name": it.to_string(), "attributes": []}));
        let error = mapping(names.collect()).check().unwrap_err();
        assert_eq!(error, BadAttributeMapping::TooManyNames);
    }
}
