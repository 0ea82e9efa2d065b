//! The endpoints of `/Groups`, one file for each verb.

mod create;
mod delete;
mod get;
mod patch;
mod replace;

use actix_web::http::Method;

use crate::{endpoint::Endpoint, search};

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/Groups").get(search::groups).on(Method::POST, create::create),
        Endpoint::at("/Groups/{id}")
            .get(get::get)
            .on(Method::PUT, replace::replace)
            .on(Method::PATCH, patch::patch)
            .on(Method::DELETE, delete::delete),
    ]
}
