//! Which names there are: the check of what a filter or an order speaks of.
//!
//! A name that no schema has matches nothing, forever, and whoever mistyped it in a mapping sees an
//! empty list and no reason. Names under a URN that nobody declared stay free; a name that only
//! another kind of resource has is no error (RFC 7644 §3.4.2.1: it has no value). Looking a name up
//! costs no more than binding it; what was meant is searched for only where it is not found.

use super::{Attribute, Catalogue, Kind, Returned};
use crate::error::Echo;
use crate::path::AttributePath;
use crate::urn;

/// How many letters may differ for a name to be the one that was meant.
const DISTANCE_MAX: usize = 2;

/// What is wrong about a name, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadName {
    /// No schema has it.
    Unknown(String),
    /// Clients may not read what it names.
    Hidden(String),
}

impl BadName {
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Unknown(text) | Self::Hidden(text) => text,
        }
    }
}

/// The sub-attributes of every list of objects.
const DEFAULT_SUBS: [&str; 5] = ["type", "primary", "display", "value", "$ref"];

impl Catalogue {
    /// Checks that a path names what some schema has, free-form names apart, and what clients may
    /// read; returns the attribute, without regard to the sub-attribute.
    pub(crate) fn check_readable(
        &self,
        kind: Kind,
        path: &AttributePath,
    ) -> Result<Option<&Attribute>, BadName> {
        let Some(attribute) = self.known(kind, path).map_err(BadName::Unknown)? else {
            return Ok(None);
        };
        let sub = path.sub.as_deref().and_then(|sub| attribute.sub(sub));
        match [Some(attribute), sub].into_iter().flatten().find(|known| known.is_hidden()) {
            Some(hidden) if self.locate(kind, path).is_some() => Err(never_returned(hidden)),
            _ => Ok(Some(attribute)), // Of another kind a hidden one has no value either.
        }
    }

    /// The same for a path whose value is compared: of a complex attribute that is its `value`.
    pub(crate) fn check_comparable(&self, kind: Kind, path: &AttributePath) -> Result<(), BadName> {
        let attribute = self.check_readable(kind, path)?;
        let value = attribute.filter(|_| path.sub.is_none()).and_then(|known| known.sub("value"));
        match value.filter(|value| value.is_hidden()) {
            Some(_) => self.check_readable(kind, &path.clone().with_sub("value")).map(drop),
            None => Ok(()),
        }
    }

    /// Whether something of what is stored of this kind is not in every response: what is never
    /// returned, or only on request. If not, a response that nobody narrowed is the whole document.
    pub fn hides_any(&self, kind: Kind) -> bool {
        let hides = self.0.hides.get_or_init(|| Kind::ALL.map(|kind| self.has_hidden(kind)));
        Kind::ALL.iter().zip(hides).any(|(known, hides)| *known == kind && *hides)
    }

    fn has_hidden(&self, kind: Kind) -> bool {
        let is_hidden = |attribute: &Attribute| {
            attribute.is_hidden() || attribute.returned == Returned::Request
        };
        let hides = |attribute: &Attribute| {
            is_hidden(attribute) || attribute.sub_attributes.iter().any(is_hidden)
        };
        // Core attributes that clients cannot read are not even stored.
        let mut core = self.core_attributes(kind).filter(|attribute| !attribute.is_hidden());
        core.any(hides) || self.extensions(kind).any(|schema| schema.attributes.iter().any(hides))
    }

    /// The attribute that a path names, of this kind or of another; `None` if its name is free.
    fn known(&self, kind: Kind, path: &AttributePath) -> Result<Option<&Attribute>, String> {
        let mut found = None;
        let others = Kind::ALL.into_iter().filter(|other| *other != kind);
        for kind in std::iter::once(kind).chain(others) {
            let Some(attribute) = self.attribute(kind, path) else { continue };
            if path.sub.as_deref().is_none_or(|sub| has_sub(attribute, sub)) {
                return Ok(Some(attribute));
            }
            found = found.or(Some(attribute));
        }
        match (found, &path.sub) {
            (Some(attribute), Some(sub)) => Err(no_sub(attribute, sub)),
            _ if is_free(path) => Ok(None),
            _ => Err(self.unknown(kind, path)),
        }
    }

    /// The attribute that a path names, whatever its sub-attribute.
    fn attribute(&self, kind: Kind, path: &AttributePath) -> Option<&Attribute> {
        let (schema, name) = (path.schema.as_deref(), path.name.as_str());
        if let Some(extension) = schema.and_then(|urn| self.extension(kind, urn)) {
            return extension.attribute(name);
        }
        match schema {
            Some(urn) if !urn.eq_ignore_ascii_case(kind.schema()) => None,
            Some(_) => self.core_attribute(kind, name),
            None => self
                .core_attribute(kind, name)
                .or_else(|| self.extensions(kind).find_map(|extension| extension.attribute(name))),
        }
    }

    fn unknown(&self, kind: Kind, path: &AttributePath) -> String {
        let extensions = self.extensions(kind).flat_map(|schema| &schema.attributes);
        let names = self.core_attributes(kind).chain(extensions);
        let meant = closest(&path.name, names.map(|attribute| &*attribute.name));
        let name = Echo(&path.name);
        format!("'{name}' is not an attribute of {}{}", kind.name(), did_you_mean(meant))
    }
}

/// Whether nobody says which names there are: below URNs other than those of core schemas.
fn is_free(path: &AttributePath) -> bool {
    let is_core = |urn: &str| Kind::ALL.iter().any(|k| urn.eq_ignore_ascii_case(k.schema()));
    match &path.schema {
        Some(urn) => !is_core(urn),
        None => urn::is_uri(&path.name),
    }
}

/// Whether an attribute has a sub-attribute, or may have it: those that every list of objects has
/// unless its schema says otherwise are no mistake, there is just no value.
///
/// # Source
/// RFC 7643 §2.4.
pub(crate) fn has_sub(attribute: &Attribute, name: &str) -> bool {
    let is_default = || DEFAULT_SUBS.iter().any(|known| known.eq_ignore_ascii_case(name));
    attribute.sub(name).is_some()
        || (attribute.multi_valued && attribute.is_complex() && is_default())
}

/// The sentence about a sub-attribute that an attribute does not have.
pub(crate) fn no_sub(attribute: &Attribute, sub: &str) -> String {
    let meant = closest(sub, attribute.sub_attributes.iter().map(|sub| &*sub.name));
    let (name, sub) = (&attribute.name, Echo(sub));
    format!("'{name}' has no sub-attribute '{sub}'{}", did_you_mean(meant))
}

/// That clients may not read an attribute.
pub(crate) fn never_returned(attribute: &Attribute) -> BadName {
    BadName::Hidden(format!("'{}' is never returned", attribute.name))
}

fn did_you_mean(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |meant| format!("; did you mean '{meant}'?"))
}

/// The name that is closest to another one, if it is close.
fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let candidates = known.filter(|known| known.len().abs_diff(name.len()) <= DISTANCE_MAX);
    let distances = candidates.map(|known| (distance(name, known), known));
    let (distance, known) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= DISTANCE_MAX && distance * 2 < name.len()).then_some(known)
}

/// How many letters are to be inserted, left out or changed to make one name of another, whatever
/// their case.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.bytes().enumerate() {
            let changed = diagonal + usize::from(!l.eq_ignore_ascii_case(&r));
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filter;
    use crate::schema::Schema;

    fn check(kind: Kind, filter: &str) -> Result<(), String> {
        let filter = Filter::parse(filter).unwrap();
        filter.check(kind, Catalogue::standard()).map_err(|error| {
            assert_eq!(error.scim_type, Some(crate::ErrorType::InvalidFilter));
            error.detail
        })
    }

    #[test]
    fn a_name_that_no_schema_has_is_refused_with_the_one_that_was_meant() {
        for (filter, said) in [
            ("userNme pr", "'userNme' is not an attribute of User; did you mean 'userName'?"),
            ("USRENAME pr", "'USRENAME' is not an attribute of User; did you mean 'userName'?"),
            ("shoeSize eq 5", "'shoeSize' is not an attribute of User"),
            ("x pr", "'x' is not an attribute of User"),
            ("manger eq \"m\"", "'manger' is not an attribute of User; did you mean 'manager'?"),
            (
                "urn:ietf:params:scim:schemas:core:2.0:User:titel pr",
                "'titel' is not an attribute of User; did you mean 'title'?",
            ),
            (
                "name.givenNam eq \"x\"",
                "'name' has no sub-attribute 'givenNam'; did you mean 'givenName'?",
            ),
            (
                "emails[typ eq \"work\"]",
                "'emails' has no sub-attribute 'typ'; did you mean 'type'?",
            ),
            ("emails.shoeSize pr", "'emails' has no sub-attribute 'shoeSize'"),
            ("name.display pr", "'name' has no sub-attribute 'display'"),
            ("userName.value pr", "'userName' has no sub-attribute 'value'"),
            (
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.name pr",
                "'manager' has no sub-attribute 'name'",
            ),
            ("title pr or not (nope pr and title pr)", "'nope' is not an attribute of User"),
        ] {
            assert_eq!(check(Kind::User, filter), Err(said.to_owned()), "{filter}");
        }
        let said = "'displayNam' is not an attribute of Group; did you mean 'displayName'?";
        assert_eq!(check(Kind::Group, "displayNam pr"), Err(said.to_owned()));
    }

    #[test]
    fn names_of_another_kind_and_free_names_have_no_value_and_are_no_error() {
        for filter in [
            "members eq \"u\"",
            "members.value eq \"u\"",
            "members[value eq \"u\"]",
            "urn:ietf:params:scim:schemas:core:2.0:Group:members pr",
            "urn:company:2.0:User:shoeSize eq 5",
            "urn:company:2.0:User:desk.floor eq 5",
            "urn:company:2.0:User:desk[floor eq 5]",
            "urn:company:2.0:User pr",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:badge pr",
            "emails[urn:x:y eq \"z\"]",
            "emails.$ref pr",
            "addresses[value pr]",
            "schemas[value eq \"urn:x\"]",
            "meta.resourceType eq \"User\"",
        ] {
            assert_eq!(check(Kind::User, filter), Ok(()), "{filter}");
        }
        for filter in ["userName eq \"x\"", "manager eq \"x\"", "name.givenName pr", "password pr"]
        {
            assert_eq!(check(Kind::Group, filter), Ok(()), "{filter}");
        }
    }

    #[test]
    fn what_is_never_returned_cannot_be_asked_about() {
        for filter in ["password eq \"x\"", "password pr", "title pr or password sw \"a\""] {
            assert_eq!(check(Kind::User, filter), Err("'password' is never returned".to_owned()));
        }
        let schema: Schema = serde_json::from_str(
            r#"{"id":"urn:company:hr:2.0:User","name":"HR","attributes":[
                {"name":"pin","mutability":"writeOnly"},
                {"name":"desk","type":"complex","subAttributes":[{"name":"value","returned":"never"},{"name":"floor"}]}
            ]}"#,
        )
        .unwrap();
        let catalogue = Catalogue::standard().with_extension(Kind::User, schema);
        let refused =
            |filter: &str| Filter::parse(filter).unwrap().check(Kind::User, &catalogue).is_err();
        assert!(refused("urn:company:hr:2.0:User:pin pr"));
        assert!(refused("pin eq \"1\""));
        assert!(refused("desk eq \"1\""));
        assert!(refused("desk.value pr"));
        assert!(refused("desk[value pr]"));
        assert!(!refused("desk.floor pr"));
        assert!(!refused("desk[floor pr]"));
    }

    #[test]
    fn the_standard_schemas_hide_nothing_that_is_stored() {
        let hides = |attribute: &str| {
            let document = format!(
                r#"{{"id":"urn:company:hr:2.0:User","name":"HR","attributes":[{attribute}]}}"#
            );
            let schema = serde_json::from_str(&document).unwrap();
            Catalogue::standard().with_extension(Kind::User, schema).hides_any(Kind::User)
        };
        assert!(Kind::ALL.iter().all(|kind| !Catalogue::standard().hides_any(*kind)));
        assert!(!hides(r#"{"name":"a"}"#));
        assert!(hides(r#"{"name":"a","returned":"never"}"#));
        assert!(hides(r#"{"name":"a","returned":"request"}"#));
        assert!(hides(r#"{"name":"a","mutability":"writeOnly"}"#));
        assert!(hides(
            r#"{"name":"a","type":"complex","subAttributes":[{"name":"b","returned":"request"}]}"#
        ));
    }

    #[test]
    fn the_distance_counts_letters() {
        for (left, right, expected) in [
            ("", "", 0),
            ("a", "A", 0),
            ("ab", "ba", 2),
            ("userNme", "userName", 1),
            ("", "abc", 3),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        }
    }
}
