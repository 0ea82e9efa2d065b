//! The OpenAPI document, as what every answer has to keep to.
//!
//! Every answer that a test of this crate gets is held against it: that its route is there, that its
//! status is one of those that are described, its media type, and its body by the schema. A field that
//! the document does not name is wrong, though JSON Schema would let it pass.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use actix_web::http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

/// The media type of one JSON object a line.
const NDJSON: &str = "application/x-ndjson";

/// The media type of server-sent events.
const EVENT_STREAM: &str = "text/event-stream";

/// An operation, by its method in lower case and its path.
pub(crate) type Operation = (String, String);

/// The document, and which of its answers were seen.
pub(crate) struct Document {
    whole: Value,
    /// Made when first needed, by the schema's text: most answers share a few.
    validators: RefCell<BTreeMap<String, Rc<Validator>>>,
    seen: RefCell<BTreeSet<(Operation, u16)>>,
    granted: RefCell<Vec<Granted>>,
}

/// A request that was granted.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    pub(crate) operation: Operation,
    /// Below `/api/v1`, with its query.
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
}

impl Document {
    pub(crate) fn new(document: Value) -> Self {
        let whole = closed(document);
        Self {
            whole,
            validators: RefCell::default(),
            seen: RefCell::default(),
            granted: RefCell::default(),
        }
    }

    /// What is described: each operation with its statuses.
    pub(crate) fn operations(&self) -> BTreeMap<Operation, Vec<u16>> {
        let mut found = BTreeMap::new();
        for (path, methods) in self.whole["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let statuses = operation["responses"].as_object().unwrap().keys();
                let statuses = statuses.map(|status| status.parse().unwrap()).collect();
                found.insert((method.clone(), path.clone()), statuses);
            }
        }
        found
    }

    /// The schemas by name, and the rest that is referred to.
    pub(crate) fn components(&self) -> &Value {
        &self.whole["components"]
    }

    /// An operation as it is described.
    pub(crate) fn described(&self, (method, path): &Operation) -> &Value {
        &self.whole["paths"][path][method]
    }

    /// Whether an operation was ever answered with a status.
    pub(crate) fn has_seen(&self, operation: &Operation, status: u16) -> bool {
        self.seen.borrow().contains(&(operation.clone(), status))
    }

    /// Holds an answer against what is described. `path` is below `/api/v1`, without a query.
    pub(crate) fn check(
        &self,
        method: &Method,
        path: &str,
        status: u16,
        media: Option<&str>,
        text: &str,
    ) {
        let what = format!("{method} {path}: {status} {text}");
        let Some(operation) = self.find(method, path) else {
            assert!(matches!(status, 404 | 405), "the document does not have it: {what}");
            return;
        };
        let (method, path) = &operation;
        let response = &self.described(&operation)["responses"][status.to_string()];
        assert!(response.is_object(), "no such status is described: {what}");
        self.seen.borrow_mut().insert((operation.clone(), status));
        let Some(described) = response["content"].as_object() else {
            assert!(text.is_empty() && media.is_none(), "no body is described: {what}");
            return;
        };
        let media = media.unwrap_or_else(|| panic!("a body is described: {what}"));
        assert!(described.contains_key(media), "{media} is not described: {what}");
        let escaped = |text: &str| text.replace('~', "~0").replace('/', "~1");
        let (path, media_type) = (escaped(path), escaped(media));
        let schema =
            format!("/paths/{path}/{method}/responses/{status}/content/{media_type}/schema");
        if media == NDJSON {
            text.lines().for_each(|line| self.valid(&schema, &parsed(line), &what));
        } else if media == EVENT_STREAM {
            let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
            data.for_each(|data| self.valid(&schema, &parsed(data), &what));
        } else if media.starts_with("text/plain") {
            self.valid(&schema, &Value::String(text.to_owned()), &what);
        } else {
            self.valid(&schema, &parsed(text), &what);
        }
    }

    /// What was granted so far.
    pub(crate) fn granted(&self) -> Vec<Granted> {
        self.granted.borrow().clone()
    }

    /// Holds a request that was granted against what is described, and keeps it.
    pub(crate) fn check_request(&self, method: &Method, path: &str, body: Option<&Value>) {
        let (bare, _) = path.split_once('?').unwrap_or((path, ""));
        let operation = self.find(method, bare).unwrap();
        let kept = Granted { operation, path: path.to_owned(), body: body.cloned() };
        let operation = kept.operation.clone();
        self.granted.borrow_mut().push(kept);
        let Some(body) = body else { return };
        let what = format!("{method} {path} with {body}");
        let described = &self.described(&operation)["requestBody"];
        // An object without fields is as good as no body.
        if described.is_null() && *body == json!({}) {
            return;
        }
        assert!(described.is_object(), "no body is described: {what}");
        let (method, path) = (operation.0, operation.1.replace('/', "~1"));
        let schema = format!("/paths/{path}/{method}/requestBody/content/application~1json/schema");
        self.valid(&schema, body, &what);
    }

    /// Panics unless a value is what a schema in the document wants.
    pub(crate) fn valid(&self, pointer: &str, value: &Value, what: &str) {
        let schema = self.whole.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
        let text = schema.to_string();
        let known = self.validators.borrow().get(&text).cloned();
        let validator = known.unwrap_or_else(|| {
            // References in it begin at the root of the document.
            let closed = json!({ "components": self.whole["components"], "allOf": [schema] });
            let options = jsonschema::draft202012::options().should_validate_formats(true);
            let made = Rc::new(options.build(&closed).unwrap());
            self.validators.borrow_mut().insert(text, Rc::clone(&made));
            made
        });
        let errors: Vec<_> = validator
            .iter_errors(value)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{what}: not as described: {errors:#?}");
    }

    /// The operation that a request is for; literal parts of a path go before names.
    fn find(&self, method: &Method, path: &str) -> Option<Operation> {
        let method = if *method == Method::HEAD { Method::GET } else { method.clone() };
        let method = method.as_str().to_ascii_lowercase();
        let paths = self.whole["paths"].as_object().unwrap();
        let matching = paths.keys().filter(|pattern| matches(pattern, path));
        let best = matching.min_by_key(|pattern| pattern.matches('{').count())?;
        let known = paths[best].get(&method).is_some();
        known.then(|| (method, best.clone()))
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn matches(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(part), Some(found)) if part.starts_with('{') || part == found => {}
            _ => return false,
        }
    }
}

/// The same, but that objects with properties have these and no others.
fn closed(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(closed).collect(),
        Value::Object(object) => {
            let mut object: serde_json::Map<_, _> =
                object.into_iter().map(|(name, value)| (name, closed(value))).collect();
            let is_schema = object.get("type").is_some_and(|it| {
                *it == json!("object")
                    || it.as_array().is_some_and(|it| it.contains(&json!("object")))
            });
            if is_schema && object.contains_key("properties") {
                object.entry("additionalProperties").or_insert(json!(false));
            }
            object.into()
        }
        other => other,
    }
}
