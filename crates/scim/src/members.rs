//! The members of a group, as clients name them.
//!
//! A group can have a hundred thousand members, so nothing here needs the group: the bodies of
//! POST and PUT give a list of values, a PATCH operation gives a [`MemberChange`], and whoever
//! keeps the set applies it. RFC 7643 §4.2, RFC 7644 §3.5.2.

use std::collections::HashSet;

use serde_json::Value;

use crate::bounds;
use crate::coerce::{Coercion, Leniency};
use crate::error::{Echo, Error};
use crate::filter::{Filter, Matcher};
use crate::object;
use crate::patch::{Change, Op, names_no_values};
use crate::path::AttributePath;
use crate::schema::{Catalogue, Kind};
use crate::urn;

/// One member in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberValue {
    /// What names the member: by the RFC its id, in practice anything. Never empty.
    pub value: String,
    /// The resource type if the client says so; other words than the two are ignored.
    pub kind: Option<Kind>,
}

/// What a PATCH operation does to the members of a group.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberChange {
    /// These become members.
    Add(Vec<String>),
    /// These are no members any more.
    Remove(Vec<String>),
    /// Nobody is a member any more.
    RemoveAll,
    /// These are the members, and nobody else.
    Replace(Vec<String>),
    /// Those that match are no members any more. The filter is on the sub-attributes `value`,
    /// `$ref`, `type` and `display`.
    RemoveMatching(Filter),
}

/// Reads a change as one of the members; `None` if it is about something else.
///
/// Only a [`Kind::Group`] has members, so call this for groups only. `remove` with a list of values
/// removes those and no others, an empty list nobody; a filter that compares `value` with `eq`, joined by `or`, gives a
/// list, whatever its length.
///
/// [`of_with`] takes `remove` to the letter.
///
/// # Errors
/// `invalidValue` for an entry without a usable `value`, `mutability` for a change of a
/// sub-attribute, `invalidPath` for `add` and `replace` with a filter, `invalidFilter`.
///
/// # Source
/// RFC 7644 §3.5.2; RFC 7643 §4.2: "sub-attributes of members are "immutable"". `remove` with a
/// list is what many IdPs send; to the letter of §3.5.2.2 it would empty the group.
pub fn of(change: &Change) -> Result<Option<MemberChange>, Error> {
    of_with(change, Leniency::Lenient)
}

/// The same as [`of`]; strict lets `remove` without a filter empty the group whatever its value,
/// and takes members only as the schema has them: a list of objects.
///
/// # Errors
/// As [`of`]; strict also has `invalidValue` for what is no list of objects.
///
/// # Source
/// RFC 7644 §3.5.2.2: "If the target location is a multi-valued attribute and no filter is
/// specified, the attribute and all values are removed". [`crate::patch::Request::parse_with`] has
/// made a list of the one object that `add` may give.
pub fn of_with(change: &Change, leniency: Leniency) -> Result<Option<MemberChange>, Error> {
    if !is_members(&change.path.attribute) {
        return Ok(None);
    }
    let is_whole = change.path.filter.is_none() && change.path.sub().is_none();
    if leniency == Leniency::Strict && change.op == Op::Remove && is_whole {
        return Ok(Some(MemberChange::RemoveAll));
    }
    let place = || {
        format!("operation {} ({} {})", change.operation_index + 1, change.op, Echo(&change.path))
    };
    read(change, leniency).map(Some).map_err(|error| error.at(place()))
}

/// Binds the filter of [`MemberChange::RemoveMatching`]; it is evaluated on one member as it
/// appears in a document, `{"value": …, "type": …}`.
///
/// # Errors
/// `invalidFilter`; never for a filter that comes from [`of`].
pub fn matcher(filter: &Filter) -> Result<Matcher<'_>, Error> {
    Matcher::element(filter, Catalogue::standard().core_attribute(Kind::Group, "members"))
}

/// Whether a path names the members of a group.
pub(crate) fn is_members(path: &AttributePath) -> bool {
    let in_core = |urn: &String| urn.eq_ignore_ascii_case(urn::CORE_GROUP);
    path.name.eq_ignore_ascii_case("members") && path.schema.as_ref().is_none_or(in_core)
}

fn read(change: &Change, leniency: Leniency) -> Result<MemberChange, Error> {
    if change.path.sub().is_some() {
        return Err(Error::mutability("the sub-attributes of members cannot be changed"));
    }
    let given = || values(change.value.clone().unwrap_or(Value::Null), leniency).map(names);
    match (change.op, &change.path.filter) {
        (Op::Add, None) => Ok(MemberChange::Add(given()?)),
        (Op::Replace, None) => {
            let names = given()?;
            Ok(if names.is_empty() {
                MemberChange::RemoveAll
            } else {
                MemberChange::Replace(names)
            })
        }
        (Op::Remove, None) if names_no_values(change.value.as_ref()) => Ok(MemberChange::RemoveAll),
        (Op::Remove, None) => Ok(MemberChange::Remove(given()?)),
        (Op::Remove, Some(filter)) => {
            if let Some(named) = named(filter) {
                return Ok(MemberChange::Remove(named));
            }
            matcher(filter)?;
            Ok(MemberChange::RemoveMatching(filter.clone()))
        }
        (Op::Replace, Some(_)) if change.value.as_ref().is_some_and(object::is_empty) => {
            read(&Change { op: Op::Remove, value: None, ..change.clone() }, leniency)
        }
        (Op::Add | Op::Replace, Some(_)) => {
            Err(Error::invalid_path("members are added and replaced without a filter"))
        }
    }
}

/// The values of a filter that is nothing but `value eq …` joined by `or`.
fn named(filter: &Filter) -> Option<Vec<String>> {
    let terms = match filter {
        Filter::Or(terms) => terms.as_slice(),
        term => std::slice::from_ref(term),
    };
    let value = AttributePath::new("value");
    terms
        .iter()
        .map(|term| match term.equality()? {
            (path, Value::String(name)) if *path == value => Some(name.clone()),
            (path, Value::Number(name)) if *path == value => Some(name.to_string()),
            _ => None,
        })
        .collect()
}

fn names(members: Vec<MemberValue>) -> Vec<String> {
    members.into_iter().map(|member| member.value).collect()
}

/// Reads a value of `members`: a list, one object, or one text; repeated values count once. Strict
/// takes a list of objects with the types of the schema.
///
/// # Errors
/// `invalidValue` for an entry that has no usable `value`.
pub(crate) fn values(value: Value, leniency: Leniency) -> Result<Vec<MemberValue>, Error> {
    let is_strict = leniency == Leniency::Strict;
    let items = match value {
        Value::Array(items) => items,
        value if object::is_empty(&value) => return Ok(Vec::new()),
        _ if is_strict => return Err(Error::invalid_value("'members' must be a list")),
        value => vec![value],
    };
    let definition =
        Catalogue::standard().core_attribute(Kind::Group, "members").filter(|_| is_strict);
    let mut coercion = Coercion::new(leniency);
    let mut members = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let no_value = || format!("'members' entry {} has no value", index + 1);
        if let Value::Object(object) = &item {
            bounds::check_object("members", object)?;
        }
        let item = match definition {
            Some(attribute) => coercion.element(attribute, item)?.unwrap_or_default(),
            None => item,
        };
        let member = member(item).ok_or_else(|| Error::invalid_value(no_value()))?;
        bounds::check_name(format_args!("'members' entry {}", index + 1), &member.value)?;
        members.push(member);
    }
    let mut seen = HashSet::with_capacity(members.len());
    let is_new: Vec<_> = members.iter().map(|member| seen.insert(member.value.as_str())).collect();
    let mut is_new = is_new.into_iter();
    members.retain(|_| is_new.next().unwrap_or(true));
    Ok(members)
}

fn member(item: Value) -> Option<MemberValue> {
    let Value::Object(mut object) = item else {
        return Some(MemberValue { value: id(item)?, kind: None });
    };
    let value = id(object::remove(&mut object, "value")?)?;
    let named = object::get(&object, "type").and_then(Value::as_str);
    let kind = Kind::ALL
        .into_iter()
        .find(|kind| named.is_some_and(|named| named.eq_ignore_ascii_case(kind.name())));
    Some(MemberValue { value, kind })
}

fn id(value: Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;
    use crate::patch::Request;

    /// One line for each operation: what it does to the members, or the error.
    #[expect(clippy::needless_pass_by_value, reason = "an `expect![]` is written where it is used")]
    fn check(operations: Value, expected: Expect) {
        let body = json!({"Operations": operations});
        let request = Request::parse(body, Kind::Group, Catalogue::standard()).unwrap();
        let lines: Vec<_> = request
            .changes
            .iter()
            .map(|change| match of(change) {
                Ok(None) => format!("- {}", change.path),
                Ok(Some(MemberChange::RemoveMatching(filter))) => {
                    format!("RemoveMatching {filter}")
                }
                Ok(Some(change)) => format!("{change:?}"),
                Err(error) => {
                    format!("! {} {error}", error.scim_type.map_or("-", crate::ErrorType::as_str))
                }
            })
            .collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn section_3_5_2_1_add_a_member() {
        check(
            json!([{
                "op": "add",
                "path": "members",
                "value": [{
                    "display": "Babs Jensen",
                    "$ref": "https://example.com/v2/Users/2819c223...413861904646",
                    "value": "2819c223-7f76-453a-919d-413861904646"
                }]
            }]),
            expect![[r#"Add(["2819c223-7f76-453a-919d-413861904646"])"#]],
        );
    }

    #[test]
    fn section_3_5_2_2_remove_members() {
        check(
            json!([
                {"op": "remove", "path": "members[value eq \"2819c223-7f76-...413861904646\"]"},
                {"op": "remove", "path": "members"},
                {"op": "remove", "path": "members[value eq\"2819c223...919d-413861904646\"]"},
                {"op": "add", "path": "members", "value": [{
                    "display": "James Smith",
                    "$ref": "https://example.com/v2/Users/08e1d05d...473d93df9210",
                    "value": "08e1d05d...473d93df9210"
                }]}
            ]),
            expect![[r#"
                Remove(["2819c223-7f76-...413861904646"])
                RemoveAll
                Remove(["2819c223...919d-413861904646"])
                Add(["08e1d05d...473d93df9210"])"#]],
        );
    }

    #[test]
    fn section_3_5_2_3_replace_all_members() {
        check(
            json!([{
                "op": "replace",
                "path": "members",
                "value": [
                    {
                        "display": "Babs Jensen",
                        "$ref": "https://example.com/v2/Users/2819c223...413861904646",
                        "value": "2819c223...413861904646"
                    },
                    {
                        "display": "James Smith",
                        "$ref": "https://example.com/v2/Users/08e1d05d...473d93df9210",
                        "value": "08e1d05d...473d93df9210"
                    }
                ]
            }]),
            expect![[r#"Replace(["2819c223...413861904646", "08e1d05d...473d93df9210"])"#]],
        );
    }

    #[test]
    fn what_clients_send() {
        check(
            json!([
                {"op": "Add", "path": "members", "value": [{"$ref": null, "value": "f648f8d5"}]},
                {"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "f648f8d5"}]},
                {"op": "replace", "value": {"members": [{"value": "a"}, {"VALUE": "a", "display": null}]}},
                {"op": "replace", "value": {"id": "g", "displayName": "New"}},
                {"op": "replace", "path": "members", "value": []},
                {"op": "replace", "path": "members", "value": null},
                {"op": "remove", "path": "members", "value": []},
                {"op": "remove", "path": "members", "value": null},
                {"op": "add", "path": "members", "value": {"value": "one"}},
                {"op": "add", "path": "members", "value": "one"},
                {"op": "add", "path": "members", "value": ["one", 2, {"value": 3}]},
                {"op": "add", "path": "members", "value": []},
                {"op": "remove", "path": "members[value eq \"a\" or value eq \"b\"]"},
                {"op": "replace", "path": "MEMBERS[value eq \"a\"]", "value": ""},
                {"op": "remove", "path": "urn:ietf:params:scim:schemas:core:2.0:Group:members[type eq \"Group\"]"},
                {"op": "remove", "path": "members[value sw \"a\" or value eq \"b\"]"},
                {"op": "add", "path": "externalId", "value": "members"}
            ]),
            expect![[r#"
                Add(["f648f8d5"])
                Remove(["f648f8d5"])
                Replace(["a"])
                - displayName
                RemoveAll
                RemoveAll
                Remove([])
                RemoveAll
                Add(["one"])
                Add(["one"])
                Add(["one", "2", "3"])
                Add([])
                Remove(["a", "b"])
                Remove(["a"])
                RemoveMatching type eq "Group"
                RemoveMatching value sw "a" or value eq "b"
                - externalId"#]],
        );
    }

    #[test]
    fn what_cannot_be_done() {
        check(
            json!([
                {"op": "add", "path": "members", "value": [{"display": "x"}]},
                {"op": "add", "path": "members", "value": [{"value": "a"}, {"value": ""}]},
                {"op": "add", "path": "members", "value": [null]},
                {"op": "add", "path": "members", "value": true},
                {"op": "add", "path": "members[value eq \"a\"]", "value": "a"},
                {"op": "replace", "path": "members[value eq \"a\"].display", "value": "a"},
                {"op": "replace", "path": "members.value", "value": "a"},
                {"op": "remove", "path": "members[value.x gt 5 and active.y pr]"}
            ]),
            expect![[r#"
                ! invalidValue operation 1 (add members): 'members' entry 1 has no value
                ! invalidValue operation 2 (add members): 'members' entry 2 has no value
                ! invalidValue operation 3 (add members): 'members' entry 1 has no value
                ! invalidValue operation 4 (add members): 'members' entry 1 has no value
                ! invalidPath operation 5 (add members[value eq "a"]): members are added and replaced without a filter
                ! mutability operation 6 (replace members[value eq "a"].display): the sub-attributes of members cannot be changed
                ! mutability operation 7 (replace members.value): the sub-attributes of members cannot be changed
                RemoveMatching value.x gt 5 and active.y pr"#]],
        );
    }

    #[test]
    fn to_the_letter_removal_without_a_filter_empties_the_group() {
        let operations = json!([
            {"op": "remove", "path": "members", "value": [{"value": "a"}]},
            {"op": "remove", "path": "members[value eq \"a\"]"}
        ]);
        let body = json!({"Operations": operations});
        let request = Request::parse(body, Kind::Group, Catalogue::standard()).unwrap();
        let changes: Vec<_> = request
            .changes
            .iter()
            .map(|change| of_with(change, Leniency::Strict).unwrap().unwrap())
            .collect();
        assert_eq!(changes, [MemberChange::RemoveAll, MemberChange::Remove(vec!["a".to_owned()])]);
    }

    #[test]
    fn to_the_letter_members_are_a_list_of_objects() {
        let change = |operation: Value| {
            let body = json!({"schemas": [urn::PATCH_OP], "Operations": [operation]});
            let (catalogue, strict) = (Catalogue::standard(), Leniency::Strict);
            let request = Request::parse_with(body, Kind::Group, catalogue, strict)?;
            of_with(&request.changes[0], strict)
        };
        let body = |members: Value| {
            let body =
                json!({"schemas": [urn::CORE_GROUP], "displayName": "g", "members": members});
            let (catalogue, strict) = (Catalogue::standard(), Leniency::Strict);
            let parsed = crate::Resource::parse_with(Kind::Group, body, catalogue, strict)?;
            Ok(parsed.members.unwrap().into_iter().map(|member| member.value).collect::<Vec<_>>())
        };
        let replace =
            |value: &Value| change(json!({"op": "replace", "path": "members", "value": value}));
        let add = |value: &Value| change(json!({"op": "add", "path": "members", "value": value}));
        let whole = |value: &Value| change(json!({"op": "add", "value": {"members": value}}));
        let one = ["a".to_owned()];
        let list =
            json!([{"value": "a", "display": "A", "type": "User", "$ref": "../Users/a", "x": 1}]);
        assert_eq!(body(list.clone()), Ok(one.to_vec()));
        assert_eq!(body(json!([])), Ok(Vec::new()));
        assert_eq!(add(&list), Ok(Some(MemberChange::Add(one.to_vec()))));
        assert_eq!(whole(&list), Ok(Some(MemberChange::Add(one.to_vec()))));
        assert_eq!(replace(&list), Ok(Some(MemberChange::Replace(one.to_vec()))));
        for (bad, said) in [
            (json!(["a"]), "'members' must be an object, not a string"),
            (json!([7]), "'members' must be an object, not a number"),
            (json!("a"), "'members' must be a list"),
            (json!({"value": "a"}), "'members' must be a list"),
            (json!([{"value": 7}]), "'members': 'value' must be a string, not a number"),
            (
                json!([{"value": "a", "type": 7}]),
                "'members': 'type' must be a string, not a number",
            ),
            (json!([{"display": "a"}]), "'members' entry 1 has no value"),
            (json!([null]), "'members' entry 1 has no value"),
        ] {
            assert_eq!(body(bad.clone()), Err(Error::invalid_value(said)), "{bad}");
            for changed in [replace(&bad), whole(&bad)] {
                let error = changed.unwrap_err();
                assert_eq!(
                    (error.status, error.scim_type),
                    (400, Some(crate::ErrorType::InvalidValue))
                );
                assert!(error.detail.ends_with(said), "{bad}: {error}");
            }
            // §3.5.2.1: the value of `add` "may be a JSON object", "a new value is added".
            assert_eq!(add(&bad).is_ok(), bad.is_object(), "{bad}");
        }
    }

    #[test]
    fn what_a_client_says_of_display_is_not_heard() {
        let display = Catalogue::standard().core_attribute(Kind::Group, "members").unwrap();
        assert!(display.sub("display").unwrap().is_read_only());
        for leniency in [Leniency::Lenient, Leniency::Strict] {
            let member = |display: Value| json!([{"value": "a", "display": display}]);
            for display in [json!("A"), json!(7), json!(null)] {
                let values = values(member(display), leniency).unwrap();
                assert_eq!(values, [MemberValue { value: "a".to_owned(), kind: None }]);
            }
        }
    }

    #[test]
    fn members_are_matched_as_they_appear_in_documents() {
        let filter = Filter::parse(r#"type eq "group" and value sw "g""#).unwrap();
        let matcher = matcher(&filter).unwrap();
        assert!(matcher.matches(&json!({"value": "g1", "type": "Group"})));
        assert!(!matcher.matches(&json!({"value": "G1", "type": "Group"})));
    }

    #[test]
    fn bodies_name_members_with_their_type() {
        let body = json!({
            "displayName": "g",
            "members": [{"value": "u1", "type": "user"}, {"value": "g1", "type": "Group"},
                {"value": "x", "type": "Device"}, {"value": "u1"}]
        });
        let member = |value: &str, kind| MemberValue { value: value.to_owned(), kind };
        let parse = |body| crate::Resource::parse(Kind::Group, body, Catalogue::standard());
        assert_eq!(
            parse(body).unwrap().members,
            Some(vec![
                member("u1", Some(Kind::User)),
                member("g1", Some(Kind::Group)),
                member("x", None)
            ])
        );
        assert_eq!(parse(json!({"displayName": "g"})).unwrap().members, None);
        assert_eq!(
            parse(json!({"displayName": "g", "members": null})).unwrap().members,
            Some(vec![])
        );
    }
}
