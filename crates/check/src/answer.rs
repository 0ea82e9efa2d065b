//! An answer of the server under test, and the questions that cases ask of it.
//!
//! Each question is a sentence of a case: it returns the answer when it holds, and otherwise a
//! failure that shows what was expected, what came, and the exchange.

use std::collections::BTreeSet;

use hyper::HeaderMap;
use serde_json::Value;
use simulate::client::Response;

use crate::{
    case::{Stop, Verdict},
    finding::{Answered, Asked, Finding, shown},
    session::Made,
};

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// The headers that a case may be about.
const HEADERS_SHOWN: &[&str] =
    &["allow", "content-type", "etag", "location", "retry-after", "www-authenticate"];

/// An answer, with the request that it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status code, or 0 when no answer came.
    pub(crate) status: u16,
    /// The body as JSON; `Null` when it is empty or no JSON.
    pub(crate) body: Value,
    /// The body as text, without the token.
    pub(crate) text: String,
    headers: HeaderMap,
    asked: Asked,
    after: Option<Asked>,
}

impl Answer {
    pub(crate) fn read(
        asked: Asked,
        after: Option<Asked>,
        response: &Response,
        token: &str,
    ) -> Self {
        let mut text = String::from_utf8_lossy(&response.body).into_owned();
        if !token.is_empty() && text.contains(token) {
            text = text.replace(token, "[token]");
        }
        Self {
            status: response.status.as_u16(),
            body: serde_json::from_slice(&response.body).unwrap_or_default(),
            text,
            headers: response.headers.clone(),
            asked,
            after,
        }
    }

    /// The answer that did not come.
    pub(crate) fn none(asked: Asked, after: Option<Asked>) -> Self {
        let (body, text, headers) = (Value::Null, String::new(), HeaderMap::new());
        Self { status: 0, body, text, headers, asked, after }
    }

    /// A failure about this answer.
    pub(crate) fn fail(&self, expected: &str, found: &str) -> Stop {
        let header = |name: &&str| {
            let value = self.headers.get(*name)?;
            Some(((*name).to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        };
        Stop::Failed(Box::new(Finding {
            expected: expected.to_owned(),
            found: found.to_owned(),
            after: self.after.clone(),
            request: self.asked.clone(),
            response: Answered {
                status: self.status,
                headers: HEADERS_SHOWN.iter().filter_map(header).collect(),
                body: shown(&self.text),
            },
        }))
    }

    /// Whether something holds that no other question asks for.
    pub(crate) fn holds(&self, holds: bool, expected: &str, found: &str) -> Verdict {
        if holds { Ok(()) } else { Err(self.fail(expected, found)) }
    }

    /// The header as text, empty when it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The media type without its parameters.
    pub(crate) fn media_type(&self) -> &str {
        self.header("content-type").split(';').next().unwrap_or_default().trim()
    }

    /// What is at a JSON pointer, `Null` when nothing is.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// Whether the status is one of these.
    pub(crate) fn status(&self, allowed: &[u16]) -> Verdict {
        let names: Vec<_> = allowed.iter().map(ToString::to_string).collect();
        let (expected, found) =
            (format!("status {}", names.join(" or ")), format!("status {}", self.status));
        self.holds(allowed.contains(&self.status), &expected, &found)
    }

    /// Whether a write was done: 204 without a body, or 200 with the resource.
    pub(crate) fn changed(&self) -> Verdict {
        self.status(&[200, 204])?;
        let fits = (self.status == 204) == self.text.is_empty();
        self.holds(fits, "204 without a body or 200 with one", "the other way round")
    }

    /// Whether `schemas` of the body names that schema.
    pub(crate) fn has_schema(&self, urn: &str) -> Verdict {
        let schemas = &self.body["schemas"];
        let named = schemas.as_array().is_some_and(|known| known.iter().any(|known| known == urn));
        self.holds(named, &format!("schemas with {urn}"), &schemas.to_string())
    }

    /// Whether this is an error with that status, and with that `scimType` where one is named.
    pub(crate) fn refused(&self, status: u16, scim_type: &str) -> Verdict {
        self.refused_as(
            &[status],
            if scim_type.is_empty() { &[] } else { std::slice::from_ref(&scim_type) },
        )
    }

    /// Whether this is a SCIM error with one of these statuses, and one of these `scimType`s where
    /// any are named. RFC 7644 §3.12.
    pub(crate) fn refused_as(&self, statuses: &[u16], scim_types: &[&str]) -> Verdict {
        self.status(statuses)?;
        self.has_schema(ERROR)?;
        let status = &self.body["status"];
        let is_text = status.as_str() == Some(&self.status.to_string());
        self.holds(
            is_text,
            &format!("status \"{}\" as a string in the body", self.status),
            &status.to_string(),
        )?;
        let found = &self.body["scimType"];
        let named = scim_types.is_empty() || scim_types.iter().any(|known| found == known);
        self.holds(
            named,
            &format!("scimType {}", scim_types.join(" or ")),
            &format!("scimType {found}"),
        )
    }

    /// The resources of a list, when this is one: RFC 7644 §3.4.2.
    pub(crate) fn list(&self) -> Result<&[Value], Stop> {
        self.status(&[200])?;
        self.has_schema(LIST)?;
        for name in ["totalResults", "startIndex", "itemsPerPage"] {
            let value = self.body.get(name);
            let fits = value.is_none_or(Value::is_u64);
            self.holds(fits, &format!("an integer {name}"), &format!("{value:?}"))?;
        }
        let resources = self.body["Resources"].as_array().map(Vec::as_slice).unwrap_or_default();
        let total = self.body["totalResults"].as_u64();
        let fits = total.is_none_or(|total| total >= resources.len() as u64);
        self.holds(fits, "no more Resources than totalResults", "more")?;
        Ok(resources)
    }

    /// Whether this is a list of exactly these resources, in any order.
    pub(crate) fn finds(&self, wanted: &[&Made]) -> Verdict {
        let found: BTreeSet<_> =
            self.list()?.iter().filter_map(|found| found["id"].as_str()).collect();
        let ids: BTreeSet<_> = wanted.iter().map(|made| made.id.as_str()).collect();
        let expected = format!("a list of exactly {}", named(&ids));
        self.holds(found == ids, &expected, &named(&found))?;
        let total = &self.body["totalResults"];
        let counted = total.as_u64() == Some(wanted.len() as u64);
        self.holds(counted, &format!("totalResults {}", wanted.len()), &total.to_string())
    }

    /// Whether this is a list of exactly these resources, in this order.
    pub(crate) fn finds_in_order(&self, wanted: &[&Made]) -> Verdict {
        let found: Vec<_> = self.list()?.iter().filter_map(|found| found["id"].as_str()).collect();
        let ids: Vec<_> = wanted.iter().map(|made| made.id.as_str()).collect();
        self.holds(found == ids, &format!("the order {}", named(&ids)), &named(&found))
    }

    /// Whether that value is at a JSON pointer.
    pub(crate) fn has(&self, pointer: &str, wanted: impl Into<Value>) -> Verdict {
        let (wanted, found) = (wanted.into(), self.at(pointer));
        self.holds(*found == wanted, &format!("{wanted} at {pointer}"), &found.to_string())
    }

    /// Whether nothing is at a JSON pointer. `null`, `""`, `[]` and `{}` are nothing (RFC 7643 §2.5).
    pub(crate) fn lacks(&self, pointer: &str) -> Verdict {
        let found = self.at(pointer);
        self.holds(is_nothing(found), &format!("nothing at {pointer}"), &found.to_string())
    }

    /// Whether the sub-attributes of that name of a list are exactly these, in any order.
    pub(crate) fn has_each(&self, list: &str, name: &str, wanted: &[&str]) -> Verdict {
        let found: Vec<_> = each(self.at(list), name);
        let mut sorted = found.clone();
        sorted.sort_unstable();
        let mut expected = wanted.to_vec();
        expected.sort_unstable();
        let text = format!("{name} {} in {list}", named(&expected));
        self.holds(sorted == expected, &text, &named(&found))
    }

    /// Whether a group has exactly these members.
    pub(crate) fn has_members(&self, wanted: &[&Made]) -> Verdict {
        let ids: Vec<_> = wanted.iter().map(|made| made.id.as_str()).collect();
        self.has_each("/members", "value", &ids)
    }
}

/// The sub-attributes of that name of the objects of a list.
pub(crate) fn each<'a>(list: &'a Value, name: &str) -> Vec<&'a str> {
    let values = list.as_array().map(Vec::as_slice).unwrap_or_default();
    values.iter().filter_map(|value| value[name].as_str()).collect()
}

fn named<'a>(names: impl IntoIterator<Item = &'a &'a str>) -> String {
    let names: Vec<_> = names.into_iter().copied().collect();
    format!("[{}]", names.join(", "))
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &Value) -> Answer {
        let asked =
            Asked { method: "GET".into(), url: "u".into(), headers: vec![], body: String::new() };
        let response = Response {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.to_string().into(),
        };
        Answer::read(asked, None, &response, "s3cret")
    }

    fn expected(verdict: Verdict) -> (String, String) {
        match verdict {
            Err(Stop::Failed(finding)) => (finding.expected, finding.found),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_error_needs_its_status_as_text_and_its_keyword() {
        let error = json!({"schemas": [ERROR], "status": "400", "scimType": "noTarget"});
        assert!(answer(400, &error).refused(400, "noTarget").is_ok());
        assert!(answer(400, &error).refused(400, "").is_ok());
        let (wanted, found) = expected(answer(400, &error).refused(400, "invalidPath"));
        assert_eq!((&*wanted, &*found), ("scimType invalidPath", "scimType \"noTarget\""));
        let number = json!({"schemas": [ERROR], "status": 400});
        assert_eq!(expected(answer(400, &number).refused(400, "")).1, "400");
        assert_eq!(expected(answer(400, &json!({})).refused(400, "")).1, "null");
        assert_eq!(expected(answer(500, &error).refused(400, "")).1, "status 500");
    }

    #[test]
    fn a_list_counts_in_integers() {
        let list = |total: Value| json!({"schemas": [LIST], "totalResults": total, "Resources": [{"id": "1"}]});
        assert_eq!(answer(200, &list(json!(1))).list().unwrap().len(), 1);
        assert!(answer(200, &list(json!("1"))).list().is_err());
        assert!(answer(200, &list(json!(0))).list().is_err());
    }

    #[test]
    fn nothing_has_many_spellings() {
        for nothing in [json!({}), json!({"a": null}), json!({"a": ""}), json!({"a": []})] {
            assert!(answer(200, &nothing).lacks("/a").is_ok());
        }
        assert!(answer(200, &json!({"a": false})).lacks("/a").is_err());
    }

    #[test]
    fn a_token_that_comes_back_is_not_shown() {
        let answer = answer(200, &json!({"you sent": "Bearer s3cret"}));
        let Stop::Failed(finding) = answer.fail("x", "y") else { panic!() };
        assert_eq!(finding.response.body, r#"{"you sent":"Bearer [token]"}"#);
    }
}
