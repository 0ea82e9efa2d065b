//! PATCH: parsing the request, and applying its operations to a resource.
//!
//! A request is expanded into [`Change`]s with one target each, whatever form it came in (with a
//! path, without, with URNs or dotted names as keys), so that members, attribute history and the
//! engine look at one shape. The engine works on a [`Resource`] in canonical form and leaves one;
//! whoever calls it works on a copy and keeps it only if every change succeeds, which makes the
//! request atomic. Membership changes are not applied here, see [`crate::members`].
//! RFC 7644 §3.5.2.

use std::fmt;

use serde_json::Value;

use crate::coerce::Leniency;
use crate::error::{Echo, Error};
use crate::object;
use crate::path::{AttributePath, Path};
use crate::resource::Resource;
use crate::schema::{Catalogue, Kind};
use crate::urn;

mod apply;
mod list;
mod parse;
#[cfg(test)]
#[expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]
mod tests;

/// The most operations in one request. Clients are known to send a few hundred.
pub const OPERATIONS_MAX: usize = 1_000;
/// The most attributes that the operations of one request may speak of together.
pub const CHANGES_MAX: usize = 10_000;

/// How often they may look into each element of a list: once for every comparison of a value filter, and
/// for a sub-attribute of a list.
pub const SELECTIONS_MAX: usize = 1_000;

/// How many bytes of resources the value filters of one request may be compared with: each comparison counts
/// all of the resource, since it may have to fold each text in it.
pub const COMPARED_BYTES_MAX: usize = 32 << 20;

/// A PATCH request, expanded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The changes in the order in which they are to be applied.
    pub changes: Vec<Change>,
    /// Keys of values without a path that no schema has; they change nothing.
    pub ignored: Vec<String>,
}

/// One change of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The operation it comes from, 0-based; texts for people count from 1.
    pub operation_index: usize,
    /// What to do.
    pub op: Op,
    /// The target.
    pub path: Path,
    /// The value; always there for `add` and `replace`.
    pub value: Option<Value>,
}

/// The operations of RFC 7644 §3.5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Add a value, §3.5.2.1.
    Add,
    /// Remove a value, §3.5.2.2.
    Remove,
    /// Replace a value, §3.5.2.3.
    Replace,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Replace => "replace",
        })
    }
}

/// How operations are taken that the RFC refuses or leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether `add` and `replace` with a value filter on `type` or `primary` that matches nothing
    /// create the element, and `remove` then does nothing. Otherwise that is `noTarget`, as it
    /// always is for other filters.
    pub create_missing: bool,
    /// How values are taken that do not have the schema's type. Lenient also lets `remove` with a
    /// value list remove only those values, and keeps what a declared extension does not have.
    pub leniency: Leniency,
}

impl Options {
    /// What IdPs need.
    pub const LENIENT: Self = Self { create_missing: true, leniency: Leniency::Lenient };
    /// The RFC to the letter.
    pub const STRICT: Self = Self { create_missing: false, leniency: Leniency::Strict };
}

impl Default for Options {
    fn default() -> Self {
        Self::LENIENT
    }
}

impl Request {
    /// Parses the body of a PATCH request.
    ///
    /// Names and operations are taken in any case. In a value without a path, keys may be names,
    /// dotted names, full paths, or URNs with an object; `id`, `meta`, `schemas` and whatever else
    /// is readOnly is skipped there, because clients send it as decoration.
    ///
    /// # Errors
    /// `invalidSyntax` for the envelope, 413 for more than [`OPERATIONS_MAX`] operations,
    /// [`CHANGES_MAX`] changes or for more than [`SELECTIONS_MAX`] looks into lists,
    /// `invalidPath` or `invalidFilter` for a path, `noTarget` for `remove` without one,
    /// `invalidValue` where a value is missing. The detail names the operation.
    ///
    /// # Source
    /// RFC 7644 §3.5.2.
    pub fn parse(body: Value, kind: Kind, catalogue: &Catalogue) -> Result<Self, Error> {
        Self::parse_with(body, kind, catalogue, Leniency::Lenient)
    }

    /// The same as [`Request::parse`]; strict demands `schemas`, a list of operations, and their
    /// names in lower case. Of what it finds in a value without a path, it also ignores what a
    /// declared extension does not have.
    ///
    /// # Errors
    /// As [`Request::parse`].
    pub fn parse_with(
        body: Value,
        kind: Kind,
        catalogue: &Catalogue,
        leniency: Leniency,
    ) -> Result<Self, Error> {
        parse::request(body, kind, catalogue, leniency)
    }

    /// The names of the attributes of extensions that the request speaks of.
    pub fn extension_paths(&self) -> Vec<AttributePath> {
        let of = |change: &Change| match (&change.path.attribute, &change.value) {
            (AttributePath { schema: None, name, .. }, Some(Value::Object(inside)))
                if urn::is_uri(name) =>
            {
                inside.keys().map(|key| AttributePath::new(key).in_schema(name)).collect()
            }
            (path, _) if path.schema.is_some() => vec![path.clone()],
            _ => Vec::new(),
        };
        self.changes.iter().flat_map(of).collect()
    }

    /// Applies all changes in order, and checks that nothing required is missing in the end.
    ///
    /// # Errors
    /// The first one's, see [`apply()`], or that of [`Resource::check`]; the resource is then half
    /// changed and of no use.
    pub fn apply(
        &self,
        resource: &mut Resource,
        kind: Kind,
        catalogue: &Catalogue,
        options: &Options,
    ) -> Result<(), Error> {
        let mut compared = Compared::default();
        for change in &self.changes {
            compared.with(resource, change)?;
            apply(resource, change, kind, catalogue, options)?;
        }
        resource.check(kind, catalogue)
    }
}

/// What the value filters of one request have been compared with so far, in bytes. Who applies changes one
/// by one counts with it before each of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compared(usize);

impl Compared {
    /// Counts what it takes to apply a change to a resource.
    ///
    /// # Errors
    /// `tooMany` beyond [`COMPARED_BYTES_MAX`]. The detail names the operation and the path.
    pub fn with(&mut self, resource: &Resource, change: &Change) -> Result<(), Error> {
        let Some(filter) = &change.path.filter else { return Ok(()) };
        let bytes = filter.comparisons().saturating_mul(resource.bytes());
        self.0 = self.0.saturating_add(bytes);
        if self.0 <= COMPARED_BYTES_MAX {
            return Ok(());
        }
        let bytes = self.0;
        let detail =
            format!("the value filters look through {bytes} bytes, more than {COMPARED_BYTES_MAX}");
        Err(change.place(Error::too_many(detail)))
    }
}

impl Change {
    /// An error of this change, with the operation and the path.
    fn place(&self, error: Error) -> Error {
        let Self { operation_index, op, path, .. } = self;
        error.at(format_args!("operation {} ({op} {})", operation_index + 1, Echo(path)))
    }
}

/// Whether the value of a `remove` names no values of the list, so that all of them are meant. An empty
/// list does name values, none: clients send it when nobody is left to be removed.
pub(crate) fn names_no_values(value: Option<&Value>) -> bool {
    value.is_none_or(|value| object::is_empty(value) && !value.is_array())
}

/// Applies one change to a resource.
///
/// A value that is null or empty unassigns the target. Changes of `members` (of a group),
/// `password` and `schemas` are accepted and do nothing here.
///
/// # Errors
/// `invalidPath` for an attribute that does not exist (to strict, also in an extension that is
/// declared), `mutability` for one that is readOnly or
/// that is required and would be unassigned, `noTarget` for a value filter that matches nothing,
/// `invalidFilter`, `invalidValue`. The detail names the operation and the path; the resource may
/// be half changed and is of no use.
///
/// # Source
/// RFC 7644 §3.5.2.1 to §3.5.2.3. What IdPs send beside them is named in [`Options`].
pub fn apply(
    resource: &mut Resource,
    change: &Change,
    kind: Kind,
    catalogue: &Catalogue,
    options: &Options,
) -> Result<(), Error> {
    apply::apply(resource, change, kind, catalogue, *options).map_err(|error| change.place(error))
}
