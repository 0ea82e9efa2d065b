//! The endpoints of `/Groups`, one file for each verb.

mod create;
mod delete;
mod get;
mod patch;
mod replace;

use actix_web::{
    HttpResponse,
    web::{self, ServiceConfig},
};

use crate::{error::Refused, readable, search};

type Answer = Result<HttpResponse, Refused>;

pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            readable("/Groups", search::groups, "GET, HEAD, POST")
                .route(web::post().to(create::create)),
        )
        .service(
            readable("/Groups/{id}", get::get, "GET, HEAD, PUT, PATCH, DELETE")
                .route(web::put().to(replace::replace))
                .route(web::patch().to(patch::patch))
                .route(web::delete().to(delete::delete)),
        );
}
