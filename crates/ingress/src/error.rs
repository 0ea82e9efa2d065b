//! Refusals as HTTP: the SCIM error of RFC 7644 §3.12 with the headers that its status asks for.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header, header::HeaderValue},
};

use crate::{envelope::REQUEST_ID, respond};

/// The name of the way in which clients prove who they are, RFC 6750 §3.
const CHALLENGE: &str = "Bearer";

/// Why a request is answered with an error, and what stands in the answer's head.
#[derive(Debug)]
pub(crate) struct Refused {
    error: scim::Error,
    retry_after_seconds: Option<u32>,
    request_id: Option<HeaderValue>,
}

impl Refused {
    /// Our fault. The cause has been logged; the client learns nothing of it.
    pub(crate) fn internal() -> Self {
        scim::Error::internal("the server failed").into()
    }

    /// What the client is told.
    pub(crate) fn error(&self) -> &scim::Error {
        &self.error
    }

    /// What somebody else has refused with no more than a status.
    pub(crate) fn from_status(status: StatusCode) -> Self {
        let reason = status.canonical_reason().unwrap_or("the request was refused");
        scim::Error::new(status.as_u16(), reason).into()
    }

    /// Gives the client its request id back. Answers that pass the envelope have it from there.
    pub(crate) fn echoing(self, request_id: Option<HeaderValue>) -> Self {
        Self { request_id, ..self }
    }
}

impl From<scim::Error> for Refused {
    fn from(error: scim::Error) -> Self {
        Self { error, retry_after_seconds: None, request_id: None }
    }
}

impl From<app::Refusal> for Refused {
    fn from(refusal: app::Refusal) -> Self {
        let retry_after_seconds = refusal.retry_after();
        Self { retry_after_seconds, ..Self::from(refusal.into_scim()) }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Refused {}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if self.status_code() == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, CHALLENGE));
        }
        if let Some(seconds) = self.retry_after_seconds {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(request_id) = &self.request_id {
            response.insert_header((REQUEST_ID, request_id.clone()));
        }
        respond::json(&mut response, &self.error.to_json())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_bring_the_headers_that_go_with_them() {
        let response = Refused::from(app::Refusal::Unauthorized(app::Unauthorized::Missing));
        let response = response.error_response();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers().get(header::WWW_AUTHENTICATE).unwrap(), "Bearer");
        assert_eq!(response.headers().get(header::RETRY_AFTER), None);

        let response =
            Refused::from(app::Refusal::Paused(domain::workspace::Paused::Hand)).error_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers().get(header::RETRY_AFTER).unwrap(), "30");
        assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), respond::SCIM_JSON);
    }
}
