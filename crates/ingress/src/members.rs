//! The members of a group, written as they are read: one value of JSON for each would cost ten times
//! their memory.

use projections::directory::MemberRow;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// What most members fit into.
const MEMBER_BYTES: usize = 256;

/// How members are shown in an answer.
#[derive(Clone)]
pub(crate) struct Members {
    base_url: String,
    wants: Wants,
}

/// Which sub-attributes an answer shows.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "one flag for each of the standard's names")]
struct Wants {
    value: bool,
    reference: bool,
    kind: bool,
    display: bool,
}

/// One member, RFC 7643 §4.2.
#[derive(Serialize)]
struct Member<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Uuid>,
    #[serde(rename = "$ref", skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display: Option<&'a str>,
}

impl Members {
    /// `left` is what a projection has left of [`Members::example`].
    pub(crate) fn new(base_url: &str, left: &Value) -> Self {
        let wants = |name| left.get(0).is_some_and(|member| member.get(name).is_some());
        let (value, reference) = (wants("value"), wants("$ref"));
        let wants = Wants { value, reference, kind: wants("type"), display: wants("display") };
        Self { base_url: base_url.to_owned(), wants }
    }

    /// A list of one member that has every sub-attribute.
    pub(crate) fn example() -> Value {
        json!([{"value": "x", "$ref": "x", "type": "x", "display": "x"}])
    }

    /// Members with commas between them; `is_first` tells that none stands before them.
    pub(crate) fn write(&self, rows: &[MemberRow], is_first: bool) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(rows.len() * MEMBER_BYTES);
        for (index, row) in rows.iter().enumerate() {
            if index > 0 || !is_first {
                bytes.push(b',');
            }
            if let Err(error) = serde_json::to_writer(&mut bytes, &self.member(row)) {
                unreachable!("a member is texts, written to memory: {error}")
            }
        }
        bytes
    }

    fn member<'a>(&self, row: &'a MemberRow) -> Member<'a> {
        let Wants { value, reference, kind, display } = self.wants;
        Member {
            value: value.then_some(row.value),
            reference: reference.then(|| row.kind.location(&self.base_url, row.value)),
            kind: kind.then_some(row.kind.name()),
            display: row.display.as_deref().filter(|_| display),
        }
    }
}

#[cfg(test)]
mod tests {
    use scim::Kind;

    use super::*;

    fn shown(left: &Value) -> Value {
        let row = |number, display: Option<&str>, kind| MemberRow {
            value: Uuid::from_u128(number),
            display: display.map(str::to_owned),
            kind,
        };
        let rows = [row(1, Some("Ada"), Kind::User), row(2, None, Kind::Group)];
        let members = Members::new("https://x", left);
        let (one, other) = (members.write(&rows[..1], true), members.write(&rows[1..], false));
        let text = String::from_utf8([one, other].concat()).unwrap();
        serde_json::from_str(&format!("[{text}]")).unwrap()
    }

    #[test]
    fn members_are_shown_with_what_is_wanted_of_each() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(
            shown(&Members::example()),
            json!([
                {"value": one, "$ref": format!("https://x/Users/{one}"), "type": "User", "display": "Ada"},
                {"value": two, "$ref": format!("https://x/Groups/{two}"), "type": "Group"}
            ])
        );
        assert_eq!(shown(&json!([{"value": "x"}])), json!([{"value": one}, {"value": two}]));
    }
}
