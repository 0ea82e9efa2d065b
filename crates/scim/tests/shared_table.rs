//! Our engines over the tables of cases that `make conformance` asks the libraries of others too.
//!
//! The tables say what the RFC expects. The libraries have to be installed, our side does not, so
//! that a regression of ours shows here first.

#![expect(
    clippy::unwrap_used,
    reason = "in an integration test the helpers count as outside tests"
)]

use serde::de::DeserializeOwned;
use serde_json::Value;

#[path = "../examples/engines/tables.rs"]
mod tables;

use tables::{Answer, Filters, Patches, Said};

fn table<T: DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/../../tests/conformance/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What means the same is written the same: nothing empty, no `primary: false`, lists in one order.
///
/// RFC 7643 §2.5 for what is empty, §2.4 for `primary` and because the order of values says nothing.
fn normal(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(items) => {
            let mut items: Vec<_> = items.into_iter().filter_map(normal).collect();
            items.sort_by_key(ToString::to_string);
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(object) => {
            let entries = object.into_iter().filter_map(|(name, value)| {
                let says_nothing = name == "primary" && value == Value::Bool(false);
                normal(value).filter(|_| !says_nothing).map(|value| (name, value))
            });
            let object: serde_json::Map<_, _> = entries.collect();
            (!object.is_empty()).then_some(Value::Object(object))
        }
        value => Some(value),
    }
}

fn comparable(answer: &Answer) -> Answer {
    match answer {
        Answer::After(resource) => Answer::After(normal(resource.clone()).unwrap_or_default()),
        answer => answer.clone(),
    }
}

/// Checks what was said, of a table that has at least so many cases.
#[track_caller]
fn check(said: &[Said<'_>], at_least: usize) {
    assert!(said.len() >= at_least, "the table has shrunk");
    let differs = |said: &&Said<'_>| comparable(&said.says) != comparable(said.expected);
    let wrong: Vec<_> = said
        .iter()
        .filter(differs)
        .map(|Said { case, expected, says }| format!("{case}: {says:?}, not {expected:?}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_filter_of_the_table_matches_what_the_rfc_says() {
    check(&table::<Filters>("filters.json").said(), 80);
}

#[test]
fn every_patch_of_the_table_leaves_what_the_rfc_says() {
    check(&table::<Patches>("patches.json").said(), 60);
}
