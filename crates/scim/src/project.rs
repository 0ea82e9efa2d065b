//! The projection of a document: `attributes` and `excludedAttributes`.
//!
//! Parsed once per request and applied to each document just before it is sent. RFC 7644 §3.9.

use serde_json::Value;

use crate::error::{Echo, Error};
use crate::object;
use crate::path::{AttributePath, Path};
use crate::schema::{Attribute, Catalogue, Kind, Named, Place, Returned};
use crate::urn;

/// The most names in `attributes` or `excludedAttributes`: all that the schemas have, and more. Each
/// is looked for in every document of a page.
pub const PATHS_MAX: usize = 500;

/// Which attributes of a resource a response has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Projection {
    selection: Selection,
    /// What the client has just sent.
    sent: Vec<AttributePath>,
}

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
    /// `invalidValue` if both are given, or if one holds what is no attribute path or more than
    /// [`PATHS_MAX`] of them.
    ///
    /// # Source
    /// RFC 7644 §3.9: the two are "mutually exclusive".
    pub fn parse(attributes: Option<&str>, excluded: Option<&str>) -> Result<Self, Error> {
        let attributes = paths("attributes", attributes.unwrap_or_default())?;
        let excluded = paths("excludedAttributes", excluded.unwrap_or_default())?;
        match (attributes.is_empty(), excluded.is_empty()) {
            (true, true) => Ok(Selection::Default.into()),
            (false, true) => Ok(Selection::Only(attributes).into()),
            (true, false) => Ok(Selection::Without(excluded).into()),
            (false, false) => Err(Error::invalid_value(
                "'attributes' and 'excludedAttributes' cannot be given together",
            )),
        }
    }

    /// The same for the answer to a request that carried these attributes: what is returned only on
    /// request is returned where it was sent.
    ///
    /// # Source
    /// RFC 7643 §7, `returned`: "request".
    #[must_use]
    pub fn with_sent(self, sent: Vec<AttributePath>) -> Self {
        Self { sent, ..self }
    }

    /// Whether the client asked for nothing in particular.
    pub fn is_default(&self) -> bool {
        self.selection == Selection::Default
    }

    /// Whether the client gave `attributes`, which makes 204 impossible as an answer to PATCH.
    ///
    /// # Source
    /// RFC 7644 §3.5.2.
    pub fn is_explicit(&self) -> bool {
        matches!(self.selection, Selection::Only(_))
    }

    /// Leaves in a document what the response has.
    pub fn apply(&self, document: &mut Value, kind: Kind, catalogue: &Catalogue) {
        let Value::Object(document) = document else { return };
        let (paths, is_only) = match &self.selection {
            Selection::Default => (&[][..], false),
            Selection::Only(paths) => (&paths[..], true),
            Selection::Without(paths) => (&paths[..], false),
        };
        let places: Vec<_> = paths.iter().filter_map(|path| catalogue.locate(kind, path)).collect();
        let sent = if is_only { Vec::new() } else { self.sent(kind, catalogue) };
        let definition = |name: &str| catalogue.core_attribute(kind, name);
        let is_core = |place: &Place<'_>| place.extension.is_none() && place.attribute.is_none();
        let is_all_of_core = places.iter().any(is_core);
        document.retain(|name, value| {
            if urn::is_uri(name) {
                let schema = catalogue.extension(kind, name);
                let is_whole = places.iter().any(|place| is_whole(place, name));
                let Value::Object(attributes) = value else { return is_whole == is_only };
                attributes.retain(|name_inside, value| {
                    let attribute = schema.and_then(|schema| schema.attribute(name_inside));
                    let named = Naming::of(&places, Some(name), name_inside);
                    if is_whole && !named.is_named {
                        return stays_in_whole(attribute, is_only, value);
                    }
                    let sent = Naming::of(&sent, Some(name), name_inside);
                    stays(attribute, is_only, named, &sent, value)
                });
                return !attributes.is_empty();
            }
            let (named, sent) = (Naming::of(&places, None, name), Naming::of(&sent, None, name));
            if is_all_of_core && !named.is_named {
                return stays_in_whole(definition(name), is_only, value);
            }
            stays(definition(name), is_only, named, &sent, value)
        });
    }
}

impl Projection {
    /// The places of what was sent and is returned on request.
    fn sent<'a>(&'a self, kind: Kind, catalogue: &'a Catalogue) -> Vec<Place<'a>> {
        let is_on_request = |place: &Place<'_>| {
            let definitions = [place.attribute, place.sub].into_iter().flatten();
            let mut definitions = definitions.filter_map(|named| named.definition);
            definitions.any(|attribute| attribute.returned == Returned::Request)
        };
        let places = self.sent.iter().filter_map(|path| catalogue.locate(kind, path));
        places.filter(is_on_request).collect()
    }
}

/// What places say of one attribute.
#[derive(Default)]
struct Naming<'a> {
    /// Whether any of them is the attribute, or in it.
    is_named: bool,
    /// Whether one of them is the attribute itself.
    is_whole: bool,
    /// The sub-attributes that they are.
    subs: Vec<&'a str>,
}

impl<'a> Naming<'a> {
    /// What they say of the attribute of an extension, or of the top level.
    fn of(places: &[Place<'a>], extension: Option<&str>, name: &str) -> Self {
        let mut naming = Self::default();
        for place in places.iter().filter(|place| is_in(place, extension)) {
            let attribute = place.attribute;
            if !attribute.is_some_and(|attribute| attribute.name.eq_ignore_ascii_case(name)) {
                continue;
            }
            naming.is_named = true;
            match place.sub {
                Some(sub) => naming.subs.push(sub.name),
                None => naming.is_whole = true,
            }
        }
        naming
    }
}

impl From<Selection> for Projection {
    fn from(selection: Selection) -> Self {
        Self { selection, sent: Vec::new() }
    }
}

/// Whether an attribute stays, given how it is named and how it was sent; cuts its value down to
/// the sub-attributes that do.
fn stays(
    attribute: Option<&Attribute>,
    is_only: bool,
    named: Naming<'_>,
    sent: &Naming<'_>,
    value: &mut Value,
) -> bool {
    let Naming { is_named, mut is_whole, subs } = named;
    let returned = attribute.map_or(Returned::Default, |attribute| attribute.returned);
    match returned {
        _ if attribute.is_some_and(Attribute::is_hidden) => return false,
        Returned::Always => is_whole |= is_only,
        Returned::Request if !is_only && !sent.is_named => return false,
        _ if is_whole && !is_only => return false,
        _ if is_only && !is_named => return false,
        _ => {}
    }
    let asked = if is_only { &subs } else { &sent.subs };
    cut(value, attribute, &subs, asked, is_only, is_whole && is_only);
    returned == Returned::Always || !object::is_empty(value)
}

/// The same for an attribute of a schema that is named as a whole, and not by itself.
fn stays_in_whole(attribute: Option<&Attribute>, is_only: bool, value: &mut Value) -> bool {
    match attribute {
        Some(attribute) if attribute.is_hidden() => false,
        Some(attribute) if attribute.returned == Returned::Request => false,
        Some(attribute) if attribute.returned == Returned::Always => {
            cut(value, Some(attribute), &[], &[], false, true);
            true
        }
        attribute => {
            cut(value, attribute, &[], &[], false, true);
            is_only && !object::is_empty(value)
        }
    }
}

/// Leaves sub-attributes, of an object or of each element: of those that are returned by default
/// the named ones (`is_only`) or the others, or all of them (`is_whole`); of those that are returned
/// on request the ones that are asked for.
fn cut(
    value: &mut Value,
    attribute: Option<&Attribute>,
    subs: &[&str],
    asked: &[&str],
    is_only: bool,
    is_whole: bool,
) {
    match value {
        Value::Array(elements) => {
            for element in elements.iter_mut() {
                cut(element, attribute, subs, asked, is_only, is_whole);
            }
            elements.retain(|element| !object::is_empty(element));
        }
        Value::Object(object) => object.retain(|name, _| {
            let is_among = |subs: &[&str]| subs.iter().any(|sub| sub.eq_ignore_ascii_case(name));
            let is_named = is_among(subs);
            let sub = attribute.and_then(|attribute| attribute.sub(name));
            match sub.map_or(Returned::Default, |sub| sub.returned) {
                _ if sub.is_some_and(Attribute::is_hidden) => false,
                Returned::Always => true,
                Returned::Request => is_among(asked) && is_named == is_only,
                _ => is_whole || is_named == is_only,
            }
        }),
        _ => {}
    }
}

/// Whether a place is all of an extension. The URN of one that nobody declared may read as an
/// attribute of a shorter one.
fn is_whole(place: &Place<'_>, urn: &str) -> bool {
    match (place.extension.as_deref(), place.attribute, place.sub) {
        (_, None, _) => is_in(place, Some(urn)),
        (Some(of), Some(Named { name, definition: None }), None) => {
            format!("{of}:{name}").eq_ignore_ascii_case(urn)
        }
        _ => false,
    }
}

fn is_in(place: &Place<'_>, extension: Option<&str>) -> bool {
    match (place.extension.as_deref(), extension) {
        (None, None) => place.attribute.is_some(),
        (Some(of), Some(extension)) => of.eq_ignore_ascii_case(extension),
        _ => false,
    }
}

fn paths(parameter: &str, list: &str) -> Result<Vec<AttributePath>, Error> {
    let names = split(list).map(str::trim).filter(|name| !name.is_empty());
    let paths: Vec<_> =
        names.take(PATHS_MAX + 1).map(|name| path(parameter, name)).collect::<Result<_, _>>()?;
    if paths.len() > PATHS_MAX {
        let detail = format!("'{parameter}' has more than {PATHS_MAX} names");
        return Err(Error::invalid_value(detail));
    }
    Ok(paths)
}

/// The attribute path in a parameter. A value filter in it is dropped.
pub(crate) fn path(parameter: &str, text: &str) -> Result<AttributePath, Error> {
    let path = Path::parse(text).map_err(|error| {
        Error::invalid_value(format!("'{parameter}', '{}': {error}", Echo(text)))
    })?;
    Ok(match path.sub {
        Some(sub) => path.attribute.with_sub(sub),
        None => path.attribute,
    })
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    fn document() -> Value {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
            "id": "1", "userName": "ada", "password": "never",
            "name": {"givenName": "Ada", "familyName": "L"},
            "emails": [{"value": "a@x", "type": "work"}, {"value": "b@x"}],
            "groups": [{"value": "g"}],
            ENTERPRISE: {"department": "d", "manager": {"value": "2"}},
            "urn:company:2.0:User": {"costCode": 7},
            "meta": {"resourceType": "User"}
        })
    }

    /// The names that are left, of extensions with their attributes.
    fn names(attributes: Option<&str>, excluded: Option<&str>) -> String {
        let mut document = document();
        let projection = Projection::parse(attributes, excluded).unwrap();
        projection.apply(&mut document, Kind::User, Catalogue::standard());
        let mut names = Vec::new();
        for (name, value) in document.as_object().unwrap() {
            match value {
                Value::Object(inside) if name != "meta" => {
                    let short = name.trim_start_matches("urn:").split(':').next().unwrap();
                    names.extend(inside.keys().map(|key| format!("{short}.{key}")));
                }
                Value::Array(items) if name == "emails" => {
                    names.push(format!("emails{}", json!(items)));
                }
                _ => names.push(name.clone()),
            }
        }
        names.retain(|name| !matches!(name.as_str(), "id" | "schemas"));
        assert!(document.get("id").is_some() && document.get("schemas").is_some());
        names.join(" ")
    }

    #[test]
    fn section_3_9_only_what_is_asked_for_and_what_is_always_returned() {
        assert_eq!(names(Some("userName"), None), "userName");
        assert_eq!(names(Some("USERNAME, name.givenName,,"), None), "name.givenName userName");
        assert_eq!(names(Some("emails.value"), None), r#"emails[{"value":"a@x"},{"value":"b@x"}]"#);
        assert_eq!(names(Some("emails.type"), None), r#"emails[{"type":"work"}]"#);
        assert_eq!(names(Some("name.givenName,name"), None), "name.familyName name.givenName");
        assert_eq!(
            names(Some("urn:ietf:params:scim:schemas:core:2.0:User:userName"), None),
            "userName"
        );
        assert_eq!(names(Some(&format!("{ENTERPRISE}:department")), None), "ietf.department");
        assert_eq!(names(Some(ENTERPRISE), None), "ietf.department ietf.manager");
        assert_eq!(
            names(Some("manager.value,urn:company:2.0:USER:COSTCODE"), None),
            "company.costCode ietf.manager"
        );
        assert_eq!(
            names(Some("emails[type eq \"work\" or value eq \"a,b\"].value,nope"), None),
            r#"emails[{"value":"a@x"},{"value":"b@x"}]"#
        );
        assert_eq!(names(Some("password,id"), None), "");
    }

    #[test]
    fn section_3_9_everything_but_what_is_excluded() {
        assert_eq!(
            names(None, Some("emails,groups,meta,id,urn:company:2.0:User")),
            "name.familyName name.givenName ietf.department ietf.manager userName"
        );
        assert_eq!(
            names(
                None,
                Some(&format!("name.givenName,emails.value,groups,{ENTERPRISE}:department"))
            ),
            r#"emails[{"type":"work"}] meta name.familyName company.costCode ietf.manager userName"#
        );
        assert_eq!(names(None, Some("")), names(None, None));
        assert!(!names(None, None).contains("password"));
    }

    #[test]
    fn a_schema_is_all_of_its_attributes() {
        const CUSTOM: &str = "urn:okta:app:1.0:user:custom";
        let left = |attributes, excluded| {
            let mut document = document();
            document[CUSTOM] = json!({"code": 7, "desk": {"floor": 1}});
            document["urn:okta:app:1.0:user"] = json!({"custom": 1, "other": 2});
            let projection = Projection::parse(attributes, excluded).unwrap();
            projection.apply(&mut document, Kind::User, Catalogue::standard());
            let mut names: Vec<_> = document.as_object().unwrap().keys().cloned().collect();
            names.retain(|name| !matches!(name.as_str(), "id" | "schemas" | ENTERPRISE));
            names.sort();
            names.join(" ")
        };
        let core = "emails groups meta name userName";
        assert_eq!(left(Some(Kind::User.schema()), None), core);
        assert_eq!(
            left(Some("URN:IETF:params:scim:schemas:core:2.0:User,name.givenName"), None),
            core
        );
        let others = format!("urn:company:2.0:User urn:okta:app:1.0:user {CUSTOM}");
        assert_eq!(left(None, Some(Kind::User.schema())), others);
        // The last part of its name could be that of an attribute.
        assert_eq!(left(Some(CUSTOM), None), format!("urn:okta:app:1.0:user {CUSTOM}"));
        let others = "emails groups meta name urn:company:2.0:User urn:okta:app:1.0:user userName";
        assert_eq!(left(None, Some(CUSTOM)), others);
        assert_eq!(left(Some(&format!("{CUSTOM}:code")), None), CUSTOM);
    }

    #[test]
    fn both_at_once_and_what_is_no_path_are_refused() {
        assert_eq!(Projection::parse(Some("a"), Some("b")).unwrap_err().status, 400);
        let error = Projection::parse(None, Some("a, b c")).unwrap_err();
        assert_eq!(
            error,
            Error::invalid_value(
                "'excludedAttributes', 'b c': 'b c' is not an attribute name (byte 0)"
            )
        );
        assert!(Projection::parse(Some(""), Some("b")).is_ok());
        let names = |count: usize| vec!["a"; count].join(",");
        assert!(Projection::parse(Some(&names(PATHS_MAX)), None).is_ok());
        assert_eq!(
            Projection::parse(Some(&names(PATHS_MAX + 1)), None).unwrap_err().detail,
            "'attributes' has more than 500 names"
        );
    }

    #[test]
    fn groups_keep_their_name_without_their_members() {
        let mut group = json!({"id": "1", "displayName": "g", "members": [{"value": "u"}]});
        let projection = Projection::parse(None, Some("members")).unwrap();
        projection.apply(&mut group, Kind::Group, Catalogue::standard());
        assert_eq!(group, json!({"id": "1", "displayName": "g"}));
    }
}
