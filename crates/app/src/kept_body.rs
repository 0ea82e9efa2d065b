//! What is kept of a request's body, where an administrator has them kept (rule 33): everything but passwords.
//!
//! No portal keeps a password, so that no log of one may. What says `password` is not kept, wherever it
//! stands: as an attribute, plain or under its URN, in the value of a PATCH and behind its path, in the
//! operations of a bulk request, in a filter, or as JSON within a text. That takes too much rather than too
//! little: `passwordHint` goes as well.
//!
//! Where there is nothing of that kind, a body is kept byte for byte. Otherwise it is written anew from what
//! was read of it, since of names that come twice only one is read, and looked at.

use serde_json::{Map, Value};

/// What stands where something was taken out, as in the texts of errors.
const TAKEN: &str = "…";
/// What is kept instead of a body that could not be read.
const UNREAD: &str =
    "(not kept: this could not be read as JSON, so that a password in it could not be taken out)";
/// The word by which passwords are known, in any case.
const WORD: &[u8] = b"password";

/// The text to be kept of a body; `None` is for one that could not be read.
pub(crate) fn of(body: &[u8], read: Option<&Value>) -> Vec<u8> {
    let Some(read) = read else { return UNREAD.into() };
    // `\u0070assword` is the same name.
    if !says_password(body) && !body.windows(2).any(|it| it == b"\\u") {
        return body.to_vec();
    }
    let mut kept = read.clone();
    take_out(&mut kept);
    kept.to_string().into_bytes()
}

fn says_password(text: impl AsRef<[u8]>) -> bool {
    text.as_ref().windows(WORD.len()).any(|it| it.eq_ignore_ascii_case(WORD))
}

fn take_out(value: &mut Value) {
    match value {
        Value::Object(object) => take_out_of(object),
        Value::Array(list) => list.iter_mut().for_each(take_out),
        Value::String(text) if says_password(&*text) && !is_name(text) => TAKEN.clone_into(text),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn take_out_of(object: &mut Map<String, Value>) {
    let is_value = |name: &str| name.eq_ignore_ascii_case("value");
    // `{"op": "replace", "path": "password", "value": "…"}`.
    let names_one = object.iter().any(|(name, it)| !is_value(name) && is_of_password(it));
    for (name, it) in object {
        if says_password(name) || (names_one && is_value(name)) {
            *it = Value::from(TAKEN);
        } else {
            take_out(it);
        }
    }
}

fn is_of_password(value: &Value) -> bool {
    value.as_str().is_some_and(says_password)
}

/// Whether a text may be the name of an attribute, and so is no value of one.
fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:$".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(body: &str) -> String {
        let read = serde_json::from_str(body).ok();
        String::from_utf8(of(body.as_bytes(), read.as_ref())).unwrap()
    }

    #[test]
    fn a_password_is_kept_nowhere() {
        for body in [
            r#"{"userName":"ada","password":"hunter2"}"#,
            r#"{"PassWord": "hunter2"}"#,
            r#"{"\u0070assword": "hunter2"}"#,
            r#"{"password": ["hunter2"]}"#,
            r#"{"urn:ietf:params:scim:schemas:core:2.0:User": {"password": "hunter2"}}"#,
            r#"{"urn:ietf:params:scim:schemas:core:2.0:User:password": "hunter2"}"#,
            r#"{"a": {"password": "hunter2"}, "a": {}}"#,
            r#"{"Operations":[{"op":"replace","path":"password","value":"hunter2"}]}"#,
            r#"{"Operations":[{"op":"Add","Path":" PASSWORD ","Value":"hunter2"}]}"#,
            r#"{"Operations":[{"op":"add","value":{"password":"hunter2"}}]}"#,
            r#"{"Operations":[{"op":"add","value":[{"password":"hunter2"}]}]}"#,
            r#"{"Operations":[{"op":"add","value":"{\"password\":\"hunter2\"}"}]}"#,
            r#"{"Operations":[{"value":{"v":"hunter2"},"path":"urn:ietf:params:scim:schemas:core:2.0:User:password"}]}"#,
            r#"{"Operations":[{"method":"POST","path":"/Users","data":{"password":"hunter2"}}]}"#,
            r#"{"filter": "password eq \"hunter2\""}"#,
            r#"{"userName":"ada","password":"hunter2"#,
            "hunter2",
        ] {
            assert!(!kept(body).contains("hunter2"), "{}", kept(body));
        }
    }

    #[test]
    fn everything_else_stays() {
        let body = "{ \"userName\" : \"ada\", \"title\": \"Pass\\n\", \"title\": 1.0 }";
        assert_eq!(kept(body), body);
        let body = r#"{"Operations":[{"op":"add","path":"password","value":"x"},{"op":"add","path":"title","value":"y"}],"schemas":["urn:x:2.0:password"]}"#;
        assert_eq!(kept(body), body.replace("\"x\"", "\"…\""));
        assert_eq!(kept("{"), UNREAD);
    }
}
