//! What lists are asked for: as parameters and as a body it means the same, within bounds.

use scim::query::{COUNT_MAX, Page, Query};
use scim::schema::Kind;
use scim::{Error, Leniency};
use serde_json::{Map, Value};

use super::path::{order, project};
use super::world::CATALOGUE;

/// The parameters, as they are asked for and as a body has them.
const NAMES: [(&str, &str); 8] = [
    ("filter", "filter"),
    ("sortby", "sortBy"),
    ("sortorder", "sortOrder"),
    ("attributes", "attributes"),
    ("excludedattributes", "excludedAttributes"),
    ("startindex", "startIndex"),
    ("count", "count"),
    ("cursor", "cursor"),
];

/// Checks a search request, or parameters as they stand in a URL, decoded: `filter=…&count=5`.
pub fn check(text: &str) {
    if text.trim_start().starts_with('{') {
        let Ok(body) = serde_json::from_str::<Value>(text) else { return };
        for leniency in [Leniency::Lenient, Leniency::Strict] {
            check_query(Query::from_body(body.clone(), leniency));
        }
        return;
    }
    let pairs: Vec<_> = text.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let get = |name: &str| {
        pairs.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    };
    let body: Map<_, _> = NAMES
        .into_iter()
        .filter_map(|(name, member)| Some((member.to_owned(), Value::from(get(name)?))))
        .collect();
    let by_body = Query::from_body(Value::Object(body), Leniency::Lenient);
    let by_parameters = Query::from_parameters(get);
    assert_eq!(format!("{by_parameters:?}"), format!("{by_body:?}"));
    check_query(by_parameters);
}

fn check_query(query: Result<Query, Error>) {
    let Ok(query) = query else { return };
    match query.page {
        Page::Index { start, count } => {
            assert!(start >= 1 && i64::try_from(start).is_ok() && count <= COUNT_MAX);
        }
        Page::Cursor { count, .. } => assert!((1..=COUNT_MAX).contains(&count)),
    }
    for kinds in [&Kind::ALL[..], &[Kind::User], &[Kind::Group]] {
        let _ = query.check(kinds, &CATALOGUE);
    }
    project(&query.projection);
    if let Some(sort) = &query.sort {
        order(sort);
    }
}
