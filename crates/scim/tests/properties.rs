//! What must hold for every input, not only for the examples that somebody thought of.
#![expect(
    clippy::unwrap_used,
    reason = "in an integration test the helpers count as outside tests"
)]

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use scim::attributes;
use scim::filter::{Filter, Matcher, Operator};
use scim::fold;
use scim::patch::{self, Change, Op, Options, Request};
use scim::path::{AttributePath, Path};
use scim::project::Projection;
use scim::resource::{Meta, Resource};
use scim::schema::{Catalogue, Kind};
use serde_json::{Map, Value, json};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        select(&["userName", "emails", "value", "type", "primary", "not", "and", "pr", "$ref"][..])
            .prop_map(str::to_owned),
        "[A-Za-z_$][A-Za-z0-9_$-]{0,8}",
    ]
    // After a URN these are part of it.
    .prop_filter("a resource type", |name| {
        !name.eq_ignore_ascii_case("user") && !name.eq_ignore_ascii_case("group")
    })
}

fn attribute_path() -> impl Strategy<Value = AttributePath> {
    let urn = select(&[ENTERPRISE, "urn:company:2.0:User", "URN:x:y"][..]).prop_map(str::to_owned);
    prop_oneof![
        9 => (option::weighted(0.3, urn.clone()), name(), option::weighted(0.3, name()))
            .prop_map(|(schema, name, sub)| AttributePath { schema, name, sub }),
        1 => select(&[ENTERPRISE, "urn:company:2.0:User"][..]).prop_map(AttributePath::new),
    ]
}

fn literal() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<String>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-4_000_i32..4_000).prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn clause() -> impl Strategy<Value = Filter> {
    prop_oneof![
        (attribute_path(), select(&Operator::ALL[..]), literal())
            .prop_map(|(path, operator, value)| Filter::Compare { path, operator, value }),
        attribute_path().prop_map(Filter::Present),
    ]
}

fn combined(
    leaf: impl Strategy<Value = Filter> + 'static,
    depth: u32,
) -> impl Strategy<Value = Filter> {
    leaf.prop_recursive(depth, 32, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|filter| Filter::Not(Box::new(filter))),
            vec(inner.clone(), 2..4).prop_map(Filter::And),
            vec(inner, 2..4).prop_map(Filter::Or),
        ]
    })
}

fn element_filter() -> impl Strategy<Value = Filter> {
    combined(clause(), 2)
}

fn filter() -> impl Strategy<Value = Filter> {
    let element = (attribute_path(), element_filter())
        .prop_map(|(path, filter)| Filter::Element { path, filter: Box::new(filter) });
    combined(prop_oneof![3 => clause(), 1 => element], 4)
}

fn path() -> impl Strategy<Value = Path> {
    let selecting = (attribute_path(), element_filter(), option::of(name())).prop_map(
        |(attribute, filter, sub)| Path {
            attribute: AttributePath { sub: None, ..attribute },
            filter: Some(filter),
            sub,
        },
    );
    prop_oneof![attribute_path().prop_map(Path::new), selecting]
}

/// Texts that are nearly filters or paths.
fn nearly() -> impl Strategy<Value = String> {
    let piece = select(
        &[
            "emails",
            "value",
            "userName",
            "urn:x:User:",
            "urn:",
            "name.givenName",
            "[",
            "]",
            "(",
            ")",
            ".",
            ":",
            " ",
            "  ",
            "\"",
            "\\",
            "\\u12",
            "eq",
            "pr",
            "co",
            "not",
            "and",
            "or",
            "\"work\"",
            "true",
            "null",
            "-1",
            "1e9",
            "é",
            "\u{2028}",
            ",",
            "$ref",
            "\n",
        ][..],
    );
    vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

fn any_json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        literal(),
        select(&["", " ", "True", "false", "work", "a@x", "urn:x:User"][..]).prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(key(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Names that mean something in a body or a PATCH value, and others.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => select(
            &[
                "userName", "USERNAME", "displayName", "name", "givenName", "emails", "roles", "active",
                "addresses", "locality", "value", "type", "primary", "display", "$ref", "manager", "id",
                "meta", "schemas", "groups", "members", "password", "externalId", "title", "Operations",
                "op", "path", "name.givenName", "emails[type eq \"work\"].value", ENTERPRISE,
                "urn:ietf:params:scim:schemas:core:2.0:User", "urn:company:2.0:User",
                "urn:company:2.0:user:COSTCODE", "urn:ietf:params:scim:schemas:core:2.0:Group", "urn:x",
            ][..],
        )
        .prop_map(str::to_owned),
        1 => "[a-zA-Z.:]{0,6}",
    ]
}

fn user_body() -> impl Strategy<Value = Value> {
    (btree_map(key(), any_json(), 0..8), option::of("[a-zA-Z@ é]{1,6}")).prop_map(
        |(mut members, user_name)| {
            members.remove("USERNAME");
            members.insert("userName".to_owned(), json!(user_name.unwrap_or("ada".to_owned())));
            Value::Object(members.into_iter().collect())
        },
    )
}

fn word() -> impl Strategy<Value = String> {
    select(&["a", "b", "c", "A", ""][..]).prop_map(str::to_owned)
}

fn kind_of_element() -> impl Strategy<Value = &'static str> {
    select(&["work", "home", "WORK"][..])
}

fn element() -> impl Strategy<Value = Value> {
    let boolean = prop_oneof![any::<bool>().prop_map(Value::from), Just(json!("True"))];
    (option::of(kind_of_element()), option::of(boolean), option::of(word()), option::of(word()))
        .prop_map(|(of_type, primary, value, display)| {
            let members = [
                of_type.map(|of_type| ("type", json!(of_type))),
                primary.map(|primary| ("primary", primary)),
                value.map(|value| ("value", json!(value))),
                display.map(|display| ("display", json!(display))),
            ];
            let members = members.into_iter().flatten();
            Value::Object(members.map(|(name, value)| (name.to_owned(), value)).collect())
        })
}

/// Resources in canonical form with lists that collide.
fn user() -> impl Strategy<Value = Resource> {
    (
        option::of(word()),
        vec(element(), 0..4),
        vec(element(), 0..3),
        option::of((word(), word())),
        option::of(any_json()),
    )
        .prop_filter_map("has a name twice", |(title, emails, roles, name, custom)| {
            let mut body = json!({"userName": "ada", "emails": emails, "roles": roles});
            let object = body.as_object_mut().unwrap();
            object.extend(title.map(|title| ("title".to_owned(), json!(title))));
            object.extend(name.map(|(given, family)| {
                ("name".to_owned(), json!({"givenName": given, "familyName": family}))
            }));
            object.extend(
                custom.map(|custom| ("urn:company:2.0:User".to_owned(), json!({"custom": custom}))),
            );
            match Resource::parse(Kind::User, body, Catalogue::standard()) {
                Err(error) if error.scim_type == Some(scim::ErrorType::InvalidSyntax) => None,
                parsed => Some(parsed.unwrap().resource),
            }
        })
}

fn operation() -> impl Strategy<Value = Value> {
    let list = select(&["emails", "roles", "urn:company:2.0:User:custom"][..]);
    let inside = select(
        &[
            "type eq \"work\"",
            "type eq \"home\"",
            "primary eq true",
            "value eq \"a\"",
            "value pr",
            "not (type pr)",
            "type eq \"work\" and primary eq \"True\"",
            "type eq \"work\" or value sw \"a\"",
        ][..],
    );
    let sub = select(&["value", "type", "primary", "display"][..]);
    let of_list = (list, option::of(inside), option::of(sub)).prop_map(|(list, inside, sub)| {
        let inside = inside.map(|inside| format!("[{inside}]")).unwrap_or_default();
        let sub = sub.map(|sub| format!(".{sub}")).unwrap_or_default();
        format!("{list}{inside}{sub}")
    });
    let of_one = select(
        &[
            "title",
            "userName",
            "name",
            "name.givenName",
            "active",
            "manager",
            "manager.value",
            "urn:company:2.0:User",
            "urn:company:2.0:User:costCode",
            ENTERPRISE,
            "id",
            "nope",
        ][..],
    );
    let path = prop_oneof![3 => of_list, 1 => of_one.prop_map(str::to_owned)];
    let value = prop_oneof![
        3 => element(),
        2 => vec(element(), 0..3).prop_map(Value::from),
        3 => word().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(json!("True")),
        1 => Just(Value::Null),
        1 => any_json(),
    ];
    let op = select(&["add", "replace", "remove"][..]);
    prop_oneof![
        9 => (op, path, value.clone())
            .prop_map(|(op, path, value)| json!({"op": op, "path": path, "value": value})),
        1 => (select(&["add", "replace"][..]), btree_map(key(), any_json(), 0..4))
            .prop_map(|(op, value)| json!({"op": op, "value": value})),
    ]
}

fn options() -> impl Strategy<Value = Options> {
    select(
        &[Options::LENIENT, Options::STRICT, Options { create_missing: false, ..Options::LENIENT }]
            [..],
    )
}

fn request(operations: &[Value]) -> Option<Request> {
    let body = json!({"Operations": operations});
    Request::parse(body, Kind::User, Catalogue::standard()).ok()
}

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
    fn a_filter_is_what_its_printed_form_parses_to(filter in filter()) {
        let printed = filter.to_string();
        prop_assert_eq!(Filter::parse(&printed), Ok(filter), "{}", printed);
    }

    #[test]
    fn a_path_is_what_its_printed_form_parses_to(path in path()) {
        let printed = path.to_string();
        prop_assert_eq!(Path::parse(&printed), Ok(path), "{}", printed);
    }

    #[test]
    fn whatever_parses_prints_and_parses_again(text in prop_oneof![nearly(), any::<String>()]) {
        if let Ok(filter) = Filter::parse(&text) {
            prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
        }
        if let Ok(path) = Path::parse(&text) {
            prop_assert_eq!(Path::parse(&path.to_string()), Ok(path));
        }
        if let Ok(path) = AttributePath::parse(&text) {
            prop_assert_eq!(AttributePath::parse(&path.to_string()), Ok(path));
        }
        let _ = Projection::parse(Some(&text), None);
    }

    #[test]
    fn errors_point_into_the_text(text in prop_oneof![nearly(), any::<String>()]) {
        if let Err(error) = Filter::parse(&text) {
            prop_assert!(text.is_char_boundary(error.offset), "{}", error);
        }
        if let Err(error) = Path::parse(&text) {
            prop_assert!(text.is_char_boundary(error.offset), "{}", error);
        }
    }

    #[test]
    fn filters_are_evaluated_on_anything(filter in filter(), document in any_json()) {
        let catalogue = Catalogue::standard();
        let matches = |filter: &Filter| filter.matches(&document, Kind::User, catalogue);
        let not = Filter::Not(Box::new(filter.clone()));
        let is_valid = Matcher::new(&filter, Kind::User, catalogue).is_ok();
        let _ = filter.check(Kind::User, catalogue);
        prop_assert_eq!(matches(&not), is_valid && !matches(&filter));
        let all: Vec<_> = filter.conjuncts().collect();
        prop_assert_eq!(matches(&filter), is_valid && all.into_iter().all(matches));
    }

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
    fn folding_again_changes_nothing(text in any::<String>()) {
        let folded = fold::text(&text);
        prop_assert_eq!(fold::text(&folded), folded);
        let folded = fold::user_name(&text);
        prop_assert_eq!(fold::user_name(&folded), folded);
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

#[test]
fn an_empty_resource_has_no_canonical_form_to_lose() {
    assert!(Resource::default().attributes() == &Map::new());
}
