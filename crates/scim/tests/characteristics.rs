//! What a declared extension says of its attributes is what happens: each characteristic of RFC
//! 7643 §2.2 through POST, PUT, PATCH, responses, filters and orders.

#![expect(
    clippy::unwrap_used,
    reason = "in an integration test the helpers count as outside tests"
)]
#![expect(clippy::needless_pass_by_value, reason = "a `json!` is written where it is used")]

use scim::attributes;
use scim::filter::Filter;
use scim::patch::{Options, Request};
use scim::path::AttributePath;
use scim::project::Projection;
use scim::schema::Schema;
use scim::sort::Sort;
use scim::{Catalogue, Error, ErrorType, Kind, Leniency, Resource};
use serde_json::{Value, json};

const URN: &str = "urn:company:2.0:User";

/// The standard catalogue with an extension that has these attributes.
fn catalogue(attributes: Value) -> Catalogue {
    let document = json!({"id": URN, "name": "Company", "attributes": attributes});
    let schema = Schema::parse_extension(document).unwrap();
    Catalogue::standard().with_extension(Kind::User, schema)
}

fn post_with(
    catalogue: &Catalogue,
    extension: Value,
    leniency: Leniency,
) -> Result<Resource, Error> {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada", URN: extension
    });
    Resource::parse_with(Kind::User, body, catalogue, leniency).map(|parsed| parsed.resource)
}

fn post(catalogue: &Catalogue, extension: Value) -> Result<Resource, Error> {
    post_with(catalogue, extension, Leniency::Lenient)
}

/// What the extension is after one operation, whose path is below its URN.
fn patch(
    catalogue: &Catalogue,
    before: &Value,
    (op, path, value): (&str, &str, Value),
) -> Result<Value, (ErrorType, String)> {
    let mut resource: Resource =
        serde_json::from_value(json!({"userName": "ada", URN: before})).unwrap();
    let path = if path.is_empty() { URN.to_owned() } else { format!("{URN}:{path}") };
    let body = json!({"Operations": [{"op": op, "path": path, "value": value}]});
    Request::parse(body, Kind::User, catalogue)
        .and_then(|it| it.apply(&mut resource, Kind::User, catalogue, &Options::LENIENT))
        .map(|()| resource.attributes().get(URN).cloned().unwrap_or_default())
        .map_err(|error| (error.scim_type.unwrap(), error.detail))
}

/// What a response shows of the extension.
fn shown(catalogue: &Catalogue, extension: Value, attributes: &str, excluded: &str) -> Value {
    let mut document = json!({"id": "1", "userName": "ada", URN: extension});
    let projection = Projection::parse(Some(attributes), Some(excluded)).unwrap();
    projection.apply(&mut document, Kind::User, catalogue);
    document.get(URN).cloned().unwrap_or_default()
}

fn mutability<T>(result: Result<T, (ErrorType, String)>) -> bool {
    matches!(result, Err((ErrorType::Mutability, _)))
}

/// A catalogue with immutable attributes, and an extension in which they are set.
fn immutable() -> (Catalogue, Value) {
    let catalogue = catalogue(json!([
        {"name": "badge", "mutability": "immutable"},
        {"name": "keys", "mutability": "immutable", "multiValued": true},
        {"name": "desk", "type": "complex", "subAttributes": [
            {"name": "floor", "type": "integer", "mutability": "immutable"}, {"name": "room"}
        ]},
        {"name": "cars", "type": "complex", "multiValued": true, "subAttributes": [
            {"name": "value", "mutability": "immutable"}, {"name": "type"},
            {"name": "plate", "mutability": "immutable"}
        ]}
    ]));
    let set = json!({
        "badge": "7", "keys": ["a", "b"], "desk": {"floor": 1, "room": "x"},
        "cars": [{"value": "v", "type": "t", "plate": "1"}, {"type": "u"}]
    });
    (catalogue, set)
}

#[test]
fn mutability_immutable_is_not_changed_once_it_is_set() {
    let (catalogue, set) = immutable();
    for change in [
        ("replace", "badge", json!("8")),
        ("add", "badge", json!("8")),
        ("remove", "badge", json!(null)),
        ("replace", "badge", json!("")),
        ("add", "keys", json!(["c"])),
        ("remove", "keys", json!(["a"])),
        ("add", "cars", json!([{"type": "t", "value": "v", "plate": "2"}])),
        ("add", "cars[type eq \"t\"]", json!({"plate": "2"})),
        ("replace", "desk.floor", json!(2)),
        ("replace", "desk", json!({"floor": 2})),
        ("remove", "desk", json!(null)),
        ("remove", "desk.floor", json!(null)),
        ("replace", "cars[type eq \"t\"].value", json!("w")),
        ("remove", "cars[type eq \"t\"].value", json!(null)),
        ("replace", "cars.value", json!("w")),
        ("remove", "", json!(null)),
        ("replace", "", json!({})),
        ("replace", "", json!({"badge": "8"})),
    ] {
        let text = format!("{change:?}");
        let result = patch(&catalogue, &set, change);
        assert!(mutability(result.clone()), "{text}: {result:?}");
    }
}

#[test]
fn mutability_immutable_is_set_for_the_first_time_and_may_be_repeated() {
    let (catalogue, set) = immutable();
    for (change, expected) in [
        (("replace", "badge", json!("7")), set.clone()),
        (("add", "keys", json!(["b"])), set.clone()),
        (("replace", "keys", json!(["b", "a"])), {
            let mut set = set.clone();
            set["keys"] = json!(["b", "a"]);
            set
        }),
        (("replace", "desk.room", json!("y")), {
            let mut set = set.clone();
            set["desk"]["room"] = json!("y");
            set
        }),
        (("add", "cars[type eq \"u\"].value", json!("w")), {
            let mut set = set.clone();
            set["cars"][1]["value"] = json!("w");
            set
        }),
        (("remove", "cars[type eq \"t\"]", json!(null)), {
            let mut set = set.clone();
            set["cars"] = json!([{"type": "u"}]);
            set
        }),
    ] {
        assert_eq!(patch(&catalogue, &set, change), Ok(expected));
    }
    let empty = json!({"desk": {"room": "x"}});
    assert_eq!(
        patch(&catalogue, &empty, ("add", "badge", json!("7"))),
        Ok(json!({"badge": "7", "desk": {"room": "x"}}))
    );
    assert_eq!(
        patch(&catalogue, &empty, ("add", "desk.floor", json!(3))),
        Ok(json!({"desk": {"floor": 3, "room": "x"}}))
    );
    assert_eq!(patch(&catalogue, &empty, ("remove", "", json!(null))), Ok(json!(null)));
}

#[test]
fn mutability_read_only_is_ignored_in_bodies_and_refused_in_paths() {
    let catalogue = catalogue(json!([
        {"name": "rank", "mutability": "readOnly"}, {"name": "nick"},
        {"name": "desk", "type": "complex", "subAttributes": [
            {"name": "floor", "mutability": "readOnly"}, {"name": "room"}
        ]}
    ]));
    let body = json!({"rank": "1", "nick": "n", "desk": {"floor": "1", "room": "x"}});
    let stored = json!({"nick": "n", "desk": {"room": "x"}});
    let resource = post(&catalogue, body.clone()).unwrap();
    assert_eq!(resource.attributes()[URN], stored);
    for path in ["rank", "desk.floor"] {
        assert!(mutability(patch(&catalogue, &stored, ("replace", path, json!("1")))), "{path}");
        assert!(mutability(patch(&catalogue, &stored, ("remove", path, json!(null)))), "{path}");
    }
    assert_eq!(patch(&catalogue, &json!({}), ("add", "", body)), Ok(stored));
}

#[test]
fn mutability_write_only_and_returned_never_are_kept_and_never_shown() {
    for hidden in [json!({"mutability": "writeOnly"}), json!({"returned": "never"})] {
        let mut pin = hidden.clone();
        pin["name"] = json!("pin");
        let catalogue = catalogue(json!([
            pin, {"name": "nick"},
            {"name": "safe", "type": "complex", "multiValued": true, "subAttributes": [
                {"name": "value"}, pin
            ]}
        ]));
        let all = json!({"pin": "0", "nick": "n", "safe": [{"value": "s", "pin": "1"}]});
        let stored = post(&catalogue, all.clone()).unwrap().attributes()[URN].clone();
        assert_eq!(stored, all);
        let after = patch(&catalogue, &all, ("replace", "pin", json!("2"))).unwrap();
        assert_eq!(after["pin"], "2");
        let rest = json!({"nick": "n", "safe": [{"value": "s"}]});
        assert_eq!(shown(&catalogue, all.clone(), "", ""), rest);
        assert_eq!(shown(&catalogue, all.clone(), URN, ""), rest);
        assert_eq!(shown(&catalogue, all.clone(), "", "userName"), rest);
        for asked in ["pin", "urn:company:2.0:User:pin", "safe.pin"] {
            assert_eq!(shown(&catalogue, all.clone(), asked, ""), json!(null), "{asked}");
        }
        for filter in ["pin eq \"0\"", "urn:company:2.0:User:pin pr", "safe[pin eq \"1\"]"] {
            let filter = Filter::parse(filter).unwrap();
            let error = filter.check(Kind::User, &catalogue).unwrap_err();
            assert_eq!(error.detail, "'pin' is never returned");
        }
        for by in ["pin", "safe.pin"] {
            let sort = Sort::parse(Some(by), None).unwrap().unwrap();
            assert!(sort.check(&[Kind::User], &catalogue).is_err(), "{by}");
        }
        assert!(catalogue.hides_any(Kind::User));
    }
}

#[test]
fn returned_request_is_shown_when_it_is_asked_for_and_always_at_any_rate() {
    let catalogue = catalogue(json!([
        {"name": "photo", "returned": "request"}, {"name": "badge", "returned": "always"},
        {"name": "nick"},
        {"name": "desk", "type": "complex", "subAttributes": [
            {"name": "floor", "returned": "always"}, {"name": "plan", "returned": "request"},
            {"name": "room"}
        ]}
    ]));
    let all = json!({
        "photo": "p", "badge": "7", "nick": "n", "desk": {"floor": "1", "plan": "l", "room": "x"}
    });
    let shown = |attributes, excluded| shown(&catalogue, all.clone(), attributes, excluded);
    let desk = json!({"floor": "1", "room": "x"});
    assert_eq!(shown("", ""), json!({"badge": "7", "nick": "n", "desk": desk}));
    assert_eq!(shown(URN, ""), json!({"badge": "7", "nick": "n", "desk": desk}));
    assert_eq!(shown("photo", ""), json!({"photo": "p", "badge": "7"}));
    assert_eq!(shown("userName", ""), json!({"badge": "7"}));
    assert_eq!(shown("desk.plan", ""), json!({"badge": "7", "desk": {"floor": "1", "plan": "l"}}));
    assert_eq!(shown("desk", ""), json!({"badge": "7", "desk": desk}));
    assert_eq!(shown("", "nick,desk.floor,badge"), json!({"badge": "7", "desk": desk}));
    assert_eq!(shown("", URN), json!({"badge": "7"}));
    assert_eq!(
        shown("urn:company:2.0:User,photo", ""),
        json!({"photo": "p", "badge": "7", "nick": "n", "desk": desk})
    );
}

/// A catalogue with an attribute that is returned on request, and in which a part is secret.
fn sealed() -> Catalogue {
    catalogue(json!([
        {"name": "seal", "type": "complex", "returned": "request", "subAttributes": [
            {"name": "sign"}, {"name": "plan", "returned": "request"},
            {"name": "pin", "returned": "never"}, {"name": "key", "mutability": "writeOnly", "returned": "never"}
        ]},
        {"name": "code", "returned": "request"}, {"name": "nick"}
    ]))
}

/// What the answer to a request shows that carried these names.
fn answered(catalogue: &Catalogue, sent: Vec<AttributePath>, excluded: &str) -> Value {
    let seal = json!({"sign": "s", "plan": "l", "pin": "0", "key": "k"});
    let mut document = json!({"id": "1", URN: {"seal": seal, "code": "c", "nick": "n"}});
    let projection = Projection::parse(None, Some(excluded)).unwrap().with_sent(sent);
    projection.apply(&mut document, Kind::User, catalogue);
    document[URN].take()
}

#[test]
fn what_is_never_returned_is_not_returned_either_where_it_was_sent() {
    let catalogue = sealed();
    let below = |sub| AttributePath::new("seal").with_sub(sub).in_schema(URN);
    let whole = || AttributePath::new("seal").in_schema(URN);
    let plain = json!({"seal": {"sign": "s"}, "nick": "n"});
    for sent in
        [vec![whole()], vec![whole(), below("sign")], vec![below("pin")], vec![below("KEY")]]
    {
        assert_eq!(answered(&catalogue, sent.clone(), ""), plain, "{sent:?}");
    }
    let planned = json!({"seal": {"sign": "s", "plan": "l"}, "nick": "n"});
    assert_eq!(answered(&catalogue, vec![below("plan")], ""), planned);
    assert_eq!(answered(&catalogue, vec![whole()], "seal"), json!({"nick": "n"}));
    assert_eq!(answered(&catalogue, vec![whole()], URN), json!(null));
    let body = json!({"sign": "s", "plan": "l", "pin": "0", "key": "k"});
    let posted = post(&catalogue, json!({"seal": body})).unwrap();
    assert_eq!(answered(&catalogue, posted.extension_paths(), ""), planned);
}

#[test]
fn returned_request_is_shown_where_a_patch_sent_it_under_any_name() {
    let catalogue = sealed();
    let sent = |operation: Value| {
        let body = json!({"Operations": [operation]});
        let request = Request::parse(body, Kind::User, &catalogue).unwrap();
        let seen = attributes::seen_in(&request, Kind::User, &catalogue);
        seen.iter().map(attributes::Seen::path).collect::<Vec<_>>()
    };
    for operation in [
        json!({"op": "add", "path": "code", "value": "c"}),
        json!({"op": "add", "path": "urn:company:2.0:USER:Code", "value": "c"}),
        json!({"op": "add", "value": {"code": "c"}}),
        json!({"op": "add", "value": {URN: {"CODE": "c"}}}),
        json!({"op": "add", "path": URN, "value": {"code": "c"}}),
    ] {
        let shown = answered(&catalogue, sent(operation.clone()), "");
        assert_eq!(shown, json!({"code": "c", "nick": "n"}), "{operation}");
    }
    let operation = json!({"op": "add", "path": "seal.sign", "value": "s"});
    let shown = answered(&catalogue, sent(operation), "");
    assert_eq!(shown, json!({"seal": {"sign": "s"}, "nick": "n"}));
}

#[test]
fn required_is_demanded_where_the_extension_is() {
    let catalogue = catalogue(json!([
        {"name": "age", "type": "integer", "required": true}, {"name": "name", "required": true},
        {"name": "desk", "type": "complex", "subAttributes": [
            {"name": "floor", "required": true}, {"name": "room"}
        ]}
    ]));
    let refused = |extension: Value| {
        let error = post(&catalogue, extension).unwrap_err();
        assert_eq!(error.scim_type, Some(ErrorType::InvalidValue));
        error.detail
    };
    assert!(post(&catalogue, json!({})).is_ok());
    assert!(post(&catalogue, json!({"age": null, "name": ""})).is_ok()); // All of it is absent.
    assert!(post(&catalogue, json!({"age": 1, "name": "n"})).is_ok());
    assert_eq!(refused(json!({"name": "n"})), format!("'{URN}:age' is required"));
    assert_eq!(refused(json!({"age": 1, "name": " "})), format!("'{URN}:name' is required"));
    let desk = json!({"age": 1, "name": "n", "desk": {"room": "x"}});
    assert_eq!(refused(desk), "'desk.floor' is required");
    let set = json!({"age": 1, "name": "n", "desk": {"floor": "1"}});
    for path in ["age", "desk.floor"] {
        assert!(mutability(patch(&catalogue, &set, ("remove", path, json!(null)))), "{path}");
    }
    let nobody = json!({});
    let (kind, _) = patch(&catalogue, &nobody, ("add", "age", json!(1))).unwrap_err();
    assert_eq!(kind, ErrorType::InvalidValue);
}

#[test]
fn types_are_brought_about_or_demanded() {
    let catalogue = catalogue(json!([
        {"name": "b", "type": "boolean"}, {"name": "i", "type": "integer"},
        {"name": "d", "type": "decimal"}, {"name": "t", "type": "dateTime"},
        {"name": "x", "type": "binary"}, {"name": "r", "type": "reference"},
        {"name": "s"}, {"name": "l", "multiValued": true},
        {"name": "k", "canonicalValues": ["one", "two"]}
    ]));
    let take = |leniency, name: &str, value: Value| {
        let resource = post_with(&catalogue, json!({name: value}), leniency);
        resource.ok().map(|resource| resource.attributes().get(URN).map(|it| it[name].clone()))
    };
    for (name, value, lenient, is_strict) in [
        ("b", json!(true), Some(json!(true)), true),
        ("b", json!("True"), Some(json!(true)), false),
        ("b", json!("yes"), None, false),
        ("i", json!(5), Some(json!(5)), true),
        ("i", json!("5"), Some(json!(5)), false),
        ("i", json!(5.0), Some(json!(5)), false),
        ("i", json!(5.5), None, false),
        ("i", json!(1e300), None, false),
        ("d", json!(5.5), Some(json!(5.5)), true),
        ("d", json!("5.5"), Some(json!(5.5)), false),
        ("d", json!("NaN"), None, false),
        ("t", json!("2011-05-13T04:42:34Z"), Some(json!("2011-05-13T04:42:34Z")), true),
        ("t", json!("soon"), Some(json!("soon")), false),
        ("x", json!("AbCd"), Some(json!("AbCd")), true),
        ("x", json!("A*"), Some(json!("A*")), false),
        ("r", json!("https://example.com/x"), Some(json!("https://example.com/x")), true),
        ("r", json!(true), None, false),
        ("s", json!(5), Some(json!("5")), false),
        ("l", json!(["a", "a", "b"]), Some(json!(["a", "b"])), true),
        ("l", json!("a"), Some(json!(["a"])), false),
        ("k", json!("three"), Some(json!("three")), true), // Only a suggestion.
    ] {
        assert_eq!(
            take(Leniency::Lenient, name, value.clone()),
            lenient.clone().map(Some),
            "{name} {value}"
        );
        let strict = lenient.filter(|_| is_strict).map(Some);
        assert_eq!(take(Leniency::Strict, name, value.clone()), strict, "{name} {value}");
    }
    for nothing in [json!(null), json!([]), json!({}), json!("")] {
        for name in ["b", "i", "t", "s", "l"] {
            let taken = take(Leniency::Lenient, name, nothing.clone());
            assert_eq!(taken, Some(None), "{name} {nothing}");
        }
    }
}
