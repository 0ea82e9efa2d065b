//! What every request has around it: ids, one line in the log, a problem whatever goes wrong.
//!
//! The line names the pattern of the route and how it ended; a query string, a body or a header is
//! never logged.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use app::{App, RequestIds};
use event_log::WorkspaceId;
use futures_util::FutureExt;
use tracing::Instrument;

use crate::problem::Refused;

/// The header in which clients send their id of a request, and in which all get it back.
const REQUEST_ID: HeaderName = HeaderName::from_static(RequestIds::HEADER);

/// The header that names the views of a workspace that are not whole.
const STALE: HeaderName = HeaderName::from_static("muster-stale");

/// Runs a request in its envelope.
pub(crate) async fn envelope(
    app: Arc<App>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let ids = request_ids(request.headers(), app.fresh_id().to_string());
    let echo = HeaderValue::from_str(&ids.correlation).ok();
    let span = tracing::info_span!(
        "api",
        request.id = ids.request,
        request.correlation = ids.correlation,
    );
    let (method, begun) = (request.method().clone(), Instant::now());
    request.extensions_mut().insert(ids);
    let answer = AssertUnwindSafe(next.call(request)).catch_unwind().instrument(span.clone());
    let refused = match answer.await {
        Ok(Ok(mut response)) => {
            let (took, status) = (begun.elapsed(), response.status().as_u16());
            app.meters().api(method.as_str(), status, took);
            let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            span.in_scope(|| {
                tracing::info!(
                    http.method = method.as_str(),
                    http.route = response.request().match_pattern(),
                    http.status = status,
                    duration_us,
                    "a request to the API was answered"
                );
            });
            response = as_problem(response);
            let stale = stale(&app, response.request());
            let headers = response.headers_mut();
            stale.into_iter().for_each(|it| drop(headers.insert(STALE, it)));
            echo.into_iter().for_each(|echo| drop(headers.insert(REQUEST_ID, echo)));
            // Answers are about people, and some hold a token.
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            return Ok(response);
        }
        Ok(Err(error)) => {
            let status = error.as_response_error().status_code();
            app.meters().api(method.as_str(), status.as_u16(), begun.elapsed());
            foreign(status)
        }
        Err(_panic) => {
            app.meters().api(method.as_str(), 500, begun.elapsed());
            span.in_scope(|| tracing::error!("a request to the API panicked"));
            foreign(StatusCode::INTERNAL_SERVER_ERROR)
        }
    };
    // The request has moved on, so that the answer has to be made without it, further out.
    Err(echo.into_iter().fold(refused, |refused, echo| refused.with(REQUEST_ID, echo)).into())
}

/// What of the workspace in a request's path does not show the whole of what happened there, as a list
/// (RFC 9651 §3.1); nothing, where all is well.
fn stale(app: &App, request: &HttpRequest) -> Option<HeaderValue> {
    let workspace = WorkspaceId::parse(request.match_info().get("ws")?).ok()?;
    let stale = app.stale_in(&workspace);
    if stale.is_empty() { None } else { HeaderValue::from_str(&stale.join(", ")).ok() }
}

/// An error that anything but us has written, said again as a problem.
fn as_problem(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.headers().contains_key(CONTENT_TYPE) {
        return response;
    }
    let (request, _) = response.into_parts();
    let problem = actix_web::ResponseError::error_response(&foreign(status));
    ServiceResponse::new(request, problem)
}

fn foreign(status: StatusCode) -> Refused {
    let failed = status.is_server_error();
    Refused::from_status(status, if failed { "the server failed" } else { "not understood" })
}

/// The ids of a request.
fn request_ids(headers: &HeaderMap, fresh: String) -> RequestIds {
    RequestIds::new(fresh, |name| headers.get(name)?.to_str().ok())
}
