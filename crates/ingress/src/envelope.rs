//! What every request has around it: ids, one line in the log, an answer in SCIM JSON.
//!
//! The line says who asked for which kind of thing and how it ended, never what was in it: a path is
//! logged as the pattern of its route, and a query string or a body not at all.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use actix_web::{
    Error, HttpMessage, ResponseError,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use app::{App, RequestIds};
use domain::ids::ConnectorName;
use event_log::WorkspaceId;
use futures_util::FutureExt;
use tracing::{Instrument, Span};

use crate::{error::Refused, respond, slashes};

/// The header in which clients send their id of a request, and in which all get it back.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static(RequestIds::HEADER);

/// Runs a request in its envelope.
pub(crate) async fn envelope(
    app: Arc<App>,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    slashes::tidy(&mut request);
    let ids = request_ids(request.headers(), app.fresh_id().to_string());
    let echo = HeaderValue::from_str(&ids.correlation).ok();
    let plain = wants_plain_json(request.headers());
    let mut line = Line::begin(&request, &ids);
    request.extensions_mut().insert(ids);
    let answer = AssertUnwindSafe(next.call(request)).catch_unwind();
    let refused = match answer.instrument(line.span.clone()).await {
        Ok(Ok(response)) => {
            let mut response = in_scim(response);
            line.end(response.status(), || response.request().match_pattern());
            let headers = response.headers_mut();
            if let Some(echo) = echo {
                headers.insert(REQUEST_ID, echo);
            }
            if plain && headers.contains_key(CONTENT_TYPE) {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(respond::JSON));
            }
            return Ok(response);
        }
        Ok(Err(error)) => Refused::from_status(error.as_response_error().status_code()),
        Err(_panic) => Refused::internal(),
    };
    // The request has moved on, so that the answer has to be made without it, further out.
    line.end(refused.status_code(), || None);
    Err(refused.echoing(echo).into())
}

/// An error that anything but us has written, said again as SCIM says it.
fn in_scim(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let content_type = response.headers().get(CONTENT_TYPE);
    if !is_error || content_type.is_some_and(|found| found == respond::SCIM_JSON) {
        return response;
    }
    let (request, _) = response.into_parts();
    ServiceResponse::new(request, Refused::from_status(status).error_response())
}

/// Whether a client reads `application/json` and has not heard of SCIM's media type.
///
/// # Source
/// RFC 7644 §3.8: both are supported; without a preference the answer is "application/scim+json".
fn wants_plain_json(headers: &HeaderMap) -> bool {
    let accepted = || {
        let values = headers.get_all(ACCEPT).filter_map(|value| value.to_str().ok());
        let ranges = values.flat_map(|value| value.split(','));
        ranges.map(|range| range.split(';').next().unwrap_or(range).trim())
    };
    let accepts = |range: &str| accepted().any(|found| found.eq_ignore_ascii_case(range));
    accepts("application/json")
        && !["application/scim+json", "application/*", "*/*"].into_iter().any(accepts)
}

/// The ids of a request.
fn request_ids(headers: &HeaderMap, fresh: String) -> RequestIds {
    RequestIds::new(fresh, |name| headers.get(name)?.to_str().ok())
}

/// The line that a request leaves in the log, when it ends or when it is given up.
struct Line {
    span: Span,
    method: Method,
    begun: Instant,
    ended: bool,
}

impl Line {
    fn begin(request: &ServiceRequest, ids: &RequestIds) -> Self {
        // What does not name anything that could be here may be anything, so it is not logged.
        let workspace = request.match_info().get("workspace");
        let workspace = workspace.and_then(|text| WorkspaceId::parse(text).ok());
        let connector = request.match_info().get("connector");
        let connector = connector.and_then(|text| ConnectorName::parse(text).ok());
        let span = tracing::info_span!(
            "scim",
            workspace.id = workspace.as_ref().map(WorkspaceId::as_str),
            connector.name = connector.as_ref().map(ConnectorName::as_str),
            request.id = ids.request,
            request.correlation = ids.correlation,
        );
        Self { span, method: request.method().clone(), begun: Instant::now(), ended: false }
    }

    /// Reads that succeed are told to those who ask for more: there are so many that writing them
    /// down would cost as much as answering them.
    fn end(&mut self, status: StatusCode, route: impl FnOnce() -> Option<String>) {
        macro_rules! line {
            ($level:ident) => {
                tracing::event!(
                    tracing::Level::$level,
                    http.method = self.method.as_str(),
                    http.route = route(),
                    http.status = status.as_u16(),
                    duration_us = self.microseconds(),
                    "a SCIM request was answered"
                )
            };
        }
        self.ended = true;
        let _entered = self.span.enter();
        if self.method.is_safe() && status.is_success() { line!(DEBUG) } else { line!(INFO) }
    }

    fn microseconds(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.ended {
            let _entered = self.span.enter();
            tracing::info!(
                http.method = self.method.as_str(),
                duration_us = self.microseconds(),
                "the client of a SCIM request hung up"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{
        HttpResponse,
        body::to_bytes,
        middleware::from_fn,
        test::{TestRequest, init_service, try_call_service},
        web,
    };
    use app::{CountedIds, Parts};
    use event_log::{ManualClock, SqliteLog};
    use projections::ReadModels;
    use serde_json::Value;

    use super::*;

    fn app(dir: &std::path::Path) -> Arc<App> {
        let clock = Arc::new(ManualClock::default());
        let log = SqliteLog::temporary(clock.clone()).unwrap();
        App::new(Parts {
            read_models: ReadModels::open(dir, log.clone()).unwrap(),
            log,
            clock,
            ids: Arc::new(CountedIds::default()),
            public_url: String::new(),
            admin_digest: app::admin_digest("owner"),
            notary: Arc::new(app::Notary::temporary().unwrap()),
        })
    }

    #[actix_web::test]
    async fn whatever_goes_wrong_inside_is_scim_json_outside() {
        async fn panics() -> HttpResponse {
            panic!("hedwig@example.com")
        }
        async fn fails() -> Result<HttpResponse, Error> {
            Err(actix_web::error::ErrorBadGateway("hedwig@example.com"))
        }
        let dir = tempfile::tempdir().unwrap();
        let app = app(dir.path());
        let wrap = from_fn(move |request, next| envelope(Arc::clone(&app), request, next));
        let scope = web::scope("/scim").wrap(wrap);
        let scope = scope.route("/panics", web::get().to(panics));
        let scope = scope.route("/fails", web::get().to(fails));
        let service = init_service(actix_web::App::new().service(scope)).await;
        for (path, status) in [("/scim/panics", 500), ("/scim/fails", 502), ("/scim/nope", 404)] {
            let request = TestRequest::get().uri(path).insert_header((REQUEST_ID, "mine"));
            let response = match try_call_service(&service, request.to_request()).await {
                Ok(response) => response.into_parts().1,
                Err(error) => error.error_response(),
            };
            assert_eq!(response.status(), status, "{path}");
            assert_eq!(response.headers().get(REQUEST_ID).unwrap(), "mine");
            assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), respond::SCIM_JSON);
            let body = to_bytes(response.into_body()).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["status"], status.to_string());
            assert!(!body.to_string().contains("hedwig"), "{body}");
        }
    }
}
