//! The elements of a multi-valued attribute: which are the same, which one is primary.
//!
//! Every write of a list goes through here, so that a resource never holds the same value twice
//! nor two primary ones, whatever a client sends and how often. RFC 7643 §2.4.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use serde_json::Value;

/// The most values of one multi-valued attribute of a resource (members are not stored in one).
/// Far above what IdPs send; it bounds the work of one request.
pub const VALUES_MAX: usize = 1_000;

/// From this many new elements on, the old ones are indexed instead of scanned.
const INDEX_FROM: usize = 8;

/// Adds elements; one that is there already gets the new one's sub-attributes instead.
///
/// # Source
/// RFC 7643 §2.4: "SHOULD NOT return the same (type, value) combination more than once". RFC 7644
/// §3.5.2.1: adding what is there changes nothing.
pub(crate) fn absorb(list: &mut Vec<Value>, new: Vec<Value>) {
    if new.len() < INDEX_FROM {
        for element in new {
            let new = identity(&element);
            match list.iter().position(|known| identity(known) == new) {
                Some(index) => merge(&mut list[index], element),
                None => list.push(element),
            }
        }
        return;
    }
    let hasher = RandomState::new();
    let mut index: HashMap<u64, Vec<usize>> = HashMap::new();
    for (position, known) in list.iter().enumerate() {
        index.entry(hasher.hash_one(identity(known))).or_default().push(position);
    }
    for element in new {
        let positions = index.entry(hasher.hash_one(identity(&element))).or_default();
        let known = positions.iter().find(|position| is_same(&list[**position], &element));
        if let Some(position) = known {
            merge(&mut list[*position], element);
        } else {
            positions.push(list.len());
            list.push(element);
        }
    }
}

/// Leaves `primary: true` on one element only: the one at `keep`, else the first that has it.
///
/// Tells whether that changed an element without `value`: it may have become the same as another.
pub(crate) fn keep_one_primary(list: &mut [Value], keep: Option<usize>) -> bool {
    let Some(keep) = keep.or_else(|| list.iter().position(is_primary)) else { return false };
    let mut may_repeat = false;
    for index in (0..list.len()).filter(|index| *index != keep) {
        if list[index].get("primary").is_none() {
            continue;
        }
        let has_value = list[index].get("value").is_some();
        // A repetition of the primary element says nothing about it.
        if has_value && is_same(&list[index], &list[keep]) {
            list[index].as_object_mut().and_then(|element| element.remove("primary"));
        } else if let Some(primary @ Value::Bool(true)) = list[index].get_mut("primary") {
            *primary = Value::Bool(false);
            may_repeat |= !has_value;
        }
    }
    may_repeat
}

pub(crate) fn is_primary(element: &Value) -> bool {
    element.get("primary") == Some(&Value::Bool(true))
}

/// Whether two elements are one value: the same `type` and `value` where there is a `value`.
pub(crate) fn is_same(left: &Value, right: &Value) -> bool {
    identity(left) == identity(right)
}

/// Whether two lists hold the same elements, in any order.
pub(crate) fn is_same_list(left: &[Value], right: &[Value]) -> bool {
    if left == right {
        return true;
    }
    if left.len() != right.len() {
        return false;
    }
    let mut counts: HashMap<&Value, isize> = HashMap::with_capacity(left.len());
    for element in left {
        *counts.entry(element).or_default() += 1;
    }
    for element in right {
        *counts.entry(element).or_default() -= 1;
    }
    counts.values().all(|count| *count == 0)
}

#[derive(Hash, PartialEq)]
enum Identity<'a> {
    Value { of_type: Option<&'a Value>, value: &'a Value },
    Whole(&'a Value),
}

fn identity(element: &Value) -> Identity<'_> {
    match element.get("value") {
        Some(value) => Identity::Value { of_type: element.get("type"), value },
        None => Identity::Whole(element),
    }
}

fn merge(known: &mut Value, new: Value) {
    if let (Value::Object(known), Value::Object(new)) = (known, new) {
        known.extend(new);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn list(value: Value) -> Vec<Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_element_with_the_same_type_and_value_is_merged() {
        let mut known =
            list(json!([{"type": "work", "value": "a"}, {"type": "home", "value": "a"}]));
        absorb(
            &mut known,
            list(json!([{"type": "work", "value": "a", "primary": true}, {"value": "a"}])),
        );
        assert_eq!(
            known,
            list(json!([
                {"type": "work", "value": "a", "primary": true},
                {"type": "home", "value": "a"},
                {"value": "a"}
            ]))
        );
    }

    #[test]
    fn many_new_elements_give_what_one_at_a_time_gives() {
        let new: Vec<_> = (0..50).map(|n| json!({"value": (n % 20).to_string(), "n": n})).collect();
        let (mut together, mut apart) =
            (list(json!([{"value": "3"}])), list(json!([{"value": "3"}])));
        absorb(&mut together, new.clone());
        for element in new {
            absorb(&mut apart, vec![element]);
        }
        assert_eq!(together, apart);
        assert_eq!(together.len(), 20);
    }

    #[test]
    fn one_primary_stays() {
        let mut two =
            list(json!([{"value": "a", "primary": true}, {"value": "b", "primary": true}]));
        keep_one_primary(&mut two, Some(1));
        assert_eq!(
            two,
            list(json!([{"value": "a", "primary": false}, {"value": "b", "primary": true}]))
        );
    }

    #[test]
    fn lists_are_the_same_in_any_order() {
        assert!(is_same_list(&list(json!([1, 2, 2])), &list(json!([2, 1, 2]))));
        assert!(!is_same_list(&list(json!([1, 2, 2])), &list(json!([1, 1, 2]))));
        assert!(!is_same_list(&list(json!([1])), &list(json!([1, 1]))));
    }
}
