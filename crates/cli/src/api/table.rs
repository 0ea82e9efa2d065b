//! Answers of the API as people read them.

use serde_json::Value;

use crate::output::one_line;

/// The lines of an object: a name and a value each.
pub(super) fn object(object: &Value) -> Vec<String> {
    let Some(members) = object.as_object() else { return vec![cell(object)] };
    let width = members.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    members.iter().map(|(name, value)| format!("{name:width$}  {}", cell(value))).collect()
}

/// The lines of a list: a head, and a line for each item.
pub(super) fn list(items: &[Value], columns: &[&str]) -> Vec<String> {
    let head: Vec<_> = columns.iter().map(|name| name.to_uppercase()).collect();
    let rows = items.iter().map(|item| columns.iter().map(|name| of(item, name)).collect());
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..columns.len()).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<_> =
            row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// What stands under a name. Whoever is erased has none any more, and a gap would say nothing.
fn of(item: &Value, name: &str) -> String {
    match &item[name] {
        Value::String(text) if text.is_empty() && item["erasure"].is_string() => {
            "(erased)".to_owned()
        }
        value => cell(value),
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => one_line(text).into_owned(),
        Value::Object(members) if members.values().all(Value::is_number) => counts(members),
        other => other.to_string(),
    }
}

/// Numbers by name, without those that are zero.
fn counts(members: &serde_json::Map<String, Value>) -> String {
    let some = members.iter().filter(|(_, number)| number.as_f64() != Some(0.0));
    let some: Vec<_> = some.map(|(name, number)| format!("{number} {name}")).collect();
    if some.is_empty() { "-".to_owned() } else { some.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let items = [json!({"id": "acme", "n": 7}), json!({"id": "a"})];
        assert_eq!(list(&items, &["id", "n"]), ["ID    N", "acme  7", "a     -"]);
        assert_eq!(list(&[], &["id"]), ["ID"]);
        let people = json!({"people": {"cancelled": 0, "completed": 1, "held": 2}});
        assert_eq!(list(&[people], &["people"]), ["PEOPLE", "1 completed, 2 held"]);
        let erased = [json!({"user_name": "", "erasure": "e-1"}), json!({"user_name": ""})];
        assert_eq!(list(&erased, &["user_name"]), ["USER_NAME", "(erased)", ""]);
        assert_eq!(object(&json!({"a": "x", "long": [1]})), ["a     x", "long  [1]"]);
    }
}
