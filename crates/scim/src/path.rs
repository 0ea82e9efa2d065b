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

    /// Whether this is a core attribute of a kind, with or without the URN; the sub-attribute must
    /// be the same too.
    pub fn is_core(&self, kind: Kind, name: &str, sub: Option<&str>) -> bool {
        let same_sub = match (&self.sub, sub) {
            (Some(left), Some(right)) => left.eq_ignore_ascii_case(right),
            (left, right) => left.is_none() && right.is_none(),
        };
        let schema = self.schema.as_deref();
        same_sub
            && self.name.eq_ignore_ascii_case(name)
            && schema.is_none_or(|urn| urn.eq_ignore_ascii_case(kind.schema()))
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
    /// RFC 7644 §3.4.2.2, `attrPath`; RFC 7643 §2.1 for names. The dot after `User` is an older
    /// habit of one IdP.
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
        let Some((schema, rest)) = text.rsplit_once(':').filter(|(schema, _)| urn::is_uri(schema))
        else {
            return Ok(Self::new(text));
        };
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
pub(crate) fn is_name(name: &str) -> bool {
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

#[cfg(test)]
#[expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// One line for each path: its parts, or the error.
    #[expect(clippy::needless_pass_by_value, reason = "an `expect![]` is written where it is used")]
    fn check(paths: &[&str], expected: Expect) {
        let show = |path: Path| {
            assert_eq!(Path::parse(&path.to_string()), Ok(path.clone()), "{path}");
            let Path { attribute: AttributePath { schema, name, sub }, filter, sub: after } = path;
            let filter = filter.map(|filter| format!("[{filter}]"));
            [schema.map(|urn| format!("<{urn}>")), Some(name), sub, filter, after]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" ")
        };
        let lines: Vec<_> = paths
            .iter()
            .map(|text| Path::parse(text).map_or_else(|error| format!("! {error}"), show))
            .collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn section_3_5_2_figure_8() {
        check(
            &[
                "members",
                "name.familyName",
                r#"addresses[type eq "work"]"#,
                r#"members[value eq "2819c223-7f76-453a-919d-413861904646"]"#,
                r#"members[value eq "2819c223-7f76-453a-919d-413861904646"].displayName"#,
            ],
            expect![[r#"
                members
                name familyName
                addresses [type eq "work"]
                members [value eq "2819c223-7f76-453a-919d-413861904646"]
                members [value eq "2819c223-7f76-453a-919d-413861904646"] displayName"#]],
        );
    }

    #[test]
    fn section_3_5_2_the_paths_of_the_other_examples() {
        check(
            &[
                r#"members[value eq "2819c223-7f76-...413861904646"]"#,
                r#"emails[type eq "work" and value ew "example.com"]"#,
                r#"members[value eq"2819c223...919d-413861904646"]"#,
                r#"addresses[type eq "work"].streetAddress"#,
            ],
            expect![[r#"
                members [value eq "2819c223-7f76-...413861904646"]
                emails [type eq "work" and value ew "example.com"]
                members [value eq "2819c223...919d-413861904646"]
                addresses [type eq "work"] streetAddress"#]],
        );
    }

    #[test]
    fn section_3_10_names_with_urns() {
        check(
            &[
                "urn:ietf:params:scim:schemas:core:2.0:User:userName",
                "urn:ietf:params:scim:schemas:core:2.0:User:name.givenName",
                "urn:ietf:params:scim:schemas:exampleCo:2.0:hr:age",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.manager",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.manager.value",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0User",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0User:department",
                r#"urn:company:2.0:User:phones[type eq "work"].value"#,
                "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group",
                "URN:X",
            ],
            expect![[r#"
                <urn:ietf:params:scim:schemas:core:2.0:User> userName
                <urn:ietf:params:scim:schemas:core:2.0:User> name givenName
                <urn:ietf:params:scim:schemas:exampleCo:2.0:hr> age
                <urn:ietf:params:scim:schemas:extension:enterprise:2.0:User> manager value
                urn:ietf:params:scim:schemas:extension:enterprise:2.0:User
                <urn:ietf:params:scim:schemas:extension:enterprise:2.0:User> manager
                <urn:ietf:params:scim:schemas:extension:enterprise:2.0:User> manager value
                urn:ietf:params:scim:schemas:extension:enterprise:2.0User
                <urn:ietf:params:scim:schemas:extension:enterprise:2.0User> department
                <urn:company:2.0:User> phones [type eq "work"] value
                http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group
                URN:X"#]],
        );
    }

    #[test]
    fn names_and_spaces() {
        check(
            &["  userName  ", "$ref", "members.$ref", "_x-1", "emails [type pr]", "a$b"],
            expect![[r#"
                userName
                $ref
                members $ref
                _x-1
                emails [type pr]
                a$b"#]],
        );
    }

    #[test]
    fn errors_say_what_and_where() {
        check(
            &[
                "",
                " ",
                "1name",
                "user name",
                " name.",
                "name.given.x",
                "[type pr]",
                "emails[",
                "emails[]",
                "emails[type eq]",
                "  emails[type eq]",
                "emails[type pr",
                "emails[type pr].",
                "emails[type pr].1",
                "emails[type pr]x",
                "emails[type pr] .value",
                "emails[emails[type pr]]",
                "name.x[type pr]",
                "urn:x:y z:User:a",
                "urn:x:User.1a",
            ],
            expect![[r#"
                ! expected an expression, found nothing (byte 0)
                ! expected an expression, found nothing (byte 1)
                ! '1name' is not an attribute name (byte 0)
                ! 'user name' is not an attribute name (byte 0)
                ! expected an attribute name (byte 6)
                ! 'given.x' is not an attribute name (byte 5)
                ! expected an expression, found nothing (byte 0)
                ! expected an expression, found nothing (byte 7)
                ! expected an attribute name, 'not' or '(' (byte 7)
                ! expected a value (byte 14)
                ! expected a value (byte 16)
                ! expected 'and', 'or' or ']' (byte 14)
                ! expected an attribute name (byte 16)
                ! '1' is not an attribute name (byte 16)
                ! expected '.' and a sub-attribute, or the end (byte 15)
                ! expected '.' and a sub-attribute, or the end (byte 15)
                ! a value filter cannot hold another one (byte 13)
                ! 'name.x' is not an attribute name (byte 0)
                ! 'urn:x:y z:User:a' is not an attribute name (byte 7)
                ! '1a' is not an attribute name (byte 11)"#]],
        );
    }

    #[test]
    fn case_is_no_difference() {
        let left = AttributePath::parse("URN:x:User:Name.Given").unwrap();
        assert_eq!(left, AttributePath::parse("urn:X:user:name.GIVEN").unwrap());
        assert_ne!(left, AttributePath::parse("urn:X:user:name").unwrap());
        assert_ne!(left, AttributePath::parse("name.given").unwrap());
    }

    #[test]
    fn a_core_attribute_is_known_with_and_without_its_urn() {
        let is = |path: &str, name, sub| {
            AttributePath::parse(path).unwrap().is_core(Kind::User, name, sub)
        };
        assert!(is("USERNAME", "userName", None));
        assert!(is("urn:ietf:params:scim:schemas:core:2.0:user:userName", "userName", None));
        assert!(is("emails.VALUE", "emails", Some("value")));
        assert!(!is("emails", "emails", Some("value")));
        assert!(!is("urn:ietf:params:scim:schemas:core:2.0:Group:userName", "userName", None));
    }
}
