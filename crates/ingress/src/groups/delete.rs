//! `DELETE /Groups/{id}`, RFC 7644 §3.6.

use actix_web::{HttpResponse, web::Data};
use app::App;
use domain::ids::GroupId;

use crate::{caller::Caller, conditions::IfMatch, id::Id, respond::Answer};

pub(super) async fn delete(
    caller: Caller,
    app: Data<App>,
    Id(id): Id,
    IfMatch(if_match): IfMatch,
) -> Answer {
    app.delete_group(&caller, GroupId(id), if_match).await?;
    Ok(HttpResponse::NoContent().finish())
}
