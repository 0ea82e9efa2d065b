//! Attribute paths, and the paths of PATCH operations.
//!
//! An [`AttributePath`] names an attribute, wherever SCIM names one: in filters, projections and
//! sorting. A [`Path`] is the target of a PATCH operation: an attribute path, or one with a value
//! filter that selects elements of a list. Both print in a form that parses to the same value.
//! RFC 7644 §3.10, §3.4.2.2 (`attrPath`) and §3.5.2 (Figure 7).

use std::fmt;
use std::str::FromStr;

use crate::filter::Filter;
use crate::schema::Kind;
use crate::syntax::{Language, Problem};
use crate::urn;

pub use crate::syntax::ParseError;

/// The name of an attribute: `userName`, `name.givenName`, `urn:…:User:manager.value`.
///
/// A path that is a schema's URN and nothing else has the URN as its name. Equality ignores case.
///
/// # Source
/// RFC 7644 §3.10: "All facets (URN, attribute, and sub-attribute name) of the fully encoded
/// attribute name are case insensitive."
#[derive(Clone, Debug)]
pub struct AttributePath {
    /// The URN before the name, as it was written.
    pub schema: Option<String>,
    /// The name of the attribute, or a bare URN.
    pub name: String,
    /// The name of the sub-attribute.
    pub sub: Option<String>,
}

impl AttributePath {
    /// A path that is a name alone.
    pub fn new(name: impl Into<String>) -> Self {
        Self { schema: None, name: name.into(), sub: None }
    }

    /// The same path with a sub-attribute.
    #[must_use]
    pub fn with_sub(mut self, sub: impl Into<String>) -> Self {
        self.sub = Some(sub.into());
        self
    }

    /// The same path in a schema.
    #[must_use]
    pub fn in_schema(mut self, urn: impl Into<String>) -> Self {
        self.schema = Some(urn.into());
        self
    }

    /// Parses an attribute path.
    ///
    /// After a URN, the last segment is the attribute, unless it is the name of a resource type
    /// (`…:2.0:User`) or no attribute name at all: then the whole is a bare URN. `…:User.manager`
    /// with a dot is read as `…:User:manager`.
    ///
    /// # Errors
    /// [`Problem::Empty`] and [`Problem::Name`].
    ///
    /// # Source
    /// RFC 7644 §3.4.2.2, `attrPath`; RFC 7643 §2.1 for names. The dot after `User` is what
    /// Microsoft's older reference code sends.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.is_empty() {
            return Err(ParseError::new(Language::Path, 0, Problem::Empty));
        }
        if urn::is_uri(text) {
            return Self::parse_uri(text);
        }
        let (name, sub) = match text.split_once('.') {
            Some((name, sub)) => (name, Some(sub)),
            None => (text, None),
        };
        check_name(name, 0)?;
        if let Some(sub) = sub {
            check_name(sub, name.len() + 1)?;
        }
        Ok(Self { schema: None, name: name.to_owned(), sub: sub.map(str::to_owned) })
    }

    fn parse_uri(text: &str) -> Result<Self, ParseError> {
        if let Some(bad) = text.find(|c: char| c.is_whitespace() || "\"()[],".contains(c)) {
            let problem = Problem::Name(text.to_owned());
            return Err(ParseError::new(Language::Path, bad, problem));
        }
        let Some((schema, rest)) = text.rsplit_once(':') else { return Ok(Self::new(text)) };
        let (name, sub) = match rest.split_once('.') {
            Some((name, sub)) => (name, Some(sub)),
            None => (rest, None),
        };
        let is_resource_type = Kind::ALL.iter().any(|kind| kind.name().eq_ignore_ascii_case(name));
        match sub {
            None if is_resource_type || !is_name(name) => Ok(Self::new(text)),
            None => Ok(Self::new(name).in_schema(schema)),
            Some(sub) if is_resource_type => {
                let schema = &text[..schema.len() + 1 + name.len()];
                let (name, sub) = match sub.split_once('.') {
                    Some((name, sub)) => (name, Some(sub)),
                    None => (sub, None),
                };
                check_name(name, schema.len() + 1)?;
                if let Some(sub) = sub {
                    check_name(sub, text.len() - sub.len())?;
                }
                Ok(Self {
                    schema: Some(schema.to_owned()),
                    name: name.to_owned(),
                    sub: sub.map(str::to_owned),
                })
            }
            Some(sub) if is_name(name) && is_name(sub) => {
                Ok(Self::new(name).with_sub(sub).in_schema(schema))
            }
            Some(_) => Ok(Self::new(text)),
        }
    }
}

impl PartialEq for AttributePath {
    fn eq(&self, other: &Self) -> bool {
        let same = |left: &Option<String>, right: &Option<String>| match (left, right) {
            (Some(left), Some(right)) => left.eq_ignore_ascii_case(right),
            (None, None) => true,
            _ => false,
        };
        self.name.eq_ignore_ascii_case(&other.name)
            && same(&self.sub, &other.sub)
            && same(&self.schema, &other.schema)
    }
}

impl Eq for AttributePath {}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}:")?;
        }
        f.write_str(&self.name)?;
        match &self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

impl FromStr for AttributePath {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

/// The target of a PATCH operation: `emails`, `name.familyName`, `addresses[type eq "work"]`,
/// `emails[type eq "work"].value`, `urn:…:User:department`, or a bare extension URN.
///
/// # Source
/// RFC 7644 §3.5.2, Figure 7.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The attribute before the bracket. With a filter it has no sub-attribute.
    pub attribute: AttributePath,
    /// What stands in the brackets: which elements of the list are meant.
    pub filter: Option<Filter>,
    /// The sub-attribute after the bracket. Without a filter it stands in `attribute`.
    pub sub: Option<String>,
}

impl Path {
    /// A path without a filter.
    pub fn new(attribute: AttributePath) -> Self {
        Self { attribute, filter: None, sub: None }
    }

    /// Parses the path of a PATCH operation.
    ///
    /// # Errors
    /// With the byte offset in the whole path; an error inside the brackets is one of the filter.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let trimmed = text.trim_start();
        let skipped = text.len() - trimmed.len();
        let trimmed = trimmed.trim_end();
        Self::parse_trimmed(trimmed).map_err(|error| error.shifted(skipped))
    }

    fn parse_trimmed(text: &str) -> Result<Self, ParseError> {
        let Some(open) = text.find('[') else {
            return AttributePath::parse(text).map(Self::new);
        };
        let attribute = AttributePath::parse(text[..open].trim_end())?;
        if let Some(sub) = &attribute.sub {
            // Complex attributes do not nest, RFC 7643 §2.3.8.
            let problem = Problem::Name(format!("{}.{sub}", attribute.name));
            return Err(ParseError::new(Language::Path, 0, problem));
        }
        let (filter, length) =
            Filter::parse_element(&text[open + 1..]).map_err(|error| error.shifted(open + 1))?;
        let after = open + 1 + length;
        let Some(rest) = text[after..].strip_prefix(']') else {
            return Err(ParseError::new(Language::Path, after, Problem::Expected("']'")));
        };
        let sub = match rest.strip_prefix('.') {
            Some(sub) => {
                check_name(sub, after + 2)?;
                Some(sub.to_owned())
            }
            None if rest.is_empty() => None,
            None => {
                let problem = Problem::Expected("'.' and a sub-attribute, or the end");
                return Err(ParseError::new(Language::Path, after + 1, problem));
            }
        };
        Ok(Self { attribute, filter: Some(filter), sub })
    }

    /// The sub-attribute, wherever it stands.
    pub fn sub(&self) -> Option<&str> {
        self.sub.as_deref().or(self.attribute.sub.as_deref())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.attribute)?;
        if let Some(filter) = &self.filter {
            write!(f, "[{filter}]")?;
        }
        match &self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Path {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

/// RFC 7643 §2.1, and `$ref`, which the same RFC uses although its grammar has no place for it.
fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'$' | b'_'))
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'$' | b'-' | b'_'))
}

fn check_name(name: &str, offset: usize) -> Result<(), ParseError> {
    if is_name(name) {
        return Ok(());
    }
    let problem = if name.is_empty() {
        Problem::Expected("an attribute name")
    } else {
        Problem::Name(name.to_owned())
    };
    Err(ParseError::new(Language::Path, offset, problem))
}
