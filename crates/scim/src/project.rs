//! The projection of a document: `attributes` and `excludedAttributes`.
//!
//! Parsed once per request and applied to each document just before it is sent. It also tells
//! beforehand what will not be sent ([`Projection::wants`]), because reading the members of a
//! large group to throw them away is what makes servers slow. RFC 7644 §3.9.

use serde_json::Value;

use crate::error::Error;
use crate::object;
use crate::path::{AttributePath, Path};
use crate::schema::{Attribute, Catalogue, Kind, Place, Returned};
use crate::urn;

/// Which attributes of a resource a response has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Projection(Selection);

#[derive(Clone, Debug, Default, PartialEq)]
enum Selection {
    /// Those that are returned by default.
    #[default]
    Default,
    /// These and those that are always returned.
    Only(Vec<AttributePath>),
    /// Those that are returned by default, without these.
    Without(Vec<AttributePath>),
}

impl Projection {
    /// Parses the two parameters: comma-separated attribute paths. An empty one counts as absent.
    ///
    /// A value filter in a path is dropped: `emails[type eq "work"].value` means `emails.value`.
    ///
    /// # Errors
    /// `invalidValue` if both are given, or if one holds what is no attribute path.
    ///
    /// # Source
    /// RFC 7644 §3.9: the two are "mutually exclusive".
    pub fn parse(attributes: Option<&str>, excluded: Option<&str>) -> Result<Self, Error> {
        let attributes = paths("attributes", attributes.unwrap_or_default())?;
        let excluded = paths("excludedAttributes", excluded.unwrap_or_default())?;
        match (attributes.is_empty(), excluded.is_empty()) {
            (true, true) => Ok(Self(Selection::Default)),
            (false, true) => Ok(Self(Selection::Only(attributes))),
            (true, false) => Ok(Self(Selection::Without(excluded))),
            (false, false) => Err(Error::invalid_value(
                "'attributes' and 'excludedAttributes' cannot be given together",
            )),
        }
    }

    /// Whether the client asked for nothing in particular.
    pub fn is_default(&self) -> bool {
        self.0 == Selection::Default
    }

    /// Whether the client gave `attributes`, which makes 204 impossible as an answer to PATCH.
    ///
    /// # Source
    /// RFC 7644 §3.5.2.
    pub fn is_explicit(&self) -> bool {
        matches!(self.0, Selection::Only(_))
    }

    /// Whether anything of a core attribute will be in the response.
    pub fn wants(&self, name: &str) -> bool {
        let is_core =
            |urn: &String| Kind::ALL.iter().any(|kind| urn.eq_ignore_ascii_case(kind.schema()));
        let is_named = |path: &&AttributePath| {
            path.name.eq_ignore_ascii_case(name) && path.schema.as_ref().is_none_or(is_core)
        };
        match &self.0 {
            Selection::Default => true,
            Selection::Only(paths) => paths.iter().any(|path| is_named(&path)),
            Selection::Without(paths) => {
                !paths.iter().filter(is_named).any(|path| path.sub.is_none())
            }
        }
    }

    /// Leaves in a document what the response has.
    pub fn apply(&self, document: &mut Value, kind: Kind, catalogue: &Catalogue) {
        let Value::Object(document) = document else { return };
        let (paths, is_only) = match &self.0 {
            Selection::Default => (&[][..], false),
            Selection::Only(paths) => (&paths[..], true),
            Selection::Without(paths) => (&paths[..], false),
        };
        let places: Vec<_> = paths.iter().filter_map(|path| catalogue.locate(kind, path)).collect();
        let definition = |name: &str| catalogue.core_attribute(kind, name);
        document.retain(|name, value| {
            let extension = urn::is_uri(name);
            if extension && !places.iter().any(|place| is_whole(place, name)) {
                let schema = catalogue.extension(kind, name);
                let Value::Object(attributes) = value else { return !is_only };
                attributes.retain(|name_inside, value| {
                    let attribute = schema.and_then(|schema| schema.attribute(name_inside));
                    let of = places.iter().filter(|place| is_in(place, Some(name)));
                    stays(attribute, is_only, named(of, name_inside), value)
                });
                return !attributes.is_empty();
            }
            if extension {
                return is_only;
            }
            let of = places.iter().filter(|place| is_in(place, None));
            stays(definition(name), is_only, named(of, name), value)
        });
    }
}

/// Whether an attribute stays, given the paths that name it; cuts its value down to the
/// sub-attributes that do.
fn stays<'a>(
    attribute: Option<&Attribute>,
    is_only: bool,
    named: impl Iterator<Item = &'a Place<'a>>,
    value: &mut Value,
) -> bool {
    let returned = attribute.map_or(Returned::Default, |attribute| attribute.returned);
    let mut named = named.peekable();
    match returned {
        Returned::Always => return true,
        Returned::Never => return false,
        Returned::Request if !is_only => return false,
        Returned::Default | Returned::Request => {}
    }
    if named.peek().is_none() {
        return !is_only;
    }
    let mut subs = Vec::new();
    for place in named {
        match place.sub {
            Some(sub) => subs.push(sub.name),
            None => return is_only,
        }
    }
    cut(value, &subs, is_only);
    !object::is_empty(value)
}

/// Leaves (`keep`) or takes out sub-attributes, of an object or of each element.
fn cut(value: &mut Value, subs: &[&str], keep: bool) {
    match value {
        Value::Array(elements) => {
            for element in elements.iter_mut() {
                cut(element, subs, keep);
            }
            elements.retain(|element| !object::is_empty(element));
        }
        Value::Object(object) => {
            object.retain(|name, _| subs.iter().any(|sub| sub.eq_ignore_ascii_case(name)) == keep);
        }
        _ => {}
    }
}

fn is_whole(place: &Place<'_>, urn: &str) -> bool {
    place.attribute.is_none() && is_in(place, Some(urn))
}

fn is_in(place: &Place<'_>, extension: Option<&str>) -> bool {
    match (place.extension.as_deref(), extension) {
        (None, None) => place.attribute.is_some(),
        (Some(of), Some(extension)) => of.eq_ignore_ascii_case(extension),
        _ => false,
    }
}

fn named<'a>(
    places: impl Iterator<Item = &'a Place<'a>>,
    name: &str,
) -> impl Iterator<Item = &'a Place<'a>> {
    places.filter(move |place| {
        place.attribute.is_some_and(|attribute| attribute.name.eq_ignore_ascii_case(name))
    })
}

fn paths(parameter: &str, list: &str) -> Result<Vec<AttributePath>, Error> {
    split(list)
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let path = Path::parse(part).map_err(|error| {
                Error::invalid_value(format!("'{parameter}', '{part}': {error}"))
            })?;
            Ok(match path.sub {
                Some(sub) => path.attribute.with_sub(sub),
                None => path.attribute,
            })
        })
        .collect()
}

/// Splits at the commas that are not inside brackets.
fn split(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    list.split(move |c| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
}
