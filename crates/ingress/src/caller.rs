//! Who asks: from the bearer token to the [`Caller`], before a byte of the body is read.

use std::{
    cell::RefCell,
    future::{Ready, poll_fn, ready},
    ops::Deref,
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest, ResponseError,
    body::BoxBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{Method, header},
    middleware::Next,
};
use app::{App, Refusal, RequestIds};

use crate::{
    error::Refused,
    fairness::{Fairness, Kind, Place, Source},
    record::{self, Record},
};

/// The connector that has proven itself. Handlers that take one are reached with a live token only.
#[derive(Clone)]
pub(crate) struct Caller(Rc<Request>);

/// A request of a connector.
struct Request {
    caller: app::Caller,
    kind: Kind,
    fairness: Rc<Fairness>,
    /// While it is under way.
    place: RefCell<Option<Place>>,
}

impl Caller {
    fn new(caller: app::Caller, kind: Kind, fairness: Rc<Fairness>) -> Self {
        Self(Rc::new(Request { caller, kind, fairness, place: RefCell::default() }))
    }

    /// Waits until it is the turn of this connector, before anything is done for the request, whose body
    /// has so many bytes.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] when too many of its requests wait already.
    pub(crate) async fn enter(&self, body_bytes: usize) -> Result<(), Refusal> {
        let Request { caller, kind, fairness, place } = &*self.0;
        let (workspace, connector) = (caller.workspace.clone(), caller.connector.clone());
        let kind = kind.with_body(body_bytes);
        let taken = fairness.enter(Source { workspace, connector }, kind).await?;
        place.replace(Some(taken));
        Ok(())
    }

    /// Runs what answers the request, and counts the worker's time that this takes.
    async fn timed<T>(&self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        poll_fn(|context| {
            let begun = Instant::now();
            let polled = answer.as_mut().poll(context);
            self.takes(begun.elapsed());
            polled
        })
        .await
    }

    /// Counts time that it has taken elsewhere.
    pub(crate) fn takes(&self, time: Duration) {
        if let Some(place) = &*self.0.place.borrow() {
            place.takes(time);
        }
    }

    /// Nothing more is done for the request.
    fn leave(&self) {
        self.0.place.take();
    }

    /// The caller of a request, once it is known.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, Refused> {
        request.extensions().get::<Self>().cloned().ok_or_else(|| {
            tracing::error!("a handler is mounted where nobody is authenticated");
            Refused::internal()
        })
    }
}

impl Deref for Caller {
    type Target = app::Caller;

    fn deref(&self) -> &app::Caller {
        &self.0.caller
    }
}

impl FromRequest for Caller {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

/// Lets a request pass whose token is one of the connector's that its path names, and enters into the
/// provisioning log what came of it.
pub(crate) async fn authenticate(
    (app, fairness): (Arc<App>, Rc<Fairness>),
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let begun = Instant::now();
    let ids = request.extensions_mut().remove::<RequestIds>().unwrap_or_default();
    let path = request.match_info();
    let (workspace, connector) = (path.query("workspace"), path.query("connector"));
    match app.authenticate(workspace, connector, authorization(&request), ids).await {
        Ok(caller) => {
            let kind = kind(request.method(), request.path());
            let caller = Caller::new(caller, kind, fairness);
            request.extensions_mut().insert(caller.clone());
            let record = Record::begin(Arc::clone(&app), caller.clone(), &request, begun);
            let answer = match admit(&app, &caller, request.method()).await {
                Ok(()) => caller.timed(next.call(request)).await,
                Err(refusal) => Ok(record::refuse(request, refusal)),
            };
            // Of a request that was refused, too.
            app.keep_sightings(&caller).await;
            caller.leave();
            record.end(&answer);
            answer
        }
        Err(refusal) => Ok(request.into_response(Refused::from(refusal).error_response())),
    }
}

/// What a request takes of the server.
fn kind(method: &Method, path: &str) -> Kind {
    if method.is_safe() || path.ends_with("/.search") { Kind::Read } else { Kind::Change }
}

/// Whether a request may go on, and when. One with a body enters when that has come (`body`): a client
/// that sends slowly keeps no place from others of its connector.
async fn admit(app: &App, caller: &Caller, method: &Method) -> Result<(), Refusal> {
    app.admit(caller)?;
    if [Method::POST, Method::PUT, Method::PATCH].contains(method) {
        return Ok(());
    }
    caller.enter(0).await
}

/// Lets every request pass, since what is asked for says nothing of anybody. One whose token is one of the
/// connector's gets its entry in the provisioning log, as every authenticated request does, and is answered
/// like any other: a connector that is paused has its configuration too.
pub(crate) async fn recognize(
    (app, fairness): (Arc<App>, Rc<Fairness>),
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let begun = Instant::now();
    if authorization(&request).is_none() {
        return next.call(request).await;
    }
    let ids = request.extensions_mut().remove::<RequestIds>().unwrap_or_default();
    let path = request.match_info();
    let (workspace, connector) = (path.query("workspace"), path.query("connector"));
    let caller = app.authenticate(workspace, connector, authorization(&request), ids).await;
    let Ok(caller) = caller else { return next.call(request).await };
    // It takes no place from others: what it asks for is in memory.
    let caller = Caller::new(caller, Kind::Read, fairness);
    let record = Record::begin(app, caller, &request, begun);
    let answer = next.call(request).await;
    record.end(&answer);
    answer
}

/// The header as text; what is no text is no token either, but it is not absent.
fn authorization(request: &ServiceRequest) -> Option<&str> {
    let header = request.headers().get(header::AUTHORIZATION)?;
    Some(header.to_str().unwrap_or("not text"))
}
