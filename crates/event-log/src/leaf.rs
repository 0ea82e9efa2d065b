//! The canonical bytes of an event, and the leaf hash over them.
//!
//! Everything that is known of an event is covered: where it stands, what it says (as it is kept,
//! sealed), who did it, when and why. This encoding is a stored format: it never changes, a new
//! one gets a new format byte. In this order, integers big-endian:
//!
//! | field | form |
//! |---|---|
//! | format | 1 byte, 1 |
//! | workspace | text |
//! | position | 8 bytes |
//! | stream kind, stream id | text, 16 bytes |
//! | stream version | 8 bytes |
//! | event name, schema version | text, 2 bytes |
//! | time | 8 bytes, two's complement, microseconds since the epoch |
//! | actor | text |
//! | request | optional text |
//! | correlation | text |
//! | causation | optional 8 bytes |
//! | rule | optional text |
//! | data key number | optional 8 bytes |
//! | payload | bytes |
//!
//! Text (UTF-8) and bytes: 4 bytes of length, then the bytes. Optional: 1 byte 0, or 1 and the
//! value. The leaf is SHA-256 of a zero byte and the encoding (RFC 6962 §2.1).

use sha2::{Digest, Sha256};

use crate::{Hash, Meta, Micros, StreamId, WorkspaceId};

/// The format that is written.
const FORMAT: u8 = 1;

/// Every field of an event, borrowed.
#[derive(Debug)]
pub struct Leaf<'a> {
    /// Where it happened.
    pub workspace: &'a WorkspaceId,
    /// Its place in the workspace, from 1.
    pub position: u64,
    /// To whom it happened.
    pub stream: &'a StreamId,
    /// Its place in the stream, from 1.
    pub version: u64,
    /// Its type.
    pub name: &'a str,
    /// The version of the type's schema.
    pub schema_version: u16,
    /// When it was recorded.
    pub time: Micros,
    /// Who, why and in answer to what.
    pub meta: &'a Meta,
    /// The number of the data key that the payload is sealed with.
    pub key: Option<u64>,
    /// As it is kept.
    pub payload: &'a [u8],
}

impl Leaf<'_> {
    /// The leaf hash.
    pub fn hash(&self) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update([0]);
        self.encode(&mut |bytes| hasher.update(bytes));
        hasher.finalize().into()
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        self.encode(&mut |bytes| all.extend_from_slice(bytes));
        all
    }

    fn encode(&self, out: &mut impl FnMut(&[u8])) {
        let mut head = Vec::with_capacity(256);
        head.push(FORMAT);
        put(&mut head, self.workspace.as_str().as_bytes());
        head.extend(self.position.to_be_bytes());
        put(&mut head, self.stream.kind.as_bytes());
        head.extend(self.stream.id.as_bytes());
        head.extend(self.version.to_be_bytes());
        put(&mut head, self.name.as_bytes());
        head.extend(self.schema_version.to_be_bytes());
        head.extend(self.time.to_be_bytes());
        put(&mut head, self.meta.actor.as_bytes());
        put_optional(&mut head, self.meta.request.as_deref());
        put(&mut head, self.meta.correlation.as_bytes());
        put_number(&mut head, self.meta.causation);
        put_optional(&mut head, self.meta.rule.as_deref());
        put_number(&mut head, self.key);
        head.extend(length(self.payload));
        out(&head);
        out(self.payload);
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(length(bytes));
    out.extend(bytes);
}

fn put_optional(out: &mut Vec<u8>, text: Option<&str>) {
    out.push(u8::from(text.is_some()));
    if let Some(text) = text {
        put(out, text.as_bytes());
    }
}

fn put_number(out: &mut Vec<u8>, number: Option<u64>) {
    out.push(u8::from(number.is_some()));
    out.extend(number.map(u64::to_be_bytes).iter().flatten());
}

/// SQLite keeps no value longer than 2³¹ bytes, so that a length always fits.
fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    /// The stored format: this test is never to be changed, only joined by one for a new format.
    #[test]
    fn format_1_is_these_bytes() {
        let workspace = WorkspaceId::parse("acme").unwrap();
        let stream = StreamId::new("user", Uuid::from_u128(0x0102));
        let meta = Meta {
            actor: "c:okta/t1".into(),
            request: Some("POST /Users".to_owned()),
            correlation: "r-1".to_owned(),
            causation: None,
            rule: Some("{}".to_owned()),
        };
        let leaf = Leaf {
            workspace: &workspace,
            position: 7,
            stream: &stream,
            version: 2,
            name: "user.entry_added",
            schema_version: 3,
            time: -1,
            meta: &meta,
            key: Some(9),
            payload: b"sealed",
        };
        let expected = [
            b"\x01".as_slice(),
            b"\0\0\0\x04acme",
            b"\0\0\0\0\0\0\0\x07",
            b"\0\0\0\x04user",
            b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x02",
            b"\0\0\0\0\0\0\0\x02",
            b"\0\0\0\x10user.entry_added",
            b"\0\x03",
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\0\0\0\x09c:okta/t1",
            b"\x01\0\0\0\x0bPOST /Users",
            b"\0\0\0\x03r-1",
            b"\0",
            b"\x01\0\0\0\x02{}",
            b"\x01\0\0\0\0\0\0\0\x09",
            b"\0\0\0\x06sealed",
        ]
        .concat();
        assert_eq!(leaf.to_bytes(), expected);

        let hash: Hash = Sha256::digest([b"\0".as_slice(), &expected].concat()).into();
        assert_eq!(leaf.hash(), hash);
    }

    #[test]
    fn what_is_absent_differs_from_what_is_empty() {
        let workspace = WorkspaceId::parse("acme").unwrap();
        let stream = StreamId::new("user", Uuid::nil());
        let hash = |meta: &Meta, key| {
            let leaf = Leaf {
                workspace: &workspace,
                position: 1,
                stream: &stream,
                version: 1,
                name: "x",
                schema_version: 1,
                time: 0,
                meta,
                key,
                payload: b"",
            };
            leaf.hash()
        };
        let none = Meta::default();
        let some = Meta { request: Some(String::new()), ..Meta::default() };
        let rule = Meta { rule: Some(String::new()), ..Meta::default() };
        let all = [hash(&none, None), hash(&none, Some(0)), hash(&some, None), hash(&rule, None)];
        for (i, one) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| other != one));
        }
    }
}
