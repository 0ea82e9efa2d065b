//! The model of a SCIM schema: attributes and their characteristics as data.
//!
//! A schema is read from the JSON form that RFC 7643 §7 defines and §8.7 shows, which is also the
//! form that `/Schemas` answers with: what discovery says and what the code does cannot differ.
//! Start at [`Catalogue`], which knows all schemas and finds attributes in them.

use serde::{Deserialize, Serialize};

pub use catalogue::{Catalogue, Named, Place};

mod catalogue;
mod extension;
pub(crate) mod known;

use crate::urn;

/// The resource types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// A person, RFC 7643 §4.1.
    User,
    /// A group of persons, RFC 7643 §4.2.
    Group,
}

impl Kind {
    /// Every kind, in the order in which discovery lists them.
    pub const ALL: [Self; 2] = [Self::User, Self::Group];

    /// The name, as in `meta.resourceType`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// The URN of the core schema.
    pub const fn schema(self) -> &'static str {
        match self {
            Self::User => urn::CORE_USER,
            Self::Group => urn::CORE_GROUP,
        }
    }

    /// The endpoint below the base URL, with its slash.
    pub const fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
        }
    }

    /// Where a resource is found; `base_url` has no slash at its end.
    pub fn location(self, base_url: &str, id: impl std::fmt::Display) -> String {
        format!("{base_url}{}/{id}", self.endpoint())
    }

    /// The attribute without which such a resource cannot be.
    pub const fn required(self) -> &'static str {
        match self {
            Self::User => "userName",
            Self::Group => "displayName",
        }
    }
}

/// A schema: a URN and the attributes it defines.
///
/// # Source
/// RFC 7643 §7.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schema {
    /// The URN.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// What the schema is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The attributes, in the order of the document.
    #[serde(default)]
    pub attributes: Vec<Attribute>,
}

impl Schema {
    /// Finds an attribute by its name, in any case.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.attributes, name)
    }
}

/// An attribute with its characteristics. What a document leaves out has the default of RFC 7643
/// §2.2.
///
/// # Source
/// RFC 7643 §2.2 and §7.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    /// The name in its canonical spelling.
    pub name: String,
    /// The data type.
    #[serde(rename = "type", default)]
    pub data_type: Type,
    /// Whether the value is a list.
    #[serde(default)]
    pub multi_valued: bool,
    /// What the attribute is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether a resource must have it.
    #[serde(default)]
    pub required: bool,
    /// Whether two spellings in other case are two values.
    #[serde(default)]
    pub case_exact: bool,
    /// Who may change it.
    #[serde(default)]
    pub mutability: Mutability,
    /// When it is in a response.
    #[serde(default)]
    pub returned: Returned,
    /// How unique a value must be.
    #[serde(default)]
    pub uniqueness: Uniqueness,
    /// Suggested values; others are accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub canonical_values: Vec<String>,
    /// What a reference may refer to: names of resource types, `external` or `uri`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reference_types: Vec<String>,
    /// The attributes of a complex attribute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sub_attributes: Vec<Self>,
}

impl Attribute {
    /// Finds a sub-attribute by its name, in any case.
    pub fn sub(&self, name: &str) -> Option<&Self> {
        find(&self.sub_attributes, name)
    }

    /// The names of the sub-attributes, for people.
    pub(crate) fn sub_names(&self) -> String {
        let names: Vec<_> = self.sub_attributes.iter().map(|sub| &*sub.name).collect();
        names.join(", ")
    }

    /// Whether clients may not write it.
    pub fn is_read_only(&self) -> bool {
        self.mutability == Mutability::ReadOnly
    }

    /// Whether clients never read it, neither in a response nor by what a filter or an order tells.
    ///
    /// # Source
    /// RFC 7643 §7: `returned: never`; of `writeOnly`, "Attribute values SHALL NOT be returned".
    pub fn is_hidden(&self) -> bool {
        self.returned == Returned::Never || self.mutability == Mutability::WriteOnly
    }

    /// Whether it has sub-attributes.
    pub fn is_complex(&self) -> bool {
        self.data_type == Type::Complex
    }
}

/// The data types of RFC 7643 §2.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Type {
    /// Text.
    #[default]
    String,
    /// `true` or `false`.
    Boolean,
    /// A real number with at least one digit on either side of the point.
    Decimal,
    /// A whole number.
    Integer,
    /// An `xsd:dateTime`.
    DateTime,
    /// Bytes in base64.
    Binary,
    /// A URI, or the id of a resource.
    Reference,
    /// An object of sub-attributes.
    Complex,
}

/// Who may change an attribute, RFC 7643 §7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mutability {
    /// Only the service provider.
    ReadOnly,
    /// The client, at any time.
    #[default]
    ReadWrite,
    /// The client, once.
    Immutable,
    /// The client, who never reads it back.
    WriteOnly,
}

/// When an attribute is in a response, RFC 7643 §7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Returned {
    /// Always, whatever is asked for.
    Always,
    /// Never.
    Never,
    /// Unless something else is asked for.
    #[default]
    Default,
    /// Only when asked for.
    Request,
}

/// How unique a value must be, RFC 7643 §7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Uniqueness {
    /// Not at all.
    #[default]
    None,
    /// Within one base URL.
    Server,
    /// Everywhere.
    Global,
}

fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}
