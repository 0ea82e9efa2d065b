//! SCIM over HTTP: who asks, what they send, the endpoints, and the dialects of IdPs.
//!
//! A request passes the `envelope` (ids, one line in the log, SCIM JSON whatever happens), is
//! authenticated by `caller` before a byte of its body is read, and reaches a handler of a few
//! lines: one file for each verb below `users` and `groups`. What an IdP sends that the RFC does not
//! allow is undone in `quirks` before anything else sees it.
//!
//! ```no_run
//! # fn serve(app: std::sync::Arc<app::App>) {
//! let server = actix_web::HttpServer::new(move || {
//!     actix_web::App::new().configure(ingress::configure(std::sync::Arc::clone(&app)))
//! });
//! # }
//! ```
//!
//! Invariant: every answer below `/scim` is SCIM JSON, errors of any kind included.
//! Invariant: no IdP is named outside `quirks`.
//! Invariant: nothing of a body, a query string or an `Authorization` header is ever logged.

mod body;
mod bulk;
mod caller;
mod conditions;
mod discovery;
mod document;
mod envelope;
mod error;
mod fallback;
mod groups;
mod id;
mod members;
mod messages;
mod pieces;
mod query;
mod quirks;
mod respond;
mod search;
mod slashes;
mod users;

use std::sync::Arc;

use actix_web::{
    FromRequest, Handler, Resource, Responder,
    middleware::from_fn,
    web::{self, Data, ServiceConfig},
};
use app::App;

pub use body::{BODY_BYTES_MAX, BODY_SECONDS_MAX, DEPTH_MAX, USER_BODY_BYTES_MAX, VALUES_MAX};
pub use quirks::names as quirk_names;

/// Under which path a connector's endpoints lie; [`App::base_url`] says the same with a host.
const BASE: &str = "/scim/v2/{workspace}/{connector}";

/// Mounts the SCIM endpoints of every connector of every workspace, and answers everything else
/// below `/scim` as SCIM does.
pub fn configure(app: Arc<App>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        let (outer, inner, below) = (Arc::clone(&app), Arc::clone(&app), Arc::clone(&app));
        let authenticated = web::scope("")
            .wrap(from_fn(move |request, next| {
                caller::authenticate(Arc::clone(&inner), request, next)
            }))
            .configure(fallback::routes)
            .configure(search::routes)
            .configure(bulk::routes)
            .configure(users::routes)
            .configure(groups::routes)
            .configure(discovery::routes)
            .default_service(web::to(fallback::unknown_endpoint));
        let connector = web::scope(BASE)
            .app_data(Data::from(app))
            .wrap(from_fn(move |request, next| {
                envelope::envelope(Arc::clone(&outer), request, next)
            }))
            .configure(discovery::public_routes)
            .service(authenticated);
        let elsewhere = web::scope("/scim")
            .wrap(from_fn(move |request, next| {
                envelope::envelope(Arc::clone(&below), request, next)
            }))
            .default_service(web::to(fallback::unknown_base));
        config.service(connector).service(elsewhere);
    }
}

/// A resource that answers `GET`, `HEAD` and `OPTIONS`, and 405 to what it is not given routes for.
fn readable<F, Args>(path: &str, get: F, allow: &'static str) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let head = get.clone();
    web::resource(path)
        .route(web::get().to(get))
        .route(web::head().to(head))
        .default_service(fallback::others(allow))
}
