//! A small HTTP/1.1 client over hyper: where a base URL leads, and one connection that is kept.
//!
//! One connection carries one request at a time. There is no pool in here, no redirect, no cookie
//! and no proxy: an identity provider's provisioning client has none either, and the load
//! generator must not pay for them. `https` is verified against the system's root certificates.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, StatusCode, Uri,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    header::{HOST, HeaderValue},
    rt::{Read, Write},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{self, ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

/// The longest that an answer may take: Okta gives up after this time.
pub const ANSWER_SECONDS_MAX: u64 = 60;

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The base URL cannot be used.
    #[error("the base URL {url:?} {reason}")]
    BaseUrl {
        /// The URL as it was given.
        url: String,
        /// What is wrong with it, as the end of a sentence.
        reason: &'static str,
    },
    /// The server cannot be reached.
    #[error("connecting to {authority}")]
    Connect {
        /// Host and port.
        authority: String,
        /// What the system says.
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error("setting up TLS for {authority}")]
    Tls {
        /// Host and port.
        authority: String,
        /// What rustls says.
        source: rustls::Error,
    },
    /// The connection broke before the answer was complete.
    #[error("waiting for the answer to {method} {path}")]
    Broken {
        /// The method of the request.
        method: Method,
        /// The path of the request, without its query.
        path: String,
        /// What hyper says.
        source: hyper::Error,
    },
    /// No answer in the time that the connection waits for one.
    #[error("no answer to {method} {path} within {seconds} seconds")]
    Timeout {
        /// The method of the request.
        method: Method,
        /// The path of the request, without its query.
        path: String,
        /// How long was waited.
        seconds: u64,
    },
    /// A path or a header that HTTP does not allow.
    #[error("writing the request {method} {path}")]
    Request {
        /// The method of the request.
        method: Method,
        /// The path as it was given.
        path: String,
        /// What is wrong with it.
        source: hyper::http::Error,
    },
}

/// Where a base URL leads: scheme, host, port and the path that every request starts with.
#[derive(Clone)]
pub struct Target {
    host: String,
    port: u16,
    path: String,
    authority: HeaderValue,
    tls: Option<TlsConnector>,
}

impl Target {
    /// Reads a base URL such as `http://127.0.0.1:8080/scim/v2/acme/store`. A slash at its end
    /// and a query are left out.
    ///
    /// # Errors
    /// [`Failure::BaseUrl`] when it is no `http` or `https` URL with a host, and [`Failure::Tls`]
    /// when it is `https` and the system has no root certificates.
    pub fn parse(base_url: &str) -> Result<Self, Failure> {
        let wrong = |reason| Failure::BaseUrl { url: base_url.to_owned(), reason };
        let uri: Uri = base_url.parse().map_err(|_| wrong("is no URL"))?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong("must start with http:// or https://")),
        };
        let host = uri.host().ok_or_else(|| wrong("names no host"))?;
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let authority = match uri.port_u16() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Ok(Self {
            // An IPv6 address stands in brackets in a URL, and without them in a socket address.
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            path: uri.path().trim_end_matches('/').to_owned(),
            tls: secure.then(|| tls(&authority)).transpose()?,
            authority: HeaderValue::from_str(&authority)
                .map_err(|_| wrong("names a host that no header can carry"))?,
        })
    }

    /// Returns the path of the base URL, without a slash at its end.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the same server with another base path.
    #[must_use]
    pub fn with_path(&self, path: &str) -> Self {
        Self { path: path.trim_end_matches('/').to_owned(), ..self.clone() }
    }

    /// Returns host and port, as one connects to them.
    pub fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    fn authority(&self) -> String {
        self.authority.to_str().unwrap_or_default().to_owned()
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let failed = |source| Failure::Connect { authority: self.authority(), source };
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let Some(tls) = &self.tls else { return self.start(TokioIo::new(stream)).await };
        let name = ServerName::try_from(self.host.clone())
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let stream = tls.connect(name, stream).await.map_err(failed)?;
        self.start(TokioIo::new(stream)).await
    }

    async fn start<S>(&self, stream: S) -> Result<SendRequest<Full<Bytes>>, Failure>
    where
        S: Read + Write + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(stream).await.map_err(|error| Failure::Connect {
            authority: self.authority(),
            source: io::Error::other(error),
        })?;
        // Its error is also the error of the request that waits; without one nobody wants it.
        tokio::spawn(connection);
        Ok(sender)
    }
}

fn tls(authority: &str) -> Result<TlsConnector, Failure> {
    let failed = |source| Failure::Tls { authority: authority.to_owned(), source };
    let mut roots = RootCertStore::empty();
    let (added, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(failed(rustls::Error::General("the system has no root certificates".into())));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A complete answer.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// An answer whose body is read as it comes.
pub struct Streaming {
    /// The status code.
    pub status: StatusCode,
    body: Incoming,
    /// Kept, since the answer ends with it.
    _connection: Connection,
}

impl Streaming {
    /// Waits for more of the body; `None` at its end.
    ///
    /// # Errors
    /// What hyper says when the connection breaks.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        loop {
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
    }
}

/// One connection to a target, opened when it is first needed and again after it was closed.
pub struct Connection {
    target: Arc<Target>,
    sender: Option<SendRequest<Full<Bytes>>>,
    answer_max: Duration,
}

impl Connection {
    /// Makes a connection that is not open yet.
    pub fn new(target: Arc<Target>) -> Self {
        Self { target, sender: None, answer_max: Duration::from_secs(ANSWER_SECONDS_MAX) }
    }

    /// The same, which waits so long for an answer instead of [`ANSWER_SECONDS_MAX`].
    #[must_use]
    pub fn waiting(self, answer_max: Duration) -> Self {
        Self { answer_max, ..self }
    }

    /// Sends a request and waits for the whole answer. `path` follows the target's own path and
    /// holds the query, escaped.
    ///
    /// A request that a closing server has certainly not read is sent again on a new connection;
    /// nothing else is repeated here.
    ///
    /// # Errors
    /// [`Failure`] when there is no complete answer, whatever its status.
    pub async fn send(
        &mut self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response, Failure> {
        loop {
            let reused = self.sender.as_ref().is_some_and(SendRequest::is_ready);
            let request = self.request(method, path, headers, body.clone())?;
            let limit = self.answer_max;
            let answer = tokio::time::timeout(limit, self.exchange(request)).await;
            match answer {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(Trouble::Unreachable(failure))) => return Err(failure),
                Ok(Err(Trouble::Broken(error))) if reused && error.is_canceled() => {
                    self.sender = None;
                }
                Ok(Err(Trouble::Broken(source))) => {
                    self.sender = None;
                    let (method, path) = named(method, path);
                    return Err(Failure::Broken { method, path, source });
                }
                Err(_) => {
                    self.sender = None;
                    let (method, path) = named(method, path);
                    return Err(Failure::Timeout { method, path, seconds: limit.as_secs() });
                }
            }
        }
    }

    /// Sends a GET request and waits for the head of the answer, whose body is then read as it comes.
    /// The connection carries nothing else from then on.
    ///
    /// # Errors
    /// [`Failure`] when no answer begins in the time that it waits for one.
    pub async fn open(mut self, path: &str, headers: &HeaderMap) -> Result<Streaming, Failure> {
        let method = Method::GET;
        let request = self.request(&method, path, headers, Bytes::new())?;
        let (limit, (method, path)) = (self.answer_max, named(&method, path));
        match tokio::time::timeout(limit, self.begin(request)).await {
            Ok(Ok(answer)) => {
                let (head, body) = answer.into_parts();
                Ok(Streaming { status: head.status, body, _connection: self })
            }
            Ok(Err(Trouble::Unreachable(failure))) => Err(failure),
            Ok(Err(Trouble::Broken(source))) => Err(Failure::Broken { method, path, source }),
            Err(_) => Err(Failure::Timeout { method, path, seconds: limit.as_secs() }),
        }
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.target.path))
            .body(Full::new(body))
            .map_err(|source| {
                let (method, path) = named(method, path);
                Failure::Request { method, path, source }
            })?;
        request.headers_mut().clone_from(headers);
        request.headers_mut().insert(HOST, self.target.authority.clone());
        Ok(request)
    }

    async fn begin(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<hyper::Response<Incoming>, Trouble> {
        if let Some(sender) = &mut self.sender
            && sender.ready().await.is_err()
        {
            self.sender = None;
        }
        let sender = match &mut self.sender {
            Some(sender) => sender,
            slot => slot.insert(self.target.connect().await.map_err(Trouble::Unreachable)?),
        };
        sender.send_request(request).await.map_err(Trouble::Broken)
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Response, Trouble> {
        let (head, body) = self.begin(request).await?.into_parts();
        let body = body.collect().await.map_err(Trouble::Broken)?.to_bytes();
        Ok(Response { status: head.status, headers: head.headers, body })
    }
}

enum Trouble {
    Unreachable(Failure),
    Broken(hyper::Error),
}

/// The parts of a request that an error may show: a query can hold a person's name.
fn named(method: &Method, path: &str) -> (Method, String) {
    (method.clone(), path.split('?').next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_loses_its_last_slash_and_its_query() {
        let target = Target::parse("http://[::1]:8080/scim/v2/a/b/?aadOptscim062020").unwrap();
        assert_eq!((target.path(), target.host.as_str()), ("/scim/v2/a/b", "::1"));
        assert_eq!(target.authority(), "[::1]:8080");
    }

    #[test]
    fn a_url_without_a_known_scheme_is_refused() {
        for url in ["127.0.0.1:80", "ftp://example.com", "/scim", "", "http://"] {
            assert!(matches!(Target::parse(url), Err(Failure::BaseUrl { .. })), "{url}");
        }
    }

    #[test]
    fn a_failure_shows_no_query() {
        let (_, path) = named(&Method::GET, "/Users?filter=userName%20eq%20%22ada%22");
        assert_eq!(path, "/Users");
    }
}
