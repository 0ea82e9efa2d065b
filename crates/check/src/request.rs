//! One request of a case: what is sent, and what of a server it uses.

use hyper::{
    HeaderMap, Method,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::offer::Feature;

/// The media type of SCIM, RFC 7644 §8.1.
pub(crate) const SCIM_JSON: &str = "application/scim+json";

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// After the base URL, with its query, escaped.
    pub(crate) path: String,
    pub(crate) body: String,
    pub(crate) headers: HeaderMap,
    pub(crate) bearer: Bearer,
}

/// Which token a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bearer {
    Own,
    None,
    Wrong,
}

impl Request {
    /// A request without a body.
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        let (path, body, headers) = (path.into(), String::new(), HeaderMap::new());
        Self { method, path, body, headers, bearer: Bearer::Own }
    }

    /// With a body of SCIM JSON.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.text(body.to_string(), SCIM_JSON)
    }

    /// With any body of any media type.
    pub(crate) fn text(self, body: impl Into<String>, media: &'static str) -> Self {
        Self { body: body.into(), ..self }.header(CONTENT_TYPE, media)
    }

    /// With a header. A value that HTTP does not allow is left out.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Without a token.
    pub(crate) fn without_token(self) -> Self {
        Self { bearer: Bearer::None, ..self }
    }

    /// With a token that nobody has.
    pub(crate) fn with_wrong_token(self) -> Self {
        Self { bearer: Bearer::Wrong, ..self }
    }

    /// What the server must offer for this request to make sense.
    pub(crate) fn feature(&self) -> Option<Feature> {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let discovery = ["/ServiceProviderConfig", "/Schemas", "/ResourceTypes"];
        if discovery.iter().any(|known| path.starts_with(known)) {
            return None;
        }
        let asks = |name: &str| query.split('&').any(|part| part.split('=').next() == Some(name));
        let conditional =
            self.headers.keys().any(|name| name == "if-match" || name == "if-none-match");
        match () {
            () if conditional => Some(Feature::Etag),
            () if path == "/Bulk" => Some(Feature::Bulk),
            () if self.method == Method::PATCH => Some(Feature::Patch),
            () if asks("sortBy") => Some(Feature::Sort),
            () if asks("cursor") => Some(Feature::Cursor),
            () if asks("filter") => Some(Feature::Filter),
            () => None,
        }
    }

    /// Whether a server may change something because of it.
    pub(crate) fn writes(&self) -> bool {
        let reads = self.method.is_safe();
        !reads && !self.path.split('?').next().unwrap_or_default().ends_with("/.search")
    }
}

/// Everything but the characters that RFC 3986 §2.3 leaves as they are: `+` and `@` too.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Returns a text as a segment of a path or the value of a parameter.
pub(crate) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_needs_what_it_uses() {
        let needs = |method, path: &str| Request::new(method, path).feature();
        assert_eq!(needs(Method::GET, "/Users?filter=a&count=1"), Some(Feature::Filter));
        assert_eq!(needs(Method::GET, "/Users?cursor&count=1"), Some(Feature::Cursor));
        assert_eq!(needs(Method::PATCH, "/Groups/1"), Some(Feature::Patch));
        assert_eq!(needs(Method::POST, "/Bulk"), Some(Feature::Bulk));
        assert_eq!(needs(Method::GET, "/Schemas?filter=a"), None);
        assert_eq!(needs(Method::GET, "/Users/1?attributes=filter"), None);
        let stale = Request::new(Method::PUT, "/Users/1").header(hyper::header::IF_MATCH, "\"1\"");
        assert_eq!(stale.feature(), Some(Feature::Etag));
    }

    #[test]
    fn a_search_does_not_write() {
        assert!(!Request::new(Method::POST, "/Users/.search?x").writes());
        assert!(!Request::new(Method::GET, "/Users").writes());
        assert!(Request::new(Method::POST, "/Users").writes());
        assert!(Request::new(Method::DELETE, "/Users/1").writes());
    }
}
