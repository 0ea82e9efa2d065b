//! PATCH requests: what they leave is canonical, and doing it again changes nothing.

use scim::filter::Filter;
use scim::members;
use scim::patch::{self, Change, Op, Options, Request};
use scim::resource::Resource;
use scim::schema::Kind;
use scim::{ErrorType, Leniency, attributes};
use serde_json::Value;

use super::world::{CATALOGUE, assert_canonical, resource};

/// How many changes of a request are tried one by one.
const CHANGES_TRIED: usize = 20;

/// Checks the body of a PATCH request. A member `before` is the resource to be changed, instead of
/// the usual one.
pub fn check(text: &str) {
    let Ok(body) = serde_json::from_str::<Value>(text) else { return };
    for kind in Kind::ALL {
        let before = body.get("before").and_then(|before| {
            Resource::parse(kind, before.clone(), &CATALOGUE).ok().map(|parsed| parsed.resource)
        });
        let before = before.unwrap_or_else(|| resource(kind));
        for options in [Options::LENIENT, Options::STRICT] {
            let request = Request::parse_with(body.clone(), kind, &CATALOGUE, options.leniency);
            let Ok(request) = request else { continue };
            let _ = attributes::seen_in(&request, kind, &CATALOGUE);
            apply(&request, &before, kind, options);
            for change in request.changes.iter().take(CHANGES_TRIED) {
                twice(change, &before, kind, options);
                if kind == Kind::Group {
                    of_members(change, options.leniency);
                }
            }
        }
    }
}

fn apply(request: &Request, before: &Resource, kind: Kind, options: Options) {
    let mut after = before.clone();
    if request.apply(&mut after, kind, &CATALOGUE, &options).is_ok() {
        assert_canonical(kind, &after);
        let mut known = before.clone();
        known.apply(&before.diff(&after));
        assert!(known.diff(&after).is_empty(), "the difference leads there");
    }
}

/// The same change once more finds its work done, unless it has changed what its filter looks at.
fn twice(change: &Change, before: &Resource, kind: Kind, options: Options) {
    if !leaves_its_filter_alone(change) {
        return;
    }
    let apply = |resource: &Resource| {
        let mut copy = resource.clone();
        patch::apply(&mut copy, change, kind, &CATALOGUE, &options).map(|()| copy)
    };
    let Ok(once) = apply(before) else { return };
    match apply(&once) {
        Ok(again) => assert_eq!(again, once, "{} {}", change.op, change.path),
        Err(error) => {
            // With its last sub-attribute, the element has gone that the filter selected.
            let is_gone = error.scim_type == Some(ErrorType::NoTarget);
            assert!(is_gone && change.path.filter.is_some(), "{}: {error}", change.path);
        }
    }
}

/// Of changes with a filter, those of a sub-attribute that does not tell elements apart, and that
/// the filter does not name.
fn leaves_its_filter_alone(change: &Change) -> bool {
    let Some(filter) = &change.path.filter else { return true };
    let Some(sub) = change.path.sub() else { return false };
    let tells_apart = ["value", "type", "primary", "$ref"];
    !names(filter).iter().chain(&tells_apart).any(|name| name.eq_ignore_ascii_case(sub))
}

fn names(filter: &Filter) -> Vec<&str> {
    match filter {
        Filter::Compare { path, .. } | Filter::Present(path) | Filter::Element { path, .. } => {
            vec![&path.name]
        }
        Filter::Not(filter) => names(filter),
        Filter::And(terms) | Filter::Or(terms) => terms.iter().flat_map(names).collect(),
    }
}

fn of_members(change: &Change, leniency: Leniency) {
    let found = members::of_with(change, leniency);
    if let Ok(Some(members::MemberChange::RemoveMatching(filter))) = &found {
        assert!(members::matcher(filter).is_ok(), "{filter}");
    }
    if let Ok(Some(_)) = &found
        && change.op == Op::Remove
    {
        assert!(change.path.sub().is_none(), "members have no parts");
    }
}
