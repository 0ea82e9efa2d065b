//! The catalogue: which schemas there are, and where in a resource an attribute path points.
//!
//! The standard schemas are parsed once per process from the documents in `schemas/`. A catalogue
//! is a shared pointer: a connector that has an extension schema of its own gets another one by
//! [`Catalogue::with_extension`]. Names and URNs are found in any case; a URN that no schema has
//! is a free-form extension, because IdPs send custom attributes that nobody has declared.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock, OnceLock};

use super::{Attribute, Kind, Schema};
use crate::path::AttributePath;
use crate::urn;

static STANDARD: LazyLock<Catalogue> = LazyLock::new(|| {
    Catalogue(Arc::new(Inner {
        common: document(include_str!("../../schemas/common.json")),
        user: document(include_str!("../../schemas/user.json")),
        group: document(include_str!("../../schemas/group.json")),
        extensions: vec![(
            Kind::User,
            Arc::new(document(include_str!("../../schemas/enterprise_user.json"))),
        )],
        protocol: [
            document(include_str!("../../schemas/service_provider_config.json")),
            document(include_str!("../../schemas/resource_type.json")),
            document(include_str!("../../schemas/schema.json")),
        ],
        hides: OnceLock::new(),
    }))
});

/// All schemas of a service provider. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalogue(pub(super) Arc<Inner>);

#[derive(Clone, Debug)]
pub(super) struct Inner {
    common: Schema,
    user: Schema,
    group: Schema,
    extensions: Vec<(Kind, Arc<Schema>)>,
    protocol: [Schema; 3],
    /// What [`Catalogue::hides_any`] says of each kind, once it was asked.
    pub(super) hides: OnceLock<[bool; Kind::ALL.len()]>,
}

/// Where an attribute path points in a resource.
///
/// Both `extension` and `attribute` are `None` for the path that is the core schema's own URN: it
/// points at the resource itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Place<'a> {
    /// The key of the extension object that holds the attribute, in the catalogue's spelling if it
    /// is known; `None` for the top level.
    pub extension: Option<Cow<'a, str>>,
    /// The attribute; `None` when the path is a bare schema URN.
    pub attribute: Option<Named<'a>>,
    /// The sub-attribute.
    pub sub: Option<Named<'a>>,
}

impl<'a> Place<'a> {
    /// The definition of what the path ends at; `None` for free-form attributes and bare URNs.
    pub fn definition(&self) -> Option<&'a Attribute> {
        self.sub.or(self.attribute)?.definition
    }

    /// Whether clients may not write what the path ends at.
    pub fn is_read_only(&self) -> bool {
        let definitions = [self.attribute, self.sub].into_iter().flatten().map(|n| n.definition);
        definitions.flatten().any(Attribute::is_read_only)
    }

    fn bare(extension: Option<Cow<'a, str>>) -> Self {
        Self { extension, attribute: None, sub: None }
    }
}

/// A name in its canonical spelling, with the definition if a schema has one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Named<'a> {
    /// The catalogue's spelling, or the path's own for free-form attributes.
    pub name: &'a str,
    /// `None` for attributes of free-form extensions.
    pub definition: Option<&'a Attribute>,
}

/// What a schema and a name lead to.
enum Found<'a> {
    Core(&'a Attribute),
    Extension(&'a Schema, Option<&'a Attribute>),
    Free,
    Nothing,
}

impl Catalogue {
    /// The schemas of RFC 7643: User with the enterprise extension, and Group.
    pub fn standard() -> &'static Self {
        &STANDARD
    }

    /// The same catalogue with one more extension of a resource type; it takes the place of an
    /// extension with the same URN.
    #[must_use]
    pub fn with_extension(&self, kind: Kind, schema: Schema) -> Self {
        let mut inner = Inner { hides: OnceLock::new(), ..Inner::clone(&self.0) };
        inner.extensions.retain(|(_, known)| !known.id.eq_ignore_ascii_case(&schema.id));
        inner.extensions.push((kind, Arc::new(schema)));
        Self(Arc::new(inner))
    }

    /// The core schema of a resource type.
    pub fn core(&self, kind: Kind) -> &Schema {
        match kind {
            Kind::User => &self.0.user,
            Kind::Group => &self.0.group,
        }
    }

    /// The declared extensions of a resource type, in the order in which they were added.
    pub fn extensions(&self, kind: Kind) -> impl Iterator<Item = &Schema> {
        self.0.extensions.iter().filter(move |(of, _)| *of == kind).map(|(_, schema)| &**schema)
    }

    /// A declared extension of a resource type by its URN, in any case.
    pub fn extension(&self, kind: Kind, urn: &str) -> Option<&Schema> {
        self.extensions(kind).find(|schema| schema.id.eq_ignore_ascii_case(urn))
    }

    /// Every schema that `/Schemas` lists: core, extensions, then those of discovery itself.
    pub fn schemas(&self) -> impl Iterator<Item = &Schema> {
        let extensions = self.0.extensions.iter().map(|(_, schema)| &**schema);
        [&self.0.user, &self.0.group].into_iter().chain(extensions).chain(&self.0.protocol)
    }

    /// Finds an attribute of the core schema, or one that every resource has.
    pub fn core_attribute(&self, kind: Kind, name: &str) -> Option<&Attribute> {
        self.core(kind).attribute(name).or_else(|| self.0.common.attribute(name))
    }

    /// The attributes of the core schema and those that every resource has.
    pub fn core_attributes(&self, kind: Kind) -> impl Iterator<Item = &Attribute> {
        self.core(kind).attributes.iter().chain(&self.0.common.attributes)
    }

    /// Finds the definition of what a path ends at.
    ///
    /// `None` for names that the core schema does not have and for free-form extensions;
    /// [`Catalogue::locate`] tells the two apart.
    pub fn resolve(&self, kind: Kind, path: &AttributePath) -> Option<&Attribute> {
        let attribute = match self.find(kind, path.schema.as_deref(), &path.name) {
            Found::Core(attribute) | Found::Extension(_, Some(attribute)) => attribute,
            Found::Extension(_, None) | Found::Free | Found::Nothing => return None,
        };
        match &path.sub {
            Some(sub) => attribute.sub(sub),
            None => Some(attribute),
        }
    }

    /// Finds where a path points; `None` when neither the core schema nor an extension can have
    /// such an attribute.
    ///
    /// A name without a URN is looked for in the core schema, then in the declared extensions:
    /// IdPs send `manager` and mean the enterprise extension's.
    pub fn locate<'a>(&'a self, kind: Kind, path: &'a AttributePath) -> Option<Place<'a>> {
        let schema = path.schema.as_deref();
        if let Some(place) = self.bare(kind, path) {
            return place.extension.as_deref().is_none_or(|urn| !is_core(urn)).then_some(place);
        }
        let (extension, attribute) = match self.find(kind, schema, &path.name) {
            Found::Core(attribute) => (None, named(attribute)),
            Found::Extension(schema, Some(attribute)) => {
                (Some(Cow::Borrowed(schema.id.as_str())), named(attribute))
            }
            Found::Extension(schema, None) => {
                (Some(Cow::Borrowed(schema.id.as_str())), free(&path.name))
            }
            Found::Free => (schema.map(Cow::Borrowed), free(&path.name)),
            Found::Nothing => return None,
        };
        let sub = match (path.sub.as_deref(), attribute.definition) {
            (None, _) => None,
            (Some(sub), None) => Some(free(sub)),
            (Some(sub), Some(attribute)) => Some(named(attribute.sub(sub)?)),
        };
        Some(Place { extension, attribute: Some(attribute), sub })
    }

    /// Whether a URN is the full name of an attribute that a schema has, and not a schema of its own.
    pub(crate) fn is_full_name(&self, kind: Kind, urn: &str) -> bool {
        let Ok(path) = AttributePath::parse(urn) else { return false };
        self.locate(kind, &path).is_some_and(|place| place.definition().is_some())
    }

    /// Whether a place is an attribute that a declared extension does not have.
    pub(crate) fn lacks(&self, kind: Kind, place: &Place<'_>) -> bool {
        place.attribute.is_some_and(|attribute| attribute.definition.is_none())
            && place.extension.as_deref().is_some_and(|urn| self.extension(kind, urn).is_some())
    }

    /// The place of a path that is a schema's URN and nothing else.
    fn bare<'a>(&'a self, kind: Kind, path: &'a AttributePath) -> Option<Place<'a>> {
        let whole: Cow<'a, str> = match &path.schema {
            None if urn::is_uri(&path.name) => Cow::Borrowed(&path.name),
            None => return None,
            // `urn:company:hr` parses as an attribute `hr`; only a declared schema says otherwise.
            Some(_) if path.sub.is_some() => return None,
            Some(schema) => {
                let declared = self.extensions(kind).find(|known| {
                    let id = known.id.as_bytes();
                    id.len() == schema.len() + 1 + path.name.len()
                        && id[..schema.len()].eq_ignore_ascii_case(schema.as_bytes())
                        && id[schema.len()] == b':'
                        && id[schema.len() + 1..].eq_ignore_ascii_case(path.name.as_bytes())
                });
                return declared.map(|known| Place::bare(Some(Cow::Borrowed(&known.id))));
            }
        };
        if whole.eq_ignore_ascii_case(kind.schema()) {
            return Some(Place::bare(None));
        }
        let known = self.extension(kind, &whole).map(|schema| Cow::Borrowed(schema.id.as_str()));
        Some(Place::bare(Some(known.unwrap_or(whole))))
    }

    fn find<'a>(&'a self, kind: Kind, schema: Option<&str>, name: &str) -> Found<'a> {
        let Some(urn) = schema else {
            if let Some(attribute) = self.core_attribute(kind, name) {
                return Found::Core(attribute);
            }
            return self
                .extensions(kind)
                .find_map(|schema| Some(Found::Extension(schema, Some(schema.attribute(name)?))))
                .unwrap_or(Found::Nothing);
        };
        if urn.eq_ignore_ascii_case(kind.schema()) {
            return self.core_attribute(kind, name).map_or(Found::Nothing, Found::Core);
        }
        if let Some(schema) = self.extension(kind, urn) {
            return Found::Extension(schema, schema.attribute(name));
        }
        // A core schema that is left is that of another resource type.
        if is_core(urn) { Found::Nothing } else { Found::Free }
    }
}

fn is_core(urn: &str) -> bool {
    Kind::ALL.iter().any(|kind| urn.eq_ignore_ascii_case(kind.schema()))
}

fn named(attribute: &Attribute) -> Named<'_> {
    Named { name: &attribute.name, definition: Some(attribute) }
}

fn free(name: &str) -> Named<'_> {
    Named { name, definition: None }
}

fn document(json: &str) -> Schema {
    match serde_json::from_str(json) {
        Ok(schema) => schema,
        Err(error) => unreachable!("the tests of this module parse every document: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Mutability, Returned, Type, Uniqueness};

    fn place(kind: Kind, path: &str) -> Option<String> {
        let path = AttributePath::parse(path).unwrap();
        let place = Catalogue::standard().locate(kind, &path)?;
        let show = |named: Named<'_>| {
            let free = if named.definition.is_some() { "" } else { "?" };
            format!("{}{free}", named.name)
        };
        Some(format!(
            "{} | {} | {}",
            place.extension.as_deref().unwrap_or("-"),
            place.attribute.map_or_else(|| "-".to_owned(), show),
            place.sub.map_or_else(|| "-".to_owned(), show),
        ))
    }

    #[test]
    fn every_document_parses_and_no_name_appears_twice() {
        for schema in Catalogue::standard().schemas() {
            let mut names: Vec<_> =
                schema.attributes.iter().map(|a| a.name.to_ascii_lowercase()).collect();
            names.sort();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "{}", schema.id);
        }
        assert_eq!(Catalogue::standard().schemas().count(), 6);
    }

    #[test]
    fn characteristics_of_the_core_attributes() {
        let standard = Catalogue::standard();
        let of = |name| standard.core_attribute(Kind::User, name).unwrap();
        assert_eq!(of("USERNAME").name, "userName");
        assert!(of("userName").required && !of("userName").case_exact);
        assert_eq!(of("userName").uniqueness, Uniqueness::Server);
        assert!(of("externalId").case_exact);
        assert_eq!(of("active").data_type, Type::Boolean);
        assert_eq!(of("password").mutability, Mutability::WriteOnly);
        assert_eq!(of("password").returned, Returned::Never);
        assert_eq!(of("groups").mutability, Mutability::ReadOnly);
        assert_eq!(of("meta").sub("lastmodified").unwrap().data_type, Type::DateTime);
        assert_eq!(of("x509Certificates").sub("value").unwrap().data_type, Type::Binary);
        assert!(standard.core_attribute(Kind::Group, "displayName").unwrap().required);
        assert!(standard.core_attribute(Kind::Group, "userName").is_none());
    }

    #[test]
    fn paths_are_located_in_the_catalogues_spelling() {
        let enterprise = urn::ENTERPRISE_USER;
        for (path, expected) in [
            ("USERNAME", Some("- | userName | -".to_owned())),
            ("name.GIVENNAME", Some("- | name | givenName".to_owned())),
            ("meta.lastModified", Some("- | meta | lastModified".to_owned())),
            (
                &format!("{}:name.givenName", urn::CORE_USER),
                Some("- | name | givenName".to_owned()),
            ),
            (
                &format!("{}:Manager.Value", enterprise.to_uppercase()),
                Some(format!("{enterprise} | manager | value")),
            ),
            (&format!("{enterprise}.manager"), Some(format!("{enterprise} | manager | -"))),
            (&format!("{enterprise}:badge"), Some(format!("{enterprise} | badge? | -"))),
            (enterprise, Some(format!("{enterprise} | - | -"))),
            (urn::CORE_USER, Some("- | - | -".to_owned())),
            ("manager", Some(format!("{enterprise} | manager | -"))),
            (
                "urn:company:2.0:User:costCode",
                Some("urn:company:2.0:User | costCode? | -".to_owned()),
            ),
            ("urn:company:2.0:User", Some("urn:company:2.0:User | - | -".to_owned())),
            ("shoeSize", None),
            ("name.shoeSize", None),
            ("userName.value", None),
            ("urn:ietf:params:scim:schemas:core:2.0:Group", None),
            ("urn:ietf:params:scim:schemas:core:2.0:Group:members", None),
        ] {
            assert_eq!(place(Kind::User, path), expected, "{path}");
        }
        assert_eq!(place(Kind::Group, "members.value"), Some("- | members | value".to_owned()));
        assert_eq!(place(Kind::Group, "manager"), None);
    }

    #[test]
    fn a_declared_extension_is_found_by_its_whole_urn() {
        let schema: Schema = serde_json::from_str(
            r#"{"id":"urn:company:hr","name":"HR","attributes":[{"name":"age","type":"integer"}]}"#,
        )
        .unwrap();
        let catalogue = Catalogue::standard().with_extension(Kind::User, schema);
        let bare = AttributePath::parse("URN:Company:HR").unwrap();
        let place = catalogue.locate(Kind::User, &bare).unwrap();
        assert_eq!((place.extension.as_deref(), place.attribute), (Some("urn:company:hr"), None));
        let age = AttributePath::parse("urn:company:hr:AGE").unwrap();
        assert_eq!(catalogue.resolve(Kind::User, &age).unwrap().data_type, Type::Integer);
        assert_eq!(Catalogue::standard().resolve(Kind::User, &age), None);
    }
}
