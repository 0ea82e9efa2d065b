//! Entries in few bytes, one behind the other: how those of a block are stored ([`super::blocks`]).
//!
//! An entry is, in this order: the time since the one before; the numbers of its action and of its
//! resource; which of what follows it has; its status; its duration; a token, if it is another one than
//! before; a subject; the request's id; the correlation id, if it is another one. One that is not of a
//! request that only looked says more: its outcome; which of what follows it has; a name; the error's
//! keyword and text; its number among the operations of a request; its first position, and how many follow
//! that one. Times, statuses, durations, lengths and positions are numbers of seven bits a byte, the lowest
//! first, of which the last has no eighth bit. A UUID is 16 bytes, a text has its length before it.

use smol_str::SmolStr;
use uuid::Uuid;

use super::entry::{Action, Entry, NameDigest, Outcome, Resource};
use super::requests::RequestId;
use crate::Micros;

/// What an entry may have.
mod has {
    pub(super) const TOKEN: u8 = 1;
    pub(super) const SUBJECT: u8 = 2;
    pub(super) const REQUEST_AS_TEXT: u8 = 4;
    pub(super) const CORRELATION: u8 = 8;
    pub(super) const CORRELATION_AS_TEXT: u8 = 16;
    pub(super) const MORE: u8 = 32;
}

/// What one that says more may have.
mod more {
    pub(super) const STATUS: u8 = 1;
    pub(super) const DURATION: u8 = 2;
    pub(super) const NAME: u8 = 4;
    pub(super) const SCIM_TYPE: u8 = 8;
    pub(super) const DETAIL: u8 = 16;
    pub(super) const OPERATION: u8 = 32;
    pub(super) const POSITIONS: u8 = 64;
}

/// Whether an entry is of a request that only looked, and says nothing that most of these do not say.
pub(super) fn is_plain(entry: &Entry) -> bool {
    let Entry { outcome, name, status, scim_type, detail, duration_micros, operation, .. } = entry;
    *outcome == Outcome::Read
        && (status.is_some() && duration_micros.is_some())
        && (name.is_none() && scim_type.is_none() && detail.is_none())
        && (operation.is_none() && entry.positions.is_none())
}

/// Packs an entry behind others, of which the last has this time and, if that is known, this token. Returns
/// its correlation id, as it is stored.
pub(super) fn pack<'e>(
    entry: &'e Entry,
    after: Micros,
    token: Option<Uuid>,
    bytes: &mut Vec<u8>,
) -> RequestId<'e> {
    let other = entry.correlation != entry.request;
    let request = RequestId::of(&entry.request);
    // Most are the same, and reading one takes as long as packing all else.
    let correlation = if other { RequestId::of(&entry.correlation) } else { request };
    let is_text = |id: &RequestId<'_>| matches!(id, RequestId::Text(_));
    let marks = marked([
        (token != Some(entry.token), has::TOKEN),
        (entry.subject.is_some(), has::SUBJECT),
        (is_text(&request), has::REQUEST_AS_TEXT),
        (other, has::CORRELATION),
        (other && is_text(&correlation), has::CORRELATION_AS_TEXT),
        (!is_plain(entry), has::MORE),
    ]);
    number(entry.time.saturating_sub(after).unsigned_abs(), bytes);
    let resource = entry.resource.map_or(0, |resource| resource.number() + 1);
    bytes.extend([entry.action.number(), resource, marks]);
    number(entry.status.unwrap_or_default().into(), bytes);
    number(entry.duration_micros.unwrap_or_default(), bytes);
    if marks & has::TOKEN != 0 {
        bytes.extend(entry.token.as_bytes());
    }
    bytes.extend(entry.subject.iter().flat_map(Uuid::as_bytes));
    id(&request, bytes);
    if other {
        id(&correlation, bytes);
    }
    if marks & has::MORE != 0 {
        pack_more(entry, bytes);
    }
    correlation
}

fn pack_more(entry: &Entry, bytes: &mut Vec<u8>) {
    let marks = marked([
        (entry.status.is_some(), more::STATUS),
        (entry.duration_micros.is_some(), more::DURATION),
        (entry.name.is_some(), more::NAME),
        (entry.scim_type.is_some(), more::SCIM_TYPE),
        (entry.detail.is_some(), more::DETAIL),
        (entry.operation.is_some(), more::OPERATION),
        (entry.positions.is_some(), more::POSITIONS),
    ]);
    bytes.extend([entry.outcome.number(), marks]);
    bytes.extend(entry.name.iter().flatten());
    entry.scim_type.iter().for_each(|it| text(it, bytes));
    entry.detail.iter().for_each(|it| text(it, bytes));
    entry.operation.iter().for_each(|it| number((*it).into(), bytes));
    if let Some((first, last)) = entry.positions {
        number(first, bytes);
        number(last.saturating_sub(first), bytes);
    }
}

fn marked<const N: usize>(marks: [(bool, u8); N]) -> u8 {
    marks.into_iter().filter(|(has, _)| *has).fold(0, |all, (_, mark)| all | mark)
}

fn number(mut number: u64, bytes: &mut Vec<u8>) {
    let low = |number: u64| number.to_le_bytes()[0];
    while number >= 0x80 {
        bytes.push(low(number) | 0x80);
        number >>= 7;
    }
    bytes.push(low(number));
}

fn text(text: &str, bytes: &mut Vec<u8>) {
    number(text.len() as u64, bytes);
    bytes.extend(text.as_bytes());
}

fn id(id: &RequestId<'_>, bytes: &mut Vec<u8>) {
    match id {
        RequestId::Uuid(id) => bytes.extend(id),
        RequestId::Text(id) => text(id, bytes),
    }
}

/// Packed entries, being read.
pub(super) struct Packed<'b> {
    bytes: &'b [u8],
    connector: SmolStr,
    /// Of the entry before.
    time: Micros,
    token: Uuid,
}

impl<'b> Packed<'b> {
    /// Those of a connector, the first of which has this time.
    pub(super) fn new(bytes: &'b [u8], connector: SmolStr, first: Micros) -> Self {
        Self { bytes, connector, time: first, token: Uuid::nil() }
    }

    /// All of them, in their order; `None` if the bytes are no entries.
    pub(super) fn all(mut self) -> Option<Vec<Entry>> {
        let mut entries = Vec::new();
        while !self.bytes.is_empty() {
            entries.push(self.entry()?);
        }
        Some(entries)
    }

    fn entry(&mut self) -> Option<Entry> {
        self.time = self.time.checked_add_unsigned(self.number()?)?;
        let [action, resource, marks] = *self.array()?;
        let has = |mark| marks & mark != 0;
        let status = u16::try_from(self.number()?).ok()?;
        let duration = self.number()?;
        if has(has::TOKEN) {
            self.token = self.uuid()?;
        }
        let subject = if has(has::SUBJECT) { Some(self.uuid()?) } else { None };
        let request = self.id(has(has::REQUEST_AS_TEXT))?;
        let correlation = if has(has::CORRELATION) {
            self.id(has(has::CORRELATION_AS_TEXT))?
        } else {
            request.clone()
        };
        let plain = Entry {
            time: self.time,
            connector: self.connector.clone(),
            token: self.token,
            action: Action::of_number(action)?,
            outcome: Outcome::Read,
            resource: match resource.checked_sub(1) {
                None => None,
                Some(number) => Some(Resource::of_number(number)?),
            },
            subject,
            name: None,
            status: Some(status),
            scim_type: None,
            detail: None,
            duration_micros: Some(duration),
            request,
            correlation,
            operation: None,
            positions: None,
        };
        if has(has::MORE) { self.more(plain) } else { Some(plain) }
    }

    /// What an entry says that is not plain.
    fn more(&mut self, plain: Entry) -> Option<Entry> {
        let [outcome, marks] = *self.array()?;
        let has = |mark| marks & mark != 0;
        let mut entry = Entry { outcome: Outcome::of_number(outcome)?, ..plain };
        entry.status = entry.status.filter(|_| has(more::STATUS));
        entry.duration_micros = entry.duration_micros.filter(|_| has(more::DURATION));
        if has(more::NAME) {
            entry.name = Some(*self.array::<{ size_of::<NameDigest>() }>()?);
        }
        if has(more::SCIM_TYPE) {
            entry.scim_type = Some(self.text()?.into());
        }
        if has(more::DETAIL) {
            entry.detail = Some(self.text()?.to_owned());
        }
        if has(more::OPERATION) {
            entry.operation = Some(u32::try_from(self.number()?).ok()?);
        }
        if has(more::POSITIONS) {
            let first = self.number()?;
            entry.positions = Some((first, first.checked_add(self.number()?)?));
        }
        Some(entry)
    }

    fn array<const N: usize>(&mut self) -> Option<&'b [u8; N]> {
        let (array, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(array)
    }

    fn uuid(&mut self) -> Option<Uuid> {
        Some(Uuid::from_bytes(*self.array()?))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = *self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn id(&mut self, as_text: bool) -> Option<String> {
        if as_text { self.text().map(str::to_owned) } else { Some(self.uuid()?.to_string()) }
    }

    fn text(&mut self) -> Option<&'b str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0190f5e0-0000-7000-8000-00000000abcd";

    fn read(time: Micros) -> Entry {
        Entry {
            time,
            connector: "store".into(),
            token: Uuid::from_u128(1),
            action: Action::Read,
            outcome: Outcome::Read,
            resource: Some(Resource::Group),
            subject: Some(Uuid::from_u128(2)),
            name: None,
            status: Some(304),
            scim_type: None,
            detail: None,
            duration_micros: Some(700),
            request: ID.to_owned(),
            correlation: ID.to_owned(),
            operation: None,
            positions: None,
        }
    }

    /// One that says all that an entry can say.
    fn refused(time: Micros) -> Entry {
        Entry {
            action: Action::Patch,
            outcome: Outcome::Refused,
            name: Some([7; 16]),
            scim_type: Some("noTarget".into()),
            detail: Some("nothing is at …".to_owned()),
            operation: Some(300),
            positions: Some((7, 7)),
            ..read(time)
        }
    }

    #[test]
    fn entries_come_back_as_they_were() {
        let entries = [
            read(10),
            Entry { token: Uuid::from_u128(7), subject: None, ..read(11) },
            refused(12),
            Entry { action: Action::List, resource: None, correlation: "ä".into(), ..read(400) },
            Entry { request: "x".repeat(300), correlation: String::new(), ..read(i64::MAX - 1) },
            Entry { request: ID.to_uppercase(), duration_micros: Some(u64::MAX), ..read(i64::MAX) },
            Entry { status: Some(u16::MAX), ..read(i64::MAX) },
            Entry { positions: Some((0, u64::MAX)), detail: None, ..refused(i64::MAX) },
            Entry { outcome: Outcome::Recovered, status: None, ..refused(i64::MAX) },
            Entry { duration_micros: None, name: None, ..refused(i64::MAX) },
            Entry { operation: None, scim_type: None, ..refused(i64::MAX) },
        ];
        let (mut bytes, mut before) = (Vec::new(), (10, None));
        for entry in &entries {
            pack(entry, before.0, before.1, &mut bytes);
            before = (entry.time, Some(entry.token));
        }
        let all = |bytes: &[u8]| Packed::new(bytes, "store".into(), 10).all();
        assert_eq!(all(&bytes).unwrap(), entries);
        for cut in 1..bytes.len() {
            // It ends between two entries, or is told from what was written.
            assert!(all(&bytes[..cut]).is_none_or(|found| found[..] == entries[..found.len()]));
        }
        bytes[1] = 99;
        assert_eq!(all(&bytes), None, "no action has that number");
    }

    #[test]
    fn an_ordinary_entry_takes_few_bytes() {
        let packed = |entry| {
            let mut bytes = Vec::new();
            pack(&entry, 0, Some(Uuid::from_u128(1)), &mut bytes);
            bytes
        };
        let bytes = packed(read(1_000));
        assert_eq!(bytes.len(), 41);
        // The format is stored: this is how it stays.
        assert_eq!(bytes[..9], [0xe8, 7, 4, 2, 2, 0xb0, 2, 0xbc, 5]);
        let bytes = packed(refused(1_000));
        assert_eq!(bytes[..9], [0xe8, 7, 2, 2, 34, 0xb0, 2, 0xbc, 5]);
        let more = [&[6, 127][..], &[7; 16], b"\x08noTarget\x11nothing is at \xe2\x80\xa6"];
        assert_eq!(bytes[41..], [&more.concat()[..], &[0xac, 2, 7, 0]].concat());
    }

    #[test]
    fn what_says_more_is_not_plain() {
        assert!(is_plain(&read(1)));
        for more in [
            Entry { outcome: Outcome::Refused, ..read(1) },
            Entry { name: Some([0; 16]), ..read(1) },
            Entry { status: None, ..read(1) },
            Entry { detail: Some("no".to_owned()), ..read(1) },
            Entry { scim_type: Some("tooMany".into()), ..read(1) },
            Entry { duration_micros: None, ..read(1) },
            Entry { operation: Some(0), ..read(1) },
            Entry { positions: Some((1, 1)), ..read(1) },
        ] {
            assert!(!is_plain(&more), "{more:?}");
        }
    }
}
