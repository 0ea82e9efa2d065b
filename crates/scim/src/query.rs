//! What a list is asked for: filter, order, page and attributes.
//!
//! One type for the two ways to ask, the parameters of a URL and the body of `.search`, so that
//! both mean the same. Pages are by index (RFC 7644 §3.4.2.4) unless the client speaks of a cursor
//! (RFC 9865).

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::bounds;
use crate::coerce::Leniency;
use crate::envelope;
use crate::error::{Error, ErrorType};
use crate::filter::Filter;
use crate::object;
use crate::project::Projection;
use crate::schema::{Catalogue, Kind};
use crate::sort::Sort;
use crate::urn;

/// How many resources a page has when the client does not say.
pub const COUNT_DEFAULT: u64 = 100;
/// How many resources a page has at most.
pub const COUNT_MAX: u64 = 1_000;

/// What a list is asked for.
#[derive(Clone, Debug)]
pub struct Query {
    /// Which resources.
    pub filter: Option<Filter>,
    /// In which order.
    pub sort: Option<Sort>,
    /// What of each.
    pub projection: Projection,
    /// Which part of the list.
    pub page: Page,
}

/// Which part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// By the place in the list.
    Index {
        /// The first resource, counted from 1; at most `i64::MAX`, which many clients read numbers
        /// into.
        start: u64,
        /// How many resources, 0 to [`COUNT_MAX`].
        count: u64,
    },
    /// By a cursor.
    Cursor {
        /// What an earlier page gave as `nextCursor`, unchecked; `None` asks for the first page.
        cursor: Option<String>,
        /// How many resources at most, 1 to [`COUNT_MAX`].
        count: u64,
    },
}

/// The values of the parameters as texts, whichever way they came. An empty one is absent, except
/// for the cursor.
#[derive(Default)]
struct Parameters<'p> {
    filter: Option<Cow<'p, str>>,
    sort_by: Option<Cow<'p, str>>,
    sort_order: Option<Cow<'p, str>>,
    attributes: Option<Cow<'p, str>>,
    excluded: Option<Cow<'p, str>>,
    start: Option<Cow<'p, str>>,
    count: Option<Cow<'p, str>>,
    cursor: Option<Cow<'p, str>>,
}

impl Query {
    /// Reads the parameters of a URL. `get` finds a decoded value by its name in lower case.
    ///
    /// A parameter without a value counts as absent; `cursor` without one asks for the first page.
    /// What [`Query::check`] says of the schema is not looked at.
    ///
    /// # Errors
    /// `invalidFilter` for the filter, `invalidValue` for the others, `invalidCount` for a count
    /// that cannot be used with a cursor.
    ///
    /// # Source
    /// RFC 7644 §3.4.2; RFC 9865 §2.
    pub fn from_parameters<'p>(get: impl Fn(&str) -> Option<&'p str>) -> Result<Self, Error> {
        let filled = |name: &str| get(name).filter(|text| !text.is_empty()).map(Cow::Borrowed);
        Parameters {
            filter: filled("filter"),
            sort_by: filled("sortby"),
            sort_order: filled("sortorder"),
            attributes: filled("attributes"),
            excluded: filled("excludedattributes"),
            start: filled("startindex"),
            count: filled("count"),
            cursor: get("cursor").map(Cow::Borrowed),
        }
        .query()
    }

    /// Reads the body of `.search`.
    ///
    /// Names are found in any case, unknown ones are ignored, null and empty values are absent (but
    /// an empty `cursor` asks for the first page). Lenient takes numbers as texts, names of
    /// attributes as one text with commas, and a body without `schemas`.
    ///
    /// # Errors
    /// As [`Query::from_parameters`]; `invalidSyntax` if the body is no object or its `schemas` does
    /// not say that it is a search.
    ///
    /// # Source
    /// RFC 7644 §3.4.3; RFC 9865 §3.
    pub fn from_body(body: Value, leniency: Leniency) -> Result<Self, Error> {
        let Value::Object(body) = body else {
            return Err(Error::invalid_syntax("a search request must be a JSON object"));
        };
        bounds::check_object("SearchRequest", &body)?;
        envelope::check_schemas(object::get(&body, "schemas"), urn::SEARCH_REQUEST, leniency)?;
        let body = Body { members: &body, is_lenient: leniency == Leniency::Lenient };
        Parameters {
            filter: body.text("filter")?,
            sort_by: body.text("sortBy")?,
            sort_order: body.text("sortOrder")?,
            attributes: body.names("attributes")?,
            excluded: body.names("excludedAttributes")?,
            start: body.integer("startIndex")?,
            count: body.integer("count")?,
            cursor: match object::get(body.members, "cursor") {
                Some(Value::String(cursor)) => Some(Cow::Borrowed(cursor)),
                _ => body.text("cursor")?,
            },
        }
        .query()
    }

    /// Checks that filter and order fit the schema of at least one of these kinds. A list of a kind
    /// that they do not fit is empty, or without order.
    ///
    /// For one kind, a name that no schema has is refused: it is a mistake in a mapping, and an
    /// empty list would not say so. For several, it is an attribute without a value.
    ///
    /// # Errors
    /// See [`Filter::check`], [`Filter::check_kinds`] and [`Sort::check`].
    pub fn check(&self, kinds: &[Kind], catalogue: &Catalogue) -> Result<(), Error> {
        if let Some(sort) = &self.sort {
            sort.check(kinds, catalogue)?;
        }
        match (&self.filter, kinds) {
            (None, _) => Ok(()),
            (Some(filter), [kind]) => filter.check(*kind, catalogue),
            (Some(filter), kinds) => filter.check_kinds(kinds, catalogue),
        }
    }
}

impl Parameters<'_> {
    fn query(self) -> Result<Query, Error> {
        Ok(Query {
            filter: self.filter.as_deref().map(Filter::parse).transpose()?,
            sort: Sort::parse(self.sort_by.as_deref(), self.sort_order.as_deref())?,
            projection: Projection::parse(self.attributes.as_deref(), self.excluded.as_deref())?,
            page: self.page()?,
        })
    }

    fn page(self) -> Result<Page, Error> {
        let count = self.count.as_deref().map(integer);
        let Some(cursor) = self.cursor else {
            let start = self.start.as_deref().map_or(Some(1), integer);
            let start = start.ok_or_else(|| not_integer("startIndex"))?.max(1);
            let count = count.unwrap_or(Some(COUNT_DEFAULT.cast_signed()));
            let count = count.ok_or_else(|| not_integer("count"))?.max(0);
            let count = count.unsigned_abs().min(COUNT_MAX);
            return Ok(Page::Index { start: start.unsigned_abs(), count });
        };
        if self.start.is_some() {
            let detail = "'startIndex' and 'cursor' cannot be given together";
            return Err(Error::invalid_value(detail));
        }
        let count = match count {
            None => COUNT_DEFAULT,
            Some(Some(count)) if count >= 1 => count.unsigned_abs().min(COUNT_MAX),
            Some(_) => {
                let detail = format!("'count' must be between 1 and {COUNT_MAX} with a cursor");
                return Err(Error::bad_request(ErrorType::InvalidCount, detail));
            }
        };
        let cursor = (!cursor.is_empty()).then(|| cursor.into_owned());
        Ok(Page::Cursor { cursor, count })
    }
}

/// The members of a search request.
struct Body<'p> {
    members: &'p Map<String, Value>,
    is_lenient: bool,
}

impl<'p> Body<'p> {
    fn get(&self, name: &str) -> Option<&'p Value> {
        object::get(self.members, name).filter(|value| !object::is_empty(value))
    }

    fn text(&self, name: &str) -> Result<Option<Cow<'p, str>>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(Cow::Borrowed(text))),
            Some(_) => Err(Error::invalid_value(format!("'{name}' must be a string"))),
        }
    }

    fn integer(&self, name: &str) -> Result<Option<Cow<'p, str>>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(Cow::Owned(number.to_string()))),
            Some(Value::String(text)) if self.is_lenient => Ok(Some(Cow::Borrowed(text))),
            Some(_) => Err(not_integer(name)),
        }
    }

    fn names(&self, name: &str) -> Result<Option<Cow<'p, str>>, Error> {
        let mismatch = || Error::invalid_value(format!("'{name}' must be a list of strings"));
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if self.is_lenient => Ok(Some(Cow::Borrowed(text))),
            Some(Value::Array(items)) => {
                let texts: Option<Vec<_>> = items.iter().map(Value::as_str).collect();
                Ok(Some(Cow::Owned(texts.ok_or_else(mismatch)?.join(","))))
            }
            Some(_) => Err(mismatch()),
        }
    }
}

fn not_integer(name: &str) -> Error {
    Error::invalid_value(format!("'{name}' must be an integer"))
}

/// Reads a whole number; one that is too large for the type is as large as the type can say, which
/// is more than can be counted here.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let (digits, limit) = match text.strip_prefix('-') {
        Some(digits) => (digits, i64::MIN),
        None => (text, i64::MAX),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(limit))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const INTEGER_MAX: u64 = i64::MAX.unsigned_abs();

    /// A query by parameters written `name=value`, decoded already.
    fn query(parameters: &[&'static str]) -> Result<Query, Error> {
        let pairs: Vec<_> = parameters.iter().map(|text| text.split_once('=').unwrap()).collect();
        Query::from_parameters(|name| {
            assert_eq!(name, name.to_ascii_lowercase());
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
        })
    }

    fn page(parameters: &[&'static str]) -> Result<Page, (Option<ErrorType>, String)> {
        query(parameters).map(|query| query.page).map_err(|e| (e.scim_type, e.detail))
    }

    fn search(body: Value) -> Result<Query, Error> {
        Query::from_body(body, Leniency::Lenient)
    }

    fn projection(attributes: Option<&str>, excluded: Option<&str>) -> Projection {
        Projection::parse(attributes, excluded).unwrap()
    }

    fn index(start: u64, count: u64) -> Page {
        Page::Index { start, count }
    }

    fn cursor(cursor: Option<&str>, count: u64) -> Page {
        Page::Cursor { cursor: cursor.map(str::to_owned), count }
    }

    #[test]
    fn section_3_4_2_4_pages_by_index_are_brought_within_bounds() {
        for (parameters, expected) in [
            (&[][..], index(1, COUNT_DEFAULT)),
            (&["startindex=0"], index(1, COUNT_DEFAULT)),
            (&["startindex=-3", "count=-1"], index(1, 0)),
            (&["startindex=", "count="], index(1, COUNT_DEFAULT)),
            (&["count=0"], index(1, 0)),
            (&["startindex=7", "count=5"], index(7, 5)),
            (&["count=1000000"], index(1, COUNT_MAX)),
            (&["startindex=18446744073709551615"], index(INTEGER_MAX, COUNT_DEFAULT)),
            (&["startindex=99999999999999999999999"], index(INTEGER_MAX, COUNT_DEFAULT)),
            (&["startindex=-99999999999999999999999"], index(1, COUNT_DEFAULT)),
            (&["count= 5"], index(1, 5)),
        ] {
            assert_eq!(page(parameters), Ok(expected), "{parameters:?}");
        }
        for bad in ["count=x", "count=1.0", "count=1e3", "count=--1", "count=-", "count=0x1"] {
            let said = "'count' must be an integer".to_owned();
            assert_eq!(page(&[bad]), Err((Some(ErrorType::InvalidValue), said)), "{bad}");
        }
        let said = "'startIndex' must be an integer".to_owned();
        assert_eq!(page(&["startindex=x"]), Err((Some(ErrorType::InvalidValue), said)));
    }

    #[test]
    fn rfc_9865_pages_by_cursor_have_at_least_one_resource() {
        for (parameters, expected) in [
            (&["cursor="][..], cursor(None, COUNT_DEFAULT)),
            (&["cursor=abc"], cursor(Some("abc"), COUNT_DEFAULT)),
            (&["cursor=abc", "count=5", "startindex="], cursor(Some("abc"), 5)),
            (&["cursor=", "count=1000000"], cursor(None, COUNT_MAX)),
        ] {
            assert_eq!(page(parameters), Ok(expected), "{parameters:?}");
        }
        for bad in ["count=0", "count=-1", "count=x"] {
            let said = "'count' must be between 1 and 1000 with a cursor".to_owned();
            let refused = Err((Some(ErrorType::InvalidCount), said));
            assert_eq!(page(&["cursor=", bad]), refused, "{bad}");
        }
        let said = "'startIndex' and 'cursor' cannot be given together".to_owned();
        let refused = Err((Some(ErrorType::InvalidValue), said));
        assert_eq!(page(&["cursor=", "startindex=1"]), refused);
    }

    #[test]
    fn parameters_make_filter_order_and_projection() {
        let all = query(&[
            "filter=userName sw \"a\"",
            "sortby=meta.created",
            "sortorder=descending",
            "excludedattributes=emails",
        ])
        .unwrap();
        assert_eq!(all.filter.unwrap().to_string(), "userName sw \"a\"");
        assert!(all.sort.unwrap().descending);
        assert_eq!(all.projection, projection(None, Some("emails")));
        let none = query(&["filter=", "sortby=", "sortorder=", "attributes="]).unwrap();
        assert!(none.filter.is_none() && none.sort.is_none() && none.projection.is_default());
        let refused = |parameter| query(&[parameter]).unwrap_err().scim_type;
        assert_eq!(refused("filter=userName regex \"x\""), Some(ErrorType::InvalidFilter));
        assert_eq!(refused("attributes=a b"), Some(ErrorType::InvalidValue));
    }

    #[test]
    fn section_3_4_3_figure_4_the_body_of_a_search() {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
            "attributes": ["displayName", "userName"],
            "filter": "displayName sw \"smith\"",
            "startIndex": 1,
            "count": 10
        });
        let query = Query::from_body(body, Leniency::Strict).unwrap();
        assert_eq!(query.page, index(1, 10));
        assert_eq!(query.filter.unwrap().to_string(), "displayName sw \"smith\"");
        assert_eq!(query.projection, projection(Some("displayName,userName"), None));
    }

    #[test]
    fn a_body_is_taken_as_it_was_meant() {
        let query = search(json!({
            "FILTER": "title pr", "sortby": "title", "SortOrder": "Descending", "COUNT": "5",
            "excludedAttributes": "emails,members", "cursor": "", "startIndex": null, "other": {}
        }))
        .unwrap();
        assert_eq!(query.page, cursor(None, 5));
        assert!(query.sort.unwrap().descending);
        assert_eq!(query.projection, projection(None, Some("emails,members")));
        let page = |body| search(body).map(|query| query.page);
        assert_eq!(page(json!({})), Ok(index(1, COUNT_DEFAULT)));
        assert_eq!(page(json!({"cursor": "abc"})), Ok(cursor(Some("abc"), COUNT_DEFAULT)));
        assert_eq!(page(json!({"cursor": null, "schemas": []})), Ok(index(1, COUNT_DEFAULT)));
        assert_eq!(page(json!({"startIndex": -1, "count": u64::MAX})), Ok(index(1, COUNT_MAX)));
    }

    #[test]
    fn a_body_that_says_something_else_is_refused() {
        let strict = json!({"schemas": [urn::SEARCH_REQUEST], "count": "5"});
        let error = Query::from_body(strict, Leniency::Strict).unwrap_err();
        assert_eq!(error, Error::invalid_value("'count' must be an integer"));
        let error = Query::from_body(json!({}), Leniency::Strict).unwrap_err();
        assert_eq!(error.scim_type, Some(ErrorType::InvalidSyntax));
        for (body, scim_type) in [
            (json!([]), ErrorType::InvalidSyntax),
            (json!({"schemas": [urn::PATCH_OP]}), ErrorType::InvalidSyntax),
            (json!({"count": 1, "COUNT": 2}), ErrorType::InvalidSyntax),
            (json!({"filter": 5}), ErrorType::InvalidValue),
            (json!({"filter": "a"}), ErrorType::InvalidFilter),
            (json!({"attributes": [5]}), ErrorType::InvalidValue),
            (json!({"attributes": {"a": 1}}), ErrorType::InvalidValue),
            (json!({"attributes": ["a"], "excludedAttributes": ["b"]}), ErrorType::InvalidValue),
            (json!({"count": 1.5}), ErrorType::InvalidValue),
            (json!({"count": true}), ErrorType::InvalidValue),
            (json!({"cursor": 5}), ErrorType::InvalidValue),
            (json!({"cursor": "a", "startIndex": 2}), ErrorType::InvalidValue),
            (json!({"cursor": "a", "count": 0}), ErrorType::InvalidCount),
        ] {
            let error = search(body.clone()).unwrap_err();
            assert_eq!((error.status, error.scim_type), (400, Some(scim_type)), "{body}");
        }
    }

    #[test]
    fn one_kind_that_filter_and_order_fit_is_enough() {
        let check = |parameter, kinds: &[Kind]| {
            query(&[parameter]).unwrap().check(kinds, Catalogue::standard()).map_err(|e| e.detail)
        };
        let (user, both) = (&[Kind::User][..], &Kind::ALL[..]);
        assert_eq!(check("filter=members pr", user), Ok(()));
        assert_eq!(check("filter=active gt true", both), Ok(())); // Groups have no such attribute.
        assert!(check("filter=active gt true", user).is_err());
        assert!(check("filter=meta.created gt \"soon\"", both).is_err());
        assert_eq!(check("sortby=title", both), Ok(()));
        assert_eq!(check("sortby=name", both), Ok(()));
    }

    #[test]
    fn section_3_4_2_1_of_several_kinds_an_undefined_attribute_has_no_value() {
        let check = |parameter, kinds: &[Kind]| {
            query(&[parameter]).unwrap().check(kinds, Catalogue::standard()).map_err(|e| e.detail)
        };
        let (user, both) = (&[Kind::User][..], &Kind::ALL[..]);
        for parameter in [
            "filter=rooms pr",
            "filter=rooms eq \"x\" or name.nope pr",
            "filter=not (rooms[nope eq 5])",
            "filter=emails[typ eq \"work\"]",
            "sortby=rooms",
            "sortby=name.nope",
        ] {
            assert_eq!(check(parameter, both), Ok(()), "{parameter}");
            assert!(check(parameter, user).is_err(), "{parameter}");
        }
    }

    #[test]
    fn what_one_of_several_kinds_never_returns_is_refused() {
        let schema = json!({
            "id": "urn:company:2.0:User", "name": "C", "attributes": [
                {"name": "pin", "mutability": "writeOnly"},
                {"name": "desk", "type": "complex", "subAttributes": [
                    {"name": "value", "returned": "never"}, {"name": "floor"}
                ]}
            ]
        });
        let schema = crate::schema::Schema::parse_extension(schema).unwrap();
        let catalogue = Catalogue::standard().with_extension(Kind::User, schema);
        for (parameter, name) in [
            ("filter=password pr", "password"),
            ("filter=pin eq \"1\"", "pin"),
            ("filter=rooms pr or not (pin pr)", "pin"),
            ("filter=urn:company:2.0:User:pin pr", "pin"),
            ("filter=desk eq \"1\"", "value"),
            ("filter=desk[value pr]", "value"),
            ("sortby=password", "password"),
            ("sortby=pin", "pin"),
            ("sortby=desk", "value"),
        ] {
            for kinds in [&[Kind::User, Kind::Group], &[Kind::Group, Kind::User]] {
                let error = query(&[parameter]).unwrap().check(kinds, &catalogue).unwrap_err();
                let said = format!("'{name}' is never returned");
                assert!(error.detail.ends_with(&said), "{parameter}: {error}");
            }
        }
    }
}
