//! `GET /Users/{id}`, RFC 7644 §3.4.1.

use actix_web::{http::StatusCode, web::Data};
use app::App;
use domain::ids::EntryId;

use super::Answer;
use crate::{caller::Caller, id::Id, query::Query, respond::Show};

pub(super) async fn get(caller: Caller, app: Data<App>, Id(id): Id, query: Query) -> Answer {
    let show = Show::new(&app, &caller, query.projection()?);
    let user = app.user(&caller, EntryId(id)).await?;
    Ok(show.user(user).respond(StatusCode::OK))
}
