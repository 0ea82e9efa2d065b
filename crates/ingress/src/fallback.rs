//! What is not there: unknown endpoints, other methods, parts of SCIM that this server does not have.

use actix_web::{
    HttpResponse, ResponseError,
    http::header::ALLOW,
    web::{self, ServiceConfig},
};

use crate::error::Refused;

/// Endpoints that SCIM has and we do not serve.
const UNSERVED: &[&str] = &["", "/Me", "/Bulk", "/.search", "/Users/.search", "/Groups/.search"];

pub(crate) fn routes(config: &mut ServiceConfig) {
    for path in UNSERVED {
        config.service(web::resource(*path).to(not_implemented));
    }
}

/// 404: below a Base URL, but no endpoint.
pub(crate) async fn unknown_endpoint() -> Result<HttpResponse, Refused> {
    Err(scim::Error::not_found("there is no such endpoint").into())
}

/// 404: not below any Base URL.
pub(crate) async fn unknown_base() -> Result<HttpResponse, Refused> {
    let detail = "this is no Base URL: one looks like /scim/v2/{workspace}/{connector}";
    Err(scim::Error::not_found(detail).into())
}

/// 405, with the methods that there are.
pub(crate) fn method_not_allowed(allow: &'static str) -> HttpResponse {
    let error = scim::Error::method_not_allowed(format!("only {allow} are possible here"));
    let mut response = Refused::from(error).error_response();
    response.headers_mut().insert(ALLOW, actix_web::http::header::HeaderValue::from_static(allow));
    response
}

/// 501. `/Me` has no meaning for a token that is nobody's (RFC 7644 §3.11).
async fn not_implemented() -> Result<HttpResponse, Refused> {
    Err(scim::Error::not_implemented("this server does not have this part of SCIM").into())
}
