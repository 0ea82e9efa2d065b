//! Bulk requests.

use std::collections::HashMap;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;
use scim::Leniency;
use scim::bulk::{Method, Operation, Request};
use serde_json::{Value, json};

use super::input::{any_json, nearly};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn names() -> impl Strategy<Value = Vec<&'static str>> {
    btree_set(select(&NAMES[..]), 0..3).prop_map(|names| names.into_iter().collect())
}

/// Operations that create resources by few names, refer to them, and meet at few resources.
fn operation() -> impl Strategy<Value = Value> {
    let members = |names: Vec<&str>| -> Vec<_> {
        names.iter().map(|name| json!({"value": format!("bulkId:{name}")})).collect()
    };
    let post = (select(&NAMES[..]), names()).prop_map(move |(name, refers_to)| {
        let data = json!({"displayName": "bulkId:a", "members": members(refers_to)});
        json!({"method": "POST", "path": "/Groups", "bulkId": name, "data": data})
    });
    let id = select(&["1", "2", "bulkId:a", "bulkId:b"][..]);
    let patch = (id.clone(), names()).prop_map(move |(id, refers_to)| {
        let operation = json!({"op": "add", "path": "members", "value": members(refers_to)});
        let data = json!({"Operations": [operation]});
        json!({"method": "PATCH", "path": format!("/Groups/{id}"), "data": data})
    });
    let delete = id.prop_map(|id| json!({"method": "DELETE", "path": format!("/Groups/{id}")}));
    prop_oneof![4 => post, 2 => patch, 1 => delete, 1 => any_json()]
}

fn parse(operations: &[Value]) -> Request {
    Request::parse(json!({"Operations": operations}), Leniency::Lenient).unwrap()
}

fn good(request: &Request) -> impl Iterator<Item = (usize, &Operation)> {
    let all = request.operations.iter().enumerate();
    all.filter_map(|(index, operation)| Some((index, operation.as_ref().ok()?)))
}

/// By operation, the creations that it refers to, itself left out.
fn waits(request: &Request) -> Vec<Vec<usize>> {
    let creations: HashMap<_, _> = good(request)
        .filter(|(_, operation)| operation.method == Method::Post)
        .filter_map(|(index, operation)| Some((operation.bulk_id.clone()?, index)))
        .collect();
    let mut waits = vec![Vec::new(); request.operations.len()];
    for (index, operation) in good(request) {
        let references = operation.references();
        let before = references.iter().filter_map(|name| creations.get(name).copied());
        waits[index] = before.filter(|before| *before != index).collect();
    }
    waits
}

/// Whether one operation waits for another, directly or not.
fn leads(waits: &[Vec<usize>], from: usize, to: usize) -> bool {
    let (mut seen, mut open) = (vec![false; waits.len()], vec![from]);
    while let Some(index) = open.pop() {
        for before in &waits[index] {
            if *before == to {
                return true;
            }
            if !std::mem::replace(&mut seen[*before], true) {
                open.push(*before);
            }
        }
    }
    false
}

proptest! {
    #[test]
    fn the_order_has_what_is_referred_to_first(operations in vec(operation(), 1..14)) {
        let request = parse(&operations);
        let order = request.order();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..operations.len()).collect::<Vec<_>>());
        let place = |index: usize| order.iter().position(|at| *at == index).unwrap();
        let waits = waits(&request);
        for (index, befores) in waits.iter().enumerate() {
            for before in befores {
                let in_circle = leads(&waits, *before, index);
                prop_assert!(place(*before) < place(index) || in_circle, "{:?}", order);
            }
        }
        let mut latest = HashMap::new();
        for (index, operation) in good(&request).filter(|(_, operation)| operation.id.is_some()) {
            if let Some(before) = latest.insert((operation.kind, operation.id.clone()), index) {
                prop_assert!(place(before) < place(index), "{:?}", order);
            }
        }
        if waits.iter().enumerate().all(|(index, befores)| befores.iter().all(|at| *at < index)) {
            prop_assert_eq!(order, (0..operations.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn in_order_everything_is_resolved_or_postponed(operations in vec(operation(), 1..14)) {
        let mut request = parse(&operations);
        let mut ids = HashMap::new();
        let mut later = Vec::new();
        for index in request.order() {
            let Ok(operation) = &mut request.operations[index] else { continue };
            later.extend(operation.postpone(|name| ids.get(name).cloned()));
            let resolved = operation.resolve(|name| ids.get(name).cloned());
            prop_assert!(resolved.is_ok() || operation.method != Method::Post);
            if let (Method::Post, Some(name)) = (operation.method, operation.bulk_id.clone()) {
                ids.insert(name.clone(), format!("id-{name}"));
            }
        }
        for mut operation in later {
            let names = operation.references();
            let resolved = operation.resolve(|name| ids.get(name).cloned());
            prop_assert_eq!(resolved.is_ok(), names.iter().all(|name| ids.contains_key(name)));
        }
    }

    #[test]
    fn resolving_leaves_no_reference(body in any_json(), path in nearly(), is_patch in any::<bool>()) {
        let value = json!([body, {"value": "bulkId:a", "$ref": "x/bulkId:b"}]);
        let data = if is_patch {
            json!({"Operations": [{"op": "add", "path": path, "value": value}]})
        } else {
            json!({"members": value, "title": path})
        };
        let method = if is_patch { "PATCH" } else { "PUT" };
        let mut request = parse(&[json!({"method": method, "path": "/Users/1", "data": data})]);
        let operation = request.operations[0].as_mut().unwrap();
        operation.resolve(|name| Some(format!("id-{name}"))).unwrap();
        prop_assert!(operation.references().is_empty(), "{:?}", operation);
    }

    #[test]
    fn any_body_is_a_request_or_refused(body in any_json()) {
        for leniency in [Leniency::Lenient, Leniency::Strict] {
            for body in [body.clone(), json!({"Operations": body}), json!({"Operations": [body]})] {
                if let Ok(request) = Request::parse(body, leniency) {
                    prop_assert_eq!(request.order().len(), request.operations.len());
                }
            }
        }
    }
}
