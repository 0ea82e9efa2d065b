//! The bodies of POST and PUT: what is read of them is canonical, and can replace what is there.

use scim::resource::{Parsed, Resource};
use scim::schema::Kind;
use scim::{Leniency, attributes};
use serde_json::Value;

use super::world::{CATALOGUE, assert_canonical, resource};

/// Checks a body.
pub fn check(text: &str) {
    let Ok(body) = serde_json::from_str::<Value>(text) else { return };
    for kind in Kind::ALL {
        let _ = attributes::seen(&body, kind, &CATALOGUE);
        for leniency in [Leniency::Lenient, Leniency::Strict] {
            let parsed = Resource::parse_with(kind, body.clone(), &CATALOGUE, leniency);
            if let Ok(parsed) = parsed {
                check_parsed(kind, parsed);
            }
        }
    }
}

fn check_parsed(kind: Kind, parsed: Parsed) {
    let Parsed { resource: desired, members, .. } = parsed;
    assert_canonical(kind, &desired);
    for member in members.into_iter().flatten() {
        assert!(!member.value.trim().is_empty(), "a member has a name");
    }
    let known = resource(kind);
    let mut applied = known.clone();
    applied.apply(&known.diff(&desired));
    assert!(applied.diff(&desired).is_empty(), "the difference leads there");
    let mut replaced = desired;
    replaced.carry_over(&known, kind, &CATALOGUE);
    assert_canonical(kind, &replaced);
    let mut again = replaced.clone();
    again.carry_over(&known, kind, &CATALOGUE);
    assert_eq!(again, replaced, "what was carried over is there");
    let _ = known.check_replacement(&replaced, kind, &CATALOGUE);
    assert_eq!(replaced.check_replacement(&replaced, kind, &CATALOGUE), Ok(()));
}
