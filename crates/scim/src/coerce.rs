//! Values in their canonical form: the type that the schema says, nothing that says nothing.
//!
//! IdPs send `"True"` for a boolean, one object where a list is due, a bare id where an object
//! with `value` is due, and empty texts for "not set". Here they become what the schema means, so
//! that everything behind can compare two resources member by member. Strict connectors get
//! `invalidValue` instead. RFC 7643 §2.3 to §2.5.

use serde_json::{Map, Number, Value};

use crate::bounds;
use crate::datetime;
use crate::elements;
use crate::error::Error;
use crate::object;
use crate::schema::{Attribute, Type};

/// How values are taken that do not have the type of the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leniency {
    /// What was obviously meant is taken: `"True"`, one object for a list, an id for an object.
    #[default]
    Lenient,
    /// They are refused with `invalidValue`.
    Strict,
}

/// Brings values into canonical form; collects the names that the schema does not have.
#[derive(Debug)]
pub(crate) struct Coercion {
    pub(crate) leniency: Leniency,
    /// Sub-attributes that were left out because the schema does not have them, as paths.
    pub(crate) ignored: Vec<String>,
}

type Canonical = Result<Option<Value>, Error>;

impl Coercion {
    pub(crate) fn new(leniency: Leniency) -> Self {
        Self { leniency, ignored: Vec::new() }
    }

    /// The canonical form of an attribute's whole value; `None` if it is unassigned by it.
    pub(crate) fn value(&mut self, attribute: &Attribute, value: Value) -> Canonical {
        if !attribute.multi_valued {
            return self.element(attribute, value);
        }
        let list = self.list(attribute, value)?;
        Ok((!list.is_empty()).then_some(Value::Array(list)))
    }

    /// The canonical elements of a multi-valued attribute.
    pub(crate) fn list(
        &mut self,
        attribute: &Attribute,
        value: Value,
    ) -> Result<Vec<Value>, Error> {
        let items = match value {
            Value::Array(items) => items,
            value if object::is_empty(&value) => return Ok(Vec::new()),
            value if self.leniency == Leniency::Lenient => vec![value],
            value => return Err(mismatch(attribute, "a list", &value)),
        };
        bounds::check_values(&attribute.name, items.len())?;
        let mut new = Vec::with_capacity(items.len());
        for item in items {
            new.extend(self.element(attribute, item)?);
        }
        let count = new.iter().filter(|element| elements::is_primary(element)).count();
        if count > 1 && self.leniency == Leniency::Strict {
            let detail = format!("'{}' has more than one primary value", attribute.name);
            return Err(Error::invalid_value(detail));
        }
        elements::keep_one_primary(&mut new, None);
        let mut list = Vec::with_capacity(new.len());
        elements::absorb(&mut list, new);
        Ok(list)
    }

    /// The canonical form of one value of an attribute, which for a multi-valued one is one
    /// element.
    pub(crate) fn element(&mut self, attribute: &Attribute, value: Value) -> Canonical {
        let value = match value {
            value if object::is_empty(&value) => return Ok(None),
            // A text in a list is a list of texts, which is not what was asked for.
            Value::Array(mut items)
                if self.leniency == Leniency::Lenient
                    && items.len() == 1
                    && !is_text(attribute) =>
            {
                return self.element(attribute, items.remove(0));
            }
            value => value,
        };
        let lenient = self.leniency == Leniency::Lenient;
        match attribute.data_type {
            Type::Complex => self.complex(attribute, value),
            Type::String | Type::Reference => text(attribute, value, lenient),
            Type::Boolean => boolean(attribute, &value, lenient),
            Type::Integer => integer(attribute, &value, lenient),
            Type::Decimal => decimal(attribute, &value, lenient),
            Type::DateTime => match text(attribute, value, lenient)? {
                Some(Value::String(text)) if !lenient && !datetime::is_whole(&text) => {
                    Err(mismatch(attribute, "a dateTime", &Value::String(text)))
                }
                value => Ok(value),
            },
            Type::Binary => match text(attribute, value, lenient)? {
                Some(Value::String(text)) if !lenient && !is_base64(&text) => {
                    Err(mismatch(attribute, "base64", &Value::String(text)))
                }
                value => Ok(value),
            },
        }
    }

    fn complex(&mut self, attribute: &Attribute, value: Value) -> Canonical {
        let mut canonical = Map::new();
        let mut emptied = false;
        for (name, value) in self.sub_values(attribute, value)? {
            match value {
                Some(value) => {
                    canonical.insert(name, value);
                }
                None => emptied |= name == "value",
            }
        }
        if canonical.is_empty() || (emptied && is_bare(&canonical)) {
            return Ok(None);
        }
        check_required(attribute, &canonical)?;
        Ok(Some(Value::Object(canonical)))
    }

    /// The sub-attributes that a value of a complex attribute speaks of, each with its canonical
    /// value, or `None` where it is unassigned. What is readOnly is left out.
    pub(crate) fn sub_values(
        &mut self,
        attribute: &Attribute,
        value: Value,
    ) -> Result<Vec<(String, Option<Value>)>, Error> {
        let lenient = self.leniency == Leniency::Lenient;
        let object = match value {
            Value::Object(object) => object,
            Value::Array(mut items) if lenient && items.len() == 1 => {
                return self.sub_values(attribute, items.remove(0));
            }
            Value::String(_) | Value::Number(_) | Value::Bool(_)
                if lenient && attribute.sub("value").is_some() =>
            {
                Map::from_iter([("value".to_owned(), value)])
            }
            value => return Err(mismatch(attribute, "an object", &value)),
        };
        bounds::check_object(&attribute.name, &object)?;
        let mut values = Vec::with_capacity(object.len());
        for (key, value) in object {
            let Some(sub) = attribute.sub(&key) else {
                self.ignored.push(format!("{}.{key}", attribute.name));
                continue;
            };
            if !sub.is_read_only() {
                let value = self
                    .value(sub, value)
                    .map_err(|error| error.at(format_args!("'{}'", attribute.name)))?;
                values.push((spelling(sub, key), value));
            }
        }
        Ok(values)
    }
}

/// Refuses an object that lacks a sub-attribute which the schema requires.
pub(crate) fn check_required(
    attribute: &Attribute,
    object: &Map<String, Value>,
) -> Result<(), Error> {
    let mut required = attribute.sub_attributes.iter().filter(|sub| sub.required);
    match required.find(|sub| !object.contains_key(&sub.name)) {
        Some(missing) => {
            let detail = format!("'{}.{}' is required", attribute.name, missing.name);
            Err(Error::invalid_value(detail))
        }
        None => Ok(()),
    }
}

/// Whether what is left of an element without its `value` says nothing: templates send
/// `{"type": "work", "value": ""}`.
pub(crate) fn is_bare(element: &Map<String, Value>) -> bool {
    element.keys().all(|key| matches!(key.as_str(), "type" | "primary" | "display" | "$ref"))
}

/// The canonical form of a value that no schema describes: without anything empty in it. An error
/// names the closest attribute.
pub(crate) fn free(name: &str, value: Value) -> Canonical {
    let value = match value {
        Value::Array(items) => {
            bounds::check_values(name, items.len())?;
            let items = items.into_iter().map(|item| free(name, item));
            Value::Array(items.filter_map(Result::transpose).collect::<Result<_, _>>()?)
        }
        Value::Object(object) => Value::Object(free_object(name, object)?),
        Value::String(text) => {
            bounds::check_text(name, &text)?;
            Value::String(text)
        }
        value => value,
    };
    Ok((!object::is_empty(&value)).then_some(value))
}

/// The canonical form of a free-form object.
pub(crate) fn free_object(
    name: &str,
    object: Map<String, Value>,
) -> Result<Map<String, Value>, Error> {
    bounds::check_object(name, &object)?;
    let mut canonical = Map::new();
    for (key, value) in object {
        if let Some(value) = free(&key, value)? {
            object::insert(&mut canonical, &key, value);
        }
    }
    Ok(canonical)
}

/// The catalogue's spelling of a name; the client's text is reused where it is the same.
pub(crate) fn spelling(attribute: &Attribute, key: String) -> String {
    if key == attribute.name { key } else { attribute.name.clone() }
}

/// Whether the values of an attribute are JSON strings.
fn is_text(attribute: &Attribute) -> bool {
    matches!(attribute.data_type, Type::String | Type::Reference | Type::DateTime | Type::Binary)
}

fn text(attribute: &Attribute, value: Value, lenient: bool) -> Canonical {
    match value {
        Value::String(text) => {
            bounds::check_text(&attribute.name, &text)?;
            Ok(Some(Value::String(text)))
        }
        Value::Number(number) if lenient => Ok(Some(Value::String(number.to_string()))),
        value => Err(mismatch(attribute, "a string", &value)),
    }
}

fn boolean(attribute: &Attribute, value: &Value, lenient: bool) -> Canonical {
    let parsed = match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if lenient => parse_boolean(text),
        _ => None,
    };
    match parsed {
        Some(flag) => Ok(Some(Value::Bool(flag))),
        None => Err(mismatch(attribute, "a boolean", value)),
    }
}

/// `true` and `false` in any case.
pub(crate) fn parse_boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    match () {
        () if text.eq_ignore_ascii_case("true") => Some(true),
        () if text.eq_ignore_ascii_case("false") => Some(false),
        () => None,
    }
}

fn integer(attribute: &Attribute, value: &Value, lenient: bool) -> Canonical {
    let parsed = match value {
        Value::Number(number) if !number.is_f64() => Some(number.clone()),
        Value::Number(number) if lenient => number.as_f64().and_then(whole).map(Number::from),
        Value::String(text) if lenient => text.trim().parse::<i64>().ok().map(Number::from),
        _ => None,
    };
    match parsed {
        Some(number) => Ok(Some(Value::Number(number))),
        None => Err(mismatch(attribute, "an integer", value)),
    }
}

/// A number written with a point that is whole all the same, as some JSON writers do.
#[expect(clippy::cast_possible_truncation, reason = "whole numbers in this range are exact")]
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

fn decimal(attribute: &Attribute, value: &Value, lenient: bool) -> Canonical {
    let parsed = match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) if lenient => serde_json::from_str::<Number>(text.trim()).ok(),
        _ => None,
    };
    match parsed {
        Some(number) => Ok(Some(Value::Number(number))),
        None => Err(mismatch(attribute, "a number", value)),
    }
}

/// The alphabet of base64 or base64url with padding; line breaks are not part of it.
fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_'))
}

fn mismatch(attribute: &Attribute, wanted: &str, value: &Value) -> Error {
    let got = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Error::invalid_value(format!("'{}' must be {wanted}, not {got}", attribute.name))
}
