//! About how many bytes a resource keeps in memory, for caches that are bounded in bytes.

use scim::resource::Resource;
use serde_json::Value;

/// What an entry of a JSON map costs beside its key and value, about.
const ENTRY_BYTES: usize = 48;

/// An estimate within a factor of two; no allocator is asked.
pub(crate) fn of(resource: &Resource) -> usize {
    resource.attributes().iter().map(|(name, value)| entry(name, value)).sum()
}

fn entry(name: &str, value: &Value) -> usize {
    ENTRY_BYTES + name.len() + self::value(value)
}

fn value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 32,
        Value::String(text) => 32 + text.len(),
        Value::Array(values) => 32 + values.iter().map(self::value).sum::<usize>(),
        Value::Object(map) => {
            32 + map.iter().map(|(name, value)| entry(name, value)).sum::<usize>()
        }
    }
}
