//! The evaluator of filters: a filter bound to the schema, applied to documents.
//!
//! Binding looks every name up once, converts every literal once and refuses comparisons that the
//! schema does not have; applying it to a row then costs no more than reading the values. A value
//! that is absent makes every comparison false, except `ne` and `eq null`.

use std::borrow::Cow;

use serde_json::Value;

use super::compare::Test;
use super::{Filter, Operator};
use crate::error::{Echo, Error};
use crate::object;
use crate::path::AttributePath;
use crate::schema::{Attribute, Catalogue, Kind, Named};

/// A filter that is ready to be evaluated on documents of one kind.
#[derive(Clone, Debug)]
pub struct Matcher<'a>(Node<'a>);

#[derive(Clone, Debug)]
enum Node<'a> {
    Test(Place<'a>, Test),
    Present(Place<'a>),
    Element(Place<'a>, Box<Self>),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

/// Where the values are, with canonical names.
#[derive(Clone, Debug)]
struct Place<'a> {
    extension: Option<Cow<'a, str>>,
    name: Cow<'a, str>,
    sub: Option<&'a str>,
    /// For complex values without a sub-attribute: compare their `value`.
    is_free: bool,
}

/// What the names of a filter refer to.
#[derive(Clone, Copy)]
enum Scope<'a> {
    Resource(Kind, &'a Catalogue),
    /// The sub-attributes of an attribute; `None` if it is free-form.
    Element(Option<&'a Attribute>),
}

impl<'a> Matcher<'a> {
    /// Binds a filter to the schema of a kind. A name that no schema has is one without a value.
    ///
    /// # Errors
    /// `invalidFilter` for comparisons that the attribute's type does not have.
    pub fn new(filter: &'a Filter, kind: Kind, catalogue: &'a Catalogue) -> Result<Self, Error> {
        bind(filter, Scope::Resource(kind, catalogue)).map(Self)
    }

    /// Binds the filter of a value path to the attribute whose elements it selects; `None` stands
    /// for a free-form one.
    ///
    /// # Errors
    /// As [`Matcher::new`].
    pub fn element(filter: &'a Filter, attribute: Option<&'a Attribute>) -> Result<Self, Error> {
        bind(filter, Scope::Element(attribute)).map(Self)
    }

    /// Tells whether a document, or an element, matches.
    pub fn matches(&self, document: &Value) -> bool {
        self.0.holds(document)
    }
}

fn bind<'a>(filter: &'a Filter, scope: Scope<'a>) -> Result<Node<'a>, Error> {
    let all = |terms: &'a [Filter]| -> Result<Vec<_>, Error> {
        terms.iter().map(|term| bind(term, scope)).collect()
    };
    Ok(match filter {
        Filter::Compare { path, operator, value } => {
            let (mut place, mut definition) = scope.place(path)?;
            if let Some(attribute) = definition
                && attribute.is_complex()
                && let Some(sub) = attribute.sub("value")
            {
                (place.sub, definition) = (Some(sub.name.as_str()), Some(sub));
            }
            Node::Test(place, Test::new(definition, *operator, value)?)
        }
        Filter::Present(path) => Node::Present(scope.place(path)?.0),
        Filter::Element { path, filter } => {
            let (place, definition) = scope.place(path)?;
            Node::Element(place, Box::new(bind(filter, Scope::Element(definition))?))
        }
        Filter::Not(filter) => Node::Not(Box::new(bind(filter, scope)?)),
        Filter::And(terms) => Node::And(all(terms)?),
        Filter::Or(terms) => Node::Or(all(terms)?),
    })
}

impl<'a> Scope<'a> {
    fn place(self, path: &'a AttributePath) -> Result<(Place<'a>, Option<&'a Attribute>), Error> {
        let unknown = || Place {
            extension: path.schema.as_deref().map(Cow::Borrowed),
            name: Cow::Borrowed(path.name.as_str()),
            sub: path.sub.as_deref(),
            is_free: true,
        };
        match self {
            Self::Resource(kind, catalogue) => {
                let Some(place) = catalogue.locate(kind, path) else {
                    return Ok((unknown(), None)); // No value, RFC 7644 §3.4.2.1.
                };
                let definition = place.definition();
                let (extension, name) = match (place.extension, place.attribute) {
                    (extension, Some(Named { name, .. })) => (extension, Cow::Borrowed(name)),
                    (Some(urn), None) => (None, urn), // The extension object itself.
                    (None, None) => {
                        let detail = format!("'{}' is a schema, not an attribute", Echo(path));
                        return Err(Error::invalid_filter(detail));
                    }
                };
                let sub = place.sub.map(|sub| sub.name);
                Ok((Place { extension, name, sub, is_free: definition.is_none() }, definition))
            }
            Self::Element(Some(attribute)) if attribute.is_complex() => {
                let definition = attribute.sub(&path.name).filter(|_| path.schema.is_none());
                let name = definition.map_or(&path.name, |sub| &sub.name);
                Ok((Place { name: Cow::Borrowed(name), ..unknown() }, definition))
            }
            // An element that is no object has one sub-attribute, itself.
            Self::Element(Some(attribute)) => Ok((unknown(), Some(attribute))),
            Self::Element(None) => Ok((unknown(), None)),
        }
    }
}

impl Node<'_> {
    fn holds(&self, document: &Value) -> bool {
        match self {
            Self::Test(place, test) => place.test(document, test),
            Self::Present(place) => place.any(document, &mut |value| !object::is_empty(value)),
            Self::Element(place, node) => place.any(document, &mut |element| node.holds(element)),
            Self::Not(node) => !node.holds(document),
            Self::And(nodes) => nodes.iter().all(|node| node.holds(document)),
            Self::Or(nodes) => nodes.iter().any(|node| node.holds(document)),
        }
    }
}

impl Place<'_> {
    fn test(&self, document: &Value, test: &Test) -> bool {
        let mut count = 0;
        let any = self.any(document, &mut |value| {
            let value = match value {
                Value::Object(object) if self.is_free => {
                    object::get(object, "value").unwrap_or(value)
                }
                value => value,
            };
            if object::is_empty(value) {
                return false;
            }
            count += 1;
            !test.is_null() && test.holds(value)
        });
        match (test.operator, test.is_null()) {
            (Operator::Equal, true) => count == 0,
            (Operator::NotEqual, true) => count > 0,
            (_, true) => false,
            (Operator::NotEqual, false) => any || count == 0,
            (_, false) => any,
        }
    }

    /// Tries every value at this place until one satisfies the condition.
    fn any(&self, document: &Value, holds: &mut dyn FnMut(&Value) -> bool) -> bool {
        let object = match (document, &self.extension) {
            (Value::Object(document), None) => document,
            (Value::Object(document), Some(urn)) => match object::get(document, urn) {
                Some(Value::Object(extension)) => extension,
                _ => return false,
            },
            // An element that is no object: `value` is the element.
            (element, _) => {
                return self.name.eq_ignore_ascii_case("value")
                    && self.sub.is_none()
                    && holds(element);
            }
        };
        object::get(object, &self.name).is_some_and(|value| self.each(value, holds))
    }

    fn each(&self, value: &Value, holds: &mut dyn FnMut(&Value) -> bool) -> bool {
        match (value, self.sub) {
            (Value::Array(items), _) => items.iter().any(|item| self.each(item, holds)),
            (Value::Object(object), Some(sub)) => match object::get(object, sub) {
                Some(Value::Array(items)) => items.iter().any(holds),
                Some(value) => holds(value),
                None => false,
            },
            (_, Some(_)) => false,
            (value, None) => holds(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user() -> Value {
        json!({
            "schemas": [
                "urn:ietf:params:scim:schemas:core:2.0:User",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
            ],
            "id": "2819c223-7f76", "externalId": "AbC", "userName": "Jensen@Example.com",
            "name": {"familyName": "O'Malley", "givenName": "Ærin"},
            "userType": "Employee", "active": false,
            "emails": [
                {"value": "ada@example.com", "type": "work", "primary": true},
                {"value": "ada@home.org", "type": "home"}
            ],
            "x509Certificates": [{"value": "AbCd"}],
            "roles": [{"value": "Admin", "display": ""}],
            "groups": [{"value": "g1"}],
            "meta": {"resourceType": "User", "lastModified": "2011-05-13T06:42:34.5+02:00"},
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
                "employeeNumber": "701", "manager": {"value": "M1"}
            },
            "urn:company:2.0:User": {
                "costCode": 7, "badge": "12", "tags": ["a", "b"], "since": "2020-01-01", "vip": true,
                "desk": {"floor": 3}
            }
        })
    }

    fn matches(filter: &str) -> bool {
        let filter = Filter::parse(filter).unwrap();
        Matcher::new(&filter, Kind::User, Catalogue::standard()).unwrap().matches(&user())
    }

    #[track_caller]
    fn assert_all(expected: bool, filters: &[&str]) {
        for filter in filters {
            assert_eq!(matches(filter), expected, "{filter}");
        }
    }

    #[test]
    fn text_is_compared_by_case_exact() {
        assert_all(
            true,
            &[
                r#"userName eq "JENSEN@example.COM""#,
                r#"userName sw "jen""#,
                r#"userName ew "COM""#,
                r#"userName co "@""#,
                r#"userName gt "j""#,
                r#"userName le "jensen@example.com""#,
                r#"name.givenName eq "æRIN""#,
                r#"name.familyName co "o'malley""#,
                r#"externalId eq "AbC""#,
                r#"id sw "2819""#,
                r#"externalId lt "abc""#,
                r#"roles eq "admin""#,
                r#"x509Certificates.value eq "AbCd""#,
            ],
        );
        assert_all(
            false,
            &[
                r#"externalId eq "abc""#,
                r#"userName eq "jensen""#,
                r#"userName lt "j""#,
                r#"x509Certificates eq "abcd""#,
                r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq "m1""#,
            ],
        );
    }

    #[test]
    fn user_names_are_equal_by_their_precis_form() {
        let document = json!({"userName": "Ａsa\u{30a} X"});
        let matches = |filter: &str| {
            Filter::parse(filter).unwrap().matches(&document, Kind::User, Catalogue::standard())
        };
        assert!(matches("userName eq \"aså  x\""));
        assert!(!matches("userName ne \"aså  x\""));
        assert!(!matches("userName eq \"asa x\""));
        assert!(matches("userName ew \"Å X\"")); // Parts of names are compared as any text.
    }

    #[test]
    fn a_filter_matches_if_any_value_does_and_brackets_mean_one_element() {
        assert_all(
            true,
            &[
                r#"emails co "example.com""#,
                r#"emails.value eq "ADA@home.org""#,
                r#"emails.type eq "work" and emails.value ew "home.org""#,
                r#"emails[type eq "work" and value ew "example.com"]"#,
                r#"emails[type eq "work"].value eq "ada@example.com""#,
                r#"emails[primary eq "True"].value pr"#,
                r#"emails[not (type eq "work")]"#,
                r#"emails.value ne "ada@home.org""#,
                r#"groups eq "g1""#,
                r#"name[givenName eq "ærin"]"#,
                r#"schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User""#,
            ],
        );
        assert_all(
            false,
            &[
                r#"emails[type eq "work" and value ew "home.org"]"#,
                r#"emails[type eq "other"]"#,
                r#"emails[urn:x:y eq "z"]"#,
                r#"ims[type eq "xmpp"]"#,
            ],
        );
    }

    #[test]
    fn section_3_4_2_2_figure_2_evaluated() {
        assert_all(
            true,
            &[
                r#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#,
                r#"userType eq "Employee" and (emails.type eq "work")"#,
                r#"emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp"]"#,
                r#"title pr or userType eq "Employee""#,
                r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J""#,
            ],
        );
        assert_all(
            false,
            &[
                r#"userType ne "Employee" and not (emails co "example.com")"#,
                r#"title pr and userType eq "Employee""#,
            ],
        );
    }

    #[test]
    fn times_are_compared_chronologically_whatever_their_spelling() {
        assert_all(
            true,
            &[
                r#"meta.lastModified eq "2011-05-13T04:42:34.500Z""#,
                r#"meta.lastModified gt "2011-05-13T04:42:34Z""#,
                r#"meta.lastModified le "2011-05-13T04:42:34.5Z""#,
                "meta.lastModified gt 2011-05-13",
                r#"meta.lastModified sw "2011-05""#,
                r#"urn:company:2.0:User:since lt "2020-01-01T00:00:01+00:00""#,
            ],
        );
        assert_all(
            false,
            &[r#"meta.lastModified gt "2011-05-13T04:42:34.500Z""#, "meta.created gt 2000-01-01"],
        );
    }

    #[test]
    fn what_is_absent_or_empty_is_not_present_and_differs_from_everything() {
        assert_all(
            true,
            &[
                "userName pr",
                "name pr",
                "emails pr",
                "title eq null",
                "userName ne null",
                r#"title ne "x""#,
                "not (title pr)",
                "urn:company:2.0:User pr",
                "active pr",
                "urn:company:2.0:User:desk pr",
                r#"nickName ne "x" and rooms.number ne 5"#,
            ],
        );
        assert_all(
            false,
            &[
                "title pr",
                r#"title eq "x""#,
                r#"title co """#,
                "userName eq null",
                "title ne null",
                "roles.display pr",
                "rooms.number eq 5",
                "rooms pr",
                "title gt null",
                "urn:other:User pr",
                r#"urn:other:User:x eq "1""#,
            ],
        );
    }

    #[test]
    fn literals_are_taken_as_the_type_of_the_attribute() {
        assert_all(
            true,
            &[
                "active eq false",
                r#"active eq "False""#,
                "active ne true",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber eq 701",
                r#"manager eq "M1""#,
                "userName ne 5",
            ],
        );
        assert_all(false, &["active eq true", r#"manager.value eq "m1""#]);
    }

    #[test]
    fn free_form_values_are_compared_by_their_own_type() {
        let with_urn = |filters: &[&str]| -> Vec<String> {
            filters.iter().map(|filter| format!("urn:company:2.0:User:{filter}")).collect()
        };
        for filter in with_urn(&[
            "COSTCODE eq 7",
            r#"costCode eq "7""#,
            "costCode gt 6.5",
            "costCode lt 70",
            "badge eq 12",
            "badge gt 2",
            r#"badge sw "1""#,
            r#"tags eq "B""#,
            "vip eq true",
            r#"vip eq "true""#,
            "desk.floor eq 3",
            r#"tags[value eq "a"]"#,
            "costCode ne 8",
        ]) {
            assert!(matches(&filter), "{filter}");
        }
        for filter in with_urn(&[
            "costCode eq 8",
            r#"tags eq "c""#,
            "vip gt false",
            "desk eq 3",
            "vip ne true",
            "tags gt 5",
        ]) {
            assert!(!matches(&filter), "{filter}");
        }
    }

    #[test]
    fn comparisons_that_the_type_does_not_have_are_refused() {
        for (filter, detail) in [
            ("active gt true", "'gt' cannot be used on 'active', a boolean"),
            (r#"active co "t""#, "'co' cannot be used on 'active', a boolean"),
            (r#"x509Certificates.value lt "a""#, "'lt' cannot be used on 'value', a binary"),
            ("emails[primary ge true]", "'ge' cannot be used on 'primary', a boolean"),
            ("active eq 5", "'active' can only be compared with true or false, not 5"),
            (
                r#"meta.created gt "soon""#,
                "'created' can only be compared with a dateTime, not \"soon\"",
            ),
            (
                r#"name eq "x""#,
                "'name' is complex: name one of its sub-attributes (formatted, familyName, givenName, \
                 middleName, honorificPrefix, honorificSuffix)",
            ),
            ("not (active gt true)", "'gt' cannot be used on 'active', a boolean"),
            (
                "urn:ietf:params:scim:schemas:core:2.0:User pr",
                "'urn:ietf:params:scim:schemas:core:2.0:User' is a schema, not an attribute",
            ),
        ] {
            let filter = Filter::parse(filter).unwrap();
            let error = filter.check(Kind::User, Catalogue::standard()).unwrap_err();
            assert_eq!(error, Error::invalid_filter(detail), "{filter}");
            assert!(!filter.matches(&user(), Kind::User, Catalogue::standard()), "{filter}");
        }
    }

    #[test]
    fn an_element_is_tried_by_itself() {
        let emails = Catalogue::standard().core_attribute(Kind::User, "emails");
        let filter = Filter::parse(r#"TYPE eq "work" and value co "@""#).unwrap();
        let matcher = Matcher::element(&filter, emails).unwrap();
        assert!(matcher.matches(&json!({"type": "Work", "value": "a@x"})));
        assert!(!matcher.matches(&json!({"type": "home", "value": "a@x"})));
        assert!(!matcher.matches(&json!("a@x")));
        let plain = Filter::parse(r#"value eq "a""#).unwrap();
        assert!(Matcher::element(&plain, None).unwrap().matches(&json!("A")));
    }
}
