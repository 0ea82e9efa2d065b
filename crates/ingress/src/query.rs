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
use scim::project::Projection;

use crate::error::Refused;

/// The parameters that SCIM has, in lower case. What others say need not even be text.
const NAMES: [&str; 8] = [
    "filter",
    "sortby",
    "sortorder",
    "startindex",
    "count",
    "cursor",
    "attributes",
    "excludedattributes",
];

/// The parameters of a request, by lower-case names.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string. Of a parameter that is repeated, the first one counts.
    fn parse(text: &str) -> Result<Self, scim::Error> {
        let parameters = text.split('&').map(|part| part.split_once('=').unwrap_or((part, "")));
        let known = parameters.filter_map(|(name, value)| {
            let name = decode(name).ok()?.to_ascii_lowercase();
            NAMES.contains(&name.as_str()).then_some((name, value))
        });
        let decoded = known.map(|(name, value)| Ok((name, decode(value)?.into_owned())));
        decoded.collect::<Result<_, _>>().map(Self)
    }

    /// The value of a parameter, whose name is given in lower case; of several, the first that has
    /// one.
    fn get(&self, name: &str) -> Option<&str> {
        let values = || self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| &**value);
        values().find(|value| !value.is_empty()).or_else(|| values().next())
    }

    /// Whether the client filters.
    pub(crate) fn has_filter(&self) -> bool {
        self.get("filter").is_some_and(|filter| !filter.is_empty())
    }

    /// Which attributes the answer is to have.
    pub(crate) fn projection(&self) -> Result<Projection, scim::Error> {
        Projection::parse(self.get("attributes"), self.get("excludedattributes"))
    }

    /// What a list is asked for.
    pub(crate) fn listing(&self) -> Result<scim::query::Query, scim::Error> {
        scim::query::Query::from_parameters(|name| self.get(name))
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
        for text in [
            "",
            "&",
            "&&",
            "filter=",
            "filter",
            "=x",
            "aadOptscim062020",
            "a&filter=&b=1",
            "name=%E9",
            "%ff=1",
        ] {
            let query = query(text);
            assert!(!query.has_filter(), "{text}");
            assert!(query.projection().unwrap().is_default(), "{text}");
        }
        assert!(Query::parse("filter=%ff").is_err());
    }

    #[test]
    fn a_cursor_without_a_value_is_there() {
        use scim::query::Page;
        for text in ["cursor", "cursor=", "count=5&cursor&"] {
            let page = query(text).listing().unwrap().page;
            assert!(matches!(page, Page::Cursor { cursor: None, .. }), "{text}: {page:?}");
        }
        let page = query("startIndex=7&count=5").listing().unwrap().page;
        assert_eq!(page, Page::Index { start: 7, count: 5 });
    }

    #[test]
    fn attributes_and_excluded_attributes_exclude_each_other() {
        assert!(query("attributes=userName&excludedAttributes=name").projection().is_err());
        let projection = query("attributes=userName").projection().unwrap();
        assert!(projection.is_explicit() && !projection.is_default());
        let projection = query("excludedAttributes=members").projection().unwrap();
        assert!(!projection.is_explicit() && !projection.is_default());
    }
}
