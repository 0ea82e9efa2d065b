//! How events are written down: a name, a version and the exact bytes of the rest.
//!
//! An event enum is tagged `{"type": name, "data": {…}}` by serde; the log stores the name in a
//! column of its own and `data` as the payload, so that nothing is said twice. The names are the
//! enum's `serde(rename)`, and stand nowhere else.
//!
//! Stored formats are for ever. A change of meaning is a new schema version with an upcaster in
//! [`Fact::upcast`] and the old golden kept.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Under which key an event's payload is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// Not at all: settings and ids, nothing about a person.
    Open,
    /// Under the key of its stream.
    Stream,
    /// Under a key of its own, so that it can be erased without the rest of its stream.
    Own,
    /// Not at all, and what follows it in the stream is sealed with another key than what came before.
    Afresh,
}

/// An event of an aggregate, as the log needs it.
pub trait Fact: cqrs_es::DomainEvent + Serialize + DeserializeOwned + 'static {
    /// Under which key the payload goes.
    fn sealing(&self) -> Sealing;

    /// The schema version that is written now.
    fn schema_version(&self) -> u16 {
        1
    }

    /// Turns the data of an older schema version into today's.
    fn upcast(_name: &str, _schema_version: u16, data: Value) -> Value {
        data
    }
}

/// An event as it goes to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// For example `user.entry_added`.
    pub name: String,
    /// The schema version of `payload`.
    pub schema_version: u16,
    /// JSON.
    pub payload: Vec<u8>,
}

/// A payload that does not read as what its name and version say.
#[derive(Debug, thiserror::Error)]
#[error("the payload of {name} v{schema_version} does not read")]
pub struct Unreadable {
    /// The event's name.
    pub name: String,
    /// Its schema version.
    pub schema_version: u16,
    /// What the parser says; without any value of the payload.
    #[source]
    pub source: serde_json::Error,
}

/// Splits an event in name and payload.
pub fn encode<F: Fact>(event: &F) -> Encoded {
    let bytes = serde_json::to_vec(event)
        .unwrap_or_else(|error| unreachable!("events are plain data with text keys: {error}"));
    let (name, payload) = split(&bytes)
        .unwrap_or_else(|| unreachable!("every event enum is tagged with `type` and `data`"));
    Encoded { name, schema_version: event.schema_version(), payload }
}

/// `{"type":"NAME","data":PAYLOAD}` in its two parts.
fn split(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let rest = bytes.strip_prefix(b"{\"type\":\"")?;
    let end = rest.iter().position(|&byte| byte == b'"')?;
    let name = std::str::from_utf8(&rest[..end]).ok()?.to_owned();
    let payload = rest[end..].strip_prefix(b"\",\"data\":")?.strip_suffix(b"}")?;
    Some((name, payload.to_vec()))
}

/// Reads an event back.
///
/// # Errors
/// [`Unreadable`] when the payload is not what its name and version say.
pub fn decode<F: Fact>(name: &str, schema_version: u16, payload: &[u8]) -> Result<F, Unreadable> {
    let unreadable = |source| Unreadable { name: name.to_owned(), schema_version, source };
    if schema_version == 1 {
        let mut bytes = Vec::with_capacity(payload.len() + name.len() + 24);
        bytes.extend_from_slice(b"{\"type\":\"");
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b"\",\"data\":");
        bytes.extend_from_slice(payload);
        bytes.push(b'}');
        return serde_json::from_slice(&bytes).map_err(unreadable);
    }
    let data = serde_json::from_slice(payload).map_err(unreadable)?;
    let data = F::upcast(name, schema_version, data);
    serde_json::from_value(serde_json::json!({ "type": name, "data": data })).map_err(unreadable)
}

/// The name of an event, as stored.
pub fn name_of<F: Serialize>(event: &F) -> String {
    serde_json::to_vec(event).ok().and_then(|bytes| split(&bytes)).map_or_else(
        || unreachable!("every event enum is tagged with `type` and `data`"),
        |(name, _)| name,
    )
}
