//! From the body of a PATCH request to changes with one target each.

use serde_json::{Map, Value};

use super::{CHANGES_MAX, Change, OPERATIONS_MAX, Op, Request, SELECTIONS_MAX};
use crate::bounds;
use crate::coerce::Leniency;
use crate::envelope;
use crate::error::{Echo, Error};
use crate::members;
use crate::object;
use crate::path::{AttributePath, Path};
use crate::schema::{Attribute, Catalogue, Kind, Place};
use crate::urn;

pub(super) fn request(
    body: Value,
    kind: Kind,
    catalogue: &Catalogue,
    leniency: Leniency,
) -> Result<Request, Error> {
    let Value::Object(mut body) = body else {
        return Err(Error::invalid_syntax("a PATCH request must be a JSON object"));
    };
    bounds::check_object("PatchOp", &body)?;
    envelope::check_schemas(object::get(&body, "schemas"), urn::PATCH_OP, leniency)?;
    let operations = match object::remove(&mut body, "Operations") {
        Some(Value::Array(operations)) => operations,
        Some(operation @ Value::Object(_)) if leniency == Leniency::Lenient => vec![operation],
        _ => return Err(Error::invalid_syntax("'Operations' must be a list")),
    };
    if operations.is_empty() {
        return Err(Error::invalid_syntax("'Operations' must not be empty"));
    }
    if operations.len() > OPERATIONS_MAX {
        let detail = format!("{} operations, more than {OPERATIONS_MAX}", operations.len());
        return Err(Error::payload_too_large(detail));
    }
    let request = Request::default();
    let mut parser =
        Parser { kind, catalogue, leniency, index: 0, op: Op::Add, selections: 0, request };
    for (index, operation) in operations.into_iter().enumerate() {
        parser.index = index;
        parser
            .operation(operation)
            .map_err(|error| error.at(format_args!("operation {}", index + 1)))?;
        if parser.request.changes.len() > CHANGES_MAX {
            let detail = format!("the operations change more than {CHANGES_MAX} attributes");
            return Err(Error::payload_too_large(detail));
        }
        if parser.selections > SELECTIONS_MAX {
            let detail = format!("the operations look into lists more than {SELECTIONS_MAX} times");
            return Err(Error::payload_too_large(detail));
        }
    }
    Ok(parser.request)
}

struct Parser<'a> {
    kind: Kind,
    catalogue: &'a Catalogue,
    leniency: Leniency,
    index: usize,
    op: Op,
    /// How often changes look into each element of a list.
    selections: usize,
    request: Request,
}

impl Parser<'_> {
    fn operation(&mut self, operation: Value) -> Result<(), Error> {
        let Value::Object(mut operation) = operation else {
            return Err(Error::invalid_syntax("an operation must be an object"));
        };
        bounds::check_object("Operations", &operation)?;
        self.op = op(object::get(&operation, "op"), self.leniency)?;
        let value = object::remove(&mut operation, "value");
        let path = match object::remove(&mut operation, "path") {
            Some(Value::String(path)) if !path.trim().is_empty() => Path::parse(&path)?,
            Some(value) if !object::is_empty(&value) && !value.is_string() => {
                return Err(Error::invalid_path("'path' must be a string"));
            }
            _ => return self.without_path(value),
        };
        if value.is_none() && self.op != Op::Remove {
            return Err(Error::invalid_value(format!("'{}' needs a 'value'", self.op)));
        }
        match value {
            Some(Value::Object(object)) if self.is_core_schema(&path) && self.op != Op::Remove => {
                self.attributes(object)
            }
            value => {
                let value = value.map(|value| self.as_list(&path, value));
                self.push(path, value);
                Ok(())
            }
        }
    }

    /// Makes a list of the one value that `add` may give for a path to a list. Strict takes nothing
    /// but lists otherwise; lenient does so by itself.
    ///
    /// # Source
    /// RFC 7644 §3.5.2.1: "The value MAY be a quoted value, or it may be a JSON object", and of a
    /// multi-valued attribute, "a new value is added to the attribute".
    fn as_list(&self, path: &Path, value: Value) -> Value {
        let is_list = || {
            let place = self.catalogue.locate(self.kind, &path.attribute)?;
            Some(place.definition()?.multi_valued)
        };
        let may_be_one = self.leniency == Leniency::Strict
            && self.op == Op::Add
            && path.filter.is_none()
            && !value.is_array()
            && !object::is_empty(&value);
        if may_be_one && is_list().unwrap_or(false) { Value::Array(vec![value]) } else { value }
    }

    fn without_path(&mut self, value: Option<Value>) -> Result<(), Error> {
        if self.op == Op::Remove {
            return Err(Error::no_target("'remove' needs a 'path'"));
        }
        match value {
            Some(Value::Object(object)) => self.attributes(object),
            Some(_) => Err(Error::invalid_value("without 'path', 'value' must be an object")),
            None => Err(Error::invalid_value(format!("'{}' needs a 'value'", self.op))),
        }
    }

    /// The attributes of a value without a path, one change each.
    fn attributes(&mut self, object: Map<String, Value>) -> Result<(), Error> {
        bounds::check_object("value", &object)?;
        for (key, value) in object {
            match value {
                Value::Object(object) if key.eq_ignore_ascii_case(self.kind.schema()) => {
                    self.attributes(object)?;
                }
                Value::Object(object) if urn::is_uri(&key) && self.is_schema(&key) => {
                    self.extension(&key, object)?;
                }
                value => self.attribute(key, value)?,
            }
        }
        Ok(())
    }

    fn attribute(&mut self, key: String, value: Value) -> Result<(), Error> {
        let path = match Path::parse(&key) {
            Ok(path) => path,
            Err(error) if key.contains('[') => return Err(error.into()),
            Err(_) => {
                self.request.ignored.push(key);
                return Ok(());
            }
        };
        match self.catalogue.locate(self.kind, &path.attribute) {
            Some(place) if place.is_read_only() => {}
            Some(place) if !self.is_undeclared(&place) => self.push(path, Some(value)),
            _ => self.request.ignored.push(key),
        }
        Ok(())
    }

    /// Whether a declared extension does not have what strict wants it to declare.
    fn is_undeclared(&self, place: &Place<'_>) -> bool {
        self.leniency == Leniency::Strict && self.catalogue.lacks(self.kind, place)
    }

    /// The attributes under an extension's URN. Their names are taken as they are, because those
    /// of free-form extensions may be anything.
    fn extension(&mut self, urn: &str, object: Map<String, Value>) -> Result<(), Error> {
        bounds::check_object(urn, &object)?;
        let schema = self.catalogue.extension(self.kind, urn);
        for (key, value) in object {
            let attribute = schema.and_then(|schema| schema.attribute(&key));
            if attribute.is_some_and(Attribute::is_read_only) {
                continue;
            }
            // A dotted name is one only where the schema has its first part.
            let dotted = key
                .split_once('.')
                .filter(|(name, _)| schema.is_some_and(|schema| schema.attribute(name).is_some()));
            let path = match dotted {
                Some((name, sub)) => AttributePath::new(name).with_sub(sub),
                None if attribute.is_none()
                    && schema.is_some()
                    && self.leniency == Leniency::Strict =>
                {
                    self.request.ignored.push(format!("{urn}:{key}"));
                    continue;
                }
                None => AttributePath::new(key),
            };
            self.push(Path::new(path.in_schema(urn)), Some(value));
        }
        Ok(())
    }

    fn push(&mut self, path: Path, value: Option<Value>) {
        self.selections += match &path.filter {
            // The group knows how many members it has, and counts for itself.
            Some(_) if self.kind == Kind::Group && members::is_members(&path.attribute) => 1,
            Some(filter) => filter.comparisons(),
            None => usize::from(self.is_in_list(&path)),
        };
        self.request.changes.push(Change { operation_index: self.index, op: self.op, path, value });
    }

    /// Whether a path ends at a sub-attribute of what is a list, or may be one.
    fn is_in_list(&self, path: &Path) -> bool {
        let is_list = || {
            let place = self.catalogue.locate(self.kind, &path.attribute)?;
            Some(place.attribute?.definition.is_none_or(|attribute| attribute.multi_valued))
        };
        path.sub().is_some() && is_list().unwrap_or(false)
    }

    fn is_core_schema(&self, path: &Path) -> bool {
        path.filter.is_none()
            && path.attribute.schema.is_none()
            && path.attribute.name.eq_ignore_ascii_case(self.kind.schema())
    }

    /// Whether a URN with an object is a schema, and not a complex attribute by its full name.
    fn is_schema(&self, urn: &str) -> bool {
        let Ok(path) = AttributePath::parse(urn) else { return false };
        self.catalogue.locate(self.kind, &path).is_some_and(|place| {
            place.attribute.is_none_or(|attribute| attribute.definition.is_none())
        })
    }
}

fn op(op: Option<&Value>, leniency: Leniency) -> Result<Op, Error> {
    let Some(Value::String(text)) = op else {
        return Err(Error::invalid_syntax("'op' must be 'add', 'remove' or 'replace'"));
    };
    let is = |word: &str| match leniency {
        Leniency::Lenient => text.eq_ignore_ascii_case(word),
        Leniency::Strict => text == word,
    };
    match () {
        () if is("add") => Ok(Op::Add),
        () if is("remove") => Ok(Op::Remove),
        () if is("replace") => Ok(Op::Replace),
        () => {
            let detail =
                format!("the operation '{}' is not 'add', 'remove' or 'replace'", Echo(text));
            Err(Error::invalid_syntax(detail))
        }
    }
}
