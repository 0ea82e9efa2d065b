//! Calls of a service over HTTP, and what their answers mean when nothing more is known.
//!
//! What every adapter needs alike is here, so that no adapter can forget it: an answer has a time and
//! a size, a redirect is not followed (it would carry the credentials to whomever it names), `https`
//! is verified against the root certificates of the system, and an address without TLS is taken only
//! where no network lies between.
//!
//! Invariant: no text that is made here holds a header, a body or a query of what was sent.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    HeaderMap, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{DATE, HeaderName, RETRY_AFTER},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use reactor::service::MdmError;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use zeroize::Zeroizing;

/// How long a service may take to answer, in seconds. The deliverer waits for it.
pub const ANSWER_SECONDS_MAX: u64 = 30;
/// How long a connection may take to be made, in seconds: less, so that a service that cannot be
/// reached is told apart from one that has got something.
const CONNECT_SECONDS_MAX: u64 = 10;
/// The longest that a service may ask to be left alone, in seconds: a day.
const AFTER_SECONDS_MAX: u64 = 86_400;
/// The most bytes that an answer may have.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How long a connection that nobody uses is kept, in seconds.
const IDLE_SECONDS_MAX: u64 = 60;
/// The most characters of a service's own words that an error repeats.
const WORDS_MAX: usize = 200;
/// The header with the correlation id of the request that began all this. It is on every call for an
/// order, so that a device's trouble is traced through whatever stands between.
pub(crate) const CORRELATION: &str = "x-request-id";

/// A client for any service. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    patience: Duration,
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}

impl Http {
    /// A client that trusts the root certificates of the system. Where there are none, every `https`
    /// address is refused when it is called, with that reason.
    pub fn new() -> Self {
        Self::trusting(system_roots())
    }

    /// A client that trusts these root certificates and no others.
    pub fn trusting(roots: RootCertStore) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(IDLE_SECONDS_MAX))
            .pool_timer(TokioTimer::new())
            .build(connector(roots));
        Self { client, patience: Duration::from_secs(ANSWER_SECONDS_MAX) }
    }

    /// The same, but giving up earlier or later.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Sends a request and waits for the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`MdmError::Down`] when the service cannot be reached, and [`MdmError::Unanswered`] when the
    /// request may have come to it.
    pub(crate) async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Answer, MdmError> {
        let answer = tokio::time::timeout(self.patience, self.exchange(request)).await;
        answer.unwrap_or_else(|_| {
            Err(unanswered(format!("no answer within {} s", self.patience.as_secs_f32())))
        })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, MdmError> {
        let answer = self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                down(format!("it cannot be reached{}", cause(&error)), None)
            } else {
                unanswered(format!("the connection broke{}", cause(&error)))
            }
        })?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        Ok(Answer { status, headers, body: whole(answer).await? })
    }
}

/// The root certificates of the system; none where it has none.
pub fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Makes connections, with TLS where the address says `https`.
pub fn connector(roots: RootCertStore) -> HttpsConnector<HttpConnector> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let Ok(config) = config.with_safe_default_protocol_versions() else {
        unreachable!("ring has the cipher suites of TLS 1.2 and 1.3")
    };
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(Duration::from_secs(CONNECT_SECONDS_MAX)));
    tcp.set_nodelay(true);
    HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp)
}

async fn whole(answer: Response<Incoming>) -> Result<Bytes, MdmError> {
    match Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(_) => Err(unanswered("the answer broke off or is too long".to_owned())),
    }
}

/// The innermost reason of an error, for its reader.
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error.source();
    while let Some(source) = innermost.and_then(std::error::Error::source) {
        innermost = Some(source);
    }
    innermost.map(|it| format!(" ({})", words(&it.to_string()))).unwrap_or_default()
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The answer, if its status says that the service did what it was asked for.
    ///
    /// `said` finds the service's own reason in a body that is not that.
    ///
    /// # Errors
    /// What else the status means, as far as a status can tell.
    pub(crate) fn success(self, said: fn(&[u8]) -> Option<String>) -> Result<Self, MdmError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let code = self.status.as_u16();
        let why = said(&self.body).map(|why| format!(": {}", words(&why))).unwrap_or_default();
        let text = format!("it answers {code}{why}");
        Err(match code {
            // Where it leads is not said: it may hold a secret of the service.
            300..=399 => MdmError::Refused(format!("it answers {code}, which is not followed")),
            // Whoever rejects credentials may repeat them.
            401 | 407 => {
                down(format!("it answers {code}: it does not accept the credentials"), None)
            }
            408 | 425 => MdmError::Retry { reason: text, after: self.after() },
            429 | 503 => down(text, self.after()),
            // Behind a gateway that gave up, or half way through, the order may have been carried out.
            500..=599 => unanswered(text),
            _ => MdmError::Refused(text),
        })
    }

    /// For how long the service asks to be left alone: so many seconds, or until a date, which is one of
    /// its own clock, so that it is compared with the date of the answer. One that is over says nothing.
    ///
    /// # Source
    /// RFC 9110, section 10.2.3.
    fn after(&self) -> Option<Duration> {
        let asked = self.header(RETRY_AFTER)?;
        let wait = if let Ok(seconds) = asked.parse() {
            Duration::from_secs(seconds)
        } else {
            let until = httpdate::parse_http_date(asked).ok()?;
            let now = httpdate::parse_http_date(self.header(DATE)?).ok()?;
            until.duration_since(now).ok()?
        };
        Some(wait.min(Duration::from_secs(AFTER_SECONDS_MAX)))
    }

    fn header(&self, name: HeaderName) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().ok()?.trim())
    }
}

/// The service takes nothing at the moment.
pub(crate) fn down(reason: String, after: Option<Duration>) -> MdmError {
    MdmError::Down { reason, after }
}

/// Nobody knows what became of the request.
pub(crate) fn unanswered(reason: String) -> MdmError {
    MdmError::Unanswered { reason }
}

/// For services that give no reason, or none that could be told from what was sent to them.
pub(crate) fn says_nothing(_: &[u8]) -> Option<String> {
    None
}

/// Somebody else's words, fit to stand in one of our sentences.
pub(crate) fn words(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(WORDS_MAX).collect()
}

/// The address of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Uri);

impl Address {
    /// Reads an address. It has to be `https`, or lead to this machine, and holds neither a password
    /// nor a fragment.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "is no URL")?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or("names no host")?;
        let is_here = matches!(host, "localhost" | "[::1]") || is_loopback(host);
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_here => {}
            Some("http") => {
                return Err("must be https, so that credentials cannot be read on the way");
            }
            _ => return Err("must start with https://"),
        }
        if uri.authority().is_some_and(|it| it.as_str().contains('@')) {
            return Err("must not hold a user name or a password");
        }
        Ok(Self(uri))
    }

    /// The address itself.
    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    /// A path below the address, which must begin with a slash.
    pub(crate) fn below(&self, path: &str) -> String {
        format!("{}{path}", self.0.to_string().trim_end_matches('/'))
    }
}

fn is_loopback(host: &str) -> bool {
    host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// A request, as far as headers and bodies that cannot be wrong go.
///
/// # Errors
/// [`MdmError::Refused`] when a header or the address holds what HTTP does not allow. What that is,
/// is not said: it may be a secret.
pub(crate) fn request(
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Request<Full<Bytes>>, MdmError> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into())).map_err(|_| {
        MdmError::Refused("the settings of the service make no valid request".to_owned())
    })
}

/// A credential. It is wiped from memory when it is dropped, and nothing prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a credential over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The credential itself, for the one place that sends it or signs with it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Answer {
        let headers = headers.iter().map(|(name, value)| {
            (name.parse().unwrap(), hyper::header::HeaderValue::from_static(value))
        });
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: headers.collect(), body: Bytes::from_static(b"because") }
    }

    fn meaning(status: u16, headers: &[(&'static str, &'static str)]) -> MdmError {
        let said = |body: &[u8]| String::from_utf8(body.to_vec()).ok();
        answer(status, headers).success(said).err().unwrap()
    }

    #[test]
    fn a_status_says_whether_the_order_has_come() {
        for status in [429, 503] {
            let wait = meaning(status, &[("retry-after", "120")]);
            let MdmError::Down { reason, after } = wait else { panic!("{wait:?}") };
            assert_eq!(after, Some(Duration::from_mins(2)));
            assert_eq!(reason, format!("it answers {status}: because"));
        }
        assert!(matches!(meaning(408, &[]), MdmError::Retry { after: None, .. }));
        for status in [500, 502, 504] {
            assert!(matches!(meaning(status, &[]), MdmError::Unanswered { .. }), "{status}");
        }
        for status in [301, 302, 307, 308, 400, 403, 404, 409, 410, 422] {
            assert!(matches!(meaning(status, &[]), MdmError::Refused(_)), "{status}");
        }
    }

    #[test]
    fn what_may_hold_a_secret_is_not_repeated() {
        for status in [401, 407] {
            let MdmError::Down { reason, .. } = meaning(status, &[]) else { panic!("{status}") };
            assert!(!reason.contains("because"), "{reason}");
        }
        let redirect = meaning(302, &[("location", "https://evil.example/?t=1")]);
        assert!(!redirect.to_string().contains("evil"), "{redirect}");
    }

    #[test]
    fn a_wait_is_bounded_and_one_that_does_not_read_is_none() {
        let after = |value| answer(429, &[("retry-after", value)]).after();
        assert_eq!(after("999999999"), Some(Duration::from_secs(AFTER_SECONDS_MAX)));
        assert_eq!(after("soon"), None);
    }

    #[test]
    fn a_wait_until_a_date_is_counted_on_the_clock_of_the_service() {
        let date = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        let after = |until| answer(429, &[date, ("retry-after", until)]).after();
        assert_eq!(after("Wed, 21 Oct 2026 07:30:00 GMT"), Some(Duration::from_mins(2)));
        // The two forms that only old servers send.
        assert_eq!(after("Wednesday, 21-Oct-26 07:28:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(after("Wed Oct 21 07:28:30 2026"), Some(Duration::from_secs(30)));
        let longest = Duration::from_secs(AFTER_SECONDS_MAX);
        assert_eq!(after("Fri, 21 Oct 2050 07:28:00 GMT"), Some(longest));
        assert_eq!(after("Wed, 21 Oct 2026 07:27:59 GMT"), None, "it is over");
        let undated = answer(429, &[("retry-after", "Wed, 21 Oct 2026 07:30:00 GMT")]);
        assert_eq!(undated.after(), None, "nobody knows how late it is there");
    }

    #[test]
    fn an_address_is_https_or_here() {
        for good in ["https://mdm.example/x", "http://127.0.0.1:9000", "http://localhost:1/a?b=c"] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://mdm.example",
            "http://10.0.0.1",
            "ftp://mdm.example",
            "/x",
            "",
            "https://me:secret@mdm.example",
            "https://",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(
            Address::parse("https://a.example/").unwrap().below("/v1"),
            "https://a.example/v1"
        );
    }

    #[test]
    fn a_secret_is_not_printed_and_words_are_short() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "Secret(…)");
        assert_eq!(words(&"a\nb".repeat(200)).len(), WORDS_MAX);
    }
}
