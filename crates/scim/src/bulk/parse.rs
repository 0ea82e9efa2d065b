//! From the body of a bulk request to its operations.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{BULK_ID_CHARS_MAX, BadOperation, Method, OPERATIONS_MAX, Operation, Request};
use crate::bounds;
use crate::coerce::Leniency;
use crate::envelope;
use crate::error::{Echo, Error};
use crate::object;
use crate::schema::Kind;
use crate::urn;

impl Request {
    /// Parses the body of a bulk request.
    ///
    /// Lenient takes a body without `schemas`, methods in any case, a POST without `bulkId`, paths
    /// that are whole URLs, and the operations of a PATCH without their envelope, as an example of
    /// the RFC has them.
    ///
    /// # Errors
    /// `invalidSyntax` if the body is no bulk request, `invalidValue` if `failOnErrors` is not a
    /// number from 1, 413 for more than [`OPERATIONS_MAX`] operations. What is wrong about one
    /// operation is said there: 404 for a path that leads nowhere, 405 for a method that a path does
    /// not have, `invalidSyntax` for one that there is not in bulk and where `data` is missing,
    /// `invalidValue` for a `bulkId` that is missing, too long, or there twice.
    ///
    /// # Source
    /// RFC 7644 §3.7.
    pub fn parse(body: Value, leniency: Leniency) -> Result<Self, Error> {
        let Value::Object(mut body) = body else {
            return Err(Error::invalid_syntax("a bulk request must be a JSON object"));
        };
        bounds::check_object("BulkRequest", &body)?;
        envelope::check_schemas(object::get(&body, "schemas"), urn::BULK_REQUEST, leniency)?;
        let is_lenient = leniency == Leniency::Lenient;
        let fail_on_errors = fail_on_errors(object::get(&body, "failOnErrors"), is_lenient)?;
        let operations = match object::remove(&mut body, "Operations") {
            Some(Value::Array(operations)) if !operations.is_empty() => operations,
            Some(operation @ Value::Object(_)) if is_lenient => vec![operation],
            _ => return Err(Error::invalid_syntax("'Operations' must be a list of operations")),
        };
        if operations.len() > OPERATIONS_MAX {
            let count = operations.len();
            let detail = format!("{count} operations, more than maxOperations ({OPERATIONS_MAX})");
            return Err(Error::payload_too_large(detail));
        }
        let mut seen = HashSet::new();
        let operations =
            operations.into_iter().map(|value| operation(value, is_lenient, &mut seen)).collect();
        Ok(Self { fail_on_errors, operations })
    }
}

fn fail_on_errors(value: Option<&Value>, is_lenient: bool) -> Result<Option<u64>, Error> {
    let number = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) if is_lenient => text.trim().parse().ok(),
        Some(_) => None,
    };
    match number {
        Some(1..) => Ok(number),
        _ => Err(Error::invalid_value("'failOnErrors' must be an integer from 1")),
    }
}

fn operation(
    value: Value,
    is_lenient: bool,
    seen: &mut HashSet<String>,
) -> Result<Operation, BadOperation> {
    let mut bad = BadOperation {
        method: String::new(),
        bulk_id: None,
        kind: None,
        id: None,
        error: Error::invalid_syntax("an operation must be an object"),
    };
    let Value::Object(members) = value else { return Err(bad) };
    match read(members, is_lenient, seen, &mut bad) {
        Ok(operation) => Ok(operation),
        Err(error) => Err(BadOperation { error, ..bad }),
    }
}

/// Reads an operation; what is known of it when something is wrong stands in `so_far`.
fn read(
    mut members: Map<String, Value>,
    is_lenient: bool,
    seen: &mut HashSet<String>,
    so_far: &mut BadOperation,
) -> Result<Operation, Error> {
    bounds::check_object("Operations", &members)?;
    let given = text(&members, "method")?.unwrap_or_default();
    so_far.method = Echo(given).to_string();
    let method = Method::ALL.into_iter().find(|method| {
        method.as_str() == given || (is_lenient && method.as_str().eq_ignore_ascii_case(given))
    });
    so_far.bulk_id = bulk_id(&members, is_lenient)?;
    let method = method.ok_or_else(|| {
        let detail = format!("'method' must be POST, PUT, PATCH or DELETE, not '{}'", Echo(given));
        Error::invalid_syntax(detail)
    })?;
    let path = text(&members, "path")?.ok_or_else(|| Error::invalid_syntax("'path' is missing"))?;
    let (kind, id) = target(path.trim(), is_lenient)
        .ok_or_else(|| Error::not_found(format!("there is no '{}'", Echo(path))))?;
    (so_far.kind, so_far.id) = (Some(kind), id.map(str::to_owned));
    if id.is_none() != (method == Method::Post) {
        let (given, path) = (method.as_str(), Echo(path));
        return Err(Error::method_not_allowed(format!("'{path}' has no {given}")));
    }
    if let Some(id) = id {
        bounds::check_name("the id in 'path'", id)?;
    }
    if method == Method::Post {
        check_bulk_id(so_far.bulk_id.as_deref(), is_lenient, seen)?;
    }
    let version = text(&members, "version")?.map(str::to_owned);
    let version = version.filter(|_| method != Method::Post);
    let data = match (method, object::remove(&mut members, "data")) {
        (Method::Delete, _) => Value::Null,
        (Method::Patch, Some(Value::Array(operations))) if is_lenient => {
            json!({"Operations": operations})
        }
        (_, Some(data)) if !data.is_null() => data,
        _ => return Err(Error::invalid_syntax(format!("{} needs 'data'", method.as_str()))),
    };
    let (bulk_id, id) = (so_far.bulk_id.clone(), so_far.id.clone());
    Ok(Operation { method, bulk_id, kind, id, version, data })
}

/// A text that is not empty.
fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Error> {
    match object::get(members, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(Error::invalid_syntax(format!("'{name}' must be a string"))),
    }
}

fn bulk_id(members: &Map<String, Value>, is_lenient: bool) -> Result<Option<String>, Error> {
    let id = match object::get(members, "bulkId") {
        Some(Value::Number(number)) if is_lenient => number.to_string(),
        _ => match text(members, "bulkId")? {
            Some(id) => id.to_owned(),
            None => return Ok(None),
        },
    };
    if id.chars().count() > BULK_ID_CHARS_MAX {
        let detail = format!("'bulkId' is longer than {BULK_ID_CHARS_MAX} characters");
        return Err(Error::invalid_value(detail));
    }
    Ok(Some(id))
}

/// Refuses the name of a resource to be created that is there already; the first one keeps it.
fn check_bulk_id(
    id: Option<&str>,
    is_lenient: bool,
    seen: &mut HashSet<String>,
) -> Result<(), Error> {
    match id {
        Some(id) if !seen.insert(id.to_owned()) => {
            let detail = format!("the bulkId '{}' is there twice", Echo(id));
            Err(Error::invalid_value(detail))
        }
        None if !is_lenient => Err(Error::invalid_value("POST needs a 'bulkId'")),
        _ => Ok(()),
    }
}

/// The kind of resource that a path leads to, and the id in it.
fn target(path: &str, is_lenient: bool) -> Option<(Kind, Option<&str>)> {
    let (path, is_url) = match path.split_once("://") {
        Some((_, rest)) if is_lenient => (rest.split_once('/')?.1, true),
        Some(_) => return None,
        None => (path.strip_prefix('/').unwrap_or(path), false),
    };
    let path = path.strip_suffix('/').unwrap_or(path);
    let kind_of = |segment: &str| {
        Kind::ALL.into_iter().find(|kind| kind.endpoint().strip_prefix('/') == Some(segment))
    };
    let Some((before, last)) = path.rsplit_once('/') else { return Some((kind_of(path)?, None)) };
    let segment = match before.rsplit_once('/') {
        Some(_) if !is_url => return None,
        Some((_, segment)) => segment,
        None => before,
    };
    match kind_of(segment) {
        Some(kind) if !last.is_empty() => Some((kind, Some(last))),
        _ if is_url => Some((kind_of(last)?, None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The operation, or its error, of a request that has only this one.
    fn one(operation: &Value, leniency: Leniency) -> Result<Operation, BadOperation> {
        let body = json!({"schemas": [urn::BULK_REQUEST], "Operations": [operation]});
        Request::parse(body, leniency).unwrap().operations.remove(0)
    }

    fn refused(operation: &Value, leniency: Leniency) -> String {
        let error = one(operation, leniency).unwrap_err().error;
        let keyword = error.scim_type.map_or("-", crate::ErrorType::as_str);
        format!("{} {keyword} {}", error.status, error.detail)
    }

    #[test]
    fn section_3_7_3_add_update_and_remove() {
        let request = Request::parse(
            json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
                "failOnErrors": 1,
                "Operations": [
                    {"method": "POST", "path": "/Users", "bulkId": "qwerty", "data": {"userName": "Alice"}},
                    {"method": "PUT", "path": "/Users/b7", "version": "W/\"3\"", "data": {"userName": "Bob"}},
                    {"method": "PATCH", "path": "/Groups/5d", "data": {"Operations": []}},
                    {"method": "DELETE", "path": "/Users/e9", "version": "W/\"0\"", "data": {}}
                ]
            }),
            Leniency::Strict,
        )
        .unwrap();
        assert_eq!(request.fail_on_errors, Some(1));
        let lines: Vec<_> = request
            .operations
            .into_iter()
            .map(|operation| {
                let Operation { method, bulk_id, kind, id, version, data } = operation.unwrap();
                format!("{method:?} {bulk_id:?} {kind:?} {id:?} {version:?} {data}")
            })
            .collect();
        assert_eq!(
            lines,
            [
                r#"Post Some("qwerty") User None None {"userName":"Alice"}"#,
                r#"Put None User Some("b7") Some("W/\"3\"") {"userName":"Bob"}"#,
                r#"Patch None Group Some("5d") None {"Operations":[]}"#,
                r#"Delete None User Some("e9") Some("W/\"0\"") null"#,
            ]
        );
    }

    #[test]
    fn paths_lead_to_a_resource_with_or_without_a_slash_and_as_urls() {
        let lead = |path: &str, is_lenient| {
            target(path, is_lenient).map(|(kind, id)| format!("{kind:?} {}", id.unwrap_or("-")))
        };
        for (path, expected) in [
            ("/Users", Some("User -")),
            ("Users", Some("User -")),
            ("/Users/", Some("User -")),
            ("/Groups/1", Some("Group 1")),
            ("Groups/bulkId:a b", Some("Group bulkId:a b")),
            ("/Groups/1/", Some("Group 1")),
            ("/Users/1/2", None),
            ("/v2/Users/1", None),
            ("/Devices/1", None),
            ("/users/1", None),
            ("//Users", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(lead(path, true).as_deref(), expected, "{path}");
            assert_eq!(lead(path, false).as_deref(), expected, "{path}");
        }
        for (path, expected) in [
            ("https://example.com/scim/v2/Users/1", Some("User 1")),
            ("https://example.com/scim/v2/Groups", Some("Group -")),
            ("https://example.com/Groups/", Some("Group -")),
            ("https://example.com/scim/v2/Nope/1", None),
            ("https://Users", None),
        ] {
            assert_eq!(lead(path, false), None);
            assert_eq!(lead(path, true).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn what_is_wrong_about_an_operation_is_said_there() {
        for (operation, said) in [
            (json!(5), "400 invalidSyntax an operation must be an object"),
            (json!({}), "400 invalidSyntax 'method' must be POST, PUT, PATCH or DELETE, not ''"),
            (
                json!({"method": "GET", "path": "/Users/1"}),
                "400 invalidSyntax 'method' must be POST, PUT, PATCH or DELETE, not 'GET'",
            ),
            (json!({"method": 5}), "400 invalidSyntax 'method' must be a string"),
            (json!({"method": "PUT"}), "400 invalidSyntax 'path' is missing"),
            (json!({"method": "PUT", "path": "/Nope/1"}), "404 - there is no '/Nope/1'"),
            (json!({"method": "PUT", "path": "/Users", "data": {}}), "405 - '/Users' has no PUT"),
            (json!({"method": "POST", "path": "/Users/1"}), "405 - '/Users/1' has no POST"),
            (
                json!({"method": "POST", "path": "/Users", "bulkId": "a"}),
                "400 invalidSyntax POST needs 'data'",
            ),
            (
                json!({"method": "PATCH", "path": "/Users/1", "data": null}),
                "400 invalidSyntax PATCH needs 'data'",
            ),
            (
                json!({"method": "POST", "path": "/Users", "bulkId": "x".repeat(1025), "data": {}}),
                "400 invalidValue 'bulkId' is longer than 1024 characters",
            ),
            (
                json!({"method": "PUT", "METHOD": "x"}),
                "400 invalidSyntax 'method' is there twice, in different case",
            ),
        ] {
            assert_eq!(refused(&operation, Leniency::Lenient), said);
        }
        let bad = json!({"method": "PUT", "path": "/Users/1", "bulkId": "b"});
        let bad = one(&bad, Leniency::Lenient).unwrap_err();
        assert_eq!((bad.method.as_str(), bad.bulk_id.as_deref()), ("PUT", Some("b")));
        assert_eq!((bad.kind, bad.id.as_deref()), (Some(Kind::User), Some("1")));
    }

    #[test]
    fn strict_demands_what_lenient_lets_pass() {
        for (operation, said) in [
            (
                json!({"method": "POST", "path": "/Users", "data": {}}),
                "400 invalidValue POST needs a 'bulkId'",
            ),
            (
                json!({"method": "delete", "path": "/Users/1"}),
                "400 invalidSyntax 'method' must be POST, PUT, PATCH or DELETE, not 'delete'",
            ),
            (
                json!({"method": "DELETE", "path": "https://example.com/Users/1"}),
                "404 - there is no 'https://example.com/Users/1'",
            ),
            (
                json!({"method": "DELETE", "path": "/Users/1", "bulkId": 5}),
                "400 invalidSyntax 'bulkId' must be a string",
            ),
        ] {
            assert_eq!(refused(&operation, Leniency::Strict), said);
            assert!(one(&operation, Leniency::Lenient).is_ok(), "{operation}");
        }
        let operations = json!([{"op": "remove", "path": "nickName"}]);
        let patch = json!({"method": "PATCH", "path": "/Users/1", "data": operations});
        let data = |leniency| one(&patch, leniency).unwrap().data;
        assert_eq!(data(Leniency::Lenient), json!({"Operations": operations}));
        assert_eq!(data(Leniency::Strict), operations);
    }

    #[test]
    fn a_bulk_id_is_there_once_and_one_bad_operation_spoils_no_other() {
        let post = json!({"method": "POST", "path": "/Users", "bulkId": "a", "data": {}});
        let put = json!({"method": "PUT", "path": "/Users/1", "bulkId": "a", "data": {}});
        let body = json!({"Operations": [put, post, post, 7, post, put]});
        let request = Request::parse(body, Leniency::Lenient).unwrap();
        let good: Vec<_> = request.operations.iter().map(Result::is_ok).collect();
        assert_eq!(good, [true, true, false, false, false, true]);
        let error = &request.operations[2].as_ref().unwrap_err().error;
        assert_eq!(*error, Error::invalid_value("the bulkId 'a' is there twice"));
    }

    #[test]
    fn what_is_no_bulk_request_is_refused_as_a_whole() {
        let refused = |body: Value, leniency| {
            let error = Request::parse(body, leniency).unwrap_err();
            (error.status, error.detail)
        };
        let delete = json!({"method": "DELETE", "path": "/Users/1"});
        for body in [
            json!([]),
            json!({}),
            json!({"Operations": []}),
            json!({"Operations": "x"}),
            json!({"schemas": [urn::PATCH_OP], "Operations": [delete]}),
            json!({"operations": [delete], "Operations": [delete]}),
        ] {
            assert_eq!(refused(body, Leniency::Lenient).0, 400);
        }
        assert!(Request::parse(json!({"Operations": delete}), Leniency::Lenient).is_ok());
        assert_eq!(refused(json!({"Operations": [delete]}), Leniency::Strict).0, 400);
        for bad in [json!(0), json!(-1), json!(1.5), json!("x"), json!("0"), json!(true)] {
            let body = json!({"failOnErrors": bad, "Operations": [delete]});
            let said = "'failOnErrors' must be an integer from 1".to_owned();
            assert_eq!(refused(body, Leniency::Lenient), (400, said));
        }
        let body = json!({"failOnErrors": "2", "Operations": [delete]});
        assert_eq!(Request::parse(body, Leniency::Lenient).unwrap().fail_on_errors, Some(2));
        let many = vec![delete; OPERATIONS_MAX + 1];
        let said = "1001 operations, more than maxOperations (1000)".to_owned();
        assert_eq!(refused(json!({"Operations": many}), Leniency::Lenient), (413, said));
    }
}
