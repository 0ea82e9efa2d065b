//! The least of a SCIM server that the providers can be tested with.
//!
//! Users and groups in memory, the filters and paths that the providers send, and a version that
//! moves only when something changes. Where the providers never look it is wrong or missing.

use std::collections::BTreeMap;

use hyper::{
    HeaderMap, Method,
    header::{HeaderName, HeaderValue},
};
use serde_json::{Value, json};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn new(status: u16, body: &Value) -> Self {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = Self { status, headers: HeaderMap::new(), text };
        answer.with("content-type", "application/scim+json")
    }

    pub(crate) fn error(status: u16, scim_type: Option<&str>) -> Self {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": status.to_string(), "detail": "no",
        });
        if let Some(scim_type) = scim_type {
            body["scimType"] = json!(scim_type);
        }
        Self::new(status, &body)
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).unwrap();
        self.headers.insert(HeaderName::from_static(name), value);
        self
    }

    fn resource(status: u16, resource: &Value) -> Self {
        let text = |name: &str| resource["meta"][name].as_str().unwrap().to_owned();
        Self::new(status, resource)
            .with("location", &text("location"))
            .with("etag", &text("version"))
    }
}

#[derive(Default)]
pub(crate) struct Scim {
    /// Users and groups by their ids.
    pub(crate) resources: BTreeMap<String, Value>,
    /// How many changes were recorded.
    pub(crate) events: u64,
    last_id: u64,
}

impl Scim {
    pub(crate) fn of(&self, kind: &str) -> Vec<&Value> {
        self.resources.values().filter(|it| it["meta"]["resourceType"] == kind).collect()
    }

    pub(crate) fn answer(&mut self, method: &Method, path: &str, body: &Value) -> Answer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query: BTreeMap<String, String> =
            query.split('&').filter_map(|pair| pair.split_once('=')).map(decode).collect();
        let mut parts = path.split('/').skip(1);
        let kind = match parts.next() {
            Some("Users") => "User",
            Some("Groups") => "Group",
            _ => return Answer::error(404, None),
        };
        let id = parts.next();
        let known = id.is_some_and(|id| self.resources.contains_key(id));
        match (method.as_str(), id) {
            ("GET", None) => self.list(kind, &query),
            ("POST", None) => self.create(kind, body),
            (_, Some(_)) if !known => Answer::error(404, None),
            ("GET", Some(id)) => {
                let mut resource = self.resources[id].clone();
                exclude(&mut resource, &query);
                Answer::resource(200, &resource)
            }
            ("PUT", Some(id)) => {
                let whole = self.replace(id, body.clone());
                Answer::resource(200, &whole)
            }
            ("PATCH", Some(id)) => {
                let mut resource = self.resources[id].clone();
                for operation in body["Operations"].as_array().unwrap() {
                    patch(&mut resource, operation);
                }
                let whole = self.replace(id, resource);
                if kind == "Group" {
                    Answer::new(204, &Value::Null)
                } else {
                    Answer::resource(200, &whole)
                }
            }
            ("DELETE", Some(id)) => self.delete(id),
            _ => Answer::error(405, None),
        }
    }

    fn list(&self, kind: &str, query: &BTreeMap<String, String>) -> Answer {
        let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
        let filter = query.get("filter").map(String::as_str);
        let found =
            self.of(kind).into_iter().filter(|it| filter.is_none_or(|text| matches(it, text)));
        let found: Vec<Value> = found.cloned().collect();
        let start = number("startIndex").unwrap_or(1);
        let total = found.len();
        let mut page: Vec<Value> =
            found.into_iter().skip(start - 1).take(number("count").unwrap_or(100)).collect();
        for resource in &mut page {
            exclude(resource, query);
        }
        Answer::new(
            200,
            &json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                "totalResults": total, "startIndex": start, "itemsPerPage": page.len(),
                "Resources": page,
            }),
        )
    }

    fn create(&mut self, kind: &str, body: &Value) -> Answer {
        let name = if kind == "User" { "userName" } else { "displayName" };
        let taken = format!("{name} eq {}", body[name]);
        if self.of(kind).into_iter().any(|it| matches(it, &taken)) {
            return Answer::error(409, Some("uniqueness"));
        }
        self.last_id += 1;
        self.events += 1;
        let id = format!("{}{:05}", kind.to_lowercase(), self.last_id);
        let mut resource = body.clone();
        resource["id"] = json!(id);
        resource["schemas"] = json!([format!("urn:ietf:params:scim:schemas:core:2.0:{kind}")]);
        resource["meta"] = json!({
            "resourceType": kind, "version": "W/\"1\"",
            "location": format!("http://x/scim/{kind}s/{id}"),
        });
        resource.as_object_mut().unwrap().remove("password");
        self.resources.insert(id, resource.clone());
        Answer::resource(201, &resource)
    }

    /// Takes the new state, moves the version if it differs, and returns what is kept.
    fn replace(&mut self, id: &str, mut resource: Value) -> Value {
        let before = &self.resources[id];
        for name in ["id", "meta", "schemas"] {
            resource[name] = before[name].clone();
        }
        for member in resource["members"].as_array_mut().into_iter().flatten() {
            *member = json!({ "value": member["value"] });
        }
        if let Some(members) = resource["members"].as_array_mut() {
            members.sort_by_key(|member| member["value"].to_string());
            members.dedup();
        }
        resource.as_object_mut().unwrap().retain(|_, value| !value.is_null() && value != "");
        if resource != *before {
            self.events += 1;
            resource["meta"]["version"] = json!(format!("W/\"{}\"", self.events));
            self.resources.insert(id.to_owned(), resource.clone());
        }
        resource
    }

    fn delete(&mut self, id: &str) -> Answer {
        self.events += 1;
        self.resources.remove(id);
        for resource in self.resources.values_mut() {
            if let Some(members) = resource["members"].as_array_mut() {
                members.retain(|member| member["value"] != id);
            }
        }
        Answer::new(204, &Value::Null)
    }
}

fn decode((name, value): (&str, &str)) -> (String, String) {
    let value = percent_encoding::percent_decode_str(value).decode_utf8().unwrap();
    (name.to_owned(), value.into_owned())
}

fn exclude(resource: &mut Value, query: &BTreeMap<String, String>) {
    if let Some(name) = query.get("excludedAttributes") {
        resource.as_object_mut().unwrap().remove(name);
    }
}

fn matches(resource: &Value, filter: &str) -> bool {
    filter.split(" and ").all(|term| {
        let (path, value) = term.split_once(" eq ").unwrap();
        let wanted: String = serde_json::from_str(value).unwrap();
        match path {
            "members" => {
                resource["members"].as_array().into_iter().flatten().any(|it| it["value"] == wanted)
            }
            "manager" => resource[ENTERPRISE]["manager"]["value"] == wanted,
            _ => {
                resource[path].as_str().is_some_and(|it| it.to_lowercase() == wanted.to_lowercase())
            }
        }
    })
}

fn patch(resource: &mut Value, operation: &Value) {
    let op = operation["op"].as_str().unwrap().to_lowercase();
    let value = &operation["value"];
    match operation["path"].as_str() {
        None => {
            for (path, value) in value.as_object().unwrap() {
                set(resource, path, value);
            }
        }
        Some("members") if op == "add" => {
            let mut members = resource["members"].as_array().cloned().unwrap_or_default();
            members.extend(value.as_array().unwrap().clone());
            resource["members"] = json!(members);
        }
        Some("members") if op == "remove" => {
            let gone: Vec<_> = value.as_array().unwrap().iter().map(|it| &it["value"]).collect();
            let members = resource["members"].as_array_mut().unwrap();
            members.retain(|member| !gone.contains(&&member["value"]));
        }
        Some(path) if path.starts_with("members[") => {
            let gone = path.split('"').nth(1).unwrap();
            if let Some(members) = resource["members"].as_array_mut() {
                members.retain(|member| member["value"] != gone);
            }
        }
        Some(path) if op == "remove" => set(resource, path, &Value::Null),
        Some(path) => set(resource, path, value),
    }
}

fn set(resource: &mut Value, path: &str, value: &Value) {
    let manager = format!("{ENTERPRISE}:manager");
    if path == "active" {
        resource["active"] = json!(value == "True" || value == true);
    } else if path == "manager" || path == manager {
        let id = value[0]["value"].as_str().or_else(|| value.as_str()).unwrap();
        resource[ENTERPRISE]["manager"] = json!({ "value": id });
    } else if let Some(name) = path.strip_prefix(&format!("{ENTERPRISE}:")) {
        resource[ENTERPRISE][name] = value.clone();
    } else if path.starts_with("emails[") {
        let mails = &mut resource["emails"];
        match mails.get_mut(0) {
            Some(mail) => mail["value"] = value.clone(),
            None => *mails = json!([{ "type": "work", "value": value }]),
        }
    } else if let Some(name) = path.strip_prefix("name.") {
        resource["name"][name] = value.clone();
    } else {
        resource[path] = value.clone();
    }
}
