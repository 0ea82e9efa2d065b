//! The `schemas` of the messages that clients send.
//!
//! A message names its kind by a URN. The RFC demands it; clients that forget it are many, and
//! those that name another one err.

use serde_json::Value;

use crate::coerce::Leniency;
use crate::error::Error;
use crate::object;

/// Refuses a message whose `schemas` does not name it; lenient takes one that names nothing, and a
/// text for the list.
pub(crate) fn check_schemas(
    schemas: Option<&Value>,
    message: &str,
    leniency: Leniency,
) -> Result<(), Error> {
    let is_message = |urn: &Value| urn.as_str().is_some_and(|u| u.eq_ignore_ascii_case(message));
    match schemas {
        Some(Value::Array(urns)) if urns.iter().any(is_message) => Ok(()),
        schemas
            if leniency == Leniency::Lenient
                && schemas.is_none_or(|value| object::is_empty(value) || is_message(value)) =>
        {
            Ok(())
        }
        _ => Err(Error::invalid_syntax(format!("'schemas' must be '{message}'"))),
    }
}
