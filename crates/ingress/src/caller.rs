//! Who asks: from the bearer token to the [`Caller`], before a byte of the body is read.

use std::{
    future::{Ready, ready},
    ops::Deref,
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest, ResponseError,
    body::BoxBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
};
use app::{App, RequestIds};

use crate::{
    error::Refused,
    record::{self, Record},
};

/// The connector that has proven itself. Handlers that take one are reached with a live token only.
#[derive(Clone)]
pub(crate) struct Caller(Rc<app::Caller>);

impl Caller {
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
        &self.0
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
    app: Arc<App>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let begun = Instant::now();
    let ids = request.extensions().get::<RequestIds>().cloned().unwrap_or_default();
    let path = request.match_info();
    let (workspace, connector) = (path.query("workspace"), path.query("connector"));
    match app.authenticate(workspace, connector, authorization(&request), ids).await {
        Ok(caller) => {
            let caller = Caller(Rc::new(caller));
            request.extensions_mut().insert(caller.clone());
            let record = Record::begin(Arc::clone(&app), caller.clone(), &request, begun);
            let answer = match app.admit(&caller) {
                Ok(()) => next.call(request).await,
                Err(refusal) => Ok(record::refuse(request, refusal)),
            };
            // Of a request that was refused, too.
            app.keep_sightings(&caller).await;
            record.end(&answer);
            answer
        }
        Err(refusal) => Ok(request.into_response(Refused::from(refusal).error_response())),
    }
}

/// The header as text; what is no text is no token either, but it is not absent.
fn authorization(request: &ServiceRequest) -> Option<&str> {
    let header = request.headers().get(header::AUTHORIZATION)?;
    Some(header.to_str().unwrap_or("not text"))
}
