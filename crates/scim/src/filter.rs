//! Filters: the expressions of `?filter=` and of the brackets in PATCH paths.
//!
//! The complete grammar of RFC 7644 §3.4.2.2: [`Filter::parse`] reads it, `Display` prints a form
//! that parses to the same filter, [`Matcher`] evaluates it on a document. A filter is client
//! input that costs time to evaluate, so its size is bounded by the constants here. What IdPs send
//! beyond the grammar (words without quotes, `emails[type eq "work"].value eq "x"`) is accepted by
//! the parser and is ordinary grammar from then on.

use serde_json::Value;

use crate::error::Error;
use crate::path::AttributePath;
use crate::schema::{Catalogue, Kind};

pub use crate::syntax::{Language, ParseError, Problem};
pub use matcher::Matcher;

mod check;
mod compare;
mod matcher;
mod parse;
mod print;

/// The longest filter, in bytes: room for [`CLAUSES_MAX`] comparisons with a UUID, which is how
/// IdPs name the members to remove.
pub const FILTER_BYTES_MAX: usize = 16 * 1024;
/// The most levels of brackets, round and square together.
pub const DEPTH_MAX: usize = 32;
/// The most comparisons (including `pr`) in one filter.
pub const CLAUSES_MAX: usize = 256;

/// A filter expression.
///
/// # Source
/// RFC 7644 §3.4.2.2, Figure 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// `userName eq "bjensen"`
    Compare {
        /// The attribute whose value is compared.
        path: AttributePath,
        /// How.
        operator: Operator,
        /// With what: a string, number, boolean or null.
        value: Value,
    },
    /// `title pr`
    Present(AttributePath),
    /// `emails[type eq "work" and value co "@example.com"]`: one element satisfies all of it.
    Element {
        /// The attribute whose elements are tried.
        path: AttributePath,
        /// A filter on sub-attributes; it holds no further `Element`.
        filter: Box<Self>,
    },
    /// `not (…)`
    Not(Box<Self>),
    /// Two or more terms that must all match.
    And(Vec<Self>),
    /// Two or more terms of which one must match.
    Or(Vec<Self>),
}

/// The operators that compare an attribute with a value, RFC 7644 Table 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `eq`: identical.
    Equal,
    /// `ne`: not identical.
    NotEqual,
    /// `co`: contains.
    Contains,
    /// `sw`: starts with.
    StartsWith,
    /// `ew`: ends with.
    EndsWith,
    /// `gt`
    Greater,
    /// `ge`
    GreaterOrEqual,
    /// `lt`
    Less,
    /// `le`
    LessOrEqual,
}

impl Operator {
    /// Every operator.
    pub const ALL: [Self; 9] = [
        Self::Equal,
        Self::NotEqual,
        Self::Contains,
        Self::StartsWith,
        Self::EndsWith,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::Less,
        Self::LessOrEqual,
    ];

    /// The operator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::NotEqual => "ne",
            Self::Contains => "co",
            Self::StartsWith => "sw",
            Self::EndsWith => "ew",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "ge",
            Self::Less => "lt",
            Self::LessOrEqual => "le",
        }
    }

    /// Whether it asks for an order of values: `gt`, `ge`, `lt`, `le`.
    pub const fn is_order(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrEqual | Self::Less | Self::LessOrEqual)
    }

    /// Whether it looks into a text: `co`, `sw`, `ew`.
    pub const fn is_substring(self) -> bool {
        matches!(self, Self::Contains | Self::StartsWith | Self::EndsWith)
    }
}

impl Filter {
    /// Parses a filter.
    ///
    /// Beyond the grammar it accepts: any white space where a space may stand, none before a
    /// quoted value and around brackets, `not(`, values without quotes (`eq Employee`, dates), and
    /// a comparison after a value path, which becomes part of it.
    ///
    /// # Errors
    /// With the byte offset; also when a limit of this module is exceeded.
    ///
    /// # Source
    /// RFC 7644 §3.4.2.2. The RFC's own examples lack a space (`members[value eq"2819…"]`) and
    /// quotes (`meta.resourceType eq User`).
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::whole(text)
    }

    /// Parses the filter of a value path from just after its `[`; also returns the number of bytes
    /// up to the `]`.
    pub(crate) fn parse_element(text: &str) -> Result<(Self, usize), ParseError> {
        parse::element(text)
    }

    /// A comparison by `eq`.
    pub fn equal(path: AttributePath, value: impl Into<Value>) -> Self {
        Self::Compare { path, operator: Operator::Equal, value: value.into() }
    }

    /// Checks the filter against the schema.
    ///
    /// # Errors
    /// `invalidFilter` for comparisons that the attribute's type does not have (`active gt true`,
    /// `meta.created gt "soon"`, `name eq "x"`), for a name that no schema has (`userNme`,
    /// `name.givenNam`), and for what is never returned: a comparison would tell what it is. An
    /// attribute of another kind, or one under a URN that nobody declared, is no error: it has no
    /// value.
    ///
    /// # Source
    /// RFC 7644 §3.4.2.2, Table 3: "Boolean and Binary attributes SHALL cause a failed response";
    /// §3.4.2.1 for attributes of other kinds.
    pub fn check(&self, kind: Kind, catalogue: &Catalogue) -> Result<(), Error> {
        let names = check::Names { kind, catalogue, takes_unknown: false };
        names.check(self).map_err(Error::invalid_filter)?;
        Matcher::new(self, kind, catalogue).map(drop)
    }

    /// Checks the filter of a list of several kinds: at least one of them has its comparisons, and
    /// none has anything in it that is never returned. A name that no schema has is no error there,
    /// it has no value.
    ///
    /// # Errors
    /// `invalidFilter`; of the comparisons, what is wrong for the first kind.
    ///
    /// # Source
    /// RFC 7644 §3.4.2.1: with more than one resource type, "treat the attribute as if there is no
    /// attribute value".
    pub fn check_kinds(&self, kinds: &[Kind], catalogue: &Catalogue) -> Result<(), Error> {
        let mut first = None;
        let mut fits = false;
        for kind in kinds {
            let names = check::Names { kind: *kind, catalogue, takes_unknown: true };
            names.check(self).map_err(Error::invalid_filter)?;
            match Matcher::new(self, *kind, catalogue) {
                Ok(_) => fits = true,
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.filter(|_| !fits).map_or(Ok(()), Err)
    }

    /// Tells whether a whole SCIM document of this kind matches.
    ///
    /// A filter that [`Matcher::new`] refuses matches nothing. Use a [`Matcher`] for many
    /// documents: it looks names up once.
    pub fn matches(&self, document: &Value, kind: Kind, catalogue: &Catalogue) -> bool {
        Matcher::new(self, kind, catalogue).is_ok_and(|matcher| matcher.matches(document))
    }

    /// The terms of which every one must match: those of `and`, through nested ones, or the
    /// filter itself. An index that answers one of them narrows the search.
    pub fn conjuncts(&self) -> impl Iterator<Item = &Self> {
        let mut waiting = vec![self];
        std::iter::from_fn(move || {
            loop {
                match waiting.pop()? {
                    Self::And(terms) => waiting.extend(terms.iter().rev()),
                    term => return Some(term),
                }
            }
        })
    }

    /// How many comparisons it makes at most, `pr` included: what evaluating it once costs.
    pub fn comparisons(&self) -> usize {
        match self {
            Self::Compare { .. } | Self::Present(_) => 1,
            Self::Element { filter, .. } | Self::Not(filter) => filter.comparisons(),
            Self::And(terms) | Self::Or(terms) => terms.iter().map(Self::comparisons).sum(),
        }
    }

    /// Whether any comparison is about this attribute, or about something in it.
    pub fn mentions(&self, attribute: &str) -> bool {
        match self {
            Self::Compare { path, .. } | Self::Present(path) | Self::Element { path, .. } => {
                path.name.eq_ignore_ascii_case(attribute)
            }
            Self::Not(term) => term.mentions(attribute),
            Self::And(terms) | Self::Or(terms) => terms.iter().any(|term| term.mentions(attribute)),
        }
    }

    /// The attribute and the value if this is a comparison by `eq`.
    pub fn equality(&self) -> Option<(&AttributePath, &Value)> {
        match self {
            Self::Compare { path, operator: Operator::Equal, value } => Some((path, value)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conjuncts_are_the_terms_that_must_all_match_in_order() {
        let terms = |text: &str| {
            let filter = Filter::parse(text).unwrap();
            filter.conjuncts().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
        };
        assert_eq!(terms("a pr"), "a pr");
        assert_eq!(terms("a pr and (b pr and c pr) and d pr"), "a pr | b pr | c pr | d pr");
        assert_eq!(terms("a pr or b pr and c pr"), "a pr or b pr and c pr");
        assert_eq!(terms("a pr and (b pr or c pr)"), "a pr | b pr or c pr");
    }

    #[test]
    fn equality_is_a_comparison_by_eq_only() {
        let filter = Filter::parse(r#"userName eq "ada""#).unwrap();
        let (path, value) = filter.equality().unwrap();
        assert_eq!((path, value), (&AttributePath::new("USERNAME"), &Value::from("ada")));
        assert_eq!(Filter::parse(r#"userName ne "ada""#).unwrap().equality(), None);
        assert_eq!(Filter::parse("userName pr").unwrap().equality(), None);
    }
}
