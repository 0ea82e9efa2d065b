//! How much one value may be.
//!
//! Names are found in any case, so that a look-up in a free-form object may have to scan it: the
//! bounds here keep the work of one request in proportion to its size.

use std::collections::HashSet;
use std::fmt::Display;

use serde_json::{Map, Value};

use crate::elements::VALUES_MAX;
use crate::error::{Echo, Error};

/// The most attributes of one object: a resource, an extension, a complex value. Far above what
/// IdPs send.
pub const ATTRIBUTES_MAX: usize = 1_000;

/// The longest text, in bytes.
pub const TEXT_BYTES_MAX: usize = 64 << 10;

/// The longest name of a resource or of a member, in characters: `userName`, `displayName`,
/// `externalId`, and the `value` of a member.
pub const NAME_CHARS_MAX: usize = 1_024;

/// The largest resource, in bytes of JSON, escapes not counted. No request that IdPs send comes
/// near it; PATCH could otherwise write a long text into each element of a list.
pub const RESOURCE_BYTES_MAX: usize = 1 << 20;

/// Up to how many names of an object are compared with each other, without allocation: a large
/// group has a small object for each member.
const SCANNED_MAX: usize = 8;

/// The attributes that name a resource.
const NAMES: [&str; 3] = ["userName", "displayName", "externalId"];

/// Refuses an object of more than [`ATTRIBUTES_MAX`] attributes.
pub(crate) fn check_attributes(name: &str, count: usize) -> Result<(), Error> {
    if count <= ATTRIBUTES_MAX {
        return Ok(());
    }
    let detail = format!("'{}' has {count} attributes, more than {ATTRIBUTES_MAX}", Echo(name));
    Err(Error::invalid_value(detail))
}

/// Refuses an object of more than [`ATTRIBUTES_MAX`] attributes, and one that has a name twice, in
/// different case: nobody can say which one was meant.
pub(crate) fn check_object(name: &str, object: &Map<String, Value>) -> Result<(), Error> {
    check_attributes(name, object.len())?;
    match repeated(object) {
        Some(key) => {
            let detail = format!("'{}' is there twice, in different case", Echo(key));
            Err(Error::invalid_syntax(detail))
        }
        None => Ok(()),
    }
}

/// A name that is there twice, in different case.
fn repeated(object: &Map<String, Value>) -> Option<&String> {
    if object.len() <= SCANNED_MAX {
        let is_before = |index: usize, key: &String| {
            object.keys().take(index).any(|before| before.eq_ignore_ascii_case(key))
        };
        let mut keys = object.keys().enumerate();
        return keys.find(|(index, key)| is_before(*index, key)).map(|(_, key)| key);
    }
    let mut seen = HashSet::with_capacity(object.len());
    object.keys().find(|key| !seen.insert(key.to_ascii_lowercase()))
}

/// Refuses a list of more than [`VALUES_MAX`] values.
pub(crate) fn check_values(name: &str, count: usize) -> Result<(), Error> {
    if count <= VALUES_MAX {
        return Ok(());
    }
    Err(Error::invalid_value(format!(
        "'{}' has {count} values, more than {VALUES_MAX}",
        Echo(name)
    )))
}

/// Refuses a text of more than [`TEXT_BYTES_MAX`] bytes, and for the attributes that name a
/// resource one of more than [`NAME_CHARS_MAX`] characters or with control characters.
pub(crate) fn check_text(name: &str, text: &str) -> Result<(), Error> {
    if NAMES.contains(&name) {
        if text.chars().any(|c| c.is_ascii_control()) {
            let detail = format!("'{name}' must not have control characters");
            return Err(Error::invalid_value(detail));
        }
        return check_name(format_args!("'{name}'"), text);
    }
    if text.len() <= TEXT_BYTES_MAX {
        return Ok(());
    }
    let length = text.len();
    let detail = format!("'{}' is {length} bytes long, longer than {TEXT_BYTES_MAX}", Echo(name));
    Err(Error::invalid_value(detail))
}

/// Refuses a resource, or a part of one, of more than [`RESOURCE_BYTES_MAX`] bytes.
///
/// 400 and not 413: a request can be small and what comes of it too large.
pub(crate) fn check_bytes(name: &str, bytes: usize) -> Result<(), Error> {
    if bytes <= RESOURCE_BYTES_MAX {
        return Ok(());
    }
    let name = Echo(name);
    let detail = format!("'{name}' would be larger than {RESOURCE_BYTES_MAX} bytes of JSON");
    Err(Error::invalid_value(detail))
}

/// About how many bytes of JSON a value is: numbers are taken for long ones, and what has to be
/// escaped is not looked for, so that no text is read. PATCH asks this after every change.
pub(crate) fn bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 20,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| bytes(item) + 1).sum::<usize>() + 2,
        Value::Object(object) => object_bytes(object),
    }
}

/// The same for an object.
pub(crate) fn object_bytes(object: &Map<String, Value>) -> usize {
    let members = object.iter().map(|(name, value)| name.len() + bytes(value) + 4);
    members.sum::<usize>() + 2
}

/// Refuses a name of more than [`NAME_CHARS_MAX`] characters.
pub(crate) fn check_name(what: impl Display, text: &str) -> Result<(), Error> {
    if text.len() <= NAME_CHARS_MAX || text.chars().count() <= NAME_CHARS_MAX {
        return Ok(());
    }
    let detail = format!("{what} is longer than {NAME_CHARS_MAX} characters");
    Err(Error::invalid_value(detail))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::patch::{Options, Request};
    use crate::{Catalogue, Kind, Resource};

    const URN: &str = "urn:a:b:2.0:User";

    fn parsed(kind: Kind, body: Value) -> Result<Resource, String> {
        let parsed = Resource::parse(kind, body, Catalogue::standard());
        parsed.map(|parsed| parsed.resource).map_err(|error| error.detail)
    }

    /// What PATCH says to these operations on a user with an extension that is full.
    fn patched(operations: &Value) -> String {
        let body = json!({"userName": "w", URN: object(0..ATTRIBUTES_MAX)});
        let mut user = parsed(Kind::User, body).unwrap();
        Request::parse(json!({"Operations": operations}), Kind::User, Catalogue::standard())
            .and_then(|it| {
                it.apply(&mut user, Kind::User, Catalogue::standard(), &Options::LENIENT)
            })
            .unwrap_err()
            .detail
    }

    /// What the parser of PATCH says to these operations; nothing if it takes them.
    fn refused(operations: &Value) -> String {
        let request =
            Request::parse(json!({"Operations": operations}), Kind::User, Catalogue::standard());
        request.err().map(|error| error.detail).unwrap_or_default()
    }

    fn object(range: std::ops::Range<usize>) -> Map<String, Value> {
        range.map(|n| (format!("k{n}"), json!(n))).collect()
    }

    #[test]
    fn no_object_has_more_attributes_than_the_limit() {
        let large = || object(0..300_000);
        for (body, named) in [
            (json!({"userName": "w", URN: large()}), URN),
            (json!({"userName": "w", URN: {"deep": [large()]}}), "deep"),
            (json!({"userName": "w", "name": large()}), "name"),
            (json!({"userName": "w", "emails": [large()]}), "emails"),
            (
                json!({"userName": "w", crate::urn::ENTERPRISE_USER: large()}),
                crate::urn::ENTERPRISE_USER,
            ),
            (json!({"userName": "w", crate::urn::CORE_USER: large()}), crate::urn::CORE_USER),
            (Value::Object(large()), "User"),
        ] {
            let said = format!("'{named}' has 300000 attributes, more than 1000");
            assert_eq!(parsed(Kind::User, body).unwrap_err(), said);
        }
        let more = format!("{URN}:more");
        let body = json!({"userName": "w", URN: object(0..ATTRIBUTES_MAX), more: 1});
        let said = parsed(Kind::User, body).unwrap_err();
        assert!(said.ends_with("has 1001 attributes, more than 1000"), "{said}");
    }

    #[test]
    fn patch_lets_none_grow_beyond_the_limit() {
        let path = format!("{URN}:more");
        for (operation, said) in [
            (json!({"path": path, "value": 1}), "1001 attributes"),
            (json!({"value": {URN: {"more": 1}}}), "1001 attributes"),
            (json!({"value": {URN: object(0..1001)}}), "1001 attributes"),
            (json!({"value": object(0..1001)}), "1001 attributes"),
            (json!({"path": URN, "value": object(0..1001)}), "1001 attributes"),
            (json!({"path": format!("{URN}:k1"), "value": object(0..1001)}), "1001 attributes"),
            (json!({"path": format!("{URN}:k1"), "value": vec![1; 1001]}), "1001 values"),
        ] {
            let mut operation = operation;
            operation["op"] = json!("add");
            let found = patched(&json!([operation]));
            assert!(found.contains(said), "{operation}: {found}");
        }
        let many = json!({"op": "add", "value": {URN: object(0..ATTRIBUTES_MAX)}});
        let found = patched(&Value::from(vec![many; 11]));
        assert_eq!(found, "the operations change more than 10000 attributes");
        let said = "the operations look into lists more than 1000 times";
        for sub in ["emails.display", "emails[type pr].display", "urn:x:y:list.sub"] {
            let many = json!({"op": "add", "path": sub, "value": "x"});
            let pair = json!({"op": "add", "value": {sub: "x", "name.givenName": "y"}});
            assert!(!refused(&Value::from(vec![many.clone(); 1000])).contains(said));
            let mut operations = vec![many; 999];
            operations.push(json!({"op": "add", "value": {sub: "x", "emails.type": "y"}}));
            assert_eq!(patched(&Value::from(operations)), said);
            assert!(!refused(&Value::from(vec![pair; 1000])).contains(said));
        }
    }

    #[test]
    fn each_comparison_of_a_filter_looks_into_the_list() {
        let said = "the operations look into lists more than 1000 times";
        let remove = |attribute: &str, comparisons: usize| {
            let filter = vec!["value eq \"a\""; comparisons].join(" or ");
            json!({"op": "remove", "path": format!("{attribute}[{filter}]")})
        };
        let four = |attribute| Value::from(vec![remove(attribute, 250); 4]);
        let more = |attribute| {
            let mut operations = vec![remove(attribute, 250); 4];
            operations.push(remove(attribute, 1));
            Value::from(operations)
        };
        for attribute in ["emails", "urn:x:y:list"] {
            assert_eq!(refused(&four(attribute)), "");
            assert_eq!(refused(&more(attribute)), said);
        }
        // Members of a group are counted where it is known how many there are.
        let group = json!({"Operations": vec![remove("members", 250); 40]});
        assert!(Request::parse(group, Kind::Group, Catalogue::standard()).is_ok());
    }

    #[test]
    fn filters_do_not_read_long_texts_again_and_again() {
        let texts: Vec<_> =
            (0..15).map(|n| format!("{n}{}", "x".repeat(TEXT_BYTES_MAX - 9))).collect();
        let long = json!({"userName": "w", "roles": texts});
        let short = json!({"userName": "w", "roles": ["a", "b"]});
        let clause = "value co \"z\" or type eq \"t\"";
        let said = |body: &Value, comparisons: usize| {
            let mut user = parsed(Kind::User, body.clone()).unwrap();
            let filter = vec![clause; comparisons / 4].join(" or ");
            let half = json!({"op": "remove", "path": format!("roles[not ({filter})].display")});
            let request = json!({"Operations": [half, half]});
            let request = Request::parse(request, Kind::User, Catalogue::standard()).unwrap();
            let (catalogue, options) = (Catalogue::standard(), Options::LENIENT);
            request.apply(&mut user, Kind::User, catalogue, &options).err()
        };
        assert_eq!(said(&short, 500), None);
        assert_eq!(said(&long, 32), None);
        let refused = said(&long, 40).unwrap();
        assert_eq!(refused.scim_type, Some(crate::ErrorType::TooMany));
        assert!(refused.detail.starts_with("operation 2 (remove roles["), "{refused}");
        assert!(refused.detail.ends_with("bytes, more than 33554432"), "{refused}");
    }

    #[test]
    fn no_resource_is_larger_than_the_limit() {
        for value in
            [json!({"a": [1, true, null, "x"], "b": {}, "ü": []}), json!([[], {}, [0.5, -7], ""])]
        {
            let (counted, real) = (bytes(&value), value.to_string().len());
            assert!((real..real * 4).contains(&counted), "{counted} {real}");
        }
        let text = "x".repeat(TEXT_BYTES_MAX);
        let body = |count| {
            let texts = (0..count).map(|n| (format!("k{n}"), json!(text))).collect();
            json!({"userName": "w", URN: Value::Object(texts)})
        };
        assert!(parsed(Kind::User, body(15)).is_ok());
        let said = "'User' would be larger than 1048576 bytes of JSON";
        assert_eq!(parsed(Kind::User, body(16)).unwrap_err(), said);
        let emails: Vec<_> = (0..20).map(|n| json!({"value": n.to_string()})).collect();
        let operations = |path| {
            json!([
                {"op": "add", "path": "emails", "value": emails},
                {"op": "add", "path": path, "value": text}
            ])
        };
        for path in ["emails.display", "emails[value pr].display"] {
            let said = "'emails' would be larger than 1048576 bytes of JSON";
            let found = patched(&operations(path));
            assert!(found.ends_with(said), "{found}");
        }
        let elements: Vec<_> = (0..20).map(|n| json!({"a": n})).collect();
        let list = json!({"op": "add", "path": format!("{URN}:k1"), "value": elements});
        let long = json!({"op": "add", "path": format!("{URN}:k1[a pr].b"), "value": text});
        let found = patched(&json!([list, long]));
        assert!(found.ends_with("'k1' would be larger than 1048576 bytes of JSON"), "{found}");
    }

    #[test]
    fn no_text_is_longer_than_the_limit() {
        let long = |bytes: usize| "x".repeat(bytes);
        let user = |name: &str, value: Value| {
            let mut body = json!({"userName": "w"});
            body[name] = value;
            parsed(Kind::User, body).map(drop)
        };
        for name in ["userName", "displayName", "externalId"] {
            assert_eq!(user(name, json!("ü".repeat(1024))), Ok(()), "{name}");
            let said = format!("'{name}' is longer than 1024 characters");
            assert_eq!(user(name, json!("ü".repeat(1025))), Err(said));
            for control in ["\0", "\n", "\u{1b}", "\u{7f}"] {
                let said = format!("'{name}' must not have control characters");
                assert_eq!(user(name, json!(format!("a{control}b"))), Err(said));
            }
        }
        let (good, bad) = (long(TEXT_BYTES_MAX), long(TEXT_BYTES_MAX + 1));
        let said = "is 65537 bytes long, longer than 65536";
        assert_eq!(user("title", json!(good)), Ok(()));
        assert_eq!(user(URN, json!({"k": [good]})), Ok(()));
        assert_eq!(user("title", json!(bad)), Err(format!("'title' {said}")));
        assert_eq!(user(URN, json!({"k": [bad]})), Err(format!("'k' {said}")));
        assert_eq!(
            user("emails", json!([{"value": bad}])),
            Err(format!("'emails': 'value' {said}"))
        );
        let found = patched(&json!([{"op": "add", "path": "emails.display", "value": bad}]));
        assert!(found.ends_with(&format!("'display' {said}")), "{found}");
        let found = patched(&json!([{"op": "add", "path": format!("{URN}:k1"), "value": bad}]));
        assert!(found.ends_with(&format!("'k1' {said}")), "{found}");
        let group = |value: &str| {
            parsed(Kind::Group, json!({"displayName": "g", "members": [{"value": value}]}))
                .map(drop)
        };
        assert_eq!(group(&long(1024)), Ok(()));
        let said = "'members' entry 1 is longer than 1024 characters";
        assert_eq!(group(&long(1025)), Err(said.to_owned()));
    }

    #[test]
    fn a_name_that_is_there_twice_in_different_case_is_refused() {
        for (body, named) in [
            (json!({"USERNAME": "w", "userName": "v"}), "userName"),
            (json!({"userName": "w", "name": {"GivenName": "a", "givenName": "b"}}), "givenName"),
            (json!({"userName": "w", "emails": [{"VALUE": "a", "value": "b"}]}), "value"),
            (json!({"userName": "w", URN: {"K": 1, "k": 2}}), "k"),
            (json!({"userName": "w", URN: {"deep": {"K": 1, "k": 2}}}), "k"),
            (
                json!({"userName": "w", URN: {
                    "A": 1, "B": 1, "C": 1, "D": 1, "E": 1, "F": 1, "G": 1, "H": 1, "a": 1
                }}),
                "a",
            ),
        ] {
            let error = Resource::parse(Kind::User, body, Catalogue::standard()).unwrap_err();
            assert_eq!(error.scim_type, Some(crate::ErrorType::InvalidSyntax));
            assert_eq!(error.detail, format!("'{named}' is there twice, in different case"));
        }
        let members = json!({"displayName": "g", "members": [{"value": "u", "VALUE": "v"}]});
        let said = "'value' is there twice, in different case";
        assert_eq!(parsed(Kind::Group, members).unwrap_err(), said);
        for operation in [
            json!({"OP": "add", "op": "add", "path": "title", "value": "x"}),
            json!({"op": "add", "value": {"TITLE": "x", "title": "y"}}),
            json!({"op": "add", "value": {URN: {"TITLE": "x", "title": "y"}}}),
            json!({"op": "add", "path": URN, "value": {"TITLE": "x", "title": "y"}}),
        ] {
            let found = patched(&json!([operation]));
            assert!(found.ends_with("is there twice, in different case"), "{operation}: {found}");
        }
    }
}
