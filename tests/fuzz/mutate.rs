//! Changes JSON as JSON: most changes of its bytes make it something that no parser takes.

use serde_json::{Map, Value, json};

/// Names of members, and of attributes in paths.
const NAMES: &[&str] = &[
    "userName",
    "USERNAME",
    "displayName",
    "name",
    "givenName",
    "emails",
    "roles",
    "addresses",
    "active",
    "title",
    "password",
    "externalId",
    "members",
    "groups",
    "schemas",
    "id",
    "meta",
    "manager",
    "value",
    "type",
    "primary",
    "display",
    "$ref",
    "x509Certificates",
    "desk",
    "doors",
    "floor",
    "room",
    "code",
    "wing",
    "pin",
    "tags",
    "sizes",
    "age",
    "badge",
    "since",
    "photo",
    "phones",
    "costCode",
    "shoeSize",
    "name.givenName",
    "emails.value",
    "emails[type eq \"work\"].value",
    "emails[type eq \"other\"]",
    "emails[primary eq true]",
    "members[value eq \"a\"]",
    "doors[type eq \"t\"].tags",
    "urn:company:2.0:User",
    "urn:company:2.0:User:doors",
    "urn:company:2.0:User:doors[value eq \"a\"]",
    "urn:company:2.0:User:desk.room",
    "urn:company:2.0:User:desk",
    "urn:company:2.0:User:tags",
    "urn:free:2.0:User",
    "urn:free:2.0:User:phones",
    "urn:free:2.0:User:phones[type eq \"work\"].value",
    "urn:free:2.0:User:desk.floor",
    "urn:ietf:params:scim:schemas:core:2.0:User",
    "urn:ietf:params:scim:schemas:core:2.0:Group",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
    "Operations",
    "op",
    "path",
    "method",
    "bulkId",
    "data",
    "before",
];

/// Texts that mean something as a value.
const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "b",
    "work",
    "home",
    "True",
    "false",
    "7",
    "add",
    "remove",
    "replace",
    "Add",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "/Users",
    "/Groups",
    "/Groups/1",
    "/Groups/bulkId:a",
    "bulkId:a",
    "bulkId:b",
    "../Users/bulkId:a",
    "2020-01-01T00:00:00Z",
    "AbCd",
];

/// Makes another text of JSON that is no longer than `length_max`; `None` if it is no JSON or what
/// comes out is too long. The same seed gives the same text.
pub fn mutated(text: &[u8], seed: u32, length_max: usize) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(text).ok()?;
    let mut dice = Dice(u64::from(seed) << 1 | 1);
    for _ in 0..=dice.below(3) {
        let count = nodes(&value);
        let copy = nth(&mut value, &mut dice.below(count)).map(|node| node.clone());
        let target = dice.below(count);
        if let Some(node) = nth(&mut value, &mut { target }) {
            change(node, copy.unwrap_or_default(), &mut dice);
        }
    }
    serde_json::to_vec(&value).ok().filter(|text| text.len() <= length_max)
}

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        // Xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % count.max(1)
    }

    fn of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }

    fn value(&mut self) -> Value {
        match self.below(12) {
            0 => Value::Null,
            1 => json!([]),
            2 => json!({}),
            3 => json!(true),
            4 => json!(false),
            5 => json!(7),
            6 => json!(-1.5),
            7 => json!(self.of(NAMES)),
            8 => json!({self.of(NAMES): self.of(TEXTS)}),
            _ => json!(self.of(TEXTS)),
        }
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    }
}

fn nodes(value: &Value) -> usize {
    1 + children(value).into_iter().map(nodes).sum::<usize>()
}

/// Finds a node by its place in the order of reading.
fn nth<'v>(value: &'v mut Value, place: &mut usize) -> Option<&'v mut Value> {
    if *place == 0 {
        return Some(value);
    }
    *place -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, place)),
        Value::Object(members) => members.values_mut().find_map(|member| nth(member, place)),
        _ => None,
    }
}

fn change(node: &mut Value, copy: Value, dice: &mut Dice) {
    match (dice.below(8), node) {
        (0, node) => *node = copy,
        (1, node) => *node = dice.value(),
        (2, node) => *node = json!([node.take()]),
        (3, node) => *node = json!({dice.of(NAMES): node.take()}),
        (_, Value::Array(items)) => match dice.below(4) {
            0 => items.push(copy),
            1 => items.push(dice.value()),
            _ if items.is_empty() => {}
            2 => {
                let index = dice.below(items.len());
                items.remove(index);
            }
            _ => {
                let index = dice.below(items.len());
                items.push(items[index].clone());
            }
        },
        (_, Value::Object(members)) => match dice.below(4) {
            0 => put(members, dice.of(NAMES), copy),
            1 => {
                let value = dice.value();
                put(members, dice.of(NAMES), value);
            }
            other => {
                let at = dice.below(members.len());
                let Some(key) = members.keys().nth(at).cloned() else { return };
                let value = members.remove(&key).unwrap_or_default();
                if other == 2 {
                    put(members, dice.of(NAMES), value);
                }
            }
        },
        (4 | 5, Value::String(text)) => dice.of(NAMES).clone_into(text),
        (_, Value::String(text)) => dice.of(TEXTS).clone_into(text),
        (_, Value::Number(number)) => *number = (dice.below(300)).into(),
        (_, node) => *node = dice.value(),
    }
}

fn put(members: &mut Map<String, Value>, name: &str, value: Value) {
    members.insert(name.to_owned(), value);
}
