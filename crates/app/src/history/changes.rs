//! What is different between two states, attribute by attribute.

use std::collections::BTreeMap;

use domain::{device::Device, group::Group, user::User};
use serde_json::{Map, Value, json};

/// An attribute that is different.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which, such as `resource.name.familyName` or `account.role`.
    pub path: String,
    /// What it was; null when it was not there.
    pub before: Value,
    /// What it is; null when it is not there any more.
    pub after: Value,
    /// Of a list that was there and still is: `before` is only what went from it, and `after` only what came
    /// into it.
    pub delta: bool,
    /// The position of the last event that changed it.
    pub position: u64,
}

/// What is different, and not yet by which event.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) path: String,
    pub(super) before: Value,
    pub(super) after: Value,
    pub(super) delta: bool,
}

impl Found {
    /// The same, by the event at a position.
    pub(super) fn at(self, position: u64) -> Change {
        let Self { path, before, after, delta } = self;
        Change { path, before, after, delta, position }
    }
}

/// When each attribute changed last, while states are compared one after the other.
#[derive(Default)]
pub(super) struct Positions(BTreeMap<String, u64>);

impl Positions {
    /// An event at a position made one state of another.
    pub(super) fn step(&mut self, position: u64, before: &Value, after: &Value) {
        let different = compare(before, after);
        self.0.extend(different.into_iter().map(|found| (found.path, position)));
    }

    /// What is different between the first and the last state.
    pub(super) fn changes(&self, before: &Value, after: &Value) -> Vec<Change> {
        let change = |found: Found| {
            let position = self.0.get(&found.path).copied().unwrap_or_default();
            found.at(position)
        };
        compare(before, after).into_iter().map(change).collect()
    }
}

/// A person as they are compared: their first connector's resource, the account, what further
/// connectors say, and the offboarding.
pub(super) fn user(user: &User, id: uuid::Uuid) -> Value {
    let mut view = Map::new();
    let mut further = Map::new();
    for (connector, entry) in &user.entries {
        let resource = json!(entry.resource);
        if entry.id.0 == id {
            view.insert("resource".to_owned(), resource);
        } else {
            further.insert(connector.to_string(), resource);
        }
    }
    let account = &user.account;
    view.insert("scim".to_owned(), Value::Object(further));
    view.insert(
        "account".to_owned(),
        json!({
            "account": account.state.as_str(), "user_name": account.user_name,
            "email": account.email, "source": account.source.as_str(), "role": account.role,
            "metadata": user.metadata(),
        }),
    );
    let open = user.open_offboarding().map(|it| {
        json!({ "id": it.id, "rule": it.rule.as_str(), "held": it.held, "actions": it.planned.len() })
    });
    view.insert("offboarding".to_owned(), json!(open));
    Value::Object(view)
}

/// A group as it is compared, all but its members.
pub(super) fn group(group: &Group) -> Value {
    let Some(living) = &group.0 else { return Value::Null };
    let pending: Vec<_> = living.pending.iter().map(|(_, value)| value).collect();
    json!({ "resource": living.resource, "pending": pending })
}

/// A device as it is compared.
pub(super) fn device(device: &Device) -> Value {
    json!({ "resource": {
        "serial": device.serial, "platform": device.platform, "name": device.name,
        "external_id": device.external_id,
        "state": device.state.as_str(), "user": device.user, "policy": device.policy,
    }})
}

/// What is different, by path.
fn compare(before: &Value, after: &Value) -> Vec<Found> {
    let mut found = Vec::new();
    walk("", before, after, &mut found);
    found
}

fn walk(path: &str, before: &Value, after: &Value, found: &mut Vec<Found>) {
    if before == after {
        return;
    }
    let empty = Map::new();
    match (before, after) {
        (Value::Array(was), Value::Array(is)) => {
            let only = |these: &[Value], those: &[Value]| {
                these.iter().filter(|it| !those.contains(it)).cloned().collect::<Vec<_>>()
            };
            let (before, after) = (only(was, is).into(), only(is, was).into());
            found.push(Found { path: path.to_owned(), before, after, delta: true });
        }
        (Value::Object(was), Value::Object(is)) => members(path, was, is, found),
        (Value::Object(was), Value::Null) => members(path, was, &empty, found),
        (Value::Null, Value::Object(is)) => members(path, &empty, is, found),
        _ => {
            let (before, after) = (before.clone(), after.clone());
            found.push(Found { path: path.to_owned(), before, after, delta: false });
        }
    }
}

fn members(path: &str, was: &Map<String, Value>, is: &Map<String, Value>, found: &mut Vec<Found>) {
    let mut names: Vec<_> = was.keys().chain(is.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let of = |of: &Map<String, Value>| of.get(name).cloned().unwrap_or_default();
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        walk(&path, &of(was), &of(is), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_compared_to_their_leaves_and_lists_by_what_they_hold() {
        let before = json!({"a": 1, "b": {"c": "x", "d": "y"}, "l": [1, 2], "gone": {"e": true}});
        let after = json!({
            "a": 1, "b": {"c": "z", "d": "y"}, "l": [2, 3], "new": null, "f": 0, "n": [7],
        });
        let found: Vec<_> = compare(&before, &after)
            .into_iter()
            .map(|it| {
                let only = if it.delta { " only" } else { "" };
                format!("{}: {} -> {}{only}", it.path, it.before, it.after)
            })
            .collect();
        assert_eq!(
            found,
            [
                "b.c: \"x\" -> \"z\"",
                "f: null -> 0",
                "gone.e: true -> null",
                "l: [1] -> [3] only",
                "n: null -> [7]",
            ]
        );
    }

    #[test]
    fn a_change_that_was_taken_back_is_none() {
        let (one, two) = (json!({"a": 1}), json!({"a": 2}));
        let mut positions = Positions::default();
        positions.step(5, &one, &two);
        positions.step(6, &two, &one);
        assert_eq!(positions.changes(&one, &one), []);
        let (before, after, path) = (json!(1), json!(2), "a".to_owned());
        let changed = Change { path, before, after, delta: false, position: 6 };
        assert_eq!(positions.changes(&one, &two), [changed]);
    }
}
