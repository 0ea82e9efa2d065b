//! From the body of a POST or PUT to the canonical resource.
//!
//! One pass over the body, each name looked up once. What the service provider owns is skipped,
//! because clients send back what they read (RFC 7644 §3.5.1: readOnly values "SHALL be ignored");
//! what the core schema does not know is left out and named, so that the attribute history can
//! show it.

use serde_json::{Map, Value};

use super::Resource;
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
        bounds::check_bytes(kind.name(), bounds::object_bytes(&self.0))
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
        let Value::Object(body) = body else {
            return Err(Error::invalid_syntax(format!("a {} must be a JSON object", kind.name())));
        };
        bounds::check_object(kind.name(), &body)?;
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

    fn extension(&mut self, schema: &Schema, object: Map<String, Value>) -> Result<(), Error> {
        bounds::check_object(&schema.id, &object)?;
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
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;
    use crate::elements::VALUES_MAX;

    const ENTERPRISE: &str = urn::ENTERPRISE_USER;

    /// One line for each attribute, what was ignored, or the error.
    #[expect(clippy::needless_pass_by_value, reason = "an `expect![]` is written where it is used")]
    fn check(result: Result<Parsed, Error>, expected: Expect) {
        expected.assert_eq(&show(result));
    }

    fn show(result: Result<Parsed, Error>) -> String {
        match result {
            Ok(Parsed { resource: Resource(attributes), ignored, .. }) => {
                let mut lines: Vec<_> =
                    attributes.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                lines.extend(ignored.iter().map(|name| format!("- {name}")));
                lines.join("\n")
            }
            Err(error) => {
                format!("{} {error}", error.scim_type.map_or("-", crate::ErrorType::as_str))
            }
        }
    }

    fn user(body: Value) -> Result<Parsed, Error> {
        Resource::parse(Kind::User, body, Catalogue::standard())
    }

    fn strict(body: Value) -> Result<Parsed, Error> {
        Resource::parse_with(Kind::User, body, Catalogue::standard(), Leniency::Strict)
    }

    #[test]
    fn a_new_user_with_everything_empty_that_can_be() {
        check(
            user(json!({
                "schemas": [urn::CORE_USER, ENTERPRISE],
                "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
                "userName": "Test_User_ab6490ee", "active": true,
                "addresses": null, "manager": null, "title": "", "ims": [], "name": {"formatted": null},
                "emails": [{"primary": true, "type": "work", "value": "a@testuser.com"}],
                "phoneNumbers": [{"type": "work", "value": ""}],
                "meta": {"resourceType": "User"}, "roles": [],
                ENTERPRISE: {"department": null, "manager": {"value": ""}}
            })),
            expect![[r#"
                active: true
                emails: [{"primary":true,"type":"work","value":"a@testuser.com"}]
                externalId: "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"
                userName: "Test_User_ab6490ee""#]],
        );
    }

    #[test]
    fn a_copy_of_what_was_read_gives_what_was_written() {
        check(
            user(json!({
                "schemas": [urn::CORE_USER], "id": "1", "userName": "ada", "password": "secret",
                "groups": [{"value": "g"}], "meta": {"created": "x", "version": "W/\"1\""},
                ENTERPRISE: {"manager": {"value": "2", "displayName": "Bob", "$ref": "../Users/2"}}
            })),
            expect![[r#"
                urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"manager":{"$ref":"../Users/2","value":"2"}}
                userName: "ada""#]],
        );
    }

    #[test]
    fn types_are_what_the_schema_says() {
        check(
            user(json!({
                "userName": 17, "active": "True", "title": 7, "locale": "de",
                "emails": {"value": "a@x", "primary": "FALSE"}, "phoneNumbers": "123",
                "roles": [{"primary": "True", "value": "a"}, "b", {"value": "c", "primary": true}],
                ENTERPRISE: {"employeeNumber": 701, "manager": [{"value": 5}]}
            })),
            expect![[r#"
                active: true
                emails: [{"primary":false,"value":"a@x"}]
                locale: "de"
                phoneNumbers: [{"value":"123"}]
                roles: [{"primary":true,"value":"a"},{"value":"b"},{"primary":false,"value":"c"}]
                title: "7"
                urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"employeeNumber":"701","manager":{"value":"5"}}
                userName: "17""#]],
        );
    }

    #[test]
    fn names_are_in_the_catalogues_spelling() {
        check(
            user(json!({
                "USERNAME": "ada", "Name": {"GIVENNAME": "Ada"}, "EMAILS": [{"VALUE": "a@x"}],
                ENTERPRISE.to_uppercase(): {"DEPARTMENT": "d"}
            })),
            expect![[r#"
                emails: [{"value":"a@x"}]
                name: {"givenName":"Ada"}
                urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"department":"d"}
                userName: "ada""#]],
        );
    }

    #[test]
    fn extensions_of_any_urn_declared_in_schemas_or_not() {
        check(
            user(json!({
                "userName": "ada",
                "urn:company:2.0:User": {"costCode": 7, "a": null, "b": [], "c": {"d": ""}, "E": "2"},
                "urn:ietf:params:scim:schemas:extension:appspace:2.0:User": {"x": true},
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0User": {"department": "typo"},
                "urn:empty:User": {}, "urn:null:User": null,
                format!("{ENTERPRISE}:division"): "d", format!("{ENTERPRISE}:free"): ["x"],
                "urn:company:2.0:User:badge": 1, "urn:ietf:params:scim:schemas:core:2.0:User:title": "Ms",
                "urn:ietf:params:scim:schemas:core:2.0:Group": {"displayName": "g"},
                "manager": {"value": "9"}
            })),
            expect![[r#"
                title: "Ms"
                urn:company:2.0:User: {"E":"2","badge":1,"costCode":7}
                urn:ietf:params:scim:schemas:extension:appspace:2.0:User: {"x":true}
                urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"division":"d","free":["x"],"manager":{"value":"9"}}
                urn:ietf:params:scim:schemas:extension:enterprise:2.0User: {"department":"typo"}
                userName: "ada"
                - urn:ietf:params:scim:schemas:core:2.0:Group"#]],
        );
    }

    #[test]
    fn core_attributes_under_the_core_urn_are_lifted_and_do_not_win() {
        check(
            user(json!({
                urn::CORE_USER: {"userName": "nested", "TITLE": "Ms", "shoeSize": 1, "id": "x"},
                "userName": "top"
            })),
            expect![[r#"
                title: "Ms"
                userName: "top"
                - shoeSize"#]],
        );
    }

    #[test]
    fn what_no_schema_has_is_named_and_left_out() {
        check(
            user(json!({
                "userName": "ada", "shoeSize": 38, "name": {"nick": "x"}, "emails": [{"size": 1, "value": "a"}],
                ENTERPRISE: {"manager": {"managerId": "5"}}
            })),
            expect![[r#"
                emails: [{"value":"a"}]
                userName: "ada"
                - shoeSize
                - emails.size
                - name.nick
                - manager.managerId"#]],
        );
    }

    #[test]
    fn repeated_values_count_once() {
        check(
            user(json!({"userName": "ada", "emails": [
                {"value": "a", "type": "work"}, {"value": "a", "type": "home"},
                {"value": "a", "type": "work", "primary": true}, null, {}
            ]})),
            expect![[r#"
                emails: [{"primary":true,"type":"work","value":"a"},{"type":"home","value":"a"}]
                userName: "ada""#]],
        );
    }

    #[test]
    fn errors_name_the_attribute() {
        let bodies = [
            json!([]),
            json!({"displayName": "x"}),
            json!({"userName": ""}),
            json!({"userName": "  "}),
            json!({"userName": {"a": 1}}),
            json!({"userName": "a", "active": "maybe"}),
            json!({"userName": "a", "name": "Ada"}),
            json!({"userName": "a", "emails": [{"primary": "x"}]}),
            json!({"userName": "a", "emails": [["a", "b"]]}),
            json!({"userName": true}),
            json!({"userName": ["a"]}),
            json!({"userName": "a", "name": {"givenName": [true]}}),
            json!({"userName": "a", "emails": [{"value": ["a@x"]}]}),
            json!({"userName": "a", "urn:company:2.0:User": "x"}),
            json!({"userName": "a", "roles": vec!["x"; VALUES_MAX + 1]}),
        ];
        expect![[r#"
            invalidSyntax a User must be a JSON object
            invalidValue 'userName' is required and must not be empty
            invalidValue 'userName' is required and must not be empty
            invalidValue 'userName' is required and must not be empty
            invalidValue 'userName' must be a string, not an object
            invalidValue 'active' must be a boolean, not a string
            invalidValue 'name' must be an object, not a string
            invalidValue 'emails': 'primary' must be a boolean, not a string
            invalidValue 'emails' must be an object, not a list
            invalidValue 'userName' must be a string, not a boolean
            invalidValue 'userName' must be a string, not a list
            invalidValue 'name': 'givenName' must be a string, not a list
            invalidValue 'emails': 'value' must be a string, not a list
            invalidValue 'urn:company:2.0:User' must be an object
            invalidValue 'roles' has 1001 values, more than 1000"#]]
        .assert_eq(&bodies.map(|body| show(user(body))).join("\n"));
        let group = Resource::parse(Kind::Group, json!({"externalId": "x"}), Catalogue::standard());
        check(group, expect!["invalidValue 'displayName' is required and must not be empty"]);
    }

    #[test]
    fn strict_takes_no_other_types_and_wants_the_schema() {
        let core = [urn::CORE_USER];
        let bodies = [
            json!({"userName": "a"}),
            json!({"schemas": ["urn:x"], "userName": "a"}),
            json!({"schemas": core, "userName": 7}),
            json!({"schemas": core, "userName": "a", "active": "true"}),
            json!({"schemas": core, "userName": "a", "emails": {"value": "x"}}),
            json!({"schemas": core, "userName": "a", "manager": {"value": "x"}, "title": ""}),
            json!({"schemas": core, "userName": "a", "password": {"secret": "x"}}),
            json!({"schemas": core, "userName": "a", "password": "x"}),
            json!({
                "schemas": core, "userName": "a", format!("{ENTERPRISE}:badge"): "7",
                ENTERPRISE: {"department": "math", "shoeSize": 38}, "urn:free:User:x": 1
            }),
        ];
        expect![[r#"
            invalidValue 'schemas' must contain 'urn:ietf:params:scim:schemas:core:2.0:User'
            invalidValue 'schemas' must contain 'urn:ietf:params:scim:schemas:core:2.0:User'
            invalidValue 'userName' must be a string, not a number
            invalidValue 'active' must be a boolean, not a string
            invalidValue 'emails' must be a list, not an object
            userName: "a"
            - manager
            invalidValue 'password' must be a string, not an object
            userName: "a"
            urn:free:User: {"x":1}
            urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"department":"math"}
            userName: "a"
            - urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:shoeSize
            - urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:badge"#]]
        .assert_eq(&bodies.map(|body| show(strict(body))).join("\n"));
    }

    #[test]
    fn declared_extensions_are_typed() {
        let schema = serde_json::from_value(
            json!({"id": "urn:company:2.0:User", "name": "C", "attributes": [
                {"name": "age", "type": "integer"}, {"name": "weight", "type": "decimal"},
                {"name": "since", "type": "dateTime"}, {"name": "tags", "multiValued": true},
                {"name": "computed", "mutability": "readOnly"}, {"name": "code", "required": true}
            ]}),
        )
        .unwrap();
        let catalogue = Catalogue::standard().with_extension(Kind::User, schema);
        let parse = |attributes: Value, leniency| {
            let body = json!({"schemas": [urn::CORE_USER], "userName": "a", "urn:COMPANY:2.0:User": attributes});
            Resource::parse_with(Kind::User, body, &catalogue, leniency)
        };
        check(
            parse(
                json!({"AGE": "42", "code": 7, "weight": "1.5", "since": "yesterday", "tags": "a", "computed": 1, "free": "x"}),
                Leniency::Lenient,
            ),
            expect![[r#"
                urn:company:2.0:User: {"age":42,"code":"7","free":"x","since":"yesterday","tags":["a"],"weight":1.5}
                userName: "a""#]],
        );
        let others = [
            parse(json!({"age": 4.5}), Leniency::Lenient),
            parse(json!({"weight": "heavy"}), Leniency::Lenient),
            parse(json!({"since": "yesterday"}), Leniency::Strict),
            parse(json!({"since": "2020-01-01T00:00:00Z", "code": "7"}), Leniency::Strict),
            parse(json!({"since": "2020-01-01T00:00:00Z"}), Leniency::Strict),
        ];
        expect![[r#"
            invalidValue 'age' must be an integer, not a number
            invalidValue 'weight' must be a number, not a string
            invalidValue 'since' must be a dateTime, not a string
            urn:company:2.0:User: {"code":"7","since":"2020-01-01T00:00:00Z"}
            userName: "a"
            invalidValue 'urn:company:2.0:User:code' is required"#]]
        .assert_eq(&others.map(show).join("\n"));
    }
}
