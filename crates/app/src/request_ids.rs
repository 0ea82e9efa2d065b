//! What identifies a request in the record, and what a client may choose of it.

/// The headers in which clients send their id of a request, the first of them also the one in which
/// all get it back.
const CORRELATION_HEADERS: [&str; 2] = ["x-request-id", "client-request-id"];

/// The longest id that is taken over from a client, in bytes.
const CORRELATION_BYTES_MAX: usize = 128;

/// What identifies one request in the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestIds {
    /// Made by us for each request.
    pub request: String,
    /// The client's `x-request-id`, else its `client-request-id`, else the request's own id: the
    /// same from the request to its last effect.
    pub correlation: String,
}

impl RequestIds {
    /// The header in which clients send their id of a request, and in which all get it back.
    pub const HEADER: &str = CORRELATION_HEADERS[0];

    /// The ids of a request: its own, `fresh`, is always ours; the other one the client may choose.
    pub fn new<'a>(fresh: String, header: impl Fn(&str) -> Option<&'a str>) -> Self {
        let theirs =
            CORRELATION_HEADERS.iter().find_map(|name| header(name).filter(|id| is_usable(id)));
        let correlation = theirs.map_or_else(|| fresh.clone(), str::to_owned);
        Self { request: fresh, correlation }
    }
}

/// Whether an id can stand in a header, a log and a file name as it is.
fn is_usable(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    (1..=CORRELATION_BYTES_MAX).contains(&id.len()) && id.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn correlation(first: Option<&str>, second: Option<&str>) -> String {
        let header = |name: &str| if name == CORRELATION_HEADERS[0] { first } else { second };
        let ids = RequestIds::new("ours".to_owned(), header);
        assert_eq!(ids.request, "ours", "the id of a request is ours, whatever the client says");
        ids.correlation
    }

    #[test]
    fn a_client_may_choose_the_correlation_id_but_not_every_text() {
        assert_eq!(correlation(None, None), "ours");
        assert_eq!(correlation(Some("A1._:-z"), None), "A1._:-z");
        assert_eq!(correlation(None, Some("c")), "c");
        assert_eq!(correlation(Some("x"), Some("c")), "x");
        let long = "x".repeat(CORRELATION_BYTES_MAX);
        assert_eq!(correlation(Some(&long), None), long);
        for bad in ["", "a b", "a\tb", "ä", "a/b", &format!("{long}x")] {
            assert_eq!(correlation(Some(bad), None), "ours", "{bad}");
        }
        assert_eq!(correlation(Some("a b"), Some("c")), "c");
    }
}
