//! Query strings, read as leniently as clients write them.
//!
//! Names are found in any case, `+` is a space and `%2B` a plus, empty parameters and a trailing `&`
//! are nothing, and parameters that SCIM does not have are ignored (RFC 7644 §3.4.2): clients keep
//! switches of their own in the base URL.

use std::{
    borrow::Cow,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use percent_encoding::percent_decode_str;
use scim::{Catalogue, Kind, filter::Filter, project::Projection};

use crate::error::Refused;

/// How many resources a page has when the client does not say.
pub const COUNT_DEFAULT: u64 = 100;
/// How many resources a page has at most.
pub const COUNT_MAX: u64 = 1_000;

/// The largest integer that answers repeat: many clients read them into 64 bits with a sign.
const INTEGER_MAX: u64 = i64::MAX.unsigned_abs();

/// The parameters of a request, by lower-case names.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

/// What a list is asked for.
#[derive(Debug)]
pub(crate) struct Listing {
    /// Which resources.
    pub(crate) filter: Option<Filter>,
    /// The first one of the page, counted from 1.
    pub(crate) start_index: u64,
    /// How many.
    pub(crate) count: u64,
    /// What of each.
    pub(crate) projection: Projection,
}

impl Query {
    /// Reads a query string. Of a parameter that is repeated, the first one counts.
    fn parse(text: &str) -> Result<Self, scim::Error> {
        let parameters = text.split('&').filter_map(|part| part.split_once('='));
        let filled = parameters.filter(|(name, value)| !name.is_empty() && !value.is_empty());
        let decoded = filled.map(|(name, value)| {
            let name = decode(name)?.to_ascii_lowercase();
            Ok((name, decode(value)?.into_owned()))
        });
        decoded.collect::<Result<_, _>>().map(Self)
    }

    /// The value of a parameter, whose name is given in lower case.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the client filters.
    pub(crate) fn has_filter(&self) -> bool {
        self.get("filter").is_some()
    }

    /// Which attributes the answer is to have.
    pub(crate) fn projection(&self) -> Result<Projection, scim::Error> {
        Projection::parse(self.get("attributes"), self.get("excludedattributes"))
    }

    /// What a list of resources of this kind is asked for.
    pub(crate) fn listing(&self, kind: Kind) -> Result<Listing, scim::Error> {
        let filter = self.get("filter").map(Filter::parse).transpose()?;
        if let Some(filter) = &filter {
            filter.check(kind, Catalogue::standard())?;
        }
        let start_index = self.integer("startIndex", 1)?.max(1);
        let count = self.integer("count", COUNT_DEFAULT)?.min(COUNT_MAX);
        Ok(Listing { filter, start_index, count, projection: self.projection()? })
    }

    /// The value of a number; one below zero counts as zero (RFC 7644 §3.4.2.4).
    fn integer(&self, name: &str, default: u64) -> Result<u64, scim::Error> {
        let Some(text) = self.get(&name.to_ascii_lowercase()) else { return Ok(default) };
        let digits = text.trim();
        let (digits, negative) = match digits.strip_prefix('-') {
            Some(digits) => (digits, true),
            None => (digits, false),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(scim::Error::invalid_value(format!("'{name}' must be an integer")));
        }
        // What does not fit is larger than anything that can be counted here; the answer repeats
        // it as a number that clients can read.
        Ok(if negative { 0 } else { digits.parse().unwrap_or(INTEGER_MAX).min(INTEGER_MAX) })
    }
}

impl FromRequest for Query {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(request.query_string()).map_err(Refused::from))
    }
}

fn decode(text: &str) -> Result<Cow<'_, str>, scim::Error> {
    let not_text = |_| scim::Error::invalid_value("the query string is not UTF-8");
    if !text.contains('+') {
        return percent_decode_str(text).decode_utf8().map_err(not_text);
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(not_text)?;
    Ok(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(text).unwrap()
    }

    fn page(text: &str) -> (u64, u64) {
        let listing = query(text).listing(Kind::User).unwrap();
        (listing.start_index, listing.count)
    }

    fn refused(text: &str) -> (Option<scim::ErrorType>, String) {
        let error = query(text).listing(Kind::User).unwrap_err();
        assert_eq!(error.status, 400);
        (error.scim_type, error.detail)
    }

    #[test]
    fn names_are_found_in_any_case_and_values_are_decoded() {
        let found = |text| query(text).get("filter").map(str::to_owned);
        assert_eq!(
            found("FILTER=userName+eq+%22a%2Bb@x%22").as_deref(),
            Some("userName eq \"a+b@x\"")
        );
        assert_eq!(found("x=1&filter=a%20pr&").as_deref(), Some("a pr"));
        assert_eq!(found("filter=a=b").as_deref(), Some("a=b"));
        assert_eq!(found("filter=%C3%A5+pr").as_deref(), Some("å pr"));
        assert_eq!(found("filter=a&filter=b").as_deref(), Some("a"));
    }

    #[test]
    fn what_is_empty_or_unknown_is_ignored() {
        for text in ["", "&", "&&", "filter=", "filter", "=x", "aadOptscim062020", "a&filter=&b=1"]
        {
            let query = query(text);
            assert!(!query.has_filter(), "{text}");
            assert!(query.projection().unwrap().is_default(), "{text}");
        }
        assert!(Query::parse("filter=%ff").is_err());
    }

    #[test]
    fn pages_are_brought_within_bounds() {
        for (text, expected) in [
            ("", (1, COUNT_DEFAULT)),
            ("startIndex=0", (1, COUNT_DEFAULT)),
            ("startIndex=-3&count=-1", (1, 0)),
            ("startindex=0&COUNT=0", (1, 0)),
            ("startIndex=7&count=5", (7, 5)),
            ("count=1000000", (1, COUNT_MAX)),
            ("startIndex=18446744073709551615", (INTEGER_MAX, COUNT_DEFAULT)),
            ("startIndex=99999999999999999999999", (INTEGER_MAX, COUNT_DEFAULT)),
            ("count=+5", (1, 5)),
        ] {
            assert_eq!(page(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_integer_is_refused_by_name() {
        use scim::ErrorType::InvalidValue;
        for bad in ["x", "1.0", "1e3", "--1", "-", "0x1"] {
            let (scim_type, detail) = refused(&format!("startIndex={bad}"));
            assert_eq!(scim_type, Some(InvalidValue), "{bad}");
            assert_eq!(detail, "'startIndex' must be an integer");
        }
        assert_eq!(refused("count=many").1, "'count' must be an integer");
    }

    #[test]
    fn filters_are_refused_with_the_place() {
        use scim::ErrorType::InvalidFilter;
        let (scim_type, detail) = refused("filter=userName+regex+%22x%22");
        assert_eq!(scim_type, Some(InvalidFilter));
        assert!(detail.contains("byte 9"), "{detail}");
        assert_eq!(refused("filter=active+gt+true").0, Some(InvalidFilter));
        assert_eq!(refused("filter=userName+eq").0, Some(InvalidFilter));
    }

    #[test]
    fn attributes_and_excluded_attributes_exclude_each_other() {
        assert!(query("attributes=userName&excludedAttributes=name").projection().is_err());
        let projection = query("attributes=userName").projection().unwrap();
        assert!(projection.is_explicit() && !projection.wants("members"));
        let projection = query("excludedAttributes=members").projection().unwrap();
        assert!(!projection.is_explicit() && !projection.wants("members"));
    }
}
