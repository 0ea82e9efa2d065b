//! Fakes of MDM services: real servers on a loopback port, faithful to a service's documentation,
//! that a test can make slow, deaf, rude or forgetful.
//!
//! A fake is a [`Service`] (what the service knows and how it answers) behind a [`Fake`] (the server,
//! and what shall go wrong). What goes wrong is scripted, for the next request or by a rule: nothing is
//! random and nothing waits for time to pass. A test waits for what the fake sees ([`Fake::until`]), or
//! keeps whoever calls at the door ([`Fake::keeps_callers_waiting`]). What the service knows outlives
//! [`Fake::restart`].

mod android_management;
mod collector;
mod nanomdm;
mod tls;
mod webhook;

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    HeaderMap, Request, Response,
    body::{Body, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::watch,
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
    /// Nothing is done, and no answer comes.
    Deafness,
    /// It is done, and the answer makes no sense.
    Garbage,
    /// It is answered like this and nothing is done, or it is done; and the answer comes but for its end.
    CutShort(Option<Reply>),
}

/// What goes wrong with a request, if anything does.
type Rule = Box<dyn FnMut(&Received) -> Option<Fault> + Send>;

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
    /// How many requests it has received.
    heard: watch::Sender<usize>,
    door: watch::Sender<Door>,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    running: AbortHandle,
}

struct Inside<S> {
    service: S,
    next: VecDeque<Fault>,
    next_order: VecDeque<Fault>,
    rule: Option<Rule>,
    received: Vec<Received>,
}

/// Who waits at the door.
#[derive(Debug, Default)]
struct Door {
    shut: bool,
    waiting: usize,
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
        let (next, next_order, rule, received) = Default::default();
        let inside = Inside { service, next, next_order, rule, received };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut fake = Self {
            inside: Arc::new(Mutex::new(inside)),
            heard: watch::Sender::default(),
            door: watch::Sender::default(),
            address: listener.local_addr()?,
            tls,
            running: tokio::spawn(async {}).abort_handle(),
        };
        fake.serve(listener);
        Ok(fake)
    }

    fn serve(&mut self, listener: TcpListener) {
        let (inside, heard) = (Arc::clone(&self.inside), self.heard.clone());
        let running = serve(listener, self.tls.clone(), self.door.clone(), inside, heard);
        self.running = tokio::spawn(running).abort_handle();
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
        self.serve(listener);
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

    /// What goes wrong with every request from now on that nothing else is scripted for.
    pub fn whenever(&self, rule: impl FnMut(&Received) -> Option<Fault> + Send + 'static) {
        self.inside.lock().rule = Some(Box::new(rule));
    }

    /// From now on nothing goes wrong that is not scripted for the next request.
    pub fn does_well(&self) {
        self.inside.lock().rule = None;
    }

    /// From now on nobody who connects is listened to, until [`Fake::sends_callers_away`].
    pub fn keeps_callers_waiting(&self) {
        self.door.send_modify(|door| door.shut = true);
    }

    /// Waits until so many have connected to whom nobody listens.
    pub async fn until_waiting(&self, callers: usize) {
        // The sender is here: this cannot fail.
        let _ = self.door.subscribe().wait_for(|door| door.waiting >= callers).await;
    }

    /// Sends those away who wait, unheard, and listens to whoever comes after them.
    pub fn sends_callers_away(&self) {
        self.door.send_modify(|door| *door = Door::default());
    }

    /// Waits until what it has received is enough.
    pub async fn until(&self, mut enough: impl FnMut(&[Received]) -> bool) {
        let mut heard = self.heard.subscribe();
        // The sender is here: this cannot fail.
        let _ = heard.wait_for(|_| enough(&self.inside.lock().received)).await;
    }

    /// The requests so far that told a device to do something, in order.
    pub fn orders(&self) -> Vec<Received> {
        let inside = self.inside.lock();
        let orders = inside.received.iter().filter(|it| inside.service.is_order(it));
        orders.cloned().collect()
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
    door: watch::Sender<Door>,
    inside: Arc<Mutex<Inside<S>>>,
    heard: watch::Sender<usize>,
) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, inside) = (tls.clone(), Arc::clone(&inside));
        let (door, heard) = (door.clone(), heard.clone());
        connections.spawn(async move {
            if is_kept_waiting(&door).await {
                return;
            }
            match tls {
                None => connection(stream, inside, heard).await,
                // A client that does not trust the certificate leaves here.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, inside, heard).await;
                    }
                }
            }
        });
    }
}

/// Keeps whoever has connected waiting while the door is shut; whether it was.
async fn is_kept_waiting(door: &watch::Sender<Door>) -> bool {
    let shut = door.send_if_modified(|door| {
        door.waiting += usize::from(door.shut);
        door.shut
    });
    if shut {
        let _ = door.subscribe().wait_for(|door| !door.shut).await;
    }
    shut
}

async fn connection<S: Service>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    inside: Arc<Mutex<Inside<S>>>,
    heard: watch::Sender<usize>,
) {
    let service = service_fn(|request| respond(request, Arc::clone(&inside), heard.clone()));
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
    heard: watch::Sender<usize>,
) -> Result<Response<Either<Full<Bytes>, CutShort>>, Lost> {
    let (head, body) = request.into_parts();
    let received = Received {
        method: head.method.to_string(),
        path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: head.headers,
        body: body.collect().await.map_err(|_| Lost)?.to_bytes(),
    };
    let (reply, fault) = inside.lock().receive(received);
    heard.send_modify(|count| *count += 1);
    match fault {
        Some(Fault::LostAnswer) => return Err(Lost),
        Some(Fault::Silence | Fault::Deafness) => {
            match std::future::pending::<Infallible>().await {}
        }
        Some(Fault::Garbage | Fault::Answer(_) | Fault::CutShort(_)) | None => {}
    }
    let is_cut_short = matches!(fault, Some(Fault::CutShort(_)));
    // An answer that cannot have a body has no end that could be missing.
    let status = if is_cut_short && reply.status == 204 { 200 } else { reply.status };
    let mut response = Response::builder().status(status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    let body =
        if is_cut_short { Either::Right(CutShort) } else { Either::Left(Full::from(reply.body)) };
    response.body(body).map_err(|_| Lost)
}

/// A body of one byte that never comes: all that is before it does.
struct CutShort;

impl Body for CutShort {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(1)
    }
}

impl<S: Service> Inside<S> {
    fn receive(&mut self, request: Received) -> (Reply, Option<Fault>) {
        let is_order = self.service.is_order(&request);
        let fault = self.next.pop_front();
        let fault = fault.or_else(|| is_order.then(|| self.next_order.pop_front()).flatten());
        let fault = fault.or_else(|| self.rule.as_mut().and_then(|rule| rule(&request)));
        let reply = match &fault {
            Some(Fault::Answer(reply) | Fault::CutShort(Some(reply))) => reply.clone(),
            Some(Fault::Deafness) => Reply::empty(200),
            Some(Fault::Garbage) => {
                self.service.answer(&request);
                Reply { body: "<html>hello</html>".to_owned(), ..Reply::empty(200) }
            }
            Some(Fault::LostAnswer | Fault::Silence | Fault::CutShort(None)) | None => {
                self.service.answer(&request)
            }
        };
        self.received.push(request);
        (reply, fault)
    }
}
