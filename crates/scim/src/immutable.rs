//! Attributes that are set once: what a change must leave as it is.
//!
//! RFC 7643 §7: of `immutable`, "The attribute SHALL NOT be updated" once it has a value. PUT (RFC
//! 7644 §3.5.1) and PATCH (§3.5.2) answer 400 `mutability`.

use std::collections::HashSet;

use serde_json::Value;

use crate::elements;
use crate::error::Error;
use crate::schema::{Attribute, Mutability};

/// Whether an attribute, or something in it, is set once.
pub(crate) fn is_guarded(attribute: &Attribute) -> bool {
    is_immutable(attribute) || attribute.sub_attributes.iter().any(is_immutable)
}

/// Refuses another value for an attribute that is immutable and has one, or in a complex one for a
/// sub-attribute that is. The elements of a list come and go as a whole; [`check_elements`] is about
/// changes inside of them.
pub(crate) fn check(
    attribute: &Attribute,
    before: Option<&Value>,
    after: Option<&Value>,
) -> Result<(), Error> {
    let Some(before) = before else { return Ok(()) };
    if is_immutable(attribute) && !after.is_some_and(|after| is_same(before, after)) {
        return Err(Error::mutability(format!("'{}' is immutable", attribute.name)));
    }
    let Value::Object(before) = before else { return Ok(()) };
    for sub in attribute.sub_attributes.iter().filter(|sub| is_immutable(sub)) {
        let Some(before) = before.get(&sub.name) else { continue };
        let after = after.and_then(|after| after.get(&sub.name));
        if !after.is_some_and(|after| is_same(before, after)) {
            return Err(refused(attribute, sub));
        }
    }
    Ok(())
}

/// Refuses a change of a sub-attribute in the elements of a list if it is immutable: every value
/// that it had is still there.
pub(crate) fn check_elements<'v>(
    attribute: &Attribute,
    sub: &Attribute,
    before: Option<&'v Value>,
    after: Option<&'v Value>,
) -> Result<(), Error> {
    if !is_immutable(sub) {
        return Ok(());
    }
    let values = |list: Option<&'v Value>| {
        let elements = list.and_then(Value::as_array).into_iter().flatten();
        elements.filter_map(|element| element.get(&sub.name))
    };
    let after: HashSet<_> = values(after).collect();
    if values(before).all(|value| after.contains(value)) {
        return Ok(());
    }
    Err(refused(attribute, sub))
}

/// Whether two values are the same; the order of lists is no difference.
pub(crate) fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => elements::is_same_list(left, right),
        _ => left == right,
    }
}

/// Whether an attribute is set once.
pub(crate) fn is_immutable(attribute: &Attribute) -> bool {
    attribute.mutability == Mutability::Immutable
}

fn refused(attribute: &Attribute, sub: &Attribute) -> Error {
    Error::mutability(format!("'{}.{}' is immutable", attribute.name, sub.name))
}
