//! The evaluator of filters: a filter bound to the schema, applied to documents.
//!
//! Binding looks every name up once, converts every literal once and refuses comparisons that the
//! schema does not have; applying it to a row then costs no more than reading the values. A value
//! that is absent makes every comparison false, except `ne` and `eq null`.

use std::borrow::Cow;

use serde_json::Value;

use super::compare::Test;
use super::{Filter, Operator};
use crate::error::Error;
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
    /// Binds a filter to the schema of a kind.
    ///
    /// # Errors
    /// As [`Filter::check`].
    pub fn new(filter: &'a Filter, kind: Kind, catalogue: &'a Catalogue) -> Result<Self, Error> {
        bind(filter, Scope::Resource(kind, catalogue)).map(Self)
    }

    /// Binds the filter of a value path to the attribute whose elements it selects; `None` stands
    /// for a free-form one.
    ///
    /// # Errors
    /// As [`Filter::check`].
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
                        let detail = format!("'{path}' is a schema, not an attribute");
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
