//! Extension schemas that an administrator declares, read from the document of RFC 7643 §7.
//!
//! What is declared here is enforced on every resource from then on, so a document that says what
//! cannot be enforced is refused, with the place in it. What it says beyond the RFC is ignored.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Attribute, Catalogue, Kind, Mutability, Returned, Schema, Type, Uniqueness};
use crate::bounds::{self, ATTRIBUTES_MAX};
use crate::error::{Echo, Error};
use crate::object;
use crate::path;

/// Schemas below these are the protocol's own.
const RESERVED: [&str; 2] =
    ["urn:ietf:params:scim:schemas:core:", "urn:ietf:params:scim:api:messages:"];

impl Schema {
    /// Reads and checks the document of an extension schema.
    ///
    /// Keywords are taken in any case. A characteristic that is left out has the default of RFC 7643
    /// §2.2.
    ///
    /// # Errors
    /// `invalidSyntax` or `invalidValue`, with the attribute's name: for an `id` that is no URN or
    /// that of a standard schema, names that are no attribute names or are there twice, complex
    /// attributes inside of complex ones, more than [`ATTRIBUTES_MAX`] attributes, texts of more
    /// than [`crate::NAME_CHARS_MAX`] characters, any `uniqueness` but `none` (it is not enforced),
    /// and an attribute that is required and `readOnly`, which nobody could ever set.
    ///
    /// # Source
    /// RFC 7643 §7; §2.1 for names, §2.3.8 for complex attributes.
    pub fn parse_extension(document: Value) -> Result<Self, Error> {
        let Value::Object(document) = document else {
            return Err(Error::invalid_syntax("a schema must be a JSON object"));
        };
        bounds::check_object("Schema", &document)?;
        let reader = Reader(&document);
        let id = reader.text("id")?.trim().to_owned();
        check_id(&id)?;
        let name = match reader.text("name")? {
            "" => id.clone(),
            name => name.to_owned(),
        };
        let attributes = reader.attributes("attributes", false)?;
        let count: usize = attributes.iter().map(|known| 1 + known.sub_attributes.len()).sum();
        if count > ATTRIBUTES_MAX {
            let detail = format!("the schema has {count} attributes, more than {ATTRIBUTES_MAX}");
            return Err(Error::invalid_value(detail));
        }
        Ok(Self { id, name, description: reader.text("description")?.to_owned(), attributes })
    }
}

fn check_id(id: &str) -> Result<(), Error> {
    let refused = |why: &str| Err(Error::invalid_value(format!("'id', '{}': {why}", Echo(id))));
    let is_urn = id.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("urn:"))
        && id[4..]
            .split_once(':')
            .is_some_and(|(left, right)| !left.is_empty() && !right.is_empty())
        && id.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"()[],\\".contains(&byte));
    if !is_urn {
        return refused("not a URN (urn:<namespace>:<name>)");
    }
    let starts =
        |with: &str| id.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    let is_standard =
        Catalogue::standard().schemas().any(|known| known.id.eq_ignore_ascii_case(id));
    if is_standard || RESERVED.into_iter().any(starts) {
        return refused("a schema of the standard cannot be declared");
    }
    Ok(())
}

/// The members of a schema document, or of an attribute in it.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a Map<String, Value>);

impl<'a> Reader<'a> {
    fn get(self, name: &str) -> Option<&'a Value> {
        object::get(self.0, name).filter(|value| !value.is_null())
    }

    /// A text, empty if it is absent.
    fn text(self, name: &str) -> Result<&'a str, Error> {
        match self.get(name) {
            None => Ok(""),
            Some(Value::String(text)) => {
                bounds::check_name(format_args!("'{name}'"), text)?;
                Ok(text)
            }
            Some(_) => Err(Error::invalid_value(format!("'{name}' must be a string"))),
        }
    }

    fn flag(self, name: &str) -> Result<bool, Error> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(Error::invalid_value(format!("'{name}' must be true or false"))),
        }
    }

    /// One of a few words, in any case; the default if it is absent.
    fn word<T: Copy + Default>(self, name: &str, words: &[(&str, T)]) -> Result<T, Error> {
        let given = self.text(name)?;
        if given.is_empty() {
            return Ok(T::default());
        }
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(given));
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let (given, words) = (Echo(given), words.join(", "));
            Error::invalid_value(format!("'{name}' must be one of {words}, not '{given}'"))
        })
    }

    fn list(self, name: &str) -> Result<&'a [Value], Error> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) => {
                bounds::check_values(name, items.len())?;
                Ok(items)
            }
            Some(_) => Err(Error::invalid_value(format!("'{name}' must be a list"))),
        }
    }

    fn texts(self, name: &str) -> Result<Vec<String>, Error> {
        let texts = self.list(name)?.iter().map(|item| {
            let text = item.as_str().ok_or_else(|| {
                Error::invalid_value(format!("'{name}' must be a list of strings"))
            })?;
            bounds::check_name(format_args!("'{name}'"), text)?;
            Ok(text.to_owned())
        });
        texts.collect()
    }

    fn attributes(self, name: &str, is_sub: bool) -> Result<Vec<Attribute>, Error> {
        let mut seen = HashSet::new();
        let mut attributes = Vec::new();
        for (index, item) in self.list(name)?.iter().enumerate() {
            let Value::Object(members) = item else {
                let detail = format!("'{name}', entry {}: must be an object", index + 1);
                return Err(Error::invalid_syntax(detail));
            };
            let reader = Self(members);
            let given = match reader.text("name") {
                Ok(text) if !text.is_empty() => format!("'{}'", Echo(text)),
                _ => format!("'{name}', entry {}", index + 1),
            };
            let attribute = reader.attribute(is_sub).map_err(|error| error.at(&given))?;
            if !seen.insert(attribute.name.to_ascii_lowercase()) {
                return Err(Error::invalid_value(format!("{given}: the name is there twice")));
            }
            attributes.push(attribute);
        }
        Ok(attributes)
    }

    fn attribute(self, is_sub: bool) -> Result<Attribute, Error> {
        bounds::check_object("attributes", self.0)?;
        let attribute = Attribute {
            name: self.name(is_sub)?,
            data_type: self.data_type(is_sub)?,
            multi_valued: self.flag("multiValued")?,
            description: self.text("description")?.to_owned(),
            required: self.flag("required")?,
            case_exact: self.flag("caseExact")?,
            mutability: self.mutability()?,
            returned: self.returned()?,
            uniqueness: Uniqueness::None,
            canonical_values: self.texts("canonicalValues")?,
            reference_types: self.texts("referenceTypes")?,
            sub_attributes: self.sub_attributes(is_sub)?,
        };
        let unique = self.text("uniqueness")?;
        if !unique.is_empty() && !unique.eq_ignore_ascii_case("none") {
            let detail = "'uniqueness' must be 'none': of extensions it is not enforced";
            return Err(Error::invalid_value(detail));
        }
        if attribute.required && attribute.is_read_only() {
            let detail = "'required' and 'readOnly' together: nobody could set it";
            return Err(Error::invalid_value(detail));
        }
        if attribute.is_complex() == attribute.sub_attributes.is_empty() {
            let detail = "a complex attribute, and no other, has 'subAttributes'";
            return Err(Error::invalid_value(detail));
        }
        Ok(attribute)
    }

    fn name(self, is_sub: bool) -> Result<String, Error> {
        let name = self.text("name")?;
        if !path::is_name(name) {
            return Err(Error::invalid_value(
                "'name' must be an attribute name: letters, digits, - and _",
            ));
        }
        if !is_sub && Kind::ALL.iter().any(|kind| kind.name().eq_ignore_ascii_case(name)) {
            let detail = "'name' must not be that of a resource type: after a URN it ends the URN";
            return Err(Error::invalid_value(detail));
        }
        Ok(name.to_owned())
    }

    fn data_type(self, is_sub: bool) -> Result<Type, Error> {
        let data_type = self.word(
            "type",
            &[
                ("string", Type::String),
                ("boolean", Type::Boolean),
                ("decimal", Type::Decimal),
                ("integer", Type::Integer),
                ("dateTime", Type::DateTime),
                ("binary", Type::Binary),
                ("reference", Type::Reference),
                ("complex", Type::Complex),
            ],
        )?;
        if is_sub && data_type == Type::Complex {
            let detail = "'type' must not be complex: complex attributes do not nest";
            return Err(Error::invalid_value(detail));
        }
        Ok(data_type)
    }

    fn sub_attributes(self, is_sub: bool) -> Result<Vec<Attribute>, Error> {
        if is_sub && !self.list("subAttributes")?.is_empty() {
            return Err(Error::invalid_value("'subAttributes': complex attributes do not nest"));
        }
        self.attributes("subAttributes", true)
    }

    fn mutability(self) -> Result<Mutability, Error> {
        self.word(
            "mutability",
            &[
                ("readOnly", Mutability::ReadOnly),
                ("readWrite", Mutability::ReadWrite),
                ("immutable", Mutability::Immutable),
                ("writeOnly", Mutability::WriteOnly),
            ],
        )
    }

    fn returned(self) -> Result<Returned, Error> {
        self.word(
            "returned",
            &[
                ("always", Returned::Always),
                ("never", Returned::Never),
                ("default", Returned::Default),
                ("request", Returned::Request),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::elements::VALUES_MAX;
    use crate::urn;

    const ID: &str = "urn:company:2.0:User";

    #[expect(clippy::needless_pass_by_value, reason = "a `json!` is written where it is used")]
    fn schema(attributes: Value) -> Result<Schema, String> {
        let document = json!({"id": ID, "name": "Company", "attributes": attributes});
        Schema::parse_extension(document).map_err(|error| error.detail)
    }

    #[test]
    fn a_whole_document_is_read_and_answered_with_the_same() {
        let document = json!({
            "schemas": [urn::SCHEMA], "id": ID, "name": "Company", "description": "What we add",
            "meta": {"resourceType": "Schema"}, "vendor": 1,
            "attributes": [
                {
                    "name": "desk", "type": "complex", "multiValued": true, "description": "d",
                    "required": true, "caseExact": false, "mutability": "IMMUTABLE",
                    "returned": "request", "uniqueness": "none", "vendor": {},
                    "subAttributes": [
                        {"name": "value", "type": "INTEGER", "required": true},
                        {"name": "$ref", "type": "reference", "referenceTypes": ["User"]}
                    ]
                },
                {"name": "badge", "canonicalValues": ["a", "b"], "caseExact": true, "type": null}
            ]
        });
        let schema = Schema::parse_extension(document).unwrap();
        assert_eq!((schema.id.as_str(), schema.name.as_str()), (ID, "Company"));
        let desk = schema.attribute("DESK").unwrap();
        assert_eq!((desk.mutability, desk.returned), (Mutability::Immutable, Returned::Request));
        assert!(desk.required && desk.multi_valued);
        assert_eq!(desk.sub("value").unwrap().data_type, Type::Integer);
        let badge = schema.attribute("badge").unwrap();
        assert_eq!((badge.data_type, badge.case_exact), (Type::String, true));
        let again = serde_json::to_value(&schema).unwrap();
        assert_eq!(Schema::parse_extension(again), Ok(schema));
        let bare = Schema::parse_extension(json!({"ID": "urn:a:b", "Attributes": []})).unwrap();
        assert_eq!(bare.name, "urn:a:b");
    }

    #[test]
    fn the_id_is_a_urn_of_its_own() {
        let id = |id: &str| Schema::parse_extension(json!({"id": id})).map_err(|e| e.detail);
        for good in [ID, "urn:a:b", "URN:ietf:params:scim:schemas:extension:x:2.0:User"] {
            assert!(id(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "company",
            "urn:",
            "urn:a",
            "urn:a:",
            "http://x/y",
            "urn:a:b c",
            "urn:a:b[",
            "urn:a:ü",
        ] {
            let said = format!("'id', '{bad}': not a URN (urn:<namespace>:<name>)");
            assert_eq!(id(bad).unwrap_err(), said);
        }
        for standard in [
            urn::CORE_USER,
            &urn::ENTERPRISE_USER.to_uppercase(),
            urn::SCHEMA,
            urn::PATCH_OP,
            "urn:ietf:params:scim:schemas:core:2.0:Device",
        ] {
            let said = id(standard).unwrap_err();
            assert!(said.ends_with("a schema of the standard cannot be declared"), "{said}");
        }
    }

    #[test]
    fn what_cannot_be_enforced_is_refused_with_its_place() {
        let long = "x".repeat(1025);
        for (attribute, said) in [
            (json!(5), "'attributes', entry 1: must be an object"),
            (
                json!({}),
                "'attributes', entry 1: 'name' must be an attribute name: letters, digits, - and _",
            ),
            (
                json!({"name": "a b"}),
                "'a b': 'name' must be an attribute name: letters, digits, - and _",
            ),
            (
                json!({"name": "user"}),
                "'user': 'name' must not be that of a resource type: after a URN it ends the URN",
            ),
            (
                json!({"name": "a", "type": "date"}),
                "'a': 'type' must be one of string, boolean, decimal, integer, dateTime, binary, reference, complex, \
                 not 'date'",
            ),
            (json!({"name": "a", "required": "yes"}), "'a': 'required' must be true or false"),
            (json!({"name": "a", "mutability": 1}), "'a': 'mutability' must be a string"),
            (
                json!({"name": "a", "uniqueness": "server"}),
                "'a': 'uniqueness' must be 'none': of extensions it is not enforced",
            ),
            (
                json!({"name": "a", "required": true, "mutability": "readOnly"}),
                "'a': 'required' and 'readOnly' together: nobody could set it",
            ),
            (
                json!({"name": "a", "type": "complex"}),
                "'a': a complex attribute, and no other, has 'subAttributes'",
            ),
            (
                json!({"name": "a", "subAttributes": [{"name": "b"}]}),
                "'a': a complex attribute, and no other, has 'subAttributes'",
            ),
            (
                json!({"name": "a", "type": "complex", "subAttributes": [{"name": "b", "type": "complex"}]}),
                "'a': 'b': 'type' must not be complex: complex attributes do not nest",
            ),
            (
                json!({"name": "a", "type": "complex", "subAttributes": [{"name": "b"}, {"name": "B"}]}),
                "'a': 'B': the name is there twice",
            ),
            (json!({"name": "a", "NAME": "b"}), "'a': 'name' is there twice, in different case"),
            (
                json!({"name": "a", "canonicalValues": [1]}),
                "'a': 'canonicalValues' must be a list of strings",
            ),
            (
                json!({"name": "a", "description": long}),
                "'a': 'description' is longer than 1024 characters",
            ),
        ] {
            let found = schema(json!([attribute])).unwrap_err();
            assert!(
                found == said || found.contains("is there twice, in different case"),
                "{found}\n{said}"
            );
        }
        let twice = schema(json!([{"name": "badge"}, {"name": "BADGE"}])).unwrap_err();
        assert_eq!(twice, "'BADGE': the name is there twice");
        assert_eq!(schema(json!("x")).unwrap_err(), "'attributes' must be a list");
        assert!(Schema::parse_extension(json!([])).is_err());
    }

    #[test]
    fn attributes_are_counted_with_their_sub_attributes() {
        let subs: Vec<_> = (0..10).map(|n| json!({"name": format!("s{n}")})).collect();
        let attributes = |count: usize| {
            let complex =
                |n| json!({"name": format!("a{n}"), "type": "complex", "subAttributes": subs});
            schema((0..count).map(complex).collect())
        };
        assert!(attributes(90).is_ok());
        assert_eq!(attributes(91).unwrap_err(), "the schema has 1001 attributes, more than 1000");
        let many = vec![json!("v"); VALUES_MAX + 1];
        assert!(schema(json!([{"name": "a", "canonicalValues": many}])).is_err());
    }
}
