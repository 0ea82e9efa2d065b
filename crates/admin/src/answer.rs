//! What is answered when all is well.

use actix_web::{HttpRequest, HttpResponse, Responder, body::BoxBody, http::StatusCode, web::Json};
use app::admin::page::Listed;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Refused;

/// An object, or why not.
pub(crate) type Answer<T> = Result<Json<T>, Refused>;

/// A part of a list, or why not.
pub(crate) type Part<T> = Answer<Page<T>>;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// What is in it, in order.
    items: Vec<T>,
    /// The `cursor` of the next part; null after the last one.
    next_cursor: Option<String>,
}

/// Shows a part of a list.
pub(crate) fn page<T, U>(listed: Listed<T>, show: impl FnMut(T) -> U) -> Json<Page<U>> {
    let Listed { items, next } = listed.map(show);
    Json(Page { items, next_cursor: next })
}

/// 201 with what was made.
pub(crate) struct Created<T>(pub(crate) T);

impl<T: Serialize> Responder for Created<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::build(StatusCode::CREATED).json(self.0)
    }
}

/// 204.
pub(crate) struct Done;

impl Responder for Done {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::new(StatusCode::NO_CONTENT)
    }
}
