//! Keys: the row numbers that values of an index name.

use rusqlite::{Connection, params, types::Value as Sql};
use scim::schema::Kind;

use super::plan::Key;

/// The rows that any of some keys names, in the order of their creation.
pub(super) fn numbers(
    tx: &Connection,
    connector: i64,
    kind: Kind,
    keys: &[Key],
) -> rusqlite::Result<Vec<i64>> {
    let mut numbers = Vec::new();
    for key in keys {
        let Some((sql, value)) = statement(kind, key) else { continue };
        let mut rows = tx.prepare_cached(sql)?;
        let mut rows = rows.query(params![connector, value])?;
        while let Some(row) = rows.next()? {
            numbers.push(row.get(0)?);
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

fn statement(kind: Kind, key: &Key) -> Option<(&'static str, Sql)> {
    let text = |text: &String| Sql::Text(text.clone());
    Some(match (kind, key) {
        (Kind::User, Key::Id(id)) => (
            "SELECT no FROM entries WHERE connector = ?1 AND id = ?2",
            Sql::Blob(id.as_bytes().to_vec()),
        ),
        (Kind::User, Key::UserName(fold)) => {
            ("SELECT no FROM entries WHERE connector = ?1 AND user_name_fold = ?2", text(fold))
        }
        (Kind::User, Key::DisplayName(fold)) => {
            ("SELECT no FROM entries WHERE connector = ?1 AND display_fold = ?2", text(fold))
        }
        (Kind::User, Key::ExternalId(id)) => {
            ("SELECT no FROM entries WHERE connector = ?1 AND external_id = ?2", text(id))
        }
        (Kind::User, Key::Email(fold)) => {
            ("SELECT no FROM emails WHERE connector = ?1 AND fold = ?2", text(fold))
        }
        (Kind::User, Key::Manager(fold)) => {
            ("SELECT no FROM entries WHERE connector = ?1 AND manager = ?2", text(fold))
        }
        (Kind::Group, Key::Id(id)) => (
            "SELECT no FROM groups WHERE connector = ?1 AND id = ?2",
            Sql::Blob(id.as_bytes().to_vec()),
        ),
        (Kind::Group, Key::DisplayName(fold)) => {
            ("SELECT no FROM groups WHERE connector = ?1 AND display_fold = ?2", text(fold))
        }
        (Kind::Group, Key::ExternalId(id)) => {
            ("SELECT no FROM groups WHERE connector = ?1 AND external_id = ?2", text(id))
        }
        (Kind::Group, Key::Member(id)) => (
            "SELECT group_no FROM members
             WHERE member = ?2 AND group_no BETWEEN ?1 << 32 AND ((?1 + 1) << 32) - 1",
            Sql::Blob(id.as_bytes().to_vec()),
        ),
        // No row of this kind has such a value.
        (Kind::User, Key::Member(_))
        | (Kind::Group, Key::UserName(_) | Key::Email(_) | Key::Manager(_)) => return None,
    })
}
