//! Where a list goes on: behind the last row that was shown, not after a number of rows.

use std::{fmt, str::FromStr};

use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;

/// The place behind a row of a list that is ordered by a text and then by id.
///
/// Opaque outside: clients get it as text and give it back. It holds even when that row is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) text: String,
    pub(crate) id: Uuid,
}

impl Cursor {
    /// The place behind somebody who has no name: they stand before all who have one.
    pub fn nameless(id: Uuid) -> Self {
        Self { text: String::new(), id }
    }

    /// Whether it is behind somebody without a name.
    pub fn is_nameless(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether somebody without a name stands behind it.
    pub fn is_before(&self, nameless: Uuid) -> bool {
        self.is_nameless() && nameless > self.id
    }
}

/// A text that is not a cursor of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that a list of this server returned")]
pub struct BadCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.id.as_bytes()[..], self.text.as_bytes()].concat();
        f.write_str(&BASE64URL_NOPAD.encode(&bytes))
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| BadCursor)?;
        let (id, text) = bytes.split_at_checked(16).ok_or(BadCursor)?;
        let id = Uuid::from_slice(id).map_err(|_| BadCursor)?;
        let text = String::from_utf8(text.to_vec()).map_err(|_| BadCursor)?;
        Ok(Self { text, id })
    }
}

/// Cuts a list that was read one row beyond its limit, and says where it goes on.
pub(crate) fn cut<T>(
    mut rows: Vec<T>,
    limit: usize,
    cursor: impl Fn(&T) -> Cursor,
) -> (Vec<T>, Option<Cursor>) {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(cursor);
    (rows, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_way_to_the_client_and_back() {
        let cursor = Cursor { text: "åsa@x".to_owned(), id: Uuid::from_u128(7) };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "AAAA", "not a cursor", "ä"] {
            assert_eq!(bad.parse::<Cursor>(), Err(BadCursor), "{bad}");
        }
    }
}
