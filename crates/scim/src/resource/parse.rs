//! From the body of a POST or PUT to the canonical resource.
//!
//! One pass over the body, each name looked up once. What the service provider owns is skipped,
//! because clients send back what they read (RFC 7644 §3.5.1: readOnly values "SHALL be ignored");
//! what the core schema does not know is left out and named, so that the attribute history can
//! show it.

use serde_json::{Map, Value};

use super::{Resource, dotted};
use crate::bounds;
use crate::coerce::{self, Coercion, Leniency};
use crate::error::{Echo, Error};
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

    /// Checks that everything is there which the schemas require, and that the whole is not too
    /// large. [`Resource::parse`] and [`crate::patch::Request::apply`] have done so.
    ///
    /// # Errors
    /// `invalidValue` naming what is missing: `userName` of a user, `displayName` of a group, or a
    /// required attribute of an extension that the resource has; or saying that it is larger than
    /// [`crate::RESOURCE_BYTES_MAX`].
    ///
    /// # Source
    /// RFC 7643 §4.1.1 and §4.2 for the two, §6 for extensions.
    pub fn check(&self, kind: Kind, catalogue: &Catalogue) -> Result<(), Error> {
        let name = kind.required();
        let given = self.0.get(name).and_then(Value::as_str);
        if given.is_none_or(|text| text.trim().is_empty()) {
            let detail = format!("'{name}' is required and must not be empty");
            return Err(Error::invalid_value(detail));
        }
        for schema in catalogue.extensions(kind) {
            let Some(Value::Object(object)) = self.0.get(&schema.id) else { continue };
            let is_blank =
                |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
            let mut required = schema.attributes.iter().filter(|attribute| attribute.required);
            if let Some(missing) =
                required.find(|attribute| object.get(&attribute.name).is_none_or(is_blank))
            {
                let detail = format!("'{}:{}' is required", schema.id, missing.name);
                return Err(Error::invalid_value(detail));
            }
        }
        bounds::check_bytes(kind.name(), self.bytes())
    }

    /// Parses the body of a POST or PUT.
    ///
    /// Strict also demands that `schemas` names the core schema, and leaves out of a declared
    /// extension what it does not have, as both do with the core schema. No passage of the RFCs
    /// says that names which the schemas do not have are to be refused.
    ///
    /// # Errors
    /// As [`Resource::parse`].
    pub fn parse_with(
        kind: Kind,
        body: Value,
        catalogue: &Catalogue,
        leniency: Leniency,
    ) -> Result<Parsed, Error> {
        let Value::Object(mut body) = body else {
            return Err(Error::invalid_syntax(format!("a {} must be a JSON object", kind.name())));
        };
        bounds::check_object(kind.name(), &body)?;
        match leniency {
            Leniency::Strict => check_schemas(kind, object::get(&body, "schemas"))?,
            Leniency::Lenient => dotted::unfold(&mut body, kind, catalogue),
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
            self.parsed.members = Some(members::values(value, self.coercion.leniency)?);
            return Ok(());
        }
        if attribute.mutability == Mutability::WriteOnly
            && self.coercion.leniency == Leniency::Strict
        {
            self.coercion.value(attribute, value)?; // Not kept, but not anything either.
            return Ok(());
        }
        if matches!(attribute.mutability, Mutability::ReadOnly | Mutability::WriteOnly) {
            return Ok(());
        }
        if let Some(value) = self.coercion.value(attribute, value)? {
            self.parsed.resource.attributes_mut().insert(coerce::spelling(attribute, key), value);
        }
        Ok(())
    }

    /// A member of the body whose name is a URN: a schema with its attributes, or one attribute by
    /// its full name.
    fn uri(&mut self, key: &str, value: Value) -> Result<(), Error> {
        match value {
            Value::Object(object) if key.eq_ignore_ascii_case(self.kind.schema()) => {
                bounds::check_object(key, &object)?;
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
                if self.catalogue.is_full_name(self.kind, key) {
                    return self.full_name(key, Value::Object(object));
                }
                let object = coerce::free_object(key, object)?;
                self.merge_extension(key, object)
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
            (_, None) => Err(Error::invalid_value(format!("'{}' must be an object", Echo(key)))),
            (None, Some(named)) => match named.definition {
                Some(attribute) => self.core(attribute, attribute.name.clone(), value),
                None => Ok(()),
            },
            (Some(urn), Some(named)) => {
                if let Some(attribute) = named.definition {
                    return self.in_extension(&urn, attribute, value);
                }
                if self.coercion.leniency == Leniency::Strict
                    && self.catalogue.extension(self.kind, &urn).is_some()
                {
                    self.parsed.ignored.push(key.to_owned());
                    return Ok(());
                }
                let value = coerce::free(named.name, value)?;
                let value = value.map(|value| (named.name.to_owned(), value));
                self.merge_extension(&urn, value.into_iter().collect())
            }
        }
    }

    fn extension(&mut self, schema: &Schema, mut object: Map<String, Value>) -> Result<(), Error> {
        bounds::check_object(&schema.id, &object)?;
        if self.coercion.leniency == Leniency::Lenient {
            dotted::unfold_in(&mut object, schema);
        }
        let mut canonical = Map::new();
        for (key, value) in object {
            match schema.attribute(&key) {
                Some(attribute) if attribute.is_read_only() => {}
                Some(attribute) => {
                    if let Some(value) = self.coercion.value(attribute, value)? {
                        canonical.insert(coerce::spelling(attribute, key), value);
                    }
                }
                None if self.coercion.leniency == Leniency::Strict => {
                    self.parsed.ignored.push(format!("{}:{key}", schema.id));
                }
                None => {
                    if let Some(value) = coerce::free(&key, value)? {
                        object::insert(&mut canonical, &key, value);
                    }
                }
            }
        }
        self.merge_extension(&schema.id, canonical)
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
            return self.merge_extension(urn, Map::from_iter([(attribute.name.clone(), value)]));
        }
        Ok(())
    }

    fn merge_extension(&mut self, urn: &str, attributes: Map<String, Value>) -> Result<(), Error> {
        if attributes.is_empty() {
            return Ok(());
        }
        if let Some(Value::Object(known)) =
            object::get_mut(self.parsed.resource.attributes_mut(), urn)
        {
            for (key, value) in attributes {
                object::insert(known, &key, value);
            }
            return bounds::check_attributes(urn, known.len());
        }
        self.parsed.resource.attributes_mut().insert(urn.to_owned(), Value::Object(attributes));
        Ok(())
    }

    fn finish(mut self) -> Result<Parsed, Error> {
        for (key, value) in self.nested.take().into_iter().flatten() {
            let Some(attribute) = self.catalogue.core_attribute(self.kind, &key) else {
                self.parsed.ignored.push(key);
                continue;
            };
            let is_given = self.parsed.resource.0.contains_key(&attribute.name)
                || (attribute.name == "members" && self.parsed.members.is_some());
            if !is_given {
                self.core(attribute, key, value)?;
            }
        }
        self.parsed.resource.check(self.kind, self.catalogue)?;
        self.parsed.ignored.append(&mut self.coercion.ignored);
        Ok(self.parsed)
    }
}

#[cfg(test)]
#[expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]
mod tests;
