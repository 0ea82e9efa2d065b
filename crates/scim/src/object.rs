//! JSON objects whose names are found in any case.
//!
//! What the catalogue knows is stored in its spelling, so the exact look-up nearly always hits; the
//! scan behind it serves free-form extensions, whose first spelling stays.

use serde_json::{Map, Value};

pub(crate) fn get<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| {
        object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    })
}

pub(crate) fn get_mut<'a>(object: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Value> {
    match key(object, name) {
        Some(key) => object.get_mut(&key),
        None => None,
    }
}

/// Removes what has the name.
pub(crate) fn remove(object: &mut Map<String, Value>, name: &str) -> Option<Value> {
    object.remove(name).or_else(|| object.remove(&key(object, name)?))
}

/// Sets a value, under the spelling that is there already.
pub(crate) fn insert(object: &mut Map<String, Value>, name: &str, value: Value) {
    match get_mut(object, name) {
        Some(slot) => *slot = value,
        None => {
            object.insert(name.to_owned(), value);
        }
    }
}

fn key(object: &Map<String, Value>, name: &str) -> Option<String> {
    if object.contains_key(name) {
        return Some(name.to_owned());
    }
    object.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned()
}

/// Tells whether a value says nothing: null, an empty text, list or object.
///
/// # Source
/// RFC 7643 §2.5 for null and the empty list. The empty text is what clients that
/// fill templates send, and how one large IdP clears an attribute.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
