//! Random input: filters, paths, bodies, resources and operations, and texts that nearly are some.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use scim::filter::{Filter, Operator};
use scim::patch::{Options, Request};
use scim::path::{AttributePath, Path};
use scim::resource::Resource;
use scim::schema::{Catalogue, Kind};
use serde_json::{Value, json};

pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

pub(crate) fn name() -> impl Strategy<Value = String> {
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

pub(crate) fn attribute_path() -> impl Strategy<Value = AttributePath> {
    let urn = select(&[ENTERPRISE, "urn:company:2.0:User", "URN:x:y"][..]).prop_map(str::to_owned);
    prop_oneof![
        9 => (option::weighted(0.3, urn.clone()), name(), option::weighted(0.3, name()))
            .prop_map(|(schema, name, sub)| AttributePath { schema, name, sub }),
        1 => select(&[ENTERPRISE, "urn:company:2.0:User"][..]).prop_map(AttributePath::new),
    ]
}

pub(crate) fn literal() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<String>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-4_000_i32..4_000).prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ]
}

pub(crate) fn clause() -> impl Strategy<Value = Filter> {
    prop_oneof![
        (attribute_path(), select(&Operator::ALL[..]), literal())
            .prop_map(|(path, operator, value)| Filter::Compare { path, operator, value }),
        attribute_path().prop_map(Filter::Present),
    ]
}

pub(crate) fn combined(
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

pub(crate) fn element_filter() -> impl Strategy<Value = Filter> {
    combined(clause(), 2)
}

pub(crate) fn filter() -> impl Strategy<Value = Filter> {
    let element = (attribute_path(), element_filter())
        .prop_map(|(path, filter)| Filter::Element { path, filter: Box::new(filter) });
    combined(prop_oneof![3 => clause(), 1 => element], 4)
}

pub(crate) fn path() -> impl Strategy<Value = Path> {
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
pub(crate) fn nearly() -> impl Strategy<Value = String> {
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

pub(crate) fn any_json() -> impl Strategy<Value = Value> {
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
pub(crate) fn key() -> impl Strategy<Value = String> {
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

pub(crate) fn user_body() -> impl Strategy<Value = Value> {
    (btree_map(key(), any_json(), 0..8), option::of("[a-zA-Z@ é]{1,6}")).prop_map(
        |(mut members, user_name)| {
            members.remove("USERNAME");
            members.insert("userName".to_owned(), json!(user_name.unwrap_or("ada".to_owned())));
            Value::Object(members.into_iter().collect())
        },
    )
}

pub(crate) fn word() -> impl Strategy<Value = String> {
    select(&["a", "b", "c", "A", ""][..]).prop_map(str::to_owned)
}

pub(crate) fn kind_of_element() -> impl Strategy<Value = &'static str> {
    select(&["work", "home", "WORK"][..])
}

pub(crate) fn element() -> impl Strategy<Value = Value> {
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
pub(crate) fn user() -> impl Strategy<Value = Resource> {
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

pub(crate) fn operation() -> impl Strategy<Value = Value> {
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

pub(crate) fn options() -> impl Strategy<Value = Options> {
    select(
        &[Options::LENIENT, Options::STRICT, Options { create_missing: false, ..Options::LENIENT }]
            [..],
    )
}

pub(crate) fn request(operations: &[Value]) -> Option<Request> {
    let body = json!({"Operations": operations});
    Request::parse(body, Kind::User, Catalogue::standard()).ok()
}
