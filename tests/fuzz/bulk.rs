//! Bulk requests: the order has every operation once, and in it everything is resolved or waits.

use std::collections::HashMap;

use scim::Leniency;
use scim::bulk::{Method, Request};
use serde_json::Value;

/// Checks the body of a bulk request.
pub fn check(text: &str) {
    let Ok(body) = serde_json::from_str::<Value>(text) else { return };
    for leniency in [Leniency::Lenient, Leniency::Strict] {
        if let Ok(request) = Request::parse(body.clone(), leniency) {
            carry_out(request);
        }
    }
}

fn carry_out(mut request: Request) {
    let order = request.order();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..request.operations.len()).collect::<Vec<_>>(), "{order:?}");
    let creations = request.creations();
    let mut ids = HashMap::new();
    let mut later = Vec::new();
    for index in order {
        let Ok(operation) = &mut request.operations[index] else { continue };
        let missing = |name: &String, ids: &HashMap<_, _>| !ids.contains_key(name);
        let waits = operation.references().iter().any(|name| missing(name, &ids));
        later.extend(operation.postpone(|name| ids.get(name).cloned()));
        let left = operation.references().iter().any(|name| missing(name, &ids));
        assert!(waits || !left, "postponing adds no reference");
        let resolved = operation.resolve(|name| ids.get(name).cloned());
        assert_eq!(resolved.is_err(), left, "{operation:?}");
        if resolved.is_ok() {
            assert!(operation.references().is_empty(), "{operation:?}");
        }
        if let (Method::Post, Some(name)) = (operation.method, operation.bulk_id.clone()) {
            assert_eq!(creations.get(&name), Some(&index), "the name is there once");
            ids.insert(name.clone(), format!("id-{name}"));
        }
    }
    for mut operation in later {
        let is_known = operation.references().iter().all(|name| ids.contains_key(name));
        assert_eq!(operation.resolve(|name| ids.get(name).cloned()).is_ok(), is_known);
    }
}
