//! Resources: parsed, stored, compared and patched.

use proptest::collection::vec;
use proptest::prelude::*;
use scim::attributes;
use scim::filter::Filter;
use scim::patch::{self, Change, Op, Options, Request};
use scim::path::AttributePath;
use scim::resource::{Meta, Resource};
use scim::schema::{Catalogue, Kind};
use serde_json::{Map, Value, json};

use super::input::{any_json, operation, options, request, user, user_body};

fn primaries(resource: &Resource) -> usize {
    let lists = resource.attributes().iter().filter(|(name, _)| !name.contains(':'));
    lists
        .filter_map(|(_, value)| value.as_array())
        .map(|list| list.iter().filter(|element| element["primary"] == json!(true)).count())
        .max()
        .unwrap_or(0)
}

/// Whether reading back the document of a resource gives the resource: then it is canonical.
fn is_canonical(resource: &Resource) -> bool {
    let document = resource.document(Kind::User, "1", &Meta::default());
    let again = Resource::parse(Kind::User, document, Catalogue::standard()).unwrap();
    again.resource == *resource && again.ignored.is_empty()
}

proptest! {
    #[test]
    fn a_user_comes_back_as_it_was_stored(body in user_body()) {
        if let Ok(parsed) = Resource::parse(Kind::User, body, Catalogue::standard()) {
            prop_assert!(is_canonical(&parsed.resource), "{:?}", parsed.resource);
            prop_assert!(primaries(&parsed.resource) <= 1);
        }
    }

    #[test]
    fn any_body_is_parsed_or_refused(body in any_json()) {
        let catalogue = Catalogue::standard();
        for kind in Kind::ALL {
            let _ = attributes::seen(&body, kind, catalogue);
            let _ = Resource::parse(kind, body.clone(), catalogue);
            let _ = Request::parse(body.clone(), kind, catalogue);
        }
    }

    #[test]
    fn the_diff_leads_from_one_resource_to_the_other(from in user(), to in user()) {
        let mut resource = from.clone();
        resource.apply(&from.diff(&to));
        prop_assert!(resource.diff(&to).is_empty());
        prop_assert!(from.diff(&from).is_empty());
    }

    #[test]
    fn add_and_replace_twice_are_once(
        resource in user(), operation in operation(), options in options()
    ) {
        let apply = |resource: &Resource, change: &Change| {
            let mut copy = resource.clone();
            patch::apply(&mut copy, change, Kind::User, Catalogue::standard(), &options)?;
            Ok::<_, scim::Error>(copy)
        };
        let changes = request(&[operation]).map(|request| request.changes).unwrap_or_default();
        for change in changes {
            let Ok(once) = apply(&resource, &change) else { continue };
            match apply(&once, &change) {
                _ if change.op == Op::Remove || !selects_the_same_afterwards(&change) => {}
                Ok(twice) => prop_assert_eq!(twice, once, "{}", change.path),
                // An empty value has removed what the filter selects.
                Err(error) => {
                    prop_assert_eq!(error.scim_type, Some(scim::ErrorType::NoTarget));
                    prop_assert!(change.path.filter.is_some());
                }
            }
        }
    }

    #[test]
    fn patched_resources_are_canonical(
        resource in user(), operations in vec(operation(), 1..6), options in options()
    ) {
        let mut resource = resource;
        for operation in operations {
            let Some(request) = request(&[operation]) else { continue };
            let mut copy = resource.clone();
            if request.apply(&mut copy, Kind::User, Catalogue::standard(), &options).is_ok() {
                resource = copy;
            }
            prop_assert!(primaries(&resource) <= 1, "{:?}", resource);
            prop_assert!(is_canonical(&resource), "{:?}", resource);
        }
    }

    #[test]
    fn a_request_may_be_split(
        resource in user(), operations in vec(operation(), 2..6), at in any::<prop::sample::Index>()
    ) {
        let apply = |requests: &[&[Value]]| {
            let mut resource = resource.clone();
            for operations in requests {
                if operations.is_empty() {
                    continue;
                }
                request(operations)?
                    .apply(&mut resource, Kind::User, Catalogue::standard(), &Options::LENIENT)
                    .ok()?;
            }
            Some(resource)
        };
        let (first, second) = operations.split_at(at.index(operations.len()));
        prop_assert_eq!(apply(&[first, second]), apply(&[&operations]));
    }
}

/// Whether a change leaves alone what its own filter looks at. Replacing whole elements keeps only
/// what the filter compares with `eq`.
fn selects_the_same_afterwards(change: &Change) -> bool {
    let Some(filter) = &change.path.filter else { return true };
    let mut names = Vec::new();
    names_in(filter, &mut names);
    let touches = |name: &&AttributePath| match (&change.path.sub, &change.value) {
        (Some(sub), _) => name.name.eq_ignore_ascii_case(sub),
        (None, Some(Value::Object(value))) => {
            value.keys().any(|key| key.eq_ignore_ascii_case(&name.name))
        }
        (None, _) => name.name == "value",
    };
    let keeps = change.op == Op::Add
        || change.path.sub.is_some()
        || filter.conjuncts().all(|term| term.equality().is_some());
    keeps && !names.iter().any(touches)
}

fn names_in<'a>(filter: &'a Filter, names: &mut Vec<&'a AttributePath>) {
    match filter {
        Filter::Compare { path, .. } | Filter::Present(path) => names.push(path),
        Filter::Element { filter, .. } | Filter::Not(filter) => names_in(filter, names),
        Filter::And(terms) | Filter::Or(terms) => {
            terms.iter().for_each(|term| names_in(term, names));
        }
    }
}

#[test]
fn an_empty_resource_has_no_canonical_form_to_lose() {
    assert!(Resource::default().attributes() == &Map::new());
}
