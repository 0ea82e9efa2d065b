//! Fakes of MDM services: real servers on a loopback port, faithful to a service's documentation,
//! that a test can make slow, deaf, rude or forgetful.
//!
//! A fake is a [`Service`] (what the service knows and how it answers) behind a [`Fake`] (the server,
//! and what shall go wrong). What goes wrong is scripted for the next request: nothing is random and
//! nothing waits for time to pass. What the service knows outlives [`Fake::restart`].

mod android_management;
mod collector;
mod nanomdm;
mod tls;
mod webhook;

use std::{collections::VecDeque, convert::Infallible, io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Response, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::{AbortHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

pub use android_management::{AndroidManagement, ENTERPRISE};
pub use collector::{Collected, Collector};
pub use nanomdm::NanoMdm;
pub use tls::roots;
pub use webhook::WebhookReceiver;

/// A request as the service got it.
#[derive(Clone, Debug)]
pub struct Received {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Received {
    /// A header as text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// An answer of the service.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Reply {
    /// An answer in JSON.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, body: body.to_string() }
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }
}

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is answered like this, and nothing is done.
    Answer(Reply),
    /// It is done, and the connection breaks before the answer.
    LostAnswer,
    /// It is done, and the answer never comes.
    Silence,
    /// It is done, and the answer makes no sense.
    Garbage,
}

/// A service that is faked.
pub trait Service: Send + 'static {
    /// Answers a request.
    fn answer(&mut self, request: &Received) -> Reply;

    /// Whether a request tells a device to do something, where others only ask.
    fn is_order(&self, request: &Received) -> bool;

    /// Lets the devices do what they have been told to.
    fn settle(&mut self);

    /// How often a device did something, in all.
    fn done(&self) -> usize;
}

/// A running fake.
pub struct Fake<S> {
    inside: Arc<Mutex<Inside<S>>>,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    running: AbortHandle,
}

struct Inside<S> {
    service: S,
    next: VecDeque<Fault>,
    next_order: VecDeque<Fault>,
    received: Vec<Received>,
}

impl<S: Service> Fake<S> {
    /// Starts a service on a port that the system chooses.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(service: S) -> io::Result<Self> {
        Self::start_on(service, None).await
    }

    /// The same with TLS, under a certificate that only [`roots`] vouch for.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start_with_tls(service: S) -> anyhow::Result<Self> {
        Ok(Self::start_on(service, Some(tls::acceptor()?)).await?)
    }

    async fn start_on(service: S, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let (next, next_order, received) = Default::default();
        let inside = Arc::new(Mutex::new(Inside { service, next, next_order, received }));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let running = serve(listener, tls.clone(), Arc::clone(&inside));
        let running = tokio::spawn(running).abort_handle();
        Ok(Self { inside, address, tls, running })
    }

    /// Its address, as the beginning of a URL.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Stops it and starts it again, at the same address and with what it knew.
    ///
    /// # Errors
    /// When somebody else has taken the port.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.running.abort();
        let inside = Arc::clone(&self.inside);
        // The old one ends at its next turn; until then the port is not free.
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    tokio::task::yield_now().await;
                }
                Err(error) => return Err(error),
            }
        };
        self.running = tokio::spawn(serve(listener, self.tls.clone(), inside)).abort_handle();
        Ok(())
    }

    /// What goes wrong with the next request. Several go wrong one after the other.
    pub fn next(&self, fault: Fault) {
        self.inside.lock().next.push_back(fault);
    }

    /// What goes wrong with the next request that tells a device to do something.
    pub fn next_order(&self, fault: Fault) {
        self.inside.lock().next_order.push_back(fault);
    }

    /// Lets the devices do what they have been told to.
    pub fn settle(&self) {
        self.inside.lock().service.settle();
    }

    /// How often a device did something, in all.
    pub fn done(&self) -> usize {
        self.inside.lock().service.done()
    }

    /// What it received so far.
    pub fn received(&self) -> Vec<Received> {
        self.inside.lock().received.clone()
    }

    /// Looks at what the service knows, or changes it.
    pub fn with<T>(&self, look: impl FnOnce(&mut S) -> T) -> T {
        look(&mut self.inside.lock().service)
    }
}

impl<S> Drop for Fake<S> {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Serves until it is aborted; connections end with it.
async fn serve<S: Service>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    inside: Arc<Mutex<Inside<S>>>,
) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, inside) = (tls.clone(), Arc::clone(&inside));
        connections.spawn(async move {
            match tls {
                None => connection(stream, inside).await,
                // A client that does not trust the certificate leaves here.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, inside).await;
                    }
                }
            }
        });
    }
}

async fn connection<S: Service>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    inside: Arc<Mutex<Inside<S>>>,
) {
    let service = service_fn(|request| respond(request, Arc::clone(&inside)));
    // An answer that is withheld shows here as an error; the client sees the connection end.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// No answer, and the end of the connection.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost")]
struct Lost;

async fn respond<S: Service>(
    request: Request<Incoming>,
    inside: Arc<Mutex<Inside<S>>>,
) -> Result<Response<Full<Bytes>>, Lost> {
    let (head, body) = request.into_parts();
    let received = Received {
        method: head.method.to_string(),
        path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: head.headers,
        body: body.collect().await.map_err(|_| Lost)?.to_bytes(),
    };
    let (reply, fault) = inside.lock().receive(received);
    match fault {
        Some(Fault::LostAnswer) => return Err(Lost),
        Some(Fault::Silence) => match std::future::pending::<Infallible>().await {},
        Some(Fault::Garbage | Fault::Answer(_)) | None => {}
    }
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Full::from(reply.body)).map_err(|_| Lost)
}

impl<S: Service> Inside<S> {
    fn receive(&mut self, request: Received) -> (Reply, Option<Fault>) {
        let is_order = self.service.is_order(&request);
        let fault = self.next.pop_front();
        let fault = fault.or_else(|| is_order.then(|| self.next_order.pop_front()).flatten());
        let reply = match &fault {
            Some(Fault::Answer(reply)) => reply.clone(),
            Some(Fault::Garbage) => {
                self.service.answer(&request);
                Reply { body: "<html>hello</html>".to_owned(), ..Reply::empty(200) }
            }
            Some(Fault::LostAnswer | Fault::Silence) | None => self.service.answer(&request),
        };
        self.received.push(request);
        (reply, fault)
    }
}
