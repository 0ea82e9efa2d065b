//! What is answered when something is refused or fails: problem details (RFC 9457).

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use app::Refusal;
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of problem details.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Problem details.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Says no more than the status.
    #[schema(example = "about:blank")]
    r#type: &'static str,
    /// The status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong, and what to do.
    detail: String,
    /// The field of the body that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Where in the body, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// Where in the line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    /// Of a past that is being built: how many of its events are in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<u64>,
    /// And how many it has. Whoever asks again waits for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
}

/// A request that is answered with a problem.
#[derive(Clone, Debug)]
pub(crate) struct Refused(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    problem: Problem,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refused {
    /// A problem that `app` does not know of, since it is one of HTTP.
    pub(crate) fn from_status(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Problem").to_owned();
        let (status, detail) = (status.as_u16(), detail.into());
        let r#type = "about:blank";
        let (field, line, column, done, of) = Default::default();
        let problem = Problem { r#type, title, status, detail, field, line, column, done, of };
        Self(Box::new(Parts { problem, headers: Vec::new() }))
    }

    /// A body that does not read.
    pub(crate) fn unreadable(detail: String, field: Option<String>, at: (usize, usize)) -> Self {
        let mut refused = Self::from_status(StatusCode::BAD_REQUEST, detail);
        let placed = at.0 > 0;
        refused.0.problem.field = field;
        refused.0.problem.line = placed.then_some(at.0);
        refused.0.problem.column = placed.then_some(at.1);
        refused
    }

    /// A parameter of the query string that is not what it has to be.
    pub(crate) fn parameter(name: &str, what: &str) -> Self {
        Refusal::Malformed(format!("{name}: {what}")).into()
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let retry_after = refusal.retry_after();
        let app::Problem { status, title, detail, built } = refusal.into_problem();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut refused = Self::from_status(status, detail);
        title.clone_into(&mut refused.0.problem.title);
        (refused.0.problem.done, refused.0.problem.of) = built.unzip();
        if let Some(seconds) = retry_after {
            refused = refused.with(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"muster\"");
            refused = refused.with(WWW_AUTHENTICATE, challenge);
        }
        refused
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.problem.detail)
    }
}

impl std::error::Error for Refused {}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type(MEDIA_TYPE);
        for header in &self.0.headers {
            response.insert_header(header.clone());
        }
        response.body(serde_json::to_string(&self.0.problem).unwrap_or_default())
    }
}

/// 404 for a path that leads nowhere.
pub(crate) fn no_route() -> Refused {
    let detail = "there is no such route: /api/v1/openapi.json lists them all";
    Refused::from_status(StatusCode::NOT_FOUND, detail)
}

/// 405 for a method that a path does not have.
pub(crate) fn not_allowed(allowed: &str) -> Refused {
    let detail = format!("this path takes {allowed}");
    let refused = Refused::from_status(StatusCode::METHOD_NOT_ALLOWED, detail);
    match HeaderValue::from_str(allowed) {
        Ok(allowed) => refused.with(ALLOW, allowed),
        Err(_) => refused,
    }
}

impl actix_web::Responder for Refused {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &actix_web::HttpRequest) -> HttpResponse {
        self.error_response()
    }
}
