//! What lists are asked for: filters, orders, pages, attributes, versions.

use std::cmp::Ordering;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use scim::Leniency;
use scim::etag::{self, EntityTags};
use scim::filter::Matcher;
use scim::fold;
use scim::project::Projection;
use scim::query::{COUNT_MAX, Page, Query};
use scim::resource::{Meta, Resource};
use scim::schema::{Catalogue, Kind, Schema};
use scim::sort::{Sort, SortKey, Sorter};
use serde_json::{Value, json};

use super::input::{any_json, attribute_path, filter, nearly, user_body};

const URN: &str = "urn:company:2.0:User";

/// A value of one type, and how it is to be compared with others of it.
#[derive(Clone, Debug)]
enum Sorted {
    Text(String),
    Exact(String),
    Flag(bool),
    /// A number below 2^50 in eighths, or a whole one of any size.
    Number(Value),
    /// Seconds since 1970, and minutes east of UTC.
    Time(i64, i64),
}

impl Sorted {
    /// The attribute to sort by, and a document that has the value.
    fn document(&self) -> (&'static str, Value) {
        match self {
            Self::Text(text) => ("title", json!({"title": text})),
            Self::Exact(text) => ("externalId", json!({"externalId": text})),
            Self::Flag(flag) => ("active", json!({"active": flag})),
            Self::Number(number) => ("urn:company:2.0:User:n", json!({URN: {"n": number}})),
            Self::Time(seconds, offset) => {
                let time = time(seconds + offset * 60);
                let (sign, offset) = (if *offset < 0 { '-' } else { '+' }, offset.abs());
                let time = format!("{time}{sign}{:02}:{:02}", offset / 60, offset % 60);
                ("meta.created", json!({"meta": {"created": time}}))
            }
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(left), Self::Text(right)) => fold::text(left).cmp(&fold::text(right)),
            (Self::Exact(left), Self::Exact(right)) => left.cmp(right),
            (Self::Flag(left), Self::Flag(right)) => left.cmp(right),
            (Self::Time(left, _), Self::Time(right, _)) => left.cmp(right),
            (Self::Number(left), Self::Number(right)) => eighths(left).cmp(&eighths(right)),
            _ => unreachable!("{self:?} and {other:?} are values of one attribute"),
        }
    }
}

fn eighths(number: &Value) -> i128 {
    #[expect(clippy::cast_possible_truncation, reason = "below 2^50 they are whole eighths")]
    let of_float = |number: &Value| (number.as_f64().unwrap() * 8.0) as i128;
    number.as_number().unwrap().as_i128().map_or_else(|| of_float(number), |whole| whole * 8)
}

/// A moment of the days after 1970-01-01, without an offset.
fn time(seconds: i64) -> String {
    let (day, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("1970-01-{:02}T{hour:02}:{minute:02}:{second:02}", day + 1)
}

/// Values of one attribute.
fn sorted() -> impl Strategy<Value = Vec<Sorted>> {
    let text = || prop_oneof!["[a-cA-CäÄ ]{1,3}", "\\PC{1,4}"];
    let number = prop_oneof![
        (-4_000_i32..4_000).prop_map(|eighths| json!(f64::from(eighths) / 8.0)),
        (-500_i64..500).prop_map(|whole| json!(whole)),
        any::<i64>().prop_map(|whole| json!(whole)),
        (u64::MAX - 2_000..u64::MAX).prop_map(|whole| json!(whole)),
    ];
    // Far enough from the ends of the month for any offset.
    let seconds = prop_oneof![200_000_i64..200_010, 200_000_i64..2_000_000];
    let offset = -14 * 60..=14 * 60_i64;
    prop_oneof![
        vec(text().prop_map(Sorted::Text), 1..8),
        vec(text().prop_map(Sorted::Exact), 1..8),
        vec(any::<bool>().prop_map(Sorted::Flag), 1..4),
        vec(number.prop_map(Sorted::Number), 1..8),
        vec((seconds, offset).prop_map(|(at, offset)| Sorted::Time(at, offset)), 1..8),
    ]
}

/// Documents that are nearly extension schemas.
fn schema() -> impl Strategy<Value = Value> {
    let attribute = |subs: Value| {
        (
            "[a-c]{1,2}",
            select(&["string", "complex", "INTEGER", "date", ""][..]),
            option::of(any::<bool>()),
            select(&["readWrite", "readOnly", "immutable", "no"][..]),
        )
            .prop_map(move |(name, data_type, flag, mutability)| {
                json!({
                    "name": name, "type": data_type, "required": flag, "mutability": mutability,
                    "subAttributes": if data_type == "complex" { subs.clone() } else { json!([]) }
                })
            })
    };
    let attribute = vec(attribute(json!([])), 0..3)
        .prop_flat_map(move |subs| vec(attribute(Value::from(subs)), 0..4));
    (attribute, any_json()).prop_map(
        |(attributes, more)| json!({"id": URN, "name": "x", "attributes": attributes, "more": more}),
    )
}

proptest! {
    #[test]
    fn a_projection_takes_away_and_adds_nothing(
        body in user_body(), names in vec(attribute_path(), 1..4), is_excluded in any::<bool>()
    ) {
        let Ok(parsed) = Resource::parse(Kind::User, body, Catalogue::standard()) else {
            return Ok(());
        };
        let whole = parsed.resource.document(Kind::User, "1", &Meta::default());
        let list = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let projection = if is_excluded { Projection::parse(None, Some(&list)) } else { Projection::parse(Some(&list), None) };
        let mut part = whole.clone();
        projection.unwrap().apply(&mut part, Kind::User, Catalogue::standard());
        prop_assert!(is_part(&part, &whole), "{} of {}", part, whole);
        prop_assert_eq!((&part["id"], &part["schemas"]), (&whole["id"], &whole["schemas"]));
    }

    #[test]
    fn the_order_of_keys_is_that_of_the_values(values in sorted()) {
        let catalogue = Catalogue::standard();
        let sort = Sort::parse(Some(values[0].document().0), None).unwrap().unwrap();
        let sorter = Sorter::new(&sort, Kind::User, catalogue);
        let keys: Vec<_> = values.iter().map(|value| sorter.key(&value.document().1)).collect();
        for (left, left_key) in values.iter().zip(&keys) {
            prop_assert!(*left_key < SortKey::Missing);
            for (right, right_key) in values.iter().zip(&keys) {
                let (found, expected) = (left_key.cmp(right_key), left.compare(right));
                prop_assert_eq!(found, expected, "{:?} and {:?}", left, right);
            }
        }
    }

    #[test]
    fn whatever_can_be_sorted_by_has_a_key(
        by in prop_oneof![nearly(), attribute_path().prop_map(|path| path.to_string())],
        documents in vec(any_json(), 3)
    ) {
        let Ok(Some(sort)) = Sort::parse(Some(&by), Some("descending")) else { return Ok(()) };
        let _ = sort.check(&Kind::ALL, Catalogue::standard());
        let sorter = Sorter::new(&sort, Kind::User, Catalogue::standard());
        let keys: Vec<_> = documents.iter().map(|document| sorter.key(document)).collect();
        let written = serde_json::to_string(&keys).unwrap();
        prop_assert_eq!(serde_json::from_str::<Vec<SortKey>>(&written).unwrap(), keys);
    }

    #[test]
    fn what_is_checked_can_be_evaluated(filter in filter()) {
        for kind in Kind::ALL {
            if filter.check(kind, Catalogue::standard()).is_ok() {
                prop_assert!(Matcher::new(&filter, kind, Catalogue::standard()).is_ok());
            }
        }
    }

    #[test]
    fn any_query_is_read_or_refused(
        texts in vec(prop_oneof![nearly(), any::<String>(), "-?[0-9]{1,30}"], 8), body in any_json()
    ) {
        let names = [
            "filter", "sortby", "sortorder", "attributes", "excludedattributes", "startindex",
            "count", "cursor",
        ];
        let get = |name: &str| {
            Some(texts[names.iter().position(|known| *known == name)?].as_str())
        };
        let some = |given: &[&str]| {
            Query::from_parameters(|name| get(name).filter(|_| given.contains(&name)))
        };
        let mut queries: Vec<_> = names.iter().map(|name| some(&[name])).collect();
        queries.push(some(&names));
        queries.push(some(&["cursor", "count"]));
        queries.extend([Leniency::Lenient, Leniency::Strict].map(|leniency| {
            Query::from_body(body.clone(), leniency)
        }));
        for query in queries.into_iter().flatten() {
            match query.page {
                Page::Index { start, count } => {
                    prop_assert!(start >= 1 && i64::try_from(start).is_ok() && count <= COUNT_MAX);
                }
                Page::Cursor { count, .. } => prop_assert!((1..=COUNT_MAX).contains(&count)),
            }
            let _ = query.check(&Kind::ALL, Catalogue::standard());
        }
    }

    #[test]
    fn a_query_means_the_same_as_parameters_and_as_a_body(
        filter in filter(), sort in attribute_path(), names in vec(attribute_path(), 0..3),
        start in option::of(any::<i64>()), count in any::<i64>()
    ) {
        let (filter, sort) = (filter.to_string(), sort.to_string());
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let list = names.join(",");
        let (start_text, count_text) = (start.map(|start| start.to_string()), count.to_string());
        let by_parameters = Query::from_parameters(|name| match name {
            "filter" => Some(filter.as_str()),
            "sortby" => Some(sort.as_str()),
            "attributes" => Some(list.as_str()),
            "startindex" => start_text.as_deref(),
            "count" => Some(count_text.as_str()),
            _ => None,
        });
        let body = json!({
            "filter": filter, "SORTBY": sort, "attributes": names, "startIndex": start, "count": count
        });
        let by_body = Query::from_body(body, Leniency::Lenient);
        let show = |query: Result<Query, scim::Error>| query.map(|query| format!("{query:?}"));
        prop_assert_eq!(show(by_parameters), show(by_body));
    }

    #[test]
    fn a_tag_is_found_among_others(
        version in any::<u64>(), other in any::<u64>(), before in "[a-z,\" ]{0,6}", any in any::<String>()
    ) {
        prop_assert!(EntityTags::parse(&etag::of(version)).matches(version));
        let list = format!("\"{}\", {}", before.replace('"', ""), etag::of(version));
        prop_assert!(EntityTags::parse(&list).matches(version), "{}", list);
        prop_assert_eq!(EntityTags::parse(&etag::of(other)).matches(version), other == version);
        let is_named = any.trim() == "*" || any.contains(&version.to_string());
        prop_assert!(is_named || !EntityTags::parse(&any).matches(version));
    }

    #[test]
    fn any_schema_is_read_or_refused(document in prop_oneof![schema(), any_json()]) {
        let Ok(schema) = Schema::parse_extension(document) else { return Ok(()) };
        let again = Schema::parse_extension(serde_json::to_value(&schema).unwrap());
        prop_assert_eq!(again, Ok(schema));
    }
}

fn is_part(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|of| is_part(value, of)))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.iter().all(|value| whole.iter().any(|of| is_part(value, of)))
        }
        (part, whole) => part == whole,
    }
}
