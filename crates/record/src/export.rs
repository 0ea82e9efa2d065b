//! An export: events in a file, one JSON object a line.
//!
//! The first line says whose events they are and carries a signed checkpoint; the last one says
//! that nothing was cut off. Between them each event has every field that its leaf covers, the
//! payload as it is kept, and what it says as far as whoever exported could read it. Where events
//! were left out, each has the proof that it is in the checkpoint's tree.
//!
//! The format is for ever, like that of events: a new one gets a new number.

use data_encoding::BASE64;
use event_log::{Hash, Kept, Leaf, Meta, Micros, Payload, StoredEvent, StreamId, WorkspaceId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What the first line calls the format.
const FORMAT: &str = "muster-export";
/// The version that is written.
const VERSION: u32 = 1;

/// The first line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    format: String,
    version: u32,
    /// The workspace's slug.
    pub workspace: String,
    /// The signed checkpoint that the events are proved by.
    pub checkpoint: String,
    /// Whether events were left out: each then has a proof of its own.
    pub filtered: bool,
}

/// An event.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its place in the workspace, from 1.
    pub position: u64,
    /// When it was recorded: RFC 3339 in UTC, to the microsecond.
    pub time: String,
    /// To whom it happened: kind and id.
    pub stream: String,
    /// Its place in its stream, from 1.
    pub version: u64,
    /// What happened.
    pub r#type: String,
    /// The version of the type's schema.
    pub schema_version: u16,
    /// Who did it.
    pub actor: String,
    /// The id of the request.
    pub request: Option<String>,
    /// The same from a request to the last of its effects.
    pub correlation: String,
    /// The position of the event that caused it.
    pub causation: Option<u64>,
    /// The setting in force: a text that holds JSON.
    pub rule: Option<String>,
    /// The number of the data key that the payload is sealed with; null where it is not.
    pub key: Option<u64>,
    /// As it is kept: base64.
    pub payload: String,
    /// The leaf hash: base64.
    pub leaf: String,
    /// What it says, as far as whoever exported it could read it. Where there is a key, no proof
    /// covers this.
    pub data: Box<RawValue>,
    /// Whether it was made unreadable for ever.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
    /// The hashes beside the way from the leaf to the root, from the leaf up: base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Vec<String>>,
}

/// The last line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trailer {
    /// Says that nothing was cut off.
    pub end: End,
}

/// How an export ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// How many events there are.
    pub events: u64,
    /// After which position to go on; null when this is all of it.
    pub next: Option<u64>,
}

/// Why a line does not read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is not JSON, or not what it should be.
    #[error("the line does not read: {0}")]
    Json(#[from] serde_json::Error),
    /// It is, but of another format.
    #[error("this is not an export that this program knows: {FORMAT} {VERSION}")]
    Format,
    /// A field holds what it cannot.
    #[error("its {0} does not read")]
    Field(&'static str),
}

impl Header {
    /// The first line of an export.
    pub fn new(workspace: &WorkspaceId, checkpoint: String, filtered: bool) -> Self {
        let (format, workspace) = (FORMAT.to_owned(), workspace.to_string());
        Self { format, version: VERSION, workspace, checkpoint, filtered }
    }

    /// Reads the first line.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn parse(line: &str) -> Result<Self, Unreadable> {
        let header: Self = serde_json::from_str(line).map_err(|_| Unreadable::Format)?;
        let known = header.format == FORMAT && header.version == VERSION;
        if known { Ok(header) } else { Err(Unreadable::Format) }
    }
}

impl Trailer {
    /// The last line of an export.
    pub fn new(events: u64, next: Option<u64>) -> Self {
        Self { end: End { events, next } }
    }

    /// Whether a line is the last one.
    pub fn parse(line: &str) -> Option<Self> {
        // Reading each event twice would cost as much again.
        line.starts_with("{\"end\"").then(|| serde_json::from_str(line).ok()).flatten()
    }
}

impl Line {
    /// An event as it is exported.
    pub fn new(event: &StoredEvent, kept: &Kept, proof: Option<&[Hash]>) -> Self {
        let meta = &event.meta;
        Self {
            position: event.position,
            time: show_time(event.time),
            stream: event.stream.to_string(),
            version: event.version,
            r#type: event.name.to_string(),
            schema_version: event.schema_version,
            actor: meta.actor.to_string(),
            request: meta.request.clone(),
            correlation: meta.correlation.clone(),
            causation: meta.causation,
            rule: meta.rule.clone(),
            key: event.key,
            payload: BASE64.encode(&kept.payload),
            leaf: BASE64.encode(&kept.leaf),
            data: data(&event.payload),
            erased: event.payload == Payload::Erased,
            proof: proof.map(|path| path.iter().map(|hash| BASE64.encode(hash)).collect()),
        }
    }

    /// The leaf hash that the fields make.
    ///
    /// # Errors
    /// [`Unreadable::Field`].
    pub fn compute_leaf(&self, workspace: &WorkspaceId) -> Result<Hash, Unreadable> {
        let (kind, id) = self.stream.split_once('/').ok_or(Unreadable::Field("stream"))?;
        let stream = StreamId::new(kind, id.parse().map_err(|_| Unreadable::Field("stream"))?);
        let meta = Meta {
            actor: self.actor.as_str().into(),
            request: self.request.clone(),
            correlation: self.correlation.clone(),
            causation: self.causation,
            rule: self.rule.clone(),
        };
        let leaf = Leaf {
            workspace,
            position: self.position,
            stream: &stream,
            version: self.version,
            name: &self.r#type,
            schema_version: self.schema_version,
            time: self.micros()?,
            meta: &meta,
            key: self.key,
            payload: &self.payload()?,
        };
        Ok(leaf.hash())
    }

    /// When it was recorded.
    ///
    /// # Errors
    /// [`Unreadable::Field`].
    pub fn micros(&self) -> Result<Micros, Unreadable> {
        let time: Timestamp = self.time.parse().map_err(|_| Unreadable::Field("time"))?;
        Ok(time.as_microsecond())
    }

    /// The payload as it is kept.
    ///
    /// # Errors
    /// [`Unreadable::Field`].
    pub fn payload(&self) -> Result<Vec<u8>, Unreadable> {
        BASE64.decode(self.payload.as_bytes()).map_err(|_| Unreadable::Field("payload"))
    }

    /// The leaf hash that it says it has.
    ///
    /// # Errors
    /// [`Unreadable::Field`].
    pub fn stated_leaf(&self) -> Result<Hash, Unreadable> {
        hash(&self.leaf).ok_or(Unreadable::Field("leaf"))
    }

    /// The proof that it comes with.
    ///
    /// # Errors
    /// [`Unreadable::Field`].
    pub fn path(&self) -> Result<Vec<Hash>, Unreadable> {
        let path = self.proof.as_ref().ok_or(Unreadable::Field("proof"))?;
        path.iter().map(|it| hash(it).ok_or(Unreadable::Field("proof"))).collect()
    }
}

/// A time as exports and checkpoints write it.
pub fn show_time(at: Micros) -> String {
    format!("{:.6}", Timestamp::from_microsecond(at).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// A time that somebody typed: RFC 3339 with any offset.
pub fn read_time(text: &str) -> Option<Micros> {
    text.parse().ok().map(Timestamp::as_microsecond)
}

fn hash(text: &str) -> Option<Hash> {
    BASE64.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// What an event says, byte by byte as it was stored where that is one line of JSON.
fn data(payload: &Payload) -> Box<RawValue> {
    let Payload::Plain(bytes) = payload else { return RawValue::NULL.to_owned() };
    let text = String::from_utf8(bytes.clone()).unwrap_or_default();
    let text = if text.contains('\n') {
        let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        value.to_string()
    } else {
        text
    };
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
