//! What a SCIM server must answer, and what is wrong with an answer.
//!
//! [`Case`] is the catalogue of expectations that findings refer to. [`Expect`] says which shape
//! one request wants; [`problems`] compares. What only the sender of a request can know, such as
//! the name that must come back, it checks itself. RFC 7643 §3.1, RFC 7644 §3.3–3.6 and §3.12.

use hyper::{
    HeaderMap, StatusCode,
    header::{CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::Value;

macro_rules! cases {
    ($($name:ident = $number:literal, $title:literal;)*) => {
        /// One expectation of the catalogue; its number is stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Case {
            $(#[doc = $title] $name = $number,)*
        }

        impl Case {
            /// Every case, in the order of the numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the expectation as a sentence without its full stop.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

cases! {
    TestConnection = 1, "a filter that matches nobody answers 200 and an empty list";
    BadToken = 2, "a bad bearer token is refused with 401";
    CreateUser = 3, "a user is created with 201, a Location and an id";
    FindUser = 4, "a user is found by userName at once, whatever the case of the letters";
    DuplicateUser = 5, "a userName that is taken is refused with 409 uniqueness";
    DeactivateText = 6, "PATCH of active with the text \"False\" deactivates";
    DeactivateWithoutPath = 7, "PATCH of active without a path deactivates";
    PutUser = 8, "PUT of a copy sets profile and active, readOnly parts ignored, no password comes back";
    Reactivate = 9, "an inactive user is found and reactivated, same id, memberships kept";
    AddMembers = 10, "members are added with 204, and again with 204";
    RemoveMembersByValue = 11, "a removal with a list of values removes only those";
    RemoveMembersByFilter = 12, "a removal by filter removes only that member";
    ParallelMembers = 13, "parallel additions to one group lose nobody";
    PutGroup = 14, "PUT of a group sets exactly its members, in any order";
    PatchByPath = 15, "PATCH of several paths applies all of them";
    PatchByKeys = 16, "PATCH without a path applies dotted and URN keys";
    WorkMail = 17, "a work mail address that was missing is created";
    ClearAttribute = 18, "replacing with an empty text clears an optional attribute";
    CreateGroup = 19, "a group is created with 201, an unknown schema URN tolerated";
    FindGroup = 20, "a group is found by displayName, without its members when told so";
    GetGroup = 21, "a group is read by id, without its members when told so";
    TestConnector = 22, "the first page of users answers 200 with integers";
    ListGroups = 23, "the first page of groups answers 200, also where there are none";
    PushGroup = 24, "a group is created with its members";
    RenameGroup = 25, "a group is renamed, its members untouched";
    ReplaceMembers = 26, "the members are replaced by exactly those given";
    DeleteUser = 27, "a deleted user is gone, and the userName free";
    UnknownId = 28, "an unknown id answers 404 and is never created";
    DeleteGroup = 29, "a group is deleted with 204, then 404";
    CreateUserWithPassword = 30, "a user with password and groups is created, no password comes back";
    Manager = 31, "a manager is set, whether or not the server knows them";
    Reference = 33, "a filter on id and a reference answers 1 or 0 resources";
}

impl Case {
    /// Returns the number of the case, from 1.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// The shape of answer that a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// 200, a list of nothing.
    NoneFound,
    /// 200, a list of exactly one.
    OneFound,
    /// 200, a list of one or nothing.
    Lookup,
    /// 200, a page of a list.
    Page,
    /// 201, the new resource.
    Created,
    /// 200, the whole resource.
    Whole,
    /// 204 without a body, or 200 and the whole resource.
    Changed,
    /// 204 without a body.
    NoContent,
    /// An error with this status and this `scimType`.
    Refused(u16, Option<&'static str>),
}

impl Expect {
    fn allows(self, status: u16) -> bool {
        match self {
            Self::NoneFound | Self::OneFound | Self::Lookup | Self::Page | Self::Whole => {
                status == 200
            }
            Self::Created => status == 201,
            Self::Changed => status == 200 || status == 204,
            Self::NoContent => status == 204,
            Self::Refused(wanted, _) => status == wanted,
        }
    }

    fn statuses(self) -> String {
        match self {
            Self::Created => "201".to_owned(),
            Self::Changed => "200 or 204".to_owned(),
            Self::NoContent => "204".to_owned(),
            Self::Refused(status, _) => status.to_string(),
            _ => "200".to_owned(),
        }
    }
}

/// An answer, read as far as it can be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// The status code, or 0 when no answer came.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body as text.
    pub(crate) text: String,
    /// The body as JSON; `Null` when it is empty or no JSON.
    pub(crate) body: Value,
}

impl Answer {
    /// Returns the header as text, empty when it is missing.
    pub(crate) fn header(&self, name: impl hyper::header::AsHeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Returns the id of the resource in the body.
    pub(crate) fn id(&self) -> Option<&str> {
        self.body["id"].as_str()
    }

    /// Returns the resources of a list.
    pub(crate) fn resources(&self) -> &[Value] {
        self.body["Resources"].as_array().map(Vec::as_slice).unwrap_or_default()
    }
}

/// Returns what is wrong with the answer to a request that wanted `expect` under `/Users` or
/// `/Groups`; nothing when it is as it should be.
pub(crate) fn problems(expect: Expect, path: &str, answer: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    if !expect.allows(answer.status) {
        found.push(format!("status {} instead of {}", answer.status, expect.statuses()));
    }
    check_media(answer, &mut found);
    match answer.status {
        200 | 201 if !found.is_empty() => {}
        200 if answer.body.get("totalResults").is_some() => check_list(expect, answer, &mut found),
        200 | 201 if matches!(expect, Expect::Whole | Expect::Changed | Expect::Created) => {
            check_resource(path, &answer.body, &mut found);
            check_headers(answer, &mut found);
        }
        200 => found.push("no list in the body".to_owned()),
        400.. => check_error(expect, answer, &mut found),
        _ => {}
    }
    found
}

fn check_media(answer: &Answer, found: &mut Vec<String>) {
    if answer.text.is_empty() {
        if answer.status != 204 && answer.status != 0 {
            found.push("an empty body".to_owned());
        }
        return;
    }
    if answer.status == 204 {
        found.push("a body although the status is 204".to_owned());
    }
    let media = answer.header(CONTENT_TYPE);
    if media.split(';').next().map(str::trim) != Some("application/scim+json") {
        found.push(format!("content type {media:?} instead of application/scim+json"));
    }
    if answer.body.is_null() {
        found.push("a body that is no JSON".to_owned());
    }
}

fn check_list(expect: Expect, answer: &Answer, found: &mut Vec<String>) {
    require_schema(&answer.body, "urn:ietf:params:scim:api:messages:2.0:ListResponse", found);
    for name in ["totalResults", "startIndex", "itemsPerPage"] {
        if answer.body.get(name).is_some_and(|value| !value.is_u64()) {
            found.push(format!("{name} is {} and no integer", answer.body[name]));
        }
    }
    if !answer.body["Resources"].is_array() {
        found.push("no array Resources".to_owned());
    }
    let (total, here) = (answer.body["totalResults"].as_u64(), answer.resources().len());
    let allowed = match expect {
        Expect::NoneFound => total == Some(0) && here == 0,
        Expect::OneFound => total == Some(1) && here == 1,
        Expect::Lookup => total == Some(here as u64) && here <= 1,
        _ => total >= Some(here as u64),
    };
    if !allowed {
        found.push(format!("totalResults {} with {here} resources", answer.body["totalResults"]));
    }
    for resource in answer.resources() {
        if resource["id"].as_str().is_none_or(str::is_empty) {
            found.push("a resource without an id in the list".to_owned());
        }
        if resource.get("password").is_some() {
            found.push("a password in the list".to_owned());
        }
    }
}

fn check_resource(path: &str, resource: &Value, found: &mut Vec<String>) {
    let kind = if path.starts_with("/Groups") { "Group" } else { "User" };
    require_schema(resource, &format!("urn:ietf:params:scim:schemas:core:2.0:{kind}"), found);
    let id = resource["id"].as_str().unwrap_or_default();
    if id.is_empty() || id.contains("bulkId") {
        found.push(format!("the id is {}", resource["id"]));
    }
    let path = path.split('?').next().unwrap_or_default();
    let asked = path.split('/').nth(2).unwrap_or_default();
    if !asked.is_empty() && asked != id {
        found.push(format!("id {id} although {asked} was asked for"));
    }
    if resource["meta"]["resourceType"] != kind {
        found.push(format!("meta.resourceType is {}", resource["meta"]["resourceType"]));
    }
    let location = resource["meta"]["location"].as_str().unwrap_or_default();
    if !location.ends_with(&format!("/{kind}s/{id}")) {
        found.push(format!("meta.location {location:?} does not lead to the resource"));
    }
    if resource.get("active").is_some_and(|active| !active.is_boolean()) {
        found.push(format!("active is {} and no boolean", resource["active"]));
    }
    if resource.get("password").is_some() {
        found.push("a password in the body".to_owned());
    }
}

fn check_headers(answer: &Answer, found: &mut Vec<String>) {
    let location = answer.header(LOCATION);
    let wanted = answer.body["meta"]["location"].as_str().unwrap_or_default();
    if (answer.status == 201 || !location.is_empty()) && location != wanted {
        found.push(format!("Location {location:?} is not meta.location {wanted:?}"));
    }
    let etag = answer.header(ETAG);
    let version = answer.body["meta"]["version"].as_str().unwrap_or_default();
    if etag.is_empty() || etag != version {
        found.push(format!("ETag {etag:?} is not meta.version {version:?}"));
    }
}

fn check_error(expect: Expect, answer: &Answer, found: &mut Vec<String>) {
    require_schema(&answer.body, "urn:ietf:params:scim:api:messages:2.0:Error", found);
    if answer.body["status"].as_str() != Some(&answer.status.to_string()) {
        found.push(format!("the error's status is {} and not text", answer.body["status"]));
    }
    if let Expect::Refused(_, Some(wanted)) = expect
        && answer.body["scimType"] != wanted
    {
        found.push(format!("scimType {} instead of {wanted}", answer.body["scimType"]));
    }
    if answer.body["detail"].as_str().is_none_or(str::is_empty) {
        found.push("an error without detail".to_owned());
    }
    if answer.status == 401 && !answer.header(WWW_AUTHENTICATE).starts_with("Bearer") {
        found.push("401 without WWW-Authenticate: Bearer".to_owned());
    }
    let waits = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    if waits.iter().any(|status| *status == answer.status) && answer.header(RETRY_AFTER).is_empty()
    {
        found.push(format!("{} without Retry-After", answer.status));
    }
}

fn require_schema(body: &Value, schema: &str, found: &mut Vec<String>) {
    let schemas = body["schemas"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !schemas.iter().any(|known| known == schema) {
        found.push(format!("schemas {} without {schema}", body["schemas"]));
    }
}

/// The URN of the enterprise extension, RFC 7643 §4.3.
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Returns the text of an attribute by the path an identity provider would write: a name, a dotted
/// name, `emails[type eq "work"].value`, or a name of the enterprise extension after its URN. An
/// empty text counts as none.
pub(crate) fn attribute<'a>(resource: &'a Value, path: &str) -> Option<&'a str> {
    let value = if let Some(name) = path.strip_prefix(ENTERPRISE) {
        &resource[ENTERPRISE][name.trim_start_matches(':')]
    } else if path == WORK_MAIL {
        let mails = resource["emails"].as_array().map(Vec::as_slice).unwrap_or_default();
        &mails.iter().find(|mail| mail["type"] == "work")?["value"]
    } else {
        path.split('.').fold(resource, |value, name| &value[name])
    };
    value.as_str().filter(|text| !text.is_empty())
}

/// The path of the work mail address.
pub(crate) const WORK_MAIL: &str = "emails[type eq \"work\"].value";

#[cfg(test)]
mod tests {
    use expect_test::{Expect as Snapshot, expect};
    use hyper::header::{HeaderName, HeaderValue};
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: Value, headers: &[(HeaderName, &str)]) -> Answer {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let mut answer = Answer { status, text, body, headers: HeaderMap::new() };
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/scim+json"));
        for (name, value) in headers {
            answer.headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        answer
    }

    fn user() -> Value {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": "7",
            "active": true,
            "meta": {
                "resourceType": "User", "location": "http://x/Users/7", "version": "W/\"1\"",
            },
        })
    }

    fn list(total: usize, resources: &Value) -> Value {
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": total, "startIndex": 1, "itemsPerPage": 1, "Resources": resources,
        })
    }

    fn check(expect: Expect, path: &str, answer: &Answer, snapshot: &Snapshot) {
        snapshot.assert_eq(&problems(expect, path, answer).join("\n"));
    }

    #[test]
    fn good_answers_have_no_problems() {
        let none = expect![""];
        let headers = [(LOCATION, "http://x/Users/7"), (ETAG, "W/\"1\"")];
        check(Expect::Created, "/Users", &answer(201, user(), &headers), &none);
        check(Expect::Whole, "/Users/7?a=b", &answer(200, user(), &headers), &none);
        check(Expect::Changed, "/Users/7", &answer(204, Value::Null, &[]), &none);
        check(Expect::NoContent, "/Groups/7", &answer(204, Value::Null, &[]), &none);
        check(Expect::NoneFound, "/Users", &answer(200, list(0, &json!([])), &[]), &none);
        check(Expect::Lookup, "/Users", &answer(200, list(1, &json!([user()])), &[]), &none);
        let taken = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": "409", "scimType": "uniqueness", "detail": "userName is taken",
        });
        let refused = Expect::Refused(409, Some("uniqueness"));
        check(refused, "/Users", &answer(409, taken, &[]), &none);
    }

    #[test]
    fn a_created_resource_needs_its_address_and_version() {
        check(
            Expect::Created,
            "/Users",
            &answer(201, user(), &[(LOCATION, "http://x/Users/8")]),
            &expect![[r#"
                Location "http://x/Users/8" is not meta.location "http://x/Users/7"
                ETag "" is not meta.version "W/\"1\"""#]],
        );
    }

    #[test]
    fn numbers_as_text_and_wrong_counts_are_problems() {
        let mut body = list(2, &json!([{ "id": "7", "password": "x" }]));
        body["itemsPerPage"] = json!("1");
        check(
            Expect::OneFound,
            "/Users",
            &answer(200, body, &[]),
            &expect![[r#"
            itemsPerPage is "1" and no integer
            totalResults 2 with 1 resources
            a password in the list"#]],
        );
    }

    #[test]
    fn another_resource_than_the_one_asked_for_is_a_problem() {
        let mut body = user();
        body["active"] = json!("True");
        body["password"] = json!("x");
        let headers = [(ETAG, "W/\"1\"")];
        check(
            Expect::Whole,
            "/Users/8",
            &answer(200, body, &headers),
            &expect![[r#"
            id 7 although 8 was asked for
            active is "True" and no boolean
            a password in the body"#]],
        );
    }

    #[test]
    fn an_error_must_be_a_scim_error() {
        let mut plain = answer(503, Value::Null, &[(CONTENT_TYPE, "text/plain")]);
        "try again".clone_into(&mut plain.text);
        check(
            Expect::Whole,
            "/Users/8",
            &plain,
            &expect![[r#"
            status 503 instead of 200
            content type "text/plain" instead of application/scim+json
            a body that is no JSON
            schemas null without urn:ietf:params:scim:api:messages:2.0:Error
            the error's status is null and not text
            an error without detail
            503 without Retry-After"#]],
        );
        let unauthorised = answer(401, json!({ "status": 401 }), &[]);
        check(
            Expect::Refused(401, None),
            "/Users",
            &unauthorised,
            &expect![[r"
            schemas null without urn:ietf:params:scim:api:messages:2.0:Error
            the error's status is 401 and not text
            an error without detail
            401 without WWW-Authenticate: Bearer"]],
        );
    }

    #[test]
    fn a_body_with_204_is_a_problem() {
        check(
            Expect::Changed,
            "/Users/7",
            &answer(204, user(), &[]),
            &expect!["a body although the status is 204"],
        );
    }

    #[test]
    fn attributes_are_read_by_their_paths() {
        let resource = json!({
            "name": { "familyName": "Bauer" }, "title": "",
            "emails": [{ "type": "home", "value": "h" }, { "type": "work", "value": "w" }],
            (ENTERPRISE): { "department": "Sales" },
        });
        let department = format!("{ENTERPRISE}:department");
        let read = ["name.familyName", "title", WORK_MAIL, &department, "nickName"]
            .map(|path| attribute(&resource, path));
        assert_eq!(read, [Some("Bauer"), None, Some("w"), Some("Sales"), None]);
    }

    #[test]
    fn the_numbers_of_the_cases_ascend() {
        assert!(Case::ALL.is_sorted_by_key(|case| case.number()));
        assert_eq!(Case::ALL[8].number(), 9);
    }
}
