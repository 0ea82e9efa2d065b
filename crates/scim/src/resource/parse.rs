//! From the body of a POST or PUT to the canonical resource.
//!
//! One pass over the body, each name looked up once. What the service provider owns is skipped,
//! because clients send back what they read (RFC 7644 §3.5.1: readOnly values "SHALL be ignored");
//! what the core schema does not know is left out and named, so that the attribute history can
//! show it.

use serde_json::{Map, Value};

use super::Resource;
use crate::coerce::{self, Coercion, Leniency};
use crate::error::Error;
use crate::members::{self, MemberValue};
use crate::object;
use crate::path::AttributePath;
use crate::schema::{Attribute, Catalogue, Kind, Mutability, Schema};
use crate::urn;

/// What the body of a POST or PUT says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The attributes.
    pub resource: Resource,
    /// The members of a group: `None` if the body does not speak of them.
    pub members: Option<Vec<MemberValue>>,
    /// Names that no schema has and that are not kept, as paths.
    pub ignored: Vec<String>,
}

impl Resource {
    /// Parses the body of a POST or PUT, with the leniences that IdPs need.
    ///
    /// # Errors
    /// `invalidSyntax` if the body is no object, `invalidValue` if a value does not have its
    /// attribute's type or `userName` (of a user) or `displayName` (of a group) is missing.
    pub fn parse(kind: Kind, body: Value, catalogue: &Catalogue) -> Result<Parsed, Error> {
        Self::parse_with(kind, body, catalogue, Leniency::Lenient)
    }

    /// Parses the body of a POST or PUT.
    ///
    /// Strict also demands that `schemas` names the core schema.
    ///
    /// # Errors
    /// As [`Resource::parse`].
    pub fn parse_with(
        kind: Kind,
        body: Value,
        catalogue: &Catalogue,
        leniency: Leniency,
    ) -> Result<Parsed, Error> {
        let Value::Object(body) = body else {
            return Err(Error::invalid_syntax(format!("a {} must be a JSON object", kind.name())));
        };
        if leniency == Leniency::Strict {
            check_schemas(kind, object::get(&body, "schemas"))?;
        }
        let mut parser = Parser {
            kind,
            catalogue,
            coercion: Coercion::new(leniency),
            parsed: Parsed::default(),
            nested: None,
        };
        for (key, value) in body {
            parser.entry(key, value)?;
        }
        parser.finish()
    }
}

fn check_schemas(kind: Kind, schemas: Option<&Value>) -> Result<(), Error> {
    let is_core = |urn: &Value| urn.as_str().is_some_and(|u| u.eq_ignore_ascii_case(kind.schema()));
    match schemas {
        Some(Value::Array(urns)) if urns.iter().any(is_core) => Ok(()),
        _ => Err(Error::invalid_value(format!("'schemas' must contain '{}'", kind.schema()))),
    }
}

struct Parser<'a> {
    kind: Kind,
    catalogue: &'a Catalogue,
    coercion: Coercion,
    parsed: Parsed,
    /// Core attributes that stood under the URN of the core schema.
    nested: Option<Map<String, Value>>,
}

impl Parser<'_> {
    fn entry(&mut self, key: String, value: Value) -> Result<(), Error> {
        if let Some(attribute) = self.catalogue.core_attribute(self.kind, &key) {
            return self.core(attribute, key, value);
        }
        if urn::is_uri(&key) {
            return self.uri(&key, value);
        }
        // `manager` at the top level means the one of the enterprise extension.
        let declared = self
            .catalogue
            .extensions(self.kind)
            .find_map(|schema| Some((schema, schema.attribute(&key)?)));
        match declared {
            Some((schema, attribute)) if self.coercion.leniency == Leniency::Lenient => {
                self.in_extension(&schema.id, attribute, value)
            }
            _ => {
                self.parsed.ignored.push(key);
                Ok(())
            }
        }
    }

    fn core(&mut self, attribute: &Attribute, key: String, value: Value) -> Result<(), Error> {
        if self.kind == Kind::Group && attribute.name == "members" {
            self.parsed.members = Some(members::values(value)?);
            return Ok(());
        }
        if matches!(attribute.mutability, Mutability::ReadOnly | Mutability::WriteOnly) {
            return Ok(());
        }
        if let Some(value) = self.coercion.value(attribute, value)? {
            self.parsed.resource.0.insert(coerce::spelling(attribute, key), value);
        }
        Ok(())
    }

    /// A member of the body whose name is a URN: a schema with its attributes, or one attribute by
    /// its full name.
    fn uri(&mut self, key: &str, value: Value) -> Result<(), Error> {
        match value {
            Value::Object(object) if key.eq_ignore_ascii_case(self.kind.schema()) => {
                self.nested = Some(object);
                Ok(())
            }
            Value::Object(object) => {
                if let Some(schema) = self.catalogue.extension(self.kind, key) {
                    return self.extension(schema, object);
                }
                if Kind::ALL.iter().any(|kind| key.eq_ignore_ascii_case(kind.schema())) {
                    self.parsed.ignored.push(key.to_owned());
                    return Ok(());
                }
                self.merge_extension(key, coerce::free_object(object));
                Ok(())
            }
            value if object::is_empty(&value) => Ok(()),
            value => self.full_name(key, value),
        }
    }

    fn full_name(&mut self, key: &str, value: Value) -> Result<(), Error> {
        let path = AttributePath::parse(key).ok().filter(|path| path.sub.is_none());
        let Some(path) = path else {
            self.parsed.ignored.push(key.to_owned());
            return Ok(());
        };
        let Some(place) = self.catalogue.locate(self.kind, &path) else {
            self.parsed.ignored.push(key.to_owned());
            return Ok(());
        };
        match (place.extension, place.attribute) {
            (_, None) => Err(Error::invalid_value(format!("'{key}' must be an object"))),
            (None, Some(named)) => match named.definition {
                Some(attribute) => self.core(attribute, attribute.name.clone(), value),
                None => Ok(()),
            },
            (Some(urn), Some(named)) => {
                if let Some(attribute) = named.definition {
                    return self.in_extension(&urn, attribute, value);
                }
                let value = coerce::free(value).map(|value| (named.name.to_owned(), value));
                self.merge_extension(&urn, value.into_iter().collect());
                Ok(())
            }
        }
    }

    fn extension(&mut self, schema: &Schema, object: Map<String, Value>) -> Result<(), Error> {
        let mut canonical = Map::new();
        for (key, value) in object {
            match schema.attribute(&key) {
                Some(attribute) if attribute.is_read_only() => {}
                Some(attribute) => {
                    if let Some(value) = self.coercion.value(attribute, value)? {
                        canonical.insert(coerce::spelling(attribute, key), value);
                    }
                }
                None => {
                    if let Some(value) = coerce::free(value) {
                        object::insert(&mut canonical, &key, value);
                    }
                }
            }
        }
        self.merge_extension(&schema.id, canonical);
        Ok(())
    }

    fn in_extension(
        &mut self,
        urn: &str,
        attribute: &Attribute,
        value: Value,
    ) -> Result<(), Error> {
        if attribute.is_read_only() {
            return Ok(());
        }
        if let Some(value) = self.coercion.value(attribute, value)? {
            self.merge_extension(urn, Map::from_iter([(attribute.name.clone(), value)]));
        }
        Ok(())
    }

    fn merge_extension(&mut self, urn: &str, attributes: Map<String, Value>) {
        if attributes.is_empty() {
            return;
        }
        match object::get_mut(&mut self.parsed.resource.0, urn) {
            Some(Value::Object(known)) => {
                for (key, value) in attributes {
                    object::insert(known, &key, value);
                }
            }
            _ => {
                self.parsed.resource.0.insert(urn.to_owned(), Value::Object(attributes));
            }
        }
    }

    fn finish(mut self) -> Result<Parsed, Error> {
        for (key, value) in self.nested.take().into_iter().flatten() {
            let Some(attribute) = self.catalogue.core_attribute(self.kind, &key) else {
                self.parsed.ignored.push(key);
                continue;
            };
            if !self.parsed.resource.0.contains_key(&attribute.name) {
                self.core(attribute, key, value)?;
            }
        }
        let required = self.kind.required();
        let given = self.parsed.resource.0.get(required).and_then(Value::as_str);
        if given.is_none_or(|text| text.trim().is_empty()) {
            let detail = format!("'{required}' is required and must not be empty");
            return Err(Error::invalid_value(detail));
        }
        self.parsed.ignored.append(&mut self.coercion.ignored);
        Ok(self.parsed)
    }
}
