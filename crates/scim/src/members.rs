//! The members of a group, as clients name them.
//!
//! A group can have a hundred thousand members, so nothing here needs the group: the bodies of
//! POST and PUT give a list of values, a PATCH operation gives a [`MemberChange`], and whoever
//! keeps the set applies it. RFC 7643 §4.2, RFC 7644 §3.5.2.

use std::collections::HashSet;

use serde_json::Value;

use crate::error::Error;
use crate::object;
use crate::schema::Kind;

/// One member in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberValue {
    /// What names the member: by the RFC its id, in practice anything. Never empty.
    pub value: String,
    /// The resource type if the client says so; other words than the two are ignored.
    pub kind: Option<Kind>,
}

/// Reads a value of `members`: a list, one object, or one text; repeated values count once.
///
/// # Errors
/// `invalidValue` for an entry that has no usable `value`.
pub(crate) fn values(value: Value) -> Result<Vec<MemberValue>, Error> {
    let items = match value {
        Value::Array(items) => items,
        value if object::is_empty(&value) => return Ok(Vec::new()),
        value => vec![value],
    };
    let mut seen = HashSet::with_capacity(items.len());
    let mut members = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let Some(member) = member(item) else {
            return Err(Error::invalid_value(format!(
                "'members' entry {} has no value",
                index + 1
            )));
        };
        if seen.insert(member.value.clone()) {
            members.push(member);
        }
    }
    Ok(members)
}

fn member(item: Value) -> Option<MemberValue> {
    let Value::Object(mut object) = item else {
        return Some(MemberValue { value: id(item)?, kind: None });
    };
    let value = id(object::remove(&mut object, "value")?)?;
    let named = object::get(&object, "type").and_then(Value::as_str);
    let kind = Kind::ALL
        .into_iter()
        .find(|kind| named.is_some_and(|named| named.eq_ignore_ascii_case(kind.name())));
    Some(MemberValue { value, kind })
}

fn id(value: Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
