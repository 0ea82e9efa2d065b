//! The API for administrators, `/api/v1`, with its OpenAPI document, and the probes at the root.
//!
//! A resource is a file: its handlers, what they take and show, and the list of its endpoints.
//! Routes and document are made from the same list, so that neither can say what the other does not.
//! A handler takes who asks, calls [`App`] and shows the result; what may be refused is decided
//! there, and `app` alone knows which refusal is which status.
//!
//! ```no_run
//! # fn serve(app: std::sync::Arc<app::App>) {
//! let probes = admin::Probes::new(std::sync::Arc::clone(&app));
//! let server = actix_web::HttpServer::new(move || {
//!     actix_web::App::new()
//!         .configure(admin::configure(std::sync::Arc::clone(&app)))
//!         .configure(admin::configure_probes(&probes))
//! });
//! # }
//! ```
//!
//! Invariant: who may use a route stands in `roles`, and is looked at before anything else.
//! Invariant: a handler gets at [`App`] only together with the person who asks.
//! Invariant: every error below `/api/v1` is a problem (RFC 9457), routes that are not there included.
//! Invariant: a token's secret stands in the one answer that makes it, and nowhere else.

mod access;
mod accounts;
mod answer;
mod api_access;
mod ask;
mod attribute_history;
mod attribute_mapping;
mod backups;
mod body;
mod connectors;
mod databases;
mod deliveries;
mod devices;
mod effects;
mod endpoint;
mod envelope;
mod erasures;
mod events;
mod export;
mod extensions;
mod follow;
mod groups;
mod history;
mod holds;
mod mdm_services;
mod moment;
mod offboardings;
mod openapi;
mod params;
mod policies;
mod probes;
mod problem;
mod projection_builds;
mod projection_holds;
mod projections;
mod proofs;
mod provisioning;
mod provisioning_log;
mod publications;
mod role_mapping;
mod roles;
mod rule_in_force;
mod saml;
mod scim;
mod scrape;
mod segments;
mod timeline;
mod tokens;
mod words;
mod workspaces;

use std::{future::ready, sync::Arc};

use actix_web::{
    middleware::from_fn,
    web::{self, Data, PayloadConfig, ServiceConfig},
};
use app::App;

pub use self::projections::{Projection, Verified};
use endpoint::Endpoint;
pub use events::Event;
pub use mdm_services::configure_reports;
pub use probes::{Probes, configure_probes};

/// Where the API lies.
const BASE: &str = "/api/v1";
/// The most bytes that a body may have.
const BODY_BYTES_MAX: usize = 1 << 20;

/// What there is: one line for each resource.
const RESOURCES: &[fn() -> Vec<Endpoint>] = &[
    openapi::endpoints,
    api_access::endpoints,
    workspaces::endpoints,
    saml::endpoints,
    access::endpoints,
    scim::endpoints,
    connectors::endpoints,
    provisioning::endpoints,
    rule_in_force::endpoints,
    role_mapping::endpoints,
    extensions::endpoints,
    attribute_mapping::endpoints,
    attribute_history::endpoints,
    tokens::endpoints,
    accounts::endpoints,
    erasures::endpoints,
    groups::endpoints,
    publications::endpoints,
    segments::endpoints,
    policies::endpoints,
    devices::endpoints,
    mdm_services::endpoints,
    events::endpoints,
    follow::endpoints,
    timeline::endpoints,
    export::endpoints,
    proofs::endpoints,
    provisioning_log::endpoints,
    offboardings::endpoints,
    holds::endpoints,
    history::endpoints,
    effects::endpoints,
    deliveries::endpoints,
    projections::endpoints,
    backups::endpoints,
    projection_holds::endpoints,
    projection_builds::endpoints,
];

/// Adds `/api/v1` to a server.
pub fn configure(app: Arc<App>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        let scope = web::scope(BASE)
            .app_data(Data::from(Arc::clone(&app)))
            .app_data(PayloadConfig::new(BODY_BYTES_MAX));
        let scope =
            endpoint::by_path(endpoints()).into_iter().fold(scope, |scope, (path, endpoints)| {
                scope.service(endpoint::resource(&path, endpoints))
            });
        let around =
            from_fn(move |request, next| envelope::envelope(Arc::clone(&app), request, next));
        config.service(scope.default_service(web::to(|| ready(problem::no_route()))).wrap(around));
    }
}

fn endpoints() -> Vec<Endpoint> {
    RESOURCES.iter().flat_map(|endpoints| endpoints()).collect()
}
