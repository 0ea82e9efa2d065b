//! SCIM over HTTP: who asks, what they send, the endpoints, and the dialects of IdPs.
//!
//! A request passes the `envelope` (ids, one line in the log, SCIM JSON whatever happens), is
//! authenticated by `caller` before a byte of its body is read, waits for its connector's turn (`fairness`),
//! and reaches a handler of a few lines: one file for each verb below `users` and `groups`. What an IdP sends that the RFC does not
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
mod endpoint;
mod envelope;
mod error;
mod fairness;
mod fallback;
mod groups;
mod id;
mod members;
mod messages;
mod pieces;
mod query;
mod quirks;
mod record;
mod respond;
mod search;
mod slashes;
mod users;

use std::{rc::Rc, sync::Arc};

use actix_web::{
    http::Method,
    middleware::from_fn,
    web::{self, Data, ServiceConfig},
};
use app::App;
use endpoint::{Endpoint, mount};

pub use body::{BODY_BYTES_MAX, BODY_SECONDS_MAX, DEPTH_MAX, USER_BODY_BYTES_MAX, VALUES_MAX};
pub use quirks::names as quirk_names;

/// Under which path a connector's endpoints lie; [`App::base_url`] says the same with a host.
const BASE: &str = "/scim/v2/{workspace}/{connector}";

/// What there is: one line for each file of endpoints.
const ENDPOINTS: &[fn() -> Vec<Endpoint>] = &[
    fallback::endpoints,
    search::endpoints,
    bulk::endpoints,
    users::endpoints,
    groups::endpoints,
    discovery::endpoints,
];

/// Every method of every endpoint that wants a token, by its path below the Base URL, such as
/// `/Users/{id}`. Without one there is `/ServiceProviderConfig` alone, which says nothing of anybody.
pub fn routes() -> Vec<(Method, &'static str)> {
    let of = |it: Endpoint| it.methods.into_iter().map(move |method| (method, it.path));
    endpoints().into_iter().flat_map(of).collect()
}

fn endpoints() -> Vec<Endpoint> {
    ENDPOINTS.iter().flat_map(|endpoints| endpoints()).collect()
}

/// Mounts the SCIM endpoints of every connector of every workspace, and answers everything else
/// below `/scim` as SCIM does.
pub fn configure(app: Arc<App>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        let (outer, inner, below) = (Arc::clone(&app), Arc::clone(&app), Arc::clone(&app));
        // One for each worker, as this is called by each of them.
        let fairness = Rc::<fairness::Fairness>::default();
        let open = (Arc::clone(&app), Rc::clone(&fairness));
        let public = move |config: &mut ServiceConfig| {
            for endpoint in discovery::public_endpoints() {
                let worker = open.clone();
                let recognize =
                    move |request, next| caller::recognize(worker.clone(), request, next);
                config.service(endpoint.into_resource().wrap(from_fn(recognize)));
            }
        };
        let authenticated = web::scope("")
            .wrap(from_fn(move |request, next| {
                let worker = (Arc::clone(&inner), Rc::clone(&fairness));
                caller::authenticate(worker, request, next)
            }))
            .configure(mount(endpoints()))
            .default_service(web::to(fallback::unknown_endpoint));
        let connector = web::scope(BASE)
            .app_data(Data::from(app))
            .wrap(from_fn(move |request, next| {
                envelope::envelope(Arc::clone(&outer), request, next)
            }))
            .configure(public)
            .service(authenticated);
        let elsewhere = web::scope("/scim")
            .wrap(from_fn(move |request, next| {
                envelope::envelope(Arc::clone(&below), request, next)
            }))
            .default_service(web::to(fallback::unknown_base));
        config.service(connector).service(elsewhere);
    }
}
