//! Cursors: places in lists, as clients hold them (RFC 9865).
//!
//! A cursor is a place, the time it was made, and a digest of the question it belongs to: one that is
//! brought with another filter or order, or to another connector, is refused instead of answered with
//! the wrong part of the wrong list. It says nothing that its owner has not just read, and opens
//! nothing that a token does not, so it is not encrypted; a checksum tells a broken one from an old
//! one.

use data_encoding::BASE64URL_NOPAD;
use event_log::Micros;
use projections::directory::Position;
use scim::{Error, ErrorType, Kind, query::Query};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Caller;

/// How long a cursor can be used, in seconds. Every page brings a fresh one.
pub const CURSOR_SECONDS_MAX: u64 = 3_600;

/// How many bytes of a digest are kept.
const DIGEST_BYTES: usize = 8;

/// What a cursor says.
#[derive(Serialize, Deserialize)]
struct Cursor {
    /// When it was made.
    #[serde(rename = "t")]
    made: Micros,
    /// Which question it belongs to.
    #[serde(rename = "q")]
    question: String,
    /// Where the list goes on.
    #[serde(rename = "p")]
    position: Position,
}

/// The question that a list answers, as far as it decides where rows stand in it.
pub(crate) fn question(caller: &Caller, kinds: &[Kind], query: &Query) -> String {
    let filter = query.filter.as_ref().map(ToString::to_string);
    let sort = query.sort.as_ref().map(|sort| (sort.by.to_string(), sort.descending));
    let text = format!("{} {} {kinds:?} {filter:?} {sort:?}", caller.workspace, caller.connector);
    digest(text.as_bytes())
}

/// Writes a cursor.
pub(crate) fn write(position: Position, question: String, now: Micros) -> Option<String> {
    // A place is numbers and texts: it can be written.
    let mut bytes = serde_json::to_vec(&Cursor { made: now, question, position }).ok()?;
    let checksum = digest(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    Some(BASE64URL_NOPAD.encode(&bytes))
}

/// Reads a cursor that a client has brought.
///
/// # Errors
/// `invalidCursor` and `expiredCursor`.
///
/// # Source
/// RFC 9865 §2.1.
pub(crate) fn read(text: &str, question: &str, now: Micros) -> Result<Position, Error> {
    let invalid = |detail: &str| Error::bad_request(ErrorType::InvalidCursor, detail);
    let cursor = parse(text).ok_or_else(|| {
        invalid("the cursor is not one that this server returned: start again without its value")
    })?;
    if cursor.question != question {
        return Err(invalid(
            "the cursor belongs to another list: repeat the filter, sortBy and sortOrder it came with",
        ));
    }
    let age_max = CURSOR_SECONDS_MAX.cast_signed().saturating_mul(1_000_000);
    if now.saturating_sub(cursor.made) > age_max {
        let minutes = CURSOR_SECONDS_MAX / 60;
        return Err(Error::bad_request(
            ErrorType::ExpiredCursor,
            format!("the cursor is older than {minutes} minutes: start again without its value"),
        ));
    }
    Ok(cursor.position)
}

fn parse(text: &str) -> Option<Cursor> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let (said, checksum) = bytes.split_at_checked(bytes.len().checked_sub(2 * DIGEST_BYTES)?)?;
    (digest(said).as_bytes() == checksum).then(|| serde_json::from_slice(said).ok())?
}

fn digest(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)[..DIGEST_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = 1_767_225_600_000_000;

    fn position() -> Position {
        serde_json::from_str(r#"{"kind":"User","spot":"Created","ordinal":7}"#).unwrap()
    }

    fn refused(text: &str, question: &str, now: Micros) -> (Option<ErrorType>, String) {
        let error = read(text, question, now).unwrap_err();
        (error.scim_type, error.detail)
    }

    #[test]
    fn a_cursor_survives_its_way_to_the_client_and_back() {
        let text = write(position(), "q".to_owned(), NOW).unwrap();
        assert_eq!(read(&text, "q", NOW).unwrap(), position());
        let url_safe = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        assert!(text.chars().all(url_safe), "{text}");
    }

    #[test]
    fn a_broken_an_old_and_a_foreign_one_are_told_apart() {
        let text = write(position(), "q".to_owned(), NOW).unwrap();
        let invalid = Some(ErrorType::InvalidCursor);
        for bad in ["", "abc", "!", &text[1..], &text[..text.len() - 2], &text.to_lowercase()] {
            assert_eq!(refused(bad, "q", NOW).0, invalid, "{bad}");
        }
        let (scim_type, detail) = refused(&text, "other", NOW);
        assert_eq!(scim_type, invalid);
        assert!(detail.contains("another list"), "{detail}");
        let late = NOW + 3_600_000_000;
        assert!(read(&text, "q", late).is_ok());
        assert_eq!(refused(&text, "q", late + 1).0, Some(ErrorType::ExpiredCursor));
    }
}
