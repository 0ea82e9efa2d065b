//! What is not there: unknown endpoints, other methods, parts of SCIM that this server does not have.

use actix_web::{
    HttpResponse, Route,
    http::{
        Method,
        header::{ALLOW, HeaderValue},
    },
    web,
};

use crate::{endpoint::Endpoint, error::Refused, respond::Answer};

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/Me").any(not_implemented)]
}

/// What a resource answers to the methods for which it has no route: 405 with those that it has,
/// and to `OPTIONS` these alone.
pub(crate) fn others(allow: String) -> Route {
    web::to(move |method: Method| {
        let allow = allow.clone();
        async move {
            if method == Method::OPTIONS {
                return HttpResponse::NoContent().insert_header((ALLOW, allow)).finish();
            }
            method_not_allowed(&allow)
        }
    })
}

/// 404: below a Base URL, but no endpoint.
pub(crate) async fn unknown_endpoint() -> Answer {
    Err(scim::Error::not_found("there is no such endpoint").into())
}

/// 404: not below any Base URL.
pub(crate) async fn unknown_base() -> Answer {
    let detail = "this is no Base URL: one looks like /scim/v2/{workspace}/{connector}";
    Err(scim::Error::not_found(detail).into())
}

/// 405, with the methods that there are.
fn method_not_allowed(allow: &str) -> HttpResponse {
    let error = scim::Error::method_not_allowed(format!("possible here: {allow}"));
    let mut response = HttpResponse::from_error(Refused::from(error));
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// 501. `/Me` has no meaning for a token that is nobody's (RFC 7644 §3.11).
async fn not_implemented() -> Answer {
    let detail = "/Me is nobody here: a token belongs to a connector, not to a user";
    Err(scim::Error::not_implemented(detail).into())
}
